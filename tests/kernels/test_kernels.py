"""What holds for every kernel."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import kernels as gp

from skopt2._core.array import to_numpy
from skopt2.kernels import (
    _KERNELS,
    Cauchy,
    Constant,
    ExponentialPower,
    FromCallable,
    FromPairwise,
    Gaussian,
    KernelOperator,
    Laplacian,
    Linear,
    Matern,
    NeuralTangent,
    Polynomial,
    Power,
    Precomputed,
    Product,
    Radial,
    RationalQuadratic,
    Scaled,
    Sum,
    get_kernel,
)
from tests.kernels.reference import RADIAL


def brownian(X, Y):
    """Return sums of minima, a kernel for nonnegative points."""
    total = 0.0
    for k in range(X.shape[1]):
        x, y = X[:, k][:, None], Y[:, k][None, :]
        total = total + 0.5 * (x + y - abs(x - y))
    return total


KERNELS = [
    Cauchy(),
    Constant(0.7),
    ExponentialPower(power=0.7),
    ExponentialPower(power=1.5, length_scale=[1.0, 2.0, 0.5]),
    FromCallable(brownian),
    FromPairwise("rbf", {"gamma": 0.3}),
    FromPairwise("laplacian"),
    FromPairwise(gp.RBF(2.0) + gp.DotProduct()),
    Gaussian(),
    Laplacian(length_scale=0.7),
    Linear(),
    Matern(),
    Matern(nu=0.5),
    Matern(nu=2.5, length_scale=3.0),
    NeuralTangent(),
    NeuralTangent(depth=3, bias=0.5),
    Polynomial(),
    Polynomial(degree=1, gamma=2.0, coef0=0.0),
    Power(Matern(length_scale=2.0), exponent=5),
    Product([Matern(nu=0.5), Linear(), Sum([Gaussian(), Constant(0.5)])]),
    RationalQuadratic(shape=0.6),
    RationalQuadratic(shape=1.0, length_scale=[1.0, 2.0, 0.5]),
    RationalQuadratic(shape=300.0, length_scale=1.0),
    Scaled(Matern(), variance=3.0),
    Scaled(FromCallable(brownian), variance=0.2),
    Sum([Scaled(Laplacian(), 0.5), Constant(0.3), Gaussian(length_scale=2.0)]),
    Sum([Polynomial(degree=2), Product([NeuralTangent(), Laplacian()]), Cauchy()]),
]
DTYPES = ["float64", "float32"]


# Not str: the address of a function would differ between the workers of a run.
@pytest.fixture(params=KERNELS, ids=lambda kernel: str(kernel).partition(" at 0x")[0])
def kernel(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def points(rng, n, dtype="float64"):
    return np.abs(rng.standard_normal((n, 3))).astype(dtype)


def rounding(K, dtype):
    # The root of a small squared distance loses some digits of float32.
    return (5e-6 if dtype == "float32" else 2e-14) * float(np.abs(K).max())


def test_every_kernel_is_tested():
    assert set(_KERNELS) <= {kernel.name for kernel in KERNELS} | {"precomputed"}
    radial = {kernel.name for kernel, _ in RADIAL.values()}
    assert {name for name in _KERNELS if issubclass(_KERNELS[name], Radial)} == radial


def test_matrix_is_positive_semidefinite_and_symmetric(rng, kernel):
    X = points(rng, 60)
    X[30:40] = X[:10]
    X[59] = 0.0
    K = kernel(X)
    np.testing.assert_allclose(K, K.T, atol=rounding(K, "float64"))
    values = np.linalg.eigvalsh(0.5 * (K + K.T))
    assert values[0] > -1e-13 * values[-1]


def test_diagonal_is_that_of_the_matrix(rng, kernel, dtype):
    X = points(rng, 150, dtype)
    resolved = kernel.resolve(X)
    K = kernel(X)
    diagonal = resolved.diag(resolved.features(X))
    assert diagonal.dtype == dtype
    np.testing.assert_allclose(diagonal, np.diagonal(K), atol=rounding(K, dtype))


def test_stationary_kernels_ignore_a_shift(rng, kernel):
    X = points(rng, 20)
    resolved = kernel.resolve(X)
    difference = np.abs(resolved(X) - resolved(X + 1.0)).max()
    assert (difference < 1e-12) == resolved.is_stationary


def test_operator_is_the_matrix(rng, kernel, dtype):
    X, Y = points(rng, 300, dtype), points(rng, 120, dtype)
    for other in (None, Y):
        K = kernel(X, other)
        assert K.dtype == dtype
        V = rng.standard_normal((K.shape[1], 2)).astype(dtype)
        index = rng.permutation(300)[:50]
        for store in (False, True):
            operator = KernelOperator(kernel, X, other, store=store)
            scale = 40.0 * rounding(K, dtype)
            np.testing.assert_allclose(
                operator.rows(index, V), K[index] @ V, atol=scale
            )
            np.testing.assert_allclose(
                operator.block(index, slice(0, 9)), K[index, :9], atol=scale / 40.0
            )


def test_float32_is_float64_rounded(rng, kernel):
    X, Y = points(rng, 40, "float32"), points(rng, 30, "float32")
    found = kernel(X, Y)
    expected = kernel.resolve(X)(X.astype(np.float64), Y.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=rounding(expected, "float32"))


def test_namespaces_agree(rng, kernel, dtype, device_backend):
    X, Y = points(rng, 40, dtype), points(rng, 30, dtype)
    X[7] = 0.0
    Y[:5] = X[5:10]
    there = device_backend.asarray
    expected = kernel(X, Y)
    found = kernel(there(X), there(Y))
    assert type(found) is type(there(X))
    assert to_numpy(found).dtype == dtype
    scale = rounding(expected, dtype)
    np.testing.assert_allclose(to_numpy(found), expected, atol=scale)
    resolved = kernel.resolve(there(X))
    diagonal = resolved.diag(resolved.features(there(X)))
    own = kernel.resolve(X)
    np.testing.assert_allclose(
        to_numpy(diagonal), own.diag(own.features(X)), atol=scale
    )


def test_clones_and_pickles_are_the_same_kernel(rng, kernel):
    X = points(rng, 10)
    for copy in (clone(kernel), pickle.loads(pickle.dumps(kernel))):
        assert copy is not kernel
        np.testing.assert_array_equal(copy(X), kernel(X))


def test_large_matrices_are_those_of_their_rows(rng):
    X = points(rng, 2100)
    kernel = Matern(length_scale=2.0)
    K = kernel(X)
    np.testing.assert_allclose(K[2090:], kernel(X[2090:], X), atol=1e-13)
    np.testing.assert_allclose(K, K.T, atol=1e-13)


def test_lists_and_integers_are_points():
    expected = Gaussian(length_scale=1.0)(np.array([[0.0], [2.0]]))
    np.testing.assert_array_equal(Gaussian(length_scale=1.0)([[0], [2]]), expected)


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("gaussian", {}, Gaussian(length_scale=2.0)),
        ("laplacian", {}, Laplacian(length_scale=2.0)),
        ("matern", {"nu": 0.5}, Matern(nu=0.5, length_scale=2.0)),
        ("exponential_power", {"power": 0.4}, ExponentialPower(0.4, 2.0)),
        ("cauchy", {}, Cauchy(length_scale=2.0)),
        ("rational_quadratic", {"shape": 0.5}, RationalQuadratic(0.5, 2.0)),
        ("polynomial", {"degree": 2}, Polynomial(degree=2)),
        ("linear", {}, Linear()),
        ("neural_tangent", {"depth": 4}, NeuralTangent(depth=4)),
        ("precomputed", {}, Precomputed()),
        ("rbf", {"gamma": 2.0}, FromPairwise("rbf", {"gamma": 2.0})),
        ("cosine", {}, FromPairwise("cosine")),
    ],
)
def test_names_stand_for_kernels(name, params, expected):
    kernel = get_kernel(name, length_scale=2.0, **params)
    assert type(kernel) is type(expected)
    assert kernel.get_params() == expected.get_params()


def test_objects_and_functions_stand_for_themselves():
    kernel = Matern(nu=2.5)
    assert get_kernel(kernel, length_scale=3.0) is kernel
    assert get_kernel(brownian).get_params() == {"function": brownian}
    process = gp.Matern(2.0, nu=0.7)
    assert get_kernel(process).metric is process


@pytest.mark.parametrize(
    ("kernel", "params", "message"),
    [
        ("gausian", {}, "Did you mean 'gaussian'"),
        (3, {}, "an object such as Matern.* got kernel=3"),
        (Gaussian, {}, "kernel must be one of"),
        ("matern", {"mu": 2.5}, "matern kernel has no parameter 'mu'; it has nu"),
        ("linear", {"gamma": 1.0}, "no parameter 'gamma'; it has none"),
        ("matern", {"nu": 2.0}, "nu of the matern kernel"),
        (Matern(nu=2.0), {}, "nu of the matern kernel"),
        (Matern(), {"nu": 2.5}, "'nu' go with the name of a kernel"),
    ],
)
def test_what_is_no_kernel_is_named(kernel, params, message):
    with pytest.raises(ValueError, match=message):
        get_kernel(kernel, **params)


@pytest.mark.parametrize(
    ("X", "Y", "error", "message"),
    [
        (np.ones(3), None, ValueError, r"X must be a matrix.*shape \(3,\)"),
        (np.ones((3, 0)), None, ValueError, "X has no features"),
        (np.array([[np.nan]]), None, ValueError, "X has values that are NaN"),
        (np.ones((3, 2)), np.ones((3, 1)), ValueError, "Y has 1 features.* 2"),
        (np.ones((3, 1)), np.array([[np.inf]]), ValueError, "Y has values that are"),
    ],
)
def test_bad_points_are_named(X, Y, error, message):
    for call in (Gaussian(), lambda *points: KernelOperator(Gaussian(), *points)):
        with pytest.raises(error, match=message):
            call(X, Y)


def test_sparse_and_scattered_points_are_refused(rng, device_backend):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="X is sparse.*toarray"):
        Linear()(sparse.eye_array(3, format="csr"))
    if device_backend.name != "numpy":
        X = points(rng, 3)
        with pytest.raises(TypeError, match="move one of them"):
            Linear()(X, device_backend.asarray(X))
