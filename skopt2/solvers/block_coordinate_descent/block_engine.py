"""Block coordinate descent with a choice of rules.

Problem: min_x f(x) + sum_i pen(x_i; lam_i), f one of the smooth parts.

An update selects a block b and moves it:

- gradient: the proximal step with L_b, the largest eigenvalue of M_b;
- diagonal: the proximal step with D_b = theta_b diag(M_b), the smallest multiple of the
  diagonal that bounds M_b;
- matrix: the minimiser of the model with M_b;
- newton: that of the model with the Hessian at the point, and a line search.

The first three need no search where M_b bounds the Hessian everywhere; for a loss
without such a bound M_b is the Hessian bound at the point, and a search makes up for
it. For a quadratic, newton is matrix.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, sections 2 to 5.
"""

import numpy as np

from skopt2.solvers.block_coordinate_descent.block_minimum import (
    DenseMatrix,
    ForestMatrix,
    block_minimum,
)
from skopt2.solvers.block_coordinate_descent.block_partition import make_blocks
from skopt2.solvers.block_coordinate_descent.block_scores import (
    coordinate_gains,
    largest,
    largest_ratio_block,
    thresholded_block,
)
from skopt2.solvers.block_coordinate_descent.eigenvalues import TINY, steepness
from skopt2.solvers.block_coordinate_descent.extrapolation import (
    extrapolation_weights,
)
from skopt2.solvers.block_coordinate_descent.pattern_newton import PatternNewton
from skopt2.solvers.block_coordinate_descent.pieces import limits
from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import greedy_forest

# Part of the decrease of the model that a line search asks for, and its longest cut.
ARMIJO, CUT, CUTS = 1e-4, 0.1, 30
# Sweeps that an extrapolation looks back to.
MEMORY = 5
# Power iterations for the scaled Hessian of all coordinates, and their margin.
POWERS, MARGIN = 15, 1.1


class BlockEngine:
    """A point and the rules by which its blocks are updated.

    Parameters
    ----------
    smooth : GramPart, SamplePart or SparsePart
        At the starting point; rules with forests take the last.
    penalty : Penalty or FlatPenalty or None
        Of the coordinates; None without a penalty.
    lam : ndarray of shape (m,)
        Levels.
    x : ndarray of shape (m,)
        Starting point.
    rules : BlockRules
        The rules.
    rng : numpy.random.Generator, default=None
        For the random selection.
    expired : callable, default=None
        Tells when time is up; None for never.
    """

    def __init__(self, smooth, penalty, lam, x, rules, rng=None, expired=None):
        self.smooth, self.penalty, self.rules = smooth, penalty, rules
        self.lam, self.x = lam, np.array(x, dtype=np.float64)
        self.rng = np.random.default_rng(0) if rng is None else rng
        self._expired = expired
        self.fixed, self._trees = make_blocks(smooth, rules.partition, rules.block_size)
        count = -(-smooth.size // rules.block_size)
        self.n_blocks = max(1, count if self.fixed is None else len(self.fixed))
        self._matrices, self._steepness, self._inverses = {}, {}, None
        self._turn, self._order, self._theta = 0, [], None
        self.pattern = PatternNewton(self) if rules.finish else None
        self._points = []

    def relevel(self, lam, x):
        """Go on from a point with other levels; the smooth part has been moved."""
        self.lam, self.x = lam, np.array(x, dtype=np.float64)
        self._points = []
        if self.pattern is not None:
            self.pattern.forget()

    def part(self, b):
        """Return the penalty of a block, None without one."""
        return None if self.penalty is None else self.penalty.restrict(b)

    def distance(self):
        """Return the distance from stationarity of each coordinate, (m,)."""
        g = self.smooth.gradient()
        if self.penalty is None:
            return np.abs(g)
        return self.penalty.subdiff_distance(self.x, g, self.lam)

    def sweep(self):
        """Update as many blocks as there are, then extrapolate or finish."""
        for _ in range(self.n_blocks):
            self.update()
            if self._expired is not None and self._expired():
                return
        if self.rules.extrapolate:
            self._extrapolate()
        if self.pattern is not None:
            self.pattern.observe()

    def update(self):
        """Select a block and move it; returns the coordinates of the block."""
        number, b = self.select()
        matrix = self._move(number, b)
        return b if matrix is None else matrix

    # Selection

    def select(self):
        """Return the number of the next block, None if variable, and the block."""
        if self.rules.greedy:
            return self._greedy()
        if self.fixed is None:
            size = min(self.rules.block_size, self.smooth.size)
            scores = self.rng.random(self.smooth.size)
            if self.rules.partition == "variable forest":
                return None, greedy_forest(self.smooth.A, scores)
            return None, largest(scores, size)
        if not self._order:
            order = np.arange(self.n_blocks)
            if self.rules.selection == "random":
                order = self.rng.integers(self.n_blocks, size=self.n_blocks)
            self._order = order[::-1].tolist()
        number = self._order.pop()
        return number, self.fixed.blocks[number]

    def _greedy(self):
        selection = self.rules.selection
        if self.fixed is None:
            return None, self._variable(selection)
        if selection == "gsq":
            number = self._most_promising()
        else:
            number = int(np.argmax(self.fixed.sums(self._terms(selection))))
        return number, self.fixed.blocks[number]

    def _most_promising(self):
        """Return the block whose model with M_b promises most.

        With the smallest eigenvalue in the place of M_b a model promises more, and all
        blocks are looked at at once: those that promise less even so need no solution.
        """
        if self.penalty is None and self.smooth.safe and self._trees is None:
            return int(np.argmax(self._promises()))
        least = [self._bounds(number)[2] for number in range(self.n_blocks)]
        ceilings = self.fixed.sums(self._gains(self.fixed.spread(least)))
        best, chosen = -np.inf, 0
        for number in np.argsort(-ceilings, kind="stable").tolist():
            if ceilings[number] <= best:
                break
            promise = self._promise(number)
            if promise > best:
                best, chosen = promise, number
        return chosen

    def _terms(self, selection):
        """Return the score of each coordinate of fixed blocks."""
        if selection == "gs":
            return self.distance() ** 2
        number = range(self.n_blocks)
        if selection == "gsl":
            L = self.fixed.spread([self._bounds(k)[0] for k in number])
            return self._gains(L)
        theta = self.fixed.spread([self._bounds(k)[1] for k in number])
        return self._gains(theta * self.smooth.lipschitz)

    def _gains(self, D):
        g = self.smooth.gradient()
        return coordinate_gains(self.penalty, self.x, g, self.lam, D)

    def _promises(self):
        """Return g_b' M_b^-1 g_b / 2 of all fixed blocks, from stacked inverses."""
        if self._inverses is None:
            size = max(b.size for b in self.fixed.blocks)
            index = np.zeros((self.n_blocks, size), dtype=np.intp)
            inverses = np.zeros((self.n_blocks, size, size))
            for number, b in enumerate(self.fixed.blocks):
                index[number, : b.size] = b
                matrix = self._bound_matrix(number, b)
                inverses[number, : b.size, : b.size] = matrix.solve(np.eye(b.size))
            self._inverses = index, inverses
        index, inverses = self._inverses
        g = self.smooth.gradient()[index][:, :, None]
        return 0.5 * (g * (inverses @ g)).sum(axis=(1, 2))

    def _promise(self, number):
        """Return the decrease that the model with M_b promises."""
        b = self.fixed.blocks[number]
        g = self.smooth.gradient()[b]
        matrix = self._bound_matrix(number, b)
        part = self.part(b)
        return block_minimum(matrix, g, self.x[b], part, self.lam[b])[1]

    def _variable(self, selection):
        """Return the block of the largest scores."""
        size, L = self.rules.block_size, self._lipschitz
        if self.rules.partition == "variable forest":
            scores = self.distance() ** 2 if selection == "gs" else self._gains(L)
            return greedy_forest(self.smooth.A, scores)
        if selection == "gs":
            return largest(self.distance(), size)
        if selection == "gsl":
            return largest_ratio_block(self.distance() ** 2, L, size)
        if selection == "gsd":
            return largest(self._gains(L), size)
        pull = self.distance()
        g = np.copysign(pull, self.smooth.gradient())
        return thresholded_block(self.smooth, g, L, self.theta, size)

    @property
    def _lipschitz(self):
        """Bounds L_i, none of them 0."""
        L = self.smooth.lipschitz
        return np.maximum(L, TINY)

    @property
    def theta(self):
        """Largest eigenvalue of the Hessian scaled to a unit diagonal, from above."""
        if self._theta is None:
            root = np.sqrt(self._lipschitz)
            v, size = np.cos(1.0 + 1.7 * np.arange(root.size)), 1.0
            for _ in range(POWERS):
                v = self.smooth.hessian_times(v / np.linalg.norm(v) / root) / root
                size = float(np.linalg.norm(v))
                if not size > 0.0:
                    break
            self._theta = MARGIN * max(size, 1.0)
        return self._theta

    # Matrices of blocks

    def _bound_matrix(self, number, b):
        """Return the model matrix M_b; that of a fixed block is formed once."""
        if self._trees is not None:
            found = self._matrices.get(number)
            if found is None:
                found = self._matrices[number] = ForestMatrix(self._trees[number])
            return found
        if self.rules.partition == "variable forest":
            return ForestMatrix(ForestBlock(self.smooth.A, b))
        if number is None or not self.smooth.safe:
            return DenseMatrix(self.smooth.bound(b))
        found = self._matrices.get(number)
        if found is None:
            found = self._matrices[number] = DenseMatrix(self.smooth.bound(b))
        return found

    def _bounds(self, number, b=None):
        """Return L_b, theta_b and the smallest eigenvalue of the matrix of a block."""
        found = self._steepness.get(number) if number is not None else None
        if found is not None:
            return found
        b = self.fixed.blocks[number] if b is None else b
        matrix = self._bound_matrix(number, b)
        if isinstance(matrix, ForestMatrix):
            # A forest has two colours: twice the diagonal bounds its matrix.
            found = matrix.bound, 2.0, TINY
        else:
            found = steepness(matrix.H)
        if number is not None and self.smooth.safe:
            self._steepness[number] = found
        return found

    # Updates

    def _move(self, number, b):
        """Move a block; return it in the order of its matrix."""
        update, smooth = self.rules.update, self.smooth
        if update in ("gradient", "diagonal"):
            self._proximal_move(number, b, update == "gradient")
            return b
        newton = update == "newton" and not smooth.exact
        if newton:
            matrix = DenseMatrix(smooth.hessian(b))
        else:
            matrix = self._bound_matrix(number, b)
        if isinstance(matrix, ForestMatrix):
            b = matrix.block.nodes
        g = smooth.gradient_of(b)
        d, _ = block_minimum(matrix, g, self.x[b], self.part(b), self.lam[b])
        if not d.any():
            return b
        if not newton and smooth.safe:
            smooth.move(b, d)
            self.x[b] += d
        elif not self._search(b, d):
            # A concave penalty, or a Hessian that is almost singular.
            self._proximal_move(number, b, False)
        return b

    def _proximal_move(self, number, b, uniform):
        """Move by a proximal step, with one curvature or one for each coordinate."""
        smooth, g, x = self.smooth, self.smooth.gradient_of(b), self.x[b]
        part, lam = self.part(b), self.lam[b]
        L, theta, _ = self._bounds(number, b)
        D = np.full(b.size, L) if uniform else theta * self._lipschitz[b]
        before = None if part is None else part.terms(x, lam)
        for _ in range(CUTS):
            new = x - g / D
            if part is not None:
                new = part.prox(new, 1.0 / D, lam)
            d = new - x
            if smooth.safe:
                smooth.move(b, d)
                self.x[b] = new
                return
            rise = 0.0 if part is None else float((part.terms(new, lam) - before).sum())
            change, token = smooth.change(b, d)
            if change + rise <= -ARMIJO * float(D @ (d * d)) + smooth.rounding:
                smooth.accept(token)
                self.x[b] = new
                return
            D = 2.0 * D

    def _search(self, b, d):
        """Move by the longest length that brings enough; tell whether one did.

        Decreases below the rounding of the objective are taken on trust.
        """
        smooth, x, lam = self.smooth, self.x[b], self.lam[b]
        part, slope = self.part(b), float(d @ smooth.gradient_of(b))
        before = 0.0 if part is None else part.terms(x, lam)
        low, high = (None, None) if part is None else limits(part, lam)

        def ends(t):
            new = x + t * d if part is None else np.clip(x + t * d, low, high)
            rise = 0.0 if part is None else float((part.terms(new, lam) - before).sum())
            return new, rise

        drop = slope + ends(1.0)[1]
        if drop > smooth.rounding:
            return False
        t = 1.0
        for _ in range(CUTS):
            new, rise = ends(t)
            change, token = smooth.change(b, new - x)
            if change + rise <= ARMIJO * t * drop + smooth.rounding:
                smooth.accept(token)
                self.x[b] = new
                return True
            # The parabola through both values and the slope, kept in bounds.
            bend = change - t * slope
            best = -0.5 * slope * t * t / bend if bend > 0.0 and slope < 0.0 else 0.0
            t = min(max(best, CUT * t), 0.5 * t)
        return False

    def _extrapolate(self):
        """Try the Anderson extrapolation of the last sweeps."""
        self._points.append(self.x.copy())
        if len(self._points) <= MEMORY:
            return
        points = np.array(self._points)
        self._points = []
        weights = extrapolation_weights(points)
        if weights is None:
            return
        target = weights @ points[1:]
        everything = np.arange(self.x.size)
        rise = 0.0
        if self.penalty is not None:
            target = np.clip(target, *limits(self.penalty, self.lam))
            terms = self.penalty.terms
            rise = float((terms(target, self.lam) - terms(self.x, self.lam)).sum())
        change, token = self.smooth.change(everything, target - self.x)
        if change + rise < 0.0:
            self.smooth.accept(token)
            self.x = target
