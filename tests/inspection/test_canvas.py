"""Shared drawing: label placement, the missing extra, no global side effects."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from skopt2.inspection import ConvergenceDisplay, PathDisplay, SupportDisplay
from skopt2.inspection.canvas import label_ends, label_right, spread
from skopt2.inspection.fitted import unwrap
from tests.inspection.conftest import Fit, PathFit


def test_spread_keeps_the_gap_the_order_and_the_mean():
    rng = np.random.default_rng(0)
    for _ in range(20):
        positions = rng.uniform(size=6)
        moved = spread(positions, 0.3)
        np.testing.assert_array_equal(np.argsort(moved), np.argsort(positions))
        assert np.diff(np.sort(moved)).min() >= 0.3 - 1e-12
        assert moved.mean() == pytest.approx(positions.mean())


def test_spread_moves_nothing_that_is_apart():
    np.testing.assert_allclose(spread([3.0, 0.0, 1.0], 0.5), [3.0, 0.0, 1.0])
    assert spread([], 1.0).size == 0
    np.testing.assert_array_equal(spread([2.0], 1.0), [2.0])


def test_labels_far_apart_sideways_may_share_a_height(figures):
    _, ax = figures.subplots()
    ax.set_xlim(0, 10)
    ends = [(1.0, 0.5), (9.0, 0.5), (9.0, 0.5)]
    first, second, third = label_ends(ax, ends, ["a", "b", "c"], ["k"] * 3)
    assert first.xyann[1] == pytest.approx(0)
    assert second.xyann[1] != third.xyann[1]


def test_label_right_returns_texts_in_order(figures):
    _, ax = figures.subplots()
    texts = label_right(ax, [0.9, 0.1], ["high", "low"], ["k", "k"])
    assert [text.get_text() for text in texts] == ["high", "low"]
    assert texts[0].get_position()[1] > texts[1].get_position()[1]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: ConvergenceDisplay.from_estimator(Fit().fit()),
        lambda: PathDisplay.from_estimator(PathFit().fit()),
        lambda: SupportDisplay.from_estimator(Fit().fit()),
        lambda: SupportDisplay(np.ones(2)).plot(),
    ],
)
def test_missing_matplotlib_names_the_extra(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'skopt2\[pl"):
        draw()


def test_importing_the_package_does_not_import_matplotlib():
    code = "import sys, skopt2.inspection; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_settings_of_matplotlib_are_left_alone(figures):
    import matplotlib

    before = dict(matplotlib.rcParams)
    PathDisplay.from_estimator(PathFit().fit())
    assert dict(matplotlib.rcParams) == before


def test_steps_without_names_out_number_the_features():
    class Step:
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X

    from sklearn.pipeline import Pipeline

    pipeline = Pipeline([("step", Step()), ("fit", Fit().fit())])
    _, names = unwrap(pipeline, "coef_")
    assert names is None


def test_device_arrays_are_brought_to_the_host():
    strict = pytest.importorskip("array_api_strict")
    fit = Fit().fit()
    fit.coef_ = strict.asarray([0.0, 2.0])
    assert SupportDisplay.from_estimator(fit).coef.tolist() == [0, 2]
    path = SimpleNamespace(
        alphas=strict.asarray([1.0, 0.1]), coefs=strict.asarray([[0.0], [1.0]])
    )
    assert list(PathDisplay.from_path(path).lines_) == ["x0"]
