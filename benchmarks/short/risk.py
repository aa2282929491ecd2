"""Short cases of :mod:`benchmarks.risk_parity` and :mod:`benchmarks.robust_losses`."""

import numpy as np

from benchmarks.short.race import Entry, Race


def _make_covariance(kind, n):
    def make(place):
        from benchmarks.risk_parity import make_covariance

        S = make_covariance(kind, n, np.random.default_rng(0))
        return S, np.full(n, 1.0 / n)

    return make


def _parity_skopt2(problem, tol):
    from skopt2.portfolio import RiskParity

    model = RiskParity(covariance="precomputed", tol=tol)
    return model.fit(problem[0]).weights_


def _parity_sweeps(method):
    def run(problem, tol):
        from riskparityportfolio.vanilla import design

        S, b = problem
        return np.asarray(design(S, b, tol, 2000, method)).ravel()

    return run


def _parity_cvxpy(problem, tol):
    import cvxpy

    S, b = problem
    spread = np.sqrt(np.diag(S))
    C = S / np.outer(spread, spread)
    x = cvxpy.Variable(len(b))
    cost = 0.5 * cvxpy.quad_form(x, cvxpy.psd_wrap(C)) - b @ cvxpy.log(x)
    options = {"tol_gap_abs": tol, "tol_gap_rel": tol, "tol_feas": tol}
    cvxpy.Problem(cvxpy.Minimize(cost)).solve(solver="CLARABEL", **options)
    w = x.value / spread
    return w / w.sum()


def _parity_scipy(problem, setting):
    from benchmarks.risk_parity import slsqp

    return slsqp(*problem, None)[0]


def _parity_error(problem, w):
    from benchmarks.risk_parity import error

    return error(problem[0], w, problem[1])


_TOLERANCES = tuple(10.0 ** np.arange(-5.0, -13.0, -1.0))


def _parity(name, kind, n, remark=""):
    return Race(
        family="risk parity",
        name=name,
        measure="error",
        target=1e-6,
        peers=("riskparity", "cvxpy", "scipy"),
        make=_make_covariance(kind, n),
        entries={
            "skopt2": (Entry(_parity_skopt2, (1e-6,)),),
            "riskparity": tuple(
                Entry(_parity_sweeps(method), _TOLERANCES, method)
                for method in ("spinu", "choi")
            ),
            "cvxpy": (Entry(_parity_cvxpy, (1e-8, 1e-10, 1e-12), "Clarabel"),),
            "scipy": (Entry(_parity_scipy, (None,), "SLSQP"),),
        },
        judge=_parity_error,
        remark=remark,
    )


_COMPILED = (
    "Its sweeps are C++; here checks of the matrix and the certificate take most of "
    "one or two milliseconds."
)


def _make_tail(loss, n, p, beta):
    def make(place):
        from benchmarks.robust_losses import estimator, tail_data

        X, y = tail_data(loss, n, p)
        best = estimator(loss, beta=beta, alpha=0.01, tol=1e-9).fit(X, y)
        return X, y, loss, beta, best.objective_ - best.dual_gap_

    return make


def _tail_skopt2(problem, tol):
    from benchmarks.robust_losses import estimator

    X, y, loss, beta, _ = problem
    return estimator(loss, beta=beta, alpha=0.01, tol=tol).fit(X, y).objective_


def _tail_cvxpy(problem, solver):
    from benchmarks.robust_losses import solve_cvxpy

    X, y, loss, beta, _ = problem
    return solve_cvxpy(X, y, loss, beta, solver)[1]


def _tail_excess(problem, objective):
    """Excess over a lower bound, the dual value of a fit to 1e-9."""
    return max((objective - problem[4]) / abs(problem[4]), 0.0)


def _tail(name, loss, n, p, beta):
    return Race(
        family="conditional value at risk",
        name=name,
        measure="excess",
        target=1e-5,
        peers=("cvxpy",),
        make=_make_tail(loss, n, p, beta),
        entries={
            "skopt2": (Entry(_tail_skopt2, (1e-5,)),),
            "cvxpy": (Entry(_tail_cvxpy, ("CLARABEL", "OSQP", "SCS")),),
        },
        judge=_tail_excess,
    )


def _make_documents(place):
    from benchmarks.robust_losses import SIZES, documents

    rng = np.random.default_rng(0)
    X, Q = documents(sum(SIZES), 10, 200, "random", rng)
    ends = np.cumsum(SIZES)[:-1]
    return np.split(X, ends), np.split(Q, ends)


def _shares(problem, name):
    """Shares of the last part at the level that is best on the middle one."""
    from benchmarks.robust_losses import ALPHAS, divergence, predict_shares

    X, Q = problem
    found = [predict_shares(name, alpha, X[0], Q[0], X[1:]) for alpha in ALPHAS[name]]
    return min(found, key=lambda P: divergence(P[0], Q[1]))[1]


def _divergence(problem, P):
    from benchmarks.robust_losses import divergence

    return divergence(P, problem[1][2])


CONTESTS = (
    _parity("200 assets", "full", 200, _COMPILED),
    _parity("200 assets, singular", "singular", 200, _COMPILED),
    _parity("500 assets, factors", "factor", 500),
    _tail("absolute, 1000 x 20", "absolute", 1000, 20, 0.9),
    _tail("squared, 1000 x 20", "squared", 1000, 20, 0.9),
    _tail("logistic, 1000 x 20", "logistic", 1000, 20, 0.5),
    Race(
        family="sparsemax",
        name="shares of 10 topics",
        measure="divergence",
        margin=2e-3,
        peers=("sklearn",),
        make=_make_documents,
        entries={
            "skopt2": (Entry(_shares, ("sparsemax",)),),
            "sklearn": (Entry(_shares, ("logistic",)),),
        },
        judge=_divergence,
    ),
)
