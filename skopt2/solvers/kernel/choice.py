"""Which algorithm solves a kernel system: the direct one while it is affordable.

Problem: H a = Y with n rows and c columns (:mod:`skopt2.solvers.kernel.system`).

A Cholesky factor takes n^3 / 3 operations and n^2 entries, whatever the spectrum is.
Accelerated sketch-and-project takes memory for blocks only, and about ten passes over K
for a decimal digit of the residual. Both times follow from two rates of this machine:
operations of a factorisation, measured once a process, and entries of K, measured on
the operator itself. Small systems are not worth the question.

In epochs sketch-and-project was ahead of the other iterative algorithms on every system
that we tried, with and without regularisation.
"""

import functools
import math
import time

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from skopt2._core import cuda
from skopt2._core.array import HOST, namespace, to_numpy

# Rows up to which the direct solution is taken without measuring anything.
SMALL = 2000
# Passes over K for a decimal digit of the residual, before the first, and at least.
DIGIT, FIRST, LEAST = 10.0, 2.0, 5.0
# Passes that fill a factor and measure its residual.
DIRECT = 2.0
# Speed of a factorisation of ten thousand rows over that of the one that is timed.
GAIN = 1.4
# Order of the factorisation that is timed, rows of K that are, and repetitions.
ORDER, ROWS, REPEATS = 1280, 128, 4


def choose(system, *, tol, single=False):
    """Return the algorithm that is predicted to finish first.

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
    name : {"cholesky", "sap"}
    """
    xp, n = system.xp, system.n
    dtype = xp.float32 if single else system.Y.dtype
    itemsize = int(xp.finfo(dtype).bits) // 8
    if n**2 * itemsize > budget_of(system):
        return "sap"
    if n <= SMALL:
        return "cholesky"
    per_pass = n**2 * seconds_per_entry(system)
    flops = n**3 / 3
    rate = factorisation_rate(system.Y, itemsize == 4)
    direct = DIRECT * per_pass + flops / (GAIN * rate)
    return "cholesky" if direct <= passes(tol) * per_pass else "sap"


def passes(tol):
    """Return the passes over K that sketch-and-project is expected to take.

    Parameters
    ----------
    tol : float
        Relative residual that is wanted.

    Returns
    -------
    count : float
    """
    digits = math.log10(1.0 / min(1.0, max(tol, 1e-16)))
    return max(LEAST, FIRST + DIGIT * digits)


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


def seconds_per_entry(system):
    """Return the measured seconds per entry of products with K.

    Parameters
    ----------
    system : KernelSystem
        The problem.

    Returns
    -------
    seconds : float
        The smallest of some measurements.
    """
    rows = min(ROWS, system.n)
    V = system.zeros()
    work = functools.partial(system.operator.rows, slice(0, rows), V)
    return _fastest(work) / (rows * system.n)


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
