"""Folds, paths, restarts and pairs, on threads or a cluster: the same comes back."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import loguniform
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from skopt2.callbacks import EarlyStopping
from skopt2.covariance import SparseInverseCovarianceCV
from skopt2.gaussian_process import (
    GaussianProcessRegressor,
    GPSearchCV,
    SparseCholeskyGPClassifier,
)
from skopt2.kernel_machine import EigenProClassifier
from skopt2.linear_model import (
    GroupClassifierCV,
    GroupRegressorCV,
    MultiTaskRegressorCV,
    SketchedRidgeCV,
    SparseClassifierCV,
    SparseRegressor,
    SparseRegressorCV,
)
from skopt2.model_selection import HyperGradientCV, approx_cross_validate
from skopt2.privacy import DPLogisticClassifier, audit
from skopt2.transport import SinkhornDistance, WassersteinKMeans, gromov_wasserstein

RNG = np.random.default_rng(0)
X = RNG.standard_normal((90, 6))
Y = X[:, 0] - X[:, 1] + RNG.standard_normal(90)
LABELS = (Y > 0).astype(int)
HISTOGRAMS = RNG.random((24, 8))
GROUPS = [[0, 1], [2, 3], [4, 5]]
# Workers draw nothing: the splitter does, before the folds are sent.
PATH = {"alphas": [0.3, 0.1, 0.03], "cv": KFold(3, shuffle=True, random_state=3)}


def fitted(estimator, data, y, *names):
    estimator.fit(data, y)
    return [getattr(estimator, name) for name in names]


def folds(estimator, y):
    return fitted(estimator, X, y, "alpha_", "coef_", "scores_path_")


def approximate():
    model = SparseRegressor(alpha=0.1)
    found = approx_cross_validate(model, X, Y, n_check=4, random_state=0)
    return found.checked_scores, found.scores


def bilevel():
    found = HyperGradientCV(SparseRegressor(), cv=3).fit(X, Y)
    return found.best_estimator_.coef_, found.best_params_["alpha"]


def clusters():
    model = WassersteinKMeans(2, n_init=3, random_state=0)
    return fitted(model, HISTOGRAMS, None, "labels_", "cluster_centers_")


def plans():
    points = X[:20, :2], X[:15, 2:4]
    options = {"metric": "sqeuclidean", "reg": 0.05, "n_init": 3, "random_state": 0}
    result = gromov_wasserstein(*points, **options)
    return result.plan, result.objective


def restarts():
    kernel = RBF() + WhiteKernel()
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    return process.fit(X[:40], Y[:40]).predict(X, return_std=True)


def processes():
    three = LABELS[:30] + (X[:30, 3] > 0)
    model = SparseCholeskyGPClassifier(n_neighbors=2, max_iter=20, random_state=0)
    return [model.fit(X[:30], three).predict_proba(X)]


def search():
    levels = {"alpha": loguniform(1e-3, 1.0)}
    model = SparseRegressor(penalty="mcp")
    found = GPSearchCV(model, levels, n_iter=5, batch_size=2, cv=3, random_state=0)
    return found.fit(X, Y).cv_results_["mean_test_score"], found.best_score_


def nested():
    """Search with a path in each fit, the folds of which go to the cluster too."""
    inner = SparseRegressorCV(alphas=[0.3, 0.1], cv=2)
    found = GridSearchCV(inner, {"penalty": ["l1", "mcp"]}, cv=2).fit(X, Y)
    return found.cv_results_["mean_test_score"], found.best_estimator_.coef_


def watched():
    model = SparseRegressorCV(**PATH)
    return folds(model.set_callbacks(EarlyStopping(monitor="objective")), Y)


def audited():
    model = DPLogisticClassifier(epsilon=1.0, delta=1e-5, max_iter=2)
    result = audit(model, n_fits=12, random_state=0)
    return result.epsilon_lower, result.epsilon_claimed


def held_out():
    model = EigenProClassifier(alpha=0.1, random_state=0)
    return [cross_val_predict(model, X, LABELS, cv=3, method="predict_proba")]


CASES = {
    "regression": lambda: folds(SparseRegressorCV(penalty="mcp", **PATH), Y),
    "classification": lambda: folds(SparseClassifierCV(**PATH), LABELS),
    "groups": lambda: folds(GroupRegressorCV(groups=GROUPS, **PATH), Y),
    "classes": lambda: folds(GroupClassifierCV(groups=GROUPS, **PATH), LABELS),
    "tasks": lambda: folds(MultiTaskRegressorCV(**PATH), np.c_[Y, X[:, 2]]),
    "sketches": lambda: fitted(
        SketchedRidgeCV(n_estimators=4, random_state=0), X, Y, "alpha_", "coef_"
    ),
    "covariances": lambda: fitted(
        SparseInverseCovarianceCV(alphas=4, cv=3), X, None, "alpha_", "scores_path_"
    ),
    "distances": lambda: [SinkhornDistance(reg=0.05).fit_transform(HISTOGRAMS)],
    "approximate": approximate,
    "bilevel": bilevel,
    "clusters": clusters,
    "plans": plans,
    "restarts": restarts,
    "processes": processes,
    "search": search,
    "nested": nested,
    "watched": watched,
    "audited": audited,
    "held out": held_out,
}


# joblib leaves long arguments with one worker, and loses them with it: those of scikit-
# learn's searches and of pairs of histograms. The data of a path of folds travel with
# its tasks.
SCATTERED = {"distances", "held out", "nested", "search"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:random_state.*fixes the noise")
@pytest.mark.parametrize("name", CASES)
def test_where_it_runs_makes_no_difference(client, monkeypatch, name):
    case, scatter, scattered = CASES[name], client.scatter, []

    def noted(data, **options):
        scattered.append(data)
        return scatter(data, **options)

    monkeypatch.setattr(client, "scatter", noted)
    here = case()
    steps = client.cluster.scheduler.transition_counter
    with joblib.parallel_config("dask", client=client):
        there = case()
    # Threads share what the splits of a bilevel problem know.
    assert (client.cluster.scheduler.transition_counter > steps) == (name != "bilevel")
    assert bool(scattered) == (name in SCATTERED)
    with joblib.parallel_config("threading", n_jobs=2):
        beside = case()
    for wanted, *found in zip(here, there, beside, strict=True):
        assert np.isfinite(wanted).all()
        for values in found:
            assert_array_equal(values, wanted)
