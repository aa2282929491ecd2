"""What a Monge-gap map minimises, as a function of its coefficients.

Problem: min_W [S(T#mu, nu) + lam M(T)] / kappa + alpha / 2 abs(W_r)^2 with

    T(x) = x + scale (shift + W'phi(x)),  phi(x) = (1, z, cos features of z),
    S(p, q) = W_eps(p, q) - W_eps(p, p) / 2 - W_eps(q, q) / 2,
    M(T) = sum_i a_i c(x_i, T x_i) - S(mu, T#mu).

Symbols: mu, nu source (n, d) and target (m, d) measures of weights a, b; z = (x -
origin) / scale; phi (k,); W (k, d), W_r its rows for the cosine features; c the ground
cost, kappa its mean between target and shifted source; W_eps the entropic cost of
:mod:`skopt2.transport.entropic_cost`.

M is the Monge gap: what T costs more than the best coupling of its input and output. It
vanishes where T is optimal for c, whatever its image is. With the debiased S in the
place of W_eps its gradient vanishes at the identity, instead of driving T outwards; the
self terms W_eps(T#mu, T#mu) of S and M cancel for lam = 1.

For squared distances M does not feel a translation of T, so the source is compared with
the image around the target's mean, where no digits cancel.

Source: T. Uscidda and M. Cuturi, The Monge gap: a regularizer to learn all transport
maps, ICML 2023 (definition 1, section 4).
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import all_finite, asarray_like, namespace, to_numpy
from skopt2.transport.entropic_cost import EntropicCost, SelfCost, pair_costs


@dataclass(frozen=True, eq=False)
class Displacement:
    """The form of a map: where its features are centred, and which they are.

    Parameters
    ----------
    origin : ndarray of shape (d,)
        Point where z = 0.
    scale : float
        Unit of z.
    shift : ndarray of shape (d,)
        Translation of the map at W = 0, divided by ``scale``.
    frequencies : ndarray of shape (d, q)
        Of the cosine features, per unit of z.
    phases : ndarray of shape (q,)
        Of the cosine features.
    """

    origin: np.ndarray
    scale: float
    shift: np.ndarray
    frequencies: np.ndarray
    phases: np.ndarray

    @property
    def n_rows(self):
        """Number of rows k of W."""
        return 1 + self.origin.size + self.phases.size

    def features(self, X):
        """Return phi of shape (n, k), beside X."""
        xp = namespace(X)
        z = (X - asarray_like(self.origin, X)) / self.scale
        parts = [xp.ones_like(z[:, :1]), z]
        q = self.phases.size
        if q:
            angle = z @ asarray_like(self.frequencies, X)
            angle = angle + asarray_like(self.phases, X)
            parts.append(xp.cos(angle) * (2.0 / q) ** 0.5)
        return xp.concat(parts, axis=1)

    def parameters(self, W):
        """Return the map as T(x) = x @ matrix' + offset + cos features @ coef.

        Returns
        -------
        parameters : dict of ndarray
            ``matrix`` (d, d), ``offset`` (d,), ``frequencies`` (d, q) and ``phases``
            (q,) for x itself, ``coef`` (q, d) with the factor sqrt(2 / q) in it.
        """
        d, q = self.origin.size, self.phases.size
        linear = W[1 : 1 + d].T
        frequencies = self.frequencies / self.scale
        return {
            "matrix": np.eye(d) + linear,
            "offset": self.scale * (self.shift + W[0]) - linear @ self.origin,
            "frequencies": frequencies,
            "phases": self.phases - self.origin @ frequencies,
            "coef": self.scale * (2.0 / max(q, 1)) ** 0.5 * W[1 + d :],
        }


def displacement_between(X, Y, a, b, *, n_components=0, length_scale=None, rng=None):
    """Return the form of a map from one cloud to another, in their own units.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Source and target.
    a, b : array of shape (n,), (m,)
        Weights with sum 1, beside the points.
    n_components : int, default=0
        Number q of random Fourier features, of the Gaussian kernel
        exp(-abs(x - x')^2 / (2 length_scale^2)).
    length_scale : float, default=None
        In the units of the points; None for the root mean square distance between
        target and shifted source.
    rng : numpy.random.Generator, default=None
        Draws the random features.

    Returns
    -------
    form : Displacement
        Which at W = 0 moves the mean of X to that of Y.
    """
    (mean_x, spread_x), (mean_y, spread_y) = _moments(X, a), _moments(Y, b)
    scale = math.sqrt(spread_x + spread_y) or 1.0
    shape, phases = (mean_x.size, n_components), np.zeros(0)
    frequencies = np.zeros(shape)
    if n_components:
        length = 1.0 if length_scale is None else length_scale / scale
        frequencies = rng.standard_normal(shape) / length
        phases = rng.uniform(0.0, 2.0 * np.pi, n_components)
    return Displacement(mean_x, scale, (mean_y - mean_x) / scale, frequencies, phases)


def _moments(X, weight):
    """Return the mean in host memory and the total variance."""
    mean = to_numpy(weight @ X).astype(np.float64)
    centred = X - asarray_like(mean, X)
    spread = to_numpy(weight @ (centred * centred)).astype(np.float64)
    return mean, float(spread.sum())


class MapEnergy:
    """The objective of the coefficients and its gradient.

    Parameters
    ----------
    X, Y : array of shape (n, d), (m, d)
        Source and target, on one device and in one dtype.
    a, b : ndarray of shape (n,), (m,)
        Positive weights with sum 1, in host memory.
    form : Displacement
        Of the map.
    metric : str
        Ground cost.
    reg : float
        Regularisation eps, in the units of the cost.
    kappa : float
        Mean cost.
    gap_strength : float
        lam.
    alpha : float
        Ridge penalty on the coefficients of the cosine features.
    tol : float
        Tolerance of the marginal errors of the entropic problems.
    """

    def __init__(
        self, X, Y, a, b, form, metric, reg, *, kappa, gap_strength, alpha, tol
    ):
        self.X, self.Y, self.form, self.metric = X, Y, form, metric
        self.kappa, self.lam, self.alpha = kappa, gap_strength, alpha
        self.weight = asarray_like(a, X)
        self.phi = form.features(X)
        shift = asarray_like(form.scale * form.shift, X)
        self.base = X + shift
        self.source = self.base if metric == "sqeuclidean" else X
        self.toward = EntropicCost(a, b, metric, reg, tol)
        self.back = EntropicCost(a, a, metric, reg, tol)
        self.own = SelfCost(a, metric, reg, tol)
        self.source_cost, _ = SelfCost(a, metric, reg, tol).value_and_gradient(
            self.source
        )
        self.target_cost, _ = SelfCost(b, metric, reg, tol).value_and_gradient(Y)

    def start(self):
        """Return the flat coefficients of a translation, which the fit starts from."""
        return np.zeros(self.form.n_rows * self.form.origin.size)

    def image(self, w):
        """Return T(X) for flat coefficients."""
        W = w.reshape(self.form.n_rows, -1)
        return self.base + self.phi @ asarray_like(self.form.scale * W, self.X)

    def __call__(self, w):
        """Return the objective and its gradient for flat coefficients (k * d,)."""
        image = self.image(w)
        if not all_finite(image):
            return np.inf, np.zeros_like(w)
        value, gradient = self.toward.value_and_gradient(image, self.Y)
        value -= 0.5 * self.target_cost
        share = 0.5 * (self.lam - 1.0)
        if share:
            own, slope = self.own.value_and_gradient(image)
            value, gradient = value + share * own, gradient + share * slope
        if self.lam:
            pairs, pull = pair_costs(self.metric, image, self.source, self.weight)
            best, slope = self.back.value_and_gradient(image, self.source)
            value += self.lam * (pairs - best + 0.5 * self.source_cost)
            gradient = gradient + self.lam * (pull - slope)
        return self._flatten(w, value, gradient)

    def _flatten(self, w, value, gradient):
        """Return value and gradient in W of those in the image."""
        xp = namespace(gradient)
        slope = xp.matrix_transpose(self.phi) @ xp.astype(gradient, self.phi.dtype)
        slope = to_numpy(slope).astype(np.float64) * (self.form.scale / self.kappa)
        W = w.reshape(self.form.n_rows, -1)
        first = 1 + self.form.origin.size
        slope[first:] += self.alpha * W[first:]
        ridge = 0.5 * self.alpha * float((W[first:] ** 2).sum())
        return value / self.kappa + ridge, slope.ravel()

    def figures(self, w):
        """Return the divergence from the target, the Monge gap and the marginal error.

        Returns
        -------
        figures : dict of float
            ``divergence`` and ``gap`` in the units of the cost, ``marginal_error`` the
            largest of the entropic problems.
        """
        image = self.image(w)
        toward, _ = self.toward.value_and_gradient(image, self.Y)
        own, _ = self.own.value_and_gradient(image)
        back, _ = self.back.value_and_gradient(image, self.source)
        pairs, _ = pair_costs(self.metric, image, self.source, self.weight)
        terms = (self.toward, self.own, self.back)
        return {
            "divergence": toward - 0.5 * (own + self.target_cost),
            "gap": pairs - back + 0.5 * (own + self.source_cost),
            "marginal_error": max(term.marginal_error for term in terms),
        }
