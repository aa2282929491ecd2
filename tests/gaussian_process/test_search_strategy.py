"""The surrogate of a search, and the regret of its rounds."""

import numpy as np
import pytest
from scipy.stats import uniform
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from skopt2.gaussian_process.constrained_strategy import ConstrainedStrategy
from skopt2.gaussian_process.search_strategy import SearchStrategy
from skopt2.gaussian_process.search_surrogate import Surrogate, usable_scores
from skopt2.solvers.search.space import SearchSpace
from tests.gaussian_process.known import branin

# Hartmann's function of six variables: its weights, scales and centres.
WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
SCALES = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(points):
    squares = np.sum(SCALES * (points[:, None, :] - CENTRES) ** 2, axis=2)
    return np.exp(-squares) @ WEIGHTS - 3.32237


def cube(n_columns):
    return SearchSpace({f"x{i}": uniform() for i in range(n_columns)})


def regret(function, n_columns, n_points, seed, acquisition="irgp_ucb"):
    rng = np.random.default_rng(seed)
    strategy = SearchStrategy(cube(n_columns), acquisition, None, rng)
    points, _ = strategy.start(2 * n_columns + 1)
    scores = function(points)
    while len(scores) < n_points:
        points, _ = strategy.step(1, scores)
        scores = np.append(scores, function(points))
    return -scores.max()


def random_regret(function, n_columns, n_points):
    rng = np.random.default_rng(0)
    points = rng.random((2000 * n_points, n_columns))
    return -function(points).reshape(2000, n_points).max(axis=1).mean()


@pytest.mark.thorough
def test_regret_on_hartmann_is_a_part_of_that_of_random_search():
    ours = np.mean([regret(hartmann, 6, 40, seed) for seed in range(2)])
    # Random search: 1.7.
    assert ours < 0.4 * random_regret(hartmann, 6, 40)


def test_regret_on_branin_is_a_part_of_that_of_random_search():
    def function(points):
        return branin(points[:, 0], points[:, 1])

    ours = np.mean([regret(function, 2, 18, seed) for seed in range(3)])
    assert ours < 0.3 * random_regret(function, 2, 18)


def test_regret_with_noise():
    noise = np.random.default_rng(1)

    def function(points):
        clean = branin(points[:, 0], points[:, 1])
        return clean + 5.0 * noise.standard_normal(len(points))

    strategy = SearchStrategy(cube(2), "irgp_ucb", None, np.random.default_rng(0))
    points, _ = strategy.start(8)
    scores = function(points)
    while len(scores) < 30:
        points, _ = strategy.step(2, scores)
        scores = np.append(scores, function(points))
    # What the surrogate holds for best is good, whatever has scored best by luck.
    strategy.fit(scores)
    mean, _ = strategy.model.predict(strategy.space.encode(strategy.points))
    best = strategy.points[np.argmax(mean)]
    assert branin(*best) > -3.0


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 2.0, np.nan], [1.0, 2.0, 1.0]),
        ([1.0, np.inf, -np.inf], [1.0, 1.0, 1.0]),
        ([0.0, 1.0, 2.0, -1e9], [0.0, 1.0, 2.0, 0.5 - 3 * 1.5]),
        ([0.0, 1.0, 2.0, -1.0], [0.0, 1.0, 2.0, -1.0]),
        ([5.0, 5.0, 5.0, -1e9], [5.0, 5.0, 5.0, -1e9]),
    ],
)
def test_scores_that_can_be_used(scores, expected):
    np.testing.assert_allclose(usable_scores(np.array(scores)), expected)


def test_without_a_fence_low_scores_stay():
    scores = np.array([0.0, 1.0, 2.0, -1e9])
    np.testing.assert_array_equal(usable_scores(scores, None), scores)


def smooth(n=40, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    columns = rng.random((n, 3))
    values = 100.0 + 10.0 * np.sin(4.0 * columns[:, 0]) + 3.0 * columns[:, 1]
    return columns, values + noise * rng.standard_normal(n)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_surrogate_finds_scales_and_noise(noise):
    columns, values = smooth(60, noise)
    surrogate = Surrogate().fit(columns, values)
    new, clean = smooth(50, seed=1)
    mean, std = surrogate.in_units(*surrogate.predict(new))
    assert np.sqrt(np.mean((mean - clean) ** 2)) < 0.05 + 0.6 * noise
    # The deviation is of the score itself, without the noise.
    assert np.median(std) < 0.2 + 0.7 * noise
    lengths = surrogate.model_.kernel_.k2.length_scale
    # The third column has no effect.
    assert lengths.argmin() == 0
    assert lengths.argmax() == 2


def test_few_scores_leave_the_priors():
    surrogate = Surrogate().fit(
        np.array([[0.1, 0.5], [0.8, 0.3]]), np.array([1.0, 2.0])
    )
    lengths = surrogate.model_.kernel_.k2.length_scale
    assert (lengths > 0.1).all()
    assert (lengths < 10.0).all()


def test_belief_is_certain_and_changes_no_mean():
    columns, values = smooth(15)
    surrogate = Surrogate().fit(columns, values)
    new = np.random.default_rng(5).random((3, 3))
    believing = surrogate.believing(new)
    mean, std = surrogate.predict(new)
    after, less = believing.predict(new)
    np.testing.assert_allclose(after, mean, atol=1e-4)
    assert (less < 0.3 * std).all()
    # A mean taken for a score moves the mean nowhere.
    other = np.random.default_rng(6).random((20, 3))
    np.testing.assert_allclose(
        believing.predict(other)[0], surrogate.predict(other)[0], atol=1e-3
    )


@pytest.mark.parametrize(
    "regressor", [None, GaussianProcessRegressor(RBF(0.5, "fixed"), alpha=1e-3)]
)
def test_draws_have_the_posterior_s_mean_and_deviation(regressor):
    columns, values = smooth(12)
    surrogate = Surrogate(regressor).fit(columns, values)
    new = np.random.default_rng(5).random((30, 3))
    rng = np.random.default_rng(0)
    draws = np.array([surrogate.draw(rng)[0](new) for _ in range(150)])
    mean, std = surrogate.predict(new)
    error = (draws.mean(axis=0) - mean) / std
    assert np.sqrt(np.mean(error**2)) < 4.0 / np.sqrt(150)
    assert np.median(draws.std(axis=0) / std) == pytest.approx(1.0, abs=0.12)


def test_failed_fits_tell_nothing_of_a_constraint():
    bounds = np.array([[0.0, np.inf]])
    strategy = ConstrainedStrategy(cube(2), bounds, 2.0, None, np.random.default_rng(0))
    points, _ = strategy.start(8)
    scores, values = points.sum(axis=1), points[:, 0] - 0.5
    scores[3] = values[3] = np.nan
    strategy.fit(scores, values[None])
    assert len(strategy.quantities[0].model_.X_train_) == 7
    assert len(strategy.model.model_.X_train_) == 8
