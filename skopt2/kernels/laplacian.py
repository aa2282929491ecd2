"""The Laplacian kernel.

k(x, y) = exp(-r), r = |(x - y) / l| the Euclidean distance. It is the Matern kernel of
nu = 1/2.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2; M. Belkin, S. Ma, S. Mandal, To understand deep learning we
need to understand kernel learning, ICML 2018.
"""

import numpy as np

from skopt2._core.array import namespace
from skopt2.kernels.radial import Radial


class Laplacian(Radial):
    """Laplacian kernel exp(-r) of the scaled Euclidean distance r.

    The kernel that scikit-learn calls laplacian is another one: it takes the sum of the
    absolute differences for the distance.
    ``FromPairwise("laplacian")`` computes that.

    Parameters
    ----------
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.

    References
    ----------
    Belkin, Ma and Mandal, To understand deep learning we need to understand kernel
    learning, ICML 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Laplacian
    >>> Laplacian(length_scale=1.0)(np.array([[0.0], [1.0]])).round(4).tolist()
    [[1.0, 0.3679], [0.3679, 1.0]]
    """

    name = "laplacian"
    smooth = False

    def profile(self, p):
        """Kernel as a function of p = r^2; see :meth:`Radial.profile`."""
        xp = namespace(p)
        return xp.exp(-xp.sqrt(p))

    def profile_in_place(self, p, workspace):
        """Overwrite p by exp(-sqrt(p)); see :meth:`Radial.profile_in_place`."""
        np.sqrt(p, out=p)
        np.negative(p, out=p)
        np.exp(p, out=p)
