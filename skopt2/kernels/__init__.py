"""Kernels: positive semidefinite functions of two points, and products with them.

Every kernel is one file and a ``BaseEstimator``, so that ``kernel__length_scale`` can
be searched and cloned.
"""

import inspect

from skopt2.kernels.base import Kernel
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.laplacian import Laplacian
from skopt2.kernels.matern import Matern
from skopt2.kernels.operator import KernelOperator
from skopt2.kernels.radial import Radial

__all__ = [
    "Gaussian",
    "Kernel",
    "KernelOperator",
    "Laplacian",
    "Matern",
    "Radial",
    "get_kernel",
]

_KERNELS = {kernel.name: kernel for kernel in (Gaussian, Laplacian, Matern)}


def get_kernel(kernel, length_scale="median", **params):
    """Return the kernel object for a name; check the parameters of an object.

    Parameters
    ----------
    kernel : str or Kernel
        ``"gaussian"``, ``"laplacian"``, ``"matern"``, or an object, which is returned
        as it is.
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Of a kernel given by its name that has one.
    **params : dict
        Other parameters of a kernel given by its name.

    Returns
    -------
    kernel : Kernel
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.

    Examples
    --------
    >>> from skopt2.kernels import get_kernel
    >>> get_kernel("matern", nu=2.5)
    Matern(nu=2.5)
    """
    if isinstance(kernel, str) and kernel in _KERNELS:
        known = inspect.signature(_KERNELS[kernel]).parameters
        unknown = sorted(set(params) - set(known))
        if unknown:
            raise ValueError(
                f"The {kernel} kernel has no parameter {unknown[0]!r}; it has "
                f"{', '.join(known)}."
            )
        if "length_scale" in known:
            params["length_scale"] = length_scale
        kernel = _KERNELS[kernel](**params)
    if not isinstance(kernel, Kernel):
        names = ", ".join(repr(name) for name in _KERNELS)
        raise ValueError(
            f"kernel={kernel!r} is unknown: use one of {names}, or an object such as "
            "Matern(nu=2.5)."
        )
    kernel.check_parameters()
    return kernel
