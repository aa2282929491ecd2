"""Which algorithm solves a kernel system: what is predicted, and what is tried.

Problem: H a = Y with n rows and c columns (:mod:`skopt2.solvers.kernel.system`).

A Cholesky factor takes n^3 / 3 operations and n^2 entries, whatever the spectrum is.
Accelerated sketch-and-project takes passes over K: one for a third of a digit of the
residual on most systems, but several times as many where the kernel is smooth, its
length scale long and the regularisation tiny. The times of a factorisation and of a
pass follow from two rates of this machine: operations of a factorisation, measured once
a process, and entries of K, measured on the operator itself. The number of passes is
not predicted. Where a factor fits the memory and an easy system would be solved sooner
by passes, they are tried, with the matrix kept in the memory that the factor would
take; :mod:`skopt2.solvers.kernel.trial` sees how the residual falls, and goes over to
the factor. Small systems are not worth the question.

In epochs sketch-and-project was ahead of the other iterative algorithms on every system
that we tried, with and without regularisation.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core import cuda
from skopt2._core.array import HOST, namespace, to_numpy

# Rows up to which the direct solution is taken without measuring anything.
SMALL = 2000
# Passes over K of an easy system for a decimal digit of the residual, and before.
DIGIT, FIRST = 3.0, 2.0
# Time of a pass of blocks over the matrix that is kept, their solutions included, over
# that of copying its entries and multiplying them.
KEPT = 3.0
# Share of the direct solution's time in which an easy system must be solved.
WORTH = 0.75
# Passes that fill a factor and measure its residual.
DIRECT = 2.0
# Speed of a factorisation of ten thousand rows over that of the one that is timed.
GAIN = 1.4
# Order of the factorisation that is timed, rows of K that are, and repetitions.
ORDER, ROWS, REPEATS = 1280, 128, 4


@dataclass(frozen=True)
class Plan:
    """How to solve a system.

    Parameters
    ----------
    solver : {"cholesky", "sap"}
        Algorithm to start with.
    seconds : float or None, default=None
        Predicted time of the direct solution, to which "sap" may go over; None where
        there is nothing to go over to.
    keep : bool, default=False
        Whether "sap" keeps the matrix.
    """

    solver: str
    seconds: float | None = None
    keep: bool = False


def choose(system, *, tol, single=False):
    """Return how a system is solved in the least time, as far as that is predictable.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    tol : float
        Relative residual that is wanted.
    single : bool, default=False
        Whether a float64 system would be factorised in float32.

    Returns
    -------
    plan : Plan
    """
    xp, n = system.xp, system.n
    budget = budget_of(system)
    if n**2 * _itemsize(xp, xp.float32 if single else system.Y.dtype) > budget:
        return Plan("sap")
    if n <= SMALL:
        return Plan("cholesky")
    per_entry = seconds_per_entry(system)
    single = single or system.Y.dtype == xp.float32
    rate = factorisation_rate(system.Y, single)
    direct = DIRECT * n**2 * per_entry + n**3 / 3 / (GAIN * rate)
    fits = n**2 * _itemsize(xp, system.Y.dtype) <= budget
    keep = fits and not getattr(system.operator, "stored", True)
    if keep:
        later = min(per_entry, KEPT * seconds_per_entry(system, kept=True))
        predicted = n**2 * (per_entry + easy_passes(tol) * later)
    else:
        predicted = n**2 * easy_passes(tol) * per_entry
    if predicted <= WORTH * direct:
        return Plan("sap", direct, keep)
    return Plan("cholesky")


def easy_passes(tol):
    """Return the passes over K that sketch-and-project takes for an easy system.

    Parameters
    ----------
    tol : float
        Relative residual that is wanted.

    Returns
    -------
    count : float
    """
    return FIRST + DIGIT * math.log10(1.0 / min(1.0, max(tol, 1e-16)))


def _itemsize(xp, dtype):
    """Return the bytes of an entry."""
    return int(xp.finfo(dtype).bits) // 8


def budget_of(system):
    """Return the bytes that a factor may take.

    Parameters
    ----------
    system : KernelSystem
        The problem.

    Returns
    -------
    n_bytes : int
        What the operator was given, or that of its device.
    """
    budget = getattr(system.operator, "budget", None)
    if budget is None:
        target = HOST if system.xp is np else cuda.target_of(system.Y)
        budget = cuda.memory_budget(target)
    return budget


def seconds_per_entry(system, kept=False):
    """Return the measured seconds per entry of products with K.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    kept : bool, default=False
        Whether to copy entries that are at hand, instead of computing them.

    Returns
    -------
    seconds : float
        The smallest of some measurements.
    """
    xp, n, operator = system.xp, system.n, system.operator
    rows, V = slice(0, min(ROWS, n)), system.zeros()
    if kept:
        K = operator.block(rows, slice(0, n))
        seconds = _fastest(lambda: xp.asarray(K, copy=True) @ V)
    else:
        seconds = _fastest(lambda: operator.rows(rows, V))
    return seconds / (rows.stop * n)


def factorisation_rate(like, single):
    """Return operations a second of a Cholesky factorisation, measured once a process.

    Parameters
    ----------
    like : array
        Of the namespace and on the device that computes.
    single : bool
        Whether in float32.

    Returns
    -------
    rate : float
    """
    xp = namespace(like)
    device = None if xp is np else like.device
    key = (xp.__name__, str(device), bool(single))
    if key not in _RATES:
        _RATES[key] = ORDER**3 / 3 / _fastest(_factorisation(xp, device, single))
    return _RATES[key]


_RATES = {}


def _factorisation(xp, device, single):
    """Return a function that factorises a matrix with small entries."""
    dtype = xp.float32 if single else xp.float64
    if xp is np:
        A = np.full((ORDER, ORDER), 1e-3, dtype=dtype, order="F")
        A += np.eye(ORDER, dtype=dtype)
        (potrf,) = get_lapack_funcs(("potrf",), (A,))
        # In place, as for the large one: fresh memory would take as long as the work.
        copies = iter([A.copy(order="F") for _ in range(REPEATS)])
        return lambda: potrf(next(copies), lower=False, overwrite_a=True, clean=False)[
            0
        ]
    A = xp.eye(ORDER, dtype=dtype, device=device) + 1e-3
    return lambda: to_numpy(xp.linalg.cholesky(A)[-1, -1])


def _fastest(work):
    """Return the seconds of the fastest of some calls."""
    best = math.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        to_numpy(work())
        best = min(best, time.perf_counter() - start)
    return max(best, 1e-9)
