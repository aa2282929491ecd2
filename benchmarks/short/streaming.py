"""Short cases of :mod:`benchmarks.streaming`: seconds to a hundredth of the start."""

import numpy as np

from benchmarks.short.race import Entry, Race

_PASSES = (1, 2, 3, 5, 10, 20)


def _make(task, bad):
    def make(place):
        from benchmarks.streaming import Problem
        from benchmarks.streaming_cases import generated

        X, y = generated(task, bad)
        return Problem(X[:6000], y[:6000])

    return make


def _rule(problem, passes):
    from benchmarks.streaming import ALPHA
    from skopt2.linear_model import (
        StreamingLinearClassifier,
        StreamingLinearRegressor,
    )

    kind = StreamingLinearClassifier if problem.classes else StreamingLinearRegressor
    model = kind(alpha=ALPHA, max_iter=passes, n_iter_no_change=1000, random_state=0)
    return model.fit(problem.X, problem.y)


def _sgd(eta0, average, scale):
    """One setting of scikit-learn's SGD, its columns scaled or as they are."""

    def run(problem, passes):
        from sklearn.preprocessing import StandardScaler

        from benchmarks.streaming import sgd

        scaler = StandardScaler(with_mean=scale, with_std=scale)
        model = sgd(
            problem,
            eta0=eta0,
            learning_rate="invscaling",
            power_t=0.5,
            average=average,
            max_iter=passes,
            tol=None,
        )
        model.fit(scaler.fit_transform(problem.X), problem.y)
        coef = np.ravel(model.coef_)
        if scale:
            coef = coef / scaler.scale_
            return coef, model.intercept_ - scaler.mean_ @ coef
        return coef, model.intercept_

    return run


def _excess(problem, found):
    parts = found if isinstance(found, tuple) else (found.coef_, found.intercept_)
    value = problem.excess(*parts)
    return float(value) if np.isfinite(value) else np.inf


def _contest(name, task, bad, remark=""):
    return Race(
        family="streaming",
        name=name,
        measure="excess",
        target=1e-2,
        peers=("sklearn",),
        make=_make(task, bad),
        entries={
            "skopt2": (Entry(_rule, _PASSES, "passes"),),
            "sklearn": tuple(
                Entry(_sgd(eta0, average, bad), _PASSES, f"eta0={eta0:g} passes")
                for eta0 in (0.001, 0.01, 0.1, 1.0)
                for average in (False, True)
            ),
        },
        judge=_excess,
        remark=remark,
    )


_PASS = (
    "Passes of SGD are compiled and its step was found by looking at the answer; here "
    "there is no step to choose."
)

CONTESTS = (
    _contest("logistic, 6000 x 50", "classification", False, _PASS),
    _contest("regression, 6000 x 50", "regression", False, _PASS),
    _contest("logistic, bad units", "classification", True, _PASS),
)
