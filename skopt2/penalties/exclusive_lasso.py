"""The exclusive lasso: features of one group compete, and no group is empty.

Penalty of a group: lam / 2 * |w_g|_1^2. What a feature pays for another unit is lam
times the size of its whole group, so that the largest pull in a group lasts: features
leave, and the last one stays at any level.

Prox: v = soft(z, tau) with tau = t * |v|_1, t = step * lam. If k features stay, the
largest, their sizes sum to (sum of the k largest |z|) / (1 + t k); k is the largest
number whose smallest |z| is above tau. A sort finds it.

Conjugate of a group: |u_g|_inf^2 / (2 lam), finite everywhere, so that every dual point
is feasible and the duality gap needs no scaling.

Sources: Y. Zhou, R. Jin and S. Hoi, Exclusive lasso for multi-task feature selection,
AISTATS 2010; F. Campbell and G. Allen, Within group variable selection through the
exclusive lasso, Electronic Journal of Statistics 11, 2017.
"""

import math

import numpy as np

from skopt2._core.array import sum64
from skopt2.penalties.base import active_level
from skopt2.penalties.group import GroupPenalty


class ExclusiveLasso(GroupPenalty):
    """Exclusive lasso of Zhou, Jin and Hoi (2010): lam / 2 times the squared l1 norm.

    References
    ----------
    Zhou, Jin and Hoi, AISTATS 2010; Campbell and Allen, Electronic Journal of
    Statistics 11, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import ExclusiveLasso
    >>> ExclusiveLasso().block_prox(np.array([3.0, 1.0]), 1.0, 1.0).tolist()
    [1.5, 0.0]
    """

    name = "exclusive_lasso"
    rotatable = False
    # A level acts on a group like that of a ridge, which does not grow with its size.
    weighs_sizes = False

    def check_parameters(self):
        """Do nothing: there is no parameter."""

    def block_prox(self, z, step, lam):
        """Prox of one group: a soft threshold in proportion to what is left."""
        if math.isinf(lam):
            return None
        t, size = step * lam, np.abs(z)
        falling = np.sort(size)[::-1]
        taus = np.cumsum(falling) * (t / (1.0 + t * np.arange(1, z.size + 1)))
        kept = np.count_nonzero(falling > taus)
        if kept == 0:
            return None
        return np.copysign(np.maximum(size - float(taus[kept - 1]), 0.0), z)

    def scaled_prox(self, z, curvatures, lam):
        """Prox of one group in a diagonal metric.

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
        size = np.abs(z)
        force = curvatures * size
        order = np.argsort(-force)
        totals = np.cumsum(size[order]) / (
            1.0 + lam * np.cumsum(1.0 / curvatures[order])
        )
        kept = np.count_nonzero(force[order] > lam * totals)
        if kept == 0:
            return None
        tau = lam * float(totals[kept - 1])
        return np.copysign(np.maximum(force - tau, 0.0) / curvatures, z)

    def prox(self, z, step, partition, lam):
        """Prox of all groups with one step."""
        parts, v = (partition.members(g) for g in range(partition.n_groups)), z * 0.0
        for members, level in zip(parts, lam, strict=True):
            part = self.block_prox(z[members], step, float(level))
            if part is not None:
                v[members] = part
        return v

    def value(self, w, partition, lam):
        """Sum of the penalty over all groups, as a float."""
        sizes = partition.sums(np.abs(w))
        return 0.5 * sum64(active_level(sizes, lam) * sizes * sizes)

    def critical_level(self, grad, partition, lam):
        """Multiple of its level from which on a group stays at zero: there is none.

        Parameters
        ----------
        grad : ndarray of shape (m,)
            Gradient of the smooth part.
        partition : Partition
            Groups of the coordinates.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        multiple : ndarray of shape (G,)
            Infinite wherever there is a pull; 0 for excluded and unpenalised groups.
        """
        pulled = (partition.largest(np.abs(grad)) > 0.0) & (lam > 0.0)
        return np.where(pulled & np.isfinite(lam), np.inf, 0.0)

    def subdiff_distance(self, w, grad, partition, lam):
        """Distance of -grad to the subdifferential of the penalty, per group."""
        sizes = partition.sums(np.abs(w))
        level = partition.spread(active_level(sizes, lam) * sizes)
        at_zero = np.maximum(np.abs(grad) - level, 0.0)
        moved = np.where(w == 0.0, at_zero, grad + np.copysign(level, w))
        return np.where(np.isinf(lam), 0.0, partition.norms(moved))

    def dual_scale(self, u, partition, lam):
        """Return 1: the conjugate is finite everywhere."""
        return 1.0

    def conjugate(self, u, partition, lam):
        """Sum of the conjugates of the groups, as a float; levels are positive."""
        force = partition.largest(np.abs(u))
        return 0.5 * sum64(force * force / lam)

    def bend(self, v, lam):
        """Hessian of the penalty in the nonzero coefficients of one group."""
        return lam * np.outer(np.sign(v), np.sign(v))
