"""The l1 norm with a weight per feature.

Penalty: pen(w_j; lam_j) = lam_j * weights_j * abs(w_j), weights (p,).

Source: H. Zou, The adaptive lasso and its oracle properties, JASA 101, 2006, section
3.1, with weights that the user chooses.
"""

import copy

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.penalties.base import extrapolate, on_host, select
from skopt2.penalties.l1 import L1


class WeightedL1(L1):
    """L1 norm with given weights: lam * weights * abs(w).

    Parameters
    ----------
    weights : array-like of shape (p,)
        Finite, nonnegative, one per feature; 0 leaves a feature unpenalised.

    References
    ----------
    Zou, JASA 101, 2006, section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import WeightedL1
    >>> WeightedL1([1.0, 2.0]).prox(np.array([3.0, 3.0]), 1.0, np.ones(2)).tolist()
    [2.0, 1.0]
    """

    name = "weighted_l1"

    def __init__(self, weights):
        self.weights = weights

    def check_parameters(self, n_features=None):
        """Raise ValueError unless weights is a finite, nonnegative vector."""
        try:
            weights = on_host(self.weights).astype(np.float64)
        except (TypeError, ValueError):
            weights = None
        if weights is None or weights.ndim != 1:
            raise ValueError(
                "weights of the weighted l1 penalty must be a vector with one number "
                f"per feature, got weights={self.weights!r}."
            )
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(
                "weights of the weighted l1 penalty must be finite and nonnegative, "
                f"got values from {weights.min()} to {weights.max()}; to exclude a "
                "feature use penalty_factor=inf."
            )
        if n_features is not None and weights.shape[0] != n_features:
            raise ValueError(
                f"weights of the weighted l1 penalty has {weights.shape[0]} entries, "
                f"but X has {n_features} features; give one weight per feature."
            )

    def restrict(self, index):
        """Return the penalty of the features ``index``."""
        restricted = copy.copy(self)
        restricted.weights = select(self.weights, index)
        return restricted

    def beside(self, x):
        """Return the penalty with its weights as an array beside ``x``."""
        moved = copy.copy(self)
        moved.weights = asarray_like(self.weights, x)
        return moved

    def _weighted(self, lam):
        """Levels with the weights multiplied in; inf stays inf under a weight of 0."""
        xp = namespace(lam)
        weights = asarray_like(self.weights, lam)
        if lam.ndim == 2:
            weights = xp.reshape(weights, (-1, 1))
        excluded = xp.isinf(lam)
        return xp.where(excluded, lam, xp.where(excluded, 0.0, lam) * weights)

    def slope_at_zero(self, lam):
        """Right derivative at 0: lam * weights."""
        return self._weighted(lam)

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        return super().terms(w, self._weighted(lam))

    def prox(self, z, step, lam):
        """Minimiser over v of (v - z)^2 / (2 step) + lam * weights * abs(v)."""
        return super().prox(z, step, self._weighted(lam))

    def derivative(self, w, lam):
        """Derivative lam * weights * sign(w), 0 where w == 0."""
        return super().derivative(w, self._weighted(lam))

    def alpha_max(self, grad_abs, factor, steps=None):
        """Smallest alpha for which w = 0 is stationary."""
        return super().alpha_max(grad_abs, self._weighted(factor), steps)

    def dual_scale(self, u, lam):
        """Largest t in (0, 1] such that abs(t * u) <= lam * weights."""
        return super().dual_scale(u, self._weighted(lam))

    def strong_rule(self, lam_new, lam_old):
        """Threshold of the sequential strong rule, see :class:`Penalty`."""
        return self._weighted(extrapolate(lam_new, lam_old, 1.0))
