"""Estimators on a GPU beside the same estimators on the CPU.

Run from the root of the repository, where CuPy works::

    pip install -e .[cuda12]
    python -m benchmarks.gpu --json gpu.json

Each case, of sparse learning (:mod:`benchmarks.gpu_sparse`), of kernel machines
(:mod:`benchmarks.gpu_kernel`) and of private models (:mod:`benchmarks.gpu_privacy`), is
fitted on the CPU in float64, which is the reference, and on the device in the precision
of the case, from arrays that are there already. The table gives

- ``cpu``, ``device``: seconds of the fastest of ``--repeat`` fits, the device
  synchronised before the clock starts and before it stops; ``first`` the first fit of
  the process, kernels compiled and memory touched on the way;
- ``from host``: seconds of a fit with ``device=`` from NumPy arrays, copies included;
- ``GB/s``, ``GFLOP/s`` and their shares of the ceilings, which are measured in the same
  run (a copy on the device, counted as read and written, and a product of two
  matrices). For sparse learning they are lower bounds: an iteration reads X at least
  twice, for Xw and for X'r, 4 operations a stored value; what its inner steps do is not
  counted. For kernels they count the entries of the kernel matrix;
- ``error``: largest difference of the coefficients, or of the predictions of a kernel
  machine, from the reference, relative to its largest; ``objective``: relative
  difference of the objective;
- the certificate that the fit on the device ended with.

``--device cpu`` measures the host against itself, which tests the script.
"""

import argparse
import json
import platform
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import gpu_kernel, gpu_privacy, gpu_sparse
from benchmarks.gpu_timing import ceilings
from benchmarks.machine import processor
from skopt2._core import cuda
from skopt2._core.array import HOST

_MODULES = {module.Case: module for module in (gpu_sparse, gpu_kernel, gpu_privacy)}
CASES = gpu_sparse.CASES + gpu_kernel.CASES + gpu_privacy.CASES
QUICK = gpu_sparse.QUICK + gpu_kernel.QUICK + gpu_privacy.QUICK


def _table(rows, rates, dtypes):
    """Yield the lines of the table."""
    yield (
        f"{'case':20s}{'cpu':>9s}{'device':>9s}{'first':>9s}{'from host':>10s}"
        f"{'GB/s':>9s}{'':>6s}{'GFLOP/s':>9s}{'':>6s}{'error':>9s}{'objective':>11s}"
        "  certificate"
    )
    for row, dtype in zip(rows, dtypes, strict=True):
        yield (
            f"{row.name:20s}{row.cpu:9.4f}{row.device:9.4f}{row.first:9.3f}"
            f"{row.from_host:10.4f}{row.bytes_rate / 1e9:9.1f}"
            f"{row.bytes_rate / rates['copy']:6.0%}{row.flop_rate / 1e9:9.1f}"
            f"{row.flop_rate / rates[dtype]:6.0%}{row.error:9.1e}{row.objective:+11.1e}"
            f"  {row.certificate}"
        )


def _describe(target):
    """Return the device and the versions that a result depends on."""
    import scipy
    import sklearn

    info = {
        "device": processor(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
    if target.kind == "cuda":
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(target.index)
        info["device"] = properties["name"].decode()
        info["cupy"] = cupy.__version__
        info["cuda runtime"] = str(cupy.cuda.runtime.runtimeGetVersion())
        info["driver"] = str(cupy.cuda.runtime.driverGetVersion())
    return info


def _arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:<number> or cpu")
    parser.add_argument("--cases", nargs="+", help="names or beginnings of names")
    parser.add_argument("--quick", action="store_true", help="small data")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    return parser.parse_args(argv)


def main(argv=None):
    """Command line; returns the exit status."""
    options = _arguments(argv)
    cases = QUICK if options.quick else CASES
    if options.cases:
        cases = [c for c in cases if c.name.startswith(tuple(options.cases))]
    try:
        target = HOST if options.device == "cpu" else cuda.cuda_target(options.device)
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    info = _describe(target)
    rates = ceilings(target, 512 if options.quick else 8192)
    print(", ".join(f"{key} {value}" for key, value in info.items()))
    print(
        f"ceilings: copy {rates['copy'] / 1e9:.0f} GB/s, products "
        f"{rates['float64'] / 1e12:.2f} (float64) and {rates['float32'] / 1e12:.2f} "
        "(float32) TFLOP/s"
    )
    rows, made = [], {}
    with warnings.catch_warnings():
        # A fit that does not converge says so in its certificate.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for case in cases:
            module = _MODULES[type(case)]
            if case.data not in made:
                made = {case.data: module.DATA[case.data]()}
            rows.append(module.run(case, made[case.data], target, options.repeat))
    print(*_table(rows, rates, [case.dtype for case in cases]), sep="\n")
    if options.json:
        report = {"info": info, "ceilings": rates, "rows": [asdict(r) for r in rows]}
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
