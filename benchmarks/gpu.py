"""The sparse estimators on a GPU beside the same estimators on the CPU.

Run from the root of the repository, where CuPy works::

    pip install -e .[cuda12]
    python -m benchmarks.gpu --json gpu.json

Each case is fitted on the CPU in float64, which is the reference, and on the device in
the precision of the case, from arrays that are there already. The table gives

- ``cpu``, ``device``: seconds of the fastest of ``--repeat`` fits, the device
  synchronised before the clock starts and before it stops; ``first`` the first fit of
  the process, kernels compiled and memory touched on the way;
- ``from host``: seconds of a fit with ``device=`` from NumPy arrays, copies included;
- ``GB/s``, ``GFLOP/s`` and their shares of the ceilings, which are measured in the same
  run (a copy on the device, counted as read and written, and a product of two
  matrices). They are lower bounds: an iteration reads X at least twice, for Xw and for
  X'r, 4 operations a stored value; what its inner steps do is not counted;
- ``error``: largest difference of the coefficients from the reference, relative to its
  largest coefficient; ``objective``: relative difference of the objective;
- the certificate that the fit on the device ended with.

``--device cpu`` measures the host against itself, which tests the script.
"""

import argparse
import json
import platform
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from benchmarks.sparse_data import make_dense, make_sparse
from skopt2._core import cuda
from skopt2._core.array import HOST, move, namespace, to_numpy
from skopt2.linear_model import SparseClassifier, SparseRegressor

_DATA = {
    "D": lambda: make_dense(1000, 20000, 200),
    "T": lambda: make_dense(50000, 1000, 100),
    "T-large": lambda: make_dense(400000, 2000, 100),
    "S": lambda: make_sparse(20000, 100000, 1e-3, 500),
    "quick": lambda: make_dense(200, 300, 10),
    "quick-sparse": lambda: make_sparse(300, 500, 0.05, 10),
}


@dataclass(frozen=True)
class Case:
    """One estimator on one data set.

    Attributes
    ----------
    name, data : str
        Names of the case and of its data set.
    fraction : float
        ``alpha`` relative to the smallest that excludes every feature of the lasso.
    options : tuple of (str, object)
        Parameters of the estimator.
    dtype : str
        Precision on the device.
    """

    name: str
    data: str
    fraction: float
    options: tuple = ()
    dtype: str = "float64"

    @property
    def classifies(self):
        """Whether the target is the labels."""
        return ("loss", "logistic") in self.options


CASES = (
    Case("lasso D/10", "D", 0.1),
    Case("lasso D/10 f32", "D", 0.1, dtype="float32"),
    Case("lasso T/100", "T", 0.01),
    Case("lasso T/100 f32", "T", 0.01, dtype="float32"),
    Case("lasso T-large/100", "T-large", 0.01),
    Case("lasso S/10", "S", 0.1),
    Case("mcp D/10", "D", 0.1, (("penalty", "mcp"),)),
    Case("logistic D/10", "D", 0.1, (("loss", "logistic"),)),
    Case("proxgrad D/10", "D", 0.1, (("solver", "proxgrad"),)),
    Case("ag D/10", "D", 0.1, (("solver", "ag"), ("penalty", "scad"))),
)
QUICK = (
    Case("lasso", "quick", 0.1),
    Case("lasso f32", "quick", 0.1, dtype="float32"),
    Case("lasso sparse", "quick-sparse", 0.1),
    Case("logistic", "quick", 0.1, (("loss", "logistic"),)),
    Case("ag", "quick", 0.1, (("solver", "ag"),)),
)


@dataclass(frozen=True)
class Row:
    """Figures of one case; times in seconds, rates per second."""

    name: str
    cpu: float
    device: float
    first: float
    from_host: float
    bytes_rate: float
    flop_rate: float
    error: float
    objective: float
    certificate: str


def _wait(target):
    if target.kind == "cuda":
        cuda.provider.synchronize(target.index)


def _seconds(work, target, repeat):
    """Return the time of the first call, of the fastest later one, and its result."""
    times = []
    for _ in range(repeat + 1):
        _wait(target)
        start = time.perf_counter()
        result = work()
        _wait(target)
        times.append(time.perf_counter() - start)
    return times[0], min(times[1:]), result


def ceilings(target, size, repeat=5):
    """Return the measured rates of the device: copy in bytes, products in FLOP.

    Parameters
    ----------
    target : Target
        The device.
    size : int
        Side of the matrices.
    repeat : int, default=5
        Timed repetitions.

    Returns
    -------
    rates : dict of str to float
        ``"copy"`` in bytes/s, ``"float64"`` and ``"float32"`` in FLOP/s.
    """
    host = np.random.default_rng(0).standard_normal((size, size))
    rates = {}
    with target.activate():
        for dtype in ("float64", "float32"):
            A = move(host.astype(dtype), target)
            _, seconds, _ = _seconds(lambda A=A: A @ A, target, repeat)
            rates[dtype] = 2.0 * size**3 / seconds
        flat = move(np.tile(host.ravel(), 4), target)
        xp = namespace(flat)
        _, seconds, _ = _seconds(lambda: xp.asarray(flat, copy=True), target, repeat)
        rates["copy"] = 2.0 * flat.size * 8 / seconds
    return rates


def _estimator(case, alpha, device=None):
    kind = SparseClassifier if case.classifies else SparseRegressor
    options = {"fit_intercept": False, "alpha": alpha, "device": device}
    return kind(**{**options, **dict(case.options)})


def _cast(X, dtype):
    return X.astype(dtype) if sp.issparse(X) else np.asarray(X, dtype=dtype, order="F")


def run(case, data, target, repeat):
    """Fit one case on the CPU and on the device.

    Parameters
    ----------
    case : Case
        What to fit.
    data : Dataset
        From :mod:`benchmarks.sparse_data`.
    target : Target
        The device.
    repeat : int
        Timed fits after the first.

    Returns
    -------
    row : Row
        The figures.
    """
    y = data.labels if case.classifies else data.y
    alpha = case.fraction * float(np.abs(data.X.T @ y).max()) / len(y)
    alpha *= 0.5 if case.classifies else 1.0
    _, cpu, reference = _seconds(
        lambda: _estimator(case, alpha).fit(data.X, y), HOST, repeat
    )
    X, target_y = _cast(data.X, case.dtype), y.astype(case.dtype)
    device = None if target.kind == "numpy" else target.label
    with target.activate():
        on_device = move(X, target), move(target_y, target)
        first, seconds, fitted = _seconds(
            lambda: _estimator(case, alpha, device).fit(*on_device), target, repeat
        )
        _, from_host, _ = _seconds(
            lambda: _estimator(case, alpha, device).fit(X, target_y), target, 1
        )
    stored = X.nnz if sp.issparse(X) else X.size
    passes = 2 * len(fitted.history_["iteration"])
    width = np.dtype(case.dtype).itemsize + (4 if sp.issparse(X) else 0)
    expected, found = np.ravel(reference.coef_), np.ravel(to_numpy(fitted.coef_))
    scale = max(float(np.abs(expected).max()), np.finfo(float).tiny)
    return Row(
        name=case.name,
        cpu=cpu,
        device=seconds,
        first=first,
        from_host=from_host,
        bytes_rate=passes * stored * width / seconds,
        flop_rate=passes * 2.0 * stored / seconds,
        error=float(np.abs(expected - found).max()) / scale,
        objective=fitted.objective_ / reference.objective_ - 1.0,
        certificate=str(fitted.certificate_),
    )


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
        "device": platform.processor() or platform.machine(),
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
            if case.data not in made:
                made = {case.data: _DATA[case.data]()}
            rows.append(run(case, made[case.data], target, options.repeat))
    print(*_table(rows, rates, [case.dtype for case in cases]), sep="\n")
    if options.json:
        report = {"info": info, "ceilings": rates, "rows": [asdict(r) for r in rows]}
        options.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
