"""The upper level: the mean validation loss of the splits, in units of its own.

Problem: phi(theta) = (1 / F) sum_f g_f(w_f(theta)) / scale
+ shrinkage / 2 * mean_j (theta_j - mean(theta))^2.
Symbols: theta (d,) logarithms of the levels; F splits; scale the mean validation loss
of the models without features, less the smallest value that the loss has: phi is 1
where nothing has been learned, and its slope says which part of that a factor e of a
level is worth.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Evaluation:
    """phi at a point, as far as it is known.

    Parameters
    ----------
    theta : ndarray of shape (d,)
        The point.
    fits : tuple of Fit
        One for each split.
    value, error : float
        phi, and the bound of its error.
    """

    theta: np.ndarray
    fits: tuple
    value: float
    error: float

    @property
    def exact(self):
        """True if no solver can do better."""
        return all(fit.exact for fit in self.fits)


class Upper:
    """The mean over the splits.

    Parameters
    ----------
    lowers : list of LowerProblem
        The splits.
    levels : Levels
        What theta means.
    shrinkage : float, default=0.0
        Pull of the levels towards each other.
    run : callable, default=map
        Applies a function to the splits; in parallel, for example.
    """

    def __init__(self, lowers, levels, shrinkage=0.0, run=map):
        self.lowers, self.levels, self.shrinkage = lowers, levels, shrinkage
        self._run = run
        for lower in lowers:
            lower.levels = levels
        scale = float(np.mean([lower.null_excess() for lower in lowers]))
        self.scale = scale if scale > 0.0 else 1.0

    def evaluate(self, theta, target, start=None):
        """Return phi with an error of at most the target, as far as possible.

        Parameters
        ----------
        theta : ndarray of shape (d,)
            The point.
        target : float
            Error allowed, as a part of the scale.
        start : Evaluation, default=None
            Where the fits start; of the same theta, they go on.
        """
        fits = [None] * len(self.lowers) if start is None else start.fits
        same = start is not None and np.array_equal(start.theta, theta)
        target = target * self.scale

        def fit(pair):
            lower, before = pair
            if same and (before.exact or before.error <= target):
                return before
            return lower.solve(theta, target, before)

        fits = tuple(self._run(fit, zip(self.lowers, fits, strict=True)))
        value = float(np.mean([fit.value for fit in fits])) / self.scale
        error = float(np.mean([fit.error for fit in fits])) / self.scale
        return Evaluation(theta, fits, value + self._prior(theta), error)

    def slope(self, at, forcing):
        """Return the hypergradient and the bound of its error.

        Parameters
        ----------
        at : Evaluation
            The point.
        forcing : float
            Relative residual of conjugate gradients.
        """
        pairs = zip(self.lowers, at.fits, strict=True)
        parts = list(self._run(lambda pair: pair[0].slope(pair[1], forcing), pairs))
        slope = np.mean([part[0] for part in parts], axis=0) / self.scale
        error = float(np.mean([part[1] for part in parts])) / self.scale
        spread = (at.theta - at.theta.mean()) / at.theta.size
        return slope + self.shrinkage * spread, error

    def _prior(self, theta):
        return 0.5 * self.shrinkage * float(np.mean((theta - theta.mean()) ** 2))

    @property
    def work(self):
        """Fits, iterations of the lower solver, and Hessian products, so far."""
        return tuple(
            sum(getattr(lower, name) for lower in self.lowers)
            for name in ("n_fits", "n_steps", "n_products")
        )
