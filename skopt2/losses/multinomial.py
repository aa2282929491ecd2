"""The multinomial (softmax) loss.

Loss: l(Y, eta) = log(sum_k exp(eta_k)) - sum_k Y_k eta_k, Y and eta of shape (n, K),
the rows of Y one-hot (or distributions over the classes).
Conjugate: sum_k (theta_k + Y_k) log(theta_k + Y_k), rows of theta + Y in the simplex.

Source: T. Hastie, R. Tibshirani and J. Friedman, The Elements of Statistical Learning,
2nd edition, 2009, section 4.4; bound 1/2 of the Hessian after D. Boehning, Multinomial
logistic regression algorithm, Annals of the Institute of Statistical Mathematics 44,
1992.
"""

from skopt2._core.array import dot64, logsumexp, namespace, xlogy
from skopt2.losses.simplex import SimplexLoss


class Multinomial(SimplexLoss):
    """Multinomial loss, minus the log of the softmax probability of the class.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009;
    Boehning, Annals of the Institute of Statistical Mathematics 44, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import Multinomial
    >>> Multinomial().gradient(np.array([[1.0, 0.0]]), np.zeros((1, 2))).tolist()
    [[-0.5, 0.5]]
    """

    name = "multinomial"

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        xp = namespace(eta)
        return dot64(s, logsumexp(eta, axis=1) - xp.sum(y * eta, axis=1))

    def inverse_link(self, eta):
        """Softmax of eta: the probability of each class, shape (n, K)."""
        xp = namespace(eta)
        parts = xp.exp(eta - xp.max(eta, axis=1, keepdims=True))
        return parts / xp.sum(parts, axis=1, keepdims=True)

    def curvature(self, y, eta):
        """Probability p (n, K): the second derivative is diag(p) - p p'."""
        return self.inverse_link(eta)

    def curvature_product(self, curvature, v):
        """Second derivative applied to v: p * v - p * sum_k p_k v_k, shape (n, K)."""
        xp = namespace(v)
        weighted = curvature * v
        return weighted - curvature * xp.sum(weighted, axis=1, keepdims=True)

    def curvature_diagonal(self, curvature):
        """Diagonal of the second derivative: p * (1 - p), shape (n, K)."""
        return curvature * (1.0 - curvature)

    @property
    def lipschitz(self):
        """Bound 1/2 of the largest eigenvalue of the second derivative."""
        return 0.5

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates (negative entropies), as a float."""
        xp = namespace(theta)
        p = xp.maximum(theta + y, 0.0)
        return dot64(s, xp.sum(xlogy(p, p), axis=1))

    def intercept_start(self, y, s):
        """Centred log of the class frequencies, an array of shape (K,)."""
        xp = namespace(y)
        frequency = xp.maximum(xp.sum(s[:, None] * y, axis=0), 1e-12)
        logs = xp.log(frequency)
        return logs - xp.mean(logs)
