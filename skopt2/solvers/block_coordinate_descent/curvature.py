"""Curvatures of a block: along its principal axes, or of a diagonal bound.

Symbols: the Gram matrix B B' (d, d) of a block of columns, or one for each of K
outputs.
"""

import numpy as np

# Ratio of the squared sizes of columns from which on each has a step of its own.
SPREAD = 4.0


def diagonal_bound(gram):
    """Return the diagonal of a matrix that is not below a Gram matrix.

    It is that of the Gram matrix itself, scaled, where the columns differ in size: a
    step with one length for all of them would not move the small ones.

    Parameters
    ----------
    gram : ndarray of shape (d, d) or (K, d, d)
        Positive semidefinite up to rounding.

    Returns
    -------
    values : ndarray of shape (d,) or (K, d)
        Nonnegative; equal where the columns are of much the same size.
    """
    largest = principal_axes(gram)[0][..., -1:]
    sizes = gram.diagonal(axis1=-2, axis2=-1)
    root = np.sqrt(np.where(sizes > 0.0, sizes, 1.0))
    scaled = gram / (root[..., :, None] * root[..., None, :])
    values = principal_axes(scaled)[0][..., -1:] * sizes
    # Columns that are zero stay where they are with any step.
    values = np.where(sizes > 0.0, values, largest)
    spread = values.max(axis=-1, keepdims=True) > SPREAD * values.min(
        axis=-1, keepdims=True
    )
    return np.where(spread, values, largest)


def principal_axes(gram):
    """Return the eigenvalues of a Gram matrix, rounded up, and its eigenvectors.

    Parameters
    ----------
    gram : ndarray of shape (d, d) or (K, d, d)
        Positive semidefinite up to rounding.

    Returns
    -------
    values : ndarray of shape (d,) or (K, d)
        Nonnegative, increasing.
    axes : ndarray of shape (d, d) or (K, d, d)
        One axis a column.
    """
    eps, d = float(np.finfo(gram.dtype).eps), gram.shape[-1]
    if d <= 1:
        values = gram.diagonal(axis1=-2, axis2=-1)
        return np.maximum(values, 0.0) * (1.0 + 4.0 * eps), np.ones_like(gram)
    values, axes = np.linalg.eigh(gram)
    return np.maximum(values, 0.0) * (1.0 + 10.0 * d * eps), axes
