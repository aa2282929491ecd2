"""Continuous penalties by hypergradients, beside searches without gradients.

Run from the root of the repository::

    python -m benchmarks.hyper_gradient --part few many robust

``few``: one level, and the two of the elastic net, over the same five folds. The
gradient search runs first; a grid, a random search and a Bayesian search get as many
levels as it has fitted on each fold (for the grid of two levels the next larger
square), and there is a grid of 100 levels, or 30 x 30. The figure is by how much the
mean validation loss exceeds the best of all, in parts in ten thousand.

``many``: a level for each feature, or each group, beside the best single level of a
grid of 60, on data that neither has seen; means and standard errors over draws of the
data or splits. Real data have columns of noise added, as many as there are.

``robust``: the same search from other first accuracies and first steps.

Times are processor times.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    train_test_split,
)
from sklearn.preprocessing import StandardScaler

from skopt2.gaussian_process import GPSearchCV
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.model_selection import HyperGradientCV
from skopt2.penalties import ElasticNet

FOLDS = KFold(5, shuffle=True, random_state=0)
RIDGE = ElasticNet(0.0)


def simulated(n, seed, p=60, rho=0.5):
    """Return data whose coefficients fall off: few large, more small, most zero.

    Parameters
    ----------
    n : int
        Samples.
    seed : int
        Of the noise; the coefficients are those of every seed.
    p : int, default=60
        Features, in groups of ten of one relevance.
    rho : float, default=0.5
        Correlation of neighbours.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    sizes = np.repeat([1.0, 0.3, 0.05] + [0.0] * (p // 10 - 3), 10)
    w = sizes * np.random.default_rng(1).standard_normal(p)
    return X, X @ w + 1.5 * rng.standard_normal(n)


def with_noise(X, seed):
    """Return standardised columns and as many of noise."""
    X = StandardScaler().fit_transform(X)
    noise = np.random.default_rng(seed).standard_normal(X.shape)
    return np.hstack([X, noise])


def loss_of(inner, X, y):
    """Return the mean validation loss of the folds of an estimator, fitted tightly."""
    values = []
    for train, test in FOLDS.split(X):
        model = clone(inner).set_params(tol=1e-9).fit(X[train], y[train])
        values.append(held_out(model, X[test], y[test]))
    return float(np.mean(values))


def held_out(model, X, y):
    """Return half the squared error, or the log loss."""
    if hasattr(model, "predict_proba"):
        codes = np.searchsorted(model.classes_, y)
        return -float(model.predict_log_proba(X)[np.arange(len(y)), codes].mean())
    return 0.5 * float(np.mean((model.predict(X) - y) ** 2))


def timed(search, X, y):
    """Fit a search; return it and its processor seconds."""
    start = time.process_time()
    search.fit(X, y)
    return search, time.process_time() - start


def problems():
    """Yield name, estimator, data, and the range of alpha."""
    X, y = simulated(200, 0)
    top = float(np.abs(X.T @ (y - y.mean())).max() / len(y))
    yield "lasso", SparseRegressor(), X, y, (1e-3 * top, top)
    yield "ridge", SparseRegressor(penalty=RIDGE), X, y, (1e-4, 10.0)
    X, y = load_breast_cancer(return_X_y=True)
    X = with_noise(X, 0)
    yield "ridge, logistic", SparseClassifier(penalty=RIDGE), X, y, (1e-4, 10.0)
    X, y = simulated(200, 0)
    net = SparseRegressor(penalty=ElasticNet(0.5))
    yield "elastic net", net, X, y, (1e-3 * top, 2.0 * top)


def spaces(name, box, count):
    """Return the space of a random search, and a grid of at least so many points."""
    low, high = box
    if name != "elastic net":
        return {"alpha": loguniform(low, high)}, {"alpha": np.geomspace(*box, count)}
    side = int(np.ceil(np.sqrt(count)))
    ratios = [ElasticNet(float(r)) for r in np.linspace(0.02, 1.0, side)]
    fine = [ElasticNet(float(r)) for r in np.linspace(0.02, 1.0, 50)]
    return (
        {"alpha": loguniform(low, high), "penalty": fine},
        {"alpha": np.geomspace(*box, side), "penalty": ratios},
    )


def few():
    """Print the excess of each search over the best of a fine grid."""
    for name, inner, X, y, box in problems():
        scoring = "neg_log_loss" if "logistic" in name else "neg_mean_squared_error"
        penalties = "terms" if name == "elastic net" else "single"
        found, seconds = {}, {}
        ours = HyperGradientCV(inner, penalties=penalties, cv=FOLDS)
        ours, seconds["gradient"] = timed(ours, X, y)
        found["gradient"] = [-ours.best_score_]
        count = int(np.ceil(ours.history_["fits"][-1] / 5))
        space, grid = spaces(name, box, count)
        common = {"cv": FOLDS, "scoring": scoring, "refit": True}
        search, seconds["grid"] = timed(GridSearchCV(inner, grid, **common), X, y)
        found["grid"] = [loss_of(search.best_estimator_, X, y)]
        for kind, label in ((RandomizedSearchCV, "random"), (GPSearchCV, "Bayes")):
            found[label], seconds[label] = [], 0.0
            for seed in range(3):
                other = kind(inner, space, n_iter=count, random_state=seed, **common)
                search, took = timed(other, X, y)
                found[label].append(loss_of(search.best_estimator_, X, y))
                seconds[label] += took / 3
        side = 30 if name == "elastic net" else 100
        _, fine = spaces(name, box, side**2 if name == "elastic net" else side)
        seconds["fine grid fits"] = side**2 if side == 30 else side
        search, seconds["fine grid"] = timed(GridSearchCV(inner, fine, **common), X, y)
        found["fine grid"] = [loss_of(search.best_estimator_, X, y)]
        best = min(min(values) for values in found.values())
        for label, values in found.items():
            excess = 1e4 * (np.mean(values) / best - 1.0)
            fits = seconds.get(f"{label} fits", count)
            print(
                f"{name:16s} {label:10s} {fits:4d} levels a fold"
                f"  excess {excess:7.2f} / 10^4  {1e3 * seconds[label]:8.0f} ms",
                flush=True,
            )


def draws(n_draws):
    """Yield names, estimators and pairs of training and test data."""
    inner = SparseRegressor(penalty=RIDGE)
    for seed in range(n_draws):
        yield "simulated, ridge", inner, simulated(150, seed), simulated(3000, 10**6)
    for seed in range(n_draws):
        yield (
            "simulated, l1",
            SparseRegressor(),
            simulated(150, seed),
            simulated(3000, 10**6),
        )
    for name, load, model in (
        ("diabetes, ridge", load_diabetes, inner),
        ("breast cancer, ridge", load_breast_cancer, SparseClassifier(penalty=RIDGE)),
    ):
        X, y = load(return_X_y=True)
        y = y if "cancer" in name else (y - y.mean()) / y.std()
        for seed in range(n_draws):
            parts = train_test_split(
                with_noise(X, seed), y, train_size=150, random_state=seed
            )
            yield name, model, (parts[0], parts[2]), (parts[1], parts[3])


def many(n_draws, strengths):
    """Print the loss on new data of a level for all, for groups, and for features."""
    rows = {}
    for name, inner, train, test in draws(n_draws):
        table = rows.setdefault(name, {})
        box = (1e-4, 1.0) if "l1" in name else (1e-5, 10.0)
        grid = {"alpha": np.geomspace(*box, 60)}
        logistic = isinstance(inner, SparseClassifier)
        scoring = "neg_log_loss" if logistic else "neg_mean_squared_error"
        best = GridSearchCV(inner, grid, cv=FOLDS, scoring=scoring)
        searches = {"one level, grid of 60": best}
        searches["one level"] = HyperGradientCV(inner, cv=FOLDS)
        if "simulated" in name:
            searches["6 groups"] = HyperGradientCV(
                inner, penalties="group", groups=10, cv=FOLDS
            )
        for strength in ("auto", *strengths):
            searches[f"each feature, shrinkage {strength}"] = HyperGradientCV(
                inner, penalties="feature", shrinkage=strength, cv=FOLDS
            )
        for label, search in searches.items():
            search, seconds = timed(search, *train)
            fits = len(grid["alpha"]) * 5
            if hasattr(search, "history_"):
                fits = search.history_["fits"][-1]
            loss = held_out(search.best_estimator_, *test)
            table.setdefault(label, []).append((loss, seconds, fits))
    for name, table in rows.items():
        base = np.array(table["one level, grid of 60"])[:, 0]
        for label, values in table.items():
            loss, seconds, fits = np.array(values).T
            change = loss / base - 1.0
            error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else 0
            print(
                f"{name:22s} {label:30s} loss {loss.mean():.4f}  "
                f"{100 * change.mean():+6.1f} +- {100 * error:3.1f} %  "
                f"{fits.mean():5.0f} fits {1e3 * seconds.mean():7.0f} ms",
                flush=True,
            )


def robust():
    """Print how a search for levels of features ends from other starts of itself."""
    X, y = simulated(200, 0)
    Z, labels = load_breast_cancer(return_X_y=True)
    ridge, logistic = (
        kind(penalty=RIDGE) for kind in (SparseRegressor, SparseClassifier)
    )
    for name, inner, data, shrinkage in (
        ("simulated", ridge, (X, y), 0.3),
        ("breast cancer", logistic, (with_noise(Z, 0), labels), 0.01),
    ):
        for accuracy in (1e-1, 1e-2, 1e-4, 1e-8):
            for step_size in (0.01, 0.1, 1.0, 3.0):
                search = HyperGradientCV(
                    inner,
                    penalties="feature",
                    accuracy=accuracy,
                    step_size=step_size,
                    shrinkage=shrinkage,
                    cv=FOLDS,
                    refit=False,
                )
                search, seconds = timed(search, *data)
                print(
                    f"{name:14s} accuracy {accuracy:.0e} step {step_size:5.2f}  "
                    f"objective {search.objective_:.5f}  {search.n_iter_:3d} steps "
                    f"{search.history_['fits'][-1]:4d} fits "
                    f"{search.history_['products'][-1]:5d} products "
                    f"{search.stop_reason_} {1e3 * seconds:6.0f} ms",
                    flush=True,
                )


def main(argv=None):
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hyper_gradient")
    parts = ("few", "many", "robust")
    parser.add_argument("--part", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--shrinkage", nargs="+", type=float, default=[0.0, 0.1])
    options = parser.parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "few" in options.part:
            few()
        if "many" in options.part:
            many(options.draws, options.shrinkage)
        if "robust" in options.part:
            robust()


if __name__ == "__main__":
    main()
