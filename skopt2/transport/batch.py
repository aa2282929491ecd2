"""Entropic transport between many pairs of measures at once."""

import functools
import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import (
    asarray_like,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.checks import check_real
from skopt2._core.parameters import check_positive
from skopt2._core.result import brief_repr
from skopt2.solvers.transport.batch import BatchProblem, solve_batch
from skopt2.transport.dense_input import check_costs
from skopt2.transport.problem import TOTALS
from skopt2.transport.sinkhorn import MAX_ITER, check_options


@dataclass(frozen=True, eq=False)
class BatchTransportResult:
    """Solutions of several entropic transport problems.

    Attributes
    ----------
    potentials : tuple of array
        ``(f, g)`` of shapes (n_problems, n) and (n_problems, m), in the units of the
        cost; -inf where there is no mass.
    cost : array of shape (n_problems,)
        Transport costs <P, cost>, in units of cost times mass.
    objective : array of shape (n_problems,)
        Dual objectives <a, f> + <b, g> - reg * sum(P), likewise.
    marginal_error : ndarray of shape (n_problems,)
        ``|P 1 - a|_1 + |P' 1 - b|_1``, divided by the mass of the problem.
    converged : ndarray of shape (n_problems,)
        Whether the marginal error reached the tolerance.
    n_iter : ndarray of shape (n_problems,)
        Iterations of each problem.
    reg : float
        Regularisation, in the units of the cost.
    """

    potentials: tuple
    cost: Any
    objective: Any
    marginal_error: Any
    converged: Any
    n_iter: Any
    reg: float
    _cost: Any = field(repr=False)

    __repr__ = brief_repr

    @functools.cached_property
    def plan(self):
        """Transport plans of shape (n_problems, n, m)."""
        f, g = self.potentials
        C = self._cost if self._cost.ndim == 3 else self._cost[None, :, :]
        z = (f[:, :, None] + g[:, None, :] - C) / self.reg
        return namespace(z).exp(z)


def sinkhorn_batch(a, b, cost, reg, *, tol=1e-6, max_iter=None, device=None):
    """Solve entropic optimal transport between many pairs of measures at once.

    Each problem is that of :func:`sinkhorn`. Small problems of one cost are scaled
    together by matrix products, each relaxed by its own rate and for as long as it
    needs; those of costs of their own by products of stacked matrices. What is too hard
    for that is solved alone, as :func:`sinkhorn` does.

    Parameters
    ----------
    a : array-like of shape (n_problems, n), (n,) or None
        Nonnegative masses of the rows; one row for all problems, or None for equal
        masses of sum 1.
    b : array-like of shape (n_problems, m), (m,) or None
        Masses of the columns, likewise; of the total of ``a`` in every problem.
    cost : array-like of shape (n, m) or (n_problems, n, m)
        Finite costs of all problems, or of each.
    reg : float
        Regularisation, in the units of the cost.
    tol : float, default=1e-6
        Tolerance of each marginal error, as a share of the mass.
    max_iter : int, default=None
        Largest number of iterations of a problem; None for 10000.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None is where the cost is. The result is where the cost is.

    Returns
    -------
    result : BatchTransportResult
        One entry for each problem.

    Raises
    ------
    ValueError
        If shapes do not fit together, a mass is negative or not finite, totals differ,
        the cost is not finite, or a parameter is out of range.

    Warns
    -----
    ConvergenceWarning
        If a marginal error did not reach the tolerance.

    See Also
    --------
    sinkhorn : One problem.
    SinkhornDistance : Distances between all pairs of two sets of histograms.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import sinkhorn_batch
    >>> cost = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> a = [[0.5, 0.5], [0.9, 0.1]]
    >>> b = [[0.25, 0.75], [0.5, 0.5]]
    >>> sinkhorn_batch(a, b, cost, reg=0.05).cost.round(3)
    array([0.25, 0.4 ])
    """
    reg = check_positive("reg", reg, hint="It is in the units of the cost.")
    check_options("auto", tol, max_iter, None)
    source, target = cuda.resolve(device, cost)
    C = move(check_costs(cost, stacked=True), target)
    n, m = (int(k) for k in C.shape[-2:])
    a, b = _check_masses(a, n, "a"), _check_masses(b, m, "b")
    sizes = {len(x) for x in (a, b) if x is not None and x.ndim == 2}
    sizes |= {int(C.shape[0])} if C.ndim == 3 else set()
    if len(sizes) > 1:
        raise ValueError(
            f"a, b and cost describe different numbers of problems: {sorted(sizes)}."
        )
    count = sizes.pop() if sizes else 1
    single = C.dtype == namespace(C).float32
    a, b, mass = _shares(a, b, (count, n, m), "float32" if single else "float64")
    limit = MAX_ITER if max_iter is None else max_iter
    with target.activate():
        A, B = asarray_like(a, C), asarray_like(b, C)
        parts = _solve(C, A, B, reg, {"tol": tol, "max_iter": limit})
        f, g = (namespace(C).concat([part[k] for part in parts]) for k in (0, 1))
    host = [np.concatenate([part[k] for part in parts]) for k in range(2, 6)]
    objective, costs, error, n_iter = host
    shift = 0.5 * reg * np.log(mass)
    f, g = (x + asarray_like(shift[:, None], x) for x in (f, g))
    found = BatchTransportResult(
        potentials=(move(f, source), move(g, source)),
        cost=move(asarray_like(mass * costs, C), source),
        objective=move(asarray_like(mass * (objective + 2.0 * shift), C), source),
        marginal_error=error,
        converged=error <= tol,
        n_iter=n_iter,
        reg=reg,
        _cost=move(C, source),
    )
    _warn_unless_converged(found, tol)
    return found


def _solve(C, A, B, reg, limits):
    """Return potentials and figures, block by block."""
    problem, parts, count = BatchProblem(C, reg), [], int(A.shape[0])
    step = problem.block
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        if C.ndim == 3:
            problem = BatchProblem(C[rows, :, :], reg)
        s = solve_batch(problem, A[rows, :], B[rows, :], **limits).solution
        parts.append((s.f, s.g, s.objective, s.cost, s.error, s.n_iter))
    return parts


def _check_masses(values, n, name):
    """Return masses in host memory and float64; None stays None."""
    if values is None:
        return None
    values = np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)
    check_real(values, name)
    values = values.astype(np.float64)
    if values.ndim not in (1, 2) or values.shape[-1] != n or 0 in values.shape:
        raise ValueError(
            f"{name} has the shape {values.shape}, expected ({n},) or "
            f"(n_problems, {n})."
        )
    low = float(values.min())
    if not low >= 0.0:
        what = "NaN" if math.isnan(low) else f"{low:.4g}"
        raise ValueError(
            f"{name} must be nonnegative, but holds {what}. Remove or clip it."
        )
    total = values.sum(axis=-1)
    if not ((total > 0.0) & (total < math.inf)).all():
        raise ValueError(
            f"{name} must have a positive, finite sum in every problem. Leave out "
            "problems without mass."
        )
    return values


def _shares(a, b, shape, precision):
    """Return masses (P, n), (P, m) that sum to one in every row, and the totals."""
    count, n, m = shape
    totals, shares = [], []
    for values, length in ((a, n), (b, m)):
        values = np.full(length, 1.0 / length) if values is None else values
        values = np.broadcast_to(values, (count, length))
        totals.append(values.sum(axis=1))
        shares.append(values / totals[-1][:, None])
    apart = np.abs(totals[0] - totals[1]) / np.maximum(*totals)
    p = int(apart.argmax())
    if apart[p] > TOTALS[precision]:
        raise ValueError(
            f"Problem {p}: a sums to {totals[0][p]:.8g} and b to {totals[1][p]:.8g}, "
            "but balanced transport moves all mass. Divide each by its sum."
        )
    return *shares, totals[0]


def _warn_unless_converged(found, tol):
    """Emit a ConvergenceWarning for the problems that did not reach the tolerance."""
    behind = int((~found.converged).sum())
    if behind:
        warnings.warn(
            f"{behind} of {found.converged.size} transport problems did not reach "
            f"tol={tol:.0e}: the largest marginal error is "
            f"{found.marginal_error.max():.1e}. Increase max_iter or reg, or loosen "
            "tol.",
            ConvergenceWarning,
            stacklevel=3,
        )
