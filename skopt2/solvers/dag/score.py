r"""What a node costs with given parents: a Gaussian likelihood and a price for edges.

Symbols: S (d, d) covariance matrix of n rows, r_j(P) the residual variance of node j
after least squares on the parents P, penalty c for each edge. Twice the negative log
likelihood, profiled over the noise, and the edges cost

    "nv":   sum_j [ n log r_j(P_j) + c |P_j| ],             sigma_j^2 = r_j for a node;
    "ev":   n d log( sum_j r_j(P_j) / d ) + c sum_j |P_j|,  one sigma^2 for all.

For "nv" it is a sum over nodes. For "ev" the logarithm is concave: its tangent at the
present sigma^2,

    sum_j [ n r_j(P_j) / sigma^2 + c |P_j| ] + constant,

is above it and touches it, so that whatever lowers this sum lowers the cost. This is
the concomitant estimate of scale: 1/2 log sigma^2 + r / (2 sigma^2) is least at
sigma^2 = r.

Sources: S. Saboksayr, G. Mateos and M. Tepper, CoLiDE, ICLR 2024 (concomitant scale,
equal and unequal noise; there with r / sigma + sigma and an l1 norm); R. Foygel and M.
Drton, Extended Bayesian information criteria, NIPS 2010 (c).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dtrtrs

# Least residual variance, relative to that of the node: parents that explain more gain
# nothing by it, or a node that is a sum of others would have an infinite likelihood.
FLOOR = 1e-8
# Variance that is rounding.
NOISE = 1e-13
# Gain of a row that is rounding.
TINY = 1e-9


@dataclass(frozen=True)
class Price:
    """The cost of a residual variance, and of an edge.

    Parameters
    ----------
    n : float
        Rows.
    edge : float
        c.
    variance : float or None
        The common sigma^2; None for one of each node.
    """

    n: float
    edge: float
    variance: float | None

    def of(self, r):
        """Return the cost of a residual variance without edges."""
        if self.variance is None:
            return self.n * math.log(r)
        return self.n * r / self.variance

    def gain(self, r, less):
        """Return what the cost falls by from a residual variance to a smaller one."""
        if self.variance is None:
            return self.n * math.log(r / less)
        return self.n * (r - less) / self.variance


@dataclass(frozen=True, eq=False)
class Node:
    """A node with its parents.

    Parameters
    ----------
    parents : tuple of int
        In the order in which they entered.
    cost : float
        With its edges.
    residual : float
        r_j, at least the floor.
    drop : ndarray of shape (d,)
        By how much each other node would lower r_j as one more parent; 0 for the
        parents and the node itself.
    T : ndarray of shape (k, d)
        L^-1 S_P, with L L' the covariance matrix S_PP of the k parents.
    left : ndarray of shape (d,)
        Variances given the parents.
    cross : ndarray of shape (d,)
        Covariances with the node given the parents.
    """

    parents: tuple
    cost: float
    residual: float
    drop: np.ndarray
    T: np.ndarray
    left: np.ndarray
    cross: np.ndarray


class NodeScore:
    """Best parents of a node among candidates, by growing and shrinking.

    Parameters
    ----------
    S : ndarray of shape (d, d)
        Covariance matrix, float64, with a positive diagonal.
    price : Price
        Of residuals and edges.
    allowed : ndarray of bool of shape (d, d) or None, default=None
        Whether i may be a parent of j; None for all.
    most : int, default=None
        Largest number of parents.
    """

    def __init__(self, S, price, allowed=None, most=None):
        self.S, self.price, self.allowed = S, price, allowed
        self.most = len(S) if most is None else most
        self.diagonal = np.diag(S).copy()
        self.floor = FLOOR * self.diagonal
        self.d = len(S)
        self.slack = TINY * price.n

    def node(self, j, parents):
        """Return node j with exactly these parents."""
        S, ids = self.S, list(parents)
        if not ids:
            T = np.empty((0, self.d))
            return self._closed(j, (), T, self.diagonal, S[:, j])
        L = factor(S[np.ix_(ids, ids)])
        T = dtrtrs(L, S[ids, :], lower=1)[0]
        left = self.diagonal - np.einsum("ij,ij->j", T, T)
        return self._closed(j, tuple(ids), T, left, S[:, j] - T[:, j] @ T)

    def joined(self, j, node, i):
        """Return node j with one more parent."""
        old = node.T
        row = self.S[i] - old[:, i] @ old if len(old) else self.S[i].copy()
        row /= math.sqrt(max(node.left[i], NOISE * self.diagonal[i]))
        left, cross = node.left - row * row, node.cross - row[j] * row
        return self._closed(j, (*node.parents, i), np.vstack([old, row]), left, cross)

    def _closed(self, j, parents, T, left, cross):
        """Return the node of these moments given its parents."""
        ids = list(parents)
        r = max(float(left[j]), float(self.floor[j]))
        drop = cross * cross / np.maximum(left, NOISE * self.diagonal)
        drop[ids] = 0.0
        drop[j] = 0.0
        cost = self.price.of(r) + self.price.edge * len(ids)
        return Node(parents, cost, r, drop, T, left, cross)

    def improve(self, j, node, candidates):
        """Return the node after parents entered and left while that lowers the cost.

        Parameters
        ----------
        j : int
            Node.
        node : Node
            With parents among the candidates.
        candidates : ndarray of bool of shape (d,)
            Nodes before j.

        Returns
        -------
        node : Node
        """
        free = candidates if self.allowed is None else candidates & self.allowed[:, j]
        while True:
            while len(node.parents) < self.most:
                best = int(np.where(free, node.drop, -1.0).argmax())
                if not (free[best] and self.pays(j, node, best)):
                    break
                node = self.joined(j, node, best)
            kept = self.shrink(j, node)
            if len(kept.parents) == len(node.parents):
                return node
            node = kept

    def pays(self, j, node, i):
        """Return whether node j gains from i as one more parent."""
        less = max(node.residual - float(node.drop[i]), float(self.floor[j]))
        gain = self.price.gain(node.residual, less)
        return gain > self.price.edge + self.slack

    def shrink(self, j, node):
        """Return the node after parents left that do not pay for their edge."""
        floor = float(self.floor[j])
        while node.parents:
            P, b = self.precision(node), self.weights(j, node)
            rise = b * b / P.diagonal()
            worst = int(rise.argmin())
            raw = float(node.left[j])
            more = max(raw + float(rise[worst]), floor)
            if not self.price.gain(more, node.residual) <= self.price.edge:
                break
            node = self.node(j, node.parents[:worst] + node.parents[worst + 1 :])
        return node

    def precision(self, node):
        """Return the inverse of the covariance matrix of the parents, lower half."""
        return dpotri(node.T[:, list(node.parents)].T, lower=1)[0]

    def weights(self, j, node):
        """Return the least squares weights of the parents."""
        if not node.parents:
            return np.zeros(0)
        Lt = node.T[:, list(node.parents)]
        return dtrtrs(Lt, node.T[:, j], lower=0)[0]


def factor(A):
    """Return the Cholesky factor of a covariance matrix, nudged if it is singular."""
    lift = 0.0
    while True:
        L, info = dpotrf(A + lift * np.diag(np.diag(A)), lower=1)
        if info == 0:
            return L
        lift = max(10.0 * lift, NOISE)
