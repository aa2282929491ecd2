"""Losses: value, gradient, curvature, convex conjugate.

Every loss is one file and a ``BaseEstimator``, so that ``loss__delta`` can be searched
and cloned.
"""

from numbers import Real

from skopt2._core.name_hint import name_hint
from skopt2._core.parameters import check_choice
from skopt2.losses.base import Loss
from skopt2.losses.expectile import Expectile
from skopt2.losses.huber import Huber
from skopt2.losses.huberized_hinge import HuberizedHinge
from skopt2.losses.logistic import Logistic
from skopt2.losses.multinomial import Multinomial
from skopt2.losses.poisson import Poisson
from skopt2.losses.quantile import Quantile
from skopt2.losses.sparsemax import Sparsemax
from skopt2.losses.squared import Squared
from skopt2.losses.squared_hinge import SquaredHinge

__all__ = [
    "Expectile",
    "Huber",
    "HuberizedHinge",
    "Logistic",
    "Loss",
    "Multinomial",
    "Poisson",
    "Quantile",
    "Sparsemax",
    "Squared",
    "SquaredHinge",
    "get_loss",
]


def __dir__():
    return __all__


_LOSSES = {
    loss.name: loss
    for loss in (
        Squared,
        Huber,
        Quantile,
        Expectile,
        Poisson,
        Logistic,
        SquaredHinge,
        HuberizedHinge,
        Multinomial,
        Sparsemax,
    )
}
# What other libraries call them.
_SYNONYMS = {
    "squared_error": "squared",
    "least_squares": "squared",
    "mse": "squared",
    "gaussian": "squared",
    "absolute": "quantile",
    "absolute_error": "quantile",
    "mae": "quantile",
    "pinball": "quantile",
    "log_loss": "logistic",
    "logit": "logistic",
    "binomial": "logistic",
    "cross_entropy": "multinomial",
    "hinge": "squared_hinge",
    "modified_huber": "huberized_hinge",
}


def get_loss(loss):
    """Return the loss object for a name; check the parameters of an object.

    Parameters
    ----------
    loss : str or Loss
        ``"squared"``, ``"huber"``, ``"quantile"``, ``"expectile"``, ``"poisson"``,
        ``"logistic"``, ``"squared_hinge"``, ``"huberized_hinge"``, ``"multinomial"``,
        ``"sparsemax"``, or an object, which is returned as it is.

    Returns
    -------
    loss : Loss
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.

    Examples
    --------
    >>> from skopt2.losses import get_loss
    >>> get_loss("huber")
    Huber()
    """
    if isinstance(loss, str) and loss in _LOSSES:
        return _LOSSES[loss]()
    if not isinstance(loss, Loss):
        hint = name_hint(
            "loss", loss, {**_SYNONYMS, **{name: name for name in _LOSSES}}
        )
        if isinstance(loss, Real):
            # Lasso(0.1) of scikit-learn has the level first.
            hint = f"A level goes by its name, alpha={loss!r}."
        other = "an object such as Huber(delta=1.0)"
        check_choice("loss", loss, _LOSSES, other=other, hint=hint)
    loss.check_parameters()
    return loss


def names_of_losses(tasks):
    """Return the names of the losses of some tasks.

    Parameters
    ----------
    tasks : collection of str
        Among "regression", "binary" and "multiclass".

    Returns
    -------
    names : list of str
        In the order of the documentation.
    """
    return [name for name, loss in _LOSSES.items() if loss.task in tasks]


def is_probabilistic(estimator):
    """Tell whether an estimator's loss models class probabilities.

    Parameters
    ----------
    estimator : estimator
        With the parameter ``loss``.

    Returns
    -------
    probabilistic : bool
        Always True.

    Raises
    ------
    AttributeError
        If it does not: methods that need it are then not there.
    """
    if get_loss(estimator.loss).probabilistic:
        return True
    raise AttributeError(
        f"predict_proba is not available with loss={estimator.loss!r}; use "
        "loss='logistic', or calibrate with sklearn.calibration."
    )
