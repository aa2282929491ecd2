"""Limited-memory BFGS against SciPy and closed forms."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from skopt2._core.iterate import iterate
from skopt2._core.result import StopReason
from skopt2.solvers.quasi_newton import LimitedBFGS


def run(function, start, tol=1e-8, max_iter=500, **options):
    solver = LimitedBFGS(function, **options)
    return iterate(solver, solver.init(start), tol=tol, max_iter=max_iter)


def quadratic(condition, size=30, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    A = Q * np.geomspace(1.0, condition, size) @ Q.T
    b = rng.standard_normal(size)
    return A, b, lambda x: (0.5 * x @ A @ x - b @ x, A @ x - b)


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
def test_quadratic_is_solved(condition):
    A, b, function = quadratic(condition)
    # Values are sums of terms as large as the largest eigenvalue.
    result = run(function, np.zeros(30), tol=1e-7, max_iter=2000, size=condition)
    assert result.reason == StopReason.CONVERGED
    np.testing.assert_allclose(result.solution, np.linalg.solve(A, b), atol=1e-6)


def test_rosenbrock_takes_as_few_steps_as_scipy():
    start = np.full(20, -1.0)
    calls = []

    def function(x):
        calls.append(1)
        return rosen(x), rosen_der(x)

    result = run(function, start, tol=1e-6)
    assert result.reason == StopReason.CONVERGED
    np.testing.assert_allclose(result.solution, np.ones(20), atol=1e-5)
    peer = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", tol=1e-12)
    assert len(calls) < 1.5 * peer.nfev


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_the_variables_do_not_matter_much(scale):
    def function(x):
        return rosen(x / scale), rosen_der(x / scale) / scale

    result = run(function, np.full(6, -scale), tol=1e-6 / scale)
    assert result.reason == StopReason.CONVERGED
    np.testing.assert_allclose(result.solution, np.full(6, scale), rtol=1e-4)


def test_values_that_are_not_finite_are_stepped_back_from():
    def function(x):
        if (x <= 0).any():
            return math.inf, np.zeros_like(x)
        return float((x - np.log(x)).sum()), 1.0 - 1.0 / x

    result = run(function, np.array([1e-3, 40.0, 3.0]))
    assert result.reason == StopReason.CONVERGED
    np.testing.assert_allclose(result.solution, np.ones(3), atol=1e-7)


def test_a_kink_is_reached_and_reported():
    def function(x):
        return float(np.abs(x).sum()), np.sign(x)

    result = run(function, np.array([1.3, -0.7]), max_iter=200)
    assert result.reason != StopReason.CONVERGED
    assert np.abs(result.solution).max() < 1e-6


def test_noise_in_the_values_does_not_stop_it(rng):
    A, b, exact = quadratic(1e3)

    def function(x):
        value, gradient = exact(x)
        return value + 1e-9 * rng.standard_normal(), gradient

    result = run(function, np.zeros(30), tol=1e-7, noise=1e-8, size=1.0)
    assert result.reason == StopReason.CONVERGED
    np.testing.assert_allclose(result.solution, np.linalg.solve(A, b), atol=1e-6)


def test_the_objective_falls():
    result = run(lambda x: (rosen(x), rosen_der(x)), np.full(8, -1.5))
    assert np.all(np.diff(result.history.as_dict()["objective"]) <= 1e-12)


def test_a_stationary_start_stays():
    result = run(lambda x: (rosen(x), rosen_der(x)), np.ones(5))
    assert result.n_iter == 1
    np.testing.assert_array_equal(result.solution, np.ones(5))


def test_packed_state_goes_on():
    solver = LimitedBFGS(lambda x: (rosen(x), rosen_der(x)))
    state = solver.init(np.full(5, -1.0))
    for _ in range(12):
        state = solver.step(state)
    again = solver.unpack(solver.pack(state))
    for _ in range(5):
        state, again = solver.step(state), solver.step(again)
    np.testing.assert_array_equal(again.x, state.x)
