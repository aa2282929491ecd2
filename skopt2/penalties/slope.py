"""The sorted l1 norm.

Penalty: J(v) = sum_k weights_k * abs(v)_(k), abs(v)_(1) >= abs(v)_(2) >= ... and
weights_1 >= weights_2 >= ... >= 0, weights_1 > 0; pen(w; lam) = J(lam * w).

With z sorted by size, prox(z) is the nonincreasing isotonic regression of abs(z) - step
* weights, cut at 0, with the order and the signs of z put back. The dual norm is
J°(u) = max_k sum_{i <= k} abs(u)_(i) / sum_{i <= k} weights_i. Coefficients of one size
form a cluster; dJ(v) is a product over clusters of the convex hulls of the permutations
of a cluster's weights (of all signed ones, and what lies inside, for the cluster at 0),
on which one projects by isotonic regression as well.

Sources: M. Bogdan, E. van den Berg, C. Sabatti, W. Su and E. Candes, SLOPE: adaptive
variable selection via convex optimization, Annals of Applied Statistics 9, 2015,
sections 1.1 (weights), 2.2 and 2.3 (prox); H. Bondell and B. Reich, Simultaneous
regression shrinkage, variable selection and supervised clustering of predictors with
OSCAR, Biometrics 64, 2008, eq. 1; J. Larsson, M. Bogdan and J. Wallin, The strong
screening rule for SLOPE, NeurIPS 2020, theorem 1 (subdifferential), algorithm 1.
"""

import copy

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtri

from skopt2._core.array import to_numpy
from skopt2._core.parameters import check_choice, check_number
from skopt2.penalties.base import on_host
from skopt2.penalties.structured import StructuredPenalty

FAMILIES = ("bh", "oscar")


class Slope(StructuredPenalty):
    """Sorted l1 norm (SLOPE): the largest coefficients meet the largest weights.

    Coefficients of correlated features come out equal in size, and with ``"bh"``
    weights the share of false features among those selected is held at ``q`` where the
    features are orthogonal and ``alpha`` is the standard deviation of the noise over
    the root of the sample size. The penalty of several outputs is the sum over outputs.

    Parameters
    ----------
    weights : {"bh", "oscar"} or array-like of shape (p,), default="bh"
        ``"bh"``: normal quantiles at 1 - k q / (2 p), k = 1, ..., p, after Benjamini
        and Hochberg. ``"oscar"``: 1 + q (p - k), which is the l1 norm plus q times the
        sum over pairs of the larger absolute value. Or one nonnegative number per
        feature, nonincreasing, the first positive; constant weights give the lasso.
    q : float, default=0.1
        False discovery rate in (0, 1) for ``"bh"``; nonnegative weight of the pairs for
        ``"oscar"``; not used with given weights.

    References
    ----------
    Bogdan et al., Annals of Applied Statistics 9, 2015; Bondell and Reich, Biometrics
    64, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import Slope
    >>> penalty = Slope([2.0, 1.0, 0.5])
    >>> penalty.prox(np.array([4.0, -3.5, 0.2]), 1.0, np.ones(3)).tolist()
    [2.25, -2.25, 0.0]
    """

    name = "slope"
    screens = True

    def __init__(self, weights="bh", q=0.1):
        self.weights = weights
        self.q = q

    def check_parameters(self, n_features=None):
        """Raise ValueError unless weights and q make a norm."""
        if isinstance(self.weights, str):
            self._check_family()
            return
        try:
            weights = on_host(self.weights).astype(np.float64)
        except (TypeError, ValueError):
            weights = None
        if weights is None or weights.ndim != 1 or weights.size == 0:
            raise ValueError(
                "weights of the slope penalty must be 'bh', 'oscar' or a vector with "
                f"one number per feature, got weights={self.weights!r}."
            )
        sound = np.isfinite(weights).all() and weights[-1] >= 0 and weights[0] > 0
        if not sound or (np.diff(weights) > 0).any():
            raise ValueError(
                "weights of the slope penalty must be finite, nonincreasing and "
                f"nonnegative with the first positive, got weights={self.weights!r}; "
                "sort them."
            )
        if n_features is not None and weights.size != n_features:
            raise ValueError(
                f"weights of the slope penalty has {weights.size} entries, but X has "
                f"{n_features} features; give one weight per feature."
            )

    def _check_family(self):
        of = "the slope penalty"
        check_choice("weights", self.weights, FAMILIES, other="a vector", of=of)
        if self.weights == "bh":
            hint = "Try q=0.1."
            check_number("q", self.q, 0, 1, closed="neither", of=of, hint=hint)
        else:
            check_number("q", self.q, 0, of=of)

    def for_features(self, n_features):
        """Return the penalty with one weight for each of so many features.

        Parameters
        ----------
        n_features : int
            Columns of X.

        Returns
        -------
        penalty : Slope
            With an array as ``weights``.
        """
        bound = copy.copy(self)
        rank = np.arange(1, n_features + 1)
        if not isinstance(self.weights, str):
            bound.weights = on_host(self.weights).astype(np.float64)
        elif self.weights == "bh":
            bound.weights = -ndtri(rank * (float(self.q) / (2 * n_features)))
        else:
            bound.weights = 1.0 + float(self.q) * (n_features - rank)
        return bound

    def restrict(self, index):
        """Return the penalty of some features when all others are 0.

        Zeros come last in the order, so that they meet the smallest weights.
        """
        if isinstance(self.weights, str):
            return self
        part = copy.copy(self)
        part.weights = on_host(self.weights)[: to_numpy(index).shape[0]]
        return part

    def _levels(self, n):
        """Return the first n weights, on the host."""
        if isinstance(self.weights, str):
            return self.for_features(n).weights
        return on_host(self.weights)[:n].astype(np.float64, copy=False)

    def entering(self, gradient, used, lam, share):
        """Tell which features at 0 break the optimality conditions of an output.

        Parameters
        ----------
        gradient : ndarray of shape (p,)
            Gradient of the smooth part.
        used : ndarray of bool of shape (p,)
            Features in use, which take the largest weights.
        lam : ndarray of shape (p,)
            Level per feature.
        share : float
            Below 1 names near-violators too.

        Returns
        -------
        wanted : ndarray of bool of shape (p,)
            The leading features of the order, up to where the sum of their excess over
            the remaining weights is largest.
        score : ndarray of shape (p,)
            Excess of each feature over its weight.
        """
        wanted, score = np.zeros(used.size, dtype=bool), np.zeros(used.size)
        index = np.flatnonzero(~used & (lam > 0) & np.isfinite(lam))
        if index.size == 0:
            return wanted, score
        force = np.abs(gradient[index]) / lam[index]
        order = np.argsort(-force, kind="stable")
        taken = int(np.count_nonzero(used & (lam > 0)))
        weights = self._levels(taken + index.size)[taken:]
        excess = force[order] - share * weights
        total = np.cumsum(excess)
        last = int(total.argmax())
        if total[last] > 0.0:
            wanted[index[order[: last + 1]]] = True
        score[index[order]] = excess * lam[index[order]]
        return wanted, score

    def _norm(self, v):
        size = np.sort(np.abs(v))[::-1]
        return float(size @ self._levels(v.size))

    def _shrink(self, z, step):
        size = np.abs(z)
        order = np.argsort(-size, kind="stable")
        pooled = _pool(size[order] - step * self._levels(z.size))
        out = np.empty_like(z)
        out[order] = np.maximum(pooled, 0.0)
        return np.copysign(out, z) * (out > 0)

    def _dual_norm(self, u):
        size = np.cumsum(np.sort(np.abs(u))[::-1])
        return float((size / np.cumsum(self._levels(u.size))).max())

    def _residual(self, v, u, eps):
        labels, signs, _ = self._pieces(v, eps)
        weights = self._levels(v.size)
        out = np.empty_like(u)
        force = np.where(labels < 0, np.abs(u), u * signs)
        rank = np.where(labels < 0, labels.max(initial=-1) + 1, labels)
        order = np.lexsort((-force, rank))
        excess, start = force[order] - weights, 0
        for size in np.bincount(rank):
            part = slice(start, start + size)
            if size > 1:
                excess[part] = _pool(excess[part])
            start += size
        out[order] = excess
        return np.where(labels < 0, np.maximum(out, 0.0), out)

    def _pieces(self, v, eps):
        size = np.abs(v)
        order = np.argsort(-size, kind="stable")
        ranked = size[order]
        opens = np.ones(v.size, dtype=bool)
        opens[1:] = ranked[:-1] - ranked[1:] > 4.0 * eps * ranked[:-1]
        rank = np.cumsum(opens) - 1
        used = ranked > 0
        labels = np.full(v.size, -1)
        labels[order[used]] = rank[used]
        slopes = np.bincount(rank[used], weights=self._levels(v.size)[used])
        return labels, np.where(v < 0, -1.0, 1.0), slopes


def _pool(values):
    """Return the nonincreasing vector nearest to the values."""
    return isotonic_regression(values, increasing=False).x
