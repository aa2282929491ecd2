"""Checks of the parameters of convex networks."""

from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
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
    check_positive("alpha", model.alpha)
    check_positive("tol", model.tol)
    check_number("robust", model.robust, 0)
    check_count("n_gates", model.n_gates, named=("all",))
    check_choice("solver", model.solver, SOLVERS)
    check_choice("init", model.init, STARTS)
    if model.solver == "sampled" and model.n_gates == "all":
        raise ValueError(
            "n_gates='all' is for solver='admm': solver='sampled' draws neurons, of "
            "which there is no end. Pass a number, such as n_gates=1000."
        )
    if model.solver == "sampled" and model.robust > 0:
        raise ValueError(
            f"robust={model.robust!r} needs solver='admm'; got solver='sampled'."
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
