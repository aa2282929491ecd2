import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.barycenter_fixed import FixedSupport, OneMeasure
from skopt2.solvers.transport.log_kernel import DenseLogKernel, GridLogKernel
from tests.transport.barycenter_reference import (
    barycenter_by_dual,
    bump,
    debiased_by_primal,
    line,
    projections,
)

W = np.array([0.5, 0.2, 0.3])


def histograms(rng, K, n):
    B = rng.random((K, n)) + 0.05
    return B / B.sum(axis=1, keepdims=True)


def run(
    B, C, eps, w=W, *, tol=1e-10, start=None, kernel=None, max_iter=5000, **options
):
    kernel = DenseLogKernel(C) if kernel is None else kernel
    solver = FixedSupport(kernel, B, w, eps, tol=tol, **options)
    result = iterate(
        solver,
        solver.start(start),
        tol=tol,
        max_iter=max_iter,
        check_every=solver.interval,
    )
    return solver, result


def errors_of(B, C, eps, found):
    """Return the marginal errors of potentials, from the plans themselves."""
    P = np.exp((found.f[:, :, None] + found.g[:, None, :] - C) / eps)
    rows = np.abs(P.sum(2) - B).sum(1)
    return rows + np.abs(P.sum(1) - found.p).sum(1)


@pytest.mark.parametrize("shape", [(6, 6), (7, 4)])
def test_the_dual_is_maximised(rng, shape):
    B, C = histograms(rng, 3, shape[0]), rng.random(shape)
    _, result = run(B, C, 0.2)
    p, value = barycenter_by_dual(B, C, 0.2, W)
    np.testing.assert_allclose(result.solution.p, p, atol=2e-7)
    assert result.objective == pytest.approx(value, rel=1e-10)
    np.testing.assert_allclose(result.solution.p.sum(), 1.0, rtol=1e-14)


def test_the_debiased_objective_is_minimised(rng):
    B, C = histograms(rng, 3, 5), line(5) / 16
    _, result = run(B, C, 0.3, debiased=True)
    p, value = debiased_by_primal(B, C, 0.3, W)
    np.testing.assert_allclose(result.solution.p, p, atol=1e-6)
    assert result.objective == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("eps", [1.0, 1e-2, 1e-3])
def test_acceleration_keeps_the_answer_of_plain_projections(rng, eps):
    B, C = histograms(rng, 3, 12), line(12) / 121
    _, fast = run(B, C, eps)
    _, plain = run(B, C, eps, accelerate=False, max_iter=100_000)
    assert fast.certificate.holds
    np.testing.assert_allclose(fast.solution.p, plain.solution.p, atol=1e-8)
    assert fast.n_iter <= plain.n_iter
    if eps > 1e-3:
        expected = projections(B, C, eps, W)
        np.testing.assert_allclose(fast.solution.p, expected, atol=1e-8)
    else:
        assert fast.n_iter < plain.n_iter / 5


@pytest.mark.parametrize("debiased", [False, True])
def test_the_certificate_is_that_of_the_returned_potentials(rng, debiased):
    B, C = histograms(rng, 3, 15), line(15) / 196
    _, result = run(B, C, 5e-3, debiased=debiased, tol=1e-6)
    found = result.solution
    expected = errors_of(B, C, 5e-3, found)
    if debiased:
        h = W @ found.g
        own = np.exp((h[:, None] + h - C) / 5e-3)
        expected = expected + np.abs(own.sum(1) - found.p).sum()
    np.testing.assert_allclose(found.errors, expected, rtol=1e-6, atol=1e-13)
    assert result.certificate.value == found.errors.max() <= 1e-6


def test_the_geometric_mean_of_the_scalings_is_kept(rng):
    B, C = histograms(rng, 3, 10), line(10) / 81
    solver, result = run(B, C, 1e-2, start=rng.normal(size=(3, 10)))
    np.testing.assert_allclose(W @ result.solution.g, 0.0, atol=1e-12)
    np.testing.assert_allclose(result.solution.p, run(B, C, 1e-2)[1].solution.p)


def test_bins_without_mass(rng):
    B = histograms(rng, 3, 10)
    B[:, 3] = 0.0
    B[0, :5] = 0.0
    B /= B.sum(axis=1, keepdims=True)
    for debiased in (False, True):
        _, result = run(B, line(10) / 81, 0.05, debiased=debiased, tol=1e-6)
        found = result.solution
        assert result.certificate.holds
        assert (found.f[B == 0] == -np.inf).all()
        assert np.isfinite(found.g).all()
        assert np.isfinite(found.p).all()


def test_warm_starts_from_potentials_of_another_regularisation(rng):
    B, C = histograms(rng, 3, 20), line(20) / 361
    _, first = run(B, C, 3e-3)
    _, cold = run(B, C, 2e-3)
    for start in (first.solution.g, cold.solution.g):
        _, warm = run(B, C, 2e-3, start=start)
        np.testing.assert_allclose(warm.solution.p, cold.solution.p, atol=1e-8)
        assert warm.n_iter < cold.n_iter
    assert warm.n_iter == 4


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("debiased", [False, True])
def test_the_scale_of_the_costs_does_not_matter(rng, scale, debiased):
    B, C = histograms(rng, 3, 12), line(12) / 121
    _, one = run(B, C, 1e-3, debiased=debiased, tol=1e-8)
    _, other = run(B, scale * C, scale * 1e-3, debiased=debiased, tol=1e-8)
    np.testing.assert_allclose(other.solution.p, one.solution.p, rtol=1e-5)
    # Each plan has a constant that can go from one potential to the other.
    sums = [x.f[:, :, None] + x.g[:, None, :] for x in (one.solution, other.solution)]
    np.testing.assert_allclose(sums[1] / scale, sums[0], rtol=0, atol=1e-7)


@pytest.mark.parametrize("debiased", [False, True])
def test_float32_stays_and_ends_at_its_floor(debiased):
    # Smooth ones: debiasing undoes a blur, which leaves fine detail undetermined.
    B = np.array([bump(20, 6, 2), bump(20, 10, 3), bump(20, 13, 2.5)])
    C = line(20) / 361
    _, exact = run(B, C, 0.01, debiased=debiased, tol=1e-9)
    low = [x.astype(np.float32) for x in (B, C)]
    _, result = run(*low, 0.01, debiased=debiased, tol=1e-4)
    assert result.certificate.holds
    assert {x.dtype for x in (result.solution.p, result.solution.f)} == {
        np.dtype(np.float32)
    }
    assert np.abs(result.solution.p - exact.solution.p).sum() < 5e-3
    _, result = run(*low, 0.01, debiased=debiased, tol=1e-12)
    assert result.reason == "stalled"
    assert result.certificate.value < 1e-3


def test_tiny_regularisation_goes_through_levels(rng):
    B = np.array([bump(60, 15, 3), bump(60, 30, 5), bump(60, 40, 4)])
    solver, result = run(B, line(60), 0.2, tol=1e-6)
    regs = result.history.as_dict()["reg"]
    assert len(solver.levels) > 1
    assert regs[-1] == 0.2
    assert (np.diff(regs) <= 0).all()
    assert result.certificate.holds


@pytest.mark.parametrize("debiased", [False, True])
def test_every_namespace_gives_the_same(device_backend, rng, debiased):
    B = histograms(rng, 3, 12)
    B[1, 2] = 0.0
    B /= B.sum(axis=1, keepdims=True)
    C = line(12) / 121
    _, here = run(B, C, 5e-3, debiased=debiased, tol=1e-9)
    there = [device_backend.asarray(x) for x in (B, C)]
    _, result = run(*there, 5e-3, debiased=debiased, tol=1e-9)
    p = device_backend.to_numpy(result.solution.p)
    np.testing.assert_allclose(p, here.solution.p, atol=1e-8)
    kernel = GridLogKernel((12,), there[0])
    _, result = run(*there, 5e-3 * 121, kernel=kernel, debiased=debiased, tol=1e-9)
    p = device_backend.to_numpy(result.solution.p)
    np.testing.assert_allclose(p, here.solution.p, atol=1e-8)


def test_a_packed_state_goes_on_where_it_was(rng):
    B, C = histograms(rng, 3, 12), line(12) / 121
    solver = FixedSupport(DenseLogKernel(C), B, W, 1e-3, tol=1e-9)
    state = solver.start()
    for _ in range(10):
        state = solver.step(state)
    before = solver.certificate(state).value
    packed = solver.pack(state)
    other = FixedSupport(DenseLogKernel(C), B, W, 1e-3, tol=1e-9)
    assert other.certificate(other.unpack(packed)).value == pytest.approx(before)


def test_one_histogram_is_its_own_debiased_barycentre(rng):
    b = bump(30, 12, 3)
    b[20:] = 0.0
    b = b[None] / b.sum()
    C = line(30)
    solver = OneMeasure(DenseLogKernel(C), b, np.ones(1), 5.0, tol=1e-12)
    result = iterate(
        solver, solver.start(), tol=1e-12, max_iter=200, check_every=solver.interval
    )
    found = result.solution
    assert result.certificate.holds
    assert result.n_iter < 100
    np.testing.assert_allclose(found.p, b[0], rtol=1e-13)
    assert (found.p[20:] == 0.0).all()
    np.testing.assert_array_equal(found.f, found.g)
    assert errors_of(b, C, 5.0, found).max() < 1e-12


def test_a_failed_acceleration_is_undone(rng):
    # From far away the extrapolations of the first steps overshoot.
    B = np.array([bump(100, 25, 5), bump(100, 70, 9)])
    w = np.array([0.3, 0.7])
    solver, result = run(
        B, line(100) / 99**2, 1e-4, w=w, debiased=True, tol=1e-7, max_iter=2000
    )
    errors = result.history.as_dict()["certificate"]
    assert result.certificate.holds
    assert np.isfinite(errors).all()


@pytest.mark.parametrize("places", [(50, 52), (10, 11), (3, 90)])
def test_first_steps_that_overshoot_are_undone(places):
    # Masses of one bin, where the acceleration fails before anything is measured.
    B = np.zeros((2, 105))
    B[[0, 1], places] = 1.0
    _, result = run(B, line(105), 0.5, w=np.full(2, 0.5), debiased=True, tol=1e-6)
    assert result.certificate.holds
    p = result.solution.p
    assert p @ np.arange(105) == pytest.approx(np.mean(places), abs=1e-6)
    assert p[[sum(places) // 2, -(-sum(places) // 2)]].sum() > 0.4
