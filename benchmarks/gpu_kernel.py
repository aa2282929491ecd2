"""Kernel products and kernel machines in the device benchmark.

Iterative solvers take a fixed number of epochs, in the order of rows that a seed on the
host draws, so that both sides do the same work and end at the same point.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.gpu_timing import Row, seconds_of
from skopt2._core.array import HOST, move, to_numpy
from skopt2.kernel_machine import EigenProRegressor
from skopt2.kernels import KernelOperator, get_kernel

# Rows at which the models are compared.
_COMPARED = 1000


@dataclass(frozen=True)
class Sample:
    """Points, and noisy values of smooth functions there, in float64."""

    X: np.ndarray
    Y: np.ndarray


def make_sample(n, d, c, seed=0):
    """Draw a sample.

    Parameters
    ----------
    n, d, c : int
        Rows, features, targets.
    seed : int, default=0
        Of everything.

    Returns
    -------
    sample : Sample
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    directions = rng.standard_normal((d, c)) / np.sqrt(d)
    Y = np.sin(2.0 * X @ directions) + 0.1 * rng.standard_normal((n, c))
    return Sample(X, Y)


DATA = {
    "K-small": lambda: make_sample(10_000, 32, 10),
    "K": lambda: make_sample(50_000, 32, 10),
    "K-large": lambda: make_sample(500_000, 32, 10),
    "quick-kernel": lambda: make_sample(400, 4, 2),
}


@dataclass(frozen=True)
class Case:
    """A product, or a fit by one solver.

    Attributes
    ----------
    name, data : str
        Names of the case and of its sample.
    solver : str or None
        Of the estimator; None for a product of the kernel matrix.
    options : tuple of (str, object)
        Parameters of the estimator.
    kernel : str
        Name.
    dtype : str
        Precision on the device.
    """

    name: str
    data: str
    solver: str | None = None
    options: tuple = ()
    kernel: str = "matern"
    dtype: str = "float32"


# Blocks large enough for a device, the same on the host.
_EPOCHS = (("max_iter", 3), ("tol", 1e-12), ("batch_size", 2000))
_CENTERS = (("max_iter", 3), ("tol", 1e-12), ("centers", 5000))
CASES = (
    Case("product K", "K"),
    Case("product K f64", "K", dtype="float64"),
    Case("product K gaussian", "K", kernel="gaussian"),
    Case("cholesky K", "K-small", "cholesky"),
    Case("cholesky K f64", "K-small", "cholesky", dtype="float64"),
    Case("sap epochs K", "K", "sap", _EPOCHS),
    Case("eigenpro epochs K", "K", "eigenpro", _EPOCHS),
    Case("centres K-large", "K-large", "eigenpro", _CENTERS),
)
_QUICK = (("max_iter", 2), ("tol", 1e-12), ("batch_size", 100))
QUICK = (
    Case("product", "quick-kernel"),
    Case("product f64", "quick-kernel", dtype="float64"),
    Case("cholesky", "quick-kernel", "cholesky"),
    Case("sap", "quick-kernel", "sap", _QUICK, dtype="float64"),
    Case("eigenpro", "quick-kernel", "eigenpro", _QUICK),
    Case(
        "centres",
        "quick-kernel",
        "eigenpro",
        (("max_iter", 2), ("tol", 1e-12), ("centers", 50)),
    ),
)


def run(case, data, target, repeat):
    """Compute one case on the CPU and on the device.

    Parameters
    ----------
    case : Case
        What to compute.
    data : Sample
        From :func:`make_sample`.
    target : Target
        The device.
    repeat : int
        Timed calls after the first.

    Returns
    -------
    row : Row
        The figures. Operations are those of the entries of the kernel matrix and of
        their products with the coefficients, and a third of the cube of the rows for a
        factorisation; bytes are those of these entries, which a solver that keeps no
        matrix does not move: more than the ceiling means that it did not.
    """
    work = _Product if case.solver is None else _Fit
    reference = work(case, data, "float64", HOST, HOST)
    # The host takes long; its first call, which is not timed, has warmed it.
    _, cpu, expected = seconds_of(reference, HOST, 1)
    with target.activate():
        there = work(case, data, case.dtype, target, target)
        first, seconds, found = seconds_of(there, target, repeat)
        copied = work(case, data, case.dtype, HOST, target)
        _, from_host, _ = seconds_of(copied, target, 1)
    values, wanted = there.values(found), reference.values(expected)
    n, d, c = *data.X.shape, data.Y.shape[1]
    entries, flops = there.entries(found, n), 0.0
    if case.solver == "cholesky":
        flops = n**3 / 3.0
    flops += entries * 2.0 * (d + c)
    objective, before = there.objective(found), reference.objective(expected)
    return Row(
        name=case.name,
        cpu=cpu,
        device=seconds,
        first=first,
        from_host=from_host,
        bytes_rate=entries * np.dtype(case.dtype).itemsize / seconds,
        flop_rate=flops / seconds,
        error=float(np.abs(values - wanted).max() / np.abs(wanted).max()),
        objective=objective / before - 1.0,
        certificate=there.certificate(found),
    )


class _Product:
    """K V of a kernel matrix that is not stored, V the targets.

    Parameters
    ----------
    case : Case
        Its kernel.
    data : Sample
        Points and targets.
    dtype : str
        Of both.
    home, target : Target
        Where they are, and where to compute.
    """

    def __init__(self, case, data, dtype, home, target):
        self._kernel = get_kernel(case.kernel, length_scale=data.X.shape[1] ** 0.5)
        self._arrays = [move(a.astype(dtype), home) for a in (data.X, data.Y)]
        self._home, self._target = home, target

    def __call__(self):
        X, V = (move(array, self._target) for array in self._arrays)
        product = KernelOperator(self._kernel, X, store=False).product(V)
        return move(product, self._home)

    def values(self, found):
        return to_numpy(found).astype(np.float64)

    def entries(self, found, n):
        return float(n) ** 2

    def objective(self, found):
        V = to_numpy(self._arrays[1]).astype(np.float64)
        return float(np.sum(V * self.values(found)))

    def certificate(self, found):
        return "none: a product"


class _Fit:
    """A fit, and its values at some rows; parameters as those of a product."""

    def __init__(self, case, data, dtype, home, target):
        self._arrays = [move(a.astype(dtype), home) for a in (data.X, data.Y)]
        self._model = EigenProRegressor(
            case.kernel,
            length_scale=data.X.shape[1] ** 0.5,
            alpha=1e-2,
            solver=case.solver,
            random_state=0,
            device=None if home is target else target.label,
            **dict(case.options),
        )

    def __call__(self):
        return self._model.fit(*self._arrays)

    def values(self, found):
        X = self._arrays[0]
        rows = X[: min(_COMPARED, X.shape[0]), :]
        return to_numpy(found.predict(rows)).astype(np.float64)

    def entries(self, found, n):
        columns = n if found.centers is None else found.centers
        return found.n_epochs_ * float(n) * columns

    def objective(self, found):
        return found.objective_

    def certificate(self, found):
        return str(found.certificate_)
