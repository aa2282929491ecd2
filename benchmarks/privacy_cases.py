"""The cases of the privacy benchmark: data, public bounds, splits and budgets.

- ``accuracy-*``, ``network-digits``: bundled sets of scikit-learn. Features are mapped
  to [-1, 1] by bounds that count as public (the range of the pixels of digits, for
  others the extremes of the whole set) and divided by the root of their number, so that
  no row is longer than 1. Four of five rows to fit, stratified;
- ``speed``, ``speed-correlated``: 100,000 x 100 normal features, independent or with
  neighbours correlated by a half, divided by the root of their number, rows longer than
  1 shortened to 1; labels drawn from a logistic model;
- ``regression-*``: targets mapped to [-1, 1] too. ``diabetes``; ``generated``, 1,030 x
  8, correlated, a linear model that explains about 60 percent; ``protein``, 45,730 x 9,
  with ``--data`` only;
- ``accountant``: no data, the noise for a budget.
"""

import gzip
from dataclasses import dataclass

import numpy as np

EPSILONS = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
# (sampling rate, steps), and the budgets at which noise is asked for.
SCHEDULES = ((0.01, 1000), (0.05, 200), (0.1, 100), (1.0, 50))
BUDGETS = (0.1, 0.5, 1.0, 4.0, 8.0)


@dataclass(frozen=True)
class Case:
    """One data set and what is asked on it.

    Attributes
    ----------
    name : str
        Name on the command line.
    kind : {"accuracy", "network", "speed", "regression", "accountant"}
        What is fitted.
    data : str
        Name of the set.
    delta : float
        Of the budget.
    epsilons : tuple of float
        The budgets.
    needs_data : bool
        Whether it is run only with ``--data``.
    """

    name: str
    kind: str
    data: str
    delta: float = 1e-5
    epsilons: tuple = EPSILONS
    needs_data: bool = False


CASES = (
    Case("accuracy-digits", "accuracy", "digits"),
    Case("accuracy-breast_cancer", "accuracy", "breast_cancer"),
    Case("accuracy-wine", "accuracy", "wine"),
    Case("network-digits", "network", "digits", epsilons=EPSILONS[1:]),
    Case("regression-diabetes", "regression", "diabetes", 1e-6),
    Case("regression-generated", "regression", "generated", 1e-6),
    Case("regression-protein", "regression", "protein", 1e-6, needs_data=True),
    Case("speed", "speed", "independent", 1e-6, (1.0,)),
    Case("speed-correlated", "speed", "correlated", 1e-6, (1.0,)),
    Case("accountant", "accountant", "", epsilons=BUDGETS),
)


@dataclass(frozen=True)
class Problem:
    """What a library is asked to fit.

    Attributes
    ----------
    case : Case
        Which.
    X, X_test : ndarray of float64 of shape (n, d), (m, d)
        Rows of length 1 at most, entries within 1/sqrt(d) of zero.
    y, y_test : ndarray of shape (n,), (m,)
        Labels 0, 1, ..., or targets in [-1, 1].
    epsilon : float
        The budget.
    seed : int
        Of what the library draws.
    """

    case: Case
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    epsilon: float
    seed: int

    @property
    def n_classes(self):
        """Number of labels."""
        return int(max(self.y.max(), self.y_test.max())) + 1

    def score(self, predicted):
        """Share of right labels, or R2 of predicted targets, on the test part."""
        predicted = np.asarray(predicted)
        if self.case.kind != "regression":
            return float(np.mean(predicted == self.y_test))
        error = np.sum((self.y_test - predicted) ** 2)
        return float(1.0 - error / np.sum((self.y_test - self.y_test.mean()) ** 2))


def find(name):
    """Case of a name."""
    return next(case for case in CASES if case.name == name)


def scaled(X, low, high):
    """Map columns of values from [low, high] to [-1, 1] and divide by sqrt(d)."""
    width = np.where(np.asarray(high) > low, np.subtract(high, low), 1.0)
    return (2.0 * (X - low) / width - 1.0) / np.sqrt(X.shape[1])


def _labelled(name):
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    if name == "digits":
        return scaled(X, 0.0, 16.0), y
    return scaled(X, X.min(axis=0), X.max(axis=0)), y


def _large(correlation, n=120_000, d=100):
    """Rows of the speed cases; the last sixth of them is the test part."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] *= np.sqrt(1.0 - correlation**2)
        X[:, j] += correlation * X[:, j - 1]
    logits = X @ rng.standard_normal(d)
    logits *= 3.0 / logits.std()
    y = (rng.random(n) < 1.0 / (1.0 + np.exp(-logits))).astype(np.int64)
    X /= np.sqrt(d)
    return X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1.0), y


def _generated(n=1030, d=8):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d))
    y = X @ rng.standard_normal(d)
    return X, y + np.sqrt(2.0 / 3.0) * y.std() * rng.standard_normal(n)


def _targets(name, folder):
    if name == "diabetes":
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
    elif name == "generated":
        X, y = _generated()
    else:
        with gzip.open(folder / f"uci_{name}_data.csv.gz", "rt") as file:
            table = np.loadtxt(file, delimiter=",")
        X, y = table[:, :-1], table[:, -1]
    y = scaled(y[:, None], y.min(), y.max())[:, 0]
    return scaled(X, X.min(axis=0), X.max(axis=0)), y


def _split(case, y, seed):
    """Rows to fit and to test."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(y))
    if case.kind == "speed":
        cut = len(y) * 5 // 6
        return rows[:cut], rows[cut:]
    labels = None if case.kind == "regression" else y
    return train_test_split(rows, test_size=0.2, stratify=labels, random_state=seed)


def _path(case, cache):
    return cache / f"privacy-{case.kind}-{case.data}.npz"


def prepare(case, cache, folder, n_seeds):
    """Write the arrays of a case and its splits to the cache unless they are there.

    Parameters
    ----------
    case : Case
        Which.
    cache : Path
        Folder to write to.
    folder : Path or None
        Of the sets that are not bundled.
    n_seeds : int
        Number of splits.
    """
    path = _path(case, cache)
    if case.kind == "accountant":
        return
    if path.exists():
        with np.load(path) as file:
            if len(file["train"]) >= n_seeds:
                return
    cache.mkdir(parents=True, exist_ok=True)
    if case.kind == "speed":
        X, y = _large(0.5 if case.data == "correlated" else 0.0)
    elif case.kind == "regression":
        X, y = _targets(case.data, folder)
    else:
        X, y = _labelled(case.data)
    count = 1 if case.kind == "speed" else n_seeds
    parts = [_split(case, y, seed) for seed in range(count)]
    train, test = (np.stack(rows) for rows in zip(*parts, strict=True))
    np.savez(path, X=X, y=y, train=train, test=test)


def read(case, cache):
    """Arrays of a case from the cache: X, y, and rows of the splits."""
    with np.load(_path(case, cache)) as file:
        return {name: file[name] for name in file.files}


def build(case, arrays, epsilon, split, seed=0):
    """Problem of a split, with a seed for what the library draws."""
    train, test = arrays["train"][split], arrays["test"][split]
    X, y = arrays["X"], arrays["y"]
    return Problem(case, X[train], y[train], X[test], y[test], epsilon, seed)
