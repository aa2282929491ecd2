"""Time of folds in one process, on threads, in processes and on a Dask cluster.

Run ``python -m benchmarks.scale_out``; a minute on two cores that do nothing else. The
table stands in ``doc/user_guide/scaling_out.rst``.
"""

import time
import warnings

import joblib
import numpy as np
from distributed import Client, LocalCluster
from sklearn.model_selection import cross_val_score

from skopt2.kernel_machine import EigenProRegressor
from skopt2.linear_model import SparseRegressorCV

REPEATS = 2


def path(n, p, n_folds):
    """Return the fit of a path in folds."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    y = X[:, :10].sum(axis=1) + rng.standard_normal(n)
    return lambda: SparseRegressorCV(alphas=50, cv=n_folds).fit(X, y)


def kernels(n, n_folds):
    """Return the scores of a kernel machine, whose time is in BLAS."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 10))
    y = np.sin(X[:, 0])
    model = EigenProRegressor(centers=500, random_state=0)
    return lambda: cross_val_score(model, X, y, cv=n_folds)


WORK = {
    "path, 500 x 500, 8 folds": path(500, 500, 8),
    "path, 20,000 x 100 (16 MB), 8 folds": path(20_000, 100, 8),
    "path, 100 x 5, 40 folds": path(100, 5, 40),
    "kernel machine, 5,000 x 10, 8 folds": kernels(5000, 8),
}


def seconds(work):
    """Return the least wall time of a few runs, the first not counted."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def on_cluster(n_workers, name):
    """Return the time on a cluster of processes with one thread each."""
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        return seconds(WORK[name])


def main():
    """Print one line for each kind of work."""
    for name, work in WORK.items():
        row = {"one process": seconds(work)}
        with joblib.parallel_config("threading", n_jobs=2):
            row["2 threads"] = seconds(work)
        with joblib.parallel_config("loky", n_jobs=2):
            row["2 processes"] = seconds(work)
        row["1 worker"] = on_cluster(1, name)
        row["2 workers"] = on_cluster(2, name)
        cells = "  ".join(f"{key} {value:7.3f} s" for key, value in row.items())
        print(f"{name:40s} {cells}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main()
