"""Approximate cross-validation beside refits, at the solution and along a path.

Run from the root of the repository::

    python -m benchmarks.approximate_cv --parts solution path

``solution``: leave-one-out and ten folds of sparse and ridge models. For each step the
processor time of one fit and all folds, and the error of the mean score, beside what
the score on the rows of the fit is off by; for the exact scores the time of a refit of
every fold by the same solver, and scikit-learn's ``cross_val_score`` with its own
estimators where there is one for the problem.

``path``: the designs of Luo, Ren and Barber (ICML 2023): logistic regression, n = 1000
standard normal rows, p = 20, five coefficients that are not zero, a penalty of 1e-6,
steps of 0.5 on the mean of the losses, 400 expected rows in a batch; and one with more
features than that, where stopping early pays. Errors are the relative ones of the
leave-one-out loss, largest along the path, from a start at zero. The Newton step and
the jackknife at each iterate are what the paper compares with.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.model_selection import KFold, LeaveOneOut, cross_val_score

from skopt2.linear_model import GroupRegressor, SparseClassifier, SparseRegressor
from skopt2.model_selection import approx_cross_validate, loo_path
from skopt2.model_selection.host_problem import pose
from skopt2.model_selection.splits import left_out_rows
from skopt2.penalties import ElasticNet
from skopt2.solvers.leave_out.copies import Rows
from skopt2.solvers.leave_out.newton import FittedPoint, left_out

TOL = 1e-8


def design(n, p, seed=0, correlation=0.5):
    """Return a generator, rows whose neighbouring columns correlate, coefficients."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    coef = np.zeros(p)
    coef[:: max(1, p // 10)] = np.resize([1.0, -1.0], coef[:: max(1, p // 10)].size)
    return rng, X, coef


def problems():
    """Return model, data, folds and scikit-learn's estimator or None, by name."""
    found = {}
    rng, X, coef = design(500, 100)
    y = X @ coef + 2.0 * rng.standard_normal(500)
    ridge = SparseRegressor(penalty=ElasticNet(0.0), alpha=0.05, tol=TOL)
    found["ridge 500 x 100, loo"] = ridge, X, y, "loo", None
    lasso = SparseRegressor(alpha=0.1, tol=TOL)
    peer = Lasso(alpha=0.1, tol=1e-6)
    found["lasso 500 x 100, loo"] = lasso, X, y, "loo", peer
    found["lasso 500 x 100, 10 folds"] = lasso, X, y, KFold(10), peer
    group = GroupRegressor(groups=5, alpha=0.1, tol=TOL)
    found["group lasso 500 x 100, loo"] = group, X, y, "loo", None
    rng, X, coef = design(200, 1000)
    y = X @ coef + rng.standard_normal(200)
    wide = SparseRegressor(alpha=0.2, tol=TOL)
    found["lasso 200 x 1000, loo"] = wide, X, y, "loo", Lasso(alpha=0.2, tol=1e-6)
    mcp = SparseRegressor(penalty="mcp", alpha=0.3, tol=TOL)
    found["MCP 200 x 1000, loo"] = mcp, X, y, "loo", None
    rng, X, coef = design(500, 50)
    y = (X @ coef + rng.logistic(size=500) > 0).astype(int)
    smooth = SparseClassifier(penalty=ElasticNet(0.0), alpha=0.01, tol=TOL)
    peer = LogisticRegression(C=1.0 / (499 * 0.01), tol=1e-7, max_iter=1000)
    found["ridge logistic 500 x 50, loo"] = smooth, X, y, "loo", peer
    sparse = SparseClassifier(alpha=0.01, tol=TOL)
    found["l1 logistic 500 x 50, loo"] = sparse, X, y, "loo", None
    found["l1 logistic 500 x 50, 10 folds"] = sparse, X, y, KFold(10), None
    scores = X[:, :3] * 1.5 + rng.gumbel(size=(500, 3))
    several = SparseClassifier(alpha=0.01, tol=TOL)
    found["l1 multinomial 500 x 50, loo"] = several, X, scores.argmax(1), "loo", None
    counts = rng.poisson(np.exp(0.3 * X @ coef))
    poisson = SparseRegressor("poisson", alpha=0.05, tol=TOL)
    found["l1 Poisson 500 x 50, loo"] = poisson, X, counts, "loo", None
    return found


def seconds(action):
    """Return the processor time of an action, and what it returned."""
    start = time.process_time()
    value = action()
    return time.process_time() - start, value


def at_solution(model, X, y, cv, peer):
    """Return a row for the refits, one for each step, and the time of the peer.

    Parameters
    ----------
    model : estimator
        Of skopt2.
    X, y : ndarray
        Data.
    cv : object
        Folds.
    peer : estimator or None
        Of scikit-learn.

    Returns
    -------
    exact : tuple of float
        Time of a refit of every fold, their mean score, and the optimism of the score
        on the rows of the fit.
    steps : dict of tuple
        Time and error of the mean score for each step.
    other : float or None
        Time of the peer.
    """
    steps, first = {}, None
    n_folds = len(y) if cv == "loo" else cv.get_n_splits()
    for method in ("newton", "proximal", "jackknife"):
        if method == "proximal" and isinstance(model, GroupRegressor):
            continue

        def run(method=method):
            return approx_cross_validate(model, X, y, cv=cv, method=method)

        run()
        spent, result = seconds(run)
        steps[method] = spent, result.mean_score
        first = first or method
    both, checked = seconds(
        lambda: approx_cross_validate(model, X, y, cv=cv, method=first, n_check=n_folds)
    )
    exact = checked.mean_score - checked.mean_error
    posed = pose(model, X, y, None)
    seen = posed.predictor(posed.solution_of(checked.estimator))
    optimism = posed.score(np.arange(len(y)), seen) - exact
    rows = {name: (spent, score - exact) for name, (spent, score) in steps.items()}
    other = None
    if peer is not None:
        folds = LeaveOneOut() if cv == "loo" else cv
        scoring = "neg_log_loss" if hasattr(peer, "predict_proba") else None
        scoring = scoring or "neg_mean_squared_error"
        # Rows of one class have no log loss of their own: the time is what counts.
        scoring = "accuracy" if scoring == "neg_log_loss" else scoring
        other, _ = seconds(
            lambda: cross_val_score(peer, X, y, cv=folds, scoring=scoring)
        )
    return (both - steps[first][0], exact, optimism), rows, other


def paper_data(n=1000, p=20, informative=5, seed=0):
    """Return the design of the paper."""
    rng = np.random.default_rng(seed)
    X, coef = rng.standard_normal((n, p)), np.zeros(p)
    coef[rng.permutation(p)[:informative]] = rng.standard_normal(informative)
    return X, (rng.random(n) < 1.0 / (1.0 + np.exp(-X @ coef))).astype(int)


def other_steps(model, X, y, coef):
    """Return the leave-one-out loss by a Newton step and by the jackknife at a point.

    Parameters
    ----------
    model : SparseClassifier
        Logistic, with a ridge penalty and no intercept.
    X, y : ndarray
        Data.
    coef : ndarray of shape (p,)
        Any point.
    """
    posed = pose(model, X, y, None)
    folds = left_out_rows(posed, "loo")
    rows = Rows(X, np.asarray(posed.problem.y), posed.s, posed.problem.loss)
    eta = rows.eta(coef[:, None])
    D, q = np.full(X.shape[1], model.alpha), model.alpha * coef
    point = FittedPoint(X[:, None, :], D, rows.slopes(eta), rows.bends(eta), q)
    every = np.arange(len(y))
    return [
        -posed.score(every, eta + left_out(point, folds, jackknife)[0][:, 0])
        for jackknife in (False, True)
    ]


def along_path(method, n, p, iterations, alpha=1e-6, seed=0, kink=False):
    """Return what is measured along one path.

    Parameters
    ----------
    method : {"gradient", "sgd"}
        Of :func:`skopt2.model_selection.loo_path`.
    n, p : int
        Of the design.
    iterations : int
        How many.
    alpha : float, default=1e-6
        Level.
    seed : int, default=0
        Of the design.
    kink : bool, default=False
        l1 penalty in the place of the squares.

    Returns
    -------
    figures : dict
        Times of approximate and exact path, largest relative errors, and the best
        iterations by both.
    """
    X, y = paper_data(n, p, seed=seed)
    penalty = "l1" if kink else ElasticNet(0.0)
    model = SparseClassifier(
        penalty=penalty, alpha=alpha, fit_intercept=False, tol=1e-12
    )
    options = {
        "method": method,
        "step_size": 0.5,
        "batch_size": int(0.4 * n),
        "max_iter": iterations,
        "check_every": max(1, iterations // 100),
        "random_state": seed,
    }
    spent, _ = seconds(lambda: loo_path(model, X, y, **options))
    both, path = seconds(lambda: loo_path(model, X, y, n_check=n, **options))
    exact = -path.checked_scores
    relative = np.abs(path.checked_errors) / exact
    figures = {
        "time": spent,
        "exact time": both - spent,
        "error": relative.max(),
        "last error": relative[-1],
        "naive error": (np.abs(-path.train_scores - exact) / exact).max(),
        "best": path.best_iteration,
        "exact best": int(path.iterations[np.argmin(exact)]),
        "regret": exact[np.argmax(path.scores)] - exact.min(),
        "gain": exact[-1] - exact.min(),
    }
    if not kink and method == "gradient":
        early = []
        for count in (10, iterations // 10, iterations):
            stopped = {**options, "max_iter": count, "check_every": count, "cv": 2}
            point = loo_path(model, X, y, **stopped)
            row = min(np.searchsorted(path.iterations, count), exact.size - 1)
            steps = other_steps(model, X, y, point.coef)
            early.append([abs(one - exact[row]) / exact[row] for one in steps])
        figures["newton"], figures["jackknife"] = np.transpose(early)
    return figures


def main(argv=None):
    """Print a line for each problem."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.approximate_cv")
    parser.add_argument("--parts", nargs="+", default=["solution", "path"])
    parser.add_argument("--iterations", type=int, default=1000)
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    if "solution" in options.parts:
        for name, problem in problems().items():
            (spent, exact, optimism), rows, other = at_solution(*problem)
            shown = "  ".join(
                f"{step} {took:.3f} s ({error:+.1e})"
                for step, (took, error) in rows.items()
            )
            peer = "" if other is None else f"  scikit-learn {other:.1f} s"
            print(
                f"{name:31s} refits {spent:.2f} s  score {exact:.4f}  optimism "
                f"{optimism:.1e}  {shown}{peer}",
                flush=True,
            )
    if "path" in options.parts:
        cases = [
            ("gradient, 1000 x 20", "gradient", 1000, 20, {}),
            ("proximal, 1000 x 20", "gradient", 1000, 20, {"kink": True}),
            ("sgd, 1000 x 20", "sgd", 1000, 20, {}),
            ("gradient, 250 x 20", "gradient", 250, 20, {}),
            ("gradient, 300 x 100", "gradient", 300, 100, {}),
            ("gradient, 100 x 200", "gradient", 100, 200, {}),
        ]
        for name, method, n, p, more in cases:
            figures = along_path(method, n, p, options.iterations, **more)
            shown = "  ".join(
                key + "".join(f" {one:.2g}" for one in np.atleast_1d(value))
                for key, value in figures.items()
            )
            print(f"{name:20s} {shown}", flush=True)


if __name__ == "__main__":
    main()
