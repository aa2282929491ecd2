"""The table of the short benchmark, and what it was measured on."""

import datetime
import math
import platform
import textwrap
from dataclasses import dataclass

import numpy as np

from benchmarks.machine import processor
from benchmarks.privacy_table import simple_table
from benchmarks.short.libraries import LIBRARIES, version_of

# A first call is shown where it takes so many times as long as others, and seconds.
_SLOW_START, _NOTICED = 3.0, 2.0

_MARKS = {"ahead": "", "even": "even", "behind": "**behind**", "alone": "alone"}


@dataclass(frozen=True)
class Header:
    """What a run was measured on.

    Attributes
    ----------
    machine, date, python : str
        Processor, day, and version of Python.
    versions : dict of str to str
        Of the libraries that have rows.
    minutes : float
        Processor minutes of the run.
    """

    machine: str
    date: str
    python: str
    versions: dict
    minutes: float


def describe(rows, minutes):
    """Return the :class:`Header` of a run."""
    versions = {name: version_of(name) for name in ("skopt2", "numpy", "scipy")}
    for row in rows:
        if row.peer_version:
            versions[row.peer] = row.peer_version
    return Header(
        machine=processor(),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        python=platform.python_version(),
        versions={name: versions[name] for name in LIBRARIES if name in versions},
        minutes=minutes,
    )


def counts(rows):
    """Number of rows of each verdict."""
    found = dict.fromkeys(("ahead", "even", "behind", "alone", "absent", "not run"), 0)
    for row in rows:
        found[row.verdict] += 1
    return found


def seconds(value):
    """Write a time with two digits and its unit."""
    if not math.isfinite(value):
        return ""
    if value < 1e-3:
        return f"{1e6 * value:.0f} us"
    if value < 0.0995:
        return f"{1e3 * value:.2g} ms"
    return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"


def number(value):
    """Write a quality with two or three digits."""
    if not math.isfinite(value):
        return "-"
    if value == 0.0:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.0e}"


def title(name):
    """Name of a library as its authors write it."""
    return LIBRARIES[name].title if name in LIBRARIES else name


def _start(row):
    """Seconds of the first calls, where one of them is noticed."""
    slow = max(
        first if first > _SLOW_START * spent else 0.0
        for first, spent in (
            (row.first, row.seconds),
            (row.peer_first, row.peer_seconds),
        )
    )
    if slow < _NOTICED:
        return ""
    return f"{seconds(row.first)}, {seconds(row.peer_first)}"


def _asked(row):
    target = f" {row.target:.3g}" if row.target is not None else ""
    return f"{row.measure}{target}"


_HEAD = (
    "Case",
    "skopt2",
    "Best peer",
    "Ratio",
    "Measure",
    "skopt2",
    "Peer",
    "First calls",
    "",
)


def _line(row):
    peer = f"{seconds(row.peer_seconds)} {title(row.peer)}" if row.peer else "none"
    ratio = f"{row.ratio:.2f}" if math.isfinite(row.ratio) else ""
    return (
        row.case,
        seconds(row.seconds),
        peer,
        ratio,
        _asked(row),
        number(row.quality),
        number(row.peer_quality) if row.peer else "",
        _start(row),
        _MARKS[row.verdict],
    )


def _measured(rows):
    return [row for row in rows if row.verdict not in ("absent", "not run")]


def families(rows):
    """Names of the families, in the order of the rows."""
    return list(dict.fromkeys(row.family for row in rows))


def _summary(rows, header):
    found = counts(rows)
    versions = ", ".join(
        f"{title(name)} {version}" for name, version in header.versions.items()
    )
    ratios = [row.ratio for row in _measured(rows) if math.isfinite(row.ratio)]
    middle = f", median ratio {np.median(ratios):.2f}" if ratios else ""
    alone = f", and alone in {found['alone']}" if found["alone"] else ""
    return [
        *_wrapped(
            f"{header.machine}, one thread, {header.date}; Python {header.python}; "
            f"{versions}. {header.minutes:.0f} minutes of the processor in all."
        ),
        "",
        *_wrapped(
            f"Of {len(_measured(rows))} cases skopt2 is ahead in {found['ahead']}, "
            f"even in {found['even']}, behind in {found['behind']}{alone}{middle}."
        ),
        "",
    ]


def _behind(rows):
    lost = [row for row in rows if row.verdict == "behind"]
    if not lost:
        return ["No case is lost.", ""]
    lines = ["What it loses:", ""]
    for row in sorted(lost, key=lambda one: -one.ratio):
        text = f"- {row.family}, {row.case}"
        if row.peer:
            text += f": {row.ratio:.2f} times {title(row.peer)}'s time"
            if row.target is None:
                text += f", {row.measure} {number(row.quality)} and "
                text += number(row.peer_quality)
        lines += _wrapped(f"{text}. {row.remark}".rstrip())
    return [*lines, ""]


def _wrapped(text):
    """Lines of a paragraph, or of an item of a list."""
    indent = "  " if text.startswith("- ") else ""
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, 88, subsequent_indent=indent, **options)


def _missing(rows):
    lines = []
    absent = {}
    for row in rows:
        if row.verdict == "absent":
            text = row.remark.partition(":")[0].partition(" (")[0]
            absent.setdefault((row.peer, text), []).append(row.case)
    for (peer, text), cases in absent.items():
        lines += _wrapped(f"- {title(peer)}, {text}: {', '.join(cases)}")
    for row in rows:
        if row.verdict == "not run":
            lines += _wrapped(f"- {row.family}, {row.case}: {row.remark}")
    return ["Without figures:", "", *lines, ""] if lines else []


def _tables(rows):
    lines = []
    for family in families(_measured(rows)):
        own = [row for row in _measured(rows) if row.family == family]
        name = family[0].upper() + family[1:]
        body = [_line(row) for row in own]
        lines += [f"**{name}**", "", *simple_table(_filled([_HEAD, *body])), ""]
    return lines


def _filled(table):
    """The table without the columns that are empty below their heads."""
    columns = [column for column in zip(*table, strict=True) if any(column[1:])]
    return list(zip(*columns, strict=True))


def page(rows, header):
    """Lines of reStructuredText: what, how many, the lost cases, the tables.

    Parameters
    ----------
    rows : sequence of Row
        All rows of a run.
    header : Header
        What they were measured on.

    Returns
    -------
    lines : list of str
    """
    return [
        *_summary(rows, header),
        *_behind(rows),
        *_tables(rows),
        *_missing(rows),
    ]
