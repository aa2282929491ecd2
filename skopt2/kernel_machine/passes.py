"""Rows of Dask collections, checked anew and read again in each pass of a solver."""

from skopt2._core.chunks import chunks_of
from skopt2._core.weights import raw_weight
from skopt2.kernel_machine.sample import Sample


class Passes:
    """Chunks for :func:`skopt2.solvers.kernel.solve_centers.solve_on_centers`.

    Parameters
    ----------
    check : callable
        ``check(X, y, sample_weight)`` returns the FitInput of a chunk, and its targets
        of shape (n, c).
    rows : tuple of Dask collections
        X, y, and sample_weight or None.
    keep : callable
        Is called once for each chunk, with its Sample.
    """

    def __init__(self, check, rows, keep):
        self._check, self._rows, self._keep = check, rows, keep
        self._seen = 0

    def __iter__(self):
        """Yield the rows of positive weight, their targets and weights or None."""
        for number, chunk in enumerate(chunks_of(*self._rows)):
            data, Y = self._check(*chunk)
            sample = Sample(data.X, Y, raw_weight(data, chunk[2])).positive()
            if number == self._seen:
                # Also where a pass before this one was not read to its end.
                self._keep(sample)
                self._seen += 1
            yield sample.X, sample.Y, sample.unit_of_rows()
