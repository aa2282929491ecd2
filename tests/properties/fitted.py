"""What a fit left behind, as arrays that can be compared."""

import numpy as np
import scipy.sparse as sp

from skopt2._core.array import to_numpy

# Clocks, and what holds clocks.
_CLOCKS = ("history_", "cv_results_", "refit_time_", "search_history_", "device_")


def fitted_arrays(estimator):
    """Return the numbers and arrays of floats of a fitted estimator, by name."""
    found = {}
    for name, value in vars(estimator).items():
        if not name.endswith("_") or name.startswith("_") or name in _CLOCKS:
            continue
        if sp.issparse(value):
            value = value.toarray()
        if isinstance(value, (bool, int, float, np.number)):
            found[name] = np.asarray(value)
        elif hasattr(value, "dtype") and hasattr(value, "shape"):
            host = np.asarray(to_numpy(value))
            if host.dtype.kind in "fiub":
                found[name] = host
    return found


def assert_same_fit(one, other, *, rtol=0.0, atol=0.0, ignore=()):
    """Assert that two fits left the same numbers.

    Parameters
    ----------
    one, other : estimator
        Fitted.
    rtol, atol : float, default=0
        Tolerances, the second relative to the largest number of each array.
    ignore : tuple of str, default=()
        Names that may differ.
    """
    first, second = fitted_arrays(one), fitted_arrays(other)
    assert set(first) == set(second)
    for name, x in first.items():
        if name in ignore:
            continue
        y = second[name]
        assert x.shape == y.shape, name
        if x.dtype.kind == "f":
            finite = np.abs(x[np.isfinite(x)])
            size = float(finite.max()) if finite.size else 0.0
            np.testing.assert_allclose(
                y, x, rtol=rtol, atol=atol * size, err_msg=name, equal_nan=True
            )
        else:
            np.testing.assert_array_equal(y, x, err_msg=name)
