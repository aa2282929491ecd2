"""Proximal Newton steps, each solved by a semismooth Newton method in the dual.

Problem: min_w f(w) + sum_j pen(w_j; lam_j), pen convex, where more columns compete than
there are samples, or the columns almost depend on each other: there the Hessian on the
support is singular, and methods that let features in and out one batch at a time do
little else.

Symbols: A (n, m) the working set; g (m,) the gradient of f; omega (n,) the curvature of
the loss, weighted; T_j = tau / A_j' diag(omega) A_j the steps. The next point is w + d,

    d = argmin g'd + 1/2 |A d|^2_omega + pen(w + d) + 1/2 sum_j d_j^2 / T_j,

which a line search follows where f is not that quadratic. With v = A d as a constraint
the dual is the minimum over v (n,) of the once differentiable convex function

    psi(v) = 1/2 |v|^2_omega - min_d {c'd + pen(w + d) + 1/2 sum_j d_j^2 / T_j},

c = g + A' diag(omega) v, whose inner minimum is the prox of pen. Its gradient is
v - A d in the metric of omega, and its generalised Hessian I + A M A' diag(omega), M
the derivative of the prox times T: zero outside the support J of w + d. Its eigenvalues
are at least 1, whatever the columns are, and the whole support answers to v at once. A
Newton system has the dimension min(n, |J|).

Source: X. Li, D. Sun and K.-C. Toh, A highly efficient semismooth Newton augmented
Lagrangian method for solving lasso problems, SIAM J. Optimization 28, 2018, sections
3.1 to 3.3; here the proximal term has the metric of the columns, and the outer method
is a proximal Newton method, of which theirs is the case of the squared loss.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.solvers.design import Block

# First tau, and its factors after a step that was solved and taken whole, and after
# one that was not.
FIRST, GROWTH, SHRINKAGE = 10.0, 10.0, 0.1
# Beyond these the quadratic has the rounding of its Hessian for a proximal term.
SMALLEST, LARGEST = 1e-3, 1e12
# Below this curvature there is no quadratic to speak of.
FLAT = 1e-100
# Newton steps in the dual that one proximal step may take.
DUAL_STEPS = 40
# A dual system up to this size is factorised, a larger one left to conjugate gradients.
DIRECT = 2500
# Relative residual of conjugate gradients, and of the dual gradient to the move.
FORCING, INEXACT = 0.1, 0.05


class DualNewton:
    """Proximal Newton method on the model of a working set.

    Parameters
    ----------
    model : QuadraticModel or CurvedModel
        The smooth part, with one output.
    """

    def __init__(self, model):
        self.model = model
        self.n_steps = 0

    def minimise(self, penalty, w, lam, tolerance, max_iter):
        """Take proximal steps until the subdifferential distance is small.

        Parameters
        ----------
        penalty : Penalty
            Convex, restricted to the working set.
        w : ndarray of shape (m,)
            Start; the model is there.
        lam : ndarray of shape (m,)
            Levels.
        tolerance : callable
            Maps w to the distance that is small enough.
        max_iter : int
            Largest number of dual Newton steps, which is a soft limit.

        Returns
        -------
        w : ndarray of shape (m,)
            A point with an objective no higher than that of the start.
        """
        tau, budget = FIRST, self.n_steps + max_iter
        while self.n_steps < budget and SMALLEST <= tau <= LARGEST:
            # On its way to infinity, as where a count is never observed.
            if not FLAT < self.model.diagonal().max(initial=0.0) < math.inf:
                break
            if self.model.problem.expired:
                break
            subproblem = _Subproblem(self.model, penalty, w, lam, tau)
            d, steps = subproblem.solve()
            self.n_steps += steps
            length, w = self._search(penalty, w, lam, d)
            if length is None:
                # At a large tau this is rounding; what is left is for others to do.
                if tau > 1e6 * FIRST:
                    break
                tau *= SHRINKAGE
                continue
            distance = penalty.subdiff_distance(w, self.model.g, lam)
            if float(distance.max()) <= tolerance(w):
                break
            if length == 1.0 and subproblem.solved:
                tau *= GROWTH
            elif length < 0.25:
                tau *= SHRINKAGE
        return w

    def _search(self, penalty, w, lam, d):
        """Backtrack along d; return the length, None if nothing is gained, and w."""
        model = self.model
        everything = np.arange(model.size)
        before = penalty.value(w, lam)
        for halving in range(8):
            length = 0.5**halving
            end = w + length * d
            change, token = model.trial(everything, length * d)
            change += penalty.value(end, lam) - before
            if change < 0.0:
                model.accept(token)
                return length, end
        return None, w


class _Subproblem:
    """The quadratic with its proximal term, at one centre.

    Parameters
    ----------
    model, penalty, w, lam : object
        As in :meth:`DualNewton.minimise`.
    tau : float
        Length of the proximal step.
    """

    def __init__(self, model, penalty, w, lam, tau):
        self.model, self.penalty, self.w, self.lam = model, penalty, w, lam
        self.problem = model.problem
        self.omega = model.weights()
        norms = model.diagonal()
        # A column without curvature moves as far as one with little of it.
        self.T = tau / np.maximum(norms, 1e-6 * norms.max())
        self.solved = False

    def dot(self, a, b):
        """Return the product in the metric of omega."""
        return dot64(self.omega, a * b)

    def primal(self, c):
        """Return d for the dual image c, and the inner minimum."""
        end = self.penalty.prox(self.w - self.T * c, self.T, self.lam)
        d = end - self.w
        inner = float(c @ d) + self.penalty.value(end, self.lam)
        return end, d, inner + 0.5 * float(d @ (d / self.T))

    def solve(self):
        """Return d and how many Newton steps it took."""
        model, T = self.model, self.T
        c = model.g
        v = self.problem.xp.zeros_like(self.omega)
        end, d, inner = self.primal(c)
        image, value = model.times(d), -inner
        eps = float(self.problem.xp.finfo(v.dtype).eps)
        for count in range(DUAL_STEPS):
            slope = v - image
            error = math.sqrt(max(self.dot(slope, slope), 0.0))
            move = math.sqrt(float(d @ (d / T)))
            rounding = 10.0 * eps * math.sqrt(max(self.dot(image, image), 0.0))
            if error <= max(INEXACT * move, rounding):
                self.solved = True
                return d, count
            if self.problem.expired:
                return d, count
            x = self._direction(end, slope, error)
            cx = model.adjoint(self.omega * x)
            decrease = self.dot(slope, x)
            quadratic = self.dot(v, x), self.dot(x, x)
            base = 0.5 * self.dot(v, v)
            for halving in range(25):
                t = 0.5**halving
                end, d, inner = self.primal(c + t * cx)
                trial = base + t * quadratic[0] + 0.5 * t * t * quadratic[1] - inner
                if trial <= value + 1e-4 * t * decrease + 1e-15 * abs(value):
                    break
            else:
                return d, count + 1
            v, c, value = v + t * x, c + t * cx, trial
            image = model.times(d)
        return d, DUAL_STEPS

    def _direction(self, end, slope, error):
        """Return the Newton direction -(I + A M A' omega)^-1 slope."""
        J = np.flatnonzero((end != 0) | self.penalty.unpenalised(self.lam))
        part = self.penalty.restrict(J)
        # 1 / M: the prox contracts where the penalty is curved.
        ridge = 1.0 / self.T[J] + part.curvature(end[J], self.lam[J])
        columns = _Columns(self.model, J, self.omega)
        if min(J.size, self.problem.design.n) <= DIRECT:
            try:
                return self._factorised(columns, ridge, slope)
            except np.linalg.LinAlgError:
                # The proximal term is below the rounding of the rest.
                pass
        return self._conjugate_gradient(columns, ridge, slope)

    def _factorised(self, columns, ridge, slope):
        """Solve in the smaller of the two dimensions."""
        n, k = self.problem.design.n, columns.J.size
        if k < n:
            H = columns.gram()
            H[np.diag_indices(k)] += ridge
            u = np.linalg.solve(H, columns.adjoint(self.omega * slope))
            return columns.times(u) - slope
        K = columns.outer(1.0 / ridge)
        K[np.diag_indices(n)] += 1.0
        design = self.problem.design
        root = np.sqrt(design.to_host(self.omega))
        x = np.linalg.solve(K, root * design.to_host(slope))
        # Rows without weight answer nothing and ask nothing.
        x = np.divide(x, root, out=np.zeros(n), where=root > 0.0)
        return -design.to_device(x)

    def _conjugate_gradient(self, columns, ridge, slope):
        x = self.problem.xp.zeros_like(slope)
        r = -slope
        p, rr = r, self.dot(r, r)
        goal = rr * FORCING**2
        for count in range(250):
            Hp = p + columns.times(columns.adjoint(self.omega * p) / ridge)
            pHp = self.dot(p, Hp)
            if not pHp > 0.0:
                break
            step = rr / pHp
            x = x + step * p
            r = r - step * Hp
            rr, old = self.dot(r, r), rr
            if rr <= goal or (count % 20 == 19 and self.problem.expired):
                break
            p = r + (rr / old) * p
        return x


class _Columns:
    """The columns of the support, and the constant where it is one of them.

    Parameters
    ----------
    model : QuadraticModel or CurvedModel
        Of the working set.
    J : ndarray of int of shape (k,)
        Coordinates, in increasing order.
    omega : array of shape (n,)
        Weights, beside X.
    """

    def __init__(self, model, J, omega):
        self.model, self.J, self.omega = model, J, omega
        self.design = model.problem.design
        self.offset = int(model.offset and J.size > 0 and J[0] == 0)
        self.block = Block(self.design)
        self.block.extend(model.block.ids[J[self.offset :] - model.offset])

    def times(self, u):
        """Return A_J @ u beside X."""
        out = self.block.times(u[self.offset :]) if self.block.m else 0.0 * self.omega
        return out + float(u[0]) if self.offset else out

    def adjoint(self, v):
        """Return A_J'v on the host."""
        out = self.block.adjoint(v) if self.block.m else np.zeros(0)
        if self.offset:
            total = float(self.design.xp.sum(v))
            out = np.concatenate([[total], out])
        return out

    def gram(self):
        """Return A_J' diag(omega) A_J on the host."""
        if self.model.exact and self.model.has_gram:
            return self.model.G[np.ix_(self.J, self.J)]
        m, k = self.block.m, self.J.size
        out = np.zeros((k, k))
        if m:
            inner = self.block.gram(np.arange(m), self.omega)
            out[self.offset :, self.offset :] = inner
        if self.offset:
            cross = self.block.adjoint(self.omega) if m else np.zeros(0)
            out[0, 1:] = out[1:, 0] = cross
            out[0, 0] = float(self.design.xp.sum(self.omega))
        return out

    def outer(self, M):
        """Return sqrt(omega) A_J diag(M) A_J' sqrt(omega) on the host."""
        design, inner = self.design, M[self.offset :]
        A = self.block.matrix()
        if design.sparse:
            out = design.to_host((A.multiply(inner[None, :]) @ A.T).toarray())
            if design.means is not None:
                mean = design.means[self.block.ids]
                shift = design.to_host(A @ design.to_device(inner * mean))
                out -= shift[:, None] + shift[None, :] - float(mean @ (inner * mean))
        else:
            out = design.to_host((A * design.to_device(inner)) @ A.T)
        if self.offset:
            out += M[0]
        root = np.sqrt(design.to_host(self.omega))
        out *= root
        out *= root[:, None]
        return out
