"""Namespaces, devices, dtype rules, and the few functions the array API lacks.

Every numerical layer asks :func:`namespace` which module its arrays belong to and then
uses that module's standard functions. For NumPy arrays the answer is the plain
``numpy`` module: a wrapper there would cost more than the arithmetic of a small fit.
"""

import importlib
import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import array_api_compat
import numpy as np
import scipy.sparse as sp
from array_api_compat import is_cupy_namespace, is_torch_namespace
from scipy.linalg.lapack import get_lapack_funcs

# A namespace depends only on the type of an array, so one look-up per type is enough.
_NAMESPACES = {np.ndarray: np}


@dataclass(frozen=True)
class Target:
    """A place where arrays live: a namespace and one of its devices.

    Parameters
    ----------
    xp : module
        Array namespace.
    device : object
        Device of that namespace; ``"cpu"`` for NumPy.
    label : str
        What ``device_`` records: ``"cpu"``, ``"cuda:0"``, or the device's own name.
    kind : {"numpy", "cuda", "array"}
        Host memory, the CUDA provider, or any other array-API library.
    provider : object, default=None
        What moves arrays there when the namespace's own ``asarray`` is not enough
        (sparse matrices, current device); see :mod:`skopt2._core.cuda`.
    index : int, default=0
        Number of the CUDA device.
    """

    xp: Any
    device: Any
    label: str
    kind: str
    provider: Any = field(default=None, repr=False, compare=False)
    index: int = 0

    def activate(self):
        """Return a context in which new kernels run on this device."""
        if self.provider is None:
            return nullcontext()
        return self.provider.activate(self.index)

    def __reduce__(self):
        # Modules have no pickle, only a name; and HOST is one object in each process.
        if self is HOST:
            return "HOST"
        if self.provider is not None:
            return self.provider.target, (self.index,)
        return _named_target, (self.xp.__name__, self.device, self.label, self.kind)


def _named_target(xp, device, label, kind):
    """Return the target of a pickle."""
    return Target(importlib.import_module(xp), device, label, kind)


HOST = Target(np, "cpu", "cpu", "numpy")


def namespace(*arrays):
    """Return the one array namespace of the arrays: ``numpy`` itself for NumPy.

    ``None`` and Python scalars are ignored; a sparse matrix counts as its stored
    values. With nothing left the answer is ``numpy``. Arrays of different namespaces
    raise TypeError.
    """
    found = None
    for x in arrays:
        xp = _NAMESPACES.get(type(x))
        if xp is None:
            xp = _find_namespace(x)
        if found is None:
            found = xp
        elif xp is not found and xp is not None:
            raise TypeError(
                "Arrays of different namespaces were mixed: "
                f"{found.__name__} and {xp.__name__}."
            )
    return np if found is None else found


def _find_namespace(x):
    """Look up the namespace of one object; None where it is no array."""
    if x is None or isinstance(x, (bool, int, float, complex, str)):
        # NumPy scalars that subclass a Python number land here too: they mix with any
        # namespace.
        return None
    if isinstance(x, (np.ndarray, np.generic)) or sp.issparse(x):
        xp = np
    elif is_sparse(x):
        return namespace(x.data)
    else:
        xp = array_api_compat.array_namespace(x)
    _NAMESPACES[type(x)] = xp
    return xp


def is_sparse(x):
    """Return True for a sparse matrix or array of SciPy or of a CUDA library."""
    if type(x) is np.ndarray:
        return False
    return sp.issparse(x) or (hasattr(x, "nnz") and hasattr(x, "data"))


def device_of(x):
    """Return the device that holds an array: ``"cpu"`` for NumPy and SciPy."""
    if type(x) is np.ndarray or namespace(x) is np:
        return "cpu"
    return array_api_compat.device(x.data if is_sparse(x) else x)


def to_numpy(x):
    """Return the same values in host memory; NumPy, SciPy and scalars unchanged."""
    if type(x) is np.ndarray or x is None:
        return x
    if hasattr(x, "to_numpy"):
        # A column or a table of pandas or polars.
        return x.to_numpy()
    xp = namespace(x)
    if xp is np:
        return x
    if is_cupy_namespace(xp) or is_sparse(x):
        return x.get()
    if is_torch_namespace(xp):
        return x.detach().cpu().numpy()
    if xp.__name__ == "array_api_strict":
        return np.asarray(array_api_compat.to_device(x, xp.Device("CPU_DEVICE")))
    return np.from_dlpack(array_api_compat.to_device(x, "cpu"))


def move(x, target):
    """Return an array, a sparse matrix or None on a target, uncopied if it is there.

    Values and dtype stay the same, but float64 becomes float32 on a device without it.
    """
    if x is None:
        return None
    if target.kind == "numpy":
        return to_numpy(x)
    if namespace(x) is target.xp and device_of(x) == target.device:
        return x
    if target.provider is not None:
        return target.provider.upload(x, target.index)
    if is_sparse(x):
        raise TypeError(
            f"Sparse X cannot be moved to {target.label}: only NumPy and CuPy have "
            "sparse matrices."
        )
    host = to_numpy(x)
    if host.dtype == np.float64 and not has_float64(target.xp, target.device):
        host = host.astype(np.float32)
    return target.xp.asarray(np.ascontiguousarray(host), device=target.device)


def asarray_like(values, x, dtype=None):
    """Return values as an array beside ``x``: its namespace, its device, its dtype.

    ``values`` is a list, a scalar, or an array of any namespace; ``dtype`` is a dtype
    of the namespace of ``x``.
    """
    xp = namespace(x)
    dtype = x.dtype if dtype is None else dtype
    if isinstance(values, (list, tuple)) or namespace(values) is not xp:
        host = values if isinstance(values, (list, tuple)) else to_numpy(values)
        # A copy: some libraries would share the memory, and be changed with it.
        values = np.array(host, order="C")
    if xp is np:
        return np.asarray(values, dtype=dtype)
    return xp.asarray(values, dtype=dtype, device=device_of(x))


def index_like(numbers, x):
    """Return row numbers, a list or an array of any namespace, as int64 beside x."""
    return asarray_like(numbers, x, namespace(x).int64)


def has_float64(xp, device=None):
    """Return True where the device computes in float64."""
    if xp is np or device is None:
        return True
    return "float64" in xp.__array_namespace_info__().dtypes(
        kind="real floating", device=device
    )


def float_dtype(x):
    """Return the dtype to compute in: float32 stays, all else becomes float64.

    float16, integers, booleans and objects become float64, or float32 on a device that
    has nothing wider.
    """
    xp = namespace(x)
    if x.dtype == xp.float32 or not has_float64(xp, device_of(x)):
        return xp.float32
    return xp.float64


def accumulation_dtype(x):
    """Return the widest float of the array's device, in which decisions are summed."""
    xp = namespace(x)
    return xp.float64 if has_float64(xp, device_of(x)) else xp.float32


def as_float(x):
    """Return the array in its computing dtype, itself where that is its dtype."""
    dtype = float_dtype(x)
    return x if x.dtype == dtype else namespace(x).astype(x, dtype)


def sum64(x):
    """Return the sum of all elements as a Python float, accumulated in float64."""
    xp = namespace(x)
    if xp is np:
        return float(x.sum(dtype=np.float64))
    return float(xp.sum(x, dtype=accumulation_dtype(x)))


def dot64(x, y):
    """Return the inner product of two vectors as a Python float.

    float32 products are accumulated in float64: an objective that decides whether a
    step is taken must not be lost in the rounding of its own sum.
    """
    xp = namespace(x, y)
    wide = accumulation_dtype(x)
    if x.dtype != wide:
        x = xp.astype(x, wide)
    if y.dtype != wide:
        y = xp.astype(y, wide)
    if xp is np:
        return float(np.dot(x.ravel(), y.ravel()))
    return float(xp.sum(x * y))


def norm64(x):
    """Return the Euclidean norm as a Python float, safe from overflow of squares."""
    with np.errstate(over="ignore", under="ignore"):
        square = dot64(x, x)
    if 1e-200 < square < 1e300:
        return math.sqrt(square)
    largest = max_abs(x)
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    scaled = x / largest
    return largest * math.sqrt(dot64(scaled, scaled))


def max_abs(x):
    """Return the largest absolute value as a Python float; 0.0 for no elements."""
    if math.prod(x.shape) == 0:
        return 0.0
    xp = namespace(x)
    return float(xp.max(xp.abs(x)))


def all_finite(x):
    """Return True if no stored value is NaN or infinite."""
    values = x.data if is_sparse(x) else x
    xp = namespace(values)
    # A finite sum proves finite terms in one cheap pass; only a sum that is not finite,
    # which can be an overflow, needs the element-wise test.
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(xp.sum(values))
    return math.isfinite(total) or bool(xp.all(xp.isfinite(values)))


def flatnonzero(mask):
    """Return the indices of the true elements of a vector, in increasing order."""
    xp = namespace(mask)
    if xp is np:
        return np.flatnonzero(mask)
    return xp.nonzero(mask)[0]


def top_k(values, k):
    """Return the indices of the k largest elements of a vector, in no fixed order.

    All n indices if k is larger. The values must not be NaN.
    """
    xp = namespace(values)
    n = values.shape[0]
    if k >= n:
        return xp.arange(n) if xp is np else xp.arange(n, device=device_of(values))
    if k <= 0:
        return xp.argsort(values)[:0]
    if hasattr(xp, "argpartition"):
        return xp.argpartition(values, n - k)[n - k :]
    return xp.argsort(values)[n - k :]


def take(x, indices, axis=0):
    """Return rows (axis 0) or columns (axis 1) by integer index, sparse ones too.

    The indices may be a list, or an array of another namespace.
    """
    if isinstance(indices, list) or namespace(indices) is not namespace(x):
        indices = index_like(indices, x)
    if is_sparse(x):
        return x[indices] if axis == 0 else x[:, indices]
    return namespace(x).take(x, indices, axis=axis)


def put(x, indices, values):
    """Return ``x`` with the elements (or rows) at unique indices replaced.

    ``values`` is one scalar, or has one element (row) for each index. Works in place
    where the library can: use the returned array, do not rely on the argument.
    """
    xp = namespace(x)
    if xp.__name__ != "array_api_strict":
        x[indices] = values
        return x
    # The standard has no assignment through integer indices: gather from the old and
    # the new elements laid end to end instead.
    n, m = x.shape[0], indices.shape[0]
    if m == 0:
        return x
    device = device_of(x)
    new = xp.zeros((m, *x.shape[1:]), dtype=x.dtype, device=device) + values
    positions = xp.arange(n, device=device)
    order = xp.argsort(indices)
    rank = xp.searchsorted(xp.take(indices, order), positions)
    clipped = xp.clip(rank, 0, m - 1)
    hit = xp.take(xp.take(indices, order), clipped) == positions
    source = xp.where(hit, n + xp.take(order, clipped), positions)
    return xp.take(xp.concat([x, new]), source, axis=0)


def expit(x):
    """Return the logistic function 1 / (1 + exp(-x)) without overflow."""
    xp = namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))


def logsumexp(x, axis=-1):
    """Return log(sum(exp(x))) along an axis without overflow."""
    xp = namespace(x)
    top = xp.max(x, axis=axis, keepdims=True)
    total = xp.sum(xp.exp(x - top), axis=axis)
    return xp.log(total) + xp.squeeze(top, axis=axis)


def xlogy(x, y):
    """Return x * log(y), and 0 where x is 0."""
    xp = namespace(x, y)
    zero = x == 0
    safe = xp.where(zero, xp.ones_like(y), y)
    return xp.where(zero, xp.zeros_like(x), x * xp.log(safe))


def cholesky_solve(matrix, rhs):
    """Solve a symmetric positive definite system; None where it is not.

    Shapes (k, k) and (k,) or (k, m). CuPy's Cholesky factorisation fills with NaN
    instead of raising, so the factor is tested as well as the exception caught.
    """
    xp = namespace(matrix, rhs)
    if xp is np:
        (posv,) = get_lapack_funcs(("posv",), (matrix, rhs))
        _, solution, info = posv(matrix, rhs)
        return solution if info == 0 and np.isfinite(solution).all() else None
    try:
        factor = xp.linalg.cholesky(matrix)
    except Exception as error:
        if type(error).__name__ not in ("LinAlgError", "_LinAlgError"):
            raise
        return None
    if not bool(xp.all(xp.isfinite(factor))):
        return None
    if is_cupy_namespace(xp):
        from skopt2._core.cuda import provider

        return provider.solve_cholesky(factor, rhs)
    column = rhs[:, None] if rhs.ndim == 1 else rhs
    half = xp.linalg.solve(factor, column)
    solution = xp.linalg.solve(xp.matrix_transpose(factor), half)
    return solution[:, 0] if rhs.ndim == 1 else solution
