"""Parameters of spectral unmixing, and where its fit starts."""

import numpy as np

from skopt2._core.array import asarray_like, move, namespace, take
from skopt2._core.parameters import (
    check_count,
    check_init,
    check_number,
    check_positive,
    check_squarable,
)
from skopt2._core.random import spawn
from skopt2.decomposition.factorization_arrays import given_block
from skopt2.solvers.factorization.term import Term
from skopt2.solvers.factorization.unmixing import channel_precision, purest_pixels

STARTS = ("purest", "random")


def check_unmixer(estimator):
    """Raise ValueError unless the parameters are in range.

    Parameters
    ----------
    estimator : SpectralUnmixer
        Not fitted.
    """
    check_count("n_components", estimator.n_components)
    check_number("alpha", estimator.alpha, 0)
    check_number("guidance", estimator.guidance, 0)
    check_number("p", estimator.p, 0, 1, closed="high")
    check_positive("smoothing", estimator.smoothing)
    check_squarable("smoothing", estimator.smoothing)
    check_positive("offset", estimator.offset)
    check_init(estimator.init, STARTS, "an array of spectra")


def starting_spectra(estimator, X, target):
    """Return endmembers and channel weights to start from.

    Parameters
    ----------
    estimator : SpectralUnmixer
        Its parameters, and its last fit where ``warm_start`` asks for it.
    X : array of shape (n_pixels, n_channels)
        Checked.
    target : Target
        Where to compute.

    Returns
    -------
    S : array of shape (k, n_channels)
        Endmembers.
    v : array of shape (n_channels,)
        Channel weights.

    Raises
    ------
    ValueError
        If ``init`` is an array that does not fit.
    """
    k, xp = int(estimator.n_components), namespace(X)
    n, shape = int(X.shape[0]), (k, int(X.shape[1]))
    v = channel_precision(X)
    last = getattr(estimator, "components_", None) if estimator.warm_start else None
    if last is not None and tuple(last.shape) == shape:
        S = asarray_like(move(last, target), X)
        return S, asarray_like(move(estimator._weights, target), X)
    if not isinstance(estimator.init, str):
        term = Term(nonnegative=True)
        return given_block("init", estimator.init, shape, X, target, term), v
    if estimator.init == "purest":
        chosen = purest_pixels(X, v, k)
    else:
        (rng,) = spawn(estimator.random_state, 1)
        chosen = rng.choice(n, size=k, replace=n < k)
    S = take(X, np.asarray(chosen))
    return xp.maximum(S, 0.0), v
