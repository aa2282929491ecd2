"""Block coordinate descent on a quadratic model.

Problem: min_v |B'v + root * b - target|^2 / 2 + sum_g pen(v_g; lam_g), over the blocks
of a working set; b is there for losses that carry an intercept.
Symbols: r = B'v + root * b - target, (n,) or (K, n), kept up to date; L_g, the largest
eigenvalue of B_g B_g'. With K outputs the v_g are (d, K), held end to end row by row.

Sweeps over all blocks alternate with sweeps over those that are not zero, at the end of
which the point is extrapolated, or with Newton steps on those.

Sources: Breheny and Huang, Statistics and Computing 25, 2015, algorithm 1; Z. Qin, K.
Scheinberg and D. Goldfarb, Efficient block-coordinate descent algorithms for the group
lasso, Mathematical Programming Computation 5, 2013, section 3.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.bundles import BundleUpdate
from skopt2.solvers.block_coordinate_descent.extrapolation import (
    extrapolation_weights,
)
from skopt2.solvers.block_coordinate_descent.newton import has_newton, newton_step
from skopt2.solvers.block_coordinate_descent.pace import Pace
from skopt2.solvers.block_coordinate_descent.update import make_update

# Sweeps over the active blocks between two over all, and most cycles of both.
ACTIVE_SWEEPS, MAX_CYCLES = 5, 500


class QuadraticModel:
    """Coefficients and residual of a quadratic model.

    Parameters
    ----------
    penalty : GroupPenalty
        Any.
    framed : list of tuple
        The working set: blocks, their eigenvalues, and their principal axes, None where
        they are not turned.
    levels : ndarray of shape (k,)
        Levels of the groups, of those of a bundle one after the other.
    v : list of (ndarray or None)
        Coefficients as the groups have them, None for zero.
    principal : bool
        Whether the blocks are in their principal axes.
    target : ndarray of shape (n,) or (K, n)
        What is approximated, contiguous.
    root : ndarray of shape (n,)
        Square roots of the weights.
    bias : float, default=None
        Starting intercept; None without one.
    residual : ndarray of the shape of target, default=None
        Residual of the starting point where it is known to more digits than the target
        has; None to form it.
    """

    def __init__(
        self,
        penalty,
        framed,
        levels,
        v,
        principal,
        target,
        root,
        bias=None,
        residual=None,
    ):
        self.penalty, self.lam = penalty, levels
        self.blocks = [block for block, _, _ in framed]
        self.axes = [axes for _, _, axes in framed]
        members = np.array([block.members for block in self.blocks], dtype=np.int64)
        ends = np.cumsum(members)
        self.updates = [
            BundleUpdate(penalty, values, levels[end - block.members : end])
            if block.members > 1
            else make_update(penalty, values, float(levels[end - 1]), principal)
            for (block, values, _), end in zip(framed, ends, strict=True)
        ]
        self.curvatures = [
            float(values.max()) if values.size else 0.0 for _, values, _ in framed
        ]
        # Arrays are replaced and never changed.
        self.v = [_turn(axes, part) for axes, part in zip(self.axes, v, strict=True)]
        self.target, self.root, self.bias = target, root, bias
        self.first_gap = math.inf
        sizes = self.sizes = [
            block.rows.shape[0] * block.outputs for block in self.blocks
        ]
        each = np.repeat(np.array(sizes, dtype=np.int64) // members, members)
        self.partition = Partition(
            np.repeat(np.arange(each.size), each), n_groups=each.size
        )
        # Only sparse centred blocks use a shift; they all share one.
        shifts = [getattr(block, "shift", None) for block in self.blocks[:1]]
        self.shift = shifts[0] if shifts and shifts[0] is not None else [0.0]
        self.energy = dot64(root, root) if bias is not None else 0.0
        self.shift[0] = 0.0 if target.ndim == 1 else np.zeros(target.shape[0])
        self.start = residual
        self.r = self._fresh_residual() if residual is None else residual.copy()

    def _fresh_residual(self):
        """Return the residual from the coefficients, with no rounding of the past."""
        r = -self.target
        if self.bias is not None:
            r += self.root * r.dtype.type(self.bias)
        for block, part in zip(self.blocks, self.v, strict=True):
            if part is not None:
                block.add(r, part)
        return r

    def residual(self):
        """Return the residual with its shift."""
        shift = self.shift[0]
        if not np.any(shift):
            return self.r
        move = np.multiply.outer(shift, self.root)
        return self.r - move.astype(self.r.dtype, copy=False)

    def move(self):
        """Return the change of the predictor from a start with a residual, (n,)."""
        used = self.root > 0.0
        change = (self.r - self.start) / np.where(used, self.root, 1.0)
        return np.where(used, change, 0.0)

    def flat(self, which=None):
        """Return the coefficients of some blocks end to end, zeros written out."""
        which = range(len(self.v)) if which is None else which
        parts = [
            np.zeros(self.sizes[k]) if self.v[k] is None else self.v[k] for k in which
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def coefficients(self):
        """Return the coefficients as the groups have them, None for zero."""
        return [
            part if axes is None else _turn(axes.T, part)
            for axes, part in zip(self.axes, self.v, strict=True)
        ]

    def objective(self):
        """Return the objective in float64."""
        r = self.residual()
        return 0.5 * dot64(r, r) + self.penalty.value(
            self.flat(), self.partition, self.lam
        )

    def sweep(self, order):
        """Update blocks one after the other.

        Parameters
        ----------
        order : list of int
            Positions.

        Returns
        -------
        moved : float
            Largest L_g * |change of v_g|, a bound on the distance from stationarity.
        """
        blocks, v, r, updates = self.blocks, self.v, self.r, self.updates
        largest = 0.0
        for k in order:
            update = updates[k]
            if update is None:
                continue
            old, block = v[k], blocks[k]
            new = update.new(old, block.gradient(r))
            if new is None:
                if old is None:
                    continue
                delta = -old
            else:
                delta = new if old is None else new - old
            v[k] = new
            block.add(r, delta)
            size = float(delta.dot(delta)) * self.curvatures[k] ** 2
            largest = size if size > largest else largest
        return max(math.sqrt(largest), self._update_bias())

    def _update_bias(self):
        """Minimise over the intercept; return how far its gradient was from 0."""
        if self.bias is None or self.energy == 0.0:
            return 0.0
        slope = dot64(self.root, self.r)
        self.bias -= slope / self.energy
        self.r -= self.root * self.r.dtype.type(slope / self.energy)
        return abs(slope)

    def gap(self):
        """Return the duality gap of a convex model."""
        r = self.residual()
        parts = [block.gradient(self.r) for block in self.blocks]
        gradient = np.concatenate(parts) if parts else np.zeros(0)
        scale = 1.0
        if parts:
            scale = self.penalty.dual_scale(gradient, self.partition, self.lam)
        energy, value = dot64(r, r), 0.0
        if parts:
            value = self.penalty.value(self.flat(), self.partition, self.lam)
            value += self.penalty.conjugate(scale * gradient, self.partition, self.lam)
        dual = -0.5 * scale * scale * energy - scale * dot64(self.target, r)
        return max(0.5 * energy + value - dual, 0.0)

    def minimise(self, selection, moved_goal, gap_goal=None, expired=None):
        """Sweep until a goal is reached.

        Parameters
        ----------
        selection : object
            Rule with ``order(blocks)``.
        moved_goal : callable
            ``moved_goal(first)`` returns the largest change that may remain, from the
            change of the first sweep.
        gap_goal : callable, default=None
            The same for the duality gap, from that after the first sweep; None to look
            at changes only.
        expired : callable, default=None
            True when time is up.

        Returns
        -------
        first : float
            Change of the first sweep.
        """
        everything = list(range(len(self.blocks)))
        goal = limit = first = None
        pace = Pace(gap_goal is not None and has_newton(self))
        for _ in range(MAX_CYCLES):
            moved = self.sweep(selection.order(everything))
            if first is None:
                first, goal = moved, moved_goal(moved)
            if moved <= goal:
                break
            if gap_goal is not None and pace.begin():
                gap = self.gap()
                if limit is None:
                    self.first_gap, limit = gap, gap_goal(gap)
                if gap <= limit:
                    break
                pace.note(gap, limit)
                # The gap follows the largest change. What is too much of it after all
                # shows in the gap on all groups.
                goal = max(goal, 0.5 * moved * limit / gap)
            if expired is not None and expired():
                break
            active = [k for k, part in enumerate(self.v) if part is not None]
            if pace.wants_newton(self, active):
                pace.stepped(newton_step(self, active))
            elif active:
                self._active_sweeps(active, selection, goal)
        return first

    def _active_sweeps(self, active, selection, goal):
        """Sweep over the blocks that are not zero, and extrapolate."""
        points, others = [self.flat(active)], []
        for _ in range(ACTIVE_SWEEPS):
            moved = self.sweep(selection.order(active))
            points.append(self.flat(active))
            others.append((self.r.copy(), self.shift[0], self.bias))
            if moved <= goal:
                return
        weights = extrapolation_weights(np.array(points))
        if weights is not None:
            self._try(active, weights, points[1:], others)

    def _try(self, active, weights, points, others):
        """Move to the extrapolated point if the objective is lower there."""
        before = self.objective()
        kept = self.v.copy(), self.r, self.shift[0], self.bias
        dtype, end = self.r.dtype, 0
        residuals, shifts, biases = zip(*others, strict=True)
        flat = (weights @ np.array(points)).astype(dtype, copy=False)
        for k in active:
            start, end = end, end + self.sizes[k]
            part = flat[start:end]
            self.v[k] = part if part.any() else None
        self.r = _mixed(weights, residuals).astype(dtype, copy=False)
        self.shift[0] = _mixed(weights, shifts)
        if self.bias is not None:
            self.bias = _mixed(weights, biases)
        if not self.objective() < before:
            self.v, self.r, self.shift[0], self.bias = kept


def _turn(axes, part):
    """Return the coefficients of a block in its principal axes."""
    if axes is None or part is None:
        return part
    return (axes.T @ part.reshape(axes.shape[0], -1)).ravel()


def _mixed(weights, values):
    """Return a weighted sum of numbers or arrays of one shape."""
    total = np.tensordot(weights, np.array(values), axes=1)
    return total if total.ndim else float(total)
