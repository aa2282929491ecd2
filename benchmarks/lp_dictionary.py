"""Square dictionaries side by side: recovery and time, the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.lp_dictionary

Rows are mixtures of the atoms of a random invertible matrix of unit rows; a code is
normal with probability theta, and else zero. ``noise`` adds normal noise of that share
of the root mean square of X, ``outliers`` appends normal rows, as long as the others,
as that share of the rows, ``corrupted`` adds values of the size of X to that share of
the entries. ``orthogonal`` has an orthogonal matrix.

Columns: the share of the atoms found to a cosine above 0.99, and above 0.9; one less
the mean cosine; and milliseconds of processor time. Atoms are matched one to one.

Methods: ``lp p`` is ``LpDictionaryLearning``; ``FastICA`` that of scikit-learn,
symmetric, with its logcosh and its cube; ``DL`` and ``MBDL`` its ``DictionaryLearning``
and ``MiniBatchDictionaryLearning``, with the penalty of a list that comes closest to
the planted atoms, which no user could know; the time is that of the one fit.

``--parts curves`` counts, for several numbers of rows, the runs in which all atoms are
found to a cosine of 0.95.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import (
    DictionaryLearning,
    FastICA,
    MiniBatchDictionaryLearning,
)

from skopt2.decomposition import LpDictionaryLearning

POWERS = (2.5, 3, 4, 5)
ALPHAS = (0.1, 0.3, 1.0)
CASES = {
    # rows, atoms, theta, and what disturbs
    "clean": (4000, 25, 0.2, {}),
    "dense": (4000, 25, 0.5, {}),
    "large": (20000, 100, 0.2, {}),
    "few rows": (500, 25, 0.2, {}),
    "noise": (4000, 25, 0.2, {"noise": 0.1}),
    "outliers": (4000, 25, 0.2, {"outliers": 0.3}),
    "corrupted": (4000, 25, 0.2, {"corrupted": 0.01}),
    "orthogonal": (4000, 25, 0.2, {"orthogonal": True, "noise": 0.3}),
}


def planted(
    n, k, theta, rng, *, noise=0.0, outliers=0.0, corrupted=0.0, orthogonal=False
):
    """Return rows and the atoms that they are mixtures of.

    Parameters
    ----------
    n, k : int
        Rows and atoms.
    theta : float
        Share of the codes that are not zero.
    rng : numpy.random.Generator
        Draws them.
    noise, outliers, corrupted : float, default=0.0
        See the module.
    orthogonal : bool, default=False
        Whether the atoms are orthogonal.

    Returns
    -------
    X : ndarray of shape (m, k)
        m is n, and the outliers.
    D : ndarray of shape (k, k)
        Rows of norm 1.
    """
    D = rng.standard_normal((k, k))
    D = np.linalg.qr(D)[0] if orthogonal else D
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    X = (rng.standard_normal((n, k)) * (rng.random((n, k)) < theta)) @ D
    size = np.sqrt(np.mean(X**2))
    X += noise * size * rng.standard_normal(X.shape)
    X += size * rng.standard_normal(X.shape) * (rng.random(X.shape) < corrupted)
    if outliers:
        far = size * rng.standard_normal((int(outliers * n), k))
        X = np.concatenate([X, far])
    return X, D


def cosines(components, D):
    """Return the cosines of the angles to the planted atoms, matched one to one."""
    unit = components / np.maximum(
        np.linalg.norm(components, axis=1, keepdims=True), 1e-300
    )
    C = np.abs(unit @ D.T)
    rows, columns = linear_sum_assignment(-C)
    return C[rows, columns]


def _ica(fun):
    def fit(X, k, seed):
        model = FastICA(
            k,
            fun=fun,
            whiten="unit-variance",
            max_iter=1000,
            tol=1e-5,
            random_state=seed,
        )
        return model.fit(X).mixing_.T

    return fit


def _lp(p, **options):
    def fit(X, k, seed):
        model = LpDictionaryLearning(p=p, random_state=seed, **options)
        return model.fit(X).components_

    return fit


def _penalised(kind, alpha, **options):
    def fit(X, k, seed):
        unit = X / np.sqrt(np.mean(X**2))
        model = kind(k, alpha=alpha, random_state=seed, **options)
        return model.fit(unit).components_

    return fit


def timed(fit, X, D, seed):
    """Return cosines and seconds of a fit; no cosines where it failed."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        components = fit(X, D.shape[0], seed)
    spent = time.process_time() - start
    return cosines(components, D), spent


def methods(orthogonal=False, slow=True):
    """Return the fits of every method, a list of settings each.

    Parameters
    ----------
    orthogonal : bool, default=False
        Whether there is one that knows of orthogonal atoms.
    slow : bool, default=True
        Whether to include those of scikit-learn with a penalty.
    """
    found = {f"lp {p:g}": [_lp(p)] for p in POWERS}
    if orthogonal:
        found["lp 3, rotation"] = [_lp(3, whiten=False)]
    found["FastICA logcosh"] = [_ica("logcosh")]
    found["FastICA cube"] = [_ica("cube")]
    if slow:
        kinds = {
            "MBDL": (MiniBatchDictionaryLearning, {"batch_size": 256}),
            "DL": (DictionaryLearning, {"fit_algorithm": "cd"}),
        }
        for name, (kind, options) in kinds.items():
            options = {"max_iter": 20, **options}
            found[name] = [_penalised(kind, alpha, **options) for alpha in ALPHAS]
    return found


def measure(case, n_data, slow=True):
    """Return the means of every method over data sets of one case.

    Parameters
    ----------
    case : str
        Of :data:`CASES`.
    n_data : int
        Data sets, drawn with the seeds 0, 1, ...
    slow : bool, default=True
        Whether to fit those of scikit-learn with a penalty.

    Returns
    -------
    rows : dict of str to tuple
        Shares above 0.99 and 0.9, one less the mean cosine, and seconds.
    """
    n, k, theta, options = CASES[case]
    total = {}
    for seed in range(n_data):
        X, D = planted(n, k, theta, np.random.default_rng(seed), **options)
        for name, fits in methods("orthogonal" in options, slow).items():
            runs = [timed(fit, X, D, seed) for fit in fits]
            found, spent = max(runs, key=lambda run: run[0].mean())
            row = np.mean(found > 0.99), np.mean(found > 0.9), 1.0 - found.mean()
            total.setdefault(name, []).append((*row, spent))
    return {name: tuple(np.mean(rows, axis=0)) for name, rows in total.items()}


def curve(k, theta, sizes, n_data, noise=0.0):
    """Return for each number of rows and power the share of runs that find all."""
    shares = {}
    for n in sizes:
        for p in POWERS:
            hits = []
            for seed in range(n_data):
                X, D = planted(n, k, theta, np.random.default_rng(seed), noise=noise)
                hits.append(timed(_lp(p), X, D, seed)[0].min() > 0.95)
            shares[n, p] = float(np.mean(hits))
    return shares


def main(argv=None):
    """Print one line for each case and method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lp_dictionary", description=__doc__
    )
    parser.add_argument("--parts", nargs="+", default=["table", "curves"])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--data", type=int, default=5)
    parser.add_argument("--sizes", nargs="+", type=int, default=[125, 250, 500, 1000])
    parser.add_argument("--fast", action="store_true", help="no DL, no MBDL")
    options = parser.parse_args(argv)
    if "table" in options.parts:
        print(f"{'case':11}{'method':17}{'>0.99':>7}{'>0.9':>7}{'1-cos':>9}{'ms':>9}")
        for case in options.cases:
            slow = not options.fast and case != "large"
            for name, row in measure(case, options.data, slow).items():
                close, near, left, spent = row
                print(
                    f"{case:11}{name:17}{close:7.2f}{near:7.2f}{left:9.1e}"
                    f"{1e3 * spent:9.0f}",
                    flush=True,
                )
    if "curves" in options.parts:
        print(f"{'theta':6}{'rows':>6}" + "".join(f"{f'p={p:g}':>7}" for p in POWERS))
        for theta in (0.1, 0.3, 0.5):
            shares = curve(20, theta, options.sizes, 2 * options.data)
            for n in options.sizes:
                line = "".join(f"{shares[n, p]:7.2f}" for p in POWERS)
                print(f"{theta:<6}{n:6d}{line}", flush=True)


if __name__ == "__main__":
    main()
