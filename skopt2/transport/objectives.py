"""Convex objectives of a transport plan, for mirror descent on the transport polytope.

Problem: min F(P) over P >= 0 with P 1 = a, P'1 = b. Symbols: P (n, m) the plan, F
convex. An objective is any object with ``value(P)``, a number, and ``gradient(P)``, a
subgradient of the shape of P; see :class:`skopt2.transport.MirrorSinkhorn`.
"""

import copy

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    move,
    namespace,
    to_numpy,
)
from skopt2._core.parameters import check_number
from skopt2.transport.dense_input import check_costs


class LinearObjective:
    """Transport cost F(P) = <P, cost>.

    For this alone :func:`skopt2.transport.sinkhorn` is faster; here it is the reference
    that other objectives are compared with.

    Parameters
    ----------
    cost : array-like of shape (n, m)
        Finite costs; float32 stays float32.

    Raises
    ------
    ValueError
        If the cost is no finite dense matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import LinearObjective
    >>> objective = LinearObjective([[0.0, 1.0], [1.0, 0.0]])
    >>> float(objective.value(np.full((2, 2), 0.25)))
    0.5
    """

    def __init__(self, cost):
        self.cost = check_costs(cost)

    @property
    def shape(self):
        """Numbers of rows and columns of the plan."""
        return tuple(int(k) for k in self.cost.shape)

    def value(self, P):
        """Objective of a plan.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        value : float or array of shape ()
            Accumulated in float64 where the device has it.
        """
        return _sum(P * self.cost)

    def gradient(self, P):
        """Subgradient of the objective at a plan.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        gradient : array of shape (n, m)
            In units of the objective for one unit of mass.
        """
        return self.cost

    def to(self, target):
        """Objective with its arrays on a target.

        Parameters
        ----------
        target : Target
            Where to compute.

        Returns
        -------
        objective : LinearObjective
            Itself where nothing has to move.
        """
        if cuda.target_of(self.cost) == target:
            return self
        moved = copy.copy(self)
        moved.cost = move(self.cost, target)
        return moved


class QuadraticObjective(LinearObjective):
    """Quadratically regularised transport, F(P) = <P, cost> + strength / 2 abs(P)^2.

    Its optimal plans are sparse, unlike those of entropic regularisation.

    Parameters
    ----------
    cost : array-like of shape (n, m)
        Finite costs; float32 stays float32.
    strength : float, default=1.0
        Nonnegative weight of half the sum of squares of the plan, in units of cost for
        one unit of mass.

    Raises
    ------
    ValueError
        If the cost is no finite dense matrix or the strength is out of range.

    References
    ----------
    M. Blondel, V. Seguy and A. Rolet, "Smooth and sparse optimal transport", AISTATS
    2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import QuadraticObjective
    >>> objective = QuadraticObjective([[0.0, 1.0], [1.0, 0.0]], strength=2.0)
    >>> float(objective.value(np.full((2, 2), 0.25)))
    0.75
    """

    def __init__(self, cost, strength=1.0):
        super().__init__(cost)
        self.strength = check_strength(strength)

    def value(self, P):
        """Objective of a plan.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        value : float or array of shape ()
            Accumulated in float64 where the device has it.
        """
        return _sum(P * self.cost) + 0.5 * self.strength * _sum(P * P)

    def gradient(self, P):
        """Gradient of the objective at a plan: cost + strength * P.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        gradient : array of shape (n, m)
            In units of the objective for one unit of mass.
        """
        return self.cost + self.strength * P


class GroupLassoObjective(LinearObjective):
    """Group-lasso transport: every target takes its mass from few groups of sources.

    F(P) = <P, cost> + strength * sum_j sum_g sqrt(sum_(i in g) P_ij^2), with the rows
    grouped by label, for instance by class in domain adaptation.

    Parameters
    ----------
    cost : array-like of shape (n, m)
        Finite costs; float32 stays float32.
    groups : array-like of shape (n,)
        Label of each row.
    strength : float, default=1.0
        Nonnegative weight of the group norms, in units of cost.

    Raises
    ------
    ValueError
        If the cost is no finite dense matrix, the strength is out of range, or there is
        not one label for each row.

    References
    ----------
    N. Courty, R. Flamary, D. Tuia and A. Rakotomamonjy, "Optimal transport for domain
    adaptation", IEEE TPAMI 39, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import GroupLassoObjective
    >>> cost = np.zeros((2, 2))
    >>> objective = GroupLassoObjective(cost, groups=["a", "a"], strength=1.0)
    >>> float(objective.value(np.array([[3.0, 0.0], [4.0, 1.0]])))
    6.0
    """

    def __init__(self, cost, groups, strength=1.0):
        super().__init__(cost)
        self.strength = check_strength(strength)
        groups = np.asarray(to_numpy(groups) if hasattr(groups, "dtype") else groups)
        if groups.shape != (self.shape[0],):
            raise ValueError(
                f"groups has the shape {groups.shape}, expected ({self.shape[0]},): "
                "one label for each row of cost."
            )
        labels, codes = np.unique(groups, return_inverse=True)
        member = np.arange(labels.size)[:, None] == codes[None, :]
        self.groups = groups
        self._member = asarray_like(member.astype(np.float64), self.cost)

    def value(self, P):
        """Objective of a plan.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        value : float or array of shape ()
            Accumulated in float64 where the device has it.
        """
        return _sum(P * self.cost) + self.strength * _sum(self._norms(P))

    def gradient(self, P):
        """Subgradient of the objective at a plan; 0 for the norm of an empty group.

        Parameters
        ----------
        P : array of shape (n, m)
            Plan, beside the cost.

        Returns
        -------
        gradient : array of shape (n, m)
            In units of the objective for one unit of mass.
        """
        xp = namespace(P)
        norms = self._norms(P)
        safe = xp.where(norms > 0, norms, xp.ones_like(norms))
        inverse = xp.where(norms > 0, 1.0 / safe, xp.zeros_like(norms))
        return self.cost + self.strength * P * (
            xp.matrix_transpose(self._member) @ inverse
        )

    def to(self, target):
        """Objective with its arrays on a target.

        Parameters
        ----------
        target : Target
            Where to compute.

        Returns
        -------
        objective : GroupLassoObjective
            Itself where nothing has to move.
        """
        moved = super().to(target)
        if moved is not self:
            moved._member = move(self._member, target)
        return moved

    def _norms(self, P):
        """Return the norm of every group in every column, (k, m)."""
        return namespace(P).sqrt(self._member @ (P * P))


def check_strength(strength):
    """Return a nonnegative finite number as a float, or raise ValueError."""
    return check_number("strength", strength, 0)


def _sum(x):
    """Return the sum as an array of shape (), which does not wait for the device."""
    return namespace(x).sum(x, dtype=accumulation_dtype(x))
