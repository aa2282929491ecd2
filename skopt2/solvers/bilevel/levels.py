"""How the penalties of the features depend on the hyperparameters.

Penalty: sum_j l1_j abs(w_j) + l2_j / 2 w_j^2, with l1 = factor_j r exp(theta_g) and
l2 = factor_j (1 - r) exp(theta_h), g = g(j) and h = h(j) hyperparameters of feature j.
Symbols: theta (d,) logarithms of the levels; factor (p,) in [0, inf]; r the share of
the l1 norm. With one theta for each of the two terms r is 1 in both.
"""

import numpy as np


class Levels:
    """Levels of the two terms of the penalty, feature by feature.

    Parameters
    ----------
    index : ndarray of int of shape (p,)
        Hyperparameter of each feature.
    factor : ndarray of shape (p,)
        Multiplies the level; inf excludes a feature.
    l1_ratio : float or None
        Share of the l1 norm; None for a hyperparameter of its own for each term, the
        first for the l1 norm.
    """

    def __init__(self, index, factor, l1_ratio):
        self.factor = factor
        self.used = np.flatnonzero(np.isfinite(factor))
        if l1_ratio is None:
            self.index = np.zeros_like(index), np.ones_like(index)
            self._share = 1.0, 1.0
            self.n = 2
        else:
            self.index = index, index
            self._share = l1_ratio, 1.0 - l1_ratio
            self.n = int(index.max()) + 1
        self.has_terms = l1_ratio is None
        self.has_l1, self.has_l2 = (share > 0 for share in self._share)

    def at(self, theta):
        """Return l1 and l2, each (p,), 0 for excluded features."""
        finite = np.where(np.isfinite(self.factor), self.factor, 0.0)
        level = np.exp(theta)
        return tuple(
            share * finite * level[index]
            for share, index in zip(self._share, self.index, strict=True)
        )

    def elastic_net(self, theta):
        """Return the levels of one elastic net, (p,), and its share of the l1 norm."""
        level = np.exp(theta)
        with np.errstate(invalid="ignore"):
            if self.has_terms:
                total = float(level.sum())
                lam, ratio = total * self.factor, float(level[0]) / total
            else:
                lam, ratio = level[self.index[0]] * self.factor, self._share[0]
        return np.where(np.isinf(self.factor), np.inf, lam), ratio

    def pull_back(self, first, second, features):
        """Return the gradient in theta of what has these slopes in log l1 and log l2.

        Parameters
        ----------
        first, second : ndarray of shape (k,)
            Derivatives, one for each of the features.
        features : ndarray of int of shape (k,)
            Their numbers, which may repeat.
        """
        one, two = (index[features] for index in self.index)
        gradient = np.bincount(one, first, self.n)
        return gradient + np.bincount(two, second, self.n)
