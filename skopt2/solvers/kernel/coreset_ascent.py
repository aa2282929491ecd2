"""Stochastic ascent of the evidence lower bound of a coreset.

Problem: maximise L of :mod:`skopt2.solvers.kernel.coreset_bound` over the pseudo inputs
Z, the pseudo outputs Y_c, log w and phi. Each step is one of Adam on the derivatives
for a batch of rows: with g the derivative of L / n in units u of the parameters,

m <- b1 m + (1 - b1) g, q <- b2 q + (1 - b2) g^2,
x <- x + rate u (m / (1 - b1^t)) / (sqrt(q / (1 - b2^t)) + eps),

b1 = 0.9, b2 = 0.999. The units are the spread of the features and of the targets, so
that a fit does not depend on the scale of the data.

A measure, at the end of an epoch and at least 50 steps after the last one, passes over
all rows once. It replaces the pseudo outputs by the best ones, which are the solution
of one system, and finds L of all rows, with no noise. What is returned is the coreset
with the largest L. If L has not grown, the rate is halved; if L is not finite or is
far below the best one, the steps go on from the best one.

The certificate is how much L changed over the last five measures, for each row and at
the full rate: the growth of the largest L / n times the number of measures over the sum
of their rates, relative to the full one, plus the furthest that a measure was below the
largest. It says that more steps would gain little, and not how far L is from its
maximum, which is not known: L is not concave.

Where it reaches the tolerance after t steps, or t is three fifths of the most steps,
the rate falls to 0 over the next 2 t / 3 ones, which takes the noise of the batches out
of the parameters. The growth that this brings is no part of the certificate.

Source: D. P. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015,
algorithm 1; the measures and the rule of the rate are our own.
"""

import math

import numpy as np

from skopt2._core.array import namespace, take
from skopt2._core.result import Measure
from skopt2.solvers.kernel.coreset_bound import Coreset
from skopt2.solvers.kernel.coreset_state import CoresetSolution, CoresetState
from skopt2.solvers.kernel.coreset_summary import summarise

CHANGE = "evidence bound change per row"
# Decay of the averages of Adam, and what keeps its denominator from 0.
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8
# Measures over which progress is judged, and fewest steps between two.
WINDOW, INTERVAL = 5, 50
# Steps over which the rate falls to 0, relative to those before.
COOLING = 2.0 / 3.0
# Loss per row, in nats, from which steps begin anew at the best coreset.
FALLEN = 1.0
# Entries of the covariances of a chunk of rows.
ENTRIES = 2**21
# Range of the logarithms of the weights beyond those of the rows.
RANGE = (-16.0, 4.0)


class CoresetAscent:
    """Solver for the iteration loop: Adam steps on batches of a sampler.

    Parameters
    ----------
    bound : Bound
        The evidence lower bound.
    X : array of shape (n, d)
        Rows.
    Y : array of shape (n, T)
        Targets.
    sampler : BlockSampler
        The batches.
    ranges : Ranges
        Of phi.
    units : tuple of two arrays
        Units (d,) of the features and (T,) of the targets.
    rate : float
        Step of Adam, in units of the parameters.
    tol : float
        Certificate at which the loop will stop.
    max_steps : int
        Steps after which the loop will stop.
    """

    # A coreset that stands for rows beside these.
    former = None

    def __init__(self, bound, X, Y, sampler, *, ranges, units, rate, tol, max_steps):
        self.bound, self.X, self.Y, self.sampler = bound, X, Y, sampler
        self.ranges, self.rate = ranges, rate
        self.tol, self.max_steps = tol, max_steps
        self.units = (*units, 1.0, ranges.free)
        self.n = int(X.shape[0])

    def begin(self, coreset):
        """Return the state at a coreset, before any measure.

        Parameters
        ----------
        coreset : Coreset
            In the widest dtype of its device.

        Returns
        -------
        state : CoresetState
        """
        parts = list(coreset.parts())
        zeros = [namespace(x).zeros_like(x) for x in parts]
        return CoresetState(parts, zeros, list(zeros), parts)

    def start(self, coreset):
        """Return the state at a coreset, whose bound is measured.

        Parameters
        ----------
        coreset : Coreset
            In the widest dtype of its device.

        Returns
        -------
        state : CoresetState
        """
        state = self.begin(coreset)
        self._measured(state)
        return state

    def relative_rate(self, state, t):
        """Return the share of the rate that the schedule leaves.

        Parameters
        ----------
        state : CoresetState
            Present one.
        t : int
            Number of a step, from 0.

        Returns
        -------
        share : float
            Between 0 and 1.
        """
        cool = self.max_steps / (1.0 + COOLING) if state.cool < 0 else state.cool
        return 1.0 if t <= cool else max(0.0, 1.0 - (t - cool) / (COOLING * cool))

    def step(self, state):
        """Take one step of Adam.

        Parameters
        ----------
        state : CoresetState
            Changed in place.

        Returns
        -------
        state : CoresetState
        """
        index = self.sampler.block(state.t)
        X, Y = self._rows(take(self.X, index), take(self.Y, index))
        rate = self.rate * state.scale * self.relative_rate(state, state.t)
        state.t += 1
        state.since += 1
        state.n_epochs += int(index.shape[0]) / self.n
        # Parameters may run away before the next measure, which brings them back.
        with np.errstate(all="ignore"):
            try:
                gradient = self._gradient(Coreset(*state.moving), X, Y)
            except (ArithmeticError, np.linalg.LinAlgError):
                return state
            self._advance(state, gradient.parts(), rate)
        return state

    def _gradient(self, coreset, X, Y):
        """Return the derivatives of the bound for a batch."""
        return self.bound.gradient(coreset, X, Y, self.n)[1]

    def _advance(self, state, gradient, rate):
        """Move the parameters, and keep them in their ranges."""
        first, second = 1.0 - FIRST**state.since, 1.0 - SECOND**state.since
        for k, (g, unit) in enumerate(zip(gradient, self.units, strict=True)):
            xp, g = namespace(g), g * unit / self.n
            mean = FIRST * state.mean[k] + (1.0 - FIRST) * g
            square = SECOND * state.square[k] + (1.0 - SECOND) * g * g
            move = (mean / first) / (xp.sqrt(square / second) + TINY)
            state.mean[k], state.square[k] = mean, square
            state.moving[k] = state.moving[k] + rate * unit * move
        low, high = RANGE[0], RANGE[1] + math.log(self.n)
        state.moving[2] = xp.clip(state.moving[2], low, high)
        phi = xp.minimum(xp.maximum(state.moving[3], self.ranges.low), self.ranges.high)
        state.moving[3] = xp.where(self.ranges.free > 0, phi, state.moving[3])

    def _rows(self, X, Y):
        """Return rows and targets in the dtype of the parameters."""
        xp, dtype = namespace(X), self.ranges.low.dtype
        return xp.astype(X, dtype, copy=False), xp.astype(Y, dtype, copy=False)

    def chunks(self, M):
        """Yield all rows and targets, in chunks for M covariances each.

        Parameters
        ----------
        M : int
            Size of the coreset.

        Yields
        ------
        X : array of shape (b, d)
        Y : array of shape (b, T)
        """
        size = max(256, ENTRIES // M)
        n = int(self.X.shape[0])
        for start in range(0, n, size):
            rows = slice(start, min(n, start + size))
            yield self._rows(self.X[rows, :], self.Y[rows, :])

    def interval(self, state):
        """Return the number of steps to the next measure.

        Parameters
        ----------
        state : CoresetState
            Present one.

        Returns
        -------
        n_steps : int
        """
        wanted = max(INTERVAL, self.sampler.n_blocks)
        if state.cool < 0:
            return wanted
        return max(1, min(wanted, self._end(state) - state.t))

    def _end(self, state):
        """Return the step at which the rate is 0."""
        return math.ceil((1.0 + COOLING) * state.cool)

    def certificate(self, state):
        """Improve the pseudo outputs and measure the bound of all rows.

        Parameters
        ----------
        state : CoresetState
            Changed in place.

        Returns
        -------
        measure : Measure
            The objective is minus the largest bound.
        """
        steps = range(state.measured, state.t)
        rates = [self.relative_rate(state, t) for t in steps]
        rate = state.scale * sum(rates) / max(1, len(rates))
        state.measured, before = state.t, state.value
        value = self._measured(state)
        gain, fall = (state.value - before) / self.n, (state.value - value) / self.n
        state.gains = [*state.gains, gain][-WINDOW:]
        state.falls = [*state.falls, fall][-WINDOW:]
        state.rates = [*state.rates, rate][-WINDOW:]
        if gain == 0.0:
            state.scale *= 0.5
        if fall > FALLEN:
            self._restart(state)
        return Measure(
            objective=-state.value,
            value=self._change(state),
            extra={
                "n_epochs": state.n_epochs,
                "learning_rate": self.rate * rate,
                "n_restarts": state.n_restarts,
            },
        )

    def _change(self, state):
        """Return the certificate: below the tolerance only where all is done."""
        if state.cool < 0:
            if len(state.gains) < WINDOW or not sum(state.rates):
                return math.inf
            change = sum(state.gains) * WINDOW / sum(state.rates) + max(state.falls)
            if change > self.tol or self.relative_rate(state, state.t) < 1.0:
                return max(change, math.nextafter(self.tol, math.inf))
            state.cool, state.held = state.t, change
        if state.t >= self._end(state):
            return state.held
        return math.nextafter(self.tol, math.inf)

    def _measured(self, state):
        """Return the bound of the moving coreset with its best pseudo outputs."""
        state.n_epochs += 1.0
        M = int(state.moving[2].shape[0])
        with np.errstate(all="ignore"):
            try:
                posterior = self.bound.posterior(Coreset(*state.moving))
                summary = summarise(posterior, self.chunks(M), self.former)
                coreset = summary.improve()
                value = summary.value()
            except (ArithmeticError, np.linalg.LinAlgError):
                return -math.inf
        if not math.isfinite(value):
            return -math.inf
        state.moving[1] = coreset.Y
        if value > state.value:
            state.value, state.best = value, list(state.moving)
        return value

    def _restart(self, state):
        """Go on from the best coreset with new averages."""
        state.n_restarts += 1
        state.since = 0
        state.moving = list(state.best)
        state.mean = [namespace(x).zeros_like(x) for x in state.moving]
        state.square = list(state.mean)

    def finalize(self, state):
        """Return the coreset with the largest bound, and what it took.

        Parameters
        ----------
        state : CoresetState
            Any.

        Returns
        -------
        solution : CoresetSolution
        """
        return CoresetSolution(
            Coreset(*state.best), state.value, state.n_epochs, state.n_restarts
        )

    def pack(self, state):
        """Return a state as plain arrays and numbers, for a checkpoint.

        Parameters
        ----------
        state : CoresetState
            Any.

        Returns
        -------
        packed : dict
        """
        return {"seed": int(self.sampler.seed), **state.pack()}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            Of a solver for the same problem, seed and batch size.

        Returns
        -------
        state : CoresetState
        """
        return CoresetState.unpack(packed, self.ranges.low)
