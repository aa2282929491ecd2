"""Sinkhorn-Newton-Sparse as its paper prints it, for comparison.

Problem: min sum_ij P_ij - <a, x> - <b, y>, P_ij = exp(x_i + y_j - C_ij / eps), the dual
of entropic transport in units of eps. Symbols: r = P 1 (n,), c = P' 1 (m,) the sums;
H = [[diag r, P], [P', diag c]] the Hessian.

First ``warm`` sweeps of Sinkhorn's iteration; then Newton steps whose Hessian keeps the
largest entries of P and the whole diagonal, solved by conjugate gradients, with a
backtracking line search. The number of entries that are kept is fixed beforehand.

Source: X. Tang, M. Shavlovsky, H. Rahmanian et al., Accelerating Sinkhorn algorithm
with sparse Newton iterations, ICLR 2024, algorithm 1. The accuracy of conjugate
gradients (1e-8) and the constants of the line search are choices made here.
"""

import numpy as np
from scipy.sparse import bmat, csr_matrix, diags_array
from scipy.sparse.linalg import cg

_HALVINGS, _ARMIJO = 30, 1e-4
_CG = {"rtol": 1e-8, "maxiter": 2000}


def plan(C, eps, x, y):
    """Plan of log scalings."""
    # A step that is too long overflows, and is halved.
    with np.errstate(over="ignore"):
        return np.exp(x[:, None] + y - C / eps)


def sweep(C, eps, a, b, y):
    """Log scalings after one sweep of Sinkhorn's iteration in the log domain."""
    x = np.log(a) - _log_sum(y - C / eps)
    return x, np.log(b) - _log_sum((x[:, None] - C / eps).T)


def solve(C, eps, a, b, *, warm, entries, tol=1e-9, max_steps=300):
    """Run both stages.

    Parameters
    ----------
    C : ndarray of shape (n, m)
        Cost.
    eps : float
        Regularisation.
    a, b : ndarray of shape (n,), (m,)
        Positive masses of equal sums.
    warm : int
        Sweeps of the first stage.
    entries : int
        Entries of the plan that the Hessian keeps.
    tol : float, default=1e-9
        L1 error of both marginals to stop at.
    max_steps : int, default=300
        Largest number of Newton steps.

    Returns
    -------
    steps : int
        Newton steps.
    error : float
        L1 error that they reached.
    """
    y = np.zeros(len(b))
    for _ in range(warm):
        x, y = sweep(C, eps, a, b, y)
    P = plan(C, eps, x, y)
    for step in range(max_steps + 1):
        gradient = np.r_[P.sum(1) - a, P.sum(0) - b]
        error = np.abs(gradient).sum()
        if error <= tol or step == max_steps:
            break
        direction, _ = cg(_hessian(P, entries), -gradient, **_CG)
        x, y, P, moved = _search(C, eps, a, b, (x, y, P), direction, gradient)
        if not moved:
            break
    return step, error


def _log_sum(Z):
    """Logarithms of the sums of exponentials of the rows."""
    top = Z.max(axis=1)
    return top + np.log(np.exp(Z - top[:, None]).sum(axis=1))


def _hessian(P, entries):
    """Hessian with the largest entries of the plan and the whole diagonal."""
    kept = min(entries, P.size)
    flat = np.argpartition(P, P.size - kept, axis=None)[P.size - kept :]
    rows, cols = np.unravel_index(flat, P.shape)
    S = csr_matrix((P.ravel()[flat], (rows, cols)), shape=P.shape)
    blocks = [[diags_array(P.sum(1)), S], [S.T, diags_array(P.sum(0))]]
    return bmat(blocks, format="csr")


def _search(C, eps, a, b, point, direction, gradient):
    """Halve the step until the dual falls enough; the point, and whether it moved."""
    x, y, P = point
    value, slope = P.sum() - a @ x - b @ y, gradient @ direction
    n, share = len(a), 1.0
    for _ in range(_HALVINGS):
        u, v = x + share * direction[:n], y + share * direction[n:]
        Q = plan(C, eps, u, v)
        with np.errstate(over="ignore"):
            found = Q.sum() - a @ u - b @ v
        if -share * slope > 1e-11:
            enough = found <= value + _ARMIJO * share * slope
        else:
            # The decrease is below the rounding of the objective.
            error = np.abs(Q.sum(1) - a).sum() + np.abs(Q.sum(0) - b).sum()
            enough = error < np.abs(gradient).sum()
        if enough:
            return u, v, Q, True
        share *= 0.5
    return x, y, P, False
