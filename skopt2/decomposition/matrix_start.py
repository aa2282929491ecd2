"""Where the fit of a matrix factorisation starts: names, arrays, the last fit."""

from skopt2._core.array import asarray_like, move, namespace
from skopt2._core.random import spawn
from skopt2.decomposition.factorization_arrays import given_block
from skopt2.solvers.factorization.codes import scaled_products, solve_codes
from skopt2.solvers.factorization.start import random_start, row_start, spectral_start

# Sweeps for codes of components that are known.
SWEEPS = 60


def starting_blocks(estimator, data, terms, target, W, H):
    """Return the blocks of codes and components to start from, feasible ones.

    Parameters
    ----------
    estimator : MatrixFactorization
        Its parameters, and its last fit where ``warm_start`` asks for it.
    data : MatrixData
        The samples.
    terms : list of Term
        Of codes and components.
    target : Target
        Where to compute.
    W, H : array-like or None
        What a user passed to ``fit``.

    Returns
    -------
    blocks : list of array
        Shapes (k, n) and (k, p).

    Raises
    ------
    ValueError
        If an array does not fit.
    """
    custom = isinstance(estimator.init, str) and estimator.init == "custom"
    if not custom and (W is not None or H is not None):
        raise ValueError(
            f"W and H are used with init='custom' only; got init={estimator.init!r}."
        )
    k, (n, p), like = _count(estimator, data, H), data.shape, data.like
    xp, A, drawn = namespace(like), None, False
    if _goes_on(estimator, k, p):
        H = asarray_like(move(estimator.components_, target), like)
        if estimator._codes.shape[1] == n:
            A = asarray_like(move(estimator._codes, target), like)
    elif custom:
        if W is None or H is None:
            raise ValueError("init='custom' needs both W and H as arguments of fit.")
        A = given_block("W", W, (n, k), like, target, terms[0])
        A = asarray_like(xp.asarray(xp.matrix_transpose(A), copy=True), like)
        H = given_block("H", H, (k, p), like, target, terms[1])
    elif not isinstance(estimator.init, str):
        H = given_block("init", estimator.init, (k, p), like, target, terms[1])
    else:
        drawn = True
        A, H = _drawn(estimator, data, k, tuple(t.nonnegative for t in terms))
    H = terms[1].feasible(H)
    if A is None and drawn:
        # Not worth exact codes.
        G = H @ xp.matrix_transpose(H)
        A = scaled_products(data.product(0, [None, H]), G, terms[0])
    elif A is None:
        A, _ = solve_codes(data, H, terms[0], sweeps=SWEEPS)
    return [terms[0].feasible(A), H]


def _count(estimator, data, H):
    """Return the number of components."""
    if estimator.n_components != "auto":
        return int(estimator.n_components)
    given = H if isinstance(estimator.init, str) else estimator.init
    return len(given) if given is not None else data.shape[1]


def _goes_on(estimator, k, p):
    """Tell whether there is a last fit to go on from."""
    if not estimator.warm_start or not hasattr(estimator, "components_"):
        return False
    return tuple(estimator.components_.shape) == (k, p)


def _drawn(estimator, data, k, signs):
    """Return codes, None where components imply them, and components, by name."""
    (rng,) = spawn(estimator.random_state, 1)
    if estimator.init == "random":
        return None, random_start(data, k, rng, signs[1])
    if estimator.init == "k-means++":
        return None, row_start(data, k, rng)
    return spectral_start(data, k, rng, estimator.init, signs)
