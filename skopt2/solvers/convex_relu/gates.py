"""Activation patterns of a ReLU neuron on a sample: drawn at random, or all of them.

Symbols: X (n, d), a column of ones included where there is a hidden bias; g (d,) a
gate; its pattern is 1[X g >= 0] in {0, 1}^n. A hyperplane arrangement of rank r has at
most 2 sum_{k < r} C(n - 1, k) patterns, and the closed cones of those whose gate lies
on no hyperplane cover the space: the others add nothing to the convex program.

Source: M. Pilanci and T. Ergen, Neural networks are convex regularizers, ICML 2020,
section 2, for the patterns; T. Cover, Geometrical and statistical properties of systems
of linear inequalities, IEEE Transactions on Electronic Computers 14, 1965, for their
number. Enumeration is by extreme rays: the closed cone of a pattern is pointed, and
each of its rays is the null space of r - 1 independent rows.
"""

import itertools
import math

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy

# More rays than this take longer than a sample of gates is worth.
MOST_RAYS = 50_000


def draw_hyperplanes(X, s, count, bias, rng):
    """Draw hyperplanes through the data.

    Directions are uniform in the units of the standardised features, so that a feature
    of large scale does not decide alone, and with a bias the hyperplanes pass near the
    centre of the data.

    Parameters
    ----------
    X : array of shape (n, d)
        The column of ones last if there is one.
    s : array of shape (n,)
        Positive weights with sum 1.
    count : int
        How many.
    bias : bool
        Whether X has a column of ones.
    rng : numpy.random.Generator
        Draws them, in host memory.

    Returns
    -------
    G : array of shape (count, d)
        Normal vectors, beside X.
    """
    xp, d = namespace(X), int(X.shape[1]) - int(bias)
    features = X[:, :d]
    centre = s @ features if bias else xp.zeros_like(features[0, :])
    scale = xp.sqrt(s @ (features - centre) ** 2)
    # Rounding of a constant column is no scale.
    sound = scale > 1e-7 * xp.max(xp.abs(features), axis=0)
    unit = xp.where(sound, 1.0 / xp.where(sound, scale, 1.0), 0.0)
    G = asarray_like(rng.standard_normal((count, d)), X) * unit
    if not bias:
        return G
    offset = asarray_like(rng.standard_normal((count, 1)), X)
    return xp.concat([G, offset - (G @ centre)[:, None]], axis=1)


def sample_gates(X, s, count, bias, rng):
    """Draw the patterns of random hyperplanes.

    Parameters
    ----------
    X, s, count, bias, rng
        As in :func:`draw_hyperplanes`.

    Returns
    -------
    D : ndarray of bool of shape (P, n)
        Different patterns in host memory, none of them empty; P <= count. With a bias
        that of all rows, whose neurons are linear, is the first.
    """
    G = draw_hyperplanes(X, s, count, bias, rng)
    D = to_numpy(G @ X.T >= 0.0)
    if bias or not D.any():
        D[0] = True
    return distinct(D)


def distinct(D):
    """Return the different patterns of some, in the order of the first, but no empty.

    Parameters
    ----------
    D : ndarray of bool of shape (m, n)
        Patterns.

    Returns
    -------
    D : ndarray of bool of shape (P, n)
    """
    D = D[D.any(axis=1)]
    _, first = np.unique(np.packbits(D, axis=1), axis=0, return_index=True)
    return D[np.sort(first)]


def count_rays(n, rank):
    """Return the number of candidate rays of an arrangement in general position."""
    return 2 * math.comb(n, max(rank - 1, 0))


def all_gates(X):
    """Return every pattern of a sample.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, the column of ones included.

    Returns
    -------
    D : ndarray of bool of shape (P, n)
        All patterns but the empty one.

    Raises
    ------
    ValueError
        If there are too many to enumerate.
    """
    size = np.abs(X).max(axis=1)
    live = np.flatnonzero(size > 0.0)
    if not live.size:
        return np.ones((1, X.shape[0]), dtype=bool)
    rows = X[live] / size[live, None]
    rows, group, sign = _up_to_sign(rows)
    _, spread, basis = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.count_nonzero(spread > 1e-9 * spread[0]))
    if count_rays(len(rows), rank) > MOST_RAYS:
        raise ValueError(
            f"n_gates='all' would enumerate the patterns of {len(rows)} different rows "
            f"in {rank} dimensions, {count_rays(len(rows), rank):.0e} rays of which "
            f"{MOST_RAYS} is the limit. Pass a number, such as n_gates=100."
        )
    found = _patterns(rows @ basis[:rank].T)
    D = np.ones((len(found), X.shape[0]), dtype=bool)
    D[:, live] = np.where(sign > 0, found[:, group], ~found[:, group])
    return distinct(D)


def _up_to_sign(rows):
    """Return different rows up to their sign, and which one each of them is."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    lead = np.argmax(np.abs(rows) > 1e-9, axis=1)
    sign = np.sign(rows[np.arange(len(rows)), lead])
    _, first, group = np.unique(
        np.round(rows * sign[:, None], 10),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    group = group.ravel()
    return rows[first] * sign[first, None], group, sign


def _patterns(rows):
    """Return the patterns of unit rows of full rank, no two of them parallel."""
    n, rank = rows.shape
    if rank == 1:
        up = rows[:, 0] > 0.0
        return np.stack([up, ~up])
    parts = []
    for chosen in itertools.combinations(range(n), rank - 1):
        _, spread, basis = np.linalg.svd(rows[list(chosen)])
        if spread[-1] <= 1e-9 * spread[0]:
            continue
        height = rows @ basis[-1]
        tight = np.flatnonzero(np.abs(height) <= 1e-9)
        if tight[: rank - 1].tolist() != list(chosen) and _seen(rows, tight, chosen):
            continue
        # Around the ray the rows that vanish there form an arrangement of their own.
        near = _tight_patterns(rows[tight] @ basis[:-1].T)
        both = np.empty((2, len(near), n), dtype=bool)
        both[0], both[1] = height > 0.0, height < 0.0
        both[:, :, tight] = near
        parts.append(both.reshape(-1, n))
    return distinct_all(np.concatenate(parts))


def _seen(rows, tight, chosen):
    """Tell whether an earlier choice among the vanishing rows has the same ray."""
    rank = rows.shape[1]
    for other in itertools.combinations(tight.tolist(), rank - 1):
        if other == chosen:
            return False
        spread = np.linalg.svd(rows[list(other)], compute_uv=False)
        if spread[-1] > 1e-9 * spread[0]:
            return True
    return False


def _tight_patterns(rows):
    """Return the patterns of the rows that vanish at a ray, in the space across it."""
    n, rank = rows.shape
    if n == rank:
        # Independent rows take every sign.
        return np.array(list(itertools.product((False, True), repeat=n)))
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows, group, sign = _up_to_sign(rows)
    found = _patterns(rows)[:, group]
    return np.where(sign > 0, found, ~found)


def distinct_all(D):
    """Return the different patterns, the empty one among them."""
    _, first = np.unique(np.packbits(D, axis=1), axis=0, return_index=True)
    return D[np.sort(first)]
