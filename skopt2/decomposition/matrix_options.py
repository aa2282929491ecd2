"""Parameters of a matrix factorisation that are refused."""

from skopt2.decomposition.factorization_options import (
    SIGNS,
    SOLVERS,
    check_choice,
    check_common,
    check_level,
    check_scales,
)

STARTS = ("nndsvda", "nndsvd", "nndsvdar", "random", "k-means++", "custom")


def check_matrix_factorization(estimator):
    """Raise ValueError unless the parameters are in range and fit together.

    Parameters
    ----------
    estimator : MatrixFactorization
        Not fitted.
    """
    check_common(estimator)
    check_choice("nonnegative", estimator.nonnegative, SIGNS)
    check_choice("solver", estimator.solver, SOLVERS)
    check_choice("bounded", estimator.bounded, (True, False))
    if not check_level("prox", estimator.prox) > 0.0:
        raise ValueError(f"prox must be a positive number; got {estimator.prox!r}.")
    init = estimator.init
    if isinstance(init, str) and init not in STARTS:
        raise ValueError(
            f"init must be one of {STARTS} or an array of components; got {init!r}."
        )
    check_scales(estimator, estimator._terms(1))
