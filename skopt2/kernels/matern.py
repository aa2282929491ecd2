"""The Matern kernels of half-integer smoothness.

With r = |(x - y) / l| and t = sqrt(2 nu) r:

nu = 1/2: k = exp(-t); nu = 3/2: k = (1 + t) exp(-t);
nu = 5/2: k = (1 + t + t^2 / 3) exp(-t); nu = inf: k = exp(-r^2 / 2).

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equations 4.16 and 4.17.
"""

import math
from numbers import Real

import numpy as np

from skopt2._core.array import namespace
from skopt2.kernels.radial import Radial

_SMOOTHNESS = (0.5, 1.5, 2.5, math.inf)


class Matern(Radial):
    """Matern kernel, whose functions are differentiable less often than nu times.

    Parameters
    ----------
    nu : {0.5, 1.5, 2.5, inf}, default=1.5
        Smoothness: 0.5 is the Laplacian kernel, inf the Gaussian one.
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Matern
    >>> Matern(nu=1.5, length_scale=1.0)(np.array([[0.0], [1.0]])).round(4).tolist()
    [[1.0, 0.4834], [0.4834, 1.0]]
    """

    name = "matern"

    def __init__(self, nu=1.5, length_scale="median"):
        super().__init__(length_scale)
        self.nu = nu

    def check_parameters(self):
        """Raise ValueError unless nu and the length scale are in range."""
        if not isinstance(self.nu, Real) or self.nu not in _SMOOTHNESS:
            raise ValueError(
                "nu of the matern kernel must be 0.5, 1.5, 2.5 or inf, got "
                f"nu={self.nu!r}; other values have no closed form of their own."
            )
        super().check_parameters()

    @property
    def scale(self):
        """Factor s of r^2 in the argument of the profile."""
        return 0.5 if self.nu == math.inf else 2.0 * self.nu

    @property
    def smooth(self):
        """Whether the profile is differentiable in r^2 at 0."""
        return self.nu > 0.5

    def profile(self, p):
        """Kernel as a function of p = t^2, or r^2 / 2; see :meth:`Radial.profile`."""
        xp = namespace(p)
        if self.nu == math.inf:
            return xp.exp(-p)
        t = xp.sqrt(p)
        decay = xp.exp(-t)
        if self.nu == 0.5:
            return decay
        return (1.0 + t) * decay if self.nu == 1.5 else (1.0 + t + p / 3.0) * decay

    def profile_in_place(self, p, workspace):
        """Overwrite p by the kernel; see :meth:`Radial.profile_in_place`."""
        if self.nu == math.inf:
            np.negative(p, out=p)
            np.exp(p, out=p)
            return
        if self.nu == 0.5:
            np.sqrt(p, out=p)
            np.negative(p, out=p)
            np.exp(p, out=p)
            return
        work = workspace.array("profile", p.shape, p.dtype)
        if self.nu == 1.5:
            np.sqrt(p, out=p)
            np.negative(p, out=work)
        else:
            np.sqrt(p, out=work)
            p *= 1.0 / 3.0
            p += work
            np.negative(work, out=work)
        np.exp(work, out=work)
        p += 1.0
        p *= work
