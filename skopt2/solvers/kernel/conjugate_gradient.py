"""Preconditioned conjugate gradients for kernel systems, all columns in one pass.

Problem: H a = Y, H = K + Lambda (:mod:`skopt2.solvers.kernel.system`). Symbols: P near
H, R = Y - H a the residual, Z = P^-1 R, D the directions, all (n, c); each column has
its own steps, and all share the pass over K of an iteration.

With a Cholesky factor of H for P this is the direct solution and its iterative
refinement: the first iteration solves, and measures what rounding left; further ones
remove it.

R follows its recursion. It is measured anew before it may end the loop, unless only few
iterations lie behind it, whose rounding cannot matter; if the two differ too much, the
iteration starts again from the measured one. The solution is, for each column, the
iterate with the smallest residual: that of conjugate gradients is not monotone, and
where H is singular in floating-point arithmetic it grows in the end.

Source: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, 2006, algorithm
5.3.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like
from skopt2._core.result import Measure
from skopt2.solvers.kernel.coefficients import Coefficients
from skopt2.solvers.kernel.engine import FLOOR, largest

# Iterations after which the recursion of the residual is as good as a measurement, and
# how much above the precision.
FEW, MARGIN = 5, 100.0


@dataclass
class GradientState:
    """Where conjugate gradients stand; the solver changes it in place.

    Parameters
    ----------
    a, R, D : array of shape (n, c)
        Iterate, residual, directions.
    rz : array of shape (c,)
        tr R'Z of each column, accumulated in float64.
    best, best_residual : array of shape (n, c)
        Iterates with the smallest residuals, column by column, and these residuals.
    best_values : ndarray of shape (c,)
        Their norms relative to Y.
    n_epochs : float
        Passes over K.
    age : int
        Iterations since R was measured.
    idle_since, idle_level : float
        Pass and size of the last residual that was a tenth smaller.
    exact : bool
        Whether ``best_residual`` counts as measured.
    """

    a: Any
    R: Any
    D: Any
    rz: Any
    best: Any
    best_residual: Any
    best_values: Any
    n_epochs: float = 0.0
    age: int = 0
    idle_since: float = 0.0
    idle_level: float = math.inf
    exact: bool = True


class ConjugateGradient:
    """Solver for the iteration loop: preconditioned conjugate gradients.

    Parameters
    ----------
    system : KernelSystem
        The problem.
    preconditioner : object
        With ``solve(V)``, ``name``, ``jitter``, ``rank``, ``n_components``, and
        ``patience``, the iterations without progress, at the level of rounding, that
        end the loop.
    tol : float
        Relative residual at which the loop will stop.
    seed : int, default=0
        Of the preconditioner, for checkpoints.
    spent : float, default=0.0
        Passes over K that the preconditioner took.
    """

    def __init__(self, system, preconditioner, *, tol, seed=0, spent=0.0):
        self.system, self.preconditioner = system, preconditioner
        self.tol, self.seed, self.spent = tol, seed, spent

    def start(self, a=None):
        """Return the state at a point.

        Parameters
        ----------
        a : array of shape (n, c) or None, default=None
            In the units of the system; None for 0, whose residual needs no pass.

        Returns
        -------
        state : GradientState
        """
        xp, system = self.system.xp, self.system
        if a is None:
            a, R, spent = system.zeros(), xp.asarray(system.Y, copy=True), self.spent
        else:
            R, spent = system.residual(a), self.spent + 1.0
        D, rz = self._direction(R)
        return GradientState(
            xp.asarray(a, copy=True),
            R,
            D,
            rz,
            xp.asarray(a, copy=True),
            xp.asarray(R, copy=True),
            system.relative_columns(R),
            n_epochs=spent,
        )

    def step(self, state):
        """Take one iteration, which is one pass over K.

        Parameters
        ----------
        state : GradientState
            Changed in place.

        Returns
        -------
        state : GradientState
        """
        HD = self.system.multiply(state.D)
        state.n_epochs += 1.0
        step = self._ratio(state.rz, self._inner(state.D, HD))
        state.a += step * state.D
        state.R -= step * HD
        Z, rz = self._direction(state.R)
        state.D = Z + self._ratio(rz, state.rz) * state.D
        state.rz, state.age = rz, state.age + 1
        state.exact = False
        return state

    def certificate(self, state):
        """Compare the residual with the tolerance, measured where that matters.

        Parameters
        ----------
        state : GradientState
            Changed in place where the residual is measured.

        Returns
        -------
        measure : Measure
        """
        self._keep(state)
        value = largest(state.best_values)
        stalled = self._stands_still(state, value)
        if state.age <= FEW and self.tol >= MARGIN * self.system.eps:
            state.exact = True
        elif value <= self.tol or stalled:
            value = self._measure(state)
        if not state.exact:
            value = max(value, math.nextafter(self.tol, math.inf))
        return Measure(
            objective=self.system.objective(state.best, state.best_residual),
            value=value,
            extra={"n_epochs": state.n_epochs},
            stalled=stalled,
        )

    def _keep(self, state):
        """Keep the columns of the present iterate that are the best so far."""
        xp, values = self.system.xp, self.system.relative_columns(state.R)
        better = values < state.best_values
        if not better.any():
            return
        mask = asarray_like(better, self.system.Y, xp.bool)
        state.best = xp.where(mask, state.a, state.best)
        state.best_residual = xp.where(mask, state.R, state.best_residual)
        state.best_values = np.where(better, values, state.best_values)

    def _measure(self, state):
        """Measure the residuals of the best iterates, and start again from them."""
        xp = self.system.xp
        found = self.system.measured(state.best)
        state.best, state.best_residual, state.best_values = found
        state.n_epochs += 1.0
        state.exact, state.age = True, 0
        state.a = xp.asarray(state.best, copy=True)
        state.R = xp.asarray(state.best_residual, copy=True)
        state.D, state.rz = self._direction(state.R)
        return largest(state.best_values)

    def finalize(self, state):
        """Return the coefficients of a state, in the units of the caller.

        Parameters
        ----------
        state : GradientState
            Any.

        Returns
        -------
        coefficients : Coefficients
        """
        made = self.preconditioner
        return Coefficients(
            self.system.to_units(state.best),
            made.name,
            float(state.n_epochs),
            n_components=made.n_components,
            jitter=float(made.jitter),
            exact=bool(state.exact),
        )

    def pack(self, state):
        """Return a state as plain arrays and numbers, for a checkpoint.

        Parameters
        ----------
        state : GradientState
            Any.

        Returns
        -------
        packed : dict
        """
        packed = {field.name: getattr(state, field.name) for field in fields(state)}
        name, rank = self.preconditioner.name, self.preconditioner.rank
        return {
            **packed,
            "seed": int(self.seed),
            "solver": name,
            "rank": rank,
            "batch_size": None,
        }

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            Of a solver with the same preconditioner.

        Returns
        -------
        state : GradientState
        """
        values = {field.name: packed[field.name] for field in fields(GradientState)}
        for name in ("a", "R", "D", "best", "best_residual"):
            # The state changes in place, the checkpoint must not.
            placed = asarray_like(values[name], self.system.Y)
            values[name] = self.system.xp.asarray(placed, copy=True)
        wide = accumulation_dtype(self.system.Y)
        values["rz"] = asarray_like(values["rz"], self.system.Y, wide)
        values["best_values"] = np.array(packed["best_values"], dtype=np.float64)
        return GradientState(**values)

    def _direction(self, R):
        """Return Z = P^-1 R and the inner products of both."""
        Z = self.preconditioner.solve(R)
        return Z, self._inner(R, Z)

    def _inner(self, U, V):
        """Return the inner products of columns, in float64."""
        xp = self.system.xp
        wide = accumulation_dtype(U)
        return xp.sum(xp.astype(U, wide) * xp.astype(V, wide), axis=0)

    def _ratio(self, top, bottom):
        """Return top / bottom in the dtype of the system; 0 for finished columns."""
        xp = self.system.xp
        usable = bottom > 0
        ratio = xp.where(usable, top, 0 * top) / xp.where(
            usable, bottom, 1 + 0 * bottom
        )
        return xp.astype(ratio, self.system.Y.dtype)

    def _stands_still(self, state, value):
        """Return True if rounding explains why the residual no longer falls."""
        if value < 0.9 * state.idle_level:
            state.idle_level, state.idle_since = value, state.n_epochs
            return False
        if state.n_epochs - state.idle_since < self.preconditioner.patience:
            return False
        direct = self.preconditioner.name == "cholesky"
        return direct or value <= FLOOR * self.system.rounding(state.a)
