r"""Models without a fold, carried along beside the model of all rows.

Problem: F_f(t) = sum_{i not in I_f} s_i / (1 - S_f) l(y_i, A_i t) + pen(t), for every
fold f at once, beside F(t) = sum_i s_i l(y_i, A_i t) + pen(t).

Symbols: A (n, d) the design, with a column of ones for an intercept; t (d, K) the
coefficients of all rows; T (d, K, F) those of the folds, its copies; g (n, K) and h
(n, K, K) the derivatives of the loss at A t, times s.

A first-order method needs the gradients of the smooth parts f_f of F_f at T_f.
Iterative approximate cross-validation expands them at t,
    grad f_f(T_f) ~ grad f_f(t) + Hess f_f(t) (T_f - t),
    (1 - S_f) grad f_f(t) = A'g - sum_{I_f} A_i'g_i,
where A'g is shared and the Hessian A'hA can be formed once for all folds: O(n d^2 + F
d^2) for an iteration in the place of O(F n d). For quadratic losses the expansion is
exact.

Source: Y. Luo, Z. Ren and R. Barber, Iterative approximate cross-validation, ICML 2023,
eqs. 4 (gradient descent), 8 (stochastic) and 11 (proximal).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """A loss of some rows, at any coefficients.

    Parameters
    ----------
    A : ndarray of shape (n, d)
        Design.
    y : ndarray of shape (n,) or (n, K)
        Targets.
    s : ndarray of shape (n,)
        Weights with sum 1.
    loss : Loss
        With a curvature.
    """

    A: np.ndarray
    y: np.ndarray
    s: np.ndarray
    loss: object

    @property
    def outputs(self):
        """Number of outputs."""
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    def eta(self, t):
        """Return A t in the shape of y."""
        return (self.A @ t).reshape(self.y.shape)

    def value(self, t):
        """Return the mean loss."""
        return self.loss.value(self.y, self.eta(t), self.s)

    def slopes(self, eta):
        """Return g (n, K)."""
        g = self.loss.gradient(self.y, eta).reshape(self.s.size, -1)
        return self.s[:, None] * g

    def bends(self, eta):
        """Return h (n, K, K)."""
        h, columns = self.loss.curvature(self.y, eta), []
        for k in range(self.outputs):
            unit = np.zeros_like(eta)
            unit[..., k if eta.ndim == 2 else slice(None)] = 1.0
            columns.append(self.loss.curvature_product(h, unit).reshape(len(eta), -1))
        return self.s[:, None, None] * np.stack(columns, axis=2)

    def batch(self, rows):
        """Return some rows, with weights that estimate the mean of all."""
        s = self.s[rows] * (self.s.size / rows.size)
        return Rows(self.A[rows], self.y[rows], s, self.loss)


class Pairs:
    """Products with the rows that each fold leaves out.

    Parameters
    ----------
    folds : Folds
        What is left out.
    A : ndarray of shape (n, d)
        Design.
    """

    def __init__(self, folds, A):
        self.folds, self.single = folds, folds.single
        self.A = A[folds.rows]

    def predict(self, T):
        """Return what each copy predicts for its own rows, (m, K)."""
        own = T if self.single else T[:, :, self.folds.numbers]
        return np.einsum("mj,jkm->mk", self.A, own)

    def adjoint(self, v):
        """Return sum_{I_f} A_i' v_i for v (m, K), as (d, K, F)."""
        if self.single:
            return self.A.T[:, None, :] * v.T[None]
        return self.folds.sum(self.A[:, :, None] * v[:, None, :]).transpose(1, 2, 0)


class LinearisedCopies:
    """Copies whose gradients are expanded at the model of all rows.

    Parameters
    ----------
    rows : Rows
        All rows.
    folds : Folds
        What each copy leaves out.
    fixed : bool, default=False
        The point of the expansion stays where it is.
    """

    def __init__(self, rows, folds, fixed=False):
        self.rows, self.folds = rows, folds
        self.pairs = Pairs(folds, rows.A)
        self._constant, self._hessian = fixed or rows.loss.is_quadratic, None

    def take(self, chosen):
        """Return some of the copies.

        Parameters
        ----------
        chosen : ndarray of int
            Their folds.
        """
        some = LinearisedCopies(self.rows, self.folds.take(chosen))
        some._constant, some._hessian = self._constant, self._hessian
        return some

    def gradients(self, t, T, g, h, batch=None):
        """Return the gradients of the smooth parts at the copies, (d, K, F).

        Parameters
        ----------
        t : ndarray of shape (d, K)
            Where the loss is expanded.
        T : ndarray of shape (d, K, F)
            Copies.
        g : ndarray of shape (n, K)
            First derivatives at t.
        h : ndarray of shape (n, K, K)
            Second derivatives.
        batch : ndarray of int, default=None
            The rows that estimate the mean, all others have g = 0 and h = 0.
        """
        own = self.folds.rows
        difference = T - t[:, :, None]
        e = self.pairs.predict(difference)
        v = g[own] + np.einsum("mkl,ml->mk", h[own], e)
        A, kept = self.rows.A, slice(None) if batch is None else batch
        total = A[kept].T @ g[kept]
        out = total[:, :, None] - self.pairs.adjoint(v)
        out += self._bend(A[kept], h[kept], difference, batch is None)
        return out / (1.0 - self.folds.shares)

    def bend(self, h, difference):
        """Return A'hA difference, for h (n, K, K) and differences (d, K, F)."""
        return self._bend(self.rows.A, h, difference, True)

    def _bend(self, A, h, difference, whole):
        """Return A'hA difference, by the Hessian or by two products."""
        n, (d, K, F) = A.shape[0], difference.shape
        constant = whole and self._constant
        forming = 0 if constant else n * d * d * K * K
        if forming + d * d * K * K * F < 2 * n * d * K * F:
            H = self._form(A, h, constant)
            return (H @ difference.reshape(d * K, F)).reshape(d, K, F)
        seen = (A @ difference.reshape(d, K * F)).reshape(n, K, F)
        seen = h[:, :, 0, None] * seen if K == 1 else h @ seen
        return (A.T @ seen.reshape(n, K * F)).reshape(d, K, F)

    def _form(self, A, h, constant):
        """Return the Hessian (d K, d K); once for all, where it is constant."""
        if constant and self._hessian is not None:
            return self._hessian
        d, K = A.shape[1], h.shape[1]
        H = np.empty((d, K, d, K))
        for k in range(K):
            for j in range(K):
                H[:, k, :, j] = (A * h[:, k, j, None]).T @ A
        H = H.reshape(d * K, d * K)
        if constant:
            self._hessian = H
        return H


class ExactCopies:
    """Copies with gradients of their own, to compare with.

    Parameters
    ----------
    rows : Rows
        All rows.
    folds : Folds
        What each copy leaves out.
    """

    def __init__(self, rows, folds):
        self.rows, self.folds = rows, folds
        self.pairs = Pairs(folds, rows.A)

    def gradients(self, t, T, g, h, batch=None):
        """Return the gradients of the smooth parts at the copies, (d, K, F).

        Parameters
        ----------
        t, g, h : ndarray
            Not used; see :class:`LinearisedCopies`.
        T : ndarray of shape (d, K, F)
            Copies.
        batch : ndarray of int, default=None
            The rows that estimate the mean.
        """
        part = self.rows if batch is None else self.rows.batch(batch)
        weight = np.zeros((self.rows.s.size, len(self.folds)))
        chosen = slice(None) if batch is None else batch
        weight[chosen] = part.s[:, None]
        weight[self.folds.rows, self.folds.numbers] = 0.0
        out = np.empty(T.shape)
        for f in range(T.shape[2]):
            slope = part.loss.gradient(part.y, part.eta(T[:, :, f]))
            slope = slope.reshape(part.s.size, -1) * weight[chosen, f, None]
            out[:, :, f] = part.A.T @ slope
        return out / (1.0 - self.folds.shares)
