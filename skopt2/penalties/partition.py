"""Groups of coordinates, and what is summed over them.

Symbols: index (m,), the group of each coordinate, in 0, ..., G - 1. The groups of a
partition do not overlap, and need not be contiguous; a group may be empty. Those of a
cover may share features: each group has a coefficient of its own for every feature in
it, and these are what is partitioned.
"""

import numpy as np


class Partition:
    """Disjoint groups of coordinates, in host memory.

    Parameters
    ----------
    index : ndarray of int of shape (m,)
        Group of each coordinate, from 0 to G - 1.
    n_groups : int, default=None
        Number G of groups, if the last ones may be empty.
    """

    def __init__(self, index, n_groups=None):
        self.index = np.asarray(index, dtype=np.int64)
        self.sizes = np.bincount(self.index, minlength=n_groups or 0)
        self.n_groups = self.sizes.size
        self._order = np.argsort(self.index, kind="stable")
        self._ends = np.cumsum(self.sizes)

    def members(self, group):
        """Return the coordinates of a group, in increasing order."""
        end = self._ends[group]
        return self._order[end - self.sizes[group] : end]

    def sums(self, values):
        """Return the sum of coordinate values over each group, (G,), in float64."""
        return np.bincount(self.index, weights=values, minlength=self.n_groups)

    def largest(self, values):
        """Return the largest of nonnegative coordinate values in each group, (G,)."""
        top = np.zeros(self.n_groups)
        used = np.flatnonzero(self.sizes)
        if used.size:
            starts = (self._ends - self.sizes)[used]
            top[used] = np.maximum.reduceat(values[self._order], starts)
        return top

    def norms(self, values):
        """Return the Euclidean norm of each group, (G,), safe from underflow."""
        top = self.largest(np.abs(values))
        unit = np.where(top > 0.0, top, 1.0)
        return unit * np.sqrt(self.sums((values / unit[self.index]) ** 2))

    def spread(self, values):
        """Return one number per group as one per coordinate, (m,)."""
        return values[self.index]


class Cover:
    """Groups of features that may share some of them, in host memory.

    Parameters
    ----------
    members : list of array-like of int
        Features of each group, none of them empty.
    """

    def __init__(self, members):
        self._members = [np.unique(np.asarray(own, dtype=np.int64)) for own in members]
        self.sizes = np.array([own.size for own in self._members])
        self.n_groups = self.sizes.size
        # One coefficient for each pair of a group and a feature in it.
        self.features = np.concatenate(self._members)
        self.partition = Partition(np.repeat(np.arange(self.n_groups), self.sizes))

    def members(self, group):
        """Return the features of a group, in increasing order."""
        return self._members[group]

    def sums(self, values):
        """Return the sum of feature values over each group, (G,), in float64."""
        return self.partition.sums(values[self.features])
