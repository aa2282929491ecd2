"""Gaussian processes: skopt2 beside scikit-learn and GPyTorch.

Run from the root of the repository::

    python -m benchmarks.gp --data DIR --python gpytorch=ENV/bin/python

Every library gets the same arrays in float32 and the same Matern-3/2 kernel with a
length scale for each feature (:mod:`benchmarks.gp_cases`). Timed is all that leads to
mean and variance of the test targets: in the rows ``given`` with the published
hyperparameters, in the rows ``fitted`` with the search for them included. Peak memory
is what the process grew by.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.gp_cases import CASES, PUBLISHED, prepare
from benchmarks.gp_peers.base import PEERS
from benchmarks.machine import processor
from benchmarks.processes import start_all

_MODULE = "benchmarks.gp_worker"
_DEFAULT = ("pol-0", "elevators-0", "protein-0")


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gp",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the prepared problems",
    )
    names = [case.name for case in CASES]
    parser.add_argument("--cases", nargs="+", choices=names, default=list(_DEFAULT))
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--variants", nargs="+", help="only methods of these names")
    parser.add_argument(
        "--parts", nargs="+", choices=("given", "fitted"), default=["given", "fitted"]
    )
    parser.add_argument("--python", nargs="+", default=[], metavar="PEER=PATH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of a run")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    return parser.parse_args(argv)


def _run_case(name, part, processes, options):
    """Answers of every method on a case, printed as they come."""
    answers, fitted = {}, part == "fitted"
    for peer, process in processes.items():
        request = {"name": name, "fitted": fitted}
        asked = process.ask({"do": "variants", **request}, timeout=300.0)
        for variant in asked.get("variants", ()):
            if options.variants and variant not in options.variants:
                continue
            request["variant"] = variant
            answer = process.ask({"do": "case", **request}, timeout=options.limit)
            row = f"{name:<14}{part:<8}{peer + ':' + variant:<20}"
            if "error" in answer:
                print(row + answer["error"])
                continue
            answers[f"{peer}:{variant}"] = answer
            print(
                f"{row}{answer['cpu']:>9.2f}{answer['wall']:>9.2f}"
                f"{answer['rmse']:>9.4f}{answer['nll']:>9.4f}"
                f"{answer['megabytes']:>8.0f}  {answer['remark']}"
            )
            sys.stdout.flush()
    return answers


def main(argv=None):
    """Run the benchmark and print its table."""
    options = _arguments(argv)
    chosen = [case for case in CASES if case.name in options.cases]
    for case in chosen:
        prepare(case, options.cache, options.data)
    processes, versions = start_all(options.peers or PEERS, options, _MODULE)
    print(
        f"{processor()}, threads: {options.threads}\n"
        f"{', '.join(f'{name} {text}' for name, text in versions.items())}\n"
        f"{'case':<14}{'part':<8}{'method':<20}{'cpu s':>9}{'wall s':>9}{'rmse':>9}"
        f"{'nll':>9}{'MB':>8}  remark"
    )
    results = {"versions": versions, "cases": {}}
    try:
        for case in chosen:
            rmse, nll = PUBLISHED[case.data]
            print(f"{case.name:<14}{'':<8}{'published':<38}{rmse:>9.2f}{nll:>9.2f}")
            for part in options.parts:
                key = f"{case.name} {part}"
                results["cases"][key] = _run_case(case.name, part, processes, options)
                if options.json:
                    options.json.write_text(json.dumps(results, indent=1))
    finally:
        for process in processes.values():
            process.stop()


if __name__ == "__main__":
    main()
