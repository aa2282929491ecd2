"""Checks of the parameters that mean the same in every estimator."""

import functools
import inspect
from numbers import Integral

import numpy as np

from skopt2._core.parameters import (
    check_count,
    check_flag,
    check_number,
    check_positive,
    parameter_error,
)

_GENERATORS = (
    type(None),
    np.random.RandomState,
    np.random.Generator,
    np.random.SeedSequence,
)


def check_random_state(random_state):
    """Raise unless a random state is one that every estimator takes.

    Parameters
    ----------
    random_state : object
        What the user gave.
    """
    if isinstance(random_state, Integral):
        good = random_state >= 0 and not isinstance(random_state, bool)
    else:
        good = isinstance(random_state, _GENERATORS) or random_state is np.random
    if good:
        return
    what = "None, a nonnegative integer, a numpy RandomState or a numpy Generator"
    raise parameter_error("random_state", random_state, what)


def check_n_jobs(n_jobs):
    """Raise unless a number of jobs is None or an integer other than 0.

    Parameters
    ----------
    n_jobs : object
        What the user gave.
    """
    if n_jobs is None:
        return
    check_number("n_jobs", n_jobs, integer=True, optional=True)
    if n_jobs == 0:
        hint = "None and 1 are one process, -1 is one for each processor."
        raise parameter_error(
            "n_jobs", n_jobs, "an integer other than 0 or None", hint=hint
        )


def check_verbose(verbose):
    """Raise unless a verbosity is a flag or an integer of at least 0.

    Parameters
    ----------
    verbose : object
        What the user gave.
    """
    if not isinstance(verbose, (bool, np.bool_)):
        check_count("verbose", verbose, 0)


def check_time_limit(time_limit):
    """Raise unless a time limit is None or a positive number of seconds.

    Parameters
    ----------
    time_limit : object
        What the user gave.
    """
    check_positive("time_limit", time_limit, optional=True)


def _check_max_iter(value, default):
    """Raise unless it is a count, or the None or the name that is its default."""
    named = (default,) if isinstance(default, str) else ()
    check_count("max_iter", value, optional=default is None, named=named)


# Parameters that mean the same wherever there are any.
_SHARED = {
    "n_jobs": check_n_jobs,
    "random_state": check_random_state,
    "time_limit": check_time_limit,
    "tol": functools.partial(check_number, "tol", low=0),
    "verbose": check_verbose,
}


def check_shared(estimator):
    """Raise for parameters that are wrong in any estimator, used by its fit or not.

    Parameters
    ----------
    estimator : estimator
        What it has of ``max_iter``, ``tol``, ``time_limit``, ``random_state``,
        ``n_jobs`` and ``verbose`` is checked, and every parameter whose default is
        True or False has to be one of them, but for those in ``_not_flags``.
    """
    for name, check in _checks_of(type(estimator)):
        check(getattr(estimator, name))


@functools.cache
def _checks_of(kind):
    """Return the names of shared parameters of a class, with their checks."""
    parameters = inspect.signature(kind).parameters
    found = [(name, check) for name, check in _SHARED.items() if name in parameters]
    if "max_iter" in parameters:
        default = parameters["max_iter"].default
        found.append(("max_iter", functools.partial(_check_max_iter, default=default)))
    beyond = getattr(kind, "_not_flags", ())
    for name, parameter in parameters.items():
        if isinstance(parameter.default, bool) and name not in beyond:
            found.append((name, functools.partial(check_flag, name)))
    return found
