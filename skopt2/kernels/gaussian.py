"""The Gaussian kernel.

k(x, y) = exp(-r^2 / 2), r = |(x - y) / l|. Known as rbf, or squared exponential.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equation 4.9.
"""

import numpy as np

from skopt2._core.array import namespace
from skopt2.kernels.radial import Radial


class Gaussian(Radial):
    """Gaussian kernel exp(-r^2 / 2) of the scaled distance r.

    Parameters
    ----------
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian
    >>> Gaussian(length_scale=1.0)(np.array([[0.0], [1.0]])).round(4).tolist()
    [[1.0, 0.6065], [0.6065, 1.0]]
    """

    name = "gaussian"
    scale = 0.5

    def profile(self, p):
        """Kernel as a function of p = r^2 / 2; see :meth:`Radial.profile`."""
        return namespace(p).exp(-p)

    def profile_in_place(self, p, workspace):
        """Overwrite p by exp(-p); see :meth:`Radial.profile_in_place`."""
        np.negative(p, out=p)
        np.exp(p, out=p)
