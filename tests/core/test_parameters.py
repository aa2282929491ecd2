"""Checks of constructor parameters: what passes, and what the messages say."""

import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from skopt2._core.parameters import (
    InvalidParameterError,
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_positive,
    shown,
)
from skopt2._core.shared_parameters import (
    check_n_jobs,
    check_random_state,
    check_shared,
    check_verbose,
)

HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "options", "kind"),
    [
        (0, {"low": 0}, float),
        (np.float32(0.5), {"low": 0, "high": 1}, float),
        (np.int8(3), {"integer": True}, int),
        (-2.5, {}, float),
        (Fraction(1, 4), {"low": 0, "closed": "neither"}, float),
        (np.inf, {"infinite": True}, float),
        (1, {"low": 1, "high": 2, "closed": "low"}, float),
        (2, {"low": 1, "high": 2, "closed": "high"}, float),
        ("auto", {"named": ("auto",)}, str),
        (np.str_("auto"), {"named": ("auto",)}, str),
        (None, {"optional": True}, type(None)),
    ],
)
def test_numbers_come_back_as_types_of_python(value, options, kind):
    found = check_number("alpha", value, **options)
    assert type(found) is kind
    assert found == value


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (-1, {"low": 0}, "a nonnegative number; got alpha=-1."),
        (0.0, {"low": 0, "closed": "neither"}, "a positive number; got alpha=0.0."),
        (np.nan, {"low": 0}, "a nonnegative number that is finite; got alpha=nan."),
        (np.inf, {}, "a number that is finite; got alpha=inf."),
        (HUGE, {}, "a number that is finite; got alpha=<int of 1329 bits>."),
        (True, {}, "a number; got alpha=True."),
        (np.False_, {}, "a number; got alpha=np.False_."),
        (None, {}, "a number; got alpha=None."),
        ("1", {}, "a number; got alpha='1'."),
        (1j, {}, "a number; got alpha=1j."),
        (1, {"low": 0, "high": 1, "closed": "low"}, "in [0, 1); got alpha=1."),
        (0, {"low": 0, "high": 1, "closed": "high"}, "in (0, 1]; got alpha=0."),
        (2, {"low": 2, "closed": "neither"}, "a number larger than 2; got alpha=2."),
        (0.5, {"low": 1}, "a number of at least 1; got alpha=0.5."),
        (
            np.array(0.5),
            {},
            "a number; got alpha=<ndarray of shape () and dtype float64>. Pass the "
            "number in it, as float(...) or int(...) gives it.",
        ),
        ([1.0], {"optional": True}, "a number or None; got alpha=[1.0]."),
        (
            "Auto",
            {"named": ("auto", "gcv"), "optional": True},
            "a number, 'auto', 'gcv' or None; got alpha='Auto'. Did you mean 'auto'?",
        ),
        (0, {"low": 1, "hint": "Use 2."}, "at least 1; got alpha=0. Use 2."),
    ],
)
def test_what_is_no_number_in_range(value, options, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message) + "$"):
        check_number("alpha", value, **options)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, (), "a positive integer; got n=0."),
        (-1, (0,), "a nonnegative integer; got n=-1."),
        (1, (2,), "an integer of at least 2; got n=1."),
        (9, (1, 5), "an integer from 1 to 5; got n=9."),
        (3.0, (), "a positive integer; got n=3.0."),
        (1e300, (), "a positive integer; got n=1e+300."),
        (np.nan, (), "a positive integer; got n=nan."),
        (True, (), "a positive integer; got n=True."),
        (HUGE, (), "got n=<int of 1329 bits>. The largest is 2**63 - 1."),
    ],
)
def test_what_is_no_count(value, bounds, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message) + "$"):
        check_count("n", value, *bounds)


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_the_error_is_of_both_kinds(error):
    with pytest.raises(error, match="delta of the huber loss must be a positive"):
        check_positive("delta", 0, of="the huber loss")


@pytest.mark.parametrize("value", ["no", 0, 1.0, None, np.array([True, False])])
def test_what_is_no_flag(value):
    check_flag("refit", np.True_)
    with pytest.raises(InvalidParameterError, match="refit must be True or False; got"):
        check_flag("refit", value)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (np.str_("bcd"), ("bcd", "auto")),
        (True, (True, "codes")),
        (np.False_, (False, True)),
        (np.int64(2), (0, 1, 2)),
        (None, ("bcd", None)),
    ],
)
def test_choices_that_are_known(value, known):
    assert check_choice("solver", value, known) is None


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ("hal", {}, "one of 'hals', 'bcd-pr'; got solver='hal'. Did you mean 'hals'?"),
        ("BCD-PR", {}, "got solver='BCD-PR'. Did you mean 'bcd-pr'?"),
        ("newton", {}, "one of 'hals', 'bcd-pr'; got solver='newton'."),
        (None, {}, "one of 'hals', 'bcd-pr'; got solver=None."),
        (1, {"known": (True, False)}, "True or False; got solver=1."),
        (True, {"known": (0, 1, 2)}, "one of 0, 1, 2; got solver=True."),
        (
            np.array(["hals", "hals"]),
            {"optional": True, "other": "an object"},
            "one of 'hals', 'bcd-pr', None or an object; got solver=<ndarray of shape "
            "(2,) and dtype <U4>.",
        ),
        ("hal", {"hint": "Look."}, "one of 'hals', 'bcd-pr'; got solver='hal'. Look."),
    ],
)
def test_choices_that_are_not(value, options, message):
    options = {"known": ("hals", "bcd-pr"), **options}
    with pytest.raises(InvalidParameterError, match=re.escape(message) + "$"):
        check_choice("solver", value, **options)


def test_random_states_are_not_drawn_from():
    generator = np.random.RandomState(0)
    for good in (None, 0, np.int32(7), np.random, generator, np.random.default_rng(0)):
        check_random_state(good)
    assert generator.randint(2**31) == np.random.RandomState(0).randint(2**31)
    for bad in (-1, 1.0, "zero", True, np.arange(2)):
        with pytest.raises(InvalidParameterError, match="random_state must be None, a"):
            check_random_state(bad)


def test_jobs_and_verbosity():
    check_n_jobs(None)
    check_n_jobs(-1)
    check_verbose(True)
    check_verbose(3)
    with pytest.raises(InvalidParameterError, match="other than 0 or None; .* -1 is"):
        check_n_jobs(0)
    with pytest.raises(InvalidParameterError, match="n_jobs must be an integer or Non"):
        check_n_jobs(0.5)
    with pytest.raises(InvalidParameterError, match="verbose must be a nonnegative in"):
        check_verbose(-1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((2, 3)), "<ndarray of shape (2, 3) and dtype float64>"),
        (SimpleNamespace(shape=(4,)), "<SimpleNamespace of shape (4,)>"),
        (np.float64(1.5), "np.float64(1.5)"),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, "),
    ],
)
def test_values_are_shown_short(value, text):
    # Python itself refuses to write this one out.
    assert shown(10**5000) == "<int of 16610 bits>"
    assert shown(value).startswith(text)
    assert len(shown(value)) <= 80


class Toy:
    _not_flags = ("signs",)

    def __init__(
        self, tol=1e-3, max_iter=None, n_jobs=None, warm_start=False, signs=True
    ):
        self.tol, self.max_iter, self.n_jobs = tol, max_iter, n_jobs
        self.warm_start, self.signs = warm_start, signs


class Named(Toy):
    def __init__(self, max_iter="auto"):
        super().__init__(max_iter=max_iter)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Toy(tol=-1), "tol must be a nonnegative number; got tol=-1."),
        (Toy(max_iter="auto"), "max_iter must be a positive integer or None; got"),
        (Toy(max_iter=0), "max_iter must be a positive integer or None; got"),
        (Toy(warm_start=0, signs="all"), "warm_start must be True or False; got"),
        (Toy(n_jobs=0), "n_jobs must be an integer other than 0"),
        (Named(None), "max_iter must be a positive integer or 'auto'; got"),
    ],
)
def test_parameters_of_all_estimators(estimator, message):
    check_shared(type(estimator)())
    check_shared(Toy(tol=0, max_iter=5, signs="all"))
    with pytest.raises(InvalidParameterError, match=message):
        check_shared(estimator)


def test_infinity_where_it_means_something():
    assert check_positive("epsilon", np.inf, infinite=True) == np.inf
    with pytest.raises(InvalidParameterError, match="finite; got epsilon=inf"):
        check_positive("epsilon", np.inf)
