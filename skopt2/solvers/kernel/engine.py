"""Block descent on the dual objective: the loop that SDD, EigenPro and SAP share.

Problem: minimise 1/2 tr a'H a - tr a'Y over a (n, c), H = K + Lambda, as in
:mod:`skopt2.solvers.kernel.system`. Symbols: I a block of rows, B = abs(I); z the point
at which a rule wants the gradient; G = H_I z - Y_I (B, c) the gradient's block, the
only thing for which rows of K are computed.

One step is: the point of the rule, the gradient of the next block there, and the rule's
own advance, which differs in the direction (G itself, a block solve, a spectral
preconditioner) and in the momentum.

Rows of -G, kept as they come, are an estimate of the residual that costs nothing. It is
compared with the tolerance once an epoch; only where it passes does one further pass
measure the residual itself, and the fit has converged only if that passes too.

If the estimate is not finite, or ten times a reference (the rule can say otherwise),
the step was too long: it is halved, momentum is dropped, and the iteration goes back to
the best iterates so far. The reference follows the estimate down, by three tenths an
epoch at the most, since momentum lets a residual swing through small values; it never
follows it up.

The columns of Y are problems of their own: the solution is, for each of them, the
iterate with the smallest residual. Where K is singular in floating-point arithmetic and
Y not in its range, the residual falls before it rises, and not at the same time in all
columns.

Source: J. A. Lin, S. Padhy, J. Antoran and others, Stochastic gradient descent for
Gaussian processes done right, ICLR 2024, for the block gradient of the dual objective;
the guard and the two-stage certificate are ours.
"""

import math
import time
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, namespace, put, take
from skopt2._core.result import Measure
from skopt2.solvers.kernel.coefficients import Coefficients

RESIDUAL = "relative residual"
ESTIMATE = "estimated relative residual"
# How much of what the residual is compared with stays from one epoch to the next.
DECAY = 0.7
# Restarts after which a shorter step is no remedy: K is not positive semidefinite.
MOST_RESTARTS = 40
# Entries of K between two measures at most, so that time limits are noticed.
ENTRIES = 4e9
# Epochs without a residual a tenth smaller, at the level that rounding explains, and
# multiple of that level.
IDLE, FLOOR = 8.0, 10.0
# Epochs from which one more pass for the residual at the end is a small part.
MANY = 10.0


@dataclass
class BlockState:
    """Where block descent stands; the engine changes it in place.

    Parameters
    ----------
    moving : dict of array
        What the rule moves.
    residual : array of shape (n, c)
        Estimate of the residual of what moves.
    best, best_residual : array of shape (n, c)
        Iterates with the smallest residuals, column by column, and these residuals.
    best_values : ndarray of shape (c,)
        Their norms relative to Y.
    reference : ndarray of shape (c,)
        What the guard compares the estimate with.
    t, measured : int
        Blocks taken, now and at the last measure.
    n_epochs : float
        Passes over K.
    bias : float
        Residual over estimate when both were known last, drawn towards 1.
    idle_since, idle_level : float
        Epoch and size of the last residual that was a tenth smaller.
    n_restarts : int
        Restarts of the guard.
    exact : bool
        Whether ``best_residual`` was measured for all columns, and not estimated.
    """

    moving: dict
    residual: Any
    best: Any
    best_residual: Any
    best_values: Any
    reference: Any
    t: int = 0
    measured: int = 0
    n_epochs: float = 0.0
    bias: float = 1.0
    idle_since: float = 0.0
    idle_level: float = math.inf
    n_restarts: int = 0
    exact: bool = False


class BlockDual:
    """Solver for the iteration loop: blocks of a sampler, steps of a rule.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    rule : BlockRule
        The algorithm.
    sampler : BlockSampler
        The blocks.
    tol : float
        Relative residual at which the loop will stop.
    max_steps : int
        Blocks after which the loop will stop.

    Attributes
    ----------
    pace : float
        Seconds of an epoch at the pace of the fastest block so far, which other work on
        the machine does not change; inf on devices, which do not wait for the host.
    """

    def __init__(self, system, rule, sampler, *, tol, max_steps):
        self.system, self.rule, self.sampler = system, rule, sampler
        self.tol, self.max_steps = tol, max_steps
        self.pace = math.inf

    def start(self, a=None):
        """Return the state at a point.

        Parameters
        ----------
        a : array of shape (n, c) or None, default=None
            In the units of the system; None for 0, whose residual needs no pass.

        Returns
        -------
        state : BlockState
        """
        system, n_epochs = self.system, 0.0
        if a is None:
            a, R = system.zeros(), _copy(system.Y)
        else:
            R, n_epochs = system.residual(a), 1.0
        values = system.relative_columns(R)
        moving = self.rule.begin(a)
        return BlockState(
            moving, R, _copy(a), _copy(R), values, values.copy(), n_epochs=n_epochs
        )

    def step(self, state):
        """Take the gradient of the next block, and the step of the rule.

        Parameters
        ----------
        state : BlockState
            Changed in place.

        Returns
        -------
        state : BlockState
        """
        index, began = self.sampler.block(state.t), time.perf_counter()
        # A step that is too long overflows before the guard looks; it will see it.
        with np.errstate(over="ignore", invalid="ignore"):
            G = self.system.gradient(index, self.rule.point(state.moving))
            state.residual = self._refresh(state.residual, index, G)
            self.rule.advance(state.moving, index, G)
        state.t += 1
        size, n = int(index.shape[0]), self.system.n
        state.n_epochs += size / n + self.rule.extra_entries(size) / n**2
        state.exact = False
        if self.system.xp is np:
            seconds = time.perf_counter() - began
            self.pace = min(self.pace, seconds * n / size)
        return state

    def _refresh(self, residual, index, G):
        """Return the residual estimate with the rows of a new gradient in it."""
        share = self.rule.smoothing
        if share == 1.0:
            return put(residual, index, -G)
        old = take(residual, index)
        return put(residual, index, old - share * (old + G))

    def interval(self, state):
        """Return the number of blocks to the next measure: to the end of the epoch.

        Parameters
        ----------
        state : BlockState
            Present one.

        Returns
        -------
        n_blocks : int
            Fewer where an epoch takes long.
        """
        n_blocks = self.sampler.n_blocks
        rest = n_blocks - state.t % n_blocks
        return min(rest, max(1, int(ENTRIES * n_blocks / self.system.n**2)))

    def certificate(self, state):
        """Compare the residual estimate, and where it matters the residual, with tol.

        Parameters
        ----------
        state : BlockState
            Changed in place: the guard may send it back.

        Returns
        -------
        measure : Measure
            Not below the tolerance unless the residual itself is.
        """
        epochs = (state.t - state.measured) / self.sampler.n_blocks
        state.measured = state.t
        with np.errstate(over="ignore", invalid="ignore"):
            values = self.system.relative_columns(state.residual)
        if not (values <= self.rule.growth * state.reference).all():
            return self._restart(state)
        lowest = DECAY**epochs * state.reference
        state.reference = np.maximum(np.minimum(state.reference, values), lowest)
        self._keep(state, values)
        state.bias = 1.0 + 0.9**epochs * (state.bias - 1.0)
        estimate = largest(state.best_values)
        stalled = self._stands_still(state, estimate)
        last = state.t >= self.max_steps and state.n_epochs >= MANY
        if estimate * state.bias <= self.tol or stalled or last:
            self._measure(state)
        return self._report(state, stalled)

    def _keep(self, state, values):
        """Keep the columns of the present iterate that are the best so far."""
        better = values < state.best_values
        if not better.any():
            return
        iterate, xp = self.rule.iterate(state.moving), self.system.xp
        residual = _copy(state.residual)
        if not better.all():
            mask = asarray_like(better, self.system.Y, xp.bool)
            iterate = xp.where(mask, iterate, state.best)
            residual = xp.where(mask, residual, state.best_residual)
        state.best, state.best_residual = iterate, residual
        state.best_values = np.minimum(values, state.best_values)

    def _measure(self, state):
        """Measure the residuals of the best iterates, by one more pass."""
        before = largest(state.best_values)
        found = self.system.measured(state.best)
        state.best, state.best_residual, state.best_values = found
        state.n_epochs += 1.0
        state.exact = True
        value = largest(state.best_values)
        state.bias = max(1.0, value / before) if before > 0.0 else 1.0

    def _restart(self, state):
        """Go back to the best iterates with half the step and no momentum."""
        self.rule.slow_down()
        state.n_restarts += 1
        state.moving = self.rule.begin(state.best)
        state.residual = _copy(state.best_residual)
        state.bias = 1.0
        return self._report(state, stalled=state.n_restarts >= MOST_RESTARTS)

    def _stands_still(self, state, estimate):
        """Return True if rounding explains why the residual no longer falls."""
        if estimate < 0.9 * state.idle_level:
            state.idle_level, state.idle_since = estimate, state.n_epochs
            return False
        if state.n_epochs - state.idle_since < IDLE:
            return False
        floor = self.system.rounding(self.rule.iterate(state.moving))
        return state.idle_level <= FLOOR * floor

    def _report(self, state, stalled):
        value = largest(state.best_values)
        if not state.exact:
            # An estimate does not end the loop.
            value = max(value, math.nextafter(self.tol, math.inf))
        return Measure(
            objective=self.system.objective(state.best, state.best_residual),
            value=value,
            extra={
                "n_epochs": state.n_epochs,
                "step_size": float(self.rule.step_size),
                "n_restarts": state.n_restarts,
            },
            stalled=stalled,
        )

    def finalize(self, state):
        """Return the coefficients of a state, in the units of the caller.

        Parameters
        ----------
        state : BlockState
            Any.

        Returns
        -------
        coefficients : Coefficients
        """
        return Coefficients(
            self.system.to_units(state.best),
            self.rule.name,
            float(state.n_epochs),
            int(self.rule.batch_size),
            float(self.rule.step_size),
            self.rule.n_components,
            int(state.n_restarts),
            float(self.rule.jitter),
            bool(state.exact),
        )

    def pack(self, state):
        """Return a state as plain arrays and numbers, for a checkpoint.

        Parameters
        ----------
        state : BlockState
            Any.

        Returns
        -------
        packed : dict
        """
        packed = {f"moving_{name}": value for name, value in state.moving.items()}
        for field in fields(state):
            if field.name != "moving":
                packed[field.name] = getattr(state, field.name)
        packed |= {f"rule_{name}": value for name, value in self.rule.pack().items()}
        packed["seed"], packed["solver"] = int(self.sampler.seed), self.rule.name
        packed["batch_size"] = int(self.rule.batch_size)
        packed["rank"] = self.rule.n_components
        return packed

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            Of a solver for the same problem, seed and batch size.

        Returns
        -------
        state : BlockState
        """

        def placed(value):
            if getattr(value, "ndim", 0) == 0:
                return value
            # The state changes in place, the checkpoint must not.
            return _copy(asarray_like(value, self.system.Y))

        def named(prefix):
            return {
                name.removeprefix(prefix): value
                for name, value in packed.items()
                if name.startswith(prefix)
            }

        self.rule.unpack(named("rule_"))
        moving = {name: placed(value) for name, value in named("moving_").items()}
        names = {field.name for field in fields(BlockState)} - {"moving"}
        rest = {name: placed(packed[name]) for name in names}
        for name in ("best_values", "reference"):
            rest[name] = np.array(packed[name], dtype=np.float64)
        return BlockState(moving, **rest)


def _copy(x):
    """Return an array that the engine may change."""
    return namespace(x).asarray(x, copy=True)


def largest(values):
    """Return the largest of some numbers as a float; 0 for none."""
    return float(np.max(values)) if values.size else 0.0
