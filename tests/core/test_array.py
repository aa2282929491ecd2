"""Namespaces, moves, dtype rules, and what the array API lacks, on every backend."""

import math
import pickle
import timeit

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit as scipy_expit
from scipy.special import logsumexp as scipy_logsumexp
from scipy.special import xlogy as scipy_xlogy

from skopt2._core import array
from skopt2._core.array import HOST, move, namespace, to_numpy
from skopt2._core.weighted_quantile import weighted_quantile
from tests.stand_in import DEVICES


def test_numpy_arrays_have_the_plain_numpy_module(tmp_path):
    on_disk = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=(3,))
    assert namespace(np.zeros(2)) is np
    assert namespace(np.zeros(2), None, 1.0, np.float64(1), np.float32(1)) is np
    assert namespace(on_disk) is np
    assert namespace(sp.csr_array(np.eye(2))) is np
    assert namespace(None) is np


def test_numpy_lookup_costs_almost_nothing():
    x = np.zeros(3)
    seconds = min(timeit.repeat(lambda: namespace(x), number=10_000, repeat=5)) / 1e4
    # 0.15 microseconds when measured alone; the bound leaves room for a busy machine.
    assert seconds < 2e-6


def test_namespace_of_a_backend(backend):
    x = backend.asarray([1.0, 2.0])
    assert namespace(x, None, 2.0) is backend.xp
    assert array.device_of(x) == backend.device


def test_mixed_namespaces_are_refused(device_backend):
    if device_backend.name == "numpy":
        pytest.skip("needs a second namespace")
    with pytest.raises(TypeError, match="different namespaces"):
        namespace(np.zeros(2), device_backend.asarray([1.0]))


def test_namespace_refuses_what_is_no_array():
    with pytest.raises(TypeError):
        namespace([1.0, 2.0])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_round_trip_keeps_values_and_dtype(backend, dtype):
    host = np.array([[0, 1, 2], [3, 0, 5]], dtype=dtype, order="F")
    there = move(host, backend.target)
    assert namespace(there) is backend.xp
    assert array.device_of(there) == backend.device
    assert move(there, backend.target) is there
    back = to_numpy(there)
    assert back.dtype == host.dtype
    assert_array_equal(back, host)
    assert_array_equal(move(there, HOST), host)


def test_numpy_is_not_copied():
    x = np.arange(6.0).reshape(2, 3)
    X = sp.csc_matrix(x)
    assert move(x, HOST) is x
    assert to_numpy(x) is x
    assert to_numpy(X) is X
    assert move(None, HOST) is None


def test_move_keeps_negative_strides(backend):
    assert_array_equal(
        to_numpy(move(np.arange(4.0)[::-1], backend.target)), [3, 2, 1, 0]
    )


def test_move_between_devices_of_the_stand_in(cuda_stand_in):
    x = move(np.arange(3.0), cuda_stand_in.target(0))
    y = move(x, cuda_stand_in.target(1))
    assert y.device == DEVICES[1]
    assert_array_equal(to_numpy(y), np.arange(3.0))


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix])
def test_sparse_moves_to_cuda_and_back(cuda_stand_in, kind):
    X = kind(np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0]]))
    there = move(X, cuda_stand_in.target(0))
    assert array.is_sparse(there)
    assert namespace(there) is cuda_stand_in.target(0).xp
    assert array.device_of(there) == DEVICES[0]
    assert_array_equal(to_numpy(there).toarray(), X.toarray())


def test_sparse_cannot_move_to_other_namespaces(backend):
    if backend.name in ("numpy", "cupy"):
        pytest.skip("has sparse matrices")
    with pytest.raises(TypeError, match="only NumPy and CuPy"):
        move(sp.csr_array(np.eye(2)), backend.target)


def test_float64_narrows_where_the_device_has_none():
    strict = pytest.importorskip("array_api_strict")
    device = strict.Device("no_float64")
    target = array.Target(strict, device, "no_float64", "array")
    x = move(np.ones(3), target)
    assert x.dtype == strict.float32
    assert array.float_dtype(x) == strict.float32
    assert array.accumulation_dtype(x) == strict.float32


def test_asarray_like(backend):
    x = backend.asarray([1.0, 2.0], "float32")
    for values in ([3, 4], np.array([3.0, 4.0]), backend.asarray([3, 4])):
        made = array.asarray_like(values, x)
        assert made.dtype == x.dtype
        assert array.device_of(made) == backend.device
        assert_array_equal(to_numpy(made), [3, 4])
    counted = array.asarray_like(2, x, dtype=backend.xp.int64)
    assert counted.dtype == backend.xp.int64
    assert counted.ndim == 0


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (2, 0, 4), (2, 3)])
def test_asarray_like_keeps_the_shape(backend, shape):
    host = np.ones(shape)
    made = array.asarray_like(host, backend.asarray([1.0]))
    assert made.shape == shape
    assert_array_equal(to_numpy(made), host)


def test_asarray_like_shares_no_memory_between_libraries(backend):
    if backend.name == "numpy":
        pytest.skip("one library")
    host = np.ones(3)[::-1]
    host.setflags(write=False)
    made = array.asarray_like(host, backend.asarray([1.0]))
    made += 1.0
    assert_array_equal(host, 1.0)


def test_a_target_travels_between_processes(backend):
    there = pickle.loads(pickle.dumps(backend.target))
    assert there == backend.target
    assert there.xp is backend.xp
    assert (there is HOST) == (backend.name == "numpy")


def test_float_rule(backend):
    xp = backend.xp
    assert array.float_dtype(backend.asarray([1], "float32")) == xp.float32
    for dtype in ("float64", "int32", "bool"):
        assert array.float_dtype(backend.asarray([1], dtype)) == xp.float64
        assert array.as_float(backend.asarray([1], dtype)).dtype == xp.float64
    x = backend.asarray([1.0])
    assert array.as_float(x) is x
    assert array.float_dtype(np.zeros(2, np.float16)) == np.float64
    assert array.float_dtype(np.zeros(2, object)) == np.float64


def test_sums_of_float32_accumulate_in_float64(backend):
    # Two ulp of 2**24: a float32 accumulator loses every one of the ones.
    values = np.ones(4097, dtype=np.float32)
    values[0] = 2.0**25
    x, one = backend.asarray(values), backend.asarray(np.ones_like(values))
    assert array.sum64(x) == 2.0**25 + 4096
    assert array.dot64(x, one) == 2.0**25 + 4096
    assert isinstance(array.sum64(x), float)


def test_norms(backend):
    x = backend.asarray([3e200, -4e200])
    assert_allclose(array.norm64(x), 5e200)
    assert_allclose(array.norm64(backend.asarray([3e-200, 4e-200])), 5e-200)
    assert_allclose(array.norm64(backend.asarray([3, 4], "float32")), 5.0)
    assert array.max_abs(x) == 4e200
    assert array.max_abs(backend.asarray(np.zeros(0))) == 0.0
    assert array.norm64(backend.asarray([0.0])) == 0.0
    assert math.isinf(array.norm64(backend.asarray([np.inf, 1.0])))


def test_all_finite(backend):
    assert array.all_finite(backend.asarray([1.0, 2.0]))
    assert not array.all_finite(backend.asarray([1.0, np.nan]))
    assert not array.all_finite(backend.asarray([np.inf, -np.inf]))


def test_all_finite_is_not_fooled_by_an_overflowing_sum(backend):
    assert array.all_finite(backend.asarray([1.7e308, 1.7e308]))


def test_all_finite_of_sparse(cuda_stand_in):
    X = sp.csr_array(np.array([[0.0, np.nan]]))
    assert not array.all_finite(X)
    assert not array.all_finite(move(X, cuda_stand_in.target(0)))


def test_flatnonzero(backend):
    x = backend.asarray([0.0, 2.0, 0.0, -1.0])
    assert_array_equal(to_numpy(array.flatnonzero(x != 0)), [1, 3])


@pytest.mark.parametrize("k", [0, 1, 3, 6, 9])
def test_top_k(backend, rng, k):
    values = rng.permutation(6).astype(float)
    chosen = to_numpy(array.top_k(backend.asarray(values), k))
    assert_array_equal(np.sort(values[chosen]), np.arange(6.0)[max(6 - k, 0) :])


def test_take(device_backend, rng):
    X = rng.standard_normal((4, 5))
    index = np.array([3, 0])
    there, at = device_backend.asarray(X), device_backend.asarray(index)
    assert_array_equal(to_numpy(array.take(there, at)), X[index])
    assert_array_equal(to_numpy(array.take(there, at, axis=1)), X[:, index])
    for elsewhere in (index, index.tolist(), np.asarray([], dtype=int)):
        found = array.take(there, elsewhere)
        assert array.device_of(found) == array.device_of(there)
        assert_array_equal(to_numpy(found), X[elsewhere])


def test_index_like(device_backend):
    x = device_backend.asarray([0.5], np.float32)
    for numbers in ([3, 0], np.array([3, 0], np.int32), device_backend.asarray([3, 0])):
        index = array.index_like(numbers, x)
        assert index.dtype == device_backend.xp.int64
        assert array.device_of(index) == array.device_of(x)
        assert_array_equal(to_numpy(index), [3, 0])


def test_take_from_sparse(cuda_stand_in, rng):
    X = sp.random_array((6, 5), density=0.5, format="csc", rng=rng)
    index = np.array([3, 0])
    there = move(X, cuda_stand_in.target(0))
    at = move(index, cuda_stand_in.target(0))
    for source, where in ((X, index), (there, at), (there, index)):
        columns = to_numpy(array.take(source, where, axis=1))
        assert_array_equal(columns.toarray(), X.toarray()[:, index])
        assert_array_equal(
            to_numpy(array.take(source, where)).toarray(), X.toarray()[index]
        )


@pytest.mark.parametrize("shape", [(5,), (5, 2)])
def test_put(backend, shape):
    x = np.zeros(shape)
    index = np.array([4, 1])
    values = 1.0 + np.arange(2 * int(np.prod(shape[1:])), dtype=float).reshape(
        2, *shape[1:]
    )
    expected = x.copy()
    expected[index] = values
    made = array.put(
        backend.asarray(x), backend.asarray(index), backend.asarray(values)
    )
    assert_array_equal(to_numpy(made), expected)
    expected[index] = 7.0
    made = array.put(backend.asarray(x), backend.asarray(index), 7.0)
    assert to_numpy(made).max() == 7.0
    nothing = array.put(made, backend.asarray(np.zeros(0, np.int64)), 1.0)
    assert_array_equal(to_numpy(nothing), to_numpy(made))


def test_expit(backend):
    x = np.array([-800.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0])
    made = array.expit(backend.asarray(x))
    assert_allclose(to_numpy(made), scipy_expit(x), rtol=1e-14)
    assert array.expit(backend.asarray(x, "float32")).dtype == backend.xp.float32


def test_logsumexp(backend, rng):
    x = 1000 * rng.standard_normal((4, 3))
    for axis in (0, -1):
        made = array.logsumexp(backend.asarray(x), axis=axis)
        assert_allclose(to_numpy(made), scipy_logsumexp(x, axis=axis), rtol=1e-14)


def test_xlogy(backend):
    x, y = np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 5.0])
    made = array.xlogy(backend.asarray(x), backend.asarray(y))
    assert_allclose(to_numpy(made), scipy_xlogy(x, y))


def test_weighted_quantile_equals_repetition(backend, rng):
    x = rng.standard_normal(9)
    weights = rng.integers(0, 4, 9)
    weights[0] = 2
    repeated = np.repeat(x, weights)
    for level in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0):
        weighted = weighted_quantile(
            backend.asarray(x), level, backend.asarray(weights / weights.sum())
        )
        plain = weighted_quantile(backend.asarray(repeated), level)
        expected = np.quantile(repeated, level, method="inverted_cdf")
        assert weighted == plain == expected


@pytest.mark.parametrize("columns", [None, 2])
def test_cholesky_solve(backend, rng, columns):
    root = rng.standard_normal((4, 4))
    matrix = root @ root.T + np.eye(4)
    rhs = rng.standard_normal(4 if columns is None else (4, columns))
    made = array.cholesky_solve(backend.asarray(matrix), backend.asarray(rhs))
    assert_allclose(to_numpy(made), np.linalg.solve(matrix, rhs), rtol=1e-9)
    indefinite = np.diag([1.0, -1.0, 1.0, 1.0])
    assert (
        array.cholesky_solve(backend.asarray(indefinite), backend.asarray(rhs)) is None
    )
    missing = np.full((4, 4), np.nan)
    assert array.cholesky_solve(backend.asarray(missing), backend.asarray(rhs)) is None


def test_cholesky_solve_leaves_its_arguments_alone(rng):
    matrix = np.asfortranarray(4 * np.eye(3))
    rhs = np.asfortranarray(np.ones(3))
    assert_allclose(array.cholesky_solve(matrix, rhs), np.full(3, 0.25))
    assert_array_equal(matrix, 4 * np.eye(3))
    assert_array_equal(rhs, np.ones(3))
