"""The kernel benchmark on a problem that takes no time."""

from argparse import Namespace

import numpy as np
import pytest

from benchmarks import kernel_cases, kernel_worker
from benchmarks.kernel_cases import Case, Problem
from benchmarks.kernel_peers.base import load_peer
from benchmarks.processes import start_all

CASE = Case("digits-60", 5.0, 1e-3, 0.8, labels=True)


@pytest.fixture
def worker(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_cases, "CASES", (CASE,))
    kernel_cases.prepare(CASE, tmp_path)
    return kernel_worker.Worker(load_peer("skopt2"), tmp_path, 1)


def test_a_search_ends_at_the_target(worker):
    assert "sap" in worker.variants({"name": CASE.name})["variants"]
    answer = worker.case(
        {"name": CASE.name, "variant": "sap", "repeat": 2, "limit": 60.0}
    )
    assert answer["best"] is answer["runs"][-1]
    assert answer["best"]["error"] <= CASE.target
    assert answer["best"]["cpu"] > 0.0
    assert all(run["error"] > CASE.target for run in answer["runs"][:-1])


def test_early_stopping_is_a_method_of_its_own(worker):
    answer = worker.case(
        {"name": CASE.name, "variant": "early", "repeat": 1, "limit": 60.0}
    )
    assert answer["best"]["remark"].startswith("sap")


def test_an_error_that_is_not_reached_is_not_claimed(worker, monkeypatch):
    hard = Case(CASE.name, 5.0, 1e-3, -1.0, labels=True)
    monkeypatch.setattr(kernel_cases, "CASES", (hard,))
    answer = worker.case(
        {"name": CASE.name, "variant": "auto", "repeat": 1, "limit": 60.0}
    )
    assert answer["best"] is None
    assert len(answer["runs"]) == 1


def test_errors_are_counted():
    Y = np.eye(3, dtype=np.float32)
    labels = Problem(CASE, Y, Y, Y, Y)
    assert labels.error(Y) == 0.0
    assert labels.error(Y[[0, 2, 1]]) == pytest.approx(2 / 3)
    numbers = Problem(Case("none", 1.0, 1.0, 0.1), Y, Y, Y, Y)
    assert numbers.error(Y + 0.5) == pytest.approx(0.5)


def test_train_and_test_digits_are_different_images(tmp_path):
    kernel_cases.prepare(CASE, tmp_path)
    problem = kernel_cases.build(CASE, tmp_path)
    assert problem.X.shape == (60, 64)
    assert problem.X_test.shape == (3000, 64)
    assert problem.X.dtype == np.float32
    assert (problem.Y.sum(axis=1) == 1).all()


def test_libraries_that_are_not_there_are_skipped(tmp_path, capsys):
    options = Namespace(python=[], cache=tmp_path, threads=1, log=None)
    processes, versions = start_all(
        ["skopt2", "falkon"], options, "benchmarks.kernel_worker"
    )
    for process in processes.values():
        process.stop()
    assert versions["skopt2"]
    if "falkon" not in processes:
        assert "skipped falkon: " in capsys.readouterr().out
