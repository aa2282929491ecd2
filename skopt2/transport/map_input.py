"""What the estimators of transport maps check, and how they carry points."""

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from skopt2._core import cuda
from skopt2._core.array import all_finite, as_float, asarray_like, move, namespace
from skopt2._core.checks import check_matrix
from skopt2._core.histograms import check_normalisation
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.transfer import convert
from skopt2._core.weights import check_weights
from skopt2.solvers.transport.cost import ground_cost
from skopt2.transport.map_fit import Settings
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
    check_choice("map", given["map"], maps)
    if given["map"] == "progressive" and given["metric"] != "sqeuclidean":
        raise ValueError(
            "map='progressive' moves points along straight lines, which is right for "
            f"metric='sqeuclidean' only; got {given['metric']!r}."
        )
    for name in {"n_steps", "n_rounds"} & set(given):
        check_count(name, given[name])
    for name in {"label_reg", "label_limit"} & set(given):
        check_number(name, given[name], 0)
    check_positive("reg", given["reg"], hint="normalize_cost sets its unit.")
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
    Y = check_points(estimator, target)
    try:
        b = check_weights(target_weight, Y)
    except ValueError as error:
        text = str(error).replace("sample_weight", "target_weight")
        raise ValueError(text.replace("row of X", "row of target")) from error
    Y = cast_points(move(Y, data.target), data.X, "target", "X")
    return Y, None if b is None else asarray_like(move(b, data.target), data.X)


def check_points(estimator, target):
    """Return the points of a target, checked against the features of the source.

    Parameters
    ----------
    estimator : estimator
        That knows the features of the source, and their names.
    target : array-like of shape (n_target, n_features)
        Points.

    Returns
    -------
    Y : array of shape (n_target, n_features)
        Where they are, in float32 or float64.

    Raises
    ------
    TypeError, ValueError
        If they are sparse, empty, not finite, no matrix, or have other features.
    """
    try:
        if cuda.target_of(target).kind == "cuda":
            Y = check_matrix(target, False, type(estimator).__name__)
        else:
            Y = check_array(target, input_name="target")
        validate_data(estimator, target, reset=False, skip_check_array=True)
    except (TypeError, ValueError) as error:
        text = str(error)
        if "target" in text:
            raise
        raise type(error)(f"target: {text}") from error
    return as_float(Y)


def cast_points(points, like, name, of):
    """Return points beside others, in their dtype, and finite still.

    Parameters
    ----------
    points : array of shape (n, d)
        Finite points.
    like : array
        Whose namespace, device and dtype the points get.
    name, of : str
        What is cast, and to the dtype of what, for the message.

    Returns
    -------
    points : array of shape (n, d)

    Raises
    ------
    ValueError
        If a value is too large for the dtype.
    """
    with np.errstate(over="ignore"):
        cast = asarray_like(points, like)
    if not all_finite(cast):
        raise ValueError(
            f"{name} has values too large for the {cast.dtype} of {of}. Pass both in "
            "float64, or divide both by a common factor."
        )
    return cast


def check_no_points(y, target, X):
    """Raise ValueError for points of a target that were passed as ``y``.

    Parameters
    ----------
    y : array-like or None
        Labels, or what a later step of a pipeline predicts.
    target : array-like or None
        Points of the target.
    X : array of shape (n_samples, n_features)
        Points of the source.

    Raises
    ------
    ValueError
        If there is no target, and ``y`` has as many columns as ``X``, more than one.
    """
    shape, d = tuple(getattr(y, "shape", ())), int(X.shape[1])
    if target is None and len(shape) == 2 and shape[1] == d > 1:
        raise ValueError(
            f"y has the shape {shape}, like points, and target is None: the map would "
            "carry X to itself. Pass the points of the target by name, "
            "fit(X, target=Y)."
        )


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

    Raises
    ------
    ValueError
        If a point is so far away that its costs overflow.
    """
    source, target = cuda.resolve(device, X)
    with target.activate(), np.errstate(over="ignore", invalid="ignore"):
        one = convert(one, target)
        points = cast_points(move(X, target), one.like, "X", "the fit")
        images = one(points)
        if not all_finite(images):
            largest = float(namespace(points).max(namespace(points).abs(points)))
            raise ValueError(
                f"X holds values up to {largest:.1e}, so far from the points of the "
                f"fit that their costs overflow {points.dtype}. Remove those points; "
                "if they are not far, the fit has diverged: see its stop_reason_."
            )
        return asarray_like(move(images, source), X)
