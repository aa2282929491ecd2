"""What the short benchmark is made of: contests, places and outcomes."""

import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """Where a contest is held.

    Attributes
    ----------
    cache : Path
        Folder of generated data.
    data : Path or None
        Folder of the real data sets.
    limit : float
        Processor seconds after which no further setting is tried.
    """

    cache: Path
    data: Path | None = None
    limit: float = 10.0


@dataclass(frozen=True)
class Outcome:
    """What one library reached in one contest.

    Attributes
    ----------
    library : str
        Its name, a key of :data:`benchmarks.short.libraries.LIBRARIES`.
    seconds : float
        Processor seconds of the fastest run of the setting that counts.
    quality : float
        Measured by the contest on what was returned; less is better.
    first : float
        Seconds of the first call of the process, compilers included, at the first
        setting that was tried.
    setting : str
        Method and tolerance that counts.
    version : str
        Of the library.
    error : str
        Why there are no figures; empty where there are.
    """

    library: str
    seconds: float = math.nan
    quality: float = math.nan
    first: float = math.nan
    setting: str = ""
    version: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One problem that several libraries solve.

    Attributes
    ----------
    family, name : str
        Name on the command line and in the table.
    measure : str
        What the quality is.
    peers : tuple of str
        Libraries beside skopt2.
    target : float or None
        Quality that has to be reached, as fast as may be. None where quality itself
        is compared.
    margin : float
        Difference of qualities that counts, where there is no target.
    needs : tuple of str
        Files of the folder of real data.
    remark : str
        Where the peer is ahead, why.
    """

    family: str
    name: str
    measure: str
    peers: tuple
    target: float | None = None
    margin: float = 0.0
    needs: tuple = ()
    remark: str = ""

    def enter(self, library, place):
        """Return the :class:`Outcome` of a library; runs in a process of its own."""
        raise NotImplementedError


def choose(contest, runs):
    """Return the run that counts of those of one library.

    With a target the fastest that reaches it, or else the one that comes closest;
    without one the best, and of those equal to it the fastest.

    Parameters
    ----------
    contest : Contest
        Which.
    runs : sequence of Outcome
        Not empty.
    """
    good = [one for one in runs if math.isfinite(one.quality)]
    if not good:
        return runs[0]
    if contest.target is not None:
        reached = [one for one in good if one.quality <= contest.target]
        if reached:
            return min(reached, key=lambda one: one.seconds)
        return min(good, key=lambda one: one.quality)
    return min(good, key=lambda one: (one.quality, one.seconds))
