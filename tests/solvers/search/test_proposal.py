"""Proposals: designs that fill a space, and maxima of functions that are known."""

import numpy as np
import pytest
from scipy.stats import loguniform, poisson, qmc, randint, uniform

from skopt2.solvers.search.proposal import (
    Seen,
    candidates,
    initial_points,
    perturb,
    propose,
)
from skopt2.solvers.search.space import SearchSpace

CUBE = SearchSpace({f"x{i}": uniform() for i in range(4)})
NOTHING = np.empty((0, 4))


def rng(seed=0):
    return np.random.default_rng(seed)


def distinct(points):
    return len({point.tobytes() for point in points})


def test_the_start_fills_the_space_better_than_chance():
    even = [qmc.discrepancy(initial_points(CUBE, 16, rng(seed))) for seed in range(5)]
    chance = [qmc.discrepancy(rng(seed).random((16, 4))) for seed in range(20)]
    assert max(even) < np.mean(chance)


@pytest.mark.parametrize("n_points", [1, 2, 7, 12])
def test_the_start_has_as_many_points_as_asked_for(n_points):
    space = SearchSpace({"a": [1, 2, 3], "b": ["x", "y"], "c": [True, False]})
    points = initial_points(space, n_points, rng())
    assert points.shape == (n_points, 3)
    assert distinct(points) == n_points


def test_a_small_space_is_started_whole():
    space = SearchSpace({"a": [1, 2, 3]})
    assert len(initial_points(space, 10, rng())) == 3


def test_the_start_has_every_category():
    space = SearchSpace({"kernel": ["a", "b", "c"], "C": uniform()})
    points = initial_points(space, 8, rng())
    assert {space.decode(point)["kernel"] for point in points} == {"a", "b", "c"}


@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_maximum_is_found(seed):
    target = rng(seed + 10).random(4)

    def acquisition(columns):
        return -np.sum((columns - target) ** 2, axis=1)

    found = propose(CUBE, acquisition, Seen(), NOTHING, rng(seed))
    # The best of a thousand random points is at a distance of about 0.1.
    assert np.abs(found.point - target).max() < 0.01
    assert found.value == acquisition(found.point[None])[0]


def test_a_narrow_maximum_is_found_beside_an_incumbent():
    target = np.array([0.52, 0.31, 0.77, 0.4])

    def acquisition(columns):
        return np.exp(-np.sum((columns - target) ** 2, axis=1) / 0.02**2)

    near = target[None] + 0.02
    found = propose(CUBE, acquisition, Seen(), near, rng())
    assert found.value > 0.5


def test_a_mixed_maximum_is_found():
    space = SearchSpace(
        {
            "C": loguniform(1e-3, 1e3),
            "n": randint(0, 10**5),
            "kernel": ["a", "b", "c", "d"],
            "size": [1, 2, 4, 8],
        }
    )
    goal = {"C": 3.0, "n": 70_000, "kernel": "c", "size": 4}
    target = space.encode(space.locate(goal)[None])

    def acquisition(columns):
        return -np.sum((columns - target) ** 2, axis=1)

    found = space.decode(
        propose(space, acquisition, Seen(), np.empty((0, 4)), rng()).point
    )
    assert found["kernel"] == "c"
    assert found["size"] == 4
    assert found["n"] == pytest.approx(70_000, abs=1000)
    assert found["C"] == pytest.approx(3.0, rel=0.15)


def test_a_finite_space_is_searched_in_full_and_to_its_end():
    space = SearchSpace({"a": list(range(6)), "b": ["x", "y"]})
    seen, order = Seen(), []
    while (
        found := propose(
            space, lambda columns: columns[:, 0], seen, np.empty((0, 2)), rng()
        )
    ) is not None:
        seen.add(found.point)
        order.append(space.decode(found.point)["a"])
    assert order == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]


def test_a_large_finite_space_never_repeats():
    space = SearchSpace({"n": randint(0, 5000)})
    seen = Seen(list(space.members())[:-1])
    found = propose(space, lambda columns: columns[:, 0], seen, np.empty((0, 1)), rng())
    assert space.decode(found.point) == {"n": 4999}
    seen.add(found.point)
    assert propose(space, len, seen, np.empty((0, 1)), rng()) is None


def test_seen_points_of_an_infinite_space_are_not_proposed():
    space = SearchSpace({"n": poisson(2.0)})
    seen = Seen(space.snap(np.linspace(0.01, 0.8, 50)[:, None]))
    points = candidates(space, seen, np.empty((0, 1)), rng())
    assert distinct(points) == len(points)
    assert len(seen.fresh(points)) == len(points)


def test_a_joint_function_is_called_once():
    sizes = []

    def acquisition(columns):
        sizes.append(len(columns))
        return columns[:, 0]

    propose(CUBE, acquisition, Seen(), NOTHING, rng(), joint=100)
    assert sizes == [100]


def test_children_stay_in_the_cube_and_differ():
    parents = np.repeat([[0.0, 1.0, 0.5, 0.999]], 500, axis=0)
    children = perturb(CUBE, parents, np.full(500, 0.3), rng())
    assert children.min() >= 0.0
    assert children.max() <= 1.0
    assert np.any(children != parents, axis=1).all()
    # The ends are not where the children pile up.
    assert np.mean(children[:, 0] == 0.0) < 0.7
