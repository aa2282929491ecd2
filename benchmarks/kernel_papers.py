r"""What papers of kernel solvers claim, on the data where they claim it.

Run from the root of the repository (five minutes on one core)::

    python -m benchmarks.kernel_papers --data DIR
    python -m benchmarks.kernel_papers --only trajectory centers   # needs no data

``epochs`` solves the Gaussian-process systems of pol and elevators (UCI, the first of
their fixed splits, the Matern-3/2 hyperparameters published with stochastic dual
descent) in float32 and counts the passes over the kernel matrix until the mean at the
test points is within 1e-2 and 1e-3 of that by a Cholesky factor in float64, relative to
its norm. ``trajectory`` follows the mean squared error of EigenPro 2 on 10,000 warped
digits, ``centers`` times epochs of EigenPro on 5000 centres for 50,000 of them, beside
the direct solution. ``cost`` does so for growing numbers of rows and centres. Where the
packages ``eigenpro2`` and ``eigenpro3`` of the authors can be imported with PyTorch,
they run on the same arrays. Seconds are those of the processor.

J. A. Lin, S. Padhy, J. Antoran and others, Stochastic gradient descent for Gaussian
processes done right, ICLR 2024. P. Rathore, Z. Frangella and others, Have ASkotch: a
neat solution for large-scale kernel ridge regression, 2024. S. Ma and M. Belkin, Kernel
machines that adapt to GPUs for effective large batch training, MLSys 2019. A.
Abedsoltan, M. Belkin and P. Pandit, Toward large kernel models, ICML 2023.
"""

import argparse
import contextlib
import io
import json
import math
import re
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from scipy.linalg import solve
from sklearn.exceptions import ConvergenceWarning

from benchmarks.kernel_cases import build, find, prepare, read_split
from skopt2.kernel_machine import EigenProRegressor
from skopt2.kernels import KernelOperator, Laplacian, Matern
from skopt2.solvers.kernel.solve import solve_kernel_system

HYPERPARAMETERS = "gp_published_hyperparameters.json"
SETS = ("pol", "elevators")
# Solver, its tolerance, and the passes after which it is stopped.
SOLVERS = (("sap", 1e-5, 60), ("auto", 1e-3, 100), ("sdd", 1e-5, 260))
LEVELS = (1e-2, 1e-3)
EPOCHS = (1, 5, 15)
# Rows and centres of the study of costs: the first three for n, the others for p.
SIZES = ((10_000, 2000), (20_000, 2000), (40_000, 2000), (20_000, 1000), (20_000, 4000))
LARGE = ("digits-50000", 5000)


class Mean:
    """Monitor of a solve that compares the mean at the test points.

    Parameters
    ----------
    operator : KernelOperator
        Rows the test points, columns those of the fit.
    wanted : ndarray of shape (m, 1)
        The mean.
    enough : float
        Relative error at which the solve ends.
    """

    def __init__(self, operator, wanted, enough):
        self.operator, self.wanted, self.enough = operator, wanted, enough
        self.errors, self.epochs = [], []

    def begin(self, iteration):
        """Nothing."""

    def end(self, iteration, solver, state, measure, history):
        """Note the passes so far and the error."""
        found = self.operator.product(solver.finalize(state).a)
        self.epochs.append(state.n_epochs)
        error = np.linalg.norm(found - self.wanted) / np.linalg.norm(self.wanted)
        self.errors.append(float(error))
        return self.errors[-1] <= self.enough

    def passes(self, level):
        """Passes after which the error was at most a level, or None."""
        pairs = zip(self.epochs, self.errors, strict=True)
        return next((epochs for epochs, error in pairs if error <= level), None)


def study_epochs(options):
    """Print the passes that solvers of Gaussian-process systems take."""
    if options.data is None:
        print("epochs skipped: --data DIR with the UCI sets not given")
        return
    published = json.loads((options.data / HYPERPARAMETERS).read_text())
    print(
        f"{'set':<11}{'solver':<7}{'ended as':<10}{'to 1e-2':>9}{'to 1e-3':>9}"
        f"{'error':>10}{'residual':>10}{'seconds':>9}"
    )
    for name in SETS:
        X, Y, X_test, Y_test = read_split(options.data, name, 0)
        found = published[name][0]
        kernel = Matern(nu=1.5, length_scale=np.array(found["length_scale"]))
        lam = (found["noise_scale"] / found["signal_scale"]) ** 2
        begin = time.process_time()
        wanted = exact_mean(kernel, lam, X, Y, X_test)
        seconds = time.process_time() - begin
        rmse = float(np.sqrt(np.mean((wanted - Y_test) ** 2)))
        print(f"{name:<11}{f'float64 factor, RMSE {rmse:.4f}':<55}{seconds:>9.1f}")
        beside = KernelOperator(kernel, X_test, X)
        for solver, tol, most in SOLVERS:
            line = _epochs_line(kernel, lam, X, Y, beside, wanted, solver, tol, most)
            print(f"{name:<11}{solver:<7}{line}", flush=True)


def exact_mean(kernel, lam, X, Y, X_test):
    """Mean at the test points by a factor in float64."""
    X, X_test = X.astype(np.float64), X_test.astype(np.float64)
    H = KernelOperator(kernel, X).block(slice(None), slice(None))
    H.flat[:: len(H) + 1] += lam
    a = solve(H, Y.astype(np.float64), assume_a="pos", overwrite_a=True)
    return KernelOperator(kernel, X_test, X).product(a)


def _epochs_line(kernel, lam, X, Y, beside, wanted, solver, tol, most):
    """Cells of one solver."""
    # The default is timed to its own tolerance.
    monitor = Mean(beside, wanted, 0.0 if solver == "auto" else LEVELS[-1])
    options = {"tol": tol, "max_epochs": most, "rng": 0}
    begin = time.process_time()
    # Hundreds of passes would take minutes if each computed the matrix anew.
    operator = KernelOperator(kernel, X, store=solver == "sdd")
    result = solve_kernel_system(
        operator, Y, lam, solver=solver, monitor=monitor, **options
    )
    seconds = time.process_time() - begin
    passes = (monitor.passes(level) for level in LEVELS)
    cells = "".join(f"{'-' if n is None else f'{n:.1f}':>9}" for n in passes)
    return (
        f"{result.solution.solver:<10}{cells}{monitor.errors[-1]:>10.1e}"
        f"{result.certificate.value:>10.1e}{seconds:>9.1f}"
    )


def study_trajectory(options):
    """Print how the training error of EigenPro 2 falls."""
    problem = _digits("digits-10000", options)
    print(f"\nmean squared error on the training rows\n{'':<22}{'seconds':>9}", end="")
    print("".join(f"{f'epoch {epoch}':>12}" for epoch in EPOCHS))
    begin = time.process_time()
    errors = trajectory(problem, EPOCHS)
    _print_errors("skopt2", time.process_time() - begin, errors)
    with contextlib.suppress(ImportError):
        begin = time.process_time()
        errors, settings = _authors_trajectory(problem)
        _print_errors("EigenPro 2, authors", time.process_time() - begin, errors)
        begin = time.process_time()
        errors = trajectory(problem, EPOCHS, **settings)
        _print_errors("skopt2, their step", time.process_time() - begin, errors)


class Errors:
    """Monitor of block descent that measures the training error after some epochs."""

    def __init__(self, operator, Y, epochs):
        self.operator, self.Y, self.epochs = operator, Y, epochs
        self.found = {}

    def begin(self, iteration):
        """Nothing."""

    def end(self, iteration, solver, state, measure, history):
        """Measure the error of the iterate, which may not be the best so far."""
        epoch, rest = divmod(state.t, solver.sampler.n_blocks)
        if rest == 0 and epoch in self.epochs:
            a = solver.system.to_units(solver.rule.iterate(state.moving))
            squares = (self.operator.product(a) - self.Y) ** 2
            self.found[epoch] = float(np.mean(squares, dtype=np.float64))


def trajectory(problem, epochs, **settings):
    """Mean squared errors of our EigenPro 2 on the training rows after some epochs."""
    operator = KernelOperator(Laplacian(problem.case.length_scale), problem.X)
    monitor = Errors(operator, problem.Y, epochs)
    options = {"solver": "eigenpro", "tol": 0.0, "max_epochs": max(epochs), "rng": 0}
    solve_kernel_system(
        operator, problem.Y, 0.0, monitor=monitor, **options, **settings
    )
    return [monitor.found[epoch] for epoch in epochs]


def _authors_trajectory(problem):
    import torch
    from eigenpro2.kernels import laplacian
    from eigenpro2.models import KernelModel

    torch.manual_seed(0)
    X, Y = torch.as_tensor(problem.X), torch.as_tensor(problem.Y)
    kernel = partial(laplacian, bandwidth=problem.case.length_scale)
    model = KernelModel(kernel, X, Y.shape[1], device="cpu")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # With the default of 1 for the memory there is no room for a batch.
        found = model.fit(X, Y, X[:100], Y[:100], epochs=max(EPOCHS), mem_gb=4)
    rank, eta, batch = re.search(
        r"top_q: (\d+).*eta=([\d.]+), bs=(\d+)", printed.getvalue(), re.DOTALL
    ).groups()
    settings = {
        "n_components": int(rank) - 1,
        "batch_size": int(batch),
        "step_size": float(eta) / int(batch),
    }
    return [float(found[epoch - 1][0]["mse"]) for epoch in EPOCHS], settings


def _print_errors(name, seconds, errors):
    cells = "".join(f"{error:>12.2e}" for error in errors)
    print(f"{name:<22}{seconds:>9.1f}{cells}", flush=True)


def study_centers(options):
    """Print times and errors of models on few centres, beside the authors' code."""
    name, p = LARGE
    problem = _digits(name, options)
    Z = problem.X[np.random.default_rng(0).permutation(len(problem.X))[:p]]
    print(f"\n{name}, {p} centres\n{'':<26}{'epochs':>8}{'seconds':>9}{'error':>9}")
    for label, epochs, work in (
        ("skopt2, direct", 1, partial(_ours, "cholesky")),
        ("skopt2, EigenPro", 1, partial(_ours, "eigenpro")),
        ("skopt2, EigenPro", 5, partial(_ours, "eigenpro")),
        ("EigenPro 3, authors", 1, _authors_centers),
        ("EigenPro 3, authors", 2, _authors_centers),
    ):
        begin = time.process_time()
        try:
            predict = work(problem, Z, epochs)
        except ImportError:
            continue
        seconds = time.process_time() - begin
        error = problem.error(predict(problem.X_test))
        print(f"{label:<26}{epochs:>8}{seconds:>9.1f}{error:>9.2%}", flush=True)


def _ours(solver, problem, Z, epochs):
    case = problem.case
    model = EigenProRegressor(
        Laplacian(case.length_scale),
        alpha=case.alpha,
        centers=Z,
        solver=solver,
        max_iter=epochs,
        tol=1e-6,
        random_state=0,
    )
    return model.fit(problem.X, problem.Y).predict


def _authors_centers(problem, Z, epochs):
    import torch
    from eigenpro3.kernels import laplacian
    from eigenpro3.models import KernelModel

    torch.manual_seed(0)
    # The authors' loader takes the rows in their order, which is random here.
    X, Y = torch.as_tensor(problem.X), torch.as_tensor(problem.Y)
    kernel = partial(laplacian, bandwidth=problem.case.length_scale)
    with contextlib.redirect_stdout(io.StringIO()):
        model = KernelModel(Y.shape[1], torch.as_tensor(Z), kernel, X=X, y=Y)
        model.fit(model.train_loaders, epochs=epochs)

    def predict(new):
        return (kernel(torch.as_tensor(new), model.centers) @ model.weights).numpy()

    return predict


def study_cost(options):
    """Print the seconds of fits on centres, and how they grow."""
    problem = _digits("digits-50000", options)
    solvers = ("cholesky", "eigenpro")
    print(f"\nseconds of a fit, one pass\n{'rows':>8}{'centres':>9}", end="")
    print("".join(f"{solver:>12}" for solver in solvers))
    seconds = {}
    for n, p in SIZES:
        X, Y = problem.X[:n], problem.Y[:n]
        part = type(problem)(problem.case, X, Y, problem.X_test, problem.Y_test)
        for solver in solvers:
            begin = time.process_time()
            _ours(solver, part, problem.X[-p:], 1)
            seconds[n, p, solver] = time.process_time() - begin
        cells = "".join(f"{seconds[n, p, solver]:>12.2f}" for solver in solvers)
        print(f"{n:>8}{p:>9}{cells}", flush=True)
    for column, name, few, many in ((0, "n", 0, 2), (1, "p", 3, 4)):
        span = math.log(SIZES[many][column] / SIZES[few][column])
        powers = (
            math.log(seconds[*SIZES[many], one] / seconds[*SIZES[few], one]) / span
            for one in solvers
        )
        cells = "".join(f"{power:>12.2f}" for power in powers)
        print(f"{f'power of {name}':>17}{cells}")


def _digits(name, options):
    case = find(name)
    prepare(case, options.cache)
    return build(case, options.cache)


STUDIES = {
    "epochs": study_epochs,
    "trajectory": study_trajectory,
    "centers": study_centers,
    "cost": study_cost,
}


def main(argv=None):
    """Run the studies."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernel_papers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--data", type=Path, help="folder with the UCI sets")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the generated problems",
    )
    options = parser.parse_args(argv)
    # What a run reached is in the tables.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.only:
        STUDIES[name](options)


if __name__ == "__main__":
    main()
