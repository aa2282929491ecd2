r"""Entropic optimal transport: skopt2 beside POT, OTT-JAX, GeomLoss and RegOT.

Run from the root of the repository::

    for name in pot ott geomloss regot; do
        python -m benchmarks.environment build/$name --library $name
    done
    python -m benchmarks.transport --python pot=build/pot/bin/python \
        ott=build/ott/bin/python geomloss=build/geomloss/bin/python \
        regot=build/regot/bin/python

Every library gets the same marginals and cost matrix in float64 and is timed, warmed,
to an L1 error of both marginals that this harness computes from the returned
potentials (:mod:`benchmarks.transport_certificates`). Peers search their tolerance and
number of iterations for the fastest setting that reaches it; skopt2 is called with the
target as its ``tol``, nothing else. ``reference`` are textbook solvers in NumPy.

Everybody has one thread by default, and processor time is compared, because it is what
a busy machine leaves undisturbed; wall time stands beside it. Compiling and first
calls are reported apart. The ratio is to the fastest method of all that solve the
regularised problem: ``pot:emd`` solves another one and is not compared.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

from benchmarks.chosen_cases import chosen
from benchmarks.machine import processor
from benchmarks.processes import fresh, start_all
from benchmarks.transport_cases import CASES, COLD, MEMORY, prepare
from benchmarks.transport_peers.base import PEERS
from benchmarks.transport_summary import summarise

_EXTRAS = ("cold", "memory")
_MODULE = "benchmarks.transport_worker"

# a search makes runs of growing length, each shorter than the limit
_PATIENCE = 12.0


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transport",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with the MNIST test images")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the generated problems",
    )
    parser.add_argument("--cases", nargs="+", help="names or beginnings of names")
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--variants", nargs="+", help="only methods of these names")
    parser.add_argument(
        "--python",
        nargs="+",
        default=[],
        metavar="PEER=PATH",
        help="interpreter of a library that has an environment of its own",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, default=12.0, help="seconds of one run to give up after"
    )
    parser.add_argument("--long", action="store_true", help="run the longest cases too")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument(
        "--recorded",
        type=Path,
        metavar="JSON",
        help="file of an earlier run on this machine: its rows stand for the methods"
        " that are not run now",
    )
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    return parser.parse_args(argv)


def _wanted(options):
    """Names of the cases to run; a line is printed for each that is skipped."""
    known = [case.name for case in CASES] + list(_EXTRAS)
    names = chosen(known, options.cases)
    for case in CASES:
        if case.name not in names:
            continue
        if case.needs == "data" and options.data is None:
            print(f"skipped {case.name}: --data DIR with the MNIST images not given")
            names.remove(case.name)
        elif case.needs == "long" and not options.long:
            print(f"skipped {case.name}: --long not given")
            names.remove(case.name)
    return names


def _count(n_iter):
    """Number of iterations, or a dash where the library does not tell."""
    return str(n_iter) if n_iter >= 0 else "-"


def _print_row(label, solver, run, ratio, note=""):
    setting = f"tol={run['tol']:.0e}"
    if run["budget"]:
        setting += f" max_iter={run['budget']}"
    print(
        f"{label:<22}{solver:<21}{run['cpu']:>10.4f}{run['wall']:>10.4f}"
        f"{run['error']:>10.1e}{_count(run['n_iter']):>9}{ratio:>8}  {setting}{note}"
    )


def _print_case(case, answers, clock):
    """Rows of every target of a case."""
    for i, target in enumerate(case.targets):
        label = f"{case.name} @{target:.0e}"
        reached = {
            solver: answer["best"][i]
            for solver, answer in answers.items()
            if answer["best"][i] is not None and not answer["exact"]
        }
        fastest = min((run[clock] for run in reached.values()), default=float("nan"))
        for solver, answer in answers.items():
            if answer["exact"]:
                if i == 0:
                    _print_row(case.name, solver, answer["runs"][-1], "exact")
            elif solver in reached:
                run = reached[solver]
                note = f"  compiled in {run['compiling']:.2f} s"
                ratio = f"{run[clock] / fastest:.2f}"
                _print_row(label, solver, run, ratio, note if run["compiling"] else "")
            elif answer["runs"]:
                aimed = [run for run in answer["runs"] if run["target"] == target]
                run = min(aimed or answer["runs"], key=lambda one: one["error"])
                _print_row(label, solver, run, "-", "  NOT REACHED")
    sys.stdout.flush()


def _earlier(options):
    """Answers of an earlier run by case and method."""
    if options.recorded is None:
        return {}
    return json.loads(options.recorded.read_text())["cases"]


def _run_case(case, processes, options, recorded):
    """Answers of every method on a case, after those of an earlier run."""
    prepare(case, options.cache, options.data)
    answers = dict(recorded)
    limit = options.limit * case.patience
    for peer, process in processes.items():
        asked = process.ask({"do": "variants", "name": case.name}, timeout=120.0)
        if "error" in asked:
            print(f"{case.name:<22}{peer:<20}{asked['error']}")
            continue
        for variant in asked["variants"]:
            if options.variants and variant not in options.variants:
                continue
            exact = variant in asked["exact"]
            request = {
                "do": "case",
                "name": case.name,
                "variant": variant,
                "targets": [float("inf")] if exact else case.targets,
                "repeat": options.repeat,
                "limit": limit,
                "clock": options.clock,
            }
            answer = process.ask(request, timeout=_PATIENCE * limit + 60.0)
            if "error" in answer:
                print(f"{case.name:<22}{peer + ':' + variant:<20}{answer['error']}")
                continue
            answers[f"{peer}:{variant}"] = {**answer, "exact": exact}
            if exact:
                best = answer["best"] * len(case.targets)
                answers[f"{peer}:{variant}"]["best"] = best
    _print_case(case, answers, options.clock)
    return answers


def _fresh_answers(processes, options, request, case):
    """Answer of a fresh process for every method that can solve a case."""
    prepare(case, options.cache)
    for peer, process in processes.items():
        asked = process.ask({"do": "variants", "name": case.name}, timeout=120.0)
        for variant in asked.get("variants", ()):
            if options.variants and variant not in options.variants:
                continue
            yield (
                f"{peer}:{variant}",
                fresh(
                    peer,
                    process.interpreter,
                    options.cache,
                    {**request, "variant": variant},
                    timeout=600.0,
                    threads=options.threads,
                    log=options.log,
                    module=_MODULE,
                ),
            )


def _run_cold(processes, options):
    """First and second call in a fresh process, import excluded, compiling not."""
    results = {}
    for name, answer in _fresh_answers(processes, options, {"do": "cold"}, COLD):
        if "first" in answer:
            results[name] = answer
            print(
                f"{'cold call':<22}{name:<20} first {answer['first']:8.3f} s"
                f"  second {answer['second']:8.3f} s"
            )
    sys.stdout.flush()
    return results


def _run_memory(processes, options):
    """Peak memory and seconds per iteration at n = 20000."""
    results = {}
    for name, answer in _fresh_answers(processes, options, {"do": "memory"}, MEMORY):
        results[name] = answer
        if "error" in answer:
            print(f"{'memory n=20000':<22}{name:<20} {answer['error'][:200]}")
        else:
            print(
                f"{'memory n=20000':<22}{name:<20} peak {answer['peak']:8.0f} MB,"
                f" {answer['before']:.0f} MB of it before the problem; cpu"
                f" {answer['cpu']:.2f} s, wall {answer['wall']:.2f} s"
                f" for {_count(answer['n_iter'])} iterations, set-up included"
            )
    sys.stdout.flush()
    return results


def main(argv=None):
    """Run the benchmark, print its table and what it comes to."""
    options = _arguments(argv)
    names = _wanted(options)
    processes, versions = start_all(options.peers or PEERS, options, _MODULE)
    machine = {
        "processor": processor(),
        "python": platform.python_version(),
        "threads": options.threads,
        "versions": versions,
        "limit": options.limit,
        "clock": options.clock,
    }
    print(
        f"{machine['processor']}, threads: {options.threads}, compared: {options.clock}"
        f" seconds\n{', '.join(f'{name} {text}' for name, text in versions.items())}\n"
        f"{'case @target':<22}{'solver':<21}{'cpu s':>10}{'wall s':>10}"
        f"{'error':>10}{'n_iter':>9}{'ratio':>8}  setting"
    )
    recorded = _earlier(options)
    results = {"machine": machine, "cases": {}}

    def save():
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))

    try:
        for case in CASES:
            if case.name in names:
                before = recorded.get(case.name, {})
                answers = _run_case(case, processes, options, before)
                results["cases"][case.name] = answers
                save()
        for name, run in (("cold", _run_cold), ("memory", _run_memory)):
            if name in names:
                results[name] = run(processes, options)
        results["summary"] = summarise(results["cases"], options.clock)
        save()
    finally:
        for process in processes.values():
            process.stop()
    for line in results["summary"]["lines"]:
        print(line)


if __name__ == "__main__":
    main()
