"""Loss and penalty on a working set of columns, with every array beside X.

Problem: min_(w, b) f(w, b) + sum_j pen(w_j; lam_j), f = sum_i s_i l(y_i, eta_i), over
the m columns A (n, m) of a working set; eta = (A - 1 mean') w + b.
Symbols: w (m,) or (m, K); b () or (K,); D_j = sum_i s_i (a_ij - mean_j)^2, the metric.

First-order methods take the step 1 / (c * theta * D_j) in coordinate j, where c bounds
the curvature of the loss and theta is the largest eigenvalue of the columns scaled to
D_j = 1. With separable penalties such a diagonal metric costs nothing, and it makes the
method blind to the scale of the columns. Centred columns are orthogonal to constants,
so the same theta, which is at least 1, serves the intercept with D = 1.

No method here waits for the device unless its description says so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, take, to_numpy

# Power iterations estimate the largest eigenvalue from below: this is the margin.
POWER_ITERATIONS, MARGIN = 15, 1.1


@dataclass(frozen=True)
class Point:
    """Coefficients of a working set and what they predict.

    Parameters
    ----------
    w : array of shape (m,) or (m, K)
        Coefficients.
    b : array of shape () or (K,)
        Intercept of the centred problem; 0 where the problem has no explicit one.
    eta : array of shape (n,) or (n, K)
        Linear predictor.
    """

    w: Any
    b: Any
    eta: Any


class CompositeModel:
    """The problem on some of its features.

    Parameters
    ----------
    problem : LinearProblem
        Any loss with a gradient, any penalty.
    ids : ndarray of int of shape (m,), default=None
        Features, on the host; None for all of them, which copies nothing unless the
        means are so large that differences have to be formed before products.
    """

    def __init__(self, problem, ids=None):
        design = problem.design
        self.problem, self.xp = problem, problem.xp
        self.K, self.explicit = problem.n_outputs, problem.explicit_intercept
        self.X = design.X if ids is None else design.columns(ids)
        self.ids = np.arange(design.p) if ids is None else ids
        self.means = None
        if design.means is not None:
            self.means = design.to_device(design.means[self.ids])
            if design.drowned and not design.sparse:
                self.X, self.means = self.X - self.means, None
        self.Xt = self.X.T
        part = problem.penalty if ids is None else problem.penalty.restrict(ids)
        self.penalty = part.beside(problem.y)
        self.metric = self._column(column_scale(design)[self.ids])
        self._theta = None

    @property
    def m(self):
        """Number of features."""
        return self.ids.size

    def _column(self, values):
        """Return one number per feature beside X, shaped to broadcast to w."""
        values = self.problem.design.to_device(np.asarray(values))
        return values if self.K == 1 else values[:, None]

    def levels(self, lam):
        """Return host levels of all features as the working set's, beside X."""
        return self._column(lam[self.ids])

    @property
    def theta(self):
        """Largest eigenvalue of the scaled columns, with a margin, as a float.

        Found by the power method from a fixed start; one wait for the device.
        """
        if self._theta is None:
            xp, root = self.xp, self.metric**0.5
            root = root if self.K == 1 else root[:, 0]
            # A start that is orthogonal to no eigenvector by any symmetry of the data.
            v = asarray_like(np.cos(1.0 + 1.7 * np.arange(self.m)).tolist(), root)
            size = 0.0 * xp.sum(v)
            for _ in range(POWER_ITERATIONS):
                v = v / xp.maximum(xp.linalg.vector_norm(v), 1e-30)
                v = self._adjoint(self.problem.s * self._times(v / root)) / root
                size = xp.linalg.vector_norm(v)
            self._theta = MARGIN * max(1.0, float(size))
        return self._theta

    def _times(self, w):
        eta = self.X @ w
        if self.means is not None:
            eta = eta - self.means @ w
        return eta

    def _adjoint(self, v):
        out = self.Xt @ v
        if self.means is not None:
            total = self.xp.sum(v, axis=0)
            if out.ndim == 1:
                out = out - self.means * total
            else:
                out = out - self.means[:, None] * total
        return out

    def at(self, w, b):
        """Return the point with these coefficients."""
        eta = self._times(w)
        return Point(w, b, eta + b if self.explicit else eta)

    def extrapolate(self, new, old, factor):
        """Return new + factor * (new - old), the predictor without a product."""
        return Point(
            new.w + factor * (new.w - old.w),
            new.b + factor * (new.b - old.b) if self.explicit else new.b,
            new.eta + factor * (new.eta - old.eta),
        )

    def gradient(self, eta):
        """Return the gradient of f in w and in b at a predictor."""
        v = self.problem.weighted_gradient(eta)
        if not self.explicit:
            return self._adjoint(v), 0.0
        return self._adjoint(v), self.xp.sum(v, axis=0)

    def objective(self, point, lam):
        """Return f + penalty as a float; waits for the device."""
        value = self.problem.loss_value(point.eta)
        return value + self.penalty.value(point.w, lam)

    def curvature_bound(self, eta):
        """Return a bound of the loss's second derivative, as a float.

        That of the loss, or, where it has none, the largest at a predictor, which waits
        for the device.
        """
        return smoothness(self.problem, eta)

    def columns(self, index):
        """Return the columns at increasing device positions, centred unless sparse."""
        A = self.X if index.shape[0] == self.m else take(self.X, index, axis=1)
        if self.means is not None and not self.problem.design.sparse:
            A = A - take(self.means, index)
        return A


def smoothness(problem, eta):
    """Return a bound of the loss's second derivative, see CompositeModel."""
    loss = problem.loss
    if loss.has_lipschitz:
        return float(loss.lipschitz)
    return max(float(problem.xp.max(problem.curvature(eta))), 1e-30)


def column_scale(design):
    """Return D (p,) on the host: weighted squared norms, none of them too small.

    The norm of a nearly constant column is rounding error, and its inverse no step. The
    second moment, which it is small against, takes its place.
    """
    norms = design.squared_norms
    scale = np.where(norms > 0.0, norms, design.squared_sizes)
    return np.where(scale > 0.0, scale, 1.0)


def intercept_array(problem, intercept):
    """Return an intercept, a number or (K,) on the host, as an array beside X."""
    if not problem.explicit_intercept:
        intercept = 0.0 if problem.n_outputs == 1 else np.zeros(problem.n_outputs)
    return asarray_like(np.asarray(intercept, dtype=np.float64), problem.y)


def host_intercept(problem, b):
    """Return an intercept beside X as a float or (K,) on the host."""
    b = np.asarray(to_numpy(b), dtype=np.float64)
    return float(b) if problem.n_outputs == 1 else b
