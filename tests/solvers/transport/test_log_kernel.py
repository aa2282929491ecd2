import numpy as np
import pytest
from scipy.special import logsumexp

from skopt2.solvers.transport.log_kernel import DenseLogKernel, GridLogKernel


def reference(C, L, eps):
    with np.errstate(all="ignore"):
        return logsumexp(L[:, None, :] - C[None] / eps, axis=2)


@pytest.mark.parametrize("eps", [10.0, 0.1, 1e-3, 1e-5])
def test_dense_products_are_exact_for_every_regularisation(rng, eps):
    C = rng.random((30, 40))
    L = rng.normal(size=(5, 40)) * 3.0 / eps
    L[0, 3:] = -np.inf
    kernel = DenseLogKernel(C)
    kernel.set_reg(eps)
    np.testing.assert_allclose(kernel.rows(L), reference(C, L, eps), rtol=1e-13)
    L = rng.normal(size=(5, 30)) / eps
    np.testing.assert_allclose(kernel.cols(L), reference(C.T, L, eps), rtol=1e-13)


@pytest.mark.parametrize("shift", [-1e4, 1e4])
def test_costs_of_any_sign_lose_nothing(rng, shift):
    C = rng.random((20, 20)) + shift
    kernel = DenseLogKernel(C)
    kernel.set_reg(0.5)
    L = rng.normal(size=(3, 20))
    expected = reference(C, L, 0.5)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(kernel.rows(L), expected, rtol=1e-12)


@pytest.mark.parametrize("lengths", [(17,), (5, 8), (3, 4, 5)])
@pytest.mark.parametrize("eps", [20.0, 0.3, 0.01])
def test_grids_equal_their_dense_kernel(rng, lengths, eps):
    L = rng.normal(size=(4, np.prod(lengths))) / eps
    L[1, ::2] = -np.inf
    L[2, 1:] = -np.inf
    grid = GridLogKernel(lengths, L)
    X = grid.points()
    C = ((X[:, None] - X) ** 2).sum(-1)
    assert grid.scale == C.max()
    assert grid.shape == C.shape
    grid.set_reg(eps)
    np.testing.assert_allclose(grid.rows(L), reference(C, L, eps), rtol=1e-12)
    np.testing.assert_allclose(grid.cols(L), reference(C, L, eps), rtol=1e-12)


def test_a_line_without_mass_stays_without():
    grid = GridLogKernel((3, 4), np.zeros(1))
    grid.set_reg(1e-3)
    assert (grid.rows(np.full((1, 12), -np.inf)) == -np.inf).all()


def test_float32_reaches_its_precision(rng):
    C = rng.random((30, 30)).astype(np.float32)
    L = (rng.normal(size=(4, 30)) * 50).astype(np.float32)
    for eps in (0.1, 1e-3):
        kernel = DenseLogKernel(C)
        kernel.set_reg(eps)
        found = kernel.rows(L)
        assert found.dtype == np.float32
        expected = reference(C.astype(float), L.astype(float), eps)
        bound = 4e-7 * (1.0 / eps + np.abs(L).max())
        assert np.abs(found - expected).max() < bound


def test_every_namespace_gives_the_same(device_backend, rng):
    C, L = rng.random((8, 12)), rng.normal(size=(3, 12)) * 400.0
    L[0, :5] = -np.inf
    for eps in (0.5, 1e-3):
        expected = DenseLogKernel(C)
        expected.set_reg(eps)
        kernel = DenseLogKernel(device_backend.asarray(C))
        kernel.set_reg(eps)
        found = device_backend.to_numpy(kernel.rows(device_backend.asarray(L)))
        np.testing.assert_allclose(found, expected.rows(L), rtol=1e-13)
    lines = device_backend.asarray(L)
    grid, expected = GridLogKernel((3, 4), lines), GridLogKernel((3, 4), L)
    for kernel in (grid, expected):
        kernel.set_reg(1e-2)
    found = device_backend.to_numpy(grid.rows(lines))
    np.testing.assert_allclose(found, expected.rows(L), rtol=1e-13)
