"""Runs contests: a fresh process for each library, a time limit, a budget."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import ROOT, THREAD_VARIABLES
from benchmarks.short.contest import Outcome, Place
from benchmarks.short.row import Row, make_rows

# Wall seconds to a processor second on a machine that others use.
_BUSY = 8.0


@dataclass(frozen=True)
class Settings:
    """How contests are run.

    Attributes
    ----------
    place : Place
        Data and limit.
    interpreters : dict of str to str
        Python of every library.
    minutes : float
        Processor minutes after which no contest begins.
    log : Path or None
        File for what the libraries print.
    """

    place: Place
    interpreters: dict = field(default_factory=dict)
    minutes: float = 15.0
    log: Path | None = None


def used():
    """Processor seconds of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def ask(module, contest, library, settings):
    """Outcome of one library in a process of its own."""
    place = settings.place
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "outcome.json"
        command = [settings.interpreters.get(library, sys.executable), "-m"]
        command += ["benchmarks.short.worker", module, contest.name, library]
        command += ["--answer", str(answer), "--cache", str(place.cache)]
        command += ["--limit", str(place.limit)]
        if place.data is not None:
            command += ["--data", str(place.data)]
        failure = _run(command, settings)
        if answer.exists():
            return Outcome(**json.loads(answer.read_text()))
    return Outcome(library, error=failure)


def _run(command, settings):
    """Run a command with one thread; return why it ended without an answer."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS="ignore")
    environment |= dict.fromkeys(THREAD_VARIABLES, "1")
    target = open(settings.log, "a") if settings.log else subprocess.DEVNULL  # noqa: SIM115
    options = {"stdout": target, "stderr": target, "env": environment, "cwd": ROOT}
    try:
        done = subprocess.run(
            command, timeout=_BUSY * 4.0 * settings.place.limit, **options
        )
    except subprocess.TimeoutExpired:
        return "stopped: no answer"
    except OSError as error:
        return f"not installed ({error})"
    finally:
        if settings.log:
            target.close()
    return f"stopped: out of time (exit status {done.returncode})"


def hold(module, contest, settings):
    """Rows of one contest."""
    missing = _missing(contest, settings.place.data)
    if missing:
        return [_blank(contest, f"needs --data with {missing}")]
    libraries = ("skopt2", *contest.peers)
    outcomes = [ask(module, contest, library, settings) for library in libraries]
    return make_rows(contest, outcomes)


def _missing(contest, folder):
    return ", ".join(
        name for name in contest.needs if folder is None or not (folder / name).exists()
    )


def _blank(contest, remark):
    return Row(contest.family, contest.name, contest.measure, remark=remark)


def run(contests, settings, report=lambda rows, seconds: None):
    """Rows of all contests, in their order.

    Parameters
    ----------
    contests : sequence of (str, Contest)
        With the module that has it.
    settings : Settings
        How.
    report : callable
        Called with the rows of a contest and its processor seconds.

    Returns
    -------
    rows : list of Row
        Contests that the budget left no time for have a row that says so.
    """
    start, rows = used(), []
    for module, contest in contests:
        before = used()
        if before - start > 60.0 * settings.minutes:
            found = [_blank(contest, f"the {settings.minutes:g} minutes were over")]
        else:
            found = hold(module, contest, settings)
        report(found, used() - before)
        rows += found
    return rows
