r"""Fractional coordinate descent: the ratio itself along each coordinate.

Problem: min_x (f(x) + lam abs(x)_1) / G(x), see
:mod:`skopt2.solvers.fractional.problem`. For a coordinate i,

    eta = argmin (f(x) + g_i eta + (c_i + theta)/2 eta^2 + lam abs(x + eta e_i)_1)
                 / G(x + eta e_i),

globally, with g_i and c_i the first and second derivatives of f: for a quadratic f and
theta = 0 the exact ratio. It never increases.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691, method FCD. The paper draws coordinates with replacement; sweeps in a
random order are ``selection="random"``. Working sets and the search along the ray are
ours, and the default.
"""

import math

import numpy as np

from skopt2._core.random import seed_sequence
from skopt2.solvers.fractional.coordinate_ratio import (
    least_linear_ratio,
    least_plain_ratio,
    least_ratios,
    least_root_ratio,
)
from skopt2.solvers.fractional.denominators import reach

# Sweeps over one working set, and the share of the first one's gain that ends them.
SWEEPS, ENOUGH = 10, 0.05


class FractionalDescent:
    """Sweeps of fractional coordinate descent.

    Parameters
    ----------
    problem : FractionalProblem
        What to minimise.
    selection : {"active", "random", "cyclic"}, default="active"
        A step of "random" and "cyclic" is one sweep over all coordinates, in a new
        random order or in theirs. That of "active" is a few over the coordinates that
        are not zero or have something to gain, in random orders.
    theta : float, default=0.0
        Proximal weight, in units of the largest c_i. The paper asks for a positive one.
    rescale : bool, default=True
        Search along the ray through x after each step.
    most : int, default=500
        Largest working set.
    random_state : None, int, RandomState or Generator
        Draws the orders.
    """

    def __init__(
        self,
        problem,
        *,
        selection="active",
        theta=0.0,
        rescale=True,
        most=500,
        random_state=0,
    ):
        self.problem, self.selection, self.rescale = problem, selection, rescale
        self.most = int(most)
        largest = float(problem.numerator.diagonal.max())
        self.theta = float(theta) * (largest if largest > 0.0 else 1.0)
        entropy = seed_sequence(random_state).generate_state(4)
        self._seed = [int(word) for word in entropy]

    def init(self, x):
        """Return the state of a starting point.

        Parameters
        ----------
        x : ndarray of shape (p,)
            With a positive denominator.

        Returns
        -------
        state : FractionalState
            On the best scale.
        """
        return self._finished(self.problem.state(np.array(x, dtype=np.float64)))

    def _finished(self, state):
        if self.rescale:
            state = self.problem.on_best_scale(state)
        return self.problem.scored(state)

    def step(self, state):
        """Run one sweep, or a few over a working set.

        Parameters
        ----------
        state : FractionalState
            With scores.

        Returns
        -------
        state : FractionalState
            No worse.
        """
        # Seeded by the number of the step, so that a resumed run draws the same.
        rng = np.random.default_rng([*self._seed, state.n_steps])
        ids = self.working_set(state)
        x = state.x.copy()
        if ids.size:
            self._sweep(state, ids, x, rng)
        return self._finished(
            self.problem.state(x, state.n_steps + 1, before=state.ratio)
        )

    def working_set(self, state):
        """Return the coordinates of the next sweeps, in increasing order."""
        if self.selection != "active":
            return np.arange(self.problem.p)
        wanted = np.flatnonzero((state.x != 0.0) | (state.scores > 0.0))
        if wanted.size > self.most:
            top = np.argpartition(-state.scores[wanted], self.most)[: self.most]
            wanted = np.sort(wanted[top])
        return wanted

    def _sweep(self, state, ids, x, rng):
        """Move the coordinates of x in place."""
        f, G = self.problem.open(state, ids)
        lam, local = self.problem.lam, x[ids].tolist()
        size = lam * float(np.abs(x).sum())
        active, first, before = self.selection == "active", 0.0, state.ratio
        for _ in range(SWEEPS if active else 1):
            cyclic = self.selection == "cyclic"
            order = range(ids.size) if cyclic else rng.permutation(ids.size).tolist()
            for k in order:
                eta = self.coordinate(f, G, k, local[k], size)
                if eta != 0.0:
                    f.move(k, eta)
                    G.move(k, eta)
                    size += lam * (abs(local[k] + eta) - abs(local[k]))
                    local[k] += eta
            after = (f.value + size) / self._level(G)
            gain, before = before - after, after
            first = max(first, gain)
            if not gain > ENOUGH * first:
                break
        x[ids] = local

    def _level(self, G):
        if not self.problem.denominator.smooth:
            return G.level
        D = G.factor * G.value
        return math.sqrt(max(D, 0.0)) if self.problem.denominator.root else D

    def coordinate(self, f, G, k, x, size):
        """Return the step of one coordinate.

        Parameters
        ----------
        f : LocalForm
            Numerator.
        G : LocalSmooth or LocalPieces
            Denominator.
        k : int
            Position in the working set.
        x : float
            The coordinate.
        size : float
            lam abs(x)_1 of the whole point.

        Returns
        -------
        eta : float
            0 where no step is better.
        """
        problem = self.problem
        a2, a1 = 0.5 * (f.diagonal[k] + self.theta), f.slope(k)
        a0 = f.value + size
        if problem.denominator.root:
            return least_root_ratio(a2, a1, a0, problem.lam, x, *G.polynomial(k))
        if problem.denominator.smooth:
            d2, d1, d0 = G.polynomial(k)
            far = reach(x, d2, d0)
            return least_plain_ratio(a2, a1, a0, problem.lam, x, d2, d1, d0, far)
        if hasattr(G, "few_pieces"):
            return least_linear_ratio(a2, a1, a0, problem.lam, x, G.few_pieces(k))
        pieces = G.pieces(k)
        eta, least = least_ratios(a2, a1, a0, problem.lam, x, *pieces, False)
        best = int(least.argmin())
        now = a0 / self._level(G)
        return float(eta[best]) if least[best] < now * (1.0 - 1e-15) else 0.0

    def certificate(self, state):
        """Measure a state: see :meth:`FractionalProblem.certificate`."""
        return self.problem.certificate(state)

    def finalize(self, state):
        """Return the state itself."""
        return state

    def pack(self, state):
        """Return a state for a checkpoint."""
        return {"x": state.x, "n_steps": state.n_steps}

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        return self.problem.scored(
            self.problem.state(np.asarray(packed["x"]), int(packed["n_steps"]))
        )
