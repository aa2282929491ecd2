"""Short cases of :mod:`benchmarks.multitask`, and of trend filtering."""

import numpy as np

from benchmarks.short.race import Entry, Race

_TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def _make_tasks(place):
    from benchmarks.multitask import dual_norm, make_data

    X, Y = make_data(300, 2000, 10, 30, 10, 0.1, np.random.default_rng(0))
    return X, Y, dual_norm(X.T @ Y, "rows") / len(X) / 10


def _solver(name, penalty):
    def run(problem, tol):
        from benchmarks.multitask import SOLVERS

        return SOLVERS[name](*problem, penalty, tol)

    return run


def _judge_tasks(penalty):
    def judge(problem, W):
        from benchmarks.multitask import relative_gap, relative_violation

        X, Y, alpha = problem
        if penalty == "row_lasso":
            return relative_gap(X, Y, W, alpha, "rows")
        return relative_violation(X, Y, W, alpha)

    return judge


def _tasks(name, penalty, peers, measure):
    entries = {"skopt2": (Entry(_solver("skopt2", penalty), (1e-6,)),)}
    for peer in peers:
        entry = Entry(_solver(peer, penalty), _TOLERANCES, compiles=peer == "skglm")
        entries[peer] = (entry,)
    return Race(
        family="several tasks",
        name=name,
        measure=measure,
        peers=peers,
        target=1e-6,
        make=_make_tasks,
        entries=entries,
        judge=_judge_tasks(penalty),
    )


def _make_steps(order, n):
    """Noisy steps, or a noisy curve of straight pieces, and a level."""

    def make(place):
        rng = np.random.default_rng(0)
        x = np.arange(n)
        heights = rng.standard_normal(20)[x * 20 // n]
        signal = heights if order == 0 else np.cumsum(heights) * 20 / n
        y = signal + 0.3 * rng.standard_normal(n)
        return y, order, (0.01 if order == 0 else 0.2)

    return make


def _trend_objective(problem, fitted):
    y, order, level = problem
    bends = np.diff(fitted, order + 1)
    return 0.5 * np.mean((y - fitted) ** 2) + level * np.abs(bends).sum()


def _trend_gap(problem, fitted):
    """Duality gap at the feasible point that the fit gives, over the null objective.

    min |y - f|^2 / (2n) + level |D f|_1 has the dual point u with n D'u = y - f in the
    sense of least squares, cut to |u| <= level.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import splu

    y, order, level = problem
    n = len(y)
    D = diags_array(np.ones(n)).tocsc()
    for _ in range(order + 1):
        D = (D[1:] - D[:-1]).tocsc()
    normal = (D @ D.T).tocsc()
    solve = splu(normal).solve
    u = np.clip(solve(D @ (y - fitted)) / n, -level, level)
    lean = n * (D.T @ u)
    dual = (0.5 * y @ y - 0.5 * (y - lean) @ (y - lean)) / n
    rest = y - np.polynomial.Polynomial.fit(np.arange(n), y, order)(np.arange(n))
    return (_trend_objective(problem, fitted) - dual) / (0.5 * np.mean(rest**2))


def _trend_skopt2(problem, tol):
    from skopt2.linear_model import TrendFilter

    y, order, level = problem
    model = TrendFilter(order=order, alpha=level, tol=tol)
    return model.fit(np.arange(len(y))[:, None], y).predict(np.arange(len(y))[:, None])


def _trend_cvxpy(solver):
    def run(problem, tol):
        import cvxpy

        y, order, level = problem
        f = cvxpy.Variable(len(y))
        cost = cvxpy.sum_squares(y - f) / (2 * len(y))
        cost += level * cvxpy.norm1(cvxpy.diff(f, order + 1))
        if solver == "OSQP":
            options = {"eps_abs": tol, "eps_rel": tol, "max_iter": 20_000}
        else:
            options = {"tol_gap_abs": tol, "tol_gap_rel": tol, "tol_feas": tol}
        cvxpy.Problem(cvxpy.Minimize(cost)).solve(solver=solver, **options)
        return np.zeros(len(y)) if f.value is None else f.value

    return run


def _trend(name, order, n):
    return Race(
        family="trend filtering",
        name=name,
        measure="gap",
        peers=("cvxpy",),
        target=1e-5,
        make=_make_steps(order, n),
        entries={
            "skopt2": (Entry(_trend_skopt2, (1e-5,)),),
            "cvxpy": (
                Entry(_trend_cvxpy("CLARABEL"), (1e-4, 1e-6, 1e-8, 1e-10), "Clarabel"),
                Entry(_trend_cvxpy("OSQP"), (1e-4, 1e-6, 1e-8), "OSQP"),
            ),
        },
        judge=_trend_gap,
    )


CONTESTS = (
    _tasks("row lasso 300 x 2000", "row_lasso", ("sklearn", "celer", "skglm"), "gap"),
    _tasks("row MCP 300 x 2000", "row_mcp", ("skglm",), "KKT"),
    _trend("steps, n = 2000", 0, 2000),
    _trend("straight pieces, n = 1000", 1, 1000),
)
