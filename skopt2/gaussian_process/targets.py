"""Targets of a Gaussian process in its own units, and their noise."""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, namespace, to_numpy


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets shifted and scaled, the prior mean of the process being 0.

    Parameters
    ----------
    Y : array of shape (n, c)
        Targets less ``center``, divided by ``unit``.
    center, unit : array of shape (c,)
        In the units of the user.
    """

    Y: Any
    center: Any
    unit: Any

    @classmethod
    def of(cls, y, normalize, dtype):
        """Take the targets of a fit.

        Parameters
        ----------
        y : array of shape (n,) or (n, c)
            As the user gave them.
        normalize : bool
            Whether to subtract their mean and divide by their standard deviation, which
            counts as 1 where it is 0.
        dtype : dtype
            Of the result.

        Returns
        -------
        targets : Targets
        """
        xp = namespace(y)
        Y = xp.reshape(y, (y.shape[0], -1))
        center, unit = xp.zeros_like(Y[0, :]), xp.ones_like(Y[0, :])
        if normalize:
            wide = xp.astype(Y, accumulation_dtype(Y))
            center, unit = xp.mean(wide, axis=0), xp.std(wide, axis=0)
            # The deviation of a constant is not 0 but what rounding its mean left.
            least = 10.0 * xp.finfo(Y.dtype).eps * xp.abs(center)
            unit = xp.where(unit > least, unit, xp.ones_like(unit))
            Y = (wide - center) / unit
        return cls(*(xp.astype(part, dtype) for part in (Y, center, unit)))

    def more(self, y, dtype):
        """Add targets in the units of these.

        Parameters
        ----------
        y : array of shape (m,) or (m, c)
            As the user gave them.
        dtype : dtype
            Of the result.

        Returns
        -------
        targets : Targets
            Those of all rows.
        """
        xp, wide = namespace(self.Y), accumulation_dtype(self.Y)
        Y, own, center, unit = (
            xp.astype(part, wide) for part in (y, self.Y, self.center, self.unit)
        )
        Y = (xp.reshape(Y, (y.shape[0], -1)) - center) / unit
        Y = xp.concat([own, Y], axis=0)
        return type(self)(*(xp.astype(part, dtype) for part in (Y, center, unit)))


def noise_of_rows(alpha, n):
    """Return the noise variances of the rows.

    Parameters
    ----------
    alpha : float or array-like of shape (n,) or (1,)
        As the user gave it.
    n : int
        Number of rows.

    Returns
    -------
    noise : float or ndarray of shape (n,)
        float64, in host memory.

    Raises
    ------
    ValueError
        If a value is negative or not finite, or there are as many as neither 1 nor n.
    """
    values = to_numpy(alpha) if hasattr(alpha, "dtype") else alpha
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"alpha must be a number or an array; got {alpha!r}."
        ) from None
    if values.ndim > 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "alpha, the variance of the noise, must be a number or a vector of numbers "
            f"that are finite and >= 0; got {alpha!r}."
        )
    if values.size == 1:
        return float(values.reshape(()))
    if values.shape != (n,):
        raise ValueError(
            "alpha must be a scalar or an array with same number of entries as y. "
            f"({values.shape[0]} != {n})"
        )
    return values


def added(first, second, like):
    """Return the sum of two noise variances, each a number or one for each row.

    Parameters
    ----------
    first, second : float or array of shape (n,)
        On any device.
    like : array
        Where an array goes.

    Returns
    -------
    total : float or array of shape (n,)
    """
    if isinstance(first, Real) and isinstance(second, Real):
        return float(first) + float(second)
    wide = accumulation_dtype(like)
    parts = [
        part if isinstance(part, Real) else asarray_like(part, like, wide)
        for part in (first, second)
    ]
    return parts[0] + parts[1]
