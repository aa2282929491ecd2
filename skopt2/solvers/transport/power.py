"""The exponential function to the base that a processor computes fastest."""

import math

import numpy as np


class Power:
    """The exponential function in place, and the base that is fastest here.

    Exponents far below rounding are raised to ``floor``: an underflow takes ten to
    fifty times as long as an ordinary exponent, and means the same.
    """

    def __init__(self, xp, dtype):
        self.xp = xp
        name = "float32" if dtype == xp.float32 else "float64"
        self.function, self.log_base = np.exp, 1.0
        if xp is np and _has_fast_exp2(np.dtype(name).char):
            self.function, self.log_base = np.exp2, math.log(2.0)
        lowest = -80.0 if name == "float32" else -690.0
        self.floor, self.smallest = lowest / self.log_base, math.exp(lowest)
        self.dtype, self.floors = dtype, None

    def __call__(self, E, clipped=True):
        """Return base**E, in place on the host.

        Parameters
        ----------
        E : array of shape (n_cols,) or (n_rows, n_cols)
            Exponents.
        clipped : bool, default=True
            False where all are above the floor anyway.

        Returns
        -------
        Z : array
        """
        if self.xp is not np:
            return self.xp.exp(E)
        if clipped:
            width, floors = E.shape[-1], self.floors
            if floors is None or floors.shape[0] < width:
                # With a scalar NumPy's maximum takes four times as long.
                floors = self.floors = np.full(width, self.floor, dtype=self.dtype)
            np.maximum(E, floors[:width], out=E)
        return self.function(E, out=E)


def _has_fast_exp2(char):
    """Return True where NumPy computes exp2 of a dtype with vector instructions."""
    if not hasattr(np.lib, "introspect"):
        return False
    found = np.lib.introspect.opt_func_info(func_name="^exp2$")
    target = found.get("exp2", {}).get(2 * char, {}).get("current", "baseline")
    return not target.startswith("baseline")
