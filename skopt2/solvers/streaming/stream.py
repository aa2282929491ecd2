r"""Stochastic proximal steps over minibatches, with any step rule.

Problem: min_(w, b) E l(y, x'w + b) + sum_j pen(w_j; lam_j), the expectation over rows
that are drawn, or come, in proportion to their weights.
Symbols: x (q,) or (q, K), the coefficients and the intercept as the last row; for a
minibatch of m rows with weights s_i, whose mean over all rows so far is u:

    f(x) = sum_i s_i l(y_i, eta_i) / (m u),   g = its gradient

Weights are divided by a mean that does not depend on the minibatch, so that a row of
weight k pulls k times as hard as one of weight 1: what repeating it does on average.
Rows of weight 0 must not come here.

Each row is predicted before it is learnt from. The mean of these losses is progressive
validation: an estimate of the expected loss that has seen no row twice, and for a
convex loss, on average, no smaller than the loss of the mean iterate (N. Cesa-Bianchi,
A. Conconi and C. Gentile, On the generalization ability of on-line learning algorithms,
IEEE Transactions on Information Theory 50, 2004).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, namespace, to_numpy
from skopt2.solvers.state import Solution, in_use
from skopt2.solvers.streaming.base import Run, Sample
from skopt2.solvers.streaming.space import Moments, Space


@dataclass(frozen=True)
class StreamState:
    """Everything that a stream remembers.

    Parameters
    ----------
    run : Run
        Of the step rule.
    moments : Moments
        Of the columns.
    reference : array of shape (p,)
        Scales of the columns to which their coefficients belong; inf before any.
    loss : float
        Weighted sum of losses of rows before they were learnt from.
    loss_weight : float
        Weight of these rows.
    epoch : int
        Passes done by ``fit``.
    """

    run: Run
    moments: Moments
    reference: Any
    loss: float = 0.0
    loss_weight: float = 0.0
    epoch: int = 0

    def pack(self):
        """Return plain arrays and numbers, for a checkpoint."""
        run, moments = self.run.pack(), vars(self.moments)
        return {
            **{f"run_{name}": value for name, value in run.items()},
            **{f"moments_{name}": value for name, value in moments.items()},
            "reference": self.reference,
            "loss": self.loss,
            "loss_weight": self.loss_weight,
            "epoch": self.epoch,
        }


class Stream:
    """A loss, a penalty and a step rule, fed with minibatches.

    Parameters
    ----------
    rule : StepRule
        How to move.
    loss : Loss
        Any.
    penalty : Penalty
        Separable, with its arrays beside X.
    lam : ndarray of shape (p,)
        Levels, on the host.
    fit_intercept : bool
        Whether there is an intercept.
    standardize : bool
        Whether steps are taken in the metric of the columns.
    batch_size : int
        Most rows of a minibatch.
    """

    def __init__(
        self,
        rule,
        loss,
        penalty,
        lam,
        *,
        fit_intercept=True,
        standardize=True,
        batch_size=64,
    ):
        self.rule, self.loss, self.penalty, self.lam = rule, loss, penalty, lam
        self.fit_intercept, self.standardize = fit_intercept, standardize
        self.batch_size = batch_size
        self._levels = self._space = None

    def init(self, x):
        """Return the state that begins at a point.

        Parameters
        ----------
        x : array of shape (q,) or (q, K)
            Beside X, in its dtype.

        Returns
        -------
        state : StreamState
        """
        rows = x[:-1, ...] if self.fit_intercept else x
        column = rows if rows.ndim == 1 else rows[:, 0]
        nothing = namespace(x).zeros_like(column)
        moments = Moments(0, 0.0, nothing, nothing, nothing)
        return StreamState(self.rule.init(x), moments, nothing + math.inf)

    def begin(self, rows, order=None):
        """Return the state in which a stream that begins with some rows is before them.

        Coefficients are 0. The intercept of a regression is the best one for the first
        minibatch: the way from 0 to a large mean of y would be all that a rule which
        learns distances sees.

        Parameters
        ----------
        rows : Rows
            All of positive weight.
        order : ndarray of int of shape (n,), default=None
            Order of the rows.

        Returns
        -------
        state : StreamState
        """
        batch = next(rows.batches(self.batch_size, order))
        xp, y = namespace(batch.s), batch.y
        q = batch.X.shape[1] + int(self.fit_intercept)
        x = xp.zeros_like(y[:1, ...]) + asarray_like(
            np.zeros((q,) if y.ndim == 1 else (q, 1)), batch.s
        )
        regression = self.loss.task == "regression" and bool(xp.any(y != 0))
        if self.fit_intercept and regression:
            s = batch.s / float(xp.sum(batch.s))
            x = xp.concat([x[:-1], x[-1:] + self.loss.intercept_start(y, s)])
        return self.init(x)

    def unpack(self, packed, like):
        """Return the state of a checkpoint.

        Parameters
        ----------
        packed : dict
            Plain arrays and numbers.
        like : array
            Where the arrays belong, and in which dtype.
        """
        parts = {"run": {}, "moments": {}}
        for name, value in packed.items():
            kind, _, field = name.partition("_")
            if kind in parts:
                on_host = field in self.rule.host_fields
                array = hasattr(value, "shape") and not on_host
                parts[kind][field] = asarray_like(value, like) if array else value
        return StreamState(
            self.rule.run(**parts["run"]),
            Moments(**parts["moments"]),
            asarray_like(packed["reference"], like),
            packed["loss"],
            packed["loss_weight"],
            packed["epoch"],
        )

    def consume(self, state, rows, order=None, first=True):
        """Return the state after some rows.

        Parameters
        ----------
        state : StreamState
            Before.
        rows : Rows
            All of positive weight.
        order : ndarray of int of shape (n,), default=None
            Order of the rows; None for as they come.
        first : bool, default=True
            Whether the rows are new: only then they count in the moments of the columns
            and in the progressive loss.
        """
        for batch in rows.batches(self.batch_size, order):
            state = self._take(state, batch, first)
        return state

    def _take(self, state, batch, first):
        """Return the state after a minibatch."""
        moments, run = state.moments, state.run
        if first:
            center = self.fit_intercept and self.standardize
            moments = moments.merge(batch.X, batch.s, center)
        space = self.space(moments, run.x)
        reference = state.reference
        if first and self.standardize:
            factor, reference = space.shrinkage(reference)
            if factor is not None:
                run = self.rule.shrunk(run, factor)
        x = self.rule.query(run)
        eta = self.predictor(batch.X, x)
        # Weights whose sum over all rows is the number of rows, over those of this one.
        s = batch.s * (moments.rows / (moments.weight * batch.n))
        value = self.loss.value(batch.y, eta, s)
        run = self.rule.update(run, self._sample(batch, s, eta, value, space))
        if not first:
            return replace(state, run=run)
        unit = batch.n * moments.weight / moments.rows
        added = float(space.xp.sum(batch.s))
        return replace(
            state,
            run=run,
            moments=moments,
            reference=reference,
            loss=state.loss + value * unit,
            loss_weight=state.loss_weight + added,
        )

    def _sample(self, batch, s, eta, value, space):
        """Return what a minibatch says."""
        xp, loss = space.xp, self.loss
        column = s if eta.ndim == 1 else s[:, None]
        slopes = loss.gradient(batch.y, eta)
        pull = column * slopes
        g = batch.X.T @ pull
        if self.fit_intercept:
            g = xp.concat([g, xp.sum(pull, axis=0, keepdims=True)])

        def excess():
            bound = -loss.conjugate(batch.y, xp.zeros_like(eta), s)
            return max(value - bound, 0.0)

        def slope():
            return math.sqrt(max(dot64(pull, slopes), 0.0))

        def curvature():
            return self._curvature(batch, column, eta, space)

        return Sample(space.centre(g), value, space, excess, slope, curvature)

    def _curvature(self, batch, column, eta, space):
        """Return the diagonal of the Hessian in the centred columns."""
        xp, X = space.xp, batch.X
        bent = self.loss.curvature(batch.y, eta)
        # Of the softmax it gives the probabilities, whose variance is the diagonal.
        bent = column * (bent * (1.0 - bent) if eta.ndim == 2 else bent)
        squares = X.power(2) if hasattr(X, "nnz") else X * X
        diagonal = squares.T @ bent
        if not self.fit_intercept:
            return diagonal
        total = xp.sum(bent, axis=0, keepdims=True)
        if space.mean is not None:
            mean = space.mean if eta.ndim == 1 else space.mean[:, None]
            diagonal = diagonal - mean * (2.0 * (X.T @ bent) - mean * total)
            diagonal = xp.maximum(diagonal, 0.0)
        return xp.concat([diagonal, total])

    def space(self, moments, x):
        """Return the metric of now."""
        if self._space is not None and self._space.moments is moments:
            # As long as rows come again.
            return self._space
        if self._levels is None:
            self._levels = asarray_like(self.lam, moments.mean)
            slope = self.penalty.slope_at_zero(self._levels)
            self._kinks = bool(namespace(x).any(slope > 0.0))
        self._space = Space(
            moments,
            self.penalty,
            self._levels,
            x,
            self.fit_intercept,
            self.standardize,
            self._kinks,
        )
        return self._space

    def predictor(self, X, x):
        """Return X w + b."""
        if not self.fit_intercept:
            return X @ x
        return X @ x[:-1, ...] + x[-1:, ...] if x.ndim == 2 else (X @ x[:-1] + x[-1])

    def solution(self, state):
        """Return the model of a state.

        Returns
        -------
        solution : Solution
            On the host.
        """
        space = self.space(state.moments, state.run.x)
        x = self.rule.answer(state.run, space)
        x = np.asarray(to_numpy(x), dtype=np.float64)
        w, b = (x[:-1], x[-1]) if self.fit_intercept else (x, np.zeros(x.shape[1:]))
        ids = np.flatnonzero(in_use(w))
        return Solution(ids, w[ids], float(b) if b.ndim == 0 else b)
