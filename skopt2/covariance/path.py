"""Sparse precision matrices along a grid of levels."""

from dataclasses import dataclass

import numpy as np

from skopt2._core.array import to_numpy
from skopt2._core.array_parameters import check_alphas
from skopt2._core.cuda import target_of
from skopt2._core.parameters import check_count, check_number, check_positive
from skopt2._core.result import StopReason, brief_repr
from skopt2.covariance.empirical import from_matrix
from skopt2.covariance.formulation import Formulation
from skopt2.covariance.parameters import elementwise_penalty


@dataclass(frozen=True, eq=False)
class InverseCovariancePath:
    """Precision matrices at descending levels.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Levels.
    precisions : list of array of shape (n_features, n_features)
        One a level, beside the covariance matrix.
    n_edges : ndarray of int of shape (n_alphas,)
        Pairs of features with a precision that is not zero.
    objectives : ndarray of shape (n_alphas,)
        Value of the objective.
    certificates : list of Certificate
        What each fit reached.
    n_iters : ndarray of int of shape (n_alphas,)
        Steps from the solution at the level before.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.covariance import inverse_covariance_path
    >>> path = inverse_covariance_path(np.array([[1.0, 0.5], [0.5, 1.0]]), alphas=3)
    >>> path.alphas.round(2).tolist()
    [0.5, 0.11, 0.02]
    """

    alphas: np.ndarray
    precisions: list
    n_edges: np.ndarray
    objectives: np.ndarray
    certificates: list
    n_iters: np.ndarray

    __repr__ = brief_repr


def inverse_covariance_path(
    emp_cov,
    penalty="l1",
    *,
    alphas=20,
    eps=0.05,
    penalize_diagonal=False,
    standardize=False,
    tol=1e-6,
    max_iter=2000,
):
    """Compute sparse precision matrices at many levels, each from the one before.

    Parameters
    ----------
    emp_cov : array-like of shape (n_features, n_features)
        Covariance matrix, such as that of :func:`sklearn.covariance.
        empirical_covariance`; NumPy, CuPy or another array-API array.
    penalty : {"l1", "mcp", "scad"} or Penalty, default="l1"
        As in :class:`SparseInverseCovariance`.
    alphas : int or array-like of shape (n_alphas,), default=20
        Number of levels on a geometric grid, or the levels. The grid starts at the
        smallest ``alpha`` without an edge.
    eps : float, default=0.05
        Smallest over largest level of the grid.
    penalize_diagonal, standardize : bool, default=False
        As in :class:`SparseInverseCovariance`.
    tol : float, default=1e-6
        Tolerance of the certificate of every fit.
    max_iter : int, default=2000
        Largest number of steps at one level.

    Returns
    -------
    path : InverseCovariancePath
        Levels, matrices and certificates.

    Raises
    ------
    ValueError
        If the matrix or a parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.covariance import inverse_covariance_path
    >>> S = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 1.0]])
    >>> path = inverse_covariance_path(S, alphas=[0.6, 0.3, 0.1])
    >>> path.n_edges.tolist()
    [0, 1, 2]
    """
    check_positive("tol", tol)
    check_count("max_iter", max_iter)
    if target_of(emp_cov).kind == "numpy":
        emp_cov = np.asarray(emp_cov)
    formulation = Formulation(
        from_matrix(emp_cov),
        elementwise_penalty(penalty),
        bool(penalize_diagonal),
        bool(standardize),
    )
    levels = alpha_grid(formulation, alphas, eps)
    results, precisions = [], []
    for _, result, precision in follow(formulation, levels, tol=tol, max_iter=max_iter):
        results.append(result)
        precisions.append(precision)
    counts = [count_edges(precision) for precision in precisions]
    return InverseCovariancePath(
        levels,
        precisions,
        np.asarray(counts),
        np.asarray([result.objective for result in results]),
        [result.certificate for result in results],
        np.asarray([result.n_iter for result in results]),
    )


def alpha_grid(formulation, alphas, eps):
    """Return descending levels.

    Parameters
    ----------
    formulation : Formulation
        The problem on all the data.
    alphas : int or array-like of shape (n_alphas,)
        Their number, or the levels.
    eps : float
        Smallest over largest level of a grid.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)

    Raises
    ------
    ValueError
        If they are out of range.
    """
    check_number("eps", eps, 0, 1, closed="neither")
    alphas = check_alphas(alphas)
    if not isinstance(alphas, int):
        return alphas
    top = formulation.alpha_max()
    return top * np.geomspace(1.0, eps, alphas) if top > 0 else np.zeros(1)


def follow(formulation, alphas, *, tol, max_iter, time_limit=None):
    """Yield the solution at each level, started from the one before.

    Parameters
    ----------
    formulation : Formulation
        The problem.
    alphas : ndarray of shape (n_alphas,)
        Descending.
    tol, max_iter, time_limit : float, int, float
        Of each fit.

    Yields
    ------
    alpha : float
        The level.
    result : Result
        Its outcome.
    precision : array of shape (p, p)
        In the units of the features.
    """
    precision = None
    for alpha in map(float, alphas):
        result = formulation.solve(
            alpha, precision, tol=tol, max_iter=max_iter, time_limit=time_limit
        )
        precision, _ = formulation.solution(result.solution, alpha)
        yield alpha, result, precision


def count_edges(precision):
    """Return the number of pairs with a precision that is not zero.

    Parameters
    ----------
    precision : array of shape (p, p)
        Symmetric, of positive diagonal.
    """
    host = to_numpy(precision)
    return (int(np.count_nonzero(host)) - host.shape[0]) // 2


def count_unsolved(results):
    """Return how many fits did not converge.

    Parameters
    ----------
    results : list of Result
        Of a path.
    """
    return sum(result.reason != StopReason.CONVERGED for result in results)
