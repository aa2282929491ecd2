"""Maps between samples: values, labels, scikit-learn's grammar, arrays, bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn import config_context

from skopt2.transport import SinkhornTransport, sinkhorn
from tests.transport.continuity import largest_jump
from tests.transport.sample_maps import MAPS, cross_class, fit


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
