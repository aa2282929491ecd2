"""Stacks of small kernel matrices, against the kernel objects one by one."""

import math

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)

from skopt2.kernels.block_distances import squared_distances
from skopt2.kernels.point_blocks import PointBlocks

SCALES = [0.5, 1.0, 2.0]
KERNELS = [
    RBF(0.7),
    2.0 * RBF(SCALES) + WhiteKernel(0.3),
    Matern(0.9, nu=0.5),
    Matern(SCALES, nu=0.5),
    Matern(SCALES, nu=1.5),
    Matern(SCALES, nu=2.5),
    Matern(1.3, nu=math.inf),
    RationalQuadratic(0.7, 1.3),
    RationalQuadratic(0.7, 1.3, alpha_bounds="fixed"),
    (DotProduct(0.4) + 1.0) ** 2,
    RBF(1.0) * (WhiteKernel(0.2) + Matern(2.0, nu=1.5)),
    2.0 * (DotProduct(0.3) * RBF(1.0) + WhiteKernel(0.1)) ** 2,
    ConstantKernel(2.0, "fixed") * RBF(1.0, "fixed"),
    ExpSineSquared(1.0, 2.0) + WhiteKernel(0.1),
]
# Derivatives by differences here, and inexact in scikit-learn.
NUMERIC = [Matern(1.0, nu=0.7), PairwiseKernel(metric="rbf") + WhiteKernel(0.2)]


def points(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 6, 3))


@pytest.mark.parametrize("kernel", KERNELS + NUMERIC, ids=str)
def test_blocks_are_those_of_the_kernel_object(kernel):
    A, B = points()
    blocks = PointBlocks(kernel)
    want = [kernel(a, b) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(blocks.values(A, B), want, rtol=1e-12, atol=1e-14)
    rows = A.reshape(-1, 3)
    alone = [float(kernel(x[None], x[None].copy())[0, 0]) for x in rows]
    np.testing.assert_allclose(blocks.diagonal(rows), alone, rtol=1e-12)
    white = kernel.diag(rows) - alone
    np.testing.assert_allclose(blocks.noise(rows), white, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_gradient_is_that_of_the_kernel_object(kernel):
    A, _ = points(1)
    G = np.random.default_rng(2).normal(size=(4, 5, 5))
    G += G.swapaxes(1, 2)
    slopes = np.stack([kernel(a, eval_gradient=True)[1] for a in A])
    want = np.einsum("bij,bijt->t", G, slopes)
    found = PointBlocks(kernel).gradient(A, G)
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-7)
    assert found.shape == kernel.theta.shape


@pytest.mark.parametrize("kernel", NUMERIC, ids=str)
def test_numeric_gradient_is_that_of_wider_differences(kernel):
    A, _ = points(1)
    G = np.random.default_rng(2).normal(size=(4, 5, 5))

    def total(theta):
        moved = kernel.clone_with_theta(theta)
        return sum(np.vdot(g, moved(a)) for g, a in zip(G, A, strict=True))

    steps = 1e-3 * np.eye(kernel.n_dims)
    want = [(total(kernel.theta + h) - total(kernel.theta - h)) / 2e-3 for h in steps]
    found = PointBlocks(kernel).gradient(A, G)
    np.testing.assert_allclose(found, want, rtol=1e-5)


@pytest.mark.parametrize("d", [2, 30])
def test_distances_are_exact_where_points_are_equal(d):
    A = 1e3 + np.random.default_rng(0).normal(size=(3, 4, d))
    found = squared_distances(A, A)
    want = ((A[:, :, None] - A[:, None]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12)
    assert (np.einsum("bii->bi", found) == 0).all()


def test_scales_are_the_smallest_of_any_part():
    kernel = RBF([1.0, 4.0]) + 2.0 * Matern([2.0, 3.0]) + RBF(0.1)
    np.testing.assert_array_equal(PointBlocks(kernel).scales(2), [1.0, 3.0])
    np.testing.assert_array_equal(PointBlocks(RBF(0.1)).scales(2), [1.0, 1.0])
