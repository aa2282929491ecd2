"""Processor seconds of a call, by a clock that may tick in milliseconds."""

import time

# Timings, seconds of each at least, and seconds of all.
_REPEAT, _BATCH, _SPENT = 3, 0.05, 1.0


def timed(call):
    """Return the processor seconds of a call and what it returns."""
    start = time.process_time()
    value = call()
    return time.process_time() - start, value


def steady(call, seconds):
    """Return the smallest mean time of some batches of calls.

    Parameters
    ----------
    call : callable
        Called without arguments, and warm.
    seconds : float
        What it took once; no more runs where that is long.

    Returns
    -------
    seconds : float
        Positive.
    """
    if (_REPEAT - 1) * seconds > _SPENT:
        return seconds
    count = max(1, min(1000, round(_BATCH / max(seconds, 5e-5))))
    means = [seconds] if count == 1 else []
    while len(means) < _REPEAT:
        spent = [timed(call)[0] for _ in range(count)]
        means.append(sum(spent) / count)
    return max(min(means), 1e-7)
