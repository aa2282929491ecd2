"""The online estimators: streams, classes, errors, devices."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import skopt2
from skopt2._core.array import namespace
from skopt2.kernel_machine import KernelNewtonClassifier, KernelNewtonRegressor
from skopt2.kernels import Matern
from skopt2.losses import get_loss


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 2))
    return X, np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * rng.standard_normal(300)


@pytest.fixture
def moons():
    return make_moons(400, noise=0.2, random_state=0)


def test_regression_equals_kernel_ridge(data):
    X, y = data
    model = KernelNewtonRegressor(
        alpha=0.5,
        length_scale=0.5,
        fit_intercept=False,
        oversampling=np.inf,
        random_state=0,
    ).fit(X, y)
    ridge = KernelRidge(alpha=0.5, kernel="rbf", gamma=2.0).fit(X, y)
    new = np.random.default_rng(1).standard_normal((50, 2))
    assert model.n_samples_seen_ == 300
    # Each row is in the span of the dictionary of its time, up to rounding.
    assert_allclose(model.predict(new), ridge.predict(new), atol=1e-6)


def test_prediction_is_the_sum_over_the_centres(data):
    X, y = data
    model = KernelNewtonRegressor(length_scale=1.0, random_state=0).fit(X, y)
    assert 10 < len(model.centers_) < 300
    rows = {tuple(row) for row in X}
    assert all(tuple(row) in rows for row in model.centers_)
    distances = ((X[:9, None] - model.centers_) ** 2).sum(axis=2)
    expected = np.exp(-0.5 * distances) @ model.dual_coef_ + model.intercept_[0]
    assert_allclose(model.predict(X[:9]), expected, atol=1e-8)
    assert model.score(X, y) > 0.95


def test_cumulative_loss_is_that_of_the_predictions_before(data):
    X, y = data
    model, total = KernelNewtonRegressor(length_scale=1.0, random_state=0), 0.0
    for t in range(60):
        before = model.predict(X[t : t + 1])[0] if t else 0.0
        model.partial_fit(X[t : t + 1], y[t : t + 1])
        total += 0.5 * (before - y[t]) ** 2
        assert model.cumulative_loss_ == pytest.approx(total, rel=1e-7)
    assert model.n_samples_seen_ == 60


def test_partial_fits_equal_a_fit(data):
    X, y = data
    model = KernelNewtonRegressor(length_scale=1.0, random_state=0, shuffle=False)
    whole = clone(model).fit(X, y)
    for some in np.split(np.arange(300), [1, 2, 100, 270]):
        model.partial_fit(X[some], y[some])
    assert_array_equal(model.centers_, whole.centers_)
    assert_allclose(model.predict(X), whole.predict(X), atol=1e-6)
    assert model.cumulative_loss_ == pytest.approx(whole.cumulative_loss_, rel=1e-6)
    # What follows a fit goes on from it.
    again = whole.partial_fit(X, y)
    assert again.n_samples_seen_ == 600


def test_passes_and_shuffling(data):
    X, y = data
    once = KernelNewtonRegressor(length_scale=1.0, random_state=0).fit(X, y)
    twice = KernelNewtonRegressor(length_scale=1.0, n_passes=2, random_state=0)
    twice.fit(X, y)
    assert twice.n_samples_seen_ == 600
    assert twice.cumulative_loss_ < 1.5 * once.cumulative_loss_
    ordered = KernelNewtonRegressor(length_scale=1.0, shuffle=False, random_state=0)
    assert ordered.fit(X, y).cumulative_loss_ != once.cumulative_loss_
    again = KernelNewtonRegressor(length_scale=1.0, random_state=0).fit(X, y)
    assert_array_equal(again.dual_coef_, once.dual_coef_)


def test_several_targets_are_learnt_as_one_by_one(data):
    X, y = data
    Y = np.column_stack([y, X[:, 0] ** 2])
    model = KernelNewtonRegressor(length_scale=1.0, random_state=0)
    both = clone(model).fit(X, Y)
    assert both.dual_coef_.shape == (len(both.centers_), 2)
    for k in range(2):
        single = clone(model).fit(X, Y[:, k])
        assert_allclose(both.predict(X)[:, k], single.predict(X), atol=1e-8)
    with pytest.raises(ValueError, match="y has 1 targets, the calls before had 2"):
        both.partial_fit(X, y)


def test_dictionary_is_smaller_than_the_sample():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3.0, 3.0, (4000, 1))
    y = np.sin(2.0 * X[:, 0]) + 0.1 * rng.standard_normal(4000)
    model = KernelNewtonRegressor(alpha=0.01, length_scale=0.5, random_state=0)
    sizes = [
        len(model.partial_fit(X[some], y[some]).centers_)
        for some in (slice(0, 1000), slice(1000, 4000))
    ]
    assert sizes[0] < 50
    assert sizes[1] < sizes[0] + 10
    error = model.predict(X) - np.sin(2.0 * X[:, 0])
    assert np.sqrt(np.mean(error**2)) < 0.02
    bounded = KernelNewtonRegressor(max_dictionary=5, random_state=0).fit(X, y)
    assert len(bounded.centers_) == 5


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "squared"])
def test_one_pass_over_digits_is_near_a_support_vector_machine(loss):
    X, y = load_digits(return_X_y=True)
    X, train = X / 16.0, np.random.default_rng(0).permutation(len(y)) < 1300
    model = KernelNewtonClassifier(
        loss=loss, length_scale=1.5, oversampling=0.5, random_state=0
    ).fit(X[train], y[train])
    machine = SVC(C=10.0, gamma=0.5 / 1.5**2).fit(X[train], y[train])
    score, best = model.score(X[~train], y[~train]), machine.score(X[~train], y[~train])
    assert score > best - 0.015
    scores = model.decision_function(X[~train])
    assert scores.shape == ((~train).sum(), 10)
    assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X[~train]))


def test_probabilities(moons):
    X, y = moons
    model = KernelNewtonClassifier(length_scale=0.5, random_state=0).fit(X, y)
    p = model.predict_proba(X)
    scores = model.decision_function(X)
    assert_allclose(p[:, 1], 1.0 / (1.0 + np.exp(-scores)), rtol=1e-12)
    assert_array_equal(p.argmax(axis=1), model.predict(X))
    three = KernelNewtonClassifier(random_state=0).fit(X, y + (X[:, 0] > 1.0))
    p = three.predict_proba(X)
    assert p.shape == (400, 3)
    assert_allclose(p.sum(axis=1), 1.0)
    # Among rows that get a probability about as many are of the class.
    sure = model.predict_proba(X)[:, 1] > 0.9
    assert y[sure].mean() > 0.9
    hinge = KernelNewtonClassifier(loss="squared_hinge").fit(X, y)
    assert not hasattr(hinge, "predict_proba")


def test_labels_of_any_kind_and_calls_with_some_of_them(moons):
    X, y = moons
    names = np.array(["left", "right"])[y]
    model = KernelNewtonClassifier(length_scale=0.5, random_state=0, shuffle=False)
    whole = clone(model).fit(X, names)
    assert set(whole.predict(X)) == {"left", "right"}
    order = np.argsort(y, kind="stable")
    for some in np.array_split(order, 7):
        model.partial_fit(X[some], names[some], classes=["right", "left"])
    same = clone(model).fit(X[order], names[order])
    assert_allclose(model.decision_function(X), same.decision_function(X), atol=1e-6)
    with pytest.raises(ValueError, match=r"new labels \['up'\], which are not among"):
        model.partial_fit(X[:2], np.array(["left", "up"]))
    with pytest.raises(ValueError, match="not those of the first call"):
        model.partial_fit(X[:2], names[:2], classes=["left", "up"])
    fresh = clone(model)
    with pytest.raises(ValueError, match="needs all labels"):
        fresh.partial_fit(X, names)
    with pytest.raises(ValueError, match="at least two labels"):
        fresh.partial_fit(X, names, classes=["left"])
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_classes_of_a_call_keep_their_places():
    X = np.array([[0.0], [1.0], [2.0]])
    model = KernelNewtonClassifier(length_scale=0.3, random_state=0)
    model.partial_fit(X[2:], [7], classes=[3, 5, 7])
    model.partial_fit(X[1:2], [5]).partial_fit(X[:1], [3])
    assert model.predict(X).tolist() == [3, 5, 7]


def test_failed_calls_leave_the_model_alone(moons):
    X, y = moons
    model = KernelNewtonClassifier(random_state=0).fit(X, y)
    before = model.decision_function(X)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :1], y)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full((1, 2), np.nan), [0])
    copied = skopt2.to_device(model, "cpu")
    copied.partial_fit(X[:50], y[:50])
    assert_array_equal(model.decision_function(X), before)
    assert model.n_samples_seen_ == 400


@pytest.mark.parametrize("value", [np.float32, np.float64])
def test_dtype_of_the_data_stays(moons, value):
    X, y = moons
    model = KernelNewtonClassifier(length_scale=0.5, random_state=0)
    model.fit(X.astype(value), y)
    assert model.dual_coef_.dtype == model.centers_.dtype == value
    assert model.decision_function(X.astype(value)).dtype == value
    reference = clone(model).fit(X, y)
    agreement = model.predict(X.astype(value)) == reference.predict(X)
    assert agreement.mean() > 0.98


def product(A, B):
    return (1.0 + np.exp(-((A[:, :1] - B[:, 0]) ** 2))) * (1.0 + A @ B.T)


@pytest.mark.parametrize("kernel", ["laplacian", Matern(2.5), RBF(0.8), product])
def test_kernels(data, kernel):
    X, y = data
    model = KernelNewtonRegressor(kernel, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9


def test_parameters_of_kernels_are_searched(data):
    X, y = data
    search = GridSearchCV(
        KernelNewtonRegressor(Matern(1.5), random_state=0),
        {"kernel__length_scale": [0.01, 1.0]},
        cv=2,
    )
    assert search.fit(X, y).best_params_ == {"kernel__length_scale": 1.0}


@pytest.mark.parametrize("cls", [KernelNewtonRegressor, KernelNewtonClassifier])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0.0}, "alpha must be a positive number"),
        ({"alpha": np.inf}, "alpha must be a positive number that is finite"),
        ({"alpha": "a"}, "alpha must be a positive number"),
        ({"eta": -1.0}, "eta must be a positive number or 'auto'"),
        ({"clip": 0}, "clip must be a positive number or None"),
        ({"dictionary_alpha": 0.0}, "dictionary_alpha must be a positive number or"),
        ({"oversampling": 0}, "oversampling must be a positive number"),
        ({"max_dictionary": 0}, "max_dictionary must be a positive integer"),
        ({"n_passes": 1.5}, "n_passes must be a positive integer"),
        ({"loss": "huber"}, "loss='huber' is no loss of KernelNewton"),
        ({"loss": "unknown"}, "loss must be one of"),
        ({"kernel": "precomputed"}, "cannot be online"),
        ({"kernel": "unknown"}, "kernel must be one of"),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_bad_parameters(moons, cls, parameters, message):
    X, y = moons
    with pytest.raises(ValueError, match=message):
        cls(**parameters).fit(X, y)


def test_losses_without_curvature_need_a_bound(moons):
    X, y = moons
    with pytest.raises(ValueError, match="clip=None leaves the logistic loss"):
        KernelNewtonClassifier(clip=None).fit(X, y)
    model = KernelNewtonClassifier(loss=get_loss("squared"), clip=None)
    assert model.fit(X, y).score(X, y) > 0.9


def test_small_ridges_stay_accurate():
    rng = np.random.default_rng(0)
    X = rng.uniform(-3.0, 3.0, (3000, 1))
    y = np.sin(2.0 * X[:, 0]) + 0.1 * rng.standard_normal(3000)
    model = KernelNewtonRegressor(
        alpha=1e-7, dictionary_alpha=1e-3, length_scale=0.5, random_state=0
    ).fit(X, y)
    inside = np.linspace(-2.9, 2.9, 100)[:, None]
    assert np.abs(model.predict(inside) - np.sin(2.0 * inside[:, 0])).max() < 0.05


def test_huge_targets_and_constant_rows():
    X = np.zeros((20, 2))
    y = 1e9 + np.arange(20.0)
    model = KernelNewtonRegressor(alpha=1e-6, random_state=0).fit(X, y)
    assert len(model.centers_) == 1
    assert_allclose(model.predict(X), y.mean(), rtol=1e-6)


def test_namespaces_agree(moons, device_backend, dispatch, cuda_stand_in):
    X, y = moons
    model = KernelNewtonClassifier(length_scale=0.5, random_state=0)
    expected = clone(model).fit(X, y)
    X_there = device_backend.asarray(X)
    y_there = device_backend.asarray(y)
    found = clone(model).fit(X_there, y_there)
    assert namespace(found.centers_) is namespace(X_there)
    assert namespace(found.dual_coef_) is namespace(X_there)
    scores = found.decision_function(X_there)
    assert_allclose(
        device_backend.to_numpy(scores), expected.decision_function(X), atol=1e-7
    )
    labels = device_backend.to_numpy(found.predict(X_there))
    assert_array_equal(labels, expected.predict(X))
    found.partial_fit(X_there[:50, :], y_there[:50])
    expected.partial_fit(X[:50], y[:50])
    p = device_backend.to_numpy(found.predict_proba(X_there))
    assert_allclose(p, expected.predict_proba(X), atol=1e-7)


def test_device_computes_and_host_gets(data, cuda_stand_in):
    X, y = data
    model = KernelNewtonRegressor(length_scale=1.0, random_state=0)
    expected = clone(model).fit(X, y)
    found = clone(model).set_params(device="cuda").fit(X, y)
    assert found.device_ == "cuda:0"
    assert isinstance(found.dual_coef_, np.ndarray)
    assert_allclose(found.predict(X), expected.predict(X), atol=1e-7)


def test_models_move_and_pickle(data, cuda_stand_in):
    X, y = data
    model = KernelNewtonRegressor(length_scale=1.0, random_state=0).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    more, other = model.partial_fit(X, y), again.partial_fit(X, y)
    assert_array_equal(more.predict(X), other.predict(X))
    moved = skopt2.to_device(model, "cuda")
    assert moved.device_ == "cuda:0"
    back = skopt2.to_device(moved, "cpu")
    assert_array_equal(back.predict(X), model.predict(X))
