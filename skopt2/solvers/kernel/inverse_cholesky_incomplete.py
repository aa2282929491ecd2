"""The sparse inverse Cholesky factor of a posterior, by incomplete factorisation.

A posterior with sites, p(f | y) ~ N(f; 0, (U U')^-1) prod_i exp(-w_i f_i^2 / 2 + ..),
has the inverse covariance

    Q = U U' + diag(w) = V V' + entries outside the pattern of U.

Columns are eliminated from the last to the first, as points are from fine to coarse:

    V_kk^2 = Q_kk - sum over l > k of V_kl^2,
    V_jk V_kk = Q_jk - sum over l > k of V_jl V_kl    for neighbours j of k,

and entries for points that are no neighbours are dropped, IC(0). No exact pivot is
smaller than U_kk^2 + w_k: data can only add to what is known of f_k from those before
it. Where dropped entries bring one far below, the elimination starts again and
discounts what later points say, which makes variances larger and never breaks down in
the end.
Columns that need none of each other are eliminated at one time.

Symbols: U, V sparse factors with neighbours (n, m); w (n,) precisions of the sites.

Schaefer, Katzfuss and Owhadi 2021, section 4.2; Cao et al., ICML 2023, section 4.4.
"""

import functools

import numpy as np
import scipy.sparse as sp

from skopt2.solvers.kernel.inverse_cholesky_sparse import SparseFactor

# Pairs of neighbours that are updated at a time, and that are kept for the next time.
_PAIRS = 2**20
_KEPT = 2**26
# Parts of what later points say, and pivots relative to the bound that are too small.
_SHARES = (1.0, 0.95, 0.9, 0.7, 0.4, 0.0)
_BREAKDOWN = 0.5


class EliminationPlan:
    """Which columns update which entries, found once for a set of neighbours.

    Parameters
    ----------
    neighbours : ndarray of shape (n, m)
        Positions of the neighbours; -1 for none.

    Attributes
    ----------
    discount : int
        Breakdowns so far. Later factors of the plan start where an earlier one went
        through, so that they are a continuous function of the precisions.
    """

    def __init__(self, neighbours):
        self.neighbours, self.discount = neighbours, 0
        n, m = neighbours.shape
        self._first, self._second = np.triu_indices(m)
        self._keep = n * self._first.size <= _KEPT
        self._found = {}

    @functools.cached_property
    def stages(self):
        """Lists of columns, each list free of dependencies, in the order of work."""
        n, m = self.neighbours.shape
        stage = np.zeros(n + 1, dtype=np.intp)
        for column in range(n - 1, 0, -1):
            # A missing neighbour, -1, raises the entry that no column has.
            s = self.neighbours[column]
            np.maximum(stage[s], stage[column] + 1, out=(raised := stage[s]))
            stage[s] = raised
        stage = stage[:n]
        by_stage = np.argsort(stage, kind="stable")
        ends = np.cumsum(np.bincount(stage))
        size = max(1, _PAIRS // max(1, self._first.size))
        found = []
        for start, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
            found += [by_stage[i : min(i + size, end)] for i in range(start, end, size)]
        return found

    @functools.cached_property
    def _slots(self):
        """Matrix (n, n) that holds 1 + the place of entry (j, k) at [k, j]."""
        n, m = self.neighbours.shape
        there = self.neighbours >= 0
        places = (np.arange(n)[:, None] * (m + 1) + np.arange(m) + 1)[there]
        starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        # The class whose indexing returns dense values.
        return sp.csr_matrix((places, self.neighbours[there], starts), shape=(n, n))

    def updates(self, number):
        """Return what a stage changes.

        Parameters
        ----------
        number : int
            Of the stage.

        Returns
        -------
        column, first, second : ndarray of shape (u,)
            Position of the column within the stage, and slots of its two factors.
        places : ndarray of shape (u,)
            What their product is taken from, in the flat array of values.
        """
        if number in self._found:
            return self._found[number]
        rows = self.neighbours[self.stages[number]]
        m = rows.shape[1]
        j, k = rows[:, self._first].ravel(), rows[:, self._second].ravel()
        column = np.repeat(np.arange(rows.shape[0]), self._first.size)
        pair = np.tile(np.arange(self._first.size), rows.shape[0])
        there = j >= 0
        j, k, column, pair = j[there], k[there], column[there], pair[there]
        places = k * (m + 1) + m
        apart = np.flatnonzero(j != k)
        if apart.size:
            slots = np.asarray(self._slots[k[apart], j[apart]]).ravel()
            places[apart] = slots - 1
        kept = places >= 0
        pair = pair[kept]
        found = column[kept], self._first[pair], self._second[pair], places[kept]
        if self._keep:
            found = tuple(part.astype(np.int32) for part in found)
            self._found[number] = found
        return found


def incomplete_factor(prior, precisions, plan=None):
    """Return the sparse inverse Cholesky factor of a posterior.

    Parameters
    ----------
    prior : SparseFactor
        U.
    precisions : ndarray of shape (n,)
        w, not negative.
    plan : EliminationPlan or None, default=None
        Of the same neighbours, where several factors are computed.

    Returns
    -------
    posterior : SparseFactor
        V, exact where all earlier points are neighbours.
    """
    plan = EliminationPlan(prior.neighbours) if plan is None else plan
    values = None
    while values is None:
        values = _eliminate(prior, precisions, plan, _SHARES[plan.discount])
        plan.discount += values is None
    return SparseFactor(prior.neighbours, values)


def _eliminate(prior, precisions, plan, share):
    """Return the entries of V, or None after a breakdown.

    The share is the part of what later columns say that reaches the earlier ones.
    """
    own = prior.values[:, -1]
    values = prior.values * own[:, None]
    values[:, -1] += precisions
    least = own * own + precisions
    flat = values.ravel()
    for number, columns in enumerate(plan.stages):
        found = values[columns, -1]
        if not (found > _BREAKDOWN * least[columns]).all():
            return None
        pivots = np.sqrt(np.maximum(found, least[columns]))
        values[columns, :-1] /= pivots[:, None]
        values[columns, -1] = pivots
        column, first, second, places = plan.updates(number)
        before, after = prior.values[columns], values[columns]
        change = before[column, first] * before[column, second]
        change -= after[column, first] * after[column, second]
        np.add.at(flat, places, share * change)
    return values
