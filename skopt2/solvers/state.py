"""Points on the way to a solution: what a solver returns, and what it goes on from."""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.array import to_numpy


@dataclass(frozen=True)
class Solution:
    """Coefficients on the features that matter.

    Parameters
    ----------
    ids : ndarray of int of shape (k,)
        Features, in increasing order.
    w : ndarray of shape (k,) or (k, K)
        Their coefficients, none of them all zero.
    intercept : float or ndarray of shape (K,)
        Of the problem as the user posed it.
    latent : ndarray, default=None
        Coefficients of overlapping groups, those of one group after the other, which
        add up to w; None without overlaps.
    """

    ids: np.ndarray
    w: np.ndarray
    intercept: float | np.ndarray
    latent: np.ndarray | None = None

    def pack(self):
        """Return the solution as plain arrays, for a checkpoint."""
        packed = {
            "ids": self.ids,
            "w": self.w,
            "intercept": np.asarray(to_numpy(self.intercept)),
        }
        return packed if self.latent is None else {**packed, "latent": self.latent}

    @classmethod
    def unpack(cls, packed):
        """Return the solution of a checkpoint."""
        intercept = np.asarray(packed["intercept"])
        return cls(
            np.asarray(packed["ids"], dtype=np.int64),
            np.asarray(packed["w"]),
            float(intercept) if intercept.ndim == 0 else intercept,
            packed.get("latent"),
        )


@dataclass(frozen=True)
class State:
    """A point, its gradient, and the level that it was solved for.

    Parameters
    ----------
    w : ndarray of shape (m,) or (m, K)
        Coefficients on the working set.
    intercept : float or ndarray of shape (K,)
        Of the centred problem.
    eta : array of shape (n,) or (n, K)
        Linear predictor.
    c : ndarray of shape (p,) or (p, K)
        Gradient.
    level : float
        Multiple of the target penalty that the point was solved for; 1 at the target.
    precision : float
        Factor of the inner tolerance.
    worst : float
        Subdifferential distance on the working set.
    stalled : bool
        True if the inner solver could not improve.
    """

    w: np.ndarray
    intercept: float | np.ndarray
    eta: object
    c: np.ndarray
    level: float = math.inf
    precision: float = 1.0
    worst: float = math.inf
    stalled: bool = False


class Checkpointed:
    """Base of the solvers whose state is a solution, its level and its precision."""

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        progress = {"level": state.level, "precision": state.precision}
        return {**self.finalize(state).pack(), **progress}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return replace(
            self.init(Solution.unpack(packed)),
            level=float(packed["level"]),
            precision=float(packed["precision"]),
        )


def in_use(w):
    """Return which rows of the coefficients are not all zero."""
    return w != 0 if w.ndim == 1 else (w != 0).any(axis=1)
