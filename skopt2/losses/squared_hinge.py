"""The squared hinge loss.

Loss: l(y, eta) = max(0, 1 - y * eta)^2, y in {-1, 1}.
Conjugate, with c = y * theta <= 0: c + c^2 / 4.

Source: R.-E. Fan, K.-W. Chang, C.-J. Hsieh, X.-R. Wang and C.-J. Lin, LIBLINEAR, JMLR
9, 2008, section 2 (L2-loss SVM).
"""

from skopt2._core.array import dot64, namespace
from skopt2.losses.base import Loss, check_signs


class SquaredHinge(Loss):
    """Squared hinge loss max(0, 1 - y * eta)^2, for two classes.

    References
    ----------
    Fan et al., LIBLINEAR: a library for large linear classification, JMLR 9, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.losses import SquaredHinge
    >>> SquaredHinge().gradient(np.array([1.0, -1.0]), np.array([0.5, -2.0])).tolist()
    [-1.0, -0.0]
    """

    name = "squared_hinge"
    task = "binary"

    def check_target(self, y):
        """Raise ValueError unless y is -1 or 1 everywhere."""
        check_signs(y, self.name)

    def value(self, y, eta, s):
        """Weighted sum of the loss, as a float."""
        shortfall = namespace(eta).maximum(1.0 - y * eta, 0.0)
        return dot64(s * shortfall, shortfall)

    def gradient(self, y, eta):
        """Derivative -2 y max(0, 1 - y * eta) of each sample."""
        return (2.0 * y) * namespace(eta).minimum(y * eta - 1.0, 0.0)

    def curvature(self, y, eta):
        """Generalised second derivative: 2 where y * eta < 1, else 0."""
        return 2.0 * namespace(eta).astype(y * eta < 1, eta.dtype)

    @property
    def lipschitz(self):
        """Bound 2 of the second derivative."""
        return 2.0

    def conjugate(self, y, theta, s):
        """Weighted sum of the convex conjugates, as a float."""
        c = y * theta
        return dot64(s * c, 1.0 + 0.25 * c)

    def to_domain(self, y, theta):
        """Return 1.0 if y * theta <= 0 everywhere, else 0.0."""
        return 1.0 if float(namespace(theta).max(y * theta)) <= 0 else 0.0

    def intercept_start(self, y, s):
        """Weighted mean of y: the margins it leaves are all at most 1."""
        return dot64(s, y)
