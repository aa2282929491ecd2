"""Contests of plain functions: one for each method of a library."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.short.clock import steady, timed
from benchmarks.short.contest import Contest, Outcome, choose


@dataclass(frozen=True)
class Entry:
    """One method of a library.

    Attributes
    ----------
    run : callable
        ``run(problem, setting)`` returns what the contest judges.
    settings : tuple
        Loosest, or cheapest, first.
    name : str
        Of the method, where a library has several.
    compiles : bool
        Whether the first call is longer than the others however long they take.
    """

    run: Callable
    settings: tuple = (None,)
    name: str = ""
    compiles: bool = False


@dataclass(frozen=True, kw_only=True)
class Race(Contest):
    """A contest of functions.

    Attributes
    ----------
    make : callable
        ``make(place)`` returns the problem; not timed.
    entries : dict of str to tuple of Entry
        By library.
    judge : callable
        ``judge(problem, answer)`` returns the quality.
    """

    make: Callable
    entries: dict
    judge: Callable

    def enter(self, library, place):
        """Try every setting of every method, and time the one that counts."""
        problem, runs = self.make(place), []
        for entry in self.entries[library]:
            spent = sum(outcome.seconds for _, _, outcome in runs)
            runs += self._tries(entry, problem, place.limit - spent)
        found = choose(self, [outcome for _, _, outcome in runs])
        entry, setting, _ = next(one for one in runs if one[2] is found)
        found = replace(found, library=library, first=runs[0][2].first)
        seconds = steady(_quiet(entry, problem, setting), found.seconds)
        return replace(found, seconds=seconds)

    def _tries(self, entry, problem, limit):
        """Runs of one method until the target, the limit, or the last setting."""
        runs, spent = [], 0.0
        for setting in entry.settings:
            if runs and spent > limit:
                break
            seconds, answer = timed(_quiet(entry, problem, setting))
            first = seconds
            if not runs and (entry.compiles or seconds < 0.5 * limit):
                # The first call also imports.
                seconds, answer = timed(_quiet(entry, problem, setting))
            label = " ".join(str(part) for part in (entry.name, setting) if part)
            quality = float(self.judge(problem, answer))
            outcome = Outcome("", seconds, quality, first, label)
            runs.append((entry, setting, outcome))
            spent += seconds
            if self.target is not None and quality <= self.target:
                break
        return runs


def _quiet(entry, problem, setting):
    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return entry.run(problem, setting)

    return call
