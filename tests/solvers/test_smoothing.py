"""Smoothing for the pinball loss: exact linear programs, honest certificates."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import lsq_linear
from sklearn.linear_model import QuantileRegressor

from skopt2._core.result import StopReason
from skopt2.losses import Quantile
from skopt2.penalties import L1, MCP, SCAD, Box, ElasticNet, Positive, WeightedL1
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.fixed_point import FIXED_POINT
from skopt2.solvers.quantile_vertex import VertexProgram, has_vertex
from skopt2.solvers.smoothing import Smoothing
from tests.solvers.problems import build, dense, design, solve, target


def pinball(X, y, q, w, b, s=None):
    r = y - X @ w - b
    return np.average(np.maximum(q * r, (q - 1) * r), weights=s)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("alpha", [0.0, 0.003, 0.05])
@pytest.mark.parametrize(("n", "p"), [(120, 12), (60, 150)])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_same_objective_as_the_linear_program(rng, n, p, q, alpha, fit_intercept):
    if alpha == 0.0 and p > n:
        pytest.skip("every sample can be interpolated, in many ways")
    X = design(rng, n, p)
    y = target(rng, X, "quantile")
    peer = QuantileRegressor(quantile=q, alpha=alpha, fit_intercept=fit_intercept)
    peer.fit(X, y)
    best = pinball(X, y, q, peer.coef_, peer.intercept_)
    best += alpha * np.abs(peer.coef_).sum()
    problem = build(X, y, Quantile(q), "l1", alpha, fit_intercept=fit_intercept)
    result, w = solve(Smoothing, problem, 1e-6)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == (GAP if alpha else KKT)
    reached = pinball(X, y, q, w, result.solution.intercept)
    reached += alpha * np.abs(w).sum()
    assert reached == pytest.approx(result.objective, rel=1e-12)
    assert reached == pytest.approx(best, rel=1e-9)


def test_sample_weights_are_repetitions(rng):
    X = design(rng, 60, 8)
    y = target(rng, X, "quantile")
    counts = rng.integers(0, 4, 60)
    many = np.repeat(np.arange(60), counts)
    one, w = solve(
        Smoothing, build(X, y, Quantile(0.3), "l1", 0.01, counts / counts.sum()), 1e-7
    )
    two, v = solve(Smoothing, build(X[many], y[many], Quantile(0.3), "l1", 0.01), 1e-7)
    assert one.objective == pytest.approx(two.objective, rel=1e-9)


def test_crossover_grows_its_program(rng, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.smoothing.SMALL_PROGRAM", 0)
    X = design(rng, 400, 30)
    y = target(rng, X, "quantile")
    peer = QuantileRegressor(quantile=0.5, alpha=0.01).fit(X, y)
    result, w = solve(Smoothing, build(X, y, Quantile(0.5), "l1", 0.01), 1e-9)
    assert result.certificate.holds
    assert result.n_iter > 1
    np.testing.assert_allclose(w, peer.coef_, atol=1e-7)
    assert np.diff(result.history.as_dict()["smoothing"]).max() < 0


def test_smoothing_alone_reaches_the_gap(rng, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.smoothing.has_vertex", lambda penalty: False)
    X = design(rng, 200, 15)
    y = target(rng, X, "quantile")
    peer = QuantileRegressor(quantile=0.7, alpha=0.01).fit(X, y)
    best = pinball(X, y, 0.7, peer.coef_, peer.intercept_)
    best += 0.01 * np.abs(peer.coef_).sum()
    result, w = solve(Smoothing, build(X, y, Quantile(0.7), "l1", 0.01), 1e-5)
    assert result.certificate.holds
    assert 0.0 <= result.objective - best <= result.gap


@pytest.mark.parametrize(
    ("penalty", "name"),
    [
        ("elasticnet", GAP),
        (Box(-0.4, 0.6), GAP),
        (Positive(L1()), GAP),
        (WeightedL1(np.linspace(0.5, 2.0, 20)), GAP),
        ("mcp", KKT),
        ("scad", KKT),
        ("l_half", FIXED_POINT),
        ("l0", FIXED_POINT),
    ],
)
def test_every_penalty(rng, penalty, name):
    X = design(rng, 150, 20)
    y = target(rng, X, "quantile")
    result, w = solve(Smoothing, build(X, y, Quantile(0.4), penalty, 0.05), 1e-5)
    assert result.certificate.name == name
    assert result.certificate.holds
    assert result.solution.ids.size > 0
    if isinstance(penalty, Box):
        assert w.min() == -0.4
        assert w.max() == 0.6


def test_piecewise_linear_penalties():
    assert has_vertex(L1())
    assert has_vertex(Positive(L1()))
    assert has_vertex(Box(0.0, 1.0))
    assert not has_vertex(ElasticNet())
    assert not has_vertex(MCP())


@pytest.mark.parametrize("penalty", ["l1", "mcp"])
def test_every_namespace_finds_the_same_point(rng, backend, penalty):
    X = design(rng, 60, 10)
    y = target(rng, X, "quantile")
    s = rng.uniform(0.5, 2.0, 60)
    s = s / s.sum()
    one, w = solve(Smoothing, build(X, y, Quantile(0.4), penalty, 0.03, s), 1e-6)
    problem = build(X, y, Quantile(0.4), penalty, 0.03, s, backend=backend)
    two, v = solve(Smoothing, problem, 1e-6)
    assert two.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v, w, atol=1e-8)


def test_float32(rng, device_backend):
    X = design(rng, 100, 10).astype(np.float32)
    y = target(rng, X, "quantile").astype(np.float32)
    problem = build(X, y, Quantile(0.5), "l1", 0.02, backend=device_backend)
    result, w = solve(Smoothing, problem, 1e-4)
    peer = QuantileRegressor(quantile=0.5, alpha=0.02).fit(X, y)
    assert result.certificate.holds
    np.testing.assert_allclose(w, peer.coef_, atol=1e-3)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_design(rng, fit_intercept):
    X = sp.random_array((120, 230), density=0.1, format="csr", rng=rng)
    X.data += 1.0
    y = target(rng, X.toarray(), "quantile")
    one = solve(
        Smoothing,
        build(X, y, Quantile(0.5), "l1", 0.01, fit_intercept=fit_intercept),
        1e-7,
    )[0]
    two = solve(
        Smoothing,
        build(X.toarray(), y, Quantile(0.5), "l1", 0.01, fit_intercept=fit_intercept),
        1e-7,
    )[0]
    assert one.certificate.holds
    assert one.objective == pytest.approx(two.objective, rel=1e-9)


def test_scale_of_the_columns_is_no_obstacle(rng):
    X = design(rng, 80, 12)
    y = target(rng, X, "quantile")
    scale = 10 ** rng.uniform(-4, 4, 12)
    _, w = solve(Smoothing, build(X, y, Quantile(0.5), "l1", 0.02), 1e-8)
    result, v = solve(
        Smoothing, build(X * scale, y, Quantile(0.5), "l1", 0.02 * scale), 1e-8
    )
    assert result.certificate.holds
    np.testing.assert_allclose(v * scale, w, atol=1e-7)


def test_path_and_warm_start(rng):
    X = design(rng, 100, 220)
    y = target(rng, X, "quantile")
    problem = build(X, y, Quantile(0.5), "l1", 0.3)
    solver = Smoothing(problem, 1e-7)
    state = solver.init()
    for alpha in (0.3, 0.1, 0.03):
        state = solver.retarget(state, np.full(220, alpha))
        for _ in range(20):
            state = solver.step(state)
            if solver.certificate(state).value <= 1e-7:
                break
        peer = QuantileRegressor(quantile=0.5, alpha=alpha).fit(X, y)
        np.testing.assert_allclose(
            dense(solver.finalize(state), problem), peer.coef_, atol=1e-6
        )
    back = Smoothing(problem, 1e-7).unpack(solver.pack(state))
    assert solver.certificate(back).objective == pytest.approx(
        solver.certificate(state).objective, rel=1e-12
    )
    again = solve(Smoothing, problem, 1e-7, start=solver.finalize(state))[0]
    assert again.certificate.holds


def test_smoothing_asked_for_is_kept(rng):
    X = design(rng, 100, 10)
    y = target(rng, X, "quantile")
    result, _ = solve(Smoothing, build(X, y, Quantile(0.5, 0.3), "l1", 0.02), 1e-7)
    assert result.certificate.holds
    assert result.history.as_dict()["smoothing"].min() == 0.3


def test_constant_target_and_tied_samples(rng):
    X = design(rng, 40, 6)
    result, w = solve(Smoothing, build(X, np.full(40, 2.0), Quantile(0.5), "l1", 0.1))
    assert not w.any()
    assert result.solution.intercept == pytest.approx(2.0)
    X, y = np.repeat(X, 3, axis=0), np.repeat(np.round(X[:, 0]), 3)
    peer = QuantileRegressor(quantile=0.5, alpha=0.01).fit(X, y)
    result, w = solve(Smoothing, build(X, y, Quantile(0.5), "l1", 0.01), 1e-8)
    best = pinball(X, y, 0.5, peer.coef_, peer.intercept_)
    assert result.objective == pytest.approx(
        best + 0.01 * np.abs(peer.coef_).sum(), rel=1e-8, abs=1e-12
    )


def test_smooth_loss_is_refused(rng):
    X = design(rng)
    problem = build(X, target(rng, X, "huber"), "huber", "l1", 0.1)
    with pytest.raises(ValueError, match=r"'smoothing'.*huber.*auto"):
        Smoothing(problem, 1e-4)


def tangent_descent(X, y, q, penalty, lam):
    """Objective where weighted l1 programs of another library end, from 0."""
    w, best = np.zeros(X.shape[1]), np.inf
    for _ in range(40):
        slope = np.where(w == 0, lam, np.abs(penalty.derivative(w, lam)))
        # A weighted l1 norm by scaled columns; a weight of 0 by a negligible one.
        scale = 1.0 / np.maximum(slope / lam, 1e-7)
        peer = QuantileRegressor(quantile=q, alpha=float(lam[0])).fit(X * scale, y)
        w = peer.coef_ * scale
        w[np.abs(w) < 1e-9] = 0.0
        reached = pinball(X, y, q, w, peer.intercept_) + penalty.value(w, lam)
        if reached >= best - 1e-10:
            break
        best = reached
    return best


@pytest.mark.parametrize("penalty", [MCP(), SCAD()])
@pytest.mark.parametrize(("n", "p", "alpha"), [(40, 60, 0.04), (60, 20, 0.01)])
def test_concave_penalties_at_small_levels(rng, penalty, n, p, alpha):
    X = design(rng, n, p)
    y = target(rng, X, "quantile")
    lam = np.full(p, alpha)
    result, w = solve(Smoothing, build(X, y, Quantile(0.4), penalty, alpha), 1e-6)
    assert result.reason is StopReason.CONVERGED
    b = result.solution.intercept
    reached = pinball(X, y, 0.4, w, b) + penalty.value(w, lam)
    assert reached == pytest.approx(result.objective, rel=1e-12)
    assert reached <= tangent_descent(X, y, 0.4, penalty, lam) * (1.0 + 1e-6)
    # Stationarity by other means: the subgradients of the interpolated samples and of
    # the features at 0 that bring the sum of all nearest to 0.
    r = y - X @ w - b
    kink = np.abs(r) < 1e-8
    theta = np.where(r > 0, -0.4, 0.6)
    A = np.vstack([np.ones(n), X.T]) / n
    fixed = A[:, ~kink] @ theta[~kink]
    fixed[1:] += penalty.derivative(w, lam)
    idle = np.eye(p + 1)[:, 1:][:, w == 0] * alpha
    low = np.concatenate([np.full(kink.sum(), -0.4), -np.ones(idle.shape[1])])
    high = np.concatenate([np.full(kink.sum(), 0.6), np.ones(idle.shape[1])])
    nearest = lsq_linear(np.hstack([A[:, kink], idle]), -fixed, (low, high), tol=1e-14)
    assert np.linalg.norm(nearest.fun) < 1e-7


def test_samples_outside_a_program_do_not_make_it_unbounded(rng):
    X = rng.standard_normal((20, 40))
    y = rng.standard_normal(20)
    program = VertexProgram(build(X, y, Quantile(0.5), "l1", 1e-3))
    band = np.ones(20, dtype=bool)
    band[7] = False
    vertex = program.solve(np.zeros(20), band, np.arange(40), np.zeros(40))
    np.testing.assert_allclose(vertex.eta, y, atol=1e-9)
