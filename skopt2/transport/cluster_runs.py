"""The runs of k-means of histograms: parameters, starts, iterations."""

from functools import partial

import numpy as np
from joblib import Parallel, delayed

from skopt2._core.array import all_finite, asarray_like, move
from skopt2._core.checks import check_real
from skopt2._core.histograms import normalise
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_count, check_init, check_number
from skopt2._core.random import spawn
from skopt2.solvers.transport.lloyd import Lloyd

CERTIFICATE = "relative decrease of the inertia"
STARTS = ("k-means++", "random")


def check_clustering(estimator):
    """Raise ValueError unless the parameters of the iterations are in range.

    Parameters
    ----------
    estimator : estimator
        Not fitted.
    """
    check_count("n_clusters", estimator.n_clusters)
    check_count("n_init", estimator.n_init)
    check_number("marginal_tol", estimator.marginal_tol, 0)
    check_init(estimator.init, STARTS, "an array of centres")


def run_clusters(problem, estimator, monitor=None, resume=None):
    """Run Lloyd's iterations from all starts.

    Parameters
    ----------
    problem : ClusterProblem
        The histograms.
    estimator : estimator
        Its parameters say how.
    monitor, resume : object, default=None
        As in :func:`skopt2._core.iterate.iterate`.

    Returns
    -------
    result : Result
        With the :class:`.lloyd.Clusters` of the best run. There are fewer of them than
        ``n_clusters`` where there are fewer different histograms of positive mass.

    Raises
    ------
    ValueError
        If ``init`` holds no fitting histograms.
    """
    over = partial(_over, estimator.n_jobs)
    solver = Lloyd(problem, problem.sample.w, tol=estimator.tol, over=over)
    state = None
    if resume is None or "state" not in resume:
        state = solver.start(_centres(problem, estimator, over))
    return iterate(
        solver,
        state,
        tol=estimator.tol,
        max_iter=estimator.max_iter,
        time_limit=estimator.time_limit,
        monitor=monitor,
        name=CERTIFICATE,
        resume=resume,
    )


def _over(n_jobs, function, runs):
    """Return what a function returns for every run."""
    if len(runs) <= 1:
        return [function(run) for run in runs]
    return Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(function)(run) for run in runs
    )


def _centres(problem, estimator, over):
    """Return the centres from which the runs start."""
    k, init = estimator.n_clusters, estimator.init
    given = None
    if not isinstance(init, str):
        given = _check_init(init, k, problem, type(estimator).__name__)
    k = min(k, int((problem.sample.w > 0.0).sum()))
    if given is not None:
        return [given[:k, :]]
    streams = spawn(estimator.random_state, estimator.n_init)
    return over(partial(problem.seeds, init, k), streams)


def _check_init(init, k, problem, name):
    """Return the starting centres that a user passed, each divided by its sum."""
    A = problem.sample.A
    P, shape = init if hasattr(init, "dtype") else np.asarray(init), (k, A.shape[1])
    check_real(P, "init")
    if tuple(P.shape) != shape:
        raise ValueError(
            f"init has the shape {tuple(P.shape)}, expected {shape}: one histogram for "
            "each cluster."
        )
    P = asarray_like(move(P, problem.target), A)
    if not all_finite(P):
        raise ValueError("init must be finite, but holds NaN or infinity.")
    return normalise(P, f"{name} as init")
