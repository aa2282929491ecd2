"""Dual variables of entropic transport: what a solver returns, and where it stands.

Problem: max_(f, g) <a, f> + <b, g> - eps * sum_ij P_ij with
P_ij = exp((f_i + g_j - C_ij) / eps).
Symbols: f (n,), g (m,) the potentials in the units of the cost C (n, m), so that a pair
solved for one eps is a start for another; alpha = f / eps, beta = g / eps.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from skopt2._core.array import namespace


@dataclass(frozen=True)
class Potentials:
    """Dual potentials in the units of the cost.

    Parameters
    ----------
    f : array of shape (n,)
        Of the rows; -inf where the row has no mass.
    g : array of shape (m,)
        Of the columns; -inf where the column has no mass.
    """

    f: Any
    g: Any


@dataclass
class DualState:
    """Where a solver of balanced transport stands; its solver changes it in place.

    The potentials are f + eps * x and g + eps * y. A geometry that stores its cost
    keeps the kernel K_ij = exp((f_i + g_j - C_ij) / eps) and moves x and y only, until
    they grow and are absorbed into f and g.

    Parameters
    ----------
    f, g : array of shape (n,), (m,)
        Potentials at the last absorption, in the units of the cost.
    eps : float
        Regularisation of the present level.
    x, y : array of shape (n,), (m,)
        Logarithms of the scalings since then.
    kernel : array of shape (n, m) or None
        Kernel at f and g; None where it has to be computed.
    rough : bool
        Whether the kernel is one in float32, for sums far from the solution.
    u, v : array of shape (n,), (m,)
        exp(x) and exp(y).
    rows, cols : array of shape (n,), (m,)
        Sums of the plan over each row and each column, where ``fresh``.
    fresh : bool
        Whether ``rows`` and ``cols`` belong to the present potentials.
    exact : bool
        Whether the potentials have been rounded to what is returned, f and g alone,
        since the last step.
    last : tuple of array or None
        The scalings ``x`` and ``y`` at the last measure.
    error : float
        Marginal error at the last measure.
    memory : dict
        What the solver remembers between steps, numbers and strings only.
    """

    f: Any
    g: Any
    eps: float
    x: Any = None
    y: Any = None
    kernel: Any = None
    rough: bool = False
    u: Any = None
    v: Any = None
    rows: Any = None
    cols: Any = None
    fresh: bool = False
    exact: bool = False
    last: Any = None
    error: float = math.inf
    memory: dict = field(default_factory=dict)


def level(f, g):
    """Return potentials of the same plan with equal means.

    Of all f + c and g - c these are the ones that rounding hurts least.

    Parameters
    ----------
    f, g : array of shape (n,), (m,)
        Finite.

    Returns
    -------
    f, g : array of shape (n,), (m,)
    """
    xp = namespace(f)
    c = 0.5 * (xp.mean(g) - xp.mean(f))
    return f + c, g - c
