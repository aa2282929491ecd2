"""The design matrix as an operator agrees with the explicit centred matrix."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2._core.array import move
from skopt2.solvers import design as module
from skopt2.solvers.design import Block, Design

FORMATS = ["dense", "fortran", "csr_array", "csc_matrix"]


def make(rng, kind, n=40, p=12):
    X = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.4) + (kind == "dense")
    if kind == "fortran":
        return X, np.asfortranarray(X)
    return (X, X.copy()) if kind == "dense" else (X, getattr(sp, kind)(X))


def weights(rng, n, equal):
    if equal:
        return np.broadcast_to(np.asarray(1.0 / n), (n,))
    s = rng.random(n)
    s[::5] = 0.0
    return s / s.sum()


@pytest.fixture(params=FORMATS)
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["centred", "plain"])
def center(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["equal", "weighted"])
def setting(request, rng, kind, center):
    X, given = make(rng, kind)
    s = weights(rng, len(X), request.param)
    A = X - s @ X if center else X
    return Design(given, s, center), A, s


def test_products(setting, rng):
    design, A, _ = setting
    for shape in [(), (3,)]:
        v = rng.standard_normal((40, *shape))
        np.testing.assert_allclose(design.gradient(v), A.T @ v, atol=1e-12)
        for ids in (np.array([5, 2]), np.arange(12)):
            w = rng.standard_normal((ids.size, *shape))
            np.testing.assert_allclose(
                design.predict(ids, w), A[:, ids] @ w, atol=1e-12
            )


def test_norms(setting, center):
    design, A, s = setting
    np.testing.assert_allclose(design.squared_norms, s @ A**2, atol=1e-12)
    means = 0.0 if design.means is None else design.means
    np.testing.assert_allclose(design.squared_sizes, s @ (A + means) ** 2, atol=1e-12)


def test_growing_block(setting, rng):
    design, A, s = setting
    block = Block(design)
    for new in (np.array([3, 1]), np.array([11]), np.array([0, 7, 5])):
        block.extend(new)
        ids, v = block.ids, rng.standard_normal(40)
        w = rng.standard_normal(ids.size)
        np.testing.assert_allclose(block.times(w), A[:, ids] @ w, atol=1e-12)
        np.testing.assert_allclose(block.adjoint(v), A[:, ids].T @ v, atol=1e-12)
        places = np.arange(ids.size)[::-2]
        for h in (s, rng.random(40)):
            expected = A[:, ids].T @ (h[:, None] * A[:, ids[places]])
            np.testing.assert_allclose(block.gram(places, h), expected, atol=1e-12)


def test_gram_by_chunks_of_rows(rng, monkeypatch, center):
    """A tall matrix is never gathered whole; the last chunk is shorter."""
    monkeypatch.setattr(module, "ROWS", 7)
    X = rng.standard_normal((40, 12)) + 3.0
    s = weights(rng, 40, equal=False)
    design = Design(X, s, center)
    A, block = (X - s @ X if center else X), Block(design)
    block.extend(np.array([4, 9, 0, 2]))
    for places in (np.arange(4), np.array([1, 3]), np.array([2, 3])):
        expected = A[:, block.ids].T @ (s[:, None] * A[:, block.ids[places]])
        np.testing.assert_allclose(block.gram(places, s), expected, atol=1e-12)


def test_centring_survives_large_means(rng):
    """Differences are formed before they are multiplied where X is dense."""
    X = rng.standard_normal((50, 4)) + 1e6
    s = np.full(50, 1 / 50)
    block = Block(Design(X, s, True))
    block.extend(np.arange(4))
    A = X - X.mean(axis=0)
    np.testing.assert_allclose(
        block.gram(np.arange(4), s), A.T @ A / 50, rtol=1e-8, atol=1e-9
    )


@pytest.mark.parametrize("kind", ["dense", "csr_array", "csc_matrix"])
@pytest.mark.parametrize("equal", [True, False])
def test_norms_and_products_beside_large_means(rng, kind, equal, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 100)
    X = rng.standard_normal((50, 6)) + np.array([1e8, 0.0, -3e8, 1.0, 1e8, 1e5])
    X[:, 4] = 1e8
    X[::2, 1] = 0.0
    s = weights(rng, 50, equal)
    A = X - X[0]
    A = A - s @ A
    design = Design(X if kind == "dense" else getattr(sp, kind)(X), s, True)
    np.testing.assert_allclose(design.squared_norms, s @ A**2, rtol=1e-7, atol=1e-14)
    assert design.squared_norms[4] == 0.0
    np.testing.assert_allclose(design.offset, s @ X, rtol=1e-14)
    block = Block(design)
    block.extend(np.array([2, 5, 1, 0]))
    gram = block.gram(np.arange(4), s)
    B = A[:, block.ids]
    np.testing.assert_allclose(gram, B.T @ (s[:, None] * B), rtol=1e-6, atol=1e-7)
    v = rng.standard_normal(50)
    np.testing.assert_allclose(design.gradient(v), A.T @ v, atol=2e-5)
    if kind != "dense":
        # No more entries than before, and zeros of other columns are still no entries.
        assert design.X.nnz <= np.count_nonzero(X)


def test_sparse_data_is_not_densified(rng):
    X = sp.random_array((200, 300), density=0.02, format="csr", rng=rng)
    design = Design(X, np.full(200, 1 / 200), True)
    block = Block(design)
    block.extend(np.arange(50))
    block.gram(np.arange(50), design.s)
    assert sp.issparse(design.X)
    assert sp.issparse(block.matrix())
    assert design.X.nnz == X.nnz


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_namespaces(device_backend, rng, dtype, center):
    X = rng.standard_normal((30, 8)).astype(dtype) + 1
    s = weights(rng, 30, equal=False).astype(dtype)
    there = Design(
        move(X, device_backend.target), move(s, device_backend.target), center
    )
    here = Design(X, s, center)
    tol = 1e-5 if dtype == np.float32 else 1e-12
    v, ids = rng.standard_normal(30).astype(dtype), np.array([6, 1, 2])
    np.testing.assert_allclose(
        there.gradient(move(v, device_backend.target)), here.gradient(v), atol=tol
    )
    eta = there.predict(ids, np.ones(3))
    assert eta.dtype == getattr(device_backend.xp, np.dtype(dtype).name)
    np.testing.assert_allclose(
        device_backend.to_numpy(eta), here.predict(ids, np.ones(3)), atol=tol
    )
    np.testing.assert_allclose(there.squared_norms, here.squared_norms, atol=tol)
    blocks = []
    for design in (there, here):
        block = Block(design)
        block.extend(ids)
        blocks.append(block.gram(np.arange(3), design.s))
    np.testing.assert_allclose(*blocks, atol=tol)


def test_the_input_is_left_alone(setting, rng):
    design, A, s = setting
    before = design.X.copy()
    block = Block(design)
    block.extend(np.arange(6))
    block.gram(np.arange(6), s)
    block.times(rng.standard_normal(6))
    design.gradient(rng.standard_normal(40))
    difference = design.X - before
    assert not (difference.nnz if sp.issparse(difference) else difference.any())
