"""Names, clones, searchable parameters and the messages for bad ones."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skopt2.penalties import (
    _PENALTIES,
    L1,
    MCP,
    SCAD,
    AdaptiveL1,
    Box,
    ElasticNet,
    LogSum,
    Lq,
    Penalty,
    Positive,
    TransformedL1,
    WeightedL1,
    get_penalty,
)
from tests.penalties.reference import SYMMETRIC

# A name for an object of a class with a name of its own.
ALIASES = {"ridge": "elasticnet"}
# The penalties whose tests have files of their own, or values per feature.
ELSEWHERE = {"slope", "fused_lasso", "box"}


def test_every_penalty_has_a_formula_to_be_tested_with():
    tested = {penalty.name for penalty, _ in SYMMETRIC.values()}
    assert tested == set(_PENALTIES) - ELSEWHERE - set(ALIASES)


@pytest.mark.parametrize("name", _PENALTIES)
def test_names_give_objects(name):
    penalty = get_penalty(name)
    assert isinstance(penalty, Penalty)
    assert penalty.name == ALIASES.get(name, name)
    assert get_penalty(penalty) is penalty
    assert clone(penalty).get_params() == penalty.get_params()
    penalty.check_parameters(n_features=5)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_convex_is_what_the_formula_is(name):
    penalty, formula = SYMMETRIC[name]
    values = formula(np.abs(np.linspace(-9, 9, 181)), 1.0)
    bend = values[2:] - 2 * values[1:-1] + values[:-2]
    assert penalty.convex is bool((bend > -1e-12).all())


@pytest.mark.parametrize("name", _PENALTIES)
def test_only_the_convex_have_a_conjugate(name):
    penalty = get_penalty(name)
    assert hasattr(penalty, "conjugate") is penalty.convex
    fixed_point = name in {"l_half", "l_two_thirds", "l0"}
    expected = "fixed_point" if fixed_point else "subdifferential"
    assert penalty.stationarity == expected
    wrapped = Positive(penalty)
    assert (wrapped.convex, wrapped.stationarity) == (penalty.convex, expected)


@pytest.mark.parametrize("unknown", ["lasso", None, 3, MCP])
def test_unknown_penalty_lists_the_names(unknown):
    with pytest.raises(ValueError, match=r"penalty must be one of 'l1'.* got penalty="):
        get_penalty(unknown)


def test_ridge_is_the_elastic_net_without_an_l1_norm():
    assert get_penalty("ridge").get_params() == {"l1_ratio": 0.0}


def test_weighted_l1_by_name_says_how_to_give_weights():
    with pytest.raises(ValueError, match=r"penalty=WeightedL1\(weights\)"):
        get_penalty("weighted_l1")


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (MCP(1.0), r"gamma of the MCP .* larger than 1; got gamma=1.0. 3.0 is usual"),
        (MCP(np.inf), r"gamma of the MCP .* got gamma=inf"),
        (MCP("3"), r"gamma of the MCP .* got gamma='3'"),
        (SCAD(2.0), r"gamma of the SCAD .* larger than 2; got gamma=2.0. 3.7"),
        (ElasticNet(1.5), r"l1_ratio .* \[0, 1\]; got l1_ratio=1.5. Use 1"),
        (ElasticNet(np.nan), r"l1_ratio .* got l1_ratio=nan"),
        (Lq(0.4), r"q of the l_q .* 1/2 or 2/3, .* got q=0.4; use Lq"),
        (Lq(None), r"q of the l_q .* got q=None"),
        (LogSum(0.0), r"epsilon of the log-sum .* positive .* got epsilon=0.0. Try"),
        (TransformedL1(0), r"epsilon of the transformed l1 .* got epsilon=0. 1.0"),
        (AdaptiveL1(power=-1), r"power of the adaptive .* got power=-1. 1.0 is usual"),
        (
            AdaptiveL1(epsilon=0),
            r"epsilon of the adaptive .* got epsilon=0. 0.1",
        ),
        (AdaptiveL1(n_reweightings=1.5), r"n_reweightings .* integer; .* Use 2"),
        (WeightedL1([1.0, -2.0]), r"weights .* nonnegative, got values from -2.0 to 1"),
        (WeightedL1([1.0, np.inf]), r"weights .* finite .* use penalty_factor=inf"),
        (WeightedL1(1.0), r"weights .* one number per feature, got weights=1.0"),
        (WeightedL1("abc"), r"weights .* got weights='abc'"),
        (Box(1.0, -1.0), r"lower .* must not exceed upper, got lower=1.0 .* swap"),
        (Box(0.5, 1.0), r"must enclose 0, .* got lower=0.5 and upper=1.0; use"),
        (Box(-2.0, -1.0), r"must enclose 0"),
        (Box(np.nan, 1.0), r"lower of the box .* got lower=nan"),
        (Box(-1.0, "x"), r"upper of the box .* got upper='x'"),
        (Box([-1.0, 0.0], [1.0, 1.0, 1.0]), r"must have one length"),
        (Positive(MCP(0.5)), r"gamma of the MCP .* got gamma=0.5"),
        (Positive("l1"), r"penalty of Positive .* got penalty='l1'; write"),
        (Positive(Positive(L1())), r"penalty of Positive must be one penalty"),
    ],
)
def test_bad_parameters_name_the_value_and_the_fix(penalty, message):
    with pytest.raises(ValueError, match=message):
        get_penalty(penalty)


def test_parameters_per_feature_must_fit_the_features():
    with pytest.raises(ValueError, match="weights .* 2 entries, but X has 3 features"):
        WeightedL1([1.0, 2.0]).check_parameters(n_features=3)
    with pytest.raises(ValueError, match="upper .* 2 entries, but X has 3 features"):
        Positive(Box(0.0, [1.0, 2.0])).check_parameters(n_features=3)


def test_wrapped_parameters_are_reached_by_name():
    penalty = clone(Positive(MCP(gamma=2.0))).set_params(penalty__gamma=4.0)
    assert penalty.get_params()["penalty__gamma"] == 4
    assert penalty.name == "positive mcp"


def test_bounds():
    assert L1().bounds is None
    assert Box(-1.0, 2.0).bounds == (-1, 2)
    assert Positive(L1()).bounds == (0, np.inf)
    assert Positive(Box(-1.0, 2.0)).bounds == (0, 2)


def test_restrict_and_beside_touch_only_what_is_per_feature(backend):
    index = np.array([2, 0])
    assert MCP().restrict(index).gamma == 3
    positive = Positive(L1())
    assert positive.restrict(index) is positive
    like = backend.asarray([0.0], dtype=np.float32)
    weighted = Positive(WeightedL1([1.0, 2.0, 3.0]))
    for restricted in (
        weighted.beside(like).restrict(backend.asarray(index)),
        weighted.beside(like).restrict(index) if backend.name == "numpy" else None,
        weighted.restrict(backend.asarray(index)).beside(like),
    ):
        if restricted is not None:
            weights = restricted.penalty.weights
            assert weights.dtype == like.dtype
            assert_array_equal(backend.to_numpy(weights), [3, 1])
    box = Box(-1.0, [1.0, 2.0, 3.0])
    part = box.beside(like).restrict(backend.asarray(index))
    assert part.lower == -1
    assert_array_equal(backend.to_numpy(part.upper), [3, 1])
    later = box.restrict(backend.asarray(index))
    assert_array_equal(later.upper, [3, 1])
    assert_array_equal(weighted.penalty.weights, [1, 2, 3])
