"""Penalties of groups of coefficients: a scalar penalty of their Euclidean norms.

Problem: min_w f(w) + sum_g pen(|w_g|; lam_g), with lam_g = alpha * weight_g in
[0, inf].

Symbols: w (m,); partition, the groups of its coordinates; lam (G,), 0 where a group is
unpenalised and inf where it is excluded; grad (m,), the gradient of f. All of them are
in host memory.

The prox of a function of the norm keeps the direction and moves the norm by the prox of
the scalar penalty, so the group lasso, the group MCP and the group SCAD share all code
but that one line. No such penalty changes when the coordinates of a group are rotated.

Sources: M. Yuan and Y. Lin, Model selection and estimation in regression with grouped
variables, JRSS B 68, 2006, eq. 2.1 and 2.3; P. Breheny and J. Huang, Group descent
algorithms for nonconvex penalized linear and logistic regression models with grouped
predictors, Statistics and Computing 25, 2015, section 2.
"""

import math

import numpy as np
from sklearn.base import BaseEstimator

from skopt2.penalties.l1 import L1


class GroupPenalty(BaseEstimator):
    """Base of the group penalties: defaults for a scalar penalty of the norm.

    A group penalty only knows a shape. Groups and levels arrive with each call, so one
    object serves any data and a whole path.

    With several outputs a group is all coefficients of its features, end to end.
    """

    name = ""
    convex = True
    # Whether rotating the coordinates of a group leaves the penalty as it is.
    rotatable = True
    # Whether the level of a group grows with the root of its size by default.
    weighs_sizes = True

    @property
    def scalar(self):
        """The scalar penalty of the norm."""
        raise NotImplementedError

    @property
    def has_gap(self):
        """True if scaling a dual point can make it feasible: a duality gap exists."""
        return self.convex

    def check_parameters(self):
        """Raise ValueError if a parameter is out of range."""
        self.scalar.check_parameters()

    def for_outputs(self, n_outputs):
        """Return the penalty for groups of rows of coefficients.

        Parameters
        ----------
        n_outputs : int
            Coefficients of a feature: a group of d features has d * n_outputs.

        Returns
        -------
        penalty : GroupPenalty
            The same one unless it counts features.
        """
        return self

    def shrink(self, size, step, lam):
        """Prox of the scalar penalty at one norm, in plain floats.

        Parameters
        ----------
        size : float
            Nonnegative norm.
        step : float
            Positive step of any size.
        lam : float
            Level of the group, in [0, inf].

        Returns
        -------
        size : float
            Norm of the prox.
        """
        return float(self.scalar.prox(np.float64(size), step, np.float64(lam)))

    def slope(self, size, lam):
        """Derivative of the scalar penalty at one norm, in plain floats.

        Parameters
        ----------
        size : float
            Nonnegative norm; at 0 the derivative is that from the right.
        lam : float
            Level of the group, finite.

        Returns
        -------
        slope : float
            Nonnegative; decreasing in ``size`` for a concave penalty.
        """
        if size == 0.0:
            return lam
        return float(self.scalar.derivative(np.float64(size), np.float64(lam)))

    def block_prox(self, z, step, lam):
        """Prox of one group: minimiser of norm(v - z)^2 / (2 step) + pen(v; lam).

        Parameters
        ----------
        z : ndarray of shape (d,)
            Point.
        step : float
            Positive step of any size.
        lam : float
            Level of the group, in [0, inf].

        Returns
        -------
        v : ndarray of shape (d,) or None
            None stands for zero.
        """
        size = math.sqrt(z @ z)
        new = self.shrink(size, step, lam)
        return z * (new / size) if new > 0.0 else None

    def prox(self, z, step, partition, lam):
        """Prox of all groups with one step.

        Parameters
        ----------
        z : ndarray of shape (m,)
            Points.
        step : float
            Positive step of any size.
        partition : Partition
            Groups of the coordinates.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        v : ndarray of shape (m,)
            Minimisers.
        """
        sizes = partition.norms(z)
        factor = self.scalar.prox(sizes, step, lam) / np.where(sizes > 0, sizes, 1.0)
        return partition.spread(factor) * z

    def value(self, w, partition, lam):
        """Sum of the penalty over all groups, as a float.

        Parameters
        ----------
        w : ndarray of shape (m,)
            Coefficients.
        partition : Partition
            Their groups.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        value : float
            An excluded group at 0 counts 0.
        """
        return self.scalar.value(partition.norms(w), lam)

    def critical_level(self, grad, partition, lam):
        """Multiple of its level from which on a group stays at zero.

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
            A group at zero is stationary where it is at most 1. 0 for excluded groups
            and for unpenalised ones, which no multiple keeps out.
        """
        safe = np.where(lam > 0.0, lam, np.inf)
        return partition.norms(grad) / safe

    def subdiff_distance(self, w, grad, partition, lam):
        """Distance of -grad to the subdifferential of the penalty, per group.

        Parameters
        ----------
        w : ndarray of shape (m,)
            Coefficients.
        grad : ndarray of shape (m,)
            Gradient of the smooth part.
        partition : Partition
            Their groups.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        distance : ndarray of shape (G,)
            Euclidean; 0 for excluded groups.
        """
        sizes = partition.norms(w)
        safe = np.where(sizes > 0.0, sizes, 1.0)
        slope = self.scalar.derivative(sizes, lam) / safe
        moved = partition.norms(grad + partition.spread(slope) * w)
        return np.where(sizes > 0.0, moved, np.maximum(moved - lam, 0.0))

    def bend(self, v, lam):
        """Hessian of the penalty at one group, for degrees of freedom.

        That of a concave penalty is the one of its tangent, a group lasso whose level
        is the slope: positive semidefinite, and 0 where the penalty is flat.

        Parameters
        ----------
        v : ndarray of shape (d,)
            The coefficients of the group; those that are not zero, where the penalty
            selects inside a group.
        lam : float
            Level of the group, finite.

        Returns
        -------
        hessian : ndarray of shape (d, d)
            Zero at ``lam=0``.
        """
        size = math.sqrt(v @ v)
        unit = v / size
        slope = self.slope(size, lam) / size
        return slope * (np.eye(v.size) - np.outer(unit, unit))

    def dual_scale(self, u, partition, lam):
        """Largest t in (0, 1] with a finite conjugate at t * u, for convex penalties.

        Parameters
        ----------
        u : ndarray of shape (m,)
            Dual point: minus the gradient of the smooth part.
        partition : Partition
            Groups of the coordinates.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        t : float
            The conjugate is 0 wherever it is finite.
        """
        return 1.0 / max(1.0, float(self.critical_level(u, partition, lam).max()))

    def conjugate(self, u, partition, lam):
        """Sum of the conjugates of all groups, for convex penalties, as a float.

        Parameters
        ----------
        u : ndarray of shape (m,)
            Dual point, scaled by :meth:`dual_scale`.
        partition : Partition
            Groups of the coordinates.
        lam : ndarray of shape (G,)
            Level per group.

        Returns
        -------
        value : float
            0 where the conjugate of a norm is finite.
        """
        return 0.0

    def alpha_max(self, grad, partition, weights):
        """Smallest alpha for which w = 0 is stationary.

        Parameters
        ----------
        grad : ndarray of shape (m,)
            Gradient of the smooth part at w = 0.
        partition : Partition
            Groups of the coordinates.
        weights : ndarray of shape (G,)
            Level per unit of alpha; groups with 0 or inf do not count.

        Returns
        -------
        alpha : float
            0.0 if no group is penalised.
        """
        return float(self.critical_level(grad, partition, weights).max())


class GroupLasso(GroupPenalty):
    """Group lasso: lam * norm of the group, Yuan and Lin (2006).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import GroupLasso
    >>> GroupLasso().block_prox(np.array([3.0, 4.0]), 1.0, 2.5).tolist()
    [1.5, 2.0]
    """

    name = "group_lasso"

    @property
    def scalar(self):
        """The absolute value."""
        return L1()

    def shrink(self, size, step, lam):
        """Prox of lam * size: soft thresholding."""
        return max(size - step * lam, 0.0)
