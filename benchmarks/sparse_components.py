"""Sparse principal components side by side: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.sparse_components

Every method may use k nonzero loadings for each of the K components, and gets as close
to that as it can. Columns, means over the data sets: nonzero loadings of a component;
explained variance, that of the projection onto the space of the components, as a share
of what the planted directions explain, or of PCA where none are planted; the overlap
of the supports with the planted ones, matched one to one; the cosine of the angles to
the planted directions; and processor time in milliseconds, the search for the penalty
included, and without it for scikit-learn in the last column.

Methods: ``ratio`` is ``SparseRatioPCA`` with ``n_nonzero``; ``ratio, fixed`` with the
``alpha`` that this found, so without the search; ``shrunk`` without the refit;
``power`` with generalised power steps alone; ``truncated`` the truncated power method
with a support that is cut in four stages, and ``truncated x5`` the best of the five
starts that ``ratio`` has; ``SparsePCA`` that of scikit-learn, its ``alpha`` by
bisection; ``thresholded`` PCA with all but the k largest loadings set to zero. All but
``SparsePCA`` and ``thresholded`` find one component after the other with the same
deflation, and ``SparsePCA refit`` has the loadings of the leading directions of its
supports.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, SparsePCA

from skopt2.decomposition import SparseRatioPCA
from skopt2.solvers.fractional.covariance_form import covariance_form
from skopt2.solvers.fractional.starts import leading_directions, starting_directions

CASES = {
    # n, p, K, k, strengths of the planted directions
    "spread": (200, 100, 2, 8, (4.0, 2.5)),
    "wide": (60, 500, 2, 10, (8.0, 6.0)),
    "weak": (100, 200, 2, 20, (3.0, 2.0)),
    "wider": (80, 1000, 3, 20, (12.0, 9.0, 7.0)),
}


def make_planted(case, rng):
    """Return data with planted sparse directions, and the directions.

    Parameters
    ----------
    case : str
        Of :data:`CASES`, or "digits", 300 pictures with none planted.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    X : ndarray of shape (n, p)
        Unit noise, and the planted variances along the directions.
    V : ndarray of shape (K, p) or None
        Orthonormal, of disjoint supports, unequal loadings of both signs.
    """
    if case == "digits":
        return load_digits().data[:300], None
    n, p, K, k, strengths = CASES[case]
    V = np.zeros((K, p))
    for j in range(K):
        V[j, j * k : (j + 1) * k] = rng.uniform(0.5, 1.5, k) * rng.choice([-1, 1], k)
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    X = rng.standard_normal((n, p))
    return X + rng.standard_normal((n, K)) * np.sqrt(strengths) @ V, V


def truncated_power(form, k, V):
    """Return the best k-sparse direction of the truncated power method from V."""
    best, most = None, -np.inf
    for v in V.T:
        for size in (8 * k, 4 * k, 2 * k, k):
            size = min(size, v.size)
            for _ in range(500):
                w = form.products(v)
                w[np.argpartition(np.abs(w), -size)[:-size]] = 0.0
                w /= np.linalg.norm(w)
                moved, v = np.abs(w - v).max(), w
                if moved < 1e-8:
                    break
        variance = v @ form.products(v)
        if variance > most:
            best, most = v, variance
    return best


def sequential(X, K, find):
    """Return K components, each found in what those before leave."""
    form, _ = covariance_form(X)
    found = []
    for _ in range(K):
        found.append(find(form))
        form = form.deflated(found[-1])
    return np.stack(found)


def thresholded(X, K, k):
    """Return the leading directions with their k largest loadings."""
    V = PCA(K, svd_solver="full").fit(X).components_.copy()
    for v in V:
        v[np.argsort(np.abs(v))[:-k]] = 0.0
        v /= np.linalg.norm(v)
    return V


def scikit_learn(X, K, k):
    """Return the components of ``SparsePCA`` with K k loadings, and one fit's seconds.

    The penalty is the smallest of ten bisections with so few in all.
    """
    low, high, best, spent = 0.0, None, None, 0.0
    alpha = 1.0
    for _ in range(10):
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = SparsePCA(K, alpha=alpha, random_state=0).fit(X)
        once = time.process_time() - start
        V = fit.components_
        if 0 < np.count_nonzero(V) <= K * k and (V != 0.0).any(axis=1).all():
            best, spent, high = V, once, alpha
        elif np.count_nonzero(V) > K * k:
            low = alpha
        else:
            high = alpha
        alpha = 2.0 * alpha if high is None else 0.5 * (low + high)
    return (thresholded(X, K, k), spent) if best is None else (best, spent)


def refitted(X, V):
    """Return the leading directions on given supports, one after the other."""
    form, _ = covariance_form(X)
    found = []
    for v in V:
        ids = np.flatnonzero(v)
        w = np.zeros_like(v)
        w[ids] = np.linalg.eigh(form.gram(ids))[1][:, -1]
        found.append(w)
        form = form.deflated(w)
    return np.stack(found)


def methods(X, K, k, peer=True):
    """Return components and seconds of every method by name, and one fit's seconds.

    Without ``peer`` the fits of scikit-learn, which take the longest, are left out.
    """
    found = {}

    def timed(name, run):
        start = time.process_time()
        value = run()
        found[name] = value, time.process_time() - start
        return value

    def ratio(**options):
        model = SparseRatioPCA(K, random_state=0, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(X)

    first = timed("ratio", lambda: ratio(n_nonzero=k))
    timed("ratio, fixed", lambda: ratio(alpha=float(first.alphas_[0])))
    timed("ratio, shrunk", lambda: ratio(n_nonzero=k, refit=False))
    timed("ratio, power", lambda: ratio(n_nonzero=k, solver="power"))
    for name in tuple(found):
        found[name] = found[name][0].components_, found[name][1]
    timed(
        "truncated",
        lambda: sequential(
            X, K, lambda form: truncated_power(form, k, leading_directions(form, 1))
        ),
    )
    timed(
        "truncated x5",
        lambda: sequential(
            X, K, lambda form: truncated_power(form, k, starting_directions(form, 5))
        ),
    )
    timed("thresholded", lambda: thresholded(X, K, k))
    once = np.nan
    if peer:
        V, once = timed("SparsePCA", lambda: scikit_learn(X, K, k))
        found["SparsePCA"] = V, found["SparsePCA"][1]
        found["SparsePCA refit"] = refitted(X, V), found["SparsePCA"][1]
    return found, once


def figures(X, V, planted):
    """Return nonzero loadings, explained share, overlap and cosine."""
    X = X - X.mean(axis=0)
    K = V.shape[0]
    explained = np.linalg.norm(X @ np.linalg.qr(V.T)[0]) ** 2
    count = np.count_nonzero(V) / K
    if planted is None:
        best = np.linalg.svd(X, compute_uv=False)[:K]
        return count, explained / (best @ best), np.nan, np.nan
    most = np.linalg.norm(X @ planted.T) ** 2
    unit = V / np.maximum(np.linalg.norm(V, axis=1, keepdims=True), 1e-300)
    cosine = np.abs(unit @ planted.T)
    rows, columns = linear_sum_assignment(-cosine)
    both = (unit[rows] != 0.0) & (planted[columns] != 0.0)
    overlap = both.sum() / np.count_nonzero(planted)
    return count, explained / most, overlap, cosine[rows, columns].mean()


def measure(case, n_data, peer=True):
    """Return the means of every method over data sets of one case.

    Parameters
    ----------
    case : str
        Of :data:`CASES`, or "digits".
    n_data : int
        Data sets, drawn with the seeds 0, 1, ...
    peer : bool, default=True
        Whether to fit scikit-learn's ``SparsePCA``.

    Returns
    -------
    rows : dict of str to tuple
        Nonzero loadings, explained share, overlap, cosine, and seconds.
    once : float
        Seconds of one fit of scikit-learn.
    """
    total, once = {}, []
    for seed in range(1 if case == "digits" else n_data):
        X, planted = make_planted(case, np.random.default_rng(seed))
        K, k = (4, 10) if case == "digits" else CASES[case][2:4]
        found, single = methods(X, K, k, peer)
        once.append(single)
        for name, (V, spent) in found.items():
            total.setdefault(name, []).append((*figures(X, V, planted), spent))
    means = {name: tuple(np.mean(rows, axis=0)) for name, rows in total.items()}
    return means, float(np.mean(once))


def main(argv=None):
    """Print one line for each case and method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sparse_components", description=__doc__
    )
    names = [*CASES, "digits"]
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--data", type=int, default=10)
    parser.add_argument("--no-peer", action="store_true", help="leave out SparsePCA")
    options = parser.parse_args(argv)
    print(
        f"{'case':9}{'method':17}{'nonzero':>8}{'explained':>10}{'overlap':>8}"
        f"{'cosine':>8}{'ms':>9}{'once':>7}"
    )
    for case in options.cases:
        rows, once = measure(case, options.data, not options.no_peer)
        for name, (count, explained, overlap, cosine, spent) in rows.items():
            line = (
                f"{case:9}{name:17}{count:8.1f}{explained:10.4f}{overlap:8.3f}"
                f"{cosine:8.3f}{1e3 * spent:9.1f}"
            )
            last = f"{1e3 * once:7.1f}" if name == "SparsePCA" else ""
            print(line + last, flush=True)


if __name__ == "__main__":
    main()
