"""The estimators inside scikit-learn: pipelines, searches, metadata, callbacks."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skopt2.callbacks import EarlyStopping, TextLog
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.penalties import MCP, SCAD, ElasticNet


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True, as_frame=True)


def test_names_of_a_scaler_with_pandas_output(diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), SparseRegressor(penalty="mcp", alpha=2.0))
    pipe.set_output(transform="pandas").fit(X, y)
    model = pipe[-1]
    np.testing.assert_array_equal(model.feature_names_in_, X.columns)
    assert isinstance(pipe[:-1].transform(X), pd.DataFrame)
    assert 0 < np.count_nonzero(model.coef_) < 10
    assert pipe.score(X, y) > 0.45
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(pipe[:-1].transform(X).iloc[:, ::-1])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(pipe[:-1].transform(X).to_numpy())


def test_one_hot_columns_stay_sparse(rng):
    frame = pd.DataFrame(
        {
            "city": rng.choice(["a", "b", "c", "d"], 200),
            "size": rng.standard_normal(200),
        }
    )
    y = frame["size"] + 2.0 * (frame["city"] == "b") + 0.1 * rng.standard_normal(200)
    encode = make_column_transformer(
        (OneHotEncoder(), ["city"]), remainder="passthrough", sparse_threshold=1.0
    )
    pipe = make_pipeline(encode, SparseRegressor(alpha=0.01)).fit(frame, y)
    assert pipe.score(frame, y) > 0.95


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_search_over_penalty_gamma_and_alpha(diabetes, n_jobs):
    X, y = diabetes
    pipe = Pipeline(
        [("scale", StandardScaler()), ("model", SparseRegressor(penalty=MCP()))]
    )
    grid = [
        {"model__alpha": [1.0, 5.0], "model__penalty__gamma": [1.5, 3.0]},
        {"model__alpha": [1.0], "model__penalty": ["l1", SCAD(), ElasticNet(0.5)]},
    ]
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=n_jobs).fit(X, y)
    assert len(search.cv_results_["params"]) == 7
    assert search.best_score_ > 0.4
    assert search.best_estimator_["model"].converged_
    # The search has set copies: the objects of the user are as they were.
    assert pipe["model"].penalty.gamma == 3.0
    assert not hasattr(pipe["model"], "coef_")


def test_search_over_loss_parameters(diabetes):
    X, y = diabetes
    from skopt2.losses import Huber

    pipe = make_pipeline(StandardScaler(), SparseRegressor(Huber(), alpha=1.0))
    grid = {"sparseregressor__loss__delta": [10.0, 100.0]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["sparseregressor__loss__delta"] in (10.0, 100.0)


def test_selected_features_are_passed_on(diabetes):
    X, y = diabetes
    mcp = SparseRegressor(penalty="mcp", alpha=3.0)
    select = make_pipeline(StandardScaler(), SelectFromModel(mcp, threshold=1e-10))
    names = select.fit(X, y).get_feature_names_out()
    used = make_pipeline(StandardScaler(), mcp).fit(X, y)[-1].coef_ != 0
    np.testing.assert_array_equal(names, X.columns[used])


def test_classification_pipeline(cancer):
    X, y = cancer
    pipe = make_pipeline(StandardScaler(), SparseClassifier(penalty="mcp", alpha=0.03))
    p = cross_val_predict(pipe, X, y, cv=4, method="predict_proba")
    assert p.shape == (569, 2)
    assert np.mean(p.argmax(axis=1) == y) > 0.94
    scores = cross_val_score(pipe, X, y, cv=4, scoring="neg_log_loss")
    assert scores.mean() > -0.2
    assert np.count_nonzero(pipe.fit(X, y)[-1].coef_) < 12


def test_digits():
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), SparseClassifier(alpha=5e-3, tol=1e-4))
    pipe.fit(X[:600], y[:600])
    assert pipe[-1].coef_.shape == (10, 64)
    assert pipe[-1].converged_
    assert pipe.score(X[600:], y[600:]) > 0.88


def test_one_against_the_rest(rng):
    X = rng.standard_normal((90, 6))
    y = np.argmax(X[:, :3], axis=1)
    model = OneVsRestClassifier(SparseClassifier("huberized_hinge", alpha=0.01))
    assert model.fit(X, y).score(X, y) > 0.9


def test_metadata_routing_of_weights(diabetes):
    X, y = diabetes
    weight = np.where(np.arange(len(y)) % 2 == 0, 1.0, 0.0)
    with config_context(enable_metadata_routing=True):
        model = SparseRegressor(alpha=1.0).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipe = make_pipeline(scaler, model)
        pipe.fit(X, y, sample_weight=weight)
        plain = make_pipeline(StandardScaler(), SparseRegressor(alpha=1.0)).fit(X, y)
        assert not np.allclose(pipe[-1].coef_, plain[-1].coef_)
        result = cross_validate(
            pipe, X, y, cv=3, params={"sample_weight": weight}, return_estimator=True
        )
        assert len(result["estimator"]) == 3
        assert np.isfinite(result["test_score"]).all()
        search = GridSearchCV(pipe, {"sparseregressor__alpha": [0.1, 1.0]}, cv=3)
        search.fit(X, y, sample_weight=weight)
        assert np.isfinite(search.best_score_)
        kept = weight > 0
        scaled = search.best_estimator_[0].transform(X)[kept]
        alone = clone(search.best_estimator_[-1]).fit(scaled, y[kept])
        np.testing.assert_allclose(
            search.best_estimator_[-1].coef_, alone.coef_, atol=1e-3
        )


@pytest.mark.parametrize(
    "model",
    [
        SparseRegressor(penalty=MCP(2.0), alpha=2.0, warm_start=True),
        SparseClassifier(alpha=0.02),
    ],
)
def test_copies_and_files(diabetes, tmp_path, model):
    X, y = diabetes
    y = y if isinstance(model, SparseRegressor) else (y > 140).to_numpy()
    model = clone(model).fit(X, y)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib"),
    ):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        assert copy.certificate_ == model.certificate_
        assert str(copy.certificate_) == str(model.certificate_)
        copy.fit(X, y)
    fresh = clone(model)
    assert not hasattr(fresh, "coef_")
    assert repr(fresh) == repr(model)


def test_html(diabetes):
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), SparseRegressor(penalty=MCP(2.0)))
    assert "SparseRegressor" in pipe._repr_html_()
    assert "MCP" in pipe.fit(X, y)._repr_html_()
    assert "penalty=MCP(gamma=2.0)" in repr(pipe[-1])


def test_progress_and_scores_of_one_fit(cancer, capsys):
    pytest.importorskip("rich")
    X, y = cancer
    X = StandardScaler().fit_transform(np.hstack([X, X**2] * 5) + 0.0)
    scores, stream = ScoringMonitor(scoring="accuracy"), io.StringIO()
    model = SparseClassifier(alpha=0.005, tol=1e-8)
    model.set_callbacks(ProgressBar(), scores, TextLog(stream)).fit(X, y)
    assert len(scores.get_logs().data) == model.n_iter_ + 1
    assert len(stream.getvalue().splitlines()) == model.n_iter_ + 1
    assert "SparseClassifier" in capsys.readouterr().out
    plain = SparseClassifier(alpha=0.005, tol=1e-8).fit(X, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert model.n_iter_ == plain.n_iter_


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_callbacks_on_a_search(diabetes, n_jobs, capsys):
    pytest.importorskip("rich")
    X, y = diabetes
    pipe = make_pipeline(StandardScaler(), SparseRegressor())
    stopping = EarlyStopping("objective", patience=5)
    search = GridSearchCV(
        pipe, {"sparseregressor__alpha": [0.5, 2.0]}, cv=3, n_jobs=n_jobs
    )
    search.set_callbacks(ProgressBar(), stopping).fit(X, y)
    assert search.best_score_ > 0.4
    assert "GridSearchCV" in capsys.readouterr().out
    plain = GridSearchCV(pipe, {"sparseregressor__alpha": [0.5, 2.0]}, cv=3).fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
