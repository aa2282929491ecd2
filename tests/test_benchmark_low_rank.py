"""The benchmark of matrix completion compares solutions of one problem."""

import numpy as np
import pytest

from benchmarks.low_rank import main
from benchmarks.low_rank_cases import low_rank, relative_gap, removed, soft_impute
from skopt2.decomposition import MatrixCompleter


def test_soft_impute_solves_the_problem_of_the_estimator():
    rng = np.random.default_rng(0)
    X = low_rank(60, 40, 3, rng)
    X[removed(X, "random", rng)] = np.nan
    options = {"fit_intercept": False, "scale": False, "tol": 1e-7}
    model = MatrixCompleter(alpha=0.1, **options).fit(X)
    level = 0.1 * np.count_nonzero(~np.isnan(X)) / np.sqrt(X.size)
    M = soft_impute(X, level, gap=1e-7)
    s = np.linalg.svd(M, compute_uv=False)
    assert relative_gap(X, M, s, level) <= 1e-7
    np.testing.assert_allclose(model.row_factors_ @ model.components_, M, atol=2e-3)


@pytest.mark.parametrize("how", ["random", "values", "margins"])
def test_about_a_quarter_is_removed(how):
    rng = np.random.default_rng(0)
    X = low_rank(300, 200, 3, rng)
    assert 0.2 < removed(X, how, rng).mean() < 0.3


def test_table_is_printed(capsys):
    main(["--parts", "outliers"])
    assert "20% gross errors" in capsys.readouterr().out
