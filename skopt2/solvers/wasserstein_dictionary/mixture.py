"""Mixtures of atoms, each a product of one histogram for every mode.

Symbols: T (N, k) codes, rows on the simplex; F_m (k, n_m) factors of mode m, rows on
the simplex; D (k, n) atoms, D_j = F_1j x ... x F_dj in row-major order, n the product
of the n_m; q_i = sum_j T_ij D_j. With one mode D = F_1, without structure.

q is linear in T, and in every F_m while the others are fixed. With slopes g_i = dH/dq_i
the slopes of the mean of N losses are (1 / N) g_i D' for T_i, and for F_m
(1 / N) sum_i T_ij g_i, contracted with the factors of the other modes.

Source: D. Kwon and H. Lyu, Complexity of block coordinate descent with proximal
regularization and applications to Wasserstein CP-dictionary learning, ICML 2023 (the
CP model of joint histograms).
"""

import math

from skopt2._core.array import namespace


class Mixture:
    """The multilinear map from codes and factors to mixtures.

    Parameters
    ----------
    lengths : tuple of int
        Numbers of bins of the modes.
    """

    def __init__(self, lengths):
        self.lengths = tuple(lengths)
        self.n = math.prod(self.lengths)

    def atoms(self, factors):
        """Return D, shape (k, n)."""
        xp, D = namespace(factors[0]), factors[0]
        for F in factors[1:]:
            D = xp.reshape(D[:, :, None] * F[:, None, :], (D.shape[0], -1))
        return D

    def slope(self, T, g, factors, mode):
        """Return the slopes of the mean loss for the factors of a mode, (k, n_m)."""
        xp, d = namespace(g), len(self.lengths)
        c = (T.T @ g) * (1.0 / int(T.shape[0]))
        if d == 1:
            return c
        c = xp.reshape(c, (-1, *self.lengths))
        for other in range(d):
            if other != mode:
                shape = [1] * (d + 1)
                shape[0], shape[other + 1] = -1, self.lengths[other]
                c = c * xp.reshape(factors[other], tuple(shape))
        return xp.sum(c, axis=tuple(m + 1 for m in range(d) if m != mode))
