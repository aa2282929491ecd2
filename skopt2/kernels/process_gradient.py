"""Weighted sums over the derivatives of a kernel matrix, which is never kept.

sum_ij G_ij dK_ij / dtheta_k for all k at once, K (n, n) with its white parts, theta the
logarithms of the parameters: what gradients of likelihoods are made of. Tiles on and
above the diagonal are filled, multiplied by the weights and summed, those above for two
entries each; partial sums are added in float64, in an order that depends on the sizes
alone. The array of shape (n, n, n_theta) does not exist.

White parts count on the diagonal alone: with w the noise (n,), they add
sum_i G_ii dw_i / dtheta.
"""

import math
import threading

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import namespace, to_numpy
from skopt2._core.threads import TaskPool
from skopt2.kernels.gradient_build import build
from skopt2.kernels.gradient_tile import ArrayTile, HostTile
from skopt2.kernels.gradient_weights import DenseWeights, OuterWeights
from skopt2.kernels.points import check_points
from skopt2.kernels.process_noise import has_white, noise_of
from skopt2.kernels.workspace import Workspace

# Entries of a tile on the host, and its rows.
_TILE = 2**17
_ROWS = 128
# Arrays of the size of a block that live at one time on a device.
_TEMPORARIES = 8


def process_gradient(kernel, X, weights, n_threads=None, budget=None):
    """Return sum_ij G_ij dK_ij / dtheta for a kernel object.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With or without white parts.
    X : array of shape (n, d)
        Points, float32 or float64.
    weights : DenseWeights or OuterWeights
        G.
    n_threads : int or None, default=None
        Threads on the host; None for as many as the BLAS may use.
    budget : int or None, default=None
        Bytes for blocks on a device; None for a share of its free memory.

    Returns
    -------
    gradient : ndarray of shape (n_theta,)
        In float64.

    Raises
    ------
    TypeError
        If the weights are none of the two.
    ValueError
        If the numbers of points and weights differ.
    """
    X = check_points(X, "X")
    if not isinstance(weights, (DenseWeights, OuterWeights)):
        raise TypeError(
            "weights must be DenseWeights(G) or OuterWeights(U, V); got "
            f"{type(weights).__name__}."
        )
    if weights.n_rows != X.shape[0]:
        raise ValueError(
            f"There are weights for {weights.n_rows} points; X has {X.shape[0]}."
        )
    gradient = np.zeros(kernel.n_dims)
    tree = build(kernel) if gradient.size and X.shape[0] else None
    if tree is not None and tree.active:
        tree.bind(X)
        weights = weights.beside(X)
        if namespace(X) is np:
            _add_tiles(tree, X, weights, gradient, n_threads)
        else:
            _add_blocks(tree, X, weights, gradient, budget)
    if gradient.size and has_white(kernel):
        _add_noise(kernel, X, weights, gradient)
    return gradient


def _add_tiles(tree, X, weights, gradient, n_threads):
    """Add the sums over the signal, in tiles on NumPy arrays."""
    n, threads = X.shape[0], threading.local()
    height = min(_ROWS, n)
    starts = range(0, n, height)
    totals = [{} for _ in starts]

    def work(start, total):
        if not hasattr(threads, "space"):
            threads.space = Workspace()
        rows = slice(start, min(start + height, n))
        for columns in _columns(rows, n, max(height, _TILE // height)):
            tile = HostTile(rows, columns, total, X, threads.space)
            W = weights.tile(rows, columns, tile.array("weights"))
            tree.contract(tile, W, 1.0, False)

    TaskPool(n_threads).run(work, list(zip(starts, totals, strict=True)))
    for total in totals:
        _collect(total, gradient)


def _add_blocks(tree, X, weights, gradient, budget):
    """Add the sums over the signal, in blocks of any namespace."""
    n, total = int(X.shape[0]), {}
    if budget is None:
        budget = cuda.memory_budget(cuda.target_of(X))
    n_bytes = _TEMPORARIES * int(namespace(X).finfo(X.dtype).bits) // 8
    height = max(1, min(n, math.isqrt(int(budget) // n_bytes)))
    for start in range(0, n, height):
        rows = slice(start, min(start + height, n))
        for columns in _columns(rows, n, height):
            W = weights.tile(rows, columns)
            W = W if W.dtype == X.dtype else namespace(X).astype(W, X.dtype)
            tree.contract(ArrayTile(rows, columns, total, X), W, 1.0, False)
    _collect(total, gradient)


def _columns(rows, n, width):
    """Yield the slices of columns that begin with some rows: these on their own."""
    yield rows
    for start in range(rows.stop, n, width):
        yield slice(start, min(start + width, n))


def _collect(total, gradient):
    """Add sums to the gradient."""
    for place, values in total.items():
        values = np.atleast_1d(to_numpy(values))
        gradient[place : place + values.size] += values


def _add_noise(kernel, X, weights, gradient):
    """Add the sums over the white parts, from the diagonal of the weights."""
    host = np.asarray(to_numpy(X), dtype=np.float64)
    diagonal = np.asarray(to_numpy(weights.diagonal()), dtype=np.float64)
    for place, values in noise_of(kernel, host).derivatives.items():
        gradient[place] += np.dot(diagonal, np.broadcast_to(values, diagonal.shape))
