"""Short cases of :mod:`benchmarks.kernel`: the digits, drawn again with small moves."""

import numpy as np

from benchmarks.kernel_cases import Case, Problem, _digits
from benchmarks.short.race import Entry, Race

# Half a percent above what kernel ridge regression reaches.
_CASES = {
    3000: Case("digits", 5.0, 1e-3, 0.072, labels=True),
    6000: Case("digits", 5.0, 1e-3, 0.0445, labels=True),
}


def _make(n):
    def make(place):
        path = place.cache / f"short-digits-{n}.npz"
        if not path.exists():
            place.cache.mkdir(parents=True, exist_ok=True)
            np.savez(path, *_digits(n, 2000))
        with np.load(path) as file:
            return Problem(_CASES[n], *(file[key] for key in file.files))

    return make


def _error(problem, predict):
    return problem.error(predict(problem.X_test))


def _skopt2(problem, setting):
    from benchmarks.kernel_peers.skopt2_peer import ADAPTER

    return ADAPTER.fit(problem, setting, None)[0]


def _sklearn(method):
    def run(problem, setting):
        from benchmarks.kernel_peers.sklearn_peer import ADAPTER

        return ADAPTER.fit(problem, method, setting)[0]

    return run


def _nystroem(problem, count):
    """Ridge regression on the Gaussian features of some centres.

    The Laplacian kernel of scikit-learn is of another norm, and functions as kernels
    are called for each pair; the length scale is the best found for its error.
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    gamma = 0.5 / (0.5 * problem.case.length_scale) ** 2
    features = Nystroem(gamma=gamma, n_components=count, random_state=0)
    model = make_pipeline(features, Ridge(alpha=0.01)).fit(problem.X, problem.Y)
    return model.predict


def _falkon(problem, count):
    from benchmarks.kernel_peers.falkon_peer import ADAPTER

    return ADAPTER.fit(problem, ADAPTER.variants(problem)[0], count)[0]


def _contest(n, remark=""):
    return Race(
        family="kernel machines",
        name=f"digits, {n} rows",
        measure="wrong labels",
        target=_CASES[n].target,
        peers=("sklearn", "falkon"),
        make=_make(n),
        entries={
            "skopt2": (Entry(_skopt2, ("auto",)),),
            "sklearn": (
                Entry(_sklearn("krr"), (None,), "KernelRidge"),
                Entry(_sklearn("svm"), (0.5,), "SVC"),
                Entry(_nystroem, (300, 1000), "Nystroem"),
            ),
            "falkon": (Entry(_falkon, (300, 1000)),),
        },
        judge=_error,
        remark=remark,
    )


CONTESTS = (_contest(3000), _contest(6000))
