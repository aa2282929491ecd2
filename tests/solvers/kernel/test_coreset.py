"""The bound of a coreset: closed forms, derivatives, extremes, and its ascent."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern

from skopt2._core.array import to_numpy
from skopt2._core.iterate import iterate
from skopt2.solvers.kernel.block_sampler import BlockSampler
from skopt2.solvers.kernel.coreset_ascent import CoresetAscent
from skopt2.solvers.kernel.coreset_bound import Bound, Coreset
from skopt2.solvers.kernel.coreset_kernel import SMOOTHNESS, Term, TermSum
from skopt2.solvers.kernel.coreset_state import Ranges
from skopt2.solvers.kernel.coreset_stream import CoresetStream, Former
from skopt2.solvers.kernel.coreset_summary import summarise
from tests.solvers.kernel.coreset_reference import bound as dense_bound

D = 3


def radial(nu):
    """Return c f_nu with a length scale for each feature, and white noise."""
    return TermSum([Term((0,), nu, (1, 2, 3)), Term((4,), white=True)])


def rich(nu):
    """Return a sum of four terms that share a parameter, one of them isotropic."""
    return TermSum(
        [
            Term((0,), nu, (1, 2, 3)),
            Term((4, 5), white=True),
            Term((6,)),
            Term((6, 0), 1.5, (7,)),
        ]
    )


@pytest.fixture
def problem(rng):
    """Rows, two columns of targets, and a coreset for eight parameters."""
    X = rng.standard_normal((40, D))
    Y = np.stack([np.sin(X[:, 0]) + X[:, 1], np.cos(X[:, 1])], axis=1)
    Y += 0.1 * rng.standard_normal(Y.shape)
    phi = 0.3 * rng.standard_normal(8)
    Z, U = rng.standard_normal((7, D)), rng.standard_normal((7, 2))
    return X, Y, Coreset(Z, U, rng.standard_normal(7), phi)


def with_phi(coreset, phi):
    return Coreset(coreset.Z, coreset.Y, coreset.log_w, np.asarray(phi))


@pytest.mark.parametrize("nu", SMOOTHNESS)
def test_gradient_equals_finite_differences(problem, nu):
    X, Y, coreset = problem
    bound = Bound(rich(nu), 0.05)
    value, gradient = bound.gradient(coreset, X, Y, 100)
    assert_allclose(value, bound.value(coreset, [(X, Y)], 100), rtol=1e-12)
    for part, found in zip(coreset.parts(), gradient.parts(), strict=True):
        expected = np.empty_like(part)
        for index in np.ndindex(part.shape):
            old, ends = part[index], []
            for step in (1e-5, -1e-5):
                part[index] = old + step
                ends.append(bound.value(coreset, [(X, Y)], 100))
            part[index] = old
            expected[index] = (ends[0] - ends[1]) / 2e-5
        assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("nu", SMOOTHNESS)
def test_bound_equals_the_textbook_formula(problem, nu):
    X, Y, coreset = problem
    coreset = with_phi(coreset, [0.2, 0.1, -0.1, 0.3, -1.0])
    scales = np.exp(coreset.phi[1:4])
    base = RBF(scales) if nu == math.inf else Matern(scales, nu=nu)
    expected = dense_bound(
        math.exp(0.2) * base,
        coreset.Z,
        coreset.Y,
        np.exp(coreset.log_w),
        X,
        Y,
        0.05 + math.exp(-1.0),
    )
    assert_allclose(Bound(radial(nu), 0.05).value(coreset, [(X, Y)]), expected)


@pytest.mark.parametrize("nu", [0.5, 1.5, math.inf])
def test_all_rows_with_weight_one_are_the_exact_process(problem, nu):
    X, Y, coreset = problem
    phi = np.array([0.2, 0.1, -0.1, 0.3, -3.0])
    base = RBF(np.exp(phi[1:4])) if nu == math.inf else Matern(np.exp(phi[1:4]), nu=nu)
    exact = GaussianProcessRegressor(
        math.exp(0.2) * base, alpha=math.exp(-3.0), optimizer=None
    ).fit(X, Y)
    bound = Bound(radial(nu))
    same = Coreset(X, Y, np.zeros(len(X)), phi)
    evidence = exact.log_marginal_likelihood_value_
    assert_allclose(bound.value(same, [(X, Y)]), evidence, rtol=1e-8)
    mean, std = exact.predict(coreset.Z, return_std=True)
    found = bound.posterior(same).moments(coreset.Z)
    assert_allclose(found[0], mean, rtol=1e-8, atol=1e-8)
    assert_allclose(found[1], std[:, 0] ** 2, rtol=1e-8, atol=1e-8)
    # It is the maximum: no derivative is left but those of the kernel.
    _, gradient = bound.gradient(same, X, Y, len(X))
    for part in gradient.parts()[:3]:
        assert_allclose(part, 0.0, atol=1e-6)


def test_bound_is_below_the_evidence(problem, rng):
    X, Y, _ = problem
    phi = np.array([0.2, 0.1, -0.1, 0.3, -2.0])
    exact = GaussianProcessRegressor(
        math.exp(0.2) * RBF(np.exp(phi[1:4])), alpha=math.exp(-2.0), optimizer=None
    ).fit(X, Y)
    bound = Bound(radial(math.inf))
    for size in (1, 5, 20, 40):
        index = rng.permutation(len(X))[:size]
        weights = rng.normal(0.0, 2.0, size)
        coreset = Coreset(X[index], Y[index], weights, phi)
        best = summarise(bound.posterior(coreset), [(X, Y)])
        start = best.value()
        best.improve()
        assert start <= best.value() < exact.log_marginal_likelihood_value_


def test_batches_are_unbiased(problem):
    X, Y, coreset = problem
    bound = Bound(rich(2.5), 0.05)
    whole = bound.gradient(coreset, X, Y, 40)
    parts = [
        bound.gradient(coreset, X[k : k + 10], Y[k : k + 10], 40)
        for k in range(0, 40, 10)
    ]
    assert_allclose(np.mean([value for value, _ in parts]), whole[0], rtol=1e-12)
    for k in range(4):
        mean = np.mean([gradient.parts()[k] for _, gradient in parts], axis=0)
        assert_allclose(mean, whole[1].parts()[k], rtol=1e-9, atol=1e-9)


def test_weights_and_scatter_have_derivatives(problem, rng):
    X, Y, coreset = problem
    bound, weight = Bound(rich(1.5), 0.05), rng.uniform(0.5, 3.0, 40)
    arguments = (X, Y, 100, weight, 12.0)
    _, gradient = bound.gradient(coreset, *arguments)
    for part, found in zip(coreset.parts(), gradient.parts(), strict=True):
        for index in list(np.ndindex(part.shape))[:6]:
            old, ends = part[index], []
            for step in (1e-5, -1e-5):
                part[index] = old + step
                ends.append(bound.gradient(coreset, *arguments)[0])
            part[index] = old
            slope = (ends[0] - ends[1]) / 2e-5
            assert_allclose(found[index], slope, rtol=1e-6, atol=1e-6)


def test_former_coreset_of_all_rows_stands_for_them(problem):
    X, Y, coreset = problem
    kernel, coreset = radial(2.5), with_phi(coreset, [0.2, 0.1, -0.1, 0.3, -1.0])
    former = Former(X[:25], Y[:25], np.ones(25), 25, 0.0)
    wide, ones = np.zeros(5), np.ones(5)
    solver = CoresetStream(
        Bound(kernel),
        X[25:],
        Y[25:],
        BlockSampler(15, 15, 7, X),
        former=former,
        ranges=Ranges(wide - 8.0, wide + 8.0, ones),
        units=(np.ones(D), np.ones(2)),
        rate=0.03,
    )
    assert solver.n == 40
    found = solver._gradient(coreset, X[25:], Y[25:])
    _, expected = Bound(kernel).gradient(coreset, X, Y, 40)
    for part, other in zip(found.parts(), expected.parts(), strict=True):
        assert_allclose(part, other, rtol=1e-9, atol=1e-9)
    summary = summarise(
        Bound(kernel).posterior(coreset), [(X[25:], Y[25:])], solver.former
    )
    assert_allclose(summary.value(), Bound(kernel).value(coreset, [(X, Y)]))


def test_former_coreset_knows_the_noise_of_its_rows(problem):
    X, Y, coreset = problem
    coreset = with_phi(coreset, [0.2, 0.1, -0.1, 0.3, -1.0])
    bound = Bound(radial(2.5))
    former = Former.of(bound.posterior(coreset), 500)
    assert former.scatter > 0.0
    # With no new rows the noise at which the bound is largest, the posterior being
    # held, is that of before.
    mean, variance = bound.posterior(coreset).moments(coreset.Z)
    squares = ((coreset.Y - mean) ** 2).sum(axis=1) + 2 * variance
    best = (former.scatter + (former.weight * squares).sum()) / (500 * 2)
    assert_allclose(best, math.exp(-1.0), rtol=1e-12)


def test_summary_has_the_bound_and_its_best_targets(problem):
    X, Y, coreset = problem
    bound = Bound(rich(1.5), 0.05)
    chunks = [(X[:15], Y[:15]), (X[15:], Y[15:])]
    summary = summarise(bound.posterior(coreset), chunks)
    before = bound.value(coreset, chunks)
    assert_allclose(summary.value(), before, rtol=1e-11)
    best = summary.improve()
    after = bound.value(best, chunks)
    assert after > before + 1.0
    assert_allclose(summary.value(), after, rtol=1e-11)
    _, gradient = bound.gradient(best, X, Y, 40)
    assert_allclose(gradient.Y, 0.0, atol=1e-8)


def test_coincident_points_and_hardly_any_noise_need_no_jitter(problem):
    X, Y, _ = problem
    Z = np.repeat(X[:5], 8, axis=0)
    phi = np.array([0.0, 2.0, 2.0, 2.0, -23.0])
    coreset = Coreset(Z, np.repeat(Y[:5], 8, axis=0), np.full(40, 10.0), phi)
    bound = Bound(radial(math.inf))
    value, gradient = bound.gradient(coreset, X, Y, 40)
    assert np.isfinite(value)
    assert all(np.isfinite(part).all() for part in gradient.parts())
    mean, variance = bound.posterior(coreset).moments(X[:5])
    assert_allclose(mean, Y[:5], atol=1e-5)
    assert (variance < 1e-9).all()


def test_gradient_on_every_namespace(problem, backend):
    X, Y, coreset = problem
    bound = Bound(rich(0.5), 0.05)
    value, expected = bound.gradient(coreset, X, Y, 100)
    moved = Coreset(*(backend.asarray(part) for part in coreset.parts()))
    found, gradient = bound.gradient(moved, backend.asarray(X), backend.asarray(Y), 100)
    assert_allclose(float(found), value, rtol=1e-12)
    for part, other in zip(gradient.parts(), expected.parts(), strict=True):
        assert_allclose(to_numpy(part), other, rtol=1e-9, atol=1e-9)


def ascent(X, Y, kernel, *, rate=0.03, tol=1e-2, max_steps=300, size=16):
    """Return the solver for a kernel of five parameters."""
    wide = np.zeros(5)
    return CoresetAscent(
        Bound(kernel),
        X,
        Y,
        BlockSampler(len(X), size, 7, X),
        ranges=Ranges(wide - 8.0, wide + 8.0, np.array([1.0, 1.0, 0.0, 1.0, 1.0])),
        units=(X.std(axis=0), Y.std(axis=0)),
        rate=rate,
        tol=tol,
        max_steps=max_steps,
    )


def start_of(problem):
    X, Y, _ = problem
    phi = np.array([0.0, 0.5, 0.4, 0.5, -2.0])
    return Coreset(X[:7].copy(), Y[:7].copy(), np.full(7, math.log(40 / 7)), phi)


def run(solver, state, max_iter, **options):
    return iterate(
        solver,
        state,
        tol=solver.tol,
        max_iter=max_iter,
        check_every=solver.interval,
        **options,
    )


def test_ascent_raises_the_bound_of_all_rows(problem):
    X, Y, _ = problem
    solver, coreset = ascent(X, Y, radial(1.5)), start_of(problem)
    before = Bound(radial(1.5)).value(coreset, [(X, Y)])
    result = run(solver, solver.start(coreset), 300)
    objective = result.history.as_dict()["objective"]
    assert (np.diff(objective) <= 0.0).all()
    found = Bound(radial(1.5)).value(result.solution.coreset, [(X, Y)])
    assert_allclose([result.solution.bound, -objective[-1]], found, rtol=1e-10)
    assert found > before + 40.0
    # What is fixed stays.
    assert result.solution.coreset.phi[2] == 0.4


def test_certificate_is_the_change_at_the_full_rate(problem):
    X, Y, _ = problem
    solver = ascent(X, Y, radial(1.5), tol=0.2, max_steps=3000)
    result = run(solver, solver.start(start_of(problem)), 3000)
    history = result.history.as_dict()
    assert result.certificate.holds
    assert result.n_iter < 2000
    cool = 3 * result.n_iter // 5
    at = int(np.searchsorted(history["iteration"], cool))
    assert history["iteration"][at] == cool
    grown = (history["objective"][at - 5] - history["objective"][at]) / len(X)
    # Falls below the best bound, and cuts of the rate, can only add to the growth.
    # Up to a rounding, by which the two differences differ.
    assert grown * (1.0 - 1e-12) <= result.certificate.value <= 0.2
    assert (history["certificate"][:-1] > 0.2).all()
    assert history["learning_rate"][-1] < 0.2 * history["learning_rate"][at]


@pytest.mark.parametrize("rate", [1e2, 1e300])
def test_absurd_rate_is_survived(problem, rate):
    X, Y, _ = problem
    solver, coreset = ascent(X, Y, radial(1.5), rate=rate), start_of(problem)
    start = solver.start(coreset).value
    result = run(solver, solver.start(coreset), 300)
    assert result.solution.bound >= start
    assert result.solution.n_restarts > 0
    assert not result.certificate.holds
    assert all(np.isfinite(part).all() for part in result.solution.coreset.parts())


def test_packed_state_goes_on_as_if_nothing_had_happened(problem):
    X, Y, _ = problem
    solver = ascent(X, Y, radial(1.5))
    whole = run(solver, solver.start(start_of(problem)), 150)
    other = ascent(X, Y, radial(1.5))
    state = other.start(start_of(problem))
    half = run(other, state, 100)
    resume = {
        "state": other.pack(state),
        "n_iter": 100,
        "history": half.history.as_dict(),
    }
    again = ascent(X, Y, radial(1.5))
    rest = run(again, None, 150, resume=resume)
    for one, two in zip(
        whole.solution.coreset.parts(), rest.solution.coreset.parts(), strict=True
    ):
        assert_array_equal(one, two)
