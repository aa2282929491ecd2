"""Seeds of clusters, and centres of kernel models, by rejection sampling."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array

from skopt2._core import cuda
from skopt2._core.array import (
    as_float,
    index_like,
    is_sparse,
    move,
    take,
    to_numpy,
)
from skopt2._core.checks import canonical, check_matrix
from skopt2._core.parameters import check_count
from skopt2._core.random import spawn
from skopt2._core.weights import check_weights
from skopt2.solvers.kernel.kmeans_rejection import seed_by_rejection
from skopt2.solvers.kernel.row_distances import row_distances


def rejection_kmeans_plusplus(
    X,
    n_clusters,
    *,
    sample_weight=None,
    x_squared_norms=None,
    random_state=None,
    max_proposals=None,
    return_indices=False,
    device=None,
):
    r"""Draw rows of X as k-means++ does, without a pass over X for each of them.

    Rows are drawn one after the other, each in proportion to its squared distance to
    the nearest row before (:math:`D^2` sampling). Here candidates are proposed from a
    table that is larger, and kept with the probability that makes up for it: the
    distribution is that of k-means++ with one trial, and so is the guarantee of an
    expected cost within :math:`8 (\ln k + 2)` of the best, but the time is
    :math:`O(n d + \beta k^2 d)`, where :math:`\beta` is the variance of the sample over
    its cost at the end. Where clusters are so tight that :math:`\beta` is huge,
    further passes over X keep it below about twice the :math:`O(n k d)` of k-means++.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data.
    n_clusters : int
        Number of rows to draw.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights; they multiply the squared distances.
    x_squared_norms : array-like of shape (n_samples,), default=None
        Squared Euclidean norm of each row. It saves a pass over sparse X; distances of
        dense X come from differences of rows, which no norm can make cheaper.
    random_state : None, int, RandomState or Generator, default=None
        Draws the rows, the same ones for every array library and device.
    max_proposals : int, default=None
        Rejected candidates after which a row is drawn by its weight alone. The time is
        then bounded however tight the clusters are, and the expected cost grows by a
        share of the variance of X that falls exponentially in ``max_proposals``. None
        for :math:`D^2` sampling without compromise.
    return_indices : bool, default=False
        Whether to return the numbers of the rows too.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where passes over X are computed; None where ``X`` lives. Candidates are
        compared in host memory, and so is sparse X.

    Returns
    -------
    centers : ndarray of shape (n_clusters, n_features)
        The rows, dense, in the order in which they were drawn, where ``X`` lives.
    indices : ndarray of shape (n_clusters,)
        Their numbers, all different. Only with ``return_indices=True``.

    Raises
    ------
    ValueError
        If ``X`` is not finite or has fewer rows than ``n_clusters``, or an argument is
        out of range.

    Warns
    -----
    ConvergenceWarning
        If X has fewer than ``n_clusters`` distinct rows of positive weight. The rows
        that are missing then repeat others.

    See Also
    --------
    sklearn.cluster.kmeans_plusplus : The best of several candidates for each centre, by
        a pass over X for each.

    References
    ----------
    Shah, Agrawal and Jaiswal, A new rejection sampling approach to k-means++ with
    improved trade-offs, 2025 (algorithms 1 to 3); Arthur and Vassilvitskii, k-means++:
    the advantages of careful seeding, SODA 2007.

    Examples
    --------
    The function is a starting point of :class:`sklearn.cluster.KMeans` as it is.

    >>> import numpy as np
    >>> from sklearn.cluster import KMeans
    >>> from skopt2.kernel_machine import rejection_kmeans_plusplus
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [1.0, 0.0], [10.0, 2.0], [10.0, 4.0]])
    >>> rejection_kmeans_plusplus(X, 2, random_state=0).shape
    (2, 2)
    >>> model = KMeans(2, init=rejection_kmeans_plusplus, n_init=1, random_state=0)
    >>> sorted(model.fit(X).cluster_centers_[:, 0].tolist())
    [1.0, 10.0]
    """
    _, target = cuda.resolve(device, X)
    X = _check_rows(X)
    n = int(X.shape[0])
    _check_counts(n_clusters, max_proposals, n)
    weight = check_weights(sample_weight, X)
    weight = np.full(n, 1.0 / n) if weight is None else to_numpy(weight)
    norms = None if x_squared_norms is None else _check_norms(x_squared_norms, n)
    with target.activate():
        rows = row_distances(
            X if is_sparse(X) else move(X, target),
            norms,
            cuda.memory_budget(target),
        )
        seeding = seed_by_rejection(
            rows,
            int(n_clusters),
            weight.astype(np.float64),
            spawn(random_state, 1)[0],
            max_proposals=max_proposals,
        )
    if seeding.n_distinct < n_clusters:
        warnings.warn(
            f"X has {seeding.n_distinct} distinct rows of positive weight, fewer than "
            f"n_clusters={n_clusters}: the other centres repeat them.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return _rows_of(X, seeding.indices, return_indices)


def _check_rows(X):
    """Return X in float32 or float64, finite, where it is."""
    if cuda.target_of(X).kind == "cuda":
        return canonical(check_matrix(X, ("csr",), "rejection_kmeans_plusplus"))
    X = check_array(X, accept_sparse="csr", input_name="X")
    if is_sparse(X):
        single = X.dtype == np.float32
        return canonical(X if single else X.astype(np.float64, copy=False))
    return as_float(X)


def _check_counts(n_clusters, max_proposals, n):
    """Raise ValueError unless the numbers of rows and of proposals are in range."""
    hint = f"There are n={n} rows in X."
    check_count("n_clusters", n_clusters, 1, n, hint=hint)
    check_count("max_proposals", max_proposals, optional=True)


def _check_norms(norms, n):
    """Return the squared norms of the rows in host memory."""
    norms = check_array(
        to_numpy(norms) if hasattr(norms, "dtype") else norms,
        ensure_2d=False,
        dtype=np.float64,
        input_name="x_squared_norms",
    )
    if norms.shape != (n,) or (norms < 0).any():
        raise ValueError(
            f"x_squared_norms must hold {n} nonnegative numbers, one for each row of "
            f"X; got shape {norms.shape} and the smallest value {norms.min()}."
        )
    return norms


def _rows_of(X, indices, return_indices):
    """Return rows of X as a dense array, and their numbers beside it."""
    like = X.data if is_sparse(X) else X
    where = index_like(indices, like)
    centers = take(X, where)
    if is_sparse(centers):
        centers = centers.toarray()
    return (centers, where) if return_indices else centers
