"""Block coordinate descent on a second-order model of the multinomial loss.

Problem: min_(v, b) <g, D> + sum_i s_i D_i' H_i D_i / 2 + sum_g pen(v_g; lam_g) with
D = (v - v_0) B + (b - b_0) 1' and H_i = diag(p_i + phi) - p_i p_i'.
Symbols, all of them with the K classes first: p (K, n), the probabilities at the start;
s (n,), weights; g (K, n), the gradient there; v_g (K, d), the coefficients of a group;
B_g (d, n), its columns; D (K, n), the change of the predictor; G = g + s * H D (K, n),
the gradient of the model. phi is small, or 1/2: then the model bounds the loss.

The Hessian of a block couples the classes. Its bound by a block diagonal one, with the
weights s * (p + phi), or s * (2 p (1 - p) + phi) where a class has more than half of
the probability, is at most twice as large in any direction that matters, and each
class has its own principal axes in it: a block takes the minimiser of that bound, and
the model keeps the Hessian itself.

Sources: D. Boehning, Multinomial logistic regression algorithm, Annals of the Institute
of Statistical Mathematics 44, 1992, for bounds of the Hessian; J. Friedman, T. Hastie
and R. Tibshirani, Regularization paths for generalized linear models via coordinate
descent, Journal of Statistical Software 33, 2010, section 4, for groups of classes.
"""

import math

import numpy as np

from skopt2._core.array import dot64
from skopt2.penalties.partition import Partition
from skopt2.solvers.block_coordinate_descent.curvature import (
    diagonal_bound,
    principal_axes,
)
from skopt2.solvers.block_coordinate_descent.quadratic import QuadraticModel
from skopt2.solvers.block_coordinate_descent.update import make_update

EVERYWHERE = slice(None)


class SoftmaxModel(QuadraticModel):
    """Coefficients, change and gradient of a second-order model.

    Parameters
    ----------
    penalty : GroupPenalty
        Any.
    blocks : list of DenseMatrixBlock or SparseMatrixBlock
        The working set, not scaled.
    levels : ndarray of shape (k,)
        Levels of the groups.
    v : list of (ndarray or None)
        Coefficients as the groups have them, row by row; None for zero.
    principal : bool
        Whether blocks are updated in their principal axes.
    gradient : ndarray of shape (n, K)
        s * l'(y, eta).
    probability : ndarray of shape (n, K)
        At eta.
    s : ndarray of shape (n,)
        Weights.
    phi : float
        What is added to the Hessian, positive.
    eta : ndarray of shape (n, K)
        Where the model is formed.
    bias : ndarray of shape (K,) or None
        Starting intercept; None without one.
    """

    def __init__(
        self,
        penalty,
        blocks,
        levels,
        v,
        principal,
        gradient,
        probability,
        s,
        phi,
        eta,
        bias,
    ):
        self.penalty, self.lam, self.blocks = penalty, levels, blocks
        self.principal, self.bias, self.first_gap = principal, bias, math.inf
        self.classes = probability.shape[1]
        self.p = np.ascontiguousarray(probability.T)
        dtype = self.p.dtype.type
        self.sp = self.p * s
        self.diagonal = self.sp + dtype(phi) * s
        most = self.p.max(axis=0) > 0.5
        bound = np.where(most, 2.0 * self.p * (1.0 - self.p), self.p) + phi
        self.bound = (s * bound).astype(dtype, copy=False)
        self.eta = np.ascontiguousarray(eta.T)
        start = np.ascontiguousarray(gradient.T)
        self.start, self.energy = start, _energy(start, self.p, s, phi)
        # Both change along lines as the coefficients do: one array to extrapolate.
        self.r = np.stack([start, np.zeros_like(start)])
        self.shift = [0.0]
        self.sizes = [block.rows.shape[0] * self.classes for block in blocks]
        self.partition = Partition(
            np.repeat(np.arange(len(blocks)), self.sizes), n_groups=len(blocks)
        )
        # A block that stays at zero needs no frame.
        self.axes = [None] * len(blocks)
        self.updates, self.curvatures = [None] * len(blocks), [0.0] * len(blocks)
        self.awake = [False] * len(blocks)
        self.v = [
            part if part is None else self._enter(k, part) for k, part in enumerate(v)
        ]
        self._bias_inverse = None if bias is None else self._inverse()

    def _enter(self, k, part):
        """Return the coefficients of a block in its axes, class by class."""
        self._wake(k)
        part = np.ascontiguousarray(part.reshape(-1, self.classes).T)
        axes = self.axes[k]
        if axes is not None:
            part = np.matmul(axes.transpose(0, 2, 1), part[:, :, None])
        return part.ravel()

    def _wake(self, k):
        """Find curvatures, axes and update of a block."""
        self.awake[k] = True
        rows, at = self.blocks[k].rows, _samples(self.blocks[k])
        grams = np.matmul(self.bound[:, None, at] * rows, rows.T)
        if self.principal:
            values, axes = principal_axes(grams)
            self.axes[k] = axes if rows.shape[0] > 1 else None
        else:
            values = diagonal_bound(grams)
        values = values.ravel()
        self.updates[k] = make_update(
            self.penalty, values, float(self.lam[k]), self.principal
        )
        self.curvatures[k] = float(values.max()) if values.size else 0.0

    def _inverse(self):
        """Return the inverse of the curvature in the intercepts, (K, K), float64."""
        cross = self.sp.astype(np.float64) @ self.p.T.astype(np.float64)
        total = self.diagonal.sum(axis=1, dtype=np.float64)
        return np.linalg.inv(np.diag(total) - cross)

    def coefficients(self):
        """Return the coefficients as the groups have them, None for zero."""
        parts = []
        for axes, part in zip(self.axes, self.v, strict=True):
            if part is not None:
                part = self._turned(axes, part).T.ravel()
            parts.append(part)
        return parts

    def _turned(self, axes, part):
        """Return coefficients out of their axes, (K, d)."""
        part = part.reshape(self.classes, -1)
        if axes is None:
            return part
        return np.matmul(axes, part[:, :, None])[:, :, 0]

    def move(self):
        """Return the change of the predictor, (n, K)."""
        return self.r[1].T

    def objective(self):
        """Return the objective in float64, up to a constant."""
        G, D = self.r
        return 0.5 * (dot64(self.start, D) + dot64(G, D)) + self.penalty.value(
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
        prox, G = self.penalty.block_prox, self.r[0]
        largest = 0.0
        for k in order:
            block, old = self.blocks[k], self.v[k]
            at = _samples(block)
            gradient = np.dot(G[:, at], block.rows.T)
            if old is None:
                # Whether a block leaves zero does not depend on its curvature.
                if prox(gradient.ravel(), 1.0, self.lam[k]) is None:
                    continue
                if not self.awake[k]:
                    self._wake(k)
            update, axes = self.updates[k], self.axes[k]
            if update is None:
                continue
            if axes is not None:
                gradient = np.matmul(gradient[:, None, :], axes)
            new = update.new(old, gradient.ravel())
            if new is None:
                if old is None:
                    continue
                delta = -old
            else:
                delta = new if old is None else new - old
            self.v[k] = new
            self._add(np.dot(self._turned(axes, delta), block.rows), at)
            size = float(delta @ delta) * self.curvatures[k] ** 2
            largest = size if size > largest else largest
        return max(math.sqrt(largest), self._update_bias())

    def _add(self, change, at):
        """Add a change of the predictor in some samples."""
        G, D = self.r
        D[:, at] += change
        weighted = self.p[:, at] * change
        change *= self.diagonal[:, at]
        change -= self.sp[:, at] * weighted.sum(axis=0)
        G[:, at] += change

    def _update_bias(self):
        """Minimise over the intercepts; return how far their gradient was from 0."""
        if self.bias is None:
            return 0.0
        slope = self.r[0].sum(axis=1, dtype=np.float64)
        delta = -(self._bias_inverse @ slope)
        self.bias = self.bias + delta
        change = np.empty_like(self.p)
        change[...] = delta[:, None]
        self._add(change, EVERYWHERE)
        return float(np.linalg.norm(slope))

    def gap(self):
        """Return the duality gap of a convex model.

        The conjugate of the quadratic at t * G has the closed form below, because
        t * G - g = s * H ((t - 1) u + t D) with s * H u = g.
        """
        G, D = self.r
        parts = [np.dot(G[:, _samples(one)], one.rows.T).ravel() for one in self.blocks]
        value, t = 0.0, 1.0
        if parts:
            gradient = np.concatenate(parts)
            t = self.penalty.dual_scale(gradient, self.partition, self.lam)
            value = self.penalty.value(self.flat(), self.partition, self.lam)
            value += self.penalty.conjugate(t * gradient, self.partition, self.lam)
        first, last = dot64(self.start, D), dot64(G, D)
        conjugate = 0.5 * (
            (t - 1.0) ** 2 * self.energy
            + 2.0 * t * (t - 1.0) * first
            + t * t * (last - first)
        )
        dual = -t * dot64(G, self.eta) - conjugate
        return max(0.5 * (first + last) + value - dual, 0.0)


def _samples(block):
    """Return the samples that a block is stored in."""
    return getattr(block, "samples", EVERYWHERE)


def _energy(gradient, p, s, phi):
    """Return <g, u> with s * H u = g, by the formula of Sherman and Morrison.

    Its denominator is sum_k p_k phi / (p_k + phi), because the p_k sum to 1.
    """
    weight = np.where(s > 0.0, s, 1.0)
    g, p = gradient.astype(np.float64) / weight, p.astype(np.float64)
    inverse = 1.0 / (p + phi)
    # The classes of g sum to 0, so that sum_k p_k g_k / (p_k + phi) is this one.
    cross = -phi * (g * inverse).sum(axis=0)
    share = phi * (p * inverse).sum(axis=0)
    inner = (g * g * inverse).sum(axis=0) + cross * cross / share
    return float(np.sum(s * inner, dtype=np.float64))
