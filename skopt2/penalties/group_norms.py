"""Penalties of the norms of groups, as a penalty of features beside X.

Problem: min_w f(w) + sum_g pen(|w_g|; lam_g), see :mod:`skopt2.penalties.group`.
Symbols: w (p,) or (p, K), a group has all outputs of its features; lam (p,) or (p, 1),
the level of the group of each feature.

Blocks are updated one after the other on the host. Here all groups move at once, on
whatever device the arrays are: the norms of groups come from a gather of squares, and
the scalar penalty does the rest.

Source: M. Yuan and Y. Lin, JRSS B 68, 2006, eq. 2.3; N. Parikh and S. Boyd, Proximal
Algorithms, 2014, section 6.5.1, for the prox of a function of a norm.
"""

import numpy as np

from skopt2._core.array import asarray_like, namespace, take, to_numpy
from skopt2.penalties.base import Penalty


class GroupNorms(Penalty):
    """A scalar penalty of the norms of groups of features.

    Parameters
    ----------
    penalty : GroupPenalty
        A rotatable one, such as ``GroupLasso()``.
    index : ndarray of int of shape (p,)
        Number of the group of each feature, on the host.
    """

    separable = False

    def __init__(self, penalty, index):
        self.penalty, self.index = penalty, index
        # By namespace: certificates are formed on the host.
        self._places, self._shape = {}, (0, 0)

    @property
    def name(self):
        """That of the group penalty."""
        return self.penalty.name

    @property
    def convex(self):
        """Whether the scalar penalty is convex."""
        return self.penalty.convex

    def restrict(self, index):
        """Return the penalty of a subset of the features; see Penalty."""
        return GroupNorms(self.penalty, self.index[to_numpy(index)])

    def _gathers(self, x):
        """Return the places of the groups' features, of the groups, and of firsts.

        The features of a group are a row, filled up with the place after the last.
        """
        key = namespace(x).__name__
        if key not in self._places:
            _, numbers, sizes = np.unique(
                self.index, return_inverse=True, return_counts=True
            )
            m, order = self.index.size, np.argsort(numbers, kind="stable")
            row = numbers[order]
            column = np.arange(m) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            members = np.full((sizes.size, sizes.max(initial=0)), m)
            members[row, column] = order
            kind = namespace(x).int64
            self._places[key] = [
                asarray_like(places, x, dtype=kind)
                for places in (members.ravel(), numbers, order[column == 0])
            ]
            self._shape = members.shape
        return self._places[key]

    def sizes(self, w):
        """Return the norms of the groups, (G,).

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Values of the features.
        """
        xp = namespace(w)
        members, _, _ = self._gathers(w)
        if w.shape[0] == 0:
            return xp.zeros_like(w[..., 0] if w.ndim == 2 else w)
        top = xp.max(xp.abs(w))
        unit = xp.where(top > 0.0, top, xp.ones_like(top))
        squares = (w / unit) ** 2
        squares = squares if w.ndim == 1 else xp.sum(squares, axis=1)
        padded = xp.concat([squares, xp.zeros_like(squares[:1])])
        sums = xp.sum(xp.reshape(take(padded, members), self._shape), axis=1)
        return unit * sums**0.5

    def spread(self, values, w):
        """Return one number a group as one a feature, shaped to broadcast to w."""
        out = take(values, self._gathers(w)[1])
        return out if w.ndim == 1 else out[:, None]

    def _of_groups(self, values, w):
        """Return what is one number a feature, equal within a group, as (G,)."""
        if isinstance(values, (int, float)):
            return values
        flat = values if values.ndim == 1 else values[:, 0]
        return take(flat, self._gathers(w)[2])

    def pull(self, grad):
        """Return the norm of the gradient of the group of each feature."""
        return namespace(grad).zeros_like(grad) + self.spread(self.sizes(grad), grad)

    def value(self, w, lam):
        """Return the sum of the penalty over the groups; see Penalty."""
        return self.penalty.scalar.value(self.sizes(w), self._of_groups(lam, w))

    def prox(self, z, step, lam):
        """Return the prox; the steps of the features of a group are equal."""
        xp, sizes = namespace(z), self.sizes(z)
        new = self.penalty.scalar.prox(
            sizes, self._of_groups(step, z), self._of_groups(lam, z)
        )
        return self.spread(new / xp.where(sizes > 0.0, sizes, 1.0), z) * z

    def derivative(self, w, lam):
        """Return the derivative where a group is not zero, 0 elsewhere."""
        return self.spread(self._slope(w, lam), w) * w

    def _slope(self, w, lam):
        """Return the slope of the scalar penalty over the norm, (G,)."""
        xp, sizes = namespace(w), self.sizes(w)
        slope = self.penalty.scalar.derivative(sizes, self._of_groups(lam, w))
        return slope / xp.where(sizes > 0.0, sizes, 1.0)

    def region(self, w, lam):
        """Return 1 where a group is not zero; see Penalty."""
        xp = namespace(w)
        used = self.spread(xp.astype(self.sizes(w) > 0.0, xp.int8), w)
        return xp.zeros_like(w, dtype=xp.int8) + used

    def subdiff_distance(self, w, grad, lam):
        """Return the Euclidean distance of the group of each feature."""
        xp = namespace(w)
        moved = self.sizes(grad + self.derivative(w, lam))
        level = self._of_groups(lam, w)
        distance = xp.where(
            self.sizes(w) > 0.0, moved, xp.maximum(moved - level, 0.0 * moved)
        )
        return xp.zeros_like(w) + self.spread(distance, w)

    def dual_scale(self, u, lam):
        """Return the factor that makes a dual point feasible, (p,) on the host."""
        level = self._of_groups(lam, u)
        safe = np.where(level > 0.0, level, np.inf)
        return 1.0 / max(1.0, float((self.sizes(u) / safe).max(initial=0.0)))

    def conjugate(self, u, lam):
        """Return the conjugate at a feasible point: 0."""
        return 0.0
