"""Graphs of samples: weights between training rows, and of new rows to them."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

# Rows of the weights of new rows that are held at a time.
ROWS = 1024
# Weights smaller than this part of what both nodes have in all are lost in rounding.
NEGLIGIBLE = 1e-14


def training_graph(X, kernel, gamma, n_neighbors):
    """Return symmetric weights between the rows, without loops.

    Parameters
    ----------
    X : ndarray or csr matrix of shape (n, d)
        Rows, or their weights for ``kernel="precomputed"``.
    kernel : {"knn", "rbf", "precomputed"} or callable
        Of the weights.
    gamma : float
        Of "rbf".
    n_neighbors : int
        Of "knn".

    Returns
    -------
    graph : ndarray or csr_array of shape (n, n)
        float64.

    Raises
    ------
    ValueError
        If the weights are not those of an undirected graph.
    """
    if kernel == "knn":
        search = NearestNeighbors(n_neighbors=min(n_neighbors, max(X.shape[0] - 1, 1)))
        if X.shape[0] == 1:
            return sp.csr_array((1, 1))
        graph = sp.csr_array(search.fit(X).kneighbors_graph(), dtype=np.float64)
        # An edge where either is among the nearest of the other.
        return sp.csr_array(graph.maximum(graph.T))
    if kernel == "rbf":
        graph = np.exp(-gamma * _squared_distances(X, X))
    else:
        graph = X if kernel == "precomputed" else kernel(X, X)
        graph = _checked(graph, X.shape[0])
    if sp.issparse(graph):
        graph.setdiag(0.0)
        graph.eliminate_zeros()
    else:
        np.fill_diagonal(graph, 0.0)
    return graph


def _squared_distances(X, Y):
    # In float64: gamma multiplies the rounding errors.
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    return euclidean_distances(X, Y, squared=True)


def _checked(graph, n):
    """Return given weights as a new float64 array, with errors that name them."""
    if graph.shape != (n, n):
        raise ValueError(
            f"The weights of the graph have shape {tuple(graph.shape)}, expected "
            f"({n}, {n}): for kernel='precomputed' X is a square matrix with one row "
            "and one column for each sample."
        )
    sparse = sp.issparse(graph)
    graph = (
        sp.csr_array(graph, dtype=np.float64, copy=True)
        if sparse
        else np.array(graph, dtype=np.float64)
    )
    values = graph.data if sparse else graph
    if not np.isfinite(values).all() or (values < 0.0).any():
        raise ValueError(
            "The weights of the graph must be finite and nonnegative; the smallest is "
            f"{values.min()}."
        )
    difference = abs(graph - graph.T)
    largest = float(difference.max()) if values.size else 0.0
    if largest > 1e-5 * float(values.max(initial=0.0)):
        raise ValueError(
            "The weights of the graph must be symmetric; the largest difference from "
            f"the transpose is {largest:.3g}. Give (W + W.T) / 2."
        )
    half = 0.5 * (graph + graph.T)
    return sp.csr_array(half) if sparse else half


def without_negligible(graph):
    """Return the graph without the edges that rounding hides from both of their ends.

    Parameters
    ----------
    graph : ndarray or csr_array of shape (n, n)
        Symmetric weights.

    Returns
    -------
    graph : ndarray or csr_array of shape (n, n)
    """
    degree = np.asarray(graph.sum(axis=1)).ravel()
    if not sp.issparse(graph):
        bound = NEGLIGIBLE * np.minimum(degree[:, None], degree)
        return np.where(graph >= bound, graph, 0.0)
    graph = graph.tocoo()
    row, col = graph.coords
    keep = graph.data >= NEGLIGIBLE * np.minimum(degree[row], degree[col])
    keep &= graph.data > 0.0
    return sp.csr_array((graph.data[keep], (row[keep], col[keep])), shape=graph.shape)


def reached(graph, labelled):
    """Return which nodes have a labelled node in their component.

    Parameters
    ----------
    graph : ndarray or csr_array of shape (n, n)
        Symmetric weights.
    labelled : ndarray of bool of shape (n,)
        Where labels are.

    Returns
    -------
    reached : ndarray of bool of shape (n,)
    """
    n_parts, part = connected_components(sp.csr_array(graph), directed=False)
    has_label = np.zeros(n_parts, dtype=bool)
    has_label[part[labelled]] = True
    return has_label[part]


def carry_over(X, X_train, values, kernel, gamma, n_neighbors):
    """Return the weighted means of the values of the training rows, for new rows.

    Parameters
    ----------
    X : ndarray or csr matrix of shape (m, d)
        New rows, or their weights (m, n) for ``kernel="precomputed"``.
    X_train : ndarray or csr matrix of shape (n, d) or None
        Training rows.
    values : ndarray of shape (n, k)
        Of the training rows.
    kernel, gamma, n_neighbors : object
        As in :func:`training_graph`.

    Returns
    -------
    means : ndarray of shape (m, k)
        NaN for rows without weight.
    """
    if kernel == "knn":
        search = NearestNeighbors(n_neighbors=min(n_neighbors, X_train.shape[0]))
        nearest = search.fit(X_train).kneighbors(X, return_distance=False)
        return values[nearest].mean(axis=1)
    parts = []
    for start in range(0, X.shape[0], ROWS):
        rows = X[start : start + ROWS]
        if kernel == "rbf":
            distances = _squared_distances(rows, X_train)
            # Far from all, what counts is who is less far.
            distances -= distances.min(axis=1, keepdims=True)
            weights = np.exp(-gamma * distances)
        else:
            weights = rows if kernel == "precomputed" else kernel(rows, X_train)
        total = np.asarray(weights.sum(axis=1), dtype=np.float64).reshape(-1, 1)
        total = np.where(total > 0.0, total, np.nan)
        parts.append(np.asarray(weights @ values) / total)
    return np.concatenate(parts)
