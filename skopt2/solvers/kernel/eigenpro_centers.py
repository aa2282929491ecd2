"""EigenPro on centres for the iteration loop: epochs, guard, and an end that is exact.

Problem: f(x) = sum_j a_j k(x, z_j); minimise over a (p, c)

    F(a) = sum_i w_i |y_i - f(x_i)|^2 + alpha tr a'K a,    K = k(Z, Z),

by the steps of :mod:`skopt2.solvers.kernel.center_descent`. Symbols: H_I (p, c) the
part of batch I in half the gradient.

The residual's noise keeps a constant step away from the minimum, and so do temporary
centres. Once an epoch gains little, conjugate gradients with the same preconditioner go
on from the mean iterate (:mod:`skopt2.solvers.kernel.center_conjugate`), to the
minimum. What is measured is the norm of the gradient's projection in the space of the
kernel, relative to that at a = 0. Each epoch sums the H_I, which estimates it without
a pass; the fit has converged only if a pass confirms it.

If the estimate grows tenfold or is not finite, the step was too long: it is halved, and
the iteration goes back to its best epoch. The certificate in two stages, the guard and
the end by conjugate gradients are ours.
"""

import math

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.kernel.center_conjugate import ConjugateGradient
from skopt2.solvers.kernel.center_descent import CenterDescent
from skopt2.solvers.kernel.center_state import copy_of, pack_state, unpack_state
from skopt2.solvers.kernel.coefficients import Coefficients

GRADIENT = "relative gradient"
# Growth of the gradient from which the step is taken to be too long, and restarts after
# which a shorter one is no remedy.
GROWTH, MOST_RESTARTS = 10.0, 40
# What an epoch must leave of the gradient at most, or conjugate gradients take over.
GAIN = 0.7
# Passes of conjugate gradients without a tenth gained, after which to look closer.
IDLE = 40


class EigenProCenters(CenterDescent):
    """Solver for the iteration loop, one step of which is one epoch.

    Parameters
    ----------
    data : CenterData
        Rows; for single batches, rows from which the preconditioner is learnt.
    alpha : float, default=0.0
        Ridge.
    tol : float, default=1e-3
        Relative gradient at which the loop will stop.
    batch_size : int or None, default=None
        m; None for the critical one.
    n_components : int or None, default=None
        Eigenvalues that are flattened; None to decide from the spectrum.
    step_size : float or None, default=None
        t; None for the formula.
    delay : int or None, default=None
        T; None for as many batches as make the projections no more expensive than the
        batches.
    exact : bool or None, default=None
        Whether to project by a Cholesky factor; None for up to 20,000 centres.
    finish : bool, default=True
        Whether conjugate gradients take over in the end.
    seed : int, default=0
        Of the subsample and of the order of the rows.
    """

    name = "eigenpro"

    def __init__(
        self,
        data,
        alpha=0.0,
        *,
        tol=1e-3,
        batch_size=None,
        n_components=None,
        step_size=None,
        delay=None,
        exact=None,
        finish=True,
        seed=0,
    ):
        super().__init__(
            data,
            alpha,
            batch_size=batch_size,
            n_components=n_components,
            step_size=step_size,
            delay=delay,
            exact=exact,
            seed=seed,
        )
        self.tol, self.finish = tol, finish
        self.conjugate = ConjugateGradient(
            data, self.operator, self.preconditioner, self.alpha
        )
        self._size = None

    def start(self, a=None):
        """Return the state at a point.

        The steps of batches would leave a solution of a nearby problem for the noise
        that they end in: from a point other than 0 conjugate gradients go on at once.

        Parameters
        ----------
        a : array of shape (p, c) or None, default=None
            None for 0, which needs no pass over the data; another point takes two.

        Returns
        -------
        state : CenterState
        """
        state = super().start(a)
        if a is None or not self.finish:
            return state
        state.moment = -self.data.gradient(self.xp.zeros_like(state.a))[0]
        state.conjugate = self.conjugate.begin(copy_of(state.a))
        state.near = state.conjugate.a
        state.n_epochs = 2.0
        return state

    def step(self, state):
        """Take the batches of one epoch, or one step of conjugate gradients.

        Parameters
        ----------
        state : CenterState
            Changed in place.

        Returns
        -------
        state : CenterState
        """
        state.n_epochs += 1.0
        state.exact = False
        if state.conjugate is not None:
            state.conjugate = self.conjugate.step(state.conjugate)
            state.a = state.conjugate.a
            return state
        state.gradient = self.xp.zeros_like(state.a)
        state.loss, state.n_steps = 0.0, 0
        mu = self.alpha / self.data.total
        first = self._size is None and state.moment is None
        if first:
            state.moment = self.xp.zeros_like(state.a)
        # A step that is too long overflows before the guard looks; it will see it.
        with np.errstate(over="ignore", invalid="ignore"):
            for number, chunk in enumerate(self.data.chunks()):
                key = (self.seed, 0, int(state.n_epochs), number)
                self._walk(state, chunk, key, mu, first)
            self._project(state)
        return state

    def certificate(self, state):
        """Compare the gradient's estimate, and where it passes the gradient, with tol.

        Parameters
        ----------
        state : CenterState
            Changed in place: the guard may send it back.

        Returns
        -------
        measure : Measure
            Not below the tolerance unless the gradient itself is.
        """
        if self._size is None:
            self._size = np.sqrt(np.abs(self.preconditioner.measure(state.moment)[1]))
            self._size[self._size == 0.0] = 1.0
        if state.conjugate is not None:
            return self._certify(state)
        state.loss = float(state.loss)
        with np.errstate(over="ignore", invalid="ignore"):
            g = state.gradient
            if self.alpha:
                ridge = self.xp.astype(self.operator.product(state.a), self.wide)
                g = g + self.alpha * ridge
            estimate = self.relative_gradient(g)
        before, state.estimate = state.estimate, estimate
        if not estimate <= GROWTH * state.best_estimate:
            return self._restart(state)
        if estimate < state.best_estimate:
            state.best, state.best_estimate = copy_of(state.a), estimate
        if estimate <= self.tol or (
            self.finish and (estimate > GAIN * before or self.batch_size >= self.data.n)
        ):
            return self._switch(state)
        value = state.loss
        if self.alpha:
            value += self.alpha * float(self.xp.sum(ridge * state.a))
        return self._report(state, value, estimate)

    def relative_gradient(self, g):
        """Return the norm of a gradient relative to that at a = 0.

        Parameters
        ----------
        g : array of shape (p, c)
            Half the gradient with respect to a.

        Returns
        -------
        value : float
            Norm of its projection in the space of the kernel, the largest of all
            targets. Known once an epoch has been measured.
        """
        return self._ratio(self.preconditioner.measure(g)[1])

    def _ratio(self, squares):
        return float(np.max(np.sqrt(np.abs(squares)) / self._size))

    def _restart(self, state):
        """Go back to the best iterate with half the step."""
        self.step_size *= 0.5
        state.n_restarts += 1
        state.a, state.mean = copy_of(state.best), copy_of(state.best)
        state.estimate = state.best_estimate
        hopeless = state.n_restarts >= MOST_RESTARTS
        return self._report(state, state.loss, state.estimate, hopeless)

    def _switch(self, state):
        """Begin conjugate gradients at the mean or the best iterate."""
        better = state.estimate <= state.best_estimate or state.estimate < GAIN
        state.conjugate = self.conjugate.begin(
            copy_of(state.mean if better else state.best)
        )
        state.n_epochs += 1.0
        return self._confirmed(state)

    def _certify(self, state):
        """Measure a step of conjugate gradients."""
        value = state.estimate = self._ratio(state.conjugate.squares)
        if value < 0.9 * state.idle_level:
            state.idle_since = state.n_epochs
        if value < state.idle_level:
            state.idle_level, state.near = value, state.a
        idle = state.n_epochs - state.idle_since >= IDLE
        lost = not value <= GROWTH * state.idle_level
        if value > self.tol and not idle and not lost:
            return self._report(state, state.conjugate.value, value)
        # The residual is updated, and rounding may have parted it from the gradient.
        state.conjugate = self.conjugate.begin(state.near)
        state.n_epochs += 1.0
        return self._confirmed(state)

    def _confirmed(self, state):
        """Report the least gradient that a pass gave."""
        value, state.exact = self._ratio(state.conjugate.squares), True
        stalled = not value < 0.9 * state.confirmed
        if value < state.confirmed:
            state.confirmed, state.best = value, state.conjugate.a
            state.loss = state.conjugate.value
        state.a, state.estimate = state.best, state.confirmed
        state.near, state.idle_level = state.conjugate.a, value
        state.idle_since = state.n_epochs
        return self._report(state, state.loss, state.confirmed, stalled)

    def _report(self, state, objective, value, stalled=False):
        if not state.exact:
            # An estimate does not end the loop.
            value = max(value, math.nextafter(self.tol, math.inf))
        return Measure(
            objective=float(objective),
            value=float(value),
            extra={
                "n_epochs": state.n_epochs,
                "step_size": float(self.step_size),
                "n_restarts": state.n_restarts,
            },
            stalled=stalled,
        )

    def finalize(self, state):
        """Return the coefficients of a state.

        Parameters
        ----------
        state : CenterState
            Any.

        Returns
        -------
        coefficients : Coefficients
        """
        return Coefficients(
            self.xp.astype(state.a, self.data.Z.dtype),
            self.name,
            float(state.n_epochs),
            self.batch_size,
            self.step_size,
            self.preconditioner.n_components,
            state.n_restarts,
            float(self.preconditioner.projection.jitter),
            state.exact,
        )

    def pack(self, state):
        """Return a state as plain arrays and numbers, for a checkpoint.

        Parameters
        ----------
        state : CenterState
            At the end of an epoch.

        Returns
        -------
        packed : dict
        """
        return pack_state(state) | {"step_size": self.step_size, "solver": self.name}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            Of a solver with the same arguments.

        Returns
        -------
        state : CenterState
        """
        self.step_size = float(packed["step_size"])
        return unpack_state(packed, self.data.Z, self.wide)
