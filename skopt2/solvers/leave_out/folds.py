"""Folds that are left out, as pairs of a fold and a row.

Symbols: fold f leaves out the rows I_f, with the share S_f = sum_{i in I_f} s_i of the
weights, s (n,) with sum 1; the m pairs (f, i) with i in I_f lie one after another.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Folds:
    """Rows that are left out together.

    Parameters
    ----------
    rows : ndarray of int of shape (m,)
        Rows of all folds, fold by fold.
    sizes : ndarray of int of shape (F,)
        Rows of each, at least one.
    s : ndarray of shape (n,)
        Weights with sum 1.
    """

    rows: np.ndarray
    sizes: np.ndarray
    s: np.ndarray

    @classmethod
    def of(cls, lists, s):
        """Return the folds of lists of rows.

        Parameters
        ----------
        lists : list of ndarray of int
            One for each fold.
        s : ndarray of shape (n,)
            Weights with sum 1.
        """
        return cls(np.concatenate(lists), np.array([len(one) for one in lists]), s)

    def __len__(self):
        return self.sizes.size

    @cached_property
    def starts(self):
        """Where each fold begins among the pairs, (F,)."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def numbers(self):
        """Fold of each pair, (m,)."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    @cached_property
    def shares(self):
        """Share of the weights that each fold leaves out, (F,)."""
        return np.add.reduceat(self.s[self.rows], self.starts)

    @property
    def single(self):
        """True if every fold leaves out one row."""
        return bool((self.sizes == 1).all())

    @property
    def equal(self):
        """True if every fold leaves out the same share, up to rounding."""
        return float(np.ptp(self.shares)) <= 1e-12

    def pairs(self, f):
        """Return where the pairs of a fold are, as a slice."""
        return slice(self.starts[f], self.starts[f] + self.sizes[f])

    def take(self, chosen):
        """Return some of the folds.

        Parameters
        ----------
        chosen : ndarray of int
            Their numbers.
        """
        return Folds.of([self.rows[self.pairs(f)] for f in chosen], self.s)

    def sum(self, values):
        """Return the sums over the pairs of each fold, (F, ...), of values (m, ...)."""
        return np.add.reduceat(values, self.starts, axis=0)
