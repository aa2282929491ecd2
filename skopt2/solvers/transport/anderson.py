"""Anderson's acceleration of a fixed-point iteration.

Problem: x = F(x). Symbols: r = F(x) - x the residual; dF, dR the last differences of
the images F(x) and of the residuals, one a row.

The next point is F(x) - g' dF with the g that minimises |r - g' dR|: the combination of
the last images whose residuals, were F affine, would cancel best.

Source: D. G. Anderson, Iterative procedures for nonlinear integral equations, Journal
of the ACM 12, 1965; H. F. Walker and P. Ni, Anderson acceleration for fixed-point
iterations, SIAM J. Numer. Anal. 49, 2011, section 2.
"""

import numpy as np

from skopt2._core.array import accumulation_dtype, device_of, namespace

# Relative to the mean square of the differences: below it they are rounding.
RIDGE = 1e-10


class Anderson:
    """Memory of the last steps of a fixed-point iteration.

    Parameters
    ----------
    memory : int, default=8
        Number of differences to keep.
    """

    def __init__(self, memory=8):
        self.memory = memory
        self.clear()

    def clear(self):
        """Forget all steps."""
        self._last, self._images, self._residuals = None, [], []

    def next(self, x, image, weight=None):
        """Return the next point, and remember the step.

        Parameters
        ----------
        x : array of any shape
            Point.
        image : array
            F(x).
        weight : array, default=None
            Broadcast against ``x``: what each residual counts, squared.

        Returns
        -------
        x : array
            F(x) itself at the first step; not finite where the steps were not.
        """
        xp = namespace(x)
        r = image - x
        if self._last is not None:
            self._images.append(image - self._last[0])
            self._residuals.append(r - self._last[1])
            del self._images[: -self.memory], self._residuals[: -self.memory]
        self._last = image, r
        if not self._images:
            return image
        wide = accumulation_dtype(x)
        rows = xp.stack([*self._residuals, r])
        rows = rows if weight is None else rows * weight
        rows = xp.astype(xp.reshape(rows, (rows.shape[0], -1)), wide)
        gram = rows @ rows.T
        k = len(self._residuals)
        unit = xp.eye(k, dtype=wide, device=device_of(x))
        # One look at the device would cost more than the system: it is solved there.
        square = xp.sum(gram[:k, :k] * unit) / k
        tiny = float(xp.finfo(wide).smallest_normal)
        g = _solve(gram[:k, :k] + (RIDGE * square + tiny) * unit, gram[:k, k])
        for coefficient, change in zip(_scalars(g, x), self._images, strict=True):
            image = image - coefficient * change
        return image


def _solve(matrix, rhs):
    """Return the solution of a small system; zeros where NumPy finds it singular."""
    xp = namespace(matrix)
    try:
        return xp.linalg.solve(matrix, rhs[:, None])[:, 0]
    except np.linalg.LinAlgError:
        return xp.zeros_like(rhs)


def _scalars(g, x):
    """Return coefficients that multiply arrays like ``x``."""
    if namespace(x) is np:
        return g.tolist()
    g = namespace(x).astype(g, x.dtype)
    return [g[i] for i in range(g.shape[0])]
