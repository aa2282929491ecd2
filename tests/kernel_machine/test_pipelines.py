"""The kernel estimators inside scikit-learn: pipelines, searches, names, metadata."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.kernel_machine import EigenProClassifier, EigenProRegressor
from skopt2.kernels import Gaussian, Laplacian, Matern


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return X[:200], y[:200]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16.0, y[:300]


def test_search_over_alpha_and_length_scale(diabetes):
    X, y = diabetes
    pipe = Pipeline(
        [("scale", StandardScaler()), ("model", EigenProRegressor(Matern()))]
    )
    grid = [
        {"model__alpha": [1.0, 10.0], "model__kernel__length_scale": [1.0, 6.0]},
        {"model__kernel": [Laplacian(3.0), "gaussian"], "model__alpha": [1.0]},
    ]
    target = TransformedTargetRegressor(pipe, transformer=StandardScaler())
    grid = [
        {f"regressor__{name}": values for name, values in part.items()} for part in grid
    ]
    search = GridSearchCV(target, grid, cv=3).fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 6
    assert search.best_score_ > 0.35
    best = search.best_estimator_.regressor_["model"]
    assert best.converged_
    # The search has set copies: the objects of the user are as they were.
    assert pipe["model"].kernel.length_scale == Matern().length_scale
    assert not hasattr(pipe["model"], "dual_coef_")


def test_search_over_precomputed_kernels(diabetes):
    X, y = diabetes
    X = StandardScaler().fit_transform(X)
    K = Gaussian(3.0)(X)
    grid = {"alpha": [0.1, 1.0, 10.0]}
    given = GridSearchCV(EigenProRegressor("precomputed"), grid, cv=3).fit(K, y)
    computed = GridSearchCV(EigenProRegressor(Gaussian(3.0)), grid, cv=3).fit(X, y)
    np.testing.assert_allclose(
        given.cv_results_["mean_test_score"],
        computed.cv_results_["mean_test_score"],
        atol=1e-6,
    )


@pytest.mark.parametrize("change", [{}, {"centers": 40}, {"early_stopping": True}])
def test_names_of_features(diabetes, change):
    X, y = diabetes
    model = EigenProRegressor(random_state=0, **change)
    pipe = make_pipeline(StandardScaler(), model).set_output(transform="pandas")
    pipe.fit(X, y)
    np.testing.assert_array_equal(pipe[-1].feature_names_in_, X.columns)
    frame = pipe[:-1].transform(X)
    assert isinstance(frame, pd.DataFrame)
    # What the transformers give back makes no difference to the fit.
    plain = clone(pipe).set_output(transform="default").fit(X, y)
    assert not hasattr(plain[-1], "feature_names_in_")
    np.testing.assert_array_equal(plain.predict(X), pipe.predict(X))
    assert type(pipe.predict(X)) is np.ndarray
    with pytest.raises(ValueError, match="feature names should match"):
        pipe[-1].predict(frame.iloc[:, ::-1])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        pipe[-1].predict(frame.to_numpy())


def test_global_output_of_transformers_is_irrelevant(diabetes):
    X, y = diabetes
    wanted = EigenProRegressor("gaussian", length_scale=50.0).fit(X, y).predict(X)
    with config_context(transform_output="pandas"):
        found = EigenProRegressor("gaussian", length_scale=50.0).fit(X, y).predict(X)
    np.testing.assert_array_equal(found, wanted)


def test_a_file_of_a_model(diabetes, digits, tmp_path):
    for model, (X, y), method in (
        (EigenProRegressor("gaussian", random_state=0), diabetes, "predict"),
        (EigenProRegressor(centers=40, random_state=0), diabetes, "predict"),
        (EigenProClassifier(random_state=0), digits, "predict_proba"),
    ):
        X = StandardScaler().fit_transform(X)
        model.fit(X, y)
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
        wanted = getattr(model, method)(X)
        np.testing.assert_array_equal(getattr(again, method)(X), wanted)
        assert str(again.certificate_) == str(model.certificate_)
        np.testing.assert_array_equal(getattr(again.fit(X, y), method)(X), wanted)
        fresh = clone(model)
        assert not hasattr(fresh, "dual_coef_")
        assert repr(fresh) == repr(model)


def test_weights_are_routed(diabetes):
    X, y = diabetes
    X = StandardScaler().fit_transform(X)
    weight = np.where(np.arange(len(y)) % 2 == 0, 1.0, 0.0)
    with config_context(enable_metadata_routing=True):
        model = EigenProRegressor(Gaussian(3.0)).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        result = cross_validate(
            model, X, y, cv=3, params={"sample_weight": weight}, return_estimator=True
        )
        assert [len(fit.centers_) for fit in result["estimator"]] == [66, 67, 67]
        assert np.isfinite(result["test_score"]).all()


def test_out_of_fold_probabilities(digits):
    X, y = digits
    model = EigenProClassifier(alpha=1e-2, centers=100, random_state=0)
    p = cross_val_predict(model, X, y, cv=3, method="predict_proba")
    assert p.shape == (300, 10)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert np.mean(p.argmax(axis=1) == y) > 0.9


def test_columns_of_targets_are_fits_of_their_own(diabetes):
    X, y = diabetes
    X = StandardScaler().fit_transform(X)
    Y = np.stack([y, X[:, 2]], axis=1)
    model = EigenProRegressor(Gaussian(3.0), alpha=0.5)
    each = MultiOutputRegressor(model).fit(X, Y)
    np.testing.assert_allclose(model.fit(X, Y).predict(X), each.predict(X), atol=1e-6)


def test_tags():
    assert EigenProRegressor().__sklearn_tags__().target_tags.multi_output
    assert EigenProRegressor("precomputed").__sklearn_tags__().input_tags.pairwise
    assert not EigenProClassifier().__sklearn_tags__().input_tags.pairwise
    for kind in (EigenProRegressor, EigenProClassifier):
        assert kind().__sklearn_tags__().array_api_support
        assert not kind().__sklearn_tags__().input_tags.sparse
