"""Products of kernels.

k(x, y) = k_1(x, y) ... k_m(x, y), which is positive semidefinite as the entry by entry
product of such matrices is (Schur): points are alike where all factors find them so.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.4.
"""

from skopt2.kernels.composite import Composite


class Product(Composite):
    """Product of kernels, entry by entry.

    Parameters
    ----------
    kernels : list of Kernel
        The factors, at least one; none of them precomputed.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    section 4.2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Linear, Matern, Product
    >>> kernel = Product([Linear(), Matern(length_scale=1.0)])
    >>> kernel(np.array([[1.0], [2.0]])).round(4).tolist()
    [[1.0, 0.9667], [0.9667, 4.0]]
    """

    name = "product"

    def _combined(self, x, y):
        return x * y

    def _combine(self, x, y):
        x *= y
