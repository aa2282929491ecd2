"""The entropic Wasserstein loss of mixtures, through its conjugate.

Problem: H_x(q) = min_P <P, C> + eps * sum P (log P - 1) over plans P with the marginals
x and q, less its minimum over all q: zero where q is the blurred x, which is
K' (x / (K 1)).

Symbols: x (n,) a histogram and q (n,) a mixture, both with sums of one; C (n, n);
K = exp(-C / eps); g (n,) the potential of q; N of each, in rows.

The conjugate and its gradient have a closed form,

    H_x*(g) = eps <x, log K exp(g / eps) - log K 1>,
    grad H_x*(g) = exp(g / eps) * K' (x / (K exp(g / eps))) =: q*(g),

so H_x(q) = max_g <q, g> - H_x*(g), and the maximiser is the gradient of H_x at q. It is
unique but for a constant, which no mixture of sum one can see. Every g gives a lower
bound, whose error is of second order in q - q*(g).

Source: A. Rolet, M. Cuturi and G. Peyre, Fast dictionary learning with a smoothed
Wasserstein loss, AISTATS 2016, section 3 (conjugate and gradient).
"""

import numpy as np

from skopt2._core.array import accumulation_dtype, dot64, namespace

# Masses below these are raised to them: their logarithms must be finite.
TINY = {"float64": 1e-300, "float32": 1e-37}


class EntropicLoss:
    """Losses of N mixtures against N histograms.

    Parameters
    ----------
    kernel : object
        With ``rows`` and ``cols``, see :mod:`.axes_kernel`; ``set_reg`` called.
    X : array of shape (N, n)
        Histograms with sums of one; zeros are allowed.
    """

    def __init__(self, kernel, X):
        xp = namespace(X)
        self.kernel, self.X, self.eps = kernel, X, kernel.eps
        self.tiny = TINY["float32" if X.dtype == xp.float32 else "float64"]
        with np.errstate(divide="ignore"):
            self.log_x = xp.log(X)
        self._base = kernel.rows(xp.zeros_like(X[:1, :]))

    def log_mass(self, g):
        """Return log q*(g), shape (N, n), the marginals that potentials lead to."""
        scaled = g * (1.0 / self.eps)
        return scaled + self.kernel.cols(self.log_x - self.kernel.rows(scaled))

    def ascend(self, g, q, damping=1.0):
        """Return better potentials for mixtures q, and how far q*(g) was from them.

        Parameters
        ----------
        g, q : array of shape (N, n)
            Potentials and mixtures.
        damping : float, default=1.0
            Share of the scaling step g + eps (log q - log q*(g)).

        Returns
        -------
        g : array of shape (N, n)
        mismatch : array of shape (N,)
            |q - q*|_1 at the old potentials, accumulated in float64.
        """
        xp = namespace(g)
        q = xp.where(q > self.tiny, q, xp.zeros_like(q) + self.tiny)
        log_mass = self.log_mass(g)
        mismatch = distance(q, xp.exp(log_mass))
        log_mass = xp.where(log_mass > -1e4, log_mass, xp.zeros_like(q) - 1e4)
        return g + (damping * self.eps) * (xp.log(q) - log_mass), mismatch

    def value(self, g, q):
        """Return the mean over the rows of <q, g> - H_x*(g), a bound from below."""
        moved = self.kernel.rows(g * (1.0 / self.eps)) - self._base
        return (dot64(q, g) - self.eps * dot64(self.X, moved)) / int(q.shape[0])

    def rows(self, index):
        """Return the losses of some of the rows.

        Parameters
        ----------
        index : array of int
            Beside ``X``.
        """
        new, xp = object.__new__(EntropicLoss), namespace(self.X)
        vars(new).update(vars(self))
        new.X = xp.take(self.X, index, axis=0)
        new.log_x = xp.take(self.log_x, index, axis=0)
        return new


def distance(p, q):
    """Return |p_i - q_i|_1 of the rows, shape (N,), accumulated in float64."""
    xp = namespace(p)
    return xp.sum(xp.abs(p - q), axis=1, dtype=accumulation_dtype(p))


def proximal(theta, c, rho):
    """Return argmin <c, .> + rho KL(. | theta) over the simplex, row by row.

    Parameters
    ----------
    theta, c : array of shape (k, m)
        Rows of sum one, and costs.
    rho : float
        Weight of the divergence.
    """
    xp = namespace(theta)
    new = theta * xp.exp((xp.min(c, axis=1, keepdims=True) - c) * (1.0 / rho))
    total = xp.sum(new, axis=1, keepdims=True)
    # All the mass may lie where the costs are far from their minimum.
    lost = total <= TINY["float32"]
    log = xp.log(xp.where(theta > 0, theta, xp.ones_like(theta))) - c * (1.0 / rho)
    log = xp.where(theta > 0, log, xp.zeros_like(theta) - xp.inf)
    safe = xp.exp(log - xp.max(log, axis=1, keepdims=True))
    new = xp.where(lost, safe, new)
    return new / xp.sum(new, axis=1, keepdims=True)
