"""Kernel parameters by stochastic gradients of the likelihood of all rows."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    WhiteKernel,
)

from skopt2._core.result import StopReason
from skopt2.kernels.process import ProcessKernel
from skopt2.solvers.kernel.likelihood import log_likelihood
from skopt2.solvers.kernel.pathwise_ascent import PathwiseAscent
from skopt2.solvers.kernel.pathwise_fit import fit_pathwise
from skopt2.solvers.kernel.subset_fit import fit_on_subset

KERNEL = ConstantKernel(1.0) * Matern([1.0, 1.0], nu=1.5) + WhiteKernel(0.1)


def data(n=400, c=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2.0, 2.0, (n, 2))
    Y = np.stack(
        [np.sin((2.0 + k) * X[:, 0]) * np.cos(2.0 * X[:, 1]) for k in range(c)], 1
    )
    return X, Y + 0.2 * rng.standard_normal((n, c))


def exact(process, X, Y, noise=0.0):
    return log_likelihood(process, X, Y, noise, gradient=True)


def distance(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(
    "kernel",
    [
        KERNEL,
        1.5 * RBF([0.7, 2.0]) + WhiteKernel(0.05),
        ConstantKernel(0.5) + RBF(0.8) + DotProduct(0.5) + WhiteKernel(0.1),
    ],
    ids=["matern", "rbf", "sum"],
)
@pytest.mark.parametrize("c", [1, 2])
def test_gradient_of_many_probes_is_the_exact_one(kernel, c):
    X, Y = data(c=c)
    process, noise = ProcessKernel(kernel), np.linspace(0.01, 0.05, len(X))
    expected = exact(process, X, Y, noise).gradient
    ascent = PathwiseAscent(
        process,
        X,
        Y,
        noise,
        n_probes=512,
        n_features=8000,
        solver="cholesky",
        rng=0,
    )
    found, result = ascent.gradient(process.theta)
    assert distance(found, expected) < 0.05
    assert result.certificate.holds
    few = PathwiseAscent(
        process, X, Y, noise, n_probes=8, solver="cholesky", rng=0
    ).gradient(process.theta)[0]
    assert distance(few, expected) < 0.5


def test_block_passes_lead_to_the_same_gradient():
    X, Y = data(n=700)
    process = ProcessKernel(KERNEL)
    found = {}
    for solver, epochs in (("cholesky", 3), ("sap", 3), ("sap", 40)):
        ascent = PathwiseAscent(
            process, X, Y, 0.0, solver=solver, max_epochs=epochs, rng=1
        )
        found[solver, epochs] = ascent.gradient(process.theta)[0]
    assert distance(found["sap", 40], found["cholesky", 3]) < 1e-2
    assert distance(found["sap", 3], found["cholesky", 3]) < 0.2


def test_probes_have_the_covariance_of_the_system():
    X, Y = data(n=60)
    process = ProcessKernel(KERNEL)
    noise = np.linspace(0.1, 1.0, len(X))
    ascent = PathwiseAscent(process, X, Y, noise, n_probes=4000, n_features=4000, rng=0)
    probes = ascent.columns(process)[:, 1:].astype(np.float64)
    H = process.kernel(X) + np.diag(noise)
    assert_allclose(probes @ probes.T / 4000, H, atol=0.15)


def test_solutions_start_from_the_last_ones():
    X, Y = data(n=700)
    process = ProcessKernel(KERNEL)
    ascent = PathwiseAscent(process, X, Y, 0.0, solver="sap", rng=0)
    _, first = ascent.gradient(process.theta)
    near = process.theta + 0.02
    warm = ascent.gradient(near, first.solution.a)[1]
    # From zero a solution takes four times as many passes, less the one for a residual.
    cold = PathwiseAscent(process, X, Y, 0.0, solver="sap", rng=0, max_epochs=0.75)
    cold = cold.gradient(near)[1]
    assert warm.solution.n_epochs - cold.solution.n_epochs == pytest.approx(1.0)
    assert warm.certificate.value < 0.5 * cold.certificate.value
    assert first.solution.n_epochs > 3.0 * cold.solution.n_epochs


def test_the_likelihood_rises_and_the_gain_says_by_how_much():
    X, Y = data(c=2)
    start = ProcessKernel(KERNEL)
    result = fit_pathwise(
        start, X, Y, 1e-6, solver="cholesky", n_probes=64, tol=1e-3, rng=0
    )
    fit, before = result.solution, exact(start, X, Y, 1e-6).value
    after = exact(fit.process, X, Y, 1e-6).value
    best = fit_on_subset(start, X, Y, 1e-6).value
    assert before < best - 50.0
    assert after > best - 0.05 * (best - before)
    assert fit.gain == pytest.approx(after - before, rel=0.1)
    history = result.history.as_dict()
    assert history["gain"][0] == 0.0
    assert max(history["gain"]) == fit.gain
    assert result.objective == pytest.approx(-history["gain"][-1] / Y.size)
    assert (np.diff(history["n_epochs"]) > 0).all()


def test_solutions_belong_to_the_best_parameters():
    X, Y = data()
    fit = fit_pathwise(
        ProcessKernel(KERNEL), X, Y, 1e-3, solver="cholesky", max_iter=8, rng=0
    ).solution
    H = fit.process.kernel(X) + 1e-3 * np.eye(len(X))
    assert_allclose(fit.coef, np.linalg.solve(H, Y), atol=1e-2)
    # Probes are the draws of the prior and noise of the right size.
    noise = H @ fit.probe_coef - fit.prior.values(X)
    white = np.exp(fit.process.theta[-1]) + 1e-3
    assert np.mean(noise**2) == pytest.approx(white, rel=0.05)
    assert fit.probe_coef.shape == (400, 32)


def test_it_stops_where_the_gradient_vanishes():
    X, Y = data()
    start = fit_on_subset(ProcessKernel(KERNEL), X, Y, 0.0).process
    options = {"solver": "cholesky", "n_probes": 128, "rng": 0}
    result = fit_pathwise(start, X, Y, 0.0, tol=0.05, **options)
    assert result.reason is StopReason.CONVERGED
    assert result.n_iter == 1
    assert result.certificate.name == "mean gradient of the likelihood of a target"
    assert_array_equal(result.solution.process.theta, start.theta)
    far = fit_pathwise(ProcessKernel(KERNEL), X, Y, 0.0, tol=0.02, **options)
    assert far.reason is StopReason.CONVERGED
    assert far.n_iter > 3


def test_a_bound_is_kept_and_no_reason_to_go_on():
    X, Y = data()
    kernel = ConstantKernel(1.0, (0.9, 1.1)) * Matern(
        1.0, (0.9, 1.2), nu=1.5
    ) + WhiteKernel(0.1, (0.09, 0.11))
    process = ProcessKernel(kernel)
    result = fit_pathwise(
        process, X, Y, 0.0, solver="cholesky", tol=1e-3, max_iter=20, rng=0
    )
    theta, bounds = result.solution.process.theta, process.bounds
    slope = exact(result.solution.process, X, Y).gradient
    at_end = np.isclose(theta, bounds[:, 0]) | np.isclose(theta, bounds[:, 1])
    assert at_end.all()
    assert ((slope > 0) == np.isclose(theta, bounds[:, 1])).all()
    assert result.reason is StopReason.CONVERGED


def test_limits_monitor_and_resume():
    X, Y = data(n=300)
    process = ProcessKernel(KERNEL)
    options = {"solver": "cholesky", "tol": 0.0, "rng": 3}
    whole = fit_pathwise(process, X, Y, 0.0, max_iter=6, **options)
    assert whole.reason is StopReason.MAX_ITER
    kept = {}

    class Stop:
        def begin(self, iteration):
            pass

        def end(self, iteration, solver, state, measure, history):
            kept.update(
                state=solver.pack(state), n_iter=iteration, history=history.as_dict()
            )
            return iteration == 3

    part = fit_pathwise(process, X, Y, 0.0, max_iter=6, monitor=Stop(), **options)
    assert part.reason is StopReason.CALLBACK
    assert part.n_iter == 3
    options["rng"] = 99
    rest = fit_pathwise(process, X, Y, 0.0, max_iter=6, resume=kept, **options)
    assert rest.n_iter == 6
    assert_array_equal(rest.solution.process.theta, whole.solution.process.theta)
    assert_array_equal(rest.solution.coef, whole.solution.coef)
    soon = fit_pathwise(process, X, Y, 0.0, time_limit=0.0, **options)
    assert soon.reason is StopReason.TIME_LIMIT
    assert soon.n_iter == 1


def test_every_namespace_gives_the_same(device_backend):
    X, Y = data(n=120)
    process = ProcessKernel(KERNEL)
    options = {"solver": "cholesky", "max_iter": 3, "rng": 0, "n_features": 200}
    expected = fit_pathwise(process, X, Y, 1e-3, **options)
    X, Y = device_backend.asarray(X), device_backend.asarray(Y)
    found = fit_pathwise(process, X, Y, 1e-3, **options)
    assert_allclose(
        found.solution.process.theta, expected.solution.process.theta, atol=1e-4
    )
    assert found.solution.gain == pytest.approx(expected.solution.gain, rel=1e-3)
    assert type(found.solution.coef) is type(X)


def test_single_precision_is_for_near_points_and_noise_above_rounding():
    X, Y = data(n=1200)
    process = ProcessKernel(KERNEL)
    quiet = ProcessKernel(KERNEL.k1)
    options = {"solver": "sap", "n_probes": 4, "rng": 0}
    near = PathwiseAscent(process, X, Y, 0.0, **options)
    far = PathwiseAscent(process, X + 1e6, Y, 0.0, **options)
    assert near.X.dtype == near.Y.dtype == np.float32
    assert far.X.dtype == far.Y.dtype == np.float64
    slopes = [ascent.gradient(process.theta)[0] for ascent in (near, far)]
    assert distance(slopes[1], slopes[0]) < 1e-2
    assert PathwiseAscent(quiet, X, Y, 1e-8, **options).X.dtype == np.float64
    # What is given in float32 stays so.
    single = X.astype(np.float32)
    assert PathwiseAscent(quiet, single, Y, 1e-8, **options).X.dtype == np.float32


def test_small_systems_are_factorised_and_large_ones_are_not():
    X, Y = data(n=100)
    process = ProcessKernel(KERNEL)
    assert PathwiseAscent(process, X, Y, 0.0).solver == "cholesky"
    assert PathwiseAscent(process, X, Y, 0.0, solver="sap").solver == "sap"


def test_a_kernel_without_free_parameters_is_solved_once():
    X, Y = data(n=60)
    process = ProcessKernel(RBF(1.0, "fixed"))
    result = fit_pathwise(process, X, Y, 0.1, rng=0)
    assert result.reason is StopReason.CONVERGED
    assert result.n_iter == 1
    assert result.solution.gain == 0.0


@pytest.mark.parametrize("target", [np.zeros(80), np.ones(80), 1e8 * np.eye(80)[3]])
def test_awkward_targets_lead_to_no_warning(target):
    X, _ = data(n=80)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit_pathwise(ProcessKernel(KERNEL), X, target, 0.0, max_iter=4, rng=0)
    before, after = (
        exact(process, X, target).value
        for process in (ProcessKernel(KERNEL), result.solution.process)
    )
    assert after > before


def test_a_kernel_without_features_is_refused():
    X, Y = data(n=30)
    process = ProcessKernel(ExpSineSquared(1.0, 2.0))
    with pytest.raises(ValueError, match="has no random features"):
        fit_pathwise(process, X, Y, 0.1, rng=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_probes": 0}, "n_probes must be a positive integer; got n_pro"),
        ({"max_iter": 1.5}, "max_iter must be a positive integer"),
        ({"solver": "lu"}, "solver must be one of"),
        ({"max_epochs": 0}, "max_epochs must be a positive number"),
        ({"step_size": -0.1}, "step_size must be a positive number"),
        ({"tol": -1.0}, "tol must be a nonnegative number"),
    ],
)
def test_wrong_options_are_refused(options, match):
    X, Y = data(n=10)
    with pytest.raises(ValueError, match=match):
        fit_pathwise(ProcessKernel(KERNEL), X, Y, 0.0, **options)
