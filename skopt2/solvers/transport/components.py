"""Balance the flows between the pieces into which a plan falls apart.

Problem: max_t sum_k t_k (A_k - B_k) - sum_(k != l) M_kl exp(t_k - t_l).
Symbols: pieces k, the connected components of the entries of the plan that are not
small beside the marginal error; A_k, B_k (K,) the masses of the rows and the columns of
a piece; M_kl (K, K) the flow from the rows of piece k to the columns of piece l; t (K,)
shifts: +t_k on the log scaling of the rows of piece k, -t_k on that of its columns.

A shift changes nothing within a piece, and the flows between pieces exponentially.
These flows are what remains of the marginal error near the end, at small
regularisation: each Newton step of the whole problem changes their logarithms by about
one, as Newton steps do that come from the steep side of an exponential. The problem in
t has the same exponentials, but costs next to nothing: its Newton steps are taken here,
until the flows balance. The dual objective does not fall, since this is its restriction
to a subspace.

It is the coarse correction of a two-level method, with the pieces as aggregates. For
matrices with A = B it is the balancing of T. Osborne, On pre-conditioning of matrices,
Journal of the ACM 7, 1960, solved by Newton's method.
"""

import math

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from skopt2.solvers.transport.laplacian import fill_of, laplacian_factor

# Newton steps, and the largest change of a shift in one of them.
STEPS, LARGEST = 30, 3.0
# Largest shift: beyond it grows what was too small to be kept.
FARTHEST = 10.0
# Share of the smaller mass of its row and column with which an entry always connects.
STRONG = 0.1
# Fill per piece up to which many pieces are worth balancing.
CHEAP_FILL = 12.0


def balance(S, a, b, error, goal):
    """Return shifts of the rows and columns that balance the pieces of a plan.

    Parameters
    ----------
    S : sparse array of shape (n, m)
        Plan in CSR, without entries far below ``goal``.
    a, b : ndarray of shape (n,), (m,)
        Masses.
    error : float
        Marginal error: entries above it connect, those below are flows.
    goal : float
        Imbalance at which to stop.

    Returns
    -------
    shift : tuple of ndarray or None
        Changes (n,) and (m,) of the logarithms of the scalings; None where the plan is
        of one piece or nothing is to gain.
    """
    n, m = S.shape
    row = np.repeat(np.arange(n), np.diff(S.indptr))
    least = np.minimum(error, STRONG * np.minimum(a[row], b[S.indices]))
    rows_of, cols_of, count = pieces(S, least)
    if count == 1:
        return None
    start, end = rows_of[row], cols_of[S.indices]
    between = start != end
    if not between.any():
        return None
    M = sp.coo_array(
        (S.data[between], (start[between], end[between])), shape=(count, count)
    ).tocsr()
    if count > 0.5 * min(n, m) and fill_of(M) > CHEAP_FILL * count:
        return None
    net = np.bincount(rows_of, a, count) - np.bincount(cols_of, b, count)
    t = _balance(M, net, goal)
    if t is None:
        return None
    return t[rows_of], -t[cols_of]


def pieces(S, smallest):
    """Return the piece of each row and each column, and the number of pieces.

    Parameters
    ----------
    S : sparse array of shape (n, m)
        Plan in CSR.
    smallest : float or ndarray of shape (nnz,)
        Entries above it connect a row with a column.

    Returns
    -------
    rows_of, cols_of : ndarray of int of shape (n,), (m,)
    count : int
    """
    n, m = S.shape
    strong = S.data > smallest
    before = np.concatenate(([0], np.cumsum(strong)))
    starts = np.concatenate((before[S.indptr], np.full(m, before[-1])))
    indices = S.indices[strong] + n
    graph = sp.csr_array((S.data[strong], indices, starts), shape=(n + m, n + m))
    count, label = connected_components(graph, directed=False)
    return label[:n], label[n:], count


def _balance(M, net, goal):
    """Return the shifts t of shape (K,); None where the flows balance already."""
    K = net.shape[0]
    row = np.repeat(np.arange(K), np.diff(M.indptr))
    t = np.zeros(K)
    last = math.inf
    for _ in range(STEPS):
        flow = M.data * np.exp(t[row] - t[M.indices])
        out = np.bincount(row, flow, K)
        into = np.bincount(M.indices, flow, K)
        slope = net - out + into
        size = float(np.abs(slope).sum())
        if size <= goal or not size < 0.999 * last:
            break
        last = size
        step = _solve(M, flow, out + into, slope)
        if step is None or not np.isfinite(step).all():
            break
        t += step * min(1.0, LARGEST / max(float(np.abs(step).max()), 1e-300))
        if float(np.abs(t).max()) > FARTHEST:
            np.clip(t, -FARTHEST, FARTHEST, out=t)
            break
    if not t.any():
        return None
    return t - t.mean()


def _solve(M, flow, degree, slope):
    """Return the Newton step of the balance problem; None where it fails."""
    K = slope.shape[0]
    # The constant shift is free; pieces without any flow have nothing to say.
    left = 1e-12 * degree + 1e-14 * float(degree.max())
    F = sp.csr_array((flow, M.indices, M.indptr), shape=(K, K))
    factor = laplacian_factor((F + F.T).tocsc(), left)
    return None if factor is None else factor(slope)
