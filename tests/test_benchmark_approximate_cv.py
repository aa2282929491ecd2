"""The benchmark of approximate cross-validation compares with exact scores."""

import numpy as np
import pytest

from benchmarks.approximate_cv import along_path, at_solution, design, problems
from skopt2.linear_model import SparseRegressor


def test_refits_and_steps_are_of_one_problem():
    _, X, coef = design(40, 12)
    y = X @ coef + np.random.default_rng(0).standard_normal(40)
    model = SparseRegressor(alpha=0.2, tol=1e-10)
    (_, exact, optimism), rows, other = at_solution(model, X, y, "loo", None)
    assert exact < 0.0 < optimism
    assert set(rows) == {"newton", "proximal", "jackknife"}
    assert rows["proximal"][1] == pytest.approx(0.0, abs=1e-7)
    assert abs(rows["jackknife"][1]) < optimism
    assert other is None


def test_paths_are_near_exact_ones_and_stop_there():
    figures = along_path("gradient", 100, 30, 50)
    assert figures["error"] < 0.1 * figures["naive error"]
    assert abs(figures["best"] - figures["exact best"]) <= 5
    # Before the descent has converged a Newton step is somewhere else.
    assert figures["newton"][0] > figures["error"]
    assert figures["jackknife"].shape == (3,)


def test_problems_have_peers_of_the_same_task():
    for model, X, y, _, peer in problems().values():
        assert X.shape[0] == y.shape[0]
        regression = isinstance(model, SparseRegressor)
        assert peer is None or hasattr(peer, "predict_proba") != regression
