"""Working sets: the choice of linear algebra and of solver, starts, states."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import Lasso

from skopt2._core.array import move
from skopt2._core.result import StopReason
from skopt2.datasets import make_sparse_design
from skopt2.losses import get_loss
from skopt2.penalties import Box, ElasticNet, Positive, get_penalty
from skopt2.solvers.active_inverse import ActiveInverse
from skopt2.solvers.choice import SOLVERS, choose_solver, make_solver
from skopt2.solvers.proximal_gradient import ProximalGradient
from skopt2.solvers.subsample import subsample, worth_subsampling
from skopt2.solvers.working_set import (
    Solution,
    WorkingSetNewton,
    choose_linear_algebra,
)
from tests.solvers.problems import W, alpha_max, build, dense, design, solve, target

LOSSES = ["squared", "huber", "poisson", "logistic", "multinomial", "squared_hinge"]


@pytest.mark.parametrize(
    ("n_active", "n_working", "n_samples", "sparse", "n_outputs", "expected"),
    [
        (10, 100, 1000, False, 1, "inverse"),
        (10, 100, 1000, True, 1, "inverse"),
        # Several outputs: the blocks of the Hessian are coupled.
        (10, 100, 1000, False, 3, "cg"),
        # More active features than samples: the Gram matrix is singular.
        (1001, 2000, 1000, False, 1, "cg"),
        (1000, 2000, 1000, False, 1, "inverse"),
        # A tiny sample does not make a small system expensive.
        (50, 60, 10, False, 1, "inverse"),
        (51, 60, 10, False, 1, "cg"),
        # Too many columns to hold their Gram matrix.
        (10, 6000, 10000, False, 1, "inverse"),
        (10, 6001, 10000, False, 1, "cg"),
        (10, 1000, 10000, True, 1, "inverse"),
        (10, 1001, 10000, True, 1, "cg"),
    ],
)
def test_choice_of_linear_algebra(
    n_active, n_working, n_samples, sparse, n_outputs, expected
):
    chosen = choose_linear_algebra(n_active, n_working, n_samples, sparse, n_outputs)
    assert chosen == expected


@pytest.mark.parametrize(
    ("loss", "penalty", "expected"),
    [
        ("squared", "l1", "newton"),
        ("poisson", "elasticnet", "newton"),
        ("multinomial", "log_sum", "newton"),
        ("logistic", "adaptive_l1", "newton"),
        ("huber", Positive(get_penalty("mcp")), "newton"),
        ("squared", "ridge", "newton"),
        ("squared_hinge", "ridge", "newton"),
        ("sparsemax", "ridge", "newton"),
        ("logistic", "ridge", "curvature"),
        ("poisson", "ridge", "curvature"),
        ("squared", "l0", "splicing"),
        ("squared", Positive(get_penalty("l0")), "proxgrad"),
        ("squared", "l_half", "proxgrad"),
        ("logistic", "l_two_thirds", "proxgrad"),
        ("squared", "box", "proxgrad"),
        ("squared", Positive(Box(-1.0, 1.0)), "proxgrad"),
        ("quantile", "l1", "smoothing"),
        ("quantile", "box", "smoothing"),
    ],
)
def test_choice_of_solver(loss, penalty, expected):
    assert choose_solver(get_loss(loss), get_penalty(penalty)) == expected
    assert expected in SOLVERS


@pytest.mark.parametrize(
    ("name", "loss", "penalty", "match"),
    [
        ("cd", "squared", "l1", "solver must be one of 'auto', 'newt"),
        ("newton", "quantile", "l1", "loss with a curvature"),
        ("newton", "squared", "l_half", "which coefficients of penalty='l_half'"),
        ("newton", "squared", "box", "which coefficients of penalty='box'"),
        ("splicing", "squared", "l1", "is for penalty='l0', got penalty='l1'"),
        ("smoothing", "squared", "l1", "is for loss='quantile', got loss='squared'"),
        ("ag", "quantile", "l1", "needs a smooth loss"),
        ("proxgrad", "quantile", "l1", "needs a smooth loss"),
    ],
)
def test_a_solver_that_cannot_is_refused(rng, name, loss, penalty, match):
    X = design(rng, n=20, p=3)
    problem = build(X, X[:, 0], loss, penalty, 0.1)
    with pytest.raises(ValueError, match=match):
        make_solver(problem, name, 1e-6)


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_more_active_features_than_samples(rng, loss, monkeypatch):
    """Ridge-like problems keep most features: no n x n system may be factorised."""
    n, p = 60, 900
    X = rng.standard_normal((n, p))
    y = X[:, :30] @ rng.standard_normal(30)
    y = np.where(y > 0, 1.0, -1.0) if loss == "logistic" else y
    sizes, original = [], ActiveInverse.rebuild

    def watched(self, members, *rest):
        sizes.append(members.size)
        return original(self, members, *rest)

    monkeypatch.setattr(ActiveInverse, "rebuild", watched)
    problem = build(X, y, loss, ElasticNet(0.02), 0.1)
    start = time.process_time()
    method = WorkingSetNewton(problem, 1e-9)
    state = method.init()
    for _ in range(60):
        state = method.step(state)
        if method.certificate(state).value <= 1e-9:
            break
    assert time.process_time() - start < 3.0
    assert method.certificate(state).value <= 1e-9
    assert np.count_nonzero(state.w) > 5 * n
    assert not method.model.has_gram
    assert max(sizes, default=0) <= 3 * n
    if loss == "squared":
        peer = SklearnElasticNet(0.1, l1_ratio=0.02, tol=1e-12, max_iter=10000)
        w = dense(method.finalize(state), problem)
        np.testing.assert_allclose(w, peer.fit(X, y).coef_, atol=1e-5)


@pytest.mark.parametrize("kind", ["wide", "tall", "sparse", "many"])
def test_same_minimum_as_lasso(rng, kind):
    """Each shape takes another way through the solver."""
    n, p = {"wide": (50, 1500), "tall": (24000, 8), "sparse": (300, 2500)}.get(
        kind, (400, 250)
    )
    X = rng.standard_normal((n, p))
    if kind == "sparse":
        X = X * (rng.random((n, p)) < 0.02)
    y = X[:, :5] @ [3.0, -2.0, 1.0, 1.0, -1.0] + rng.standard_normal(n)
    alpha = alpha_max(X, y, "squared", "l1") / (30 if kind == "many" else 10)
    given = sp.csr_array(X) if kind == "sparse" else X
    problem = build(given, y, "squared", "l1", alpha)
    assert worth_subsampling(problem.design) == (kind == "tall")
    result, w = solve(WorkingSetNewton, problem, 1e-11)
    assert result.reason is StopReason.CONVERGED
    peer = Lasso(alpha, tol=1e-13, max_iter=100000).fit(X, y)
    r, v = y - X @ peer.coef_ - peer.intercept_, peer.coef_
    reference = r @ r / (2 * n) + alpha * abs(v).sum()
    assert result.objective <= reference * (1 + 1e-9)
    np.testing.assert_allclose(w, v, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l1", "mcp"])
@pytest.mark.parametrize("loss", LOSSES)
def test_warm_start_at_the_solution_costs_one_step(rng, loss, penalty):
    X = design(rng)
    problem = build(X, target(rng, X, loss), loss, penalty, 0.05)
    first, w = solve(WorkingSetNewton, problem, 1e-8)
    again, v = solve(WorkingSetNewton, problem, 1e-8, start=first.solution)
    assert again.n_iter == 1
    np.testing.assert_allclose(v, w, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
def test_a_path_reaches_what_single_fits_reach(rng, loss):
    X = design(rng, n=50, p=300)
    y = target(rng, X, loss)
    top = alpha_max(X, y, loss, "l1")
    problem = build(X, y, loss, "l1", top)
    method = WorkingSetNewton(problem, 1e-9)
    state = method.init()
    for alpha in top * np.array([0.7, 0.3, 0.1, 0.5]):
        # The last one goes back up.
        state = method.retarget(state, np.full(300, alpha))
        for _ in range(40):
            state = method.step(state)
            if method.certificate(state).value <= 1e-9:
                break
        measure = method.certificate(state)
        assert measure.value <= 1e-9
        single, _ = solve(WorkingSetNewton, build(X, y, loss, "l1", alpha), 1e-9)
        assert measure.objective == pytest.approx(single.objective, rel=1e-8)


@pytest.mark.parametrize("loss", ["squared", "poisson", "multinomial"])
def test_packed_state_continues(rng, loss):
    X = design(rng, n=50, p=300)
    problem = build(X, target(rng, X, loss), loss, "l1", 0.03)
    method = WorkingSetNewton(problem, 1e-10)
    state = method.step(method.step(method.init()))
    packed = {k: np.array(v) for k, v in method.pack(state).items()}
    other = WorkingSetNewton(problem, 1e-10)
    resumed = other.unpack(packed)
    assert resumed.level == state.level
    assert other.certificate(resumed).objective == pytest.approx(
        method.certificate(state).objective, rel=1e-12
    )
    for _ in range(60):
        resumed = other.step(resumed)
        if other.certificate(resumed).value <= 1e-10:
            break
    reference, _ = solve(WorkingSetNewton, problem, 1e-10)
    reached = other.certificate(resumed).objective
    assert reached == pytest.approx(reference.objective, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", [WorkingSetNewton, ProximalGradient])
@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_impossible_tolerance_stalls(rng, loss, solver, dtype):
    """Noise in the objective is no progress: neither loop runs to its limit."""
    X = design(rng)
    y = target(rng, X, loss)
    problem = build(X.astype(dtype), y.astype(dtype), loss, "log_sum", 0.05)
    result, _ = solve(solver, problem, 1e-30, max_iter=1000)
    assert result.reason in (StopReason.STALLED, StopReason.CONVERGED)
    assert result.certificate.value < (1e-12 if dtype == np.float64 else 1e-4)
    assert result.n_iter < 60


def test_excluded_and_unpenalised_features(rng):
    X = design(rng, n=60, p=400)
    y = target(rng, X, "squared")
    lam = np.full(400, 0.2)
    lam[[0, 7]], lam[[1, 300]] = 0.0, np.inf
    result, w = solve(WorkingSetNewton, build(X, y, "squared", "l1", lam), 1e-9)
    assert result.certificate.holds
    assert w[0] != 0
    assert w[7] != 0
    assert w[1] == w[300] == 0


def test_no_feature_may_enter(rng):
    X = design(rng, n=20, p=6)
    for loss in ("squared", "logistic"):
        y = target(rng, X, loss)
        problem = build(X, y, loss, "l1", np.full(6, np.inf))
        result, w = solve(WorkingSetNewton, problem, 1e-9)
        assert result.certificate.holds
        assert not w.any()


@pytest.mark.parametrize("weights", [False, True])
def test_tall_and_crowded(rng, weights):
    """Far below the noise nearly all features enter: they are taken in at once."""
    n, p = 20000, 300
    X = rng.standard_normal((n, p)) + 1.0
    y = X[:, :5] @ W + 3.0 * rng.standard_normal(n)
    s = rng.integers(1, 4, n).astype(float) if weights else np.ones(n)
    s /= s.sum()
    given = s if weights else None
    X_c, y_c = X - s @ X, y - s @ y
    alpha = np.abs(X_c.T @ (s * y_c)).max()
    for fraction, crowded in ((10, False), (5000, True)):
        lam = alpha / fraction
        method = WorkingSetNewton(build(X, y, "squared", "l1", lam, given), 1e-9)
        state = method.init()
        assert (method.ids.size == p) == crowded
        state = method.step(method.step(state))
        w = np.zeros(p)
        w[method.ids] = state.w
        c = X_c.T @ (s * (X_c @ w - y_c))
        np.testing.assert_allclose(c[w != 0], -lam * np.sign(w[w != 0]), atol=1e-6)
        assert np.abs(c).max() <= lam + 1e-6
        assert (np.count_nonzero(w) > 0.8 * p) == crowded


def test_subsample_is_a_part_of_the_rows(rng):
    X = rng.standard_normal((20001, 3))
    s = rng.random(20001)
    problem = build(X, X[:, 0], "squared", "l1", 0.1, s / s.sum())
    assert worth_subsampling(problem.design)
    part = subsample(problem)
    assert 900 < part.design.n <= 1000
    assert float(part.s.sum()) == pytest.approx(1.0)
    # Rows at both ends are in, so that a sorted table is represented.
    assert part.design.X[0, 0] == X[0, 0]
    s = np.zeros(20001)
    s[500] = 1.0
    assert subsample(build(X, X[:, 0], "squared", "l1", 0.1, s)) is None


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_a_subsample_without_events(rng, loss):
    """The rare class, or all counts but two, lie outside the twentieth of the rows."""
    X = rng.standard_normal((20000, 3))
    y = np.full(20000, -1.0 if loss == "logistic" else 0.0)
    y[[401, 777]] = 1.0
    problem = build(X, y, loss, "l1", 1e-5)
    result, _ = solve(WorkingSetNewton, problem, 1e-8)
    assert result.certificate.holds


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", ["l1", "log_sum"])
def test_other_namespaces(device_backend, rng, loss, penalty):
    X = design(rng, n=40, p=30)
    y = target(rng, X, loss)
    here, w = solve(WorkingSetNewton, build(X, y, loss, penalty, 0.1), 1e-9)
    problem = build(X, y, loss, penalty, 0.1, backend=device_backend)
    there, v = solve(WorkingSetNewton, problem, 1e-9)
    assert there.certificate.holds
    assert there.objective == pytest.approx(here.objective, rel=1e-10)
    np.testing.assert_allclose(v, w, atol=1e-8)


def test_start_on_a_device(device_backend, rng):
    X = design(rng, n=40, p=30)
    y = target(rng, X, "squared")
    problem = build(X, y, "squared", "l1", 0.1, backend=device_backend)
    start = Solution(np.array([3]), np.array([0.5]), 0.1)
    result, _ = solve(WorkingSetNewton, problem, 1e-9, start=start)
    assert result.certificate.holds
    assert move(problem.y, device_backend.target) is problem.y


@pytest.mark.parametrize(("p", "end"), [(60, 0.1), (120, 0.03)])
def test_nonconvex_minima_are_those_of_a_path(p, end):
    """A cold fit of few correlated features is as good as the end of a path."""
    excess = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = design(rng, n=60, p=p, rho=0.95)
        w = np.zeros(p)
        w[rng.choice(p, 6, replace=False)] = 2.0 * rng.standard_normal(6)
        y = X @ w + 0.5 * rng.standard_normal(60)
        alphas = alpha_max(X, y, "squared", "scad") * np.geomspace(1.0, end, 20)
        method = WorkingSetNewton(build(X, y, "squared", "scad", alphas[0]), 1e-6)
        state = method.init()
        for alpha in alphas[1:]:
            state = method.step(method.retarget(state, np.full(p, alpha)))
            while method.certificate(state).value > 1e-6:
                state = method.step(state)
        single, _ = solve(
            WorkingSetNewton, build(X, y, "squared", "scad", alphas[-1]), 1e-6
        )
        assert single.certificate.holds
        path = method.certificate(state).objective
        excess.append(single.objective / path - 1.0)
    assert np.mean(excess) <= 1e-3


def test_small_convex_problems_take_one_step(rng):
    X = design(rng)
    result, _ = solve(
        WorkingSetNewton,
        build(X, target(rng, X, "squared"), "squared", "l1", 0.05),
        1e-8,
    )
    assert result.n_iter == 1


def test_precision_is_kept_while_features_enter():
    """Sharper steps on an incomplete set cost much in a flat loss, and gain nothing."""
    X, y, _ = make_sparse_design(
        600, 1500, 0.03, n_informative=30, family="logistic", random_state=0
    )
    y = np.where(y > 0, 1.0, -1.0)
    problem = build(X, y, "logistic", "mcp", 0.3 * alpha_max(X, y, "logistic", "mcp"))
    method = WorkingSetNewton(problem, 1e-4)
    state, entered = method.init(), 0
    while method.certificate(state).value > 1e-4:
        size = method.ids.size
        state = method.step(state)
        if state.level == 1.0 and method.ids.size > size:
            entered += 1
            assert state.precision == 1.0
    assert entered > 1
