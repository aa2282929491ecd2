"""The Cauchy kernel.

k(x, y) = 1 / (1 + r^2), r = |(x - y) / l|. It is the rational quadratic kernel of
alpha = 1 with the length scale l / sqrt(2).

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equation 4.19.
"""

import numpy as np

from skopt2.kernels.radial import Radial


class Cauchy(Radial):
    """Cauchy kernel 1 / (1 + r^2) of the scaled distance r, with heavy tails.

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
    >>> from skopt2.kernels import Cauchy
    >>> Cauchy(length_scale=1.0)(np.array([[0.0], [3.0]])).tolist()
    [[1.0, 0.1], [0.1, 1.0]]
    """

    name = "cauchy"

    def profile(self, p):
        """Kernel as a function of p = r^2; see :meth:`Radial.profile`."""
        return 1.0 / (1.0 + p)

    def profile_in_place(self, p, workspace):
        """Overwrite p by 1 / (1 + p); see :meth:`Radial.profile_in_place`."""
        p += 1.0
        np.divide(1.0, p, out=p)
