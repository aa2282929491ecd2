"""Rules of block descent: scores, blocks, updates, forests, and the Newton finish."""

from itertools import combinations, product

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import lsq_linear

from skopt2.penalties import L1, MCP, SCAD, Box, ElasticNet, Positive
from skopt2.solvers.block_coordinate_descent.block_engine import BlockEngine
from skopt2.solvers.block_coordinate_descent.block_minimum import (
    DenseMatrix,
    block_minimum,
)
from skopt2.solvers.block_coordinate_descent.block_scores import (
    coordinate_gains,
    largest_ratio_block,
)
from skopt2.solvers.block_coordinate_descent.eigenvalues import steepness
from skopt2.solvers.block_coordinate_descent.graph_part import SparsePart
from skopt2.solvers.block_coordinate_descent.pattern_newton import PatternNewton
from skopt2.solvers.block_coordinate_descent.ruled_descent import RuledDescent
from skopt2.solvers.block_coordinate_descent.rules import BlockRules
from skopt2.solvers.composite import CompositeModel, Point, intercept_array
from tests.solvers.graph_blocks.graphs import laplacian, lattice
from tests.solvers.problems import alpha_max, build, design, target

RULES = ["gs", "gsl", "gsd", "gsq"]
UPDATES = ["gradient", "diagonal", "matrix", "newton"]


def quadratic(rng, m=12, n=40):
    """Positive definite matrix with a spread diagonal, a gradient and a point."""
    A = rng.standard_normal((n, m)) * np.exp(rng.standard_normal(m))
    A += rng.standard_normal((n, 1))
    return A.T @ A / n, rng.standard_normal(m), rng.standard_normal(m)


def quadratic_engine(H, g, rules, penalty=None, lam=0.0, x=None):
    """Engine of x'Hx / 2 + (g - Hx_0)'x at x_0, where the gradient is g."""
    x = np.zeros(g.size) if x is None else x
    smooth = SparsePart(sp.csr_array(H), H @ x - g, x)
    return BlockEngine(smooth, penalty, np.full(g.size, lam), x, rules)


def model_engine(X, y, loss, penalty, lam, rules, start=None):
    """Engine of a linear problem at the null model."""
    problem = build(X, y, loss, penalty, lam)
    solver = RuledDescent(problem, 1e-8, rules)
    model, K = CompositeModel(problem), problem.n_outputs
    w = np.zeros((model.m,) if K == 1 else (model.m, K), dtype=y.dtype)
    b = intercept_array(problem, problem.null_intercept)
    point = Point(w, b, problem.null_predictor)
    return (
        problem,
        model,
        solver,
        solver.engine(model, point, model.levels(problem.lam)),
    )


def objective(problem, model, solver, engine):
    point = solver._point(model, engine.x)
    return model.objective(point, model.levels(problem.lam))


def l1_model_minimum(H, g, x, lam):
    """Minimum of the model by looking at all patterns of signs of the new point."""
    best = 0.0
    for signs in product((-1, 0, 1), repeat=g.size):
        s = np.array(signs)
        new, S = np.zeros(g.size), s != 0
        # Gradient of the model at new, on S: g + H (new - x) + lam s = 0.
        rhs = (H @ x - g - lam * s)[S]
        new[S] = np.linalg.solve(H[np.ix_(S, S)], rhs)
        if (new * s < 0).any():
            continue
        d = new - x
        change = g @ d + 0.5 * d @ H @ d + lam * (np.abs(new) - np.abs(x)).sum()
        best = max(best, -change)
    return best


@pytest.mark.parametrize("penalty", [L1(), ElasticNet(0.4), MCP(4.0), Positive(L1())])
def test_gains_are_those_of_the_best_step_of_a_coordinate(rng, penalty):
    x, g = rng.standard_normal(6), rng.standard_normal(6)
    x[:2] = 0.0
    x = np.abs(x)
    D, lam = np.exp(rng.standard_normal(6)), np.full(6, 0.4)
    gains = coordinate_gains(penalty, x, g, lam, D)
    for i in range(6):
        one = lam[i : i + 1]
        before = penalty.value(x[i : i + 1], one)

        def model(d, i=i, one=one, before=before):
            after = penalty.value(np.array([x[i] + d]), one)
            return g[i] * d + 0.5 * D[i] * d * d + after - before

        # The new point is on a piece between kinks, or at one: a grid finds which.
        grid = np.append(np.linspace(-8.0, 8.0, 1601), -x[i])
        d = min(grid, key=model)
        fine = np.linspace(d - 0.01, d + 0.01, 2001)
        best = min(model(-x[i]), 0.0, *(model(value) for value in fine))
        assert gains[i] == pytest.approx(-best, abs=1e-9 + 1e-10 * D[i])


@pytest.mark.parametrize("selection", RULES)
def test_fixed_blocks_are_chosen_as_by_their_formulas(rng, selection):
    for _ in range(5):
        H, g, _ = quadratic(rng)
        rules = BlockRules("order", selection, "matrix", block_size=3)
        engine = quadratic_engine(H, g, rules)
        scores = []
        for b in engine.fixed.blocks:
            M, v = H[np.ix_(b, b)], g[b]
            top, theta, _ = steepness(M)
            assert top == pytest.approx(np.linalg.eigvalsh(M)[-1])
            scores.append(
                {
                    "gs": v @ v,
                    "gsl": v @ v / top,
                    "gsd": (v * v / (theta * M.diagonal())).sum(),
                    "gsq": v @ np.linalg.solve(M, v),
                }[selection]
            )
        assert engine.select()[0] == int(np.argmax(scores))


def test_gsq_with_a_penalty_promises_the_least_model(rng):
    for _ in range(4):
        H, g, x = quadratic(rng)
        x[rng.random(12) < 0.5] = 0.0
        rules = BlockRules("order", "gsq", "matrix", block_size=3)
        engine = quadratic_engine(H, g, rules, L1(), 0.5, x)
        best = [
            l1_model_minimum(H[np.ix_(b, b)], g[b], x[b], 0.5)
            for b in engine.fixed.blocks
        ]
        promises = [engine._promise(k) for k in range(engine.n_blocks)]
        np.testing.assert_allclose(promises, best, rtol=1e-9, atol=1e-12)
        assert engine.select()[0] == int(np.argmax(best))


@pytest.mark.parametrize("selection", RULES)
def test_variable_blocks_are_the_best_of_all(rng, selection):
    shares = []
    for _ in range(5):
        H, g, _ = quadratic(rng, m=8)
        if selection == "gsq":
            # The pursuit needs columns that are not nearly parallel.
            H = np.cov(rng.standard_normal((8, 40)))
        engine = quadratic_engine(H, g, BlockRules("variable", selection, block_size=3))
        L = H.diagonal()

        def score(b, H=H, g=g, L=L):
            v = g[b]
            return {
                "gs": v @ v,
                "gsl": v @ v / L[b].sum(),
                "gsd": (v * v / L[b]).sum(),
                "gsq": v @ np.linalg.solve(H[np.ix_(b, b)], v),
            }[selection]

        scores = [score(np.array(b)) for b in combinations(range(8), 3)]
        b = engine.select()[1]
        assert b.size == 3
        shares.append(score(b) / max(scores))
    if selection == "gsq":
        # No method is exact; the thresholded one is close, and below the maximum.
        assert max(shares) <= 1.0 + 1e-12
        assert np.mean(shares) > 0.85
    else:
        np.testing.assert_allclose(shares, 1.0, rtol=1e-12)


def test_a_ratio_of_sums_needs_more_than_a_sort(rng):
    better = 0
    for _ in range(20):
        squares, L = rng.random(9), np.exp(2.0 * rng.standard_normal(9))
        b = largest_ratio_block(squares, L, 4)
        best = max(
            squares[list(c)].sum() / L[list(c)].sum() for c in combinations(range(9), 4)
        )
        assert squares[b].sum() / L[b].sum() == pytest.approx(best)
        top = np.argsort(-squares / L)[:4]
        better += squares[top].sum() / L[top].sum() < 0.999 * best
    assert better > 0


def test_better_models_promise_more_and_bring_more(rng):
    progress = {rule: [] for rule in RULES}
    for _ in range(60):
        H, g, _ = quadratic(rng, m=20)
        bound = {}
        for rule in RULES:
            rules = BlockRules("order", rule, "matrix", block_size=4)
            engine = quadratic_engine(H, g, rules)
            number, b = engine.select()
            top, theta, _ = engine._bounds(number)
            M, v = H[np.ix_(b, b)], g[b]
            bound[rule] = {
                "gs": v @ v / max(engine._bounds(k)[0] for k in range(5)),
                "gsl": v @ v / top,
                "gsd": (v * v / (theta * M.diagonal())).sum(),
                "gsq": v @ np.linalg.solve(M, v),
            }[rule]
            progress[rule].append(0.5 * float(v @ np.linalg.solve(M, v)))
        # What the paper guarantees, in every single step.
        assert bound["gsq"] >= max(bound["gsd"], bound["gsl"]) * (1.0 - 1e-12)
        assert bound["gsl"] >= bound["gs"] * (1.0 - 1e-12)
    mean = {rule: np.mean(values) for rule, values in progress.items()}
    assert (np.array(progress["gsq"]) >= np.array(progress["gs"]) - 1e-12).all()
    assert mean["gsq"] > mean["gsd"] > mean["gs"]
    assert mean["gsl"] > mean["gs"]


def test_the_minimum_of_a_block_with_bounds_is_that_of_scipy(rng):
    for _ in range(10):
        A, r = rng.standard_normal((9, 6)), rng.standard_normal(9)
        low, high = -rng.random(6), rng.random(6)
        x = low + (high - low) * rng.random(6)
        x[0], x[1] = low[0], high[1]
        penalty, lam = Box(low, high), np.zeros(6)
        d, fall = block_minimum(
            DenseMatrix(A.T @ A), A.T @ (A @ x - r), x, penalty, lam
        )
        reference = lsq_linear(A, r, (low, high), tol=1e-14)
        np.testing.assert_allclose(x + d, reference.x, atol=1e-8)
        before = 0.5 * np.sum((A @ x - r) ** 2)
        assert fall == pytest.approx(before - reference.cost, abs=1e-10)


@pytest.mark.parametrize("penalty", [MCP(3.0), SCAD(4.0)])
def test_the_minimum_of_a_block_under_a_concave_penalty_is_stationary(rng, penalty):
    for _ in range(10):
        H, g, x = quadratic(rng, m=6)
        lam = np.full(6, 0.5)
        d, fall = block_minimum(DenseMatrix(H), g, x, penalty, lam)
        change = g @ d + 0.5 * d @ H @ d
        change += penalty.value(x + d, lam) - penalty.value(x, lam)
        assert fall == pytest.approx(-change, abs=1e-12)
        assert fall >= 0.0
        distance = penalty.subdiff_distance(x + d, g + H @ d, lam)
        assert distance.max() < 1e-8


def test_a_singular_block_is_solved_all_the_same(rng):
    A = rng.standard_normal((3, 6))
    H, x, lam = A.T @ A, np.zeros(6), np.full(6, 0.05)
    g = A.T @ rng.standard_normal(3)
    d, fall = block_minimum(DenseMatrix(H), g, x, L1(), lam)
    assert fall > 0.0
    assert L1().subdiff_distance(d, g + H @ d, lam).max() < 1e-6


@pytest.mark.parametrize("partition", ["forest", "variable forest"])
@pytest.mark.parametrize("penalty", [None, Positive(L1()), L1()])
def test_messages_solve_a_forest_as_a_dense_matrix_does(rng, partition, penalty):
    A = laplacian(lattice(6, 5)) + 0.3 * sp.eye_array(30)
    A = sp.csr_array(A)
    A.sort_indices()
    c, lam = rng.standard_normal(30), 0.2 if penalty is not None else 0.0
    x = np.zeros(30)
    rules = BlockRules(partition, "gsd", "matrix", finish=False)
    engine = BlockEngine(SparsePart(A, c, x), penalty, np.full(30, lam), x, rules)
    for _ in range(3):
        before, g = engine.x.copy(), engine.smooth.gradient()
        b = engine.update()
        part = None if penalty is None else penalty
        dense = DenseMatrix(A[b][:, b].toarray())
        d, _ = block_minimum(dense, g[b], before[b], part, np.full(b.size, lam))
        np.testing.assert_allclose(engine.x[b] - before[b], d, atol=1e-10)
        assert b.size > 5
    np.testing.assert_allclose(engine.smooth.gradient(), A @ engine.x - c, atol=1e-12)


def test_forests_need_a_sparse_hessian(rng):
    X = design(rng)
    with pytest.raises(ValueError, match="need a sparse Hessian"):
        model_engine(
            X, target(rng, X, "squared"), "squared", "l1", 0.1, BlockRules("forest")
        )


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "multinomial"])
@pytest.mark.parametrize("update", UPDATES)
def test_no_update_raises_the_objective(rng, loss, update):
    X = design(rng, p=20)
    X[:, 3] *= 30.0
    X[:, 7] *= 0.02
    y = target(rng, X, loss)
    for selection, partition in [
        ("cyclic", "order"),
        ("random", "variable"),
        ("gsl", "lipschitz"),
        ("gsq", "order"),
        ("gsd", "variable"),
    ]:
        rules = BlockRules(
            partition, selection, update, 4, finish=False, random_state=0
        )
        level = 0.1 * alpha_max(X, y, loss, "l1")
        setup = model_engine(X, y, loss, "l1", level, rules)
        engine, values = setup[-1], [objective(*setup)]
        for _ in range(12):
            engine.update()
            values.append(objective(*setup))
        assert (np.diff(values) <= 1e-12 * abs(values[0])).all()
        assert values[-1] < values[0] - 1e-4 * abs(values[0])
        fresh = setup[1].gradient(setup[2]._point(setup[1], engine.x).eta)[0].ravel()
        held = engine.smooth.gradient()[-fresh.size :]
        np.testing.assert_allclose(
            held, fresh, atol=1e-10 * np.abs(fresh).max() + 1e-12
        )


@pytest.mark.parametrize("loss", ["logistic", "multinomial", "poisson"])
def test_hessians_of_blocks_are_those_of_the_loss(rng, loss):
    X = design(rng, n=40, p=8)
    y = target(rng, X, loss)
    smooth = model_engine(X, y, loss, "l1", 0.1, BlockRules())[-1].smooth
    smooth.move(np.arange(3), 0.1 * rng.standard_normal(3))
    everything = np.arange(smooth.size)
    H = smooth.hessian(everything)
    columns = [smooth.hessian_times(e) for e in np.eye(smooth.size)]
    np.testing.assert_allclose(H, np.array(columns), atol=1e-12)
    b = np.array([1, 2, 5])
    np.testing.assert_allclose(smooth.hessian(b), H[np.ix_(b, b)], atol=1e-12)
    # The bound is one: no direction bends more.
    assert np.linalg.eigvalsh(smooth.bound(everything) - H).min() > -1e-10


def test_the_finish_of_the_lasso_is_one_step(rng):
    X = design(rng, p=60)
    y = target(rng, X, "squared")
    level = 0.1 * alpha_max(X, y, "squared", "l1")
    rules = BlockRules("order", "cyclic", "gradient", 5)
    engine = model_engine(X, y, "squared", "l1", level, rules)[-1]
    distances = []
    for _ in range(300):
        steps = engine.pattern.n_steps
        before = engine.distance().max()
        engine.sweep()
        distances.append(
            (before, engine.distance().max(), engine.pattern.n_steps - steps)
        )
        if distances[-1][1] < 1e-13:
            break
    before, after, steps = distances[-1]
    # Gradient sweeps crawl; the step that finds the minimum is a single one.
    assert steps == 1
    assert before > 1e-8
    assert after < 1e-13
    crawl = [b / a for a, b, used in distances if not used][-3:]
    assert min(crawl) > 0.1


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_the_finish_of_l1_logistic_is_superlinear(rng, loss):
    X = design(rng, n=150, p=40)
    y = target(rng, X, loss)
    level = 0.1 * alpha_max(X, y, loss, "l1")
    rules = BlockRules("order", "gsd", "gradient", 5, finish=False)
    engine = model_engine(X, y, loss, "l1", level, rules)[-1]
    pattern = PatternNewton(engine)
    for _ in range(30):
        engine.sweep()
    start = pattern.pattern()
    distances = [engine.distance().max()]
    crawl = distances[0]
    while distances[-1] > 1e-14 and len(distances) < 8:
        assert pattern.step()
        distances.append(engine.distance().max())
    # Identified: no Newton step changes the pattern any more.
    np.testing.assert_array_equal(pattern.pattern(), start)
    ratios = np.divide(distances[1:], distances[:-1])
    assert crawl > 1e-8
    assert ratios[0] < 0.1
    # Each error is a smaller part of the one before, down to rounding.
    clear = ratios[np.array(distances[1:]) > 1e-14]
    assert (np.diff(clear) < 0.0).all()
    assert len(distances) <= 5


def test_extrapolation_goes_further_in_as_many_sweeps(rng):
    X = design(rng, n=60, p=40, rho=0.9)
    y = target(rng, X, "squared")
    level = 0.001 * alpha_max(X, y, "squared", "l1")
    values = {}
    for extrapolate in (False, True):
        rules = BlockRules(
            "order", "cyclic", "gradient", 1, finish=False, extrapolate=extrapolate
        )
        setup = model_engine(X, y, "squared", "l1", level, rules)
        for _ in range(60):
            setup[-1].sweep()
        values[extrapolate] = objective(*setup)
    best = model_engine(X, y, "squared", "l1", level, BlockRules())
    for _ in range(60):
        best[-1].sweep()
    least = objective(*best)
    assert values[True] - least < 0.2 * (values[False] - least)


def test_a_random_order_depends_on_the_seed_alone(rng):
    X = design(rng)
    y = target(rng, X, "squared")

    def blocks(seed):
        rules = BlockRules("order", "random", block_size=3, random_state=seed)
        engine = model_engine(X, y, "squared", "l1", 0.1, rules)[-1]
        return [engine.select()[0] for _ in range(10)]

    assert blocks(1) == blocks(1)
    assert blocks(1) != blocks(2)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"selection": "greedy"}, "selection must be one of .* got selection='gree"),
        ({"partition": "blocks"}, "partition must be one of"),
        ({"update": "step"}, "update must be one of"),
        ({"selection": "cyclic"}, "visits blocks in turn"),
        ({"partition": "variable forest", "selection": "gsq"}, "every forest"),
    ],
)
def test_rules_that_do_not_go_together(rules, message):
    with pytest.raises(ValueError, match=message):
        BlockRules(**rules)
