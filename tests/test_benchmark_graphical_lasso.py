"""The benchmark of sparse inverse covariance compares solutions of one problem."""

import numpy as np
import pytest

from benchmarks.graphical_lasso import compare, covariance_of, main, relative_gap


def test_all_methods_reach_the_gap():
    _, rows = compare(20, 40, "chain", 0.2)
    assert {"skopt2", "scikit-learn"} <= set(rows)
    for seconds, error in rows.values():
        assert seconds > 0.0
        assert error <= 1e-6


def test_gap_is_that_of_the_identity():
    # With T the identity and alpha above all covariances, the objective is d.
    S = covariance_of("hub", 20, 40)
    S /= np.sqrt(np.outer(np.diag(S), np.diag(S)))
    assert relative_gap(S, 1.0, np.eye(20), np.eye(20)) == pytest.approx(0.0, abs=1e-12)
    assert relative_gap(S, 0.1, np.eye(20), np.eye(20)) > 1e-3


def test_table_is_printed(capsys):
    main(["--features", "20", "--densities", "0.1", "--graphs", "random"])
    assert "scikit-learn" in capsys.readouterr().out
