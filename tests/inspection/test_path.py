"""PathDisplay: order, highlighting, selection, score curve, several targets."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import lasso_path
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.datasets import make_sparse_regression
from skopt2.inspection import PathDisplay
from tests.inspection.conftest import PathFit


def labels(ax):
    return [text.get_text() for text in ax.texts]


def test_cross_validated_fit():
    fit = PathFit(scoring="neg_mean_squared_error").fit()
    display = PathDisplay.from_estimator(fit)
    # Features of the selected model first, one that never enters not at all.
    assert list(display.lines_) == ["sex", "age", "dose"]
    assert {"sex", "age", "dose", "alpha 0.1"} == set(labels(display.ax_))
    assert display.ax_.get_xscale() == "log"
    left, right = display.ax_.get_xlim()
    assert (left, right) == (1.0, 0.01)
    assert display.ax_.get_title(loc="left") == "2 of 4 features selected"
    assert display.score_ax_.get_ylabel() == "neg mean\nsquared error"
    mean = display.score_ax_.lines[0].get_ydata()
    np.testing.assert_allclose(mean, fit.scores_path_.mean(axis=1))


def test_band_is_the_standard_error_of_the_mean():
    fit = PathFit().fit()
    display = PathDisplay.from_estimator(fit)
    (band,) = display.score_ax_.collections
    heights = band.get_paths()[0].vertices[:, 1]
    error = fit.scores_path_.std(axis=1, ddof=1) / np.sqrt(3)
    assert heights.max() == pytest.approx((fit.scores_path_.mean(axis=1) + error).max())


def test_one_fold_has_no_band():
    fit = PathFit().fit()
    fit.scores_path_ = fit.scores_path_[:, :1]
    display = PathDisplay.from_estimator(fit)
    assert len(display.score_ax_.collections) == 0


def test_without_scores():
    fit = PathFit().fit()
    assert PathDisplay.from_estimator(fit, scores=False).score_ax_ is None
    del fit.scores_path_
    assert PathDisplay.from_estimator(fit).score_ax_ is None
    display = PathDisplay(fit.alphas_, fit.coef_path_)
    with pytest.raises(ValueError, match="needs the scores of a cross-validated fit"):
        display.plot(scores=True)


def test_increasing_penalties_are_turned_around():
    fit = PathFit().fit()
    fit.alphas_ = fit.alphas_[::-1]
    fit.coef_path_ = fit.coef_path_[::-1]
    fit.scores_path_ = fit.scores_path_[::-1]
    display = PathDisplay.from_estimator(fit)
    np.testing.assert_array_equal(display.lines_["age"].get_xdata(), [1, 0.1, 0.01])
    np.testing.assert_array_equal(display.lines_["age"].get_ydata(), [0, 0.5, 0.9])
    assert display.score_ax_.lines[0].get_ydata()[0] == pytest.approx(0.2)


def test_l1_norm():
    display = PathDisplay.from_estimator(PathFit().fit(), x="l1_norm", scores=False)
    np.testing.assert_allclose(display.lines_["sex"].get_xdata(), [0, 1.5, 2.2])
    assert display.ax_.get_xscale() == "linear"
    assert display.ax_.get_xlim() == (0, 2.2)


def test_path_result_and_grey_features():
    X, y, _ = make_sparse_regression(50, 80, rho=0.5, random_state=0)
    alphas, coefs, _ = lasso_path(X, y, alphas=30)
    path = SimpleNamespace(alphas=alphas, coefs=coefs.T)
    display = PathDisplay.from_path(path, n_labels=5)
    assert len(display.lines_) == 5
    largest = np.argsort(-np.abs(coefs).max(axis=1))[:5]
    assert set(display.lines_) == {f"x{j}" for j in largest}
    entered = np.count_nonzero(np.abs(coefs).max(axis=1))
    (grey,) = display.ax_.collections
    assert len(grey.get_paths()) == entered - 5
    assert (
        display.ax_.get_title(loc="left") == f"{entered} of 80 features enter the path"
    )


def test_several_targets():
    path = SimpleNamespace(
        alphas=[1.0, 0.5], coefs=np.arange(12, dtype=float).reshape(2, 3, 2)
    )
    display = PathDisplay.from_path(path)
    np.testing.assert_allclose(display.lines_["x0"].get_ydata(), [1.0, np.hypot(6, 7)])
    assert display.ax_.get_ylabel() == "norm of coefficients over classes"
    display = PathDisplay.from_path(path, target=1)
    np.testing.assert_allclose(display.lines_["x0"].get_ydata(), [1.0, 7.0])
    assert display.ax_.get_ylabel() == "coefficient of class 1"


def test_targets_before_features_are_recognised():
    fit = PathFit().fit()
    fit.coef_path_ = np.stack([fit.coef_path_, fit.coef_path_ * 2], axis=1)
    display = PathDisplay.from_estimator(fit, target=1, scores=False)
    np.testing.assert_allclose(display.lines_["age"].get_ydata(), [0, 1.0, 1.8])


def test_penalty_of_zero_has_no_place_on_the_logarithmic_axis():
    display = PathDisplay([1.0, 0.1, 0.0], [[0.0], [1.0], [2.0]], alpha=0.0).plot()
    assert display.ax_.get_xlim() == (1.0, 0.1)
    assert labels(display.ax_) == ["x0"]


def test_path_of_zeros():
    display = PathDisplay([1.0, 0.1], np.zeros((2, 3))).plot()
    assert display.lines_ == {}
    display.figure_.canvas.draw()


def test_single_penalty():
    display = PathDisplay([1.0], [[1.0, 2.0]]).plot()
    display.figure_.canvas.draw()
    assert list(display.lines_) == ["x1", "x0"]


def test_pipeline_names_come_from_the_steps_before(figures):
    import pandas as pd

    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(9, 4)), columns=[*"abcd"]
    )
    pipeline = make_pipeline(StandardScaler(), PathFit()).fit(frame, np.arange(9))
    assert "a" in PathDisplay.from_estimator(pipeline, scores=False).lines_


def test_labels_do_not_overlap():
    coefs = np.vstack([np.zeros(8), 1 + 1e-3 * np.arange(8)])
    display = PathDisplay([1.0, 0.1], coefs).plot()
    display.figure_.canvas.draw()
    boxes = sorted(
        (text.get_window_extent() for text in display.ax_.texts), key=lambda b: b.y0
    )
    assert all(a.y1 <= b.y0 + 1 for a, b in zip(boxes[:-1], boxes[1:], strict=True))


def test_given_axes(figures):
    fit = PathFit().fit()
    _, axes = figures.subplots(2, 1)
    display = PathDisplay.from_estimator(fit, ax=axes, linewidth=4)
    assert (display.ax_, display.score_ax_) == tuple(axes)
    assert display.lines_["age"].get_linewidth() == 4
    with pytest.raises(ValueError, match=r"draws 2 panel\(s\)"):
        PathDisplay.from_estimator(fit, ax=axes[0])


def test_errors():
    with pytest.raises(NotFittedError):
        PathDisplay.from_estimator(PathFit())
    with pytest.raises(ValueError, match="x must be one of 'alpha', 'l1_norm'"):
        PathDisplay([1.0], [[1.0]]).plot(x="lambda")
    with pytest.raises(ValueError, match=r"coefs must have shape \(n_alphas, n_feat"):
        PathDisplay([1.0, 2.0], [[1.0]]).plot()
    with pytest.raises(ValueError, match="feature_names must have length 1"):
        PathDisplay([1.0], [[1.0]], feature_names=["a", "b"]).plot()
    with pytest.raises(ValueError, match="scores must have one row for each of the 2"):
        PathDisplay([1.0, 0.1], [[1.0], [2.0]], scores=[[1.0]]).plot(scores=True)
