"""The script that reproduces papers of kernel solvers, on problems of no size."""

import gzip
import json

import numpy as np
import pytest

from benchmarks import kernel_cases, kernel_papers
from benchmarks.kernel_cases import Case
from skopt2.kernels import Matern

CASE = Case("digits-60", 5.0, 1e-3, 0.8, labels=True)


@pytest.fixture
def problem(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_cases, "CASES", (CASE,))
    kernel_cases.prepare(CASE, tmp_path)
    return kernel_cases.build(CASE, tmp_path)


@pytest.fixture
def uci(monkeypatch, tmp_path, rng):
    """A folder with a set of 80 rows in the files of pol."""
    X = rng.standard_normal((80, 2))
    rows = np.c_[X, np.sin(X[:, 0]) + 0.1 * rng.standard_normal(80)]
    mask = np.zeros((80, 10))
    mask[:20] = 1.0
    for name, values in (("data", rows), ("test_mask", mask)):
        with gzip.open(tmp_path / f"uci_pol_{name}.csv.gz", "wt") as file:
            np.savetxt(file, values, delimiter=",")
    found = {"noise_scale": 0.3, "signal_scale": 1.0, "length_scale": [1.0, 2.0]}
    hyperparameters = json.dumps({"pol": [found]})
    (tmp_path / kernel_papers.HYPERPARAMETERS).write_text(hyperparameters)
    monkeypatch.setattr(kernel_papers, "SETS", ("pol",))
    return tmp_path


def test_the_mean_is_that_of_the_dense_system(rng):
    X, new = rng.standard_normal((30, 2)), rng.standard_normal((5, 2))
    Y = rng.standard_normal((30, 1))
    kernel = Matern(nu=1.5, length_scale=1.0)
    expected = kernel(new, X) @ np.linalg.solve(kernel(X) + 0.1 * np.eye(30), Y)
    found = kernel_papers.exact_mean(kernel, 0.1, X, Y, new)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_passes_are_counted(uci, capsys):
    kernel_papers.main(["--only", "epochs", "--data", str(uci)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {line[1]: line for line in lines if line[0] == "pol"}
    assert set(rows) == {"float64", "sap", "auto", "sdd"}
    # One block is the whole of so few rows.
    assert float(rows["sap"][3]) <= float(rows["sap"][4]) <= 4.0
    assert rows["auto"][2] == "cholesky"
    assert float(rows["sdd"][5]) <= 1e-3
    kernel_papers.main(["--only", "epochs"])
    assert "skipped" in capsys.readouterr().out


def test_training_errors_are_those_of_the_iterates(problem):
    few, many = kernel_papers.trajectory(problem, (1, 8), batch_size=20)
    assert many < few < 0.1
    # A step of no length changes nothing.
    (still,) = kernel_papers.trajectory(problem, (1,), batch_size=60, step_size=1e-9)
    np.testing.assert_allclose(still, np.mean(problem.Y**2), rtol=1e-4)


def test_centers_and_costs_have_their_rows(problem, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(kernel_papers, "LARGE", (CASE.name, 12))
    monkeypatch.setattr(kernel_papers, "find", lambda name: CASE)
    sizes = ((20, 8), (30, 8), (60, 8), (40, 4), (40, 16))
    monkeypatch.setattr(kernel_papers, "SIZES", sizes)
    kernel_papers.main(["--only", "centers", "cost", "--cache", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    ours = [line.split() for line in lines if line.startswith("skopt2")]
    assert [line[-3] for line in ours] == ["1", "1", "5"]
    assert all(0.0 < float(line[-1].rstrip("%")) < 90.0 for line in ours)
    assert sum(line.split()[:2] == ["60", "8"] for line in lines) == 1
    assert sum("power of" in line for line in lines) == 2
