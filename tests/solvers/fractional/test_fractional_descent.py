"""Solvers of ratios: monotone, certified, against independent minimisers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh
from scipy.optimize import minimize_scalar

from skopt2._core.iterate import iterate
from skopt2.solvers.fractional.denominators import (
    AbsoluteSum,
    Quadratic,
    RootQuadratic,
    TopSum,
)
from skopt2.solvers.fractional.forms import LeastSquares, Ridge
from skopt2.solvers.fractional.fractional_descent import FractionalDescent
from skopt2.solvers.fractional.gradient_subgradient import GradientSubgradient
from skopt2.solvers.fractional.parametric_descent import ParametricDescent
from skopt2.solvers.fractional.problem import FractionalProblem

P = 12
KINDS = ("norm", "rayleigh", "absolute", "top", "l2", "squared")
SOLVERS = (
    FractionalDescent,
    ParametricDescent,
    GradientSubgradient,
    lambda problem: FractionalDescent(problem, selection="random", rescale=False),
    lambda problem: ParametricDescent(
        problem, selection="cyclic", rescale=False, theta=1e-3
    ),
    lambda problem: GradientSubgradient(problem, inner=20, rescale=False),
)


def make(kind, rng, p=P):
    """Return a problem and a numerator and denominator written out."""
    A, B = rng.normal(size=(20, p)), rng.normal(size=(15, p))
    y = B @ np.where(np.arange(p) < 3, 2.0, 0.0) + 0.1 * rng.normal(size=15)
    lam = 0.0 if kind == "rayleigh" else 0.3
    least = kind in ("rayleigh", "top", "l2", "squared")
    y = 0.0 * y if kind == "rayleigh" else y
    numerator = LeastSquares(B, y) if least else Ridge(p)
    G, value = {
        "norm": (RootQuadratic(LeastSquares(A)), lambda x: np.linalg.norm(A @ x)),
        "rayleigh": (
            Quadratic(LeastSquares(A)),
            lambda x: 0.5 * np.sum((A @ x) ** 2),
        ),
        "absolute": (AbsoluteSum(A), lambda x: np.abs(A @ x).sum()),
        "top": (TopSum(3), lambda x: np.sort(np.abs(x))[-3:].sum()),
        "l2": (RootQuadratic(Ridge(p, 0.0)), np.linalg.norm),
        "squared": (Quadratic(Ridge(p)), lambda x: 0.5 + 0.5 * x @ x),
    }[kind]

    def ratio(x):
        top = 0.5 * np.sum((B @ x - y) ** 2) if least else 0.5 + 0.5 * x @ x
        return (top + lam * np.abs(x).sum()) / value(x)

    return FractionalProblem(numerator, lam, G), ratio


def run(solver, x, tol=1e-12, steps=300):
    return iterate(solver, solver.init(x), tol=tol, max_iter=steps)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_ratio_never_increases(kind, solver, rng):
    problem, ratio = make(kind, rng)
    x = rng.normal(size=P)
    result = run(solver(problem), x, steps=30)
    objective = np.append(ratio(x), result.history.as_dict()["objective"])
    assert np.diff(objective).max() <= 1e-13 * objective[0]
    assert result.objective == pytest.approx(ratio(result.solution.x), rel=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificate_is_the_gain_of_a_search_along_coordinates(kind, rng):
    problem, ratio = make(kind, rng)
    descent = FractionalDescent(problem)
    state = descent.init(rng.normal(size=P))
    for _ in range(2):
        now = ratio(state.x)
        for i, score in enumerate(state.scores):

            def along(eta, i=i, x=state.x):
                return ratio(x + eta * np.eye(P)[i])

            grid = np.append(np.linspace(-10.0, 10.0, 201), [0.0, -state.x[i]])
            values = [along(eta) for eta in grid]
            k = int(np.argmin(values))
            near = minimize_scalar(
                along, bounds=(grid[k] - 0.1, grid[k] + 0.1), method="bounded"
            )
            least = min(near.fun, values[k])
            # A grid can miss what a global search finds, and not the reverse.
            assert score >= (now - least) / now - 1e-7
        assert descent.certificate(state).value == state.scores.max()
        for _ in range(3):
            state = descent.step(state)


@pytest.mark.parametrize("kind", KINDS)
def test_converged_points_are_critical_and_certified(kind, rng):
    problem, ratio = make(kind, rng)
    result = run(FractionalDescent(problem), rng.normal(size=P), 1e-13, 2000)
    assert result.certificate.value <= 1e-12
    state = result.solution
    x = state.x
    tried = x + 0.3 * rng.normal(size=(50, 1)) * np.eye(P)[rng.integers(P, size=50)]
    assert min(map(ratio, tried)) >= ratio(x) * (1.0 - 1e-12)
    # Where G has a kink there is more than one subgradient, and one is tested.
    if kind != "top":
        assert result.history.as_dict()["criticality"][-1] < 1e-5


def test_without_penalty_the_norm_gives_the_leading_direction(rng):
    A = rng.normal(size=(30, P)) * np.linspace(1.0, 3.0, P)
    wanted = np.linalg.svd(A)[2][0]
    for solver in (FractionalDescent, ParametricDescent, GradientSubgradient):
        problem = FractionalProblem(Ridge(P), 0.0, RootQuadratic(LeastSquares(A)))
        result = run(solver(problem), np.ones(P), 1e-15, 3000)
        x = result.solution.x
        # A gain of 1e-15 along each coordinate is an angle of about its root.
        assert abs(x @ wanted) == pytest.approx(1.0, abs=1e-7)
        assert np.linalg.norm(x) == pytest.approx(1.0)
        least = 1.0 / np.linalg.norm(A, 2)
        assert result.objective == pytest.approx(least, rel=1e-10)


def test_rayleigh_quotient_comes_to_the_least_generalised_eigenvalue(rng):
    A, B = rng.normal(size=(20, 6)), rng.normal(size=(15, 6))
    problem = FractionalProblem(LeastSquares(B), 0.0, Quadratic(LeastSquares(A)))
    wanted = eigh(B.T @ B, A.T @ A, eigvals_only=True)[0]
    result = run(FractionalDescent(problem), np.ones(6), 1e-15, 3000)
    assert result.objective == pytest.approx(wanted, rel=1e-8)


def test_linear_numerator_and_concave_denominator_come_to_the_global_minimum(rng):
    # A concave G: the ratio is quasiconvex, and every critical point is a minimum.
    B, y = rng.normal(size=(15, 5)), rng.normal(size=15)
    cvxpy = pytest.importorskip("cvxpy")

    class Concave(LeastSquares):
        """30 - 1/2 abs(x)^2."""

        def __init__(self):
            super().__init__(np.eye(5))
            self.diagonal, self.origin = -np.ones(5), (30.0, np.zeros(5))

        def evaluate(self, x):
            return 30.0 - 0.5 * x @ x, -x

        def gram(self, ids):
            return -np.eye(ids.size)

    problem = FractionalProblem(LeastSquares(B, y), 0.5, Quadratic(Concave()))
    result = run(FractionalDescent(problem), np.zeros(5), 1e-15, 500)
    x, alpha = cvxpy.Variable(5), result.objective
    left = 0.5 * cvxpy.sum_squares(B @ x - y) + 0.5 * cvxpy.norm1(x)
    value = cvxpy.Problem(
        cvxpy.Minimize(left - alpha * (30.0 - 0.5 * cvxpy.sum_squares(x)))
    ).solve()
    # Dinkelbach: alpha is the least ratio where the least difference is zero.
    assert abs(value) < 1e-6


def test_coordinate_optimality_is_more_than_criticality():
    # A feature on its own is critical here, and far from the best.
    C = np.array([[1.0, 0.3, 0.3], [0.3, 2.0, 1.8], [0.3, 1.8, 2.0]])
    A = np.linalg.cholesky(C).T
    problem = FractionalProblem(Ridge(3), 0.5, RootQuadratic(LeastSquares(A)))
    start = np.array([1.0, 0.0, 0.0])
    power = GradientSubgradient(problem)
    stuck = power.step(power.init(start))
    assert_allclose(stuck.x, start)
    assert problem.criticality(stuck) == 0.0
    assert power.certificate(stuck).value > 0.01
    found = run(FractionalDescent(problem), start)
    assert found.objective < 0.9 * stuck.ratio
    assert np.count_nonzero(found.solution.x) >= 2


def test_runs_repeat_and_resume(rng):
    problem, _ = make("norm", rng)
    x = rng.normal(size=P)
    solver = FractionalDescent(problem, selection="random", random_state=3)
    whole = run(solver, x, tol=0.0, steps=6)
    assert_array_equal(run(solver, x, tol=0.0, steps=6).solution.x, whole.solution.x)
    half = run(solver, x, tol=0.0, steps=3)
    state = solver.unpack(solver.pack(half.solution))
    for _ in range(3):
        state = solver.step(state)
    assert_allclose(state.x, whole.solution.x, rtol=1e-12, atol=1e-15)
    other = FractionalDescent(problem, selection="random", random_state=4)
    assert abs(run(other, x, tol=0.0, steps=1).solution.x - half.solution.x).max() > 0


def test_working_sets_of_a_few_coordinates_come_to_the_same(rng):
    problem, _ = make("norm", rng, 60)
    x = 0.1 * rng.normal(size=60)
    few = run(FractionalDescent(problem, most=7), x)
    assert few.certificate.holds
    assert np.count_nonzero(few.solution.x) < 60


@pytest.mark.parametrize("kind", ["norm", "rayleigh"])
def test_badly_scaled_columns(kind, rng):
    scale = 10.0 ** np.linspace(-4.0, 4.0, P)
    A, B = rng.normal(size=(20, P)) * scale, rng.normal(size=(15, P)) * scale
    numerator = Ridge(P) if kind == "norm" else LeastSquares(B)
    G = RootQuadratic if kind == "norm" else Quadratic
    problem = FractionalProblem(numerator, 0.0, G(LeastSquares(A)))
    result = run(FractionalDescent(problem), 1.0 / scale, 1e-13, 2000)
    if kind == "norm":
        assert result.objective == pytest.approx(1.0 / np.linalg.norm(A, 2))
    assert result.certificate.value <= 1e-10
