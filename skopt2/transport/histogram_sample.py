"""A sample of histograms as the measure that it is: different rows and their masses.

A row of weight k and k equal rows are the same measure, in whatever order they come. An
algorithm that sees nothing else of the sample cannot tell them apart, its random draws
included.
"""

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import namespace, take, to_numpy
from skopt2.solvers.distinct_rows import row_products


@dataclass(frozen=True, eq=False)
class HistogramSample:
    """Different histograms and their masses.

    Parameters
    ----------
    A : array of shape (m, n_bins)
        Histograms, no two of them equal, in an order that depends on them alone.
    w : ndarray of shape (m,)
        Masses, nonnegative and with the sum one, in host memory and float64.
    rows : ndarray of shape (n_samples,)
        Number in ``A`` of each row of the data.
    """

    A: Any
    w: Any
    rows: Any

    @classmethod
    def of(cls, A, weight):
        """Return the sample of rows of data.

        Parameters
        ----------
        A : array of shape (n_samples, n_bins)
            Histograms that sum to one.
        weight : array of shape (n_samples,) or None
            Nonnegative; None for equal ones.

        Returns
        -------
        sample : HistogramSample
        """
        first, rows = _distinct(A)
        n = int(A.shape[0])
        mass = np.ones(n) if weight is None else to_numpy(weight).astype(np.float64)
        w = np.bincount(rows, mass, first.size)
        return cls(take(A, first), w / w.sum(), rows)

    def with_mass(self):
        """Return the sample without the histograms of mass zero."""
        kept = np.flatnonzero(self.w)
        if kept.size == self.w.size:
            return self
        return HistogramSample(take(self.A, kept), self.w[kept], None)


def total_weight(sample_weight, n_samples):
    """Return the sum of checked weights as a user passed them.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Weights; None for ones.
    n_samples : int
        Number of rows.

    Returns
    -------
    total : float
    """
    if sample_weight is None:
        return float(n_samples)
    if isinstance(sample_weight, numbers.Real):
        return float(sample_weight) * n_samples
    if cuda.target_of(sample_weight).kind != "numpy":
        sample_weight = to_numpy(sample_weight)
    return float(np.sum(np.asarray(sample_weight, dtype=np.float64)))


def _distinct(A):
    """Return the numbers of different rows, and the place among them of every row."""
    v = np.random.default_rng(0).random(int(A.shape[1]))
    _, first, rows = np.unique(
        row_products(A, v), return_index=True, return_inverse=True
    )
    rows = rows.reshape(-1)
    if bool(namespace(A).all(take(take(A, first), rows) == A)):
        return first, rows
    # Different rows with one product.
    found = np.unique(to_numpy(A), axis=0, return_index=True, return_inverse=True)
    return found[1], found[2].reshape(-1)
