"""The constrained search: feasible answers, and problems that have none."""

import numpy as np
import pytest
from sklearn.exceptions import FitFailedWarning

from skopt2.gaussian_process import ConstrainedGPSearchCV
from tests.gaussian_process.known import SQUARE, Known, X, branin, metrics, y


def search(constraints, space=SQUARE, estimator=None, **options):
    options = {
        "cv": 2,
        "random_state": 0,
        "n_iter": 20,
        "scoring": metrics,
        "refit": "branin",
        **options,
    }
    model = ConstrainedGPSearchCV(estimator or Known(), space, constraints, **options)
    return model.fit(X, y)


def best_on_a_grid(lower, upper):
    a, b = np.meshgrid(*[np.linspace(0, 1, 401)] * 2)
    inside = (a + b >= lower) & (a + b <= upper)
    return branin(a, b)[inside].max()


@pytest.mark.parametrize(
    ("pair", "lower", "upper"),
    [((None, 0.4), 0.0, 0.4), ((1.5, None), 1.5, 2.0), ((0.75, 0.8), 0.75, 0.8)],
)
def test_finds_the_best_that_is_allowed(pair, lower, upper):
    found = search({"sum": pair})
    total = sum(found.best_params_.values())
    assert lower <= total <= upper
    # None of Branin's maxima is allowed.
    assert best_on_a_grid(lower, upper) < -0.3
    assert found.best_score_ > best_on_a_grid(lower, upper) - 1.0
    assert not found.infeasible_
    feasible = [lower <= sum(p.values()) <= upper for p in found.cv_results_["params"]]
    assert found.cv_results_["feasible"].tolist() == feasible


def test_infeasibility_is_declared_and_the_search_stops():
    with (
        pytest.warns(UserWarning, match="no candidate can keep within"),
        pytest.warns(UserWarning, match="comes nearest"),
    ):
        found = search({"sum": (2.5, None)}, n_iter=60)
    assert found.infeasible_
    assert len(found.cv_results_["params"]) < 30
    assert not found.cv_results_["feasible"].any()
    # What comes nearest to a sum of 2.5 is the corner.
    assert sum(found.best_params_.values()) > 1.95


def test_a_feasible_region_away_from_the_start_is_found():
    found = search({"sum": (1.9, None)}, n_iter=20, random_state=2)
    assert not found.cv_results_["feasible"][found.cv_results_["round"] == 0].any()
    assert found.cv_results_["feasible"][found.best_index_]
    assert not found.infeasible_


def test_time_can_be_bounded():
    found = search(
        {"mean_fit_time": (None, 0.004)},
        estimator=Known(seconds=0.01),
        n_iter=16,
    )
    # A fit takes b / 100 seconds.
    assert found.best_params_["b"] < 0.4
    assert found.cv_results_["feasible"][found.best_index_]
    assert found.best_score_ > best_of_b_up_to(0.38) - 3.0


def best_of_b_up_to(limit):
    a, b = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, limit, 201))
    return branin(a, b).max()


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_batches_and_failures():
    with pytest.warns(FitFailedWarning, match="is too large"):
        found = search(
            {"sum": (None, 0.9)}, estimator=Known(fails_from=0.5), batch_size=3
        )
    results = found.cv_results_
    failed = np.array([params["a"] >= 0.5 for params in results["params"]])
    assert failed.any()
    assert not results["feasible"][failed].any()
    assert sum(found.best_params_.values()) <= 0.9
    assert found.best_score_ > -2.0


def test_refit_by_a_function_overrules():
    found = search({"sum": (None, 0.4)}, refit="branin", n_iter=8)
    model = ConstrainedGPSearchCV(
        Known(),
        SQUARE,
        {"score": (-100.0, None)},
        cv=2,
        n_iter=8,
        random_state=0,
        refit=lambda results: 3,
    ).fit(X, y)
    assert model.best_index_ == 3
    assert found.best_index_ != 3 or found.cv_results_["feasible"][3]


def test_a_finite_space_ends():
    space = {"a": [0.1, 0.5], "b": [0.2, 0.8]}
    found = search({"sum": (None, 0.5)}, space)
    assert len(found.cv_results_["params"]) == 4
    assert found.best_params_ == {"a": 0.1, "b": 0.2}


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({}, "constraints is empty"),
        ({"sum": 3.0}, r"constraints\['sum'\] must be a pair"),
        ({"sum": (None, None)}, "one of the two must be a number"),
        ({"sum": (2.0, 1.0)}, "the lower bound exceeds"),
        ({"sum": (np.nan, None)}, "finite numbers or None"),
        ({"sum": ("a", None)}, "finite numbers or None"),
        ({"mean_fit_time": (None, 0.0)}, "a time is positive"),
        ({"recall": (0.5, None)}, "'recall', which is not measured.*branin, sum"),
    ],
)
def test_bad_constraints(constraints, message):
    with pytest.raises(ValueError, match=message):
        search(constraints, n_iter=4)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_bad_confidence(value):
    with pytest.raises(ValueError, match="confidence"):
        search({"sum": (None, 1.0)}, confidence=value)


@pytest.mark.thorough
def test_a_wider_confidence_explores_more():
    spread = []
    for confidence in (0.3, 6.0):
        found = search({"sum": (-1.0, 3.0)}, confidence=confidence, n_iter=15)
        assert found.cv_results_["feasible"].all()
        points = np.array([list(p.values()) for p in found.cv_results_["params"]])
        spread.append(points[9:].std(axis=0).sum())
    assert spread[1] > 1.5 * spread[0]
