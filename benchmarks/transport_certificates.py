"""Marginal errors of the benchmark, computed here and by nobody that is timed.

A library answers with potentials f (n,), g (m,) in the unit of the cost, and is held to
the plan that they stand for, without a factor a b::

    P_ij = exp((f_i + g_j - C_ij) / reg)
    error = |P 1 - a|_1 + |P' 1 - b|_1
    dual  = <a, f> + <b, g> - reg * sum P

so that a plan rounded onto the polytope, or potentials of another ``reg``, get no
credit. The dual value lets the answers of two libraries be compared. An answer of an
exact solver is a plan; only its marginals are measured.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

# entries of the plan held at a time: it fits a second level cache many times over, but
# loops over fewer rows would cost more than the exponentials
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Answer:
    """What a library returns.

    Attributes
    ----------
    f, g : ndarray of shape (n,), (m,), or None
        Potentials in the unit of the cost.
    n_iter : int
        Iterations, as the library counts them.
    plan : ndarray or sparse matrix of shape (n, m), or None
        Plan of an exact solver.
    converged : bool or None
        What the library says of itself, None where it says nothing.
    """

    f: np.ndarray | None = None
    g: np.ndarray | None = None
    n_iter: int = -1
    plan: object = None
    converged: bool | None = None


@dataclass(frozen=True)
class Certified:
    """L1 error of both marginals and dual value of one answer."""

    error: float
    dual: float


def _sums(problem, f, g):
    """Row and column sums of the plan of two potentials, by blocks of rows."""
    n, m = len(f), len(g)
    rows, columns = np.empty(n), np.zeros(m)
    step = max(1, _BLOCK // m)
    for start in range(0, n, step):
        block = slice(start, min(start + step, n))
        if problem.C is None:
            cost = cdist(problem.X[block], problem.Y, problem.metric)
        else:
            cost = problem.C[block]
        plan = f[block, None] + g
        plan -= cost
        plan /= problem.reg
        np.exp(plan, out=plan)
        rows[block] = plan.sum(axis=1)
        columns += plan.sum(axis=0)
    return rows, columns


def certify(problem, answer):
    """Marginal error and dual value of an answer.

    Parameters
    ----------
    problem : Problem
        The problem that was solved.
    answer : Answer
        What the library returned.

    Returns
    -------
    Certified
        Infinite error where the potentials are not finite or the plan overflows.
    """
    a, b = problem.a, problem.b
    if answer.plan is not None:
        rows = np.asarray(answer.plan.sum(axis=1)).ravel()
        columns = np.asarray(answer.plan.sum(axis=0)).ravel()
        error = np.abs(rows - a).sum() + np.abs(columns - b).sum()
        return Certified(float(error), np.nan)
    f, g = (np.asarray(one, dtype=float).ravel() for one in (answer.f, answer.g))
    if f.shape != a.shape or g.shape != b.shape:
        raise ValueError(f"potentials have shapes {f.shape} and {g.shape}")
    if not (np.isfinite(f).all() and np.isfinite(g).all()):
        return Certified(np.inf, np.nan)
    with np.errstate(over="ignore"):
        rows, columns = _sums(problem, f, g)
    error = np.abs(rows - a).sum() + np.abs(columns - b).sum()
    if not np.isfinite(error):
        return Certified(np.inf, np.nan)
    return Certified(float(error), float(a @ f + b @ g - problem.reg * rows.sum()))
