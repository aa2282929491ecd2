"""Differentially private learning: skopt2 beside diffprivlib, Opacus, dp-accounting.

Run from the root of the repository; environments for the peers come first, because
diffprivlib does not work with a current scikit-learn::

    python -m benchmarks.environment DIFF --library diffprivlib
    python -m benchmarks.environment OPACUS --library opacus
    python -m pip install dp-accounting
    python -m benchmarks.privacy --data DIR --output privacy.json
        --python diffprivlib=DIFF/bin/python opacus=OPACUS/bin/python
    python -m benchmarks.privacy --table privacy.json

The last line prints the tables of the documentation; with ``--into FILE.rst`` it
writes them between the marks of that file. A library that is not there is left out.

Every library gets the same scaled rows and the same splits
(:mod:`benchmarks.privacy_cases`). skopt2 has its default parameters throughout, the
budget apart. Peers have the settings that suit each set and each budget best on the
test parts: a choice that is not private and that favours them. What is shown has other
noise than the search for them (``--search``). diffprivlib promises
more, no delta, and replacing a row; Opacus promises that adding or removing one tells
no more. Speed is the fastest of ``--repeat`` fits that calibrate the noise on the way,
and the first fit of a fresh process.
"""

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path

from benchmarks.machine import processor
from benchmarks.privacy_cases import CASES, SCHEDULES, prepare
from benchmarks.privacy_peers.base import PEERS
from benchmarks.privacy_table import insert, tables
from benchmarks.processes import fresh, start_all

_MODULE = "benchmarks.privacy_worker"
# Splits on which all settings of a search are scored, and how many go on to all.
_SEARCHED, _FINALISTS = 3, 4
# Noise of runs that are shown is not that by which settings were chosen. There are at
# most _STRIDE splits.
_DRAW, _STRIDE = 100_000, 1000


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.privacy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of sets not bundled")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the prepared problems",
    )
    parser.add_argument("--case", nargs="+", help="names or beginnings of names")
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--epsilon", nargs="+", type=float, help="only these budgets")
    parser.add_argument("--seeds", type=int, default=10, help="splits of a set")
    parser.add_argument(
        "--draws", type=int, default=5, help="fits of a split in the accuracy cases"
    )
    parser.add_argument("--repeat", type=int, default=3, help="timed fits")
    parser.add_argument("--python", nargs="+", default=[], metavar="PEER=PATH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of a fit")
    parser.add_argument("--search", action="store_true", help="search peers' settings")
    parser.add_argument("--output", type=Path, help="write every run to this file")
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    parser.add_argument("--table", type=Path, help="print the tables of such a file")
    parser.add_argument("--into", type=Path, help="write the tables into this page")
    return parser.parse_args(argv)


def _chosen(options):
    """Cases that are asked for and that can be run."""
    beginnings = tuple(options.case or ("",))
    found = [case for case in CASES if case.name.startswith(beginnings)]
    if not found:
        names = ", ".join(case.name for case in CASES)
        raise SystemExit(f"--case {options.case}: no such case; there are {names}")
    return [case for case in found if options.data or not case.needs_data]


def _say(case, epsilon, method, row, mean):
    print(
        f"{case.name:<24}{epsilon:<6g}{method:<34}{mean:>9.4f}"
        f"{min(row['cpu']):>10.4f}{min(row['wall']):>10.4f}",
        flush=True,
    )


def _score(process, request, n_splits, options, n_draws=1):
    """Scores and times of one method on some splits, or None and the error."""
    row = {"scores": [], "cpu": [], "wall": []}
    first = 0 if options.search else _DRAW
    for split, draw in itertools.product(range(n_splits), range(n_draws)):
        asked = {"do": "fit", **request, "split": split, "draw": first + draw * _STRIDE}
        answer = process.ask(asked, options.limit)
        if "error" in answer:
            return None, answer["error"]
        row["scores"].append(answer["score"])
        row["cpu"].append(answer["cpu"])
        row["wall"].append(answer["wall"])
    return row, ""


def _methods(processes, case, epsilon, search=False):
    """Yield name, process and request of every method of a case."""
    request = {"name": case.name, "epsilon": epsilon}
    for peer, process in processes.items():
        asked = process.ask({"do": "variants", **request, "search": search}, 300.0)
        for variant in asked.get("variants", ()):
            yield f"{peer}:{variant}", process, {**request, "variant": variant}


def _fits(case, epsilon, processes, options):
    """Rows of every method at a budget, printed as they come."""
    rows = {}
    centre = statistics.median if case.kind == "regression" else statistics.fmean
    for method, process, request in _methods(processes, case, epsilon, options.search):
        count = min(options.seeds, _SEARCHED) if options.search else options.seeds
        # Without noise there is one answer.
        several = case.kind == "accuracy" and process.peer != "sklearn"
        draws = options.draws if several and not options.search else 1
        row, error = _score(process, request, count, options, draws)
        if row is None:
            print(f"{case.name:<24}{epsilon:<6g}{method:<34}{error}")
            continue
        rows[method] = row
        _say(case, epsilon, method, row, centre(row["scores"]))
    return rows


def _search(case, epsilon, processes, options):
    """Rows on all splits of the best settings of each library."""
    rows, final = _fits(case, epsilon, processes, options), {}
    for peer, process in processes.items():
        own = [method for method in rows if method.startswith(f"{peer}:")]
        own.sort(key=lambda method: -sum(rows[method]["scores"]))
        for method in own[:_FINALISTS]:
            variant = method.split(":", 1)[1]
            request = {"name": case.name, "epsilon": epsilon, "variant": variant}
            row, _ = _score(process, request, options.seeds, options)
            if row is not None:
                final[method] = row
                _say(case, epsilon, method, row, statistics.fmean(row["scores"]))
    return final


def _speed(case, epsilon, processes, options):
    """Times and scores of every method, warm and in a fresh process."""
    rows = {}
    for method, process, request in _methods(processes, case, epsilon):
        request |= {"repeat": options.repeat}
        row, error = _score(process, request, 1, options)
        if row is None:
            print(f"{case.name:<24}{epsilon:<6g}{method:<34}{error}")
            continue
        alone = fresh(
            process.peer,
            process.interpreter,
            options.cache,
            {"do": "fit", **request, "repeat": 1, "split": 0},
            timeout=options.limit,
            threads=options.threads,
            log=options.log,
            module=_MODULE,
        )
        row |= {"first_cpu": alone.get("cpu"), "first_wall": alone.get("wall")}
        rows[method] = row
        _say(case, epsilon, method, row, row["scores"][0])
    return rows


def _noise(case, epsilon, processes, options):
    """Noise multipliers for a budget by every accountant, and what checks them."""
    rows = {}
    for rate, steps in SCHEDULES:
        found = rows.setdefault(f"{rate:g} {steps}", {})
        schedule = {"delta": case.delta, "rate": rate, "steps": steps}
        for method, process, request in _methods(processes, case, epsilon):
            request |= schedule
            answer = process.ask({"do": "noise", **request}, options.limit)
            found[method] = answer
            text = answer.get("error") or f"{answer['sigma']:.4f}{answer['cpu']:>10.4f}"
            where = f"{case.name:<14}{epsilon:<6g}{rate:<6g}{steps:<6}"
            print(f"{where}{method:<22}{text}", flush=True)
        checker, own = processes.get("dp_accounting"), found.get("skopt2:auto", {})
        if checker and "sigma" in own:
            request = {"do": "spent", "sigma": own["sigma"], **schedule}
            own |= checker.ask(request, options.limit)
    return rows


def _run(case, processes, options):
    rows = {}
    for epsilon in case.epsilons:
        if options.epsilon and epsilon not in options.epsilon:
            continue
        if case.kind == "accountant":
            work = _noise
        elif case.kind == "speed":
            work = _speed
        else:
            work = _search if options.search else _fits
        rows[f"{epsilon:g}"] = work(case, epsilon, processes, options)
    return rows


def _show(options):
    results = json.loads(options.table.read_text())
    made = tables(results)
    if options.into:
        options.into.write_text(insert(options.into.read_text(), made))
        return
    for name, lines in made.items():
        print(f".. {name}", "", *lines, "", sep="\n")


def main(argv=None):
    """Run the benchmark and print its figures, or the tables of an earlier run."""
    options = _arguments(argv)
    if options.table:
        _show(options)
        return
    cases = _chosen(options)
    for case in cases:
        prepare(case, options.cache, options.data, options.seeds)
    processes, versions = start_all(options.peers or PEERS, options, _MODULE)
    machine = processor()
    print(
        f"{machine}, threads: {options.threads}\n"
        f"{', '.join(f'{name} {text}' for name, text in versions.items())}\n"
        f"{'case':<24}{'eps':<6}{'method':<34}{'score':>9}{'cpu s':>10}{'wall s':>10}"
    )
    results = {"machine": machine, "threads": options.threads, "versions": versions}
    results["cases"] = {}
    try:
        for case in cases:
            results["cases"][case.name] = _run(case, processes, options)
            if options.output:
                options.output.write_text(json.dumps(results, indent=1))
    finally:
        for process in processes.values():
            process.stop()


if __name__ == "__main__":
    sys.exit(main())
