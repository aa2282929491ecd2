"""The steps of EigenPro 3 and 4 for a kernel model on centres.

Problem: f(x) = sum_j a_j k(x, z_j); minimise over a (p, c)

    F(a) = sum_i w_i |y_i - f(x_i)|^2 + alpha tr a'K a,    K = k(Z, Z).

Symbols: I a batch of m rows; K_I = k(X_I, Z); weights are divided by their mean here,
and mu = alpha / sum_i w_i; K^-1, Q, D, l and b of
:mod:`skopt2.solvers.kernel.center_preconditioner`; t the step.

One batch, with R_I = w_I (f(X_I) - Y_I) and H_I = K_I'R_I:

    a <- a - t (K^-1 H_I - Q D Q'H_I) - t m mu (a - Q D Q'K a),

f the present model. The projection K^-1 H_I costs p^2 and can be delayed by T batches
(EigenPro 4): until then its place is taken by the functions -t R_i k(x_i, .) of the
batch's own rows, as temporary centres; the terms with Q, whose functions are in the
span, are added to a at once. T = 1 is EigenPro 3. Batch, step and T are those of
:mod:`skopt2.solvers.kernel.center_steps`.

Source: A. Abedsoltan, M. Belkin and P. Pandit, Toward large kernel models, ICML 2023
(EigenPro 3); A. Abedsoltan, S. Ma, P. Pandit and M. Belkin, Fast training
of large kernel models with delayed projections, 2024 (EigenPro 4), algorithm 1. The
ridge and the weights are ours.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    index_like,
    namespace,
    take,
)
from skopt2.kernels import KernelOperator
from skopt2.solvers.kernel.center_data import CenterChunk
from skopt2.solvers.kernel.center_preconditioner import CenterPreconditioner
from skopt2.solvers.kernel.center_state import CenterState, copy_of
from skopt2.solvers.kernel.center_steps import choose_steps


class CenterDescent:
    """Batches, preconditioned steps and projections.

    Parameters
    ----------
    data : CenterData
        Rows from which the preconditioner is learnt.
    alpha : float, default=0.0
        Ridge.
    batch_size, n_components, step_size, delay, exact, seed
        As for :class:`~skopt2.solvers.kernel.eigenpro_centers.EigenProCenters`.
    """

    def __init__(
        self,
        data,
        alpha=0.0,
        *,
        batch_size=None,
        n_components=None,
        step_size=None,
        delay=None,
        exact=None,
        seed=0,
    ):
        self.data, self.alpha, self.seed = data, float(alpha), seed
        Z = data.Z
        self.p, self.xp = int(Z.shape[0]), namespace(Z)
        self.wide = accumulation_dtype(Z)
        self.operator = KernelOperator(data.kernel, Z, store=False)
        self.preconditioner = CenterPreconditioner(
            data, self.operator, n_components, exact, seed
        )
        self.unit = data.total / data.n
        self.batch_size, self.step_size, self.delay = choose_steps(
            self.preconditioner,
            data.n,
            self.p,
            self.alpha / data.total,
            batch_size,
            step_size,
            delay,
        )

    def start(self, a=None):
        """Return the state at a point.

        Parameters
        ----------
        a : array of shape (p, c) or None, default=None
            None for 0.

        Returns
        -------
        state : CenterState

        Raises
        ------
        ValueError
            If the shape is another one.
        """
        xp, like = self.xp, self.data.Z[:, :1]
        if a is None:
            a = xp.zeros_like(like, dtype=self.wide)
            a = xp.concat([a] * self.data.c, axis=1)
        else:
            shape = (self.p, self.data.c)
            if tuple(a.shape) != shape:
                raise ValueError(
                    f"start must have the shape {shape} of centres and targets; got "
                    f"{tuple(a.shape)}."
                )
            a = copy_of(asarray_like(a, like, self.wide))
        zeros = xp.zeros_like(a)
        return CenterState(a, copy_of(a), zeros, copy_of(a), gradient=copy_of(zeros))

    def batch(self, state, X, Y, weight=None):
        """Take steps on rows that are given once, as in ``partial_fit``.

        Parameters
        ----------
        state : CenterState
            Changed in place.
        X : array of shape (n, d)
            Rows, of any number: they are cut into batches in random order.
        Y : array of shape (n, c)
            Targets.
        weight : array-like of shape (n,) or None, default=None
            Weights.

        Returns
        -------
        state : CenterState
            ``mean`` is the average of all iterates so far, later ones counting more.
        """
        chunk = CenterChunk(self.data.kernel, self.data.Z, X, Y, weight)
        total = chunk.n if chunk.weight is None else float(self.xp.sum(chunk.weight))
        state.seen += total
        mu = self.alpha / state.seen if state.seen else 0.0
        self._walk(state, chunk, (self.seed, 1, int(state.n_steps)), mu)
        self._project(state)
        state.exact = False
        return state

    def _walk(self, state, chunk, key, mu, first=False):
        """Take the batches of a chunk in random order."""
        order = np.random.default_rng(key).permutation(chunk.n)
        for part in np.array_split(order, -(-chunk.n // self.batch_size)):
            index = index_like(np.sort(part), chunk.X)
            self._advance(state, chunk, index, mu, first)

    def _advance(self, state, chunk, index, mu, first=False):
        """Take one batch."""
        xp, t, c = self.xp, self.step_size, self.data.c
        a, N = state.a, self.preconditioner
        X = take(chunk.X, index)
        offset = None
        for rows, values in state.temporary:
            near = KernelOperator(self.data.kernel, X, rows, store=False)
            values = near.product(values)
            offset = values if offset is None else offset + values
        H, R, loss = chunk.gradient(index, a, offset, self.unit, first)
        H = xp.astype(H, self.wide, copy=False)
        if first:
            state.moment += self.unit * H[:, c:]
            H = H[:, :c]
        state.gradient += self.unit * H
        state.loss = state.loss + loss
        ridge = t * int(index.shape[0]) * mu
        change = t * N.correct(H)
        if ridge:
            change -= ridge * (a - N.correct_function(a))
        state.a = a + change
        state.waiting += H
        state.temporary.append((X, -t * R))
        if len(state.temporary) >= self.delay:
            self._project(state)

    def _project(self, state):
        """Replace the temporary centres by their projection."""
        if not state.temporary:
            return
        N, t, H = self.preconditioner, self.step_size, state.waiting
        if N.projection.exact:
            state.a = state.a - t * N.projection.solve(H)
        else:
            theta = N.projection.solve(N.flatten(H))
            state.a = state.a - t * (N.correct(H) + theta)
        state.waiting = self.xp.zeros_like(state.a)
        state.temporary = []
        state.n_steps += 1
        state.mean = state.mean + 2.0 / (state.n_steps + 1) * (state.a - state.mean)
