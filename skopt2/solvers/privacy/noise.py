"""Where the noise of private mechanisms comes from.

Symbols: std, the standard deviation of each number; shape, that of the released array.

Gaussian noise is drawn where the data lives. Without a seed it comes from the entropy
of the operating system, fresh in every fit. PCG64 and the generators of CUDA are not
cryptographically secure, and floating-point Gaussians do not reach every float, which a
determined adversary can use: I. Mironov, On significance of the least significant bits
for differential privacy, CCS 2012. Discrete noise has neither weakness, see
:mod:`skopt2.solvers.privacy.discrete_gaussian`: its random words are those of the
operating system, drawn on the host.
"""

import math

from skopt2._core.array import HOST
from skopt2._core.random import Stream, seed_sequence
from skopt2.solvers.privacy.discrete_gaussian import (
    SeededBits,
    SystemBits,
    add_discrete_noise,
    noise_grid,
)

KINDS = ("gaussian", "discrete")


class NoiseSource:
    """Noise of one fit: every draw is new, none is kept.

    Parameters
    ----------
    seed : None, int or numpy.random.SeedSequence
        None for fresh entropy.
    target : Target, default=HOST
        Where the numbers go.
    kind : {"gaussian", "discrete"}, default="gaussian"
        Distribution.
    secure : bool, default=False
        Whether discrete noise takes its words from the operating system although there
        is a seed; without a seed it always does.

    Examples
    --------
    >>> from skopt2.solvers.privacy.noise import NoiseSource
    >>> NoiseSource(0).draw((2, 3), std=1.5).shape
    (2, 3)
    """

    def __init__(self, seed=None, target=HOST, kind="gaussian", secure=False):
        self.kind = kind
        self._stream = Stream(seed, target, native=True)
        self.bits = SystemBits() if secure or seed is None else SeededBits(seed)

    def draw(self, shape, std):
        """Return independent noise with mean 0.

        Parameters
        ----------
        shape : tuple of int
            Of the array.
        std : float
            Standard deviation; 0.0 draws nothing.

        Returns
        -------
        noise : array or float
            float64 on the target; 0.0 where ``std`` is 0.

        Raises
        ------
        ValueError
            If the noise is discrete: without its sum it has no grid.
        """
        if std <= 0:
            return 0.0
        if self.kind == "discrete":
            raise ValueError(
                "noise='discrete' needs the sum that it is added to, and this solver "
                "draws noise apart from it. Use noise='gaussian'."
            )
        return std * self._stream.normal(shape)

    def added(self, query, W, multiplier, relation="zero_out", rows=None):
        """Return the noisy sum of a query: all that is learnt of the data.

        Parameters
        ----------
        query : ClippedSum
            Query; its sensitivity scales the noise.
        W : array
            Where the query is asked.
        multiplier : float
            Noise multiplier; 0.0 adds nothing.
        relation : {"zero_out", "replace_one"}, default="zero_out"
            Which data sets are neighbours.
        rows : array of int or None, default=None
            A batch; None for all rows.

        Returns
        -------
        total : array of the shape of the query
            Releasable.
        """
        total = query.clipped_sum(W, rows)
        size = query.sensitivity(relation)
        if self.kind != "discrete" or multiplier == 0.0:
            return total + self.draw(tuple(total.shape), multiplier * size)
        grid = noise_grid(size, multiplier, math.prod(total.shape), query.n_rows)
        return add_discrete_noise(total, grid, self.bits)


class PoissonSampling:
    """Batches in which every row is with the same probability, independently.

    The number of rows is binomial; given it, every set of that size is equally likely.
    Shuffled batches of a fixed size are another mechanism, whose loss is larger: L.
    Chua and others, arXiv 2411.04205.

    Parameters
    ----------
    seed : None, int or numpy.random.SeedSequence
        Of its own: sampling and noise share no stream.
    n_rows : int
        Rows in all.
    rate : float
        Probability of a row.

    Examples
    --------
    >>> from skopt2.solvers.privacy.noise import PoissonSampling
    >>> sampling = PoissonSampling(0, n_rows=1000, rate=0.1)
    >>> 50 < sampling.draw().size < 150
    True
    """

    def __init__(self, seed, n_rows, rate):
        self._stream = Stream(seed)
        self.n_rows = n_rows
        self.rate = rate

    def draw(self):
        """Return the rows of the next batch.

        Returns
        -------
        rows : ndarray of int
            Sorted, in host memory; it can be empty.
        """
        return self._stream.subset(self.n_rows, self.rate)


def separate_seeds(random_state):
    """Return seeds of noise, sampling and public starting values.

    Parameters
    ----------
    random_state : None, int, RandomState, Generator or SeedSequence
        As scikit-learn takes it.

    Returns
    -------
    seeds : list of numpy.random.SeedSequence
        Three, of independent streams.
    """
    return seed_sequence(random_state).spawn(3)
