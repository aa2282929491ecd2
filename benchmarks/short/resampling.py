"""Short cases of :mod:`benchmarks.approximate_cv` and of sketched ridge."""

import numpy as np

from benchmarks.short.race import Entry, Race


def _make_folds(name):
    def make(place):
        from benchmarks.approximate_cv import problems

        model, X, y, cv, peer = problems()[name]
        return model, X, y, cv, peer, {}

    return make


def _approximate(problem, method):
    from skopt2.model_selection import approx_cross_validate

    model, X, y, cv, _, _ = problem
    return approx_cross_validate(model, X, y, cv=cv, method=method).mean_score


def _refits(problem, setting):
    """Score of every row by scikit-learn, fitted without its fold."""
    from sklearn.base import is_classifier
    from sklearn.model_selection import LeaveOneOut, cross_val_predict

    _, X, y, cv, peer, _ = problem
    folds = LeaveOneOut() if cv == "loo" else cv
    if is_classifier(peer):
        P = cross_val_predict(peer, X, y, cv=folds, method="predict_proba")
        return float(np.log(P[np.arange(len(y)), y]).mean())
    return -float(np.mean((y - cross_val_predict(peer, X, y, cv=folds)) ** 2))


def _score_error(problem, score):
    """Relative error of the mean loss; the exact one is by refits."""
    kept = problem[-1]
    if "exact" not in kept:
        kept["exact"] = _refits(problem, None)
    return abs(abs(score) / abs(kept["exact"]) - 1.0)


def _folds(name, case, remark=""):
    return Race(
        family="cross-validation",
        name=name,
        measure="error of the score",
        target=1e-2,
        peers=("sklearn",),
        make=_make_folds(case),
        entries={
            "skopt2": (Entry(_approximate, ("auto",)),),
            "sklearn": (Entry(_refits, (None,), "refits"),),
        },
        judge=_score_error,
        remark=remark,
    )


def _make_rows(n, p):
    def make(place):
        from benchmarks.sketched_ridge import make_data

        return make_data(n, p)

    return make


def _sketched(problem, sketch):
    from skopt2.linear_model import SketchedRidgeCV

    return SketchedRidgeCV(5, sketch=sketch, random_state=0).fit(*problem[:2])


def _ridge(problem, count):
    from sklearn.linear_model import RidgeCV

    alphas = len(problem[0]) * np.geomspace(1e-4, 1e2, count)
    return RidgeCV(alphas=alphas).fit(*problem[:2])


def _excess(problem, model):
    """Error on new rows over that of the noise, which is 4."""
    from benchmarks.sketched_ridge import new_error

    return new_error(model, *problem[2:]) - 4.0


_EXACT = (
    "One exact decomposition serves all levels and costs little at this size; a sketch "
    "loses accuracy, and saves time only on larger data."
)


def _ensemble(name, n, p, remark=""):
    return Race(
        family="sketched ridge",
        name=name,
        measure="excess error",
        margin=0.03,
        peers=("sklearn",),
        make=_make_rows(n, p),
        entries={
            "skopt2": (Entry(_sketched, ("countsketch",)),),
            "sklearn": (Entry(_ridge, (20,), "RidgeCV"),),
        },
        judge=_excess,
        remark=remark,
    )


CONTESTS = (
    _folds("lasso, leave-one-out", "lasso 500 x 100, loo"),
    _folds("logistic, leave-one-out", "ridge logistic 500 x 50, loo"),
    _folds(
        "lasso, 10 folds",
        "lasso 500 x 100, 10 folds",
        "Ten refits of a small lasso are little work, which compiled descent does in a "
        "millisecond each.",
    ),
    _ensemble("1000 x 1000", 1000, 1000, _EXACT),
    _ensemble("300 x 3000", 300, 3000, _EXACT),
)
