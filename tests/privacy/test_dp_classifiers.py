"""The private linear classifiers: the models they fit, and what they refuse."""

import math
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.callback import FitCallback
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skopt2.callbacks import Checkpoint
from skopt2.privacy import (
    BudgetError,
    DPLogisticClassifier,
    DPSVMClassifier,
    PrivacyAccountant,
    PrivacyLeakWarning,
)
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.gaussian import gaussian_mu

MODELS = [DPLogisticClassifier, DPSVMClassifier]


def rows(n=300, d=4, n_classes=2, seed=0):
    """Return rows of norm 1 at most and codes of classes."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, d)) / np.sqrt(d)
    scores = X @ rng.standard_normal((d, n_classes)) + 0.3 * rng.gumbel(size=n_classes)
    return X, np.argmax(scores, axis=1)


def quiet(model, X, y):
    """Return the fitted model, without the warnings of seeds and labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return model.fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_noise_it_is_logistic_regression(n_classes):
    X, y = rows(n_classes=n_classes)
    alpha = 0.01
    exact = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-12, max_iter=5000)
    exact.fit(X, y)
    model = DPLogisticClassifier(
        np.inf,
        classes=range(n_classes),
        alpha=alpha,
        max_grad_norm=100.0,
        learning_rate=1.0,
        max_iter=6000,
        intercept_scaling=1.0,
        average=False,
    ).fit(X, y)
    assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-6)
    assert math.isinf(model.privacy_.epsilon)
    if n_classes == 2:
        assert_allclose(model.coef_, exact.coef_, atol=1e-6)
        assert_allclose(model.intercept_, exact.intercept_, atol=1e-6)


@pytest.mark.parametrize(
    ("load", "floors"),
    [
        (load_digits, {1.0: 0.87, 4.0: 0.92}),
        (load_breast_cancer, {1.0: 0.93, 4.0: 0.95}),
        (load_wine, {1.0: 0.85, 4.0: 0.93}),
    ],
)
def test_default_scores(load, floors):
    X, y = load(return_X_y=True)
    low, high = X.min(axis=0), X.max(axis=0)
    bounds = (low, np.where(high > low, high, low + 1))
    for epsilon, floor in floors.items():
        scores = []
        for seed in range(10):
            A, B, a, b = train_test_split(
                X, y, test_size=0.2, stratify=y, random_state=seed
            )
            model = DPLogisticClassifier(
                epsilon, delta=1e-5, bounds=bounds, classes=np.unique(y)
            )
            scores.append(model.fit(A, a).score(B, b))
        assert np.mean(scores) > floor


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_the_coefficients(model, n_classes):
    X, y = rows(n_classes=n_classes)
    names = np.array(["ant", "bee", "cow"])[:n_classes]
    fitted = model(4.0, classes=names).fit(X, names[y])
    raw = X @ fitted.coef_.T + fitted.intercept_
    assert fitted.coef_.shape == ((1, 4) if n_classes == 2 else (3, 4))
    if n_classes == 2:
        assert_allclose(fitted.decision_function(X), raw[:, 0])
        expected = names[(raw[:, 0] > 0).astype(int)]
    else:
        assert_allclose(fitted.decision_function(X), raw)
        expected = names[raw.argmax(axis=1)]
    assert np.array_equal(fitted.predict(X), expected)
    assert hasattr(fitted, "predict_proba") == (model is DPLogisticClassifier)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("center", ["midpoint", None])
def test_bounds_are_folded_into_the_coefficients(model, center):
    X, y = rows()
    low, high = np.array([-1.0, 0.0, 2.0, -9.0]), np.array([1.0, 5.0, 3.0, 0.0])
    raw = low + (X * np.sqrt(4) + 1) / 2 * (high - low)
    options = {"classes": [0, 1], "random_state": 3, "center": center}
    inside = quiet(model(2.0, bounds=(low, high), **options), raw, y)
    if center is None:
        Z = raw / np.maximum(np.abs(low), np.abs(high)) / np.sqrt(4)
    else:
        Z = (2 * (raw - low) / (high - low) - 1) / np.sqrt(4)
    outside = quiet(model(2.0, **options), Z, y)
    assert_allclose(inside.decision_function(raw), outside.decision_function(Z))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_sparse_chunked_and_single_precision_rows(model, n_classes, batch_size):
    X, y = rows(n_classes=n_classes)
    X[np.abs(X) < 0.2] = 0.0
    options = {
        "classes": range(n_classes),
        "random_state": 0,
        "batch_size": batch_size,
        "max_iter": 20,
    }
    dense = quiet(model(1.0, **options), X, y)
    sparse = quiet(model(1.0, **options), sp.csr_array(X), y)
    assert_allclose(sparse.coef_, dense.coef_, rtol=1e-9)
    single = quiet(model(1.0, **options), X.astype(np.float32), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert_allclose(single.coef_, dense.coef_, rtol=0, atol=0.02)
    if batch_size is None:
        parts = iter([(X[:120], y[:120]), (X[120:121], y[120:121]), (X[121:], y[121:])])
        chunked = quiet(model(1.0, **options), parts, None)
        assert_allclose(chunked.coef_, dense.coef_, rtol=1e-9)
        assert chunked.privacy_ == dense.privacy_


def test_dask_rows_are_read_block_by_block():
    da = pytest.importorskip("dask.array")
    X, y = rows()
    options = {"classes": [0, 1], "random_state": 0, "max_iter": 5}
    here = quiet(DPLogisticClassifier(1.0, **options), X, y)
    lazy = da.from_array(X, chunks=(100, 4)), da.from_array(y, chunks=100)
    there = quiet(DPLogisticClassifier(1.0, **options), *lazy)
    assert_allclose(there.coef_, here.coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="batch_size=None"):
        DPLogisticClassifier(classes=[0, 1], batch_size=10).fit(*lazy)


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("batch_size", [None, 50])
def test_same_model_on_another_device(model, n_classes, batch_size):
    X, y = rows(n_classes=n_classes)
    options = {
        "classes": range(n_classes),
        "random_state": 0,
        "batch_size": batch_size,
        "max_iter": 20,
        "bounds": (-1, 1),
        "max_grad_norm": 0.3,
    }
    # The noise of a device is its own.
    here = quiet(model(np.inf, **options), X, y)
    there = quiet(model(np.inf, device="cuda", **options), X, y)
    noisy = quiet(model(1.0, device="cuda", **options), X, y)
    assert not np.allclose(noisy.coef_, there.coef_, rtol=1e-3)
    assert there.device_ != here.device_
    assert isinstance(there.coef_, np.ndarray)
    assert_allclose(there.coef_, here.coef_, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_rows_that_cannot_count_count_as_nothing(model):
    X, y = rows(n_classes=3)
    wild = np.repeat(X[:1], 6, axis=0)
    wild[0, 0], wild[1, 1], wild[2, 2], wild[3] = np.nan, np.inf, 1e300, -1e200
    labels = np.array([0, 1, 2, 0, 7, -1])
    Z, z = np.vstack([X, wild]), np.concatenate([y, labels])
    zeros = np.vstack([X, np.full((6, 4), np.nan)])
    options = {"classes": [0, 1, 2], "random_state": 1}
    found = quiet(model(1.0, **options), Z, z)
    expected = quiet(model(1.0, **options), zeros, np.zeros(306, int) * 0 + z)
    assert_allclose(found.coef_, expected.coef_, rtol=1e-12)
    assert np.isfinite(found.coef_).all()
    blank = found.decision_function(np.array([[np.nan] * 4, [0.0] * 4]))
    assert_allclose(blank[0], blank[1])


@pytest.mark.parametrize("frame", [False, True])
def test_integers_that_no_float_holds_count_as_nothing(frame):
    pandas = pytest.importorskip("pandas")
    X, y = rows()
    huge, blank = X.astype(object), X.copy()
    huge[7, 1], blank[7] = 10**400, np.nan
    if frame:
        names = list("abcd")
        huge = pandas.DataFrame(huge, columns=names)
        blank = pandas.DataFrame(blank, columns=names)
    options = {"classes": [0, 1], "random_state": 0}
    found = quiet(DPLogisticClassifier(**options), huge, y)
    expected = quiet(DPLogisticClassifier(**options), blank, y)
    # A frame is in the other memory order, and sums round otherwise.
    assert_allclose(found.coef_, expected.coef_, rtol=1e-12)
    assert hasattr(found, "feature_names_in_") is frame


def test_classes():
    X, y = rows()
    with pytest.warns(PrivacyLeakWarning, match="classes=None"):
        DPLogisticClassifier().fit(X, y)
    absent = DPLogisticClassifier(classes=["no", "yes", "never"]).fit(
        X, np.array(["no", "yes"])[y]
    )
    assert absent.classes_.tolist() == ["never", "no", "yes"]
    assert absent.predict_proba(X).shape == (300, 3)
    for wrong in ([1], [0, 0, 1], [[0, 1]]):
        with pytest.raises(ValueError, match="classes must list at least two"):
            DPLogisticClassifier(classes=wrong).fit(X, y)
    # Labels of other kinds than classes compare with none of them.
    model = DPLogisticClassifier(classes=[0, 1]).fit(X, np.array(["a", "b"])[y])
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("batch_size", [None, 30])
def test_the_record_is_what_was_asked_for(batch_size):
    X, y = rows()
    model = DPLogisticClassifier(
        0.8, delta=1e-4, classes=[0, 1], batch_size=batch_size
    ).fit(X, y)
    record = model.privacy_
    assert (record.epsilon, record.delta, record.n_rows) == (0.8, 1e-4, 300)
    assert epsilon_of(record.events, 1e-4) <= 0.8
    assert record.accounting == ("exact" if batch_size is None else "pld")
    assert not record.seeded
    assert model.n_iter_ == record.events[0].count
    assert model.converged_
    assert model.certificate_.holds
    assert model.history_.keys() == {"iteration", "epsilon"}
    if batch_size is None:
        mu = math.sqrt(model.n_iter_) / record.noise_multiplier
        assert mu == pytest.approx(gaussian_mu(0.8, 1e-4))
    assert pickle.loads(pickle.dumps(model)).privacy_ == record


def test_the_multiplier_takes_the_place_of_epsilon():
    X, y = rows()
    model = DPLogisticClassifier(
        None, noise_multiplier=20.0, delta=1e-5, max_iter=100, classes=[0, 1]
    ).fit(X, y)
    assert model.privacy_.epsilon == pytest.approx(1.9931, abs=1e-4)


def test_the_default_delta_follows_the_rows():
    X, y = rows(n=1000)
    model = DPLogisticClassifier(classes=[0, 1])
    assert model.fit(X, y).privacy_.delta == pytest.approx(1000**-1.1)
    assert model.fit(X[:20], y[:20]).privacy_.delta == 0.01


def test_replacing_a_row_takes_twice_the_noise(monkeypatch):
    from skopt2.solvers.privacy.noise import NoiseSource

    stds = []
    monkeypatch.setattr(
        NoiseSource, "draw", lambda self, shape, std: stds.append(std) or 0.0
    )
    X, y = rows()
    for relation in ("zero_out", "replace_one"):
        DPLogisticClassifier(classes=[0, 1], relation=relation).fit(X, y)
    assert stds[50] == pytest.approx(2 * stds[0])


WRONG = [
    ({"epsilon": 0.0}, "epsilon must be a positive number"),
    ({"epsilon": -1}, "epsilon must be a positive number"),
    ({"epsilon": np.nan}, "epsilon must be a positive number"),
    ({"epsilon": "1"}, "epsilon must be a positive number"),
    ({"epsilon": None}, "epsilon must be a positive number"),
    ({"delta": 0.0}, r"delta must be a number in \(0, 1\) or None"),
    ({"delta": 1.0}, r"delta must be a number in \(0, 1\) or None"),
    ({"noise_multiplier": 0.0}, "noise_multiplier must be a positive number"),
    ({"relation": "swap"}, "relation must be one of"),
    ({"feature_norm": 0}, "feature_norm must be a positive number"),
    ({"feature_norm": np.inf}, "feature_norm must be a positive number"),
    ({"intercept_scaling": 0.0}, "intercept_scaling must be a positive number"),
    ({"bounds": 3}, "bounds=3 is no pair"),
    ({"bounds": (1, 0)}, "bounds must have low below high"),
    ({"bounds": (0, np.inf)}, "bounds must be finite"),
    ({"bounds": ([0, 0], 1)}, "is no pair of bounds"),
    ({"center": "mean"}, "center must be one of"),
    ({"solver": "newton"}, "solver must be one of"),
    ({"solver": "sgd"}, "give their expected size as batch_size"),
    ({"solver": "gd", "batch_size": 5}, "use solver='sgd', or batch_size=None"),
    ({"batch_size": 0}, "batch_size must be a positive integer or None"),
    ({"batch_size": 5, "relation": "replace_one"}, "is for full batches"),
    ({"max_iter": 0}, "max_iter must be a positive integer or 'auto'"),
    ({"max_iter": 2.5}, "max_iter must be a positive integer or 'auto'"),
    ({"learning_rate": -1.0}, "learning_rate must be a positive number or 'au"),
    ({"max_grad_norm": "all"}, "max_grad_norm must be a positive number or 'au"),
    ({"clipping": "hard"}, "clipping must be one of"),
    ({"alpha": -1.0}, "alpha must be a nonnegative number"),
    ({"noise": "laplace"}, "noise must be one of"),
    ({"random_state": -3}, "random_state must be None, a nonnegative integ"),
]


@pytest.mark.parametrize(("parameters", "message"), WRONG)
def test_wrong_parameters_spend_nothing(parameters, message):
    X, y = rows()
    accountant = PrivacyAccountant(epsilon=10.0, delta=1e-3)
    model = DPLogisticClassifier(classes=[0, 1], accountant=accountant)
    with pytest.raises(ValueError, match=message):
        quiet(model.set_params(**parameters), X, y)
    assert len(accountant.events) == 0
    assert not hasattr(model, "coef_")


def test_an_exhausted_budget_leaves_the_model_as_it_was():
    X, y = rows()
    accountant = PrivacyAccountant(epsilon=1.0, delta=1e-3)
    model = DPLogisticClassifier(0.9, delta=1e-3, classes=[0, 1], accountant=accountant)
    model.fit(X, y)
    before = model.coef_
    with pytest.raises(BudgetError):
        model.fit(X, y)
    assert model.coef_ is before
    search = GridSearchCV(clone(model), {"alpha": [0.0, 0.1]}, error_score="raise")
    with pytest.raises(BudgetError):
        search.fit(X, y)
    assert len(accountant.records) == 1


def test_a_search_in_a_pipeline():
    X, y = rows(n=600)
    pipe = make_pipeline(FunctionTransformer(), DPSVMClassifier(classes=[0, 1]))
    grid = {"dpsvmclassifier__epsilon": [0.1, 8.0]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"dpsvmclassifier__epsilon": 8.0}
    assert search.score(X, y) > 0.8


class Watch(FitCallback):
    """Keep what a callback is shown."""

    def __init__(self):
        self.shown, self.attributes = [], []

    def setup(self, estimator, context):
        """Nothing to set up."""

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.shown.append((X, y))

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, X=None):
        self.shown.append((X, None))
        self.attributes.append(fitted_estimator)

    def teardown(self, estimator, context):
        """Nothing to tear down."""


def test_callbacks_see_steps_and_no_data():
    X, y = rows()
    watch = Watch()
    model = DPLogisticClassifier(classes=[0, 1], max_iter=7).set_callbacks(watch)
    model.fit(X, y)
    assert len(watch.shown) >= 14
    assert all(a is None and b is None for a, b in watch.shown)
    # Iterates are released, and can be scored on public rows.
    coefs = [fit.coef_ for fit in watch.attributes if fit is not None]
    assert len({coef.tobytes() for coef in coefs}) == 7


def test_no_checkpoint_is_kept(tmp_path):
    X, y = rows()
    model = DPLogisticClassifier(classes=[0, 1])
    model.set_callbacks(Checkpoint(tmp_path / "fit", min_seconds=0))
    with pytest.raises(TypeError, match="state"):
        model.fit(X, y)
    assert not any(tmp_path.iterdir())


def test_seeds_repeat_fits_and_warn():
    X, y = rows()
    model = DPLogisticClassifier(classes=[0, 1], random_state=0)
    with pytest.warns(PrivacyLeakWarning, match="random_state=0 fixes the noise"):
        first = model.fit(X, y).coef_
    assert np.array_equal(quiet(model, X, y).coef_, first)
    assert model.privacy_.seeded
    free = DPLogisticClassifier(classes=[0, 1])
    assert not np.array_equal(free.fit(X, y).coef_, clone(free).fit(X, y).coef_)


def test_no_weights():
    X, y = rows()
    with pytest.raises(TypeError, match="sample_weight"):
        DPLogisticClassifier(classes=[0, 1]).fit(X, y, sample_weight=np.ones(300))
    chunks = iter([(X, y, np.ones(300))])
    with pytest.raises(ValueError, match="take no weights"):
        DPLogisticClassifier(classes=[0, 1]).fit(chunks)
