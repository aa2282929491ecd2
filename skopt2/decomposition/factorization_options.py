"""Parameters of factorisations: what they mean and what is refused."""

import math
import numbers

from skopt2.penalties import Positive, get_penalty
from skopt2.solvers.factorization.term import Term

SOLVERS = ("hals", "bcd-pr")
# Penalties that act on each element alone, with nothing to fit to a feature.
PENALTIES = ("l1", "mcp", "scad", "l0", "l_half", "l_two_thirds", "log_sum")
SIGNS = (True, False, "codes", "components")


def check_common(estimator):
    """Raise ValueError unless the parameters of any factorisation are in range.

    Parameters
    ----------
    estimator : estimator
        With ``n_components``, ``max_iter``, ``tol``, ``time_limit``.
    """
    for name in ("n_components", "max_iter"):
        value = getattr(estimator, name)
        if name == "n_components" and estimator._may_be_auto and value == "auto":
            continue
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer; got {value!r}.")
    tol, limit = estimator.tol, estimator.time_limit
    if not (isinstance(tol, numbers.Real) and 0 <= tol < 1):
        raise ValueError(f"tol must be a number in [0, 1); got {tol!r}.")
    if limit is not None and not (isinstance(limit, numbers.Real) and limit > 0):
        raise ValueError(
            f"time_limit must be a positive number of seconds or None; got {limit!r}."
        )


def check_choice(name, value, options):
    """Raise ValueError unless a parameter is one of its options."""
    # 1 == True, but is no flag.
    if not any(type(value) is type(option) and value == option for option in options):
        raise ValueError(f"{name} must be one of {options}; got {value!r}.")


def check_level(name, value, top=math.inf):
    """Return a nonnegative number, at most ``top``, or raise ValueError."""
    inside = isinstance(value, numbers.Real) and 0 <= value <= top
    if not inside or isinstance(value, bool) or math.isinf(value):
        end = "" if math.isinf(top) else f" of at most {top}"
        raise ValueError(f"{name} must be a nonnegative number{end}; got {value!r}.")
    return float(value)


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
