"""Search spaces: every candidate is one point, and comes back from it."""

import itertools

import numpy as np
import pytest
from scipy.stats import (
    expon,
    loguniform,
    norm,
    poisson,
    randint,
    rv_discrete,
    truncnorm,
    uniform,
)

from skopt2.solvers.search.dimension import read_dimension
from skopt2.solvers.search.space import SearchSpace

MIXED = {
    "C": loguniform(1e-3, 1e3),
    "depth": randint(1, 6),
    "kernel": ["rbf", "poly", "linear"],
    "weights": [None, "balanced"],
    "size": [4, 1, 2],
}


def draws(space, n=200, seed=0):
    return space.snap(np.random.default_rng(seed).random((n, space.n_raw)))


@pytest.mark.parametrize(
    "space",
    [
        MIXED,
        {"a": norm(), "b": expon(scale=100), "c": poisson(7), "d": uniform(-1, 2)},
        {"a": truncnorm(-1, 2), "b": randint(0, 10**6), "c": np.logspace(-3, 3, 7)},
        [{"a": [1, 2], "b": uniform()}, {"a": [1, 2], "c": ["x", "y", "z"]}],
    ],
)
def test_a_point_comes_back_from_its_parameters(space):
    space = SearchSpace(space)
    points = draws(space)
    np.testing.assert_array_equal(space.snap(points), points)
    for point in points:
        found = space.locate(space.decode(point))
        np.testing.assert_allclose(found, point, rtol=0, atol=1e-9)
    columns = space.encode(points)
    assert columns.shape == (len(points), space.n_columns)
    assert columns.min() >= 0.0
    assert columns.max() <= 1.0


def test_a_continuous_parameter_is_searched_on_the_scale_of_its_distribution():
    space = SearchSpace({"C": loguniform(1e-3, 1e3)})
    middle = space.decode(space.snap(np.array([[0.5]]))[0])
    assert middle == {"C": pytest.approx(1.0)}
    assert space.locate({"C": 100.0})[0] == pytest.approx(5 / 6)


@pytest.mark.parametrize("distribution", [expon(scale=100), norm(), uniform(0, 1)])
def test_ends_that_are_only_limits_are_not_reached(distribution):
    space = SearchSpace({"C": distribution})
    low, high = (
        space.decode(point)["C"] for point in space.snap(np.array([[0.0], [1.0]]))
    )
    support = distribution.support()
    assert support[0] < low < high < support[1]


def test_values_have_the_types_that_a_random_search_gives():
    space = SearchSpace({**MIXED, "n": poisson(5)})
    for point in draws(space, 20):
        params = space.decode(point)
        assert type(params["C"]) is float
        assert type(params["depth"]) is int
        assert type(params["n"]) is int
        assert params["kernel"] in MIXED["kernel"]
        assert params["size"] in MIXED["size"]


def test_uniform_points_have_the_distribution():
    space = SearchSpace({"n": poisson(3), "k": randint(1, 4), "c": ["x", "y", "z"]})
    points = draws(space, 4000)
    params = [space.decode(point) for point in points]
    counts = np.bincount([item["n"] for item in params], minlength=8)[:8] / 4000
    np.testing.assert_allclose(counts, poisson(3).pmf(np.arange(8)), atol=0.03)
    for name, values in (("k", [1, 2, 3]), ("c", "xyz")):
        shares = [np.mean([item[name] == value for item in params]) for value in values]
        np.testing.assert_allclose(shares, 1 / 3, atol=0.03)


def test_numbers_keep_their_order_and_other_values_their_distance():
    space = SearchSpace({"size": [100, 1, 10], "kernel": ["a", "b", "c"]})
    columns = space.encode(
        np.array(
            [
                space.locate({"size": size, "kernel": kernel})
                for size, kernel in [
                    (1, "a"),
                    (10, "a"),
                    (100, "a"),
                    (1, "b"),
                    (1, "c"),
                ]
            ]
        )
    )
    gaps = np.linalg.norm(columns[:, None] - columns[None], axis=2)
    np.testing.assert_allclose(gaps[0], [0, 1 / 3, 2 / 3, 1, 1])
    assert gaps[3, 4] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([3, 1, 2], "Ordinal"),
        ([0.1, 10], "Ordinal"),
        ((True, False), "Categorical"),
        ([None, 1, 2], "Categorical"),
        ([1, np.inf], "Categorical"),
        (["1", "2"], "Categorical"),
        ([(1, 2), (2, 1)], "Categorical"),
    ],
)
def test_lists(values, kind):
    dimension = read_dimension("a", values)
    assert type(dimension).__name__ == kind
    assert dimension.n_levels == len(values)


def test_repeated_values_are_one():
    space = SearchSpace({"a": [1, 1, 2], "b": ["x", "x"], "c": [1, True]})
    assert space.size == 2 * 1 * 2


def test_objects_without_a_comparison_are_values():
    first, second = np.arange(3), np.arange(3)
    space = SearchSpace({"a": [first, second]})
    chosen = [space.decode(point)["a"] for point in space.members()]
    assert chosen[0] is first
    assert chosen[1] is second


def test_members_are_the_whole_finite_space():
    space = SearchSpace([{"a": [1, 2, 3], "b": ["x", "y"]}, {"a": [1, 2, 3], "c": [0]}])
    assert space.size == 9
    found = [tuple(sorted(space.decode(point).items())) for point in space.members(4)]
    product = itertools.product([1, 2, 3], ["x", "y"])
    expected = [(("a", a), ("b", b)) for a, b in product]
    expected += [(("a", a), ("c", 0)) for a in [1, 2, 3]]
    assert sorted(found) == sorted(expected)
    rows = np.array(list(space.members()))
    np.testing.assert_array_equal(space.snap(rows), rows)


def test_a_discrete_distribution_with_gaps_is_as_large_as_its_values():
    law = rv_discrete(values=([1, 5, 9], [0.2, 0.5, 0.3]))()
    space = SearchSpace({"n": law})
    assert space.size == 3
    assert [space.decode(point)["n"] for point in space.members()] == [1, 5, 9]
    np.testing.assert_allclose(np.array(list(space.members()))[:, 0], [0.1, 0.45, 0.85])


def test_infinite_spaces_have_no_size():
    assert SearchSpace(MIXED).size is None
    assert SearchSpace({"n": poisson(3)}).size is None
    assert SearchSpace({"n": randint(0, 10**6)}).size == 10**6


def test_dictionaries_share_what_is_the_same():
    shared = [
        {"C": loguniform(1, 9), "kernel": ["rbf"], "gamma": uniform()},
        {"C": loguniform(1, 9), "kernel": ["linear"]},
    ]
    # Which dictionary, C, two kernels and gamma.
    assert SearchSpace(shared).n_raw == 5
    shared[1]["C"] = loguniform(1, 10)
    assert SearchSpace(shared).n_raw == 6


def test_what_a_dictionary_does_not_have_makes_no_difference():
    space = SearchSpace([{"a": uniform()}, {"b": ["x", "y", "z"]}])
    points = draws(space)
    first = space.encode(points[space.branch(points) == 0])
    assert np.ptp(first[:, 2:], axis=0).max() == 0.0
    assert {tuple(space.decode(point)) for point in points} == {("a",), ("b",)}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "nothing to search"),
        ([], "must be a dictionary or a list"),
        ([1], "must be a dictionary or a list"),
        ({"a": []}, r"\['a'\] is an empty list"),
        ({"a": 3}, r"\['a'\] must be a frozen distribution"),
        ({"a": "abc"}, r"\['a'\] must be a frozen distribution"),
    ],
)
def test_bad_spaces(space, message):
    with pytest.raises(ValueError, match=message):
        SearchSpace(space)


def test_a_distribution_without_quantiles_is_refused():
    class Drawn:
        def rvs(self, random_state=None):
            return 1.0

    with pytest.raises(ValueError, match="no ppf and cdf"):
        SearchSpace({"a": Drawn()})


def test_parameters_that_are_not_of_the_space():
    space = SearchSpace({"a": ["x", "y"]})
    with pytest.raises(ValueError, match="no dictionary with the parameters"):
        space.locate({"b": 1})
    with pytest.raises(ValueError, match="is not one of"):
        space.locate({"a": "z"})
