"""What a fit reports: its certificate, the reason that it stopped, and its history."""

import enum
import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np


class StopReason(enum.StrEnum):
    """Why the iteration loop stopped."""

    CONVERGED = "converged"
    MAX_ITER = "max_iter"
    TIME_LIMIT = "time_limit"
    CALLBACK = "callback"
    STALLED = "stalled"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Certificate:
    """A bound on the error of a fit, relative to the scale of its problem.

    Parameters
    ----------
    name : str
        What is bounded, for example ``"relative duality gap"``.
    value : float
        What the fit reached.
    tol : float
        What was asked for.
    """

    name: str
    value: float
    tol: float

    @property
    def holds(self):
        """True if the value reached the tolerance."""
        return self.value <= self.tol

    def __str__(self):
        return f"{self.name} {self.value:.1e} (tol {self.tol:.0e})"


def brief_repr(result):
    """Return a repr of a dataclass in a line or two: shapes in the place of arrays.

    Parameters
    ----------
    result : dataclass
        Its class sets ``__repr__ = brief_repr``.

    Returns
    -------
    text : str
        The class with the fields that are shown.
    """
    shown = [
        f"{one.name}={_brief(getattr(result, one.name))}"
        for one in fields(result)
        if one.repr
    ]
    return f"{type(result).__name__}({', '.join(shown)})"


def _brief(value):
    """Return a value in a few words."""
    shape = getattr(value, "shape", ())
    if shape:
        return f"<array of shape {tuple(shape)}>"
    if isinstance(value, Certificate):
        return f"<{value}>"
    if isinstance(value, dict):
        return f"<dict of {', '.join(map(str, value))}>"
    if isinstance(value, (tuple, list)):
        if len(value) > 3:
            return f"<{type(value).__name__} of {len(value)}>"
        return f"({', '.join(_brief(one) for one in value)})"
    if isinstance(value, enum.StrEnum):
        return repr(str(value))
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


@dataclass(frozen=True)
class Measure:
    """What a solver says of one state: objective, certificate, and its own figures.

    Parameters
    ----------
    objective : float
        Value of the objective.
    value : float
        Certificate, relative to the scale of the problem; the loop compares it to tol.
    gap : float, default=NaN
        Absolute duality gap, where there is one.
    extra : dict, default={}
        Further columns of the history, for example the size of the support.
    stalled : bool, default=False
        True if rounding forbids further progress.
    """

    objective: float
    value: float
    gap: float = math.nan
    extra: dict = field(default_factory=dict)
    stalled: bool = False


class History:
    """One row per certificate check, kept as columns."""

    def __init__(self, columns=None):
        self._columns = {k: list(v) for k, v in (columns or {}).items()}

    def append(self, **row):
        """Add a row; every row of one history has the same columns."""
        if not self._columns:
            self._columns = {name: [] for name in row}
        for name, values in self._columns.items():
            values.append(row[name])

    def __len__(self):
        return len(self._columns.get("iteration", ()))

    def as_dict(self):
        """Return the columns as a dictionary of NumPy arrays."""
        return {name: np.asarray(values) for name, values in self._columns.items()}


@dataclass(frozen=True)
class Result:
    """Outcome of the iteration loop.

    Parameters
    ----------
    solution : object
        What ``solver.finalize`` returned.
    objective : float
        Objective at the solution.
    certificate : Certificate
        Bound reached.
    reason : StopReason
        Why the loop stopped.
    n_iter : int
        Steps taken, those before a resumed checkpoint included.
    history : History
        One row per certificate check.
    gap : float
        Absolute duality gap, NaN where there is none.
    """

    solution: Any
    objective: float
    certificate: Certificate
    reason: StopReason
    n_iter: int
    history: History
    gap: float = math.nan
