"""Checks of the parameters of convex networks."""

import math
from numbers import Integral, Real

from skopt2.losses import get_loss
from skopt2.losses.encoding import several_classes

SOLVERS = ("auto", "admm", "sampled")
STARTS = ("sampled", "dual", "descent", "zero")
REGRESSION = ("squared", "huber")
CLASSIFICATION = ("logistic", "squared_hinge", "huberized_hinge", "multinomial")


def check_parameters(model):
    """Raise ValueError for a parameter that is out of range.

    Parameters
    ----------
    model : ConvexReLUModel
        With the parameters.
    """
    check_real("alpha", model.alpha)
    check_real("tol", model.tol)
    check_real("robust", model.robust, zero=True)
    if model.time_limit is not None:
        check_real("time_limit", model.time_limit)
    check_count("max_iter", model.max_iter)
    if model.n_gates != "all":
        check_count("n_gates", model.n_gates, " or 'all'")
    for name, known in (("solver", SOLVERS), ("init", STARTS)):
        value = getattr(model, name)
        if value not in known:
            raise ValueError(f"{name} must be one of {known}; got {value!r}.")
    if model.solver == "sampled" and model.n_gates == "all":
        raise ValueError(
            "n_gates='all' is for solver='admm': solver='sampled' draws neurons, of "
            "which there is no end. Pass a number, such as n_gates=1000."
        )
    if model.solver == "sampled" and model.robust > 0:
        raise ValueError(
            f"robust={model.robust!r} needs solver='admm'; got solver='sampled'."
        )
    for name in ("fit_intercept", "warm_start"):
        value = getattr(model, name)
        if value not in (True, False):
            raise ValueError(f"{name} must be True or False; got {value!r}.")


def check_real(name, value, zero=False):
    """Raise unless a number is positive, or zero where that is allowed."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        kind = "nonnegative" if zero else "positive"
        raise ValueError(f"{name} must be a finite {kind} number; got {value!r}.")


def check_count(name, value, other=""):
    """Raise unless a number is an integer of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{name} must be an integer of at least 1{other}; got {value!r}."
        )


def check_loss(model, n_classes):
    """Return the loss of the task.

    Parameters
    ----------
    model : ConvexReLUModel
        With ``loss`` and ``robust``.
    n_classes : int or None
        None for regression.

    Returns
    -------
    loss : Loss
        With its own parameters checked.
    """
    loss = get_loss(model.loss)
    known = REGRESSION if n_classes is None else CLASSIFICATION
    if loss.name not in known:
        raise ValueError(
            f"loss={model.loss!r} is not available for {type(model).__name__}: use one "
            f"of {known}."
        )
    if n_classes is None:
        return loss
    if n_classes > 2 and loss.task == "binary":
        loss = several_classes(loss)
    if model.robust > 0 and loss.task != "binary":
        raise ValueError(
            f"robust={model.robust!r} is for two classes and one output; got "
            f"loss={loss.name!r} and {n_classes} classes: wrap the classifier in "
            "sklearn.multiclass.OneVsRestClassifier, with loss='logistic'."
        )
    return loss
