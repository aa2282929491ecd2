"""Rejection sampling for k-means++.

Problem: draw k rows of X one after the other, each with a probability in proportion to
w_i D2_i(S), where D2_i(S) = min_(c in S) abs(x_i - c)^2 is the squared distance of row
i to the rows S that have been drawn.

Symbols: X (n, d); w (n,) nonnegative weights; T, the first rows of S; u (n,), the table
u_i = w_i D2_i(T); p = sum(u) / sum_i w_i D2_i(S), at least 1.

Rows are proposed in proportion to u and kept with probability w_i D2_i(S) / u_i, which
gives exactly the distribution above after p proposals on average, whatever T is. A
proposal costs distances to the rows of S beyond T: those to T are in the table.

Source: P. Shah, S. Agrawal and R. Jaiswal, A new rejection sampling approach to
k-means++ with improved trade-offs, 2025, algorithms 1 to 3. There the table is twice
the sum of the squared norms of x and of the first centre, about the mean of the data.
Here it is the squared distance to the first centre, T = {c_1}: one pass over the data
as well, no larger, and half as many proposals. Also, T grows where p is large: as soon
as proposals since the last pass cost as much as a pass over all rows would, there is
one, which makes T = S. Together they cost at most about twice what k-means++ by passes
does, however tight the clusters are.

With a cap m on the proposals for one row there is no second pass over the data: a row
is drawn by its weight alone after m rejections (algorithm 3: the distribution is then a
mixture of the one above and of w, with a share of w that falls exponentially in m / p).
"""

from dataclasses import dataclass

import numpy as np

# Proposals are made in batches of this many for each row that one is expected to give:
# fewer have the overhead of a batch, more are compared to each row it gives.
PER_CHOICE = 24
BATCH = (64, 4096)
# Cost of a proposal beside its distances to centres, in distances.
OVERHEAD = 16


@dataclass(frozen=True)
class Seeding:
    """Rows that were drawn, and what it took.

    Parameters
    ----------
    indices : ndarray of shape (k,)
        The rows, in the order of the draws, all different.
    n_distinct : int
        How many of them were drawn while others were still away from them; the rest
        repeat rows before them. k where a cap forbids to know.
    n_proposals : int
        Proposals in all.
    n_passes : int
        Passes over all rows.
    """

    indices: np.ndarray
    n_distinct: int
    n_proposals: int
    n_passes: int


def seed_by_rejection(rows, k, weight, rng, *, max_proposals=None, patience=1.0):
    """Draw rows by their squared distance to those drawn before.

    Parameters
    ----------
    rows : DenseRows or SparseRows
        See :mod:`skopt2.solvers.kernel.row_distances`.
    k : int
        How many, at most n.
    weight : ndarray of shape (n,)
        Nonnegative, not all 0, in host memory.
    rng : numpy.random.Generator
        Draws the proposals.
    max_proposals : int, default=None
        Rejections after which a row is drawn by weight alone; None for the exact
        distribution.
    patience : float, default=1.0
        Cost of proposals since the last pass, in passes, at which there is another.

    Returns
    -------
    seeding : Seeding
        The rows.
    """
    draw = _Draw(rows, k, weight, rng, max_proposals)
    draw.renew()
    # Rows of weight 0 count for nothing, so that they change nothing.
    spent, n_live = 0.0, int(np.count_nonzero(weight))
    while len(draw.chosen) < k:
        if draw.total == 0.0:
            return draw.fill()
        spent += draw.batch()
        pending = len(draw.chosen) - draw.covered
        if (
            max_proposals is None
            and pending
            and spent >= patience * n_live * pending
            and len(draw.chosen) < k
        ):
            draw.renew()
            spent = 0.0
    return draw.seeding(k)


class _Draw:
    """The rows drawn so far and the table to propose from."""

    def __init__(self, rows, k, weight, rng, cap):
        self.rows, self.k, self.weight, self.rng, self.cap = rows, k, weight, rng, cap
        self.covered = self.n_passes = self.n_proposals = self.misses = 0
        self.rate, self.table = 1.0, None
        self.reach = np.cumsum(weight)
        self.taken = np.zeros(rows.n, dtype=bool)
        self.chosen = []
        self._choose(self._by_weight())

    def _choose(self, index):
        self.chosen.append(index)
        self.taken[index] = True
        self.misses = 0

    def _by_weight(self):
        """Return a row drawn in proportion to the weights."""
        return _find(self.reach, self.rng.random())

    def renew(self):
        """Take the rows drawn since the last pass into the table."""
        pending = self.rows.take(np.asarray(self.chosen[self.covered :]))
        table = self.weight * self.rows.all_nearest(pending)
        if self.table is not None:
            np.minimum(self.table, table, out=table)
        self.table, self.cumulated = table, np.cumsum(table)
        self.total = float(self.cumulated[-1])
        self.covered = len(self.chosen)
        self.rate = 1.0
        self.n_passes += 1

    def batch(self):
        """Make one batch of proposals; return its cost in distances."""
        size = int(np.clip(self.rate * PER_CHOICE, *BATCH))
        proposed = _find(self.cumulated, self.rng.random(size))
        levels = self.table[proposed]
        A = self.rows.take(proposed)
        pending = np.asarray(self.chosen[self.covered :], dtype=np.intp)
        mass = self.weight[proposed]
        # Rounding must not offer again what has been drawn.
        left = np.where(self.taken[proposed], 0.0, levels)
        if pending.size:
            nearest = self.rows.nearest(A, self.rows.take(pending))
            left = np.minimum(left, mass * nearest)
        thresholds = self.rng.random(size) * levels
        before = len(self.chosen)
        used = self._select(A, proposed, mass, left, thresholds)
        self.n_proposals += used
        gained = len(self.chosen) - before
        # An estimate from few draws is noise: at most four times as many next time.
        self.rate = min(used / max(gained, 0.25), 4.0 * self.rate)
        return size * (pending.size + gained + OVERHEAD)

    def _select(self, A, proposed, mass, left, thresholds):
        """Go through the proposals in order; return how many were looked at."""
        size, start = proposed.size, 0
        while len(self.chosen) < self.k:
            kept = thresholds[start:] < left[start:]
            first = start + int(np.argmax(kept)) if kept.any() else size
            limit = size + 1 if self.cap is None else start + self.cap - self.misses
            if first >= limit:
                index, row, start = self._unchosen(), None, limit
            elif first == size:
                self.misses += size - start
                return size
            else:
                index, row = int(proposed[first]), A[first : first + 1]
                start = first + 1
            self._choose(index)
            if start < size:
                row = self.rows.take(np.asarray([index])) if row is None else row
                rest = mass[start:] * self.rows.paired(A[start:], row)
                np.minimum(left[start:], rest, out=left[start:])
        return start

    def _unchosen(self):
        """Return a row by weight that has not been drawn yet."""
        for _ in range(32):
            index = self._by_weight()
            if not self.taken[index]:
                return index
        return int(self._others(1)[0])

    def _others(self, count):
        """Return rows that have not been drawn, by weight; those of weight 0 last."""
        keys = self.rng.exponential(size=self.rows.n)
        with np.errstate(divide="ignore"):
            keys = keys / self.weight
        others = np.flatnonzero(~self.taken)
        return others[np.argsort(keys[others], kind="stable")[:count]]

    def fill(self):
        """Return the seeding where every other row repeats one that was drawn."""
        distinct = len(self.chosen)
        self.chosen.extend(self._others(self.k - distinct).tolist())
        return self.seeding(distinct)

    def seeding(self, distinct):
        """Return what was drawn."""
        return Seeding(
            np.asarray(self.chosen, dtype=np.int64),
            distinct,
            self.n_proposals,
            self.n_passes,
        )


def _find(cumulated, uniform):
    """Return the elements of positive mass that uniform numbers fall on."""
    found = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    # A product that rounds up to the total falls off the end.
    last = np.searchsorted(cumulated, cumulated[-1], side="left")
    return np.minimum(found, last) if np.ndim(found) else int(min(found, last))
