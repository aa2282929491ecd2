"""The rational quadratic kernel.

k(x, y) = (1 + r^2 / (2 a))^-a, r = |(x - y) / l|, a > 0: Gaussian kernels of length
scales l / sqrt(t), averaged over t from the gamma distribution of shape a and mean 1.
The limit of large a is the Gaussian kernel.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equation 4.19.
"""

import numpy as np

from skopt2._core.array import namespace
from skopt2._core.parameters import check_positive
from skopt2.kernels.radial import Radial

# Shape up to which log(1 + p), on some machines several times as fast as log1p, is
# accurate enough: its rounding is multiplied by the shape.
_SMALL = 16.0


class RationalQuadratic(Radial):
    """Rational quadratic kernel (1 + r^2 / (2 a))^-a of the scaled distance r.

    Parameters
    ----------
    shape : float, default=1.0
        Positive a: how alike the length scales are that are mixed, "alpha" of
        scikit-learn.
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import RationalQuadratic
    >>> kernel = RationalQuadratic(shape=2.0, length_scale=1.0)
    >>> kernel(np.array([[0.0], [2.0]])).tolist()
    [[1.0, 0.25], [0.25, 1.0]]
    """

    name = "rational_quadratic"

    def __init__(self, shape=1.0, length_scale="median"):
        super().__init__(length_scale)
        self.shape = shape

    def check_parameters(self):
        """Raise ValueError unless the shape and the length scale are in range."""
        check_positive("shape", self.shape, of="the rational_quadratic kernel")
        super().check_parameters()

    @property
    def scale(self):
        """Factor s of r^2 in the argument of the profile."""
        return 0.5 / self.shape

    def profile(self, p):
        """Kernel as a function of p = r^2 / (2 a); see :meth:`Radial.profile`."""
        xp = namespace(p)
        return xp.exp(-float(self.shape) * xp.log1p(p))

    def profile_in_place(self, p, workspace):
        """Overwrite p by the kernel; see :meth:`Radial.profile_in_place`."""
        if self.shape <= _SMALL:
            p += 1.0
            if self.shape == 1.0:
                np.divide(1.0, p, out=p)
                return
            np.log(p, out=p)
        else:
            np.log1p(p, out=p)
        p *= -float(self.shape)
        np.exp(p, out=p)
