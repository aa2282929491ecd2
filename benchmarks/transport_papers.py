r"""What three papers of transport claim, on small designs.

Run from the root of the repository (three minutes on one core)::

    python -m benchmarks.transport_papers --data DIR     # DIR: the MNIST test images
    python -m benchmarks.transport_papers --only sliced  # or newton, mirror

``newton`` counts iterations to an L1 error of both marginals of 1e-9: sweeps of plain
and of over-relaxed scaling, sparse Newton steps by the rule of their paper, and those
of ``solver="newton"``. ``sliced`` divides the mean squared error of the plain estimate
of a sliced distance by that of the others with the same number of directions, over
repeated draws. ``mirror`` follows the error of Mirror Sinkhorn over its steps, with
exact and with noisy gradients, and the regret for a stream of costs.

X. Tang, M. Shavlovsky, H. Rahmanian et al., Accelerating Sinkhorn algorithm with sparse
Newton iterations, ICLR 2024. K. Nguyen and N. Ho, Sliced Wasserstein estimation with
control variates, ICLR 2024; R. Leluc, A. Dieuleveut, F. Portier, J. Segers and A.
Zhuman, Sliced-Wasserstein estimation with spherical harmonics as control variates, ICML
2024. M. Ballu and Q. Berthet, Mirror Sinkhorn: fast online optimization on transport
polytopes, ICML 2023.
"""

import argparse
import math
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from benchmarks import published_newton
from benchmarks.transport_cases import build, find, prepare
from benchmarks.transport_certificates import certify
from benchmarks.transport_peers.reference_peer import ADAPTER as REFERENCE
from skopt2.transport import MirrorSinkhorn, sinkhorn, sliced_wasserstein

TOL = 1e-9
# Case and the sweeps of the first stage: those of the paper, 20 where it has none.
NEWTON = (
    ("lap-u", 20),
    ("mnist-l2", 20),
    ("mnist-l1", 700),
    ("digits-l2", 20),
    ("digits-l1", 700),
    ("u2-1000-1e-3", 20),
    ("u10-1000-1e-3", 20),
)
# Entries of the plan that the published Hessian keeps, over n.
KEPT = (2, 15)
MAX_SWEEPS = 60_000
# Name, control variate and sampling of an estimate.
ESTIMATES = (
    ("plain", None, "random"),
    ("lower", "lower", "random"),
    ("upper", "upper", "random"),
    ("harmonics", "spherical_harmonics", "random"),
    ("orthogonal", None, "orthogonal"),
    ("qmc", None, "qmc"),
)
DIRECTIONS, REFERENCE_DIRECTIONS = (100, 1000), 100_000
STEPS = (100, 400, 1600, 6400)


def study_newton(options):
    """Print the iterations of Newton's methods and of scaling."""
    print(
        f"iterations to {TOL:.0e}; published: sweeps + steps\n{'case':<15s}"
        f"{'scaling':>10s}{'over-relaxed':>14s}"
        + "".join(f"{f'published, {kept}n':>24s}" for kept in KEPT)
        + f"{'newton':>12s}{'seconds':>10s}{'auto':>8s}"
    )
    for name, warm in NEWTON:
        if name.startswith("mnist") and options.data is None:
            print(f"{name:<15s} skipped: --data DIR with the MNIST images not given")
            continue
        case = find(name)
        prepare(case, options.cache, options.data)
        line = _newton_line(build(case, options.cache), warm)
        print(f"{name:<15s}{line}", flush=True)


def _newton_line(problem, warm):
    """Cells of one case."""
    cells = [_sweeps(problem, "scaling", 10), _sweeps(problem, "sor", 14)]
    for kept in KEPT:
        steps, error = published_newton.solve(
            problem.C,
            problem.reg,
            problem.a,
            problem.b,
            warm=warm,
            entries=kept * len(problem.a),
            tol=TOL,
        )
        ended = "" if error <= TOL else f", error {error:.0e}"
        cells.append(f"{f'{warm} + {steps}{ended}':>24s}")
    args = problem.a, problem.b, problem.C, problem.reg
    begin = time.process_time()
    found = sinkhorn(*args, solver="newton", tol=TOL)
    seconds = time.process_time() - begin
    # Sweeps are measured in tens, Newton steps one by one.
    steps = int((np.diff(found.history["iteration"], prepend=0) == 1).sum())
    auto = sinkhorn(*args, tol=TOL)
    cells.append(f"{f'{found.n_iter - steps} + {steps}':>12s}{seconds:>10.3f}")
    cells.append(f"{auto.n_iter:>8d}")
    return "".join(cells)


def _sweeps(problem, variant, width):
    """Cell of a textbook solver: its sweeps, or its error at the last of them."""
    found = REFERENCE.solve(problem, variant, TOL, MAX_SWEEPS)
    if found.n_iter < MAX_SWEEPS:
        return f"{found.n_iter:>{width}d}"
    return f"{f'e {certify(problem, found).error:.0e}':>{width}s}"


def clouds():
    """Pairs of clouds whose sliced distance is to be estimated."""
    rng = np.random.default_rng(0)
    for d in (3, 20):
        A = rng.standard_normal((d, d)) / math.sqrt(d)
        X = rng.standard_normal((500, d))
        Y = rng.standard_normal((500, d)) @ A + rng.standard_normal(d)
        yield f"Gaussians, d={d}", X, Y
    u = rng.standard_normal((500, 3))
    sphere = u / np.linalg.norm(u, axis=1, keepdims=True)
    turn, tube = 2.0 * np.pi * rng.random((2, 500))
    ring = 1.0 + 0.3 * np.cos(tube)
    torus = np.c_[ring * np.cos(turn), ring * np.sin(turn), 0.3 * np.sin(tube)]
    yield "sphere, torus, d=3", sphere, torus
    X, y = load_digits(return_X_y=True)
    yield "digits 3, 8, d=64", X[y == 3], X[y == 8]


def study_sliced(arguments):
    """Print by how much each estimate reduces the mean squared error."""
    names = [name for name, *_ in ESTIMATES[1:]]
    print(
        f"\nmean squared error of the plain estimate over that of others, "
        f"{arguments.draws} draws\n{'clouds':<20s}{'L':>6s}{'plain, relative':>17s}"
        + "".join(f"{name:>12s}" for name in names)
    )
    for name, X, Y in clouds():
        best = "spherical_harmonics" if X.shape[1] <= 3 else "lower"
        options = {"n_projections": REFERENCE_DIRECTIONS, "control_variate": best}
        truth = sliced_wasserstein(X, Y, random_state=0, **options).value_p
        for n_directions in DIRECTIONS:
            errors = {
                label: _error(X, Y, truth, n_directions, control, how, arguments.draws)
                for label, control, how in ESTIMATES
            }
            plain = errors.pop("plain")
            cells = "".join(
                f"{'-':>12s}" if value is None else f"{plain / value:>12.3g}"
                for value in errors.values()
            )
            relative = math.sqrt(plain) / truth
            print(f"{name:<20s}{n_directions:>6d}{relative:>17.2e}{cells}", flush=True)


def _error(X, Y, truth, n_directions, control, sampling, draws):
    """Mean squared error of an estimate; None where it is not available."""
    options = {"control_variate": control, "sampling": sampling}
    try:
        values = [
            sliced_wasserstein(
                X, Y, n_projections=n_directions, random_state=1000 + seed, **options
            ).value_p
            for seed in range(draws)
        ]
    except ValueError:
        # Too few directions for the harmonics, too many features for quasi-Monte-Carlo.
        return None
    return float(np.mean((np.array(values) - truth) ** 2))


def study_mirror(options):
    """Print how the error of Mirror Sinkhorn falls."""
    n = 100
    rng = np.random.default_rng(0)
    C = cdist(rng.random((n, 2)), rng.random((n, 2)), "sqeuclidean")
    C /= C.max()
    best = C[linear_sum_assignment(C)].mean()
    start = C.mean() - best
    print(
        f"\nerror over that of the independent plan, n={n}\n{'T':>6s}{'plan':>12s}"
        f"{'its bound':>12s}{'noisy':>12s}{'regret':>12s}{'its bound':>12s}"
    )
    rows = []
    for T in STEPS:
        model = MirrorSinkhorn(C, max_iter=T, tol=0.0).fit()
        noisy = MirrorSinkhorn()
        for _ in range(T):
            noisy.partial_fit(C + 0.5 * rng.standard_normal((n, n)))
        stream, seen = MirrorSinkhorn(), 0.0
        for _ in range(T):
            cost = C * rng.choice((0.0, 2.0), (n, n))
            stream.partial_fit(cost)
            seen = seen + cost / T
        offline = seen[linear_sum_assignment(seen)].mean()
        row = [
            float((model.plan_ * C).sum()) - best,
            model.dual_gap_,
            float((noisy.average_ * C).sum()) - best,
            stream.objective_ - offline,
            stream.dual_gap_,
        ]
        rows.append(row)
        cells = "".join(f"{value / start:>12.4f}" for value in row)
        print(f"{T:>6d}{cells}", flush=True)
    span = np.log(STEPS[-1] / STEPS[0])
    slopes = np.log(np.array(rows[-1]) / rows[0]) / span
    print(f"{'slope':>6s}" + "".join(f"{slope:>12.2f}" for slope in slopes))


STUDIES = {"newton": study_newton, "sliced": study_sliced, "mirror": study_mirror}


def main(argv=None):
    """Run the studies."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transport_papers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--data", type=Path, help="folder with the MNIST test images")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/benchmark_data"),
        help="folder for the generated problems",
    )
    parser.add_argument("--draws", type=int, default=50, help="of the directions")
    options = parser.parse_args(argv)
    # What a run reached is in the tables.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.only:
        STUDIES[name](options)


if __name__ == "__main__":
    main()
