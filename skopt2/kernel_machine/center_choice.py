"""The choice of the centres of a kernel model."""

from numbers import Integral

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import asarray_like
from skopt2._core.parameters import check_choice, check_count
from skopt2.kernel_machine.sample import rows_of
from skopt2.kernels.points import check_points
from skopt2.solvers.kernel.kernel_thinning import thin
from skopt2.solvers.kernel.kmeans_rejection import seed_by_rejection
from skopt2.solvers.kernel.row_distances import row_distances

SELECTIONS = ("random", "k-means++", "thinning")
# As KernelThinning has them by default.
_DELTA, _SWAPS = 0.5, 1


def choose_centers(sample, centers, selection, kernel, rng):
    """Return the centres of a model.

    Parameters
    ----------
    sample : Sample
        Rows of positive weight.
    centers : int or array of shape (p, d)
        How many rows to choose, at most all of them; or the centres.
    selection : {"random", "k-means++", "thinning"}
        How rows are chosen.
    kernel : Kernel
        Resolved; for thinning.
    rng : numpy.random.Generator
        Draws.

    Returns
    -------
    Z : array of shape (p, d)
        Beside the rows, in their dtype.

    Raises
    ------
    ValueError
        If given centres have other features than the rows.
    """
    X = sample.X
    if not isinstance(centers, Integral):
        Z = asarray_like(check_points(centers, "centers"), X)
        if Z.shape[1] != X.shape[1]:
            raise ValueError(
                f"centers has {Z.shape[1]} features, but X has {X.shape[1]}."
            )
        return Z
    n = int(X.shape[0])
    p = int(centers)
    if p >= n:
        return X
    return rows_of(X, np.sort(_chosen(sample, p, selection, kernel, rng)))


def _chosen(sample, p, selection, kernel, rng):
    """Return the numbers of p rows in host memory."""
    X, n = sample.X, int(sample.X.shape[0])
    share = None
    if isinstance(sample.unit, np.ndarray):
        share = sample.unit / sample.unit.sum()
    if selection == "random":
        return rng.choice(n, p, replace=False)
    budget = cuda.memory_budget(cuda.target_of(X))
    if selection == "k-means++":
        weight = np.full(n, 1.0 / n) if share is None else share
        seeding = seed_by_rejection(row_distances(X, None, budget), p, weight, rng)
        # Where fewer rows differ, some of them were chosen twice.
        return np.unique(seeding.indices)
    found = thin(
        kernel,
        X,
        p,
        split_kernels=[kernel],
        delta=_DELTA,
        n_swaps=_SWAPS,
        rng=rng,
        budget=budget,
    )
    return np.asarray(found.indices)


def check_centers(centers, selection, pairwise):
    """Raise ValueError unless the parameters of the choice are in range.

    Parameters
    ----------
    centers : None, int or array-like
        As given.
    selection : str
        As given.
    pairwise : bool
        Whether the kernel is precomputed.
    """
    check_choice("center_selection", selection, SELECTIONS)
    if centers is None:
        return
    if pairwise:
        given = centers if isinstance(centers, Integral) else type(centers).__name__
        raise ValueError(
            f"centers must be None with kernel='precomputed'; got {given}. A matrix of "
            "kernel values has no points that could be centres: use centers=None, "
            "which keeps all rows, or a function of two sets of rows as kernel, for "
            "which X may hold their numbers."
        )
    if not isinstance(centers, (list, tuple)) and not getattr(centers, "ndim", 0):
        hint = "Or pass an array of shape (n_centers, n_features)."
        check_count("centers", centers, optional=True, hint=hint)
    if not isinstance(centers, Integral):
        check_points(centers, "centers")
