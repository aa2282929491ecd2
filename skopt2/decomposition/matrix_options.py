"""Parameters of a matrix factorisation that are refused."""

from skopt2._core.parameters import check_count
from skopt2.decomposition.factorization_options import check_blocks, check_scales

STARTS = ("nndsvda", "nndsvd", "nndsvdar", "random", "k-means++", "custom")


def check_matrix_factorization(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : MatrixFactorization
        Not fitted.
    """
    check_count("n_components", estimator.n_components, named=("auto",))
    check_blocks(estimator, STARTS, "an array of components")
    check_scales(estimator, estimator._terms(1))
