"""The benchmark of block rules measures errors above one minimum."""

import numpy as np
import pytest

from benchmarks.block_rules import PROBLEMS, main, run
from benchmarks.group_selection import MOST, compare
from skopt2.solvers.block_coordinate_descent.rules import BlockRules


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_runs_reach_the_minimum_from_above(name):
    case = PROBLEMS[name](np.random.default_rng(0), 0.1)
    least, _ = case.minimum()
    reached, error = run(
        case, BlockRules("order", "gsd", "newton", 20), least, 5.0, 500
    )
    assert 0.0 <= error <= 1e-3
    assert reached[0][0] <= 500


def test_table_is_printed(capsys):
    options = ["--limit", "0.01", "--most", "5", "--scale", "0.05", "--sizes", "5"]
    main(["--problems", "l1_least_squares", *options])
    out = capsys.readouterr().out
    assert "variable         gsq" in out
    assert "with finish" in out


def test_greedy_groups_take_fewer_updates_to_the_same_error():
    rows, used = compare(100, 12, 0.1)
    assert 0 < used < 12
    assert rows["greedy"][0] < rows["cyclic"][0] < MOST
