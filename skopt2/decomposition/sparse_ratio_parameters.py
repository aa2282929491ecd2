"""The parameters that sparse principal components are given."""

from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2.solvers.fractional.components import SOLVERS


def check_parameters(estimator):
    """Raise ValueError unless the parameters of a SparseRatioPCA are in range.

    Parameters
    ----------
    estimator : SparseRatioPCA
        Not fitted.
    """
    check_count("n_components", estimator.n_components)
    check_count("n_init", estimator.n_init)
    check_count("n_nonzero", estimator.n_nonzero, optional=True)
    hint = "0 is the leading direction of the data, 1 would be a single feature."
    check_number("alpha", estimator.alpha, 0, 1, closed="low", hint=hint)
    check_choice("solver", estimator.solver, SOLVERS)
