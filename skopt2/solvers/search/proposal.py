"""Where to evaluate next: the largest value of an acquisition function over a space.

Problem: max a(x) over the candidates x of a `SearchSpace` that were not evaluated yet.

A small finite space is scored in full. In another one a is scored on shifted Sobol
points and on perturbations of the best points evaluated so far, and then on smaller and
smaller perturbations of the best points found, all of them in a few calls with whole
matrices: a call costs more than a hundred rows of it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from skopt2.solvers.search.dimension import Categorical
from skopt2.solvers.search.space import ENUMERABLE

# Sobol points, children of evaluated points, points refined further, children of each
# in a round, and the standard deviations of the rounds.
N_GLOBAL = 1024
N_LOCAL = 512
N_KEPT = 8
N_CHILDREN = 32
STEPS = (0.1, 0.03, 0.01, 0.003)
# Shifted designs among which the most evenly spread one is taken.
N_DESIGNS = 16


@dataclass(frozen=True)
class Proposal:
    """The next point.

    Parameters
    ----------
    point : ndarray of shape (n_raw,)
        Snapped.
    value : float
        Of the acquisition function.
    """

    point: np.ndarray
    value: float


class Seen:
    """The points that need no further evaluation.

    Parameters
    ----------
    points : iterable of ndarray of shape (n_raw,), default=()
        Snapped.
    """

    def __init__(self, points=()):
        self._keys = {point.tobytes() for point in points}

    def __len__(self):
        return len(self._keys)

    def add(self, point):
        """Add a snapped point."""
        self._keys.add(point.tobytes())

    def fresh(self, points):
        """Return the rows of a matrix that are not here, each once."""
        keys = set()
        keep = []
        for index, point in enumerate(points):
            key = point.tobytes()
            if key not in self._keys and key not in keys:
                keys.add(key)
                keep.append(index)
        return points[keep]


def initial_points(space, n_points, rng):
    """Return points that fill a space evenly.

    Parameters
    ----------
    space : SearchSpace
        The space.
    n_points : int
        How many; fewer come back from a finite space that has fewer.
    rng : numpy.random.Generator
        Source of the shift.

    Returns
    -------
    points : ndarray of shape (n, n_raw)
        Snapped and different from each other.
    """
    if space.size is not None:
        n_points = min(n_points, space.size)
    best, widest = None, -1.0
    for _ in range(N_DESIGNS):
        points = Seen().fresh(space.snap(_sobol(space.n_raw, n_points, rng))[:n_points])
        columns = space.encode(points)
        gaps = np.sum((columns[:, None, :] - columns[None, :, :]) ** 2, axis=2)
        np.fill_diagonal(gaps, np.inf)
        gap = len(points) + (gaps.min() if len(points) > 1 else 0.0)
        if gap > widest:
            best, widest = points, gap
    chosen = list(best)
    seen = Seen(chosen)
    while len(chosen) < n_points:
        point = _unseen(space, seen, rng)
        seen.add(point)
        chosen.append(point)
    return np.asarray(chosen)


def candidates(space, seen, incumbents, rng, n_global=N_GLOBAL, n_local=N_LOCAL):
    """Return unevaluated points that cover a space, more of them near good ones.

    Parameters
    ----------
    space : SearchSpace
        The space.
    seen : Seen
        What was evaluated.
    incumbents : ndarray of shape (k, n_raw)
        The best points so far, the best first; k may be 0.
    rng : numpy.random.Generator
        Source of the draws.
    n_global, n_local : int
        How many points over the space, and near the incumbents.

    Returns
    -------
    points : ndarray of shape (m, n_raw)
        Snapped, different, none of them seen; at least one unless the space is
        exhausted.
    """
    if space.size is not None and space.size <= max(ENUMERABLE, len(seen)):
        return seen.fresh(np.asarray(list(space.members())))
    blocks = [_sobol(space.n_raw, n_global, rng)]
    if len(incumbents):
        each = -(-n_local // len(incumbents))
        steps = rng.choice(STEPS[:3], size=len(incumbents) * each)
        blocks.append(perturb(space, np.repeat(incumbents, each, axis=0), steps, rng))
    points = seen.fresh(space.snap(np.concatenate(blocks)))
    return points if len(points) else _unseen(space, seen, rng)[None]


def propose(space, acquisition, seen, incumbents, rng, *, joint=None):
    """Return the best point found of an acquisition function.

    Parameters
    ----------
    space : SearchSpace
        The space.
    acquisition : callable
        Takes the columns of points, shape (m, n_columns), and returns their values,
        shape (m,). The larger the better.
    seen : Seen
        What was evaluated, and is not proposed again.
    incumbents : ndarray of shape (k, n_raw)
        The best points so far.
    rng : numpy.random.Generator
        Source of the draws.
    joint : int or None, default=None
        For an acquisition function whose values of two calls do not belong together:
        it is called once, with this many points at most.

    Returns
    -------
    proposal : Proposal or None
        None if every point was seen.
    """
    points = candidates(space, seen, incumbents, rng)
    if not len(points):
        return None
    if joint is not None and len(points) > joint:
        points = points[rng.choice(len(points), joint, replace=False)]
    values = np.asarray(acquisition(space.encode(points)), dtype=np.float64)
    if joint is None and (space.size is None or space.size > ENUMERABLE):
        for step in STEPS:
            best = np.argsort(-values, kind="stable")[:N_KEPT]
            points, values = points[best], values[best]
            parents = np.repeat(points, N_CHILDREN, axis=0)
            steps = np.full(len(parents), step)
            children = seen.fresh(space.snap(perturb(space, parents, steps, rng)))
            if len(children):
                found = np.asarray(acquisition(space.encode(children)))
                points = np.concatenate([points, children])
                values = np.concatenate([values, found])
    best = int(np.argmax(values))
    return Proposal(points[best], float(values[best]))


def perturb(space, points, steps, rng):
    """Return points near others.

    Parameters
    ----------
    space : SearchSpace
        The space.
    points : ndarray of shape (m, n_raw)
        Snapped.
    steps : ndarray of shape (m,)
        Standard deviation of the change of each.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    raw : ndarray of shape (m, n_raw)
        To be snapped. Every point differs in some coordinates, at least one; those of
        values without an order are drawn anew, and others move by a level at least.
    """
    m, n_raw = points.shape
    moved = rng.random((m, n_raw)) < max(0.4, 1.0 / n_raw)
    moved[np.arange(m), rng.integers(n_raw, size=m)] = True
    change = rng.standard_normal((m, n_raw)) * steps[:, None]
    raw = points + np.where(moved, change, 0.0)
    for column, dimension in enumerate(space.dimensions):
        rows = moved[:, column]
        if isinstance(dimension, Categorical):
            # The smaller the step, the rarer another value.
            rows = rows & (rng.random(m) < np.maximum(10.0 * steps, 0.1) * 0.3)
            raw[:, column] = np.where(rows, rng.random(m), points[:, column])
        elif dimension.n_levels is not None:
            level = 1.0 / dimension.n_levels
            least = np.sign(change[:, column]) * level
            jump = np.where(np.abs(change[:, column]) < level, least, change[:, column])
            raw[:, column] = points[:, column] + np.where(rows, jump, 0.0)
    # Beyond an end: back inside, so that the ends are not favoured.
    return np.clip(np.where(raw < 0.0, -raw, np.where(raw > 1.0, 2.0 - raw, raw)), 0, 1)


def _sobol(n_raw, n_points, rng):
    """Return at least n_points Sobol points, all moved by one random vector."""
    exponent = max(int(n_points) - 1, 1).bit_length()
    points = qmc.Sobol(n_raw, scramble=False).random_base2(exponent)
    return (points + rng.random(n_raw)) % 1.0


def _unseen(space, seen, rng):
    """Return one point that was not seen, by draws, or by going through the space."""
    for _ in range(8):
        points = seen.fresh(space.snap(rng.random((64, space.n_raw))))
        if len(points):
            return points[0]
    if space.size is None:
        # Only a space of discrete values without end comes here.
        return space.snap(rng.random((1, space.n_raw)))[0]
    start = int(rng.integers(space.size))
    for point in space.members(start):
        if len(seen.fresh(point[None])):
            return point
    raise ValueError("Every point of the space was seen.")
