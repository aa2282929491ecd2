"""The posterior mean of a process with a sparse prior, by conjugate gradients.

    (U U' + diag(w)) m = diag(w) t,

for sites with precisions w and targets t, where Gaussian noise of variance s has
w = 1 / s and t = y. The factor V of the incomplete factorisation is the
preconditioner; it is so close to a factor of the matrix that few iterations remain.
Columns of t share the products, and each has its own steps.

Symbols: U, V sparse factors of n columns; w (n,); t, m (n, c).

Cao et al., ICML 2023, section 4.4, take the mean from V alone. J. Nocedal and
S. Wright, Numerical Optimization, 2nd edition, 2006, algorithm 5.3.
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.result import Measure

# What the certificate of a posterior mean is called.
RESIDUAL = "relative residual of the posterior mean"
# Checks without a residual that is a tenth smaller, after which rounding is to blame.
_PATIENCE = 10


@dataclass
class MeanState:
    """Where the conjugate gradients stand; changed in place.

    Parameters
    ----------
    mean, residual, direction : ndarray of shape (n, c)
        m, what is left of the right-hand side, and the next step.
    decrease : ndarray of shape (c,)
        Squared residuals in the norm of the preconditioner.
    best : float
        Smallest certificate so far.
    idle : int
        Checks since it was a tenth larger.
    """

    mean: np.ndarray
    residual: np.ndarray
    direction: np.ndarray
    decrease: np.ndarray
    best: float = math.inf
    idle: int = 0


class PosteriorMean:
    """Solver for the iteration loop.

    Parameters
    ----------
    prior, posterior : SparseFactor
        U and V.
    precisions : ndarray of shape (n,)
        w.
    targets : ndarray of shape (n, c)
        t.
    """

    def __init__(self, prior, posterior, precisions, targets):
        self.prior, self.posterior = prior, posterior
        self.precisions = precisions[:, None]
        self.rhs = self.precisions * targets
        # The residual of each column is relative to its own right-hand side.
        norms = np.sqrt((self.rhs**2).sum(axis=0))
        self._norms = np.where(norms > 0, norms, 1.0)

    def start(self, mean=None):
        """Return the state at a mean, 0 for None."""
        mean = np.zeros_like(self.rhs) if mean is None else mean.copy()
        residual = self.rhs - self.multiply(mean)
        direction = self._precondition(residual)
        decrease = (residual * direction).sum(axis=0)
        return MeanState(mean, residual, direction, decrease)

    def multiply(self, X):
        """Return the posterior's inverse covariance times X, shape (n, c)."""
        return (
            self.prior.product(self.prior.transposed_product(X)) + self.precisions * X
        )

    def _precondition(self, X):
        return self.posterior.transposed_solve(self.posterior.solve(X))

    def step(self, state):
        """Take one step."""
        image = self.multiply(state.direction)
        curvature = (state.direction * image).sum(axis=0)
        safe = np.where(curvature > 0, curvature, 1.0)
        length = np.where(curvature > 0, state.decrease / safe, 0.0)
        state.mean += length * state.direction
        state.residual -= length * image
        z = self._precondition(state.residual)
        decrease = (state.residual * z).sum(axis=0)
        old = np.where(state.decrease > 0, state.decrease, 1.0)
        state.direction *= decrease / old
        state.direction += z
        state.decrease = decrease
        return state

    def certificate(self, state):
        """Return the largest relative residual of any column, measured anew."""
        image = self.multiply(state.mean)
        left = np.sqrt(((self.rhs - image) ** 2).sum(axis=0)) / self._norms
        value = float(left.max())
        objective = 0.5 * float((state.mean * (image - 2.0 * self.rhs)).sum())
        if value < 0.9 * state.best:
            state.best, state.idle = value, 0
        else:
            state.idle += 1
        return Measure(objective, value, stalled=state.idle >= _PATIENCE)

    def finalize(self, state):
        """Return the mean, shape (n, c)."""
        return state.mean

    def pack(self, state):
        """Return the state as a dictionary, for checkpoints."""
        return dict(vars(state))

    def unpack(self, packed):
        """Return the state of a dictionary."""
        return MeanState(**packed)
