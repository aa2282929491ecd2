"""Codes of new histograms for atoms that stay.

Problem: min over t on the simplex of H_x(D' t), for each of N histograms x on its own;
convex. The loss H is that of :mod:`.loss`.

Symbols: D (k, n) atoms, t (k,) codes, g (n,) potentials, rho > 0; N of t and g in rows.

Proximal steps t <- argmin H_x(D' t) + rho KL(t | t old) by the dual steps of
:mod:`.descent`, with rows that are each accepted as soon as |q - q*|_1 is a share of
their own move. A row is finished once <-D g, t' - t> is at most ``tol`` for every code
t', and q* is as near to q: rows do not depend on what else is in the batch.

Source: A. Rolet, M. Cuturi and G. Peyre, Fast dictionary learning with a smoothed
Wasserstein loss, AISTATS 2016 (codes); R. T. Rockafellar, Augmented Lagrangians and
applications of the proximal point algorithm, 1976 (steps as exact as they move).
"""

import numpy as np

from skopt2._core.array import index_like, namespace, put, take, to_numpy
from skopt2.solvers.wasserstein_dictionary.loss import distance, proximal

# Error of a step as a share of its move, dual steps for one at most, and dual steps
# between two looks at which rows are finished.
INEXACT, STEPS, PERIOD = 0.1, 300, 20


def solve_codes(loss, D, rho, scale, tol, max_iter):
    """Return codes of all rows, their gaps, and the potentials of the mixtures.

    Parameters
    ----------
    loss : EntropicLoss
        Of the histograms.
    D : array of shape (k, n)
        Atoms, positive.
    rho : float
        Weight of the proximal term.
    scale : float
        Unit of the gaps.
    tol : float
        Tolerance of the gaps.
    max_iter : int
        Largest number of dual steps.

    Returns
    -------
    T : array of shape (N, k)
        Codes.
    gaps : array of shape (N,)
        Certificates, in units of ``scale``.
    """
    X, k = loss.X, int(D.shape[0])
    xp, n_rows = namespace(X), int(X.shape[0])
    T = xp.zeros_like(X @ D.T) + 1.0 / k
    gaps = xp.sum(xp.zeros_like(X), axis=1) + xp.inf
    rows = index_like(np.arange(n_rows), X)
    part = _Rows(loss, T, rows)
    for done in range(0, max_iter, PERIOD):
        for _ in range(min(PERIOD, max_iter - done)):
            part.step(D, rho, scale, tol)
        T, gaps = put(T, part.index, part.t), put(gaps, part.index, part.gap)
        left = np.flatnonzero(~to_numpy(part.finished))
        if left.size == 0:
            break
        part = part.keep(index_like(left, X))
    return T, gaps


class _Rows:
    """Rows that are not finished; steps change them in place."""

    def __init__(self, loss, T, index):
        xp = namespace(T)
        self.loss, self.index = loss, index
        self.base, self.before = T, None
        self.g = xp.zeros_like(loss.X)
        self.t = T
        self.count = xp.sum(xp.zeros_like(loss.X), axis=1)
        self.gap = self.count + xp.inf
        self.finished = self.count > 0

    def step(self, D, rho, scale, tol):
        """Take one dual step, and accept the codes of rows that are exact enough."""
        loss, xp = self.loss, namespace(self.g)
        if self.before is None:
            self.before = self.base @ D
        slopes = self.g @ D.T
        t = proximal(self.base, slopes, rho)
        q = t @ D
        g, mismatch = loss.ascend(self.g, q, rho / (loss.eps + rho))
        mismatch = xp.astype(mismatch, q.dtype)
        moved = xp.astype(distance(q, self.before), q.dtype)
        lowest = xp.min(slopes, axis=1, keepdims=True)
        gap = xp.sum(t * (slopes - lowest), axis=1) * (1.0 / scale)
        done = (gap <= tol) & (mismatch <= tol)
        self.count = self.count + 1.0
        accept = (mismatch <= INEXACT * moved) | (self.count >= STEPS)
        accept = accept | (mismatch <= 0.1 * tol)
        live = ~self.finished
        change = live & (accept | done)
        self.base = xp.where(change[:, None], t, self.base)
        self.before = xp.where(change[:, None], q, self.before)
        self.count = xp.where(change, xp.zeros_like(self.count), self.count)
        self.t = xp.where(live[:, None], t, self.t)
        self.gap = xp.where(live, xp.where(gap > mismatch, gap, mismatch), self.gap)
        self.g = xp.where(live[:, None], g, self.g)
        self.finished = self.finished | done

    def keep(self, left):
        """Return some of the rows."""
        new = object.__new__(_Rows)
        new.loss = self.loss.rows(left)
        for name in ("index", "base", "before", "g", "t", "count", "gap"):
            setattr(new, name, take(getattr(self, name), left))
        new.finished = new.count < 0
        return new
