"""Active-set Newton on a working set.

Problem: min_w f(w) + sum_j pen(w_j; lam_j) over the m coordinates of a working set.
Symbols: g = grad f(w); S the active set, the support and a few violators; sigma_j the
sign in which coordinate j may be nonzero; H the Hessian of f on S; C the second
derivative of the penalty.

One step solves (H + C) d = -(g + pen'(w))_S, where the derivative at a violator w_j = 0
is that in the direction -g_j, and moves to w + t d with the coordinates that would
change sign put to 0, t = 1, 1/2, ... until the objective falls. This is the two-metric
projection, for which d is a descent direction as long as H + C is definite.

How many violators may enter at once decides everything. Near saturation (|S| close to
n) most of a large batch would enter with the wrong sign and leave again, so the batch
starts small, grows with every step that was taken whole, and shrinks with every step
that was not.

Sources: D. Bertsekas, Projected Newton methods for optimization problems with simple
constraints, SIAM J. Control and Optimization 20, 1982; J. Nutini, I. Laradji and M.
Schmidt, Let's make block coordinate descent converge faster, JMLR 23:131, 2022,
section 6 (active-set identification and superlinear convergence).
"""

import math

import numpy as np

from skopt2.solvers.accelerated_phase import AcceleratedPhase
from skopt2.solvers.active_inverse import DEPENDENT, ActiveInverse
from skopt2.solvers.dual_newton import DualNewton
from skopt2.solvers.krylov import conjugate_gradient
from skopt2.solvers.ridge import RIDGES, ridge_sizes

# A nonzero of any size: derivatives "at zero plus" are taken there.
NUDGE = 1e-150
# Shares of the concave curvature of a penalty to try when the whole is indefinite.
SHARES = (1.0, 0.9, 0.7, 0.4, 0.0)
# Damping of a Newton system after one step that failed, and after more, in units of the
# bounds on its diagonal; it falls with every step that is taken whole.
DAMPING = (1e-4, 1e-2, 1.0)
# Steps in a row that gain no more than rounding before a call gives up.
PATIENCE = 10
# Newton steps of one call after which the dual method goes on, at first and once it
# has been needed.
TRUST, DISTRUST = 50, 10
# Gradient steps after the first Newton step without a Gram matrix that goes astray.
PHASE = 40
# Largest relative residual of an inexact Newton direction.
FORCING = 0.1


class ActiveNewton:
    """Minimiser on a working set; keeps its inverse from one call to the next.

    Parameters
    ----------
    model : QuadraticModel or CurvedModel
        The smooth part.
    max_iter : int, default=200
        Largest number of Newton steps of one call.
    """

    def __init__(self, model, max_iter=200):
        self.model, self.max_iter = model, max_iter
        self.inverse = ActiveInverse()
        self.batch, self.growth = 10.0, 0.3
        self.n_steps = 0
        self._reference_is_old = True
        self._krylov = 0
        self._share, self._since_rebuild = 1.0, 0
        # What makes a singular matrix definite, relative to its diagonal; 0 mostly.
        self._ridge = 0.0
        # Relative to the largest diagonal element of the Hessian; 0 until a step fails.
        self._damping = 0.0
        self._phase, self._dual = AcceleratedPhase(model), DualNewton(model)
        self._trust = TRUST

    def sharpen(self):
        """Progress has ended early: form every matrix anew, as exactly as possible."""
        self.model.sharpen()
        self.inverse.clear()
        self._reference_is_old = True

    def minimise(self, penalty, w, lam, tolerance):
        """Take Newton steps until the subdifferential distance is small.

        Parameters
        ----------
        penalty : Penalty
            Restricted to the working set.
        w : ndarray of shape (m,)
            Start; the model has been started there.
        lam : ndarray of shape (m,)
            Levels; 0 for a coordinate that is always active.
        tolerance : callable
            Maps w to the distance that is small enough.

        Returns
        -------
        w : ndarray of shape (m,)
            A point with a lower objective than the start.
        worst : float
            Its largest subdifferential distance.
        """
        model = self.model
        self._release()
        penalised = lam[(lam > 0) & np.isfinite(lam)]
        self._typical = (
            float(np.median(penalised)) if penalised.size else model.problem.scale
        )
        if not model.has_gram:
            self.batch = max(self.batch, model.size)
        best, idle, self._gained = math.inf, 0, True
        left, phase, self._astray = self._trust, PHASE, False
        for count in range(self.max_iter):
            distance = penalty.subdiff_distance(w, model.g, lam)
            worst = float(distance.max()) if distance.size else 0.0
            if worst <= tolerance(w) or model.problem.expired:
                return w, worst
            idle = 0 if self._gained or worst < 0.9 * best else idle + 1
            best = min(best, worst)
            if idle == PATIENCE:
                break
            if self._astray and not model.has_gram:
                self._astray, w = False, self._phase.run(penalty, w, lam, phase)
                phase *= 2
                continue
            if count >= left and self._convex:
                w = self._dual.minimise(penalty, w, lam, tolerance, 4 * TRUST)
                self._trust, left = DISTRUST, count + TRUST
                continue
            S = self._choose(penalty, w, lam, distance)
            step = self._step(penalty, w, lam, S, worst)
            if step is None:
                step = self._proximal_step(penalty, w, lam)
                if step is None:
                    break
            w = step
            self.n_steps += 1
        distance = penalty.subdiff_distance(w, model.g, lam)
        return w, float(distance.max()) if distance.size else 0.0

    @property
    def _convex(self):
        """True if the dual method can go on where Newton steps do not."""
        problem = self.model.problem
        return problem.penalty.convex and problem.n_outputs == 1

    def _release(self):
        """Go on without damping."""
        if self._damping:
            self._damping = 0.0
            self.inverse.clear()

    def _choose(self, penalty, w, lam, distance):
        """Return the active set: the support, the unpenalised, the worst violators."""
        inside = (w != 0) | penalty.unpenalised(lam)
        S = np.flatnonzero(inside)
        violators = np.flatnonzero(~inside & (distance > 0.0))
        room = int(max(3, self.batch))
        distinct = self.model.problem.design.distinct
        wanted = S.size + min(room, violators.size) + 1
        if self.model.has_gram and violators.size > 1 and not distinct.at_least(wanted):
            # One more, and the Gram matrix would be singular.
            room = max(distinct.count - S.size - 1, 1)
        if violators.size > room:
            order = np.argpartition(-distance[violators], room - 1)[:room]
            violators = np.sort(violators[order])
        return np.concatenate([S, violators])

    def _step(self, penalty, w, lam, S, worst):
        """Return the point after one Newton step, None if none lowers the objective."""
        g = self.model.g
        part = penalty.restrict(S)
        if self._damping < DAMPING[0]:
            self._release()
        for least in DAMPING:
            sign = np.where(w[S] != 0, np.sign(w[S]), -np.sign(g[S]))
            edge = np.where(w[S] != 0, w[S], NUDGE * sign)
            C = part.curvature(edge, lam[S])
            solved = self._direction(part, S, g, edge, lam, C, worst)
            if solved is not None:
                # The inverse keeps its own order.
                S, d = solved
                part = penalty.restrict(S)
                found = self._search(part, w, lam, S, d)
                if found is not None:
                    return found
            # The next direction is shorter along the null space of a singular Hessian.
            self._damping = max(100.0 * self._damping, least)
            self.inverse.clear()
            self._reference_is_old = True
            self.batch = 3.0
        return None

    def _search(self, part, w, lam, S, d):
        """Backtrack along the projected direction; None if nothing is gained."""
        model = self.model
        start, level = w[S], lam[S]
        sign = np.where(start != 0, np.sign(start), np.sign(d))
        before = part.value(start, level)
        guarded = ~part.unpenalised(level)
        wrong = (start == 0) & (d * -model.g[S] < 0) & guarded

        def trial(t):
            end = start + t * d
            crossing = ((end * sign < 0) & guarded) | wrong
            end[crossing] = 0.0
            change, token = model.trial(S, end - start)
            change += part.value(end, level) - before
            return change, end, token, int(crossing.sum())

        # Near the solution a step gains less than the rounding of its own test.
        slack = 1e-15 * abs(before) + model.rounding
        for t in _lengths(start, d, guarded):
            found = trial(t)
            if found[0] <= slack:
                break
        else:
            return None
        self._damping *= 0.1 if t == 1.0 else 1.0
        _, end, token, crossings = found
        model.accept(token)
        self._gained = found[0] < -slack
        self._adapt(t, crossings, S.size)
        out = w.copy()
        out[S] = end
        return out

    def _adapt(self, t, crossings, size):
        """Let the batch of violators follow the success of the last step."""
        self._astray = t < 1.0 or crossings > 2 + 0.1 * size
        if self._astray:
            self.growth = max(0.01, self.growth * (0.5 if t < 1.0 else 0.8))
            self.batch = max(3.0, 0.5 * self.batch)
        else:
            self.growth = min(1.0, self.growth * 1.1)
            self.batch = min(1.5 * self.batch, self.model.size + 10.0)
        if not self.model.has_gram or self.batch <= 3.0:
            return
        # With close to as many columns as different rows, they are almost dependent.
        roomy = self.model.problem.design.distinct.at_least(size / 0.3)
        crowded = self.growth if roomy else 0.01
        self.batch = max(3.0, min(self.batch, 10.0 + crowded * size))
        if crowded == 0.01:
            self.batch = min(self.batch, max(3.0, 0.015 * size))

    def _direction(self, part, S, g, edge, lam, C, worst):
        """Return the order of S and the Newton direction, None if there is none."""
        rhs = -(g[S] + part.derivative(edge, lam[S]))
        if not self.model.has_gram:
            return S, self._conjugate_gradient(S, rhs, C, worst)
        if not self._synchronise(S, C):
            return None
        position = np.empty(self.model.size, dtype=np.int64)
        position[S] = np.arange(S.size)
        order = position[self.inverse.active]
        S, rhs, C = self.inverse.active.copy(), rhs[order], C[order]
        if self.model.exact or self._reference_is_new:
            return S, self.inverse.apply(rhs)
        # A reference that only a ridge makes definite tells nothing of this point.
        d = None if self._ridge else self._conjugate_gradient(S, rhs, C, worst)
        if d is None:
            self._reference_is_old = True
            if not self._synchronise(S, C):
                return None
            d = self.inverse.apply(rhs)
        return S, d

    def _synchronise(self, S, C):
        """Bring the inverse to the active set; False if no definite matrix is found."""
        model, inverse = self.model, self.inverse
        self._reference_is_new = not model.exact and self._reference_is_old
        if self._reference_is_new:
            model.reset_reference()
            inverse.clear()
            self._reference_is_old, self._krylov = False, 0
        G = model.members(S)
        wanted = np.zeros(model.size, dtype=bool)
        wanted[S] = True
        level = np.zeros(model.size)
        level[S] = C
        held = inverse.active
        stale = ~wanted[held] | (inverse.diagonal != level[held])
        wanted[held[~stale]] = False
        new = np.flatnonzero(wanted)
        self._since_rebuild += 1
        retry = self._share < 1.0 and self._since_rebuild >= 4
        # The inverse of a nearly singular matrix has no digits to spare for an update.
        retry |= self._ridge > 0.0 or inverse.pivot < DEPENDENT
        changes = new.size + int(stale.sum())
        if self._damping or retry or 2 * changes > S.size + 20 or inverse.k == 0:
            return self._rebuild(S, C, G)
        inverse.remove(np.flatnonzero(stale))
        if new.size and not inverse.add(new, G, level[new]):
            return self._rebuild(S, C, G)
        return True

    def _rebuild(self, S, C, G):
        """Factorise anew, with as much of the penalty's concavity as stays definite.

        A share of the concave part leaves a majoriser, so the direction descends; the
        larger the share, the longer the step out of the indefinite region. At a strict
        minimum the whole of it is definite, so it is tried again every few steps.
        """
        self._since_rebuild = 0
        extra = self._extra(S)
        concave = bool((C < 0.0).any())
        for share in SHARES if concave else (1.0,):
            if self.inverse.rebuild(S, G, np.where(C < 0.0, share * C, C) + extra):
                self.inverse.diagonal = C.copy()
                self._share, self._ridge = share, 0.0
                return True
        self._share = 0.0
        sizes = ridge_sizes(self.model, S, G)
        for self._ridge in RIDGES:
            extra = self._ridge * sizes
            if self.inverse.rebuild(S, G, np.maximum(C, 0.0) + extra):
                self.inverse.diagonal = C.copy()
                return True
        return False

    def _extra(self, S):
        """Return what damping adds to the diagonal of the Hessian on S."""
        return self._damping * self.model.bound()[S] if self._damping else 0.0

    def _conjugate_gradient(self, S, rhs, C, worst):
        """Solve (H + C) d = rhs approximately, preconditioned.

        The direction is exact enough for superlinear convergence: the tolerance falls
        with the distance from optimality. Returns None where the curvature has become
        another than that at the reference.
        """
        model = self.model
        forcing = min(FORCING, max(worst / self._typical, 1e-8))
        if model.has_gram:
            C = np.where(C < 0.0, self._share * C, C)
            precondition, limit = self.inverse.apply, min(5 + S.size // 10, 25)
        if self._damping:
            C = C + self._extra(S)
        if not model.has_gram:
            diagonal = model.diagonal()[S] + np.maximum(C, 0.0)
            diagonal = np.where(diagonal > 0.0, diagonal, 1.0)
            precondition, limit = (lambda v: v / diagonal), 250
        d, count = conjugate_gradient(
            lambda v: model.hessian_times(S, v) + C * v,
            rhs,
            precondition,
            forcing,
            limit,
            close=model.has_gram,
            expired=lambda: model.problem.expired,
        )
        self._krylov += count
        # A new reference costs about as much as this many products.
        self._reference_is_old = d is None or self._krylov > 100
        return d

    def _proximal_step(self, penalty, w, lam):
        """Return a proximal gradient step that lowers the objective, None if none."""
        model = self.model
        everything = np.arange(model.size)
        before = penalty.value(w, lam)
        size = model.diagonal()
        # Where a hinge is flat, nothing but its bound tells the length of a step.
        size = size if (size > 0.0).any() else model.bound()
        size = np.where(size > 0.0, size, size.max(initial=0.0))
        if not np.isfinite(size).all() or not (size > 0.0).all():
            return None
        step = 1.0 / size
        for _ in range(30):
            end = penalty.prox(w - step * model.g, step, lam)
            move = end - w
            if not move.any():
                return None
            change, token = model.trial(everything, move)
            change += penalty.value(end, lam) - before
            if change < 0.0:
                self._gained = True
                model.accept(token)
                return end
            step *= 0.5
        return None


def _lengths(start, d, guarded):
    """Yield step lengths: halvings of 1, then of the way to the first zero.

    Up to there nothing changes sign, so a direction of descent does descend, however
    long it is: that of a nearly singular Hessian is.
    """
    yield from (0.5**halving for halving in range(12))
    falling = guarded & (start * d < 0)
    if falling.any():
        # A hair beyond, so that the coefficient arrives at zero.
        first = (1.0 + 1e-12) * float((-start[falling] / d[falling]).min())
        if first < 0.5**12:
            yield from (first * 0.5**halving for halving in range(12))
