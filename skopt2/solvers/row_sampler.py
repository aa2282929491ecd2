"""Random rows for estimates of the gradient.

f = sum_i s_i f_i is the mean of f_i over rows drawn with the probabilities s_i, so that
the mean over a sample with replacement is unbiased whatever the weights are, and a row
of weight 0 is never drawn.
"""

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.random import seed_sequence


class RowSampler:
    """Rows with the probabilities of their weights.

    Parameters
    ----------
    problem : LinearProblem
        Its sample weights.
    random_state : None, int, RandomState or Generator
        Seed of the draws, which are made on the host.
    """

    def __init__(self, problem, random_state):
        self._rng = np.random.default_rng(seed_sequence(random_state))
        self.n = problem.design.n
        s = np.asarray(to_numpy(problem.s), dtype=np.float64)
        self._ends = None if s.min() == s.max() else np.cumsum(s)

    def rows(self, k):
        """Return k rows, drawn with replacement.

        Parameters
        ----------
        k : int
            How many.

        Returns
        -------
        rows : ndarray of int of shape (k,)
            Sorted.
        """
        if self._ends is None:
            rows = self._rng.integers(0, self.n, k)
        else:
            height = self._rng.random(k) * self._ends[-1]
            rows = np.searchsorted(self._ends, height, side="right")
        return np.sort(np.minimum(rows, self.n - 1))

    def failures(self, p):
        """Return how often an event of probability p fails before it happens.

        Parameters
        ----------
        p : float
            In (0, 1].
        """
        return int(self._rng.geometric(p)) - 1

    def pack(self):
        """Return the state of the generator as an array, for a checkpoint."""
        state = self._rng.bit_generator.state["state"]
        words = [state["state"], state["inc"]]
        mask = 2**64 - 1
        split = [part for word in words for part in (word >> 64, word & mask)]
        return np.array(split, dtype=np.uint64)

    def unpack(self, packed):
        """Go on where the generator of a checkpoint stood."""
        high, low, above, below = (int(word) for word in np.asarray(packed))
        full = self._rng.bit_generator.state
        full["state"] = {"state": (high << 64) | low, "inc": (above << 64) | below}
        full["has_uint32"], full["uinteger"] = 0, 0
        self._rng.bit_generator.state = full
