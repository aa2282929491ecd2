"""The exponential power kernel.

k(x, y) = exp(-r^q), r = |(x - y) / l|, 0 < q <= 2, positive definite in every dimension
for these q and for no larger one. Also known as powered or gamma exponential.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, equation 4.18; I. J. Schoenberg, Metric spaces and positive definite
functions, Transactions of the AMS 44, 1938.
"""

import numpy as np

from skopt2._core.array import namespace
from skopt2._core.parameters import check_number
from skopt2.kernels.radial import Radial


class ExponentialPower(Radial):
    """Exponential power kernel exp(-r^power) of the scaled distance r.

    Parameters
    ----------
    power : float, default=1.0
        In (0, 2]: 1 is the Laplacian kernel, 2 the Gaussian one for a length scale that
        is sqrt(2) times as long. The smaller, the rougher are the functions.
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import ExponentialPower
    >>> kernel = ExponentialPower(power=0.5, length_scale=1.0)
    >>> kernel(np.array([[0.0], [4.0]])).round(4).tolist()
    [[1.0, 0.1353], [0.1353, 1.0]]
    """

    name = "exponential_power"

    def __init__(self, power=1.0, length_scale="median"):
        super().__init__(length_scale)
        self.power = power

    def check_parameters(self):
        """Raise ValueError unless power and length scale are in range."""
        check_number(
            "power",
            self.power,
            0,
            2,
            closed="high",
            of="the exponential_power kernel",
            hint="Beyond 2 it is not positive definite.",
        )
        super().check_parameters()

    @property
    def smooth(self):
        """Whether the profile is differentiable in r^2 at 0."""
        return self.power == 2

    def profile(self, p):
        """Kernel as a function of p = r^2; see :meth:`Radial.profile`."""
        xp = namespace(p)
        if self.power == 1:
            return xp.exp(-xp.sqrt(p))
        return xp.exp(-p if self.power == 2 else -(p ** (0.5 * self.power)))

    def profile_in_place(self, p, workspace):
        """Overwrite p by exp(-p^(power / 2)); see :meth:`Radial.profile_in_place`."""
        if self.power == 1:
            np.sqrt(p, out=p)
        elif self.power != 2:
            np.power(p, 0.5 * self.power, out=p)
        np.negative(p, out=p)
        np.exp(p, out=p)
