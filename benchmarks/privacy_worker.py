"""Process in which one privacy library is run; see :mod:`benchmarks.worker`.

Needs only NumPy and the library.
"""

import time
from pathlib import Path

from benchmarks.privacy_cases import build, find, read
from benchmarks.privacy_peers.base import load_peer
from benchmarks.worker import serve


class Worker:
    """State of the process: the adapter and the arrays last used."""

    def __init__(self, peer, cache, n_threads):
        self.peer, self.cache = peer, Path(cache)
        self._name, self._arrays = None, None

    def _problem(self, request):
        case = find(request["name"])
        if self._name != case.name:
            self._arrays, self._name = read(case, self.cache), case.name
        split = request["split"]
        seed = request.get("draw", 0) + split
        return build(case, self._arrays, request["epsilon"], split, seed)

    def variants(self, request):
        """Methods that a case is given to."""
        case, search = find(request["name"]), request.get("search", False)
        return {"variants": self.peer.variants(case, request["epsilon"], search)}

    def fit(self, request):
        """Fits of one method on one split: the fastest, and the score of the last."""
        problem, variant = self._problem(request), request["variant"]
        prepared = self.peer.prepare(problem, variant)
        times = []
        for _ in range(request.get("repeat", 1)):
            cpu, wall = time.process_time(), time.perf_counter()
            model = self.peer.fit(prepared, variant)
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
        predicted = self.peer.predict(model, problem.X_test)
        return {
            "score": problem.score(predicted),
            "cpu": min(cpu for cpu, _ in times),
            "wall": min(wall for _, wall in times),
        }

    def noise(self, request):
        """Noise multiplier for a budget."""
        cpu, wall = time.process_time(), time.perf_counter()
        sigma = self.peer.noise(
            request["variant"],
            request["epsilon"],
            request["delta"],
            request["rate"],
            request["steps"],
        )
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {"sigma": float(sigma), "cpu": cpu, "wall": wall}

    def spent(self, request):
        """Epsilon of steps with a noise multiplier, where the library is asked."""
        epsilon = self.peer.spent(
            request["sigma"], request["delta"], request["rate"], request["steps"]
        )
        return {} if epsilon is None else {"epsilon": float(epsilon)}


if __name__ == "__main__":
    serve(load_peer, Worker)
