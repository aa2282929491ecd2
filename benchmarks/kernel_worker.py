"""Process in which one kernel library is timed; see :mod:`benchmarks.worker`.

Needs only NumPy, SciPy and the library, and scikit-learn for the digits.
"""

import resource
import threading
import time
from pathlib import Path

from benchmarks.kernel_cases import build, find
from benchmarks.kernel_peers.base import load_peer
from benchmarks.worker import serve

_PAGE = resource.getpagesize()


def _resident():
    """Bytes of this process in memory, or 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


class _Peak:
    """Largest memory of the process while the block runs, sampled."""

    def __enter__(self):
        self.before = self.largest = _resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while not self._done.wait(0.02):
            self.largest = max(self.largest, _resident())

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()
        self.largest = max(self.largest, _resident())


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
        return {"variants": list(self.peer.variants(self._build(request["name"])))}

    def case(self, request):
        """Runs of one method with growing budgets, until the target or the limit."""
        problem, variant = self._build(request["name"]), request["variant"]
        runs, spent = [], 0.0
        for budget in self.peer.budgets(variant):
            run = self._run(problem, variant, budget)
            runs.append(run)
            spent = run["cpu"]
            if run["error"] <= problem.case.target or spent > request["limit"]:
                break
        best = runs[-1] if runs[-1]["error"] <= problem.case.target else None
        for _ in range(request["repeat"] - 1 if best else 0):
            again = self._run(problem, variant, best["budget"])
            best["cpu"] = min(best["cpu"], again["cpu"])
            best["wall"] = min(best["wall"], again["wall"])
        return {"runs": runs, "best": best}

    def _run(self, problem, variant, budget):
        with _Peak() as peak:
            cpu, wall = time.process_time(), time.perf_counter()
            predict, remark = self.peer.fit(problem, variant, budget)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {
            "budget": budget,
            "cpu": cpu,
            "wall": wall,
            "error": problem.error(predict(problem.X_test)),
            "remark": remark,
            "megabytes": (peak.largest - peak.before) / 2**20,
        }


if __name__ == "__main__":
    serve(load_peer, Worker)
