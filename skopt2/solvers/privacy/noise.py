"""Where the noise of private mechanisms comes from.

Symbols: std, the standard deviation of each number; shape, that of the released array.

The noise is drawn where the data lives. Without a seed it comes from the entropy of the
operating system, fresh in every fit. PCG64 and the generators of CUDA are not
cryptographically secure, and floating-point Gaussians do not reach every float, which a
determined adversary can use: I. Mironov, On significance of the least significant bits
for differential privacy, CCS 2012.
"""

from skopt2._core.array import HOST
from skopt2._core.random import Stream, seed_sequence

KINDS = ("gaussian",)


class NoiseSource:
    """Noise of one fit: every draw is new, none is kept.

    Parameters
    ----------
    seed : None, int or numpy.random.SeedSequence
        None for fresh entropy.
    target : Target, default=HOST
        Where the numbers go.
    kind : {"gaussian"}, default="gaussian"
        Distribution.

    Examples
    --------
    >>> from skopt2.solvers.privacy.noise import NoiseSource
    >>> NoiseSource(0).draw((2, 3), std=1.5).shape
    (2, 3)
    """

    def __init__(self, seed=None, target=HOST, kind="gaussian"):
        self.kind = kind
        self._stream = Stream(seed, target, native=True)

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
        """
        return std * self._stream.normal(shape) if std > 0 else 0.0


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
