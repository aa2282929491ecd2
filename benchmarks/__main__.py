"""All families beside other libraries, in short: one table and one figure.

Run from the root of the repository::

    python -m benchmarks --output build/benchmarks --data DIR
    python -m benchmarks --family "matrix factorisation" --python pot=ENV/bin/python

Every case is a problem that skopt2 and its peers solve in processes of their own, with
one thread, timed by the processor. skopt2 is called as a user would, with the target as
its ``tol``; peers get the best of several settings, found by looking at the answer, and
compile before the clock runs. Both are judged by one measure, computed here. Where
there is a target the fastest that reaches it counts, elsewhere the better answer, and
of equal ones the faster. The scripts beside this one have the long versions.

A library that is installed elsewhere is named with ``--python`` or by an environment
variable, ``BENCHMARK_PYTHON_POT=ENV/bin/python``; ``python -m benchmarks.environment``
makes such environments. What is not installed has rows that say so. Written are
``benchmarks.json``, ``benchmarks.rst``, and ``benchmarks.svg``.
"""

import argparse
import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.privacy_table import insert
from benchmarks.short.contest import Place
from benchmarks.short.families import contests, families
from benchmarks.short.figure import draw
from benchmarks.short.libraries import interpreters
from benchmarks.short.report import Header, describe, number, page, seconds, title
from benchmarks.short.row import Row
from benchmarks.short.runner import Settings, run, used


def _known():
    return f"of {', '.join(families())}"


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--family", nargs="+", choices=families(), metavar="NAME", help=_known()
    )
    parser.add_argument("--case", nargs="+", help="names or beginnings of names")
    parser.add_argument("--data", type=Path, help="folder with the real data files")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks"))
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the generated data sets",
    )
    parser.add_argument("--python", nargs="+", default=[], metavar="LIBRARY=PATH")
    parser.add_argument(
        "--minutes", type=float, default=15.0, help="processor minutes of the whole"
    )
    parser.add_argument(
        "--limit", type=float, default=6.0, help="seconds of one library in one case"
    )
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    parser.add_argument(
        "--add", action="store_true", help="keep the rows of other cases in --output"
    )
    parser.add_argument(
        "--table", type=Path, help="write the table and figure of such a file again"
    )
    parser.add_argument(
        "--doc", type=Path, help="documentation to write the table and figure into"
    )
    return parser.parse_args(argv)


def _say(rows, spent):
    for row in rows:
        peer = f"{title(row.peer)} {seconds(row.peer_seconds)}"
        print(
            f"{row.family:<24}{row.case:<26}{row.verdict:<8}{seconds(row.seconds):>8}"
            f"  {peer:<26}{number(row.quality):>9}{number(row.peer_quality):>9}"
            f"  {row.peer_setting or row.remark}",
            flush=True,
        )
    print(f"{'':50}({spent:.1f} s in all)", flush=True)


def _measure(options):
    place = Place(
        options.cache.resolve(),
        options.data.resolve() if options.data else None,
        options.limit,
    )
    try:
        found = interpreters(options.python)
    except ValueError as error:
        raise SystemExit(f"--python: {error}") from None
    settings = Settings(place, found, options.minutes, options.log)
    start = used()
    rows = run(contests(options.family, options.case), settings, _say)
    minutes = (used() - start) / 60.0
    earlier = options.output / "benchmarks.json"
    if options.add and earlier.exists():
        kept, header = _read(earlier)
        rows, minutes = _joined(kept, rows), minutes + header.minutes
    return rows, describe(rows, minutes)


def _joined(kept, rows):
    """Rows of two runs in the order of the table, the new ones where both have them."""
    new = {(row.family, row.case) for row in rows}
    rows = [row for row in kept if (row.family, row.case) not in new] + rows
    order = [(contest.family, contest.name) for _, contest in contests()]
    known = [row for row in rows if (row.family, row.case) in order]
    return sorted(known, key=lambda row: order.index((row.family, row.case)))


def _read(path):
    found = json.loads(path.read_text())
    rows = [_explained(Row(**row)) for row in found["rows"]]
    return rows, Header(**found["header"])


def _explained(row):
    """The row with what is written of its case now."""
    if row.verdict != "behind":
        return row
    short = f"skopt2 reaches {row.quality:.1e} only. "
    short = short if row.target and row.quality > row.target else ""
    for _, contest in contests([row.family], [row.case]):
        if contest.name == row.case:
            return replace(row, remark=f"{short}{contest.remark}".strip())
    return row


def _finite(row):
    """Fields of a row without numbers that it does not have."""
    return {
        name: value
        for name, value in asdict(row).items()
        if value is not None and (isinstance(value, str) or math.isfinite(value))
    }


def write(rows, header, folder, doc=None):
    """Write the table, the figure, and all numbers in JSON.

    Parameters
    ----------
    rows : sequence of Row
        Of the run.
    header : Header
        What they were measured on.
    folder : Path
        Where to.
    doc : Path or None
        Documentation, whose page ``user_guide/benchmarks.rst`` has marks for the table;
        figure and numbers go to its ``images``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {"header": asdict(header), "rows": [_finite(row) for row in rows]}
    text = json.dumps(found, indent=1, allow_nan=False)
    (folder / "benchmarks.json").write_text(text + "\n")
    lines = page(rows, header)
    (folder / "benchmarks.rst").write_text("\n".join(lines))
    draw(rows, folder / "benchmarks.svg")
    if doc:
        target = doc / "user_guide" / "benchmarks.rst"
        target.write_text(insert(target.read_text(), {"summary": lines}))
        for ending in ("json", "svg"):
            made = (folder / f"benchmarks.{ending}").read_text()
            (doc / "images" / f"benchmark_summary.{ending}").write_text(made)


def main(argv=None):
    """Run the contests, or read an earlier run, and write what they come to."""
    options = _arguments(argv)
    rows, header = _read(options.table) if options.table else _measure(options)
    write(rows, header, options.output, options.doc)
    print(f"written to {options.output}")


if __name__ == "__main__":
    sys.exit(main())
