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
from skopt2.losses.base import Loss


class Multinomial(Loss):
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
    task = "multiclass"
    probabilistic = True

    def check_target(self, y):
        """Raise ValueError unless the rows of y are distributions over the classes."""
        xp = namespace(y)
        if y.ndim != 2:
            raise ValueError(
                "The multinomial loss needs one-hot targets of shape (n_samples, "
                f"n_classes), got shape {tuple(y.shape)}; give one column per class."
            )
        off = xp.abs(xp.sum(y, axis=1) - 1.0)
        if bool(xp.any(y < 0)) or bool(xp.any(off > 1e-5)):
            raise ValueError(
                "The multinomial loss needs nonnegative targets whose rows sum to 1, "
                f"got a smallest entry of {float(xp.min(y))} and row sums off by up to "
                f"{float(xp.max(off))}; use one-hot rows."
            )

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        xp = namespace(eta)
        return dot64(s, logsumexp(eta, axis=1) - xp.sum(y * eta, axis=1))

    def inverse_link(self, eta):
        """Softmax of eta: the probability of each class, shape (n, K)."""
        xp = namespace(eta)
        parts = xp.exp(eta - xp.max(eta, axis=1, keepdims=True))
        return parts / xp.sum(parts, axis=1, keepdims=True)

    def gradient(self, y, eta):
        """Derivative of each sample: probabilities minus y, shape (n, K)."""
        return self.inverse_link(eta) - y

    def curvature(self, y, eta):
        """Probability p (n, K): the second derivative is diag(p) - p p'."""
        return self.inverse_link(eta)

    def curvature_product(self, curvature, v):
        """Second derivative applied to v: p * v - p * sum_k p_k v_k, shape (n, K)."""
        xp = namespace(v)
        weighted = curvature * v
        return weighted - curvature * xp.sum(weighted, axis=1, keepdims=True)

    @property
    def lipschitz(self):
        """Bound 1/2 of the largest eigenvalue of the second derivative."""
        return 0.5

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates (negative entropies), as a float."""
        xp = namespace(theta)
        p = xp.maximum(theta + y, 0.0)
        return dot64(s, xp.sum(xlogy(p, p), axis=1))

    def to_domain(self, y, theta):
        """Largest t in [0, 1] with t * theta + y >= 0; rows of theta must sum to 0."""
        xp = namespace(theta)
        falling = theta < 0
        ratio = xp.where(falling, y, 1.0) / xp.where(falling, -theta, 1.0)
        return min(1.0, float(xp.min(ratio)))

    def balance(self, y, theta, s):
        """Dual point near theta, in the domain, with sum_i s_i theta_ik = 0 for all k.

        theta + y must keep rows in the simplex and reach the class frequencies of y as
        weighted means. Classes above theirs give up mass in proportion; each row hands
        what it gave to the classes below, in proportion to what those lack.
        """
        xp = namespace(theta)
        p = xp.maximum(theta + y, 0.0)
        weights = s[:, None]
        mean, target = xp.sum(weights * p, axis=0), xp.sum(weights * y, axis=0)
        keep = xp.where(mean > target, target / xp.where(mean > 0, mean, 1.0), 1.0)
        lack = xp.maximum(target - mean, 0.0)
        total = xp.sum(lack)
        share = lack / xp.where(total > 0, total, xp.ones_like(total))
        kept = p * keep
        return kept + xp.sum(p - kept, axis=1, keepdims=True) * share - y

    def intercept_start(self, y, s):
        """Centred log of the class frequencies, an array of shape (K,)."""
        xp = namespace(y)
        frequency = xp.maximum(xp.sum(s[:, None] * y, axis=0), 1e-12)
        logs = xp.log(frequency)
        return logs - xp.mean(logs)
