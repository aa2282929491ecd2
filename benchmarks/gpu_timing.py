"""Times, rates and figures of the device benchmark."""

import time
from dataclasses import dataclass

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import move, namespace


@dataclass(frozen=True)
class Row:
    """Figures of one case; times in seconds, rates per second."""

    name: str
    cpu: float
    device: float
    first: float
    from_host: float
    bytes_rate: float
    flop_rate: float
    error: float
    objective: float
    certificate: str


def wait(target):
    """Wait for a device to be idle."""
    if target.kind == "cuda":
        cuda.provider.synchronize(target.index)


def seconds_of(work, target, repeat):
    """Return the time of the first call, of the fastest later one, and its result.

    Parameters
    ----------
    work : callable
        What to time.
    target : Target
        Waited for before a clock starts and before it stops.
    repeat : int
        Timed calls after the first.

    Returns
    -------
    first, fastest : float
        Seconds.
    result : object
        Of the last call.
    """
    times = []
    for _ in range(repeat + 1):
        wait(target)
        start = time.perf_counter()
        result = work()
        wait(target)
        times.append(time.perf_counter() - start)
    return times[0], min(times[1:]), result


def ceilings(target, size, repeat=5):
    """Return the measured rates of the device: copy in bytes, products in FLOP.

    Parameters
    ----------
    target : Target
        The device.
    size : int
        Side of the matrices.
    repeat : int, default=5
        Timed repetitions.

    Returns
    -------
    rates : dict of str to float
        ``"copy"`` in bytes/s, ``"float64"`` and ``"float32"`` in FLOP/s.
    """
    host = np.random.default_rng(0).standard_normal((size, size))
    rates = {}
    with target.activate():
        for dtype in ("float64", "float32"):
            A = move(host.astype(dtype), target)
            _, seconds, _ = seconds_of(lambda A=A: A @ A, target, repeat)
            rates[dtype] = 2.0 * size**3 / seconds
        flat = move(np.tile(host.ravel(), 4), target)
        xp = namespace(flat)
        _, seconds, _ = seconds_of(lambda: xp.asarray(flat, copy=True), target, repeat)
        rates["copy"] = 2.0 * flat.size * 8 / seconds
    return rates
