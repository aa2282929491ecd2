"""center="private" and noise="discrete" of the private classifiers."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from skopt2.privacy import DPLinearRegressor, DPLogisticClassifier, DPSVMClassifier
from skopt2.solvers.privacy import noise as noise_module
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.moments import MomentQuery
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.private_center import (
    CENTER_SHARE,
    MEAN_SHARE,
    radius_edges,
)
from tests.privacy.private_estimators import NAMES, data_for, has, make, quiet_fit

MODELS = (DPLogisticClassifier, DPSVMClassifier)


@pytest.fixture
def offset(rng):
    """Two classes whose rows are far from zero and close together."""
    y = rng.integers(0, 2, 1000)
    X = 0.6 + 0.012 * rng.standard_normal((1000, 2))
    X[:, 0] += 0.016 * (2 * y - 1)
    return X, y


@pytest.mark.parametrize("model", MODELS)
def test_it_learns_where_rows_are_far_from_zero(offset, model):
    X, y = offset
    scores = {
        center: np.mean(
            [
                model(
                    epsilon=1.0,
                    classes=[0, 1],
                    center=center,
                    learning_rate=32.0,
                    max_grad_norm=0.25,
                )
                .fit(X, y)
                .score(X, y)
                for _ in range(3)
            ]
        )
        for center in ("private", None)
    }
    assert scores["private"] > 0.87
    assert scores["private"] > scores[None] + 0.1


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
def test_budget_is_split_exactly(offset, relation):
    X, y = offset
    model = DPLogisticClassifier(
        0.7, delta=1e-5, classes=[0, 1], center="private", relation=relation
    ).fit(X, y)
    squared = gaussian_mu(0.7, 1e-5) ** 2
    mean, radius, steps = (event.squared_mu for event in model.privacy_.events)
    assert_allclose(mean, CENTER_SHARE * MEAN_SHARE * squared)
    assert_allclose(radius, CENTER_SHARE * (1 - MEAN_SHARE) * squared)
    assert_allclose(steps, (1 - CENTER_SHARE) * squared)
    assert epsilon_of(model.privacy_.events, 1e-5) <= 0.7


def test_batches_are_calibrated_beside_the_centre(offset):
    X, y = offset
    model = DPLogisticClassifier(
        1.0, delta=1e-5, classes=[0, 1], center="private", batch_size=100, max_iter=20
    ).fit(X, y)
    assert len(model.privacy_.events) == 3
    assert 0.99 < epsilon_of(model.privacy_.events, 1e-5) <= 1.0


@pytest.mark.parametrize("batch_size", [None, 100])
def test_given_noise_multiplier(offset, batch_size):
    X, y = offset
    model = DPLogisticClassifier(
        noise_multiplier=8.0,
        classes=[0, 1],
        center="private",
        batch_size=batch_size,
        max_iter=10,
    ).fit(X, y)
    assert [event.noise_multiplier for event in model.privacy_.events][2] == 8.0
    first = sum(event.squared_mu for event in model.privacy_.events[:2])
    rate = 1.0 if batch_size is None else 0.1
    steps = 10 / 64 if rate == 1 else 10 * rate**2 * math.expm1(1 / 64)
    assert_allclose(first / (first + steps), CENTER_SHARE)
    found = epsilon_of(model.privacy_.events, model.privacy_.delta)
    assert model.privacy_.epsilon == found


@pytest.mark.parametrize("model", MODELS)
def test_coefficients_are_for_rows_as_they_come(rng, model):
    # Without noise the centred problem is solved; folding back is exact.
    X = rng.standard_normal((300, 3)) * 0.1 + np.array([0.3, -0.5, 0.2])
    y = (X[:, 0] + 0.5 * X[:, 1] > 0.05).astype(int)
    fitted = model(np.inf, classes=[0, 1], center="private").fit(X, y)
    center = X.mean(axis=0)
    radius = np.median(np.linalg.norm(X - center, axis=1))
    edges = radius_edges(1.0)
    rows = (X - center) / edges[edges > radius][0]
    plain = model(np.inf, classes=[0, 1], center=None).fit(rows, y)
    assert_allclose(fitted.decision_function(X), plain.decision_function(rows))
    assert fitted.score(X, y) > 0.95


def test_bounds_and_the_private_centre_go_together(offset):
    X, y = offset
    # In one corner of bounds that are true and wide.
    wide = 1000.0 * X
    model = DPLogisticClassifier(
        4.0, classes=[0, 1], center="private", bounds=(0.0, 1000.0), random_state=0
    )
    with pytest.warns(match="random_state"):
        fitted = model.fit(wide, y)
    assert fitted.score(wide, y) > 0.85


def test_chunks_give_the_same_model(offset):
    pytest.importorskip("dask.array")
    import dask.array as da

    X, y = offset
    model = DPLogisticClassifier(2.0, classes=[0, 1], center="private", random_state=3)
    with pytest.warns(match="random_state"):
        whole = model.fit(X, y).coef_
    blocks = da.from_array(X, chunks=(300, 2)), da.from_array(y, chunks=300)
    with pytest.warns(match="random_state"):
        lazy = model.fit(*blocks).coef_
    assert_allclose(lazy, whole, rtol=1e-9)


def test_sparse_rows_are_not_shifted(offset):
    X, y = offset
    with pytest.raises(ValueError, match="center='private' shifts"):
        DPLogisticClassifier(center="private", classes=[0, 1]).fit(
            sparse.csr_array(X), y
        )


def test_rows_that_are_not_finite_are_no_error(offset):
    X, y = offset
    X = X.copy()
    X[:5] = np.nan
    X[5:9] = 1e300
    fitted = DPLogisticClassifier(4.0, center="private", classes=[0, 1]).fit(X, y)
    assert np.isfinite(fitted.coef_).all()
    assert fitted.score(X[9:], y[9:]) > 0.8


def test_nothing_of_the_centre_is_kept(offset):
    X, y = offset
    fitted = DPLogisticClassifier(2.0, center="private", classes=[0, 1]).fit(X, y)
    plain = DPLogisticClassifier(2.0, center=None, classes=[0, 1]).fit(X, y)
    assert set(vars(fitted)) == set(vars(plain))


@pytest.mark.parametrize("center", ["private", None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_discrete_noise(offset, monkeypatch, center, dtype):
    X, y = offset
    grids = []
    plain = noise_module.add_discrete_noise

    def recorded(total, grid, bits):
        grids.append((total.shape, grid, total.dtype, bits.seeded))
        return plain(total, grid, bits)

    monkeypatch.setattr(noise_module, "add_discrete_noise", recorded)
    monkeypatch.setattr(NoiseSource, "draw", None)
    fitted = DPLogisticClassifier(
        4.0,
        classes=[0, 1],
        center=center,
        noise="discrete",
        max_iter=30,
        max_grad_norm=0.25,
    ).fit(X.astype(dtype), y)
    assert fitted.coef_.dtype == dtype
    assert fitted.privacy_.noise == "discrete"
    # Sums are in float64 whatever the rows are: the rounding is part of the proof.
    assert {dtype for _, _, dtype, _ in grids} == {np.dtype(np.float64)}
    assert not any(seeded for _, _, _, seeded in grids)
    first = [] if center is None else [(2,), (12,)]
    assert [shape for shape, *_ in grids] == first + 30 * [(3,)]
    std = 0.25 * fitted.privacy_.noise_multiplier
    assert std <= grids[-1][1].std < 1.0001 * std
    if center == "private":
        assert fitted.score(X, y) > 0.85


def test_discrete_and_gaussian_noise_have_the_same_spread(rng):
    # Rows of zero: the coefficients are noise alone.
    X, y = np.zeros((100, 60)), np.arange(100) % 2
    spreads = [
        DPLogisticClassifier(
            1.0, classes=[0, 1], noise=kind, max_iter=20, max_grad_norm=0.25
        )
        .fit(X, y)
        .coef_.std()
        for kind in ("gaussian", "discrete")
    ]
    assert 0.6 < spreads[0] / spreads[1] < 1.6


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, "center")])
def test_every_model_pays_for_its_centre(name):
    model = make(name, epsilon=0.9, delta=1e-4, center="private", max_iter=5)
    fitted = quiet_fit(model, *data_for(model))
    mean, radius, *steps = fitted.privacy_.events
    squared = gaussian_mu(0.9, 1e-4) ** 2
    assert_allclose(mean.squared_mu + radius.squared_mu, CENTER_SHARE * squared)
    assert_allclose(
        sum(event.squared_mu for event in steps), (1 - CENTER_SHARE) * squared
    )
    assert epsilon_of(fitted.privacy_.events, 1e-4) <= 0.9


@pytest.mark.parametrize("center", ["private", "midpoint", None])
def test_moments_of_centred_rows_stay_within_their_sensitivity(
    monkeypatch, rng, center
):
    queries = []
    release = MomentQuery.release

    def recorded(query, *args):
        queries.append(query)
        return release(query, *args)

    monkeypatch.setattr(MomentQuery, "release", recorded)
    # Few of the rows are far from the others: centred, they leave the public box.
    X = rng.uniform(0.0, 0.1, (300, 3))
    X[::10] = rng.choice([-1.0, 1.0], (30, 3))
    DPLinearRegressor(
        np.inf, y_bounds=(0, 1), bounds=(-1, 1), feature_norm=2.0, center=center
    ).fit(X, X[:, 0])
    (query,) = queries
    norms = []
    for block in list(query.rows.blocks()):
        for i in range(block.X.shape[0]):
            row = replace(
                block,
                **{
                    field.name: getattr(block, field.name)[i : i + 1]
                    for field in fields(block)
                },
            )
            monkeypatch.setattr(query.rows, "blocks", lambda row=row: iter([row]))
            norms.append(np.linalg.norm(query.clipped_sum()))
    assert len(norms) == 300
    assert 0.5 * query.clipping_norm < max(norms) <= query.clipping_norm


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("noise", ["gaussian", "discrete"])
def test_device(offset, noise):
    X, y = offset
    model = DPLogisticClassifier(
        4.0, classes=[0, 1], center="private", noise=noise, device="cuda"
    ).fit(X, y)
    assert model.device_ == "cuda:0"
    assert type(model.coef_) is np.ndarray
    assert model.score(X, y) > 0.85
