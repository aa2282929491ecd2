"""Maps between samples in scikit-learn: pipelines, callbacks, arrays, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
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
from skopt2.transport import SinkhornTransport
from tests.transport.sample_maps import MAPS, fit


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
        ({"label_reg": -0.1}, "label_reg must be a nonnegative number"),
        ({"label_limit": np.inf}, "label_limit must be a nonnegative number that"),
        ({"n_rounds": 1.5}, "n_rounds must be a positive integer"),
        ({"reg_marginal": -1.0}, "reg_marginal must be None, a positive number"),
        ({"reg_marginal": 1.0, "solver": "newton"}, "balanced transport only"),
        ({"solver": "simplex"}, "solver must be one of"),
        ({"tol": None}, "tol must be a nonnegative number"),
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
