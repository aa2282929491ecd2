"""Recognising the problem that a checkpoint belongs to."""

import hashlib
import math
import numbers

import numpy as np

from skopt2._core.array import is_sparse, to_numpy

# What may change between an interrupted fit and its continuation: these say how long
# and where to compute, not what.
_FREE_PARAMETERS = frozenset(
    {
        "device",
        "max_iter",
        "n_jobs",
        "random_state",
        "time_limit",
        "tol",
        "verbose",
        "warm_start",
    }
)
_BYTES_PER_ARRAY = 2**24


def fingerprint(estimator, X, y, sample_weight=None, metadata=None):
    """Return a short text that two fits share if they solve the same problem.

    It covers the class, the parameters that define the problem, and shape, dtype and
    values of the data. Arrays above 16 MiB enter with evenly spaced rows only.

    Parameters
    ----------
    estimator : estimator
        About to be fitted.
    X, y, sample_weight : array, sparse matrix or None
        Checked data.
    metadata : dict, default=None
        Further data by name.

    Returns
    -------
    fingerprint : str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(type(estimator).__qualname__.encode())
    for name, value in sorted(estimator.get_params(deep=True).items()):
        if name not in _FREE_PARAMETERS:
            digest.update(name.encode())
            _add_value(digest, value)
    for x in (X, y, sample_weight):
        _add_value(digest, x)
    for name, x in sorted((metadata or {}).items()):
        digest.update(name.encode())
        _add_value(digest, x)
    return digest.hexdigest()


def check_resume(payload, expected):
    """Raise ValueError unless a checkpoint was written by the same problem.

    Parameters
    ----------
    payload : dict
        ``"state"``, ``"n_iter"``, ``"history"`` and ``"fingerprint"``.
    expected : str
        Fingerprint of the problem being fitted.
    """
    missing = {"state", "n_iter", "history", "fingerprint"} - set(payload)
    if missing:
        raise ValueError(
            f"The checkpoint is not one of skopt2: it lacks {sorted(missing)}."
        )
    if payload["fingerprint"] != expected:
        raise ValueError(
            "The checkpoint belongs to another problem: the estimator, its parameters, "
            "X, y or sample_weight differ from those of the interrupted fit. Restore "
            "them (max_iter, tol, time_limit and device may change), or remove the "
            "checkpoint file to start anew."
        )


def _add_value(digest, value):
    """Hash one parameter or array."""
    if isinstance(value, (list, tuple)):
        digest.update(f"{type(value).__name__}{len(value)}".encode())
        for item in value:
            _add_value(digest, item)
    elif value is None or isinstance(value, (str, bytes, numbers.Number)):
        digest.update(repr(value).encode())
    elif is_sparse(value):
        value = to_numpy(value)
        digest.update(f"{value.format}{value.shape}".encode())
        for part in ("data", "indices", "indptr"):
            _add_array(digest, getattr(value, part, np.zeros(0)))
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        _add_array(digest, value)
    else:
        # Only the kind: the representation of an arbitrary object holds its address.
        # Parameters of nested estimators are hashed under their own names.
        kind = value if hasattr(value, "__qualname__") else type(value)
        digest.update(f"{kind.__module__}.{kind.__qualname__}".encode())


def _add_array(digest, x):
    # Rows are chosen where the array is, so that little has to leave a GPU.
    step = max(1, -(-math.prod(x.shape) * 8 // _BYTES_PER_ARRAY))
    host = np.asarray(to_numpy(x[::step, ...] if x.ndim else x))
    digest.update(f"{host.dtype}{tuple(x.shape)}".encode())
    if host.dtype == object:
        digest.update(repr(host.tolist()).encode())
    else:
        digest.update(np.ascontiguousarray(host).tobytes())
