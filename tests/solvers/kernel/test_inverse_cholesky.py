"""Sparse inverse Cholesky factors, against dense linear algebra and definitions."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

from skopt2._core.iterate import iterate
from skopt2.kernels.point_blocks import PointBlocks
from skopt2.solvers.kernel.inverse_cholesky_ancestors import (
    combination_variances,
    marginal_variances,
)
from skopt2.solvers.kernel.inverse_cholesky_factor import conditionals, prior_factor
from skopt2.solvers.kernel.inverse_cholesky_incomplete import (
    EliminationPlan,
    incomplete_factor,
)
from skopt2.solvers.kernel.inverse_cholesky_likelihood import sparse_log_likelihood
from skopt2.solvers.kernel.inverse_cholesky_mean import PosteriorMean
from skopt2.solvers.kernel.inverse_cholesky_order import (
    earlier_neighbours,
    maximin_order,
    within_spacing,
)
from skopt2.solvers.kernel.inverse_cholesky_posterior import split_noise

KERNEL = 1.4 * Matern(0.3, nu=1.5)


def uniform(n, d=2, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, d))


def greedy_order(X):
    """Farthest-point order by its definition."""
    first = int(np.argmin(((X - X.mean(axis=0)) ** 2).sum(axis=1)))
    order, spacing = [first], [np.inf]
    while len(order) < len(X):
        rest = [j for j in range(len(X)) if j not in order]
        gaps = [min(np.linalg.norm(X[j] - X[i]) for i in order) for j in rest]
        order.append(rest[int(np.argmax(gaps))])
        spacing.append(max(gaps))
    return np.array(order), np.array(spacing)


def ordered(n, m, seed=0, kernel=KERNEL, nugget=1e-4):
    X = uniform(n, seed=seed)
    X = X[maximin_order(X)[0]]
    neighbours = earlier_neighbours(X, m)
    T = np.full(n, nugget)
    return X, neighbours, T, prior_factor(PointBlocks(kernel), X, neighbours, T)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_order_is_the_greedy_one(d):
    X = uniform(70, d, seed=d)
    order, spacing = maximin_order(X)
    want, gaps = greedy_order(X)
    np.testing.assert_array_equal(order, want)
    np.testing.assert_allclose(spacing, gaps, rtol=1e-12)


def test_order_with_balls_agrees_with_all_distances():
    X = uniform(3000, seed=3)
    order, spacing = maximin_order(X)
    nearest = np.linalg.norm(X - X[order[0]], axis=1)
    for j, gap in zip(order[1:], spacing[1:], strict=True):
        assert gap == nearest.max() == nearest[j]
        nearest = np.minimum(nearest, np.sqrt(((X - X[j]) ** 2).sum(axis=1)))


def test_order_of_equal_points():
    X = np.repeat(uniform(5), 4, axis=0)
    order, spacing = maximin_order(X)
    assert sorted(order) == list(range(20))
    assert (spacing[:5] > 0).all()
    assert (spacing[5:] == 0).all()


def test_neighbours_are_the_nearest_earlier_points():
    X = uniform(700, seed=1)
    found = earlier_neighbours(X, 9)
    for i in range(700):
        want = np.sort(np.argsort(((X[:i] - X[i]) ** 2).sum(axis=1))[:9])
        np.testing.assert_array_equal(found[i][found[i] >= 0], want)
    assert (found[:9] < 0).sum() == 45


def test_neighbours_within_the_spacing():
    X = uniform(300, seed=2)
    order, spacing = maximin_order(X)
    X = X[order]
    found = within_spacing(X, spacing, earlier_neighbours(X, 299), 2.0)
    for i in range(1, 300):
        near = np.flatnonzero(np.linalg.norm(X[:i] - X[i], axis=1) <= 2 * spacing[i])
        np.testing.assert_array_equal(found[i][found[i] >= 0], near)
    lone = within_spacing(X, spacing, earlier_neighbours(X, 20), 1.0)
    assert ((lone[1:] >= 0).sum(axis=1) >= 1).all()


def test_column_minimises_the_divergence():
    X, neighbours, T, factor = ordered(40, 6)
    K = PointBlocks(KERNEL).values(X[None], X[None])[0] + np.diag(T)
    for i in (3, 25, 39):
        s = np.append(neighbours[i][neighbours[i] >= 0], i)
        block = K[np.ix_(s, s)]

        def divergence(u, block=block):
            # The part of KL(N(0, K) | N(0, (U U')^-1)) that column i is in.
            return 0.5 * u @ block @ u - np.log(u[-1])

        column = np.append(
            factor.values[i][:-1][neighbours[i] >= 0], factor.values[i, -1]
        )
        start = column + 0.1 * np.abs(column).max() * np.cos(np.arange(column.size))
        start[-1] = column[-1] * 1.2
        found = minimize(
            divergence,
            start,
            jac=lambda u, block=block: block @ u - np.eye(len(u))[-1] / u[-1],
            method="BFGS",
            options={"gtol": 1e-12, "maxiter": 5000},
        )
        assert divergence(column) <= found.fun + 1e-12
        np.testing.assert_allclose(column, found.x, rtol=1e-4, atol=1e-4)


def test_all_neighbours_give_the_inverse_covariance():
    X, _, T, factor = ordered(60, 59)
    K = PointBlocks(KERNEL).values(X[None], X[None])[0] + np.diag(T)
    U = factor.matrix.toarray()
    np.testing.assert_allclose(U @ U.T @ K, np.eye(60), atol=1e-8)
    assert np.allclose(np.tril(U, -1), 0)
    np.testing.assert_allclose(
        2 * factor.log_determinant, -np.linalg.slogdet(K)[1], rtol=1e-10
    )


def test_products_and_solves_of_the_factor():
    factor = ordered(200, 8)[3]
    U, X = factor.matrix.toarray(), np.random.default_rng(0).normal(size=(200, 3))
    again = pickle.loads(pickle.dumps(factor))
    for some in (factor, again):
        np.testing.assert_allclose(some.product(X), U @ X, atol=1e-10)
        np.testing.assert_allclose(some.transposed_product(X), U.T @ X, atol=1e-10)
        np.testing.assert_allclose(U @ some.solve(X), X, atol=1e-9)
        np.testing.assert_allclose(U.T @ some.transposed_solve(X), X, atol=1e-9)
    np.testing.assert_allclose(U @ factor.solve(X[:, 0]), X[:, 0], atol=1e-9)


def dense_incomplete(Q, neighbours):
    """IC(0) of Q from the last column to the first, entry by entry."""
    n = len(Q)
    allowed = np.eye(n, dtype=bool)
    for i, s in enumerate(neighbours):
        allowed[s[s >= 0], i] = True
    V = np.where(allowed, Q, 0.0)
    for k in range(n - 1, -1, -1):
        V[: k + 1, k] /= np.sqrt(V[k, k])
        update = np.outer(V[:k, k], V[:k, k])
        V[:k, :k] -= np.where(allowed[:k, :k], update, 0.0)
    return np.triu(V)


@pytest.mark.parametrize("m", [4, 12, 149])
def test_incomplete_factor_is_ic0(m):
    _, neighbours, _, prior = ordered(150, m)
    w = np.random.default_rng(0).uniform(1, 50, size=150)
    U = prior.matrix.toarray()
    Q = U @ U.T + np.diag(w)
    plan = EliminationPlan(neighbours)
    for _ in range(2):
        V = incomplete_factor(prior, w, plan).matrix.toarray()
        np.testing.assert_allclose(V, dense_incomplete(Q, neighbours), atol=1e-9)
    if m == 149:
        np.testing.assert_allclose(V @ V.T, Q, rtol=1e-8, atol=1e-8)


def test_incomplete_factor_without_sites_is_the_prior():
    prior = ordered(150, 7)[3]
    found = incomplete_factor(prior, np.zeros(150))
    np.testing.assert_allclose(found.values, prior.values, rtol=1e-9, atol=1e-9)


def test_incomplete_factor_after_a_breakdown():
    # A Q whose dropped entries matter: the prior of a smooth kernel, and sites that are
    # strong at some points and nearly absent at others.
    rng = np.random.default_rng(6)
    X = np.repeat(rng.uniform(size=(60, 2)), 3, axis=0)
    X = X[maximin_order(X)[0]]
    neighbours = earlier_neighbours(X, 6)
    broken = 0
    for seed in range(40):
        w = 10.0 ** np.random.default_rng(seed).uniform(-8, 2, size=180)
        prior = prior_factor(
            PointBlocks(30.0 * RBF(0.22)), X, neighbours, np.full(180, 1e-4)
        )
        plan = EliminationPlan(neighbours)
        found = incomplete_factor(prior, w, plan)
        broken += plan.discount > 0
        assert np.isfinite(found.values).all()
        assert (
            found.values[:, -1] ** 2 >= (prior.values[:, -1] ** 2 + w) * 0.999
        ).all()
    assert broken > 0


@pytest.mark.parametrize(("m", "tol"), [(4, 2e-3), (12, 2e-3), (24, 2e-3)])
def test_variances_from_ancestors(m, tol):
    X, _, _, prior = ordered(800, m)
    factor = incomplete_factor(prior, np.full(800, 10.0))
    exact = np.linalg.inv(factor.matrix.toarray() @ factor.matrix.toarray().T)
    found = marginal_variances(factor, X)
    np.testing.assert_allclose(found, np.diag(exact), rtol=tol)
    found = marginal_variances(factor, X, depth=800)
    np.testing.assert_allclose(found, np.diag(exact), rtol=1e-8)
    index, weights = (
        np.array([[-1, 3, 700], [5, 6, 7]]),
        np.array([[9.0, 1.0, -2.0], [1.0, 1.0, 0.5]]),
    )
    found = combination_variances(factor, X[:2], index, weights, depth=800)
    for i in range(2):
        c = np.zeros(800)
        c[index[i][index[i] >= 0]] = weights[i][index[i] >= 0]
        assert found[i] == pytest.approx(c @ exact @ c, rel=1e-8)


def test_posterior_mean_solves_its_system():
    X, _, _, prior = ordered(300, 10)
    rng = np.random.default_rng(0)
    w, t = rng.uniform(5, 50, size=300), rng.normal(size=(300, 2))
    t[:, 1] = 0.0
    solver = PosteriorMean(prior, incomplete_factor(prior, w), w, t)
    result = iterate(solver, solver.start(), tol=1e-11, max_iter=100)
    U = prior.matrix.toarray()
    want = np.linalg.solve(U @ U.T + np.diag(w), w[:, None] * t)
    np.testing.assert_allclose(result.solution, want, atol=1e-9)
    assert result.reason == "converged"
    assert result.n_iter < 15
    packed = solver.pack(solver.step(solver.start()))
    assert solver.certificate(solver.unpack(packed)).value < 1


def test_likelihood_with_all_neighbours_is_the_exact_one():
    kernel = KERNEL + WhiteKernel(0.1)
    X, neighbours, _, _ = ordered(50, 49)
    rng = np.random.default_rng(1)
    Y, noise = rng.normal(size=(50, 2)), rng.uniform(0.01, 0.1, size=50)
    value, slope = sparse_log_likelihood(PointBlocks(kernel), X, Y, noise, neighbours)
    C, dC = kernel(X, eval_gradient=True)
    C += np.diag(noise)
    inverse = np.linalg.inv(C)
    want = -0.5 * np.trace(Y.T @ inverse @ Y) - np.linalg.slogdet(C)[1]
    want -= 50 * np.log(2 * np.pi)
    assert value == pytest.approx(want, rel=1e-10)
    outer = inverse @ Y @ Y.T @ inverse - 2 * inverse
    np.testing.assert_allclose(
        slope, 0.5 * np.einsum("ij,ijt->t", outer, dC), rtol=1e-8
    )


def test_likelihood_gradient_against_differences():
    kernel = 1.4 * Matern([0.3, 0.5], nu=2.5) + WhiteKernel(0.1)
    X, neighbours, _, _ = ordered(90, 7)
    Y, noise = np.random.default_rng(1).normal(size=(90, 1)), np.full(90, 0.01)

    def value(theta):
        blocks = PointBlocks(kernel.clone_with_theta(theta))
        return sparse_log_likelihood(blocks, X, Y, noise, neighbours, gradient=False)

    _, slope = sparse_log_likelihood(PointBlocks(kernel), X, Y, noise, neighbours)
    steps = 1e-5 * np.eye(kernel.n_dims)
    want = [(value(kernel.theta + h) - value(kernel.theta - h)) / 2e-5 for h in steps]
    np.testing.assert_allclose(slope, want, rtol=1e-6)


def test_likelihood_of_a_subset_is_unbiased():
    X, neighbours, _, _ = ordered(60, 7)
    Y, noise = np.random.default_rng(1).normal(size=(60, 1)), np.full(60, 0.01)
    blocks = PointBlocks(KERNEL)
    parts = [
        sparse_log_likelihood(
            blocks, X, Y, noise, neighbours, rows=np.arange(i, 60, 4), gradient=False
        )
        for i in range(4)
    ]
    whole = sparse_log_likelihood(blocks, X, Y, noise, neighbours, gradient=False)
    assert np.mean(parts) == pytest.approx(whole, rel=1e-12)


def test_conditionals_at_points_of_the_fit_interpolate():
    X, _, T, _ = ordered(80, 10, nugget=1e-12)
    index = np.arange(80)[:, None] + np.array([[0, 1, 2]])
    index = np.sort(index % 80, axis=1)
    weights, variances = conditionals(
        PointBlocks(RBF(0.2)), X, T, X, index, np.zeros(80)
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert (variances >= 0).all()
    assert (variances < 1e-8).all()


def test_noise_is_split_and_never_zero():
    nugget, rest = split_noise(np.array([0.0, 1e-10, 1.0]), np.full(3, 2.0))
    assert (nugget > 0).all()
    assert (rest > 0).all()
    np.testing.assert_allclose(nugget + rest, [2e-10, 2e-10, 1.0])
    assert nugget[2] == 0.01
