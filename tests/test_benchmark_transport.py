"""The transport benchmark: its own measurements, its search and one tiny case."""

import json
import math
import sys

import numpy as np
import pytest

from benchmarks import transport
from benchmarks.transport_cases import Case, Problem, build, prepare
from benchmarks.transport_certificates import Answer, certify
from benchmarks.transport_peers.base import Peer
from benchmarks.transport_peers.reference_peer import ADAPTER as REFERENCE
from benchmarks.transport_summary import summarise
from benchmarks.transport_timing import search

TINY = "u2-100-1e-1"


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    case = Case("small", "uniform", 40, 2e-2)
    cache = tmp_path_factory.mktemp("cache")
    prepare(case, cache)
    return build(case, cache)


def test_certificate_is_the_error_of_the_plan_of_the_potentials(problem, rng):
    f, g = 0.1 * rng.standard_normal((2, 40))
    plan = np.empty((40, 40))
    for i in range(40):
        for j in range(40):
            plan[i, j] = math.exp((f[i] + g[j] - problem.C[i, j]) / problem.reg)
    plan_error = sum(abs(plan.sum(1) - problem.a)) + sum(abs(plan.sum(0) - problem.b))
    found = certify(problem, Answer(f, g))
    assert found.error == pytest.approx(plan_error, rel=1e-12)
    dual = problem.a @ f + problem.b @ g - problem.reg * plan.sum()
    assert found.dual == pytest.approx(dual, rel=1e-12)


def test_certificate_from_points_equals_the_one_from_the_cost(problem, rng):
    f, g = 0.1 * rng.standard_normal((2, 40))
    points = Problem(
        "points", problem.a, problem.b, problem.reg, X=problem.X, Y=problem.Y
    )
    dense, streamed = (certify(one, Answer(f, g)) for one in (problem, points))
    assert streamed.error == pytest.approx(dense.error, rel=1e-9)
    assert problem.C.max() == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e3])
def test_broken_potentials_have_infinite_error(problem, bad):
    f = np.zeros(40)
    f[3] = bad
    assert certify(problem, Answer(f, np.zeros(40))).error == math.inf


def test_a_plan_is_measured_by_its_marginals(problem):
    exact = np.outer(problem.a, problem.b)
    assert certify(problem, Answer(plan=exact)).error < 1e-15
    assert certify(problem, Answer(plan=0.5 * exact)).error == pytest.approx(1.0)


@pytest.mark.parametrize("variant", ["scaling", "sor"])
def test_textbook_solvers_reach_both_targets(problem, variant):
    answer = search(REFERENCE, problem, variant, (1e-6, 1e-9), repeat=1, limit=5.0)
    loose, tight = answer["best"]
    assert loose["error"] <= 1e-6
    assert tight["error"] <= 1e-9
    assert loose["dual"] == pytest.approx(tight["dual"], abs=1e-8)
    assert loose["n_iter"] < tight["n_iter"]


class Geometric(Peer):
    """A solver whose error is ``rate ** iterations``, or its tolerance times ten."""

    def __init__(self, problem, tolerant, rate=0.9):
        self.tolerant = tolerant
        self.rate = rate
        exact = REFERENCE.solve(problem, "sor", 1e-13, 10_000)
        self.f, self.g, self.reg = exact.f, exact.g, problem.reg

    def has_tolerance(self, variant):
        return self.tolerant

    def first_budget(self, variant):
        return 8

    def solve(self, prepared, variant, tol, budget):
        n_iter = budget
        if self.tolerant and tol > 0:
            needed = math.log(10 * tol) / math.log(self.rate)
            n_iter = min(budget, max(1, math.ceil(needed)))
        # scaling the plan by 1 + s/2 on every row gives an error of s
        shift = self.reg * math.log1p(0.5 * self.rate**n_iter)
        return Answer(self.f + shift, self.g, n_iter)


@pytest.mark.thorough
@pytest.mark.parametrize("tolerant", [True, False])
def test_search_ends_near_the_fewest_iterations(problem, tolerant):
    peer = Geometric(problem, tolerant)
    answer = search(peer, problem, "one", (1e-6, 1e-9), repeat=1, limit=5.0)
    for target in (1e-6, 1e-9):
        fewest = math.log(target) / math.log(peer.rate)
        enough = [run for run in answer["runs"] if run["error"] <= target]
        assert fewest <= min(run["n_iter"] for run in enough) <= 1.15 * fewest + 1
    assert len(answer["runs"]) <= 16


def test_search_gives_up_at_the_limit(problem):
    peer = Geometric(problem, tolerant=False, rate=1.0)
    answer = search(peer, problem, "one", (1e-6,), repeat=1, limit=1e-3)
    assert answer["best"] == [None]
    assert all(run["error"] > 0.9 for run in answer["runs"])


def _rows(seconds):
    best = [None if one is None else {"cpu": one} for one in seconds]
    return {"best": best, "runs": [{"cpu": 9.0}], "exact": False}


def test_summary_counts_rows():
    cases = {
        "u2-1000-1e-3": {
            "skopt2:auto": _rows((1.0, 2.0)),
            "skopt2:newton": _rows((0.5, 2.0)),
            "reference:sor": _rows((1.0, None)),
            "pot:sinkhorn": _rows((6.0, None)),
            "ott:lse": _rows((4.0, None)),
            "pot:emd": {**_rows((0.1, 0.1)), "exact": True},
        },
        "u2-1000-1e-2": {
            "skopt2:auto": _rows((1.0, None)),
            "pot:sinkhorn": _rows((0.9, 0.9)),
        },
    }
    found = summarise(cases)
    near = [False, True, True, False]
    assert list(found["near"].values()) == near
    assert list(found["near_others"].values()) == [True, True, True, False]
    assert list(found["pot"].values()) == [True]
    assert list(found["ott"].values()) == [False]
    assert "2 of 4 rows" in found["lines"][0]


def test_one_tiny_case_end_to_end(tmp_path, capsys):
    file = tmp_path / "out.json"
    transport.main(
        ["--cases", TINY, "--peers", "skopt2", "--repeat", "1", "--limit", "5"]
        + ["--cache", str(tmp_path), "--json", str(file)]
        + ["--python", f"skopt2={sys.executable}"]
    )
    written = json.loads(file.read_text())
    answers = written["cases"][TINY]
    assert set(answers) == {"skopt2:auto", "skopt2:sinkhorn", "skopt2:newton"}
    for answer in answers.values():
        assert [run["target"] for run in answer["best"]] == [1e-6, 1e-9]
        assert all(run["error"] <= run["target"] for run in answer["best"])
        assert all(run["converged"] for run in answer["best"])
    assert set(written["summary"]["near"]) == {f"{TINY} @1e-06", f"{TINY} @1e-09"}
    assert f"{TINY} @1e-09" in capsys.readouterr().out


@pytest.mark.thorough
def test_recorded_rows_stand_for_methods_that_are_not_run(tmp_path, capsys):
    row = {"cpu": 1e-9, "wall": 1e-9, "error": 1e-10, "n_iter": 3, "tol": 1e-9}
    row |= {"budget": 64, "compiling": 0.0, "target": 1e-6}
    earlier = {"best": [row, None], "runs": [row], "exact": False}
    file = tmp_path / "earlier.json"
    file.write_text(json.dumps({"cases": {TINY: {"pot:sinkhorn": earlier}}}))
    transport.main(
        ["--cases", TINY, "--peers", "skopt2", "--variants", "auto", "--repeat", "1"]
        + ["--cache", str(tmp_path), "--recorded", str(file)]
    )
    told = capsys.readouterr().out
    assert told.count("pot:sinkhorn") == 2
    assert f"1 of 2 rows; not: {TINY} @1e-06" in told


def test_unknown_case_is_named():
    with pytest.raises(SystemExit, match=r"unknown cases \['nothing'\]"):
        transport.main(["--cases", "nothing"])
