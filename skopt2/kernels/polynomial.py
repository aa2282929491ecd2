"""The polynomial kernel.

k(x, y) = (gamma x.y + c)^q, with gamma > 0, c >= 0 and q a positive whole number, which
make it positive semidefinite. Its functions are polynomials of degree q.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.2.
"""

import math

import numpy as np

from skopt2._core.array import namespace
from skopt2._core.parameters import check_count, check_number, check_positive
from skopt2.kernels.base import Kernel, Prepared


class Polynomial(Kernel):
    """Polynomial kernel (gamma x.y + coef0)^degree.

    Parameters
    ----------
    degree : int, default=3
        At least 1.
    gamma : float or None, default=None
        Positive factor of the inner product; None for 1 / d, d the number of features.
    coef0 : float, default=1.0
        Nonnegative weight of the lower degrees.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    section 4.2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Polynomial
    >>> Polynomial(degree=2, gamma=1.0)(np.array([[1.0], [2.0]])).round(6).tolist()
    [[4.0, 9.0], [9.0, 25.0]]
    """

    name = "polynomial"
    tile = 2**16

    def __init__(self, degree=3, gamma=None, coef0=1.0):
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0

    def check_parameters(self):
        """Raise ValueError unless the kernel is positive semidefinite."""
        of = "the polynomial kernel"
        check_count("degree", self.degree, of=of)
        hint = "None is 1 / n_features."
        check_positive("gamma", self.gamma, optional=True, of=of, hint=hint)
        hint = "Below 0 it is not positive semidefinite."
        check_number("coef0", self.coef0, 0, of=of, hint=hint)

    def resolve(self, X, rng=None):
        """Copy of the kernel whose gamma is a number; see :meth:`Kernel.resolve`."""
        kernel = super().resolve(X, rng)
        if kernel.gamma is None:
            kernel.gamma = 1.0 / int(X.shape[1])
        return kernel

    def features(self, X, origin=None, wide=False):
        """Scale points and append a constant; see :meth:`Kernel.features`."""
        xp = namespace(X)
        gamma = 1.0 / int(X.shape[1]) if self.gamma is None else float(self.gamma)
        constant = xp.zeros_like(X[:, :1]) + math.sqrt(self.coef0)
        return Prepared(xp.concat([math.sqrt(gamma) * X, constant], axis=1), X.dtype)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        base = A.rows @ namespace(A.rows).matrix_transpose(B.rows)
        return self._power(base)

    def _power(self, base):
        """Return a whole power by products, exact where they are."""
        result = base
        for bit in bin(self.degree)[3:]:
            result = result * result
            if bit == "1":
                result = result * base
        return result

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        np.matmul(A.rows, B.rows.T, out=out)
        bits = bin(self.degree)[3:]
        if "1" in bits:
            base = workspace.array("profile", out.shape, out.dtype)
            np.copyto(base, out)
        for bit in bits:
            out *= out
            if bit == "1":
                out *= base

    def diag(self, A):
        """Diagonal ``(gamma |x|^2 + coef0)^degree``; see :meth:`Kernel.diag`."""
        return self._power(namespace(A.rows).sum(A.rows * A.rows, axis=1))
