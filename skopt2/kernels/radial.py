"""Kernels of the distance between two points.

k(x, y) = f(s r^2), r^2 = sum_k ((x_k - y_k) / l_k)^2, s the constant of the kernel that
spares its profile f a product: rows are prepared as sqrt(s) x / l, and p = s r^2 is the
squared distance between them (:mod:`skopt2.kernels.squares`).

Symbols: l length scale, a number or (d,); A, B prepared points; p (nA, nB).
"""

import math
from numbers import Real

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    namespace,
    to_numpy,
)
from skopt2.kernels.base import Kernel
from skopt2.kernels.median import median_distance
from skopt2.kernels.squares import prepare, squares, squares_into


class Radial(Kernel):
    """Base of the kernels of the scaled distance between two points.

    Parameters
    ----------
    length_scale : float, array-like of shape (d,) or "median", default="median"
        Unit of the distance: one for all features, one for each, or the median
        distance between pairs of at most 1000 points.
    """

    is_stationary = True
    tile = 2**16
    # The constant s, and whether the profile is differentiable in p at 0.
    scale = 1.0
    smooth = True

    def __init__(self, length_scale="median"):
        self.length_scale = length_scale

    def check_parameters(self):
        """Raise ValueError unless the length scale is positive, or "median"."""
        value = self.length_scale
        if isinstance(value, str):
            if value == "median":
                return
        elif isinstance(value, Real):
            if 0 < value < math.inf:
                return
        else:
            scales = self._scales()
            if (
                scales.ndim == 1
                and scales.size
                and bool(np.all((scales > 0) & np.isfinite(scales)))
            ):
                return
        raise ValueError(
            f"length_scale of the {self.name} kernel must be a positive number, one "
            f'for each feature, or "median"; got length_scale={value!r}.'
        )

    def _scales(self):
        """Return a length scale for each feature as a NumPy array, of any shape."""
        value = self.length_scale
        try:
            value = to_numpy(value) if hasattr(value, "dtype") else value
            return np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            return np.empty((0, 0))

    def resolve(self, X, rng=None):
        """Copy of the kernel whose length scale is a number, or one for each feature.

        Parameters
        ----------
        X : array of shape (n, d)
            Points.
        rng : numpy.random.Generator or None, default=None
            Draws the sample for the median; None takes evenly spaced points.

        Returns
        -------
        kernel : Kernel
            A clone. The median is that of the positive distances where more than half
            of all are 0, and 1.0 where no two points differ.

        Raises
        ------
        ValueError
            If a parameter is out of range.
        """
        kernel = super().resolve(X, rng)
        if isinstance(kernel.length_scale, str):
            kernel.length_scale = median_distance(X, rng)
        return kernel

    def origin(self, X):
        """Mean of the points; see :meth:`Kernel.origin`."""
        xp = namespace(X)
        if not X.shape[0]:
            return None
        mean = xp.mean(xp.astype(X, accumulation_dtype(X)), axis=0)
        return xp.astype(mean, X.dtype)

    def features(self, X, origin=None, wide=False):
        """Shift and scale points, and take their norms; see :meth:`Kernel.features`."""
        if isinstance(self.length_scale, str):
            raise ValueError(
                f'length_scale="{self.length_scale}" of the {self.name} kernel has no '
                "value yet: prepare points with kernel.resolve(X)."
            )
        accurate = accumulation_dtype(X)
        points = X
        if wide and X.dtype != accurate:
            points = namespace(X).astype(X, accurate)
        with np.errstate(over="ignore"):
            rows = points if origin is None else points - origin
            rows = rows * self._factor(points)
        try:
            prepared = prepare(rows, X.dtype, origin)
        except OverflowError:
            raise ValueError(
                f"Points divided by length_scale={self.length_scale!r} are too large "
                f"for {points.dtype}: rescale them, or use a larger length_scale."
            ) from None
        if prepared is None:
            return self.features(X, origin, wide=True)
        return prepared

    def _factor(self, X):
        """Return sqrt(s) / l beside X, a number or (d,)."""
        root = math.sqrt(self.scale)
        if isinstance(self.length_scale, Real):
            return root / float(self.length_scale)
        scales = self._scales()
        if scales.shape != (X.shape[1],):
            raise ValueError(
                f"length_scale of the {self.name} kernel has {scales.size} values, X "
                f"has {X.shape[1]} features: give one value for each, or one number."
            )
        return asarray_like(root / scales, X)

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        return self.profile(squares(A, B, self.smooth))

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        squares_into(A, B, self.smooth, out, workspace, same)
        self.profile_in_place(out, workspace)

    def profile(self, p):
        """Kernel as a function of p = s r^2.

        Parameters
        ----------
        p : array
            Nonnegative.

        Returns
        -------
        k : array of the shape of p
            In its dtype.
        """
        raise NotImplementedError

    def profile_in_place(self, p, workspace):
        """Overwrite a NumPy array of p = s r^2 by the kernel.

        Parameters
        ----------
        p : ndarray
            Nonnegative; holds the kernel afterwards.
        workspace : Workspace
            Arrays of this thread.
        """
        p[...] = self.profile(p)

    def diag(self, A):
        """Ones; see :meth:`Kernel.diag`."""
        return namespace(A.rows).ones_like(A.rows[:, 0], dtype=A.dtype)
