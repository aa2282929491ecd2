r"""Second moments of rows and targets of bounded norm, released with Gaussian noise.

Release: G = sum x x' (d, d), s = sum x (d,), B = sum x y' (d, K), t = sum y (K,) over
the rows x with norm(x) <= R and the targets y with abs(y_k) <= 1, which are all that
least squares takes. With an intercept the corner of the bordered matrix is the number
of rows N, which is public and needs no noise; without one s and t are not read.

Sensitivity. The moments are released together, as one vector: each is divided by its
weight, w_G, w_s, w_B, w_t. The neighbour relation is that one row counts as nothing, so
the vector changes by what that row adds, whose squared norm is at most

    S^2 = k_G / w_G^2 + R^2 / w_s^2 + K R^2 / w_B^2 + K / w_t^2,

since norm(x y') = norm(x) norm(y) and norm(y)^2 <= K. G is symmetric: its d (d + 1) / 2
entries on and above the diagonal are released, and the others are the same numbers.
Let f be the ratio of the weight of its diagonal to that of the others. There are two
ways to choose f, and the smaller k_G is taken:

- rows in a ball, f = sqrt(2): k_G = sum_{i<j} x_i^2 x_j^2 + sum_i x_i^4 / 2
  = norm(x)^4 / 2 <= R^4 / 2, attained by every x of norm R;
- rows also in a box, abs(x_i) <= h, f = 1, and h^2 / 2 taken off each x_i^2: as
  sum_i x_i^4 >= norm(x)^4 / d, and abs(x_i^2 - h^2 / 2) <= h^2 / 2,
  k_G <= (1 - 1/d) R^4 / 2 + d h^4 / 4, attained where all abs(x_i) = h = R / sqrt(d).

A ball of radius R and a box of width h bound norm(x) by min(R, h sqrt(d)). What was
taken off the diagonal is added again for all N rows, a public number: a row that counts
as nothing is then one with squares h^2 / 2. Noise of standard deviation sigma S w on a
moment of the weight w is a Gaussian mechanism of the noise multiplier sigma. If a row
can have other values in the neighbour, the sensitivity is twice as large.

Source: Y.-X. Wang, Revisiting differentially private linear regression, UAI 2018, who
adds noise to the moments one by one, with G in the upper triangle; together, with these
weights and without noise for N, the same budget buys less noise.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    device_of,
    index_like,
    is_sparse,
    namespace,
)
from skopt2.solvers.privacy.query import ClippedSum

# Noise of X'X relative to that of the other moments, for ridge regression: it is
# multiplied by the coefficients, which are larger than 1 where features are centred.
GRAM_WEIGHT = 0.6


@dataclass(frozen=True, eq=False)
class NoisyMoments:
    """Released moments; everything computed from them is as private as they are.

    Parameters
    ----------
    gram : array of shape (d, d)
        G, symmetric, perhaps not definite.
    total : array of shape (d,) or None
        s; None without an intercept.
    cross : array of shape (d, K) or None
        B; None where the targets were not read.
    target : array of shape (K,) or None
        t; None without an intercept or targets.
    n_rows : int
        Public number of rows N.
    std, diagonal_std, total_std, cross_std, target_std : float
        Standard deviations of the noise of G outside of and on its diagonal, s, B, t.
    """

    gram: Any
    total: Any
    cross: Any
    target: Any
    n_rows: int
    std: float
    diagonal_std: float
    total_std: float
    cross_std: float
    target_std: float


class MomentQuery(ClippedSum):
    """Moments of rows, and by how much one row can change them.

    Parameters
    ----------
    rows : Rows
        With targets in [-1, 1], where they are read.
    n_outputs : int or None, default=None
        Targets K of a row; None for one, as a vector.
    with_targets : bool, default=True
        Whether to read the targets.
    box : float or None, default=None
        Bound h of the absolute values of all features; None where there is none.
    gram_weight : float, default=0.6
        Weight w_G; those of the other moments are 1.

    Attributes
    ----------
    clipping_norm : float
        S, the bound of the norm of what one row adds to the weighted moments.
    n_rows : int
        Rows of the last pass: their public number, whatever they hold.
    """

    def __init__(
        self,
        rows,
        *,
        n_outputs=None,
        with_targets=True,
        box=None,
        gram_weight=GRAM_WEIGHT,
    ):
        self.rows, self.n_rows = rows, rows.n_rows
        self.n_outputs = n_outputs
        self.with_targets = with_targets
        self.gram_weight = float(gram_weight)
        d, K, bias = rows.n_features, n_outputs or 1, bool(rows.fit_intercept)
        # Room for the rounding of the factors that bound the norms, in float32 even.
        slack = 1.0 + (d + 8) * 1.2e-7
        radius = rows.feature_norm * slack
        box = math.inf if box is None else box * slack
        radius = min(radius, box * math.sqrt(d))
        ball = radius**4 / 2
        boxed = math.inf
        if math.isfinite(box):
            boxed = (1 - 1 / d) * radius**4 / 2 + d * box**4 / 4
        in_box = boxed <= ball
        # What is taken off the diagonal, and the relative noise there.
        self._middle = box * box / 2 if in_box else 0.0
        self._diagonal = 1.0 if in_box else math.sqrt(2.0)
        squared = min(ball, boxed) / self.gram_weight**2
        squared += bias * radius**2 + with_targets * K * (radius**2 + bias)
        self.clipping_norm = math.sqrt(squared)
        # Lengths of s, B and t, after those of the diagonal of G and what is above it.
        self._lengths = (bias * d, with_targets * d * K, with_targets * bias * K)
        self.shape = (d * (d + 1) // 2 + sum(self._lengths),)

    def clipped_sum(self, W=None, rows=None):
        """Return the weighted moments as one vector, from one pass over all rows.

        Parameters
        ----------
        W : None
            Nothing depends on parameters.
        rows : None
            All rows.

        Returns
        -------
        vector : array of shape (m,)
            Diagonal of G, what is above it row by row, s, B, t, over their weights;
            before any noise: not to be released.
        """
        gram, *others = self.sums()
        xp, d = namespace(gram), gram.shape[0]
        flat = xp.reshape(gram, (-1,))
        i, j = np.triu_indices(d, 1)
        diagonal = _at(flat, np.arange(d) * (d + 1)) / self._diagonal
        parts = [xp.concat([diagonal, _at(flat, i * d + j)]) / self.gram_weight]
        parts += [xp.reshape(part, (-1,)) for part in others if part is not None]
        return xp.concat(parts)

    def sums(self):
        """Return the moments, with the middle of the box taken off the diagonal of G.

        Returns
        -------
        gram, total, cross, target : array or None
            float64, before any noise: not to be released.
        """
        sums, kept, n_rows = None, 0.0, 0
        for block in self.rows.blocks():
            parts = self._block(block)
            if sums is None:
                sums = parts
            else:
                pairs = zip(sums, parts, strict=True)
                sums = [None if old is None else old + new for old, new in pairs]
            kept = kept + _sum(block.keep)
            n_rows += block.X.shape[0]
        self.n_rows = n_rows
        gram, *others = sums
        return (gram - (self._middle * kept) * _eye(gram), *others)

    def _block(self, block):
        """Return the moments of one block of rows, in float64."""
        xp = namespace(block.y)
        wide = accumulation_dtype(block.y)
        factor = xp.astype(block.scale * block.keep, wide)
        y = xp.astype(block.y, wide) * xp.astype(
            block.keep if block.y.ndim == 1 else block.keep[:, None], wide
        )
        if y.ndim == 1:
            y = y[:, None]
        if is_sparse(block.X):
            X = block.X.astype(wide)
            X = X.multiply(factor[:, None]).tocsr()
            gram = xp.asarray((X.T @ X).toarray())
            ones = xp.ones_like(factor)
            total = X.T @ ones
        else:
            X = xp.astype(block.X, wide) * factor[:, None]
            gram = xp.matrix_transpose(X) @ X
            total = xp.sum(X, axis=0)
        bias = self.rows.fit_intercept
        return [
            gram,
            total if bias else None,
            X.T @ y if self.with_targets else None,
            xp.sum(y, axis=0) if bias and self.with_targets else None,
        ]

    def release(self, noise, multiplier, relation):
        """Return the moments with noise.

        Parameters
        ----------
        noise : NoiseSource
            Asked once, for the vector of all of them.
        multiplier : float
            Noise multiplier sigma.
        relation : {"zero_out", "replace_one"}
            Which data sets are neighbours.

        Returns
        -------
        moments : NoisyMoments
            Releasable.
        """
        vector = noise.added(self, None, multiplier, relation)
        unit = multiplier * self.sensitivity(relation)
        std = unit * self.gram_weight
        d, K = self.rows.n_features, self.n_outputs or 1
        start, parts = d * (d + 1) // 2, []
        for length in self._lengths:
            parts.append(vector[start : start + length] if length else None)
            start += length
        total, cross, target = parts
        if cross is not None:
            cross = namespace(cross).reshape(cross, (d, K))
        return NoisyMoments(
            gram=self._unpacked(vector),
            total=total,
            cross=cross,
            target=target,
            n_rows=self.n_rows,
            std=std,
            diagonal_std=std * self._diagonal,
            total_std=unit if total is not None else 0.0,
            cross_std=unit if cross is not None else 0.0,
            target_std=unit if target is not None else 0.0,
        )

    def _unpacked(self, vector):
        """Return G of a vector, with the middle of the box for all rows."""
        xp, d = namespace(vector), self.rows.n_features
        place = np.zeros((d, d), dtype=int)
        i, j = np.triu_indices(d, 1)
        place[i, j] = place[j, i] = d + np.arange(i.size)
        np.fill_diagonal(place, np.arange(d))
        gram = xp.reshape(_at(vector, place.ravel()), (d, d)) * self.gram_weight
        eye = _eye(gram)
        gram = gram * (1.0 + (self._diagonal - 1.0) * eye)
        return gram + (self.n_rows * self._middle) * eye


def _at(x, index):
    """Return elements of a vector by host indices."""
    xp = namespace(x)
    return xp.take(x, index_like(index, x))


def _eye(gram):
    xp = namespace(gram)
    return xp.eye(gram.shape[0], dtype=gram.dtype, device=device_of(gram))


def _sum(keep):
    xp = namespace(keep)
    return xp.sum(xp.astype(keep, accumulation_dtype(keep)))
