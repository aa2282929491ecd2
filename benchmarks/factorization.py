"""Factorisations at equal time, and unmixing with outlying channels.

Run from the root of the repository::

    python -m benchmarks.factorization --parts matrix tensor unmixing

The tables of the user guide. ``matrix`` and ``tensor`` give what is left of X after so
many seconds of processor time, the start included, in percent of its squared norm, as
the median over seeds. Methods of matrices:

- ``hals``, ``bcd-pr``: the solvers of ``MatrixFactorization``, and ``plain``, the first
  without extrapolation;
- ``sklearn cd``, ``sklearn mu``: those of ``sklearn.decomposition.NMF``, given as many
  iterations as fit into the time.

of arrays: ``hals``, ``plain``, ``bcd-pr`` as above; ``tensorly hals`` and ``tensorly
mu`` where it is installed. ``unmixing`` gives the mean spectral angle in degrees and
the root mean square error of the abundances, medians over scenes with channels of
noise.
"""

import argparse
import statistics
import time
import warnings

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import NMF
from sklearn.feature_extraction.image import extract_patches_2d

from skopt2.decomposition import SpectralUnmixer
from skopt2.solvers.factorization.codes import scaled_products, solve_codes
from skopt2.solvers.factorization.data import MatrixData, TensorData, atoms
from skopt2.solvers.factorization.descent import FactorDescent
from skopt2.solvers.factorization.proximal import ProximalDescent
from skopt2.solvers.factorization.start import (
    mode_vectors,
    random_factor,
    random_start,
    spectral_start,
)
from skopt2.solvers.factorization.term import Term

POSITIVE = Term(nonnegative=True)


class PlainDescent(FactorDescent):
    """Sweeps without extrapolation."""

    def step(self, state):
        """Take one sweep."""
        return self._closed(state, self._sweep(state, 0.0))


SOLVERS = {"hals": FactorDescent, "plain": PlainDescent, "bcd-pr": ProximalDescent}


def make_matrix(name):
    """Return a matrix and a number of components.

    Parameters
    ----------
    name : {"planted", "counts", "digits", "patches"}
        Planted factors with noise (2000 x 500); sparse counts (5000 x 10000, one in a
        hundred stored); images of digits (1797 x 64); patches of a photograph (4000 x
        144).
    """
    rng = np.random.default_rng(0)
    if name == "digits":
        return load_digits().data, 16
    if name == "patches":
        picture = load_sample_image("china.jpg").mean(axis=2) / 255.0
        found = extract_patches_2d(picture, (12, 12), max_patches=4000, random_state=0)
        return found.reshape(4000, -1), 30
    if name == "planted":
        W = rng.gamma(0.5, 1.0, (2000, 20)) * (rng.random((2000, 20)) < 0.3)
        H = rng.gamma(1.0, 1.0, (20, 500)) * (rng.random((20, 500)) < 0.3)
        X = W @ H
        return np.maximum(X + 0.1 * X.mean() * rng.standard_normal(X.shape), 0.0), 20
    mean = rng.dirichlet(np.full(20, 0.1), 5000) @ rng.dirichlet(
        np.full(10000, 0.02), 20
    )
    return sp.csr_array(rng.poisson(115.0 * mean).astype(np.float64)), 20


def make_array(name):
    """Return an array, planted with noise, and a number of components."""
    n, a, b, k = {"small": (300, 60, 50, 10), "large": (200, 80, 80, 20)}[name]
    rng = np.random.default_rng(0)
    blocks = [rng.random((d, k)) * (rng.random((d, k)) < 0.5) for d in (n, a, b)]
    X = np.einsum("nk,ak,bk->nab", *blocks, optimize=True)
    return X + 0.1 * X.mean() * np.abs(rng.standard_normal(X.shape)), k


def trace(method, data, start, limit):
    """Return the processor times and objectives of a solver, from its start on.

    Parameters
    ----------
    method : str
        Of :data:`SOLVERS`.
    data : MatrixData or TensorData
        What to factorise.
    start : callable
        Returns the blocks to start from.
    limit : float
        Seconds.
    """
    begin = time.process_time()
    solver = SOLVERS[method](data, [POSITIVE] * len(data.shape))
    state, rows = solver.start(start()), []
    while not rows or rows[-1][0] < limit:
        state = solver.step(state)
        value = solver.certificate(state).objective
        rows.append((time.process_time() - begin, value))
    return rows


def at_times(rows, times, unit):
    """Return the last objectives before some times, in percent."""
    found = []
    for limit in times:
        before = [value for spent, value in rows if spent <= limit]
        found.append(100.0 * before[-1] / unit if before else float("nan"))
    return found


def ours_of_matrix(method, X, k, init, seed, times):
    """Return what is left of a matrix after some times."""

    def start():
        rng = np.random.default_rng(seed)
        if init == "nndsvda":
            return spectral_start(data, k, rng, init, (True, True))
        H = random_start(data, k, rng, True)
        return [scaled_products(data.product(0, [None, H]), H @ H.T, POSITIVE), H]

    begin = time.process_time()
    data = MatrixData(X)
    spent = time.process_time() - begin
    rows = trace(method, data, start, times[-1])
    rows = [(spent + seconds, value) for seconds, value in rows]
    return at_times(rows, times, 0.5 * data.norm2 / data.entries)


def iterations_that_fit(run, times):
    """Return for each time what ``run(iterations)`` gives within it.

    Parameters
    ----------
    run : callable
        Returns an objective; its processor time is measured at one and ten iterations.
    times : sequence of float
        Seconds.
    """
    spent = []
    for n in (1, 11):
        begin = time.process_time()
        run(n)
        spent.append(time.process_time() - begin)
    each = max((spent[1] - spent[0]) / 10.0, 1e-5)
    fits = [1 + int((limit - spent[0]) / each) for limit in times]
    return [run(n) if n >= 1 else float("nan") for n in fits]


def peer_of_matrix(solver, X, k, init, seed, times):
    """Return what scikit-learn leaves of a matrix within some times."""
    total = (X.data**2).sum() if sp.issparse(X) else np.sum(X * X)

    def run(n):
        model = NMF(k, init=init, solver=solver, max_iter=n, tol=0.0, random_state=seed)
        return 100.0 * model.fit(X).reconstruction_err_ ** 2 / total

    return iterations_that_fit(run, times)


def ours_of_array(method, X, k, init, seed, times):
    """Return what is left of an array after some times."""
    lengths = X.shape[1:]
    data = TensorData(X.reshape(len(X), -1), lengths)

    def start():
        rng = np.random.default_rng(seed)
        make = mode_vectors if init == "svd" else random_factor
        factors = [make(data, lengths, m, k, rng, True) for m in range(len(lengths))]
        A, _ = solve_codes(
            MatrixData(data.X), atoms([None, *factors]), POSITIVE, sweeps=60
        )
        return [A, *factors]

    rows = trace(method, data, start, times[-1])
    return at_times(rows, times, 0.5 * data.norm2 / data.entries)


def peers_of_array():
    """Return the nonnegative CP methods of TensorLy, none where it is missing."""
    try:
        from tensorly import cp_to_tensor
        from tensorly.decomposition import (
            non_negative_parafac,
            non_negative_parafac_hals,
        )
    except ImportError:
        return {}

    def peer(method):
        def left(X, k, init, seed, times):
            def run(n):
                found = method(
                    X, k, n_iter_max=n, init=init, tol=0.0, random_state=seed
                )
                return 100.0 * np.sum((X - cp_to_tensor(found)) ** 2) / np.sum(X * X)

            return iterations_that_fit(run, times)

        return left

    return {
        "tensorly hals": peer(non_negative_parafac_hals),
        "tensorly mu": peer(non_negative_parafac),
    }


def make_scene(seed, n=1500, C=100, k=4, outliers=10, height=1.0, noise=0.01):
    """Return pixels, endmembers, abundances and the outlying channels."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0.0, 1.0, C)
    bumps = [
        rng.random() * np.exp(-0.5 * ((x - rng.random()) / (0.05 + 0.15 * w)) ** 2)
        for w in rng.random(4 * k)
    ]
    S = 0.2 + 0.35 * np.reshape(bumps, (k, 4, C)).sum(axis=1)
    A = rng.dirichlet(np.full(k, 0.3), n)
    A = np.where(A < 0.05, 0.0, A)
    A /= A.sum(axis=1, keepdims=True)
    X = A @ S + noise * rng.standard_normal((n, C))
    bad = rng.choice(C, outliers, replace=False)
    X[:, bad] = height * rng.random((n, outliers))
    return np.maximum(X, 0.0), S, A, bad


def scores(S, A, planted, abundances, bad):
    """Return the mean spectral angle in degrees and the error of the abundances."""
    keep = np.setdiff1d(np.arange(planted.shape[1]), bad)
    unit = [M[:, keep] for M in (S, planted)]
    unit = [M / np.linalg.norm(M, axis=1, keepdims=True) for M in unit]
    angle = np.degrees(np.arccos(np.clip(unit[1] @ unit[0].T, -1.0, 1.0)))
    rows, columns = linear_sum_assignment(angle)
    error = np.sqrt(np.mean((A[:, columns] - abundances) ** 2))
    return angle[rows, columns].mean(), error


def unmixers(k):
    """Return functions from pixels to endmembers and abundances, by name."""

    def nmf(X):
        model = NMF(k, init="nndsvda", max_iter=2000, tol=1e-6)
        W = model.fit_transform(X)
        return model.components_, W / np.maximum(W.sum(axis=1, keepdims=True), 1e-12)

    def ours(**options):
        def run(X):
            model = SpectralUnmixer(k, **options).fit(X)
            return model.components_, model.transform(X)

        return run

    return {
        "NMF": nmf,
        # The best level of 1e-3, 1e-4, 1e-5 and 1e-6 for these scenes.
        "squared errors": ours(smoothing=1.0, alpha=1e-3),
        "not sparse": ours(alpha=0.0),
        "no map": ours(guidance=0.0),
        "default": ours(),
    }


SCENES = {
    "clean": {"outliers": 0},
    "10 channels": {},
    "20, twice as high": {"outliers": 20, "height": 2.0},
    "more noise": {"noise": 0.03},
}


def table_of_times(cases, methods, inits, options):
    """Print what is left after some times, one line for each case and method."""
    times = "".join(f"{limit:>9}s" for limit in options.times)
    print(f"{'case':10}{'start':9}{'method':15}{times}")
    for case, make in cases.items():
        X, k = make(case)
        for init in inits:
            for name, run in methods.items():
                seeds = range(1 if init in ("nndsvda", "svd") else options.seeds)
                rows = [run(X, k, init, seed, options.times) for seed in seeds]
                found = [
                    statistics.median(column) for column in zip(*rows, strict=True)
                ]
                text = "".join(f"{value:10.4f}" for value in found)
                print(f"{case:10}{init:9}{name:15}{text}", flush=True)


def table_of_scenes(options):
    """Print angles and errors of unmixing, one line for each scene and method."""
    print(f"{'scene':19}{'method':16}{'angle':>8}{'error':>8}{'seconds':>9}")
    for scene in options.scenes:
        for name, run in unmixers(4).items():
            rows = []
            for seed in range(options.seeds):
                X, S, A, bad = make_scene(seed, **SCENES[scene])
                begin = time.process_time()
                found = run(X)
                rows.append((*scores(*found, S, A, bad), time.process_time() - begin))
            angle, error, spent = map(statistics.median, zip(*rows, strict=True))
            print(
                f"{scene:19}{name:16}{angle:8.2f}{error:8.3f}{spent:9.2f}", flush=True
            )


def main(argv=None):
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.factorization", description=__doc__
    )
    parts = ("matrix", "tensor", "unmixing")
    matrices = ("planted", "counts", "digits", "patches")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--matrices", nargs="+", default=list(matrices))
    parser.add_argument("--arrays", nargs="+", default=["small", "large"])
    parser.add_argument("--scenes", nargs="+", default=list(SCENES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", nargs="+", type=float, default=[0.2, 0.5, 1.0, 2.0])
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    ours = {
        name: lambda *args, name=name: ours_of_matrix(name, *args) for name in SOLVERS
    }
    peers = {
        f"sklearn {name}": lambda *args, name=name: peer_of_matrix(name, *args)
        for name in ("cd", "mu")
    }
    if "matrix" in options.parts:
        cases = dict.fromkeys(options.matrices, make_matrix)
        table_of_times(cases, {**ours, **peers}, ("nndsvda", "random"), options)
    if "tensor" in options.parts:
        cases = dict.fromkeys(options.arrays, make_array)
        mine = {
            name: lambda *args, name=name: ours_of_array(name, *args)
            for name in SOLVERS
        }
        table_of_times(cases, {**mine, **peers_of_array()}, ("svd", "random"), options)
    if "unmixing" in options.parts:
        table_of_scenes(options)


if __name__ == "__main__":
    main()
