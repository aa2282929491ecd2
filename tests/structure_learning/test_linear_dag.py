"""Linear graphs: recovery, optimality, no cycles, arrays, runs, bad input."""

import itertools
import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

from skopt2._core.array import to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.solvers.dag.graphs import topological_order, without_cycles
from skopt2.solvers.dag.order_search import OrderSearch
from skopt2.structure_learning import (
    LinearDAG,
    refine_dag,
    structural_hamming_distance,
)
from tests.structure_learning.reference import cost


def graph(rng, d, edges):
    """Return weights of a random graph with about so many edges."""
    A = np.triu(rng.random((d, d)) < 2.0 * edges / (d * (d - 1)), 1)
    W = A * rng.uniform(0.5, 2.0, (d, d)) * rng.choice([-1.0, 1.0], (d, d))
    turned = rng.permutation(d)
    return W[np.ix_(turned, turned)]


def rows(rng, W, n, std=1.0):
    """Return rows of a linear model."""
    noise = rng.standard_normal((n, len(W))) * std
    return np.linalg.solve((np.eye(len(W)) - W).T, noise.T).T


@pytest.fixture
def planted(rng):
    W = graph(rng, 8, 12)
    return rows(rng, W, 400) + 3.0, W


@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_finds_the_graph(rng, noise):
    W = graph(rng, 15, 30)
    std = 1.5 if noise == "ev" else rng.uniform(0.7, 3.0, 15)
    X = rows(rng, W, 2000, std) - 7.0
    fit = LinearDAG(noise, random_state=0).fit(X)
    assert fit.converged_
    assert structural_hamming_distance(fit.adjacency_, W) <= 1
    assert_allclose(fit.adjacency_, W, atol=0.25)
    assert_allclose(fit.noise_std_, np.broadcast_to(std, 15), rtol=0.1)
    assert_allclose(fit.mean_, X.mean(axis=0))
    assert fit.n_edges_ == np.count_nonzero(fit.adjacency_)


def test_price_needs_no_change_with_the_noise(rng):
    W = graph(rng, 12, 24)
    X = rows(rng, W, 1000)
    for unit in (1e-150, 1e-4, 1.0, 1e200):
        fit = LinearDAG().fit(unit * X)
        assert structural_hamming_distance(fit.adjacency_, W) == 0
        assert_allclose(fit.noise_std_, unit, rtol=0.05)


def test_unequal_noise_does_not_depend_on_units(rng):
    W = graph(rng, 10, 20)
    X = rows(rng, W, 2000, rng.uniform(0.5, 3.0, 10))
    units = 10.0 ** rng.uniform(-4, 4, 10)
    fit = LinearDAG("nv", n_init=4, random_state=0).fit(X)
    again = LinearDAG("nv", n_init=4, random_state=0).fit(X * units)
    shift = 2.0 * np.log(units).sum()
    assert again.objective_ == pytest.approx(fit.objective_ + shift, abs=0.02)
    price = math.log(2000) + 2.0 * math.log(10)
    assert fit.objective_ <= cost(X, W, price, False) + 1e-9
    assert again.objective_ <= cost(X * units, W, price, False) + 1e-9
    # Equal variances are an assumption about the units.
    other = LinearDAG("ev", random_state=0).fit(X / X.std(axis=0))
    assert structural_hamming_distance(other.adjacency_, W) > 5


@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_cost_is_that_of_regressions(planted, noise):
    X, _ = planted
    fit = LinearDAG(noise, random_state=0).fit(X)
    price = math.log(400) + 2.0 * math.log(8)
    wanted = cost(X, fit.adjacency_, price, noise == "ev")
    assert fit.objective_ == pytest.approx(wanted, rel=1e-10)


def test_cost_is_least_over_all_graphs():
    price = math.log(300) + 2.0 * math.log(5)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rows(rng, graph(rng, 5, 7), 300, rng.uniform(0.8, 1.25, 5))
        fit = LinearDAG("nv", n_init=3, random_state=0).fit(X)
        best, known = math.inf, {}
        for order in itertools.permutations(range(5)):
            total = 0.0
            for i, j in enumerate(order):
                before = frozenset(order[:i])
                if (j, before) not in known:
                    known[j, before] = least_cost(X, j, sorted(before), price)
                total += known[j, before]
            best = min(best, total)
        assert fit.objective_ == pytest.approx(best, rel=1e-10)


def least_cost(X, j, before, price):
    """Return what a node costs with the best of all subsets as parents."""
    Z = X - X.mean(axis=0)
    found = []
    for k in range(len(before) + 1):
        for ids in map(list, itertools.combinations(before, k)):
            b = np.linalg.lstsq(Z[:, ids], Z[:, j], rcond=None)[0]
            left = np.mean((Z[:, j] - Z[:, ids] @ b) ** 2)
            found.append(math.log(left) + price * k / len(X))
    return min(found)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_never_a_cycle_on_hundreds_of_problems():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        d, n = int(rng.integers(1, 9)), int(rng.integers(3, 40))
        X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d))
        noise = ("ev", "nv")[seed % 2]
        price = rng.uniform(0.1, 5.0)
        fit = LinearDAG(noise, price, n_init=1, max_iter=3, random_state=seed)
        W = fit.fit(X).adjacency_
        place = np.argsort(fit.order_)
        i, j = np.nonzero(W)
        assert (place[i] < place[j]).all()
        assert_array_equal(np.sort(fit.order_), np.arange(d))
        assert topological_order(W) is not None


@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_every_move_lowers_the_cost_and_the_last_has_nothing_to_gain(rng, noise):
    X = rows(rng, graph(rng, 10, 25), 200, rng.uniform(0.5, 2.0, 10))
    S, equal = np.cov(X.T, bias=True), noise == "ev"
    solver = OrderSearch(S, 200, 12.0, equal)
    state = solver.start(rng.permutation(10))
    costs = [solver.cost(state)]
    while state.gains.max() > 0.0:
        state = solver.step(state)
        costs.append(solver.cost(state))
    assert np.diff(costs).max() <= 1e-8
    assert costs[-1] < costs[0]
    for v, place in itertools.product(range(10), repeat=2):
        order = [u for u in state.order if u != v]
        order.insert(place, v)
        again = solver.start(order)
        # Parents are chosen from none here, and from those before in the search.
        assert solver.cost(again) >= costs[-1] - 12.0


def test_graphs_as_matrices(rng):
    W = rng.standard_normal((7, 7))
    kept = without_cycles(W)
    assert topological_order(W) is None
    order = topological_order(kept)
    assert_array_equal(np.tril(kept[np.ix_(order, order)]), 0.0)
    assert np.abs(kept).max() == np.abs(W - np.diag(np.diag(W))).max()
    for i, j in zip(*np.nonzero(kept != W), strict=True):
        closed = kept.copy()
        closed[i, j] = W[i, j]
        assert topological_order(closed) is None
    chain = np.eye(4, k=1)
    assert_array_equal(topological_order(chain), np.arange(4))
    assert_array_equal(without_cycles(chain), chain)
    assert structural_hamming_distance(chain, chain.T) == 3
    assert structural_hamming_distance(chain, 0.0 * chain) == 3
    with pytest.raises(ValueError, match="square matrices of one size"):
        structural_hamming_distance(chain, chain[:3])


def test_refines_a_graph_of_another_method(planted, rng):
    X, W = planted
    noisy = W + 0.4 * rng.standard_normal(W.shape)
    assert structural_hamming_distance(noisy, W) > 10
    fit = refine_dag(noisy, X)
    assert structural_hamming_distance(fit.adjacency_, W) == 0
    with pytest.raises(ValueError, match="W is for 3 features, but X has 8"):
        refine_dag(np.zeros((3, 3)), X)
    with pytest.raises(ValueError, match="finite numbers"):
        refine_dag(np.full((8, 8), np.nan), X)


def test_more_starts_cost_less():
    gains = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        X = rows(rng, graph(rng, 10, 30), 500, rng.uniform(0.5, 2.0, 10))
        X /= X.std(axis=0)
        one = LinearDAG("nv", n_init=1, random_state=0).fit(X)
        many = LinearDAG("nv", n_init=4, random_state=0).fit(X)
        assert many.converged_
        gains.append(one.objective_ - many.objective_)
    assert min(gains) >= -1e-12
    assert max(gains) > 1e-3


def test_forbidden_edges_and_few_parents(planted):
    X, W = planted
    forbidden = np.zeros((8, 8), dtype=bool)
    i, j = np.argwhere(W)[0]
    forbidden[i, j] = True
    fit = LinearDAG(forbidden=forbidden).fit(X)
    assert fit.adjacency_[i, j] == 0.0
    fit = LinearDAG(forbidden=~np.eye(8, k=1, dtype=bool)).fit(X)
    assert np.count_nonzero(np.triu(fit.adjacency_, 2)) == 0
    assert np.count_nonzero(np.tril(fit.adjacency_)) == 0
    fit = LinearDAG(max_parents=1).fit(X)
    assert np.count_nonzero(fit.adjacency_, axis=0).max() == 1
    assert LinearDAG(max_parents=0).fit(X).n_edges_ == 0


def test_predictions_likelihood_and_samples(planted):
    X, _ = planted
    fit = LinearDAG().fit(X)
    expected = fit.predict(X)
    for j in range(8):
        parents = np.flatnonzero(fit.adjacency_[:, j])
        wanted = np.full(len(X), X[:, j].mean())
        if parents.size:
            wanted = (
                LinearRegression().fit(X[:, parents], X[:, j]).predict(X[:, parents])
            )
        assert_allclose(expected[:, j], wanted, atol=1e-10)
    logs = norm.logpdf(X, expected, fit.noise_std_).sum(axis=1)
    assert fit.score(X) == pytest.approx(logs.mean(), rel=1e-12)
    weight = np.arange(400.0)
    wanted = np.average(logs, weights=weight)
    assert fit.score(X, sample_weight=weight) == pytest.approx(wanted, rel=1e-12)
    drawn = fit.sample(20_000, random_state=0)
    B = np.linalg.inv(np.eye(8) - fit.adjacency_)
    S = B.T * fit.noise_std_**2 @ B
    assert_allclose(drawn.mean(axis=0), fit.mean_, atol=0.05 * np.sqrt(S.max()))
    root = np.sqrt(np.diag(S))
    assert_allclose(
        np.cov(drawn.T) / np.outer(root, root), S / np.outer(root, root), atol=0.05
    )
    with pytest.raises(ValueError, match="n_samples must be a positive integer"):
        fit.sample(0)


def test_weights_are_repetitions(planted, rng):
    X, _ = planted
    weight = rng.integers(0, 3, len(X))
    weighted = LinearDAG().fit(X, sample_weight=weight)
    repeated = LinearDAG().fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.adjacency_, repeated.adjacency_, atol=1e-10)
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-12)
    assert_allclose(weighted.mean_, repeated.mean_)


def test_more_features_than_rows_and_sums_of_features(rng):
    X = rng.standard_normal((20, 40))
    X[:, 1] = 3.0 * X[:, 0] + 0.01 * X[:, 1]
    fit = LinearDAG("nv", random_state=0).fit(X)
    assert fit.converged_
    assert np.count_nonzero(fit.adjacency_, axis=0).max() <= 6
    assert fit.adjacency_[0, 1] != 0.0 or fit.adjacency_[1, 0] != 0.0
    X = rng.standard_normal((200, 3))
    fit = LinearDAG("nv").fit(np.column_stack([X, X.sum(axis=1)]))
    assert fit.converged_
    assert np.isfinite(fit.adjacency_).all()


def test_float32_stays_and_agrees(planted):
    X, _ = planted
    fit, wide = LinearDAG().fit(X.astype(np.float32)), LinearDAG().fit(X)
    assert fit.adjacency_.dtype == fit.noise_std_.dtype == np.float32
    assert fit.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(fit.adjacency_, wide.adjacency_, atol=1e-4)


@pytest.mark.usefixtures("dispatch")
def test_other_arrays_give_the_same(device_backend, planted):
    X = planted[0]
    there, wanted = device_backend.asarray(X), LinearDAG().fit(X)
    fit = LinearDAG().fit(there, sample_weight=device_backend.asarray(np.ones(400)))
    assert type(fit.adjacency_) is type(there)
    assert_allclose(to_numpy(fit.adjacency_), wanted.adjacency_, rtol=1e-12)
    expected = fit.predict(there)
    assert type(expected) is type(there)
    assert_allclose(to_numpy(expected), wanted.predict(X), atol=1e-12)
    assert fit.score(there) == pytest.approx(wanted.score(X), rel=1e-12)
    drawn = fit.sample(3, random_state=0)
    assert_allclose(to_numpy(drawn), wanted.sample(3, random_state=0), rtol=1e-12)


def test_gpu_is_refused_by_name(cuda_stand_in, planted):
    with pytest.raises(ValueError, match="the search of an order computes on the CPU"):
        LinearDAG(device="cuda").fit(planted[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("noise", ["ev", "nv"])
def test_continues_from_a_checkpoint(tmp_path, rng, noise):
    X = rows(rng, graph(rng, 7, 14), 100, rng.uniform(0.5, 2.0, 7))
    path, options = tmp_path / "fit.npz", {"n_init": 4, "random_state": 0}
    straight = LinearDAG(noise, **options).fit(X)
    part = LinearDAG(noise, **options, max_iter=3)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    assert part.n_iter_ == 21 < straight.n_iter_
    whole = LinearDAG(noise, **options).set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == straight.n_iter_
    assert_allclose(whole.adjacency_, straight.adjacency_, atol=1e-12)


def test_stops_pickles_clones_and_starts_warm(planted):
    X, W = planted
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = LinearDAG(time_limit=1e-9).fit(X)
    assert topological_order(fit.adjacency_) is not None
    assert LinearDAG("nv", max_iter=30).fit(X).n_iter_ >= 5 * 8
    with pytest.warns(ConvergenceWarning, match="max_iter=1 sweeps"):
        LinearDAG("nv", max_iter=1, n_init=9, random_state=0).fit(X)
    fit = LinearDAG(warm_start=True, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.predict(X), fit.predict(X))
    assert_array_equal(clone(fit).fit(X).adjacency_, fit.adjacency_)
    before = fit.adjacency_
    assert_allclose(fit.fit(X).adjacency_, before, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": "equal"}, "noise must be one of 'ev', 'nv'"),
        ({"alpha": "aic"}, "alpha must be a positive number, 'ebic' or 'bic'"),
        ({"alpha": 0.0}, "alpha must be a positive number, 'ebic' or 'bic'"),
        ({"n_init": 0}, "n_init must be a positive integer"),
        ({"max_parents": -1}, "max_parents must be a nonnegative integer"),
        ({"assume_centered": "no"}, "assume_centered must be True or False"),
        ({"forbidden": np.zeros((3, 3))}, r"forbidden has the shape \(3, 3\)"),
        ({"forbidden": np.full((8, 8), 2)}, "True and False, or 0 and 1"),
    ],
)
def test_bad_parameters_are_named(planted, options, words):
    with pytest.raises(ValueError, match=words):
        LinearDAG(**options).fit(planted[0])


def test_bad_data_is_refused(planted):
    X, _ = planted
    with pytest.raises(ValueError, match="NaN"):
        LinearDAG().fit(np.where(X > 9.0, np.nan, X))
    with pytest.raises(ValueError, match="Feature 2 is constant"):
        LinearDAG().fit(np.column_stack([X[:, :2], np.ones(400)]))
    with pytest.raises(ValueError, match="Feature 0 varies .* Bring the features to"):
        LinearDAG("nv").fit(X * np.where(np.arange(X.shape[1]) == 1, 1e200, 1.0))
    with pytest.raises(ValueError, match="constant in n_samples=1 rows"):
        LinearDAG().fit(X[:1])
