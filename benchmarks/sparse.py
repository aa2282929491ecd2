"""Sparse learning: skopt2 beside scikit-learn, celer, skglm, adelie and abess.

Run from the root of the repository::

    pip install -e .[bench]
    python -m benchmarks.environment build/adelie   # adelie wants an older NumPy
    python -m benchmarks.sparse --python adelie=build/adelie/bin/python

Every library gets the same data, in Fortran order or CSC, which is the best layout
for all but liblinear (given rows, conversion not timed), and is timed warmed to a
certificate that this harness computes from the returned coefficients
(:mod:`benchmarks.certificates`). Peers search their tolerances and settings for the
fastest that reaches it; skopt2 is called with the targets of the case as its ``tol``,
nothing else. No case has an intercept. By default every library uses the machine's
cores; ``--threads 1`` limits all of them, and times them by the processor's clock.

The table gives the seconds, the certificate reached (the worst of a path and its
median), the model size, and the time divided by that of the fastest library other
than skopt2: below 1 in skopt2's rows means ahead of all of them.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.chosen_cases import chosen
from benchmarks.peers.base import peer_names
from benchmarks.processes import fresh, start_all
from benchmarks.sparse_cases import CASES, COLD, TINY
from benchmarks.sparse_data import REAL_FILES, prepare

_EXTRAS = ("cold", "tiny")


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sparse",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with the real data files")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the generated data sets (about 800 MB)",
    )
    parser.add_argument("--cases", nargs="+", help="names or beginnings of names")
    parser.add_argument("--peers", nargs="+", choices=peer_names())
    parser.add_argument(
        "--python",
        nargs="+",
        default=[],
        metavar="PEER=PATH",
        help="interpreter of a library that has an environment of its own",
    )
    parser.add_argument("--threads", type=int, help="threads for every library")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, default=30.0, help="seconds of one run to give up after"
    )
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    return parser.parse_args(argv)


def _wanted(options):
    """Names of the cases to run, and a line for each that is skipped."""
    known = [case.name for case in CASES] + list(_EXTRAS)
    names = chosen(known, options.cases)
    kept = []
    for name in names:
        case = next((one for one in CASES if one.name == name), None)
        if case is not None and case.optional:
            file = REAL_FILES[case.data]
            if options.data is None or not (options.data / file).exists():
                print(f"skipped {name}: --data DIR with {file} not given")
                continue
        kept.append(name)
    return kept


def _print_rows(label, answers, i):
    """Print the rows of target ``i`` of a case; ratios to the fastest peer."""
    rows = {name: answer["best"][i] for name, answer in answers.items()}
    times = [row["seconds"] for name, row in rows.items() if row and name != "skopt2"]
    fastest = min(times, default=np.nan)
    for name, row in rows.items():
        if row is None:
            closest = min(answers[name]["runs"], key=lambda run: run["worst"])
            print(
                f"{label:<26}{name:<9}{'-':>12}  not reached or given up: at best"
                f" {closest['worst']:.1e} in {closest['seconds']:.2f} s"
            )
            continue
        print(
            f"{label:<26}{name:<9}{row['seconds']:>12.4f}{row['worst']:>10.1e}"
            f"{row['median']:>10.1e}{row['n_nonzero']:>8d}{row['objective']:>16.9g}"
            f"{row['seconds'] / fastest:>9.2f}  {row['variant']} tol={row['tol']:.0e}"
        )


def _run_case(case, processes, options):
    prepare(case.data, options.cache, options.data)
    request = {
        "do": "case",
        "name": case.name,
        "repeat": options.repeat,
        "limit": options.limit,
    }
    answers = {}
    for name, process in processes.items():
        answer = process.ask(request, timeout=options.limit * 40)
        if "error" in answer:
            print(f"{case.name:<26}{name:<9}{answer['error']}")
        elif answer["runs"]:
            answers[name] = answer
    for i, target in enumerate(case.targets):
        label = f"{case.name} @{target:.0e}" if np.isfinite(target) else case.name
        _print_rows(label, answers, i)
    sys.stdout.flush()
    return answers


def _run_cold(processes, options):
    """First and second fit in a fresh process, import excluded."""
    results = {}
    prepare("cold", options.cache)
    for kind in COLD:
        for name, process in processes.items():
            answers = [
                fresh(
                    name,
                    process.interpreter,
                    options.cache,
                    {"do": "cold", "name": kind},
                    threads=options.threads,
                    log=options.log,
                )
                for _ in range(options.repeat)
            ]
            answers = [answer for answer in answers if "first" in answer]
            if not answers:
                continue
            best = {key: min(a[key] for a in answers) for key in ("first", "second")}
            results[f"{kind}-{name}"] = best
            print(
                f"{'cold ' + kind:<26}{name:<9} first {1e3 * best['first']:9.2f} ms"
                f"  second {1e3 * best['second']:8.2f} ms"
                f"  ratio {best['first'] / best['second']:8.1f}"
            )
    sys.stdout.flush()
    return results


def _run_tiny(processes, options):
    """One fit on 100 x 10, against scikit-learn's."""
    prepare(TINY.data, options.cache)
    results = {}
    for name, process in processes.items():
        answer = process.ask({"do": "tiny"}, timeout=120.0)
        if "seconds" in answer:
            results[name] = answer["seconds"]
    for name, seconds in results.items():
        ratio = seconds / results.get("sklearn", np.nan)
        print(f"{'tiny':<26}{name:<9}{1e6 * seconds:>9.0f} us {ratio:>9.2f} x sklearn")
    sys.stdout.flush()
    return results


def main(argv=None):
    """Run the benchmark and print its table."""
    options = _arguments(argv)
    names = _wanted(options)
    processes, _ = start_all(options.peers or peer_names(), options)
    print(
        f"threads: {options.threads or os.cpu_count()}, repeat: {options.repeat}\n"
        f"{'case @target':<26}{'library':<9}{'seconds':>12}{'worst':>10}"
        f"{'median':>10}{'nonzero':>8}{'objective':>16}{'ratio':>9}  setting"
    )
    results = {}
    try:
        for case in CASES:
            if case.name in names:
                results[case.name] = _run_case(case, processes, options)
                _save(results, options)
        if "cold" in names:
            results["cold"] = _run_cold(processes, options)
        if "tiny" in names:
            results["tiny"] = _run_tiny(processes, options)
        _save(results, options)
    finally:
        for process in processes.values():
            process.stop()


def _save(results, options):
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
