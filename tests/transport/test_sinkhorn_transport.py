"""Maps between samples: values, labels, scikit-learn's grammar, arrays, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import namespace
from skopt2.transport import SinkhornTransport, sinkhorn
from tests.transport.continuity import largest_jump

MAPS = ["entropic", "debiased", "progressive"]


@pytest.fixture
def clouds(rng):
    X = rng.standard_normal((40, 2))
    Y = rng.standard_normal((30, 2)) * [0.5, 1.5] + [3.0, -1.0]
    return X, Y


@pytest.fixture
def domains(rng):
    """Three classes, and the same moved and stretched."""
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    y, target_labels = np.arange(45) % 3, np.arange(60) % 3
    X = centres[y] + 0.5 * rng.standard_normal((45, 2))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    Y = (centres[target_labels] + 0.5 * rng.standard_normal((60, 2))) @ turn.T
    return X, y, Y + [1.5, -1.0], target_labels


def fit(reg, *args, **options):
    """Fit a model whose options and data are told apart by name."""
    names = ("target", "target_labels", "sample_weight", "target_weight")
    data = {name: options.pop(name) for name in names if name in options}
    return SinkhornTransport(reg, **options).fit(*args, **data)


# ---- values --------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock", "cosine"])
@pytest.mark.parametrize("reg", [0.5, 0.02])
def test_points_of_the_fit_go_to_the_means_of_their_rows(clouds, metric, reg):
    X, Y = clouds
    model = fit(reg, X, target=Y, metric=metric, tol=1e-10)
    C = cdist(X, Y, metric)
    expected = sinkhorn(None, None, C, model.reg_, tol=1e-10)
    P = expected.plan
    assert_allclose(model.plan_, P, atol=1e-10)
    assert_allclose(model.transform(X), P @ Y / P.sum(axis=1)[:, None], atol=1e-8)
    back = P.T @ X / P.sum(axis=0)[:, None]
    assert_allclose(model.inverse_transform(Y), back, atol=1e-7)
    assert model.cost_ == pytest.approx((P * C).sum(), rel=1e-8)
    assert model.objective_ == pytest.approx(expected.objective, rel=1e-8)
    f, g = model.potentials_
    assert_allclose(np.exp((f[:, None] + g - C) / model.reg_), P, atol=1e-10)
    assert 0 <= model.dual_gap_ < 1e-8


def test_callable_metric(clouds):
    X, Y = clouds

    def quartic(A, B):
        return cdist(A, B) ** 4

    model = fit(0.1, X, target=Y, metric=quartic, tol=1e-10)
    assert model.cost_scale_ == pytest.approx(quartic(X, Y).mean())
    expected = sinkhorn(None, None, quartic(X, Y), model.reg_, tol=1e-10)
    assert_allclose(model.plan_, expected.plan, atol=1e-10)


def gaussian_quantiles(n, mean, deviation):
    return norm.ppf((np.arange(n) + 0.5) / n, mean, deviation)[:, None]


def test_map_of_gaussians_has_its_closed_form():
    X, Y = gaussian_quantiles(400, 1.0, 1.0), gaussian_quantiles(300, -2.0, 2.0)
    model = fit(0.5, X, target=Y, normalize_cost=None, tol=1e-10)
    # Janati, Muzellec, Peyre and Cuturi, NeurIPS 2020: eps = 2 sigma^2.
    square = 0.25
    cross = 0.5 * (np.sqrt(4.0 * 1.0 * 4.0 + square**2) - square)
    x = np.linspace(-0.5, 2.5, 7)[:, None]
    assert_allclose(model.transform(x), -2.0 + cross * (x - 1.0), atol=0.03)


def test_less_biased_maps_of_gaussians():
    X, Y = gaussian_quantiles(300, 0.0, 1.0), gaussian_quantiles(300, 0.0, 2.0)
    x = np.linspace(-1.5, 1.5, 7)[:, None]
    error = {}
    for name in MAPS:
        model = fit(0.3, X, target=Y, map=name, n_steps=6)
        error[name] = np.abs(model.transform(x) - 2.0 * x).max()
        assert model.converged_
    assert error["debiased"] < 0.5 * error["entropic"]
    assert error["progressive"] < 0.5 * error["entropic"]


@pytest.mark.parametrize("map", MAPS)
def test_a_shift_of_the_target_shifts_its_images(clouds, map):
    X, Y = clouds
    model = fit(0.05, X, target=Y, map=map)
    images = model.transform(X)
    for shift in (3.0, 1e3, 1e6):
        moved = fit(0.05, X, target=Y + shift, map=map)
        assert moved.reg_ == pytest.approx(model.reg_, rel=1e-8)
        assert_allclose(moved.plan_, model.plan_, atol=1e-11)
        assert_allclose(moved.transform(X), images + shift, atol=1e-8, rtol=1e-12)
        back = moved.inverse_transform(Y + shift)
        assert_allclose(back, model.inverse_transform(Y), atol=1e-7)


def test_shifts_in_float32(clouds):
    X, Y = (part.astype(np.float32) for part in clouds)
    model = fit(0.05, X, target=Y + np.float32(1000.0), tol=1e-5)
    images = model.transform(X)
    assert images.dtype == np.float32
    wide = fit(0.05, *(clouds[0],), target=clouds[1])
    assert_allclose(images - 1000.0, wide.transform(clouds[0]), atol=2e-3)


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_of_the_features_do_not_matter(clouds, map, scale):
    X, Y = clouds
    expected = fit(0.05, X, target=Y, map=map, tol=1e-9).transform(X)
    found = fit(0.05, scale * X, target=scale * Y, map=map, tol=1e-9)
    assert_allclose(found.transform(scale * X), scale * expected, rtol=1e-6)


@pytest.mark.parametrize("map", MAPS)
def test_weights_repeat_rows(clouds, rng, map):
    X, Y = clouds
    s, t = rng.integers(0, 3, 40), rng.integers(0, 3, 30)
    options = {"map": map, "tol": 1e-11, "normalize_cost": "mean"}
    weighted = fit(0.1, X, target=Y, sample_weight=s, target_weight=5.0 * t, **options)
    repeated = fit(0.1, np.repeat(X, s, axis=0), target=np.repeat(Y, t, 0), **options)
    assert weighted.cost_scale_ == pytest.approx(repeated.cost_scale_)
    assert weighted.cost_ == pytest.approx(repeated.cost_)
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-7)
    assert_allclose(
        weighted.inverse_transform(Y), repeated.inverse_transform(Y), atol=1e-7
    )
    assert_array_equal(weighted.plan_[s == 0], 0.0)
    assert_array_equal(weighted.plan_[:, t == 0], 0.0)
    assert_array_equal(np.isinf(weighted.potentials_[0]), s == 0)


@pytest.mark.parametrize(
    ("name", "figure"), [("mean", np.mean), ("max", np.max), ("median", np.median)]
)
@pytest.mark.parametrize("metric", ["sqeuclidean", "cityblock"])
def test_unit_of_the_regularisation(rng, name, figure, metric):
    X, Y = rng.standard_normal((21, 3)), rng.standard_normal((11, 3)) + 2.0
    model = fit(0.3, X, target=Y, normalize_cost=name, metric=metric)
    if metric == "sqeuclidean":
        X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    assert model.cost_scale_ == pytest.approx(figure(cdist(X, Y, metric)))
    assert model.reg_ == pytest.approx(0.3 * model.cost_scale_)


def test_identity_without_a_target(clouds):
    X, _ = clouds
    model = SinkhornTransport(1e-3).fit(X)
    assert_allclose(model.transform(X), X, atol=0.05)
    assert_array_equal(model.target_, X)
    assert_array_equal(*model.potentials_)
    assert model.marginal_error_ < 1e-9
    exact = SinkhornTransport(0.3, map="debiased").fit(X)
    assert_allclose(exact.transform(X), X, atol=1e-8)


@pytest.mark.parametrize("map", MAPS)
def test_images_are_continuous(clouds, map):
    """No jump where the nearest point of the sample changes."""
    X, Y = clouds
    model = fit(0.02, X, target=Y, map=map)
    way = np.linspace(0.0, 1.0, 200)[:, None]
    x = (1.0 - way) * X[0] + way * X[1]
    nearest = cdist(x, X).argmin(axis=1)
    assert np.unique(nearest).size > 3
    assert largest_jump(model.transform, X[0], X[1]) < 1e-5
    if map != "progressive":
        # Steps of a millionth: chains of maps may be steeper than that.
        assert largest_jump(model.transform, X[0], X[1], n_halvings=13) < 1e-3
    # The map of the nearest point of the fit jumps, and is caught.
    images = model.transform(X)
    assert largest_jump(lambda x: images[cdist(x, X).argmin(1)], X[0], X[1]) > 0.1


@pytest.mark.parametrize("map", MAPS)
def test_rows_are_mapped_one_by_one(clouds, rng, map, monkeypatch):
    X, Y = clouds
    model = fit(0.05, X, target=Y, map=map)
    images = model.transform(X)
    order = rng.permutation(40)
    assert_allclose(model.transform(X[order]), images[order], rtol=1e-12)
    # In several blocks too.
    monkeypatch.setattr("skopt2.transport.entropic_map.HOST_BLOCK", 100)
    assert_allclose(model.transform(X), images, rtol=1e-12)


@pytest.mark.parametrize("map", MAPS)
def test_costs_that_exceed_the_memory_are_streamed(rng, map):
    X, Y = rng.standard_normal((260, 2)), rng.standard_normal((240, 2)) + 1.0
    options = {"map": map, "n_steps": 2, "tol": 1e-9}
    expected = fit(0.1, X, target=Y, **options)
    with config_context(working_memory=1):
        model = fit(0.1, X, target=Y, **options)
    assert_allclose(model.transform(X), expected.transform(X), atol=1e-6)
    assert_allclose(
        model.inverse_transform(Y), expected.inverse_transform(Y), atol=1e-6
    )
    assert model.cost_ == pytest.approx(expected.cost_, rel=1e-7)
    assert 0 <= model.dual_gap_ < 1e-7


def test_one_point_each():
    model = fit(0.1, [[1.0, 2.0]], target=[[5.0, 5.0]])
    assert_allclose(model.transform([[1.0, 2.0], [0.0, 0.0]]), [[5.0, 5.0]] * 2)
    assert_allclose(model.plan_, [[1.0]])
    assert model.cost_ == pytest.approx(25.0)


def test_duplicates(clouds):
    X, Y = clouds
    twice = fit(0.05, np.vstack([X, X]), target=Y, tol=1e-10)
    once = fit(0.05, X, target=Y, tol=1e-10)
    assert_allclose(twice.transform(X), once.transform(X), atol=1e-8)


# ---- unbalanced ----------------------------------------------------------------------


@pytest.mark.parametrize("prices", [1.0, (0.5, 2.0), (np.inf, 0.3)])
@pytest.mark.parametrize("metric", ["sqeuclidean", "cityblock"])
def test_masses_may_be_left_at_a_price(clouds, prices, metric):
    X, Y = clouds
    model = fit(0.1, X, target=Y, reg_marginal=prices, metric=metric, tol=1e-10)
    C = cdist(X, Y, metric)
    assert model.cost_scale_ == pytest.approx(C.mean())
    scaled = np.asarray(prices) * C.mean()
    scaled = float(scaled) if np.ndim(prices) == 0 else tuple(scaled.tolist())
    found = sinkhorn(None, None, C, model.reg_, reg_marginal=scaled, tol=1e-10)
    assert_allclose(model.plan_, found.plan, atol=1e-9)
    assert np.abs(model.plan_.sum(axis=0) - 1 / 30).sum() > 0.05
    P = model.plan_
    assert_allclose(model.transform(X), P @ Y / P.sum(axis=1)[:, None], atol=1e-7)
    assert model.cost_ == pytest.approx((P * C).sum(), rel=1e-8)
    assert model.objective_ == pytest.approx(found.objective, rel=1e-8)
    assert model.converged_
    assert_allclose(
        np.exp((model.potentials_[0][:, None] + model.potentials_[1] - C) / model.reg_),
        P,
        atol=1e-9,
    )


def test_points_without_a_counterpart_do_not_pull(rng):
    X = rng.standard_normal((60, 2))
    Y = np.vstack([X[:50] + 0.1, X[50:] + 60.0])
    fixed = fit(0.01, X, target=Y).transform(X)
    free = fit(0.01, X, target=Y, normalize_cost=None, reg_marginal=5.0)
    assert np.abs(fixed[:50] - X[:50]).max() > 3.0
    assert np.abs(free.transform(X)[:50] - X[:50] - 0.1).max() < 0.5
    assert free.plan_[:, 50:].sum() < 1e-3


@pytest.mark.parametrize("map", MAPS)
def test_high_prices_keep_the_masses(domains, map):
    X, _, Y, _ = domains
    options = {"map": map, "n_steps": 3, "tol": 1e-8, "normalize_cost": None}
    model = fit(0.5, X, target=Y, reg_marginal=1e5, **options)
    expected = fit(0.5, X, target=Y, **options)
    assert model.converged_
    assert_allclose(model.transform(X), expected.transform(X), atol=1e-2)
    assert (np.diff(model.history_["iteration"]) > 0).all()
    assert model.history_["iteration"][-1] == model.n_iter_


def test_unbalanced_rounds_of_labels(domains):
    X, y, Y, z = domains
    options = {"reg_marginal": 1.0, "label_reg": 0.2, "tol": 1e-8, "time_limit": 60}
    model = fit(0.1, X, y, target=Y, **options)
    plain = fit(0.1, X, y, target=Y, reg_marginal=1.0, tol=1e-8)
    assert model.converged_
    assert model.n_iter_ > plain.n_iter_
    share = cross_class(model, y, z) / model.plan_.sum()
    assert share < cross_class(plain, y, z) / plain.plan_.sum()


# ---- labels --------------------------------------------------------------------------


def cross_class(model, y, target_labels):
    return model.plan_[y[:, None] != target_labels].sum()


def test_known_classes_do_not_mix(domains):
    X, y, Y, z = domains
    plain = fit(0.1, X, y, target=Y)
    assert cross_class(plain, y, z) > 1e-3
    model = fit(0.1, X, y, target=Y, target_labels=z)
    assert cross_class(model, y, z) < 1e-30
    assert model.converged_
    assert_allclose(model.plan_.sum(axis=0), 1.0 / 60, atol=1e-6)
    assert_array_equal(model.label_classes_, [0, 1, 2])


def test_costs_of_known_classes(domains):
    """The plan is that of a matrix in which other classes cost more."""
    X, y, Y, z = domains
    partly = np.where(np.arange(60) % 2, z, -1)
    model = fit(0.1, X, y, target=Y, target_labels=partly, label_limit=0.3, tol=1e-10)
    C = cdist(X - X.mean(axis=0), Y - Y.mean(axis=0), "sqeuclidean")
    differ = (y[:, None] != partly) & (partly >= 0)
    L = 0.3 * C.max() * differ
    expected = sinkhorn(None, None, C + L, model.reg_, tol=1e-10)
    assert_allclose(model.plan_, expected.plan, atol=1e-10)
    original = cdist(X, Y, "sqeuclidean")
    assert model.cost_ == pytest.approx((model.plan_ * original).sum(), rel=1e-8)


def test_unknown_classes_change_nothing(domains):
    X, y, Y, _ = domains
    expected = fit(0.1, X, y, target=Y, tol=1e-10)
    model = fit(0.1, X, y, target=Y, target_labels=np.full(60, -1), tol=1e-10)
    assert_allclose(model.plan_, expected.plan_, atol=1e-10)
    assert_allclose(model.transform(X), expected.transform(X), atol=1e-7)


def test_fitting_twice_changes_no_parameter(domains):
    X, y, Y, z = domains
    model = SinkhornTransport(0.1, label_limit=10.0, label_reg=0.1)
    before = model.get_params()
    first = model.fit(X, y, target=Y, target_labels=z).plan_
    second = model.fit(X, y, target=Y, target_labels=z).plan_
    assert model.get_params() == before
    assert_array_equal(first, second)


@pytest.mark.parametrize("unlabelled", ["?", None, -1, float("nan")])
def test_strings_and_other_words_for_unknown(domains, unlabelled):
    X, y, Y, z = domains
    partly = np.where(np.arange(60) % 3, z, -1)
    expected = fit(0.1, X, y, target=Y, target_labels=partly)
    if unlabelled == unlabelled and unlabelled not in (None, -1):
        names = np.array(["cat", "dog", "eel", unlabelled])
    elif unlabelled == -1:
        names = np.array(["cat", "dog", "eel", "-1"])
    else:
        names = np.array([10.0, 20.0, 30.0, unlabelled], dtype=object)
    model = fit(
        0.1,
        X,
        names[y],
        target=Y,
        target_labels=list(names[partly]),
        unlabelled=unlabelled,
    )
    assert_array_equal(model.plan_, expected.plan_)
    assert_array_equal(model.label_classes_, names[:3].tolist())


def test_classes_around_a_point_map_it(domains):
    """Points of the fit go to the means of their rows, labels included."""
    X, y, Y, z = domains
    # Classes far apart, so that the class around each point is its own.
    X, Y = X + 20.0 * np.eye(3, 2)[y], Y + 20.0 * np.eye(3, 2)[(z + 1) % 3]
    model = fit(0.02, X, y, target=Y, target_labels=z, tol=1e-10)
    P = model.plan_
    assert_allclose(model.transform(X), P @ Y / P.sum(axis=1)[:, None], atol=1e-3)
    back = P.T @ X / P.sum(axis=0)[:, None]
    assert_allclose(model.inverse_transform(Y), back, atol=1e-3)
    # Nearby points too, which carry no label.
    near = model.transform(X + 1e-4)
    assert np.abs(near - model.transform(X)).max() < 0.01


def group_objective(model, y, label_reg):
    """Return what the rounds of the group penalty minimise."""
    P = model.plan_
    C = cdist(model.source_, model.target_, "sqeuclidean")
    q = np.stack([P[y == k].sum(axis=0) for k in range(3)]) * P.shape[1]
    penalty = (np.sqrt(q + 1e-6) - 1e-3).sum() / P.shape[1]
    entropy = (P * (np.log(np.maximum(P, 1e-300)) - 1.0)).sum()
    eta = label_reg * model.cost_scale_
    return (P * C).sum() + model.reg_ * entropy + eta * penalty


def test_rounds_of_the_group_penalty_descend(domains):
    X, y, Y, z = domains
    values, mixed = [], []
    for n_rounds in (1, 2, 3, 6):
        model = fit(0.1, X, y, target=Y, label_reg=0.2, n_rounds=n_rounds, tol=1e-9)
        values.append(group_objective(model, y, 0.2))
        mixed.append(cross_class(model, y, z))
    plain = fit(0.1, X, y, target=Y, tol=1e-9)
    assert group_objective(plain, y, 0.2) > values[0]
    assert (np.diff(values) <= 1e-9).all()
    assert mixed[-1] < 0.6 * cross_class(plain, y, z)


def test_group_penalty_does_not_depend_on_how_a_target_point_is_split(domains):
    X, y, Y, _ = domains
    options = {"label_reg": 0.2, "tol": 1e-10, "n_rounds": 3}
    once = fit(0.2, X, y, target=Y, **options)
    twice = fit(0.2, X, y, target=np.vstack([Y, Y]), **options)
    assert_allclose(twice.plan_[:, :60] + twice.plan_[:, 60:], once.plan_, atol=1e-9)


def test_rounds_end_when_nothing_changes(domains):
    X, y, Y, _ = domains
    few = fit(0.5, X, y, target=Y, label_reg=0.01, n_rounds=1000)
    assert few.converged_
    assert few.n_iter_ < 1000
    assert (np.diff(few.history_["iteration"]) > 0).all()


def test_adapted_classifier_gains(rng):
    """Carried to the target, the source trains a better classifier for it."""
    y, z = np.arange(200) % 2, np.arange(180) % 2
    X = rng.standard_normal((200, 2)) + 2.5 * np.stack([y, 0 * y], 1)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    Y = (rng.standard_normal((180, 2)) + 2.5 * np.stack([z, 0 * z], 1)) @ turn + 4.0
    plain = LogisticRegression().fit(X, y).score(Y, z)
    model = SinkhornTransport(0.05, label_reg=0.1)
    carried = model.fit_transform(X, y, target=Y)
    adapted = LogisticRegression().fit(carried, y).score(Y, z)
    assert adapted > plain + 0.2
    assert adapted > 0.8


# ---- scikit-learn --------------------------------------------------------------------


def test_target_travels_through_a_pipeline(domains):
    X, y, Y, z = domains
    with config_context(enable_metadata_routing=True):
        carry = SinkhornTransport(0.05).set_fit_request(target=True, target_labels=True)
        pipe = Pipeline(
            [
                ("scale", StandardScaler()),
                ("carry", carry),
                ("model", LogisticRegression()),
            ],
            transform_input=["target"],
        )
        pipe.fit(X, y, target=Y, target_labels=z)
        scale = StandardScaler().fit(X)
        # Earlier steps have transformed the target as well.
        assert_allclose(pipe["carry"].target_, scale.transform(Y))
        assert pipe["model"].score(scale.transform(Y), z) > 0.95
        assert pipe.score(X, y) > 0.95
        assert_allclose(
            pipe[:-1].transform(X), pipe["carry"].transform(scale.transform(X))
        )


def test_routing_refuses_what_was_not_asked_for(domains):
    X, y, Y, _ = domains
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(SinkhornTransport(), LogisticRegression())
        with pytest.raises(ValueError, match="target"):
            pipe.fit(X, y, target=Y)


def test_search_over_the_regularisation(domains):
    X, y, Y, z = domains
    scores = {}
    with config_context(enable_metadata_routing=True):
        for warm in (False, True):
            carry = SinkhornTransport(warm_start=warm).set_fit_request(target=True)
            pipe = make_pipeline(carry, LogisticRegression())
            grid = {"sinkhorntransport__reg": [0.02, 0.1, 1.0]}
            search = GridSearchCV(pipe, grid, cv=3, error_score="raise")
            search.fit(X, y, target=Y)
            scores[warm] = search.best_score_
            assert search.best_estimator_[0].target_.shape == Y.shape
    assert scores[True] == scores[False] > 0.9


def test_warm_start(clouds):
    X, Y = clouds
    model = SinkhornTransport(0.02, warm_start=True, tol=1e-9).fit(X, target=Y)
    cold = model.n_iter_
    expected = model.transform(X)
    model.fit(X, target=Y)
    assert model.n_iter_ < cold
    assert_allclose(model.transform(X), expected, atol=1e-7)
    # Other regularisations, other targets, other sizes, masses that were zero.
    model.set_params(reg=0.05).fit(X, target=Y + 100.0)
    fresh = fit(0.05, X, target=Y + 100.0, tol=1e-9)
    assert_allclose(model.transform(X), fresh.transform(X), atol=1e-7)
    weight = np.ones(30)
    weight[:4] = 0.0
    model.fit(X[:30], target=Y, sample_weight=weight)
    model.fit(X[:30], target=Y)
    fresh = fit(0.05, X[:30], target=Y, tol=1e-9)
    assert_allclose(model.transform(X), fresh.transform(X), atol=1e-7)


def test_names_and_frames(clouds):
    X, Y = (pd.DataFrame(part, columns=["east", "north"]) for part in clouds)
    model = SinkhornTransport(0.1).set_output(transform="pandas")
    images = model.fit_transform(X, target=Y)
    assert list(images.columns) == ["east", "north"]
    assert list(model.get_feature_names_out()) == ["east", "north"]
    assert_allclose(
        images.to_numpy(), fit(0.1, clouds[0], target=clouds[1]).transform(clouds[0])
    )
    with pytest.raises(ValueError, match="target: The feature names should match"):
        model.fit(X, target=Y[["north", "east"]])


@pytest.mark.parametrize("map", MAPS)
def test_clone_and_pickle(clouds, map):
    X, Y = clouds
    model = fit(0.1, X, target=Y, map=map)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))
    assert_array_equal(again.plan_, model.plan_)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert not hasattr(fresh, "target_")
    with pytest.raises(NotFittedError):
        fresh.plan_  # noqa: B018


def test_the_model_keeps_its_own_points(clouds):
    X, Y = (part.copy() for part in clouds)
    model = fit(0.1, X, target=Y)
    probe = X.copy()
    expected = model.transform(probe)
    X[:], Y[:] = 0.0, 0.0
    assert_array_equal(model.transform(probe), expected)
    assert model.source_.any()
    assert model.target_.any()


class Witness:
    """A callback that looks at the model of every check."""

    def __init__(self):
        self.images = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None):
        self.X = X

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.task_name == "iteration":
            self.images.append(fitted_estimator.transform(self.X))
            assert fitted_estimator.plan_.shape == (45, 60)
            assert not fitted_estimator.converged_ or fitted_estimator.cost_ > 0.0

    def teardown(self, estimator, context):
        pass


CASES = [*({"map": name, "n_steps": 2} for name in MAPS)]
CASES += [{"label_reg": 0.1}, {"reg_marginal": 1.0, "n_rounds": 3}]


@pytest.mark.parametrize("options", CASES)
def test_callbacks_see_models_of_the_middle(domains, options):
    X, y, Y, _ = domains
    witness = Witness()
    model = SinkhornTransport(0.05, **options)
    model.set_callbacks(witness).fit(X, y, target=Y)
    assert len(witness.images) == len(model.history_["iteration"]) > 1
    assert_allclose(witness.images[-1], model.transform(X), atol=1e-5)
    plain = SinkhornTransport(0.05, **options)
    assert_array_equal(plain.fit(X, y, target=Y).plan_, model.plan_)


# ---- arrays --------------------------------------------------------------------------


@pytest.mark.parametrize("map", MAPS)
def test_namespaces_agree(backend, dispatch, clouds, map):
    X, Y = clouds
    expected = fit(0.1, X, target=Y, map=map, tol=1e-9)
    A, B = (backend.asarray(part) for part in clouds)
    model = fit(0.1, A, target=B, map=map, tol=1e-9)
    for name in ("transform", "inverse_transform"):
        images = getattr(model, name)(A)
        assert namespace(images) is backend.xp
        assert_allclose(backend.to_numpy(images), getattr(expected, name)(X), atol=1e-7)
    assert namespace(model.potentials_[0]) is backend.xp
    assert_allclose(backend.to_numpy(model.plan_), expected.plan_, atol=1e-9)
    assert model.cost_ == pytest.approx(expected.cost_)


def test_labels_in_every_namespace(backend, dispatch, domains):
    X, y, Y, z = domains
    options = {"label_reg": 0.1, "tol": 1e-9, "n_rounds": 2}
    expected = fit(0.1, X, y, target=Y, target_labels=z, **options)
    model = fit(
        0.1,
        backend.asarray(X),
        y,
        target=backend.asarray(Y),
        target_labels=z,
        **options,
    )
    assert_allclose(backend.to_numpy(model.plan_), expected.plan_, atol=1e-8)
    images = backend.to_numpy(model.transform(backend.asarray(X)))
    assert_allclose(images, expected.transform(X), atol=1e-6)
    back = backend.to_numpy(model.inverse_transform(backend.asarray(Y)))
    assert_allclose(back, expected.inverse_transform(Y), atol=1e-6)


@pytest.mark.parametrize("map", MAPS)
def test_numpy_computed_on_the_gpu(cuda_stand_in, clouds, map):
    X, Y = clouds
    expected = fit(0.1, X, target=Y, map=map)
    model = fit(0.1, X, target=Y, map=map, device="cuda")
    assert model.device_ == "cuda:0"
    assert type(model.target_) is type(model.plan_) is np.ndarray
    images = model.transform(X)
    assert type(images) is np.ndarray
    assert_allclose(images, expected.transform(X), atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), images)


def test_device_arrays_move_home(cuda_stand_in, clouds):
    X, Y = clouds
    up = cuda.cuda_target().provider.upload
    model = fit(0.1, up(X, 0), target=up(Y, 0))
    assert cuda.provider.owns(model.transform(up(X, 0)))
    home = to_device(model, "cpu")
    assert_allclose(home.transform(X), fit(0.1, X, target=Y).transform(X), atol=1e-4)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.transform(X)


@pytest.mark.parametrize("map", MAPS)
def test_float32(clouds, map):
    X, Y = clouds
    wide = fit(0.1, X, target=Y, map=map)
    model = fit(
        0.1, X.astype(np.float32), target=Y.astype(np.float32), map=map, tol=1e-5
    )
    assert model.converged_
    assert model.potentials_[0].dtype == model.plan_.dtype == np.float32
    images = model.transform(X.astype(np.float32))
    assert images.dtype == np.float32
    assert_allclose(images, wide.transform(X), atol=1e-3)


# ---- bad input -----------------------------------------------------------------------


def test_too_few_iterations_are_reported(clouds):
    X, Y = clouds
    with pytest.warns(ConvergenceWarning, match="Increase max_iter.*increase reg"):
        model = fit(0.005, X, target=Y, max_iter=10, tol=1e-9)
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"
    C = cdist(X, Y, "sqeuclidean")
    P = np.exp((model.potentials_[0][:, None] + model.potentials_[1] - C) / model.reg_)
    error = np.abs(P.sum(axis=1) - 1 / 40).sum() + np.abs(P.sum(axis=0) - 1 / 30).sum()
    assert model.marginal_error_ == pytest.approx(error, rel=1e-6)
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reg": -1.0}, "reg must be a positive number"),
        ({"metric": "hamming"}, "metric must be one of"),
        ({"normalize_cost": "sum"}, "normalize_cost must be one of"),
        ({"map": "monge"}, "map must be one of"),
        ({"map": "progressive", "metric": "cosine"}, "straight lines"),
        ({"map": "progressive", "n_steps": 0}, "n_steps must be a positive integer"),
        ({"label_reg": -0.1}, "label_reg must be a finite number >= 0"),
        ({"label_limit": np.inf}, "label_limit must be a finite number >= 0"),
        ({"n_rounds": 1.5}, "n_rounds must be a positive integer"),
        ({"reg_marginal": -1.0}, "reg_marginal must be None, a positive number"),
        ({"reg_marginal": 1.0, "solver": "newton"}, "balanced transport only"),
        ({"solver": "simplex"}, "solver must be one of"),
        ({"tol": None}, "tol must be a number"),
        ({"time_limit": 0}, "time_limit must be a positive number"),
        ({"map": "progressive", "label_reg": 1.0}, "has no labels"),
    ],
)
def test_parameters_out_of_range(clouds, options, message):
    X, Y = clouds
    with pytest.raises(ValueError, match=message):
        SinkhornTransport(**options).fit(X, np.arange(40) % 2, target=Y)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"target": np.ones((3, 5))}, "target: X has 5 features, but SinkhornTrans"),
        ({"target": np.full((3, 2), np.nan)}, "Input target contains NaN"),
        ({"target": np.ones(4)}, "target: Expected 2D array"),
        ({"target_labels": [0, 1]}, "target, which is None"),
        ({"target_weight": [0, 1]}, "target, which is None"),
        ({"target_weight": [1.0], "target": np.eye(2)}, r"target_weight has shape \(1"),
        ({"target_weight": [-1, 1], "target": np.eye(2)}, "target_weight must be non"),
        ({"sample_weight": np.zeros(40)}, "must not be zero for every sample"),
    ],
)
def test_data_that_do_not_fit(clouds, data, message):
    with pytest.raises(ValueError, match=message):
        SinkhornTransport().fit(clouds[0], np.arange(40) % 2, **data)


def test_labels_that_do_not_fit(domains):
    X, y, Y, z = domains
    model = SinkhornTransport(0.1)
    with pytest.raises(ValueError, match="need the classes of the source"):
        model.fit(X, target=Y, target_labels=z)
    with pytest.raises(ValueError, match="need the classes of the source"):
        SinkhornTransport(label_reg=0.1).fit(X, target=Y)
    with pytest.raises(ValueError, match=r"y has the shape \(44,\), expected \(45,\)"):
        model.fit(X, y[:-1], target=Y, target_labels=z)
    with pytest.raises(ValueError, match=r"target_labels has the shape \(3,\)"):
        model.fit(X, y, target=Y, target_labels=z[:3])
    with pytest.raises(ValueError, match="every label is unlabelled=-1"):
        model.fit(X, np.full(45, -1), target=Y, target_labels=z)
    with pytest.raises(ValueError, match="labels of one type"):
        model.fit(X, y, target=Y, target_labels=np.array(["a", "b", "c"])[z])
    # A fit that failed has left nothing behind.
    assert not hasattr(model, "n_features_in_")
