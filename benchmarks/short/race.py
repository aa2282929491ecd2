"""Contests of plain functions: one for each method of a library."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.short.contest import Contest, Outcome, choose

# Timings of the setting that counts, seconds of each at least, since clocks of the
# processor tick in milliseconds, and seconds of all.
_REPEAT, _BATCH, _SPENT = 3, 0.05, 1.0


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
        begin = time.process_time()
        for entry in self.entries[library]:
            runs += self._tries(entry, problem, begin, place.limit)
        found = choose(self, [outcome for _, _, outcome in runs])
        entry, setting, _ = next(one for one in runs if one[2] is found)
        found = replace(found, library=library, first=runs[0][2].first)
        return _repeated(entry, setting, problem, found)

    def _tries(self, entry, problem, begin, limit):
        """Runs of one method until the target, or until its settings end."""
        runs = []
        for setting in entry.settings:
            if runs and time.process_time() - begin > limit:
                break
            seconds, answer = _timed(entry, problem, setting)
            first = seconds
            if not runs and (entry.compiles or seconds < 0.5 * limit):
                # The first call also imports.
                seconds, answer = _timed(entry, problem, setting)
            label = " ".join(str(part) for part in (entry.name, setting) if part)
            quality = float(self.judge(problem, answer))
            outcome = Outcome("", seconds, quality, first, label)
            runs.append((entry, setting, outcome))
            if self.target is not None and quality <= self.target:
                break
        return runs


def _timed(entry, problem, setting):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.process_time()
        answer = entry.run(problem, setting)
        return time.process_time() - start, answer


def _repeated(entry, setting, problem, outcome):
    """The outcome with the smallest mean time of some batches of runs."""
    seconds = outcome.seconds
    count = max(1, min(1000, round(_BATCH / max(seconds, 1e-5))))
    if count == 1 and (_REPEAT - 1) * seconds > _SPENT:
        return outcome
    means = [] if count > 1 else [seconds]
    while len(means) < _REPEAT:
        spent = [_timed(entry, problem, setting)[0] for _ in range(count)]
        means.append(sum(spent) / count)
    return replace(outcome, seconds=min(means))
