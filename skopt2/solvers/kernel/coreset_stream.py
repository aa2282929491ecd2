"""Coresets of rows that come in chunks and are forgotten.

Problem: maximise L of :mod:`skopt2.solvers.kernel.coreset_bound` for rows of which only
the last chunk is there. The former coreset (Z_0, U_0, w_0), which was learnt from the
n_0 rows before, stands for them: their part of L is taken to be

-1/2 [n_0 T log(2 pi v) + (sum_m w_0m E_q |u_0m - f(z_0m)|^2 + R) / v],

a function of the new coreset whose points are elsewhere. R is what the former rows have
about the function, which the coreset does not know: it is such that v was the best
noise for them, R = n_0 T v_0 - sum_m w_0m E_q0 |u_0m - f(z_0m)|^2, or 0.

Steps are on batches of the chunk beside the former coreset as a whole. The pseudo
outputs are then the best ones for both. If that has not raised L, all that the chunk
leaves are the best outputs for the former points. R remembers how well former rows were
followed at their time, so the first chunk, where all is far from its place, gets more
steps than the others.

Source: T. D. Bui, C. V. Nguyen, R. E. Turner, Streaming sparse Gaussian process
approximations, NIPS 2017, where the former posterior enters in the same role through
its moments at inducing points.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import namespace
from skopt2.solvers.kernel.coreset_ascent import CoresetAscent

# Fewest steps on the first chunk and on each of the others.
STEPS = (200, 50)


@dataclass(frozen=True, eq=False)
class Former:
    """A coreset in the place of rows that are gone.

    Parameters
    ----------
    Z : array of shape (M, d)
        Pseudo inputs.
    Y : array of shape (M, T)
        Pseudo outputs.
    weight : array of shape (M,)
        Rows that each is worth.
    n : int
        Rows.
    scatter : float
        R.
    """

    Z: Any
    Y: Any
    weight: Any
    n: int
    scatter: float

    @classmethod
    def of(cls, posterior, n):
        """Take the coreset of a posterior.

        Parameters
        ----------
        posterior : CoresetPosterior
            Given n rows.
        n : int
            Their number.

        Returns
        -------
        former : Former
        """
        coreset, xp = posterior.coreset, posterior.xp
        T, weight = int(coreset.Y.shape[1]), xp.exp(coreset.log_w)
        mean, variance = posterior.moments(coreset.Z)
        squares = xp.sum((coreset.Y - mean) ** 2, axis=1) + T * variance
        known = float(xp.sum(weight * squares))
        scatter = max(0.0, n * T * float(posterior.noise) - known)
        return cls(coreset.Z, coreset.Y, weight, n, scatter)


class CoresetStream(CoresetAscent):
    """Steps on a chunk of rows, beside a former coreset.

    Parameters
    ----------
    bound, X, Y, sampler, **options
        As for :class:`CoresetAscent`, of the chunk; without ``tol`` and ``max_steps``.
    former : Former or None
        None for the first chunk.
    """

    def __init__(self, bound, X, Y, sampler, *, former, **options):
        options = {"tol": 0.0, "max_steps": math.inf, **options}
        super().__init__(bound, X, Y, sampler, **options)
        self.former = former
        if former is not None:
            self.n += former.n

    def _gradient(self, coreset, X, Y):
        """Return the derivatives of the bound for a batch and the former coreset."""
        former = self.former
        if former is None:
            return super()._gradient(coreset, X, Y)
        xp = namespace(X)
        each = (self.n - former.n) / int(X.shape[0])
        weight = xp.concat([xp.zeros_like(X[:, 0]) + each, former.weight])
        X, Y = xp.concat([X, former.Z]), xp.concat([Y, former.Y])
        return self.bound.gradient(coreset, X, Y, self.n, weight, former.scatter)[1]

    @property
    def n_steps(self):
        """Number of steps on the chunk: at least one pass."""
        fewest = STEPS[0] if self.former is None else STEPS[1]
        return max(fewest, self.sampler.n_blocks)

    def take(self, state):
        """Learn from the chunk.

        Parameters
        ----------
        state : CoresetState
            Left as it is.

        Returns
        -------
        state : CoresetState
            Its ``value`` is the bound of all rows so far, the former ones by their
            coreset; ``best`` and ``moving`` are the same.
        """
        new = replace(state, t=0, value=-math.inf)
        new.moving, new.mean, new.square = (
            list(part) for part in (state.moving, state.mean, state.square)
        )
        if self.former is not None:
            # A pseudo observation is worth more as rows come in.
            new.moving[2] = new.moving[2] + math.log(self.n / self.former.n)
        before = self._measured(new)
        for _ in range(self.n_steps):
            new = self.step(new)
        self._measured(new)
        if new.value > before:
            new.scale = min(1.0, 2.0 * new.scale)
        else:
            new.scale *= 0.5
            self._restart(new)
        return new
