"""Short cases of :mod:`benchmarks.sparse` and :mod:`benchmarks.blocks`.

The designs are smaller ones of the same kinds: d is dense 500 x 8000, w dense 150 x
6000, t dense 15000 x 600, s sparse 8000 x 40000. The number is the ratio of ``alpha``
to the smallest that leaves no feature.
"""

import time
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.short.clock import steady
from benchmarks.short.contest import Contest, Outcome, choose
from benchmarks.sparse_cases import Case, build
from benchmarks.sparse_data import REAL_FILES, load_dataset, prepare

_REPEAT = 2


@dataclass(frozen=True, kw_only=True)
class SparseContest(Contest):
    """A contest whose libraries have the adapters of :mod:`benchmarks.peers`.

    Attributes
    ----------
    case : benchmarks.sparse_cases.Case
        The problem.
    """

    case: Case

    def enter(self, library, place):
        """Search the fastest setting that reaches the certificate."""
        from benchmarks.peers import load_peer
        from benchmarks.timing import search

        peer = load_peer(library)
        data = self.case.data
        prepare(data, place.cache, place.data)
        problem = build(self.case, load_dataset(place.cache, data), 1)
        variants = peer.variants(problem)
        if not variants:
            return Outcome(library, error="does not have the model")
        prepared = peer.prepare(problem, variants[0])
        start = time.process_time()
        peer.solve(prepared.first(2), variants[0], 1e-2)
        first = time.process_time() - start
        found = search(peer, problem, (self.target,), _REPEAT, place.limit / 6.0)
        runs = [found["best"][0]] if found["best"][0] else found["runs"]
        outcomes = [
            Outcome(
                library,
                run["seconds"],
                run["worst"],
                setting=f"{run['variant']} tol={run['tol']:.0e}",
            )
            for run in runs
        ]
        best = choose(self, outcomes)
        run = runs[outcomes.index(best)]
        again = partial(
            peer.solve,
            peer.prepare(problem, run["variant"]),
            run["variant"],
            run["tol"],
        )
        return replace(best, seconds=steady(again, best.seconds), first=first)


# The libraries that the long runs found fastest on such problems.
_WIDE = "celer", "skglm"
_TALL = "skglm", "sklearn"
_GROUP = "adelie", "celer"

_SMALL = (
    "Small and well conditioned data, a fit of milliseconds: the fixed costs of a "
    "Newton step and of the certificate show."
)
_SWEEPS = (
    "A loose target that a few sweeps of coordinate descent reach, where a Newton step "
    "is taken whole."
)
_MANY = (
    "4300 columns of eight entries each are active: sweeps over them cost little, and "
    "Newton's equations take hundreds of products with them."
)
_BLOCKS = (
    "adelie is C++ throughout; an update of ten coefficients costs calls from Python "
    "here, most of the time where samples are few or a loose gap is enough."
)


def _contest(family, name, case, peers, remark="", measure="gap"):
    needs = (REAL_FILES[case.data],) if case.data in REAL_FILES else ()
    return SparseContest(
        family=family,
        name=name,
        case=case,
        measure=measure,
        target=case.targets[0],
        peers=peers,
        needs=needs,
        remark=remark,
    )


def _case(data, model, fraction, target, **options):
    return Case(f"{model}-{data}", data, model, (fraction,), (target,), **options)


def _regression(name, data, fraction, peers, remark="", target=1e-6):
    case = _case(data, "lasso", fraction, target)
    return _contest("sparse regression", name, case, peers, remark)


def _classes(name, data, fraction, peers, remark="", target=1e-6):
    case = _case(data, "logistic", fraction, target)
    return _contest("sparse classification", name, case, peers, remark)


def _groups(name, data, fraction, remark=_BLOCKS, target=1e-4):
    case = _case(data, "group_lasso", fraction, target, group_size=10)
    return _contest("groups", name, case, _GROUP, remark)


CONTESTS = (
    _regression("lasso d 1/100", "d", 1e-2, _WIDE),
    _regression("lasso s 1/100", "s", 1e-2, _TALL, _MANY),
    _regression(
        "lasso t 1/1000",
        "t",
        1e-3,
        _TALL,
        "Most features are active, and their Gram matrix costs more than the sweeps of "
        "coordinate descent.",
    ),
    _contest(
        "sparse regression",
        "MCP path d",
        _case("dstd", "mcp", 1 / 20, 1e-4, n_path=50),
        ("skglm",),
        measure="KKT",
    ),
    _classes("logistic d 1/10", "d", 0.1, _WIDE, _SWEEPS, target=1e-4),
    _classes("logistic d 1/100", "d", 1e-2, _WIDE),
    _classes("colon 1/10", "colon", 0.1, _TALL, _SMALL),
    _classes(
        "a9a 1/100",
        "a9a",
        1e-2,
        _TALL,
        "liblinear reads rows, most of whose entries are zero here; it is ahead of all "
        "that read columns.",
    ),
    _groups("group lasso d 1/10", "d", 0.1, target=1e-6),
    _groups("group lasso w 1/20", "w", 0.05),
    _groups("group lasso t 1/100", "t", 1e-2),
)
