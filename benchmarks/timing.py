"""How a library is timed: warmed, at its best setting, to a certificate of ours.

Every setting (variant, tolerance) of a library is run once, tolerances from loose to
tight until the tightest target of the case is reached. For each target the fastest
settings that reach it are run again, and the minimum over all their runs counts: a
machine is only ever slowed down by its other work.
"""

import os
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.certificates import certify

# how many settings compete in the repeated runs
_FINALISTS = 2

# a variant is given up when one run of it takes this many times as long as another
# variant took to the tightest target: tighter tolerances will not be faster
_HOPELESS = 2.0

# a run this many times slower than the one at the looser tolerance is timed again
_SUSPECT = 4.0


@dataclass(frozen=True)
class Run:
    """One setting of a library on one problem.

    Attributes
    ----------
    variant, tol : str, float
        The setting.
    seconds : float
        Smallest time over its runs.
    worst, median : float
        Certificate over the alphas of the problem.
    objective : float
        Sum of the objectives over the alphas.
    n_nonzero : int
        Nonzeros at the last alpha.
    """

    variant: str
    tol: float
    seconds: float
    worst: float
    median: float
    objective: float
    n_nonzero: int


def clock():
    """Return the clock of this process: of the processor where it has one thread.

    Other work on the machine does not lengthen processor time, but it adds up what
    threads do at the same time.
    """
    alone = os.environ.get("OPENBLAS_NUM_THREADS") == "1"
    return time.process_time if alone else time.perf_counter


def _timed(peer, prepared, variant, tol):
    now = clock()
    start = now()
    coefs = peer.solve(prepared, variant, tol)
    return now() - start, coefs


def run_once(peer, problem, prepared, variant, tol):
    """Run one setting once and certify it on the problem as it was posed."""
    seconds, coefs = _timed(peer, prepared, variant, tol)
    certified = certify(problem, coefs)
    values = np.array([one.certificate for one in certified])
    return Run(
        variant=variant,
        tol=tol,
        seconds=seconds,
        worst=float(values.max()),
        median=float(np.median(values)),
        objective=float(sum(one.objective for one in certified)),
        n_nonzero=certified[-1].n_nonzero,
    )


def _repeated(run, peer, prepared, repeat, limit):
    seconds = run.seconds
    spent = 0.0
    for _ in range(repeat - 1):
        if spent + run.seconds > limit:
            break
        again, _ = _timed(peer, prepared, run.variant, run.tol)
        spent += again
        seconds = min(seconds, again)
    return Run(**{**asdict(run), "seconds": seconds})


def _walk(peer, problem, prepared, variant, targets, limit, earlier):
    """Runs of one variant, tolerances from loose to tight."""
    tightest = min(targets)
    reached = [run.seconds for run in earlier if run.worst <= tightest]
    limit = min(limit, _HOPELESS * min(reached, default=np.inf))
    ladder = peer.ladder(problem, targets)
    # compile and touch the memory before any clock runs
    peer.solve(prepared.first(2), variant, ladder[0])
    runs = []
    for tol in ladder:
        run = run_once(peer, problem, prepared, variant, tol)
        if run.seconds > min(limit, _SUSPECT * runs[-1].seconds if runs else limit):
            # spinning threads on a busy machine can cost a factor of fifty
            run = _repeated(run, peer, prepared, 2, 2 * run.seconds)
        runs.append(run)
        if run.worst <= tightest or run.seconds > limit:
            break
    return runs


def _between(peer, problem, prepared, runs, best, target):
    """Tolerances between the best setting for a target and the next looser one.

    The steps of a ladder are decades; the loosest tolerance that does may lie
    between two of them, and a library is owed that time.
    """
    looser = [run.tol for run in runs if run.variant == best.variant]
    looser = [tol for tol in looser if tol > best.tol]
    if not looser or not peer.refine:
        return []
    ratio = min(looser) / best.tol
    return [
        run_once(peer, problem, prepared[best.variant], best.variant, best.tol * step)
        for step in (ratio ** (1 / 3), ratio ** (2 / 3))
    ]


def search(peer, problem, targets, repeat=3, limit=60.0):
    """Times of one library to each of the targets.

    Parameters
    ----------
    peer : Peer
        The library's adapter.
    problem : Problem
        What to solve.
    targets : sequence of float
        Certificates to reach, loosest first.
    repeat : int
        Runs of each finalist.
    limit : float
        Seconds of a single run after which a variant's tighter tolerances are not
        tried, and seconds spent on repeating one setting.

    Returns
    -------
    dict
        ``"runs"``: every setting tried; ``"best"``: for each target the fastest
        run that reaches it, or None.
    """
    runs = []
    prepared = {}
    for variant in peer.variants(problem):
        prepared[variant] = peer.prepare(problem, variant)
        runs += _walk(peer, problem, prepared[variant], variant, targets, limit, runs)
    best = {}
    for target in targets:
        reaching = sorted(
            (run for run in runs if run.worst <= target), key=lambda run: run.seconds
        )
        if reaching:
            tried = _between(peer, problem, prepared, runs, reaching[0], target)
            runs += tried
            reaching += [run for run in tried if run.worst <= target]
            reaching.sort(key=lambda run: run.seconds)
        finalists = [
            _repeated(run, peer, prepared[run.variant], repeat, limit)
            for run in reaching[:_FINALISTS]
        ]
        if finalists:
            best[target] = min(finalists, key=lambda run: run.seconds)
    return {
        "runs": [asdict(run) for run in runs],
        "best": [
            asdict(best[target]) if target in best else None for target in targets
        ],
    }


def cold(peer, problem, target):
    """First and second fit of this process.

    The certificate is not searched for: what is measured is what the library does
    once per process. The tolerance is the fifth of the ladder, or its last.
    """
    variant = peer.variants(problem)[0]
    ladder = peer.ladder(problem, (target,))
    tol = ladder[min(4, len(ladder) - 1)]
    prepared = peer.prepare(problem, variant)
    first, _ = _timed(peer, prepared, variant, tol)
    second, _ = _timed(peer, prepared, variant, tol)
    return {"first": first, "second": second}


def per_fit(fit, batch=100, n_batches=10):
    """Seconds of one call, the smallest mean over batches."""
    fit()
    means = []
    for _ in range(n_batches):
        start = time.perf_counter()
        for _ in range(batch):
            fit()
        means.append((time.perf_counter() - start) / batch)
    return min(means)
