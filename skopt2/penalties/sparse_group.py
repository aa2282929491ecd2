"""The sparse-group lasso: groups leave the model, and so do features inside a group.

Penalty of a group of d features, tau = l1_ratio:
lam * ((1 - tau) * |w_g| + tau * |w_g|_1 / sqrt(d)), which at the default weights
lam = alpha * sqrt(d) is alpha * ((1 - tau) * sqrt(d) * |w_g| + tau * |w_g|_1).

Source: N. Simon, J. Friedman, T. Hastie and R. Tibshirani, A sparse-group lasso,
Journal of Computational and Graphical Statistics 22, 2013, eq. 3; the prox, a soft
threshold and then a group one, after their eq. 9. A group stays at zero while
|soft(grad_g, a)| <= b with a = lam * tau / sqrt(d) and b = lam * (1 - tau).
"""

import copy
import math

import numpy as np

from skopt2._core.array import sum64
from skopt2._core.parameters import check_number
from skopt2.penalties.base import active_level, soft_threshold
from skopt2.penalties.group import GroupPenalty

# Newton on a convex piecewise smooth function, from the right: it ends in a few steps.
NEWTON_STEPS = 60


class SparseGroupLasso(GroupPenalty):
    """Sparse-group lasso of Simon et al. (2013).

    Parameters
    ----------
    l1_ratio : float, default=0.5
        Share of the l1 norm, in [0, 1]: 0 is the group lasso, and 1 the lasso if the
        weights of the groups are the default ones.

    References
    ----------
    Simon, Friedman, Hastie and Tibshirani, JCGS 22, 2013, eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import SparseGroupLasso
    >>> SparseGroupLasso(l1_ratio=1.0).block_prox(np.array([3.0, 0.1]), 1.0, 1.0)[1]
    np.float64(0.0)
    """

    name = "sparse_group_lasso"
    rotatable = False
    # Coefficients of a feature.
    _n_outputs = 1

    def __init__(self, l1_ratio=0.5):
        self.l1_ratio = l1_ratio

    def check_parameters(self):
        """Raise ValueError unless l1_ratio is in [0, 1]."""
        of, hint = "the sparse-group lasso", "0 is the group lasso, 1 the lasso."
        check_number("l1_ratio", self.l1_ratio, 0, 1, of=of, hint=hint)

    def for_outputs(self, n_outputs):
        """Return the penalty for groups of rows: one coefficient per output."""
        penalty = copy.copy(self)
        penalty._n_outputs = n_outputs
        return penalty

    def _levels(self, partition, lam):
        """Return the levels of the l1 norm and of the norm, (G,) each."""
        tau = float(self.l1_ratio)
        # A share of 0 of an excluded group would be NaN: leave both levels infinite.
        excluded = np.isinf(lam)
        finite = np.where(excluded, 0.0, lam)
        root = np.sqrt(np.maximum(partition.sizes, 1) / self._n_outputs)
        l1 = np.where(excluded, np.inf, tau * finite / root)
        return l1, np.where(excluded, np.inf, (1.0 - tau) * finite)

    def slope(self, size, lam):
        """Derivative of the part that is the norm; the l1 norm has no curvature."""
        return lam * (1.0 - float(self.l1_ratio))

    def block_prox(self, z, step, lam):
        """Prox of one group: soft threshold, then group soft threshold; None for 0."""
        if math.isinf(lam):
            return None
        tau = float(self.l1_ratio)
        root = math.sqrt(z.shape[0] / self._n_outputs)
        soft = soft_threshold(z, step * lam * tau / root)
        size = math.sqrt(soft @ soft)
        new = size - step * lam * (1.0 - tau)
        return soft * (new / size) if new > 0.0 else None

    def scaled_prox(self, z, curvatures, lam):
        """Prox of one group in a diagonal metric.

        With q the soft-thresholded h z it is q / (h + b / nu), nu its own norm: the
        root of norm(q / (h nu + b)) = 1, to which Newton rises from the left.

        Parameters
        ----------
        z : ndarray of shape (d,)
            Point.
        curvatures : ndarray of shape (d,)
            Weights h of the squares h (v - z)^2 / 2, positive.
        lam : float
            Level of the group, finite.

        Returns
        -------
        v : ndarray of shape (d,) or None
            None stands for zero.
        """
        tau = float(self.l1_ratio)
        root = math.sqrt(z.shape[0] / self._n_outputs)
        q, b = soft_threshold(curvatures * z, lam * tau / root), lam * (1.0 - tau)
        force = math.sqrt(q @ q)
        if force <= b:
            return None
        if b == 0.0:
            return q / curvatures
        nu = (force - b) / float(curvatures.max())
        for _ in range(NEWTON_STEPS):
            a = curvatures * nu + b
            u = q / a
            h = float(u @ u)
            excess = math.sqrt(h) - 1.0
            nu += h * excess / float((curvatures / a) @ (u * u))
            if excess < 1e-7:
                break
        return q * nu / (curvatures * nu + b)

    def prox(self, z, step, partition, lam):
        """Prox of all groups with one step."""
        l1, norm = self._levels(partition, lam)
        soft = soft_threshold(z, step * partition.spread(l1))
        sizes = partition.norms(soft)
        kept = np.maximum(sizes - step * norm, 0.0) / np.where(sizes > 0, sizes, 1.0)
        return partition.spread(kept) * soft

    def value(self, w, partition, lam):
        """Sum of the penalty over all groups, as a float."""
        l1, norm = self._levels(partition, lam)
        inside = sum64(active_level(w, partition.spread(l1)) * np.abs(w))
        sizes = partition.norms(w)
        return inside + sum64(active_level(sizes, norm) * sizes)

    def critical_level(self, grad, partition, lam):
        """Multiple of its level from which on a group stays at zero.

        It is 1 / t with norm(soft(t * grad_g, a)) = b. The left side is convex in t,
        and Newton from the right of the root decreases to it.
        """
        l1, norm = self._levels(partition, lam)
        force = np.abs(grad)
        top = partition.largest(force)
        alive = (lam > 0.0) & np.isfinite(lam) & (top > 0.0)
        a = partition.spread(np.where(alive, l1, 0.0))
        b = np.where(alive, norm, 0.0)
        t = np.where(alive, l1 + norm, 0.0) / np.where(alive, top, 1.0)
        for _ in range(NEWTON_STEPS):
            soft = np.maximum(partition.spread(t) * force - a, 0.0)
            sizes = partition.norms(soft)
            slope = partition.sums(soft * force) / np.where(sizes > 0, sizes, 1.0)
            excess = np.where(alive & (sizes > 0.0), sizes - b, 0.0)
            move = np.maximum(excess, 0.0) / np.where(slope > 0.0, slope, 1.0)
            t = t - move
            if (move <= 4e-16 * t).all():
                break
        return np.where(alive, 1.0 / np.where(t > 0.0, t, 1.0), 0.0)

    def subdiff_distance(self, w, grad, partition, lam):
        """Distance of -grad to the subdifferential of the penalty, per group."""
        l1, norm = self._levels(partition, lam)
        a, sizes = partition.spread(l1), partition.norms(w)
        at_zero = np.maximum(partition.norms(soft_threshold(grad, a)) - norm, 0.0)
        safe = np.where(sizes > 0.0, sizes, 1.0)
        pull = partition.spread(active_level(sizes, norm) / safe) * w
        inside = grad + np.copysign(active_level(w, a), w) + pull
        inside = np.where(w == 0.0, soft_threshold(grad, a), inside)
        at_zero = np.where(np.isinf(lam), 0.0, at_zero)
        return np.where(sizes > 0.0, partition.norms(inside), at_zero)
