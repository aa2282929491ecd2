"""From a smoothed solution to the vertex: exact quantile regression by small programs.

Problem: min_(w, b) sum_i s_i l(y_i, x_i'w + b) + sum_j pen(w_j), l the pinball loss of
level q and pen piecewise linear (l1 norms, boxes, positivity): a linear program. So is
the tangent of a concave penalty, which :mod:`skopt2.solvers.local_linear` asks for. Its
solutions interpolate about as many samples as there are nonzero coefficients; all other
samples only pull, with slopes theta_i = -q above the fit and 1 - q below.

A smoothed solution tells which samples B may be interpolated and which features S may
be used. What is left is a program of |B| rows and |S| columns,

    min sum_{i not in B} s_i theta_i (x_i'w + b) + sum_B s_i (q u_i + (1 - q) v_i)
        + sum_j pen(w_j)   s.t.  x_i'w + b + u_i - v_i = y_i (i in B),  u, v >= 0.

A sample outside B whose residual changes sign joins B, a feature outside S whose
gradient exceeds its level joins S, and the program is solved again. Its multipliers are
the dual point s_i theta_i, so the duality gap of the whole problem closes.

Source: R. Koenker, Quantile Regression, 2005, section 6.2, for the program; G. Dantzig
and P. Wolfe, Decomposition principle for linear programs, Operations Research 8, 1960,
for growing it. Programs are solved by HiGHS through SciPy, on the host.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from skopt2._core.array import asarray_like, is_sparse, take, to_numpy
from skopt2.penalties import Box, Positive
from skopt2.penalties.l1 import L1

# Rows times columns above which a program is no small one.
LARGEST = 400_000
ROUNDS = 12


def has_vertex(penalty):
    """Return whether the penalty is piecewise linear."""
    return isinstance(unwrapped(penalty), (L1, Box))


def unwrapped(penalty):
    """Return the penalty without the constraint of positivity."""
    return penalty.penalty if isinstance(penalty, Positive) else penalty


@dataclass(frozen=True)
class Vertex:
    """A solution of the program.

    Parameters
    ----------
    ids, w : ndarray of shape (k,)
        Features and their coefficients, some of which may be 0.
    b : float
        Intercept of the centred problem.
    theta : ndarray of shape (n,)
        Dual point: a subgradient of each sample's loss.
    eta : ndarray of shape (n,)
        Linear predictor.
    band : ndarray of bool of shape (n,)
        Samples that the program was free to interpolate.
    """

    ids: np.ndarray
    w: np.ndarray
    b: float
    theta: np.ndarray
    eta: np.ndarray
    band: np.ndarray


class VertexProgram:
    """The growing program of one problem.

    Parameters
    ----------
    problem : LinearProblem
        With the pinball loss.
    """

    def __init__(self, problem):
        self.problem = problem
        design = problem.design
        self.y, self.s = design.to_host(problem.y), design.to_host(problem.s)
        self.q = float(problem.loss.quantile)

    def solve(self, eta, band, ids, slopes=None):
        """Return the vertex, None if there is none or its program is too large.

        Parameters
        ----------
        eta : ndarray of shape (n,)
            Linear predictor of the smoothed solution, on the host.
        band : ndarray of bool of shape (n,)
            Samples that may be interpolated.
        ids : ndarray of int of shape (k,)
            Features that may be used, in increasing order.
        slopes : ndarray of shape (p,), default=None
            Slope of the penalty on either side of 0, its own by default.

        Returns
        -------
        vertex : Vertex
            Or None.
        """
        problem, design = self.problem, self.problem.design
        leave = slopes
        if slopes is None:
            leave = slopes = problem.penalty.slope_at_zero(problem.lam)
            if isinstance(unwrapped(problem.penalty), Box):
                # Inside a box the penalty is flat, whatever stands at its faces.
                slopes = np.zeros(design.p)
        band = band.copy()
        for _ in range(ROUNDS):
            rows = np.flatnonzero(band)
            if rows.size * (ids.size + 1) > LARGEST:
                return None
            theta = np.where(eta < self.y, -self.q, 1.0 - self.q)
            solved = self._program(rows, ids, theta, slopes[ids])
            if solved is None and rows.size < band.size:
                # More columns than rows: the line that stands for a sample outside
                # goes down without end, its loss does not.
                band[:] = True
                continue
            if solved is None:
                return None
            w, b, theta[rows] = solved
            new = design.to_host(problem.predictor(ids, w, b))
            crossed = ~band & ((new < self.y) != (eta < self.y))
            c = design.gradient(design.to_device(self.s * theta))
            pull = problem.penalty.pull(c) - leave
            pull[ids] = 0.0
            eager = np.flatnonzero(pull > 1e-9 * np.abs(c).max(initial=1e-300))
            if not crossed.any() and eager.size == 0:
                return Vertex(ids, w, b, theta, new, band)
            limit = max(20, ids.size)
            if eager.size > limit:
                eager = eager[np.argpartition(-pull[eager], limit - 1)[:limit]]
            ids = np.union1d(ids, eager)
            band |= crossed
        return None

    def _program(self, rows, ids, theta, lam):
        """Solve one program; returns w, b and theta of its rows, None if it fails."""
        problem = self.problem
        m, k = rows.size, ids.size
        A = self._block(rows, ids)
        outside = self.s * theta
        outside[rows] = 0.0
        c = problem.design.gradient(problem.design.to_device(outside))[ids]
        # Costs of size 1 and unknowns of size 1, or absolute tolerances mean nothing.
        unit = self.s.max()
        scale = np.sqrt(problem.design.squared_norms[ids])
        scale = np.where(scale > 0.0, 1.0 / np.where(scale > 0, scale, 1.0), 1.0)
        length = max(float(np.abs(self.y).max()), 1e-300)
        lower, upper = self._bounds(ids)
        one = np.ones((m, 1 if problem.explicit_intercept else 0))
        A = A * scale
        matrix = sp.hstack(
            [sp.csr_array(np.hstack([A, -A, one, -one])), sp.eye_array(m),
             -sp.eye_array(m)],
            format="csr",
        )  # fmt: skip
        e = one.shape[1]
        s = self.s[rows]
        total = outside.sum() * np.ones(e)
        cost = np.concatenate(
            [(lam + c) * scale, (lam - c) * scale, total, -total, self.q * s,
             (1.0 - self.q) * s]
        )  # fmt: skip
        free = np.full(2 * (e + m), np.inf)
        top = np.concatenate([upper / scale / length, -lower / scale / length, free])
        found = linprog(
            cost / unit,
            A_eq=matrix,
            b_eq=self.y[rows] / length,
            bounds=np.stack([np.zeros_like(top), top], axis=1),
            method="highs-ds",
            options={
                "primal_feasibility_tolerance": 1e-10,
                "dual_feasibility_tolerance": 1e-10,
            },
        )
        if found.status != 0:
            return None
        x = found.x * length
        w = np.clip((x[:k] - x[k : 2 * k]) * scale, lower, upper)
        b = float(x[2 * k] - x[2 * k + 1]) if e else 0.0
        slopes = -found.eqlin.marginals * unit
        inside = np.clip(slopes / np.where(s > 0.0, s, 1.0), -self.q, 1.0 - self.q)
        return w, b, inside

    def _block(self, rows, ids):
        """Return centred X[rows][:, ids] on the host, dense."""
        design = self.problem.design
        block = take(design.X, self._index(rows), axis=0)
        block = take(block, self._index(ids), axis=1)
        block = block.toarray() if is_sparse(block) else block
        block = np.asarray(to_numpy(block), dtype=np.float64)
        return block if design.means is None else block - design.means[ids]

    def _index(self, index):
        """Return host indices beside X."""
        if self.problem.xp is np:
            return index
        dtype = self.problem.xp.int64
        return asarray_like(index.tolist(), self.problem.s, dtype=dtype)

    def _bounds(self, ids):
        part = self.problem.penalty.restrict(ids)
        if part.bounds is None:
            return np.full(ids.size, -np.inf), np.full(ids.size, np.inf)
        limits = [np.asarray(to_numpy(limit), float) for limit in part.bounds]
        return tuple(np.broadcast_to(limit, (ids.size,)) for limit in limits)
