"""Short cases of :mod:`benchmarks.gp`: mean and variance of rows not seen."""

import numpy as np

from benchmarks.gp_cases import Case, Problem
from benchmarks.short.race import Entry, Race

_N, _TEST = 1500, 1000


def _generated(place):
    """A smooth function of five inputs, with noise, and two inputs of no use."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((_N + _TEST, 7)).astype(np.float32)
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + np.cos(X[:, 3] + X[:, 4])
    y = (y - y.mean()) / y.std() + 0.2 * rng.standard_normal(len(y))
    y = y.astype(np.float32)
    scale = np.array([1.5, 3.0, 3.0, 3.0, 3.0, 30.0, 30.0])
    parts = X[:_N], y[:_N], X[_N:], y[_N:]
    return Problem(Case("generated", 0), *parts, 2.0, 0.05, scale)


def _elevators(place):
    """The first rows of the first split, with the published hyperparameters."""
    from benchmarks.gp_cases import build, find, prepare

    case = find("elevators-0")
    prepare(case, place.cache, place.data)
    whole = build(case, place.cache)
    parts = whole.X[:_N], whole.y[:_N], whole.X_test, whole.y_test
    return Problem(case, *parts, whole.signal, whole.noise, whole.length_scale)


def _run(name, fitted):
    def run(problem, variant):
        from benchmarks.gp_peers.base import load_peer

        return load_peer(name).run(problem, variant, fitted)[:2]

    return run


def _density(problem, found):
    return problem.scores(*found)[1]


def _contest(name, make, fitted, margin, needs=()):
    variants = {
        "skopt2": ("auto",),
        "sklearn": ("exact",),
        "gpytorch": ("cg", "svgp") if fitted else ("cholesky", "cg"),
    }
    return Race(
        family="Gaussian processes",
        name=name,
        measure="neg. log density",
        margin=margin,
        peers=("sklearn", "gpytorch"),
        make=make,
        entries={
            library: (Entry(_run(library, fitted), found),)
            for library, found in variants.items()
        },
        judge=_density,
        needs=needs,
    )


_FILES = (
    "uci_elevators_data.csv.gz",
    "uci_elevators_test_mask.csv.gz",
    "gp_published_hyperparameters.json",
)

CONTESTS = (
    _contest("generated, given", _generated, False, 0.01),
    _contest("elevators, given", _elevators, False, 0.01, _FILES),
    _contest("generated, fitted", _generated, True, 0.02),
)
