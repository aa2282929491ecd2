"""Hyperparameter search: GPSearchCV beside other searches on the same budget.

Run from the root of the repository, in an environment that has the peers::

    python -m pip install scikit-optimize optuna
    python -m benchmarks.gp_search --json gp_search.json
    python -m benchmarks.gp_search --cases svc-digits --methods skopt2 random --seeds 3

Every method searches the same space of a scikit-learn pipeline with the same number of
candidates, each scored on the same folds; the best score after half and after all of
them is averaged over the seeds. Scores of different cases are made comparable as
*regret*: 0 is the best score that any method with any seed found in the case, 1 what a
random search has found after half of the budget on average. ``propose`` is what a
candidate costs beside its fits, in seconds of the processor: the time of a search less
that of a random search, whose candidates take other times to fit now and then.

Peers are run with their defaults, and once more with another setting that suits short
searches: optuna with five random candidates at the start, scikit-optimize with expected
improvement and an evenly spread start.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.svm import SVC


@dataclass(frozen=True)
class Case:
    """One search.

    Attributes
    ----------
    model : estimator
        What is searched.
    space : dict
        As for ``RandomizedSearchCV``.
    data : callable
        Returns X and y.
    scoring : str
        What is maximised.
    folds : splitter
        With a seed.
    n_iter : int
        The budget.
    """

    model: Any
    space: dict
    data: Any
    scoring: str
    folds: Any
    n_iter: int = 30


def digits():
    """Every third digit."""
    X, y = load_digits(return_X_y=True)
    return X[::3], y[::3]


def cancer():
    """Breast cancer."""
    return load_breast_cancer(return_X_y=True)


def diabetes():
    """Diabetes, its targets centred."""
    X, y = load_diabetes(return_X_y=True)
    return X, y - y.mean()


_THREE = StratifiedKFold(3, shuffle=True, random_state=0)
_FOLDS = KFold(3, shuffle=True, random_state=0)
_BOOSTING = {
    "learning_rate": loguniform(0.01, 1.0),
    "max_leaf_nodes": randint(2, 64),
    "min_samples_leaf": randint(1, 60),
    "l2_regularization": loguniform(1e-6, 1e2),
    "max_features": uniform(0.1, 0.9),
}
CASES = {
    "svc-digits": Case(
        make_pipeline(StandardScaler(), SVC()),
        {"svc__C": loguniform(1e-3, 1e4), "svc__gamma": loguniform(1e-6, 1e1)},
        digits,
        "accuracy",
        _THREE,
        25,
    ),
    "ridge-diabetes": Case(
        make_pipeline(StandardScaler(), KernelRidge()),
        {
            "kernelridge__alpha": loguniform(1e-4, 1e3),
            "kernelridge__gamma": loguniform(1e-5, 1e1),
            "kernelridge__kernel": ["rbf", "laplacian", "polynomial"],
        },
        diabetes,
        "r2",
        _FOLDS,
    ),
    "boosting-diabetes": Case(
        HistGradientBoostingRegressor(max_iter=30, random_state=0),
        _BOOSTING,
        diabetes,
        "neg_root_mean_squared_error",
        _FOLDS,
    ),
    "splines-cancer": Case(
        make_pipeline(
            StandardScaler(), SplineTransformer(), LogisticRegression(max_iter=200)
        ),
        {
            "splinetransformer__n_knots": randint(2, 10),
            "splinetransformer__degree": [1, 2, 3],
            "splinetransformer__extrapolation": ["constant", "linear", "continue"],
            "logisticregression__C": loguniform(1e-5, 1e2),
        },
        cancer,
        "neg_log_loss",
        _THREE,
    ),
}


def run_sklearn(case, X, y, seed, search, **options):
    """Return the mean scores of a search with scikit-learn's interface."""
    found = search(
        case.model,
        case.space,
        n_iter=case.n_iter,
        scoring=case.scoring,
        cv=case.folds,
        refit=False,
        random_state=seed,
        **options,
    ).fit(X, y)
    return found.cv_results_["mean_test_score"]


def run_random(case, X, y, seed):
    """Run the random search of scikit-learn."""
    return run_sklearn(case, X, y, seed, RandomizedSearchCV)


def run_skopt2(case, X, y, seed, acquisition="irgp_ucb", **options):
    """Run this library."""
    from skopt2.gaussian_process import GPSearchCV

    return run_sklearn(case, X, y, seed, GPSearchCV, acquisition=acquisition, **options)


def run_scikit_optimize(case, X, y, seed, **options):
    """Run ``BayesSearchCV`` of scikit-optimize."""
    from skopt import BayesSearchCV
    from skopt.space import Categorical, Integer, Real

    space = {}
    for name, given in case.space.items():
        if isinstance(given, list):
            space[name] = Categorical(given)
        elif hasattr(given, "pmf"):
            low, high = given.support()
            space[name] = Integer(int(low), int(high))
        else:
            low, high = given.support()
            log = given.dist.name == "loguniform"
            space[name] = Real(low, high, prior="log-uniform" if log else "uniform")
    found = BayesSearchCV(
        case.model,
        space,
        n_iter=case.n_iter,
        scoring=case.scoring,
        cv=case.folds,
        refit=False,
        random_state=seed,
        **options,
    ).fit(X, y)
    return found.cv_results_["mean_test_score"]


def run_optuna(case, X, y, seed, **options):
    """Run the tree-structured Parzen estimator of optuna."""
    import optuna
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        params = {}
        for name, given in case.space.items():
            if isinstance(given, list):
                params[name] = trial.suggest_categorical(name, given)
            elif hasattr(given, "pmf"):
                low, high = given.support()
                params[name] = trial.suggest_int(name, int(low), int(high))
            else:
                low, high = given.support()
                log = given.dist.name == "loguniform"
                params[name] = trial.suggest_float(name, low, high, log=log)
        model = clone(case.model).set_params(**params)
        return cross_val_score(model, X, y, scoring=case.scoring, cv=case.folds).mean()

    sampler = optuna.samplers.TPESampler(seed=seed, **options)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=case.n_iter)
    return np.array([trial.value for trial in study.trials])


METHODS = {
    "random": (run_random, {}),
    "skopt2": (run_skopt2, {}),
    "skopt2 gp_ucb": (run_skopt2, {"acquisition": "gp_ucb"}),
    "skopt2 ei": (run_skopt2, {"acquisition": "expected_improvement"}),
    "skopt2 thompson": (run_skopt2, {"acquisition": "thompson"}),
    "skopt2 batch 4": (run_skopt2, {"batch_size": 4}),
    "scikit-optimize": (run_scikit_optimize, {}),
    "scikit-optimize ei": (
        run_scikit_optimize,
        {"optimizer_kwargs": {"acq_func": "EI", "initial_point_generator": "sobol"}},
    ),
    "optuna": (run_optuna, {}),
    "optuna, 5 at start": (run_optuna, {"n_startup_trials": 5}),
}


def measure(name, method, seed):
    """Return the record of one search: the best scores so far, and its seconds."""
    case = CASES[name]
    X, y = case.data()
    run, options = METHODS[method]
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = run(case, X, y, seed, **options)
    seconds = time.process_time() - begin
    best = np.maximum.accumulate(np.nan_to_num(scores, nan=-np.inf)).tolist()
    return {
        "case": name,
        "method": method,
        "seed": seed,
        "best": best,
        "seconds": seconds,
    }


def table(records):
    """Return the lines of the report."""
    cases = [name for name in CASES if any(r["case"] == name for r in records)]
    methods = [name for name in METHODS if any(r["method"] == name for r in records)]
    lines = [
        f"{'case':19}{'method':21}{'half':>7}{'end':>7}{'score':>10}{'propose':>9}"
    ]
    ends = {method: [] for method in methods}
    for case in cases:
        runs = {
            method: [r for r in records if (r["case"], r["method"]) == (case, method)]
            for method in methods
        }
        half = CASES[case].n_iter // 2 - 1
        top = max(run["best"][-1] for own in runs.values() for run in own)
        random = [run["best"][half] for run in runs.get("random", [])]
        unit = top - np.mean(random) if random else 1.0
        fits = np.median([run["seconds"] for run in runs.get("random", [])] or [0.0])
        for method, own in runs.items():
            if not own:
                continue
            middle = np.mean([(top - run["best"][half]) / unit for run in own])
            end = np.mean([(top - run["best"][-1]) / unit for run in own])
            score = np.mean([run["best"][-1] for run in own])
            seconds = np.median([run["seconds"] for run in own])
            propose = (seconds - fits) / CASES[case].n_iter
            ends[method].append(end)
            lines.append(
                f"{case:19}{method:21}{middle:7.3f}{end:7.3f}{score:10.4f}{propose:9.3f}"
            )
    lines += ["", "mean over the cases at the end of the budget"]
    for method, end in ends.items():
        if len(end) == len(cases):
            lines.append(f"{'':19}{method:21}{'':7}{np.mean(end):7.3f}")
    return lines


def main(argv=None):
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gp_search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="read runs from, and add them to")
    options = parser.parse_args(argv)
    records = []
    if options.json and options.json.exists():
        records = json.loads(options.json.read_text())
    for case in options.cases:
        for method in options.methods:
            for seed in range(options.seeds):
                key = (case, method, seed)
                if key in {(r["case"], r["method"], r["seed"]) for r in records}:
                    continue
                records.append(measure(*key))
                if options.json:
                    options.json.write_text(json.dumps(records))
    print("\n".join(table(records)))


if __name__ == "__main__":
    main()
