"""Approximate cross-validation against refits, closed forms and explicit steps."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)

from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    MultiTaskRegressor,
    SparseClassifier,
    SparseRegressor,
    SparseRegressorCV,
)
from skopt2.model_selection import approx_cross_val_score, approx_cross_validate
from skopt2.model_selection.host_problem import pose
from skopt2.penalties import Box, ElasticNet

TIGHT = {"tol": 1e-10}


def regression(rng, n=40, p=12):
    X = rng.standard_normal((n, p)) + 1.0
    return X, X[:, :3].sum(axis=1) + rng.standard_normal(n)


def classification(rng, n=80, p=8, classes=2):
    X = rng.standard_normal((n, p)) + 0.5
    scores = X[:, :classes] + rng.gumbel(size=(n, classes))
    return X, scores.argmax(axis=1)


def ridge(alpha=0.3, **options):
    return SparseRegressor(penalty=ElasticNet(0.0), alpha=alpha, **TIGHT, **options)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("p", [12, 70])
def test_ridge_is_that_of_scikit_learn(rng, p, fit_intercept):
    X, y = regression(rng, p=p)
    n = len(y)
    # A model of n - 1 rows has the penalty alpha (n - 1) in the units of RidgeCV.
    peer = RidgeCV(
        alphas=[0.3 * (n - 1)], fit_intercept=fit_intercept, store_cv_results=True
    )
    peer.fit(X, y)
    result = approx_cross_validate(ridge(fit_intercept=fit_intercept), X, y)
    assert result.method == "newton"
    np.testing.assert_allclose(-result.scores, peer.cv_results_[:, 0], rtol=1e-8)
    assert result.mean_score == pytest.approx(peer.best_score_, rel=1e-9)


@pytest.mark.parametrize("p", [12, 70])
@pytest.mark.parametrize("cv", ["loo", 4])
def test_ridge_is_that_of_refits(rng, p, cv):
    X, y = regression(rng, p=p)
    weight = rng.integers(0, 4, len(y)).astype(float)
    result = approx_cross_validate(
        ridge(), X, y, sample_weight=weight, cv=cv, n_check=4, random_state=0
    )
    assert result.max_error < 1e-9 * abs(result.mean_score)
    assert result.checked.size == result.checked_scores.size == 4
    assert result.scores.size == (4 if cv == 4 else np.count_nonzero(weight))


@pytest.mark.parametrize("p", [12, 70])
@pytest.mark.parametrize("cv", ["loo", 4])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_proximal_step_of_the_lasso_is_the_refit(rng, p, cv, penalty):
    X, y = regression(rng, p=p)
    model = SparseRegressor(penalty=penalty, alpha=0.2, **TIGHT)
    weight = rng.uniform(0.5, 2.0, len(y))
    result = approx_cross_validate(
        model, X, y, sample_weight=weight, cv=cv, n_check=4, random_state=0
    )
    assert result.method == "proximal"
    assert result.max_error < 1e-6 * abs(result.mean_score)


def test_scores_are_those_of_cross_val_score(rng):
    X, y = regression(rng)
    cv = KFold(5, shuffle=True, random_state=0)
    model = SparseRegressor(alpha=0.2, **TIGHT)
    scoring = "neg_mean_squared_error"
    exact = cross_val_score(model, X, y, cv=cv, scoring=scoring)
    for name in (None, scoring):
        ours = approx_cross_val_score(model, X, y, cv=cv, scoring=name)
        np.testing.assert_allclose(ours, exact, rtol=1e-6)
    r2 = approx_cross_val_score(model, X, y, cv=cv, scoring="r2")
    np.testing.assert_allclose(r2, cross_val_score(model, X, y, cv=cv), rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_step_is_newtons(rng, classes):
    """The step for every row against one from dense derivatives of its objective."""
    X, y = classification(rng, n=30, p=4, classes=classes)
    weight = rng.uniform(0.2, 3.0, 30)
    alpha, rho = 0.05, 0.3
    loss = "multinomial" if classes > 2 else "logistic"
    model = SparseClassifier(loss, ElasticNet(rho), alpha=alpha, tol=1e-13)
    result = approx_cross_validate(model, X, y, sample_weight=weight, method="newton")
    fitted, s = result.estimator, weight / weight.sum()
    K = 1 if classes == 2 else classes
    A = np.hstack([X, np.ones((30, 1))])
    t = np.hstack([fitted.coef_, fitted.intercept_[:, None]]).T
    free = np.vstack([t[:-1] != 0.0, np.ones((1, K), dtype=bool)]).ravel()
    bend = np.repeat([alpha * (1 - rho)] * 4 + [0.0], K)
    sign = np.vstack([np.sign(t[:-1]), np.zeros((1, K))]).ravel()
    eta = A @ t
    if K == 1:
        mean = 1.0 / (1.0 + np.exp(-eta))
        slope, h = mean - y[:, None], (mean * (1 - mean))[:, :, None]
    else:
        mean = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        slope = mean - np.eye(K)[y]
        h = np.eye(K) * mean[:, :, None] - mean[:, :, None] * mean[:, None, :]
    for i in range(30):
        rest = s.copy()
        rest[i] = 0.0
        rest /= rest.sum()
        gradient = (A.T @ (rest[:, None] * slope)).ravel()
        gradient += bend * t.ravel() + alpha * rho * sign
        H = np.einsum("i,ij,ikl,im->jkml", rest, A, h, A).reshape(free.size, -1)
        H += np.diag(bend)
        step = np.zeros(free.size)
        part = np.linalg.pinv(H[np.ix_(free, free)], hermitian=True)
        step[free] = -part @ gradient[free]
        moved = A[i] @ (t + step.reshape(t.shape))
        ours = result.predictors[i]
        np.testing.assert_allclose(
            ours - np.mean(ours) * (K > 1), moved - np.mean(moved) * (K > 1), atol=1e-6
        )


def test_jackknife_is_the_derivative_in_the_weight(rng):
    X, y = classification(rng, n=25, p=3)
    alpha, size = 0.1, 1e-5
    model = SparseClassifier(penalty=ElasticNet(0.0), alpha=alpha, tol=1e-14)
    result = approx_cross_validate(model, X, y, method="jackknife")
    full = model.fit(X, y).decision_function(X)
    for i in range(0, 25, 6):
        moved = []
        for change in (-size, size):
            weight = np.ones(25)
            weight[i] += change
            moved.append(model.fit(X, y, weight).decision_function(X[[i]])[0])
        slope = (moved[0] - moved[1]) / (2.0 * size)
        # All its weight is 1, so the linear term for none of it is the slope itself.
        assert result.predictors[i] - full[i] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(
    ("model", "share"),
    [
        (SparseClassifier(penalty=ElasticNet(0.0), alpha=0.05, **TIGHT), 0.02),
        (SparseClassifier(alpha=0.02, **TIGHT), 0.05),
        (SparseClassifier("multinomial", alpha=0.02, **TIGHT), 0.1),
        (SparseRegressor("poisson", alpha=0.05, **TIGHT), 0.02),
        (SparseRegressor("huber", "mcp", alpha=0.2, **TIGHT), 0.05),
        (GroupRegressor(groups=2, alpha=0.1, **TIGHT), 0.2),
        (GroupClassifier(groups=2, alpha=0.02, **TIGHT), 0.15),
    ],
)
def test_other_models_are_near_their_refits(rng, model, share):
    """The error is a small share of what the score on the rows of the fit is off by."""
    X, y = classification(rng, n=60, classes=2 + (model.loss == "multinomial"))
    if not hasattr(model, "predict_proba"):
        y = rng.poisson(np.exp(0.5 * X[:, 0]))
    part = approx_cross_validate(model, X, y, n_check=16, random_state=0)
    every = approx_cross_validate(model, X, y, n_check=60)
    assert every.mean_error_std == 0.0
    error = (every.scores[every.checked] - every.checked_scores).mean()
    assert every.mean_error == pytest.approx(error, rel=1e-9)
    # Sixteen folds tell the error of the mean of sixty.
    assert part.mean_error == pytest.approx(error, rel=0.5)
    posed = pose(model, X, y, None)
    seen = posed.predictor(posed.solution_of(part.estimator))
    optimism = posed.score(np.arange(60), seen) - (part.mean_score - error)
    assert abs(error) < share * optimism


def test_integer_weights_repeat_rows(rng):
    X, y = classification(rng, n=40)
    weight = rng.integers(1, 4, 40)
    model = SparseClassifier(alpha=0.02, **TIGHT)
    for method in ("newton", "proximal"):
        heavy = approx_cross_validate(model, X, y, sample_weight=weight, method=method)
        rows = np.repeat(np.arange(40), weight)
        folds = [np.flatnonzero(rows == i) for i in range(40)]
        every = np.arange(rows.size)
        cv = [(np.setdiff1d(every, fold), fold) for fold in folds]
        many = approx_cross_validate(model, X[rows], y[rows], cv=cv, method=method)
        np.testing.assert_allclose(heavy.scores, many.scores, rtol=1e-5)
        assert heavy.mean_score == pytest.approx(many.mean_score, rel=1e-6)


def test_rows_without_weight_are_as_if_dropped(rng):
    X, y = classification(rng, n=40)
    weight = np.ones(40)
    weight[::5] = 0.0
    model, kept = SparseClassifier(alpha=0.02, **TIGHT), weight > 0
    light = approx_cross_val_score(model, X, y, sample_weight=weight)
    np.testing.assert_allclose(
        light, approx_cross_val_score(model, X[kept], y[kept]), rtol=1e-6
    )


def test_rows_that_the_support_needs_are_refitted(rng):
    X, y = regression(rng)
    X[:, 0] = 0.0
    X[7, 0], y[7] = 5.0, 20.0
    model = SparseRegressor(alpha=0.05, **TIGHT)
    result = approx_cross_validate(model, X, y, method="newton")
    assert result.refitted.tolist() == [7]
    rest = np.delete(np.arange(len(y)), 7)
    alone = model.fit(X[rest], y[rest]).predict(X[[7]])[0]
    assert result.predictors[7] == pytest.approx(alone, rel=1e-8)


def test_leverages_are_those_of_least_squares(rng):
    X, y = regression(rng)
    result = approx_cross_validate(ridge(alpha=1e-12), X, y)
    A = np.hstack([X, np.ones((len(y), 1))])
    hat = np.diag(A @ np.linalg.pinv(A))
    np.testing.assert_allclose(result.leverages, hat, rtol=1e-6)


def test_scorers_see_classes(rng):
    X, y = classification(rng, classes=3)
    names = np.array(["a", "b", "c"])[y]
    model = SparseClassifier(alpha=0.01, **TIGHT)
    cv = StratifiedKFold(8, shuffle=True, random_state=1)
    for scoring in ("accuracy", "neg_log_loss"):
        ours = approx_cross_val_score(model, X, names, cv=cv, scoring=scoring)
        exact = cross_val_score(model, X, names, cv=cv, scoring=scoring)
        assert np.corrcoef(ours, exact)[0, 1] > 0.95
        assert ours.mean() == pytest.approx(exact.mean(), rel=0.1)
    np.testing.assert_allclose(ours, approx_cross_val_score(model, X, names, cv=cv))
    hinge = SparseClassifier("squared_hinge", alpha=0.05, **TIGHT)
    assert set(approx_cross_val_score(hinge, X, y == 1)) <= {0.0, 1.0}


def test_logistic_regression_of_scikit_learn(rng):
    """An implementation that shares nothing with ours, refitted for every row."""
    X, y = classification(rng, n=60, p=5)
    alpha = 0.05
    peer = LogisticRegression(C=1.0 / (59 * alpha), tol=1e-10, max_iter=1000)
    exact = cross_val_score(peer, X, y, cv=KFold(60), scoring="accuracy")
    model = SparseClassifier(penalty=ElasticNet(0.0), alpha=alpha, **TIGHT)
    ours = approx_cross_val_score(model, X, y, scoring="accuracy")
    assert np.count_nonzero(ours != exact) <= 1


def test_sparse_and_float32_and_frames(rng):
    X, y = regression(rng)
    X[np.abs(X) < 1.0] = 0.0
    model = SparseRegressor(alpha=0.1, **TIGHT)
    dense = approx_cross_val_score(model, X, y)
    for made in (sp.csr_array(X), sp.csc_matrix(X), pd.DataFrame(X)):
        np.testing.assert_allclose(approx_cross_val_score(model, made, y), dense)
    single = SparseRegressor(alpha=0.1).fit(X.astype("f"), y.astype("f"))
    ours = approx_cross_val_score(single, X.astype("f"), y.astype("f"))
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, dense, rtol=1e-2, atol=1e-2)
    frame = pd.DataFrame(X, columns=[f"x{j // 2}_{j}" for j in range(12)])
    groups = [list(frame.columns[:2]), list(frame.columns[2:6])]
    named = GroupRegressor(groups=groups, alpha=0.1, **TIGHT)
    numbered = GroupRegressor(groups=[[0, 1], [2, 3, 4, 5]], alpha=0.1, **TIGHT)
    result = approx_cross_validate(named, frame, y, n_check=3, random_state=0)
    same = approx_cross_validate(numbered, X, y, n_check=3, random_state=0)
    np.testing.assert_allclose(result.scores, same.scores)
    np.testing.assert_allclose(result.checked_scores, same.checked_scores)


def test_devices_agree(device_backend, dispatch, rng):
    X, y = classification(rng)
    model = SparseClassifier(alpha=0.02, **TIGHT)
    here = approx_cross_validate(model, X, y)
    A, b = device_backend.asarray(X), device_backend.asarray(y)
    there = approx_cross_validate(model, A, b)
    assert isinstance(there.scores, np.ndarray)
    np.testing.assert_allclose(there.scores, here.scores, rtol=1e-6)


def test_box_and_positive(rng):
    X, y = regression(rng)
    for model in (
        SparseRegressor(penalty=Box(-0.5, 0.8), alpha=0.0, **TIGHT),
        SparseRegressor(positive=True, alpha=0.0, **TIGHT),
    ):
        result = approx_cross_validate(model, X, y, n_check=5, random_state=0)
        assert result.method == "proximal"
        assert result.max_error < 1e-5 * abs(result.mean_score)


def test_the_estimator_stays_as_it_was(rng):
    X, y = regression(rng)
    model = SparseRegressor(alpha=0.1)
    before = dict(vars(model))
    result = approx_cross_validate(model, X, y)
    assert vars(model) == before
    assert result.estimator is not model
    assert result.estimator.coef_.shape == (12,)
    assert np.isnan(result.mean_error)
    assert np.isnan(result.max_error)
    assert min(result.fit_time, result.fold_time, result.check_time) >= 0.0


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        (SparseRegressor("quantile"), ValueError, "no curvature"),
        (SparseRegressor(penalty="slope"), ValueError, "slope"),
        (SparseRegressor(penalty="adaptive_l1"), ValueError, "adaptive_l1"),
        (GroupRegressor(groups=2, orthonormalize=True), ValueError, "orthonormalize"),
        (MultiTaskRegressor(), TypeError, "MultiTaskRegressor"),
        (SparseRegressorCV(), TypeError, "at one alpha"),
        (SparseRegressor(alpha=-1.0), ValueError, "alpha"),
    ],
)
def test_models_that_cannot_be_approximated(rng, model, error, match):
    X, y = regression(rng)
    with pytest.raises(error, match=match):
        approx_cross_validate(model, X, y)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "alo"}, "method="),
        ({"cv": "kfold"}, "cv="),
        ({"cv": ShuffleSplit(3, train_size=0.5, test_size=0.2)}, "does not train"),
        ({"n_check": 41}, "n_check=41"),
        ({"n_check": -1}, "n_check"),
        ({"cv": [(np.arange(1, 40), [])]}, "test part"),
        ({"sample_weight": np.zeros(40)}, "sample_weight"),
        ({"scoring": "nonsense"}, "nonsense"),
    ],
)
def test_bad_parameters(rng, options, match):
    X, y = regression(rng)
    with pytest.raises(ValueError, match=match):
        approx_cross_validate(SparseRegressor(), X, y, **options)


def test_what_cannot_be_left_out(rng):
    X, y = regression(rng)
    with pytest.raises(ValueError, match="one sample only"):
        approx_cross_validate(SparseClassifier(), X, np.arange(40) == 3)
    with pytest.raises(ValueError, match="two samples"):
        approx_cross_validate(SparseRegressor(), X[:1], y[:1])
    with pytest.raises(ValueError, match="proximal"):
        approx_cross_validate(GroupRegressor(groups=2), X, y, method="proximal")
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        approx_cross_validate(SparseRegressor(), X, y)


def test_the_result_prints_on_one_line(rng):
    X, y = regression(rng)
    text = repr(approx_cross_validate(ridge(), X, y, n_check=3, random_state=0))
    assert text.startswith("ApproximateCV(40 folds, method='newton', mean_score=-")
    assert text.endswith("in 3 checked)")
    assert len(text) < 120
