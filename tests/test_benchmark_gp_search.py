"""The benchmark of searches: what it measures, and what it prints of it."""

import pytest
from sklearn.dummy import DummyRegressor

from benchmarks import gp_search

CASE = gp_search.Case(
    DummyRegressor(strategy="quantile"),
    {"quantile": gp_search.uniform(0.0, 1.0)},
    gp_search.diabetes,
    "neg_mean_absolute_error",
    gp_search._FOLDS,
    6,
)


@pytest.fixture
def cases(monkeypatch):
    """Replace the cases by one that takes no time."""
    monkeypatch.setattr(gp_search, "CASES", {"dummy": CASE})


def test_a_search_is_measured(cases):
    for method in ("random", "skopt2"):
        record = gp_search.measure("dummy", method, 0)
        assert len(record["best"]) == 6
        assert record["best"] == sorted(record["best"])
        assert record["seconds"] > 0.0


def test_the_table_counts_regret_in_units_of_random_search(cases):
    records = [
        {"case": "dummy", "method": method, "seed": 0, "best": best, "seconds": seconds}
        for method, best, seconds in (
            ("random", [0.0, 0.0, 1.0, 1.0, 1.0, 2.0], 1.0),
            ("skopt2", [0.0, 0.0, 2.0, 2.0, 2.0, 3.0], 7.0),
        )
    ]
    lines = [line.split() for line in gp_search.table(records)]
    # Half of the budget is the third candidate; the best of all is 3.
    assert lines[1] == ["dummy", "random", "1.000", "0.500", "2.0000", "0.000"]
    assert lines[2] == ["dummy", "skopt2", "0.500", "0.000", "3.0000", "1.000"]
    assert lines[-1] == ["skopt2", "0.000"]


def test_runs_are_kept_and_not_repeated(cases, tmp_path, capsys):
    file = tmp_path / "runs.json"
    arguments = ["--methods", "random", "--seeds", "2", "--json", str(file)]
    gp_search.main(["--cases", "dummy", *arguments])
    first = file.read_text(encoding="utf-8")
    gp_search.main(["--cases", "dummy", *arguments])
    assert file.read_text(encoding="utf-8") == first
    assert "mean over the cases" in capsys.readouterr().out


def test_every_case_is_a_search():
    for case in gp_search.CASES.values():
        X, y = case.data()
        assert len(X) == len(y)
        assert case.space.keys() <= case.model.get_params().keys()
