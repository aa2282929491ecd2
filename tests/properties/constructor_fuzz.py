"""Odd values for every parameter of every estimator: what a fit may do with them.

A fit ends with a certificate and finite attributes, or with a ValueError or a TypeError
whose message names the parameter. Everything else is a finding: another exception, a
message without the name, a fit that takes longer than ``SECONDS``, attributes that are
not finite, a value accepted that cannot mean anything.

``python -m tests.properties.constructor_fuzz [words]`` runs all values over the
estimators whose names hold one of the words and prints the findings.
"""

import functools
import inspect
import math
import os
import re
import signal
import sys
import traceback
import warnings
from contextlib import contextmanager, redirect_stdout

import numpy as np

from tests.properties.estimators import CASES

SECONDS = 5.0


class Thing:
    """An object that no parameter can mean."""

    def __repr__(self):
        return "Thing()"


VALUES = [
    0,
    -1,
    2.5,
    math.nan,
    math.inf,
    -math.inf,
    1e300,
    1e-300,
    -0.0,
    True,
    False,
    None,
    "",
    "typo",
    (),
    [],
    {},
    Thing(),
    np.array([1.0, 2.0]),
    np.array("mcp"),
    np.float64(0.5),
    np.int64(2),
    10**30,
    1j,
    (1, 2),
    b"l1",
    int,
]

# Where these values mean something; anywhere else a fit that takes one is a finding.
_MEANT = {
    "nan": {"missing_values", "error_score", "unlabelled"},
    "typo": {"unlabelled"},
    "": {"unlabelled"},
}
# Every object is a label; the last ones are scikit-learn's own, in a search.
_ANYTHING = ("unlabelled", "pre_dispatch", "refit", "verbose")
# A class is a function, and what goes wrong in a user's function is the user's.
_FUNCTIONS = ("kernel", "optimizer", "scoring", "refit")

# More work than SECONDS is what these ask for with a huge number.
WORK = re.compile(
    "n_init|max_iter|n_iter|n_passes|n_gates|n_alphas|n_samples|n_features|alphas|cv|"
    "n_restarts_optimizer|n_swaps|hidden_layer_sizes|n_estimators|n_initial|n_jobs|"
    "n_steps|n_rounds|order|n_components|batch_size|pre_dispatch"
)


class TooSlow(BaseException):
    """Raised by the alarm."""


@contextmanager
def time_limit(seconds):
    """Raise TooSlow in the main thread after some seconds."""

    def ring(number, frame):
        raise TooSlow(traceback.extract_stack(frame)[-1])

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def not_finite(estimator):
    """Return the names of fitted arrays and numbers that are not finite."""
    found = []
    for name, value in vars(estimator).items():
        if not name.endswith("_") or name in ("history_", "cv_results_"):
            continue
        if isinstance(value, (float, np.ndarray)) and (
            np.asarray(value).dtype.kind == "f" and not np.isfinite(value).all()
        ):
            found.append(name)
    return found


def verdict(case, name, value):
    """Fit with one parameter changed.

    Returns
    -------
    problem : str or None
        None for a fit or an error as promised, else what happened.
    """
    data = case.data()
    try:
        with warnings.catch_warnings(), time_limit(SECONDS), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            estimator = data.fit(case.fresh(**{name: value}))
    except TooSlow as error:
        huge = isinstance(value, (int, float)) and abs(value) > 1e6
        # Nothing is solved to rounding, or so close to the unregularised problem.
        tiny = name in ("tol", "reg") and not value > 1e-20
        if (huge and WORK.search(name)) or tiny:
            return None
        return f"more than {SECONDS} s, at {error}"
    except (ValueError, TypeError) as error:
        message = str(error)
        if re.search(rf"\b{re.escape(name)}\b", message):
            return None
        if name == "device" and "CuPy" in message:
            return None
        if name in ("cv", "scoring") and "GPSearch" in case.name:
            return None  # scikit-learn's base of searches reads them, in its words
        return f"no name: {type(error).__name__}: {message[:200]} @ {_place(error)}"
    except (ImportError, RuntimeError) as error:
        if name == "device" and "CuPy" in str(error):
            return None
        return f"{type(error).__name__}: {str(error)[:200]} @ {_place(error)}"
    except Exception as error:
        if isinstance(error, MemoryError) and WORK.search(name):
            return None
        return f"{type(error).__name__}: {str(error)[:200]} @ {_place(error)}"
    if meaningless(case, name, value):
        return "accepted"
    wrong = set(not_finite(estimator)) - _not_finite_at_best(case)
    if math.isfinite(getattr(estimator, "objective_", math.nan)):
        # Without a penalty there is no dual point, hence no gap; a search in time has
        # no figures of what it did not come to.
        wrong -= {"dual_gap_", "unsketched_gcv_", "unsketched_gcv_path_"}
    if wrong:
        return f"not finite: {', '.join(sorted(wrong))}"
    return None


def meaningless(case, name, value):
    """Whether a parameter cannot mean a value."""
    if name in _ANYTHING:
        return False
    if isinstance(value, (Thing, complex, bytes)) or value is int:
        return True
    if isinstance(value, (str, float)) and str(value) in _MEANT:
        return name not in _MEANT[str(value)]
    default = inspect.signature(type(case.estimator)).parameters[name].default
    truth = (
        isinstance(value, (bool, np.bool_))
        or isinstance(value, int)
        and (value in (0, 1))
    )
    return isinstance(default, bool) and not truth


@functools.cache
def _not_finite_at_best(case):
    """Return what is not finite after a fit of the case as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return set(not_finite(case.data().fit(case.fresh())))


def _place(error):
    """Return the last line of skopt2 that an exception passed."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "skopt2/" in f[0]]
    if not frames:
        return "outside"
    last = frames[-1]
    return f"{last.filename.split('skopt2/', 1)[1]}:{last.lineno}"


def asked(name, value):
    """Whether a value is asked of a parameter: not where it would start processes."""
    if name == "n_jobs":
        return not isinstance(value, (int, float, np.integer))
    return not (value is int and name in _FUNCTIONS)


def findings(case, names=None, values=VALUES):
    """Yield (parameter, value, problem) of one case."""
    for name in names or case.parameters:
        for value in values:
            if not asked(name, value):
                continue
            problem = verdict(case, name, value)
            if problem is not None:
                yield name, value, problem


def main(words):
    """Print the findings of the estimators that are asked for, one process each."""
    for case in CASES:
        if words and not any(word.lower() in case.name.lower() for word in words):
            continue
        print(f"## {case.name}", flush=True)
        child = os.fork()
        if not child:
            with open(os.devnull, "w") as sink, redirect_stdout(sink):
                for name, value, problem in findings(case):
                    line = f"{case.name}({name}={value!r}): {problem}"
                    print(line, file=sys.__stdout__, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(f"{case.name}: the process died with status {status}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
