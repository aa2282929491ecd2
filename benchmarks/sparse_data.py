"""Data of the sparse-learning benchmark: synthetic designs, seeded, and real files.

Dense designs are Gaussian with AR(1) columns::

    x_1 = e_1,   x_j = rho x_{j-1} + sqrt(1 - rho^2) e_j,   e_j ~ N(0, I_n)
    y = X w + t e,  w_j ~ N(0, 1) on a random support,  |X w| / |t e| = snr

- ``D``: 1000 x 20000, rho 0.6, 200 true nonzeros, snr 3;
- ``W``: 200 x 20000, rho 0.6, 100 true nonzeros, snr 3;
- ``S``: 20000 x 100000, sparse, density 1e-3, standard normal entries at uniform
  places, 500 true nonzeros, snr 3;
- ``T``: 50000 x 1000, rho 0.6, 100 true nonzeros, snr 3.

Labels of the logistic cases are the signs of the same ``y``. The MCP case uses the
columns of D centered and scaled to unit variance.

Dense arrays are Fortran ordered and sparse ones CSC: every library compared works on
columns and would otherwise copy inside the timed region.
"""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

SEED = 0


@dataclass(frozen=True)
class Dataset:
    """A design, its regression target and its labels.

    Attributes
    ----------
    X : ndarray in Fortran order or csc_array of shape (n_samples, n_features)
        The design.
    y : ndarray of shape (n_samples,)
        Real target, or labels in {-1, +1} where the data have no real target.
    labels : ndarray of shape (n_samples,)
        Labels in {-1.0, +1.0}.
    """

    X: object
    y: np.ndarray
    labels: np.ndarray


def dense_design(n_samples, n_features, rho, rng):
    """Gaussian design with AR(1) columns, in Fortran order."""
    X = np.empty((n_samples, n_features), order="F")
    X[:, 0] = rng.standard_normal(n_samples)
    scale = np.sqrt(1.0 - rho**2)
    for j in range(1, n_features):
        X[:, j] = rho * X[:, j - 1] + scale * rng.standard_normal(n_samples)
    return X


def sparse_design(n_samples, n_features, density, rng):
    """Sparse design with normal entries at uniform places, CSC with int32 indices."""
    X = sparse.random(
        n_samples,
        n_features,
        density=density,
        format="csc",
        random_state=rng,
        data_rvs=rng.standard_normal,
    )
    X.sort_indices()
    return X


def linear_target(X, n_nonzero, snr, rng):
    """Target of a sparse linear model whose noise has norm |Xw| / snr."""
    w = np.zeros(X.shape[1])
    support = rng.choice(X.shape[1], n_nonzero, replace=False)
    w[support] = rng.standard_normal(n_nonzero)
    signal = X @ w
    noise = rng.standard_normal(X.shape[0])
    noise *= np.linalg.norm(signal) / (snr * np.linalg.norm(noise))
    return signal + noise


def _signs(y):
    return np.where(y > 0, 1.0, -1.0)


def make_dense(n_samples, n_features, n_nonzero, seed=SEED):
    """Dense case of the module's first lines."""
    rng = np.random.default_rng(seed)
    X = dense_design(n_samples, n_features, 0.6, rng)
    y = linear_target(X, n_nonzero, 3.0, rng)
    return Dataset(X, y, _signs(y))


def make_sparse(n_samples, n_features, density, n_nonzero, seed=SEED):
    """Sparse case of the module's first lines."""
    rng = np.random.default_rng(seed)
    X = sparse_design(n_samples, n_features, density, rng)
    y = linear_target(X, n_nonzero, 3.0, rng)
    return Dataset(X, y, _signs(y))


def standardize(data):
    """Columns centered and scaled to unit variance, target centered."""
    X = data.X - data.X.mean(axis=0)
    X /= X.std(axis=0)
    return Dataset(np.asfortranarray(X), data.y - data.y.mean(), data.labels)


GENERATED = {
    "D": lambda: make_dense(1000, 20000, 200),
    "W": lambda: make_dense(200, 20000, 100),
    "S": lambda: make_sparse(20000, 100000, 1e-3, 500),
    "T": lambda: make_dense(50000, 1000, 100),
    "Dstd": lambda: standardize(make_dense(1000, 20000, 200)),
    # smaller ones, for ``python -m benchmarks``
    "d": lambda: make_dense(500, 8000, 100),
    "w": lambda: make_dense(150, 6000, 50),
    "s": lambda: make_sparse(8000, 40000, 1e-3, 200),
    "t": lambda: make_dense(15000, 600, 60),
    "dstd": lambda: standardize(make_dense(500, 8000, 100)),
    "cold": lambda: make_dense(100, 500, 10),
    "tiny": lambda: make_dense(100, 10, 5),
}


def save_dataset(data, folder, name):
    """Write ``name_X.npy`` (or ``name_X.npz``), ``name_y.npy``, ``name_labels.npy``.

    Each file appears under its name only when it is complete, the labels last, so
    that an interrupted run leaves nothing half-written in the cache.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"X": data.X, "y": data.y, "labels": data.labels}
    if sparse.issparse(data.X):
        partial = folder / f".{name}_X.npz"
        sparse.save_npz(partial, arrays.pop("X"), compressed=False)
        os.replace(partial, folder / f"{name}_X.npz")
    for key, array in arrays.items():
        partial = folder / f".{name}_{key}.npy"
        np.save(partial, array)
        os.replace(partial, folder / f"{name}_{key}.npy")


def load_dataset(folder, name, mmap=False):
    """Read what :func:`save_dataset` wrote; dense designs memory mapped on request."""
    folder = Path(folder)
    if (folder / f"{name}_X.npz").exists():
        X = sparse.csc_matrix(sparse.load_npz(folder / f"{name}_X.npz"))
        X.sort_indices()
    else:
        X = np.load(folder / f"{name}_X.npy", mmap_mode="r" if mmap else None)
    y = np.load(folder / f"{name}_y.npy")
    return Dataset(X, y, np.load(folder / f"{name}_labels.npy"))


def prepare(name, folder, data_dir=None):
    """Make sure that data set ``name`` is in the cache ``folder``."""
    # the labels are written last: with them the set is complete
    if (Path(folder) / f"{name}_labels.npy").exists():
        return
    if name in GENERATED:
        data = GENERATED[name]()
    else:
        if data_dir is None:
            raise ValueError(f"data set {name!r} needs --data DIR with its file")
        data = REAL[name](Path(data_dir))
    save_dataset(data, folder, name)


def _two_classes(X, labels):
    y = labels.astype(float)
    return Dataset(X, y, y)


def _gene_expression(path, scale):
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    X, classes = table[:, :-1], table[:, -1]
    labels = np.where(classes == classes.max(), 1.0, -1.0)
    if scale:
        X = X - X.mean(axis=0)
        spread = X.std(axis=0)
        X /= np.where(spread > 0, spread, 1.0)
    return _two_classes(np.asfortranarray(X), labels)


def _golub(folder):
    return _gene_expression(folder / "gene_golub.csv.gz", scale=True)


def _colon(folder):
    return _gene_expression(folder / "gene_colon.csv.gz", scale=False)


def _a9a(folder):
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(folder / "libsvm_a9a.t.gz"), n_features=123)
    return _two_classes(sparse.csc_matrix(X), np.where(y > 0, 1.0, -1.0))


def read_idx(path):
    """Array of an IDX file of unsigned bytes (big-endian sizes after 4 bytes)."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    n_dimensions = content[3]
    shape = np.frombuffer(content, ">i4", count=n_dimensions, offset=4)
    start = 4 + 4 * n_dimensions
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _mnist(folder):
    """Even against odd digits: a task where no single pixel decides."""
    images = read_idx(folder / "mnist_t10k-images-idx3-ubyte.gz")
    digits = read_idx(folder / "mnist_t10k-labels-idx1-ubyte.gz")
    X = np.asfortranarray(images.reshape(len(images), -1) / 255.0)
    return _two_classes(X, np.where(digits % 2 == 0, 1.0, -1.0))


REAL = {"golub": _golub, "colon": _colon, "a9a": _a9a, "mnist": _mnist}

REAL_FILES = {
    "golub": "gene_golub.csv.gz",
    "colon": "gene_colon.csv.gz",
    "a9a": "libsvm_a9a.t.gz",
    "mnist": "mnist_t10k-images-idx3-ubyte.gz",
}
