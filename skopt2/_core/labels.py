"""Class labels as numbers, targets of classifiers, and scores as labels."""

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from skopt2._core.array import move, namespace, to_numpy
from skopt2._core.cuda import target_of


def encode_labels(estimator, y, weight, min_classes=2):
    """Return the class labels that have weight, and the class number of each sample.

    A class whose samples all have weight zero does not exist: weight 0 equals the row
    dropped. Its rows get the number 0, which their weight makes harmless.

    Parameters
    ----------
    estimator : estimator
        Named in the messages.
    y : array of shape (n_samples,)
        Labels of any dtype.
    weight : array of shape (n_samples,) or None
        Checked weights.
    min_classes : int, default=2
        Fewest classes to accept.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted labels, in host memory.
    codes : ndarray of shape (n_samples,)
        int64 positions in ``classes``, in host memory.

    Raises
    ------
    ValueError
        If ``y`` is continuous, holds labels that cannot be sorted, or has too few
        classes.
    """
    y = to_numpy(y)
    _check_one_type(y)
    check_classification_targets(y)
    if weight is None:
        classes, codes = np.unique(y, return_inverse=True)
    else:
        classes = np.unique(y[to_numpy(weight) > 0])
        codes = np.searchsorted(classes, y)
        codes[codes == classes.shape[0]] = 0
        codes[classes[codes] != y] = 0
    if classes.shape[0] < min_classes:
        counted = "" if weight is None else " among the samples of positive weight"
        raise ValueError(
            f"{type(estimator).__name__} needs samples of at least {min_classes} "
            f"classes in y, but there is only one class{counted}: "
            f"{classes.tolist()[0]!r}."
        )
    return classes, codes.astype(np.int64, copy=False)


def _check_one_type(y):
    """Raise ValueError for labels of which some are text and others are not."""
    if y.dtype.kind != "O":
        return
    text = [isinstance(label, str) for label in y]
    if any(text) and not all(text):
        other = y[text.index(False)]
        raise ValueError(
            f"y holds text and {other!r} of type {type(other).__name__}: labels of "
            "different types cannot be sorted. Give all of them one type; a sample "
            "without a label is -1 among labels that are integers, and only for "
            "estimators of skopt2.semi_supervised."
        )


def known_labels(classes, former=None):
    """Return the labels of all calls of ``partial_fit``, sorted.

    Parameters
    ----------
    classes : array-like of shape (n_classes,) or None
        As given to the present call.
    former : ndarray of shape (n_classes,) or None, default=None
        Those of the calls before; None in the first.

    Returns
    -------
    known : ndarray of shape (n_classes,) or None
        In host memory; None if no call gave any.

    Raises
    ------
    ValueError
        If there are fewer than two, or others than before.
    """
    if classes is None:
        return former
    listed = to_numpy(classes) if hasattr(classes, "dtype") else classes
    known = np.unique(np.asarray(listed))
    if former is not None and not np.array_equal(known, former):
        raise ValueError(
            f"classes={known.tolist()} are not those of the first call: "
            f"{former.tolist()}. Leave classes out, or give the same."
        )
    if known.size < 2:
        raise ValueError(
            f"classes must have at least two labels; got {known.tolist()}."
        )
    return known


def codes_among(known, found, codes):
    """Return class numbers among all labels, for those among some of them.

    Parameters
    ----------
    known : ndarray of shape (n_classes,)
        All labels, sorted.
    found : ndarray of shape (k,)
        Labels that ``codes`` number.
    codes : array of int of shape (n,)
        Numbers of the rows, on any device.

    Returns
    -------
    codes : ndarray of int of shape (n,)
        Positions in ``known``, in host memory.

    Raises
    ------
    ValueError
        If there is a label that is not known.
    """
    places = np.searchsorted(known, found)
    nearest = np.minimum(places, known.size - 1)
    strange = found[known[nearest] != found]
    if strange.size:
        raise ValueError(
            f"y has the new labels {strange.tolist()}, which are not among classes="
            f"{known.tolist()}: give all labels that will come as classes to the first "
            "call of partial_fit, or let a fit to chunks have them in the first chunk."
        )
    return places[to_numpy(codes)]


def signs(codes, n_classes):
    """Return targets 1 for the class of a row and -1 for the others.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Class numbers.
    n_classes : int
        At least two.

    Returns
    -------
    Y : ndarray of shape (n, n_classes), or (n, 1) for two classes
        float64.
    """
    if n_classes == 2:
        return np.where(codes == 1, 1.0, -1.0)[:, None]
    return np.where(codes[:, None] == np.arange(n_classes), 1.0, -1.0)


def labels_of(scores, classes, X):
    """Return the label with the largest score of each row.

    Parameters
    ----------
    scores : array of shape (n, n_classes), or (n, 1) for two classes
        The one column is positive for the second class.
    classes : ndarray of shape (n_classes,)
        Labels.
    X : array or sparse matrix
        What the scores are of.

    Returns
    -------
    labels : array of shape (n,)
        Where ``X`` is if they are numbers, else in host memory.
    """
    xp = namespace(scores)
    if scores.shape[1] == 1:
        codes = xp.astype(scores[:, 0] > 0, xp.int64)
    else:
        codes = xp.argmax(scores, axis=1)
    labels = classes[to_numpy(codes)]
    return labels if labels.dtype.kind in "OUS" else move(labels, target_of(X))
