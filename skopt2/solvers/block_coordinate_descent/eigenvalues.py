"""Bounds on the curvature of a block from the eigenvalues of its matrix."""

import numpy as np
from scipy.linalg import eigvalsh

# What stands for a curvature of 0.
TINY = 1e-300


def steepness(M):
    """Return three eigenvalues of a positive semidefinite matrix, with a margin.

    Parameters
    ----------
    M : ndarray of shape (t, t)
        Up to rounding.

    Returns
    -------
    largest, scaled, least : float
        The largest one, that of M scaled to a unit diagonal, and the smallest one;
        positive. Rounding does not take the first two below the eigenvalue, nor the
        third above it.
    """
    diagonal = M.diagonal()
    root = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    values = eigvalsh(M)
    last = [M.shape[0] - 1] * 2
    scaled = float(eigvalsh(M / np.outer(root, root), subset_by_index=last)[0])
    slack = 10.0 * M.shape[0] * np.finfo(np.float64).eps
    top = float(values[-1])
    least = max(float(values[0]) - slack * top, 1e-12 * top)
    grown = 1.0 + slack
    return max(top * grown, TINY), max(scaled * grown, TINY), max(least, TINY)
