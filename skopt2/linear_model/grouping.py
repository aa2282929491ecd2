"""Groups of features as the user writes them, and their weights."""

from numbers import Integral

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.linear_model.formulation import on_host
from skopt2.penalties.partition import Partition


def check_groups(groups, n_features, names=None):
    """Return the partition of the features and the labels of its groups.

    Parameters
    ----------
    groups : None, int, array-like of shape (n_features,) or list of lists
        None for groups of one; a number for consecutive groups of that size; one label
        per feature; or one list of column names or indices per group, where the columns
        that are in no list are groups of their own.
    n_features : int
        Columns of X.
    names : ndarray of shape (n_features,), default=None
        Names of the columns.

    Returns
    -------
    partition : Partition
        Groups in the order of their first feature, or of the lists.
    labels : ndarray of shape (G,)
        Labels of the groups; their numbers where none were given.

    Raises
    ------
    ValueError
        If a column does not exist or is in two groups, a list is empty, or the number
        of labels is wrong.
    """
    if groups is None:
        groups = 1
    if isinstance(groups, Integral) and not isinstance(groups, (bool, np.bool_)):
        if groups < 1:
            raise ValueError(f"groups must be at least 1 as a size, got {groups}.")
        index = np.arange(n_features) // int(groups)
        return Partition(index), np.arange(index[-1] + 1)
    if isinstance(groups, dict):
        index, n_groups = _listed(list(groups.values()), n_features, names)
        labels = np.array([str(key) for key in groups], dtype=object)
        extra = np.arange(len(labels), n_groups).astype(object)
        return Partition(index), np.concatenate([labels, extra])
    if isinstance(groups, (list, tuple)) and any(_is_list(one) for one in groups):
        index, n_groups = _listed(groups, n_features, names)
        return Partition(index), np.arange(n_groups)
    return _labelled(groups, n_features)


def _is_list(entry):
    return isinstance(entry, (list, tuple, set, np.ndarray, range))


def _labelled(groups, n_features):
    """Return the partition of one label per feature."""
    labels = np.asarray(to_numpy(groups) if hasattr(groups, "dtype") else groups)
    if labels.shape != (n_features,):
        raise ValueError(
            f"groups has shape {labels.shape}, expected ({n_features},): one label for "
            "each column of X, or a list of lists of columns."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("groups must not contain NaN or infinity.")
    unique, first, index = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.argsort(order)
    return Partition(rank[index.ravel()]), unique[order]


def _listed(groups, n_features, names):
    """Return the group of each feature, and their number, from lists of columns."""
    known = {} if names is None else {name: j for j, name in enumerate(names)}
    index = np.full(n_features, -1)
    for g, columns in enumerate(groups):
        if not _is_list(columns) or len(columns) == 0:
            raise ValueError(
                f"groups[{g}] must be a list of columns that is not empty, got "
                f"{columns!r}."
            )
        for column in columns:
            j = _position(column, n_features, known)
            if index[j] >= 0:
                raise ValueError(
                    f"groups must not overlap: column {column!r} is in two of them."
                )
            index[j] = g
    rest = np.flatnonzero(index < 0)
    index[rest] = len(groups) + np.arange(rest.size)
    return index, len(groups) + rest.size


def _position(column, n_features, known):
    """Return the number of a column given by name or index."""
    if isinstance(column, str):
        if column not in known:
            hint = "X has no column names" if not known else "X has no such column"
            raise ValueError(f"groups names the column {column!r}, but {hint}.")
        return known[column]
    if not isinstance(column, Integral) or not -n_features <= column < n_features:
        raise ValueError(
            "groups must hold column names, or indices from "
            f"{-n_features} to {n_features - 1}; got {column!r}."
        )
    return int(column) % n_features


def check_group_weights(weights, partition):
    """Return the weights of the groups as float64, (G,), each in [0, inf].

    Parameters
    ----------
    weights : array-like of shape (G,) or None
        None for the square roots of the sizes.
    partition : Partition
        Of the features.

    Raises
    ------
    ValueError
        If the shape is wrong, or a weight negative or NaN.
    """
    if weights is None:
        return np.sqrt(partition.sizes.astype(np.float64))
    values = on_host("group_weights", weights)
    if values.shape != (partition.n_groups,):
        raise ValueError(
            f"group_weights has shape {values.shape}, expected "
            f"({partition.n_groups},): one weight for each group."
        )
    if not (values >= 0).all():
        raise ValueError(
            "group_weights must be nonnegative (0 leaves a group unpenalised, inf "
            f"excludes it); it contains {values[~(values >= 0)][0]}."
        )
    return values
