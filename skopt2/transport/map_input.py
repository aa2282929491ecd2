"""What the estimators of transport maps check, and how they carry points."""

import math
import numbers

from sklearn.utils.validation import validate_data

from skopt2._core import cuda
from skopt2._core.array import as_float, asarray_like, move
from skopt2._core.checks import check_matrix
from skopt2._core.transfer import convert
from skopt2._core.validation import check_weights
from skopt2.solvers.transport.cost import ground_cost
from skopt2.transport.cost_scale import check_normalisation
from skopt2.transport.map_fit import Settings
from skopt2.transport.problem import check_positive
from skopt2.transport.sinkhorn import check_options
from skopt2.transport.unbalanced import check_reg_marginal

MAPS = ("entropic", "debiased", "progressive")


def check_settings(estimator, maps=MAPS):
    """Return the checked parameters of an estimator of maps.

    Parameters
    ----------
    estimator : estimator
        What it has no parameter for keeps the default.
    maps : tuple of str
        Kinds of maps that it offers.

    Returns
    -------
    settings : Settings

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """
    given = estimator.get_params(deep=False)
    options = {name: given.get(name) for name in ("solver", "max_iter", "time_limit")}
    check_options(options["solver"], given["tol"], *list(options.values())[1:])
    check_normalisation(given["normalize_cost"])
    ground_cost(given["metric"])
    if given["map"] not in maps:
        raise ValueError(f"map must be one of {maps}; got {given['map']!r}.")
    if given["map"] == "progressive" and given["metric"] != "sqeuclidean":
        raise ValueError(
            "map='progressive' moves points along straight lines, which is right for "
            f"metric='sqeuclidean' only; got {given['metric']!r}."
        )
    for name in {"n_steps", "n_rounds"} & set(given):
        value = given[name]
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    for name in {"label_reg", "label_limit"} & set(given):
        value = given[name]
        if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
            raise ValueError(f"{name} must be a finite number >= 0; got {value!r}.")
    check_positive(given["reg"], "reg", "normalize_cost sets its unit.")
    names = {field for field in Settings.__dataclass_fields__ if field in given}
    found = {name: given[name] for name in names}
    if "reg_marginal" in given:
        prices = check_reg_marginal(given["reg_marginal"], options["solver"])
        found["reg_marginal"] = prices
    return Settings(**found, options=options)


def check_target(estimator, target, target_weight, data):
    """Return the points of a target beside those of the source, and their masses.

    Parameters
    ----------
    estimator : estimator
        That knows the features of the source.
    target : array-like of shape (n_target, n_features)
        Points.
    target_weight : array-like of shape (n_target,) or None
        Nonnegative weights.
    data : FitInput
        The source.

    Returns
    -------
    Y : array of shape (n_target, n_features)
        On the device that computes, in the dtype of the source.
    b : array of shape (n_target,) or None
        Masses of sum one, likewise; None for equal ones.

    Raises
    ------
    ValueError
        If points or weights are out of range, or have other features than the source.
    """
    try:
        if cuda.target_of(target).kind == "cuda":
            Y = check_matrix(target, False, type(estimator).__name__)
            validate_data(estimator, Y, reset=False, skip_check_array=True)
        else:
            Y = validate_data(estimator, target, reset=False, accept_sparse=False)
        Y = as_float(Y)
    except (TypeError, ValueError) as error:
        raise type(error)(f"target: {error}") from error
    try:
        b = check_weights(target_weight, Y)
    except ValueError as error:
        text = str(error).replace("sample_weight", "target_weight")
        raise ValueError(text.replace("row of X", "row of target")) from error
    Y, b = (
        None if part is None else asarray_like(move(part, data.target), data.X)
        for part in (Y, b)
    )
    return Y, b


def carry(one, X, device):
    """Return the images of points under a map, where the points are.

    Parameters
    ----------
    one : EntropicMap, DebiasedMap or ProgressiveMap
        The map.
    X : array of shape (n, d)
        Checked points.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}
        Where to compute.

    Returns
    -------
    images : array of shape (n, d)
        In the dtype of ``X``.
    """
    source, target = cuda.resolve(device, X)
    with target.activate():
        one = convert(one, target)
        images = one(asarray_like(move(X, target), one.like))
        return asarray_like(move(images, source), X)
