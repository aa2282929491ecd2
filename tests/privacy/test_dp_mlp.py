"""Private networks: against plain descent, their noise, and their manners."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skopt2.losses import Huber
from skopt2.privacy import (
    BudgetError,
    DPLogisticClassifier,
    DPMLPClassifier,
    DPMLPRegressor,
    PrivacyAccountant,
    PrivacyLeakWarning,
)
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.network_schedule import CLASSIFICATION, REGRESSION
from skopt2.solvers.privacy.noise import NoiseSource
from tests.privacy.network_reference import Unscaled, plain_descent, starting_layers

pytestmark = pytest.mark.filterwarnings(
    "ignore::skopt2.privacy.PrivacyLeakWarning",
)


@pytest.fixture
def labelled(rng):
    """Three classes in four features within [-1, 1]."""
    X = rng.uniform(-1, 1, (60, 4))
    return X, np.argmax(X[:, :3] + 0.1 * rng.standard_normal((60, 3)), axis=1)


@pytest.fixture
def numbers(rng):
    """A smooth function of three features within [-1, 1]."""
    X = rng.uniform(-1, 1, (50, 3))
    return X, 4.0 + 3.0 * np.sin(3 * X[:, 0]) * X[:, 1]


def bounded(model):
    """Return a classifier or regressor of the data above with public numbers."""
    if isinstance(model, DPMLPClassifier):
        return model.set_params(bounds=(-1, 1), classes=[0, 1, 2])
    return model.set_params(bounds=(-1, 1), y_bounds=(0, 10))


@pytest.mark.parametrize("hidden", [(5,), (6, 4)], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_without_noise_it_is_plain_descent(labelled, monkeypatch, hidden, activation):
    X, y = labelled
    monkeypatch.setattr(DPMLPClassifier, "_defaults", Unscaled(CLASSIFICATION))
    model = DPMLPClassifier(
        epsilon=np.inf,
        hidden_layer_sizes=hidden,
        activation=activation,
        max_iter=9,
        learning_rate=0.7,
        momentum=0.6,
        max_grad_norm=1e9,
        random_state=3,
    )
    bounded(model).fit(X, y)
    Y = np.eye(3)[y]

    def slope(i, z):
        p = np.exp(z - z.max())
        return p / p.sum() - Y[i]

    widths = (4, *hidden, 3)
    expected = plain_descent(
        starting_layers(3, widths, CLASSIFICATION),
        X / 2.0,
        slope,
        activation=activation,
        steps=9,
        rate=0.7,
        momentum=0.6,
    )
    for coef, intercept, pair in zip(
        model.coefs_, model.intercepts_, expected, strict=True
    ):
        assert_allclose(coef, pair[0], rtol=1e-9, atol=1e-12)
        assert_allclose(intercept, pair[1], rtol=1e-9, atol=1e-12)
    assert model.privacy_.epsilon == np.inf


def test_regression_without_noise_is_plain_descent(numbers, monkeypatch):
    X, y = numbers
    monkeypatch.setattr(DPMLPRegressor, "_defaults", Unscaled(REGRESSION))
    model = DPMLPRegressor(
        epsilon=np.inf,
        hidden_layer_sizes=7,
        max_iter=9,
        learning_rate=0.3,
        momentum=0.0,
        max_grad_norm=1e9,
        random_state=5,
    )
    bounded(model).fit(X, y)
    targets = (y - 5.0) / 5.0
    (w1, b1), (w2, b2) = plain_descent(
        starting_layers(5, (3, 7, 1), REGRESSION),
        X / np.sqrt(3),
        lambda i, z: z - targets[i],
        activation="tanh",
        steps=9,
        rate=0.3,
        momentum=0.0,
    )
    expected = 5.0 + 5.0 * (np.tanh(X / np.sqrt(3) @ w1 + b1) @ w2 + b2)[:, 0]
    assert_allclose(model.predict(X), expected, rtol=1e-9)


def test_scales_are_folded_into_the_weights(labelled):
    X, y = labelled
    fitted = bounded(DPMLPClassifier(epsilon=np.inf, random_state=0)).fit(X, y)
    units = np.tanh(X / 2.0 @ fitted.coefs_[0] + fitted.intercepts_[0])
    scores = units @ fitted.coefs_[1] + fitted.intercepts_[1]
    assert_allclose(fitted.decision_function(X), scores, rtol=1e-10)
    assert fitted.score(X, y) > 0.9


@pytest.mark.parametrize(
    "options", [{}, {"relation": "replace_one"}, {"batch_size": 15}], ids=str
)
@pytest.mark.parametrize("model", [DPMLPClassifier(), DPMLPRegressor()], ids=str)
def test_every_step_draws_noise_for_all_weights(request, monkeypatch, model, options):
    kind = "labelled" if isinstance(model, DPMLPClassifier) else "numbers"
    X, y = request.getfixturevalue(kind)
    draws, original = [], NoiseSource.draw

    def recorded(self, shape, std):
        noise = original(self, shape, std)
        draws.append((shape, std, float(np.abs(noise).sum())))
        return noise

    monkeypatch.setattr(NoiseSource, "draw", recorded)
    model = bounded(type(model)(max_iter=12, max_grad_norm=0.3, **options)).fit(X, y)
    size = sum(coef.size for coef in model.coefs_)
    size += sum(intercept.size for intercept in model.intercepts_)
    bound = 0.6 if "relation" in options else 0.3
    assert [shape for shape, _, _ in draws] == [(size,)] * 12
    assert_allclose(
        [std for _, std, _ in draws], model.privacy_.noise_multiplier * bound
    )
    assert len({total for _, _, total in draws}) == 12
    (event,) = model.privacy_.events
    assert event.count == 12
    assert event.noise_multiplier == model.privacy_.noise_multiplier
    if "batch_size" in options:
        assert event.sampling_rate == 15 / len(X)
    assert epsilon_of(model.privacy_.events, model.privacy_.delta) <= 1.0


def test_rows_that_count_as_nothing_leave_pure_noise(rng):
    X = np.full((40, 30), np.nan)
    model = DPMLPRegressor(
        noise_multiplier=2.0,
        max_iter=10,
        learning_rate=0.1,
        momentum=0.0,
        average=False,
        max_grad_norm=1.0,
        random_state=0,
        y_bounds=(-1, 1),
    ).fit(X, rng.uniform(-1, 1, 40))
    # Biases start at 0, as the last weights do: ten steps of noise, in units of y.
    moved = np.concatenate([model.intercepts_[0], model.intercepts_[1]])
    expected = 10 * (0.1 * 2.0 / 40) ** 2
    assert_allclose(np.mean(moved**2), expected, rtol=0.5)
    drawn = model.coefs_[1] / REGRESSION.hidden_scale(64)
    assert_allclose(np.mean(drawn**2), expected, rtol=0.5)


@pytest.mark.parametrize("model", [DPMLPClassifier(), DPMLPRegressor()], ids=str)
def test_rows_with_any_values_count_as_the_same_nothing(request, model):
    kind = "labelled" if isinstance(model, DPMLPClassifier) else "numbers"
    X, y = request.getfixturevalue(kind)
    model = type(model)(random_state=0, max_iter=20)
    if kind == "labelled":
        model.set_params(classes=[0, 1, 2])
    else:
        model.set_params(y_bounds=(0, 10))
    fits = []
    for bad in (np.nan, np.inf, -np.inf, 1e300):
        Z = X.copy()
        Z[7, 1] = bad
        fits.append(model.fit(Z, y).coefs_)
    strange = y.copy()
    strange[7] = 9 if kind == "labelled" else y[7]
    if kind == "numbers":
        strange[7] = np.nan
    fits.append(model.fit(X, strange).coefs_)
    for coefs in fits:
        for coef, first in zip(coefs, fits[0], strict=True):
            assert np.isfinite(coef).all()
            assert_array_equal(coef, first)
    assert not np.array_equal(model.fit(X, y).coefs_[0], fits[0][0])


def test_seeds_fix_noise_and_start_apart(labelled):
    X, y = labelled
    model = bounded(DPMLPClassifier(max_iter=5, random_state=0))
    first, again = (model.fit(X, y).coefs_[0] for _ in range(2))
    assert_array_equal(first, again)
    assert model.privacy_.seeded
    assert not np.array_equal(
        model.set_params(random_state=1).fit(X, y).coefs_[0], first
    )
    # Without a seed starting weights and noise are fresh in each fit.
    model = bounded(DPMLPClassifier(np.inf, max_iter=5))
    starts = [model.fit(X, y).coefs_[0] for _ in range(2)]
    assert not np.array_equal(*starts)
    # The start is no part of the stream of the noise: it stays without noise.
    quiet = bounded(DPMLPClassifier(np.inf, max_iter=1, learning_rate=1e-300))
    loud = bounded(DPMLPClassifier(0.1, max_iter=1, learning_rate=1e-300))
    pair = [m.set_params(random_state=4).fit(X, y).coefs_[0] for m in (quiet, loud)]
    assert_array_equal(*pair)


@pytest.mark.parametrize("model", [DPMLPClassifier(), DPMLPRegressor()], ids=str)
@pytest.mark.usefixtures("cuda_stand_in")
def test_same_model_on_another_device(request, model):
    kind = "labelled" if isinstance(model, DPMLPClassifier) else "numbers"
    X, y = request.getfixturevalue(kind)
    model = bounded(type(model)(np.inf, hidden_layer_sizes=(6, 5), random_state=0))
    host = model.fit(X, y)
    coefs, predicted = host.coefs_, host.predict(X)
    away = model.set_params(device="cuda").fit(X, y)
    assert away.device_ == "cuda:0"
    for coef, expected in zip(away.coefs_, coefs, strict=True):
        assert_allclose(coef, expected, rtol=1e-7, atol=1e-9)
    assert_allclose(away.predict(X), predicted, rtol=1e-7)
    assert np.isfinite(model.set_params(epsilon=1.0).fit(X, y).coefs_[0]).all()


@pytest.mark.usefixtures("dispatch")
def test_other_namespaces_in_and_out(device_backend, labelled, numbers):
    for model, (X, y) in (
        (DPMLPClassifier(np.inf, max_iter=5, random_state=0), labelled),
        (DPMLPRegressor(np.inf, max_iter=5, random_state=0), numbers),
    ):
        expected = bounded(model).fit(X, y).predict(X)
        away = device_backend.asarray(X)
        found = model.fit(away, device_backend.asarray(y)).predict(away)
        assert_allclose(device_backend.to_numpy(found), expected, rtol=1e-10)
        assert type(model.coefs_[0]) is type(away)


def test_float32_stays_and_is_close(labelled, numbers):
    for model, (X, y) in (
        (DPMLPClassifier(2.0, random_state=0), labelled),
        (DPMLPRegressor(2.0, random_state=0), numbers),
    ):
        wide = bounded(model).fit(X, y).coefs_[0]
        narrow = model.fit(X.astype(np.float32), y)
        assert narrow.coefs_[0].dtype == narrow.intercepts_[1].dtype == np.float32
        assert_allclose(narrow.coefs_[0], wide, rtol=1e-2, atol=1e-3)
    assert narrow.predict(X.astype(np.float32)).dtype == np.float32


def test_sparse_rows_and_chunks_fit_the_same_model(labelled):
    X, y = labelled
    X = np.where(np.abs(X) > 0.5, X, 0.0)
    model = DPMLPClassifier(4.0, classes=[0, 1, 2], random_state=0, max_iter=30)
    dense = model.fit(X, y).coefs_[0]
    assert_allclose(model.fit(sp.csr_array(X), y).coefs_[0], dense, rtol=1e-9)
    scores = model.decision_function(sp.csr_array(X))
    assert_allclose(scores, model.decision_function(X), rtol=1e-9)
    chunks = ((X[rows], y[rows]) for rows in (slice(0, 25), slice(25, 60)))
    assert_allclose(model.fit(chunks).coefs_[0], dense, rtol=1e-9)


def test_predictions_are_of_the_rows_as_the_fit_saw_them(labelled):
    X, y = labelled
    model = bounded(DPMLPClassifier(np.inf, random_state=0)).fit(X, y)
    far = model.decision_function(1e6 * X)
    assert_allclose(far, model.decision_function(np.sign(X)), rtol=1e-10)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    model = DPMLPClassifier(np.inf, classes=[0, 1, 2], random_state=0).fit(X, y)
    model.set_params(feature_norm=7.0, activation="relu", hidden_layer_sizes=(3,))
    scores = model.decision_function(50 * X)
    assert_allclose(scores, model.decision_function(X / norms), rtol=1e-10)
    strange = np.array([[np.nan] * 4, [1e300] * 4, [0.0] * 4])
    assert_allclose(model.predict_proba(strange)[:1], model.predict_proba(strange)[2:])
    assert np.isfinite(model.predict_proba(strange)).all()


def test_two_classes_have_one_score(labelled):
    X, y = labelled
    model = DPMLPClassifier(np.inf, classes=[0, 1], bounds=(-1, 1), random_state=0)
    model.fit(X, (y > 0).astype(int))
    assert model.coefs_[-1].shape == (64, 1)
    scores = model.decision_function(X)
    assert scores.shape == (60,)
    probability = model.predict_proba(X)
    assert_allclose(probability[:, 1], 1 / (1 + np.exp(-scores)))
    assert_array_equal(model.predict(X), (scores > 0).astype(int))


def test_several_targets_have_a_column_each(numbers):
    X, y = numbers
    Y = np.stack([y, -10 * y], axis=1)
    bounds = (np.array([0.0, -100.0]), np.array([10.0, 0.0]))
    model = DPMLPRegressor(np.inf, y_bounds=bounds, bounds=(-1, 1), random_state=0)
    assert model.fit(X, Y).predict(X).shape == (50, 2)
    assert model.score(X, Y) > 0.8


def test_huber_has_its_delta_in_units_of_the_targets(numbers):
    X, y = numbers
    model = bounded(DPMLPRegressor(np.inf, random_state=0))
    fits = [
        model.set_params(loss=loss).fit(X, y).coefs_[0]
        for loss in ("huber", Huber(delta=1.0), "squared")
    ]
    assert_allclose(fits[1], fits[0], rtol=1e-10)
    assert np.abs(fits[2] - fits[0]).max() > 1e-3


def test_accountant_stops_a_search(labelled):
    X, y = labelled
    accountant = PrivacyAccountant(epsilon=8.0, delta=1e-2)
    model = bounded(DPMLPClassifier(2.0, max_iter=5, accountant=accountant))
    pipeline = make_pipeline(FunctionTransformer(), model)
    pipeline.fit(X, y)
    assert accountant.total()[0] <= 2.0
    with pytest.raises(BudgetError):
        GridSearchCV(
            pipeline,
            {"dpmlpclassifier__hidden_layer_sizes": [(4,), (4, 4), 8]},
            cv=5,
            error_score="raise",
        ).fit(X, y)
    assert accountant.total()[0] <= 8.0


def test_pickles_predict_the_same(numbers):
    X, y = numbers
    model = bounded(DPMLPRegressor(2.0)).fit(X, y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": ()}, "one or 2 layers"),
        ({"hidden_layer_sizes": (4, 4, 4)}, "one or 2 layers"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": "wide"}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": 3.5}, "hidden_layer_sizes"),
        ({"activation": "sine"}, "activation"),
        ({"momentum": 1.0}, "momentum"),
        ({"momentum": -0.1}, "momentum"),
        ({"solver": "dicesgd"}, "solver"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"max_grad_norm": 0.0}, "max_grad_norm"),
        ({"batch_size": 5, "relation": "replace_one"}, "relation"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(labelled, parameters, message):
    model = bounded(DPMLPClassifier(accountant=PrivacyAccountant(1.0, 1e-2)))
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters).fit(*labelled)
    assert model.accountant.total()[0] == 0.0


def test_leaks_are_warned_of_at_the_line_of_the_user(labelled):
    for model in (DPMLPClassifier(max_iter=2), DPLogisticClassifier(max_iter=2)):
        with pytest.warns(PrivacyLeakWarning, match="classes") as caught:
            model.fit(*labelled)
        assert [warning.filename for warning in caught] == [__file__]


def test_targets_need_public_bounds(numbers):
    with pytest.raises(ValueError, match="y_bounds"):
        DPMLPRegressor().fit(*numbers)
    with pytest.raises(ValueError, match="loss"):
        DPMLPRegressor(loss="poisson", y_bounds=(0, 10)).fit(*numbers)
