"""Fit a kernel model on centres: one entry for all solvers.

Problem: f(x) = sum_j a_j k(x, z_j) for centres z_j (p, d); minimise over a (p, c)

    F(a) = sum_i w_i |y_i - f(x_i)|^2 + alpha tr a'K a,    K = k(Z, Z).

The direct solver costs 2 n p^2 + p^3 operations and three p by p matrices in float64;
EigenPro some ten to thirty times n p entries of the kernel, and one p by p matrix, or
none beyond 20,000 centres. Both are measured by the norm of the gradient's projection
in the space of the kernel, relative to that at a = 0, from a pass of its own over the
data. Beyond 20,000 centres the projection, and so the norm, is approximate.
"""

import dataclasses

import numpy as np

from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_choice, check_number, check_positive
from skopt2._core.result import Certificate, Measure
from skopt2.kernels import KernelOperator
from skopt2.kernels.points import check_points
from skopt2.solvers.kernel.center_data import CenterData
from skopt2.solvers.kernel.center_least_squares import CenterLeastSquares
from skopt2.solvers.kernel.coefficients import Coefficients
from skopt2.solvers.kernel.eigenpro_centers import GRADIENT, EigenProCenters

SOLVERS = ("cholesky", "eigenpro")
# Centres and operations up to which "auto" solves directly.
DIRECT, AFFORDABLE = 10_000, 1e14


def solve_on_centers(
    kernel,
    X,
    Y,
    Z,
    *,
    alpha=0.0,
    weight=None,
    solver="auto",
    tol=1e-3,
    max_epochs=100,
    start=None,
    rng=None,
    monitor=None,
    time_limit=None,
    resume=None,
    **options,
):
    """Fit a kernel model on centres.

    Parameters
    ----------
    kernel : Kernel
        Resolved on X, or on Z if X is chunks, where a parameter such as "median" is
        left.
    X : array of shape (n, d) or iterable
        Rows; or, where Y is None, something that yields tuples (X, Y) or
        (X, Y, weight) of chunks, from the start whenever it is iterated. They get the
        dtype of the centres.
    Y : array of shape (n, c) or None
        Targets.
    Z : array of shape (p, d)
        Centres, float32 or float64, of any array namespace.
    alpha : float, default=0.0
        Ridge, not negative.
    weight : array-like of shape (n,) or None, default=None
        Weights of rows in memory; None for ones.
    solver : {"auto", "cholesky", "eigenpro"}, default="auto"
        "cholesky" solves directly; "auto" does so for up to 10,000 centres where that
        takes at most 1e14 operations.
    tol : float, default=1e-3
        Relative gradient at which EigenPro stops.
    max_epochs : int, default=100
        Most passes of EigenPro over the data, those that only measure not counted.
    start : array of shape (p, c) or None, default=None
        Where EigenPro starts, with conjugate gradients; None for 0.
    rng : numpy.random.Generator or None, default=None
        Draws the seed; None for a fixed one.
    monitor : object or None, default=None
        Monitor of the iteration loop.
    time_limit : float or None, default=None
        Seconds after which EigenPro stops at the end of an epoch.
    resume : dict or None, default=None
        Checkpoint of the iteration loop.
    **options
        Arguments of :class:`~skopt2.solvers.kernel.eigenpro_centers.EigenProCenters`:
        ``batch_size``, ``n_components``, ``step_size``, ``delay``, ``exact`` and
        ``finish``; the direct solver has no use for them.

    Returns
    -------
    result : Result
        With :class:`~skopt2.solvers.kernel.coefficients.Coefficients` for a solution.
        The certificate is from a pass at the solution in any case.

    Raises
    ------
    TypeError
        If chunks can be read only once, or an option is unknown.
    ValueError
        If a parameter is out of range, a shape does not fit, a value is not finite, or
        the kernel is not positive semidefinite.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Laplacian
    >>> from skopt2.solvers.kernel.solve_centers import solve_on_centers
    >>> X = np.linspace(0.0, 1.0, 200)[:, None]
    >>> result = solve_on_centers(Laplacian(1.0), X, np.sin(X), X[::20], alpha=1e-6)
    >>> result.solution.solver, result.reason.value
    ('cholesky', 'converged')
    """
    _check(alpha, solver, tol, max_epochs)
    Z = check_points(Z, "Z")
    kernel = kernel.resolve(Z if Y is None else check_points(X, "X", Z))
    data = CenterData(kernel, Z, X, Y, weight)
    if solver == "auto":
        solver = _choose(data.n, int(Z.shape[0]))
    seed = 0 if rng is None else int(rng.integers(2**31))
    shared = {"tol": tol, "monitor": monitor, "name": GRADIENT, "resume": resume}
    if solver == "cholesky":
        direct = DirectCenters(data, float(alpha))
        return iterate(direct, None, max_iter=1, **shared)
    iterative = EigenProCenters(data, alpha, tol=tol, seed=seed, **options)
    result = iterate(
        iterative,
        iterative.start(None if resume and "state" in resume else start),
        max_iter=max_epochs,
        time_limit=time_limit,
        **shared,
    )
    return result if result.solution.exact else _measured(result, iterative, tol)


class DirectCenters:
    """The direct solution as a solver of one step for the iteration loop.

    Parameters
    ----------
    data : CenterData
        Rows.
    alpha : float
        Ridge.
    """

    def __init__(self, data, alpha):
        self.data, self.alpha = data, alpha
        self.model = CenterLeastSquares(data.kernel, data.Z)

    def step(self, state):
        """Return the solution of the normal equations of all rows."""
        for part in self.data.parts():
            self.model.update(*part)
        return self.model.solve(self.alpha)

    def certificate(self, state):
        """Measure the gradient by another pass over the data."""
        operator = KernelOperator(self.data.kernel, self.data.Z, store=False)
        g, value = self.data.gradient(state.a, operator, self.alpha)
        return Measure(
            objective=value,
            value=self.model.gradient_norm(g),
            extra={"n_epochs": 2.0, "step_size": np.nan, "n_restarts": 0},
            stalled=True,
        )

    def finalize(self, state):
        """Return the coefficients."""
        return Coefficients(state.a, "cholesky", 2.0, jitter=state.jitter)

    def pack(self, state):
        """Return the coefficients for a checkpoint."""
        return {"a": state.a, "jitter": state.jitter, "solver": "cholesky"}

    def unpack(self, packed):
        """Return the state before the one step, which is taken again."""
        return None


def _measured(result, solver, tol):
    """Return a result whose certificate and objective are those of its solution."""
    solution, data, xp = result.solution, solver.data, solver.xp
    a = xp.astype(solution.a, solver.wide)
    g, value = data.gradient(a, solver.operator, solver.alpha)
    certificate = Certificate(GRADIENT, solver.relative_gradient(g), tol)
    n_epochs = solution.n_epochs + 1.0
    return dataclasses.replace(
        result,
        solution=dataclasses.replace(solution, exact=True, n_epochs=n_epochs),
        certificate=certificate,
        objective=value,
    )


def _choose(n, p):
    """Return the name of the solver for n rows and p centres."""
    cheap = p <= DIRECT and 2.0 * n * p**2 + float(p) ** 3 <= AFFORDABLE
    return "cholesky" if cheap else "eigenpro"


def _check(alpha, solver, tol, max_epochs):
    """Raise ValueError for a parameter out of range."""
    check_number("alpha", alpha, 0)
    check_choice("solver", solver, ("auto", *SOLVERS))
    check_positive("tol", tol)
    check_number("max_epochs", max_epochs, 1, infinite=True)
