"""How a fit computes the posterior: by a factor, by samples, or by solves on demand.

Everything that the posterior needs is one kernel system with the targets, and for
samples the values of prior functions plus noise, in its columns.
"""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, dot64, namespace, to_numpy
from skopt2.kernels import KernelOperator
from skopt2.kernels.random_features import has_features
from skopt2.solvers.kernel.choice import budget_of
from skopt2.solvers.kernel.cholesky import factorise, single_is_enough
from skopt2.solvers.kernel.exact_posterior import ExactPosterior
from skopt2.solvers.kernel.grown_factor import grown
from skopt2.solvers.kernel.grown_start import grown_start
from skopt2.solvers.kernel.pathwise import (
    PathwisePosterior,
    draw_prior,
    sample_targets,
)
from skopt2.solvers.kernel.solve import solve_kernel_system
from skopt2.solvers.kernel.solved_posterior import SolvedPosterior
from skopt2.solvers.kernel.system import KernelSystem

# Rows up to which everything is computed in float64, which costs nothing there.
DOUBLE = 2000
# Tolerance below which a factor in float32 will not do for the variance.
FINE = 1e-4
# Noise times tolerance, in units of what rounding does to eigenvalues, from which
# float32 will do.
ROUNDED = 0.2
# Tolerance beyond which that limit no longer falls.
CLOSE = 5e-3
# Error of the mean in units of what rounding of K a explains, as we measured it.
WORSE = 3.0
# Residuals of samples, in units of those of the targets: variances with ten times less
# accurate ones were the same to three digits.
SAMPLES = 4.0


@dataclass(frozen=True)
class PosteriorOptions:
    """What the user chose.

    Parameters
    ----------
    solver : str
        Of the kernel system, or "auto".
    tol : float
        Relative residual of the kernel system.
    max_epochs : int
        Passes over the kernel matrix.
    variance : {"auto", "samples", "solves"}
        How an iterative fit predicts variances.
    n_samples : int
        Functions to draw for the variance.
    n_features : int
        Random features of a prior function.
    """

    solver: str
    tol: float
    max_epochs: int
    variance: str
    n_samples: int
    n_features: int


@dataclass(frozen=True, eq=False)
class PosteriorPlan:
    """A kernel system whose solution is a posterior.

    Parameters
    ----------
    operator : KernelOperator
        Of the rows of the fit.
    right : array of shape (n, c + s)
        Targets, and targets of samples.
    lam : float or array of shape (n,)
        Variances of the noise.
    n_targets : int
        c.
    X : array of shape (n, d)
        Rows of the fit.
    options : PosteriorOptions
        What the user chose, with an algorithm in place of "auto".
    factor : CholeskyFactor, SpectralInverse or None
        For the algorithm "cholesky".
    prior : Prior or None
        Functions of the samples.
    seed : int
        Of solves on demand.
    start : array of shape (n, c + s) or None, default=None
        Coefficients that an iterative solution starts from.
    """

    operator: Any
    right: Any
    lam: Any
    n_targets: int
    X: Any
    options: PosteriorOptions
    factor: Any
    prior: Any
    seed: int
    start: Any = None

    def solve(self, **loop):
        """Solve the system.

        Parameters
        ----------
        **loop : dict
            ``rng``, ``monitor``, ``time_limit`` and ``resume`` of the solver.

        Returns
        -------
        result : Result
            Of :func:`~skopt2.solvers.kernel.solve.solve_kernel_system`.
        """
        options = self.options
        return solve_kernel_system(
            self.operator,
            self.right,
            self.lam,
            solver=options.solver,
            tol=options.tol,
            max_epochs=options.max_epochs,
            factor=self.factor,
            allowance=np.where(
                np.arange(int(self.right.shape[1])) < self.n_targets, 1.0, SAMPLES
            ),
            start=self.start,
            **loop,
        )

    def is_rounded(self, a):
        """Tell whether float32 may have cost the solution its accuracy.

        Parameters
        ----------
        a : array of shape (n, c + s)
            Solution.

        Returns
        -------
        rounded : bool
            True if the rounding of K a may exceed the tolerance, and there is float64.
        """
        if a.dtype == accumulation_dtype(a):
            return False
        system = KernelSystem(self.operator, self.right, self.lam)
        return WORSE * system.rounding(system.from_units(a)) > self.options.tol

    def widened(self, a=None):
        """Return the same plan in float64.

        A factor stays what it is: the solution is refined in float64 with it.

        Parameters
        ----------
        a : array of shape (n, c + s) or None, default=None
            Coefficients to start from.

        Returns
        -------
        plan : PosteriorPlan
        """
        xp, wide = namespace(self.X), accumulation_dtype(self.X)
        X, right = (xp.astype(part, wide, copy=False) for part in (self.X, self.right))
        operator = KernelOperator(self.operator.kernel, X)
        start = None if a is None else xp.astype(a, wide, copy=False)
        return replace(self, operator=operator, X=X, right=right, start=start)

    def posterior(self, a):
        """Return the posterior of a solution.

        Parameters
        ----------
        a : array of shape (n, c + s)
            Coefficients.

        Returns
        -------
        posterior : ExactPosterior, PathwisePosterior or SolvedPosterior
        """
        kernel, coef = self.operator.kernel, a[:, : self.n_targets]
        if self.factor is not None:
            return ExactPosterior(kernel, self.X, coef, self.factor, self.lam)
        if self.prior is not None:
            samples = a[:, self.n_targets :]
            targets = self.right[:, self.n_targets :]
            return PathwisePosterior(
                kernel, self.X, coef, samples, self.prior, targets, self.lam
            )
        return self.solved(coef)

    def log_likelihood(self, coef):
        """Return the log marginal likelihood of the targets.

        Parameters
        ----------
        coef : array of shape (n, c)
            Coefficients of the targets.

        Returns
        -------
        value : float
            Summed over the targets; NaN without a factor, -inf for a singular matrix.
        """
        if self.factor is None:
            return math.nan
        determinant = self.factor.log_determinant()
        if not math.isfinite(determinant):
            return -math.inf
        n, c = int(coef.shape[0]), int(coef.shape[1])
        fit = dot64(self.right, coef)
        return -0.5 * (fit + c * determinant + n * c * math.log(2.0 * math.pi))

    def solved(self, coef):
        """Return the posterior that solves for what it is asked.

        Parameters
        ----------
        coef : array of shape (n, c)
            Coefficients of the targets.

        Returns
        -------
        posterior : SolvedPosterior
        """
        return SolvedPosterior(
            self.operator.kernel,
            self.X,
            coef,
            self.lam,
            self.options.solver,
            self.options.tol,
            self.options.max_epochs,
            self.seed,
        )


def plan_posterior(kernel, X, Y, lam, options, rng, former=None):
    """Decide how to compute the posterior, and prepare it.

    Parameters
    ----------
    kernel : Kernel
        Of the process, without noise.
    X : array of shape (n, d)
        Rows.
    Y : array of shape (n, c)
        Targets.
    lam : float or array of shape (n,)
        Variances of the noise.
    options : PosteriorOptions
        What the user chose.
    rng : numpy.random.Generator
        Of the prior functions.
    former : ExactPosterior, PathwisePosterior, SolvedPosterior or None, default=None
        Posterior of the first rows alone, with the same kernel, targets and noise. Its
        factor gets more rows, or its coefficients and draws are what an iterative
        solution starts from.

    Returns
    -------
    plan : PosteriorPlan

    Raises
    ------
    ValueError
        If samples were asked for and the kernel has no random features, or the kernel
        is not positive semidefinite.
    """
    xp, c = namespace(X), int(Y.shape[1])
    sampled = _is_sampled(kernel, options)
    operator = KernelOperator(kernel, X)
    system = KernelSystem(operator, Y, lam)
    # The variance has the rounding errors of the factor, which no refinement removes.
    single = (
        system.Y.dtype == xp.float64
        and system.n > DOUBLE
        and options.tol >= FINE
        and single_is_enough(system)
    )
    solver, factor, prior, right = options.solver, None, None, Y
    if solver == "auto":
        # A factor has exact variances: it is taken wherever there is room for it.
        itemsize = 4 if single or system.Y.dtype == xp.float32 else 8
        fits = system.n**2 * itemsize <= budget_of(system)
        solver = "cholesky" if fits else "sap"
    if solver == "cholesky":
        factor = _factor(system, single, former)
    elif sampled:
        prior, values = _samples(kernel, X, lam, options, rng, former)
        right = xp.concat([Y, values], axis=1)
    start = None if factor is not None else _start(former, operator, right, lam)
    options = PosteriorOptions(**{**vars(options), "solver": solver})
    seed = int(rng.integers(2**31))
    return PosteriorPlan(
        operator, right, lam, c, X, options, factor, prior, seed, start
    )


def _factor(system, single, former):
    """Return a factor of the system, grown from that of its first rows if possible."""
    if isinstance(former, ExactPosterior):
        dtype = system.xp.float32 if single else system.Y.dtype
        L = getattr(former.factor, "L", None)
        if L is not None and L.dtype in (dtype, system.Y.dtype):
            factor = grown(former.factor, system)
            if factor is not None:
                return factor
    return factorise(system, single=single)


def _samples(kernel, X, lam, options, rng, former):
    """Return prior functions, and their values with noise at the rows."""
    if not isinstance(former, PathwisePosterior):
        prior = draw_prior(kernel, X, options.n_samples, options.n_features, rng)
        return prior, sample_targets(prior, X, lam, rng)
    xp, n = namespace(X), int(former.X.shape[0])
    prior, own = former.prior, lam if isinstance(lam, Real) else lam[n:]
    fresh = sample_targets(prior, X[n:, :], own, rng)
    return prior, xp.concat([xp.astype(former.targets, X.dtype, copy=False), fresh])


def _start(former, operator, right, lam):
    """Return where an iterative solution starts, from the posterior of the first rows.

    Targets of draws that are new start from 0.
    """
    if former is None:
        return None
    a = former.coef
    if isinstance(former, PathwisePosterior) and right.shape[1] > a.shape[1]:
        a = namespace(right).concat([a, former.sample_coef], axis=1)
    return grown_start(operator, right, lam, a)


def working_dtype(kernel, X, lam, tol):
    """Return the dtype in which the posterior of some rows is computed.

    Rounded entries of K change its eigenvalues by about eps sqrt(n) times the size of
    the kernel. Where the noise was r times ten of that, the mean of three kernels on
    4000 rows was off by 0.02 / r, which no residual of the rounded K shows.

    Parameters
    ----------
    kernel : Kernel
        Of the process, without noise.
    X : array of shape (n, d)
        Rows.
    lam : float or array of shape (n,)
        Variances of the noise.
    tol : float
        Relative residual that is wanted.

    Returns
    -------
    dtype : dtype
        That of the rows, or float64, where the device has it, for few rows and for
        little noise.
    """
    xp, n = namespace(X), int(X.shape[0])
    if n <= DOUBLE or X.dtype != xp.float32:
        return accumulation_dtype(X) if n <= DOUBLE else X.dtype
    scale = float(xp.mean(KernelOperator(kernel, X).diagonal()))
    rounding = float(xp.finfo(X.dtype).eps) * n**0.5 * scale
    least = float(np.min(to_numpy(lam)))
    enough = least * min(tol, CLOSE) >= ROUNDED * rounding
    return X.dtype if enough else accumulation_dtype(X)


def _is_sampled(kernel, options):
    """Tell whether an iterative fit draws samples for the variance."""
    if options.variance == "samples":
        if not has_features(kernel):
            raise ValueError(
                f"variance='samples' needs random features, which {kernel!r} does not "
                "have; use variance='solves'."
            )
        return True
    return options.variance == "auto" and has_features(kernel)
