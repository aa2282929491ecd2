"""How many threads a user grants, and a BLAS that takes one of them.

NumPy releases the interpreter lock in products and element-wise functions, so threads
over tiles of an array use the cores where one call after the other does not. The BLAS
of each thread must then stay with one, or the threads would wait for each other.
"""

import functools
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from threadpoolctl import ThreadpoolController


@functools.lru_cache(maxsize=1)
def _controller():
    return ThreadpoolController().select(user_api="blas")


def blas_threads():
    """Return the number of threads that the BLAS libraries may use at present.

    This is how a user, or joblib around a fit, says how many cores there are to take.
    """
    counts = [library.num_threads for library in _controller().lib_controllers]
    return max(counts, default=1)


class _SharedLimit:
    """The limit of one BLAS thread while anybody needs it.

    The number belongs to the process: of two fits in threads of their own, the one that
    came second would see, and in the end put back, the limit of the first.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._holders = 0
        self._limit = None

    @contextmanager
    def __call__(self):
        with self._lock:
            if not self._holders:
                self._limit = _controller().limit(limits=1)
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._limit.restore_original_limits()


_shared_limit = _SharedLimit()


def one_blas_thread():
    """Return a context in which the BLAS libraries use one thread."""
    return _shared_limit()


@contextmanager
def without_warnings(category=Warning, message=""):
    """Leave out some warnings in the main thread.

    Filters are shared by threads, which must not put back each other's: elsewhere the
    warnings are shown.

    Parameters
    ----------
    category : class, default=Warning
        Of the warnings.
    message : str, default=""
        Regular expression that their texts begin with.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message, category=category)
        yield


class TaskPool:
    """Threads that stay between calls: starting them takes as long as a small block.

    Parameters
    ----------
    n_threads : int or None, default=None
        None for as many as the BLAS may use at the time of a call.
    """

    def __init__(self, n_threads=None):
        self.n_threads = n_threads
        self._pool = None
        self._key = None

    def __getstate__(self):
        return {"n_threads": self.n_threads, "_pool": None, "_key": None}

    def run(self, work, tasks):
        """Call ``work(*task)`` for each task, with one BLAS thread in each call.

        Parameters
        ----------
        work : callable
            Must not touch what it touches for another task.
        tasks : sequence of tuple
            Arguments. The first exception of a task is raised.
        """
        granted = blas_threads()
        wanted = min(granted, os.cpu_count() or 1)
        count = min(self.n_threads or wanted, len(tasks))
        with one_blas_thread() if granted > 1 else nullcontext():
            if count <= 1:
                for task in tasks:
                    work(*task)
                return
            # A fork has the pool of its parent, but not its threads.
            key = (count, os.getpid())
            if self._key != key:
                self._pool, self._key = ThreadPoolExecutor(count), key
            for _ in self._pool.map(lambda task: work(*task), tasks):
                pass
