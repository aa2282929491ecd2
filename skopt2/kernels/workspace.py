"""Arrays that a loop over tiles uses again, one set for each thread.

A fresh array of a tile costs more in page faults than the arithmetic on it.
"""

import math

import numpy as np


class Workspace:
    """Named buffers that grow to what was last asked of them."""

    def __init__(self):
        self._buffers = {}

    def array(self, name, shape, dtype):
        """Return an uninitialised array in C order, from the buffer of a name.

        Parameters
        ----------
        name : str
            Two arrays of the same name share their memory.
        shape : tuple of int
            Shape.
        dtype : dtype
            Of the elements.

        Returns
        -------
        array : ndarray
            Valid until the name is asked for again.
        """
        size, key = math.prod(shape), (name, np.dtype(dtype).char)
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)
