"""The Bayesian search as a search of scikit-learn, and as a search."""

import pickle

import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import loguniform, randint, uniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV
from sklearn.svm import SVC

from skopt2.gaussian_process import GPSearchCV
from tests.gaussian_process.known import SQUARE, Known, X, metrics, y

ACQUISITIONS = ["irgp_ucb", "gp_ucb", "thompson", "expected_improvement"]


def search(space=SQUARE, estimator=None, **options):
    options = {"cv": 2, "random_state": 0, "n_iter": 12, **options}
    return GPSearchCV(estimator or Known(), space, **options).fit(X, y)


@pytest.mark.thorough
@pytest.mark.parametrize("acquisition", ACQUISITIONS)
def test_finds_the_maximum_of_branin(acquisition):
    found = search(n_iter=22, acquisition=acquisition)
    # The best of 22 random points scores -5 on average.
    assert found.best_score_ > -0.5


@pytest.mark.parametrize("batch_size", [3, 8])
@pytest.mark.parametrize("acquisition", ["irgp_ucb", "thompson"])
def test_batches(acquisition, batch_size):
    found = search(n_iter=22, acquisition=acquisition, batch_size=batch_size)
    rounds = found.cv_results_["round"]
    assert np.bincount(rounds).tolist()[1:-1] == [batch_size] * (found.n_rounds_ - 2)
    assert len(rounds) == 22
    assert len({tuple(params.values()) for params in found.cv_results_["params"]}) == 22
    assert found.best_score_ > -2.5


def test_results_are_those_of_scikit_learn_and_three_more():
    options = {"n_iter": 6, "cv": 3, "return_train_score": True, "random_state": 0}
    data = load_iris(return_X_y=True)
    space = {"C": loguniform(1e-2, 1e2)}
    ours = GPSearchCV(LogisticRegression(max_iter=500), space, **options).fit(*data)
    theirs = RandomizedSearchCV(ours.estimator, space, **options).fit(*data)
    extra = {"round", "predicted_mean", "predicted_std"}
    assert set(ours.cv_results_) - set(theirs.cv_results_) == extra
    fitted = {name for name in vars(ours) if name.endswith("_")}
    assert fitted - set(vars(theirs)) == {"n_rounds_", "surrogate_"}
    # The same parameters score the same.
    params = {name: [value] for name, value in ours.best_params_.items()}
    again = RandomizedSearchCV(ours.estimator, params, n_iter=1, cv=3).fit(*data)
    assert again.best_score_ == ours.best_score_
    np.testing.assert_array_equal(ours.predict(data[0]), again.predict(data[0]))


def test_predictions_are_those_of_the_surrogate_before_the_fit():
    found = search(n_iter=18).cv_results_
    start = found["round"] == 0
    assert np.isnan(found["predicted_mean"][start]).all()
    assert np.isfinite(found["predicted_mean"][~start]).all()
    # The scores lie between -308 and 0.
    sure = found["predicted_std"] < 6.0
    error = found["predicted_mean"] - found["mean_test_score"]
    assert sure.sum() >= 6
    assert np.abs(error[sure]).max() < 16.0
    assert np.median(np.abs(error[sure] / found["predicted_std"][sure])) < 2.0


def test_a_seed_repeats_the_search():
    first, second, other = search(), search(), search(random_state=1)
    assert first.cv_results_["params"] == second.cv_results_["params"]
    assert first.cv_results_["params"] != other.cv_results_["params"]


@pytest.mark.parametrize("n_iter", [1, 2])
def test_few_candidates(n_iter):
    found = search(n_iter=n_iter, refit="score")
    assert len(found.cv_results_["params"]) == n_iter
    assert found.n_rounds_ == 1
    assert np.isfinite(found.surrogate_.predict([[0.5, 0.5]])).all()


@pytest.mark.parametrize("n_initial", [None, 1, 7, 30])
def test_the_start(n_initial):
    found = search(n_initial=n_initial, n_iter=9)
    expected = 4 if n_initial is None else min(n_initial, 9)
    assert np.sum(found.cv_results_["round"] == 0) == expected
    assert len(found.cv_results_["params"]) == 9


def test_a_finite_space_is_searched_once_and_in_full():
    space = {"a": [0.1, 0.5, 0.9], "c": ["x", "y"]}
    found = search(space, n_iter=50)
    params = [tuple(params.values()) for params in found.cv_results_["params"]]
    assert len(params) == len(set(params)) == 6


def test_a_larger_shift_explores_more():
    space = {"a": np.linspace(0, 1, 30).tolist(), "b": np.linspace(0, 1, 30).tolist()}
    scores = []
    for shift in (0.0, "theory"):
        found = search(space, n_iter=16, shift=shift).cv_results_
        scores.append(np.median(found["mean_test_score"][found["round"] > 3]))
    assert scores[0] > scores[1]


def test_a_choice_among_values_is_learned():
    space = {"a": uniform(), "b": uniform(), "c": ["x", "y", "z"]}
    found = search(space, n_iter=26)
    assert found.best_params_["c"] == "x"
    later = [params["c"] for params in found.cv_results_["params"][12:]]
    assert later.count("x") > 0.5 * len(later)


def test_several_dictionaries():
    data = load_iris(return_X_y=True)
    space = [
        {"kernel": ["linear"], "C": loguniform(1e-2, 1e2)},
        {"kernel": ["rbf"], "C": loguniform(1e-2, 1e2), "gamma": loguniform(1e-3, 10)},
    ]
    found = GPSearchCV(SVC(), space, n_iter=12, cv=3, random_state=0).fit(*data)
    results = found.cv_results_
    linear = results["param_kernel"] == "linear"
    assert 0 < linear.sum() < 12
    np.testing.assert_array_equal(np.ma.getmaskarray(results["param_gamma"]), linear)
    assert found.best_score_ > 0.97


def test_integers():
    space = {"a": uniform(), "b": uniform(), "seconds": randint(0, 1)}
    found = search(space, n_iter=6)
    assert all(type(params["seconds"]) is int for params in found.cv_results_["params"])


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_failed_candidates_are_a_bad_score_and_not_the_end():
    with pytest.warns(FitFailedWarning, match="is too large") as caught:
        found = search(estimator=Known(fails_from=0.3), n_iter=20, n_initial=4)
    results = found.cv_results_
    failed = np.array([params["a"] >= 0.3 for params in results["params"]])
    np.testing.assert_array_equal(np.isnan(results["mean_test_score"]), failed)
    # Rounds with a failed candidate alone, but fewer than the 70 % of a random search.
    assert failed[results["round"] > 0].any()
    assert failed[results["round"] > 0].mean() < 0.4
    assert results["rank_test_score"][failed].min() > (~failed).sum()
    assert np.isfinite(found.best_score_)
    assert found.best_score_ > -3.0
    assert len(failed) == 20
    assert (results["mean_fit_time"][failed] >= 0).all()
    messages = [str(warning.message) for warning in caught]
    assert sum("non-finite" in message for message in messages) == 1


def test_failed_candidates_with_several_metrics_and_train_scores():
    with pytest.warns(FitFailedWarning, match="is too large"):
        found = search(
            estimator=Known(fails_from=0.3),
            scoring=metrics,
            refit="branin",
            return_train_score=True,
            error_score=-500.0,
            n_initial=4,
            n_iter=12,
        )
    results = found.cv_results_
    failed = np.array([params["a"] >= 0.3 for params in results["params"]])
    assert failed[results["round"] > 0].any()
    for key in ("mean_test_branin", "mean_test_sum", "mean_train_sum"):
        np.testing.assert_array_equal(results[key] == -500.0, failed)


def test_if_everything_fails_that_is_an_error():
    with pytest.raises(ValueError, match="fits failed"):
        search(estimator=Known(fails_from=-1.0))
    with pytest.raises(RuntimeError, match="is too large"):
        search(estimator=Known(fails_from=0.5), error_score="raise")


def test_scores_that_diverge_do_not_hide_the_others():
    def wild(estimator, X, y):
        score = estimator.score(X, y)
        return score if score > -100 else -1e9

    found = search(scoring=wild, n_iter=20)
    assert found.best_score_ > -2.0


def test_constant_scores():
    found = search({"seconds": uniform(0, 1e-9)}, n_iter=8)
    assert len({params["seconds"] for params in found.cv_results_["params"]}) == 8


@pytest.mark.parametrize("scoring", [metrics, {"first": "r2", "second": "r2"}])
@pytest.mark.parametrize("refit", [True, False, lambda results: 0])
def test_several_metrics_need_one_to_maximise(scoring, refit):
    with pytest.raises(ValueError, match="refit"):
        search(scoring=scoring, refit=refit)


def test_several_metrics():
    found = search(scoring=metrics, refit="sum")
    assert found.best_score_ == found.cv_results_["mean_test_sum"].max()
    assert found.best_score_ > 1.95
    assert found.multimetric_


def test_refit_by_a_function_and_without():
    last = search(refit=lambda results: len(results["params"]) - 1)
    assert last.best_index_ == 11
    assert last.best_estimator_.a == last.cv_results_["params"][-1]["a"]
    without = search(refit=False)
    assert not hasattr(without, "best_estimator_")
    assert without.best_score_ == without.cv_results_["mean_test_score"].max()


def test_all_rounds_have_the_same_folds():
    data, target = make_regression(60, 4, noise=20.0, random_state=0)
    splitter = KFold(3, shuffle=True, random_state=None)
    # The same model twice, as the parameter has no effect.
    found = GPSearchCV(
        Ridge(), {"max_iter": [10, 20, 30, 40, 50, 60, 70]}, n_iter=7, cv=splitter
    ).fit(data, target)
    assert found.n_rounds_ > 1
    assert np.ptp(found.cv_results_["split0_test_score"]) < 1e-12
    assert np.ptp(found.cv_results_["split2_test_score"]) < 1e-12


def test_jobs_do_not_change_the_answer():
    # The surrogate must not use, and end, the pool that the fits go to.
    with parallel_config("loky", n_jobs=2):
        found = search(batch_size=2, n_iter=8)
    expected = search(batch_size=2, n_iter=8)
    assert found.cv_results_["params"] == expected.cv_results_["params"]


def test_groups_and_weights_reach_folds_and_fits():
    data, target = make_regression(60, 4, noise=20.0, random_state=0)
    groups = np.repeat(np.arange(6), 10)
    weight = np.ones(60)
    weight[groups == 0] = 0.0
    options = {"n_iter": 5, "cv": GroupKFold(3), "random_state": 0}
    space = {"alpha": loguniform(1e-3, 1e3)}
    legacy = GPSearchCV(Ridge(), space, **options)
    legacy.fit(data, target, groups=groups, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        ridge = Ridge().set_fit_request(sample_weight=True)
        ridge.set_score_request(sample_weight=True)
        routed = GPSearchCV(ridge, space, **options)
        routed.fit(data, target, groups=groups, sample_weight=weight)
    plain = GPSearchCV(Ridge(), space, **options).fit(data, target, groups=groups)
    np.testing.assert_allclose(
        legacy.best_estimator_.coef_, routed.best_estimator_.coef_
    )
    assert np.abs(legacy.best_estimator_.coef_ - plain.best_estimator_.coef_).max() > 0


def test_a_clusterer_needs_no_target():
    data = load_iris().data
    space = {"n_clusters": randint(2, 9)}
    found = GPSearchCV(KMeans(n_init=1, random_state=0), space, n_iter=5, cv=2)
    assert found.fit(data).predict(data).shape == (150,)
    with pytest.raises(ValueError, match="Ridge requires y"):
        GPSearchCV(Ridge(), {"alpha": [1, 2]}).fit(data, None)


def test_a_surrogate_of_ones_own():
    kernel = RBF([0.2, 0.4], "fixed")
    regressor = GaussianProcessRegressor(kernel, alpha=1e-4, normalize_y=True)
    for acquisition in ("thompson", "irgp_ucb"):
        found = search(
            surrogate=regressor, n_iter=16, acquisition=acquisition, batch_size=2
        )
        assert found.surrogate_.kernel_ == kernel
        assert found.surrogate_.X_train_.shape == (16, 2)
        assert found.best_score_ > -5.0
    assert not hasattr(regressor, "kernel_")


class Recorder:
    """A callback that keeps the names of the tasks and how many they announce."""

    def __init__(self):
        self.tasks = []

    def setup(self, estimator, context):
        """Begin."""

    def on_fit_task_begin(self, estimator, context, **what):
        """Keep a task."""
        self.tasks.append((context.task_name, context.max_subtasks))

    def on_fit_task_end(self, estimator, context, **what):
        """Keep the end of a task."""
        self.tasks.append((context.task_name, "end"))

    def teardown(self, estimator, context):
        """End."""


@pytest.mark.filterwarnings("ignore:The estimator Known does not support callbacks")
def test_callbacks_see_rounds():
    recorder = Recorder()
    model = GPSearchCV(Known(), SQUARE, n_iter=7, batch_size=2, cv=2, random_state=0)
    model.set_callbacks(recorder).fit(X, y)
    tasks = [task for task in recorder.tasks if task[0] != "candidate-split-evaluation"]
    rounds = [("search-round", n) for n in (8, "end", 4, "end", 2, "end")]
    assert tasks[:8] == [("fit", 2), ("search", 3), *rounds]
    assert tasks[8] == ("search", "end")


def test_clone_pickle_and_html():
    found = search()
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.predict(X), found.predict(X))
    assert "Known" in found._repr_html_()
    with pytest.raises(NotFittedError):
        clone(found).predict(X)
    # Nothing of the search is left but what is documented.
    assert not [
        name for name in vars(found) if name.startswith("_") and "cv" not in name
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_iter": 0}, "n_iter"),
        ({"acquisition": "ucb"}, "acquisition"),
        ({"batch_size": 0}, "batch_size"),
        ({"shift": -1.0}, "shift"),
        ({"shift": "theory"}, "shift='theory' needs a finite space"),
        ({"n_initial": 0}, "n_initial"),
        ({"surrogate": 3}, "surrogate"),
        ({"random_state": "a"}, "random_state"),
        ({"space": {"a": []}}, "empty list"),
        ({"space": {}}, "nothing to search"),
    ],
)
def test_bad_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        search(**options)
