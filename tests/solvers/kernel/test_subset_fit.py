"""Parameters of a kernel by the likelihood of a subset."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    Matern,
    WhiteKernel,
)

from skopt2.kernels import Gaussian
from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel import subset_fit
from skopt2.solvers.kernel.likelihood import log_likelihood
from skopt2.solvers.kernel.subset_fit import bounds_reached, fit_on_subset

KERNEL = ConstantKernel(1.0) * Matern([1.0, 1.0], nu=1.5) + WhiteKernel(0.1)


def data(n=80, seed=0, c=1):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2.0, 2.0, (n, 2))
    Y = np.stack([np.sin((2.0 + k) * X[:, 0]) + 0.2 * X[:, 1] for k in range(c)], 1)
    return X, Y + 0.1 * rng.standard_normal((n, c))


def own_optimum(kernel, X, Y, alpha=1e-10, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, alpha=alpha, **options).fit(X, Y)


@pytest.mark.parametrize("c", [1, 2])
def test_all_rows_lead_to_the_optimum_of_scikit_learn(c):
    X, Y = data(c=c)
    model = own_optimum(KERNEL, X, Y)
    fit = fit_on_subset(ProcessKernel(KERNEL), X, Y, 1e-10)
    assert fit.value == pytest.approx(model.log_marginal_likelihood_value_, rel=1e-6)
    assert_allclose(fit.process.theta, model.kernel_.theta, atol=1e-3)
    assert_array_equal(fit.rows, np.arange(80))
    assert fit.converged
    assert "CONVERGENCE" in fit.message
    start = log_likelihood(ProcessKernel(KERNEL), X, Y, 1e-10).value
    assert fit.start_value == pytest.approx(start, rel=1e-12)
    assert fit.value > fit.start_value + 10.0


def test_value_is_the_likelihood_of_the_rows(rng):
    X, Y = data(n=300)
    noise = rng.uniform(0.01, 0.1, 300)
    fit = fit_on_subset(ProcessKernel(KERNEL), X, Y, noise, size=120, rng=3)
    rows = fit.rows
    assert rows.size == np.unique(rows).size == 120
    assert (np.diff(rows) > 0).all()
    assert rows[-1] < 300
    value = log_likelihood(fit.process, X[rows], Y[rows], noise[rows]).value
    assert fit.value == pytest.approx(value, rel=1e-10)
    alone = fit_on_subset(fit.process, X[rows], Y[rows], noise[rows])
    assert 0.0 < alone.value - fit.value < 5.0
    again = fit_on_subset(ProcessKernel(KERNEL), X, Y, noise, size=120, rng=3)
    assert_array_equal(again.process.theta, fit.process.theta)
    other = fit_on_subset(ProcessKernel(KERNEL), X, Y, noise, size=120, rng=4)
    assert not np.array_equal(other.rows, rows)


@pytest.mark.parametrize("size", [100, 101])
def test_part_of_the_rows_are_pairs_of_neighbors(monkeypatch, size):
    X, Y = data(n=2000)
    X[:, 1] *= 1e3
    process = ProcessKernel(RBF([1.0, 1e3], "fixed"))
    Z = X / X.std(axis=0)
    square = ((Z[:, None] - Z) ** 2).sum(axis=2)
    np.fill_diagonal(square, np.inf)
    nearest = square.argmin(axis=1)
    with_kin = {}
    for part in (0.0, 0.1, 1.0):
        monkeypatch.setattr(subset_fit, "KIN", part)
        rows = fit_on_subset(process, X, Y, 0.1, size=size, rng=0).rows
        assert rows.size == np.unique(rows).size == size
        with_kin[part] = np.isin(nearest[rows], rows).sum()
    # Without pairs a twentieth have their nearest row beside them, by chance.
    assert with_kin[0.0] <= 12
    assert with_kin[0.1] >= with_kin[0.0] + 4
    assert with_kin[1.0] >= 50


def test_neighbors_contradict_noise_that_is_too_small():
    rng = np.random.default_rng(0)
    places = rng.uniform(-3.0, 3.0, (1000, 4))
    X = np.repeat(places, 2, axis=0) + 1e-3 * rng.standard_normal((2000, 4))
    Y = rng.standard_normal(2000)
    kernel = 0.5 * Matern(0.05, "fixed", nu=1.5) + WhiteKernel(1e-3)
    fit = fit_on_subset(ProcessKernel(kernel), X, Y, 1e-10, size=80, rng=0)
    # What is far apart could as well be a rough function without noise.
    assert np.exp(fit.process.theta[1]) > 0.3


def test_a_subset_has_a_prior_and_all_rows_have_none():
    X, Y = data(n=150)
    process, theta = ProcessKernel(KERNEL), ProcessKernel(KERNEL).theta

    def slope(fit):
        rows = fit.rows
        found = log_likelihood(fit.process, X[rows], Y[rows], 1e-10, gradient=True)
        return found.gradient

    part = fit_on_subset(process, X, Y, 1e-10, size=100, rng=0)
    # At the maximum the slopes of likelihood and prior cancel.
    way = part.process.theta - theta
    expected = way / np.sqrt(1.0 + way**2 / 2.0**2)
    assert_allclose(slope(part), expected, atol=0.15)
    assert np.abs(expected).max() > 0.4
    assert_allclose(slope(fit_on_subset(process, X, Y, 1e-10)), 0.0, atol=0.01)


def test_what_a_subset_does_not_show_stays_near_the_start():
    X, Y = data(n=200)
    Y = np.sin(2.0 * X[:, 0])
    process = ProcessKernel(RBF([1.0, 1.0]))
    part = fit_on_subset(process, X, Y, 1e-2, size=60, rng=0)
    alone = fit_on_subset(process, X[part.rows], Y[part.rows], 1e-2)
    # The second feature is of no use: its length scale goes out of sight.
    assert alone.process.theta[1] > 9.0
    assert 1.0 < part.process.theta[1] < 6.0
    assert part.process.theta[0] == pytest.approx(alone.process.theta[0], abs=0.1)
    assert 0.0 < alone.value - part.value < 3.0


def test_a_subset_is_as_good_as_all_rows_nearly():
    X, Y = data(n=400)
    process = ProcessKernel(KERNEL)
    best = fit_on_subset(process, X, Y, 1e-10, size=400)
    part = fit_on_subset(process, X, Y, 1e-10, size=250, rng=0)
    values = [log_likelihood(f.process, X, Y, 1e-10).value for f in (best, part)]
    assert values[0] == pytest.approx(best.value, rel=1e-10)
    assert 0.0 <= values[0] - values[1] < 0.02 * 400
    assert log_likelihood(process, X, Y, 1e-10).value < values[1] - 0.2 * 400


def test_restarts_leave_a_bad_optimum():
    X, Y = data(n=60)
    # Everything is noise, which is an optimum of its own.
    bad = ConstantKernel(1e-4, (1e-5, 1e2)) * RBF(1e-3, (1e-4, 1e2)) + WhiteKernel(
        1.0, (1e-4, 1e2)
    )
    alone = fit_on_subset(ProcessKernel(bad), X, Y, 1e-10, rng=0)
    fit = fit_on_subset(ProcessKernel(bad), X, Y, 1e-10, n_restarts=4, rng=0)
    assert fit.value > alone.value + 10.0
    assert fit.n_evaluations > alone.n_evaluations
    assert fit.start_value == alone.start_value
    jobs = fit_on_subset(ProcessKernel(bad), X, Y, 1e-10, n_restarts=4, rng=0, n_jobs=2)
    assert_allclose(jobs.process.theta, fit.process.theta, rtol=1e-12)


def test_never_worse_than_the_start():
    X, Y = data(n=50)
    process = ProcessKernel(KERNEL)
    good = fit_on_subset(process, X, Y, 1e-10).process

    def spoil(objective, theta, bounds):
        return theta + 3.0, -1e9

    fit = fit_on_subset(good, X, Y, 1e-10, optimizer=spoil)
    assert_array_equal(fit.process.theta, good.theta)
    assert fit.value == fit.start_value
    # Here the optimum of all rows is the start.
    rows = fit_on_subset(good, X, Y, 1e-10, size=40, rng=1)
    assert rows.value >= rows.start_value


def test_an_optimizer_of_the_caller_has_the_signature_of_scikit_learn():
    X, Y = data(n=40)
    seen = []

    def optimizer(objective, theta, bounds):
        seen.append((np.array(theta), np.array(bounds)))
        value, slope = objective(theta)
        assert objective(theta, eval_gradient=False) == value
        assert slope.shape == theta.shape
        found = minimize(objective, theta, jac=True, bounds=bounds, method="L-BFGS-B")
        return found.x, found.fun

    model = own_optimum(KERNEL, X, Y, optimizer=optimizer)
    fit = fit_on_subset(ProcessKernel(KERNEL), X, Y, 1e-10, optimizer=optimizer)
    assert_array_equal(seen[0][0], seen[1][0])
    assert_array_equal(seen[0][1], seen[1][1])
    assert_allclose(fit.process.theta, model.kernel_.theta, atol=1e-3)
    assert fit.message == ""


def test_parameters_without_a_likelihood_are_turned_away_from():
    X = np.linspace(0.0, 1.0, 40)[:, None]
    Y = np.sin(9.0 * X[:, 0])
    process = ProcessKernel(RBF(0.01, (1e-3, 1e3)))
    assert log_likelihood(process.with_theta([4.0]), X, Y, 0.0).value == -np.inf
    fit = fit_on_subset(process, X, Y, 0.0)
    lengths = np.log(np.geomspace(1e-3, 1e3, 400))
    grid = [log_likelihood(process.with_theta([t]), X, Y, 0.0).value for t in lengths]
    assert fit.value > fit.start_value
    # The likelihood ends in rounding before it ends: only its rise is sure.
    assert fit.value > np.percentile(np.array(grid)[np.isfinite(grid)], 80)


def test_no_likelihood_at_all_keeps_the_start():
    X, Y = data(n=30)
    process = ProcessKernel(DotProduct(1.0))
    fit = fit_on_subset(process, X, Y, 0.0)
    assert fit.value == fit.start_value == -np.inf
    assert_array_equal(fit.process.theta, process.theta)


def test_a_kernel_without_free_parameters_stays():
    X, Y = data(n=30)
    process = ProcessKernel(RBF(1.0, "fixed"))
    fit = fit_on_subset(process, X, Y, 0.1, n_restarts=2)
    assert fit.process.theta.size == 0
    assert fit.value == pytest.approx(log_likelihood(process, X, Y, 0.1).value)
    assert bounds_reached(fit.process) == []


def awkward():
    X, Y = data(n=60)
    return {
        "constant": (X, np.ones(60)),
        "zero": (X, np.zeros(60)),
        "duplicates": (np.repeat(X[:12], 5, axis=0), np.repeat(Y[:12], 5, axis=0)),
        "outlier": (X, np.where(np.arange(60) == 5, 1e6, Y[:, 0])),
        "one-row": (X[:1], Y[:1]),
        "one-place": (np.ones((60, 2)), Y),
        "huge-scale": (1e8 * X, 1e8 * Y),
    }


@pytest.mark.parametrize("name", awkward())
@pytest.mark.parametrize("size", [30, 100])
def test_awkward_data_lead_to_no_warning_and_nothing_worse(name, size):
    X, Y = awkward()[name]
    process = ProcessKernel(KERNEL)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fit_on_subset(process, X, Y, 1e-10, size=size, rng=0)
    assert np.isfinite(fit.value)
    assert fit.value >= fit.start_value
    low, high = process.bounds.T
    assert ((fit.process.theta >= low) & (fit.process.theta <= high)).all()


def test_a_kernel_of_the_library_is_left_as_it_is():
    X, Y = data(n=40)
    process = ProcessKernel(Gaussian(length_scale=0.8))
    fit = fit_on_subset(process, X, Y, 0.1, size=20, rng=0)
    assert fit.process is process
    assert fit.n_evaluations == 1
    rows = fit.rows
    known = log_likelihood(ProcessKernel(RBF(0.8)), X[rows], Y[rows], 0.1).value
    assert fit.value == pytest.approx(known, rel=1e-9)
    assert bounds_reached(process) == []


def test_bounds_are_reported_where_scikit_learn_warns():
    X, Y = data(n=60)
    kernel = ConstantKernel(1.0, (0.9, 1.1)) * Matern(
        [1.0, 1.0], (0.5, 2.0), nu=1.5
    ) + WhiteKernel(0.2, (0.1, 1.0))
    model = GaussianProcessRegressor(kernel)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, Y)
    fit = fit_on_subset(ProcessKernel(kernel), X, Y, 1e-10)
    reached = bounds_reached(fit.process)
    texts = [str(each.message) for each in caught]
    assert len(reached) == len(texts) >= 2
    for each, text in zip(reached, texts, strict=True):
        assert f"dimension {each.dimension} of parameter {each.name} " in text
        assert f"specified {each.side} bound {each.bound}" in text


def test_every_namespace_gives_the_same(device_backend):
    X, Y = data(n=60)
    process = ProcessKernel(KERNEL)
    expected = fit_on_subset(process, X, Y, 1e-10, size=40, rng=5)
    X, Y = device_backend.asarray(X), device_backend.asarray(Y)
    fit = fit_on_subset(process, X, Y, 1e-10, size=40, rng=5)
    assert_array_equal(fit.rows, expected.rows)
    assert_allclose(fit.process.theta, expected.process.theta, atol=1e-3)
    assert fit.value == pytest.approx(expected.value, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": 0}, r"size must be a positive integer; got size=0\."),
        ({"size": 2.5}, "size must be"),
        ({"n_restarts": -1}, "n_restarts must be a nonnegative integer"),
        ({"optimizer": "newton"}, "optimizer must be callable or None"),
    ],
)
def test_wrong_options_are_refused(options, match):
    X, Y = data(n=10)
    with pytest.raises(ValueError, match=match):
        fit_on_subset(ProcessKernel(KERNEL), X, Y, 1e-10, **options)


def test_restarts_need_finite_bounds():
    X, Y = data(n=10)
    process = ProcessKernel(RBF(1.0, (1e-5, np.inf)))
    with pytest.raises(ValueError, match="must be finite; got n_restarts=1"):
        fit_on_subset(process, X, Y, 0.1, n_restarts=1)
    assert np.isfinite(fit_on_subset(process, X, Y, 0.1).value)
