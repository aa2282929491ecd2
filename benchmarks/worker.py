"""Process in which one library is timed; driven by lines of JSON on its stdin.

Every library gets a process of its own, so that thread pools and compilers of one do
not disturb another, and so that one can live in an environment of its own. Replies go
to the original stdout; whatever the library prints is sent to stderr.

Needs only NumPy, SciPy and the library.
"""

import argparse
import json
import os
import sys
import time
import traceback
from dataclasses import replace

from benchmarks.sparse_cases import CASES, COLD, TINY, build
from benchmarks.sparse_data import load_dataset


class Worker:
    """State of the process: the adapter and the data set last used."""

    def __init__(self, peer, cache, n_threads):
        self.peer = peer
        self.cache = cache
        self.n_threads = n_threads
        self._name = None
        self._data = None

    def _problem(self, case):
        if self._name != case.data:
            self._data = None
            self._data = load_dataset(self.cache, case.data)
            self._name = case.data
        return build(case, self._data, self.n_threads)

    def case(self, request):
        from benchmarks.timing import search

        case = next(one for one in CASES if one.name == request["name"])
        if request.get("targets"):
            case = replace(case, targets=tuple(request["targets"]))
        problem = self._problem(case)
        if not self.peer.variants(problem):
            return {"runs": [], "best": [None] * len(case.targets)}
        return search(
            self.peer, problem, case.targets, request["repeat"], request["limit"]
        )

    def cold(self, request):
        from benchmarks.timing import cold

        case = COLD[request["name"]]
        problem = self._problem(case)
        if not self.peer.variants(problem):
            return {}
        return cold(self.peer, problem, case.targets[0])

    def tiny(self, request):
        from benchmarks.timing import per_fit

        fit = self.peer.tiny(self._problem(TINY))
        return {} if fit is None else {"seconds": per_fit(fit)}


def _private_stdout():
    """Return the real stdout and point file descriptor 1 at stderr."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return replies


def serve(load_peer, make_worker):
    """Answer requests until stdin closes.

    Parameters
    ----------
    load_peer : callable
        Imports the library of a name and returns its adapter.
    make_worker : callable
        Called with the adapter, the cache and the number of threads; requests name
        the methods of what it returns.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    replies = _private_stdout()

    def reply(answer):
        replies.write(json.dumps(answer) + "\n")

    start = time.perf_counter()
    try:
        peer = load_peer(options.peer)
    except ImportError as error:
        reply({"error": f"not importable: {error}"})
        return
    version = getattr(peer, "version", "")
    reply({"import": time.perf_counter() - start, "version": version})
    worker = make_worker(peer, options.cache, options.threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request["do"])(request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        reply(answer)


def main():
    """Serve the libraries of the sparse benchmark."""
    from benchmarks.peers import load_peer

    serve(load_peer, Worker)


if __name__ == "__main__":
    main()
