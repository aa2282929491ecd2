"""The fused lasso: few coefficients, and few changes along the order of the features.

Penalty: J(v) = rho * sum_j abs(v_j) + (1 - rho) * sum_j abs(v_{j+1} - v_j), rho =
l1_ratio in (0, 1]; pen(w; lam) = J(lam * w), where features with level 0 or inf are
left out of the chain and their neighbours become neighbours.

prox: that of the total variation, then soft thresholding. Dual norm: every vector is a
sum of indicators of intervals I with signs, along which J adds up, so that J°(u) is the
largest abs(sum_{j in I} u_j) / (rho * size(I) + (1 - rho) * ends(I)), ends(I) in {0, 1,
2} the number of ends inside the chain. The fraction is maximised by Dinkelbach's
iteration, each step the search for an interval with the largest sum, O(p).

Sources: R. Tibshirani, M. Saunders, S. Rosset, J. Zhu and K. Knight, Sparsity and
smoothness via the fused lasso, JRSS B 67, 2005, eq. 3; J. Friedman, T. Hastie, H.
Hoefling and R. Tibshirani, Pathwise coordinate optimization, Annals of Applied
Statistics 1, 2007, proposition 1 (order of the proxes); W. Dinkelbach, On nonlinear
fractional programming, Management Science 13, 1967.
"""

import numpy as np

from skopt2._core.parameters import check_number
from skopt2.penalties.base import soft_threshold
from skopt2.penalties.structured import StructuredPenalty
from skopt2.penalties.total_variation import shrink_variation


class FusedLasso(StructuredPenalty):
    """L1 norm plus total variation along the order of the features.

    For features with an order, such as places of a spectrum or lags: the coefficients
    come out constant on stretches, and 0 on most of them. The penalty of several
    outputs is the sum over outputs.

    Parameters
    ----------
    l1_ratio : float, default=0.5
        Share of the l1 norm, in (0, 1]; the rest is that of the total variation.

    References
    ----------
    Tibshirani, Saunders, Rosset, Zhu and Knight, JRSS B 67, 2005; Johnson, J.
    Computational and Graphical Statistics 22, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import FusedLasso
    >>> z = np.array([0.0, 1.0, 5.0, 6.0])
    >>> FusedLasso().prox(z, 2.0, np.ones(4)).tolist()
    [0.0, 0.0, 4.0, 4.0]
    """

    name = "fused_lasso"

    def __init__(self, l1_ratio=0.5):
        self.l1_ratio = l1_ratio

    def check_parameters(self, n_features=None):
        """Raise ValueError unless l1_ratio is in (0, 1]."""
        check_number(
            "l1_ratio",
            self.l1_ratio,
            0,
            1,
            closed="high",
            of="the fused lasso penalty",
            hint="For the total variation alone take a small number such as 1e-3.",
        )

    def _shares(self):
        """Return the factors of the l1 norm and of the total variation."""
        return float(self.l1_ratio), 1.0 - float(self.l1_ratio)

    def _norm(self, v):
        size, change = self._shares()
        return float(size * np.abs(v).sum() + change * np.abs(np.diff(v)).sum())

    def _shrink(self, z, step):
        size, change = self._shares()
        return soft_threshold(shrink_variation(z, step * change), step * size)

    def _dual_norm(self, u):
        return max(self._largest_interval(u), self._largest_interval(-u))

    def _largest_interval(self, u):
        """Return the largest ratio of a sum of u over an interval to its norm."""
        size, change = self._shares()
        p = u.size
        place = np.arange(p + 1)
        total = np.concatenate([[0.0], np.cumsum(u)])
        inner = (place > 0) & (place < p)
        ratio = 0.0
        # Each ratio is that of a better interval, so the iteration is finite: it takes
        # a few steps, and far fewer than this even for the worst of data.
        for _ in range(100):
            tilted = total - ratio * size * place
            opens = tilted + ratio * change * inner
            closes = (tilted - ratio * change * inner)[1:]
            gain = closes - np.minimum.accumulate(opens[:-1])
            end = int(gain.argmax()) + 1
            start = int(opens[:end].argmin())
            norm = size * (end - start) + change * (int(inner[start]) + int(inner[end]))
            better = (total[end] - total[start]) / norm
            if not better > ratio * (1.0 + 1e-15):
                break
            ratio = better
        return float(ratio)

    def _slopes(self, v, eps):
        """Return the linear part of J around v, and where neighbours differ."""
        size, change = self._shares()
        gap = np.diff(v)
        largest = np.maximum(np.abs(v[1:]), np.abs(v[:-1]))
        jumps = (np.abs(gap) > 4.0 * eps * largest) | ((v[1:] == 0) != (v[:-1] == 0))
        flow = np.where(jumps, np.sign(gap), 0.0)
        slopes = size * np.sign(v)
        slopes[1:] += change * flow
        slopes[:-1] -= change * flow
        return slopes, jumps

    def _residual(self, v, u, eps):
        size, change = self._shares()
        slopes, jumps = self._slopes(v, eps)
        force = u - slopes
        edges = np.concatenate([[0], np.flatnonzero(jumps) + 1, [v.size]])
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            if end - start > 1:
                force[start:end] = shrink_variation(force[start:end], change)
        return np.where(v == 0, soft_threshold(force, size), force)

    def _pieces(self, v, eps):
        slopes, jumps = self._slopes(v, eps)
        run = np.concatenate([[0], np.cumsum(jumps)])
        used = v != 0
        labels = np.full(v.size, -1)
        _, labels[used] = np.unique(run[used], return_inverse=True)
        return labels, np.ones(v.size), np.bincount(labels[used], slopes[used])
