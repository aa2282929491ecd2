"""What a risk parity portfolio is given: parameters, budget, and covariance matrix."""

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.array_parameters import as_numbers
from skopt2._core.parameters import check_choice
from skopt2.portfolio.covariance import given_covariance, sample_covariance
from skopt2.solvers.risk_parity.choice import SOLVERS

ESTIMATES = ("ledoit_wolf", "oas", "empirical")
NO_RISK = (
    "A portfolio without short positions has no risk at all under covariance="
    "{covariance!r}, so there are no shares to give out: there are too few periods for "
    "so many assets, or assets that undo each other. Set covariance='ledoit_wolf', "
    "pass more rows, or drop assets."
)


def check_parameters(model):
    """Raise ValueError unless the parameters of a RiskParity are in range."""
    if not hasattr(model.covariance, "fit"):
        known, other = (*ESTIMATES, "precomputed"), "an estimator with covariance_"
        check_choice("covariance", model.covariance, known, other=other)
    check_choice("solver", model.solver, SOLVERS)


def check_budget(budget, n):
    """Return a budget of sum 1 on the host.

    Parameters
    ----------
    budget : array-like of shape (n,) or None
        None for equal shares.
    n : int
        Number of assets.

    Returns
    -------
    b : ndarray of shape (n,)
        In float64.

    Raises
    ------
    ValueError
        If the budget has another shape, or a share that is not positive.
    """
    if budget is None:
        return np.full(n, 1.0 / n)
    b = as_numbers("budget", budget)
    if b.shape != (n,):
        raise ValueError(
            f"budget has shape {b.shape}, expected ({n},): a share for each asset."
        )
    wrong = np.flatnonzero(~(np.isfinite(b) & (b > 0)))
    if wrong.size:
        raise ValueError(
            f"budget must be positive and finite; its value for asset {wrong[0]} is "
            f"{b[wrong[0]]}. Drop the column of an asset without a share."
        )
    b = b / b.max()
    return b / b.sum()


def estimate(model, data, sample_weight):
    """Return the covariance matrix of a fit.

    Parameters
    ----------
    model : RiskParity
        Its parameters say how.
    data : FitInput
        The returns, or the matrix.
    sample_weight : array-like of shape (n_samples,) or None
        As given to the fit: the estimates that count rows need their sum.

    Returns
    -------
    covariance : Covariance
        Beside the data.
    fitted : estimator or None
        What estimated it.

    Raises
    ------
    ValueError
        If there is no covariance matrix of positive variances.
    """
    names, X = getattr(model, "feature_names_in_", None), data.X
    named = isinstance(model.covariance, str)
    if named and model.covariance == "precomputed":
        if sample_weight is not None:
            raise ValueError(
                "sample_weight weighs periods, and covariance='precomputed' has none: "
                "leave it out."
            )
        return given_covariance(X, "X with covariance='precomputed'", names), None
    n = int(X.shape[0])
    if n < 2 and not (named and model.assume_centered):
        raise ValueError(
            f"A covariance needs two periods at least; got n_samples={n}. Pass more "
            "rows."
        )
    given = (
        None if sample_weight is None else as_numbers("sample_weight", sample_weight)
    )
    if named:
        found = sample_covariance(
            X,
            data.sample_weight,
            model.covariance,
            centered=bool(model.assume_centered),
            n_rows=n if given is None else float(np.broadcast_to(given, n).sum()),
            names=names,
        )
        return found, None
    fitted = clone(model.covariance)
    kind, options = type(fitted).__name__, {}
    if given is not None:
        if not has_fit_parameter(fitted, "sample_weight"):
            raise ValueError(
                f"covariance={kind}() takes no sample_weight. Leave it out, or set "
                "covariance='ledoit_wolf', which takes it."
            )
        options["sample_weight"] = given
    fitted.fit(to_numpy(X), **options)
    if not hasattr(fitted, "covariance_"):
        raise ValueError(
            f"covariance={kind}() has no attribute covariance_ after fit. Pass an "
            "estimator of covariance, such as those of sklearn.covariance."
        )
    S = asarray_like(fitted.covariance_, X)
    found = given_covariance(S, f"covariance_ of {kind}", names)
    return found, fitted
