"""What a piece of work takes in memory."""

import resource
import threading
from pathlib import Path

_PAGE = resource.getpagesize()


def resident():
    """Bytes of this process in memory, or 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


class PeakMemory:
    """Largest memory of the process while the block runs, sampled.

    Attributes
    ----------
    before, largest : int
        Bytes.
    """

    def __enter__(self):
        self.before = self.largest = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.02):
            self.largest = max(self.largest, resident())

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.largest = max(self.largest, resident())

    @property
    def megabytes(self):
        """Growth, in units of 2^20 bytes."""
        return (self.largest - self.before) / 2**20
