"""Parameters of a matrix factorisation that are refused."""

from skopt2.decomposition.factorization_options import (
    SIGNS,
    SOLVERS,
    check_choice,
    check_common,
    check_level,
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
    terms = estimator._terms(1)
    penalised = [term.penalised for term in terms]
    if not estimator.bounded and penalised[0] != penalised[1]:
        which = ("alpha_W", "alpha_H")[penalised.index(True)]
        raise ValueError(
            f"{which}={getattr(estimator, which)!r} alone has no effect: one factor "
            "can shrink while the other grows. Penalise both (alpha_H='same'), or set "
            "bounded=True to keep the norms of the components at most one."
        )
    if penalised[1] and not penalised[0]:
        raise ValueError(
            f"alpha_H={estimator.alpha_H!r} without alpha_W has no effect: the codes "
            "can grow while the components shrink. Set alpha_W as well."
        )
