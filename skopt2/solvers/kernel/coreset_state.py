"""Where the ascent of a coreset's bound stands, and what it returns."""

import math
from dataclasses import dataclass, fields
from typing import Any

from skopt2._core.array import asarray_like
from skopt2.solvers.kernel.coreset_bound import Coreset

_ARRAYS = ("moving", "mean", "square", "best")
_LISTS = ("gains", "falls", "rates")


@dataclass
class CoresetState:
    """Where the ascent stands; the solver changes it in place.

    Parameters
    ----------
    moving, mean, square : list of array
        The four parameters of a coreset, and their averages of Adam.
    best : list of array
        The parameters with the largest bound.
    value : float
        The largest bound.
    gains, falls, rates : list of float
        At the last measures, the growth of the largest bound for each row, how far the
        bound was below it, and the mean relative rate.
    t, since, measured : int
        Steps, those since the averages began, and steps at the last measure.
    scale : float
        What measures without growth have left of the rate.
    n_epochs : float
        Passes over the rows.
    n_restarts : int
        How often steps began anew at the best coreset.
    cool : int
        Step at which the certificate held and the rate began to fall; -1 before.
    held : float
        Certificate at that step.
    """

    moving: list
    mean: list
    square: list
    best: list
    value: float = -math.inf
    gains: Any = ()
    falls: Any = ()
    rates: Any = ()
    t: int = 0
    since: int = 0
    measured: int = 0
    scale: float = 1.0
    n_epochs: float = 0.0
    n_restarts: int = 0
    cool: int = -1
    held: float = math.inf

    def pack(self):
        """Return plain arrays and numbers, for a checkpoint.

        Returns
        -------
        packed : dict
        """
        packed = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _ARRAYS:
                packed |= {f"{field.name}_{k}": part for k, part in enumerate(value)}
            else:
                packed[field.name] = list(value) if field.name in _LISTS else value
        return packed

    @classmethod
    def unpack(cls, packed, like):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            With these entries, and others.
        like : array
            Where the arrays go.

        Returns
        -------
        state : CoresetState
        """
        values = {}
        for name in (field.name for field in fields(cls)):
            if name in _ARRAYS:
                parts = (packed[f"{name}_{k}"] for k in range(4))
                values[name] = [asarray_like(part, like) for part in parts]
            elif name in _LISTS:
                values[name] = [float(value) for value in packed[name]]
            else:
                values[name] = packed[name]
        return cls(**values)


@dataclass(frozen=True)
class Ranges:
    """What the parameters of the covariance function may be.

    Parameters
    ----------
    low, high : array of shape (q,)
        Bounds of phi.
    free : array of shape (q,)
        1 for parameters that are learnt, 0 for those that are fixed.
    """

    low: Any
    high: Any
    free: Any


@dataclass(frozen=True)
class CoresetSolution:
    """A coreset and its bound.

    Parameters
    ----------
    coreset : Coreset
        Parameters.
    bound : float
        Evidence lower bound of all rows, in nats.
    n_epochs : float
        Passes over the rows.
    n_restarts : int
        How often steps began anew.
    """

    coreset: Coreset
    bound: float
    n_epochs: float
    n_restarts: int
