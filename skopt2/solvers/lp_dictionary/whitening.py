r"""Linear maps after which a sample has the identity as its covariance.

Problem: rows x_i (p,) with weights s_i of sum 1 and mean m. Find B (p, k) with

    Z = (X - 1m') B,    Z' diag(s) Z = I,

from the k leading eigenvectors of the covariance matrix: B = V diag(l)^(-1/2). If
x = D'y + m with independent codes y of any variances, then Z = y R with an orthogonal
R, whatever the invertible D: only a rotation is left to find.

An eigendecomposition of the covariance matrix loses what is small; a second one, of the
covariance matrix of Z, brings the error of Z'diag(s)Z back to rounding.

Source: Y. Shen et al., Complete dictionary learning via l_p-norm maximization, UAI
2020, section 2 (preconditioning).
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import accumulation_dtype, max_abs, namespace

# Variance along an eigenvector, relative to the largest, that is rounding.
NOISE = {"float64": 1e-12, "float32": 1e-11}
# Deviation of a column that is rounding, in units of eps times its largest value.
CONSTANT = 8.0


@dataclass(frozen=True, eq=False)
class Whitening:
    """A map from centred rows to coordinates, and back.

    Parameters
    ----------
    mean : array of shape (p,)
        What is subtracted.
    forward : array of shape (p, k)
        B.
    backward : array of shape (k, p)
        Its pseudo-inverse: coordinates times it are centred rows.
    """

    mean: Any
    forward: Any
    backward: Any


def whitening_of(X, s, n_components, *, whiten, centered):
    """Return the map of a sample and its image.

    Parameters
    ----------
    X : array of shape (n, p)
        Rows; not changed.
    s : array of shape (n,) or None
        Weights of sum 1, None for equal ones.
    n_components : int or None
        Largest k; None for all directions in which the rows vary.
    whiten : bool
        False: only rotate, and divide by one number.
    centered : bool
        Whether the mean is known to be zero.

    Returns
    -------
    whitening : Whitening
        In the accumulation dtype. k is 0 where nothing varies.
    Z : array of shape (n, k)
        Coordinates of the rows.
    """
    xp, wide = namespace(X), accumulation_dtype(X)
    n, p = X.shape
    floor = NOISE["float32" if X.dtype == xp.float32 else "float64"]
    eps = float(xp.finfo(X.dtype).eps)
    s = None if s is None else xp.astype(s, wide)
    size = xp.astype(xp.max(xp.abs(X), axis=0), wide)
    X = xp.astype(X, wide)
    mean = xp.zeros_like(size)
    if not centered:
        mean = xp.mean(X, axis=0) if s is None else s @ X
        X = X - mean
    deviation = _deviations(X, s)
    moving = deviation > CONSTANT * eps * size
    deviation = xp.where(moving, deviation, xp.ones_like(deviation))
    X = X * xp.astype(moving, wide)
    full = n_components is None or n_components >= p
    # Any invertible map of the features leads to the same rotation: units do not count
    # unless they say which directions are dropped, or nothing is whitened.
    unit = deviation if full and whiten else _one(xp, deviation)
    B, C, V = _principal(X / unit, s, p if full else n_components, floor)
    if whiten and C.shape[0]:
        Z = (X / unit) @ B
        T, U, V = _principal(Z, s, C.shape[0], 0.0)
        # Turned back: the eigenvectors of almost the identity are arbitrary.
        B, C = B @ (T @ xp.matrix_transpose(V)), (V @ U) @ C
    elif C.shape[0]:
        B, C = V, xp.matrix_transpose(V)
        Z = (X / unit) @ B
        root = float(xp.sum(_deviations(Z, s) ** 2) / C.shape[0]) ** 0.5
        B, C = B / root, C * root
    B, C = B / unit[:, None], C * unit
    return Whitening(mean, B, C), X @ B


def _deviations(X, s):
    """Return the root mean squares of columns, safe from overflow."""
    xp = namespace(X)
    size = xp.max(xp.abs(X), axis=0)
    size = xp.where(size > 0.0, size, xp.ones_like(size))
    squares = (X / size) ** 2
    mean = xp.mean(squares, axis=0) if s is None else s @ squares
    return xp.sqrt(mean) * size


def _one(xp, deviation):
    """Return one unit for all features."""
    return xp.zeros_like(deviation) + max(max_abs(deviation), 1e-300)


def _principal(X, s, k, floor):
    """Return B, its pseudo-inverse and V of at most k directions above the floor."""
    xp = namespace(X)
    Xt = xp.matrix_transpose(X)
    S = Xt @ X / X.shape[0] if s is None else (Xt * s) @ X
    values, V = xp.linalg.eigh(0.5 * (S + xp.matrix_transpose(S)))
    top = float(values[-1])
    rank = int(xp.sum(xp.astype(values > floor * top, xp.int64))) if top > 0.0 else 0
    k = min(k, rank)
    first = X.shape[1] - k
    values, V = xp.sqrt(values[first:]), _signed(V[:, first:])
    return V / values, xp.matrix_transpose(V * values), V


def _signed(V):
    """Return eigenvectors whose sum of cubes is positive: the same on every machine."""
    xp = namespace(V)
    turn = xp.sum(V**3, axis=0) < 0.0
    return xp.where(turn, -V, V)
