"""Entropic transport of a measure to itself, by one symmetric potential.

Problem: max_f 2 <a, f> - eps sum P, P_ij = exp((f_i + f_j - C_ij) / eps), for a
symmetric cost C (n, n) and masses a (n,) with sum 1.

Symbols: T f = eps log a - eps log sum_j exp((f_j - C_ij) / eps), the potential that
gives P the row sums a.

f <- (f + T f) / 2. At the solution the derivative of T is -P / a, whose eigenvalues lie
in [-1, 0] where exp(-C / eps) is a positive definite kernel (squared Euclidean,
Euclidean, city block and cosine costs): the error is halved in every step, however
small eps is, while alternate scaling of both sides stalls.

Source: J. Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn
divergences, AISTATS 2019, section 3 (the symmetric update).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import dot64, namespace

# Steps without progress before rounding is blamed.
PATIENCE = 5
# Far more than halving needs; kernels that are not positive definite may need it.
MAX_STEPS = 1000
# Steps between two looks at the error where a look waits for a device.
DEVICE_PERIOD = 4


@dataclass(frozen=True, eq=False)
class SelfTransport:
    """Symmetric potential and what it proves.

    Parameters
    ----------
    f : array of shape (n,)
        Potential of both sides, in the units of the cost.
    objective : float
        2 <a, f> - eps sum P.
    error : float
        Marginal error of both sides together.
    n_steps : int
        Evaluations of T.
    """

    f: Any
    objective: float
    error: float
    n_steps: int


def self_transport(geometry, a, eps, tol, f=None):
    """Solve the symmetric problem.

    Parameters
    ----------
    geometry : object
        Symmetric, see :mod:`skopt2.solvers.transport.geometry`.
    a : array of shape (n,)
        Positive masses with sum 1.
    eps : float
        Regularisation.
    tol : float
        Tolerance of the marginal error.
    f : array of shape (n,), default=None
        Start; zero by default.

    Returns
    -------
    found : SelfTransport
        The best potential met, where the tolerance is below rounding.
    """
    xp = namespace(a)
    log_a, f = xp.log(a), xp.zeros_like(a) if f is None else f
    best, idle = None, 0
    period = 1 if xp is np else DEVICE_PERIOD
    for step in range(1, MAX_STEPS + 1):
        new = eps * log_a + geometry.row_softmin(f, eps)
        if step % period:
            f = 0.5 * (f + new)
            continue
        with np.errstate(over="ignore"):
            excess = xp.expm1((f - new) / eps)
        error = 2.0 * dot64(a, xp.abs(excess))
        if best is None or error < 0.9 * best.error:
            idle = 0
        else:
            idle += 1
        if best is None or error < best.error:
            total = 1.0 + dot64(a, excess)
            objective = 2.0 * dot64(a, f) - eps * total
            best = SelfTransport(f, objective, error, step)
        if error <= tol or idle >= PATIENCE or not math.isfinite(error):
            break
        f = 0.5 * (f + new)
    return best
