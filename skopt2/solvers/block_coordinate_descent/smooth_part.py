"""The smooth part of a linear problem, seen by blocks of coordinates.

Problem: f(x) = sum_i s_i l(y_i, eta_i), eta = A x, over the flat coordinates x of a
working set: the intercepts first where they are explicit, then the K coefficients of
each feature.
Symbols: g (m,) the gradient; b a block of coordinates; H_b its Hessian, and M_b a bound
of H_b that holds at every point; L_i a bound of the i-th diagonal element.

All parts share one interface, and hold the point that they are at:

- ``gradient()``, ``gradient_of(b)``: the gradient, all of it or of a block;
- ``bound(b)``, ``hessian(b)``: M_b and H_b; the same matrix where ``exact``;
- ``change(b, d)``: by how much f changes when d is added to x_b, and a token with which
  ``accept(token)`` moves there; ``move(b, d)`` moves without asking.

For the squared loss with few coordinates the gradient is kept through columns of the
Gram matrix, which are formed when a block is used for the first time: an update does
not touch the samples. Otherwise the linear predictor is kept.
"""

import numpy as np

from skopt2.solvers.block_coordinate_descent.columns import make_columns
from skopt2.solvers.composite import smoothness

# A Gram matrix of more coordinates than this is not held.
MOST = 4000


def make_smooth(model, eta):
    """Return the smooth part of a working set at a linear predictor.

    Parameters
    ----------
    model : CompositeModel
        In host memory.
    eta : ndarray of shape (n,) or (n, K)
        Linear predictor.
    """
    quadratic = model.problem.loss.is_quadratic and model.K == 1
    if quadratic and model.m <= min(MOST, max(500, 2 * eta.shape[0])):
        return GramPart(model, eta)
    return SamplePart(model, eta)


class GramPart:
    """Squared loss through columns of A' diag(s) A.

    Parameters
    ----------
    model : CompositeModel
        Squared loss, one output.
    eta : ndarray of shape (n,)
        Linear predictor.
    """

    exact = safe = True
    rounding = 0.0

    def __init__(self, model, eta):
        self.problem, self.columns = model.problem, make_columns(model)
        self.size = m = model.m
        self.lipschitz = np.asarray(model.metric, dtype=np.float64)
        # Pages that no column is written to cost nothing.
        self._gram = np.empty((m, m), order="F")
        self._known = np.zeros(m, dtype=bool)
        self.restart(eta)

    def restart(self, eta):
        """Move to the point with this linear predictor."""
        g = self.columns.adjoint(self.problem.weighted_gradient(eta))
        self._g = g.astype(np.float64)

    def gradient(self):
        """Return the gradient, (m,)."""
        return self._g

    def gradient_of(self, b):
        """Return the gradient of a block."""
        return self._g[b]

    def _columns(self, b):
        missing = b[~self._known[b]]
        if missing.size:
            self._gram[:, missing] = self.columns.cross(missing, self.problem.s)
            self._known[missing] = True
        return self._gram[:, b]

    def bound(self, b):
        """Return the Hessian of a block."""
        return self._columns(b)[b]

    hessian = bound

    def hessian_times(self, d):
        """Return H d for a direction that is mostly zero."""
        used = np.flatnonzero(d)
        return self._columns(used) @ d[used]

    def change(self, b, d):
        """Return the change of f for x_b + d, and a token."""
        move = self._columns(b) @ d
        return float(d @ self._g[b]) + 0.5 * float(d @ move[b]), move

    def accept(self, token):
        """Move to a point that was tried."""
        self._g = self._g + token

    def move(self, b, d):
        """Move."""
        self._g = self._g + self._columns(b) @ d


class SamplePart:
    """Any loss with a curvature, through the linear predictor.

    Parameters
    ----------
    model : CompositeModel
        In host memory.
    eta : ndarray of shape (n,) or (n, K)
        Linear predictor.
    """

    def __init__(self, model, eta):
        problem = self.problem = model.problem
        self.columns, self.K = make_columns(model), model.K
        self.exact = problem.loss.is_quadratic
        self.safe = problem.loss.has_lipschitz
        ones = np.ones(int(model.explicit))
        metric = np.asarray(model.metric, dtype=np.float64).ravel()
        self._metric = np.repeat(np.concatenate([ones, metric]), self.K)
        self.size = self._metric.size
        self.restart(eta)

    def restart(self, eta):
        """Move to the point with this linear predictor."""
        self.eta, self._value, self._h, self._v, self._g = eta, None, None, None, None

    @property
    def lipschitz(self):
        """Bounds L on the diagonal of the Hessian, (m,), at this point if not safe."""
        return smoothness(self.problem, self.eta) * self._metric

    @property
    def value(self):
        """Objective f at the point."""
        if self._value is None:
            self._value = self.problem.loss_value(self.eta)
        return self._value

    @property
    def rounding(self):
        """Rounding of what ``change`` returns."""
        if self.exact:
            return 0.0
        return 4.0 * float(np.finfo(self.eta.dtype).eps) * abs(self.value)

    def _slopes(self):
        if self._v is None:
            self._v = self.problem.weighted_gradient(self.eta)
        return self._v

    def gradient(self):
        """Return the gradient, (m,), in float64."""
        if self._g is None:
            self._g = self.columns.adjoint(self._slopes()).ravel().astype(np.float64)
        return self._g

    def gradient_of(self, b):
        """Return the gradient of a block, with no more than its columns."""
        if self._g is not None:
            return self._g[b]
        if self.K == 1:
            return self.columns.adjoint(self._slopes(), b).astype(np.float64)
        f, position = np.unique(b // self.K, return_inverse=True)
        part = self.columns.adjoint(self._slopes(), f)
        return part[position, b % self.K].astype(np.float64)

    def _times(self, b, d):
        """Return the change of eta for x_b + d."""
        if self.K == 1:
            return self.columns.times(d, b)
        f, position = np.unique(b // self.K, return_inverse=True)
        spread = np.zeros((f.size, self.K))
        spread[position, b % self.K] = d
        return self.columns.times(spread, f)

    def bound(self, b):
        """Return M_b, at this point if the loss is not safe."""
        most = smoothness(self.problem, self.eta)
        if self.K == 1:
            return most * self.columns.gram(b, self.problem.s)
        f, position = np.unique(b // self.K, return_inverse=True)
        gram = self.columns.gram(f, self.problem.s)
        k = b % self.K
        return most * gram[np.ix_(position, position)] * (k[:, None] == k)

    def hessian(self, b):
        """Return H_b at this point."""
        problem = self.problem
        if self._h is None:
            self._h = problem.curvature(self.eta)
        if self.K == 1:
            return self.columns.gram(b, problem.weigh(self._h))
        # diag(p) - p p' for each sample.
        A = self.columns.gather(b // self.K)
        k = b % self.K
        P = A * self._h[:, k]
        weighted = A * problem.s[:, None]
        same = (P.T @ weighted) * (k[:, None] == k)
        return (same - P.T @ (P * problem.s[:, None])).astype(np.float64, copy=False)

    def hessian_times(self, d):
        """Return H d at this point."""
        if self._h is None:
            self._h = self.problem.curvature(self.eta)
        shaped = d if self.K == 1 else d.reshape(-1, self.K)
        bent = self.problem.curvature_product(self._h, self.columns.times(shaped))
        return self.columns.adjoint(bent).ravel().astype(np.float64)

    def change(self, b, d):
        """Return the change of f for x_b + d, and a token."""
        move = self._times(b, d)
        if self.exact:
            energy = self.problem.energy(move)
            return float(d @ self.gradient_of(b)) + 0.5 * energy, (move, None)
        value = self.problem.loss_value(self.eta + move)
        return value - self.value, (move, value)

    def accept(self, token):
        """Move to a point that was tried."""
        move, value = token
        self.restart(self.eta + move)
        self._value = value

    def move(self, b, d):
        """Move."""
        self.restart(self.eta + self._times(b, d))
