"""Dictionaries of histograms: loss, gradient, blocks, rate, kernels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import logsumexp

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.log_kernel import DenseLogKernel
from skopt2.solvers.wasserstein_dictionary.axes_kernel import AxesLogKernel
from skopt2.solvers.wasserstein_dictionary.codes import solve_codes
from skopt2.solvers.wasserstein_dictionary.descent import DictionaryDescent
from skopt2.solvers.wasserstein_dictionary.loss import EntropicLoss, proximal
from skopt2.solvers.wasserstein_dictionary.mixture import Mixture


def line(n):
    """Return squared distances of bins on a line."""
    x = np.arange(float(n))
    return (x[:, None] - x) ** 2


def plain_loss(C, eps, x, q, steps=300):
    """Return H_x(q) by Sinkhorn's iterations, from the plan itself."""
    u, v, K = np.zeros(len(x)), np.zeros(len(q)), np.exp(-C / eps)
    for _ in range(steps):
        u = np.log(x) - np.log(K @ np.exp(v))
        v = np.log(q) - np.log(np.exp(u) @ K)
    P = np.exp(u[:, None] + v - C / eps)
    W = (P * C).sum() + eps * (P * (u[:, None] + v - C / eps - 1.0)).sum()
    least = np.exp(-C / eps)
    least *= (x / least.sum(axis=1))[:, None]
    return W - (least * C).sum() - eps * (least * (np.log(least) - 1.0)).sum()


def loss_of(C, eps, X):
    """Return the loss of histograms."""
    kernel = AxesLogKernel([C])
    kernel.set_reg(eps)
    return EntropicLoss(kernel, X)


def potentials(loss, q):
    """Return the slopes of the losses at mixtures."""
    g = np.zeros_like(q)
    for _ in range(3000):
        g, mismatch = loss.ascend(g, q)
        if mismatch.max() < 1e-14:
            break
    assert mismatch.max() < 1e-12
    return g


@pytest.fixture
def problem(rng):
    C = line(7)
    return C, 8.0, rng.dirichlet(np.ones(7), 5), rng.dirichlet(np.ones(7), 5)


def test_loss_is_that_of_the_plan(problem):
    C, eps, X, Q = problem
    loss = loss_of(C, eps, X)
    wanted = np.mean([plain_loss(C, eps, x, q) for x, q in zip(X, Q, strict=True)])
    assert loss.value(potentials(loss, Q), Q) == pytest.approx(wanted, rel=1e-9)
    assert wanted > 0.1


def test_loss_vanishes_at_the_blurred_row(problem):
    C, eps, X, _ = problem
    K = np.exp(-C / eps)
    loss, q = loss_of(C, eps, X), (X / K.sum(axis=1)) @ K
    assert_allclose(np.exp(loss.log_mass(np.zeros_like(X))), q, rtol=1e-12)
    assert abs(loss.value(potentials(loss, q), q)) < 1e-10


def test_slopes_of_all_blocks_match_finite_differences(rng):
    """Along differences of two bins, which stay on the simplex."""
    lengths, N, k, h = (3, 4), 6, 2, 1e-5
    axes = [line(n) for n in lengths]
    kernel = AxesLogKernel(axes)
    kernel.set_reg(2.0)
    loss, mixture = (
        EntropicLoss(kernel, rng.dirichlet(np.ones(12), N)),
        Mixture(lengths),
    )
    T = rng.dirichlet(np.ones(k), N)
    factors = [rng.dirichlet(np.ones(n), k) for n in lengths]

    def objective(T, factors):
        q = T @ mixture.atoms(factors)
        return loss.value(potentials(loss, q), q)

    g = potentials(loss, T @ mixture.atoms(factors))
    move = np.zeros_like(T)
    move[2] = [h, -h]
    found = (objective(T + move, factors) - objective(T - move, factors)) / (2 * h)
    c = g @ mixture.atoms(factors).T / N
    assert found == pytest.approx(c[2, 0] - c[2, 1], rel=1e-6)
    for mode in range(2):
        move = np.zeros_like(factors[mode])
        move[1, :2] = [h, -h]
        up, down = list(factors), list(factors)
        up[mode], down[mode] = factors[mode] + move, factors[mode] - move
        found = (objective(T, up) - objective(T, down)) / (2 * h)
        c = mixture.slope(T, g, factors, mode)
        assert found == pytest.approx(c[1, 0] - c[1, 1], rel=1e-6)


def test_atoms_are_products_of_factors(rng):
    F, G = rng.random((2, 3)), rng.random((2, 4))
    atoms = Mixture((3, 4)).atoms([F, G])
    assert_allclose(atoms[1].reshape(3, 4), np.outer(F[1], G[1]))


def test_kernel_of_axes_is_that_of_the_sum(rng):
    A, B = rng.random((3, 3)), rng.random((4, 4))
    C = (A[:, None, :, None] + B[None, :, None, :]).reshape(12, 12)
    L, axes, dense = rng.normal(size=(5, 12)), AxesLogKernel([A, B]), DenseLogKernel(C)
    for kernel in (axes, dense):
        kernel.set_reg(0.3)
    assert_allclose(axes.rows(L), dense.rows(L), rtol=1e-12)
    assert_allclose(axes.cols(L), dense.cols(L), rtol=1e-12)
    assert abs(axes.rows(L) - axes.cols(L)).max() > 1e-2


def test_proximal_step_minimises(rng):
    theta, c = rng.dirichlet(np.ones(4), 3), rng.normal(size=(3, 4))
    found = proximal(theta, c, 0.7)
    for row, start, slope in zip(found, theta, c, strict=True):

        def value(z, start=start, slope=slope):
            p = np.exp(z - logsumexp(z))
            return slope @ p + 0.7 * (p * np.log(p / start)).sum()

        best = minimize(value, np.zeros(4), tol=1e-12)
        assert_allclose(row, np.exp(best.x - logsumexp(best.x)), atol=1e-5)


def test_proximal_step_survives_large_slopes():
    found = proximal(np.array([[1e-250, 1.0]]), np.array([[0.0, 2000.0]]), 1.0)
    assert_allclose(found, [[1.0, 0.0]], atol=1e-300)


def test_codes_are_those_of_a_general_solver(problem, rng):
    C, eps, X, _ = problem
    D, loss = rng.dirichlet(np.full(7, 0.5), 3), loss_of(C, eps, X)
    D = 0.98 * D + 0.02 / 7
    T, gaps = solve_codes(loss, D, eps, C.mean(), 1e-7, 20_000)
    assert gaps.max() <= 1e-7
    for x, t in zip(X[:3], T[:3], strict=True):

        def value(z, x=x):
            p = np.exp(z - logsumexp(z))
            return plain_loss(C, eps, x, p @ D, 60)

        best = minimize(value, np.zeros(3), method="BFGS", tol=1e-10).fun
        assert plain_loss(C, eps, x, t @ D, 60) <= best + 1e-6 * C.mean()


def test_codes_do_not_depend_on_the_batch(problem, rng):
    C, eps, X, _ = problem
    D = rng.dirichlet(np.ones(7), 3)
    whole, _ = solve_codes(loss_of(C, eps, X), D, eps, 1.0, 1e-5, 5000)
    for i in range(len(X)):
        one, _ = solve_codes(loss_of(C, eps, X[i : i + 1]), D, eps, 1.0, 1e-5, 5000)
        assert_allclose(one[0], whole[i], rtol=1e-9)


@pytest.mark.parametrize("lengths", [(12,), (3, 4)])
def test_objective_falls_and_the_gap_at_the_rate_of_the_paper(lengths, rng):
    """An epsilon-stationary point in O(1 / epsilon): the squared gap falls as 1 / k."""
    kernel = AxesLogKernel([line(n) for n in lengths])
    scale = sum((n**2 - 1) / 6 for n in lengths)
    kernel.set_reg(0.3 * scale)
    X = rng.dirichlet(np.full(12, 0.5), 20)
    loss, mixture = EntropicLoss(kernel, X), Mixture(lengths)
    solver = DictionaryDescent(loss, mixture, 0.9 * scale, scale)
    factors = [rng.dirichlet(np.ones(n), 3) for n in lengths]
    start = solver.start(np.full((20, 3), 1 / 3), factors)
    result = iterate(solver, start, tol=0.0, max_iter=150)
    history = result.history.as_dict()
    objective = np.append(start.objective, history["objective"])
    assert np.diff(objective).max() <= 1e-12 * scale
    best = np.minimum.accumulate(history["certificate"])
    k = np.arange(1, 1 + best.size)
    constant = (best**2 * k)[:30].max()
    assert (best[30:] ** 2 * k[30:] <= constant).all()
    assert best[-1] < best[29] * np.sqrt(30 / 150)


def test_packed_state_goes_on_alike(problem, rng):
    C, eps, X, _ = problem
    solver = DictionaryDescent(loss_of(C, eps, X), Mixture((7,)), eps, 1.0)
    start = solver.start(rng.dirichlet(np.ones(2), 5), [rng.dirichlet(np.ones(7), 2)])
    state = solver.step(start)
    again = solver.step(solver.unpack(solver.pack(state)))
    wanted = solver.step(state)
    assert_array_equal(again.T, wanted.T)
    assert_array_equal(again.factors[0], wanted.factors[0])
    assert again.objective == wanted.objective < state.objective


def test_certificate_bounds_what_a_block_can_gain(problem, rng):
    C, eps, X, _ = problem
    solver = DictionaryDescent(loss_of(C, eps, X), Mixture((7,)), eps, 1.0)
    D = rng.dirichlet(np.ones(7), 2)
    state = solver.start(rng.dirichlet(np.ones(2), 5), [D])
    T, _ = solve_codes(solver.loss, D, eps, 1.0, 1e-6, 20_000)
    best = solver.start(T, [D]).objective
    assert 0.0 < state.objective - best <= solver.gaps(state.T, [D], state.g)[0]
