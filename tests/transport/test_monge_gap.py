"""The Monge gap and maps learnt with it, against closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skopt2._core.array import to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.transport import MongeGapMap, monge_gap
from skopt2.transport.entropic_cost import (
    EntropicCost,
    SelfCost,
    mean_cost,
    pair_costs,
)
from skopt2.transport.map_energy import MapEnergy, displacement_between

METRICS = ["sqeuclidean", "euclidean", "cityblock", "cosine"]
ROTATION = np.array([[0.0, 1.0], [-1.0, 0.0]])


def distances(X, Y, metric):
    gap = X[:, None] - Y[None, :]
    if metric == "sqeuclidean":
        return (gap**2).sum(axis=-1)
    if metric == "euclidean":
        return np.sqrt((gap**2).sum(axis=-1))
    if metric == "cityblock":
        return np.abs(gap).sum(axis=-1)
    unit = [Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in (X, Y)]
    return 1.0 - unit[0] @ unit[1].T


def derivative(function, x, h=1e-5):
    """Return central differences of a function of an array."""
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [(function(x + s) - function(x - s)) / (2 * h) for s in steps]
    return np.array(slopes).reshape(x.shape)


def bures_map(Sx, Sy):
    """Return the matrix of the optimal map between centred Gaussians."""
    root = np.real(sqrtm(Sx))
    inverse = np.linalg.inv(root)
    return inverse @ np.real(sqrtm(root @ Sy @ root)) @ inverse


def covariances(dim, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        L = rng.standard_normal((dim, dim))
        found.append(L @ L.T / dim + 0.3 * np.eye(dim))
    return found


# Some checks ask for more digits than float32 has.
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        MongeGapMap(),
        MongeGapMap("random_features", n_components=10, gap_strength=0.5),
        MongeGapMap(metric="euclidean", normalize_cost=None),
    ]
)
def test_scikit_learn_accepts(estimator, check):
    check(estimator)


@pytest.mark.parametrize("metric", METRICS)
def test_gap_tends_to_that_of_the_assignment(rng, metric):
    X = rng.standard_normal((25, 2)) + 2.0
    Y = X[::-1] @ np.array([[0.3, 1.0], [-1.0, 0.8]]) + 1.0
    cost = distances(X, Y, metric)
    rows, columns = linear_sum_assignment(cost)
    expected = np.diag(cost).mean() - cost[rows, columns].mean()
    scale = cost.mean()
    found = monge_gap(X, Y, reg=1e-3 * scale, metric=metric, max_iter=100_000, tol=1e-4)
    assert expected > 0.02 * scale
    assert found.value == pytest.approx(expected, abs=5e-3 * scale)
    assert found.map_cost == pytest.approx(np.diag(cost).mean(), rel=1e-12)


@pytest.mark.parametrize("reg", [0.01, 0.1, 1.0, 100.0])
def test_gap_is_nonnegative(rng, reg):
    X = rng.standard_normal((30, 2))
    for Y in (X, 2 * X + 1, X @ ROTATION, X[::-1], rng.standard_normal((30, 2))):
        assert monge_gap(X, Y, reg).value >= 0


def test_gap_of_an_optimal_map_vanishes_with_the_regularisation(rng):
    X = rng.standard_normal((30, 2))
    gaps = [monge_gap(X, 2 * X + 5, reg).value for reg in (0.3, 0.1, 0.03)]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.05
    assert monge_gap(X, X @ ROTATION, 0.03).value > 1.0


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_gap_gradient_is_its_derivative(rng, metric, debiased):
    X = rng.standard_normal((9, 2)) + 2.0
    Y = rng.standard_normal((9, 2)) + 2.0
    weight = rng.random(9) + 0.2
    options = {
        "sample_weight": weight,
        "metric": metric,
        "debiased": debiased,
        "tol": 1e-10,
    }

    expected = derivative(lambda y: monge_gap(X, y, 0.5, **options).value, Y)
    gradient = monge_gap(X, Y, 0.5, **options).gradient
    np.testing.assert_allclose(gradient, expected, atol=2e-7)


def test_debiased_gap_rests_at_the_identity(rng):
    X = rng.standard_normal((20, 2))
    for reg in (0.05, 1.0):
        rested = monge_gap(X, X, reg, debiased=True, tol=1e-11)
        assert rested.value == pytest.approx(0.0, abs=1e-9)
        np.testing.assert_allclose(rested.gradient, 0.0, atol=1e-9)
    assert np.abs(monge_gap(X, X, 1.0, tol=1e-11).gradient).max() > 1e-3


def test_gap_does_not_feel_a_translation(rng):
    X = rng.standard_normal((20, 2))
    near = monge_gap(X, X @ ROTATION, 0.1)
    far = monge_gap(X, X @ ROTATION + 1e6, 0.1)
    assert far.value == pytest.approx(near.value, rel=1e-8)
    np.testing.assert_allclose(far.gradient, near.gradient, atol=1e-7)


@pytest.mark.parametrize("debiased", [False, True])
def test_gap_weights(rng, debiased):
    X = rng.standard_normal((8, 2))
    Y = X @ ROTATION
    weight = np.array([1.0, 2.0, 0.0, 1.0, 3.0, 0.0, 1.0, 1.0])
    options = {"debiased": debiased, "tol": 1e-11}
    weighted = monge_gap(X, Y, 0.2, sample_weight=weight, **options)
    kept = weight > 0
    dropped = monge_gap(X[kept], Y[kept], 0.2, sample_weight=weight[kept], **options)
    assert weighted.value == pytest.approx(dropped.value, rel=1e-9)
    np.testing.assert_allclose(weighted.gradient[kept], dropped.gradient, atol=1e-10)
    assert not weighted.gradient[~kept].any()
    if debiased:
        # The entropy of the map's own coupling tells repeated rows from heavy ones.
        counts = weight.astype(int)
        repeated = monge_gap(
            np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), 0.2, **options
        )
        assert repeated.value == pytest.approx(weighted.value, rel=1e-8)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("metric", METRICS)
def test_gap_in_every_namespace(backend, rng, metric):
    X, Y = rng.standard_normal((70, 3)) + 1.0, rng.standard_normal((70, 3)) + 1.0
    weight = rng.random(70)
    weight[3] = 0.0
    options = {"metric": metric, "debiased": True, "tol": 1e-10}
    host = monge_gap(X, Y, 0.3, sample_weight=weight, **options)
    found = monge_gap(
        backend.asarray(X),
        backend.asarray(Y),
        0.3,
        sample_weight=backend.asarray(weight),
        **options,
    )
    assert found.value == pytest.approx(host.value, rel=1e-9)
    assert type(found.gradient) is type(backend.asarray(X))
    np.testing.assert_allclose(to_numpy(found.gradient), host.gradient, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reg": 0.0}, "reg must be"),
        ({"metric": "chebyshev"}, "metric must be"),
        ({"metric": lambda X, Y: X @ Y.T}, "metric must be"),
        ({"tol": -1.0}, "tol must be"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"Y": np.ones((4, 2))}, "image of every point"),
        ({"Y": np.ones((5, 3))}, "number of features"),
        ({"Y": np.full((5, 2), np.nan)}, "Y contains NaN"),
        ({"sample_weight": -np.ones(5)}, "sample_weight must be nonnegative"),
        ({"sample_weight": np.ones(3)}, r"sample_weight has shape \(3,\)"),
    ],
)
def test_gap_bad_input(changes, message):
    arguments = {"X": np.ones((5, 2)), "Y": np.ones((5, 2)), "reg": 0.1, **changes}
    with pytest.raises(ValueError, match=message):
        monge_gap(**arguments)


@pytest.mark.parametrize("metric", METRICS)
def test_entropic_cost_gradient_and_helpers(rng, metric):
    X, Y = rng.standard_normal((7, 3)) + 1.0, rng.standard_normal((5, 3)) - 2.0
    a, b = rng.random(7) + 0.1, rng.random(5) + 0.1
    a, b = a / a.sum(), b / b.sum()

    def value(x):
        fresh = EntropicCost(a, b, metric, 0.3, 1e-10)
        return fresh.value_and_gradient(x, Y)[0]

    cost = EntropicCost(a, b, metric, 0.3, 1e-10)
    _, gradient = cost.value_and_gradient(X, Y)
    expected = derivative(value, X)
    np.testing.assert_allclose(gradient, expected, atol=2e-7)
    C = distances(X, Y, metric)
    assert mean_cost(metric, X, Y, a, b) == pytest.approx(a @ C @ b)
    pairs, slope = pair_costs(metric, X, X[::-1] + 0.1, a)
    assert pairs == pytest.approx(a @ np.diag(distances(X, X[::-1] + 0.1, metric)))
    assert slope.shape == X.shape


@pytest.mark.parametrize("metric", METRICS)
def test_self_cost_equals_the_general_one(rng, metric):
    X, a = rng.standard_normal((40, 2)) + 1.0, rng.random(40) + 0.1
    a /= a.sum()
    for reg in (0.3, 0.03):
        own = SelfCost(a, metric, reg, 1e-9)
        value, gradient = own.value_and_gradient(X)
        assert own.marginal_error <= 1e-9
        general = EntropicCost(a, a, metric, reg, 1e-7)
        expected, half = general.value_and_gradient(X, X)
        assert value == pytest.approx(expected, abs=1e-7)
        np.testing.assert_allclose(gradient, 2 * half, atol=1e-5)


@pytest.mark.parametrize("q", [0, 6])
@pytest.mark.parametrize("lam", [0.0, 1.0, 2.5])
def test_energy_gradient_is_its_derivative(rng, q, lam):
    X, Y = rng.standard_normal((12, 2)), rng.standard_normal((9, 2)) * 2 + 1
    a, b = rng.random(12) + 0.1, rng.random(9) + 0.1
    a, b = a / a.sum(), b / b.sum()
    form = displacement_between(X, Y, a, b, n_components=q, length_scale=2.0, rng=rng)
    options = {"kappa": 3.0, "gap_strength": lam, "alpha": 0.1, "tol": 1e-10}

    def energy():
        return MapEnergy(X, Y, a, b, form, "sqeuclidean", 0.4, **options)

    w = 0.2 * rng.standard_normal((3 + q) * 2)
    _, gradient = energy()(w)
    expected = derivative(lambda v: energy()(v)[0], w)
    np.testing.assert_allclose(gradient, expected, atol=2e-7)
    # The parameters that users see are the same map.
    found = form.parameters(w.reshape(3 + q, 2))
    image = X @ found["matrix"].T + found["offset"]
    image += np.cos(X @ found["frequencies"] + found["phases"]) @ found["coef"]
    np.testing.assert_allclose(image, energy().image(w), rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 4])
def test_gaussian_map_is_recovered(dim):
    Sx, Sy = covariances(dim)
    A = bures_map(Sx, Sy)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((150, dim)) @ np.linalg.cholesky(Sx).T
    model = MongeGapMap(gap_strength=0.3).fit(X, target=X @ A.T + 3.0)
    assert model.converged_
    np.testing.assert_allclose(model.matrix_, A, atol=5e-3)
    np.testing.assert_allclose(model.offset_, 3.0, atol=5e-3)
    # The Bures distance between what the map makes of Sx and Sy.
    made = model.matrix_ @ Sx @ model.matrix_.T
    bures = np.trace(
        made + Sy - 2 * np.real(sqrtm(np.real(sqrtm(made)) @ Sy @ np.real(sqrtm(made))))
    )
    assert bures < 1e-4 * np.trace(Sy)


def test_independent_gaussian_samples():
    Sx, Sy = covariances(2)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 2)) @ np.linalg.cholesky(Sx).T
    Y = rng.standard_normal((300, 2)) @ np.linalg.cholesky(Sy).T + 1.0
    A = bures_map(np.cov(X.T), np.cov(Y.T))
    model = MongeGapMap().fit(X, target=Y)
    np.testing.assert_allclose(model.matrix_, A, atol=0.1)
    # Divergence alone does not choose between maps with the same image.
    free = MongeGapMap(gap_strength=0.0).fit(X, target=Y)
    asymmetry = [np.abs(m.matrix_ - m.matrix_.T).max() for m in (model, free)]
    assert asymmetry[0] < 0.3 * asymmetry[1]
    assert model.monge_gap_ < free.monge_gap_


def test_figures_are_those_of_the_map(rng):
    X, Y = rng.standard_normal((60, 2)), rng.standard_normal((50, 2)) * [2, 0.5] + 1
    model = MongeGapMap().fit(X, target=Y)
    image = model.transform(X)
    found = monge_gap(X, image, model.reg_, debiased=True)
    assert model.monge_gap_ == pytest.approx(found.value, abs=1e-7)
    assert model.divergence_ == pytest.approx(-model.score(X, target=Y), abs=1e-7)
    assert model.marginal_error_ < 1e-6


def test_random_features_bend():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    # A gradient of a convex function is optimal for squared distances.
    Y = X + 0.5 * np.tanh(2 * X) + [1.0, 0.0]

    def error(model):
        image = model.fit(X, target=Y[::-1]).transform(X)
        return np.sqrt(((image - Y) ** 2).sum(axis=1).mean())

    affine = error(MongeGapMap())
    bent = error(MongeGapMap("random_features", alpha=1e-4, tol=1e-3, random_state=0))
    assert bent < 0.6 * affine


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_brings_the_image_nearer(rng, metric):
    X = rng.standard_normal((50, 2)) + 3.0
    Y = rng.standard_normal((50, 2)) * [2.0, 0.5] + [5.0, 3.0]
    model = MongeGapMap(metric=metric, reg=0.2, max_iter=30).fit(X, target=Y)
    cross = EntropicCost(None, None, metric, model.reg_, 1e-8)
    before, _ = cross.value_and_gradient(X, Y)
    for points in (X, Y):
        own = SelfCost(None, metric, model.reg_, 1e-8)
        before -= 0.5 * own.value_and_gradient(points)[0]
    assert model.divergence_ < 0.3 * before


def test_without_a_target_the_map_is_the_identity(rng):
    X = rng.standard_normal((40, 3))
    for kind in ("affine", "random_features"):
        model = MongeGapMap(kind, random_state=0)
        np.testing.assert_allclose(model.fit_transform(X), X, rtol=1e-15)
        assert model.n_iter_ == 1
        assert abs(model.score(X)) < 1e-8


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(rng, scale):
    X, Y = rng.standard_normal((50, 2)), rng.standard_normal((50, 2)) * [2, 0.5] + 1
    one = MongeGapMap(reg=0.2).fit(X, target=Y)
    other = MongeGapMap(reg=0.2).fit(scale * X + 3 * scale, target=scale * Y)
    np.testing.assert_allclose(other.matrix_, one.matrix_, atol=1e-4)
    assert other.divergence_ == pytest.approx(scale**2 * one.divergence_, rel=1e-3)


def test_cost_units_of_reg(rng):
    X, Y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) * [2, 0.5] + 1
    relative = MongeGapMap(reg=0.3).fit(X, target=Y)
    absolute = MongeGapMap(reg=relative.reg_, normalize_cost=None).fit(X, target=Y)
    np.testing.assert_allclose(absolute.matrix_, relative.matrix_, rtol=1e-10)


def test_weights_are_repetitions(rng):
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((15, 2)) * [2, 0.5] + 1
    counts, others = rng.integers(0, 4, 20), rng.integers(0, 4, 15)
    weighted = MongeGapMap(reg=0.3, tol=1e-6).fit(
        X, target=Y, sample_weight=counts, target_weight=others
    )
    repeated = MongeGapMap(reg=0.3, tol=1e-6).fit(
        np.repeat(X, counts, axis=0), target=np.repeat(Y, others, axis=0)
    )
    np.testing.assert_allclose(weighted.matrix_, repeated.matrix_, atol=1e-4)
    score = weighted.score(X, target=Y, sample_weight=counts, target_weight=others)
    assert score == pytest.approx(-weighted.divergence_, abs=1e-6)


def test_float32_stays_float32(rng):
    X, Y = rng.standard_normal((60, 2)), rng.standard_normal((60, 2)) * [2, 0.5] + 1
    single = MongeGapMap(tol=1e-3).fit(X.astype(np.float32), target=Y)
    double = MongeGapMap(tol=1e-3).fit(X, target=Y)
    assert single.converged_
    assert single.matrix_.dtype == single.transform(X.astype("f4")).dtype == np.float32
    np.testing.assert_allclose(single.matrix_, double.matrix_, atol=1e-2)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("kind", ["affine", "random_features"])
def test_every_namespace_gives_the_same(backend, rng, kind):
    X, Y = rng.standard_normal((30, 2)), rng.standard_normal((25, 2)) * [2, 0.5] + 1
    model = MongeGapMap(kind, n_components=10, reg=0.5, max_iter=3, random_state=0)
    host = clone(model).fit(X, target=Y)
    found = clone(model).fit(backend.asarray(X), target=backend.asarray(Y))
    assert type(found.matrix_) is type(backend.asarray(X))
    np.testing.assert_allclose(to_numpy(found.matrix_), host.matrix_, atol=1e-5)
    image = found.transform(backend.asarray(X))
    np.testing.assert_allclose(to_numpy(image), host.transform(X), atol=1e-5)


@pytest.mark.usefixtures("cuda_stand_in")
def test_device_computes_and_host_answers(rng):
    X, Y = rng.standard_normal((30, 2)), rng.standard_normal((25, 2)) * [2, 0.5] + 1
    model = MongeGapMap(reg=0.5, tol=1e-2, device="cuda").fit(X, target=Y)
    assert model.device_ == "cuda:0"
    assert type(model.matrix_) is np.ndarray
    host = MongeGapMap(reg=0.5, tol=1e-2).fit(X, target=Y)
    np.testing.assert_allclose(model.matrix_, host.matrix_, atol=1e-5)


def test_routing_carries_the_target_through_a_pipeline(rng):
    X, Y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) * [2, 0.5]
    with config_context(enable_metadata_routing=True):
        step = MongeGapMap(reg=0.2).set_fit_request(target=True)
        pipe = make_pipeline(StandardScaler(), step).fit(X, target=Y)
    alone = MongeGapMap(reg=0.2).fit(StandardScaler().fit_transform(X), target=Y)
    np.testing.assert_allclose(pipe[-1].matrix_, alone.matrix_)


def test_search_over_parameters(rng):
    X = rng.standard_normal((40, 2))
    search = GridSearchCV(MongeGapMap(), {"reg": [0.05, 0.5]}, cv=2).fit(X)
    assert set(search.cv_results_["param_reg"]) == {0.05, 0.5}
    assert search.best_score_ == pytest.approx(0.0, abs=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_interrupted_fit_goes_on_from_its_checkpoint(rng, tmp_path):
    X, Y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) * [3, 0.2]
    whole = MongeGapMap(reg=0.2).fit(X, target=Y)
    path = tmp_path / "fit.npz"

    def fit(max_iter, target):
        model = MongeGapMap(reg=0.2, max_iter=max_iter)
        return model.set_callbacks(Checkpoint(path)).fit(X, target=target)

    assert not fit(3, Y).converged_
    with pytest.raises(ValueError, match="checkpoint"):
        fit(200, 2 * Y)
    resumed = fit(200, Y)
    assert resumed.converged_
    assert 3 < resumed.n_iter_ <= whole.n_iter_ + 3
    np.testing.assert_allclose(resumed.matrix_, whole.matrix_, atol=1e-3)


def test_limits_stop_and_warn(rng):
    X, Y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2)) * [3, 0.2]
    with pytest.warns(ConvergenceWarning, match="max_iter=2.*largest derivative"):
        model = MongeGapMap(max_iter=2, tol=1e-9).fit(X, target=Y)
    assert not model.converged_
    assert len(model.history_["objective"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": "neural"}, "map must be"),
        ({"metric": "chebyshev"}, "metric must be"),
        ({"normalize_cost": "max"}, "normalize_cost must be"),
        ({"reg": 0.0}, "reg must be"),
        ({"reg": "small"}, "reg must be"),
        ({"length_scale": -1.0}, "length_scale must be"),
        ({"gap_strength": -1.0}, "gap_strength must be"),
        ({"alpha": np.inf}, "alpha must be"),
        ({"tol": -1.0}, "tol must be"),
        ({"n_components": 0}, "n_components must be"),
        ({"max_iter": 1.5}, "max_iter must be"),
        ({"time_limit": 0}, "time_limit must be"),
        ({"device": "gpu"}, "device must be"),
    ],
)
def test_bad_parameters_name_themselves(changes, message):
    with pytest.raises(ValueError, match=message):
        MongeGapMap(**changes).fit(np.eye(3), target=np.eye(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": np.ones((4, 2))}, "target: X has 2 features, but MongeGapMap is"),
        ({"target": np.full((4, 3), np.nan)}, "target contains NaN"),
        ({"target": np.ones(3)}, "Expected 2D array"),
        ({"target": np.ones((0, 3))}, "0 sample"),
        ({"target_weight": np.ones(4)}, r"target_weight has shape \(4,\)"),
        ({"target_weight": -np.ones(3)}, "target_weight must be nonnegative"),
        ({"sample_weight": np.zeros(3)}, "sample_weight must not be zero"),
    ],
)
def test_bad_data_leaves_the_fit_as_it_was(arguments, message):
    model = MongeGapMap()
    with pytest.raises(ValueError, match=message):
        model.fit(np.eye(3), **arguments)
    with pytest.raises(NotFittedError):
        model.transform(np.eye(3))
