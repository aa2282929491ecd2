"""Parameters of factorisations: what they mean and what is refused."""

from skopt2._core.parameters import (
    check_choice,
    check_init,
    check_number,
    check_positive,
)
from skopt2.penalties import Positive, get_penalty
from skopt2.solvers.factorization.term import Term

SOLVERS = ("hals", "bcd-pr")
# Penalties that act on each element alone, with nothing to fit to a feature.
PENALTIES = ("l1", "mcp", "scad", "l0", "l_half", "l_two_thirds", "log_sum")
SIGNS = (True, False, "codes", "components")


def check_blocks(estimator, starts, other):
    """Raise ValueError unless the parameters of penalised blocks are in range.

    Parameters
    ----------
    estimator : MatrixFactorization or TensorFactorization
        Not fitted.
    starts : tuple of str
        Names of starts.
    other : str
        What else ``init`` may be.
    """
    check_choice("nonnegative", estimator.nonnegative, SIGNS)
    check_choice("solver", estimator.solver, SOLVERS)
    check_positive("prox", estimator.prox)
    check_init(estimator.init, starts, other)


def block_levels(estimator):
    """Return the levels of codes and components, and the share of the l1 norm.

    Parameters
    ----------
    estimator : MatrixFactorization or TensorFactorization
        With ``alpha_W``, ``alpha_H`` and ``l1_ratio``.

    Returns
    -------
    codes, others, ratio : float
    """
    codes = check_number("alpha_W", estimator.alpha_W, 0)
    others = check_number("alpha_H", estimator.alpha_H, 0, named=("same",))
    ratio = check_number("l1_ratio", estimator.l1_ratio, 0, 1)
    return codes, codes if others == "same" else others, ratio


def check_scales(estimator, terms):
    """Raise ValueError if one block is penalised and another can take its size.

    Parameters
    ----------
    estimator : estimator
        With ``alpha_W``, ``alpha_H`` and ``bounded``.
    terms : list of Term
        Of the codes and of the other blocks.
    """
    codes, others = terms[0].penalised, terms[1].penalised
    if others and not codes:
        raise ValueError(
            f"alpha_H={estimator.alpha_H!r} without alpha_W has no effect: the codes "
            "can grow while the components shrink. Set alpha_W as well."
        )
    if codes and not others and not estimator.bounded:
        raise ValueError(
            f"alpha_W={estimator.alpha_W!r} without alpha_H has no effect: the "
            "components can grow while the codes shrink. Penalise both "
            "(alpha_H='same'), or set bounded=True to keep the norms of the components "
            "at most one."
        )


def block_term(penalty, level, l1_ratio, nonnegative, *, ball=False, name="penalty"):
    """Return the term of a block.

    Parameters
    ----------
    penalty : str or Penalty
        ``"elasticnet"`` for both norms by ``l1_ratio``, or a penalty of
        :mod:`skopt2.penalties` by name or object.
    level : float
        Level.
    l1_ratio : float
        Share of the l1 norm in an elastic net.
    nonnegative : bool
        Whether no element may be negative.
    ball : bool, default=False
        Whether rows of the block have a norm of at most one.
    name : str, default="penalty"
        Of the parameter, for the messages.

    Returns
    -------
    term : Term

    Raises
    ------
    ValueError
        If the penalty is unknown or not for codes.
    """
    if isinstance(penalty, str) and penalty == "elasticnet":
        l1, ridge = level * l1_ratio, level * (1.0 - l1_ratio)
        return Term(nonnegative, l1, ridge, ball=ball)
    try:
        penalty = get_penalty(penalty)
    except ValueError as error:
        raise ValueError(f"{name} is not usable: {error}") from error
    if isinstance(penalty, Positive):
        penalty = penalty.penalty
    if penalty.name not in PENALTIES:
        raise ValueError(
            f"{name}={penalty!r} is not for codes: use 'elasticnet' or one of "
            f"{PENALTIES}, by name or as an object."
        )
    if penalty.name == "l1":
        return Term(nonnegative, l1=level, ball=ball)
    if ball and level > 0.0:
        raise ValueError(
            f"{name}={penalty.name!r} cannot be used for components of bounded norm: "
            "use 'elasticnet' or 'l1' there, or alpha_H=0."
        )
    return Term(nonnegative, penalty=penalty, level=level, ball=ball)
