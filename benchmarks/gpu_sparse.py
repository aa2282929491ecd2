"""The sparse estimators in the device benchmark."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from benchmarks.gpu_timing import Row, seconds_of
from benchmarks.sparse_data import make_dense, make_sparse
from skopt2._core.array import HOST, move, to_numpy
from skopt2.linear_model import SparseClassifier, SparseRegressor

DATA = {
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
    _, cpu, reference = seconds_of(
        lambda: _estimator(case, alpha).fit(data.X, y), HOST, repeat
    )
    X, target_y = _cast(data.X, case.dtype), y.astype(case.dtype)
    device = None if target.kind == "numpy" else target.label
    with target.activate():
        on_device = move(X, target), move(target_y, target)
        first, seconds, fitted = seconds_of(
            lambda: _estimator(case, alpha, device).fit(*on_device), target, repeat
        )
        _, from_host, _ = seconds_of(
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
