"""Kernel machines: skopt2 beside scikit-learn, EigenPro 2 and Falkon.

Run from the root of the repository::

    python -m benchmarks.kernel --data DIR --python eigenpro=ENV/bin/python

Every library gets the same arrays in float32 and the same Laplacian kernel, and is
timed to the same error on the same test part (:mod:`benchmarks.kernel_cases`). A method
with a budget (epochs, centres) is run with growing ones until it gets there or passes
the limit; the time is that of the cheapest run that got there, alone. skopt2's
``auto`` gets a tolerance of 1e-2 and nothing else. Peak memory is what the process grew
by during the fit. Before the table stand the machine's own rates: a product of two
matrices, and the entries a second of kernel products.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.chosen_cases import chosen
from benchmarks.kernel_cases import CASES, prepare
from benchmarks.kernel_peers.base import PEERS
from benchmarks.machine import processor
from benchmarks.processes import start_all

_MODULE = "benchmarks.kernel_worker"


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with protein and MNIST")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the prepared problems",
    )
    parser.add_argument("--cases", nargs="+", help="names or beginnings of names")
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--variants", nargs="+", help="only methods of these names")
    parser.add_argument("--python", nargs="+", default=[], metavar="PEER=PATH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument(
        "--limit", type=float, default=60.0, help="seconds of a run that ends a search"
    )
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--log", type=Path, help="file for what the libraries print")
    return parser.parse_args(argv)


def rates(n=4096, m=8192, d=26):
    """Rates of this machine: products of matrices, and entries of kernel products.

    Returns
    -------
    gflops : float
        float32 product of two matrices, 1e9 operations a second.
    nanoseconds : float
        Processor time of an entry of a Matern-3/2 kernel product, float32, d = 26.
    share : float
        Share of the rate of plain products that those within the kernel product make.
    """
    from skopt2.kernels import KernelOperator, Matern

    rng = np.random.default_rng(0)
    A = rng.standard_normal((2048, 2048)).astype(np.float32)
    gemm = min(_seconds(lambda: A @ A) for _ in range(3))
    X = rng.standard_normal((m, d)).astype(np.float32)
    operator = KernelOperator(Matern(nu=1.5, length_scale=3.0), X, store=False)
    v = rng.standard_normal((m, 1)).astype(np.float32)
    rows = slice(0, n)
    entry = min(_seconds(lambda: operator.rows(rows, v)) for _ in range(3)) / (n * m)
    gflops = 2e-9 * 2048**3 / gemm
    return gflops, 1e9 * entry, 2e-9 * (d + 1) / entry / gflops


def _seconds(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def _wanted(options):
    """Cases to run; a line is printed for each that is skipped."""
    names = chosen([case.name for case in CASES], options.cases)
    cases = [case for case in CASES if case.name in names]
    for case in list(cases):
        if case.needs == "data" and options.data is None:
            print(f"skipped {case.name}: --data DIR not given")
            cases.remove(case)
    return cases


def _run_case(case, processes, options):
    """Answers of every method on a case."""
    prepare(case, options.cache, options.data)
    answers = {}
    for peer, process in processes.items():
        asked = process.ask({"do": "variants", "name": case.name}, timeout=300.0)
        for variant in asked.get("variants", ()):
            if options.variants and variant not in options.variants:
                continue
            request = {
                "do": "case",
                "name": case.name,
                "variant": variant,
                "repeat": options.repeat,
                "limit": options.limit,
            }
            answer = process.ask(request, timeout=20.0 * options.limit)
            if "error" in answer:
                print(f"{case.name:<14}{peer + ':' + variant:<20}{answer['error']}")
                continue
            answers[f"{peer}:{variant}"] = answer
            _print_row(case, f"{peer}:{variant}", answer)
    return answers


def _print_row(case, name, answer):
    run = answer["best"] or min(answer["runs"], key=lambda one: one["error"])
    note = "" if answer["best"] else "  NOT REACHED"
    print(
        f"{case.name:<14}{name:<20}{run['cpu']:>9.2f}{run['wall']:>9.2f}"
        f"{run['error']:>10.4f}{run['megabytes']:>9.0f}  {run['remark']}{note}"
    )
    sys.stdout.flush()


def main(argv=None):
    """Run the benchmark and print its table."""
    options = _arguments(argv)
    cases = _wanted(options)
    gflops, entry, share = rates()
    processes, versions = start_all(options.peers or PEERS, options, _MODULE)
    print(
        f"{processor()}, threads: {options.threads}\n"
        f"{', '.join(f'{name} {text}' for name, text in versions.items())}\n"
        f"float32 product {gflops:.0f} GFLOP/s; kernel product {entry:.2f} ns of"
        f" processor time an entry, its matrix product at {share:.0%} of that rate\n"
        f"{'case':<14}{'method':<20}{'cpu s':>9}{'wall s':>9}{'error':>10}"
        f"{'MB':>9}  remark"
    )
    results = {"versions": versions, "rates": [gflops, entry, share], "cases": {}}
    try:
        for case in cases:
            print(f"{case.name:<14}{'target':<20}{'':>18}{case.target:>10.4f}")
            results["cases"][case.name] = _run_case(case, processes, options)
            if options.json:
                options.json.write_text(json.dumps(results, indent=1))
    finally:
        for process in processes.values():
            process.stop()


if __name__ == "__main__":
    main()
