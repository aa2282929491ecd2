"""Splicing: supports that no exchange of a feature improves."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2._core.result import StopReason
from skopt2.solvers.fixed_point import FIXED_POINT
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.splicing import Splicing
from tests.solvers.problems import W, alpha_max, build, dense, design, solve, target
from tests.solvers.reference import best_subset


def least_squares(X, y, subset):
    """Sum of squares over 2n that centred columns leave."""
    A = X[:, subset] - X[:, subset].mean(axis=0)
    r = y - y.mean()
    if len(subset):
        r = r - A @ np.linalg.lstsq(A, r, rcond=None)[0]
    return r @ r / (2 * len(y))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3])
def test_same_as_exhaustive_search(seed, alpha):
    rng = np.random.default_rng(seed)
    X = design(rng, 60, 10, 0.5)
    y = target(rng, X, "squared")
    value, subset = best_subset(X, y, alpha)
    result, w = solve(Splicing, build(X, y, "squared", "l0", alpha), 1e-9)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == FIXED_POINT
    assert result.objective == pytest.approx(value, rel=1e-9)
    assert tuple(np.flatnonzero(w)) == subset


@pytest.mark.parametrize("seed", range(4))
def test_no_exchange_of_one_feature_helps(seed):
    rng = np.random.default_rng(seed)
    X = design(rng, 60, 40, 0.9)
    y = target(rng, X, "squared") + rng.standard_normal(60)
    alpha = 0.02
    result, w = solve(Splicing, build(X, y, "squared", "l0", alpha), 1e-9)
    other, _ = solve(ProximalGradient, build(X, y, "squared", "l0", alpha), 1e-9)
    assert result.objective <= other.objective + 1e-12
    assert result.history.as_dict()["exchange"][-1] == 0.0
    S = set(np.flatnonzero(w).tolist())
    best = least_squares(X, y, sorted(S)) + alpha * len(S)
    assert result.objective == pytest.approx(best, rel=1e-10)
    for out, new in itertools.product([None, *S], [None, *(set(range(40)) - S)]):
        T = sorted((S - {out}) | ({new} - {None}))
        assert least_squares(X, y, T) + alpha * len(T) >= best - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_exchanges_start_from_the_support(seed, monkeypatch):
    """Not from a working set, which is all features where they are few."""
    rng = np.random.default_rng(seed)
    X = design(rng, 150, 90, 0.6)
    y = X[:, ::15] @ np.array([1.0, -0.7, 0.6, -0.5, 0.4, 0.3])
    y = y + rng.standard_normal(150)
    sizes, refit = [], Splicing._refit

    def watched(self, ids, start):
        sizes.append(ids.size)
        return refit(self, ids, start)

    monkeypatch.setattr(Splicing, "_refit", watched)
    alpha = 0.02
    result, w = solve(Splicing, build(X, y, "squared", "l0", alpha), 1e-9)
    assert result.certificate.holds
    assert max(sizes) < 45
    S = np.flatnonzero(w)
    for out in S:
        for new in np.setdiff1d(np.arange(90), S)[::3]:
            T = [*np.setdiff1d(S, out), new]
            reached = least_squares(X, y, T) + alpha * S.size
            assert reached >= result.objective - 1e-9


def test_recovers_the_true_support(rng):
    X = rng.standard_normal((100, 400))
    y = X[:, :5] @ W + 0.5 * rng.standard_normal(100)
    for intercept in (True, False):
        problem = build(X, y, "squared", "l0", 0.1, fit_intercept=intercept)
        _, w = solve(Splicing, problem)
        np.testing.assert_array_equal(np.flatnonzero(w), np.arange(5))


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
def test_other_losses(rng, loss):
    X = design(rng, 150, 30, 0.6)
    y = target(rng, X, loss)
    alpha = 0.15 * alpha_max(X, y, loss, "l0")
    result, w = solve(Splicing, build(X, y, loss, "l0", alpha), 1e-7)
    other, _ = solve(ProximalGradient, build(X, y, loss, "l0", alpha), 1e-7)
    assert result.reason is StopReason.CONVERGED
    assert 0 < result.solution.ids.size < 30
    assert result.objective <= other.objective + 1e-9


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_every_namespace_finds_the_same_support(rng, backend, loss):
    X = design(rng, 80, 12)
    y = target(rng, X, loss)
    alpha = 0.1 * alpha_max(X, y, loss, "l0")
    one, w = solve(Splicing, build(X, y, loss, "l0", alpha), 1e-8)
    problem = build(X, y, loss, "l0", alpha, backend=backend)
    two, v = solve(Splicing, problem, 1e-8)
    assert two.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v, w, atol=1e-8)


def test_float32(rng, device_backend):
    X = design(rng).astype(np.float32)
    y = target(rng, X, "squared").astype(np.float32)
    one, w = solve(
        Splicing, build(X.astype(float), y.astype(float), "squared", "l0", 0.1)
    )
    problem = build(X, y, "squared", "l0", 0.1, backend=device_backend)
    two, v = solve(Splicing, problem, 1e-4)
    assert two.certificate.holds
    np.testing.assert_allclose(v, w, atol=1e-3)


def test_scale_of_the_columns_is_no_obstacle(rng):
    X = design(rng)
    y = target(rng, X, "squared")
    scale = 10 ** rng.uniform(-4, 4, 30)
    _, w = solve(Splicing, build(X, y, "squared", "l0", 0.05), 1e-9)
    result, v = solve(Splicing, build(X * scale, y, "squared", "l0", 0.05), 1e-9)
    assert result.certificate.holds
    np.testing.assert_allclose(v * scale, w, atol=1e-6)


def test_factors_sparse_columns_and_no_products(rng, monkeypatch):
    X = sp.random_array((100, 220), density=0.2, format="csr", rng=rng)
    y = X[:, [3, 5, 7]] @ np.array([3.0, -2.0, 4.0]) + 0.1 * rng.standard_normal(100)
    lam = np.full(220, 0.02)
    lam[0], lam[7] = 0.0, np.inf
    one, w = solve(Splicing, build(X, y, "squared", "l0", lam), 1e-8)
    two, v = solve(Splicing, build(X.toarray(), y, "squared", "l0", lam), 1e-8)
    assert one.certificate.holds
    assert w[0] != 0.0
    assert w[7] == 0.0
    np.testing.assert_allclose(v, w, atol=1e-8)
    monkeypatch.setattr("skopt2.solvers.splicing.LARGEST", 0)
    three, _ = solve(Splicing, build(X, y, "squared", "l0", lam), 1e-8)
    assert three.certificate.holds
    assert three.objective <= one.objective * 1.1


def test_constant_and_duplicated_columns(rng):
    X = design(rng, 50, 12)
    X[:, 6], X[:, 7], X[:, 8] = 3.0, X[:, 0], 0.0
    y = target(rng, X, "squared")
    result, w = solve(Splicing, build(X, y, "squared", "l0", 0.01), 1e-7)
    assert result.certificate.holds
    assert w[6] == w[8] == 0.0
    assert (w[0] == 0.0) != (w[7] == 0.0)


def test_path_pack_and_warm_start(rng):
    X = design(rng, 80, 30)
    y = target(rng, X, "squared")
    problem = build(X, y, "squared", "l0", 1.0)
    solver = Splicing(problem, 1e-8)
    state, sizes = solver.init(), []
    for alpha in (10.0, 0.3, 0.1, 0.02):
        state = solver.retarget(state, np.full(30, alpha))
        assert solver.certificate(state).value == 1.0
        for _ in range(50):
            state = solver.step(state)
            if solver.certificate(state).value <= 1e-8:
                break
        sizes.append(solver.finalize(state).ids.size)
    assert sizes == sorted(sizes)
    back = solver.unpack(solver.pack(state))
    assert solver.certificate(back).value <= 1e-8
    warm, w = solve(Splicing, problem, 1e-8, start=solver.finalize(state))
    np.testing.assert_allclose(w, dense(solver.finalize(back), problem), atol=1e-8)


def test_others_are_refused(rng):
    X = design(rng)
    problem = build(X, target(rng, X, "squared"), "squared", "l1", 0.1)
    with pytest.raises(ValueError, match=r"'splicing'.*l1.*proxgrad"):
        Splicing(problem, 1e-4)
    problem = build(X, target(rng, X, "multinomial"), "multinomial", "l0", 0.1)
    with pytest.raises(ValueError, match=r"one output.*3"):
        Splicing(problem, 1e-4)
