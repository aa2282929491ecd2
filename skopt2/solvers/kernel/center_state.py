"""The state of EigenPro on centres, and its form in checkpoints.

Symbols: a (p, c) coefficients on the centres; H_I = K_I'R_I (p, c) the part of batch I
in half the gradient, as in :mod:`skopt2.solvers.kernel.center_descent`.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.solvers.kernel.center_conjugate import Conjugate


@dataclass
class CenterState:
    """Where EigenPro on centres stands; the solver changes it in place.

    Parameters
    ----------
    a : array of shape (p, c)
        Coefficients, in float64.
    mean : array of shape (p, c)
        Mean of the iterates since the last epoch began, later ones counting more.
    n_steps : int
        Iterates in it.
    waiting : array of shape (p, c)
        Sum of H_I that is not projected yet.
    temporary : list of tuple of array
        Rows and coefficients of the temporary centres.
    gradient, moment : array of shape (p, c) or None
        Sums of the H_I of an epoch, and of K_I'W_I Y_I of the first.
    loss : float or array of shape ()
        Sum of the losses of an epoch's batches before their steps.
    best : array of shape (p, c)
        Iterate at the end of the best epoch, or the best that a pass confirmed.
    near : array of shape (p, c) or None
        Iterate of conjugate gradients with the smallest measure.
    estimate, best_estimate : float
        Relative gradient of the last and of the best epoch.
    n_epochs : float
        Passes over the data.
    n_restarts : int
        Restarts of the guard.
    seen : float
        Weight of the rows of single batches.
    conjugate : Conjugate or None
        Where conjugate gradients stand, once they have begun.
    exact : bool
        Whether the measure is that of the iterate, by a pass.
    idle_since, idle_level, confirmed : float
        Pass of the last gain; smallest measures of conjugate gradients since a pass
        was made to confirm one, and of all that were confirmed.
    """

    a: Any
    mean: Any
    waiting: Any
    best: Any
    near: Any = None
    n_steps: int = 0
    temporary: list = field(default_factory=list)
    gradient: Any = None
    moment: Any = None
    loss: Any = 0.0
    estimate: float = 1.0
    best_estimate: float = 1.0
    n_epochs: float = 0.0
    n_restarts: int = 0
    seen: float = 0.0
    conjugate: Any = None
    exact: bool = False
    idle_since: float = 0.0
    idle_level: float = math.inf
    confirmed: float = math.inf


def pack_state(state):
    """Return a state without temporary centres as arrays and numbers.

    Parameters
    ----------
    state : CenterState
        At the end of an epoch.

    Returns
    -------
    packed : dict
    """
    packed = {
        item.name: getattr(state, item.name)
        for item in fields(state)
        if item.name not in ("temporary", "conjugate")
    }
    if state.conjugate is not None:
        for item in fields(state.conjugate):
            packed[f"conjugate_{item.name}"] = getattr(state.conjugate, item.name)
    return packed


def unpack_state(packed, like, dtype):
    """Return the state of what :func:`pack_state` returned.

    Parameters
    ----------
    packed : dict
        Arrays of any namespace.
    like : array
        Arrays are placed beside it.
    dtype : dtype
        Of the arrays.

    Returns
    -------
    state : CenterState
    """

    def placed(value):
        if getattr(value, "shape", ()) == ():
            return value
        return asarray_like(value, like, dtype)

    values = {
        item.name: placed(packed[item.name])
        for item in fields(CenterState)
        if item.name not in ("temporary", "conjugate")
    }
    conjugate = None
    if "conjugate_a" in packed:
        part = {
            item.name: packed[f"conjugate_{item.name}"] for item in fields(Conjugate)
        }
        for name in ("a", "R", "D"):
            part[name] = placed(part[name])
        for name in ("squares", "rho"):
            part[name] = np.asarray(part[name], dtype=np.float64)
        conjugate = Conjugate(**part)
    return CenterState(**values, conjugate=conjugate)


def copy_of(x):
    """Return a copy of an array, which may be changed in place.

    Parameters
    ----------
    x : array
        Any.

    Returns
    -------
    copy : array
    """
    return namespace(x).asarray(x, copy=True)
