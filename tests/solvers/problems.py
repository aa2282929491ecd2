"""Small problems for the solvers, and the one way in which tests run them."""

import numpy as np

from skopt2._core.array import move
from skopt2._core.iterate import iterate
from skopt2.losses import get_loss
from skopt2.penalties import get_penalty
from skopt2.solvers.composite import column_scale
from skopt2.solvers.problem import LinearProblem

W = np.array([3.0, -2.0, 1.5, 1.0, -1.0])


def design(rng, n=80, p=30, rho=0.4):
    """Gaussian columns, AR(1), with means that are not 0."""
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    return X + 0.3


def target(rng, X, loss):
    """Target of five leading features, as the loss wants it."""
    eta = X[:, :5] @ W + 0.7
    n = len(eta)
    if loss == "squared":
        return eta + 0.5 * rng.standard_normal(n)
    if loss in ("huber", "quantile"):
        return eta + 0.5 * rng.standard_t(2, n)
    if loss == "poisson":
        return rng.poisson(np.exp(np.clip(0.3 * eta, -4, 3))).astype(float)
    if loss == "multinomial":
        scores = 0.5 * np.stack([eta, -0.5 * eta + X[:, 6], X[:, 7]], axis=1)
        label = np.argmax(scores + rng.gumbel(size=(n, 3)), axis=1)
        return np.eye(3)[label]
    return np.where(0.5 * eta + rng.logistic(size=n) > 0, 1.0, -1.0)


def alpha_max(X, y, loss, penalty, fit_intercept=True):
    """Largest useful level, with coordinate steps for l0 and l_q."""
    p = X.shape[1]
    problem = LinearProblem(
        X, y, get_loss(loss), get_penalty(penalty), np.ones(p), None, fit_intercept
    )
    L = (problem.loss.lipschitz or 1.0) * column_scale(problem.design)
    force = problem.penalty.pull(problem.null_gradient)
    steps = 1.0 / L if force.ndim == 1 else 1.0 / L[:, None]
    return problem.penalty.alpha_max(force, np.ones_like(force), steps)


def build(X, y, loss, penalty, lam, s=None, fit_intercept=True, backend=None):
    """Problem on a backend, NumPy by default; lam is a number or one per feature."""
    p = X.shape[1]
    lam = np.broadcast_to(np.asarray(lam, dtype=np.float64), (p,)).copy()
    if backend is not None:
        X, y, s = (move(a, backend.target) for a in (X, y, s))
    return LinearProblem(
        X, y, get_loss(loss), get_penalty(penalty), lam, s, fit_intercept
    )


def solve(solver, problem, tol=1e-9, start=None, max_iter=200):
    """Run a solver; returns its result and the coefficients of all features."""
    method = solver(problem, tol)
    result = iterate(
        method,
        method.init(start),
        tol=tol,
        max_iter=max_iter,
        check_every=getattr(method, "check_every", 1),
        name=method.certificate_name,
    )
    return result, dense(result.solution, problem)


def dense(solution, problem):
    """Coefficients of all features."""
    p, K = problem.design.p, problem.n_outputs
    w = np.zeros(p) if K == 1 else np.zeros((p, K))
    w[solution.ids] = solution.w
    return w
