"""Some rows of a stream, as likely each as the other."""

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2.kernel_machine.sample import Sample, rows_of


class Reservoir:
    """A uniform sample of the rows of a stream, the same however it is cut.

    Each row draws a number in the order in which it comes; those with the smallest ones
    are kept, in that order. The rows are in host memory.

    Parameters
    ----------
    size : int
        Rows to keep.
    rng : numpy.random.Generator
        Draws.

    References
    ----------
    Vitter, Random sampling with a reservoir, ACM Transactions on Mathematical Software
    11, 1985.
    """

    def __init__(self, size, rng):
        self._size, self._rng = size, rng
        self._keys, self._parts = np.zeros(0), None

    def add(self, sample):
        """Let the next rows of the stream take part.

        Parameters
        ----------
        sample : Sample
            Rows.
        """
        keys = self._rng.random(int(sample.Y.shape[0]))
        # Few rows of a late chunk have a chance, and only they leave their device.
        bound = np.inf if self._keys.size < self._size else self._keys.max()
        index = np.flatnonzero(keys < bound)
        unit = np.broadcast_to(sample.unit, keys.shape)
        new = (
            to_numpy(rows_of(sample.X, index)),
            to_numpy(rows_of(sample.Y, index)),
            unit[index],
        )
        keys = np.concatenate([self._keys, keys[index]])
        if self._parts is not None:
            pairs = zip(self._parts, new, strict=True)
            new = tuple(np.concatenate(pair) for pair in pairs)
        kept = np.sort(np.argsort(keys, kind="stable")[: self._size])
        self._keys, self._parts = keys[kept], tuple(part[kept] for part in new)

    def sample(self, like):
        """Return the rows.

        Parameters
        ----------
        like : array
            They are put beside it, in its dtype.

        Returns
        -------
        sample : Sample
        """
        X, Y, unit = self._parts
        return Sample(asarray_like(X, like), asarray_like(Y, like), unit)
