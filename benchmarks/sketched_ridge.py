"""Sketched ridge ensembles beside ridge with leave-one-out, in error and time.

Run from the root of the repository::

    python -m benchmarks.sketched_ridge --parts sizes claims intervals

Design of Patil and LeJeune (ICLR 2024), figures on the ensemble trick: normal rows with
variances 2 / (1 + 30 j / p), a tenth of the coefficients not zero with norm 1, noise of
deviation 2. The error on new rows is computed from the covariance, which is known.

``sizes``: processor time of a whole fit with 20 levels, and error on new rows over that
of the noise, beside scikit-learn's ``RidgeCV`` on 20 levels (leave-one-out from one
decomposition), for n = p and for n much smaller than p.
``claims``: what the paper says, as numbers: how far GCV is from the error on new rows,
the ensemble trick from the error of ridge without a sketch, and the best risk over
sketch sizes without a penalty from the best over levels.
``intervals``: coverage and width of intervals of 90 percent, for three kinds of noise.
"""

import argparse
import time

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import Ridge, RidgeCV

from skopt2.linear_model import SketchedRidgeCV
from skopt2.solvers.sketching.sketches import SKETCHES

LEVELS = 20


def make_data(n, p, seed=0, noise=2.0, decay=30.0):
    """Return rows, targets, coefficients, and deviations of the features.

    Parameters
    ----------
    n, p : int
        Rows and features.
    seed : int, default=0
        Of the draw.
    noise : float, default=2.0
        Deviation.
    decay : float, default=30.0
        How much smaller the last variance is than the first.

    Returns
    -------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    coef, scale : ndarray of shape (p,)
    """
    rng = np.random.default_rng(seed)
    scale = np.sqrt(2.0 / (1.0 + decay * np.linspace(0.0, 1.0, p)))
    X = rng.standard_normal((n, p)) * scale
    coef, used = np.zeros(p), max(1, p // 10)
    coef[:used] = rng.standard_normal(used) / np.sqrt(used)
    return X, X @ coef + noise * rng.standard_normal(n), coef, scale


def new_error(model, coef, scale, noise=2.0):
    """Return the mean squared error on new rows."""
    off = (model.coef_ - coef) * scale
    return float(off @ off + np.square(model.intercept_) + noise**2)


def seconds(action):
    """Return the least processor time of two runs, and what the last returned."""
    spent = []
    for _ in range(2):
        start = time.process_time()
        value = action()
        spent.append(time.process_time() - start)
    return min(spent), value


def compare_sizes(n, p, seed=0, members=5):
    """Return time and excess error of ridge and of each sketch.

    Parameters
    ----------
    n, p : int
        Rows and features.
    seed : int, default=0
        Of the draw.
    members : int, default=5
        Of the ensembles.

    Returns
    -------
    rows : dict of (float, float)
        Processor seconds, and error on new rows less that of the noise.
    """
    X, y, coef, scale = make_data(n, p, seed)
    base = SketchedRidgeCV(1, sketch_size=1, alphas=LEVELS, random_state=0).fit(X, y)
    alphas = n * base.alphas_
    spent, peer = seconds(lambda: RidgeCV(alphas=alphas).fit(X, y))
    rows = {"RidgeCV": (spent, new_error(peer, coef, scale) - 4.0)}
    for sketch in SKETCHES:
        for size in (None, max(1, min(n, p) // 8)):
            model = SketchedRidgeCV(
                members, sketch=sketch, sketch_size=size, random_state=0
            )
            spent, model = seconds(lambda model=model: model.fit(X, y))
            name = sketch if size is None else f"{sketch}, n/8"
            rows[name] = spent, new_error(model, coef, scale) - 4.0
    return rows


def sparse_times(n, p, density=0.01, members=5):
    """Return the times of sketches of a sparse X, and of ridge on it.

    Parameters
    ----------
    n, p : int
        Rows and features.
    density : float, default=0.01
        Part of the entries that are stored.
    members : int, default=5
        Of the ensembles.

    Returns
    -------
    rows : dict of (float, float)
        Processor seconds, and error on 1000 new rows.
    """
    rng = np.random.default_rng(0)
    draw = {"density": density, "format": "csr", "random_state": rng}
    X = sp.random(n + 1000, p, data_rvs=rng.standard_normal, **draw)
    coef = rng.standard_normal(p) * (rng.random(p) < 0.1)
    y = X @ coef
    y += y.std() * rng.standard_normal(n + 1000)
    rows = {}
    for sketch in ("countsketch", "dct", "gaussian"):
        model = SketchedRidgeCV(
            members, sketch=sketch, sketch_size=n // 4, random_state=0
        )
        spent, model = seconds(lambda model=model: model.fit(X[:n], y[:n]))
        rows[sketch] = spent, float(np.mean((y[n:] - model.predict(X[n:])) ** 2))
    alphas = n * model.alphas_
    spent, peer = seconds(lambda: RidgeCV(alphas=alphas).fit(X[:n], y[:n]))
    rows["RidgeCV"] = spent, float(np.mean((y[n:] - peer.predict(X[n:])) ** 2))
    return rows


def claims(n, p, sketch, seeds=5):
    """Return mean relative errors of three statements of the paper.

    Parameters
    ----------
    n, p : int
        Rows and features.
    sketch : str
        Kind of the sketch.
    seeds : int, default=5
        Data sets.

    Returns
    -------
    figures : dict of float
        ``gcv``: GCV over the error on new rows, less 1, at the chosen level; ``trick``:
        the same for the estimate of infinitely many members and ridge at the implicit
        level; ``size``: error of the best sketch size without a penalty over that of
        the best ridge, both on new rows, less 1, for 50 members.
    """
    found = []
    for seed in range(seeds):
        X, y, coef, scale = make_data(n, p, seed)
        q = min(n, p)
        model = SketchedRidgeCV(
            5, sketch=sketch, sketch_size=[q // 4], random_state=seed
        ).fit(X, y)
        gcv = model.gcv_ / new_error(model, coef, scale) - 1.0
        plain = Ridge(alpha=n * model.implicit_alpha_).fit(X, y)
        trick = model.unsketched_gcv_ / new_error(plain, coef, scale) - 1.0
        tuned = SketchedRidgeCV(
            50,
            sketch=sketch,
            sketch_size=[q // k for k in (40, 20, 10, 7, 5, 4, 3, 2)],
            alphas=[1e-6],
            random_state=seed,
        ).fit(X, y)
        best = min(
            new_error(Ridge(alpha=alpha * n).fit(X, y), coef, scale)
            for alpha in np.geomspace(0.01, 100, 20)
        )
        size = new_error(tuned, coef, scale) / best - 1.0
        found.append((gcv, trick, size))
    means = np.mean(found, axis=0)
    return dict(zip(("gcv", "trick", "size"), means, strict=True))


def noise_of(kind, n, rng):
    """Return noise of deviation 2."""
    if kind == "normal":
        return 2.0 * rng.standard_normal(n)
    if kind == "t, 3 degrees":
        return 2.0 / np.sqrt(3.0) * rng.standard_t(3, n)
    return 2.0 * (rng.exponential(1.0, n) - 1.0)


def intervals(n, p, kind, seeds=10, coverage=0.9):
    """Return coverage and relative width of intervals.

    Parameters
    ----------
    n, p : int
        Rows and features.
    kind : str
        Of :func:`noise_of`.
    seeds : int, default=10
        Data sets.
    coverage : float, default=0.9
        Asked for.

    Returns
    -------
    mean, deviation : float
        Of the coverage over data sets, on 5000 new rows each.
    uncorrected : float
        Coverage with the residuals as they are.
    """
    shares, plain = [], []
    for seed in range(seeds):
        X, y, coef, scale = make_data(n, p, seed, noise=0.0)
        rng = np.random.default_rng(1000 + seed)
        y = y + noise_of(kind, n, rng)
        model = SketchedRidgeCV(5, random_state=seed).fit(X, y)
        new = rng.standard_normal((5000, p)) * scale
        error = new @ coef + noise_of(kind, 5000, rng) - model.predict(new)
        low, high = model.predict_interval(new[:1], coverage)[0] - model.predict(
            new[:1]
        )
        shares.append(((low <= error) & (error <= high)).mean())
        rest = 1.0 - model.degrees_of_freedom_ / n
        plain.append(((low * rest <= error) & (error <= high * rest)).mean())
    return float(np.mean(shares)), float(np.std(shares)), float(np.mean(plain))


def main(argv=None):
    """Print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sketched_ridge")
    parser.add_argument("--parts", nargs="+", default=["sizes", "claims", "intervals"])
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args(argv)

    def scaled(*numbers):
        return [max(40, int(options.scale * number)) for number in numbers]

    if "sizes" in options.parts:
        for n, p in ((500, 500), (1000, 1000), (2000, 2000), (500, 5000)):
            rows = compare_sizes(*scaled(n, p))
            shown = "  ".join(
                f"{name} {spent:.2f} s ({error:.3f})"
                for name, (spent, error) in rows.items()
            )
            print(f"n={n} p={p}  {shown}", flush=True)
        rows = sparse_times(*scaled(1000, 20000))
        shown = "  ".join(
            f"{name} {spent:.2f} s ({error:.1f})"
            for name, (spent, error) in rows.items()
        )
        print(f"sparse n=1000 p=20000  {shown}", flush=True)
    if "claims" in options.parts:
        for sketch in SKETCHES:
            figures = claims(*scaled(600, 800), sketch)
            shown = "  ".join(f"{key} {value:+.3f}" for key, value in figures.items())
            print(f"{sketch:12s} {shown}", flush=True)
    if "intervals" in options.parts:
        for kind in ("normal", "t, 3 degrees", "exponential"):
            mean, deviation, plain = intervals(*scaled(400, 500), kind)
            print(
                f"{kind:13s} coverage {mean:.3f} (deviation {deviation:.3f}), with the "
                f"residuals as they are {plain:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
