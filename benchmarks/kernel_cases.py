"""The cases of the kernel benchmark: data, kernel, and the error to reach.

- ``protein``: 45,730 x 9, real (UCI), the first of its fixed splits, inputs and target
  standardised by the training part; Laplacian kernel of the Euclidean distance;
- ``mnist``: the 10,000 test images of MNIST, 8,000 to fit and 2,000 to test;
- ``synthetic``: 50,000 x 100, y = sum of sines of random projections plus noise;
- ``digits-10000``, ``digits-50000``: the digits of scikit-learn, drawn again and again
  with small random turns, shears, scales and shifts; 3,000 more to test.

All libraries get the same kernel, the Laplacian exp(-r / l), and float32 arrays. The
error is the root mean squared error of the standardised target, or the share of wrong
labels. The target is the error of kernel ridge regression with this kernel and a
penalty chosen here, times 1.02 (regression), or plus half a percent (labels): what is
left to gain beyond it is not worth a pass.
"""

import gzip
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SEED = 0


@dataclass(frozen=True)
class Case:
    """One data set and how well it is to be predicted.

    Attributes
    ----------
    name : str
        Name used on the command line.
    length_scale : float
        Of the Laplacian kernel.
    alpha : float
        Ridge penalty of those that have one.
    target : float
        Error on the test part to reach.
    labels : bool
        Whether the error counts wrong labels.
    needs : {None, "data", "long"}
        Run only with ``--data``, or only with ``--long``.
    """

    name: str
    length_scale: float
    alpha: float
    target: float
    labels: bool = False
    needs: str | None = None


@dataclass(frozen=True)
class Problem:
    """What a library is asked to solve.

    Attributes
    ----------
    case : Case
        Kernel and target.
    X, X_test : ndarray of float32 of shape (n, d), (m, d)
        Inputs.
    Y, Y_test : ndarray of float32 of shape (n, c), (m, c)
        Standardised target, or one column of 0 and 1 for each class.
    """

    case: Case
    X: np.ndarray
    Y: np.ndarray
    X_test: np.ndarray
    Y_test: np.ndarray

    def error(self, values):
        """Error of predictions (m, c) on the test part."""
        if self.case.labels:
            wrong = values.argmax(axis=1) != self.Y_test.argmax(axis=1)
            return float(wrong.mean())
        return float(np.sqrt(np.mean((values - self.Y_test) ** 2, dtype=np.float64)))


CASES = (
    Case("digits-10000", 5.0, 1e-3, 0.040, labels=True),
    Case("mnist", 10.0, 1e-3, 0.032, labels=True, needs="data"),
    Case("protein", 1.0, 0.1, 0.513, needs="data"),
    Case("synthetic", 15.0, 0.1, 0.905),
    Case("digits-50000", 5.0, 1e-3, 0.0223, labels=True),
)


def find(name):
    """Case of a name."""
    return next(case for case in CASES if case.name == name)


def _columns(labels, n_classes=10):
    return (labels[:, None] == np.arange(n_classes)).astype(np.float32)


def _digits(n, m):
    """Digits drawn again, n to fit and m to test; no image is in both."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8) / 16.0
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(images))
    cut = int(0.8 * len(images))
    parts = []
    for some, size in ((order[:cut], n), (order[cut:], m)):
        chosen = rng.choice(some, size)
        X = np.empty((size, 64), dtype=np.float32)
        for row, index in enumerate(chosen):
            linear = np.eye(2) + 0.12 * rng.standard_normal((2, 2))
            shift = 3.5 - linear @ np.array([3.5, 3.5]) + 0.4 * rng.standard_normal(2)
            X[row] = ndimage.affine_transform(
                images[index], linear, shift, order=1
            ).ravel()
        parts += [X, _columns(labels[chosen])]
    return parts


def _synthetic(n, m, d=100):
    rng = np.random.default_rng(SEED)
    X = rng.standard_normal((n + m, d)).astype(np.float32)
    W = rng.standard_normal((d, 5)) / np.sqrt(d)
    y = np.sin(2.0 * (X @ W)).sum(axis=1)
    y = y / y.std() + 0.3 * rng.standard_normal(n + m)
    return _standardised(X, y, np.arange(n), np.arange(n, n + m))


def _standardised(X, y, fit, test):
    spread = X[fit].std(axis=0)
    X = (X - X[fit].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    y = (y - y[fit].mean()) / y[fit].std()
    X, Y = X.astype(np.float32), y.astype(np.float32)[:, None]
    return [X[fit], Y[fit], X[test], Y[test]]


def read_split(folder, name, split=0):
    """Arrays of a fixed split of a UCI set, standardised by its training part.

    Parameters
    ----------
    folder : path
        With the files.
    name : {"pol", "elevators", "protein"}
        Set.
    split : int
        Column of the mask.

    Returns
    -------
    parts : list of ndarray
        X (n, d), Y (n, 1), X_test, Y_test in float32.
    """
    path, mask = (
        folder / f"uci_{name}_{kind}.csv.gz" for kind in ("data", "test_mask")
    )
    rows = np.loadtxt(path, delimiter=",", skiprows=_head(path))
    test = np.loadtxt(mask, delimiter=",", skiprows=_head(mask))[:, split] == 1
    return _standardised(
        rows[:, :-1], rows[:, -1], np.flatnonzero(~test), np.flatnonzero(test)
    )


def _head(path):
    """Lines of a file before its first number."""
    with gzip.open(path, "rt") as file:
        try:
            float(file.readline().split(",")[0])
        except ValueError:
            return 1
    return 0


def _mnist(folder):
    from benchmarks.sparse_data import REAL_FILES, read_idx

    images = read_idx(folder / REAL_FILES["mnist"]).reshape(-1, 784) / np.float32(255)
    with gzip.open(folder / "mnist_t10k-labels-idx1-ubyte.gz", "rb") as file:
        labels = np.frombuffer(file.read(), dtype=np.uint8, offset=8)
    X, Y = images.astype(np.float32), _columns(labels)
    return [X[:8000], Y[:8000], X[8000:], Y[8000:]]


def prepare(case, cache, folder=None):
    """Write the arrays of a case to the cache unless they are there."""
    path = cache / f"kernel-{case.name}.npz"
    if path.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    if case.name == "protein":
        parts = read_split(folder, "protein", 0)
    elif case.name == "mnist":
        parts = _mnist(folder)
    elif case.name == "synthetic":
        parts = _synthetic(50_000, 5_000)
    else:
        parts = _digits(int(case.name.partition("-")[2]), 3_000)
    np.savez(path, X=parts[0], Y=parts[1], X_test=parts[2], Y_test=parts[3])


def build(case, cache):
    """Problem of a case from the cache."""
    with np.load(cache / f"kernel-{case.name}.npz") as file:
        return Problem(case, file["X"], file["Y"], file["X_test"], file["Y_test"])
