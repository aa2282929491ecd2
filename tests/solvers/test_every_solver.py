"""What holds for every solver of linear models that has a name."""

import numpy as np
import pytest
from sklearn.linear_model import QuantileRegressor

from skopt2._core.iterate import iterate
from skopt2._core.result import StopReason
from skopt2.penalties import get_penalty
from skopt2.solvers.choice import SOLVERS, make_solver
from tests.solvers.problems import alpha_max, build, dense, design, target
from tests.solvers.reference import best_subset, coordinate_descent, objective

# Loss and penalty for the solvers that do not take the squared loss with l1.
TAKES = {"smoothing": ("quantile", "l1"), "splicing": ("squared", "l0")}
TAKES |= dict.fromkeys(
    ("curvature", "newton-damped", "newton-lazy", "newton-gn", "poly", "oasis"),
    ("logistic", "ridge"),
)
HOST_ONLY = {"bcd"}
N, P = 60, 10


def pose(name):
    """Data, loss, penalty and level of a problem that a solver takes."""
    rng = np.random.default_rng(5)
    loss, penalty = TAKES.get(name, ("squared", "l1"))
    X = design(rng, N, P)
    y = target(rng, X, loss)
    alpha = 0.05 if penalty == "ridge" else 0.1 * alpha_max(X, y, loss, penalty)
    return X, y, loss, penalty, alpha


def run(name, problem, start=None, tol=1e-9):
    """Solve; returns the method too."""
    method = make_solver(problem, name, tol, random_state=0)
    state = method.init(start)
    result = iterate(
        method,
        state,
        tol=tol,
        max_iter=5000,
        check_every=getattr(method, "check_every", 1),
        name=method.certificate_name,
    )
    return method, result


def least(X, y, loss, penalty, alpha):
    """Smallest objective, by a search that shares no code with the solvers."""
    if penalty == "l0":
        return best_subset(X, y, alpha)[0]
    if loss == "quantile":
        peer = QuantileRegressor(alpha=alpha).fit(X, y)
        w, b = peer.coef_, peer.intercept_
    else:
        shape, lam = get_penalty(penalty), np.full(P, alpha)
        w, b = coordinate_descent(X, y, loss, shape, lam)
    return objective(X, y, loss, get_penalty(penalty), np.full(P, alpha), w, b)


@pytest.mark.parametrize("name", SOLVERS)
def test_point_is_the_minimum_and_certified(name):
    X, y, loss, penalty, alpha = pose(name)
    problem = build(X, y, loss, penalty, alpha)
    _, result = run(name, problem)
    assert result.reason is StopReason.CONVERGED
    w, b = dense(result.solution, problem), result.solution.intercept
    reached = objective(X, y, loss, get_penalty(penalty), np.full(P, alpha), w, b)
    assert result.objective == pytest.approx(reached, rel=1e-12)
    assert reached == pytest.approx(least(X, y, loss, penalty, alpha), rel=1e-8)


@pytest.mark.parametrize("name", SOLVERS)
def test_devices_and_float32_agree(name, device_backend):
    X, y, loss, penalty, alpha = pose(name)
    _, expected = run(name, build(X, y, loss, penalty, alpha))
    on_host = device_backend.name == "numpy"
    if name in HOST_ONLY and not on_host:
        pytest.skip("estimators bring the arrays of this solver to the host")
    dtype, tol = (np.float32, 1e-4) if on_host else (np.float64, 1e-9)
    X, y = X.astype(dtype), y.astype(dtype)
    problem = build(X, y, loss, penalty, alpha, backend=device_backend)
    _, found = run(name, problem, tol=tol)
    assert found.reason is StopReason.CONVERGED
    assert found.objective == pytest.approx(expected.objective, rel=10 * tol)


@pytest.mark.parametrize("name", SOLVERS)
def test_solution_and_checkpoint_are_starts(name):
    X, y, loss, penalty, alpha = pose(name)
    problem = build(X, y, loss, penalty, alpha)
    method, result = run(name, problem)
    _, again = run(name, problem, result.solution)
    assert again.reason is StopReason.CONVERGED
    assert again.n_iter <= max(2, result.n_iter)
    assert again.objective == pytest.approx(result.objective, rel=1e-8)
    state = method.init(result.solution)
    for _ in range(2):
        state = method.step(state)
    fresh = make_solver(problem, name, 1e-9, random_state=0)
    resumed = fresh.certificate(fresh.unpack(method.pack(state)))
    assert resumed.objective == pytest.approx(result.objective, rel=1e-8)
