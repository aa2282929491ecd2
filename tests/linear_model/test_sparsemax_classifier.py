"""SparsemaxClassifier: the minimum, exact zeros, label sets, arrays, bad input."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.utils import estimator_checks

from skopt2._core.array import namespace
from skopt2.linear_model import SparseClassifier, SparsemaxClassifier
from skopt2.linear_model.label_sets import best_threshold, uniform_targets
from skopt2.losses import HuberizedHinge


def sample(rng, n=60, p=6, K=3):
    """Return data, classes and weights, one of them 0."""
    X = rng.standard_normal((n, p))
    scores = X[:, :K] + 0.4 * rng.gumbel(size=(n, K))
    return X, np.argmax(scores, axis=1), rng.integers(0, 4, n).astype(float)


def label_sets(rng, n=80, p=8, K=4):
    """Return data and a 0/1 matrix in which the first row has no label."""
    X = rng.standard_normal((n, p))
    Y = (X[:, :K] + 0.5 * rng.standard_normal((n, K)) > 0.3).astype(int)
    Y[0] = 0
    return X, Y


def convex_program(X, Y, weight, alpha, rho, fit_intercept):
    """Return the minimum that an interior-point solver finds."""
    cvxpy = pytest.importorskip("cvxpy")
    s = weight / weight.sum()
    W, b = cvxpy.Variable((Y.shape[1], X.shape[1])), cvxpy.Variable((1, Y.shape[1]))
    tau = cvxpy.Variable((len(X), 1))
    Z = X @ W.T + np.ones((len(X), 1)) @ b
    # The largest of <p, z> - norm(p)^2 / 2 over the simplex, by its dual.
    above = cvxpy.sum(cvxpy.square(cvxpy.pos(Z - tau @ np.ones((1, Y.shape[1])))), 1)
    linear = cvxpy.sum(cvxpy.multiply(Y, Z), axis=1) - 0.5 * (Y**2).sum(axis=1)
    loss = s @ (tau[:, 0] + 0.5 * above - linear)
    pen = rho * cvxpy.sum(cvxpy.abs(W)) + 0.5 * (1 - rho) * cvxpy.sum_squares(W)
    limits = [] if fit_intercept else [b == 0]
    problem = cvxpy.Problem(cvxpy.Minimize(loss + alpha * pen), limits)
    return problem.solve(solver="CLARABEL")


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("penalty", "rho"), [("ridge", 0.0), ("l1", 1.0)])
def test_minimum_is_that_of_the_convex_program(rng, penalty, rho, fit_intercept):
    X, y, weight = sample(rng, 40)
    model = SparsemaxClassifier(
        penalty, alpha=0.03, fit_intercept=fit_intercept, tol=1e-10
    ).fit(X, y, weight)
    value = convex_program(X, np.eye(3)[y], weight, 0.03, rho, fit_intercept)
    assert model.converged_
    assert model.objective_ == pytest.approx(value, rel=1e-6)
    assert 0 <= model.dual_gap_ <= 1e-10


def test_minimum_over_label_sets_is_that_of_the_convex_program(rng):
    X, Y = label_sets(rng, 30, 5)
    weight = rng.integers(0, 3, 30).astype(float)
    model = SparsemaxClassifier(alpha=0.02, tol=1e-10).fit(X, Y, weight)
    target = np.where(Y.any(axis=1, keepdims=True), Y, 1)
    target = target / target.sum(axis=1, keepdims=True)
    value = convex_program(X, target, weight, 0.02, 0.0, True)
    assert model.objective_ == pytest.approx(value, rel=1e-6)


def test_two_classes_are_the_huberised_hinge(rng):
    X, y, weight = sample(rng, K=2)
    model = SparsemaxClassifier(alpha=0.02, tol=1e-12).fit(X, y, weight)
    # Both rows share the penalty of their difference.
    peer = SparseClassifier(HuberizedHinge(2.0), "ridge", alpha=0.01, tol=1e-12)
    peer.fit(X, y, weight)
    assert_allclose(model.coef_[1] - model.coef_[0], peer.coef_[0], atol=1e-6)
    assert_allclose(model.decision_function(X), peer.decision_function(X), atol=1e-6)
    assert_array_equal(model.predict(X), peer.predict(X))
    assert model.objective_ == pytest.approx(peer.objective_, rel=1e-9)


def test_probabilities_are_exactly_zero(rng):
    X, y, _ = sample(rng)
    names = np.array(["a", "b", "c"])[y]
    model = SparsemaxClassifier(alpha=0.01).fit(X, names)
    p = model.predict_proba(X)
    assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert 0.1 < (p == 0).mean() < 0.6
    assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logs = model.predict_log_proba(X)
    assert_array_equal(np.isneginf(logs), p == 0)
    assert_allclose(np.exp(logs), p)
    peer = SparseClassifier("sparsemax", "ridge", alpha=0.01).fit(X, names)
    assert_array_equal(peer.predict_proba(X), p)
    assert_array_equal(peer.predict_log_proba(X), logs)
    assert model.threshold_ is None


def test_a_weight_is_a_repetition_of_a_label_set(rng):
    X, Y = label_sets(rng)
    weight = rng.integers(0, 4, len(X))
    weighted = SparsemaxClassifier(tol=1e-12).fit(X, Y, weight)
    repeated = SparsemaxClassifier(tol=1e-12).fit(
        np.repeat(X, weight, axis=0), np.repeat(Y, weight, axis=0)
    )
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)
    assert weighted.threshold_ == pytest.approx(repeated.threshold_, abs=1e-7)


def test_best_threshold_is_the_best_of_all(rng):
    X, Y = label_sets(rng)
    P = rng.dirichlet(np.full(4, 0.3), len(X)).round(2)
    weight = rng.integers(0, 3, len(X)).astype(float)

    def score(t):
        flat = np.repeat(weight, 4)
        return f1_score(Y.ravel(), (t < P).ravel(), sample_weight=flat)

    found = best_threshold(P, Y, weight)
    expected = max(score(t) for t in np.unique(np.append(P, 0.0)))
    assert score(found) == pytest.approx(expected)
    assert best_threshold(P, 0 * Y) == 1
    assert best_threshold(0 * P, Y) == 1


def test_samples_without_labels_are_uniform():
    Y = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    assert_allclose(uniform_targets(Y), [[1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5]])


@pytest.mark.parametrize("K", [2, 4])
@pytest.mark.parametrize("threshold", ["auto", 0.0, 0.3])
def test_labels_have_a_positive_margin(rng, threshold, K):
    X, Y = label_sets(rng, K=K)
    model = SparsemaxClassifier(threshold=threshold).fit(X, Y)
    p, margin = model.predict_proba(X), model.decision_function(X)
    assert p.shape == margin.shape == Y.shape
    if threshold != "auto":
        assert model.threshold_ == threshold
    predicted = model.predict(X)
    assert_array_equal(predicted, p > model.threshold_)
    assert_array_equal(predicted, margin > 0)
    assert_allclose(np.maximum(margin + model.threshold_, 0), p, atol=1e-14)
    if threshold == "auto":
        best = f1_score(Y, predicted, average="micro")
        assert best > 0.7
        assert model.score(X, Y) == (predicted == Y).all(axis=1).mean()
        assert best >= f1_score(Y, p > 0, average="micro")


@pytest.mark.parametrize(
    "form", [sp.csr_array, sp.csc_matrix, pd.DataFrame, np.ndarray.tolist]
)
def test_label_sets_of_every_form(rng, form):
    X, Y = label_sets(rng)
    expected = SparsemaxClassifier().fit(X, Y)
    model = SparsemaxClassifier().fit(sp.csr_array(X), form(Y))
    assert_allclose(model.coef_, expected.coef_, atol=1e-6)
    assert_array_equal(model.predict(sp.csr_array(X)), expected.predict(X))


def test_one_column_of_labels_is_a_vector(rng):
    X, Y = label_sets(rng)
    with pytest.warns(UserWarning, match="column-vector"):
        model = SparsemaxClassifier().fit(X, Y[:, :1])
    assert not model.multilabel_
    assert model.predict(X).shape == (80,)


def test_a_label_that_nobody_has_is_not_predicted(rng):
    X, Y = label_sets(rng)
    Y[:, 2] = 0
    model = SparsemaxClassifier().fit(X, Y)
    assert not model.predict(X)[:, 2].any()
    nothing = SparsemaxClassifier().fit(X, 0 * Y)
    assert not nothing.predict(X).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_namespaces_agree(backend, dispatch, rng, dtype):
    X, Y = label_sets(rng)
    y, weight = Y.argmax(axis=1), rng.uniform(0.5, 2.0, len(X))
    tol = 1e-6 if dtype == np.float64 else 1e-3
    A, s = backend.asarray(X, dtype), backend.asarray(weight, dtype)
    for target in (y, Y):
        here = SparsemaxClassifier(tol=1e-5).fit(X, target, weight)
        model = SparsemaxClassifier(tol=1e-5).fit(A, backend.asarray(target), s)
        assert model.converged_
        assert namespace(model.coef_) is backend.xp
        assert model.coef_.dtype == A.dtype
        p = model.predict_proba(A)
        assert namespace(p) is backend.xp
        assert_allclose(backend.to_numpy(p), here.predict_proba(X), atol=10 * tol)
        labels = model.predict(A)
        assert namespace(labels) is backend.xp
        if dtype == np.float64:
            assert_array_equal(backend.to_numpy(labels), here.predict(X))


def test_host_data_on_a_device(rng, cuda_stand_in):
    X, Y = label_sets(rng)
    for target in (Y, Y.argmax(axis=1)):
        here = SparsemaxClassifier(tol=1e-9).fit(X, target)
        there = SparsemaxClassifier(tol=1e-9, device="cuda").fit(X, target)
        assert there.device_.startswith("cuda")
        assert_allclose(there.predict_proba(X), here.predict_proba(X), atol=1e-5)
        assert_array_equal(there.predict(X), here.predict(X))


@pytest.mark.parametrize(("solver", "decades"), [("newton", 2), ("proxgrad", 4)])
def test_columns_of_very_different_size(rng, solver, decades):
    X, y, _ = sample(rng)
    scale = 10.0 ** np.linspace(-decades, decades, 6)
    model = SparseClassifier("sparsemax", alpha=1e-3, tol=1e-8, solver=solver)
    expected = clone(model).fit(X, y)
    model.set_params(penalty_factor=scale, max_iter=50).fit(X * scale, y)
    assert model.converged_
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-6)


def test_warm_start_needs_no_further_step(rng):
    X, Y = label_sets(rng)
    model = SparsemaxClassifier(warm_start=True, tol=1e-9).fit(X, Y)
    coef = model.coef_.copy()
    model.set_params(max_iter=1).fit(X, Y)
    assert model.converged_
    assert_allclose(model.coef_, coef, atol=1e-7)


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_classifiers_multilabel_output_format_predict,
        estimator_checks.check_classifiers_multilabel_output_format_decision_function,
        estimator_checks.check_classifiers_multilabel_representation_invariance,
    ],
)
def test_formats_of_several_labels_are_those_of_scikit_learn(check):
    check("SparsemaxClassifier", SparsemaxClassifier())


@pytest.mark.parametrize("threshold", [-0.1, 1.0, "best", None, True, np.nan])
def test_bad_thresholds(rng, threshold):
    X, Y = label_sets(rng)
    with pytest.raises(ValueError, match=r"threshold must be a number in \[0, 1\) or"):
        SparsemaxClassifier(threshold=threshold).fit(X, Y)


def test_bad_targets(rng):
    X, Y = label_sets(rng)
    with pytest.raises(ValueError, match="1d array"):
        SparsemaxClassifier().fit(X, Y + np.arange(4))
    with pytest.raises(ValueError, match="inconsistent"):
        SparsemaxClassifier().fit(X, Y[:-1])
    for other in (2 * Y - 1, 2 * Y):
        with pytest.raises(ValueError, match=r"must hold 0 and 1, .* to [12]\.0"):
            SparsemaxClassifier().fit(X, other)
    with pytest.raises(ValueError, match="NaN"):
        SparsemaxClassifier().fit(X, np.where(Y == 1, np.nan, 0.0))
    with pytest.raises(ValueError, match="only one class"):
        SparsemaxClassifier().fit(X, np.ones(len(X)))
    with pytest.raises(ValueError, match="solver='bcd' has no model of the sparsemax"):
        SparsemaxClassifier("l1", solver="bcd").fit(X, Y)


def test_alpha_of_cross_validation_with_sparsemax(rng):
    from skopt2.linear_model import SparseClassifierCV

    X, y, _ = sample(rng)
    model = SparseClassifierCV("sparsemax", alphas=5, eps=0.01, cv=3).fit(X, y)
    assert 0 < model.alpha_ <= model.alphas_.max()
    assert model.score(X, y) > 0.7
    assert (model.predict_proba(X) == 0).any()
