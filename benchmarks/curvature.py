"""Steps from curvature against a known optimum: the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.curvature generated
    python -m benchmarks.curvature real --data DIR
    python -m benchmarks.curvature lasso
    python -m benchmarks.curvature outliers
    python -m benchmarks.curvature lazy

``generated``: logistic, multinomial, Poisson and Huber losses with a ridge penalty on
Gaussian data, tall and wide, well scaled, with columns in units from 1e-3 to 1e3, and
with columns that nearly depend on each other. ``real``: gene expression (colon, golub),
a9a, MNIST digits; DIR holds the files that ``benchmarks.sparse`` uses. ``lasso``: an l1
penalty in the place of the ridge. ``outliers``: iterations of the polynomial methods
where k eigenvalues lie far above the others. ``lazy``: refresh periods of the lazy
Hessian.

The optimum is the lowest objective that any solver reaches, the default one at the
tolerance 1e-14 among them. A row has the iterations of a solver and its processor
seconds, all set-up included, until (F - F*) / (F_0 - F*) is 1e-3, 1e-6 and 1e-9, F_0
the null model. No solver is given an option. One thread makes the times comparable
(``OPENBLAS_NUM_THREADS=1``).
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np

from benchmarks.sparse_data import REAL, read_idx
from skopt2.linear_model import (
    LazyNewton,
    PolynomialGradient,
    SparseClassifier,
    SparseRegressor,
    sparse_path,
)
from skopt2.penalties import ElasticNet

SOLVERS = (
    "newton",
    "auto",
    "proxgrad",
    "newton-damped",
    "newton-lazy",
    "newton-gn",
    "poly",
    "oasis",
)
TARGETS = (1e-3, 1e-6, 1e-9)
LIMIT = 10.0


def make_design(rng, n, p, kind):
    """Return X: independent columns, in odd units, or nearly dependent ones."""
    X = rng.standard_normal((n, p))
    if kind == "scaled":
        X *= 10.0 ** rng.uniform(-3.0, 3.0, p)
    elif kind == "dependent":
        for j in range(1, p):
            X[:, j] = 0.99 * X[:, j - 1] + 0.14 * X[:, j]
    return X


def make_target(rng, X, loss, K=5):
    """Return a target whose linear predictor has unit variance."""
    U = X / X.std(axis=0)
    eta = U @ rng.standard_normal(U.shape[1])
    eta /= eta.std()
    if loss == "poisson":
        return rng.poisson(np.exp(eta)).astype(float)
    if loss == "huber":
        return eta + 0.3 * rng.standard_t(2, len(X))
    if loss == "multinomial":
        scores = U @ rng.standard_normal((U.shape[1], K))
        scores *= 2.0 / scores.std()
        return np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    return (2.0 * eta + rng.logistic(size=len(X)) > 0).astype(int)


def make_model(loss, alpha, solver, penalty=None, **options):
    """Return a model of a loss, with a ridge penalty unless another is given."""
    kind = SparseRegressor if loss in ("huber", "poisson", "squared") else None
    kind = kind or SparseClassifier
    penalty = penalty or ElasticNet(l1_ratio=0)
    options = {"tol": 1e-13, "max_iter": 100000, "time_limit": LIMIT, **options}
    return kind(loss, penalty, alpha=alpha, solver=solver, random_state=0, **options)


def race(X, y, loss, alpha, solvers, penalty=None):
    """Return for each solver its iterations, seconds and objectives."""
    runs = {}
    for solver in solvers:
        model = make_model(loss, alpha, solver, penalty)
        wall, start = time.perf_counter(), time.process_time()
        model.fit(X, y)
        spent = time.process_time() - start
        wall = time.perf_counter() - wall
        history = model.history_
        setup = wall - history["time"][-1]
        # What others on the machine take is not the solver's.
        seconds = (setup + history["time"]) * spent / wall
        steps = history.get("iterations", history["iteration"])
        runs[solver] = steps, seconds, history["objective"]
    return runs


def null_objective(X, y, loss):
    """Return the objective with no feature in the model."""
    model = make_model(loss, 1.0, "newton", tol=1e-10)
    empty = np.zeros((X.shape[0], 1))
    # Not all zero: that would be no data.
    empty[0] = 1e-100
    return model.fit(empty, y).objective_


def show(name, X, y, loss, alpha, penalty=None):
    """Print the rows of one problem."""
    solvers = [one for one in SOLVERS if penalty is None or one not in ("poly", "auto")]
    runs = race(X, y, loss, alpha, solvers, penalty)
    best = min(float(objective.min()) for _, _, objective in runs.values())
    null = null_objective(X, y, loss)
    for solver, (steps, seconds, objective) in runs.items():
        cells = []
        for target in TARGETS:
            reached = np.flatnonzero(objective - best <= target * (null - best))
            if reached.size:
                at = reached[0]
                cells.append(f"{int(steps[at]):6d} {seconds[at]:8.3f}")
            else:
                cells.append(f"{'-':>6} {'-':>8}")
        print(f"{name:<24} {solver:<14} " + "  ".join(cells), flush=True)


def head():
    """Print the head of the table."""
    print(f"{'':<39} " + "  ".join(f"{f'to {t:.0e}':>15}" for t in TARGETS))
    print(f"{'problem':<24} {'solver':<14} " + "  ".join(["iterat.  seconds"] * 3))


def generated(only=""):
    """Print the table of generated problems, of those with a text in their names."""
    head()
    for loss, n, p, alpha in (
        ("logistic", 5000, 200, 1e-4),
        ("logistic", 300, 3000, 1e-3),
        ("multinomial", 3000, 60, 1e-4),
        ("poisson", 5000, 200, 1e-4),
        ("huber", 5000, 200, 1e-4),
    ):
        for kind in ("well", "scaled", "dependent"):
            name = f"{loss[:8]} {n}x{p} {kind[:6]}"
            if only not in name:
                continue
            rng = np.random.default_rng(0)
            X = make_design(rng, n, p, kind)
            y = make_target(rng, X, loss)
            # In odd units one alpha has no meaning: it is then as good as none.
            level = alpha * (1e-6 if kind == "scaled" else 1.0)
            show(name, X, y, loss, level)


def real(folder, only=""):
    """Print the table of real data, of those with a text in their names."""
    head()
    folder = Path(folder)
    for name, alpha in (("colon", 1e-3), ("golub", 1e-3), ("a9a", 1e-5)):
        if only in name:
            data = REAL[name](folder)
            show(name, data.X, data.labels, "logistic", alpha)
    data = REAL["mnist"](folder)
    if only in "mnist parity":
        show("mnist parity", data.X, data.labels, "logistic", 1e-4)
    if only not in "mnist digits":
        return
    digits = read_idx(folder / "mnist_t10k-labels-idx1-ubyte.gz")
    show("mnist digits, 3000", data.X[:3000], digits[:3000], "multinomial", 1e-3)


def lasso(only=""):
    """Print the table of an l1 penalty, a tenth and a hundredth of the largest."""
    head()
    for loss, n, p in (
        ("logistic", 500, 5000),
        ("logistic", 5000, 200),
        ("poisson", 2000, 300),
        ("huber", 5000, 200),
    ):
        if only not in f"{loss[:8]} {n}x{p}":
            continue
        rng = np.random.default_rng(0)
        X = make_design(rng, n, p, "dependent" if n > p else "well")
        y = make_target(rng, X[:, :50], loss)
        alphas = sparse_path(X, y, loss=loss, alphas=3, eps=0.01).alphas
        for share, alpha in zip((10, 100), alphas[1:], strict=True):
            show(f"{loss[:8]} {n}x{p} 1/{share}", X, y, loss, float(alpha), "l1")


def outliers(only=""):
    """Print how the polynomial methods fare with k large eigenvalues."""
    print("large eigenvalues  method       products to 1e-6 at ratio 1, 1e2, 1e4, 1e6")
    rng = np.random.default_rng(0)
    n, p = 400, 60
    U, V = np.linalg.qr(rng.standard_normal((n, p)))[0], fourier(p)
    for k in (1, 3):
        if only not in str(k):
            continue
        for label, form, order in (
            ("gradient", "symmetric", 0),
            ("symmetric", "symmetric", k),
            ("krylov", "krylov", k),
        ):
            counts = []
            for ratio in (1.0, 1e2, 1e4, 1e6):
                values = np.linspace(1.0, 2.0, p)
                values[:k] *= ratio
                X = U @ (np.sqrt(values)[:, None] * V.T) * np.sqrt(n)
                y = X @ V @ (rng.standard_normal(p) / np.sqrt(values))
                counts.append(products(X, y, form, order))
            print(f"{k:<18d} {label:<12} " + "  ".join(f"{c:8d}" for c in counts))


def fourier(p):
    """Return an orthonormal basis whose first 1, 3, 5, ... vectors have equal rows.

    Large eigenvalues there make no column larger than another: it is not the units of
    the columns that are odd.
    """
    at = 2.0 * np.pi * np.arange(p) / p
    waves = [np.ones(p)]
    for f in range(1, p // 2):
        waves += [np.cos(f * at), np.sin(f * at)]
    waves.append(np.cos(p // 2 * at))
    V = np.stack(waves, axis=1)
    return V / np.linalg.norm(V, axis=0)


def products(X, y, form, order):
    """Return gradients and curvature products until the relative error 1e-6."""
    solver = PolynomialGradient(order=order, form=form)
    model = make_model("squared", 0.0, solver, fit_intercept=False, tol=1e-12)
    history = model.fit(X, y).history_
    reached = np.flatnonzero(history["objective"] <= 1e-6 * 0.5 * (y @ y) / len(y))
    return int(history["gradients"][reached[0]]) if reached.size else -1


def lazy(only=""):
    """Print what refresh periods cost."""
    print("problem               refresh  iterations  Hessians  gradients  seconds")
    for loss, n, p in (("logistic", 5000, 400), ("poisson", 2000, 800)):
        if only not in f"{loss} {n}x{p}":
            continue
        rng = np.random.default_rng(0)
        X = make_design(rng, n, p, "dependent")
        y = make_target(rng, X, loss)
        for refresh in (1, 2, 5, 10, 20, "auto"):
            model = make_model(loss, 1e-5, LazyNewton(refresh), tol=1e-9)
            start = time.process_time()
            history = model.fit(X, y).history_
            spent = time.process_time() - start
            print(
                f"{loss} {n}x{p}".ljust(22)
                + f"{refresh!s:>7} {model.n_iter_:11d} {history['hessians'][-1]:9d} "
                f"{history['gradients'][-1]:10d} {spent:8.2f}",
                flush=True,
            )


TABLES = {"generated": generated, "lasso": lasso, "outliers": outliers, "lazy": lazy}


def main(argv=None):
    """Run one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=(*TABLES, "real"))
    parser.add_argument("--data", help="folder of the files of the real data")
    parser.add_argument("--only", default="", help="text in the names of problems")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    if options.table == "real":
        if options.data is None:
            parser.error("real needs --data DIR")
        real(options.data, options.only)
        return
    TABLES[options.table](options.only)


if __name__ == "__main__":
    main()
