"""The kernel operator against the dense matrix."""

import tracemalloc

import numpy as np
import pytest

from skopt2.kernels import KernelOperator, Laplacian, Matern, Precomputed
from tests.kernels.reference import PROFILES, distances

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}


def points(rng, n, d=5, dtype="float64"):
    return rng.standard_normal((n, d)).astype(dtype)


def matern(X, Y):
    return PROFILES["matern-1.5"](distances(X, Y, 2.0))


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("symmetric", [True, False])
def test_products_are_those_of_the_dense_matrix(rng, dtype, symmetric, store):
    X = points(rng, 700, dtype=dtype)
    Y = None if symmetric else points(rng, 900, dtype=dtype)
    K = matern(X, X if symmetric else Y)
    operator = KernelOperator(Matern(length_scale=2.0), X, Y, store=store)
    assert (operator.shape, operator.dtype) == (K.shape, np.dtype(dtype))
    atol = TOLERANCE[dtype] * np.sqrt(K.shape[1]) * 10
    index, columns = rng.permutation(700)[:150], rng.permutation(K.shape[1])[:77]
    for c in (None, 1, 17):
        shape = (K.shape[1],) if c is None else (K.shape[1], c)
        V = rng.standard_normal(shape).astype(dtype)
        U = rng.standard_normal((700, *shape[1:])).astype(dtype)
        G = operator.rows(index, V)
        assert G.dtype == dtype
        np.testing.assert_allclose(G, K[index] @ V, atol=atol)
        np.testing.assert_allclose(operator.rows(slice(3, 9), V), K[3:9] @ V, atol=atol)
        np.testing.assert_allclose(operator.product(V), K @ V, atol=atol)
        np.testing.assert_allclose(operator.adjoint_product(U), K.T @ U, atol=atol)
    atol = TOLERANCE[dtype]
    block = operator.block(index, columns)
    np.testing.assert_allclose(block, K[np.ix_(index, columns)], atol=atol)
    some = operator.block(slice(5, 20), slice(None))
    np.testing.assert_allclose(some, K[5:20], atol=atol)


@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("store", [False, True])
def test_rows_and_adjoint_use_the_same_rows(rng, dtype, store, budget):
    X = points(rng, 500, dtype=dtype)
    K = matern(X, X)
    operator = KernelOperator(
        Matern(length_scale=2.0), X, store=store, budget=budget, n_threads=2
    )
    V = rng.standard_normal((500, 3)).astype(dtype)
    index = rng.permutation(500)[:64]
    G, H = operator.rows_and_adjoint(index, V, lambda G: 0.1 * G[:, :2])
    scale = TOLERANCE[dtype] * 1000
    np.testing.assert_allclose(G, K[index] @ V, atol=scale)
    np.testing.assert_allclose(H, K[index].T @ (0.1 * K[index] @ V[:, :2]), atol=scale)


@pytest.mark.parametrize("store", [False, True])
def test_number_of_threads_changes_no_bit(rng, dtype, store):
    X, Y = points(rng, 600, dtype=dtype), points(rng, 3000, dtype=dtype)
    V = rng.standard_normal((3000, 5)).astype(dtype)
    U = rng.standard_normal((600, 2)).astype(dtype)
    index = rng.permutation(600)[:512]
    results = []
    for n_threads in (1, 2, 3):
        operator = KernelOperator(
            Matern(length_scale=2.0), X, Y, n_threads=n_threads, store=store
        )
        results.append(
            (
                operator.rows(index, V),
                operator.adjoint_product(U),
                *operator.rows_and_adjoint(index, V, lambda G: G),
                operator.block(index, slice(0, 2500)),
            )
        )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_symmetric_product_computes_half_of_the_entries(rng, dtype):
    X = points(rng, 2500, d=3, dtype=dtype)
    counted = []

    class Counted(Matern):
        def profile_in_place(self, p, workspace):
            counted.append(p.size)
            super().profile_in_place(p, workspace)

    kernel = Counted(length_scale=2.0)
    for shape in ((2500,), (2500, 3)):
        V = rng.standard_normal(shape).astype(dtype)
        plain = KernelOperator(kernel, X, n_threads=1).rows(slice(None), V)
        counted.clear()
        results = [KernelOperator(kernel, X, n_threads=k).product(V) for k in (1, 2, 3)]
        assert sum(counted) < 3 * 0.6 * 2500**2
        scale = TOLERANCE[dtype] * np.abs(plain).max()
        np.testing.assert_allclose(results[0], plain, atol=scale)
        assert results[0].dtype == dtype
        for other in results[1:]:
            np.testing.assert_array_equal(results[0], other)
        adjoint = KernelOperator(kernel, X).adjoint_product(V)
        np.testing.assert_array_equal(adjoint, results[0])


def test_products_need_no_memory_of_the_size_of_a_block(rng):
    X = points(rng, 20_000, dtype="float32")
    V = rng.standard_normal((20_000, 2)).astype(np.float32)
    operator = KernelOperator(Matern(length_scale=2.0), X)
    index = rng.permutation(20_000)[:400]
    tracemalloc.start()
    try:
        operator.rows(index, V)
        _, peak = tracemalloc.get_traced_memory()
        # Nor does the second call make the arrays of the first again.
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        operator.rows(index, V)
        _, again = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block = 4 * index.size * V.shape[0]
    assert peak < block / 10
    assert again - before < block / 100


@pytest.mark.parametrize("kernel", [Laplacian(length_scale=0.1), Matern()])
def test_one_point_is_at_distance_zero_from_itself(rng, dtype, kernel):
    # Far from the origin and in twos: the products lose all of these distances.
    X = 1e3 + points(rng, 300, dtype=dtype)
    X = np.concatenate([X, X])
    operator = KernelOperator(kernel, X)
    K = operator.block(slice(None), slice(None))
    np.testing.assert_array_equal(np.diagonal(K), 1.0)
    np.testing.assert_array_equal(np.diagonal(K[:300, 300:]), 1.0)
    np.testing.assert_array_equal(operator.diagonal(), 1.0)


def test_devices_give_the_products_of_the_host(rng, device_backend, dtype):
    X, Y = points(rng, 90, dtype=dtype), points(rng, 70, dtype=dtype)
    V, index = points(rng, 70, 3, dtype), rng.permutation(70)[:40]
    there = device_backend.asarray
    here = KernelOperator(Laplacian(length_scale=2.0), X, Y)
    for store, budget in ((False, None), (True, None), (False, 2000)):
        operator = KernelOperator(
            Laplacian(length_scale=2.0), there(X), there(Y), store=store, budget=budget
        )
        assert operator.xp is device_backend.xp
        found = [
            operator.rows(there(index), there(V)),
            operator.rows(index, there(V)),
            operator.block(slice(2, 30), there(index)),
            operator.adjoint_product(there(X)),
            *operator.rows_and_adjoint(there(index), there(V), lambda G: 2.0 * G),
        ]
        expected = [
            here.rows(index, V),
            here.rows(index, V),
            here.block(slice(2, 30), index),
            here.adjoint_product(X),
            *here.rows_and_adjoint(index, V, lambda G: 2.0 * G),
        ]
        for a, b in zip(found, expected, strict=True):
            a = device_backend.to_numpy(a)
            assert a.dtype == dtype
            scale = TOLERANCE[dtype] * np.abs(b).max()
            np.testing.assert_allclose(a, b, atol=scale, rtol=TOLERANCE[dtype])


def test_no_rows_give_no_products(rng, device_backend):
    there = device_backend.asarray
    operator = KernelOperator(Matern(), there(points(rng, 30)))
    V = there(points(rng, 30, 2))
    none = np.empty(0, dtype=np.int64)
    assert operator.rows(none, V).shape == (0, 2)
    assert operator.block(slice(3, 3), slice(None)).shape == (0, 30)
    G, H = operator.rows_and_adjoint(none, V, lambda G: G)
    assert G.shape == (0, 2)
    np.testing.assert_array_equal(device_backend.to_numpy(H), np.zeros((30, 2)))


def test_auto_keeps_what_fits_and_is_used_often(rng):
    X = points(rng, 100)
    often = KernelOperator(Matern(), X, n_passes=50)
    assert often.stored
    assert not KernelOperator(Matern(), X).stored
    assert not KernelOperator(Matern(), X, n_passes=1).stored
    assert not KernelOperator(Matern(), X, n_passes=50, budget=79_999).stored


def test_a_kept_matrix_can_be_taken_away(rng, device_backend):
    X = device_backend.asarray(points(rng, 30))
    V = device_backend.asarray(points(rng, 30, 2))
    operator = KernelOperator(Matern(), X)
    assert operator.release() is None
    before = device_backend.to_numpy(operator.product(V))
    operator.keep()
    assert operator.stored
    kept = device_backend.to_numpy(operator.product(V))
    np.testing.assert_allclose(kept, before, rtol=1e-12, atol=1e-13)
    K = device_backend.to_numpy(operator.release())
    np.testing.assert_allclose(K @ device_backend.to_numpy(V), before, atol=1e-12)
    # It may be overwritten now.
    assert not operator.stored
    after = device_backend.to_numpy(operator.product(V))
    np.testing.assert_array_equal(after, before)


def test_a_matrix_that_was_given_is_not_taken_away(rng):
    A = points(rng, 20)
    operator = KernelOperator(Precomputed(), A @ A.T)
    operator.keep()
    assert operator.release() is None
    assert operator.stored


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": "maybe"}, "store must be"),
        ({"n_threads": 0}, "n_threads must be a positive"),
        ({"budget": 1.5}, "budget must be a positive"),
    ],
)
def test_options_out_of_range_are_named(rng, options, message):
    with pytest.raises(ValueError, match=message):
        KernelOperator(Matern(), points(rng, 5), **options)


@pytest.mark.parametrize("store", [False, True])
def test_indices_beyond_the_points_are_named(rng, store):
    operator = KernelOperator(Matern(), points(rng, 5), points(rng, 4), store=store)
    for index in ([5], [-1]):
        with pytest.raises(IndexError, match=r"from 0 to 4"):
            operator.rows(np.array(index), np.ones(4))


def test_vectors_of_the_wrong_length_are_named(rng):
    operator = KernelOperator(Matern(), points(rng, 5), points(rng, 4))
    with pytest.raises(ValueError, match=r"V has shape \(5, 1\).*needs 4 rows"):
        operator.product(np.ones((5, 1)))
    with pytest.raises(TypeError, match="whole numbers; got bool"):
        operator.rows(np.ones(5, dtype=bool), np.ones(4))
    with pytest.raises(ValueError, match="step 1"):
        operator.rows(slice(0, 4, 2), np.ones(4))
    with pytest.raises(ValueError, match="has a diagonal"):
        operator.diagonal()
