"""A search space: dictionaries of parameters as points that a surrogate can learn from.

Raw points are rows u in [0, 1]^r, one coordinate a parameter (`dimension.py`), after
one that says which dictionary is meant if there are several. ``snap`` makes rows that
mean the same candidate equal, ``encode`` gives the columns of a surrogate, ``decode``
the dictionary. A parameter that is in several dictionaries with the same distribution
has one coordinate, so what is learned of it in one counts in the others; a parameter
that a dictionary does not have stands at 1/2 in its rows.
"""

import math

import numpy as np

from skopt2.solvers.search.dimension import Categorical, read_dimension, same

# A finite space up to this size is searched in full at every step.
ENUMERABLE = 4096


class SearchSpace:
    """Points of a space of parameters.

    Parameters
    ----------
    param_distributions : dict or list of dicts
        Frozen distributions of SciPy or lists of values, by parameter name.

    Raises
    ------
    ValueError
        If it is empty, or an entry is neither a distribution nor a list.
    """

    def __init__(self, param_distributions):
        branches = param_distributions
        if not isinstance(branches, (list, tuple)):
            branches = [branches]
        if not branches or not all(isinstance(branch, dict) for branch in branches):
            raise ValueError(
                "param_distributions must be a dictionary or a list of dictionaries; "
                f"got {param_distributions!r}."
            )
        if not any(branches):
            raise ValueError(
                "param_distributions is empty: there is nothing to search. Name at "
                "least one parameter."
            )
        self.dimensions = []
        self._given = []
        if len(branches) > 1:
            which = range(len(branches))
            self._add(None, which, Categorical(which))
        first = len(self.dimensions)
        self.branches = [
            {name: self._find(name, given) for name, given in branch.items()}
            for branch in branches
        ]
        self.n_raw = len(self.dimensions)
        self.n_columns = sum(dimension.width for dimension in self.dimensions)
        # Which raw coordinates each dictionary has.
        self._active = np.zeros((len(branches), self.n_raw), dtype=bool)
        self._active[:, :first] = True
        for index, branch in enumerate(self.branches):
            self._active[index, list(branch.values())] = True
        self.sizes = [self._size(branch) for branch in self.branches]
        finite = all(size is not None for size in self.sizes)
        self.size = sum(self.sizes) if finite else None

    def snap(self, raw):
        """Return raw points with one row for each candidate that they mean.

        Parameters
        ----------
        raw : ndarray of shape (m, n_raw)
            Anywhere; coordinates outside [0, 1] move to its ends.

        Returns
        -------
        points : ndarray of shape (m, n_raw)
            Equal rows for equal candidates.
        """
        raw = np.clip(raw, 0.0, 1.0)
        points = np.empty_like(raw)
        for column, dimension in enumerate(self.dimensions):
            points[:, column] = dimension.snap(raw[:, column])
        return np.where(self._active[self.branch(points)], points, 0.5)

    def encode(self, points):
        """Return the columns of a surrogate.

        Parameters
        ----------
        points : ndarray of shape (m, n_raw)
            Snapped points.

        Returns
        -------
        columns : ndarray of shape (m, n_columns)
            In [0, 1].
        """
        active = self._active[self.branch(points)]
        blocks = []
        for column, dimension in enumerate(self.dimensions):
            block = dimension.columns(points[:, column])
            blocks.append(np.where(active[:, column, None], block, 0.5))
        return np.concatenate(blocks, axis=1)

    def decode(self, point):
        """Return the parameters that a snapped point means.

        Parameters
        ----------
        point : ndarray of shape (n_raw,)
            A row of ``snap``.

        Returns
        -------
        params : dict
            Values by parameter name.
        """
        branch = self.branches[self.branch(point[None])[0]]
        return {
            name: self.dimensions[column].value(point[column])
            for name, column in branch.items()
        }

    def locate(self, params):
        """Return the snapped point of a dictionary of parameters.

        Parameters
        ----------
        params : dict
            Values by parameter name.

        Returns
        -------
        point : ndarray of shape (n_raw,)
            The row that ``decode`` turns into ``params``.

        Raises
        ------
        ValueError
            If no dictionary of the space has these parameters.
        """
        for index, branch in enumerate(self.branches):
            if branch.keys() == params.keys():
                point = np.full((1, self.n_raw), 0.5)
                if len(self.branches) > 1:
                    point[0, 0] = self.dimensions[0].level(index)
                for name, column in branch.items():
                    point[0, column] = self.dimensions[column].coordinate(params[name])
                return self.snap(point)[0]
        raise ValueError(
            f"The space has no dictionary with the parameters {sorted(params)}."
        )

    def branch(self, points):
        """Return which dictionary each point belongs to, shape (m,)."""
        if len(self.branches) == 1:
            return np.zeros(len(points), dtype=np.intp)
        n_branches = len(self.branches)
        return np.minimum((points[:, 0] * n_branches).astype(np.intp), n_branches - 1)

    def members(self, start=0):
        """Yield the snapped points of a finite space, one row at a time.

        Parameters
        ----------
        start : int, default=0
            Number of the first; after the last comes number 0.

        Yields
        ------
        point : ndarray of shape (n_raw,)
            A row of ``snap``.
        """
        for number in range(start, start + self.size):
            yield self._member(number % self.size)

    def _member(self, number):
        index = 0
        while number >= self.sizes[index]:
            number -= self.sizes[index]
            index += 1
        point = np.full(self.n_raw, 0.5)
        if len(self.branches) > 1:
            point[0] = self.dimensions[0].level(index)
        for column in self.branches[index].values():
            number, level = divmod(number, self.dimensions[column].n_levels)
            point[column] = self.dimensions[column].level(level)
        return point

    def _size(self, branch):
        levels = [self.dimensions[column].n_levels for column in branch.values()]
        return None if None in levels else math.prod(levels)

    def _find(self, name, given):
        """Return the coordinate of a parameter, a new one unless it has one."""
        dimension = read_dimension(name, given)
        for column, (other, description) in enumerate(self._given):
            if other == name and _alike(description, given):
                return column
        return self._add(name, given, dimension)

    def _add(self, name, given, dimension):
        self._given.append((name, given))
        self.dimensions.append(dimension)
        return len(self.dimensions) - 1


def _alike(a, b):
    """Say whether two distributions or lists are the same."""
    if a is b:
        return True
    if hasattr(a, "dist") and hasattr(b, "dist"):
        return (
            type(a.dist) is type(b.dist)
            and same(a.args, b.args)
            and same(a.kwds, b.kwds)
            # Distributions of one class can differ in what args do not say.
            and same(a.dist.name, b.dist.name)
            and getattr(a.dist, "xk", None) is getattr(b.dist, "xk", None)
        )
    if hasattr(a, "ppf") or hasattr(b, "ppf"):
        return False
    return len(a) == len(b) and all(map(same, a, b))
