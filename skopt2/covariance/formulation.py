"""From data and parameters to the problem that the solver minimises, and back."""

import math
from dataclasses import dataclass
from typing import Any

from skopt2._core.array import asarray_like, max_abs, namespace, sum64
from skopt2._core.iterate import iterate
from skopt2.covariance.empirical import Empirical, check_variances, identity
from skopt2.solvers.precision.definite import factorise
from skopt2.solvers.precision.problem import PrecisionProblem
from skopt2.solvers.precision.sparse_precision import SparsePrecision


@dataclass(frozen=True, eq=False)
class Formulation:
    """A penalised likelihood up to the value of alpha.

    Parameters
    ----------
    empirical : Empirical
        What the data say.
    penalty : Penalty
        Of the elements off the diagonal.
    penalize_diagonal : bool, default=False
        Whether the objective has alpha * trace of the precision, too.
    standardize : bool, default=False
        Whether the penalty is that of the precision of the standardised features.
    names : ndarray of str or None, default=None
        Of the features, for messages.
    """

    empirical: Empirical
    penalty: Any
    penalize_diagonal: bool = False
    standardize: bool = False
    names: Any = None

    def deviation(self, alpha):
        """Return the standard deviations, with the penalty of the diagonal.

        Parameters
        ----------
        alpha : float
            Strength of the penalty.
        """
        found = self.empirical.deviation
        if not self.penalize_diagonal:
            return found
        xp = namespace(found)
        if self.standardize:
            return found * (1.0 + alpha) ** 0.5
        return xp.sqrt(found * found + alpha)

    def problem(self, alpha):
        """Return the problem in units of the deviations.

        Parameters
        ----------
        alpha : float
            Strength of the penalty.

        Raises
        ------
        ValueError
            If a variance is zero.
        """
        plain, deviation = self.empirical.deviation, self.deviation(alpha)
        check_variances(deviation, self.names)
        if self.standardize:
            check_variances(plain, self.names)
        one = identity(self.empirical.C)
        ratio = plain / deviation
        C = self.empirical.C * ratio[:, None] * ratio[None, :]
        unit = deviation / plain if self.standardize else deviation
        return PrecisionProblem(
            C * (1.0 - one) + one,
            unit[:, None] * unit[None, :],
            alpha * (1.0 - one),
            self.penalty,
        )

    def alpha_max(self):
        """Return the smallest alpha without any edge."""
        C, deviation = self.empirical.C, self.empirical.deviation
        S = C if self.standardize else deviation[:, None] * C * deviation[None, :]
        return max_abs(S * (1.0 - identity(C)))

    def start(self, precision, alpha):
        """Return a precision matrix in the units of the problem.

        Parameters
        ----------
        precision : array of shape (p, p) or None
            In the units of the features.
        alpha : float
            Strength of the penalty.
        """
        if precision is None or precision.shape != self.empirical.C.shape:
            return None
        deviation = self.deviation(alpha)
        T = asarray_like(precision, deviation)
        T = 0.5 * (T + T.T)
        return deviation[:, None] * T * deviation[None, :]

    def solution(self, solution, alpha):
        """Return precision and covariance in the units of the features.

        Parameters
        ----------
        solution : tuple of array
            What the solver returned.
        alpha : float
            Strength of the penalty.
        """
        T, W = solution
        s = self.deviation(alpha)
        return T / s[:, None] / s[None, :], s[:, None] * W * s[None, :]

    def offset(self, alpha):
        """Return what the objective is more in the units of the features.

        Parameters
        ----------
        alpha : float
            Strength of the penalty.
        """
        s = self.deviation(alpha)
        return 2.0 * sum64(namespace(s).log(s))

    def solver(self, alpha, tol):
        """Return the solver of the problem at one alpha.

        Parameters
        ----------
        alpha : float
            Strength of the penalty.
        tol : float
            Tolerance of the certificate.
        """
        problem = self.problem(alpha)
        return SparsePrecision(problem, tol, self.offset(alpha))

    def solve(self, alpha, start=None, *, tol, max_iter, **options):
        """Solve the problem at one alpha.

        Parameters
        ----------
        alpha : float
            Strength of the penalty.
        start : array of shape (p, p), default=None
            Precision in the units of the features.
        tol : float
            Tolerance of the certificate.
        max_iter : int
            Largest number of steps.
        **options : dict
            For the iteration loop.

        Returns
        -------
        result : Result
            Its solution in the units of the problem.
        """
        solver = self.solver(alpha, tol)
        return iterate(
            solver,
            solver.init(self.start(start, alpha)),
            tol=tol,
            max_iter=max_iter,
            check_every=solver.pause,
            name=solver.certificate_name,
            **options,
        )


def log_likelihood(precision, empirical):
    """Return the mean log-likelihood of data under a normal distribution.

    Parameters
    ----------
    precision : array of shape (p, p)
        Of the model.
    empirical : Empirical
        Second moments of the data about the mean of the model.

    Returns
    -------
    value : float
        Minus infinity if the precision is not positive definite.
    """
    s, C = empirical.deviation, empirical.C
    T = namespace(C).astype(precision, C.dtype)
    _, log_det = factorise(0.5 * (T + T.T))
    trace = sum64(s[:, None] * C * s[None, :] * T)
    return 0.5 * (log_det - trace - int(T.shape[0]) * math.log(2.0 * math.pi))
