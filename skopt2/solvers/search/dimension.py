"""One searched parameter as coordinates between 0 and 1.

A parameter is given as in a random search, by a frozen distribution of SciPy or by a
list of values. Its *raw* coordinate u in [0, 1] is what a search moves; snapped, it is
the same number for all u that mean one value; its *columns* are what a surrogate sees.

- a continuous distribution with distribution function F: u = F(value). A log-uniform
  distribution is searched on the log scale, every other one where its mass is.
- a discrete distribution: u in the middle of the step that F makes at the value.
- a list of different numbers: the ranks, evenly spaced. Their distances do not count,
  so 1, 10, 100 are as far from each other as 1, 2, 3.
- any other list: one column a value, 1 / sqrt(2) where the value is chosen, so that two
  different values have distance 1; two values share a single column.
"""

import numbers
import warnings

import numpy as np

# How near to an end of its range a coordinate may come: an end that the distribution
# reaches only in a limit is not a value (the 0 of an exponential, for example), and an
# infinite end would draw the search into a tail in which hardly any mass lies.
FINITE_MARGIN = 1e-6
INFINITE_MARGIN = 1e-3
# Up to this many values of a discrete distribution are kept in a table.
TABLE = 10_000


class Continuous:
    """A continuous distribution.

    Parameters
    ----------
    distribution : frozen distribution of scipy.stats
        With ``ppf`` and ``cdf``.
    """

    n_levels = None
    width = 1

    def __init__(self, distribution):
        self.distribution = distribution
        ends = np.asarray(distribution.ppf([0.0, 1.0]), dtype=np.float64)
        margin = np.where(np.isfinite(ends), FINITE_MARGIN, INFINITE_MARGIN)
        self.low, self.high = margin[0], 1.0 - margin[1]

    def snap(self, u):
        """Return the coordinates, shape (m,), kept off the ends."""
        return np.clip(u, self.low, self.high)

    def columns(self, u):
        """Return what a surrogate sees of snapped coordinates, shape (m, 1)."""
        return u[:, None]

    def value(self, u):
        """Return the value of one coordinate as a float."""
        return float(self.distribution.ppf(u))

    def coordinate(self, value):
        """Return the coordinate of a value."""
        return float(self.distribution.cdf(value))


class Discrete:
    """A discrete distribution, finite or not.

    Parameters
    ----------
    distribution : frozen distribution of scipy.stats
        With ``ppf``, ``cdf`` and ``pmf``, on whole numbers.
    """

    width = 1

    def __init__(self, distribution):
        self.distribution = distribution
        low, high = (float(end) for end in distribution.support())
        self.n_levels = None
        self._table = None
        if np.isfinite(low) and np.isfinite(high):
            self.n_levels = int(high - low) + 1
        self.low = low if np.isfinite(low) else distribution.ppf(INFINITE_MARGIN)
        self.high = high if np.isfinite(high) else distribution.isf(INFINITE_MARGIN)
        if self.n_levels is not None and self.n_levels <= TABLE:
            # Values of no mass are none, so that a search knows when it has seen all.
            values = np.arange(self.low, self.high + 1.0)
            self._table = values[distribution.pmf(values) > 0.0]
            self.n_levels = len(self._table)
            self._upper = distribution.cdf(self._table)
            lower = np.concatenate([[0.0], self._upper[:-1]])
            self._middles = 0.5 * (lower + self._upper)

    def snap(self, u):
        """Return the middle of the step that each coordinate lies on, shape (m,)."""
        if self._table is not None:
            return self._middles[self._index(u)]
        u = np.clip(u, FINITE_MARGIN, 1.0 - FINITE_MARGIN)
        return self._middle(np.clip(self.distribution.ppf(u), self.low, self.high))

    def columns(self, u):
        """Return what a surrogate sees of snapped coordinates, shape (m, 1)."""
        return u[:, None]

    def value(self, u):
        """Return the value of one snapped coordinate as an int."""
        if self._table is not None:
            return int(self._table[self._index(u)])
        return int(np.clip(self.distribution.ppf(u), self.low, self.high))

    def coordinate(self, value):
        """Return the coordinate of a value."""
        return float(self._middle(float(value)))

    def level(self, index):
        """Return the coordinate of the value with a number from 0."""
        if self._table is not None:
            return float(self._middles[index])
        return float(self._middle(self.low + index))

    def _index(self, u):
        return np.minimum(np.searchsorted(self._upper, u), self.n_levels - 1)

    def _middle(self, value):
        below = self.distribution.cdf(value - 1.0)
        return 0.5 * (below + self.distribution.cdf(value))


class Ordinal:
    """A list of different numbers.

    Parameters
    ----------
    values : list
        In any order; they are sorted.
    """

    width = 1

    def __init__(self, values):
        self.values = sorted(values)
        self.n_levels = len(self.values)

    def snap(self, u):
        """Return the middle of the cell that each coordinate lies in, shape (m,)."""
        k = self.n_levels
        return (np.clip(np.floor(u * k), 0, k - 1) + 0.5) / k

    def columns(self, u):
        """Return what a surrogate sees of snapped coordinates, shape (m, 1)."""
        return u[:, None]

    def value(self, u):
        """Return the value of one snapped coordinate."""
        return self.values[min(int(u * self.n_levels), self.n_levels - 1)]

    def coordinate(self, value):
        """Return the coordinate of a value."""
        return self.level(self.values.index(value))

    def level(self, index):
        """Return the coordinate of the value with a number from 0."""
        return (index + 0.5) / self.n_levels


class Categorical(Ordinal):
    """A list of values without an order.

    Parameters
    ----------
    values : list
        No two of them equal.
    """

    def __init__(self, values):
        self.values = list(values)
        self.n_levels = len(self.values)
        self.width = 1 if self.n_levels <= 2 else self.n_levels

    def columns(self, u):
        """Return one column a value, or one for both of two, shape (m, width)."""
        index = np.minimum((u * self.n_levels).astype(np.intp), self.n_levels - 1)
        if self.width == 1:
            return index[:, None].astype(np.float64)
        return np.eye(self.n_levels)[index] * np.sqrt(0.5)

    def coordinate(self, value):
        """Return the coordinate of a value."""
        for index, other in enumerate(self.values):
            if same(value, other):
                return self.level(index)
        raise ValueError(f"{value!r} is not one of {self.values!r}.")


def same(a, b):
    """Say whether two entries of a list of values mean the same.

    Parameters
    ----------
    a, b : object
        Anything. 1 and True differ, and so do objects that cannot be compared.

    Returns
    -------
    answer : bool
        Whether they do.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    try:
        return bool(a == b)
    except (TypeError, ValueError):
        return False


def read_dimension(name, given):
    """Return the dimension that a distribution or a list describes.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    given : frozen distribution or sequence
        As in a random search.

    Returns
    -------
    dimension : Continuous, Discrete, Ordinal or Categorical
        How to search it.

    Raises
    ------
    ValueError
        If it is neither, an empty list, or a range in the spelling of scikit-optimize.

    Warns
    -----
    UserWarning
        If it is a tuple of two numbers, which may be meant as a range.
    """
    if hasattr(given, "ppf") and hasattr(given, "cdf"):
        return Discrete(given) if hasattr(given, "pmf") else Continuous(given)
    if hasattr(given, "rvs"):
        raise ValueError(
            f"param_distributions[{name!r}] is {given!r}, which can be drawn from but "
            "has no ppf and cdf: a search by a model needs the quantiles. Give a "
            "frozen distribution of scipy.stats, or a list of values."
        )
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise ValueError(
            f"param_distributions[{name!r}] must be a frozen distribution of "
            f"scipy.stats or a list of values; got {given!r}."
        )
    if not len(given):
        raise ValueError(
            f"param_distributions[{name!r}] is an empty list; give at least one value."
        )
    if isinstance(given, tuple):
        _check_tuple(name, given)
    values = []
    for value in given:
        if not any(same(value, other) for other in values):
            values.append(value)
    if all(_is_number(value) for value in values) and len(set(values)) == len(values):
        return Ordinal(values)
    return Categorical(values)


def _is_number(value):
    """Return True for a finite real number that is no truth value."""
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, (bool, np.bool_))
        and bool(np.isfinite(value))
    )


def _check_tuple(name, given):
    """Tell a range in the spelling of scikit-optimize from a choice of values."""
    if len(given) < 2 or not all(_is_number(value) for value in given[:2]):
        return
    low, high = given[:2]
    log = f"scipy.stats.loguniform({low!r}, {high!r})"
    if len(given) > 2 and isinstance(given[2], str):
        raise ValueError(
            f"param_distributions[{name!r}]={given!r} is no range here: give a frozen "
            f"distribution of scipy.stats, on the log scale {log}."
        )
    if len(given) == 2:
        warnings.warn(
            f"param_distributions[{name!r}]={given!r} is searched as a choice of these "
            f"two values. For the range between them give a distribution, such as "
            f"{log} or scipy.stats.uniform; for the two values give a list.",
            UserWarning,
            stacklevel=2,
        )
