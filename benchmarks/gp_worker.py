"""Process in which one Gaussian process library is timed.

See :mod:`benchmarks.worker`. Needs only NumPy and the library.
"""

import time
from pathlib import Path

from benchmarks.gp_cases import build, find
from benchmarks.gp_peers.base import load_peer
from benchmarks.peak_memory import PeakMemory
from benchmarks.worker import serve


class Worker:
    """State of the process: the adapter and the problem last used."""

    def __init__(self, peer, cache, n_threads):
        self.peer, self.cache = peer, Path(cache)
        self._problem = None

    def _build(self, name):
        if self._problem is None or self._problem.case.name != name:
            self._problem = build(find(name), self.cache)
        return self._problem

    def variants(self, request):
        """Methods that can solve a case."""
        problem = self._build(request["name"])
        return {"variants": list(self.peer.variants(problem, request["fitted"]))}

    def case(self, request):
        """One fit and one prediction of mean and variance, timed together."""
        problem = self._build(request["name"])
        with PeakMemory() as peak:
            cpu, wall = time.process_time(), time.perf_counter()
            mean, variance, remark = self.peer.run(
                problem, request["variant"], request["fitted"]
            )
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        rmse, nll = problem.scores(mean, variance)
        return {
            "cpu": cpu,
            "wall": wall,
            "rmse": rmse,
            "nll": nll,
            "remark": remark,
            "megabytes": peak.megabytes,
        }


if __name__ == "__main__":
    serve(load_peer, Worker)
