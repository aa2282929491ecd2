"""Curves of :mod:`benchmarks.scaling` for linear models and what is built on them.

Levels of penalties are a twentieth of the least at which the null model is a solution,
for groups a tenth: many coefficients are in the model, and most are not.
"""

import numpy as np

from benchmarks.scaling_curve import Curve, pair
from skopt2.datasets import make_sparse_design
from skopt2.linear_model import (
    CVaRRegressor,
    GroupClassifier,
    GroupRegressor,
    LowRankRegressor,
    MultiTaskRegressor,
    SketchedRidgeCV,
    SparseClassifier,
    SparsemaxClassifier,
    SparseRegressor,
    StreamingLinearClassifier,
    StreamingLinearRegressor,
    TrendFilter,
)
from skopt2.model_selection import HyperGradientCV, approx_cross_validate
from skopt2.penalties import ElasticNet

_SHARE = 0.05
_GROUP = 10


def design(n, p, n_targets=None):
    """Return correlated features, and targets of twenty of them with noise.

    Coefficients do not depend on the sizes, so that the problems of a curve differ in
    nothing else.

    Parameters
    ----------
    n, p : int
        Rows and features.
    n_targets : int, default=None
        Columns of the target; None for one target without columns.

    Returns
    -------
    X : ndarray of shape (n, p)
    Y : ndarray of shape (n,) or (n, n_targets)
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    X += 0.5 * rng.standard_normal((n, 1))
    few = min(20, p)
    sizes = np.linspace(0.5, 2.0, few) * (-1.0) ** np.arange(few)
    W = np.stack([np.roll(sizes, 2 * j) for j in range(n_targets or 1)], axis=1)
    Y = X[:, np.linspace(0, p - 1, few).astype(int)] @ W
    Y += 0.5 * Y.std(axis=0) * rng.standard_normal(Y.shape)
    return X, (Y if n_targets else Y[:, 0])


def labels(y):
    """Return the class of each target: above the median or not."""
    return (y > np.median(y)).astype(int)


def _correlations(X, y):
    return np.abs(X.T @ (y - y.mean(axis=0))) / X.shape[0]


def _sparse(penalty):
    def prepare(n, p):
        X, y = design(n, p)
        model = SparseRegressor(
            penalty=penalty, alpha=_SHARE * _correlations(X, y).max()
        )
        return lambda: model.fit(X, y)

    return prepare


def _logistic(n, p):
    X, y = design(n, p)
    y = labels(y)
    model = SparseClassifier(alpha=_SHARE * _correlations(X, y).max())
    return lambda: model.fit(X, y)


def _sparse_design(n, p):
    X, y, _ = make_sparse_design(n, p, density=0.01, n_informative=100, random_state=0)
    mean = np.asarray(X.mean(axis=0)).ravel()
    top = np.abs(X.T @ (y - y.mean()) / n - mean * (y - y.mean()).mean()).max()
    model = SparseRegressor(alpha=_SHARE * top)
    return lambda: model.fit(X, y)


def _trend(n):
    rng = np.random.default_rng(0)
    x = np.linspace(0.0, 10.0, n)
    y = np.interp(x, [0, 3, 4, 8, 10], [0, 3, 1, 1, 4])
    y += 0.2 * rng.standard_normal(n)
    model = TrendFilter(order=1, alpha=1e-3)
    return lambda: model.fit(x, y)


def _groups(make, penalty, classes=False):
    def prepare(n, p):
        X, y = design(n, p)
        y = labels(y) if classes else y
        norms = np.linalg.norm(_correlations(X, y).reshape(-1, _GROUP), axis=1)
        alpha = 2.0 * _SHARE * norms.max() / np.sqrt(_GROUP)
        model = make(penalty=penalty, groups=_GROUP, alpha=alpha)
        return lambda: model.fit(X, y)

    return prepare


def _multitask(penalty):
    def prepare(n, p, n_tasks):
        X, Y = design(n, p, n_tasks)
        gradient = X.T @ (Y - Y.mean(axis=0)) / n
        if penalty.startswith("row"):
            top = np.linalg.norm(gradient, axis=1).max()
        else:
            top = np.linalg.norm(gradient, 2)
        model = MultiTaskRegressor(penalty, alpha=_SHARE * top)
        return lambda: model.fit(X, Y)

    return prepare


def _stream(make, classes=False):
    def prepare(n, p):
        X, y = design(n, p)
        y = labels(y) if classes else y / y.std()
        model = make(random_state=0)
        return lambda: model.fit(X, y)

    return prepare


def _low_rank_regression(n, side):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, side * side))
    M = rng.standard_normal((side, 3)) @ rng.standard_normal((3, side))
    y = X @ M.ravel() + rng.standard_normal(n)
    model = LowRankRegressor(3, shape=(side, side), random_state=0)
    return lambda: model.fit(X, y)


def _approximate(n, p):
    X, y = design(n, p)
    y = labels(y)
    model = SparseClassifier(alpha=0.01)
    return lambda: approx_cross_validate(model, X, y)


def _hyper(penalties):
    def prepare(n, p):
        X, y = design(n, p)
        model = SparseRegressor(penalty=ElasticNet(0.0))
        search = HyperGradientCV(model, penalties=penalties)
        return lambda: search.fit(X, y)

    return prepare


def _sketched(n, p):
    X, y = design(n, p)
    model = SketchedRidgeCV(random_state=0)
    return lambda: model.fit(X, y)


def _cvar(n, p):
    X, y = design(n, p)
    model = CVaRRegressor()
    y = y / y.std()
    return lambda: model.fit(X, y)


def _sparsemax(n, p):
    X, Y = design(n, p, 5)
    y = np.argmax(Y / Y.std(axis=0), axis=1)
    model = SparsemaxClassifier()
    return lambda: model.fit(X, y)


def _grid(family, fits, n, p, fixed_n, fixed_p):
    """Curves over the rows and over the features, for some kinds of fits."""
    rows, features = ("n rows", n, fixed_n), ("p features", p, fixed_p)
    for label, prepare in fits.items():
        yield from pair(family, label, prepare, rows, features)


def curves():
    """Return the curves of linear models.

    Returns
    -------
    list of Curve
    """
    doubled = (1000, 2000, 4000, 8000, 16000, 32000)
    wide = (1000, 2000, 4000, 8000, 16000, 32000)
    sparse = {
        "lasso": _sparse("l1"),
        "MCP": _sparse("mcp"),
        "logistic, l1": _logistic,
    }
    grouped = {
        "group lasso": _groups(GroupRegressor, "group_lasso"),
        "group MCP": _groups(GroupRegressor, "group_mcp"),
        "logistic, group lasso": _groups(GroupClassifier, "group_lasso", True),
    }
    streamed = {
        "squared loss": _stream(StreamingLinearRegressor),
        "logistic loss": _stream(StreamingLinearClassifier, True),
    }
    found = [
        *_grid("sparse", sparse, doubled, wide, 1000, 1000),
        Curve(
            "sparse",
            "lasso, sparse X",
            "p features",
            "n = 10000",
            (4000, 8000, 16000, 32000, 64000, 128000),
            lambda size: _sparse_design(10_000, size),
        ),
        Curve(
            "sparse",
            "trend filter, alpha given",
            "n rows",
            "order 1",
            (4000, 8000, 16000, 32000, 64000),
            _trend,
        ),
        *_grid("groups", grouped, doubled, wide, 1000, 1000),
    ]
    for label, penalty in {"row lasso": "row_lasso", "nuclear norm": "nuclear"}.items():
        fit = _multitask(penalty)
        found += [
            Curve(
                "multitask",
                label,
                "n rows",
                "p = 200, 20 tasks",
                (500, 1000, 2000, 4000, 8000, 16000),
                lambda size, fit=fit: fit(size, 200, 20),
            ),
            Curve(
                "multitask",
                label,
                "p features",
                "n = 500, 20 tasks",
                (250, 500, 1000, 2000, 4000),
                lambda size, fit=fit: fit(500, size, 20),
            ),
            Curve(
                "multitask",
                label,
                "tasks",
                "n = 1000, p = 200",
                (10, 20, 40, 80, 160),
                lambda size, fit=fit: fit(1000, 200, size),
            ),
        ]
    found += [
        *_grid(
            "streaming",
            streamed,
            (4000, 8000, 16000, 32000, 64000, 128000),
            (50, 100, 200, 400, 800),
            10_000,
            50,
        ),
        Curve(
            "low_rank",
            "trace regression",
            "n rows",
            "30 x 30, rank 3",
            (500, 1000, 2000, 4000, 8000),
            lambda size: _low_rank_regression(size, 30),
        ),
        *_grid(
            "approximate_cv",
            {"leave-one-out of a logistic fit": _approximate},
            (500, 1000, 2000, 4000, 8000),
            (50, 100, 200, 400, 800),
            1000,
            50,
        ),
        *_grid(
            "hyper_gradient",
            {
                "one level": _hyper("single"),
                "a level for each feature": _hyper("feature"),
            },
            (250, 500, 1000, 2000, 4000),
            (25, 50, 100, 200),
            500,
            50,
        ),
        *_grid(
            "sketched_ridge",
            {"10 sketches, 20 levels": _sketched},
            (500, 1000, 2000, 4000, 8000),
            (250, 500, 1000, 2000, 4000),
            1000,
            500,
        ),
        *_grid(
            "cvar",
            {"squared loss, ridge": _cvar},
            (1000, 2000, 4000, 8000, 16000),
            (25, 50, 100, 200, 400),
            2000,
            20,
        ),
        *_grid(
            "sparsemax",
            {"5 classes, ridge": _sparsemax},
            (1000, 2000, 4000, 8000, 16000),
            (25, 50, 100, 200, 400),
            2000,
            20,
        ),
    ]
    return found
