"""How a transport solver is timed: warmed, at the loosest setting that is enough.

A solver has a tolerance in a unit of its own, a number of iterations, or both. For each
target the search raises the number of iterations until the error *measured here*
reaches it, tightens the tolerance where the solver stops too early, and loosens it (or
takes iterations back) where the solver did more than it was asked for. The fastest
setting that reached the target is run again, and the minimum counts.

Both clocks are kept: processor time is what a solver needs of a machine that others use
too, and with one thread on a quiet machine it equals the wall time. Compiling is timed
apart.
"""

import math
import time
from dataclasses import asdict, dataclass, replace

from benchmarks.transport_certificates import certify

_TRIES = 16

# settings tried after one has reached the target, to get closer to it
_REFINEMENTS = 3

# an answer this much better than the target is worth a looser setting
_CLOSE = 0.3

# aim below the target: criterion and error are only roughly proportional
_AIM = 0.7

# wall seconds to a processor second on a machine that others use
_BUSY = 4.0

# seconds of repeated runs of a setting that takes no longer than this
_SHORT = 0.2


@dataclass(frozen=True)
class Run:
    """One setting of a solver on one problem.

    Attributes
    ----------
    variant : str
        Method of the library.
    target : float
        Error that was aimed at.
    tol, budget : float, int
        The setting: tolerance in the library's unit and iterations allowed.
    cpu, wall : float
        Smallest processor and wall seconds over its runs.
    error : float
        L1 error of both marginals.
    dual : float
        Dual value.
    n_iter : int
        Iterations, as the library counts them.
    converged : bool or None
        What the library says of itself.
    compiling : float
        Seconds it took to compile what was run, not in the other times.
    """

    variant: str
    target: float
    tol: float
    budget: int
    cpu: float
    wall: float
    error: float
    dual: float
    n_iter: int
    converged: bool | None
    compiling: float


def timed(call):
    """Processor seconds, wall seconds and value of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = call()
    return time.process_time() - cpu, time.perf_counter() - wall, value


def run_once(peer, problem, prepared, variant, target, tol, budget):
    """Run one setting once and measure what it returns."""
    compiling = peer.compile(prepared, variant, budget)
    cpu, wall, answer = timed(lambda: peer.solve(prepared, variant, tol, budget))
    certified = certify(problem, answer)
    return Run(
        variant=variant,
        target=target,
        tol=tol,
        budget=budget,
        cpu=cpu,
        wall=wall,
        error=certified.error,
        dual=certified.dual,
        n_iter=answer.n_iter,
        converged=answer.converged,
        compiling=compiling,
    )


def _repeated(peer, prepared, run, repeat, limit):
    """The same run with the smallest times over its repetitions."""
    cpu, wall, spent, count = run.cpu, run.wall, run.wall, 1
    while spent + run.wall <= limit and (count < repeat or spent < _SHORT):
        again = timed(lambda: peer.solve(prepared, run.variant, run.tol, run.budget))
        cpu, wall = min(cpu, again[0]), min(wall, again[1])
        spent += again[1]
        count += 1
    return replace(run, cpu=cpu, wall=wall)


def _affordable(run, budget, limit):
    """Iterations that fit in the limit at the pace of a run."""
    done = run.budget if run.n_iter < 1 else min(run.n_iter, run.budget)
    return min(budget, int(done * limit / max(run.cpu, 1e-9)))


def _looser(run, target):
    """Tolerance that would just reach the target."""
    ratio = target / max(run.error, 1e-3 * target)
    return run.tol * _AIM * min(ratio, 1e3)


def _fewer(runs, target):
    """Iterations that would just reach the target, from the two runs beside it."""
    enough = min((r for r in runs if r.error <= target), key=lambda r: r.budget)
    short = [r for r in runs if target < r.error < math.inf]
    short = [r for r in short if r.budget < enough.budget]
    if not short:
        return enough.budget // 2
    short = max(short, key=lambda r: r.budget)
    slope = math.log(enough.error / short.error) / (enough.budget - short.budget)
    needed = short.budget + math.log(_AIM * target / short.error) / slope
    return min(max(math.ceil(needed), short.budget + 1), enough.budget - 1)


def _next(peer, runs, target, limit):
    """Setting to try after these runs, or None when there is none worth it."""
    run = runs[-1]
    reaching = [one for one in runs if one.error <= target]
    if reaching:
        after = runs[runs.index(reaching[0]) + 1 :]
        tries = sum(one.target == target for one in after)
        best = max(reaching, key=lambda one: one.error)
        if tries >= _REFINEMENTS or best.error > _CLOSE * target:
            return None
        if not peer.has_tolerance(best.variant):
            budget = _fewer(runs, target)
            return (best.tol, budget) if budget >= 1 else None
        if run.error > target:
            # between the last that was too loose and the best that was not
            return math.sqrt(run.tol * best.tol), best.budget
        return _looser(best, target), best.budget
    stopped = peer.has_tolerance(run.variant) and 0 <= run.n_iter < run.budget
    if stopped and math.isfinite(run.error) and run.tol > 1e-300:
        if run.cpu > limit:
            return None
        return run.tol * min(0.5, _AIM * target / run.error), run.budget
    budget = _affordable(run, run.budget * peer.growth(run.variant), limit)
    stuck = stopped or budget < 1.2 * run.budget
    return None if stuck else (run.tol, budget)


def reach(peer, problem, prepared, variant, target, limit, earlier=()):
    """Runs of one variant on the way to one target.

    Parameters
    ----------
    peer : Peer
        Adapter of the library.
    problem : Problem
        What to solve.
    prepared : object
        What ``peer.prepare`` made of it.
    variant : str
        Method of the library.
    target : float
        L1 error to reach.
    limit : float
        Seconds of one run to give up after.
    earlier : sequence of Run
        Runs of the same variant towards looser targets, to start from.

    Returns
    -------
    list of Run
        In the order they were made.
    """
    if not peer.searches:
        return [run_once(peer, problem, prepared, variant, target, target, 0)]
    runs = list(earlier)
    setting = target, peer.first_budget(variant)
    if any(run.error <= target for run in runs):
        setting = _next(peer, runs, target, limit)
    elif runs:
        last = min(runs, key=lambda run: run.error)
        grown = last.budget * peer.growth(variant)
        budget = max(_affordable(last, grown, limit), 1)
        setting = min(last.tol * _AIM * target / last.error, target), budget
    while setting is not None and len(runs) - len(earlier) < _TRIES:
        runs.append(run_once(peer, problem, prepared, variant, target, *setting))
        setting = _next(peer, runs, target, limit)
        if setting in [(run.tol, run.budget) for run in runs]:
            break
    return runs[len(earlier) :]


def search(peer, problem, variant, targets, repeat=3, limit=12.0, clock="cpu"):
    """Times of one variant of a library to each of the targets.

    Parameters
    ----------
    peer : Peer
        Adapter of the library.
    problem : Problem
        What to solve.
    variant : str
        Method of the library.
    targets : sequence of float
        L1 errors of both marginals, loosest first.
    repeat : int
        Runs of the fastest setting; short ones are repeated more often.
    limit : float
        Seconds of a single run to give up after.
    clock : {"cpu", "wall"}
        The time that is compared.

    Returns
    -------
    dict
        ``"runs"``: every setting tried; ``"best"``: for each target the fastest run
        that reaches it, or None; ``"preparing"``: seconds of compiling and of the
        first call, which no other time contains.
    """
    peer.limit = limit if clock == "wall" else _BUSY * limit
    prepared = peer.prepare(problem)
    _, preparing, _ = timed(lambda: peer.warm(prepared, variant))
    runs = []
    best = {}
    for target in targets:
        if runs and not any(run.error <= targets[0] for run in runs):
            break
        runs += reach(peer, problem, prepared, variant, target, limit, runs)
        reaching = [run for run in runs if run.error <= target]
        if reaching:
            fastest = min(reaching, key=lambda run: getattr(run, clock))
            best[target] = _repeated(peer, prepared, fastest, repeat, limit)
    return {
        "runs": [asdict(run) for run in runs],
        "best": [
            asdict(best[target]) if target in best else None for target in targets
        ],
        "preparing": preparing,
    }


def cold(peer, problem, variant, target):
    """First and second call of this process, compiling included, wall seconds."""
    peer.limit = math.inf
    times = []
    for _ in range(2):
        prepared = peer.prepare(problem)
        budget = 100_000 if peer.searches else 0

        def call(prepared=prepared, budget=budget):
            peer.compile(prepared, variant, budget)
            return peer.solve(prepared, variant, target, budget)

        times.append(timed(call)[1])
    return {"first": times[0], "second": times[1]}


def _peak():
    """Largest resident set of this process so far, in megabytes."""
    # not on Windows
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def memory(peer, problem, variant):
    """Peak resident memory of a few iterations, in megabytes, and their seconds."""
    peer.limit = math.inf
    before = _peak()
    prepared = peer.prepare(problem)
    budget = peer.memory_budget(variant)
    peer.compile(prepared, variant, budget)
    cpu, wall, answer = timed(lambda: peer.solve(prepared, variant, 0.0, budget))
    return {
        "before": before,
        "peak": _peak(),
        "cpu": cpu,
        "wall": wall,
        "n_iter": answer.n_iter,
    }
