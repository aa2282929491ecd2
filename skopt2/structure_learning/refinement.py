"""A graph of another method, improved."""

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.solvers.dag.graphs import topological_order, without_cycles
from skopt2.structure_learning.linear_dag import LinearDAG


def refine_dag(
    W, X, *, noise="ev", alpha="ebic", sample_weight=None, forbidden=None, max_iter=100
):
    """Improve a graph of another method by moves of its nodes.

    Cycles are cut at their smallest weights. The order of what is left is where the
    search of :class:`LinearDAG` starts; the weights and edges are its own.

    Parameters
    ----------
    W : array-like of shape (d, d)
        Weights, at (i, j) the effect of i on j. There may be cycles.
    X : array-like of shape (n_samples, d)
        Data.
    noise : {"ev", "nv"}, default="ev"
        Whether the noise of all features has one variance.
    alpha : {"ebic", "bic"} or float, default="ebic"
        Price of an edge, as in :class:`LinearDAG`.
    sample_weight : array-like of shape (n_samples,), default=None
        Nonnegative weights.
    forbidden : array-like of bool of shape (d, d), default=None
        True at (i, j) where i must not be a parent of j.
    max_iter : int, default=100
        Largest number of sweeps over all features.

    Returns
    -------
    model : LinearDAG
        Fitted, from the order of ``W``.

    Raises
    ------
    ValueError
        If ``W`` is no square matrix of finite numbers, one row for each feature.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.structure_learning import refine_dag
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> X[:, 1] += 2 * X[:, 0]
    >>> refine_dag([[0, 0.1], [0.9, 0]], X).adjacency_.round(1)
    array([[0., 2.],
           [0., 0.]])
    """
    W = np.asarray(to_numpy(W) if hasattr(W, "dtype") else W, dtype=np.float64)
    if W.ndim != 2 or W.shape[0] != W.shape[1] or not np.isfinite(W).all():
        raise ValueError(
            f"W must be a square matrix of finite numbers; got the shape {W.shape}."
        )
    d = np.shape(X)[1] if np.ndim(X) == 2 else None
    if d is not None and d != len(W):
        raise ValueError(
            f"W is for {len(W)} features, but X has {d}: pass one row and one column "
            "for each."
        )
    model = LinearDAG(
        noise,
        alpha,
        forbidden=forbidden,
        n_init=1,
        max_iter=max_iter,
        warm_start=True,
        random_state=0,
    )
    model.order_ = topological_order(without_cycles(W))
    return model.fit(X, sample_weight=sample_weight).set_params(warm_start=False)
