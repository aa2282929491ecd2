"""Rows of a fit, with weights that count.

Elsewhere weights are divided by their sum. The penalty of kernel ridge regression is
not divided by the number of samples, as in scikit-learn: there two rows of weight one
are twice one such row, and their unit must not be lost.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, take


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows with targets and weights, on the device that computes.

    Parameters
    ----------
    X : array of shape (n, d)
        Points, or a precomputed kernel matrix (n, n).
    Y : array of shape (n, c)
        Targets.
    unit : float or ndarray of shape (n,)
        Weights in host memory; a float if all are equal.
    pairwise : bool, default=False
        Whether X is a kernel matrix.
    rows : ndarray of int of shape (n,) or None, default=None
        Numbers of the rows in the input of the fit; None for all of them.
    """

    X: Any
    Y: Any
    unit: Any
    pairwise: bool = False
    rows: Any = None

    def part(self, rows, columns):
        """Return some of the rows.

        Parameters
        ----------
        rows, columns : ndarray of int
            Which; columns are those of a precomputed kernel matrix.

        Returns
        -------
        part : Sample
            The sample itself where nothing is left out.
        """
        n = int(self.Y.shape[0])
        X = rows_of(self.X, rows)
        if self.pairwise and columns.size < n:
            X = take(X, columns, axis=1)
        unit = self.unit[rows] if isinstance(self.unit, np.ndarray) else self.unit
        numbers = rows if self.rows is None else self.rows[rows]
        return Sample(X, rows_of(self.Y, rows), unit, self.pairwise, numbers)

    def positive(self):
        """Return the rows whose weight is not 0."""
        rows = np.arange(int(self.Y.shape[0]))
        if isinstance(self.unit, np.ndarray):
            rows = np.flatnonzero(self.unit)
        return self.part(rows, rows)

    def unit_of_rows(self):
        """Return the weights as an array in host memory, or None where all are 1."""
        if isinstance(self.unit, np.ndarray):
            return self.unit
        return None if self.unit == 1.0 else np.full(int(self.Y.shape[0]), self.unit)

    @property
    def weight(self):
        """Weights beside the targets, or None where all are equal."""
        if isinstance(self.unit, np.ndarray):
            return asarray_like(self.unit, self.Y)
        return None


def rows_of(x, index):
    """Return rows of an array by increasing indices in host memory, itself for all.

    Parameters
    ----------
    x : array of shape (n, ...)
        On any device.
    index : ndarray of int of shape (k,)
        Which.

    Returns
    -------
    rows : array of shape (k, ...)
        Beside ``x``.
    """
    if index.size == x.shape[0]:
        return x
    return take(x, index)
