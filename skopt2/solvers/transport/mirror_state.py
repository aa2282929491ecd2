"""Where mirror descent on the transport polytope stands, and what it returns.

Symbols as in :mod:`skopt2.solvers.transport.mirror`.
"""

import math
from dataclasses import dataclass
from typing import Any


@dataclass
class MirrorState:
    """Where mirror descent stands; a measure changes its bounds in place.

    Parameters
    ----------
    H : array of shape (n, m)
        Sum of the steps times the gradients.
    x, y : array of shape (n,), (m,)
        Logarithms of the scalings; -inf where there is no mass.
    P : array of shape (n, m)
        Iterate, with exact row sums or exact column sums.
    total : array of shape (n, m)
        Sum of the iterates since the start.
    offset : array of shape ()
        Sum of eta_t (F(P_t) - <G_t, P_t>) since the start.
    weight : array of shape ()
        Sum of all eta_t.
    spread : array of shape ()
        B.
    t : int
        Steps that made H.
    first : int
        Steps of these before the start; more than 0 after a warm start.
    H_first : array of shape (n, m) or None
        H at a warm start.
    weight_first : float
        Weight at a warm start.
    upper, lower : float
        Best objective of a feasible plan, best lower bound.
    plan : array of shape (n, m) or None
        The plan of ``upper``.
    marks : tuple
        Two pairs of y and weight, of earlier measures.
    next_mark : int
        Half of the step at which the next pair is kept.
    """

    H: Any
    x: Any
    y: Any
    P: Any
    total: Any
    offset: Any
    weight: Any
    spread: Any
    t: int = 0
    first: int = 0
    H_first: Any = None
    weight_first: float = 0.0
    upper: float = math.inf
    lower: float = -math.inf
    plan: Any = None
    marks: tuple = ((None, 0.0), (None, 0.0))
    next_mark: int = 1


@dataclass(frozen=True)
class MirrorSolution:
    """What mirror descent returns.

    Parameters
    ----------
    plan : array of shape (n, m)
        Feasible, with the smallest objective that was measured.
    average : array of shape (n, m)
        Mean of the iterates.
    lower : float
        Lower bound of the optimum.
    state : MirrorState
        To continue from.
    """

    plan: Any
    average: Any
    lower: float
    state: MirrorState
