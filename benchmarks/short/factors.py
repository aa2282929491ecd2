"""Short cases of factorisation, dictionaries, completion and sparse components.

The long versions are :mod:`benchmarks.factorization`, :mod:`benchmarks.lp_dictionary`,
:mod:`benchmarks.low_rank` and :mod:`benchmarks.sparse_components`.
"""

import numpy as np

from benchmarks.short.race import Entry, Race

_SEED = 0


def _make_matrix(name):
    def make(place):
        from benchmarks.factorization import make_matrix

        X, k = make_matrix(name)
        return X[:1500], k

    return make


def _left(problem, factors):
    """What is left of the matrix, as a share of its squared norm."""
    X, _ = problem
    W, H = factors
    return float(np.sum((X - W @ H) ** 2) / np.sum(X * X))


def _factors_skopt2(problem, tol):
    from skopt2.decomposition import MatrixFactorization

    X, k = problem
    model = MatrixFactorization(k, tol=tol, random_state=_SEED)
    W = model.fit_transform(X)
    return W, model.components_


def _factors_sklearn(solver):
    def run(problem, sweeps):
        from sklearn.decomposition import NMF

        X, k = problem
        model = NMF(
            k,
            init="nndsvda",
            solver=solver,
            max_iter=sweeps,
            tol=0.0,
            random_state=_SEED,
        )
        return model.fit_transform(X), model.components_

    return run


_SWEEPS = (10, 20, 35, 60, 100, 200, 400, 1000)


def _matrix(name, data, target):
    return Race(
        family="matrix factorisation",
        name=name,
        measure="left over",
        target=target,
        peers=("sklearn",),
        make=_make_matrix(data),
        entries={
            "skopt2": (Entry(_factors_skopt2, (1e-2, 1e-3, 1e-4, 1e-5)),),
            "sklearn": (
                Entry(_factors_sklearn("cd"), _SWEEPS, "cd"),
                Entry(_factors_sklearn("mu"), _SWEEPS, "mu"),
            ),
        },
        judge=_left,
    )


def _make_atoms(case):
    def make(place):
        from benchmarks.lp_dictionary import CASES, planted

        n, k, theta, options = CASES[case]
        return planted(n, k, theta, np.random.default_rng(_SEED), **options)

    return make


def _atoms(index):
    """Methods of the long script, in its order: powers, FastICA, dictionaries."""

    def run(problem, method):
        from benchmarks import lp_dictionary

        fit = lp_dictionary.methods(slow=index is not None)[method]
        return fit[index or 0](problem[0], len(problem[1]), _SEED)

    return run


def _far(problem, components):
    from benchmarks.lp_dictionary import cosines

    return 1.0 - cosines(components, problem[1]).mean()


def _dictionary(name, case, remark=""):
    return Race(
        family="dictionaries",
        name=name,
        measure="1 - cosine",
        margin=2e-3,
        peers=("sklearn",),
        make=_make_atoms(case),
        entries={
            "skopt2": (Entry(_atoms(None), ("lp 3",)),),
            "sklearn": (
                Entry(_atoms(None), ("FastICA logcosh", "FastICA cube")),
                Entry(_atoms(1), ("MBDL",)),
            ),
        },
        judge=_far,
        remark=remark,
    )


def _make_table(name):
    def make(place):
        from benchmarks.low_rank_cases import low_rank, real_tables, removed

        rng = np.random.default_rng(_SEED)
        if name == "rank 5":
            X = low_rank(300, 50, 5, rng) + 0.3 * rng.standard_normal((300, 50))
        else:
            X = dict(real_tables(None))[name]
        X = X[:, X.std(axis=0) > 1e-9 * np.abs(X).max(axis=0)]
        return X, np.where(removed(X, "random", rng), np.nan, X)

    return make


def _imputed(problem, found):
    X, Z = problem
    scale = np.nanstd(Z, axis=0)
    scale[scale == 0.0] = 1.0
    return float(np.sqrt(np.mean((((found - X) / scale)[np.isnan(Z)]) ** 2)))


def _complete(problem, method):
    from benchmarks.low_rank import imputers

    return imputers(0)[method].fit_transform(problem[1])


def _completion(name, data, remark=""):
    return Race(
        family="matrix completion",
        name=name,
        measure="RMSE",
        margin=0.01,
        peers=("sklearn", "numpy"),
        make=_make_table(data),
        entries={
            "skopt2": (Entry(_complete, ("MatrixCompleter",)),),
            "sklearn": (Entry(_complete, ("KNNImputer", "IterativeImputer")),),
            "numpy": (Entry(_complete, ("soft-impute",)),),
        },
        judge=_imputed,
        remark=remark,
    )


def _make_components(place):
    rng = np.random.default_rng(_SEED)
    V = np.zeros((2, 200))
    V[0, :10], V[1, 10:20] = 1.0, 1.0
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    scores = rng.standard_normal((150, 2)) * np.array([4.0, 3.0])
    X = scores @ V + rng.standard_normal((150, 200))
    return X - X.mean(axis=0), V


def _components_skopt2(problem, size):
    from skopt2.decomposition import SparseRatioPCA

    return SparseRatioPCA(2, n_nonzero=size, random_state=_SEED).fit(problem[0])


def _components_sklearn(problem, alpha):
    from sklearn.decomposition import SparsePCA

    return SparsePCA(2, alpha=alpha, random_state=_SEED).fit(problem[0])


def _angle(problem, model):
    from benchmarks.lp_dictionary import cosines

    return 1.0 - cosines(model.components_, problem[1]).mean()


CONTESTS = (
    _matrix("planted, 1500 x 500", "planted", 0.00177),
    _matrix("patches of a picture", "patches", 0.0103),
    _matrix("digits, 1500 x 64", "digits", 0.067),
    _dictionary("25 atoms, 4000 rows", "clean"),
    _dictionary("25 atoms, noise", "noise"),
    _completion(
        "rank 5 and noise",
        "rank 5",
        "The plain iterations reach the same error sooner: the singular values of a "
        "table of 300 x 50 cost little.",
    ),
    _completion(
        "breast cancer",
        "breast_cancer",
        "Columns are nearly functions of others, which a regression for each uses "
        "better than a low rank.",
    ),
    Race(
        family="sparse components",
        name="two planted, 150 x 200",
        measure="1 - cosine",
        margin=2e-3,
        peers=("sklearn",),
        make=_make_components,
        entries={
            "skopt2": (Entry(_components_skopt2, (10,)),),
            "sklearn": (Entry(_components_sklearn, (0.5, 1.0, 2.0, 4.0)),),
        },
        judge=_angle,
    ),
)
