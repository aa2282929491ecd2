"""What the penalties share that tie coefficients to each other.

Problem: min_w f(w) + J(lam * w), J a norm that is linear on pieces of the space.

Symbols: w (p,), or (p, K) with one J per column; lam (p,) in [0, inf]; v = lam * w over
the features with 0 < lam < inf. Features with lam = 0 are outside of J and free, those
with lam = inf are 0 and outside as well. With equal levels J(lam * w) = lam J(w).

J° is the dual norm, J°(u) = max_{J(v) <= 1} <u, v>; dJ(v) the subdifferential. Its
support function is the directional derivative d -> J'(v; d), so by Moreau's identity
the prox of J'(v; .) at u is u minus the projection of u on dJ(v): the distance comes
from a prox.

The combinatorial part (sorting, pooling, dynamic programming) runs on the host in
float64, whatever the device: it is O(p log p) at most, against O(np) of a gradient.

Source: R. T. Rockafellar, Convex Analysis, 1970, sections 15 (gauges), 23 and 31.
"""

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2.penalties.base import Penalty

# Levels times steps that differ by less than this are one prox in equal coordinates.
EQUAL = 1e-5


class StructuredPenalty(Penalty):
    """Base of the penalties J(lam * w) that are not sums over coefficients.

    A subclass gives ``_norm``, ``_shrink``, ``_dual_norm``, ``_residual`` and
    ``_pieces``, for NumPy vectors of the penalised features alone.
    """

    separable = False
    screens = False

    def pull(self, grad):
        """Return the gradient itself: its signs count for ``alpha_max``."""
        return grad

    def slope_at_zero(self, lam):
        """Right derivative at 0 along one coordinate: lam * J(e_1)."""
        return lam * self._norm(np.ones(1))

    def value(self, w, lam):
        """Return J(lam * w), summed over the columns, as a float."""
        return sum(
            self._norm(lam_j[held] * w_j[held]) for w_j, lam_j, held in columns(w, lam)
        )

    def prox(self, z, step, lam):
        """Return the minimiser over v of sum (v - z)^2 / (2 step) + J(lam * v).

        Parameters
        ----------
        z : array of shape (p,) or (p, K)
            Points.
        step : float or array broadcastable to z
            Steps, such that step * lam^2 is one number over the penalised features.
        lam : array broadcastable to z
            Level per feature.

        Returns
        -------
        v : array of the shape of z
            Minimiser.

        Raises
        ------
        ValueError
            If step * lam^2 is not constant.
        """
        out = np.array(to_numpy(z), dtype=np.float64)
        step = on_grid(step, out.shape)
        for (z_j, lam_j, held), out_j, step_j in zip(
            columns(out, lam), flat(out), flat(step), strict=True
        ):
            out_j[np.isinf(lam_j)] = 0.0
            if not held.any():
                continue
            levels = lam_j[held]
            size = step_j[held] * levels * levels
            if np.ptp(size) > EQUAL * size.max():
                raise ValueError(
                    f"The prox of the {self.name} penalty needs step * lam^2 to be one "
                    f"number, got values from {size.min()} to {size.max()}; choose "
                    "steps in proportion to 1 / lam^2."
                )
            out_j[held] = self._shrink(levels * z_j[held], float(size.mean())) / levels
        return asarray_like(out, z)

    def derivative(self, w, lam):
        """Return a derivative along which no piece breaks, 0 where w == 0.

        Over a piece it sums to the derivative of the penalty in the piece's value.
        """
        out = np.zeros(w.shape)
        for (w_j, lam_j, _), out_j in zip(columns(w, lam), flat(out), strict=True):
            labels, direction, slopes = self.pieces(w_j, lam_j, precision(w))
            count = np.bincount(labels[labels >= 0], minlength=slopes.size)
            used = labels >= 0
            share = slopes[labels[used]] / count[labels[used]]
            out_j[used] = share / direction[used]
        return asarray_like(out, w)

    def region(self, w, lam):
        """Return the piece that each coefficient belongs to, with the sign of w."""
        out = np.zeros(w.shape)
        for (w_j, lam_j, _), out_j in zip(columns(w, lam), flat(out), strict=True):
            labels, _, _ = self.pieces(w_j, lam_j, precision(w))
            out_j[:] = (labels + 1) * np.sign(w_j)
        return asarray_like(out, w, dtype=namespace(w).int64)

    def subdiff_distance(self, w, grad, lam):
        """Return -grad minus its projection on the subdifferential, in absolute values.

        The projection is orthogonal in the coordinates lam * w, which makes it the
        nearest point where the levels are equal.
        """
        out = np.abs(np.asarray(to_numpy(grad), dtype=np.float64))
        for (w_j, lam_j, held), g_j, out_j in zip(
            columns(w, lam), flat(np.asarray(to_numpy(grad))), flat(out), strict=True
        ):
            out_j[np.isinf(lam_j)] = 0.0
            levels = lam_j[held]
            found = self._residual(
                levels * w_j[held], -g_j[held] / levels, precision(w)
            )
            out_j[held] = levels * np.abs(found)
        return asarray_like(out, w)

    def alpha_max(self, grad_abs, factor, steps=None):
        """Return the dual norm of the gradient at 0: the smallest alpha with w = 0.

        Parameters
        ----------
        grad_abs : array of shape (p,) or (p, K)
            Gradient of the smooth part at w = 0, with its signs.
        factor : array broadcastable to grad_abs
            Penalty factors; features with factor 0 or inf do not count.
        steps : None
            Not used.

        Returns
        -------
        alpha : float
            0.0 if no feature is penalised.
        """
        # A sum of many gradients rounds: just below its level a piece could still open.
        return self._largest_dual_norm(grad_abs, factor) * (1.0 + 1e-12)

    def dual_scale(self, u, lam):
        """Return the largest t in (0, 1] such that J°(t * u / lam) <= 1.

        Parameters
        ----------
        u : array of shape (p,) or (p, K)
            Dual point: minus the gradient of the smooth part.
        lam : array broadcastable to u
            Level per feature, in [0, inf].

        Returns
        -------
        t : float
            Unpenalised coordinates, where u must vanish, are left to the caller.
        """
        return 1.0 / max(1.0, self._largest_dual_norm(u, lam))

    def conjugate(self, u, lam):
        """Return the conjugate at a feasible u, which is 0.

        Parameters
        ----------
        u : array of shape (p,) or (p, K)
            Dual point, scaled to where the conjugate is finite.
        lam : array broadcastable to u
            Level per feature, in [0, inf].

        Returns
        -------
        value : float
            0.0.
        """
        return 0.0

    def pieces(self, w, lam, eps):
        """Return the subspace around one column on which the penalty is linear.

        There w = direction * x[labels] with one number x per piece, and the penalty is
        slopes @ x as long as no piece meets another one or 0.

        Parameters
        ----------
        w, lam : ndarray of shape (p,)
            Coefficients and levels, on the host.
        eps : float
            Rounding of w, relative.

        Returns
        -------
        labels : ndarray of int of shape (p,)
            Piece of each feature, -1 where w is 0.
        direction : ndarray of shape (p,)
            Finite and not 0.
        slopes : ndarray of shape (n_pieces,)
            Derivatives of the penalty.
        """
        held = (lam > 0) & np.isfinite(lam)
        labels = np.full(w.size, -1)
        direction = np.ones(w.size)
        labels[held], signs, slopes = self._pieces(lam[held] * w[held], eps)
        direction[held] = signs / lam[held]
        free = np.flatnonzero((lam == 0) & (w != 0))
        labels[free] = slopes.size + np.arange(free.size)
        return labels, direction, np.concatenate([slopes, np.zeros(free.size)])

    def _largest_dual_norm(self, u, lam):
        """Return the largest J°(u / lam) over the columns."""
        return max(
            (
                self._dual_norm(u_j[held] / lam_j[held])
                for u_j, lam_j, held in columns(u, lam)
                if held.any()
            ),
            default=0.0,
        )

    def _norm(self, v):
        """Return J(v), a float."""
        raise NotImplementedError

    def _shrink(self, z, step):
        """Return the minimiser over v of norm(v - z)^2 / (2 step) + J(v)."""
        raise NotImplementedError

    def _dual_norm(self, u):
        """Return J°(u), a float."""
        raise NotImplementedError

    def _residual(self, v, u, eps):
        """Return u minus its projection on dJ(v)."""
        raise NotImplementedError

    def _pieces(self, v, eps):
        """Return labels, directions and slopes of ``pieces``, in terms of v."""
        raise NotImplementedError


def precision(w):
    """Return the rounding of the dtype of w."""
    return float(namespace(w).finfo(w.dtype).eps)


def on_grid(values, shape):
    """Return a number or an array as NumPy float64, one for each coefficient."""
    values = np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)
    return np.broadcast_to(values.astype(np.float64), shape)


def flat(array):
    """Return the columns of (p, K), or (p,) itself, as a list of views."""
    return [array] if array.ndim == 1 else list(array.T)


def columns(w, lam):
    """Return (w_j, lam_j, held_j) for each column, in float64 on the host."""
    w = np.asarray(to_numpy(w), dtype=np.float64)
    lam = on_grid(lam, w.shape)
    return [
        (w_j, lam_j, (lam_j > 0) & np.isfinite(lam_j))
        for w_j, lam_j in zip(flat(w), flat(lam), strict=True)
    ]
