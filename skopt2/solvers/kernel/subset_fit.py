"""Parameters of a kernel by the exact likelihood of a subset of the rows.

Problem: maximise L(theta), the log marginal likelihood
(:mod:`skopt2.solvers.kernel.likelihood`) of s of the n rows, over log parameters theta
(p,) within a box.

Quasi-Newton steps with bounds (L-BFGS-B) from the given parameters theta_0, and from
others drawn uniformly in the box: log-uniformly in the parameters. Of a subset, L alone
overfits: some directions are flat, and its maximum at their far ends, where all rows
together would not be (noise of 1e-5 where the nearest rows were left out, length scales
at a bound). So, where rows are left out, what is maximised is

    L(theta) - tau^2 sum_k (sqrt(1 + (theta_k - theta_0k)^2 / tau^2) - 1),    tau = 2,

a prior that is normal with unit spread within a factor of seven of the given
parameters, and has exponential tails. It costs a few nats of thousands where L says
anything, saves up to half of the steps, and improved the likelihood of all rows and the
predictions on all sets that we tried. What is returned is the best of all parameters
that were tried, whose L is no less than that of the start.

A tenth of the rows are pairs of nearest neighbours: by their distances they are as
dense as all rows are, and without them next to nothing may contradict noise that is
far too small. The choice sees the points alone, so the likelihood stays one.

First steps on a part of the subset save nothing, and the same number of operations on
several smaller subsets, random or of neighbours, finds worse parameters.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 5.4.1; J. A. Lin, S. Padhy, J. Antoran and others, Stochastic
gradient descent for Gaussian processes done right, ICLR 2024, appendix on experiments,
for the use of a subset.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from skopt2._core.array import index_like, take, to_numpy
from skopt2._core.parameters import check_count
from skopt2._core.random import seed_sequence
from skopt2.solvers.kernel.likelihood import log_likelihood

# Relative change of the likelihood at which to stop: of all rows, as in scikit-learn,
# and of a subset, whose own error is far larger than this.
EXACT_TOL, SUBSET_TOL = 2.2e-9, 1e-5
# tau, the distance of log parameters from which the prior is exponential.
TAIL = 2.0
# Part of a subset that comes in clusters, rows of a cluster, and rows among which its
# members are looked for.
KIN, CLUSTER, NEAR = 0.1, 2, 50_000


@dataclass(frozen=True)
class SubsetFit:
    """Parameters that a fit on a subset found.

    Parameters
    ----------
    process : ProcessKernel
        With the best parameters.
    value : float
        Log marginal likelihood of the subset there; minus infinity if it had none
        anywhere.
    start_value : float
        The same at the parameters that were given.
    rows : ndarray of int of shape (s,)
        The subset, in ascending order.
    n_evaluations : int
        Likelihoods of the subset that were computed, with their gradients.
    converged : bool
        Whether the optimiser of the best start says so; True for an optimiser of the
        caller, False where no start had a likelihood.
    message : str
        Its own words; empty for an optimiser of the caller.
    """

    process: Any
    value: float
    start_value: float
    rows: Any
    n_evaluations: int
    converged: bool
    message: str


@dataclass(frozen=True)
class BoundReached:
    """A parameter that ended at one end of its range.

    Parameters
    ----------
    name : str
        Of the hyperparameter, as scikit-learn writes it.
    dimension : int
        Its element.
    side : {"lower", "upper"}
        Which end.
    bound : float
        The parameter's own value there, not its logarithm.
    """

    name: str
    dimension: int
    side: str
    bound: float


def fit_on_subset(
    process,
    X,
    Y,
    noise,
    *,
    size=2000,
    n_restarts=0,
    optimizer=None,
    rng=None,
    n_jobs=None,
):
    """Maximise the likelihood of a subset over the kernel's parameters.

    Parameters
    ----------
    process : ProcessKernel
        Kernel with the parameters to start from, and to stay near where a subset does
        not tell.
    X : array of shape (n, d)
        Points, of any namespace.
    Y : array of shape (n,) or (n, c)
        Targets, beside the points.
    noise : float or array of shape (n,)
        Variance of the noise of each row, beyond the white part of the kernel.
    size : int, default=2000
        Rows of the subset; all rows if there are no more.
    n_restarts : int, default=0
        Further starts, drawn uniformly in the box of the log parameters.
    optimizer : callable or None, default=None
        ``optimizer(objective, theta, bounds=bounds) -> (theta, value)``, which
        minimises ``objective(theta, eval_gradient=True) -> (value, gradient)``; None
        for L-BFGS-B.
    rng : None, int, Generator, RandomState or SeedSequence, default=None
        Of the subset and of the starts.
    n_jobs : int or None, default=None
        Starts at a time, in threads unless ``joblib.parallel_config`` names a backend.

    Returns
    -------
    fit : SubsetFit
        With the given parameters where the kernel has none that are free.

    Raises
    ------
    ValueError
        If a parameter is out of range, or there are restarts and a bound is infinite.

    Notes
    -----
    Parameters at which the kernel matrix is not numerically positive definite have the
    likelihood 0: the search turns back there.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF
    >>> from skopt2.kernels.process import ProcessKernel
    >>> from skopt2.solvers.kernel.subset_fit import fit_on_subset
    >>> X = np.linspace(0.0, 6.0, 50)[:, None]
    >>> fit = fit_on_subset(ProcessKernel(RBF(0.1)), X, np.sin(X), 1e-4, size=25, rng=0)
    >>> fit.value > fit.start_value, fit.rows.size
    (True, 25)
    """
    _check_options(size, n_restarts, optimizer)
    subset_seed, start_seed = seed_sequence(rng).spawn(2)
    rows = _subset(X, size, np.random.default_rng(subset_seed))
    data = _rows_of(X, Y, noise, rows)
    bounds = np.asarray(process.bounds, dtype=np.float64).reshape(-1, 2)
    starts = [np.asarray(process.theta, dtype=np.float64)]
    if n_restarts and starts[0].size:
        if not np.isfinite(bounds).all():
            raise ValueError(
                "Restarts draw parameters between their bounds, which must be finite; "
                f"got n_restarts={n_restarts} and the log bounds {bounds.tolist()}."
            )
        draws = np.random.default_rng(start_seed)
        starts += [draws.uniform(*bounds.T) for _ in range(n_restarts)]
    whole = rows.size == int(X.shape[0])
    # The objective of a caller's optimiser is the likelihood, as in scikit-learn.
    center = None if whole or optimizer is not None else starts[0]
    options = (bounds, optimizer, EXACT_TOL if whole else SUBSET_TOL)
    runs = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_run)(process, data, center, theta, *options) for theta in starts
    )
    best = max(runs, key=lambda run: run.score)
    return SubsetFit(
        process.with_theta(best.theta),
        best.value,
        runs[0].start_value,
        rows,
        sum(run.n_evaluations for run in runs),
        best.converged,
        best.message,
    )


def bounds_reached(process):
    """Return the parameters that lie at an end of their range.

    Parameters
    ----------
    process : ProcessKernel
        With fitted parameters.

    Returns
    -------
    reached : list of BoundReached
        By the rule of scikit-learn: log parameter and log bound are equal to 1e-5 of
        the latter.
    """
    theta = np.asarray(process.theta, dtype=np.float64)
    if not theta.size:
        return []
    close = np.isclose(np.reshape(process.bounds, (-1, 2)), theta[:, None])
    free = [each for each in process.kernel.hyperparameters if not each.fixed]
    places = [(each, k) for each in free for k in range(each.n_elements)]
    found = []
    for (each, k), ends in zip(places, close, strict=True):
        bounds = np.broadcast_to(np.atleast_2d(each.bounds), (each.n_elements, 2))[k]
        for side, end, bound in zip(("lower", "upper"), ends, bounds, strict=True):
            if end:
                found.append(BoundReached(each.name, k, side, float(bound)))
    return found


@dataclass
class _Run:
    """What an optimiser minimises, and the best parameters it asked for.

    ``score`` is the objective at ``theta``, ``value`` the likelihood there, ``center``
    the mean of the prior or None.
    """

    process: Any
    data: tuple
    center: Any
    theta: Any
    score: float = -math.inf
    value: float = -math.inf
    start_value: float = -math.inf
    n_evaluations: int = 0
    converged: bool = True
    message: str = ""
    last: Any = None

    def __call__(self, theta, eval_gradient=True):
        theta = np.array(theta, dtype=np.float64)
        if self.last is None or not np.array_equal(theta, self.last[0]):
            value, slope = self._evaluate(theta)
            score = value
            if self.center is not None:
                way = theta - self.center
                root = np.sqrt(1.0 + (way / TAIL) ** 2)
                score = value - TAIL**2 * float(np.sum(root - 1.0))
                slope = slope - way / root
            self.last = (theta, -score, -slope)
            if self.n_evaluations == 0:
                self.start_value = value
            self.n_evaluations += 1
            if score > self.score:
                self.theta, self.score, self.value = theta, score, value
        _, objective, slope = self.last
        return (objective, slope.copy()) if eval_gradient else objective

    def _evaluate(self, theta):
        process = self.process.with_theta(theta)
        try:
            found = log_likelihood(process, *self.data, gradient=True)
        except ValueError:
            # Parameters so extreme that distances overflow. Wrong data and kernels
            # have failed at the start already.
            if self.n_evaluations == 0:
                raise
            return -math.inf, np.zeros_like(theta)
        if not (math.isfinite(found.value) and np.isfinite(found.gradient).all()):
            return -math.inf, np.zeros_like(theta)
        return found.value, found.gradient

    def bounded(self, theta):
        """Return finite values, from which a line search can interpolate."""
        objective, slope = self(theta)
        if math.isfinite(objective):
            return objective, slope
        worst = max(-x for x in (self.start_value, self.score) if math.isfinite(x))
        return worst + 10.0 * (1.0 + abs(worst)), slope


def _run(process, data, center, theta, bounds, optimizer, tol):
    """Return the best parameters that one start leads to."""
    run = _Run(process, data, center, theta)
    begin = run(theta, eval_gradient=False)
    if optimizer is not None and theta.size:
        found = optimizer(run, theta, bounds=bounds)[0]
        run(found, eval_gradient=False)
    elif not math.isfinite(begin):
        run.converged = False
        run.message = "The kernel matrix of the start is not positive definite."
    elif theta.size:
        found = minimize(
            run.bounded,
            theta,
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"ftol": tol},
        )
        run.converged, run.message = bool(found.success), str(found.message)
    run.data = run.last = None
    return run


def _subset(X, size, rng):
    """Return numbers of rows, in ascending order: random ones, and some neighbours."""
    n = int(X.shape[0])
    if size >= n:
        return np.arange(n)
    order = rng.permutation(n)
    near = _neighbors(X, order[:NEAR], order[: int(KIN * size) // CLUSTER])
    rest = order[~np.isin(order, near)]
    return np.sort(np.concatenate([near, rest[: size - near.size]]))


def _neighbors(X, among, centers):
    """Return some rows with those that are nearest to them in units of the spread."""
    if not centers.size:
        return centers
    points = to_numpy(take(X, among)).astype(np.float64)
    points -= points.mean(axis=0)
    spread = points.std(axis=0)
    points /= np.where(spread > 0.0, spread, 1.0)
    # The centres are the first of the rows that are searched.
    _, index = cKDTree(points).query(points[: centers.size], k=CLUSTER)
    return among[np.unique(index)]


def _rows_of(X, Y, noise, rows):
    """Return some rows of the data."""
    if rows.size == int(X.shape[0]):
        return X, Y, noise
    index = index_like(rows, X)
    noise = np.asarray(to_numpy(noise), dtype=np.float64)
    return take(X, index), take(Y, index), noise if noise.ndim == 0 else noise[rows]


def _check_options(size, n_restarts, optimizer):
    """Raise ValueError for a parameter out of range."""
    check_count("size", size)
    check_count("n_restarts", n_restarts, 0)
    if optimizer is not None and not callable(optimizer):
        raise ValueError(f"optimizer must be callable or None; got {optimizer!r}.")
