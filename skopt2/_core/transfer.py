"""Moving fitted models between devices."""

import copy
import dataclasses

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import HOST, is_sparse, move, namespace

# Figures for plots and names are host data on every device.
_HOST_ATTRIBUTES = frozenset({"feature_names_in_", "history_", "_skl_callbacks"})


def to_device(estimator, device):
    """Return a copy of an estimator with every array on another device.

    Arrays are found in attributes and parameters, also inside dictionaries, lists,
    tuples, dataclasses and other estimators, so a whole pipeline can be moved. A model
    fitted from NumPy holds NumPy arrays already, wherever it was computed; this
    function is for models fitted from CuPy arrays that must be pickled or used on a
    machine without a GPU, and for the way back.

    Parameters
    ----------
    estimator : estimator
        Fitted or not; left unchanged.
    device : {"cpu", "cuda", "cuda:<number>", "auto"}
        Where the arrays go: NumPy for ``"cpu"``, CuPy for the others; ``"auto"`` is
        the GPU where CuPy works, else the CPU.

    Returns
    -------
    moved : estimator
        A copy. Arrays that are on the device already are shared, not copied.

    Raises
    ------
    ImportError
        If ``device`` is a GPU and there is no working CuPy.
    ValueError
        If ``device`` is no device.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> import skopt2
    >>> model = Ridge().fit(np.eye(3), np.arange(3.0))
    >>> skopt2.to_device(model, "cpu").coef_.shape
    (3,)
    """
    if device is None:
        raise ValueError("device must be 'cpu', 'cuda', 'cuda:<number>' or 'auto'.")
    cuda.check_device(device)
    if device == "cpu" or (device == "auto" and not cuda.available()):
        target = HOST
    else:
        target = cuda.cuda_target("cuda" if device == "auto" else device)
    return convert(estimator, target)


def convert(value, target, memo=None):
    """Return a value with every array inside it moved to a target.

    Parameters
    ----------
    value : object
        Array, container, dataclass, estimator, or anything else, which is returned
        unchanged.
    target : Target
        Where arrays go. Arrays of strings and objects stay in host memory.
    memo : dict, default=None
        Results by the identity of what was converted; keeps shared objects shared and
        ends cycles.

    Returns
    -------
    converted : object
        A new object where something inside can hold arrays.
    """
    if isinstance(value, (type, str, bytes, int, float, np.generic)) or value is None:
        return value
    memo = {} if memo is None else memo
    key = id(value)
    if key not in memo:
        # The original is kept beside the result: a temporary that died could lend its
        # identity to another object.
        memo[key] = (_convert_new(value, target, memo, key), value)
    return memo[key][0]


def _convert_new(value, target, memo, key):
    if is_array(value) or is_sparse(value):
        if getattr(value.dtype, "kind", "f") not in "biufc":
            return value
        return move(value, target)
    if isinstance(value, tuple):
        items = [convert(item, target, memo) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, list):
        return type(value)(convert(item, target, memo) for item in value)
    if isinstance(value, dict):
        new = copy.copy(value)
        memo[key] = (new, value)
        for name, item in value.items():
            new[name] = convert(item, target, memo)
        return new
    if _is_foreign_kernel(value):
        return value
    if hasattr(value, "get_params") or dataclasses.is_dataclass(value):
        return _convert_object(value, target, memo, key)
    if hasattr(value, "moved"):
        return value.moved(target)
    return value


def _convert_object(value, target, memo, key):
    new = copy.copy(value)
    memo[key] = (new, value)
    for name, item in getattr(value, "__dict__", {}).items():
        if name in _HOST_ATTRIBUTES and target is not HOST:
            continue
        # Around __setattr__, which a frozen dataclass forbids.
        object.__setattr__(new, name, convert(item, target, memo))
    if "device_" in getattr(value, "__dict__", {}):
        object.__setattr__(new, "device_", target.label)
    return new


def _is_foreign_kernel(value):
    """Tell a kernel object of scikit-learn, which computes in host memory only."""
    module = "sklearn.gaussian_process.kernels"
    return any(base.__module__ == module for base in type(value).__mro__)


def is_array(value):
    """Return True for a dense array of any namespace."""
    if isinstance(value, np.ndarray):
        return True
    if is_sparse(value) or not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return False
    try:
        return namespace(value) is not None
    except TypeError:
        return False
