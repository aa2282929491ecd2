"""The benchmark of label propagation compares solutions of one problem."""

from benchmarks.label_propagation import compare, main, moons


def test_all_methods_solve_the_same_problem():
    rows = {row[0]: row for row in compare(*moons(400)[:2], 0.1, repeats=1)}
    assert rows["sparse direct"][3] == 0.0
    assert rows["skopt2, tol=1e-6"][3] < 1e-5
    assert rows["skopt2, descent"][3] < 1e-4
    assert rows["scikit-learn, tol=1e-5"][3] < 1e-5
    assert rows["scikit-learn, tol=1e-3"][3] < 1e-3


def test_table_is_printed(capsys):
    main(["--cases", "digits", "--repeats", "1"])
    assert "skopt2, descent" in capsys.readouterr().out
