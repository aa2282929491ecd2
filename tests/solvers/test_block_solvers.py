"""What the four block methods have in common: minimisers, certificates, limits."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2._core.iterate import iterate
from skopt2._core.result import StopReason
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.penalties import Positive, get_penalty
from skopt2.solvers.certificate import GAP, KKT
from skopt2.solvers.choice import make_solver
from skopt2.solvers.column_blocks import FILL, WIDTH
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import alpha_max, build, dense, design, solve, target
from tests.solvers.reference import objective

CONVEX = ("a-coder", "vr-a-coder", "p-ccd", "vro-ccd")
SPLIT = ("p-ccd", "vro-ccd")
STOCHASTIC = ("vr-a-coder", "vro-ccd")


def named(name, width=8, seed=0):
    """Return a method as ``solve`` takes it, with several blocks in small problems."""

    def method(problem, tol):
        solver = make_solver(problem, name, tol, seed)
        solver.width = width
        return solver

    return method


def minimum_of_cvxpy(X, y, loss, penalty, lam, s):
    """Minimise the objective as it is written; returns its value."""
    cp = pytest.importorskip("cvxpy")
    w, b = cp.Variable(X.shape[1]), cp.Variable()
    eta = X @ w + b
    if loss == "squared":
        value = 0.5 * cp.sum(cp.multiply(s, cp.square(eta - y)))
    else:
        value = cp.sum(cp.multiply(s, cp.logistic(-cp.multiply(y, eta))))
    if penalty == "l1":
        value += lam * cp.norm1(w)
    else:
        value += lam * (0.5 * cp.norm1(w) + 0.25 * cp.sum_squares(w))
    problem = cp.Problem(cp.Minimize(value))
    problem.solve(solver=cp.CLARABEL, tol_gap_rel=1e-10, tol_gap_abs=1e-10)
    return problem.value


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_same_minimum_as_an_independent_solver(rng, loss, penalty):
    X = design(rng, 60, 40)
    y = target(rng, X, loss)
    s = rng.uniform(0.1, 1.0, 60)
    s /= s.sum()
    alpha = 0.15 * alpha_max(X, y, loss, penalty)
    best = minimum_of_cvxpy(X, y, loss, penalty, alpha, s)
    newton, v = solve(WorkingSetNewton, build(X, y, loss, penalty, alpha, s), 1e-12)
    assert newton.objective == pytest.approx(best, rel=1e-6)
    for name in CONVEX:
        problem = build(X, y, loss, penalty, alpha, s)
        result, w = solve(named(name), problem, 1e-9, max_iter=400)
        assert result.reason is StopReason.CONVERGED
        assert result.certificate.name == GAP
        assert result.objective == pytest.approx(best, rel=1e-6)
        np.testing.assert_allclose(w, v, atol=1e-4)
        b = result.solution.intercept
        lam = np.full(40, alpha)
        value = objective(X, y, loss, get_penalty(penalty), lam, w, b, s)
        assert value == pytest.approx(result.objective, rel=1e-9)


@pytest.mark.parametrize("name", CONVEX)
def test_more_features_than_samples(rng, name):
    X = design(rng, 60, 300)
    y = target(rng, X, "squared")
    alpha = 0.1 * alpha_max(X, y, "squared", "l1")
    best, _ = solve(WorkingSetNewton, build(X, y, "squared", "l1", alpha), 1e-12)
    result, w = solve(named(name, None), build(X, y, "squared", "l1", alpha), 1e-8)
    assert result.certificate.holds
    assert result.objective == pytest.approx(best.objective, rel=1e-6)
    passes = result.history.as_dict()["passes"]
    assert np.all(np.diff(passes) > 0.0)
    # Working sets: most cycles read a part of X.
    assert passes[-1] < 200


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("penalty", ["mcp", "scad"])
@pytest.mark.parametrize("name", SPLIT)
def test_nonconvex_point_is_stationary(rng, name, loss, penalty):
    X = design(rng)
    y = target(rng, X, loss)
    alpha = 0.35 * alpha_max(X, y, loss, penalty)
    problem = build(X, y, loss, penalty, alpha)
    result, w = solve(named(name), problem, 1e-7)
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == KKT
    other, v = solve(WorkingSetNewton, build(X, y, loss, penalty, alpha), 1e-9)
    assert result.objective <= other.objective * 1.05
    # Stationary in every coordinate, by the definition of the penalty.
    values, lam = {}, np.full(30, alpha)
    b = result.solution.intercept
    for step in (-1e-4, 0.0, 1e-4):
        for j in range(30):
            moved = w.copy()
            moved[j] += step
            values[j, step] = objective(X, y, loss, problem.penalty, lam, moved, b)
    for j in range(30):
        assert values[j, 0.0] <= min(values[j, -1e-4], values[j, 1e-4]) + 1e-10


@pytest.mark.parametrize("name", CONVEX)
def test_every_namespace_finds_the_same_point(rng, backend, name):
    X = design(rng, 40, 12)
    y = target(rng, X, "logistic")
    alpha = 0.3 * alpha_max(X, y, "logistic", "l1")
    _, w = solve(named(name), build(X, y, "logistic", "l1", alpha), 1e-5)
    problem = build(X, y, "logistic", "l1", alpha, backend=backend)
    result, v = solve(named(name), problem, 1e-5)
    assert result.certificate.holds
    # The same rows are drawn: the sequences are the same, not only their limits.
    np.testing.assert_allclose(v, w, atol=1e-9)


@pytest.mark.parametrize("name", CONVEX)
def test_float32(rng, device_backend, name):
    X = design(rng).astype(np.float32)
    y = target(rng, X, "squared").astype(np.float32)
    alpha = 0.3 * alpha_max(X, y, "squared", "l1")
    problem = build(X, y, "squared", "l1", alpha, backend=device_backend)
    result, w = solve(named(name), problem, 1e-4)
    assert result.certificate.holds
    assert np.count_nonzero(w) >= 3
    state = make_solver(problem, name, 1e-4, 0).init()
    assert state.point.w.dtype == problem.y.dtype


@pytest.mark.parametrize("name", CONVEX)
def test_sparse_columns_give_the_point_of_dense_ones(rng, name):
    X = sp.random(150, 260, 0.05, format="csc", random_state=1)
    y = X[:, :5] @ np.array([3.0, -2.0, 2.0, 1.0, -1.0]) + 0.1 * rng.normal(size=150)
    alpha = 0.1 * alpha_max(X.toarray(), y, "squared", "l1")
    _, w = solve(named(name, 40), build(X.toarray(), y, "squared", "l1", alpha), 1e-10)
    result, v = solve(named(name, 40), build(X, y, "squared", "l1", alpha), 1e-10)
    assert result.certificate.holds
    np.testing.assert_allclose(v, w, atol=1e-5)


def test_width_of_sparse_blocks_follows_the_density(rng):
    for density in (0.2, 0.002):
        X = sp.random(200, 3000, density, format="csc", random_state=1)
        y = X[:, :3] @ np.ones(3)
        problem = build(X, y, "squared", "l1", 0.0)
        solver = make_solver(problem, "p-ccd", 1e-4)
        blocks = solver._partition(solver._restrict(np.arange(3000)))
        widest = blocks.blocks[0].A.shape[1]
        assert widest == max(WIDTH, np.ceil(FILL / density))


@pytest.mark.parametrize("name", CONVEX)
def test_scale_of_the_columns_is_no_obstacle(rng, name):
    X = design(rng)
    y = target(rng, X, "squared")
    scale = 10 ** rng.uniform(-4, 4, 30)
    alpha = 0.2 * alpha_max(X, y, "squared", "l1")
    _, w = solve(named(name), build(X, y, "squared", "l1", alpha), 1e-9)
    problem = build(X * scale, y, "squared", "l1", alpha * scale)
    result, v = solve(named(name), problem, 1e-9)
    assert result.reason is StopReason.CONVERGED
    np.testing.assert_allclose(v * scale, w, atol=1e-4)


@pytest.mark.parametrize("name", SPLIT)
def test_columns_too_small_for_the_prox_of_the_penalty(rng, name):
    """Steps below gamma, which a prox of MCP would need, do not exist here."""
    X = 0.05 * design(rng)
    y = target(rng, 20.0 * X, "squared")
    alpha = 0.3 * alpha_max(X, y, "squared", "mcp")
    result, w = solve(named(name), build(X, y, "squared", "mcp", alpha), 1e-7)
    assert result.reason is StopReason.CONVERGED
    assert np.count_nonzero(w) >= 3


@pytest.mark.parametrize("name", CONVEX)
def test_weights_are_repetitions(rng, name):
    X = design(rng, 40, 15)
    y = target(rng, X, "logistic")
    weight = rng.integers(0, 4, 40)
    keep = np.repeat(np.arange(40), weight)
    alpha = 0.1 * alpha_max(X[keep], y[keep], "logistic", "l1")
    model = SparseClassifier(alpha=alpha, solver=name, tol=1e-10, random_state=0)
    weighted = model.fit(X, y, sample_weight=weight).coef_
    repeated = model.fit(X[keep], y[keep]).coef_
    np.testing.assert_allclose(weighted, repeated, atol=1e-5)


@pytest.mark.parametrize("name", CONVEX)
def test_warm_start_is_accepted_at_once(rng, name):
    X = design(rng)
    y = target(rng, X, "logistic")
    alpha = 0.3 * alpha_max(X, y, "logistic", "l1")
    first, w = solve(named(name), build(X, y, "logistic", "l1", alpha), 1e-8)
    problem = build(X, y, "logistic", "l1", alpha)
    again, v = solve(named(name), problem, 1e-7, start=first.solution)
    assert again.n_iter == 1
    np.testing.assert_allclose(v, w, atol=1e-4)


@pytest.mark.parametrize("name", CONVEX)
def test_several_outputs(rng, name):
    X = design(rng, 90, 12)
    y = target(rng, X, "multinomial")
    alpha = 0.1 * alpha_max(X, y, "multinomial", "l1")
    best, _ = solve(WorkingSetNewton, build(X, y, "multinomial", "l1", alpha), 1e-11)
    result, w = solve(named(name), build(X, y, "multinomial", "l1", alpha), 1e-7)
    assert result.certificate.holds
    assert result.objective == pytest.approx(best.objective, rel=1e-6)
    assert w.shape == (12, 3)


@pytest.mark.parametrize("name", CONVEX)
def test_nonnegative_coefficients(rng, name):
    X = design(rng)
    y = target(rng, X, "squared")
    penalty = Positive(get_penalty("l1"))
    alpha = 0.1 * alpha_max(X, y, "squared", "l1")
    best, v = solve(WorkingSetNewton, build(X, y, "squared", penalty, alpha), 1e-11)
    result, w = solve(named(name), build(X, y, "squared", penalty, alpha), 1e-9)
    assert result.certificate.holds
    assert w.min() == 0.0
    np.testing.assert_allclose(w, v, atol=1e-4)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_draws_are_reproducible(rng, name):
    X, y = design(rng), None
    y = target(rng, X, "squared")
    fits = [
        SparseRegressor(alpha=0.1, solver=name, random_state=seed).fit(X, y)
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.any(fits[0].coef_ != fits[2].coef_)
    np.testing.assert_allclose(fits[0].coef_, fits[2].coef_, atol=1e-2)
    assert all(fit.converged_ for fit in fits)


@pytest.mark.parametrize("name", CONVEX)
def test_checkpoint_goes_on(rng, name):
    X = design(rng, 60, 20)
    y = target(rng, X, "logistic")
    alpha = 0.1 * alpha_max(X, y, "logistic", "l1")
    problem = build(X, y, "logistic", "l1", alpha)
    first = named(name)(problem, 1e-8)
    state = first.step(first.step(first.init()))
    packed = {key: np.asarray(value) for key, value in first.pack(state).items()}
    problem = build(X, y, "logistic", "l1", alpha)
    second = named(name, seed=7)(problem, 1e-8)
    there = second.unpack(packed)
    before, after = first.certificate(state), second.certificate(there)
    assert after.objective == pytest.approx(before.objective, rel=1e-12)
    if name in STOCHASTIC:
        rows = first.sampler.rows(20)
        np.testing.assert_array_equal(rows, second.sampler.rows(20))
    result = iterate(second, there, tol=1e-8, max_iter=400)
    best, w = solve(WorkingSetNewton, build(X, y, "logistic", "l1", alpha), 1e-11)
    assert result.certificate.holds
    np.testing.assert_allclose(dense(result.solution, problem), w, atol=1e-4)


@pytest.mark.parametrize("name", CONVEX)
def test_rounding_ends_the_search(rng, name):
    X = design(rng, 50, 12)
    y = target(rng, X, "squared")
    alpha = 0.2 * alpha_max(X, y, "squared", "l1")
    result, _ = solve(
        named(name), build(X, y, "squared", "l1", alpha), 1e-18, None, 300
    )
    assert result.reason in (StopReason.STALLED, StopReason.CONVERGED)
    assert result.certificate.value < 1e-12


@pytest.mark.parametrize("penalty", ["mcp", "scad", "log_sum", "l0"])
@pytest.mark.parametrize("name", ["a-coder", "vr-a-coder"])
def test_averages_refuse_nonconvex_penalties(rng, name, penalty):
    X = design(rng, 20, 3)
    problem = build(X, X[:, 0], "squared", penalty, 0.1)
    with pytest.raises(ValueError, match=f"'{name}' is for convex.*'{penalty}'.*p-ccd"):
        make_solver(problem, name, 1e-4)


@pytest.mark.parametrize("penalty", ["log_sum", "l_half", "l0"])
@pytest.mark.parametrize("name", SPLIT)
def test_descent_refuses_what_it_cannot_split(rng, name, penalty):
    X = design(rng, 20, 3)
    problem = build(X, X[:, 0], "squared", penalty, 0.1)
    with pytest.raises(ValueError, match=f"'{name}' has no splitting.*{penalty}"):
        make_solver(problem, name, 1e-4)


@pytest.mark.parametrize("name", CONVEX)
def test_losses_without_bounded_curvature_are_refused(rng, name):
    X = design(rng, 20, 5)
    problem = build(X, target(rng, X, "poisson"), "poisson", "l1", 0.1)
    with pytest.raises(ValueError, match=rf"'{name}' needs a loss of bounded curv"):
        make_solver(problem, name, 1e-4)
    problem = build(X, X[:, 0], "quantile", "l1", 0.1)
    with pytest.raises(ValueError, match=rf"'{name}' needs a smooth loss"):
        make_solver(problem, name, 1e-4)
    with pytest.raises(ValueError, match="separable"):
        SparseRegressor(penalty="slope", solver=name).fit(X, X[:, 0])


def test_long_columns_are_blocks_of_their_own(rng, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.cyclic_descent.TALL", 60)
    passes = {}
    for loss in ("squared", "logistic"):
        X = design(rng, 60, 20, rho=0.7)
        y = target(rng, X, loss)
        alpha = 0.05 * alpha_max(X, y, loss, "l1")
        for width in (None, 64):
            problem = build(X, y, loss, "l1", alpha)
            solver = named("p-ccd", width)(problem, 1e-8)
            blocks = solver._partition(solver._restrict(np.arange(20))).blocks
            single = width is None and loss == "squared"
            assert len(blocks) == (20 if single else 1)
            result, _ = solve(named("p-ccd", width), problem, 1e-8, max_iter=500)
            assert result.certificate.holds
            passes[loss, width] = result.history.as_dict()["passes"][-1]
    # A step in a single column is exact, and new values are used at once.
    assert passes["squared", None] < 0.5 * passes["squared", 64]
    assert passes["logistic", None] == passes["logistic", 64]
