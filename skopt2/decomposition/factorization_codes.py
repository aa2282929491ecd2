"""Codes of samples under fitted components, with their warning."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace
from skopt2._core.estimator import level_of_caller
from skopt2.decomposition.factorization_arrays import plain_array
from skopt2.solvers.factorization.codes import solve_codes
from skopt2.solvers.factorization.data import MatrixData

# Sweeps over the codes of a row for each iteration that the fit may take.
CODE_SWEEPS = 10


def solved_codes(estimator, X, term):
    """Return the codes of checked samples, and warn where they are not exact.

    Parameters
    ----------
    estimator : MatrixFactorization or TensorFactorization
        Fitted.
    X : array or sparse matrix of shape (n_samples, n_features)
        Checked.
    term : Term
        Of the codes.

    Returns
    -------
    codes : array of shape (n_samples, n_components)
        In the namespace and dtype of ``X``.
    """
    _, target = cuda.resolve(estimator.device, X)
    with target.activate():
        data = MatrixData(move(X, target))
        H = asarray_like(move(estimator.components_, target), data.like)
        sweeps = CODE_SWEEPS * estimator.max_iter
        A, gaps = solve_codes(data, H, term, sweeps=sweeps)
        worst = float(namespace(gaps).max(gaps))
        if not worst <= estimator.tol:
            warnings.warn(
                f"The codes of a row did not reach tol={estimator.tol:.0e}: its "
                f"certificate is {worst:.1e}. Increase max_iter or alpha_W, or loosen "
                "tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        codes = namespace(A).matrix_transpose(A)
    return plain_array(codes, X)
