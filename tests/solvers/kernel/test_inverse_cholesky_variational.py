"""Variational posteriors of sparse processes, against dense ones and differences."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm
from sklearn.gaussian_process.kernels import Matern

from skopt2._core.iterate import iterate
from skopt2.kernels.point_blocks import PointBlocks
from skopt2.solvers.kernel.inverse_cholesky_adam import AdamSolver
from skopt2.solvers.kernel.inverse_cholesky_bound import EvidenceBound
from skopt2.solvers.kernel.inverse_cholesky_factor import prior_factor
from skopt2.solvers.kernel.inverse_cholesky_fit import ParameterSearch
from skopt2.solvers.kernel.inverse_cholesky_latent import fit_latent
from skopt2.solvers.kernel.inverse_cholesky_mean import PosteriorMean
from skopt2.solvers.kernel.inverse_cholesky_observation import (
    Bernoulli,
    Normal,
    Probit,
)
from skopt2.solvers.kernel.inverse_cholesky_posterior import order_points
from skopt2.solvers.kernel.inverse_cholesky_sites import SideBySide, SiteProblem
from skopt2.solvers.kernel.inverse_cholesky_sparse import SparseFactor

KERNEL = 4.0 * Matern(0.3, nu=1.5)
LIKELIHOODS = [Bernoulli(), Probit(), Normal(0.1)]
DENSITIES = {
    Bernoulli: lambda y, f: -np.logaddexp(0.0, -y * f),
    Probit: lambda y, f: norm.logcdf(y * f),
    Normal: lambda y, f: norm.logpdf(y, f, np.sqrt(0.1)),
}


def targets(likelihood, f, rng):
    if isinstance(likelihood, (Bernoulli, Probit)):
        return np.where(rng.uniform(size=f.size) < expit(f), 1.0, -1.0)
    return f + 0.3 * rng.normal(size=f.size)


def problem(n, m, likelihood, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    points = order_points(X, np.ones(2), m)
    f = 2 * np.sin(6 * points.X[:, 0]) * np.cos(5 * points.X[:, 1])
    prior = prior_factor(
        PointBlocks(KERNEL), points.X, points.neighbours, np.full(n, 1e-5)
    )
    y = targets(likelihood, f, rng)
    return SiteProblem(prior, points.X, y, likelihood), f


def named(likelihood):
    return type(likelihood).__name__


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=named)
@pytest.mark.parametrize(("m", "v"), [(0.4, 0.3), (-1.5, 2.0), (2.0, 0.01), (1.0, 4.1)])
def test_expectations_are_integrals(likelihood, m, v):
    y = 1.0
    density = DENSITIES[type(likelihood)]

    def expected(m, v):
        s = np.sqrt(v)
        return quad(
            lambda z: density(y, m + s * z) * norm.pdf(z), -12, 12, epsabs=1e-12
        )[0]

    found = likelihood.expectations(np.array([y]), np.array([m]), np.array([v]))
    assert found[0][0] == pytest.approx(expected(m, v), rel=1e-6)
    h = 1e-4
    slope = (expected(m + h, v) - expected(m - h, v)) / (2 * h)
    assert found[1][0] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    k = 1e-3 * v
    curvature = -(expected(m, v + k) - expected(m, v - k)) / k
    assert found[2][0] == pytest.approx(curvature, rel=1e-4)


@pytest.mark.parametrize("link", [Bernoulli(), Probit()], ids=named)
def test_probabilities_are_integrals(link):
    cdf = expit if isinstance(link, Bernoulli) else norm.cdf
    for m, v in [(0.3, 1.0), (-2.0, 9.0), (0.0, 30.0), (9.0, 3e3), (-1.0, 3.9)]:
        want = quad(
            lambda f, m=m, v=v: cdf(f) * norm.pdf(f, m, v**0.5),
            -900,
            900,
            limit=500,
            points=[0],
        )[0]
        found = link.probability(np.array([m]), np.array([v]))
        assert found[0] == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=named)
def test_all_neighbours_give_the_dense_optimum(likelihood):
    site, _ = problem(40, 39, likelihood)
    state = iterate(site, site.start(), tol=1e-9, max_iter=80)
    assert state.certificate.value <= 1e-9
    mean, factor = state.solution
    U, V = site.prior.matrix.toarray(), factor.matrix.toarray()
    inverse = U @ U.T
    S = np.linalg.inv(V @ V.T)
    value, slope, curvature = likelihood.expectations(site.y, mean, np.diag(S))
    # The two conditions of Opper and Archambeau.
    np.testing.assert_allclose(inverse @ mean, slope, atol=1e-5)
    np.testing.assert_allclose(V @ V.T, inverse + np.diag(curvature), rtol=1e-6)
    divergence = 0.5 * (np.trace(inverse @ S) + mean @ inverse @ mean - 40)
    divergence += np.linalg.slogdet(V)[1] - np.linalg.slogdet(U)[1]
    bound = value.sum() - divergence
    assert -state.objective == pytest.approx(bound, rel=1e-8)
    exact = EvidenceBound(site.prior, site.points, site.y, likelihood, depth=40)
    assert exact.value(mean, factor) == pytest.approx(bound, rel=1e-8)


def test_normal_likelihood_is_regression_in_one_step():
    site, _ = problem(200, 12, Normal(0.1))
    state = site.step(site.start())
    assert site.stationarity(state) < 1e-6
    solver = PosteriorMean(
        site.prior, state.factor, np.full(200, 10.0), site.y[:, None]
    )
    want = iterate(solver, solver.start(), tol=1e-12, max_iter=50).solution[:, 0]
    np.testing.assert_allclose(state.mean, want, atol=1e-6)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=named)
def test_bound_never_falls_and_is_nearly_the_largest(likelihood):
    site, _ = problem(60, 5, likelihood)
    result = iterate(site, site.start(), tol=1e-4, max_iter=60)
    bounds = -result.history.as_dict()["objective"]
    assert (np.diff(bounds) >= -2e-4 * (1 + np.abs(bounds[1:]))).all()
    assert result.reason == "converged"
    # A search over the mean and all entries of the factor hardly does better.
    bound = EvidenceBound(site.prior, site.points, site.y, likelihood, depth=60)
    mean, factor = result.solution
    start = np.concatenate([mean, factor.values.ravel()])

    def objective(x):
        values = x[60:].reshape(factor.values.shape)
        if (values[:, -1] <= 0).any():
            return np.inf, np.zeros_like(x)
        value, by_mean, by_values = bound.gradient(
            x[:60], SparseFactor(factor.neighbours, values)
        )
        return -value, -np.concatenate([by_mean, by_values.ravel()])

    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 150}
    )
    best = -found.fun
    here = bound.value(mean, factor)
    assert here <= best + 1e-9
    assert best - here < 0.02 * (here - bounds[0]) + 0.5


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=named)
def test_gradient_of_the_bound_against_differences(likelihood):
    site, f = problem(70, 6, likelihood)
    rng = np.random.default_rng(1)
    state = site.step(site.start())
    values = state.factor.values * rng.uniform(0.95, 1.05, state.factor.values.shape)
    bound = EvidenceBound(site.prior, site.points, site.y, likelihood, depth=70)
    factor = SparseFactor(state.factor.neighbours, values)
    mean = f + 0.1 * rng.normal(size=70)
    value, by_mean, by_values = bound.gradient(mean, factor)
    assert value == pytest.approx(bound.value(mean, factor), rel=1e-12)
    directions = rng.normal(size=(6, 70)), values * rng.normal(size=(6, *values.shape))
    for step, turn in zip(*directions, strict=True):
        h = 1e-6
        ends = [
            bound.value(
                mean + s * h * step,
                SparseFactor(factor.neighbours, values + s * h * turn),
            )
            for s in (1, -1)
        ]
        want = (ends[0] - ends[1]) / (2 * h)
        found = by_mean @ step + np.vdot(by_values, turn)
        assert found == pytest.approx(want, rel=1e-4)


def test_batches_estimate_the_gradient_without_bias():
    site, f = problem(300, 6, Bernoulli())
    state = site.step(site.start())
    bound = EvidenceBound(site.prior, site.points, site.y, site.likelihood)
    whole = bound.gradient(f, state.factor)
    sizes = np.array([rows.size for rows in bound.groups])
    assert sizes.sum() == 300
    assert sizes.size > 4
    for k in range(3):
        parts = [
            bound.gradient(f, state.factor, [g])[k] * sizes[g] / 300
            for g in range(sizes.size)
        ]
        np.testing.assert_allclose(sum(parts), whole[k], rtol=1e-9, atol=1e-9)


def test_stochastic_gradients_climb_towards_the_natural_posterior():
    site, _ = problem(300, 8, Bernoulli())
    natural = iterate(site, site.start(), tol=1e-5, max_iter=50).solution
    bound = EvidenceBound(site.prior, site.points, site.y, site.likelihood)
    top = bound.value(*natural)
    first = site.step(site.start())
    solver = AdamSolver(bound, np.random.default_rng(0), 60, batch_size=300)
    start = solver.start(first.mean, first.factor)
    before = bound.value(first.mean, first.factor)
    result = iterate(solver, start, tol=1e-12, max_iter=60)
    after = bound.value(*result.solution)
    assert before < after < top + 0.01
    assert after - before > 0.4 * (top - before)
    again = solver.unpack(solver.pack(solver.start(*natural)))
    assert solver.certificate(again).objective == pytest.approx(-top, rel=1e-9)


def test_problems_side_by_side_are_those_alone():
    sites = [problem(80, 8, Bernoulli(), seed)[0] for seed in (0, 1)]
    both = SideBySide(sites, 1e-6)
    result = iterate(both, [s.start() for s in sites], tol=1e-6, max_iter=50)
    for site, (mean, _) in zip(sites, result.solution, strict=True):
        alone = iterate(site, site.start(), tol=1e-6, max_iter=50)
        np.testing.assert_array_equal(mean, alone.solution[0])
    again = both.unpack(both.pack([s.start() for s in sites]))
    assert both.certificate(again).value == pytest.approx(
        both.certificate([s.start() for s in sites]).value
    )


def test_latent_parameters_maximise_the_bound():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(50, 2))
    f = 3 * np.sin(8 * X[:, 0]) * np.cos(6 * X[:, 1])
    y = np.where(rng.uniform(size=50) < expit(f), 1.0, -1.0)
    kernel = 1.0 * Matern(1.0, nu=1.5)
    search = ParameterSearch(49, None, "fmin_l_bfgs_b", 5000, 0, rng)
    fitted = fit_latent(search, kernel, X, y, Bernoulli())

    def bound(theta):
        fixed = ParameterSearch(49, None, None, 5000, 0, rng)
        fit = fit_latent(fixed, kernel.clone_with_theta(theta), X, y, Bernoulli())
        return -iterate(fit.problem, fit.start, tol=1e-6, max_iter=60).objective

    best = bound(fitted.kernel.theta)
    assert best > bound(kernel.theta) + 2
    for step in 0.5 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]):
        assert bound(fitted.kernel.theta + step) < best + 0.05
