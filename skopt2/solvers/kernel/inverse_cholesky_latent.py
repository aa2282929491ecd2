"""Parameters of the kernel of a latent process, by turns with its posterior.

With the sites (w, h) of a variational posterior held fixed, the model is a regression
on the pseudo-targets h / w with noise 1 / w. At the optimum of the sites the gradient
of its likelihood by theta is that of the evidence bound, so that the two agree on where
to go; in between it is a better guide than the bound at a fixed posterior. So turns of
a few steps of the sites and of L-BFGS on the likelihood of the sparse factor lead to
the parameters that maximise the bound.

Symbols: theta (t,) logarithms of the parameters; w, h (n,) precisions and shifts of
the sites; y (n,).

Adam, Chang, Khan and Solin, Dual parameterization of sparse variational Gaussian
processes, NeurIPS 2021, section 4.2.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2.kernels.point_blocks import PointBlocks
from skopt2.solvers.kernel.inverse_cholesky_factor import prior_factor
from skopt2.solvers.kernel.inverse_cholesky_sites import SiteProblem

# Nugget of the process, relative to its variance: without noise to share, what keeps
# the columns of smooth kernels apart.
NUGGET = 1e-6
# Turns, and the change of theta that ends them.
_TURNS = 15
_CHANGE = 0.02
# Largest change of theta in the first turns.
_REACH = 1.0
# Stationarity of the sites, and steps, within a turn.
_ROUGH = 0.02
_STEPS = 8


@dataclass(frozen=True)
class LatentFit:
    """A latent process that is ready for its posterior.

    Parameters
    ----------
    kernel : kernel object
        With the parameters that were found.
    blocks : PointBlocks
        Of that kernel.
    points : OrderedPoints
        In its units.
    nugget : ndarray of shape (n,)
        White part of the kernel and a little more.
    problem : SiteProblem
        Of the targets, in the order of the points.
    sites : tuple of two ndarrays of shape (n,)
        w and h to start from, or None.
    """

    kernel: Any
    blocks: Any
    points: Any
    nugget: np.ndarray
    problem: SiteProblem
    sites: tuple

    @property
    def start(self):
        """Posterior of the sites."""
        return self.problem.start(*(self.sites or ()))


def fit_latent(search, kernel, X, y, likelihood):
    """Find parameters of the kernel of a latent process.

    Parameters
    ----------
    search : ParameterSearch
        How. Each of its restarts takes all turns.
    kernel : kernel object of scikit-learn
        Start.
    X : ndarray of shape (n, d)
        Rows, in any order.
    y : ndarray of shape (n,)
        Targets.
    likelihood : object
        See :mod:`skopt2.solvers.kernel.inverse_cholesky_observation`.

    Returns
    -------
    fitted : LatentFit
        With the largest evidence bound of any start.
    """
    best, largest = None, -np.inf
    fixed = search.optimizer is None or not kernel.n_dims
    starts = [kernel.theta] if fixed else search.starts(kernel)
    for theta in starts:
        fitted = _prepare(search, kernel.clone_with_theta(theta), X, y, likelihood)
        if not fixed:
            fitted = _take_turns(search, fitted, X, y, likelihood)
        if len(starts) == 1:
            return fitted
        bound = fitted.start.bound
        if best is None or bound > largest:
            best, largest = fitted, bound
    return best


def _prepare(search, kernel, X, y, likelihood, former=None):
    """Order the rows and compute the prior factor; take over former sites."""
    blocks = PointBlocks(kernel)
    points = search.order(kernel, X, None if former is None else former.points)
    white = blocks.noise(points.X)
    nugget = np.maximum(white, NUGGET * blocks.diagonal(points.X))
    prior = prior_factor(blocks, points.X, points.neighbours, nugget)
    plan, sites = None, None
    if former is not None:
        same = former.points is points
        plan = former.problem.plan if same else None
        sites = former.sites
        if not same:
            moved = np.argsort(former.points.order)[points.order]
            sites = tuple(part[moved] for part in sites)
    scaled = points.X / points.scales
    problem = SiteProblem(prior, scaled, y[points.order], likelihood, plan)
    return LatentFit(kernel, blocks, points, nugget, problem, sites)


def _take_turns(search, fitted, X, y, likelihood):
    """Take turns of the sites and the parameters until these stay where they are."""
    reach, best, largest = _REACH, fitted, -np.inf
    for _ in range(_TURNS):
        state = fitted.start
        for _ in range(_STEPS):
            if fitted.problem.stationarity(state) <= _ROUGH:
                break
            state = fitted.problem.step(state)
        if state.bound > largest:
            sites = state.precisions, state.shifts
            best, largest = dataclasses.replace(fitted, sites=sites), state.bound
        else:
            # Sites of too different parameters led astray: go back, and less far.
            reach *= 0.25
        precisions, shifts = best.sites
        targets = (shifts / precisions)[:, None]
        kernel = search.improve(
            best.kernel, best.points, targets, 1.0 / precisions, reach
        )
        change = np.abs(kernel.theta - best.kernel.theta).max()
        if change < _CHANGE:
            break
        fitted = _prepare(search, kernel, X, y, likelihood, best)
    return best
