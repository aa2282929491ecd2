"""Parameters of a dictionary, and where its fit starts."""

import numpy as np

from skopt2._core.array import all_finite, asarray_like, index_like, move, namespace
from skopt2._core.array_parameters import as_numbers
from skopt2._core.checks import check_real
from skopt2._core.cuda import target_of
from skopt2._core.histograms import check_normalisation, normalise
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_init,
    check_positive,
)
from skopt2._core.random import spawn

STARTS = ("samples", "random")
CODES = ("simplex", "nonnegative")
# Sweeps after which starts are compared, and the shares of the row that was drawn and
# of equal masses in an atom to start from; the rest is the mean of all rows.
TRIAL, DRAWN, FLAT = 10, 0.6, 0.2


def check_dictionary(estimator):
    """Raise ValueError unless the parameters are in range.

    Parameters
    ----------
    estimator : WassersteinDictionary
        Not fitted.
    """
    check_count("n_components", estimator.n_components)
    check_count("n_init", estimator.n_init)
    check_positive("reg", estimator.reg)
    check_positive("prox", estimator.prox)
    check_choice("codes", estimator.codes, CODES)
    check_normalisation(estimator.normalize_cost)
    check_init(estimator.init, STARTS, "an array of atoms")


def starting_state(estimator, solver, target):
    """Return the state of the solver from which the fit starts.

    Parameters
    ----------
    estimator : WassersteinDictionary
        Its parameters, and its last fit where ``warm_start`` asks for it.
    solver : DictionaryDescent
        With the rows to learn from.
    target : Target
        Where to compute.

    Returns
    -------
    state : DictionaryState
        The best of ``n_init`` after a few sweeps, or the only one.

    Raises
    ------
    ValueError
        If ``init`` holds no fitting histograms.
    """
    X, k = solver.loss.X, int(estimator.n_components)
    T = namespace(X).zeros_like(X[:, :1]) + asarray_like(np.full(k, 1.0 / k), X)
    if estimator.warm_start and hasattr(estimator, "factors_"):
        shapes = [tuple(F.shape) for F in estimator.factors_]
        if shapes == [(k, n) for n in solver.mixture.lengths]:
            last = [asarray_like(move(F, target), X) for F in estimator.factors_]
            if estimator._codes.shape[0] == X.shape[0]:
                T = asarray_like(move(estimator._codes, target), X)
            return solver.start(T, last)
    if not isinstance(estimator.init, str):
        D = _given(estimator, X, k, target)
        return solver.start(T, _factors(solver, D))
    states = []
    for rng in spawn(estimator.random_state, int(estimator.n_init)):
        D = _drawn(estimator.init, X, k, rng)
        states.append(solver.start(T, _factors(solver, D)))
    if len(states) == 1:
        return states[0]
    for _ in range(TRIAL):
        states = [solver.step(state) for state in states]
    return min(states, key=lambda state: state.objective)


def _given(estimator, X, k, target):
    """Return the atoms that a user passed, each divided by its sum."""
    init = estimator.init
    D = as_numbers("init", init) if target_of(init).kind == "numpy" else init
    check_real(D, "init")
    if tuple(D.shape) != (k, X.shape[1]):
        raise ValueError(
            f"init has the shape {tuple(D.shape)}, expected {(k, int(X.shape[1]))}: "
            "one histogram for each component."
        )
    D = asarray_like(move(D, target), X)
    if not all_finite(D):
        raise ValueError("init must be finite, but holds NaN or infinity.")
    return normalise(D, f"{type(estimator).__name__} as init")


def _drawn(init, X, k, rng):
    """Return random atoms with mass in all bins, shape (k, n)."""
    xp, (n_rows, n) = namespace(X), X.shape
    if init == "random":
        D = rng.dirichlet(np.ones(n), size=k)
        return asarray_like(D, X)
    chosen = rng.choice(n_rows, size=k, replace=n_rows < k)
    D = xp.take(X, index_like(chosen, X), axis=0)
    mean = xp.mean(X, axis=0)[None, :]
    share = DRAWN * rng.uniform(0.9, 1.1, size=(k, 1))
    # Equal rows must not make equal atoms, which no sweep would tell apart.
    share = asarray_like(share, X)
    return share * D + (1.0 - FLAT - share) * mean + FLAT / n


def _factors(solver, D):
    """Return the marginals of atoms along the modes, with mass in all bins."""
    xp, lengths = namespace(D), solver.mixture.lengths
    d = len(lengths)
    joint = xp.reshape(D, (-1, *lengths))
    factors = []
    for m in range(d):
        others = tuple(a + 1 for a in range(d) if a != m)
        F = xp.sum(joint, axis=others) if others else joint
        F = xp.where(solver.loss.tiny < F, F, xp.zeros_like(F) + solver.loss.tiny)
        factors.append(F / xp.sum(F, axis=1, keepdims=True))
    return factors
