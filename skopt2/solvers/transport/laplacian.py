"""Factorisations of the Laplacians of weighted graphs, with a little on the diagonal.

Problem: L z = r with L = diag(left + W 1) - W.
Symbols: W (m, m) symmetric weights >= 0 without a diagonal, left (m,) > 0.

Graphs of pieces that are nearly unconnected have tiny eigenvalues, which are what a
Newton step of transport needs most. They are lost where L is computed as a difference;
given by W and ``left``, whose terms are all positive, L keeps them, even where W is
only right to float32.

Dense Cholesky or sparse LU, whichever is predicted to be cheaper: the fill of a sparse
factor depends on the dimension of the graph, which is read off the growth of the
neighbourhoods of some vertices.

Source: A. Alfa, J. Xue and Q. Ye, Accurate computation of the smallest eigenvalue of a
diagonally dominant M-matrix, Mathematics of Computation 71, 2002 (accuracy of matrices
given in this form); A. George, Nested dissection of a regular finite element mesh, SIAM
J. Numerical Analysis 10, 1973 (fill of graphs of few dimensions).
"""

import math

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas, lapack

from skopt2.solvers.symmetric_lu import symmetric_lu

# Entries of a sparse factor, as a share of m^3, that cost as much as a dense one.
SPARSE_RATE = 7e-5
# Growth of neighbourhoods up to which a graph is one of few dimensions, and entries of
# the factor per entry of the matrix there, in thin graphs, and in others.
FLAT_GROWTH, FLAT_FILL, THIN_FILL, FILL = 5.0, 2.0, 4.0, 9.0
# Largest order of a dense factorisation and fill of a sparse one.
DENSE_ORDER, LARGEST_FILL = 5000, 3e7
# Seconds per product of a sparse and of a dense matrix product, per m^3 of a dense
# factorisation and per entry of the factor of a sparse one. Only ratios matter.
PRODUCT, DENSE_PRODUCT, DENSE_FACTOR, SPARSE_FACTOR = 2e-9, 8e-12, 7e-12, 9e-8
# Iterations of a solve without a factor.
ITERATIONS = 250


def laplacian_factor(weights, left):
    """Factorise diag(left + weights 1) - weights.

    Parameters
    ----------
    weights : sparse array of shape (m, m)
        Symmetric and nonnegative, in CSC; its diagonal is ignored, and its values are
        overwritten.
    left : ndarray of shape (m,)
        Positive.

    Returns
    -------
    factor : callable or None
        ``factor(r)`` solves; None where the factorisation fails.
    """
    m = left.shape[0]
    columns = np.repeat(np.arange(m), np.diff(weights.indptr))
    weights.data[weights.indices == columns] = 0.0
    if fill_of(weights) <= min(SPARSE_RATE * m**3, LARGEST_FILL):
        factor = _sparse_factor(weights, left)
        if factor is not None:
            return factor
    if m > DENSE_ORDER:
        return None
    # Symmetric: the transpose is in Fortran order without a copy.
    matrix = weights.toarray().T
    np.negative(matrix, out=matrix)
    return dense_laplacian_factor(matrix, left)


def dense_laplacian_factor(matrix, left):
    """Factorise a dense Laplacian given by what is off its diagonal.

    Parameters
    ----------
    matrix : ndarray of shape (m, m)
        Minus the weights, in Fortran order; only its lower triangle counts, its
        diagonal does not, and it is overwritten.
    left : ndarray of shape (m,)
        Positive.

    Returns
    -------
    factor : callable or None
        ``factor(r)`` solves; None where the factorisation fails.
    """
    np.einsum("ii->i", matrix)[:] = 0.0
    diagonal = left - blas.dsymv(1.0, matrix, np.ones_like(left), lower=1)
    np.einsum("ii->i", matrix)[:] = diagonal
    factor, info = lapack.dpotrf(matrix, lower=1, overwrite_a=1, clean=0)
    if info != 0 or not math.isfinite(factor[-1, -1]):
        return None
    return CholeskyFactor(factor)


def _sparse_factor(weights, left):
    """Factorise a sparse Laplacian; None where that fails."""
    try:
        factor = symmetric_lu(sp.diags_array(left + weights.sum(axis=0)) - weights)
    except RuntimeError:
        return None
    return SparseFactor(factor)


def fill_of(graph):
    """Return an estimate of the number of entries of a sparse factor.

    Graphs of few dimensions have small separators and little fill. They are told from
    others by how fast the neighbourhoods of a few of their vertices grow.

    Parameters
    ----------
    graph : sparse array of shape (m, m)
        Symmetric, in CSC.

    Returns
    -------
    fill : float
    """
    m = graph.shape[0]
    mean = graph.nnz / m
    if mean * FLAT_FILL * m > SPARSE_RATE * m**3:
        return math.inf
    if mean <= THIN_FILL:
        return THIN_FILL * graph.nnz
    sample = graph[:, :: max(1, m // 16)]
    growth = (graph @ sample).nnz / max(sample.nnz, 1)
    return graph.nnz * (FLAT_FILL if growth <= FLAT_GROWTH else FILL)


def seconds_of_factor(count, n, m):
    """Return a rough time of one factorisation, for the choice between algorithms.

    Parameters
    ----------
    count : float
        Large entries of the plan; n m for one that is handled as a dense matrix, inf
        for one that is not held.
    n, m : int
        Numbers of rows and columns.

    Returns
    -------
    seconds : float
    """
    n, m = max(n, m), min(n, m)
    dense = DENSE_FACTOR * float(m) ** 3
    if count == n * m:
        return dense + DENSE_PRODUCT * n * m * m
    products = count * (count / n)
    iterations = ITERATIONS * 2e-9 * count
    sparse = SPARSE_FACTOR * (THIN_FILL if count <= THIN_FILL * n else FILL) * products
    if not count < n * m or m > DENSE_ORDER:
        return PRODUCT * products + min(sparse, iterations)
    both = min(DENSE_PRODUCT * n * m * m, PRODUCT * products)
    return both + min(sparse, dense)


class CholeskyFactor:
    """Solves with a dense lower triangular factor."""

    exact = True

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, r):
        """Return the solution for a right-hand side of shape (m,)."""
        half = blas.dtrsv(self.factor, r, lower=1)
        return blas.dtrsv(self.factor, half, lower=1, trans=1)


class SparseFactor:
    """Solves with a sparse LU factorisation."""

    exact = True

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, r):
        """Return the solution for a right-hand side of shape (m,)."""
        return self.factor.solve(r)
