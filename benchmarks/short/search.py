"""Short cases of :mod:`benchmarks.gp_search`: the best score of an equal budget."""

from dataclasses import replace

import numpy as np

from benchmarks.short.race import Entry, Race

_SEEDS = 3


def _make(name, n_iter):
    def make(place):
        from benchmarks.gp_search import CASES

        case = replace(CASES[name], n_iter=n_iter)
        X, y = case.data()
        return case, X[:400], y[:400]

    return make


def _search(problem, method):
    from benchmarks.gp_search import METHODS

    run, options = METHODS[method]
    return [
        np.nanmax(run(problem[0], *problem[1:], seed, **options))
        for seed in range(_SEEDS)
    ]


def _loss(problem, best):
    return 1.0 - float(np.mean(best))


def _contest(name, case, n_iter, measure, margin, remark):
    methods = {
        "skopt2": ("skopt2",),
        "sklearn": ("random",),
        "optuna": ("optuna", "optuna, 5 at start"),
        "skopt": ("scikit-optimize", "scikit-optimize ei"),
    }
    return Race(
        family="search of parameters",
        name=name,
        measure=measure,
        margin=margin,
        peers=("sklearn", "optuna", "skopt"),
        make=_make(case, n_iter),
        entries={
            library: (Entry(_search, found),) for library, found in methods.items()
        },
        judge=_loss,
        remark=remark,
    )


_MODEL = (
    "Fits of a few milliseconds: what a model of the scores costs for each candidate "
    "is most of the time."
)

_SCORE = (
    "The model of scikit-optimize, fitted anew for each candidate, finds slightly "
    "better scores on these three draws, and takes longer."
)

CONTESTS = (
    _contest("SVC on digits, 20", "svc-digits", 20, "wrong labels", 3e-3, _MODEL),
    _contest("kernel ridge, 25", "ridge-diabetes", 25, "1 - R2", 2e-3, _SCORE),
)
