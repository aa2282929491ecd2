"""The path of CoLiDE: its functions, no cycles, polish, runs, bad input."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Lasso

from skopt2.callbacks import Checkpoint
from skopt2.solvers.dag.colide import PATH, RATE, CoLiDE
from skopt2.solvers.dag.graphs import topological_order
from skopt2.structure_learning import LinearDAG, structural_hamming_distance
from tests.structure_learning.reference import cost

quiet = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


def problem(rng, d, edges, n, std=1.0):
    """Return rows of a random graph, and its weights."""
    A = np.triu(rng.random((d, d)) < 2.0 * edges / (d * (d - 1)), 1)
    W = A * rng.uniform(0.5, 2.0, (d, d)) * rng.choice([-1.0, 1.0], (d, d))
    turned = rng.permutation(d)
    W = W[np.ix_(turned, turned)]
    noise = rng.standard_normal((n, d)) * std
    return np.linalg.solve((np.eye(d) - W).T, noise.T).T, W


@pytest.mark.parametrize("equal", [True, False])
def test_slope_is_that_of_differences(rng, equal):
    S = np.cov(rng.standard_normal((50, 5)).T)
    path = CoLiDE(S, equal, level=0.3)
    W, mu, s, step = 0.3 * rng.standard_normal((5, 5)), 0.1, 0.9, 1e-6
    W[np.abs(W) < 1e-3] = 0.1
    np.fill_diagonal(W, 0.0)
    inverse = np.linalg.inv(s * np.eye(5) - W * W)
    assert inverse.min() >= 0.0
    slope = mu * (path.slope(W) + 0.3 * np.sign(W)) + 2.0 * W * inverse.T
    for i, j in np.argwhere(path.free):
        E = np.zeros((5, 5))
        E[i, j] = step
        ends = [
            mu * path.value(V)
            + np.log(0.9) * 5
            - np.linalg.slogdet(s * np.eye(5) - V * V)[1]
            for V in (W + E, W - E)
        ]
        assert slope[i, j] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_log_determinant_counts_cycles(rng):
    path = CoLiDE(np.eye(4), True)
    W = np.triu(rng.uniform(-9.0, 9.0, (4, 4)), 1)
    # Without a cycle, whatever the weights: zero.
    assert path.cycles(W, 0.7) == pytest.approx(0.0, abs=1e-12)
    W = rng.uniform(-0.4, 0.4, (4, 4)) * path.free
    # log det(I - A) is minus the sum of tr(A^k) / k, the cycles of each length.
    A, power, total = W * W / 0.7, np.eye(4), 0.0
    for k in range(1, 200):
        power = power @ A
        total += np.trace(power) / k
    assert total > 1e-3
    assert path.cycles(W, 0.7) == pytest.approx(total, rel=1e-10)
    assert path.cycles(np.eye(4, k=1) + np.eye(4, k=-1), 0.7) == math.inf


@pytest.mark.parametrize("equal", [True, False])
def test_scales_are_those_of_least_cost(rng, equal):
    S = np.cov(rng.standard_normal((40, 3)).T * [[1.0], [3.0], [0.4]])
    path, W = CoLiDE(S, equal, level=0.0), 0.5 * np.eye(3, k=1)
    left = np.eye(3) - W

    def score(log_sigma):
        sigma = np.exp(log_sigma) * np.ones(3)
        q = np.diag(left.T @ S @ left)
        return float(np.sum(q / sigma + sigma) / 2.0)

    best = minimize(score, np.zeros(1 if equal else 3), tol=1e-12)
    assert_allclose(path.sigma(W), np.exp(best.x) if not equal else np.exp(best.x[0]))
    assert path.value(W) == pytest.approx(best.fun, rel=1e-10)
    # A node that the others explain keeps a hundredth of its deviation.
    S = np.ones((2, 2))
    assert_allclose(CoLiDE(S, False).sigma(np.eye(2, k=1)), [1.0, 0.01])


def test_stationarity_is_the_step_of_a_weight():
    S = np.array([[2.0, 0.6], [0.6, 1.0]])
    zero = np.zeros((2, 2))
    assert CoLiDE(S, False, level=1.0).stationarity(zero, 0.7, 0.1) == 0.0
    # The longer of the two least squares weights, soft by the level of its scale.
    moves = [(0.6 - 0.1 * 1.0) / 2.0, (0.6 - 0.1 * math.sqrt(2.0)) / 1.0]
    found = CoLiDE(S, False, level=0.1).stationarity(zero, 0.7, 0.1)
    assert found == pytest.approx(max(moves))


def test_steps_that_leave_are_taken_back():
    path = CoLiDE(np.eye(2), True)
    state = path.start()
    outside = np.array([[0.0, 1.1], [1.1, 0.0]])
    first = path.step(replace(state, W=outside))
    assert first.s == pytest.approx(PATH[0][0] + 0.1)
    back = path.step(replace(state, W=outside, k=3))
    assert back.rate == 0.5 * RATE
    assert_array_equal(back.W, state.W)


@quiet
@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_finds_a_small_graph(rng, noise):
    std = 1.0 if noise == "ev" else np.array([1.5, 0.8, 1.0, 1.0])
    W = np.zeros((4, 4))
    W[3, 1], W[2, 1], W[1, 0] = 2.0, -1.5, 1.5
    X = rng.standard_normal((2000, 4)) * std
    X[:, 1] += 2.0 * X[:, 3] - 1.5 * X[:, 2]
    X[:, 0] += 1.5 * X[:, 1]
    options = {"solver": "colide", "max_iter": 10}
    plain = LinearDAG(noise, refine=False, **options).fit(1e60 * X - 1e60)
    assert structural_hamming_distance(plain.adjacency_, W) == 0
    assert_allclose(plain.noise_std_, 1e60 * np.broadcast_to(std, 4), rtol=0.1)
    assert plain.stop_reason_ == "stalled"
    assert 1e-9 < plain.certificate_.value < 1e-2
    # With its order and scales, each node is a lasso.
    Z = (X - X.mean(axis=0)) / X.std(axis=0).min()
    sigma = plain.noise_std_ / plain.noise_std_.min()
    sigma *= CoLiDE(Z.T @ Z / 2000, noise == "ev").sigma(plain.adjacency_).min()
    for place in range(1, 4):
        before, j = plain.order_[:place], plain.order_[place]
        lasso = Lasso(0.05 * sigma[j], fit_intercept=False, tol=1e-8)
        wanted = lasso.fit(Z[:, before], Z[:, j]).coef_
        cut = np.where(np.abs(wanted) > 0.3, wanted, 0.0)
        assert_allclose(plain.adjacency_[before, j], cut, atol=0.01)
    moved = LinearDAG(noise, **options).fit(X)
    assert moved.converged_
    assert_allclose(moved.adjacency_, LinearDAG(noise).fit(X).adjacency_, atol=1e-12)


def test_never_a_cycle():
    n_cut = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        d = 3 + seed % 6
        X, _ = problem(rng, d, d, 6 + 3 * seed)
        S = np.cov((X + rng.standard_normal(X.shape)).T)
        threshold = 0.01 if seed % 3 else 0.0
        path = CoLiDE(S, seed % 2 == 0, level=1e-3, threshold=threshold, steps=250)
        state = path.start()
        while state.stage < len(PATH):
            state = path.step(state)
        W = path.graph(state)
        assert topological_order(W) is not None
        assert np.count_nonzero(W) > 0
        n_cut += np.count_nonzero(W) < np.count_nonzero(np.abs(state.W) > threshold)
        assert path.certificate(state).value < math.inf
    assert n_cut > 5


@quiet
@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_polish_never_costs_more(noise):
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X, _ = problem(rng, 7, 14, 200, 1.0 if noise == "ev" else rng.uniform(1, 3, 7))
        price = math.log(200) + 2.0 * math.log(7)
        plain = LinearDAG(noise, solver="colide", refine=False, max_iter=1).fit(X)
        moved = LinearDAG(noise, solver="colide", max_iter=1).fit(X)
        wanted = cost(X, moved.adjacency_, price, noise == "ev")
        assert moved.objective_ == pytest.approx(wanted, rel=1e-10)
        gains.append(cost(X, plain.adjacency_, price, noise == "ev") - wanted)
    assert min(gains) >= -1e-12
    assert max(gains) > 0.1


@quiet
def test_level_forbidden_edges_and_parents(rng):
    X, W = problem(rng, 6, 10, 300)
    options = {"solver": "colide", "refine": False, "max_iter": 1, "threshold": 0.05}
    assert LinearDAG(alpha=1e3, **options).fit(X).n_edges_ == 0
    few, many = (LinearDAG(alpha=a, **options).fit(X).adjacency_ for a in (1.0, 1e-3))
    assert np.abs(few).sum() < np.abs(many).sum()
    forbidden = W != 0
    fit = LinearDAG(forbidden=forbidden, **options).fit(X)
    assert not fit.adjacency_[forbidden].any()
    fit = LinearDAG(max_parents=1, **options).fit(X)
    assert np.count_nonzero(fit.adjacency_, axis=0).max() == 1


@quiet
def test_continues_from_a_checkpoint(tmp_path, rng):
    X, _ = problem(rng, 5, 8, 100)
    path, options = tmp_path / "fit.npz", {"solver": "colide", "n_init": 3}
    straight = LinearDAG("nv", max_iter=3, random_state=0, **options).fit(X)
    part = LinearDAG("nv", max_iter=3, random_state=0, time_limit=1e-9, **options)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    assert part.stop_reason_ == "time_limit"
    assert topological_order(part.adjacency_) is not None
    assert part.n_iter_ == 100 < straight.n_iter_
    whole = LinearDAG("nv", max_iter=3, random_state=0, **options)
    whole.set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == straight.n_iter_
    assert_allclose(whole.adjacency_, straight.adjacency_, atol=1e-12)


def test_starts_warm_and_says_how_to_go_on(rng):
    X, _ = problem(rng, 4, 4, 500)
    fit = LinearDAG(solver="colide", refine=False, max_iter=10, warm_start=True)
    with pytest.warns(ConvergenceWarning, match="polish with refine=True"):
        fit.fit(X)
    W = fit.adjacency_
    again = fit.set_params(max_iter=1, tol=0.1).fit(X)
    assert again.converged_
    assert structural_hamming_distance(again.adjacency_, W) == 0
    cold = LinearDAG(solver="colide", refine=False, max_iter=1, tol=0.1)
    with pytest.warns(ConvergenceWarning):
        assert not cold.fit(X).converged_


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"solver": "adam"}, "solver must be one of"),
        ({"threshold": -0.1}, "threshold must be a nonnegative number"),
        ({"threshold": math.nan}, "threshold must be a nonnegative number"),
        ({"refine": 1}, "refine must be True or False"),
        ({"alpha": 0.0}, "alpha must be a positive number, 'ebic' or 'bic'"),
    ],
)
def test_bad_parameters_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        LinearDAG(**{"solver": "colide", **options}).fit(np.eye(4))
