"""Proximal gradient: optimal points, every loss, penalty and array namespace."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import lsq_linear
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression

from skopt2._core.result import StopReason
from skopt2.losses import Quantile
from skopt2.penalties import L0, L1, MCP, Box, LogSum, Lq, Positive, get_penalty
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.fixed_point import FIXED_POINT
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.state import Solution
from tests.solvers.problems import alpha_max, build, dense, design, solve, target
from tests.solvers.reference import best_subset, coordinate_descent, objective

LOSSES = ["squared", "huber", "logistic", "poisson"]
CONVEX = ["l1", "elasticnet"]
FIXED = ["l0", "l_half", "l_two_thirds"]
NONCONVEX = ["mcp", "scad", "log_sum", *FIXED]


def level(X, y, loss, penalty, share=0.15):
    return share * alpha_max(X, y, loss, penalty)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", CONVEX)
def test_convex_minimum_is_that_of_coordinate_descent(rng, loss, penalty):
    X = design(rng)
    y = target(rng, X, loss)
    alpha = level(X, y, loss, penalty)
    result, w = solve(ProximalGradient, build(X, y, loss, penalty, alpha), 1e-10)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == GAP
    object_ = get_penalty(penalty)
    lam = np.full(X.shape[1], alpha)
    b = result.solution.intercept
    reached = objective(X, y, loss, object_, lam, w, b)
    assert reached == pytest.approx(result.objective, rel=1e-10)
    # From the solution itself, coordinate descent finds nothing to improve.
    v, c = coordinate_descent(X, y, loss, object_, lam, w=w, b=b, sweeps=300)
    assert objective(X, y, loss, object_, lam, v, c) >= reached - 1e-9 * abs(reached)
    np.testing.assert_allclose(v, w, atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", NONCONVEX)
def test_nonconvex_point_is_stationary_and_no_worse_than_descent(rng, loss, penalty):
    X = design(rng)
    y = target(rng, X, loss)
    alpha = level(X, y, loss, penalty)
    result, w = solve(ProximalGradient, build(X, y, loss, penalty, alpha), 1e-8)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == (FIXED_POINT if penalty in FIXED else KKT)
    lam, b = np.full(X.shape[1], alpha), result.solution.intercept
    object_ = get_penalty(penalty)
    if loss != "poisson":
        # A descent from the point stays there: no coordinate has a way down.
        v, c = coordinate_descent(X, y, loss, object_, lam, w=w, b=b, sweeps=1)
        np.testing.assert_allclose(v, w, atol=2e-4)
    v, c = coordinate_descent(X, y, loss, object_, lam, sweeps=60)
    cold = objective(X, y, loss, object_, lam, v, c)
    assert result.objective <= cold + 0.05 * abs(cold)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
def test_same_as_scikit_learn_elastic_net(rng, fit_intercept, ratio):
    X = design(rng, 60, 300)
    y = target(rng, X, "squared")
    s = rng.uniform(0.2, 2.0, 60)
    penalty = "l1" if ratio == 1 else get_penalty("elasticnet").set_params(l1_ratio=0.4)
    alpha = 0.1 * alpha_max(X, y, "squared", penalty)
    peer = (Lasso if ratio == 1 else ElasticNet)(
        alpha, fit_intercept=fit_intercept, tol=1e-12, max_iter=100000
    )
    if ratio != 1:
        peer.set_params(l1_ratio=ratio)
    peer.fit(X, y, sample_weight=s)
    problem = build(X, y, "squared", penalty, alpha, s / s.sum(), fit_intercept)
    result, w = solve(ProximalGradient, problem, 1e-10)
    assert result.certificate.holds
    np.testing.assert_allclose(w, peer.coef_, atol=1e-6)
    assert result.solution.intercept == pytest.approx(peer.intercept_, abs=1e-6)


def test_same_as_scikit_learn_l1_logistic(rng):
    X = design(rng, 100, 20)
    y = target(rng, X, "logistic")
    alpha = 0.1 * alpha_max(X, y, "logistic", "l1")
    peer = LogisticRegression(
        C=1 / (alpha * 100), l1_ratio=1, solver="saga", tol=1e-10, max_iter=20000
    ).fit(X, y)
    result, w = solve(ProximalGradient, build(X, y, "logistic", "l1", alpha))
    assert result.certificate.holds
    np.testing.assert_allclose(w, peer.coef_[0], atol=1e-4)
    assert result.solution.intercept == pytest.approx(peer.intercept_[0], abs=1e-4)


def test_same_as_bounded_least_squares(rng):
    X = design(rng)
    y = target(rng, X, "squared")
    lower, upper = rng.uniform(-1, 0, 30), rng.uniform(0, 1, 30)
    upper[3] = np.inf
    peer = lsq_linear(X, y, (lower, upper), method="bvls", tol=1e-14)
    problem = build(X, y, "squared", Box(lower, upper), 1.0, fit_intercept=False)
    result, w = solve(ProximalGradient, problem, 1e-10)
    assert result.certificate.holds
    np.testing.assert_allclose(w, peer.x, atol=1e-7)


def test_finite_box_has_a_gap(rng):
    X = design(rng)
    y = target(rng, X, "logistic")
    result, w = solve(
        ProximalGradient, build(X, y, "logistic", Box(-0.5, 0.5), 1.0), 1e-8
    )
    assert result.certificate.name == GAP
    assert result.certificate.holds
    assert np.abs(w).max() == 0.5


@pytest.mark.parametrize("penalty", [L1(), MCP(), Lq(0.5), L0()])
def test_positive(rng, penalty):
    X = design(rng)
    y = target(rng, X, "squared")
    alpha = 0.1 * alpha_max(X, y, "squared", Positive(penalty))
    problem = build(X, y, "squared", Positive(penalty), alpha)
    result, w = solve(ProximalGradient, problem, 1e-9)
    assert result.certificate.holds
    assert w.min() == 0.0
    assert w.max() > 0.0
    v, _ = coordinate_descent(
        X, y, "squared", Positive(penalty), np.full(30, alpha), w=w, sweeps=200,
        b=result.solution.intercept,
    )  # fmt: skip
    np.testing.assert_allclose(v, w, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "l_half"])
def test_factors_of_zero_and_infinity(rng, penalty):
    X = design(rng, 80, 260)
    y = target(rng, X, "squared")
    factor = np.ones(260)
    factor[[7, 8]], factor[[0, 9]] = 0.0, np.inf
    alpha = level(X, y, "squared", penalty)
    result, w = solve(
        ProximalGradient, build(X, y, "squared", penalty, alpha * factor), 1e-8
    )
    assert result.certificate.holds
    assert (w[[7, 8]] != 0).all()
    assert (w[[0, 9]] == 0).all()


@pytest.mark.parametrize("penalty", ["l1", "mcp", "l0"])
@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_sparse_design_is_centred_implicitly(rng, loss, penalty):
    X = sp.random_array((90, 240), density=0.2, format="csr", rng=rng)
    X.data += 1.0
    y = target(rng, X.toarray(), loss)
    # Few features, or some of them separate the classes and have no finite minimum.
    share = 0.4 if penalty == "l0" else 0.15
    alpha = level(X.toarray(), y, loss, penalty, share)
    result, w = solve(ProximalGradient, build(X, y, loss, penalty, alpha), 1e-8)
    other, v = solve(
        ProximalGradient, build(X.toarray(), y, loss, penalty, alpha), 1e-8
    )
    assert result.certificate.holds
    assert result.objective == pytest.approx(other.objective, rel=1e-6)
    np.testing.assert_allclose(w, v, atol=1e-5)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "scad", "l_half"])
def test_multinomial(rng, penalty):
    X = design(rng, 120, 12)
    y = target(rng, X, "multinomial")
    alpha = level(X, y, "multinomial", penalty)
    problem = build(X, y, "multinomial", penalty, alpha)
    result, w = solve(ProximalGradient, problem, 1e-8)
    assert result.certificate.holds
    assert w.shape == (12, 3)
    # A constant added to all three changes nothing, so nothing may grow along it.
    assert np.abs(result.solution.intercept).max() < 5.0
    if penalty == "l1":
        peer = LogisticRegression(
            C=1 / (alpha * 120), l1_ratio=1, solver="saga", tol=1e-9, max_iter=20000
        ).fit(X, np.argmax(y, axis=1))
        np.testing.assert_allclose(w, peer.coef_.T, atol=1e-4)


ARRAY_CASES = [
    ("squared", "l1", 30),
    ("squared", "l_half", 230),
    ("logistic", "mcp", 230),
    ("logistic", "l0", 30),
    ("poisson", "scad", 30),
    ("multinomial", "l1", 12),
    ("huber", Box(-0.2, 0.4), 30),
]


@pytest.mark.parametrize(("loss", "penalty", "p"), ARRAY_CASES)
def test_every_namespace_finds_the_same_point(rng, backend, loss, penalty, p):
    X = design(rng, 60, p)
    y = target(rng, X, loss)
    alpha = 1.0 if isinstance(penalty, Box) else level(X, y, loss, penalty, 0.3)
    reference, w = solve(ProximalGradient, build(X, y, loss, penalty, alpha), 1e-10)
    problem = build(X, y, loss, penalty, alpha, backend=backend)
    result, v = solve(ProximalGradient, problem, 1e-10)
    assert result.reason is reference.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v, w, atol=1e-8)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "l_two_thirds"])
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
def test_float32(rng, device_backend, loss, penalty):
    X = design(rng).astype(np.float32)
    y = target(rng, X, loss).astype(np.float32)
    alpha = level(X, y, loss, penalty, 0.3)
    result, w = solve(
        ProximalGradient,
        build(X, y, loss, penalty, alpha, backend=device_backend),
        1e-4,
    )
    _, v = solve(
        ProximalGradient, build(X.astype(float), y.astype(float), loss, penalty, alpha)
    )
    assert result.certificate.holds
    np.testing.assert_allclose(w, v, atol=2e-2)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "l_half", "l0"])
def test_scale_of_the_columns_is_no_obstacle(rng, penalty):
    X = design(rng)
    y = target(rng, X, "squared")
    scale = 10 ** rng.uniform(-4, 4, 30)
    power = {"l1": 1.0, "mcp": 1.0, "l_half": 0.5, "l0": 0.0}[penalty]
    alpha = level(X, y, "squared", penalty)
    # The same model in other units; MCP's gamma has units and gets none here.
    penalty = MCP(1e30) if penalty == "mcp" else penalty
    _, w = solve(ProximalGradient, build(X, y, "squared", penalty, alpha), 1e-10)
    problem = build(X * scale, y, "squared", penalty, alpha * scale**power)
    result, v = solve(ProximalGradient, problem, 1e-10, max_iter=30)
    assert result.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v * scale, w, atol=1e-6)


def test_objective_never_rises_at_the_target(rng):
    X = design(rng, 60, 400)
    y = target(rng, X, "logistic")
    problem = build(X, y, "logistic", "mcp", 0.05 * alpha_max(X, y, "logistic", "mcp"))
    solver = ProximalGradient(problem, 1e-12)
    state, last = solver.init(), np.inf
    for _ in range(30):
        state = solver.step(state)
        if state.level == 1.0:
            value = solver.certificate(state).objective
            assert value <= last + 1e-12
            last = value
    assert last < np.inf


def test_working_sets_do_not_change_the_minimum(rng, monkeypatch):
    X = design(rng, 80, 600)
    y = target(rng, X, "squared")
    alpha = 0.05 * alpha_max(X, y, "squared", "l1")
    result, w = solve(ProximalGradient, build(X, y, "squared", "l1", alpha), 1e-11)
    assert 0 < result.history.as_dict()["working_set"].max() < 400
    monkeypatch.setattr("skopt2.solvers.first_order.SMALL", 10**6)
    whole, v = solve(ProximalGradient, build(X, y, "squared", "l1", alpha), 1e-11)
    assert set(whole.history.as_dict()["working_set"]) == {600}
    np.testing.assert_allclose(w, v, atol=1e-7)


@pytest.mark.parametrize("penalty", ["l1", "log_sum", "l_half"])
def test_warm_start_is_accepted_at_once(rng, penalty):
    X = design(rng, 80, 300)
    y = target(rng, X, "logistic")
    alpha = level(X, y, "logistic", penalty)
    first, w = solve(ProximalGradient, build(X, y, "logistic", penalty, alpha), 1e-8)
    problem = build(X, y, "logistic", penalty, alpha)
    again, v = solve(ProximalGradient, problem, 1e-8, start=first.solution)
    assert again.n_iter == 1 < first.n_iter
    np.testing.assert_allclose(v, w, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "l_half"])
def test_path_by_retargeting(rng, penalty):
    X = design(rng, 80, 250)
    y = target(rng, X, "squared")
    top = alpha_max(X, y, "squared", penalty)
    problem = build(X, y, "squared", penalty, top)
    solver = ProximalGradient(problem, 1e-8)
    state, sizes = solver.init(), []
    for share in (1.0, 0.5, 0.25, 0.12, 0.06):
        state = solver.retarget(state, np.full(250, share * top * (1 + 1e-9)))
        for _ in range(40):
            state = solver.step(state)
            if solver.certificate(state).value <= 1e-8:
                break
        assert solver.certificate(state).value <= 1e-8
        sizes.append(solver.finalize(state).ids.size)
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 5


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_packed_state_goes_on(rng, loss):
    X = design(rng, 80, 250)
    y = target(rng, X, loss)
    problem = build(X, y, loss, "l1", level(X, y, loss, "l1", 0.05))
    solver = ProximalGradient(problem, 1e-10)
    state = solver.step(solver.step(solver.init()))
    other = ProximalGradient(problem, 1e-10)
    back = other.unpack({k: np.asarray(v) for k, v in solver.pack(state).items()})
    assert back.level == state.level
    before, after = solver.certificate(state), other.certificate(back)
    assert after.objective == pytest.approx(before.objective, rel=1e-12)
    for _ in range(8):
        state, back = solver.step(state), other.step(back)
    ends = [dense(s.finalize(x), problem) for s, x in ((solver, state), (other, back))]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-7)


def test_l0_reaches_the_best_subset_on_an_easy_design(rng):
    X = rng.standard_normal((100, 9))
    y = target(rng, X, "squared")
    result, w = solve(ProximalGradient, build(X, y, "squared", "l0", 0.05))
    value, subset = best_subset(X, y, 0.05)
    assert tuple(np.flatnonzero(w)) == subset
    assert result.objective == pytest.approx(value, rel=1e-10)


def test_zero_is_the_answer_above_alpha_max(rng):
    X = design(rng, 50, 250)
    for loss, penalty in [("squared", "l1"), ("logistic", "l_half"), ("poisson", "l0")]:
        y = target(rng, X, loss)
        alpha = 1.01 * alpha_max(X, y, loss, penalty)
        result, w = solve(ProximalGradient, build(X, y, loss, penalty, 4 * alpha))
        assert result.n_iter == 1
        assert not w.any()


def test_constant_and_duplicated_columns(rng):
    X = design(rng, 50, 20)
    X[:, 6] = 3.0
    X[:, 7] = X[:, 0]
    X[:, 8] = 0.0
    y = target(rng, X, "squared")
    for penalty in ("l1", "mcp", "l_half", "l0"):
        alpha = level(X, y, "squared", penalty, 0.01)
        result, w = solve(
            ProximalGradient, build(X, y, "squared", penalty, alpha), 1e-7
        )
        assert result.certificate.holds
        assert w[6] == w[8] == 0.0


def test_logistic_without_a_minimum_ends_finite(rng):
    X = design(rng, 20, 40)
    y = target(rng, X, "logistic")
    problem = build(X, y, "logistic", "l1", 1e-9)
    result, w = solve(ProximalGradient, problem, 1e-8, max_iter=20)
    assert np.isfinite(result.objective)
    assert np.isfinite(w).all()


def test_log_sum_of_small_epsilon(rng):
    X = design(rng)
    y = target(rng, X, "squared")
    problem = build(X, y, "squared", LogSum(1e-3), 1.0)
    result, _ = solve(ProximalGradient, problem, 1e-8)
    assert result.certificate.holds
    assert result.solution.ids.size >= 3


def test_kinked_loss_is_refused(rng):
    X = design(rng)
    problem = build(X, target(rng, X, "quantile"), "quantile", "l1", 0.1)
    with pytest.raises(ValueError, match=r"proxgrad.*quantile.*smoothing"):
        ProximalGradient(problem, 1e-4)
    smooth = build(X, target(rng, X, "quantile"), Quantile(0.5, 0.2), "l1", 0.1)
    result, _ = solve(ProximalGradient, smooth, 1e-7)
    assert result.certificate.holds


def test_empty_start_solution(rng):
    X = design(rng)
    y = target(rng, X, "logistic")
    problem = build(X, y, "logistic", "l1", 0.05)
    nothing = Solution(np.empty(0, dtype=np.int64), np.empty(0), 5.0)
    assert solve(ProximalGradient, problem, start=nothing)[0].certificate.holds
