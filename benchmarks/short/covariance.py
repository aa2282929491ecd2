"""Short cases of :mod:`benchmarks.graphical_lasso`."""

import numpy as np

from benchmarks.short.race import Entry, Race

_TOLERANCES = tuple(10.0 ** np.arange(-3.0, -9.0, -1.0))


def _make(graph, d, n, density):
    def make(place):
        from benchmarks.graphical_lasso import covariance_of

        S = covariance_of(graph, d, n)
        off = np.sort(np.abs(S[np.triu_indices(d, 1)]))
        # So many pairs are above the level in S, and about as many in the solution.
        return S, float(off[round((1.0 - density) * len(off))])

    return make


def _solve(name):
    def run(problem, tol):
        from benchmarks import graphical_lasso

        return getattr(graphical_lasso, name)(*problem, tol)

    return run


def _gglasso(problem, tol):
    from gglasso.solver.single_admm_solver import ADMM_SGL

    S, alpha = problem
    # It has no option to leave the diagonal out, and does so.
    found, _ = ADMM_SGL(
        S, alpha, np.eye(len(S)), tol=tol, rtol=tol, max_iter=5000, verbose=False
    )
    return found["Theta"], np.linalg.inv(found["Theta"])


def _judge(problem, answer):
    from benchmarks.graphical_lasso import relative_gap

    return relative_gap(*problem, *answer)


def _contest(name, graph, d, n, density):
    return Race(
        family="graphical lasso",
        name=name,
        measure="gap",
        target=1e-6,
        peers=("sklearn", "skglm", "gglasso"),
        make=_make(graph, d, n, density),
        entries={
            "skopt2": (Entry(_solve("ours"), (1e-6,)),),
            "sklearn": (Entry(_solve("scikit_learn"), _TOLERANCES),),
            "skglm": (Entry(_solve("skglm"), _TOLERANCES, compiles=True),),
            "gglasso": (Entry(_gglasso, _TOLERANCES, compiles=True),),
        },
        judge=_judge,
    )


CONTESTS = (
    _contest("chain, 100 features", "chain", 100, 200, 0.05),
    _contest("hubs, 100, few rows", "hub", 100, 50, 0.1),
    _contest("random, 200", "random", 200, 400, 0.05),
)
