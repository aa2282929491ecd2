"""Kernels made of kernels: their forms, and what they hand down to their parts."""

import math

import numpy as np
import pytest

from skopt2.kernels import (
    Constant,
    Gaussian,
    KernelOperator,
    Laplacian,
    Linear,
    Matern,
    Periodic,
    Polynomial,
    Power,
    Precomputed,
    Product,
    RationalQuadratic,
    Scaled,
    Sum,
)
from skopt2.kernels.composite import PreparedParts
from tests.kernels.reference import PROFILES, distances


def points(rng, n, d=4, dtype="float64"):
    return rng.standard_normal((n, d)).astype(dtype)


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    return request.param


def test_composites_are_their_formulas(rng, dtype):
    X, Y = points(rng, 300, dtype=dtype), points(rng, 200, dtype=dtype)
    near, far = (distances(X, Y, scale) for scale in (1.0, 3.0))
    gaussian, matern = PROFILES["gaussian"](near), PROFILES["matern-1.5"](far)
    inner = X.astype(np.float64) @ Y.astype(np.float64).T
    parts = [Gaussian(1.0), Matern(1.5, 3.0), Linear()]
    cases = [
        (Sum(parts), gaussian + matern + inner),
        (Product(parts), gaussian * matern * inner),
        (Scaled(parts[1], 7.0), 7.0 * matern),
        (Power(parts[1], 7), matern**7),
        (
            Sum([Product([parts[2], Sum(parts[:2])]), Constant(2.0)]),
            inner * (gaussian + matern) + 2.0,
        ),
    ]
    for kernel, expected in cases:
        scale = np.abs(expected).max() * (2e-6 if dtype == "float32" else 1e-14)
        np.testing.assert_allclose(kernel(X, Y), expected, atol=scale)
        block = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
        assert block.dtype == dtype
        np.testing.assert_allclose(block, expected, atol=scale)


def test_rational_quadratic_of_a_large_shape_is_gaussian(rng, dtype):
    X = points(rng, 60, dtype=dtype)
    expected = PROFILES["gaussian"](distances(X, X, 2.0))
    found = KernelOperator(RationalQuadratic(1e8, 2.0), X).block(
        slice(None), slice(None)
    )
    atol = 1e-6 if dtype == "float32" else 1e-8
    np.testing.assert_allclose(found, expected, atol=atol)


@pytest.mark.parametrize("d", [1, 3])
def test_periodic_kernel_is_its_formula(rng, dtype, d):
    X, Y = points(rng, 60, d, dtype), points(rng, 50, d, dtype)
    if d == 1:
        # A thousand periods away from zero and from each other.
        X += np.asarray(700.0, dtype)
        X[:9] -= np.asarray(900.0, dtype)
    kernel = Periodic(period=0.7, width=0.9)
    phase = math.pi * distances(X, Y, 0.7)
    expected = np.exp(-2.0 * np.sin(phase) ** 2 / 0.9**2)
    atol = 2e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(kernel(X, Y), expected, atol=atol)
    block = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
    np.testing.assert_allclose(block, expected, atol=atol)
    assert np.diagonal(KernelOperator(kernel, X).block(slice(None), slice(None))).all()


def test_periodic_kernel_is_positive_semidefinite_on_a_line(rng, device_backend):
    X = rng.uniform(-20.0, 20.0, (40, 1))
    K = device_backend.to_numpy(Periodic(3.0, 0.5)(device_backend.asarray(X)))
    np.testing.assert_allclose(K, Periodic(3.0, 0.5)(X), atol=1e-13)
    values = np.linalg.eigvalsh(K)
    assert values[0] > -1e-13 * values[-1]
    np.testing.assert_allclose(K, Periodic(3.0, 0.5)(X + 9.0), atol=1e-12)


FOLDED = [
    (Scaled(Scaled(Matern(length_scale=1.0), 2.0), 3.0), "Scaled(Matern, 6)"),
    (Scaled(Matern(length_scale=1.0), 1.0), "Matern"),
    (Scaled(Constant(2.0), 3.0), "Constant(6)"),
    (Sum([Matern(length_scale=1.0)]), "Matern"),
    (Product([Sum([Scaled(Linear(), 2.0)])]), "Scaled(Linear, 2)"),
    (Product([Constant(2.0), Gaussian(1.0)]), "Scaled(Gaussian, 2)"),
    (Product([Constant(0.0), Gaussian(1.0)]), "Constant(0)"),
    (Product([Gaussian(1.0), Linear(), Gaussian([1.0] * 4)]), "Product(Gaussian, Lin"),
    (
        Sum([Constant(1.0), Sum([Linear(), Constant(2.0)])]),
        "Sum(Linear, Constant(3))",
    ),
    (Sum([Linear(), Constant(0.0)]), "Linear"),
    (
        Product([Scaled(Linear(), 2.0), Product([Laplacian(1.0), Scaled(Linear())])]),
        "Scaled(Product(Linear, Laplacian, Linear), 2)",
    ),
    (Power(Matern(0.5, 2.0), 3), "Matern"),
    (Power(Power(Matern(1.5, 2.0), 2), 3), "Power(Matern, 6)"),
    (Power(Scaled(Gaussian(2.0), 3.0), 2), "Scaled(Gaussian, 9)"),
    (Power(Product([Laplacian(2.0), Constant(2.0)]), 2), "Scaled(Laplacian, 4)"),
    (Power(RationalQuadratic(2.0, 1.0), 2), "RationalQuadratic"),
    (Power(Polynomial(2), 2), "Polynomial"),
    (Power(Periodic(3.0, 0.8), 3), "Periodic"),
    (Power(Matern(math.inf, 1.0), 2), "Matern"),
    (Power(Scaled(Matern(2.5, 1.0), 3.0), 2), "Scaled(Power(Matern, 2), 9)"),
    (Power(Product([Linear(), Laplacian(1.0)]), 2), "Power(Product"),
]


def form(kernel):
    """Return the structure of a kernel in few letters."""
    name = type(kernel).__name__
    if isinstance(kernel, Scaled):
        return f"{name}({form(kernel.kernel)}, {kernel.variance:g})"
    if isinstance(kernel, Power):
        return f"{name}({form(kernel.kernel)}, {kernel.exponent})"
    if isinstance(kernel, Constant):
        return f"{name}({kernel.value:g})"
    if hasattr(kernel, "kernels"):
        return f"{name}({', '.join(map(form, kernel.kernels))})"
    return name


@pytest.mark.parametrize(("kernel", "expected"), FOLDED, ids=[e for _, e in FOLDED])
def test_kernels_are_folded_and_keep_their_values(rng, kernel, expected):
    X = points(rng, 30)
    resolved = kernel.resolve(X)
    assert form(resolved).startswith(expected)
    A = kernel.features(X, kernel.origin(X))
    unfolded = kernel.block(A, A)
    scale = 1e-13 * np.abs(unfolded).max()
    np.testing.assert_allclose(kernel(X), unfolded, atol=scale)
    assert form(resolved.resolve(X)) == form(resolved)


@pytest.mark.parametrize("n", [40, 2500])
def test_one_point_has_the_distance_zero_from_itself(rng, dtype, n):
    # Far from the origin and rough: the products lose all of these distances.
    X = 1e3 + points(rng, n, dtype=dtype)
    rough = Laplacian(length_scale=1e-4)
    kernel = Sum([Scaled(rough, 2.0), Product([Matern(0.5, 1.0), rough, Gaussian()])])
    operator = KernelOperator(kernel, X)
    np.testing.assert_array_equal(operator.diagonal(), 3.0)
    assert np.diagonal(operator.block(slice(None), slice(None))).tolist() == [3.0] * n
    # The neighbours are further than the kernel reaches.
    np.testing.assert_allclose(operator.product(np.ones(n, dtype)), 3.0, atol=1e-3)


def test_parts_of_different_widths_stay_accurate(rng):
    # The columns alone are so far out that their products need float64.
    X, Y = points(rng, 40, dtype="float32"), points(rng, 30, dtype="float32")
    Y[3] = 1e4
    kernel = Sum([Matern(1.5, 1.0), Scaled(Gaussian(1e3), 2.0)])
    A, B = (kernel.features(Z) for Z in (X, Y))
    assert A.kinds != B.kinds
    assert (A.widened(np.float64).kinds, A.n_rows) == ((np.float64,) * 2, 40)
    expected = PROFILES["matern-1.5"](distances(X, Y, 1.0))
    expected += 2.0 * PROFILES["gaussian"](distances(X, Y, 1e3))
    found = KernelOperator(kernel, X, Y).block(slice(None), slice(None))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-6)


def test_parts_of_points_are_those_of_each_kernel(rng):
    X = points(rng, 30)
    kernel = Sum([Product([Linear(), Laplacian(1.0)]), Polynomial(2)])
    A = kernel.features(X, kernel.origin(X))
    K = kernel(X)
    index = np.array([7, 2, 5])
    assert isinstance(A.part(index), PreparedParts)
    np.testing.assert_allclose(
        kernel.block(A.part(slice(3, 6)), A.part(index)), K[3:6, index], rtol=1e-13
    )


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Sum([]), r"list of at least one kernel; got kernels=\[\]"),
        (Product(Linear()), "list of at least one kernel"),
        (Sum([Linear(), "matern"]), "kernels of the sum kernel must be kernel objects"),
        (Product([Precomputed()]), "combine the matrices"),
        (Scaled(Precomputed()), "combine the matrices"),
        (Scaled("matern"), "kernel of the scaled kernel must be kernel objects"),
        (Scaled(Linear(), 0.0), "variance of the scaled kernel.*variance=0.0"),
        (Scaled(Linear(), math.inf), "variance of the scaled kernel"),
        (Power(Linear(), 1.5), "exponent of the power kernel.*exponent=1.5"),
        (Power(Linear(), 0), "exponent of the power kernel"),
        (Constant(-1.0), "value of the constant kernel.*value=-1.0"),
        (RationalQuadratic(shape=0.0), "shape of the rational_quadratic.*shape=0.0"),
        (Periodic(period=0.0), "period of the periodic kernel.*period=0.0"),
        (Periodic(width=-1.0), "width of the periodic kernel.*width=-1.0"),
        (Sum([Matern(nu=2.0)]), "nu of the matern kernel"),
        (Product([Gaussian([1.0, 2.0]), Gaussian([1.0] * 3)]), "has 2 values, X has 4"),
    ],
)
def test_parameters_out_of_range_are_named(rng, kernel, message):
    with pytest.raises(ValueError, match=message):
        kernel(points(rng, 5))
