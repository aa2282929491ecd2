"""Process in which one transport library is timed; see :mod:`benchmarks.worker`.

Needs only NumPy, SciPy and the library.
"""

from pathlib import Path

from benchmarks.transport_cases import COLD, MEMORY, build, find
from benchmarks.transport_peers.base import load_peer
from benchmarks.transport_timing import cold, memory, search
from benchmarks.worker import serve


class Worker:
    """State of the process: the adapter and the problem last used."""

    def __init__(self, peer, cache, n_threads):
        self.peer = peer
        self.cache = Path(cache)
        self._problem = None

    def _build(self, case):
        if self._problem is None or self._problem.name != case.name:
            self._problem = None
            self._problem = build(case, self.cache)
        return self._problem

    def variants(self, request):
        """Methods that can solve a case."""
        problem = self._build(find(request["name"]))
        return {
            "variants": list(self.peer.variants(problem)),
            "exact": list(self.peer.exact),
        }

    def case(self, request):
        """Times of one method to the targets of a case."""
        return search(
            self.peer,
            self._build(find(request["name"])),
            request["variant"],
            request["targets"],
            request["repeat"],
            request["limit"],
            request["clock"],
        )

    def cold(self, request):
        """First and second call."""
        problem = self._build(COLD)
        return cold(self.peer, problem, request["variant"], COLD.targets[0])

    def memory(self, request):
        """Peak memory of a few iterations on many points."""
        problem = build(MEMORY, self.cache)
        return memory(self.peer, problem, request["variant"])


if __name__ == "__main__":
    serve(load_peer, Worker)
