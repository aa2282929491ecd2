"""Rows shared out among threads, with the same result for every number of threads.

NumPy releases the interpreter lock in products and in the exponential function, so that
threads over rows use the cores where the BLAS's own threads cannot: a product of few
columns with a large result is bound by memory, and its threads wait for each other.

The rows are cut in a fixed number of shards whose results come back in order, so that
sums over them do not depend on how many threads there were.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from skopt2._core.threads import blas_threads, one_blas_thread

SHARDS = 16
# Pairs of points below which starting threads takes as long as the work.
WORTHWHILE = 2**21


def run(work, n_rows, n_cols, multiple=1):
    """Call ``work(start, stop)`` for shards of the rows, in threads if that pays.

    As many threads as the BLAS may use, which is how a user, or joblib around a fit,
    says how many cores there are to take; the BLAS gets one in each.

    Parameters
    ----------
    work : callable
        Given a range of rows; must not touch what another range touches.
    n_rows, n_cols : int
        Size of the problem.
    multiple : int, default=1
        Shards start at multiples of it.

    Yields
    ------
    result : object
        What ``work`` returned, in the order of the rows.
    """
    if n_rows * n_cols < WORTHWHILE:
        yield work(0, n_rows)
        return
    ranges = _ranges(n_rows, multiple)
    n_threads = min(blas_threads(), os.cpu_count() or 1, len(ranges))
    with one_blas_thread() if n_threads > 1 else nullcontext():
        if n_threads == 1:
            yield from (work(*part) for part in ranges)
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield from pool.map(lambda part: work(*part), ranges)


def _ranges(n_rows, multiple):
    """Return at most SHARDS ranges of about equally many rows."""
    units = -(-n_rows // multiple)
    count = min(SHARDS, units)
    cuts = [min(multiple * (units * k // count), n_rows) for k in range(count)]
    return list(zip(cuts, [*cuts[1:], n_rows], strict=True))
