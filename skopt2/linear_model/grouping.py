"""Groups of features as the user writes them, and their weights."""

import math
from numbers import Integral

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.array_parameters import as_numbers
from skopt2._core.parameters import check_count
from skopt2.linear_model.column_names import ColumnNames, Match
from skopt2.penalties.partition import Cover, Partition


def check_groups(groups, n_features, names=None):
    """Return the groups of the features and their labels.

    Parameters
    ----------
    groups : None, int, array-like of shape (n_features,), list or dict
        None for groups of one; a number for consecutive groups of that size; one label
        per feature; or for each group a column or a list of columns, by index or by a
        name as :class:`~skopt2.linear_model.column_names.ColumnNames` reads it, where
        the columns that are in none are groups of their own.
    n_features : int
        Columns of X.
    names : ndarray of shape (n_features,), default=None
        Names of the columns.

    Returns
    -------
    groups : Partition or Cover
        In the order of their first feature, or of the list; a cover where two lists
        share a column.
    labels : ndarray of shape (G,)
        Labels, keys or names of the groups; their numbers where there are none.

    Raises
    ------
    ValueError
        If a column does not exist, a list is empty, a name is ambiguous, a pattern
        reaches into another group, or the number of labels is wrong.
    """
    if groups is None:
        groups = 1
    if isinstance(groups, Integral) and not isinstance(groups, (bool, np.bool_)):
        hint = "It is the size of each group."
        size = min(check_count("groups", groups, hint=hint), n_features)
        index = np.arange(n_features) // size
        return Partition(index), np.arange(index[-1] + 1)
    if isinstance(groups, dict):
        keys, lists = list(groups), list(groups.values())
        return _listed(keys, lists, n_features, names)
    if isinstance(groups, (list, tuple)) and (
        any(_is_list(one) for one in groups) or _are_names(groups, n_features, names)
    ):
        keys = [one if isinstance(one, str) else g for g, one in enumerate(groups)]
        return _listed(keys, list(groups), n_features, names)
    return _labelled(groups, n_features)


def _are_names(groups, n_features, names):
    """Tell names of columns, one group each, from labels, one for each column."""
    if not groups or not all(isinstance(one, str) for one in groups):
        return False
    if len(groups) != n_features:
        return True
    if names is not None and sorted(groups) == sorted(names) != list(groups):
        raise ValueError(
            "groups holds the name of every column, in another order: that may be one "
            "label for each column, or one group for each name. Leave groups=None for "
            "groups of one."
        )
    return False


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


def _listed(keys, groups, n_features, names):
    """Return the groups and their labels from the columns of each.

    Parameters
    ----------
    keys : list
        Label of each group.
    groups : list
        Column or columns of each group.
    n_features : int
        Columns of X.
    names : ndarray of shape (n_features,) or None
        Names of the columns.
    """
    known = None if names is None else ColumnNames(names)
    claims = [[] for _ in range(n_features)]
    for g, columns in enumerate(groups):
        for j, length in _claimed(g, columns, n_features, known).items():
            claims[j].append((g, length))
    members = [[] for _ in groups]
    for j, claim in enumerate(claims):
        for g in _owners(claim, j, names):
            members[g].append(j)
    for key, columns, own in zip(keys, groups, members, strict=True):
        if not own:
            raise ValueError(
                f"groups: the columns of {columns!r}, group {key!r}, all belong to "
                "groups with longer names. Name the columns."
            )
    rest = np.flatnonzero([not claim for claim in claims])
    members += [[j] for j in rest]
    single = len(groups) + np.arange(rest.size) if names is None else names[rest]
    labels = np.fromiter([*keys, *single], dtype=object, count=len(members))
    if sum(map(len, members)) > n_features:
        return Cover(members), labels
    index = np.empty(n_features, dtype=np.int64)
    for g, own in enumerate(members):
        index[own] = g
    return Partition(index), labels


def _claimed(g, columns, n_features, known):
    """Return the columns of a group, each with how much of its name was written."""
    columns = list(columns) if _is_list(columns) else [columns]
    if not columns:
        raise ValueError(f"groups[{g}] must be a list of columns that is not empty.")
    found = {}
    for column in columns:
        match = _find(column, n_features, known)
        for j in match.columns:
            old, length = found.get(j, math.nan), match.length
            found[j] = old if math.isnan(length) or length < old else length
    return found


def _owners(claim, j, names):
    """Return the groups of a column: those that name it best."""
    if len(claim) < 2:
        return [g for g, _ in claim]
    lengths = [length for _, length in claim]
    if any(map(math.isnan, lengths)):
        raise ValueError(
            f"groups: the column {names[j]!r} matches a pattern, and is in another "
            "group as well. Groups overlap by the names of their columns only: write "
            "them out."
        )
    top = max(lengths)
    return [g for g, length in claim if length == top]


def _find(column, n_features, known):
    """Return what a name or an index stands for."""
    if type(column) is int and 0 <= column < n_features:
        return Match((column,), math.inf)
    if isinstance(column, str):
        if known is None:
            raise ValueError(
                f"groups names the column {column!r}, but X has no column names. Fit "
                "on a DataFrame; in a pipeline call set_output(transform='pandas') on "
                "it, with OneHotEncoder(sparse_output=False); or give groups as one "
                "label for each column."
            )
        return known.find(column)
    if (
        not isinstance(column, Integral)
        or isinstance(column, (bool, np.bool_))
        or not -n_features <= column < n_features
    ):
        raise ValueError(
            "groups must hold column names, or indices from "
            f"{-n_features} to {n_features - 1}; got {column!r}."
        )
    return Match((int(column) % n_features,), math.inf)


def check_group_weights(weights, partition, roots=True):
    """Return the weights of the groups as float64, (G,), each in [0, inf].

    Parameters
    ----------
    weights : array-like of shape (G,) or None
        None for the defaults.
    partition : Partition or Cover
        Of the features.
    roots : bool, default=True
        Whether the defaults are the square roots of the sizes, and not 1.

    Raises
    ------
    ValueError
        If the shape is wrong, or a weight negative or NaN.
    """
    if weights is None:
        sizes = partition.sizes.astype(np.float64)
        return np.sqrt(sizes) if roots else np.ones_like(sizes)
    values = as_numbers("group_weights", weights)
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
