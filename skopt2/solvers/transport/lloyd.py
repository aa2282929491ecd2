"""Lloyd's iterations for k-means under any divergence that has means.

Problem: min over centres p_1 .. p_k and labels of sum_i w_i D(a_i, p_label(i)), the
inertia.

Symbols: a_i points, i = 1 .. m, with masses w (m,) of sum one; p_j centres; D_ij the
distance of point i to centre j, where the mean of a cluster minimises the sum of its
distances.

One step: every centre becomes the mean of its cluster, then every point goes to its
nearest centre. Neither can increase the inertia where means and distances are exact.
Where they are solved to a tolerance, a centre that would is left as it was, so the
inertia never increases. A cluster that has become empty first gets the point that is
farthest from its centre, of those that are not alone in a cluster. The centres of
clusters that have not changed stay, with the distances to them.

Several runs, from different starts, go side by side, one step of each at a time; those
that have converged rest. The certificate is the largest share of its inertia that a run
has lost in its last step; it is zero once no point has changed its cluster, since the
centres then are the means of the clusters.

Source: S. P. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28,
1982.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import device_of, index_like, namespace, put, take
from skopt2._core.result import Measure

# Inertias that differ relatively by less are equal, but for what they were solved to.
EQUAL = 1e-8


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres and what belongs to them.

    Parameters
    ----------
    P : array of shape (k, n)
        Centres.
    labels : ndarray of shape (m,)
        Nearest centre of each point.
    D : ndarray of shape (m, k)
        Distances, float64.
    S : ndarray of shape (m, k)
        Divergences, which are comparable between points; they may be the distances.
    inertia : float
        Mean distance to the nearest centre.
    errors : ndarray of shape (k,)
        Error of each centre and of the distances to it.
    of : ndarray of shape (m,), default=None
        Labels of the clusters whose means the centres are; None at the start.
    g : array of shape (m, n), default=None
        What is known of each point and its centre, to start from; None for nothing.
    change : float, default=inf
        Decrease of the inertia in the last step, relative to the mean divergence.
    moved : float, default=1.0
        Mass of the points that went to another cluster in the last step.
    """

    P: Any
    labels: Any
    D: Any
    S: Any
    inertia: float
    errors: Any
    of: Any = None
    g: Any = None
    change: float = math.inf
    moved: float = 1.0

    @property
    def at(self):
        """Rows and columns of the distances of the points to their centres."""
        return np.arange(self.labels.size), self.labels


class Lloyd:
    """Lloyd's iterations; a solver for ``iterate``. Its state is a list of Clusters.

    Parameters
    ----------
    problem : object
        ``assign(P, labels, g)`` returns what is found of points and some centres:
        ``D``, ``S``, ``g`` of the nearest of them and ``error``, see :class:`Clusters`;
        the labels are the number of a centre among them, -1 for others.
        ``mean(members, w, g)`` returns the mean of points by their numbers and masses,
        its ``g`` and error.
    w : ndarray of shape (m,)
        Masses with the sum one.
    tol : float, default=1e-4
        Relative decrease of the inertia at which a run has converged.
    over : callable, default=map
        ``over(function, runs)`` applies a function to all runs.
    """

    name = "lloyd"

    def __init__(self, problem, w, *, tol=1e-4, over=map):
        self.problem, self.w, self.tol, self.over = problem, w, tol, over

    def start(self, centres):
        """Return the starting state.

        Parameters
        ----------
        centres : list of array of shape (k, n)
            Centres of each run, at most as many as there are points of positive mass.
        """
        return list(self.over(self._begin, centres))

    def step(self, state):
        """Move the centres of every run that has not converged."""
        active = [r for r, run in enumerate(state) if not run.change <= self.tol]
        moved = self.over(self._advance, [state[r] for r in active])
        state = list(state)
        for r, run in zip(active, moved, strict=True):
            state[r] = run
        return state

    def certificate(self, state):
        """Return the inertia of the best run, and how much all of them still fall."""
        best = self._best(state)
        change = max(run.change for run in state)
        active = sum(not run.change <= self.tol for run in state)
        extra = {"moved": max(run.moved for run in state), "active": active}
        return Measure(best.inertia, change, extra=extra)

    def finalize(self, state):
        """Return the clusters of the best run, the first of those that are equal."""
        worst = self._best(state).inertia * (1.0 + EQUAL)
        return next(run for run in state if run.inertia <= worst)

    def pack(self, state):
        """Return the state as arrays and numbers."""
        xp = namespace(state[0].P)
        return {
            "centres": xp.stack([run.P for run in state]),
            "change": np.asarray([run.change for run in state]),
            "moved": np.asarray([run.moved for run in state]),
        }

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        centres = packed["centres"]
        state = self.start([centres[r, ...] for r in range(centres.shape[0])])
        last = zip(packed["change"], packed["moved"], strict=True)
        return [
            replace(run, change=float(change), moved=float(moved))
            for run, (change, moved) in zip(state, last, strict=True)
        ]

    @staticmethod
    def _best(state):
        return min(state, key=lambda run: run.inertia)

    def _begin(self, P):
        """Return the clusters of the first centres."""
        found = self.problem.assign(P, None, None)
        labels, errors = found.D.argmin(axis=1), np.full(P.shape[0], found.error)
        inertia = float(self.w @ found.D[np.arange(labels.size), labels])
        # Potentials to the first centres, points themselves, say little of the means.
        return Clusters(P, labels, found.D, found.S, inertia, errors)

    def _advance(self, run):
        """Return the clusters after one step."""
        labels = self._filled(run)
        clusters, different = [], []
        for j in range(run.D.shape[1]):
            clusters.append(np.flatnonzero((labels == j) & (self.w > 0.0)))
            if run.of is None or (self.w[(labels == j) != (run.of == j)] > 0.0).any():
                different.append(j)
        if not different:
            return replace(run, change=0.0, moved=0.0)
        P, D, S, g, errors = self._moved(run, labels, clusters, np.asarray(different))
        new = D.argmin(axis=1)
        inertia = float(self.w @ D[np.arange(new.size), new])
        moved = float(self.w[new != labels].sum())
        unit, change = float(self.w @ run.S[run.at]), 0.0
        if moved > 0.0 and unit > 0.0:
            change = max(0.0, run.inertia - inertia) / unit
        if np.bincount(new, self.w, D.shape[1]).min() == 0.0:
            # The next step will fill the empty cluster.
            change = math.inf
        return Clusters(P, new, D, S, inertia, errors, labels, g, change, moved)

    def _moved(self, run, labels, clusters, ids):
        """Return centres, distances, divergences, potentials and errors.

        Those of some clusters, by their numbers, are new.
        """
        xp, index = namespace(run.P), index_like(ids, run.P)
        P, g, error = self._means(run, [clusters[j] for j in ids])
        place = np.full(run.D.shape[1], -1)
        place[ids] = np.arange(ids.size)
        found = self.problem.assign(P, place[labels], g)
        before, errors = run.D[run.at], run.errors.copy()
        columns = [run.D.copy(), run.S.copy()]
        for s, j in enumerate(ids):
            own, w = clusters[j], self.w[clusters[j]]
            if not w @ found.D[own, s] <= w @ before[own]:
                # Worse than before, as far as the tolerance allows to tell.
                P = put(P, index_like(np.asarray([s]), P), run.P[int(j), :][None, :])
                continue
            columns[0][:, j], columns[1][:, j] = found.D[:, s], found.S[:, s]
            errors[j] = max(error, found.error)
        nearest = np.flatnonzero(np.isin(columns[0].argmin(axis=1), ids))
        rows = index_like(nearest, g)
        g = put(g, rows, take(found.g, rows))
        P = put(xp.asarray(run.P, copy=True), index, P)
        return P, *columns, g, errors

    def _means(self, run, clusters):
        """Return the means of clusters, what is known of points and them, the error."""
        xp, P, parts, worst = namespace(run.P), [], [], 0.0
        for members in clusters:
            mass = self.w[members]
            start = None if run.g is None else take(run.g, index_like(members, run.P))
            p, g, error = self.problem.mean(members, mass / mass.sum(), start)
            P.append(p[None, :])
            parts.append(g)
            worst = max(worst, error)
        found, order = xp.concat(parts), np.concatenate(clusters)
        if run.g is None:
            shape = (run.labels.size, found.shape[1])
            g = xp.zeros(shape, dtype=found.dtype, device=device_of(found))
        else:
            g = xp.asarray(run.g, copy=True)
        return xp.concat(P), put(g, index_like(order, found), found), worst

    def _filled(self, run):
        """Return labels in which no cluster is without mass."""
        labels, k = run.labels.copy(), run.D.shape[1]
        count = np.bincount(labels[self.w > 0.0], minlength=k)
        far = np.where(self.w > 0.0, run.S[run.at], -math.inf)
        for j in np.flatnonzero(count == 0):
            # A point that is alone is its own mean already.
            i = int(np.where(count[labels] > 1, far, -math.inf).argmax())
            count[labels[i]] -= 1
            labels[i], count[j] = j, 1
        return labels
