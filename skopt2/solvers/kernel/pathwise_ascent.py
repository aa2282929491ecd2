"""Gradients of the marginal likelihood by pathwise probes, and steps along them.

Problem, method and symbols: :mod:`skopt2.solvers.kernel.pathwise_fit`.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skopt2._core.array import (
    asarray_like,
    max_abs,
    namespace,
    to_numpy,
)
from skopt2._core.random import seed_sequence
from skopt2._core.result import Measure
from skopt2.kernels import KernelOperator, OuterWeights
from skopt2.solvers.kernel.choice import choose
from skopt2.solvers.kernel.cholesky import single_is_enough
from skopt2.solvers.kernel.likelihood import total_noise
from skopt2.solvers.kernel.prior import draw_prior, sample_targets
from skopt2.solvers.kernel.solve import solve_kernel_system
from skopt2.solvers.kernel.system import KernelSystem

# Step size of Adam at first, and what is left of it after each step.
STEP, DECAY = 0.1, 0.95
# Decay of the running means of the gradient and of its square, and what is added to
# the root of the latter.
FIRST, SECOND, TINY = 0.9, 0.999, 1e-12
# Residual at which a solution is good enough for a gradient. With the tolerance 0.2
# the choice of the solver allows about as many passes as a step takes.
RESIDUAL, FEW_PASSES = 1e-3, 0.2
# Passes of the first step, which starts from zero, over those of a later one: three
# passes from there leave an error of half of the gradient, twelve one of a sixth.
COLD = 4
# Rounding of a coordinate, in parts of its range, that changes no gradient.
HARMLESS = 1e-4


@dataclass(frozen=True)
class PathwiseFit:
    """Parameters that stochastic gradients found, and the solutions there.

    Parameters
    ----------
    process : ProcessKernel
        With the best parameters.
    gain : float
        Estimate of how much larger the log marginal likelihood is than at the start.
    coef : array of shape (n, c)
        Approximate dual coefficients H^-1 Y.
    probe_coef : array of shape (n, m)
        Those of the probes, H^-1 (f0(X) + eps): with ``prior`` they are draws of the
        posterior.
    prior : Prior
        The draws f0 of the prior.
    residual : float
        Largest relative residual of a column at the last of its solutions.
    n_epochs : float
        Passes over the kernel matrix for solutions, over all steps.
    solver : str
        Algorithm that solved the systems.
    """

    process: Any
    gain: float
    coef: Any
    probe_coef: Any
    prior: Any
    residual: float
    n_epochs: float
    solver: str


@dataclass
class AscentState:
    """Where the ascent stands.

    Parameters
    ----------
    theta, mean, square : ndarray of shape (p,)
        Parameters of the next gradient, and running means of the gradients and of
        their squares.
    last_theta, last_slope : ndarray of shape (p,)
        Parameters and gradient of the step before.
    solutions : array of shape (n, c + m)
        Of the step before; zeros at first.
    best_theta, best_solutions : array
        Those of the largest gain.
    gain, best_gain : float
        Of the step before, and the largest.
    t : int
        Gradients so far.
    n_epochs, residual : float
        Passes over K, and the residual of the step before.
    """

    theta: Any
    mean: Any
    square: Any
    last_theta: Any
    last_slope: Any
    solutions: Any
    best_theta: Any
    best_solutions: Any
    gain: float = 0.0
    best_gain: float = -math.inf
    t: int = 0
    n_epochs: float = 0.0
    residual: float = math.nan


class PathwiseAscent:
    """Solver for the iteration loop: one gradient and one step of Adam at a time.

    Parameters
    ----------
    process, X, Y, noise, n_probes, n_features, solver, max_epochs, step_size, rng : \
            object
        As for :func:`fit_pathwise`.
    """

    def __init__(
        self,
        process,
        X,
        Y,
        noise,
        *,
        n_probes=32,
        n_features=2000,
        solver="auto",
        max_epochs=3,
        step_size=STEP,
        rng=None,
    ):
        xp = namespace(X)
        Y = Y[:, None] if len(Y.shape) == 1 else Y
        self.process, self.noise = process, noise
        dtype = xp.float32 if self._in_single(X) else X.dtype
        self.X = xp.astype(X, dtype, copy=False)
        self.Y = xp.astype(Y, dtype, copy=False)
        self.n_probes, self.n_features = int(n_probes), int(n_features)
        self.max_epochs, self.step_size = max_epochs, float(step_size)
        self.bounds = np.asarray(process.bounds, dtype=np.float64).reshape(-1, 2)
        seeds = seed_sequence(rng).spawn(3)
        self.seeds = [int(seed.generate_state(1)[0]) for seed in seeds]
        self.solver = self._choose() if solver == "auto" else solver
        self.size = int(self.Y.shape[0]) * int(self.Y.shape[1])

    def _system(self, X, n_columns):
        """Return the system of the start, of columns that stand for others."""
        operator = KernelOperator(self.process.signal, X, store=False)
        columns = asarray_like(np.ones((int(X.shape[0]), n_columns)), X)
        lam = total_noise(self.process, X, self.noise)
        return KernelSystem(operator, columns, lam)

    def _in_single(self, X):
        """Return True where float32 is near enough for gradients."""
        xp = namespace(X)
        span = xp.max(X, axis=0) - xp.min(X, axis=0)
        error = float(xp.finfo(xp.float32).eps) * xp.max(xp.abs(X), axis=0)
        harmless = bool(xp.all((error <= HARMLESS * span) | (span == 0)))
        return harmless and single_is_enough(self._system(X, 1))

    def _choose(self):
        """Return the solver that is predicted to take the least time for a step."""
        # The time of a product depends on the number of columns, not on what they are.
        system = self._system(self.X, int(self.Y.shape[1]) + self.n_probes)
        return choose(system, tol=FEW_PASSES).solver

    def prior(self, process):
        """Return the draws of the prior.

        Parameters
        ----------
        process : ProcessKernel
            With its parameters.

        Returns
        -------
        prior : Prior
            From the same random numbers for all parameters.
        """
        rng = np.random.default_rng(self.seeds[0])
        return draw_prior(process.signal, self.X, self.n_probes, self.n_features, rng)

    def columns(self, process):
        """Return the targets, and the probes beside them.

        Parameters
        ----------
        process : ProcessKernel
            With its parameters.

        Returns
        -------
        columns : array of shape (n, c + m)
            The probes are from the same random numbers for all parameters.
        """
        lam = total_noise(process, self.X, self.noise)
        rng = np.random.default_rng(self.seeds[1])
        probes = sample_targets(self.prior(process), self.X, lam, rng)
        return namespace(self.X).concat([self.Y, probes], axis=1)

    def gradient(self, theta, start=None):
        """Estimate the gradient at some parameters.

        Parameters
        ----------
        theta : ndarray of shape (p,)
            Log parameters.
        start : array of shape (n, c + m) or None, default=None
            Solutions to start from.

        Returns
        -------
        slope : ndarray of shape (p,)
            Of the log marginal likelihood, in float64.
        result : Result
            Of the systems: solutions for the targets and the probes.
        """
        process = self.process.with_theta(theta)
        result = solve_kernel_system(
            KernelOperator(process.signal, self.X, n_passes=self.max_epochs),
            self.columns(process),
            total_noise(process, self.X, self.noise),
            solver=self.solver,
            tol=RESIDUAL,
            max_epochs=self.max_epochs * (COLD if start is None else 1),
            start=start,
            rng=self.seeds[2],
        )
        a, c = result.solution.a, int(self.Y.shape[1])
        scales = np.full(int(a.shape[1]), -0.5 * c / self.n_probes)
        scales[:c] = 0.5
        weights = OuterWeights(a, a * asarray_like(scales, a))
        return np.asarray(process.gradient(self.X, weights)), result

    def start(self):
        """Return the state at the given parameters."""
        theta = np.clip(np.asarray(self.process.theta), *self.bounds.T)
        zeros = np.zeros_like(theta)
        shape = (int(self.X.shape[0]), int(self.Y.shape[1]) + self.n_probes)
        nothing = asarray_like(np.zeros(shape), self.Y)
        return AscentState(theta, zeros, zeros, theta, zeros, nothing, theta, nothing)

    def step(self, state):
        """Take the gradient, account for the last step, and take the next.

        Parameters
        ----------
        state : AscentState
            Changed in place.

        Returns
        -------
        state : AscentState
        """
        theta = state.theta
        slope, result = self.gradient(theta, state.solutions if state.t else None)
        state.solutions = result.solution.a
        state.residual = result.certificate.value
        state.n_epochs += result.solution.n_epochs
        if state.t:
            way = theta - state.last_theta
            state.gain += 0.5 * float(way @ (slope + state.last_slope))
        if state.gain > state.best_gain:
            state.best_gain, state.best_theta = state.gain, theta
            state.best_solutions = state.solutions
        state.last_theta, state.last_slope = theta, slope
        state.mean = FIRST * state.mean + (1.0 - FIRST) * slope
        state.square = SECOND * state.square + (1.0 - SECOND) * slope**2
        rate = self.step_size * DECAY**state.t
        state.t += 1
        root = np.sqrt(state.square / (1.0 - SECOND**state.t))
        step = rate * self._running(state) / (root + TINY * self.size)
        state.theta = np.clip(theta + step, *self.bounds.T)
        return state

    def _running(self, state):
        """Return the running mean of the gradients, without the bias of its start."""
        return state.mean / (1.0 - FIRST**state.t)

    def certificate(self, state):
        """Return the gain, and the running mean of the gradient inside the box.

        Parameters
        ----------
        state : AscentState
            Present one.

        Returns
        -------
        measure : Measure
        """
        slope = self._running(state)
        low, high = self.bounds.T
        stuck = (state.last_theta <= low) & (slope < 0.0)
        stuck |= (state.last_theta >= high) & (slope > 0.0)
        return Measure(
            objective=-state.gain / self.size,
            value=max_abs(np.where(stuck, 0.0, slope)) / self.size,
            extra={
                "gain": state.gain,
                "residual": state.residual,
                "n_epochs": state.n_epochs,
            },
        )

    def finalize(self, state):
        """Return the best parameters, and what belongs to them.

        Parameters
        ----------
        state : AscentState
            Any.

        Returns
        -------
        fit : PathwiseFit
        """
        c, process = int(self.Y.shape[1]), self.process.with_theta(state.best_theta)
        return PathwiseFit(
            process,
            max(0.0, float(state.best_gain)),
            state.best_solutions[:, :c],
            state.best_solutions[:, c:],
            self.prior(process),
            float(state.residual),
            float(state.n_epochs),
            self.solver,
        )

    def pack(self, state):
        """Return a state as plain arrays and numbers, for a checkpoint.

        Parameters
        ----------
        state : AscentState
            Any.

        Returns
        -------
        packed : dict
        """
        packed = {field.name: getattr(state, field.name) for field in fields(state)}
        return {**packed, "seeds": np.array(self.seeds), "solver": self.solver}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned.

        Parameters
        ----------
        packed : dict
            Of the same problem; seeds and solver are taken over.

        Returns
        -------
        state : AscentState
        """
        self.seeds = [int(seed) for seed in to_numpy(packed["seeds"])]
        self.solver = str(packed["solver"])
        names = [field.name for field in fields(AscentState)]
        state = {name: packed[name] for name in names}
        for name, value in state.items():
            if "solutions" in name:
                state[name] = asarray_like(value, self.Y)
            elif getattr(value, "ndim", 0):
                state[name] = np.array(to_numpy(value), dtype=np.float64)
        return AscentState(**state)
