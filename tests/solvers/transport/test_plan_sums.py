"""Sums of plans by a stored kernel against the log domain."""

import numpy as np
import pytest
from scipy.special import logsumexp

from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.plan_sums import PlanSums
from skopt2.solvers.transport.streamed import PointCloudGeometry


def expected(f, g, cost, eps):
    """Return the logarithms of the sums of the plan."""
    z = (f[:, None] + g - cost) / eps
    return logsumexp(z, axis=1), logsumexp(z, axis=0)


class Counted(DenseGeometry):
    """A geometry that counts what it is asked for."""

    kernels = softmins = 0

    def kernel(self, *args):
        """Count."""
        self.kernels += 1
        return super().kernel(*args)

    def row_softmin(self, *args):
        """Count."""
        self.softmins += 1
        return super().row_softmin(*args)


@pytest.mark.parametrize("steps", [0.1, 10.0, 100.0])
def test_sums_follow_the_potentials(steps, rng):
    cost = rng.random((15, 12))
    geometry, eps = Counted(cost), 0.01
    sums = PlanSums(geometry, eps)
    f, g = rng.random(15) * eps, rng.random(12) * eps
    for _ in range(20):
        rows, cols = expected(f, g, cost, eps)
        np.testing.assert_allclose(sums.rows(f, g), rows, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(sums.cols(f, g), cols, rtol=1e-11, atol=1e-11)
        f = f + steps * eps * rng.uniform(-1.0, 1.0, 15)
        g = g + steps * eps * rng.uniform(-1.0, 1.0, 12)
    if steps == 0.1:
        assert geometry.kernels == 1
        assert geometry.softmins == 0
    if steps == 10.0:
        assert 1 < geometry.kernels < 20


def test_sums_below_and_above_the_range_of_floats(rng):
    cost = rng.random((6, 5))
    for shift in (-900.0, 900.0):
        geometry = Counted(cost)
        sums = PlanSums(geometry, 1.0)
        f, g = rng.random(6), rng.random(5)
        f[2] += shift
        rows, cols = expected(f, g, cost, 1.0)
        np.testing.assert_allclose(sums.rows(f, g), rows, rtol=1e-13)
        np.testing.assert_allclose(sums.cols(f, g), cols, rtol=1e-13)
        assert geometry.softmins == 1
        # The kernel is not tried again.
        assert geometry.kernels == 1
        assert sums.rows(f, g)[2] == pytest.approx(shift, rel=1e-2)


def test_single_precision(rng):
    cost = rng.random((20, 15)).astype(np.float32)
    sums = PlanSums(DenseGeometry(cost), 0.05)
    f, g = (rng.random(n).astype(np.float32) for n in (20, 15))
    for size in (0.01, 0.5, 3.0):
        f = (f + size * rng.standard_normal(20)).astype(np.float32)
        rows, cols = expected(*(z.astype(np.float64) for z in (f, g, cost)), 0.05)
        assert sums.rows(f, g).dtype == np.float32
        np.testing.assert_allclose(sums.rows(f, g), rows, atol=5e-5)
        np.testing.assert_allclose(sums.cols(f, g), cols, atol=5e-5)


def test_streamed_costs_have_no_kernel(rng):
    X, Y = rng.random((9, 2)), rng.random((8, 2))
    geometry = PointCloudGeometry(X, Y)
    sums = PlanSums(geometry, 0.1)
    f, g = rng.random(9), rng.random(8)
    cost = ((X[:, None] - Y) ** 2).sum(axis=2)
    rows, cols = expected(*geometry.centring.outside(f, g), cost, 0.1)
    np.testing.assert_allclose(sums.rows(f, g), rows, rtol=1e-12)
    np.testing.assert_allclose(sums.cols(f, g), cols, rtol=1e-12)


def test_namespaces_agree(backend, rng):
    cost, f, g = rng.random((9, 7)), rng.random(9), rng.random(7)
    parts = [backend.asarray(z) for z in (cost, f, g)]
    sums = PlanSums(DenseGeometry(parts[0]), 0.1)
    rows, cols = expected(f, g, cost, 0.1)
    np.testing.assert_allclose(
        backend.to_numpy(sums.rows(*parts[1:])), rows, rtol=1e-12
    )
    np.testing.assert_allclose(
        backend.to_numpy(sums.cols(*parts[1:])), cols, rtol=1e-12
    )
