"""Arrays of three and more modes as rows, and back."""

import math
import numbers

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, move, namespace
from skopt2._core.random import spawn
from skopt2.decomposition.factorization_arrays import given_block
from skopt2.solvers.factorization.codes import solve_codes
from skopt2.solvers.factorization.data import MatrixData, atoms
from skopt2.solvers.factorization.start import mode_vectors, random_factor

STARTS = ("svd", "random")
# Sweeps for codes of components that are known.
SWEEPS = 60


def as_rows(X, shape):
    """Return an array with one sample a row, and the lengths of the other modes.

    Parameters
    ----------
    X : array-like of shape (n, d_1, ..., d_m) or (n, d_1 * ... * d_m)
        Samples first.
    shape : tuple of int or None
        d_1, ..., d_m; None: those of ``X``.

    Returns
    -------
    X : array-like of two dimensions, or what cannot be one
        Left for validation to refuse.
    lengths : tuple of int or None
        None where validation has to look first.

    Raises
    ------
    ValueError
        If ``shape`` is not that of the samples.
    """
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    if not is_sparse(X) and len(X.shape) > 2:
        lengths = tuple(int(d) for d in X.shape[1:])
        if shape is not None and tuple(shape) != lengths:
            raise ValueError(
                f"X has samples of shape {lengths}, expected {tuple(shape)}."
            )
        xp = np if isinstance(X, np.ndarray) else namespace(X)
        return xp.reshape(X, (int(X.shape[0]), math.prod(lengths))), lengths
    return X, None if shape is None else tuple(int(d) for d in shape)


def check_shape(shape):
    """Raise ValueError unless a shape is None or a tuple of positive integers."""
    if shape is None:
        return
    inside = isinstance(shape, (tuple, list)) and all(
        isinstance(d, numbers.Integral) and d >= 1 for d in shape
    )
    if not inside or not shape:
        raise ValueError(
            "shape must be None or the lengths of the modes of a sample, such as "
            f"(8, 8); got {shape!r}."
        )


def check_lengths(lengths, n_features):
    """Return the lengths of the modes of so many features, or raise ValueError."""
    lengths = (n_features,) if lengths is None else lengths
    if math.prod(lengths) != n_features:
        raise ValueError(
            f"shape={lengths} does not multiply to the {n_features} features of X."
        )
    return lengths


def starting_factors(estimator, solver, lengths, target):
    """Return the blocks of codes and factors to start from, feasible ones.

    Parameters
    ----------
    estimator : TensorFactorization
        Its parameters, and its last fit where ``warm_start`` asks for it.
    solver : FactorDescent
        With the samples and the terms of all blocks.
    lengths : tuple of int
        d_1, ..., d_m.
    target : Target
        Where to compute.

    Raises
    ------
    ValueError
        If an array does not fit.
    """
    data, terms = solver.data, solver.terms
    k, like = int(estimator.n_components), data.like
    shapes = [(k, d) for d in lengths]
    last = getattr(estimator, "factors_", None) if estimator.warm_start else None
    if last is not None and [tuple(F.shape) for F in last] == shapes:
        factors = [asarray_like(move(F, target), like) for F in last]
    elif not isinstance(estimator.init, str):
        factors = _given(estimator.init, shapes, like, target, terms)
    else:
        (rng,) = spawn(estimator.random_state, 1)
        make = mode_vectors if estimator.init == "svd" else random_factor
        factors = [
            make(data, lengths, m, k, rng, terms[m + 1].nonnegative)
            for m in range(len(lengths))
        ]
    pairs = zip(terms[1:], factors, strict=True)
    factors = [term.feasible(F) for term, F in pairs]
    rows = MatrixData(data.X)
    A, _ = solve_codes(rows, atoms([None, *factors]), terms[0], sweeps=SWEEPS)
    return [terms[0].feasible(A), *factors]


def _given(init, shapes, like, target, terms):
    """Return the factors that a user passed, checked."""
    if not isinstance(init, (list, tuple)) or len(init) != len(shapes):
        raise ValueError(
            f"init must be one of {STARTS} or a list of {len(shapes)} factors, one "
            "for each mode of a sample."
        )
    return [
        given_block(f"init[{m}]", F, shape, like, target, terms[m + 1])
        for m, (F, shape) in enumerate(zip(init, shapes, strict=True))
    ]


def unit_factors(state):
    """Return blocks with factors of norm one, their sizes in the codes."""
    xp = namespace(state.factors[0])
    codes, factors = state.factors[0], []
    for F in state.factors[1:]:
        size = xp.sqrt(xp.sum(F * F, axis=1, keepdims=True))
        safe = xp.where(size > 0.0, size, xp.ones_like(size))
        codes = codes * size
        factors.append(F / safe)
    return [codes, *factors]
