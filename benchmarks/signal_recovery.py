"""Signal recovery: the simulation designs of the accelerated-gradient paper.

Run from the root of the repository (about ten minutes on one core)::

    python -m benchmarks.signal_recovery
    python -m benchmarks.signal_recovery --replications 1 --snr 3   # a minute or two

The first table reproduces the study of signal recovery: 1000 rows are fitted along a
path of penalties, 1000 others choose the point on it, and the coefficients there are
compared with the truth. ``error`` is ``|w - truth|^2 / |truth|^2``, ``PPV`` the share
of the selected features that are signals, ``found`` the share of the signals that are
selected, ``seconds`` the time of the path, all means with standard errors over the data
sets. The second table counts iterations to a stationary point from a cold start, on all
features, with the step sizes of the paper: proximal gradient, and the accelerated
gradient method without and with restarts.

K. Yang, M. Asgharian and S. Bhatnagar, Accelerated gradient methods for sparse
statistical learning with nonconvex penalties, arXiv:2009.10629.
"""

import argparse
import json
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skopt2.datasets import make_signal_recovery
from skopt2.linear_model import SparseRegressor
from skopt2.losses import Squared
from skopt2.penalties import MCP, SCAD
from skopt2.solvers.accelerated_gradient import AcceleratedGradient
from skopt2.solvers.certificate import gradient_scale, kkt_violation
from skopt2.solvers.composite import CompositeModel
from skopt2.solvers.problem import LinearProblem

# Name -> penalty and solver.
METHODS = {
    "lasso": ("l1", "newton"),
    "MCP": ("mcp", "newton"),
    "MCP, ag": ("mcp", "ag"),
    "MCP, proxgrad": ("mcp", "proxgrad"),
    "SCAD": ("scad", "newton"),
    "SCAD, ag": ("scad", "ag"),
    "SCAD, proxgrad": ("scad", "proxgrad"),
    "MCP, gamma chosen": ((MCP(3.0), MCP(10.0), MCP(30.0)), "newton"),
}
FIGURES = ("error", "ppv", "found", "size", "seconds")
CORRELATIONS, RATIOS = (0.1, 0.5, 0.9), (1.0, 3.0, 7.0, 10.0)
# The path ends where this many levels in a row have validated worse than the best.
PATIENCE = 6


@dataclass(frozen=True)
class Recovery:
    """What one method made of one data set.

    Attributes
    ----------
    error, ppv, found, size, seconds : float
        See the module's docstring.
    certificate : float
        The worst on the path, over its tolerance: at most 1 where all hold.
    """

    error: float
    ppv: float
    found: float
    size: float
    seconds: float
    certificate: float


def follow(penalty, solver, train, test, n_alphas, eps, tol):
    """Fit along a path; return the validation error, coefficients and certificate."""
    (X, y), (X_test, y_test) = train, test
    top = float(np.abs(X.T @ (y - y.mean())).max()) / y.size
    model = SparseRegressor(penalty=penalty, solver=solver, tol=tol, warm_start=True)
    best, coef, idle, worst = np.inf, np.zeros(X.shape[1]), 0, 0.0
    for alpha in np.geomspace(top, top * eps, n_alphas):
        model.set_params(alpha=alpha).fit(X, y)
        worst = max(worst, model.certificate_.value / tol)
        loss = float(np.mean((model.predict(X_test) - y_test) ** 2))
        idle += 1
        if loss < best:
            best, coef, idle = loss, model.coef_.copy(), 0
        if idle >= PATIENCE:
            break
    return best, coef, worst


def recover(method, data, options):
    """Run one method on one data set; the validation error also chooses gamma."""
    X, y, truth = data
    half = y.size // 2
    train, test = (X[:half], y[:half]), (X[half:], y[half:])
    penalties, solver = METHODS[method]
    penalties = penalties if isinstance(penalties, tuple) else (penalties,)
    start = time.perf_counter()
    runs = [
        follow(one, solver, train, test, options.alphas, options.eps, options.tol)
        for one in penalties
    ]
    seconds = time.perf_counter() - start
    _, coef, _ = min(runs, key=lambda run: run[0])
    size = int(np.count_nonzero(coef))
    right = int(np.count_nonzero(coef[truth != 0]))
    return Recovery(
        error=float(np.sum((coef - truth) ** 2) / np.sum(truth**2)),
        ppv=right / max(size, 1),
        found=right / int(np.count_nonzero(truth)),
        size=size,
        seconds=seconds,
        certificate=max(run[2] for run in runs),
    )


def study_recovery(options):
    """Print the table of signal recovery, and return its rows."""
    print(
        f"{'rho':>4s} {'snr':>4s}  {'method':<18s}{'error':>16s}{'PPV':>14s}"
        f"{'found':>14s}{'features':>9s}{'seconds':>9s}{'certified':>11s}"
    )
    rows = []
    for rho in options.rho:
        for snr in options.snr:
            runs = {method: [] for method in options.methods}
            for seed in range(options.replications):
                data = make_signal_recovery(2000, rho=rho, snr=snr, random_state=seed)
                for method, found in runs.items():
                    found.append(recover(method, data, options))
            for method, found in runs.items():
                rows.append({"rho": rho, "snr": snr, "method": method})
                rows[-1]["runs"] = [asdict(one) for one in found]
                print(_recovery_line(rho, snr, method, found), flush=True)
    return rows


def _recovery_line(rho, snr, method, found):
    """Means and standard errors over the data sets of a cell."""
    values = {k: np.array([getattr(one, k) for one in found]) for k in FIGURES}
    spread = {k: v.std(ddof=v.size > 1) / np.sqrt(v.size) for k, v in values.items()}
    mean = {k: v.mean() for k, v in values.items()}
    held = sum(one.certificate <= 1.0 for one in found)
    return (
        f"{rho:4.1f} {snr:4.0f}  {method:<18s}"
        f"{mean['error']:8.4f} ±{spread['error']:6.4f}"
        f"{mean['ppv']:7.3f} ±{spread['ppv']:5.3f}"
        f"{mean['found']:7.3f} ±{spread['found']:5.3f}"
        f"{mean['size']:9.1f}{mean['seconds']:9.2f}{held:>8d}/{len(found)}"
    )


class Counter:
    """Iterations of first-order methods on one problem, from a cold start.

    Parameters
    ----------
    X, y : ndarray of shape (n, p) and (n,)
        Data, both centred.
    penalty : MCP or SCAD
        Penalty.
    alpha : float
        Its level.
    """

    def __init__(self, X, y, penalty, alpha):
        level = np.full(X.shape[1], alpha)
        self.problem = LinearProblem(X, y, Squared(), penalty, level)
        self.problem.scale = gradient_scale(self.problem)
        self.model = CompositeModel(self.problem)
        self.lam = self.model.levels(level)
        self.solver = AcceleratedGradient(self.problem, 1e-6)

    def count(self, advance, start, target, limit):
        """Return the iterations to a relative KKT violation, and the objective."""
        state, value = start, np.inf
        for k in range(1, limit + 1):
            state, point = advance(state)
            if k % 5:
                continue
            g, _ = self.model.gradient(point.eta)
            value = kkt_violation(self.problem, point.w, g)
            if value <= target:
                return k, self.model.objective(point, self.lam)
        return limit, self.model.objective(point, self.lam)

    def proximal(self, target, limit):
        """Count those of proximal gradient with the step 1 / L."""
        model, penalty = self.model, self.problem.penalty
        zero = model.at(np.zeros(model.m), 0.0)
        step = 1.0 / (model.curvature_bound(zero.eta) * model.theta * model.metric)

        def advance(point):
            g, _ = model.gradient(point.eta)
            w = penalty.prox(point.w - step * g, step, self.lam)
            point = model.at(w, 0.0)
            return point, point

        return self.count(advance, zero, target, limit)

    def accelerated(self, target, limit, restarts):
        """Count those of the accelerated method."""
        model, solver = self.model, self.solver
        zero = model.at(np.zeros(model.m), 0.0)
        steps = solver.steps(model, zero.eta)

        def advance(pace):
            if not restarts:
                pace = replace(pace, rest=0.0 * pace.rest)
            pace = solver.advance(model, pace, steps, self.lam)
            return pace, model.at(pace.v, pace.d)

        return self.count(advance, solver.start(zero), target, limit)


def study_iterations(options):
    """Print the table of iterations, and return its rows."""
    print(
        f"\niterations to a relative KKT violation of {options.target:.0e} "
        f"(at most {options.limit}), and the objective there\n"
        f"{'rho':>4s}  {'penalty':<8s}{'alpha/max':>10s}"
        f"{'proximal gradient':>24s}{'ag, no restart':>24s}{'ag':>24s}"
    )
    rows = []
    for rho in options.rho:
        X, y, _ = make_signal_recovery(1000, rho=rho, snr=3.0, random_state=0)
        y = y - y.mean()
        top = float(np.abs(X.T @ y).max()) / y.size
        for penalty in (MCP(), SCAD()):
            for share in (0.2, 0.05):
                counter = Counter(X, y, penalty, share * top)
                stop = options.target, options.limit
                counts = (
                    counter.proximal(*stop),
                    counter.accelerated(*stop, restarts=False),
                    counter.accelerated(*stop, restarts=True),
                )
                row = {"rho": rho, "penalty": penalty.name, "share": share}
                rows.append(row | {"counts": counts})
                cells = "".join(f"{k:>10d} {value:13.6g}" for k, value in counts)
                print(f"{rho:4.1f}  {penalty.name:<8s}{share:>10g}{cells}", flush=True)
    ratios = [row["counts"][0][0] / row["counts"][2][0] for row in rows]
    print(f"proximal gradient over ag: median ratio {np.median(ratios):.1f}")
    return rows


def main(argv=None):
    """Run both studies."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.signal_recovery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--replications", type=int, default=5)
    parser.add_argument("--rho", type=float, nargs="+", default=CORRELATIONS)
    parser.add_argument("--snr", type=float, nargs="+", default=RATIOS)
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--alphas", type=int, default=50)
    parser.add_argument("--eps", type=float, default=0.01)
    parser.add_argument("--tol", type=float, default=1e-5)
    parser.add_argument("--target", type=float, default=1e-4)
    parser.add_argument("--limit", type=int, default=3000)
    parser.add_argument("--json", type=Path, help="write every run to this file")
    options = parser.parse_args(argv)
    # The table says which paths kept their certificates.
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = {
        "recovery": study_recovery(options),
        "iterations": study_iterations(options),
    }
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
