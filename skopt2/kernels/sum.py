"""Sums of kernels.

k(x, y) = k_1(x, y) + ... + k_m(x, y): the process is a sum of independent ones.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.4.
"""

from skopt2.kernels.composite import Composite


class Sum(Composite):
    """Sum of kernels, whose functions are sums of theirs.

    Parameters
    ----------
    kernels : list of Kernel
        The terms, at least one; none of them precomputed.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    section 4.2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, Linear, Sum
    >>> kernel = Sum([Gaussian(length_scale=1.0), Linear()])
    >>> kernel(np.array([[0.0], [2.0]])).round(4).tolist()
    [[1.0, 0.1353], [0.1353, 5.0]]
    """

    name = "sum"

    def _combined(self, x, y):
        return x + y

    def _combine(self, x, y):
        x += y
