"""Formulas of the steps from curvature, each against an independent computation."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from skopt2._core.array import to_numpy
from skopt2.losses.base import Loss
from skopt2.penalties import ElasticNet
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.curvature.damped_newton import DampedNewton, excess, step_length
from skopt2.solvers.curvature.factor import Factor, Spectrum
from skopt2.solvers.curvature.field import Field, is_smooth
from skopt2.solvers.curvature.lazy_newton import period
from skopt2.solvers.curvature.matrix import CurvatureMatrix, choose_mode
from skopt2.solvers.curvature.model_step import model_step
from skopt2.solvers.curvature.symmetric_polynomial import (
    moments,
    precondition,
    symmetric_polynomials,
    truncated,
)
from skopt2.solvers.problem import LinearProblem
from tests.solvers.problems import build, design, solve, target


def local_field(rng, loss, n, p, penalty="ridge", fmt="dense", backend=None, lam=0.1):
    """Return a field and its view of a random point."""
    X = design(rng, n, p)
    y = target(rng, X, loss)
    shape = ElasticNet(l1_ratio=0) if penalty == "ridge" else penalty
    A = sp.csc_array(X) if fmt == "sparse" else X
    problem = build(A, y, loss, shape, lam, backend=backend)
    model = CompositeModel(problem)
    K = problem.n_outputs
    w = 0.1 * rng.standard_normal((p,) if K == 1 else (p, K))
    b = np.array(0.3) if K == 1 else 0.2 * np.ones(K)
    to = problem.design.to_device
    b = problem.xp.asarray(b) if backend is None else backend.asarray(b)
    point = model.at(problem.xp.reshape(to(w), w.shape), b)
    smooth = is_smooth(problem.penalty, problem.lam)
    field = Field(model, model.levels(problem.lam), smooth)
    return field, field.start(point)


@pytest.mark.parametrize("fmt", ["dense", "sparse"])
@pytest.mark.parametrize("loss", ["logistic", "poisson", "multinomial"])
def test_gradient_and_hessian_are_the_differences(rng, loss, fmt):
    field, local = local_field(rng, loss, 60, 12, fmt=fmt)
    B = CurvatureMatrix(
        field, field.problem.curvature(local.eta), field.problem.n_outputs > 1
    )
    d = rng.standard_normal(local.u.shape)
    if loss == "multinomial":
        # In the other directions the matrix is definite where the Hessian is not.
        d -= d.mean(axis=1, keepdims=True)
    e = 1e-6
    up, down = (
        field.at(local.u + t * d, local.eta + t * field.times(d)) for t in (e, -e)
    )
    slope = np.vdot(local.g, d)
    assert (up.value - down.value) / (2 * e) == pytest.approx(slope, rel=1e-6)
    assert_allclose(B.times(d), (up.g - down.g) / (2 * e), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "n", "p", "coupled", "mode", "accuracy"),
    [
        ("logistic", 60, 12, False, "gram", 1e-11),
        ("multinomial", 60, 12, False, "gram", 1e-11),
        ("multinomial", 60, 12, True, "gram", 1e-11),
        ("logistic", 30, 250, False, "samples", 2e-5),
        ("multinomial", 30, 250, False, "samples", 2e-5),
        ("multinomial", 30, 300, True, "cg", 2e-3),
    ],
)
def test_systems_are_solved(device_backend, rng, loss, n, p, coupled, mode, accuracy):
    field, local = local_field(rng, loss, n, p, backend=device_backend)
    B = CurvatureMatrix(field, field.curvature(local.eta), coupled)
    assert B.mode == mode
    for r in (0.0, 0.01):
        d = B.solve(local.g, r)
        rest = B.times(d) + r * field.metric * d + local.g
        assert field.norm(rest) <= accuracy * field.norm(local.g)


def test_no_matrix_of_all_pairs_of_features():
    assert choose_mode(500, 100_000, 1, False, False, True) == "samples"
    assert choose_mode(50_000, 100_000, 1, False, True, True) == "cg"
    assert choose_mode(10_000, 785, 10, True, False, True) == "cg"
    assert choose_mode(10_000, 785, 10, False, False, True) == "gram"
    assert choose_mode(100, 50, 1, False, True, False) == "cg"


def test_factors_of_singular_matrices(device_backend, rng):
    A = rng.standard_normal((4, 9))
    G = device_backend.asarray(A.T @ A)
    b = A.T @ rng.standard_normal(4)
    for r in (0.0, 0.3):
        expected = np.linalg.lstsq(A.T @ A + r * np.eye(9), b, rcond=1e-10)[0]
        for factor in (Factor(G, r, 1e-16), Spectrum(G, 1e-16).at(r)):
            found = to_numpy(factor.solve(device_backend.asarray(b)))
            assert_allclose(A @ found, A @ expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "box"])
@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_minimiser_of_the_model(rng, loss, penalty):
    field, local = local_field(rng, loss, 60, 15, penalty, lam=0.02)
    if penalty == "box":
        local = field.at(np.abs(local.u), field.times(np.abs(local.u)))
    B = CurvatureMatrix(field, field.curvature(local.eta), loss == "multinomial")
    t, r = 1.5, 0.02
    d = model_step(field, B, local, t=t, r=r)
    Hd = t * B.times(d) + r * field.metric * d
    after = field.at(local.u + d, local.eta + field.times(d))
    after = type(after)(after.u, after.eta, 0.0, local.g + Hd)
    # The distance from 0 to the subdifferential of the model.
    assert field.stationarity(after) <= 1e-3 * field.stationarity(local)


@pytest.mark.parametrize("schedule", ["third", "aicn"])
def test_step_minimises_its_bound(schedule):
    grid = np.linspace(1e-4, 1.2, 20001)
    for s in (1e-3, 0.1, 1.0, 30.0):
        extra = np.array([excess(schedule, s * a) for a in grid])
        bound = -grid + grid**2 * (0.5 + extra)
        assert step_length(schedule, s) == pytest.approx(grid[bound.argmin()], abs=2e-4)
    assert step_length(schedule, 0.0) == 1.0
    # How the step falls far from the optimum decides the rate.
    power = -2 / 3 if schedule == "third" else -1 / 2
    ratio = step_length(schedule, 1e9) / step_length(schedule, 1e6)
    assert np.log10(ratio) / 3 == pytest.approx(power, abs=2e-3)


class Quartic(Loss):
    """(eta - y)^4 / 4, whose third derivative is smooth and whose second vanishes."""

    name = "quartic"
    has_lipschitz = False

    def value(self, y, eta, s):
        return float((s * (eta - y) ** 4).sum() / 4)

    def gradient(self, y, eta):
        return (eta - y) ** 3

    def curvature(self, y, eta):
        return 3 * (eta - y) ** 2

    def conjugate(self, y, theta, s):
        return float((s * (0.75 * np.abs(theta) ** (4 / 3) + y * theta)).sum())

    def balance(self, y, theta, s):
        return theta


@pytest.mark.parametrize(("schedule", "power"), [("third", 3), ("aicn", 2)])
def test_rate_on_the_chain_that_is_worst_for_tensor_methods(schedule, power):
    # sum_i abs(x_i - x_{i+1})^4 / 4 with ends held apart, after Nesterov.
    p = 40
    X = np.eye(p + 1, p) - np.eye(p + 1, p, -1)
    y = np.zeros(p + 1)
    y[0] = 1.0
    problem = LinearProblem(
        X, y, Quartic(), ElasticNet(l1_ratio=0), np.zeros(p), fit_intercept=False
    )
    solver = DampedNewton(problem, 1e-9, schedule)
    state, values = solver.init(), [problem.null_value]
    for _ in range(60):
        state = solver.step(state)
        values.append(problem.loss_value(state.point.eta))
    # All differences are equal at the optimum.
    best = 0.25 * (1.0 / (p + 1)) ** 4
    gap = (np.array(values) - best) / (values[0] - best)
    assert (np.diff(values) <= 1e-16).all()
    k = np.arange(1, len(gap))
    assert (k**power * gap[1:]).max() <= 1.1
    # Fast only in the end: this is the slope that the schedules are for.
    assert gap[30] >= 1e-5
    assert gap[-1] <= 1e-12


def test_damped_newton_is_the_same_after_an_affine_change(rng):
    X = rng.standard_normal((80, 6))
    y = target(rng, np.hstack([X, X]), "logistic")
    T = rng.standard_normal((6, 6)) @ np.diag(10.0 ** np.arange(-3, 3))
    paths = []
    for A in (X, X @ T):
        result, _ = solve(DampedNewton, build(A, y, "logistic", "l1", 0.0), tol=1e-9)
        paths.append(result.history.as_dict()["objective"])
    assert_allclose(paths[0], paths[1], rtol=1e-8)


def test_period_follows_the_cost():
    assert period(7, 400, 101) == 7
    assert period("auto", 400, 3) == 1
    # Of the order of the number of unknowns, where there are as many samples.
    assert 4000 / 100 < period("auto", 4000, 4000) < 4000 / 30
    assert period("auto", 400, 4000, "samples") == 1


def test_symmetric_polynomials_of_the_other_eigenvalues(rng):
    A = rng.standard_normal((30, 6))
    B = A.T @ A
    values, vectors = np.linalg.eigh(B)
    found = moments(lambda x: B @ x, 6, 4, B)
    assert_allclose(found, [np.sum(values**i) for i in range(1, 5)], rtol=1e-12)
    sigma = symmetric_polynomials(found)
    for t in range(5):
        expected = sum(np.prod(c) for c in itertools.combinations(values, t))
        assert sigma[t] == pytest.approx(expected, rel=1e-9)
    for t in (1, 2, 3):
        for j in range(6):
            others = np.delete(values, j)
            expected = sum(np.prod(c) for c in itertools.combinations(others, t))
            P = precondition(lambda x: B @ x, sigma[: t + 1], vectors[:, j])
            assert_allclose(
                P, expected * vectors[:, j], rtol=1e-7, atol=1e-6 * expected
            )


def test_order_is_no_more_than_eigenvalues_can_bear():
    values = np.array([3.0, 2.0, 1.0]) / 6
    sigma = symmetric_polynomials([np.sum(values**i) for i in range(1, 7)])
    # Of three eigenvalues two are others: a symmetric polynomial of three of them is 0.
    assert len(truncated(sigma, 1e-10)) == 3
    assert len(truncated(sigma[:3], 1e-10)) == 2
    assert truncated(sigma[:2], 1e-10) == [1.0]


def test_moments_of_large_matrices_are_estimated(rng):
    values = rng.uniform(0.5, 2.0, 600)
    found = moments(lambda x: values[:, None] * x, 600, 3, values)
    assert_allclose(found, [np.sum(values**i) for i in (1, 2, 3)], rtol=0.05)
