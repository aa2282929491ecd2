"""``python -m benchmarks``: contests, rows, the table and the figure."""

import json
import math
import sys
from dataclasses import replace

import pytest

from benchmarks import __main__ as command
from benchmarks.short import worker
from benchmarks.short.contest import Contest, Outcome, Place, choose
from benchmarks.short.families import contests, families
from benchmarks.short.libraries import interpreters, variable
from benchmarks.short.race import Entry, Race
from benchmarks.short.report import Header, counts, page, seconds
from benchmarks.short.row import Row, make_rows
from benchmarks.short.runner import Settings, hold, run

TIMED = Contest(
    family="fake", name="timed", measure="gap", peers=("sklearn", "pot"), target=1e-6
)
JUDGED = replace(TIMED, name="judged", target=None, margin=0.01, remark="Because.")
HEADER = Header("a machine", "2026-01-01", "3.12", {"skopt2": "0.1"}, 1.5)


def outcome(library, seconds, quality, **options):
    return Outcome(library, seconds, quality, 2 * seconds, version="9", **options)


def test_fastest_peer_that_reaches_the_target_counts():
    own = outcome("skopt2", 1.0, 1e-9)
    slow, loose = outcome("sklearn", 4.0, 1e-7), outcome("pot", 0.1, 1e-3)
    (row,) = make_rows(TIMED, [own, slow, loose])
    assert (row.peer, row.ratio, row.verdict) == ("sklearn", 0.25, "ahead")
    (row,) = make_rows(TIMED, [own, slow, replace(loose, quality=1e-6)])
    assert (row.peer, row.ratio, row.verdict) == ("pot", 10.0, "behind")
    (row,) = make_rows(TIMED, [own, replace(slow, seconds=1.1)])
    assert row.verdict == "even"
    (row,) = make_rows(TIMED, [own, loose])
    assert row.verdict == "alone"
    assert "pot 1.0e-03" in row.remark


def test_missing_the_target_is_a_loss():
    peer = outcome("sklearn", 4.0, 1e-7)
    (row,) = make_rows(TIMED, [outcome("skopt2", 1.0, 1e-4), peer])
    assert row.verdict == "behind"
    assert "1.0e-04" in row.remark


def test_quality_decides_before_time():
    own = outcome("skopt2", 1.0, 0.10)
    (row,) = make_rows(JUDGED, [own, outcome("sklearn", 0.1, 0.20)])
    assert (row.verdict, row.remark) == ("ahead", "")
    (row,) = make_rows(JUDGED, [own, outcome("sklearn", 9.0, 0.05)])
    assert (row.verdict, row.remark) == ("behind", "Because.")
    peers = [outcome("sklearn", 0.1, 0.105), outcome("pot", 0.5, 0.10)]
    (row,) = make_rows(JUDGED, [own, *peers])
    assert (row.peer, row.verdict) == ("sklearn", "behind")


def test_libraries_that_are_not_there_have_rows():
    own, absent = outcome("skopt2", 1.0, 1e-9), Outcome("pot", error="not installed")
    rows = make_rows(TIMED, [own, outcome("sklearn", 4.0, 1e-7), absent])
    assert [row.verdict for row in rows] == ["ahead", "absent"]
    assert "POT, not installed: timed" in "\n".join(page(rows, HEADER))
    (row,) = make_rows(TIMED, [Outcome("skopt2", error="KeyError: 1")])
    assert (row.verdict, row.remark) == ("not run", "KeyError: 1")
    assert "KeyError: 1" in "\n".join(page([row], HEADER))


def test_choice_among_settings():
    runs = [outcome("pot", *pair) for pair in ((1.0, 1e-4), (3.0, 1e-9), (2.0, 1e-7))]
    assert choose(TIMED, runs).seconds == 2.0
    assert choose(JUDGED, runs).seconds == 3.0
    assert choose(TIMED, runs[:1]).quality == 1e-4
    nothing = outcome("pot", 1.0, math.nan)
    assert choose(TIMED, [nothing]) is nothing


def test_race_takes_the_loosest_setting_that_reaches_the_target(tmp_path):
    calls = []
    contest = Race(
        **{**vars(TIMED), "peers": ()},
        make=lambda place: 100.0,
        entries={"skopt2": (Entry(lambda x, tol: calls.append(tol) or x * tol),)},
        judge=lambda problem, answer: answer,
    )
    entry = replace(contest.entries["skopt2"][0], settings=(1e-2, 1e-8, 1e-9))
    contest = replace(contest, entries={"skopt2": (entry,)})
    found = contest.enter("skopt2", Place(tmp_path))
    assert (found.setting, found.quality) == ("1e-08", pytest.approx(1e-6))
    assert 1e-9 not in calls
    assert 0.0 <= found.seconds <= found.first


def test_worker_tells_what_is_missing_and_what_failed(tmp_path, monkeypatch):
    place, path = Place(tmp_path), "benchmarks.short.risk"
    assert "not installed" in worker.enter(path, "none", "falkon", place).error
    assert worker.enter(path, "none", "sklearn", place).error == "StopIteration: "
    answer = tmp_path / "answer.json"
    monkeypatch.setattr(worker, "limit_processor", lambda seconds: None)
    arguments = [path, "200 assets", "skopt2", "--answer", str(answer)]
    worker.main([*arguments, "--cache", str(tmp_path), "--limit", "0"])
    found = Outcome(**json.loads(answer.read_text()))
    assert found.error == ""
    assert found.quality <= 1e-6
    assert found.seconds > 0.0


def test_budget_and_needs_leave_rows(tmp_path):
    settings = Settings(Place(tmp_path), minutes=-1.0)
    (row,) = run([("nowhere", TIMED)], settings)
    assert (row.verdict, row.remark) == ("not run", "the -1 minutes were over")
    (row,) = hold("nowhere", replace(TIMED, needs=("x.gz",)), settings)
    assert row.remark == "needs --data with x.gz"


def test_process_without_an_answer_is_reported(tmp_path):
    settings = Settings(Place(tmp_path), {"skopt2": str(tmp_path / "none")})
    contest = replace(TIMED, peers=())
    (row,) = hold("nowhere", contest, settings)
    assert row.remark.startswith("not installed")


def test_interpreters_by_option_by_environment_and_by_default():
    found = interpreters(["pot=/a"], {variable("pot"): "/b", variable("ott"): "/c"})
    assert (found["pot"], found["ott"], found["celer"]) == ("/a", "/c", sys.executable)
    with pytest.raises(ValueError, match="'nobody=/a' is not LIBRARY=PATH"):
        interpreters(["nobody=/a"], {})


def test_every_family_names_its_contests_once():
    found = contests()
    assert len(families()) >= 20
    assert len(found) >= 40
    names = [(module, contest.name) for module, contest in found]
    assert len(set(names)) == len(names)
    for _, contest in found:
        own = getattr(
            contest, "entries", {"skopt2": (), **dict.fromkeys(contest.peers)}
        )
        assert set(own) == {"skopt2", *contest.peers}
        assert contest.target is not None or contest.margin > 0
    assert [c.name for _, c in contests(["risk parity"], ["200"])] == [
        "200 assets",
        "200 assets, singular",
    ]


def fake_rows():
    rows = make_rows(
        TIMED, [outcome("skopt2", 5e-4, 1e-9), outcome("sklearn", 0.002, 1e-7)]
    )
    rows += make_rows(
        JUDGED, [outcome("skopt2", 1.0, 0.1), outcome("sklearn", 0.5, 0.1)]
    )
    return [*rows, Row("fake", "late", "gap", remark="the 1 minutes were over")]


def test_table_says_what_is_lost(tmp_path):
    rows = fake_rows()
    lines = page(rows, HEADER)
    text = "\n".join(lines)
    assert "ahead in 1, even in 0, behind in 1" in text
    assert "- fake, judged: 2.00 times scikit-learn's time" in text
    assert text.index("Because.") < text.index("**Fake**")
    assert "- fake, late: the 1 minutes were over" in lines
    assert counts(rows)["not run"] == 1
    assert [seconds(t) for t in (5e-4, 0.0123, 0.5, 12.3)] == [
        "500 us",
        "12 ms",
        "0.5 s",
        "12 s",
    ]


def test_command_writes_table_figure_and_json(tmp_path):
    mpl = pytest.importorskip("matplotlib")
    assert mpl
    command.write(fake_rows(), HEADER, tmp_path / "first")
    doc = tmp_path / "doc"
    target = doc / "user_guide" / "benchmarks.rst"
    for folder in (target.parent, doc / "images"):
        folder.mkdir(parents=True)
    target.write_text("Top\n\n.. begin summary\n\nold\n\n.. end summary\n\nRest\n")
    again = tmp_path / "second"
    path = tmp_path / "first" / "benchmarks.json"
    arguments = ["--table", str(path), "--output", str(again), "--doc", str(doc)]
    command.main(arguments)
    assert (again / "benchmarks.json").read_text() == path.read_text()
    assert (again / "benchmarks.svg").read_text().startswith("<?xml")
    picture = (doc / "images" / "benchmark_summary.svg").read_text()
    assert picture == (again / "benchmarks.svg").read_text()
    written = target.read_text()
    assert "old" not in written
    assert "**behind**" in written
    assert written.endswith("Rest\n")


def test_a_new_run_replaces_its_rows_and_keeps_the_others():
    (_, first), (_, second) = contests()[:2]
    kept = [
        Row(contest.family, contest.name, "gap", verdict="even")
        for contest in (second, first)
    ]
    new = Row(first.family, first.name, "gap", verdict="ahead")
    joined = command._joined(kept, [new])
    assert [row.verdict for row in joined] == ["ahead", "even"]
