"""What every exchange of one feature would gain, all at once.

Problem: min_(w, b) f(w, b) + sum_j lam_j [w_j != 0], at a refitted support S.
Symbols: A (n, k) the centred columns of S (and those that are not penalised, and the
constant), H_A = A' diag(s * l'') A, P = H_A^-1, g the gradient of f, which is 0 on S;
K = X' diag(s * l'') A (p, k), M = K P; D (p,) second derivatives.

The quadratic model of f gives all exchanges of one feature, and for the squared loss it
gives them exactly:

    r_j   = w_j^2 / (2 P_jj)                       rise of f if j leaves,
    g_lj  = g_l - M_lj w_j / P_jj,                 gradient of l once j is out,
    d_lj  = D_l - K_l' P K_l + M_lj^2 / P_jj,      curvature of l beside what is left,
    F changes by lam_l - lam_j + r_j - g_lj^2 / (2 d_lj) if l takes the place of j.

Without j the coefficients are w - P_j w_j / P_jj and the inverse P - P_j P_j' / P_jj,
so that features leave one after another at the cost of one outer product each.

Source: J. Zhu, C. Wen, J. Zhu, H. Zhang and X. Wang, A polynomial algorithm for best
subset selection problem, PNAS 117, 2020 (sacrifices); M. Efroymson, Multiple regression
analysis, in Mathematical Methods for Digital Computers, 1960 (sweeping features out).
"""

import numpy as np


class Scores:
    """What every exchange of one feature would gain, by the quadratic model.

    Parameters
    ----------
    problem : LinearProblem
        For the levels.
    fit : Fit
        Refitted support.
    g, D : ndarray of shape (p,)
        Gradient and curvature of each feature.
    K : ndarray of shape (p, k)
        Products with the support, or without rows: then M counts as 0.
    P : ndarray of shape (k, k)
        Inverse Hessian on the support.
    offset : int
        1 if the first of the k is the intercept.
    """

    def __init__(self, problem, fit, g, D, K, P, offset):
        lam = problem.lam
        self._fit, self._inverse, self._offset = fit, P, offset
        self.support = np.flatnonzero((lam[fit.ids] > 0) & (fit.w != 0))
        self.ids, self.lam, self.g = fit.ids[self.support], lam, g
        rows = self.support + offset
        # An inverse has at least the inverse diagonal: less is rounding.
        self._least = 1.0 / np.maximum(D[fit.ids], 1e-300)
        self.pivot = np.maximum(P.diagonal()[rows], self._least[self.support])
        self.w = fit.w[self.support]
        self.rise = self.w**2 / (2.0 * self.pivot)
        self.M = None
        own = D
        if K.shape[0]:
            M = K @ P
            own = np.maximum(D - np.einsum("lj,lj->l", M, K), 1e-8 * D)
            self.M = M[:, rows]
        self.own = own
        self.outside = np.isfinite(lam)
        self.outside[fit.ids] = False
        self.marginal = np.where(self.outside, g * g / (2.0 * D), -np.inf)
        self.fall = np.where(self.outside, g * g / (2.0 * own) - lam, -np.inf)

    def leaving(self, m):
        """Return the features of the support whose loss costs least, at most m."""
        return self.ids[np.argsort(self.rise - self.lam[self.ids])[:m]]

    def entering(self, m):
        """Return the other features of the largest marginal gain, at most m."""
        m = min(m, int(self.outside.sum()))
        return np.argsort(-self.marginal)[:m]

    def worthwhile(self):
        """Return the features that stay when the useless ones leave, worst first.

        Useless is what costs more than its absence, by the quadratic model.
        """
        fit, offset = self._fit, self._offset
        P, stay = self._inverse.copy(), np.ones(fit.ids.size, dtype=bool)
        w = np.concatenate([np.zeros(offset), fit.w])
        levels = self.lam[fit.ids]
        stay[fit.w == 0.0] = levels[fit.w == 0.0] == 0.0
        for _ in range(fit.ids.size):
            pivot = np.maximum(P.diagonal()[offset:], self._least)
            rise = w[offset:] ** 2 / (2.0 * pivot)
            gain = np.where(stay, levels - rise, -np.inf)
            j = int(np.argmax(gain))
            if not gain[j] > 0.0:
                break
            column = P[:, offset + j].copy()
            w -= column * (w[offset + j] / pivot[j])
            P -= np.multiply.outer(column, column / pivot[j])
            stay[j] = False
        return fit.ids[stay]

    def best(self, count):
        """Return the best moves as (gain, features that leave, features that enter)."""
        nothing = np.empty(0, dtype=np.int64)
        moves = []
        if self.ids.size:
            j = int(np.argmax(self.lam[self.ids] - self.rise))
            gain = float(self.lam[self.ids[j]] - self.rise[j])
            moves.append((gain, self.ids[j : j + 1], nothing))
        if self.outside.any():
            for new in np.argsort(-self.fall)[:count]:
                moves.append((float(self.fall[new]), nothing, np.array([new])))
            if self.ids.size:
                moves += self._exchanges(count)
        moves.sort(key=lambda move: -move[0])
        return moves[:count]

    def _exchanges(self, count):
        """Return the best exchanges: each feature that may leave with its successor."""
        levels = np.where(self.outside, self.lam, 0.0)[:, None]
        g, own = self.g[:, None], self.own[:, None]
        if self.M is not None:
            g = g - self.M * (self.w / self.pivot)
            own = own + self.M * self.M / self.pivot
        gain = np.where(self.outside[:, None], g * g / (2.0 * own) - levels, -np.inf)
        new = np.argmax(gain, axis=0)
        new = np.broadcast_to(new, self.ids.shape)
        best = gain[new, np.arange(self.ids.size) if gain.shape[1] > 1 else 0]
        total = best + self.lam[self.ids] - self.rise
        return [
            (float(total[j]), self.ids[j : j + 1], new[j : j + 1])
            for j in np.argsort(-total, kind="stable")[:count]
        ]
