"""Convex networks: their optimum, their weights, attacks on them, arrays, bad input."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from skopt2._core.array import to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.losses import Huber, get_loss
from skopt2.neural_network import ConvexReLUClassifier, ConvexReLURegressor


def wave(n=14, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    return X, np.sin(2.0 * X[:, 0]) + 0.5 * np.abs(X[:, 1])


def moons(n=60, noise=0.15):
    return make_moons(n, noise=noise, random_state=0)


def network_objective(model, X, y, loss):
    """Return loss and weight decay of the explicit network."""
    (W, a), (c, b) = model.coefs_, model.intercepts_
    eta = np.maximum(X @ W + c, 0.0) @ a + b
    eta = eta if loss.task == "multiclass" else eta[:, 0]
    mass = np.abs(a).sum(axis=1)
    decay = np.square(W).sum() + np.square(c).sum() + np.square(mass).sum()
    s = np.full(len(X), 1.0 / len(X))
    return loss.value(y, eta, s) + 0.5 * model.alpha * decay


@pytest.mark.parametrize("solver", ["admm", "sampled"])
def test_objective_is_that_of_the_explicit_network(solver):
    X, y = wave(30)
    model = ConvexReLURegressor(alpha=0.02, n_gates=20, solver=solver, random_state=0)
    model.fit(X, y)
    value = network_objective(model, X, y, get_loss("squared"))
    assert value == pytest.approx(model.objective_, rel=1e-9)
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = ConvexReLUClassifier(n_gates=10, solver=solver, random_state=0).fit(X, y)
    value = network_objective(model, X, np.eye(3)[y], get_loss("multinomial"))
    assert value == pytest.approx(model.objective_, rel=1e-9)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, y) > 0.95
    sizes = np.linalg.norm(np.r_[model.coefs_[0], model.intercepts_[0][None]], axis=0)
    assert_allclose(sizes * np.abs(model.coefs_[1]).sum(axis=1), model.neuron_sizes_)
    assert np.all(np.diff(model.neuron_sizes_) <= 0.0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_have_the_layout_of_scikit_learn():
    X, y = wave(30)
    ours = ConvexReLURegressor(n_gates=20, random_state=0).fit(X, y)
    theirs = MLPRegressor(hidden_layer_sizes=ours.n_hidden_, max_iter=1).fit(X, y)
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    assert_allclose(theirs.predict(X), ours.predict(X))
    X, y = moons()
    ours = ConvexReLUClassifier(n_gates=20, random_state=0).fit(X, y)
    theirs = MLPClassifier(hidden_layer_sizes=ours.n_hidden_, max_iter=1).fit(X, y)
    theirs.coefs_, theirs.intercepts_ = ours.coefs_, ours.intercepts_
    assert_allclose(theirs.predict_proba(X), ours.predict_proba(X))


def descend(X, y, alpha, m, seed):
    """Return the objective that L-BFGS reaches from random weights."""
    rng = np.random.default_rng(seed)
    n, d = X.shape
    rows = np.c_[X, np.ones(n)]

    def objective(x):
        W, a, b = x[: m * (d + 1)].reshape(m, d + 1), x[m * (d + 1) : -1], x[-1]
        hidden = np.maximum(rows @ W.T, 0.0)
        r = hidden @ a + b - y
        value = 0.5 * np.mean(r * r) + 0.5 * alpha * (x[:-1] @ x[:-1])
        back = (r[:, None] * a * (hidden > 0.0)) / n
        slope = np.r_[(back.T @ rows).ravel(), hidden.T @ r / n, r.mean()]
        slope[:-1] += alpha * x[:-1]
        return value, slope

    x = rng.standard_normal(m * (d + 2) + 1)
    return minimize(objective, x, jac=True, method="L-BFGS-B").fun


def test_no_descent_from_any_seed_goes_below_the_certified_optimum():
    X, y = wave()
    model = ConvexReLURegressor(alpha=0.01, n_gates="all", max_iter=20_000).fit(X, y)
    assert model.converged_
    reached = [descend(X, y, 0.01, 20, seed) for seed in range(12)]
    assert min(reached) >= model.objective_ - model.dual_gap_ - 1e-12
    # The bound is tight: some seed comes near it, and most stay above.
    assert min(reached) <= model.objective_ + 2e-4
    assert np.median(reached) > model.objective_ + model.dual_gap_


def test_more_patterns_are_no_worse_and_all_leave_nothing_to_find():
    X, y = wave()
    every = ConvexReLURegressor(alpha=0.01, n_gates="all", max_iter=20_000).fit(X, y)
    few = ConvexReLURegressor(alpha=0.01, n_gates=4, init="zero", random_state=0)
    few.fit(X, y)
    drawn = ConvexReLURegressor(
        alpha=0.01, n_gates=200, solver="sampled", random_state=0
    ).fit(X, y)
    slack = every.dual_gap_ + 1e-12
    assert few.objective_ > every.objective_ - slack
    assert drawn.objective_ > every.objective_ - slack
    assert few.gate_violation(X, random_state=1) > 0.1
    assert every.gate_violation(X, random_state=1) < 0.02
    assert every.n_gates_ > few.n_gates_


def test_descent_and_dual_find_better_patterns():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:150, :6] / X[:150, :6].std(axis=0), y[:150] / y.std()
    model = ConvexReLURegressor(alpha=0.02, n_gates=15, tol=1e-3, random_state=0)
    drawn = clone(model).fit(X, y)
    found = clone(model).set_params(init="descent").fit(X, y)
    assert drawn.converged_
    assert found.converged_
    assert found.objective_ < drawn.objective_ - 1e-3
    asked = clone(model).set_params(init="dual").fit(X, y)
    assert asked.objective_ < drawn.objective_ - 1e-3
    models = (drawn, found, asked)
    violation = [m.gate_violation(X, random_state=1) for m in models]
    assert max(violation[1:]) < 0.5 * violation[0]
    flowers, label = load_iris(return_X_y=True)
    model = ConvexReLUClassifier(n_gates=10, tol=1e-2, random_state=0)
    values = [
        clone(model).set_params(init=init).fit(flowers, label).objective_
        for init in ("sampled", "descent")
    ]
    assert values[1] <= values[0]


def worst_outputs(model, X, y, radius):
    """Return the smallest margin of each row over a grid of moves."""
    grid = np.linspace(-radius, radius, 9)
    moves = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    margins = [(2 * y - 1) * model.decision_function(X + move) for move in moves]
    return np.min(margins, axis=0)


def test_robust_fits_withstand_attacks():
    X, y = moons(80)
    radius = 0.15
    plain = ConvexReLUClassifier(
        "squared_hinge", alpha=1e-3, n_gates=25, tol=2e-2, random_state=0
    )
    model = clone(plain).set_params(robust=radius).fit(X, y)
    plain.fit(X, y)
    assert model.converged_
    X_test, y_test = make_moons(500, noise=0.15, random_state=1)
    accuracy = [
        np.mean(worst_outputs(m, X_test, y_test, radius) > 0.0) for m in (plain, model)
    ]
    assert accuracy[1] > accuracy[0] + 0.025
    # The objective is a bound of the loss at the worst points, and a close one.
    worst = np.maximum(1.0 - worst_outputs(model, X, y, radius), 0.0)
    value = np.mean(worst**2) + model.alpha * model.neuron_sizes_.sum()
    assert value <= model.objective_ + 1e-12
    assert value > 0.7 * model.objective_


def test_robust_regression_bounds_the_worst_error():
    X, y = wave(25)
    model = ConvexReLURegressor(robust=0.05, n_gates=20, tol=1e-2, random_state=0).fit(
        X, y
    )
    grid = [(i, j) for i in (-0.05, 0.0, 0.05) for j in (-0.05, 0.0, 0.05)]
    worst = np.max([np.abs(y - model.predict(X + np.array(g))) for g in grid], axis=0)
    value = 0.5 * np.mean(worst**2) + model.alpha * model.neuron_sizes_.sum()
    assert value <= model.objective_ + 1e-12
    assert value > 0.9 * model.objective_


@pytest.mark.parametrize("robust", [0.0, 0.05])
def test_weights_are_repetitions(robust):
    X, y = moons(40)
    weight = np.random.default_rng(0).integers(0, 3, 40)
    model = ConvexReLUClassifier(n_gates=15, robust=robust, random_state=0, tol=1e-3)
    weighted = clone(model).fit(X, y, sample_weight=weight)
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_allclose(
        weighted.decision_function(X), repeated.decision_function(X), atol=1e-7
    )
    assert_array_equal(weighted.dual_coef_[weight == 0], 0.0)
    assert_allclose(weighted.dual_coef_.sum(), 0.0, atol=1e-12)
    dropped = clone(model).fit(X[weight > 0], y[weight > 0], weight[weight > 0])
    assert_allclose(
        weighted.decision_function(X), dropped.decision_function(X), atol=1e-7
    )


@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_units_of_the_features_only_move_alpha(factor):
    X, y = wave(30)
    options = {"n_gates": 20, "fit_intercept": False, "random_state": 0}
    model = ConvexReLURegressor(alpha=0.01, **options).fit(X, y)
    scaled = ConvexReLURegressor(alpha=0.01 * factor, **options).fit(factor * X, y)
    assert scaled.converged_
    assert_allclose(scaled.predict(factor * X), model.predict(X), atol=1e-6)


def test_badly_scaled_features_converge():
    X, y = moons()
    model = ConvexReLUClassifier(n_gates=20, random_state=0, max_iter=5000)
    assert model.fit(X * [100.0, 0.01], y).converged_


def test_float32_stays_float32():
    X, y = moons()
    for solver in ("admm", "sampled"):
        model = ConvexReLUClassifier(n_gates=20, solver=solver, random_state=0)
        double = clone(model).fit(X, y)
        single = clone(model).fit(X.astype(np.float32), y)
        assert all(part.dtype == np.float32 for part in single.coefs_)
        p = single.predict_proba(X.astype(np.float32))
        assert p.dtype == np.float32
        assert_allclose(p, double.predict_proba(X), atol=2e-3)


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "options",
    [{}, {"robust": 0.1}, {"solver": "sampled", "n_gates": 60}, {"n_gates": 4}],
)
def test_devices_compute_the_same_network(device_backend, options):
    X, y = moons(30)
    model = ConvexReLUClassifier(
        **{"n_gates": 8, "max_iter": 30, "random_state": 0, **options}
    )
    host = clone(model).fit(X, y)
    there = clone(model).fit(device_backend.asarray(X), device_backend.asarray(y))
    assert there.device_ in ("cpu", "cuda:0")
    moved = device_backend.asarray(X)
    assert type(there.coefs_[0]) is type(moved)
    assert_allclose(to_numpy(there.coefs_[0]), host.coefs_[0], atol=1e-8)
    assert_allclose(to_numpy(there.predict_proba(moved)), host.predict_proba(X))
    assert_array_equal(to_numpy(there.predict(moved)), host.predict(X))
    assert there.objective_ == pytest.approx(host.objective_, rel=1e-10)


def test_warm_start_goes_on_and_searches_more_patterns():
    X, y = moons()
    model = ConvexReLUClassifier(
        alpha=1e-3, n_gates=15, warm_start=True, random_state=np.random.RandomState(0)
    )
    values, gates = [], []
    for _ in range(4):
        model.fit(X, y)
        values.append(model.objective_)
        gates.append(model.n_gates_)
    assert np.all(np.diff(values) <= 1e-12)
    assert values[-1] < values[0]
    drawn = ConvexReLUClassifier(
        alpha=1e-3, n_gates=15, solver="sampled", warm_start=True
    ).fit(X, y)
    first = drawn.objective_
    drawn.fit(X, y)
    assert drawn.objective_ <= first + drawn.dual_gap_
    # Another problem starts afresh.
    model.fit(np.c_[X, X], y)
    assert model.coefs_[0].shape[0] == 4


@pytest.mark.parametrize("solver", ["admm", "sampled"])
def test_checkpoint_continues(tmp_path, solver):
    X, y = moons()
    model = ConvexReLUClassifier(
        alpha=1e-3,
        n_gates=20 if solver == "admm" else 500,
        solver=solver,
        tol=1e-5 if solver == "admm" else 1e-12,
        max_iter=5000,
        random_state=0,
    )
    path = tmp_path / "fit.ckpt"
    short = clone(model).set_params(max_iter=40 if solver == "admm" else 1)
    with pytest.warns(ConvergenceWarning):
        short.set_callbacks(Checkpoint(path)).fit(X, y)
    again = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    whole = clone(model).fit(X, y)
    assert again.converged_
    assert again.n_iter_ == whole.n_iter_
    assert_allclose(again.predict_proba(X), whole.predict_proba(X), atol=1e-9)


def test_random_state_and_pickle_repeat_the_network():
    X, y = wave(25)
    model = ConvexReLURegressor(Huber(delta=0.5), n_gates=10, random_state=3)
    first, second = (clone(model).fit(X, y) for _ in range(2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert_array_equal(pickle.loads(pickle.dumps(first)).predict(X), first.predict(X))
    assert first.history_["objective"].size == len(first.history_["neurons"])
    assert np.all(np.diff(first.history_["objective"]) <= 0.0)


def test_large_alpha_leaves_the_constant():
    X, y = wave(25)
    model = ConvexReLURegressor(alpha=1e3, n_gates=10, random_state=0).fit(X, y)
    assert model.n_hidden_ == 0
    assert model.converged_
    assert_allclose(model.predict(X), np.full(25, y.mean()), atol=1e-4)
    assert model.gate_violation(X, random_state=0) < 0.0


def test_short_fit_says_so():
    X, y = moons()
    with pytest.warns(ConvergenceWarning, match="bring the features to one scale"):
        model = ConvexReLUClassifier(max_iter=3, alpha=1e-4, n_gates=10).fit(X, y)
    assert model.stop_reason_ == "max_iter"
    assert model.dual_gap_ > 0.0


@pytest.mark.parametrize("limit", ["LARGEST", "MOST_MARGINS"])
def test_large_data_are_left_to_sampling(monkeypatch, limit):
    X, y = moons(50)
    model = ConvexReLUClassifier(n_gates=40, random_state=0)
    assert clone(model).fit(X, y).solver_ == "admm"
    monkeypatch.setattr(f"skopt2.neural_network.network_formulation.{limit}", 40)
    drawn = clone(model).fit(X, y)
    assert (drawn.solver_, drawn.n_gates_) == ("sampled", 400)
    monkeypatch.setattr("skopt2.solvers.convex_relu.normal_system.LARGEST", 40)
    with pytest.raises(ValueError, match="Lower n_gates, or set solver='sampled'"):
        clone(model).set_params(solver="admm").fit(X, y)


BAD = [
    ({"alpha": 0.0}, "alpha must be a positive number"),
    ({"alpha": np.nan}, "alpha must be"),
    ({"n_gates": 0}, "n_gates must be a positive integer or 'all'"),
    ({"n_gates": "every"}, "n_gates must be"),
    ({"solver": "sgd"}, "solver must be one of"),
    ({"init": "random"}, "init must be one of"),
    ({"robust": -0.1}, "robust must be a nonnegative number"),
    ({"robust": 0.1, "solver": "sampled"}, "needs solver='admm'"),
    ({"solver": "sampled", "n_gates": "all"}, "draws neurons"),
    ({"loss": "poisson"}, "loss='poisson' is not available"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_bad_parameters_are_named(parameters, message):
    X, y = moons(20)
    with pytest.raises(ValueError, match=message):
        ConvexReLUClassifier(**parameters).fit(X, y)


def test_values_whose_squares_overflow_are_named(rng):
    X = rng.standard_normal((20, 3))
    for data, y in ((1e200 * X, X[:, 0]), (X, 1e200 * X[:, 0])):
        with pytest.raises(ValueError, match="whose squares overflow float64"):
            ConvexReLURegressor(n_gates=5).fit(data, y)


def test_bad_combinations_are_named():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        ConvexReLUClassifier(robust=0.1).fit(X, y)
    with pytest.raises(ValueError, match="Only binary classification"):
        ConvexReLUClassifier("squared_hinge").fit(X, y)
    with pytest.raises(ValueError, match="Pass a number, such as n_gates=100"):
        ConvexReLUClassifier(n_gates="all").fit(X, y)
    with pytest.raises(AttributeError, match="predict_proba"):
        ConvexReLUClassifier("squared_hinge").predict_proba(X)
    with pytest.raises(ValueError, match="loss='logistic' is not available"):
        ConvexReLURegressor("logistic").fit(X, y)
    with pytest.raises(ValueError, match="robust=1e[+]20 moves every feature"):
        ConvexReLURegressor(robust=1e20).fit(X, X[:, 0])
    model = ConvexReLURegressor(n_gates=5).fit(X[:20], X[:20, 0])
    with pytest.raises(ValueError, match="X has 30 rows"):
        model.gate_violation(X[:30])
    with pytest.raises(ValueError, match="n_gates must be a positive integer"):
        model.gate_violation(X[:20], n_gates=0)
