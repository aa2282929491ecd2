"""Textbook solvers in a few lines of NumPy, as a floor for everybody else.

``scaling`` is Sinkhorn's iteration on a kernel into which the potentials are absorbed
(Schmitzer, 2019), ``sor`` the same with over-relaxation (Thibault et al., 2021;
Lehmann et al., 2022)::

    K = exp((f + g - C) / reg),   u <- u^(1-w) (a / K v)^w,   v <- v^(1-w) (b / K'u)^w

The rate q of the plain iteration follows from the rate p observed at the relaxation w
by Young's relation (p + w - 1)^2 = p w^2 q, and gives w = 2 / (1 + sqrt(1 - q)).
"""

import numpy as np

from benchmarks.transport_certificates import Answer
from benchmarks.transport_peers.base import Peer

_CHECK = 10
_WARM_UP = 60
_AGAIN = 200
_LARGEST = 1e50
# a change of relaxation raises the error at first, a bad one for good
_RISE = 30.0


def _row_potential(problem, g):
    """One exact update of f in the log domain."""
    Z = (g - problem.C) / problem.reg
    top = Z.max(axis=1)
    sums = np.exp(Z - top[:, None]).sum(axis=1)
    return problem.reg * (np.log(problem.a) - np.log(sums) - top)


class _Kernel:
    """Absorbed kernel and scalings of one problem."""

    def __init__(self, problem):
        self.problem = problem
        self.g = np.zeros(len(problem.b))
        self.f = _row_potential(problem, self.g)
        self.absorb(np.ones(len(self.f)), np.ones(len(self.g)))

    def absorb(self, u, v):
        reg = self.problem.reg
        self.f = self.f + reg * np.log(u)
        self.g = self.g + reg * np.log(v)
        self.K = (self.f[:, None] + self.g - self.problem.C) / reg
        np.exp(self.K, out=self.K)


def _relaxation(rate, w):
    """Best relaxation from the rate observed at another."""
    plain = (rate + w - 1.0) ** 2 / (rate * w**2)
    return 2.0 / (1.0 + np.sqrt(1.0 - plain)) if plain < 1.0 else w


def _solve(problem, relax, tol, budget):
    a, b = problem.a, problem.b
    state = _Kernel(problem)
    u, v = np.ones(len(a)), np.ones(len(b))
    w, errors, last_rate = 1.0, [], 0.0
    changed, at_change = 0, np.inf
    sweep = 0
    for sweep in range(1, budget + 1):
        rows = state.K @ v
        if sweep % _CHECK == 0:
            # with w = 1 the columns are exact after every sweep
            row_error = np.abs(u * rows - a).sum()
        u = u ** (1 - w) * (a / rows) ** w if w > 1 else a / rows
        columns = state.K.T @ u
        if sweep % _CHECK == 0:
            error = row_error + np.abs(v * columns - b).sum()
            errors.append(error)
        v = v ** (1 - w) * (b / columns) ** w if w > 1 else b / columns
        if sweep % _CHECK == 0:
            if error <= tol:
                break
            if relax and len(errors) > 1:
                rate = (errors[-1] / errors[-2]) ** (1 / _CHECK)
                agree = abs(rate - last_rate) < 0.05 * (1 - rate)
                due = sweep >= _WARM_UP and (not changed or sweep - changed >= _AGAIN)
                if w > 1 and not error < _RISE * at_change:
                    w, changed, at_change = 1.0, sweep, error
                elif agree and due and w - 1 < rate < 1:
                    w, changed, at_change = _relaxation(rate, w), sweep, error
                last_rate = rate
            size = max(u.max(), v.max(), 1 / u.min(), 1 / v.min())
            if not size < _LARGEST:
                state.absorb(u, v)
                u, v = np.ones(len(a)), np.ones(len(b))
    state.f = state.f + problem.reg * np.log(u)
    state.g = state.g + problem.reg * np.log(v)
    return state.f, state.g, sweep


class ReferencePeer(Peer):
    """Plain and over-relaxed absorbed scaling."""

    version = np.__version__

    def variants(self, problem):
        return ("scaling", "sor") if problem.C is not None else ()

    def solve(self, prepared, variant, tol, budget):
        with np.errstate(all="ignore"):
            f, g, sweeps = _solve(prepared, variant == "sor", tol, budget)
        return Answer(f, g, sweeps)


ADAPTER = ReferencePeer()
