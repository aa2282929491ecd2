"""Checks of constructor parameters: numbers, flags and choices.

Every check raises :class:`InvalidParameterError` with one form of message: the name,
what it must be, the value, and where there is more to say, what to do instead::

    solver must be one of 'hals', 'bcd-pr'; got solver='hal'. Did you mean 'hals'?

A number is an int or a float of Python or NumPy, finite and no bool; an array of no
dimensions is an array. A check costs about a microsecond.
"""

import math
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np

from skopt2._core.name_hint import name_hint

# No count of iterations, samples or columns is larger than an index can be.
_LARGEST = 2**63 - 1
# Characters of a value that a message shows.
_WIDTH = 80


class InvalidParameterError(ValueError, TypeError):
    """A parameter of a wrong type or value, as scikit-learn's error of that name is."""


def check_number(
    name,
    value,
    low=-math.inf,
    high=math.inf,
    *,
    closed="both",
    integer=False,
    optional=False,
    named=(),
    infinite=False,
    of="",
    hint="",
):
    """Raise unless a parameter is a number between two bounds.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    low, high : float, default=-inf and inf
        Bounds.
    closed : {"both", "low", "high", "neither"}, default="both"
        Which of the bounds are allowed themselves.
    integer : bool, default=False
        Whether only integers are allowed.
    optional : bool, default=False
        Whether None is allowed.
    named : tuple of str, default=()
        Names that stand for a number, such as ``"auto"``.
    infinite : bool, default=False
        Whether infinity is allowed where the bounds allow it.
    of : str, default=""
        What the parameter belongs to, such as ``"the huber loss"``.
    hint : str, default=""
        Sentences that say what to do instead.

    Returns
    -------
    value : float, int, str or None
        The value as a type of Python.

    Raises
    ------
    InvalidParameterError
        Otherwise.
    """
    if optional and value is None:
        return None
    if named and isinstance(value, str) and value in named:
        return str(value)
    kind = Integral if integer else Real
    if isinstance(value, kind) and not isinstance(value, bool):
        above = value >= low if closed in ("both", "low") else value > low
        below = value <= high if closed in ("both", "high") else value < high
        if above and below:
            if integer:
                if value <= _LARGEST:
                    return int(value)
            elif infinite or _is_finite(value):
                return float(value)
    what = _noun(value, low, high, closed, integer)
    others = [repr(one) for one in named] + ["None"] * optional
    hint = hint or _near(name, value, named) or _remedy(value, integer)
    raise parameter_error(name, value, _joined([what, *others]), of, hint)


def check_positive(name, value, **options):
    """Raise unless a parameter is a finite number larger than 0.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    **options : dict
        See :func:`check_number`.

    Returns
    -------
    value : float, str or None
        The value as a type of Python.
    """
    return check_number(name, value, 0, closed="high", **options)


def check_count(name, value, low=1, high=_LARGEST, **options):
    """Raise unless a parameter is an integer of at least ``low``.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    low, high : int, default=1 and 2**63 - 1
        Smallest and largest value.
    **options : dict
        See :func:`check_number`.

    Returns
    -------
    value : int, str or None
        The value as a type of Python.
    """
    return check_number(name, value, low, high, integer=True, **options)


def check_flag(name, value, of="", hint=""):
    """Raise unless a parameter is True or False: "no" would count as True.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    of, hint : str, default=""
        See :func:`check_number`.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise parameter_error(name, value, "True or False", of, hint)


def check_choice(name, value, known, *, optional=False, other="", of="", hint=""):
    """Raise unless a parameter is one of some names or flags.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave. An array is none of them.
    known : sequence of str, bool or int
        What is allowed.
    optional : bool, default=False
        Whether None is allowed.
    other : str, default=""
        What else is allowed and was looked for before, for the message.
    of, hint : str, default=""
        See :func:`check_number`.
    """
    if isinstance(value, str):
        if value in known:
            return
    elif value is None:
        if optional or None in known:
            return
    elif isinstance(value, (bool, np.bool_, Integral)):
        # 1 == True, but is no flag.
        flag = isinstance(value, (bool, np.bool_))
        if any(isinstance(one, bool) is flag and one == value for one in known):
            return
    words = ", ".join([repr(one) for one in known] + ["None"] * optional)
    what = "True or False" if tuple(known) == (True, False) else f"one of {words}"
    what = f"{what} or {other}" if other else what
    raise parameter_error(name, value, what, of, hint or _near(name, value, known))


def check_init(init, names, other):
    """Raise where ``init`` is neither a known name nor something that holds arrays.

    Parameters
    ----------
    init : object
        What the user gave. Arrays and lists are left to the caller.
    names : sequence of str
        What is allowed.
    other : str
        What an array stands for, for the message.
    """
    if not isinstance(init, (list, tuple)) and not hasattr(init, "shape"):
        check_choice("init", init, names, other=other)


def shown(value):
    """Return a value as a message shows it: short, whatever it is.

    Parameters
    ----------
    value : object
        What the user gave.

    Returns
    -------
    text : str
        At most about 80 characters.
    """
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, (type, np.generic)):
        kind, dtype = type(value).__name__, getattr(value, "dtype", "")
        return f"<{kind} of shape {tuple(shape)}{dtype and f' and dtype {dtype}'}>"
    if isinstance(value, int) and value.bit_length() > 256:
        # Python refuses to write out more than some thousand digits.
        return f"<int of {value.bit_length()} bits>"
    text = " ".join(repr(value).split())
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _noun(value, low, high, closed, integer):
    """Return the words for the numbers between two bounds."""
    kind, strict = "integer" if integer else "number", closed not in ("both", "low")
    if integer and high < _LARGEST:
        return f"an integer from {low} to {high}"
    if not integer and high < math.inf:
        left = "(" if strict else "["
        right = "]" if closed in ("both", "high") else ")"
        return f"a number in {left}{low:g}, {high:g}{right}"
    if (low == 0 and strict) or (integer and low == 1):
        text = f"positive {kind}"
    elif low == 0:
        text = f"nonnegative {kind}"
    elif low == -math.inf:
        text = kind
    else:
        text = f"{kind} {'larger than' if strict else 'of at least'} {low:g}"
    if isinstance(value, Real) and not integer and not _is_finite(value):
        text = f"{text} that is finite"
    return f"{'an' if text[0] == 'i' else 'a'} {text}"


def _remedy(value, integer):
    """Return what to do about a number of an unusual kind."""
    if getattr(value, "shape", None) == () and not isinstance(value, np.generic):
        return "Pass the number in it, as float(...) or int(...) gives it."
    if integer and isinstance(value, int) and value > _LARGEST:
        return "The largest is 2**63 - 1."
    return ""


def _near(name, value, known):
    """Return a guess at the name that was meant, or nothing."""
    return name_hint(name, value, {one: one for one in known if isinstance(one, str)})


def _joined(words):
    """Return words as a list: "a, b or c"."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def parameter_error(name, value, what, of="", hint=""):
    """Return the error of a parameter.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.
    what : str
        What it must be.
    of, hint : str, default=""
        See :func:`check_number`.

    Returns
    -------
    error : InvalidParameterError
    """
    owner, hint = f"{name} of {of}" if of else name, f" {hint}" if hint else ""
    return InvalidParameterError(
        f"{owner} must be {what}; got {name}={shown(value)}.{hint}"
    )


def check_squarable(name, value):
    """Raise unless the square of a number, and its inverse, are numbers too.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave, checked. Zero, names and None pass.
    """
    if isinstance(value, Real) and value and not 1e-100 <= abs(value) <= 1e100:
        what = "of a size between 1e-100 and 1e100"
        raise parameter_error(name, value, what, hint="Choose another unit.")


@contextmanager
def errors_name(name, value):
    """Let the errors of what uses a parameter name it.

    For parameters that other libraries read, such as ``cv`` and ``scoring``.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        What the user gave.

    Raises
    ------
    InvalidParameterError
        In the place of a ValueError, a TypeError or an OverflowError.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidParameterError(f"{name}={shown(value)}: {error}") from error
