"""Kernels: positive semidefinite functions of two points, and products with them.

Every kernel is one file and a ``BaseEstimator``, so that ``kernel__length_scale`` can
be searched and cloned.
"""

import inspect

from skopt2._core.name_hint import name_hint
from skopt2._core.parameters import check_choice
from skopt2.kernels.base import Kernel
from skopt2.kernels.cauchy import Cauchy
from skopt2.kernels.constant import Constant
from skopt2.kernels.exponential_power import ExponentialPower
from skopt2.kernels.from_callable import FromCallable
from skopt2.kernels.from_pairwise import NAMES, FromPairwise, is_process_kernel
from skopt2.kernels.gaussian import Gaussian
from skopt2.kernels.gradient_weights import DenseWeights, OuterWeights
from skopt2.kernels.laplacian import Laplacian
from skopt2.kernels.linear import Linear
from skopt2.kernels.matern import Matern
from skopt2.kernels.neural_tangent import NeuralTangent
from skopt2.kernels.operator import KernelOperator
from skopt2.kernels.periodic import Periodic
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.power import Power
from skopt2.kernels.precomputed import Precomputed
from skopt2.kernels.process import ProcessKernel
from skopt2.kernels.product import Product
from skopt2.kernels.radial import Radial
from skopt2.kernels.rational_quadratic import RationalQuadratic
from skopt2.kernels.scaled import Scaled
from skopt2.kernels.sum import Sum

__all__ = [
    "Cauchy",
    "Constant",
    "DenseWeights",
    "ExponentialPower",
    "FromCallable",
    "FromPairwise",
    "Gaussian",
    "Kernel",
    "KernelOperator",
    "Laplacian",
    "Linear",
    "Matern",
    "NeuralTangent",
    "OuterWeights",
    "Periodic",
    "Polynomial",
    "Power",
    "Precomputed",
    "ProcessKernel",
    "Product",
    "Radial",
    "RationalQuadratic",
    "Scaled",
    "Sum",
    "get_kernel",
]


def __dir__():
    return __all__


_KERNELS = {
    kernel.name: kernel
    for kernel in (
        Gaussian,
        Laplacian,
        Matern,
        ExponentialPower,
        Cauchy,
        RationalQuadratic,
        Polynomial,
        Linear,
        NeuralTangent,
        Precomputed,
    )
}


def get_kernel(kernel, length_scale="median", **params):
    """Return the kernel object for a name, a function or a kernel of scikit-learn.

    Parameters
    ----------
    kernel : str, Kernel, callable or kernel of sklearn.gaussian_process.kernels
        ``"gaussian"``, ``"laplacian"``, ``"matern"``, ``"exponential_power"``,
        ``"cauchy"``, ``"rational_quadratic"``, ``"polynomial"``, ``"linear"``,
        ``"neural_tangent"``, ``"precomputed"``; another name of
        :func:`sklearn.metrics.pairwise.pairwise_kernels`; a function of two sets of
        points, see :class:`FromCallable`; or an object, which is returned as it is if
        it is a kernel of this package, and in its fast form if it is one of
        scikit-learn's Gaussian processes, see :class:`ProcessKernel`.
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Of a kernel given by its name, if it has one.
    **params : dict
        Other parameters of a kernel given by its name.

    Returns
    -------
    kernel : Kernel
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown, a parameter is out of range, or a kernel of
        scikit-learn has a white part, which is noise.

    Examples
    --------
    >>> from skopt2.kernels import get_kernel
    >>> get_kernel("matern", nu=2.5)
    Matern(nu=2.5)
    >>> get_kernel("rbf", gamma=0.5)
    FromPairwise(metric='rbf', params={'gamma': 0.5})
    """
    if isinstance(kernel, str):
        kernel = _named(kernel, length_scale, params)
    else:
        if params:
            raise ValueError(
                f"Parameters such as {min(params)!r} go with the name of a kernel; set "
                f"them on the object kernel={kernel!r} itself."
            )
        if not isinstance(kernel, (Kernel, type)) and callable(kernel):
            known = is_process_kernel(kernel)
            kernel = _signal(kernel) if known else FromCallable(kernel)
    if not isinstance(kernel, Kernel):
        _check_known(kernel)
    kernel.check_parameters()
    return kernel


def _named(name, length_scale, params):
    """Return the kernel of a name."""
    if name not in _KERNELS:
        if name not in NAMES:
            _check_known(name)
        return FromPairwise(name, params or None)
    known = inspect.signature(_KERNELS[name]).parameters
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise ValueError(
            f"The {name} kernel has no parameter {unknown[0]!r}; it has "
            f"{', '.join(known) or 'none'}."
        )
    if "length_scale" in known:
        params = {**params, "length_scale": length_scale}
    return _KERNELS[name](**params)


def _signal(kernel):
    """Return the fast form of a kernel of scikit-learn's Gaussian processes."""
    process = ProcessKernel(kernel)
    if process.is_noisy:
        raise ValueError(
            f"kernel={kernel!r} has a white part, which is noise and no kernel of two "
            "points: leave it out, and use alpha."
        )
    return process.signal


def _check_known(kernel):
    """Raise unless a kernel has a known name."""
    known = tuple(dict.fromkeys((*_KERNELS, *NAMES)))
    synonyms = {"squared_exponential": "gaussian", "ntk": "neural_tangent"}
    hint = name_hint("kernel", kernel, {**synonyms, **{name: name for name in known}})
    other = "a function of two sets of points or an object such as Matern(nu=2.5)"
    check_choice("kernel", kernel, known, other=other, hint=hint)
