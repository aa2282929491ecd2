"""Process in which one kernel library is timed; see :mod:`benchmarks.worker`.

Needs only NumPy, SciPy and the library, and scikit-learn for the digits.
"""

import time
from pathlib import Path

from benchmarks.kernel_cases import build, find
from benchmarks.kernel_peers.base import load_peer
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
        with PeakMemory() as peak:
            cpu, wall = time.process_time(), time.perf_counter()
            predict, remark = self.peer.fit(problem, variant, budget)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {
            "budget": budget,
            "cpu": cpu,
            "wall": wall,
            "error": problem.error(predict(problem.X_test)),
            "remark": remark,
            "megabytes": peak.megabytes,
        }


if __name__ == "__main__":
    serve(load_peer, Worker)
