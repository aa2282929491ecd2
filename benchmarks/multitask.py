"""Several tasks at once: the tables of the user guide.

Run from the root of the repository, where the peers are installed or not::

    python -m benchmarks.multitask rows
    python -m benchmarks.multitask spectrum

``rows``: 500 samples, 5000 features with correlation 0.6 ** abs(i - j), 20 tasks, 50
rows in use, noise of 0.1 or 0.3 of the standard deviation of the targets, no intercept.
Every library is run at tolerances from loose to tight until the certificate of this
file reaches the target: the duality gap of ``row_lasso`` relative to the null model,
the KKT violation of ``row_mcp`` relative to the null gradient. Peers that compile are
run twice. ``spectrum``: whole fits of the nuclear norm, beside accelerated proximal
steps with restarts on the data.

Times are processor seconds, the smaller of two runs; use one thread for them to mean
anything (``OPENBLAS_NUM_THREADS=1``).
"""

import argparse
import importlib.util
import time
import warnings

import numpy as np

from skopt2.linear_model import MultiTaskRegressor

GAMMA = 3.0
TARGET = 1e-6


def make_data(n, p, K, rows, rank, noise, rng):
    """Return X and Y: coefficients in some rows, of some rank."""
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
    W = np.zeros((p, K))
    used = rng.choice(p, rows, replace=False)
    W[used] = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, K))
    Y = X @ W
    Y += noise * Y.std() * rng.standard_normal(Y.shape)
    return np.asfortranarray(X), np.asfortranarray(Y)


def dual_norm(M, kind):
    """Return the largest norm of a row, or the largest singular value."""
    if kind == "rows":
        return np.sqrt((M * M).sum(axis=1)).max()
    return np.linalg.norm(M, 2)


def relative_gap(X, Y, W, alpha, kind):
    """Return the duality gap relative to the objective of the null model."""
    n = len(X)
    R = Y - X @ W
    energy, fit = (R * R).sum() / n, (R * Y).sum() / n
    limit = alpha / dual_norm(X.T @ R / n, kind)
    t = np.clip(fit / energy, -limit, limit)
    sizes = (
        np.linalg.norm(W, axis=1)
        if kind == "rows"
        else np.linalg.svd(W, compute_uv=False)
    )
    primal = 0.5 * energy + alpha * sizes.sum()
    return (primal - (t * fit - 0.5 * t * t * energy)) / (0.5 * (Y * Y).sum() / n)


def relative_violation(X, Y, W, alpha):
    """Return the KKT violation of the MCP of rows relative to the null gradient."""
    n = len(X)
    M = X.T @ (X @ W - Y) / n
    sizes = np.linalg.norm(W, axis=1)
    safe = np.where(sizes > 0, sizes, 1.0)
    slope = np.maximum(alpha - sizes / GAMMA, 0.0) / safe
    moved = np.linalg.norm(M + slope[:, None] * W, axis=1)
    distance = np.where(sizes > 0, moved, np.maximum(moved - alpha, 0.0))
    return distance.max() / np.linalg.norm(X.T @ Y / n, axis=1).max()


def solve_skopt2(X, Y, alpha, penalty, tol):
    """Fit and return W, (p, K)."""
    model = MultiTaskRegressor(penalty, alpha=alpha, tol=tol, fit_intercept=False)
    return model.fit(X, Y).coef_.T


def solve_sklearn(X, Y, alpha, penalty, tol):
    """Fit and return W, (p, K); None if it has no such penalty."""
    if penalty != "row_lasso":
        return None
    from sklearn.linear_model import MultiTaskLasso

    model = MultiTaskLasso(alpha=alpha, tol=tol, fit_intercept=False, max_iter=5000)
    return model.fit(X, Y).coef_.T


def solve_celer(X, Y, alpha, penalty, tol):
    """Fit and return W, (p, K); None if it has no such penalty."""
    if penalty != "row_lasso":
        return None
    from celer.homotopy import mtl_path

    found = mtl_path(X, Y, alphas=np.array([alpha]), tol=tol, max_iter=200)
    return found[1][:, :, 0].T


def solve_skglm(X, Y, alpha, penalty, tol):
    """Fit and return W, (p, K)."""
    from skglm.datafits import QuadraticMultiTask
    from skglm.penalties import L2_1, BlockMCPenalty
    from skglm.solvers import MultiTaskBCD
    from skglm.utils.jit_compilation import compiled_clone

    shape = L2_1(alpha) if penalty == "row_lasso" else BlockMCPenalty(alpha, GAMMA)
    solver = MultiTaskBCD(tol=tol, fit_intercept=False, max_iter=200)
    data = compiled_clone(QuadraticMultiTask())
    return solver.solve(X, Y, data, compiled_clone(shape))[0]


SOLVERS = {
    "skopt2": solve_skopt2,
    "sklearn": solve_sklearn,
    "celer": solve_celer,
    "skglm": solve_skglm,
}


def timed(solve, *arguments):
    """Return the solution and the smaller processor time of two runs."""
    times = []
    for _ in range(2):
        start = time.process_time()
        W = solve(*arguments)
        times.append(time.process_time() - start)
    return W, min(times)


def race_rows(names):
    """Print the table of penalties of rows."""
    print("penalty     noise  alpha   library   seconds  certificate  rows  objective")
    for noise in (0.1, 0.3):
        rng = np.random.default_rng(0)
        X, Y = make_data(500, 5000, 20, 50, 20, noise, rng)
        top = dual_norm(X.T @ Y, "rows") / len(X)
        for penalty in ("row_lasso", "row_mcp"):
            for share in (10, 30):
                for name in names:
                    race_one(X, Y, top, penalty, noise, share, name)


def race_one(X, Y, top, penalty, noise, share, name):
    """Print the line of one library: its loosest tolerance that is good enough."""
    alpha = top / share
    for tol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        if name == "skopt2" and tol > TARGET:
            continue
        W, seconds = timed(SOLVERS[name], X, Y, alpha, penalty, tol)
        if W is None:
            return
        if penalty == "row_lasso":
            reached = relative_gap(X, Y, W, alpha, "rows")
        else:
            reached = relative_violation(X, Y, W, alpha)
        if reached <= TARGET:
            break
    sizes = np.linalg.norm(W, axis=1)
    objective = 0.5 * ((Y - X @ W) ** 2).sum() / len(X)
    if penalty == "row_lasso":
        objective += alpha * sizes.sum()
    else:
        short = np.minimum(sizes, GAMMA * alpha)
        objective += (short * (alpha - short / (2 * GAMMA))).sum()
    print(
        f"{penalty:<10} {noise:6.1f}  1/{share:<4} {name:<9} {seconds:8.3f} "
        f"{reached:12.1e} {np.count_nonzero(sizes):5d}  {objective:.8g}",
        flush=True,
    )


def proximal_steps(X, Y, alpha, bound, target):
    """Return W by accelerated proximal steps with restarts, from the data."""
    n = len(X)
    W = Z = np.zeros((X.shape[1], Y.shape[1]))
    t = 1.0
    for count in range(5000):
        moved = Z - X.T @ (X @ Z - Y) / n / bound
        U, sigma, Vt = np.linalg.svd(moved, full_matrices=False)
        new = (U * np.maximum(sigma - alpha / bound, 0.0)) @ Vt
        turn = ((Z - new) * (new - W)).sum() > 0.0
        ahead = 1.0 if turn else 0.5 * (1.0 + (1.0 + 4.0 * t * t) ** 0.5)
        Z = new + (t - 1.0) / ahead * (new - W)
        W, t = new, ahead
        if count % 10 == 9 and relative_gap(X, Y, W, alpha, "spectrum") <= target:
            break
    return W


def race_spectrum():
    """Print the table of the nuclear norm."""
    print("samples features tasks  alpha  target   skopt2  proximal steps  rank")
    for n, p, K, rank in (
        (500, 1000, 20, 5),
        (2000, 400, 50, 5),
        (1000, 5000, 50, 8),
        (20000, 500, 100, 10),
    ):
        X, Y = make_data(n, p, K, p, rank, 0.3, np.random.default_rng(0))
        top = np.linalg.norm(X.T @ Y, 2) / n
        for share, target in ((10, 1e-6), (100, 1e-9)):
            alpha = top / share
            W, ours = timed(solve_skopt2, X, Y, alpha, "nuclear", target)
            plain = np.nan
            if n < 10000:
                bound = np.linalg.norm(X, 2) ** 2 / n
                _, plain = timed(proximal_steps, X, Y, alpha, bound, target)
            print(
                f"{n:7d} {p:8d} {K:5d}  1/{share:<4} {target:.0e} {ours:8.3f} "
                f"{plain:15.3f} {np.linalg.matrix_rank(W, tol=1e-8):5d}",
                flush=True,
            )


def main(argv=None):
    """Run one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=("rows", "spectrum"))
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    if options.table == "spectrum":
        race_spectrum()
        return
    names = [name for name in SOLVERS if importlib.util.find_spec(name)]
    race_rows(names)


if __name__ == "__main__":
    main()
