"""The block methods: their formulas, and the theorems that their steps promise."""

import numpy as np
import pytest

from skopt2.penalties import get_penalty
from skopt2.solvers.column_blocks import ColumnBlocks
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.cyclic_descent import CyclicDescent, concave_slope
from skopt2.solvers.cyclic_dual_averaging import CyclicDualAveraging
from skopt2.solvers.row_sampler import RowSampler
from skopt2.solvers.variance_reduced_averaging import VarianceReducedAveraging
from skopt2.solvers.variance_reduced_descent import VarianceReducedDescent
from skopt2.solvers.working_set import WorkingSetNewton
from tests.solvers.problems import alpha_max, build, design, solve, target
from tests.solvers.test_accelerated_gradient import mcp_bend, scad_bend

P, WIDTH = 25, 4
PARTS = [slice(j, min(j + WIDTH, P)) for j in range(0, P, WIDTH)]


def gradient(X, y, w, loss):
    """Gradient of the mean loss, without an intercept."""
    if loss == "squared":
        return X.T @ (X @ w - y) / len(y)
    return X.T @ (-y / (1.0 + np.exp(y * (X @ w)))) / len(y)


def soft(z, level):
    return np.sign(z) * np.maximum(np.abs(z) - level, 0.0)


@pytest.fixture
def case(rng):
    """Return a function that sets up a problem and a method on blocks of four."""

    def setup(method, loss, penalty, share=0.1, s=None, X=None, y=None, **options):
        X = design(rng, 60, P) if X is None else X
        y = target(rng, X, loss) if y is None else y
        lam = share * alpha_max(X, y, loss, penalty, fit_intercept=False)
        problem = build(X, y, loss, penalty, lam, s=s, fit_intercept=False)
        solver = method(problem, 1e-6, **options)
        model = CompositeModel(problem)
        blocks = ColumnBlocks(model, float(problem.loss.lipschitz), WIDTH)
        start = model.at(np.zeros(X.shape[1]), np.zeros(()))
        return X, y, lam, solver, blocks, start

    return setup


def chain(p):
    """Design whose least squares is the hard quadratic: a chain, tied at one end."""
    X = np.eye(p) - np.eye(p, k=-1)
    y = np.zeros(p)
    y[0] = 1.0
    return X * np.sqrt(p), y * np.sqrt(p)


def bounds(X, blocks):
    """Smoothness of the whole gradient, and of the part that a cycle lacks."""
    root = np.sqrt(blocks.metric)
    H = X.T @ X / len(X) / np.outer(root, root)
    upper = np.zeros_like(H)
    for block in blocks.blocks:
        upper[block.part, block.part.stop :] = H[block.part, block.part.stop :]
    return np.linalg.norm(H, 2), np.linalg.norm(upper, 2)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_metric_makes_blocks_smooth(case, loss):
    X, _, _, _, blocks, _ = case(CyclicDescent, loss, "l1")
    H = blocks.c * X.T @ X / len(X)
    root = np.sqrt(blocks.metric)
    for part in PARTS:
        scaled = (H / np.outer(root, root))[part, part]
        assert 0.99 < np.linalg.eigvalsh(scaled)[-1] <= 1.0 + 1e-14
    whole = np.linalg.norm(H / np.outer(root, root), 2)
    assert whole <= blocks.smoothness() <= 1.11 * whole
    rows = blocks.c * (X * X / blocks.metric).sum(axis=1)
    assert blocks.row_smoothness() == pytest.approx(rows.max())


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_averages_are_those_of_the_formulas(case, loss):
    X, y, lam, solver, blocks, start = case(CyclicDualAveraging, loss, "l1")
    L, run = blocks.metric, solver.start(start)
    x0 = np.zeros(P)
    Y, V, Z, old, A, a_old = x0, x0, 0.0 * x0, 0.0 * x0, 0.0, 0.0
    for _ in range(12):
        run, _ = solver.advance(blocks, run, np.full(P, lam), 0.0)
        a = run.a
        x = (A * Y + a * V) / (A + a)
        latest, p, Z, V = x.copy(), np.zeros(P), Z.copy(), V.copy()
        for part in reversed(PARTS):
            p[part] = gradient(X, y, latest, loss)[part]
            q = p[part] + a_old / a * old[part] if a_old else p[part]
            Z[part] += a * q
            level = (A + a) * lam / L[part]
            V[part] = soft(x0[part] - Z[part] / L[part], level)
            latest[part] = (A * Y[part] + a * V[part]) / (A + a)
        old, Y, A, a_old = gradient(X, y, x, loss) - p, latest, A + a, a
        np.testing.assert_allclose(run.y.w, Y, atol=1e-10)
        np.testing.assert_allclose(run.y.eta, X @ Y, atol=1e-9)
        np.testing.assert_allclose(run.v, V, atol=1e-10)
        assert pytest.approx(A) == run.A


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_averages_keep_the_bound_of_the_theorem(case, penalty):
    X, y = chain(60)
    X, y, lam, solver, blocks, start = case(
        CyclicDualAveraging, "squared", penalty, share=1e-3, X=X, y=y
    )
    problem, level = solver.problem, np.full(60, lam)
    best, w = solve(WorkingSetNewton, problem, 1e-13)
    mu = blocks.convexity(level)
    assert (mu > 0.0) == (penalty == "elasticnet")
    distance = float(np.sum(blocks.metric * w * w))
    M, N = bounds(X, blocks)
    kappa = 0.24 / (M + 2.0 * N)
    run, errors = solver.start(start), []
    for k in range(1, 101):
        before = run.A
        run, _ = solver.advance(blocks, run, level, mu)
        error = blocks.model.objective(run.y, level) - best.objective
        assert run.A * error <= 0.5 * distance * (1.0 + 1e-9)
        # However the search goes, it ends at steps of a certain length.
        assert run.a**2 / run.A >= kappa * (1.0 + before * mu)
        assert 0.25 * kappa * k * k <= run.A
        assert error <= 2.0 * distance / (kappa * k * k)
        errors.append(error)
    # The chain is as slow as the bound allows; the elastic net is not.
    if penalty == "l1":
        assert errors[29] > 0.02 * 0.5 * distance / (0.25 * 30**2)


def test_elastic_net_makes_the_averages_linear(case, rng):
    X, y = chain(60)
    lam = 0.2
    problem = build(X, y, "squared", "elasticnet", lam, fit_intercept=False)
    solver, model = CyclicDualAveraging(problem, 1e-9), CompositeModel(problem)
    blocks, level = ColumnBlocks(model, 1.0, WIDTH), np.full(60, lam)
    best, w = solve(WorkingSetNewton, problem, 1e-14)
    mu = blocks.convexity(level)
    M, N = bounds(X, blocks)
    rate = 1.0 - np.sqrt(0.24 * mu / (M + 2.0 * N))
    run, errors, first = solver.start(model.at(0.0 * w, np.zeros(()))), [], None
    for k in range(60):
        run, _ = solver.advance(blocks, run, level, mu)
        first = first or run.A
        assert first * rate**-k * (1.0 - 1e-9) <= run.A
        errors.append(model.objective(run.y, level) - best.objective)
    assert errors[40] < 1e-6 * errors[0]


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
def test_cyclic_descent_is_that_of_the_formulas(case, penalty):
    X, y, lam, solver, blocks, end = case(CyclicDescent, "logistic", penalty, 0.3)
    bend = {
        "l1": lambda w: 0.0 * w,
        "mcp": lambda w: mcp_bend(w, lam, 3.0),
        "scad": lambda w: scad_bend(w, lam, 3.7),
    }[penalty]
    w, L = np.zeros(P), blocks.metric
    for _ in range(20):
        for part in PARTS:
            g = gradient(X, y, w, "logistic")[part] + bend(w[part])
            w[part] = soft(w[part] - g / L[part], lam / L[part])
        end, _ = solver.advance(blocks, end, np.full(P, lam))
        np.testing.assert_allclose(end.w, w, atol=1e-12)
    assert np.count_nonzero(w) >= 3


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
def test_cyclic_descent_falls_as_the_theorem_says(case, loss, penalty):
    _, _, lam, solver, blocks, end = case(CyclicDescent, loss, penalty, 0.1)
    level = np.full(P, lam)
    values, moves = [blocks.model.objective(end, level)], []
    for _ in range(200):
        new, length = solver.advance(blocks, end, level)
        d = new.w - end.w
        moves.append(float(np.sum(blocks.metric * d * d)))
        assert length == pytest.approx(np.abs(d * blocks.metric).max())
        values.append(blocks.model.objective(new, level))
        assert values[-2] - values[-1] >= 0.5 * moves[-1] - 1e-13
        end = new
    k = np.arange(1, 201)
    assert np.all(np.minimum.accumulate(moves) <= 2 * (values[0] - values[-1]) / k)
    assert moves[-1] < 1e-3 * moves[0]


def test_concave_part_has_no_kink(rng):
    w = np.concatenate([np.linspace(-4, 4, 81), [-1e-12, 0.0, 1e-12]])
    for name, bend in (
        ("mcp", mcp_bend(w, 1.0, 3.0)),
        ("scad", scad_bend(w, 1.0, 3.7)),
    ):
        slope = concave_slope(get_penalty(name), w, np.ones_like(w))
        np.testing.assert_allclose(slope, bend, atol=1e-11)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_recursion_over_all_rows_is_exact(case, loss):
    X, y, lam, solver, blocks, start = case(
        VarianceReducedDescent, loss, "mcp", 0.2, random_state=0
    )
    level = np.full(P, lam)
    run, _, _ = solver.refresh(blocks, start, level)
    for _ in range(5):
        latest, w = run.w.copy(), run.w
        run = solver.advance_on(blocks, run, level, np.arange(60))
        for part in PARTS:
            exact = gradient(X, y, latest, loss)[part]
            np.testing.assert_allclose(run.g[part], exact, atol=1e-12)
            latest[part] = run.w[part]
        np.testing.assert_array_equal(run.w_old, w)


def test_recursion_is_unbiased(case, rng):
    s = rng.uniform(size=60)
    s[:10] = 0.0
    s /= s.sum()
    X, y, lam, solver, _, start = case(
        VarianceReducedDescent, "logistic", "l1", 0.2, s=s, random_state=0
    )
    # One block: the later ones would follow moves that depend on the sample.
    blocks = ColumnBlocks(CompositeModel(solver.problem), 0.25, P)
    level = np.full(P, lam)
    run, _, _ = solver.refresh(blocks, start, level)
    mean = sum(
        s[i] * solver.advance_on(blocks, run, level, np.array([i])).g for i in range(60)
    )
    eta = X @ run.w
    exact = X.T @ (s * (-y / (1.0 + np.exp(y * eta))))
    np.testing.assert_allclose(mean, exact, atol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_epochs_over_all_rows_are_those_of_the_formulas(case, monkeypatch, loss):
    X, y, lam, solver, blocks, start = case(
        VarianceReducedAveraging, loss, "l1", random_state=0
    )
    solver.size(blocks)
    solver.cycles, solver.L = 3, 2.0
    monkeypatch.setattr(solver.sampler, "rows", lambda k: np.arange(60))
    L, level, x0 = blocks.metric, np.full(P, lam), np.zeros(P)
    here = solver.look(blocks, start, level)
    run = solver.advance(blocks, solver.start(start), here, level, 0.0)
    A = a_old = 1.0 / (4.0 * solver.L)
    U = A * gradient(X, y, x0, loss)
    V = soft(x0 - U / L, A * lam / L)
    anchor, error = V, np.zeros(P)
    np.testing.assert_allclose(run.y.w, anchor, atol=1e-12)
    for _ in range(4):
        here = solver.look(blocks, run.y, level)
        run = solver.advance(blocks, run, here, level, 0.0)
        a = np.sqrt(3 * A / (8.0 * solver.L))
        total = np.zeros(P)
        for k in range(1, 4):
            x = (A * anchor + a * V) / (A + a)
            latest, p, U, V = x.copy(), np.zeros(P), U.copy(), V.copy()
            for part in reversed(PARTS):
                p[part] = gradient(X, y, latest, loss)[part]
                q = p[part] + (a_old / a if k == 1 else 1.0) * error[part]
                U[part] += a / 3 * q
                step = (A + a * k / 3) * lam / L[part]
                V[part] = soft(x0[part] - U[part] / L[part], step)
                latest[part] = (A * anchor[part] + a * V[part]) / (A + a)
            error = gradient(X, y, x, loss) - p
            total += latest
        anchor, A, a_old = total / 3, A + a, a
        np.testing.assert_allclose(run.y.w, anchor, atol=1e-10)
        np.testing.assert_allclose(run.v, V, atol=1e-10)


def test_sampler_draws_rows_by_their_weights(rng):
    X = design(rng, 6, 2)
    s = np.array([0.0, 0.1, 0.4, 0.0, 0.3, 0.2])
    sampler = RowSampler(build(X, X[:, 0], "squared", "l1", 0.1, s=s), 0)
    counts = np.bincount(sampler.rows(20000), minlength=6) / 20000
    np.testing.assert_allclose(counts, s, atol=0.015)
    assert counts[0] == counts[3] == 0.0
    packed = sampler.pack()
    again = RowSampler(build(X, X[:, 0], "squared", "l1", 0.1, s=s), 1)
    again.unpack(packed)
    np.testing.assert_array_equal(sampler.rows(50), again.rows(50))
    assert sampler.failures(0.05) == again.failures(0.05)
    waits = [sampler.failures(0.2) for _ in range(4000)]
    assert np.mean(waits) == pytest.approx(4.0, rel=0.1)
