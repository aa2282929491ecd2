"""Maps that carry points by the potentials of a transport problem.

Symbols: z_j (m, d) points to which the cost is measured, v_j (m, d) the images that
they stand for, h_j (m,) their potentials, c the ground cost, eps the regularisation;

    T(x) = sum_j w_j(x) v_j,  w_j(x) = softmax_j((h_j - c(x, z_j)) / eps),

which for a point x of the problem is the mean of its row of the plan, and needs no
potential of x: the same formula serves points that the problem never saw.

Classes. If the cost of the problem is c(x_i, z_j) + L_kj for a point x_i of class k,
the row of the plan depends on the class. A new point has no label: with p_k(x) the
share of class k around it, see :class:`skopt2.transport.label_cost.Neighbourhood`,

    T(x) = sum_k p_k(x) sum_j softmax_j((h_j - c(x, z_j) - L_kj) / eps) v_j.

Sources: A.-A. Pooladian and J. Niles-Weed, Entropic estimation of optimal transport
maps, 2021; A.-A. Pooladian, M. Cuturi and J. Niles-Weed, Debiaser beware, ICML 2022;
P. Kassraie, A.-A. Pooladian, M. Klein, J. Thornton, J. Niles-Weed and M. Cuturi,
Progressive entropic optimal transport solvers, NeurIPS 2024.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import namespace
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.geometry import DEVICE_BLOCK, HOST_BLOCK


@dataclass(frozen=True, eq=False)
class EntropicMap:
    """Entropic map of one problem.

    Parameters
    ----------
    centre : array of shape (d,)
        Subtracted from the points that are mapped.
    anchors : array of shape (m, d)
        Points z_j, relative to the centre of their cloud.
    images : array of shape (m, d)
        Points v_j, relative to ``offset``.
    offset : array of shape (d,)
        Added to the images.
    potential : array of shape (m,)
        Potentials h_j for the cost between centred points; -inf without mass.
    reg : float
        Regularisation, in the unit of the cost.
    metric : str or callable
        Ground cost.
    classes : Neighbourhood, default=None
        Cost of classes.
    """

    centre: Any
    anchors: Any
    images: Any
    offset: Any
    potential: Any
    reg: float
    metric: Any
    classes: Any = None

    @property
    def like(self):
        """An array in the dtype and on the device of the map."""
        return self.anchors

    def __call__(self, X):
        """Return the images of points, shape (n, d)."""
        xp, n, m = namespace(X), int(X.shape[0]), int(self.anchors.shape[0])
        step = max(1, (HOST_BLOCK if xp is np else DEVICE_BLOCK) // m)
        cost, parts = ground_cost(self.metric), []
        for i in range(0, n, step):
            x = X[i : min(i + step, n), :] - self.centre
            z = (self.potential[None, :] - cost.block(x, self.anchors)) / self.reg
            parts.append(self._images(x, z))
        return xp.concat(parts) + self.offset

    def _images(self, x, z):
        """Return the images of centred points, less the offset."""
        if self.classes is None:
            return _softmax(z) @ self.images
        total = 0.0
        for share, penalty in self.classes.groups(x):
            weights = _softmax(z - penalty / self.reg)
            total = total + share[:, None] * (weights @ self.images)
        return total


@dataclass(frozen=True, eq=False)
class DebiasedMap:
    """An entropic map without the blur that the map of a measure to itself has.

    Parameters
    ----------
    forward : EntropicMap
        To the other measure.
    own : EntropicMap
        Of the measure to itself, at the same regularisation.
    """

    forward: Any
    own: Any

    @property
    def like(self):
        """An array in the dtype and on the device of the map."""
        return self.forward.like

    def __call__(self, X):
        """Return x + T(x) - T_own(x), shape (n, d)."""
        return X + (self.forward(X) - self.own(X))


@dataclass(frozen=True, eq=False)
class ProgressiveMap:
    """Entropic maps one after the other, each but the last part of the way.

    Parameters
    ----------
    maps : list of EntropicMap
        Each from where the points are by then.
    shares : list of float
        Share of the way that each goes; the last is 1.
    """

    maps: list
    shares: list

    @property
    def like(self):
        """An array in the dtype and on the device of the maps."""
        return self.maps[0].like

    def __call__(self, X):
        """Return the images of points, shape (n, d)."""
        for one, share in zip(self.maps, self.shares, strict=True):
            X = advance(X, one, share)
        return X


def advance(X, one, share):
    """Return points moved a share of the way to their images."""
    return one(X) if share == 1.0 else X + share * (one(X) - X)


def _softmax(z):
    """Return rows of weights that sum to one; z may be -inf, though not a whole row."""
    xp = namespace(z)
    weights = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return weights / xp.sum(weights, axis=1, keepdims=True)
