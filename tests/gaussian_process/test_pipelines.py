"""Gaussian process regression inside scikit-learn: pipelines, searches, names."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.gaussian_process import GaussianProcessRegressor
from skopt2.kernels import Gaussian
from skopt2.kernels import Matern as OwnMatern


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return X[:150], y[:150]


def test_search_over_parameters_of_the_kernel(diabetes):
    X, y = diabetes
    model = GaussianProcessRegressor(
        RBF(1.0) + WhiteKernel(0.5), optimizer=None, normalize_y=True
    )
    pipe = Pipeline([("scale", StandardScaler()), ("gp", model)])
    grid = [
        {"gp__kernel__k1__length_scale": [0.3, 4.0], "gp__alpha": [1e-2, 1.0]},
        {"gp__kernel": [Matern(4.0), ConstantKernel(0.1) * RBF(4.0), OwnMatern()]},
    ]
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 7
    assert search.best_score_ > 0.3
    chosen = clone(pipe).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(chosen.predict(X), search.predict(X))
    # The search has set copies: the objects of the user are as they were.
    assert model.kernel.k1.length_scale == 1.0
    assert not hasattr(model, "X_train_")


def test_search_over_parameters_of_own_kernels(diabetes):
    X, y = diabetes
    pipe = make_pipeline(
        StandardScaler(), GaussianProcessRegressor(Gaussian(), alpha=0.5)
    )
    target = TransformedTargetRegressor(pipe, transformer=StandardScaler())
    name = "regressor__gaussianprocessregressor__kernel__length_scale"
    search = GridSearchCV(target, {name: [0.3, 5.0]}, cv=3).fit(X, y)
    assert search.best_params_[name] == 5.0


def test_names_of_features(diabetes):
    X, y = diabetes
    model = GaussianProcessRegressor(RBF(3.0), alpha=0.5, optimizer=None)
    pipe = make_pipeline(StandardScaler(), model).set_output(transform="pandas")
    pipe.fit(X, y)
    np.testing.assert_array_equal(pipe[-1].feature_names_in_, X.columns)
    frame = pipe[:-1].transform(X)
    assert isinstance(frame, pd.DataFrame)
    plain = clone(pipe).set_output(transform="default").fit(X, y)
    assert not hasattr(plain[-1], "feature_names_in_")
    np.testing.assert_array_equal(plain.predict(X), pipe.predict(X))
    for method in ("predict", "sample_y"):
        with pytest.raises(ValueError, match="feature names should match"):
            getattr(pipe[-1], method)(frame.iloc[:, ::-1])
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            getattr(pipe[-1], method)(frame.to_numpy())
    sampled = pipe[-1].set_params(solver="sap", n_samples=4).fit(frame, y)
    assert sampled.sample_y(frame, 3).shape == (150, 3)
    with pytest.raises(ValueError, match="feature names should match"):
        sampled.sample_y(frame.iloc[:, ::-1])


def test_global_output_of_transformers_is_irrelevant(diabetes):
    X, y = diabetes
    model = GaussianProcessRegressor(RBF(50.0), alpha=0.5, optimizer=None)
    wanted = clone(model).fit(X, y).predict(X)
    with config_context(transform_output="pandas"):
        found = clone(model).fit(X, y).predict(X)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("solver", ["cholesky", "sap"])
def test_a_file_of_a_model(diabetes, tmp_path, solver):
    X, y = diabetes
    X = StandardScaler().fit_transform(X)
    model = GaussianProcessRegressor(
        RBF(3.0) + WhiteKernel(0.5), optimizer=None, solver=solver, random_state=0
    ).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    for one in (again, clone(model).fit(X, y)):
        for found, wanted in zip(
            one.predict(X, return_std=True),
            model.predict(X, return_std=True),
            strict=True,
        ):
            np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(one.sample_y(X, 2), model.sample_y(X, 2))
    assert str(again.certificate_) == str(model.certificate_)
    fresh = clone(model)
    assert not hasattr(fresh, "X_train_")
    assert repr(fresh) == repr(model)


def test_columns_of_targets_are_fits_of_their_own(diabetes):
    X, y = diabetes
    X = StandardScaler().fit_transform(X)
    Y = np.stack([y, X[:, 2]], axis=1)
    model = GaussianProcessRegressor(
        RBF(3.0), alpha=0.5, optimizer=None, normalize_y=True
    )
    each = MultiOutputRegressor(model).fit(X, Y)
    np.testing.assert_allclose(model.fit(X, Y).predict(X), each.predict(X), rtol=1e-8)


def test_out_of_fold_predictions(diabetes):
    X, y = diabetes
    pipe = make_pipeline(
        StandardScaler(),
        GaussianProcessRegressor(
            RBF(3.0) + WhiteKernel(0.5),
            normalize_y=True,
            optimizer_size=60,
            random_state=0,
        ),
    )
    found = cross_val_predict(pipe, X, y, cv=3)
    assert np.corrcoef(found, y)[0, 1] > 0.6
