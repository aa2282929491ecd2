"""The smooth part of the problem, restricted to a working set of columns.

Problem: f(w) = sum_i s_i l(y_i, eta_i), eta = A w + rest, A (n, m) the working set.
Symbols: g = A'(s * l'(y, eta)), the gradient; H = A' diag(s * l'') A, the Hessian.

Two models share one interface. For the squared loss the Hessian is the constant Gram
matrix, and as long as m <= n a step is an m x m product that does not touch the
samples at all. For a curved loss a step is a product with A, and the Gram matrix is
taken at one point and reused as a preconditioner while the curvature drifts.
"""

import numpy as np

from skopt2.solvers.design import ROWS, Block


class QuadraticModel:
    """Squared loss: H = A' diag(s) A is formed once, column by column.

    Parameters
    ----------
    problem : LinearProblem
        With a quadratic loss; its intercept has been removed by centring.
    gram : bool
        Hold the Gram matrix of the working set; without it (many columns, sparse X)
        every product goes through the samples.
    """

    exact = True
    # No intercept among the coordinates.
    offset = 0
    # Rounding of what a trial returns: the difference itself is formed.
    rounding = 0.0

    def __init__(self, problem, gram):
        self.problem, self.has_gram = problem, gram
        self.block = Block(problem.design)
        self.G = np.zeros((0, 0))
        self._store = np.zeros((0, 0))
        # A tall Gram matrix is most of the work, and every outer step corrects with an
        # exact gradient: rounding it to float32 halves the work and costs no accuracy.
        self._single = problem.design.n > 2 * ROWS

    @property
    def size(self):
        """Number of coordinates."""
        return self.block.m

    def extend(self, new):
        """Append features to the working set, and their Gram columns."""
        before = self.block.m
        self.block.extend(new)
        if self.has_gram:
            self._grow(before)

    def drop_gram(self):
        """Go on without the Gram matrix, which has outgrown its use."""
        self.has_gram = False
        self.G = self._store = np.zeros((0, 0))

    def sharpen(self):
        """Form the Gram matrix in float64 if it was rounded to float32."""
        if self.has_gram and self._single:
            self._single = False
            self._grow(0)

    def _grow(self, before):
        m = self.block.m
        if self._store.shape[0] < m:
            capacity = min(max(m, 2 * before, 32), self.problem.design.p)
            grown = np.empty((capacity, capacity), order="F")
            grown[:before, :before] = self.G
            self._store = grown
        new = np.arange(before, m)
        columns = self.block.gram(new, self.problem.s, single=self._single)
        self._store[:m, before:m] = columns
        self._store[before:m, :before] = columns[:before].T
        self.G = self._store[:m, :m]

    def start(self, eta, g):
        """Begin at a linear predictor with this gradient on the working set."""
        self.eta, self.g = eta, g
        self._through_gram = self.has_gram and self.block.m <= self.problem.design.n
        self._moved = np.zeros(self.block.m) if self._through_gram else None

    def trial(self, S, step):
        """Return the change of f, and a token for :meth:`accept`, for w[S] + step."""
        g = self.g
        if self._through_gram:
            change = self.G[:, S] @ step if S.size * 4 < g.size else self._full(S, step)
            return step @ g[S] + 0.5 * (step @ change[S]), (S, step, change)
        delta = np.zeros(g.size)
        delta[S] = step
        move = self.block.times(delta)
        energy = self.problem.energy(move)
        return step @ g[S] + 0.5 * energy, (S, step, move)

    def _full(self, S, step):
        delta = np.zeros(self.g.size)
        delta[S] = step
        return self.G @ delta

    def accept(self, token):
        """Move to a trial point."""
        S, step, move = token
        if self._through_gram:
            self.g = self.g + move
            self._moved[S] += step
            return
        self.eta = self.eta + move
        # The gradient comes from the residual itself: no drift to correct later.
        self.g = self.block.adjoint(self.problem.weighted_gradient(self.eta))

    def restart(self, eta):
        """Move to the point with this linear predictor."""
        g = self.adjoint(self.problem.weighted_gradient(eta))
        self.start(eta, g)

    def times(self, delta):
        """Return A @ delta beside X."""
        return self.block.times(delta)

    def adjoint(self, v):
        """Return A'v on the host."""
        return self.block.adjoint(v)

    def weights(self):
        """Return s * l'', the weights of the rows in H, beside X."""
        return self.problem.s

    def predictor(self):
        """Return the linear predictor at the current point."""
        if self._through_gram and self._moved.any():
            moved = np.flatnonzero(self._moved)
            self.eta = self.eta + self.problem.design.predict(
                self.block.ids[moved], self._moved[moved]
            )
            self._moved = np.zeros(self.block.m)
        return self.eta

    def diagonal(self):
        """Return the diagonal of H."""
        return self.problem.design.squared_norms[self.block.ids]

    def bound(self):
        """Return a bound on the diagonal of H."""
        return self.diagonal()

    def hessian_times(self, S, v):
        """Return (H v)[S] for v supported on S."""
        if self._through_gram:
            return self._full(S, v)[S]
        delta = np.zeros(self.g.size)
        delta[S] = v
        return self.block.adjoint(self.problem.weigh(self.block.times(delta)))[S]

    def members(self, S):
        """Return the matrix that preconditions or solves on S."""
        return self.G


class CurvedModel:
    """Any twice (generalised) differentiable loss, one or several outputs.

    With K outputs the coordinates are the m * K entries of the coefficient matrix, row
    by row. With an intercept the first column of the working set is the constant 1.

    Parameters
    ----------
    problem : LinearProblem
        Any loss.
    gram : bool
        Keep a Gram matrix at a reference curvature, to precondition with.
    """

    exact = False

    def __init__(self, problem, gram):
        self.problem = problem
        self.K = problem.n_outputs
        self.has_gram = gram and self.K == 1
        self.block = Block(problem.design)
        self.offset = 1 if problem.explicit_intercept else 0
        self.G = np.zeros((0, 0))
        self._known = np.zeros(0, dtype=bool)

    @property
    def size(self):
        """Number of coordinates."""
        return (self.block.m + self.offset) * self.K

    def extend(self, new):
        """Append features to the working set."""
        self.block.extend(new)

    def drop_gram(self):
        """Go on without the Gram matrix."""
        self.has_gram = False
        self.G = np.zeros((0, 0))

    def start(self, eta, g):
        """Begin at a linear predictor with this gradient on the working set."""
        self.restart(eta)

    def restart(self, eta):
        """Move to the point with this linear predictor."""
        self.eta = eta
        self.value = self.problem.loss_value(eta)
        self._refresh_gradient()

    def _refresh_gradient(self):
        self.g = self.adjoint(self.problem.weighted_gradient(self.eta))
        self._h = None

    def adjoint(self, v):
        """Return A'v on the host, for the flat coordinates."""
        out = self.block.adjoint(v) if self.block.m else self._empty()
        if self.offset:
            total = self.problem.design.to_host(self.problem.xp.sum(v, axis=0)).reshape(
                1, *out.shape[1:]
            )
            out = np.concatenate([total, out])
        return out.ravel()

    def _empty(self):
        return np.zeros((0,) if self.K == 1 else (0, self.K))

    def times(self, delta):
        """Return A @ delta beside X, for the flat coordinates."""
        design = self.problem.design
        shaped = delta if self.K == 1 else delta.reshape(-1, self.K)
        if not self.offset:
            return self.block.times(shaped)
        constant = design.to_device(np.atleast_1d(shaped[0]))
        if not self.block.m:
            shape = (design.n,) if self.K == 1 else (design.n, self.K)
            return constant + design.xp.zeros_like(self.eta).reshape(shape)
        return self.block.times(shaped[1:]) + constant

    def trial(self, S, step):
        """Return the change of f, and a token for :meth:`accept`, for w[S] + step."""
        delta = np.zeros(self.g.size)
        delta[S] = step
        eta = self.eta + self.times(delta)
        value = self.problem.loss_value(eta)
        return value - self.value, (eta, value)

    def accept(self, token):
        """Move to a trial point."""
        self.eta, self.value = token
        self._refresh_gradient()

    def predictor(self):
        """Return the linear predictor at the current point."""
        return self.eta

    @property
    def rounding(self):
        """Rounding of what a trial returns, the difference of two sums."""
        eps = float(self.problem.xp.finfo(self.eta.dtype).eps)
        return 4.0 * eps * abs(self.value)

    @property
    def h(self):
        """Curvature of each sample at the current point, without the weights."""
        if self._h is None:
            self._h = self.problem.curvature(self.eta)
        return self._h

    def weights(self):
        """Return s * l'', the weights of the rows in H, beside X; one output only."""
        return self.problem.weigh(self.h)

    def diagonal(self):
        """Return a diagonal of the size of that of H, to precondition with."""
        problem, design = self.problem, self.problem.design
        norms = design.squared_norms[self.block.ids]
        level = design.to_host(problem.mean_curvature(self.h)).reshape(-1)
        if self.offset:
            norms = np.concatenate([[1.0], norms])
        return np.multiply.outer(norms, level).ravel()

    def bound(self):
        """Return a bound on the diagonal of H at any point, where the loss has one."""
        most = self.problem.loss.lipschitz
        if most is None:
            return self.diagonal()
        norms = self.problem.design.squared_norms[self.block.ids]
        if self.offset:
            norms = np.concatenate([[1.0], norms])
        return np.repeat(norms * most, self.K)

    def hessian_times(self, S, v):
        """Return (H v)[S] for v supported on S."""
        delta = np.zeros(self.g.size)
        delta[S] = v
        bent = self.problem.curvature_product(self.h, self.times(delta))
        return self.adjoint(bent)[S]

    def sharpen(self):
        """Do nothing: the reference is renewed by the solver."""

    def reset_reference(self):
        """Take the current curvature as the one of the preconditioner."""
        self._reference = self.problem.weigh(self.h)
        self._known[:] = False

    def members(self, S):
        """Return a matrix whose entries on S x S are the Gram matrix at the reference.

        Entries are formed when a coordinate becomes active for the first time.
        """
        m = self.size
        if self.G.shape[0] < m:
            capacity = max(m, 2 * self.G.shape[0])
            grown = np.zeros((capacity, capacity), order="F")
            k = self._known.size
            grown[:k, :k] = self.G[:k, :k]
            self.G = grown
        if self._known.size < m:
            extra = np.zeros(m - self._known.size, dtype=bool)
            self._known = np.concatenate([self._known, extra])
        fresh = S[~self._known[S]]
        if fresh.size:
            columns = self._gram_columns(fresh)
            self.G[:m, fresh] = columns
            self.G[fresh, :m] = columns.T
            self._known[fresh] = True
        return self.G

    def _gram_columns(self, fresh):
        design, h = self.problem.design, self._reference
        if not self.offset:
            return self.block.gram(fresh, h)
        columns = np.zeros((self.size, fresh.size))
        inner = fresh[fresh > 0] - 1
        places = np.flatnonzero(fresh > 0)
        if inner.size:
            columns[1:, places] = self.block.gram(inner, h)
        if self.block.m:
            cross = self.block.adjoint(h)
            columns[0, places] = cross[inner]
            columns[1:, np.flatnonzero(fresh == 0)] = cross[:, None]
        columns[0, fresh == 0] = float(design.xp.sum(h))
        return columns
