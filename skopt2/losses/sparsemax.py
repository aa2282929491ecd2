"""The sparsemax loss.

Loss, p = max(eta - tau, 0) the projection of eta onto the simplex:
l(y, eta) = <p - y, eta> - (norm(p)^2 - norm(y)^2) / 2
          = norm(p - y)^2 / 2 + <y, max(tau - eta, 0)>, a sum without cancellation, with
y and eta of shape (n, K), the rows of y one-hot or distributions over the classes.
Conjugate: (norm(theta + y)^2 - norm(y)^2) / 2, rows of theta + y in the simplex.

Source: A. F. T. Martins and R. F. Astudillo, From softmax to sparsemax, ICML 2016:
the loss (section 3), its gradient p - y, and the Jacobian of p, diag(m) - m m' /
sum(m) with m the indicator of the support of p (section 2.5). For two classes it is
the Huber classification loss of eta_1 - eta_2.
"""

from skopt2._core.array import dot64, namespace
from skopt2._core.simplex import onto_simplex
from skopt2.losses.simplex import SimplexLoss


class Sparsemax(SimplexLoss):
    """Sparsemax loss: probabilities are the projection of the scores, many of them 0.

    References
    ----------
    Martins and Astudillo, From softmax to sparsemax: a sparse model of attention and
    multi-label classification, ICML 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Sparsemax
    >>> eta = np.array([[1.5, 1.0, -0.2]])
    >>> Sparsemax().inverse_link(eta).tolist()
    [[0.75, 0.25, 0.0]]
    >>> Sparsemax().gradient(np.array([[1.0, 0.0, 0.0]]), eta).tolist()
    [[-0.25, 0.25, 0.0]]
    """

    name = "sparsemax"

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        xp = namespace(eta)
        # A constant added to a row changes nothing but the digits of its product.
        eta = eta - xp.max(eta, axis=1, keepdims=True)
        p = self.inverse_link(eta)
        # eta - p is tau on the support of p and below it elsewhere.
        tau = xp.max(eta - p, axis=1, keepdims=True)
        short = xp.maximum(tau - eta, 0.0)
        return dot64(s, xp.sum(0.5 * (p - y) ** 2 + y * short, axis=1))

    def inverse_link(self, eta):
        """Projection of the rows of eta onto the simplex, shape (n, K)."""
        xp = namespace(eta)
        return xp.matrix_transpose(onto_simplex(xp.matrix_transpose(eta)))

    def curvature(self, y, eta):
        """Indicator m (n, K) of the support of p, which is diag(m) - m m' / sum(m)."""
        return namespace(eta).astype(self.inverse_link(eta) > 0, eta.dtype)

    def curvature_product(self, curvature, v):
        """Generalised second derivative applied to v: v minus its mean, on supports."""
        xp = namespace(v)
        inside = curvature * v
        size = xp.sum(curvature, axis=1, keepdims=True)
        return inside - curvature * (xp.sum(inside, axis=1, keepdims=True) / size)

    def curvature_diagonal(self, curvature):
        """Diagonal of the second derivative: 1 - 1 / sum(m) on the support."""
        xp = namespace(curvature)
        return curvature * (1.0 - 1.0 / xp.sum(curvature, axis=1, keepdims=True))

    @property
    def lipschitz(self):
        """Largest eigenvalue of the second derivative, a projection: 1."""
        return 1.0

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates, as a float."""
        xp = namespace(theta)
        return dot64(s, xp.sum(theta * (0.5 * theta + y), axis=1))

    def intercept_start(self, y, s):
        """Weighted mean of the targets: a distribution is its own projection."""
        return namespace(y).sum(s[:, None] * y, axis=0)
