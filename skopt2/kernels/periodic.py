"""The periodic kernel.

k(x, y) = exp(-2 sin(pi r / T)^2 / w^2), r = |x - y|, T the period: the Gaussian kernel
of length scale w of the points (cos 2 pi x / T, sin 2 pi x / T) on a circle.

Points of one feature are prepared as points of that circle: squared distances replace
the sine of each pair, and many periods between two points cost no digits.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equation 4.31.
"""

import math

import numpy as np

from skopt2._core.array import accumulation_dtype, namespace
from skopt2._core.parameters import check_positive
from skopt2.kernels.radial import Radial
from skopt2.kernels.squares import prepare, squares, squares_into


class Periodic(Radial):
    """Periodic kernel exp(-2 sin(pi r / period)^2 / width^2) of the distance r.

    Parameters
    ----------
    period : float, default=1.0
        Positive distance after which functions repeat themselves, in the unit of X.
    width : float, default=1.0
        Positive unit of the distance within a period: functions have few waves in one
        period if it is large.

    Notes
    -----
    "periodicity" and "length_scale" of scikit-learn's ``ExpSineSquared``. It is
    positive semidefinite for one feature; as a function of the distance of points with
    several it need not be.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Periodic
    >>> kernel = Periodic(period=2.0, width=1.0)
    >>> kernel(np.array([[0.0], [1.0], [6.0]])).round(4).tolist()
    [[1.0, 0.1353, 1.0], [0.1353, 1.0, 0.1353], [1.0, 0.1353, 1.0]]
    """

    name = "periodic"
    scale = math.pi**2

    def __init__(self, period=1.0, width=1.0):
        self.period = period
        self.width = width

    @property
    def length_scale(self):
        """Unit of the distance: the period."""
        return float(self.period)

    def check_parameters(self):
        """Raise ValueError unless the period and the width are positive."""
        for name in ("period", "width"):
            check_positive(name, getattr(self, name), of="the periodic kernel")

    def features(self, X, origin=None, wide=False):
        """Wind one feature round a circle; see :meth:`Kernel.features`."""
        if X.shape[1] > 1:
            return super().features(self._three(X), self._three(origin), wide)
        cosine, sine = self.circle(X)
        rows = namespace(X).concat([cosine, sine], axis=1)
        rows = math.sqrt(0.5) / float(self.width) * rows
        if not wide:
            rows = namespace(X).astype(rows, X.dtype)
        prepared = prepare(rows, X.dtype, origin)
        return self.features(X, origin, wide=True) if prepared is None else prepared

    def circle(self, X):
        """Return the places of points of one feature on a circle of radius 1.

        Parameters
        ----------
        X : array of shape (n, 1)
            Points.

        Returns
        -------
        cosine, sine : array of shape (n, 1)
            Of 2 pi x / T, in the widest float.
        """
        xp = namespace(X)
        turns = xp.astype(X, accumulation_dtype(X)) / float(self.period)
        angle = 2.0 * math.pi * (turns - xp.floor(turns))
        return xp.cos(angle), xp.sin(angle)

    @staticmethod
    def _three(X):
        """Return points with at least three features: two are those of a circle."""
        if X is None or X.shape[-1] != 2:
            return X
        xp = namespace(X)
        return xp.concat([X, xp.zeros_like(X[..., :1])], axis=-1)

    def profile(self, p):
        """Kernel as a function of p = (pi r / T)^2; see :meth:`Radial.profile`."""
        xp = namespace(p)
        sine = xp.sin(xp.sqrt(p))
        return xp.exp(-2.0 / float(self.width) ** 2 * sine * sine)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        if A.rows.shape[1] == 2:
            return namespace(A.rows).exp(-squares(A, B, self.smooth))
        return super().block(A, B)

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        squares_into(A, B, self.smooth, out, workspace, same)
        if A.rows.shape[1] > 2:
            np.sqrt(out, out=out)
            np.sin(out, out=out)
            out *= out
            out *= 2.0 / float(self.width) ** 2
        np.negative(out, out=out)
        np.exp(out, out=out)
