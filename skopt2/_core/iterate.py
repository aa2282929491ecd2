"""The one iteration loop: step, measure, report, stop.

A solver is any object with

- ``step(state) -> state``: one iteration;
- ``certificate(state) -> Measure``: objective and relative certificate;
- ``finalize(state) -> solution``;
- ``pack(state) -> dict`` and ``unpack(dict) -> state``, for checkpoints.

The loop synchronises with the device only where it measures: a solver whose certificate
costs more than its step is checked every ``check_every`` steps.
"""

import math
import time

from skopt2._core.result import Certificate, History, Result, StopReason


def iterate(
    solver,
    state,
    *,
    tol,
    max_iter,
    check_every=1,
    time_limit=None,
    monitor=None,
    name="certificate",
    resume=None,
):
    """Run a solver until its certificate holds or something else stops it.

    Parameters
    ----------
    solver : object
        See the module's docstring.
    state : object
        Starting state.
    tol : float
        Tolerance of the relative certificate.
    max_iter : int
        Largest number of steps.
    check_every : int or callable, default=1
        Steps between two measures, or ``check_every(state)`` that returns them.
    time_limit : float, default=None
        Seconds after which the loop stops at the next measure.
    monitor : object, default=None
        ``begin(iteration)`` before the steps of a measure, and ``end(iteration, solver,
        state, measure, history)`` after it, which returns True to stop.
    name : str, default="certificate"
        Name of the certificate.
    resume : dict, default=None
        ``state``, ``n_iter`` and ``history`` of a checkpoint: the loop goes on there.
        Without ``state`` it goes on from the argument.

    Returns
    -------
    result : Result
        With the solution of the last measured state.
    """
    start, n_iter, history = time.perf_counter(), 0, History()
    if resume is not None:
        n_iter = int(resume["n_iter"])
        if "state" in resume:
            state = solver.unpack(resume["state"])
        history = History(resume["history"])
        past = history.as_dict().get("time", [0.0])
        start -= float(past[-1]) if len(past) else 0.0
    reason = None
    while reason is None:
        if monitor is not None:
            monitor.begin(n_iter)
        wanted = check_every(state) if callable(check_every) else check_every
        for _ in range(max(1, min(wanted, max_iter - n_iter))):
            state = solver.step(state)
            n_iter += 1
        measure = solver.certificate(state)
        elapsed = time.perf_counter() - start
        history.append(
            iteration=n_iter,
            time=elapsed,
            objective=measure.objective,
            certificate=measure.value,
            **measure.extra,
        )
        asked = monitor is not None and monitor.end(
            n_iter, solver, state, measure, history
        )
        if measure.value <= tol:
            reason = StopReason.CONVERGED
        elif not math.isfinite(measure.objective):
            reason = StopReason.DIVERGED
        elif asked:
            reason = StopReason.CALLBACK
        elif measure.stalled:
            reason = StopReason.STALLED
        elif n_iter >= max_iter:
            reason = StopReason.MAX_ITER
        elif time_limit is not None and elapsed >= time_limit:
            reason = StopReason.TIME_LIMIT
    return Result(
        solution=solver.finalize(state),
        objective=measure.objective,
        certificate=Certificate(name, measure.value, tol),
        reason=reason,
        n_iter=n_iter,
        history=history,
        gap=measure.gap,
    )
