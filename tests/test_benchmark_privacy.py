"""The privacy benchmark on problems that take no time, its peers absent."""

import json

import numpy as np
import pytest

from benchmarks import privacy, privacy_cases, privacy_table, privacy_worker
from benchmarks.environment import REQUIREMENTS
from benchmarks.privacy_cases import CASES, Case, find
from benchmarks.privacy_peers import base, opacus_settings
from benchmarks.privacy_peers.base import PEERS, Peer, load_peer


class Majority(Peer):
    """Answers the most frequent label, or the mean; a noise that is known."""

    def variants(self, case, epsilon, search=False):
        if case.kind == "accountant":
            return ["auto"]
        return ["least", "most"] if search else ["most"]

    def fit(self, prepared, variant):
        if prepared.case.kind == "regression":
            return prepared.y.mean()
        counts = np.bincount(prepared.y)
        return counts.argmin() if variant == "least" else counts.argmax()

    def predict(self, model, X):
        return np.full(len(X), model)

    def noise(self, variant, epsilon, delta, rate, steps):
        return rate * steps / epsilon

    def spent(self, sigma, delta, rate, steps):
        return rate * steps / sigma


@pytest.fixture
def alone(monkeypatch):
    """Leave only the majority, in this process, under the names of libraries."""

    class Process:
        def __init__(self, peer, cache):
            self.peer, self.interpreter = peer, None
            self._worker = privacy_worker.Worker(Majority(), cache, 1)

        def ask(self, request, timeout):
            return getattr(self._worker, request["do"])(request)

        def stop(self):
            self.peer = None

    def start_all(peers, options, module):
        assert module == "benchmarks.privacy_worker"
        names = ("skopt2", "dp_accounting")
        processes = {name: Process(name, options.cache) for name in names}
        return processes, dict.fromkeys(names, "1")

    def fresh(peer, interpreter, cache, request, **options):
        return Process(peer, cache).ask(request, None)

    monkeypatch.setattr(privacy, "start_all", start_all)
    monkeypatch.setattr(privacy, "fresh", fresh)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("peer", ["skopt2", "sklearn"])
@pytest.mark.parametrize(
    ("name", "least"),
    [("accuracy-wine", 0.75), ("accuracy-breast_cancer", 0.85)],
)
def test_labels_are_learnt(tmp_path, peer, name, least):
    privacy_cases.prepare(find(name), tmp_path, None, 1)
    worker = privacy_worker.Worker(load_peer(peer), tmp_path, 1)
    request = {"name": name, "epsilon": 8.0}
    variants = worker.variants(request)["variants"]
    assert len(variants) == 1
    answer = worker.fit({**request, "split": 0, "variant": variants[0]})
    assert answer["score"] > least
    assert min(answer["cpu"], answer["wall"]) > 0.0


@pytest.mark.parametrize("name", ["accuracy-digits", "regression-generated"])
def test_rows_and_targets_keep_the_public_bounds(tmp_path, name):
    case = find(name)
    privacy_cases.prepare(case, tmp_path, None, 2)
    arrays = privacy_cases.read(case, tmp_path)
    first, second = (privacy_cases.build(case, arrays, 1.0, seed) for seed in (0, 1))
    for problem in (first, second):
        assert np.linalg.norm(problem.X, axis=1).max() <= 1.0 + 1e-12
        assert len(problem.y_test) == pytest.approx(0.2 * len(arrays["y"]), abs=1)
        if case.kind == "regression":
            assert np.abs(problem.y).max() <= 1.0 + 1e-12
        else:
            # Stratified: every label keeps its share.
            shares = np.bincount(problem.y) / len(problem.y)
            assert shares == pytest.approx(np.bincount(arrays["y"]) / 1797, abs=2e-3)
    assert not np.array_equal(first.y, second.y)


def test_the_labels_of_the_speed_case_are_worth_learning():
    X, y = privacy_cases._large(0.5, n=6000, d=5)
    assert X.shape == (6000, 5)
    assert np.linalg.norm(X, axis=1).max() <= 1.0 + 1e-12
    neighbours = [np.corrcoef(X[:, j], X[:, j + 1])[0, 1] for j in range(4)]
    assert neighbours == pytest.approx([0.5] * 4, abs=0.08)
    direction = np.linalg.lstsq(X, y - y.mean())[0]
    # As many as the labels, which are drawn, allow.
    assert np.mean((X @ direction > 0) == y) == pytest.approx(0.83, abs=0.02)


def test_a_score_is_a_share_or_r2(rng):
    y = rng.standard_normal(20)
    predicted = y + 0.1 * rng.standard_normal(20)
    regression = privacy_cases.Problem(
        Case("r", "regression", "r"), None, None, None, y, 1.0, 0
    )
    expected = 1.0 - np.mean((y - predicted) ** 2) / y.var()
    assert regression.score(predicted) == pytest.approx(expected)
    labels = np.array([0, 1, 1, 2])
    accuracy = privacy_cases.Problem(
        Case("a", "accuracy", "a"), None, labels, None, labels, 1.0, 0
    )
    assert accuracy.score([0, 1, 2, 2]) == 0.75
    assert accuracy.n_classes == 3


def test_a_run_end_to_end(alone, tmp_path, capsys):
    file = tmp_path / "out.json"
    privacy.main(
        ["--case", "accuracy-wine", "regression-diabetes", "accountant", "--seeds", "2"]
        + ["--draws", "3", "--epsilon", "1", "8"]
        + ["--cache", str(tmp_path), "--output", str(file)]
    )
    told = capsys.readouterr().out
    cases = json.loads(file.read_text())["cases"]
    assert set(cases) == {"accuracy-wine", "regression-diabetes", "accountant"}
    scores = cases["accuracy-wine"]["8"]["skopt2:most"]["scores"]
    # A majority of 71 among 178, in stratified parts.
    assert scores == pytest.approx([14 / 36] * 6, abs=0.03)
    assert len(cases["regression-diabetes"]["8"]["skopt2:most"]["scores"]) == 2
    noise = cases["accountant"]["8"]["0.05 200"]["skopt2:auto"]
    assert noise["sigma"] == pytest.approx(10.0 / 8.0)
    assert noise["epsilon"] == pytest.approx(8.0)
    assert told.count("accuracy-wine") == 4
    privacy.main(["--table", str(file)])
    assert ".. accountant" in capsys.readouterr().out


def test_the_noise_that_is_shown_is_not_that_of_the_search(
    alone, tmp_path, monkeypatch
):
    seen = []

    def fit(self, prepared, variant):
        seen.append(prepared.seed)
        return 0

    monkeypatch.setattr(Majority, "fit", fit)
    command = ["--case", "accuracy-wine", "--seeds", "2", "--epsilon", "1"]
    command += ["--draws", "2", "--cache", str(tmp_path)]
    privacy.main([*command, "--search"])
    searched, seen = set(seen), []
    privacy.main(command)
    assert searched == {0, 1}
    # Each of them for two libraries.
    assert sorted(seen)[::2] == [100_000, 100_001, 101_000, 101_001]


def test_a_search_keeps_the_best(alone, tmp_path):
    file = tmp_path / "out.json"
    privacy.main(
        ["--case", "accuracy-wine", "--seeds", "4", "--epsilon", "1", "--search"]
        + ["--cache", str(tmp_path), "--output", str(file)]
    )
    rows = json.loads(file.read_text())["cases"]["accuracy-wine"]["1"]
    assert {len(row["scores"]) for row in rows.values()} == {4}
    means = {method: np.mean(row["scores"]) for method, row in rows.items()}
    assert means["skopt2:most"] > means["skopt2:least"]


def test_speed_has_a_first_fit(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(
        privacy_cases,
        "_large",
        lambda correlation: (np.ones((60, 2)), np.arange(60) % 2),
    )
    file = tmp_path / "out.json"
    command = ["--case", "speed", "--cache", str(tmp_path), "--output", str(file)]
    privacy.main(command)
    cases = json.loads(file.read_text())["cases"]
    assert set(cases) == {"speed", "speed-correlated"}
    row = cases["speed"]["1"]["skopt2:most"]
    assert row["scores"] == [0.5]
    assert min(row["first_cpu"], *row["cpu"]) > 0.0


def _row(*scores, **more):
    return {"scores": list(scores), "cpu": [0.25, 0.5], "wall": [1.0, 0.75], **more}


RESULTS = {
    "cases": {
        "accuracy-wine": {
            "0.5": {
                "skopt2:default": _row(0.5, 0.7),
                "opacus:a": _row(0.1, 0.2),
                "opacus:b": _row(0.3, 0.2),
            },
            "8": {
                "skopt2:default": _row(0.9),
                "diffprivlib:C=1": _row(0.8),
                "sklearn:not private": _row(0.98),
            },
        },
        "regression-diabetes": {"1": {"diffprivlib:default": _row(-99.0, 0.1, -50.0)}},
        "speed": {"1": {"opacus:hooks": _row(0.8, first_cpu=2.0, first_wall=3.0)}},
        "accountant": {
            "1": {
                "1 50": {
                    "skopt2:auto": {"sigma": 26.4, "cpu": 0.01, "epsilon": 0.9999},
                    "dp_accounting:pld": {"sigma": 26.0, "cpu": 1.0},
                    "opacus:rdp": {"error": "ValueError: too low"},
                }
            }
        },
    }
}


def test_tables_show_the_best_method_of_each_library():
    made = privacy_table.tables(RESULTS)
    assert set(made) == {"accuracy", "regression", "speed", "accountant"}
    cells = [line.split() for line in made["accuracy"]]
    assert cells[3] == ["wine", "(0.980)", "skopt2", "0.600", "0.900"]
    assert cells[4] == ["\\", "diffprivlib", "—", "0.800"]
    assert cells[5] == ["\\", "Opacus", "0.250", "—"]
    assert made["regression"][3].endswith("diffprivlib  < -10")
    assert made["speed"][3].split() == (
        ["Opacus,", "hooks", "0.25", "0.75", "2.00", "0.8000"]
    )
    noise = made["accountant"][3].split()
    assert noise[3:9] == ["26.4", "0.01", "0.9999", "26", "1.00", "1.0154"]
    assert noise[-1] == "—"


def test_tables_are_put_between_their_marks(tmp_path):
    page = tmp_path / "page.rst"
    marks = "Above\n\n.. begin {0}\n\nold\n\n.. end {0}\n\nbelow\n"
    page.write_text("".join(marks.format(name) for name in ("accuracy", "speed")))
    made = privacy_table.tables(RESULTS)
    wanted = {name: made[name] for name in ("accuracy", "speed")}
    once = privacy_table.insert(page.read_text(), wanted)
    assert "old" not in once
    assert once.count("below") == 2
    assert "\n".join(made["speed"]) in once
    assert privacy_table.insert(once, wanted) == once
    with pytest.raises(ValueError, match="begin regression"):
        privacy_table.insert(once, made)


def test_the_marks_of_the_documentation(pytestconfig):
    page = pytestconfig.rootpath / "doc/user_guide/privacy_benchmarks.rst"
    text = page.read_text(encoding="utf-8")
    for kind in {case.kind for case in CASES}:
        assert text.count(f".. begin {kind}\n") == 1
        assert text.count(f".. end {kind}\n") == 1


def test_settings_of_opacus_are_of_its_grid():
    grids = {
        "accuracy": opacus_settings.LINEAR_GRID,
        "network": opacus_settings.NETWORK_GRID,
    }
    for case in CASES:
        if case.kind in grids:
            chosen = opacus_settings.CHOSEN[case.name]
            assert set(chosen) == set(case.epsilons)
            assert set(chosen.values()) <= set(grids[case.kind])
    assert {"diffprivlib", "opacus"} <= set(REQUIREMENTS)


def test_a_library_of_no_name():
    with pytest.raises(ValueError, match="unknown peer 'nobody'"):
        base.load_peer("nobody")
    assert PEERS[0] == "skopt2"


def test_a_case_of_no_name():
    with pytest.raises(SystemExit, match="no such case"):
        privacy.main(["--case", "nothing"])
