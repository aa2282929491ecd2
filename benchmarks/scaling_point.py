"""One point of :mod:`benchmarks.scaling`, in a process of its own."""

import ctypes
import gc
import multiprocessing
import time
import warnings

import numpy as np

from benchmarks.peak_memory import PeakMemory
from benchmarks.scaling_cases import CURVES

# fits shorter than this are repeated, and the least time counts
_SHORT = 0.3
_REPEATS = 5


def key(curve):
    """Return what names a curve in the file: family, label and axis."""
    return f"{curve.family}/{curve.label}/{curve.axis}"


def _give_back():
    """Hand freed memory back to the system, so that the next use of it is seen."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def measure(curve, size):
    """Measure one point in this process.

    Parameters
    ----------
    curve : Curve
        What is fitted.
    size : int
        Of the axis that grows.

    Returns
    -------
    dict
        ``size``, ``seconds``, ``megabytes`` and ``converged``, which is None where the
        result has no such attribute.
    """
    warnings.filterwarnings("ignore")
    curve.prepare(curve.sizes[0])()
    fit = curve.prepare(size)
    _give_back()
    with PeakMemory() as memory:
        start = time.process_time()
        fitted = fit()
        seconds = time.process_time() - start
    for _ in range(_REPEATS - 1 if seconds < _SHORT else 0):
        start = time.process_time()
        fit()
        seconds = min(seconds, time.process_time() - start)
    for name in ("converged_", "converged"):
        converged = getattr(fitted, name, None)
        if converged is not None:
            break
    return {
        "size": int(size),
        "seconds": seconds,
        "megabytes": memory.megabytes,
        "converged": None if converged is None else bool(np.all(converged)),
    }


def _answer(name, size, pipe):
    curve = next(curve for curve in CURVES if key(curve) == name)
    pipe.send(measure(curve, size))
    pipe.close()


def in_fresh_process(curve, size, limit=600.0):
    """Return :func:`measure` of a new process, None if it fails or exceeds the limit.

    Parameters
    ----------
    curve : Curve
        One of ``CURVES``.
    size : int
        Of the axis that grows.
    limit : float, default=600.0
        Seconds, of a clock on the wall.

    Returns
    -------
    dict or None
    """
    # The server has imported everything, and each of its children has done nothing yet.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.scaling_point"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(key(curve), size, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(limit) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()
        ours.close()
