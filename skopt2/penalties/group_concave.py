"""Concave penalties of the norms of groups: groups that are large are not shrunk.

Problem and symbols as in :mod:`skopt2.penalties.group`.

Source: P. Breheny and J. Huang, Group descent algorithms for nonconvex penalized linear
and logistic regression models with grouped predictors, Statistics and Computing 25,
2015, section 2.
"""

import math

from skopt2.penalties.group import GroupPenalty
from skopt2.penalties.mcp import MCP
from skopt2.penalties.scad import SCAD


class GroupMCP(GroupPenalty):
    """Group MCP: the minimax concave penalty of the norm of the group.

    Parameters
    ----------
    gamma : float, default=3.0
        Concavity, greater than 1: the penalty is flat beyond ``gamma * lam``.

    References
    ----------
    Breheny and Huang, Statistics and Computing 25, 2015, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import GroupMCP
    >>> GroupMCP(gamma=2.0).block_prox(np.array([3.0, 4.0]), 1.0, 2.5).tolist()
    [3.0, 4.0]
    """

    name = "group_mcp"
    convex = False

    def __init__(self, gamma=3.0):
        self.gamma = gamma

    @property
    def scalar(self):
        """The minimax concave penalty."""
        return MCP(self.gamma)

    def slope(self, size, lam):
        """Derivative of the MCP, which falls to 0 at gamma * lam."""
        return max(lam - size / self.gamma, 0.0)

    def shrink(self, size, step, lam):
        """Prox of the MCP: firm thresholding, and hard for long steps."""
        gamma = self.gamma
        if step >= gamma:
            return size if size > lam * math.sqrt(gamma * step) else 0.0
        if size > gamma * lam:
            return size
        return max(size - step * lam, 0.0) / (1.0 - step / gamma)


class GroupSCAD(GroupPenalty):
    """Group SCAD: smoothly clipped absolute deviation of the norm of the group.

    Parameters
    ----------
    gamma : float, default=3.7
        Greater than 2: the penalty is flat beyond ``gamma * lam``.

    References
    ----------
    Breheny and Huang, Statistics and Computing 25, 2015, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import GroupSCAD
    >>> GroupSCAD().block_prox(np.array([3.0, 4.0]), 1.0, 2.5).tolist()
    [1.5, 2.0]
    """

    name = "group_scad"
    convex = False

    def __init__(self, gamma=3.7):
        self.gamma = gamma

    @property
    def scalar(self):
        """The smoothly clipped absolute deviation."""
        return SCAD(self.gamma)

    def slope(self, size, lam):
        """Derivative of SCAD: lam, then falling to 0 at gamma * lam."""
        return min(lam, max(self.gamma * lam - size, 0.0) / (self.gamma - 1.0))

    def shrink(self, size, step, lam):
        """Prox of SCAD: soft, then falling, then no shrinkage."""
        gamma, soft = self.gamma, max(size - step * lam, 0.0)
        if step < gamma - 1.0:
            if size > gamma * lam:
                return size
            if size <= lam * (1.0 + step):
                return soft
            reach = size - step * lam * gamma / (gamma - 1.0)
            return max(reach, 0.0) * (gamma - 1.0) / (gamma - 1.0 - step)
        if step <= gamma + 1.0:
            meet = 0.5 * (gamma + 1.0 + step)
        else:
            meet = math.sqrt((gamma + 1.0) * step)
        return size if size > lam * meet else soft
