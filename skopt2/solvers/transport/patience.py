"""When an error that no longer falls stands at the floor of rounding."""

import math
from dataclasses import dataclass


@dataclass
class Patience:
    """Watch an error that rounding keeps from falling further.

    Parameters
    ----------
    floor : float
        Error that rounding explains, up to a factor of a thousand.
    measures : int, default=10
        Measures without progress before the search is given up.
    lowest, idle : float, int
        Smallest error, and measures without one much smaller.
    """

    floor: float
    measures: int = 10
    lowest: float = math.inf
    idle: int = 0

    def exhausted(self, error):
        """Return True if the error stands at the floor of rounding."""
        if error < 0.9 * self.lowest:
            self.lowest, self.idle = error, 0
            return False
        self.idle += 1
        return self.idle >= self.measures and self.lowest <= 1e3 * self.floor
