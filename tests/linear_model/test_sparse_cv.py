"""SparseRegressorCV and SparseClassifierCV: folds, choice, metadata, callbacks."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LassoCV
from sklearn.metrics import (
    get_scorer,
    log_loss,
    make_scorer,
    mean_poisson_deviance,
)
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skopt2
from skopt2.callbacks import EarlyStopping, TextLog
from skopt2.datasets import make_sparse_regression
from skopt2.inspection import PathDisplay
from skopt2.linear_model import (
    SparseClassifier,
    SparseClassifierCV,
    SparseRegressor,
    SparseRegressorCV,
)
from skopt2.linear_model.path_selection import choose_level
from skopt2.losses import Huber
from skopt2.penalties import MCP, ElasticNet

# Few levels, well above saturation.
QUICK = {"alphas": 8, "eps": 0.05, "cv": 3}


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_sparse_regression(
        120, 30, n_informative=5, rho=0.5, snr=5, random_state=0
    )
    return X, y


@pytest.fixture(scope="module")
def X(data):
    return data[0]


@pytest.fixture(scope="module")
def y(data):
    return data[1]


@pytest.fixture(scope="module")
def labels(y):
    return np.where(y > np.median(y), "yes", "no")


@pytest.fixture(scope="module")
def three(y):
    return np.array(["a", "b", "c"])[np.digitize(y, np.quantile(y, [0.3, 0.7]))]


@pytest.fixture
def weight(rng, y):
    return rng.integers(0, 4, y.shape[0]).astype(float)


def test_lasso(X, y):
    ours = SparseRegressorCV(tol=1e-10).fit(X, y)
    theirs = LassoCV(tol=1e-11, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.alphas_, theirs.alphas_)
    np.testing.assert_allclose(-ours.scores_path_, theirs.mse_path_, rtol=1e-6)
    assert ours.alpha_ == pytest.approx(theirs.alpha_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    assert ours.intercept_ == pytest.approx(theirs.intercept_, abs=1e-6)
    assert ours.converged_
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))


def test_elastic_net_with_weights_and_sparse_data(X, y, weight):
    kept = sp.csc_array(np.where(np.abs(X) > 0.8, X, 0))
    weight = weight + 1
    alphas = np.geomspace(1, 0.01, 12)
    penalty = ElasticNet(0.7)
    ours = SparseRegressorCV(penalty=penalty, alphas=alphas, cv=4, tol=1e-10)
    ours.fit(kept, y, sample_weight=weight)
    theirs = ElasticNetCV(
        l1_ratio=0.7, alphas=alphas, cv=4, tol=1e-11, max_iter=100_000
    ).fit(kept, y, sample_weight=weight)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(-ours.scores_path_, theirs.mse_path_, rtol=1e-6)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)


@pytest.mark.parametrize("target", ["labels", "three"])
def test_log_loss_by_an_explicit_loop(X, target, request):
    y = request.getfixturevalue(target)
    ours = SparseClassifierCV(tol=1e-10, **QUICK).fit(X, y)
    for i in (2, 5):
        for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
            model = SparseClassifier(alpha=ours.alphas_[i], tol=1e-10)
            p = model.fit(X[train], y[train]).predict_proba(X[test])
            assert ours.scores_path_[i, fold] == pytest.approx(
                -log_loss(y[test], p), rel=1e-4
            )
    best = np.argmax(ours.scores_path_.mean(axis=1))
    assert ours.alpha_ == ours.alphas_[best]
    refit = SparseClassifier(alpha=ours.alpha_, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(ours.coef_, refit.coef_, atol=1e-4)
    np.testing.assert_array_equal(ours.classes_, refit.classes_)
    assert ours.predict_proba(X).shape == (120, len(refit.classes_))


@pytest.mark.parametrize(
    ("estimator", "scoring"),
    [
        (SparseRegressorCV(**QUICK), "neg_mean_squared_error"),
        (SparseRegressorCV("poisson", **QUICK), "neg_mean_poisson_deviance"),
        (SparseRegressorCV("poisson", **QUICK), mean_poisson_deviance),
        (SparseClassifierCV(**QUICK), "neg_log_loss"),
        (SparseClassifierCV("squared_hinge", **QUICK), "accuracy"),
    ],
)
def test_default_score_is_the_scorer_of_its_name(estimator, scoring, X, y, weight):
    if isinstance(estimator, SparseClassifierCV):
        y = y > 0
    elif estimator.loss == "poisson":
        y = np.round(np.exp(y / y.std()))
    if callable(scoring):
        scoring = make_scorer(scoring, greater_is_better=False)
    named = clone(estimator).set_params(scoring=scoring)
    default = estimator.fit(X, y, sample_weight=weight)
    named.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(default.scores_path_, named.scores_path_, rtol=1e-6)
    assert default.alpha_ == named.alpha_


def test_other_mean_losses(X, y):
    model = SparseRegressorCV(Huber(0.7), **QUICK).fit(X, y)
    train, test = next(iter(KFold(3).split(X)))
    part = SparseRegressor(Huber(0.7), alpha=model.alphas_[4]).fit(X[train], y[train])
    error = np.abs(y[test] - part.predict(X[test]))
    loss = np.where(error <= 0.7, error**2 / 2, 0.7 * error - 0.7**2 / 2)
    assert model.scores_path_[4, 0] == pytest.approx(-loss.mean(), rel=1e-4)


@pytest.mark.parametrize("storage", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("kind", [SparseRegressorCV, SparseClassifierCV])
def test_weights_are_repetitions(kind, storage, X, y, three, weight):
    y = y if kind is SparseRegressorCV else three
    rows = np.repeat(np.arange(y.shape[0]), weight.astype(int))
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    repeated = [tuple(np.flatnonzero(np.isin(rows, p)) for p in f) for f in folds]
    one = kind(**QUICK | {"cv": folds, "tol": 1e-10})
    two = clone(one).set_params(cv=repeated)
    one.fit(storage(X), y, sample_weight=weight)
    two.fit(storage(X[rows]), y[rows])
    np.testing.assert_allclose(one.alphas_, two.alphas_)
    np.testing.assert_allclose(one.scores_path_, two.scores_path_, rtol=1e-5)
    assert one.alpha_ == pytest.approx(two.alpha_)
    np.testing.assert_allclose(one.coef_, two.coef_, atol=1e-5)


@pytest.mark.parametrize("backend_name", ["threading", "loky", "multiprocessing"])
def test_parallel_folds_are_the_same(backend_name, X, three):
    alone = SparseClassifierCV(**QUICK).fit(X, three)
    with joblib.parallel_config(backend_name, n_jobs=2):
        together = SparseClassifierCV(**QUICK).fit(X, three)
    np.testing.assert_array_equal(alone.scores_path_, together.scores_path_)
    np.testing.assert_array_equal(alone.coef_, together.coef_)
    explicit = SparseClassifierCV(n_jobs=2, **QUICK).fit(X, three)
    np.testing.assert_array_equal(alone.scores_path_, explicit.scores_path_)


def test_one_standard_error():
    scores = np.array([[-3.0, -3.0], [-1.5, -1.3], [-1.0, -1.4], [-1.1, -1.3]])
    # Best mean -1.2 first at level 2, with a standard error of 0.2.
    assert choose_level(scores, "min") == 2
    assert choose_level(scores, "1se") == 1
    assert choose_level(scores[:, :1], "1se") == 2
    assert choose_level(np.array([[np.nan], [np.inf], [-2.0], [-2.0]]), "min") == 2
    with pytest.raises(ValueError, match="not finite at any level"):
        choose_level(np.full((3, 2), np.nan), "min")


def test_one_standard_error_model_is_smaller(X, y):
    best = SparseRegressorCV(alphas=30).fit(X, y)
    small = SparseRegressorCV(alphas=30, selection="1se").fit(X, y)
    np.testing.assert_array_equal(best.scores_path_, small.scores_path_)
    mean = best.scores_path_.mean(axis=1)
    error = best.scores_path_[mean.argmax()].std(ddof=1) / np.sqrt(5)
    inside = best.alphas_[mean >= mean.max() - error]
    assert small.alpha_ == inside.max() > best.alpha_


def test_path_attributes(X, three):
    model = SparseClassifierCV(**QUICK).fit(X, three)
    chosen = np.flatnonzero(model.alphas_ == model.alpha_)[0]
    assert model.coef_path_.shape == (8, 30, 3)
    assert model.intercept_path_.shape == (8, 3)
    np.testing.assert_array_equal(model.coef_path_[chosen].T, model.coef_)
    np.testing.assert_allclose(model.intercept_path_[chosen], model.intercept_)
    assert not model.coef_path_[0].any()
    assert model.criterion_path_ is None
    assert model.certificate_.holds
    assert model.history_["iteration"][-1] == model.n_iter_


def test_nonconvex_refit_is_the_end_of_its_path(X, y):
    model = SparseRegressorCV(penalty=MCP(gamma=2.0), **QUICK).fit(X, y)
    for i in (4, 7):
        at = SparseRegressor(penalty=MCP(gamma=2.0), alpha=model.alphas_[i])
        cold = at.fit(X, y)
        w, level = model.coef_path_[i], np.full(30, model.alphas_[i])
        residual = y - X @ w - model.intercept_path_[i]
        warm = residual @ residual / 240 + MCP(gamma=2.0).value(w, level)
        assert warm <= cold.objective_ * (1 + 1e-5)


def test_grid_is_given(X, y):
    model = SparseRegressorCV(alphas=[0.1, 1.0, 0.3], cv=3).fit(X, y)
    np.testing.assert_array_equal(model.alphas_, [1.0, 0.3, 0.1])
    assert model.alpha_ in model.alphas_


def test_penalty_factor_and_positive(X, y):
    factor = np.ones(30)
    factor[0], factor[1] = 0.0, np.inf
    model = SparseRegressorCV(penalty_factor=factor, positive=True, **QUICK).fit(X, y)
    assert (model.coef_path_ >= 0).all()
    assert not model.coef_path_[:, 1].any()


def test_float32(X, y):
    model = SparseRegressorCV(tol=1e-4, **QUICK).fit(X.astype(np.float32), y)
    assert model.coef_.dtype == model.coef_path_.dtype == np.float32
    wide = SparseRegressorCV(**QUICK).fit(X, y)
    assert model.alpha_ == pytest.approx(wide.alpha_, rel=1e-5)


def test_column_order_and_format_do_not_matter(X, y):
    reference = SparseRegressorCV(**QUICK).fit(X, y)
    for other in (np.asfortranarray(X), sp.csr_matrix(X), sp.csc_array(X)):
        model = SparseRegressorCV(**QUICK).fit(other, y)
        np.testing.assert_allclose(model.scores_path_, reference.scores_path_)


def test_groups(X, y):
    groups = np.arange(120) % 4
    model = SparseRegressorCV(**QUICK | {"cv": GroupKFold(4)})
    model.fit(X, y, groups=groups)
    assert model.scores_path_.shape == (8, 4)
    folds = list(GroupKFold(4).split(X, y, groups))
    same = SparseRegressorCV(**QUICK | {"cv": folds}).fit(X, y)
    np.testing.assert_array_equal(model.scores_path_, same.scores_path_)
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        model.fit(X, y, colour=groups)


def test_metadata_routing(X, y, weight):
    groups = np.arange(120) % 4
    step = SparseRegressorCV(
        **QUICK | {"cv": GroupKFold(4)}, scoring="neg_mean_squared_error"
    )
    direct = clone(step).fit(X, y, weight, groups=groups)
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_mean_squared_error")
        scorer.set_score_request(sample_weight=True)
        step.set_params(scoring=scorer).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), step)
        pipeline[0].set_fit_request(sample_weight=False)
        pipeline.fit(X, y, sample_weight=weight, groups=groups)
        scorer.set_score_request(sample_weight=False)
        unweighted = clone(step).fit(X, y, sample_weight=weight, groups=groups)
    np.testing.assert_allclose(pipeline[-1].scores_path_, direct.scores_path_)
    assert np.abs(unweighted.scores_path_ - direct.scores_path_).max() > 1e-3


def test_scorer_without_weights(X, y, weight):
    model = SparseRegressorCV(scoring="neg_max_error", **QUICK)
    model.fit(X, y, sample_weight=weight + 1)
    assert (model.scores_path_ < 0).all()
    silent = SparseRegressorCV(scoring=lambda *args: {"r2": 1.0}, **QUICK)
    with pytest.raises(ValueError, match="scoring must return a number"):
        silent.fit(X, y)


def test_search_and_pickle(X, y):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), SparseRegressorCV(penalty=MCP(), **QUICK)),
        {"sparseregressorcv__penalty__gamma": [2.0, 4.0]},
        cv=2,
    ).fit(X, y)
    inner = search.best_estimator_[-1]
    again = pickle.loads(pickle.dumps(inner))
    np.testing.assert_array_equal(again.coef_path_, inner.coef_path_)
    assert skopt2.to_device(inner, "cpu").alpha_ == inner.alpha_


def test_pandas_names_and_display(X, labels):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    frame = pandas.DataFrame(X, columns=[f"gene{j}" for j in range(30)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = SparseClassifierCV(scoring="accuracy", **QUICK)
        model.fit(frame, pandas.Series(labels))
    assert model.feature_names_in_[3] == "gene3"
    display = PathDisplay.from_estimator(model)
    assert set(display.lines_) <= set(frame.columns)
    assert display.score_ax_.get_ylabel() == "accuracy"
    plt.close(display.figure_)
    criterion = SparseClassifierCV(criterion="bic", **QUICK).fit(frame, labels)
    display = PathDisplay.from_estimator(criterion)
    assert display.score_ax_ is None
    plt.close(display.figure_)


class Recorder:
    """Remember the tasks, and stop the path of one fold after some levels."""

    max_propagation_depth = None

    def __init__(self, stop=None):
        self.stop = stop
        self.begun, self.ended, self.models = [], [], []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.begun.append((context.task_name, X.shape[0], metadata))

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        place = (context.parent and context.parent.task_name, context.task_name)
        self.ended.append(place)
        if context.task_name == "alpha":
            self.models.append(fitted_estimator)
        where = context.parent and (context.parent.task_name, context.parent.task_id)
        return self.stop == (*where, context.task_id) if where else False

    def teardown(self, estimator, context):
        pass


def test_every_level_of_every_fold_is_a_task(X, three, weight):
    recorder = Recorder()
    model = SparseClassifierCV(**QUICK).set_callbacks(recorder)
    model.fit(X, three, sample_weight=weight)
    assert recorder.ended.count(("fold", "alpha")) == 24
    assert recorder.ended.count(("path", "alpha")) == 8
    assert recorder.ended.count(("cross-validation", "fold")) == 3
    assert recorder.ended[-1] == (None, "fit")
    assert len(recorder.begun) == len(recorder.ended) == 24 + 8 + 3 + 3
    name, n_rows, metadata = recorder.begun[2]
    assert name == "fold"
    assert n_rows == metadata["sample_weight"].shape[0] < 120
    # A model in the middle of the path predicts.
    middle = recorder.models[-3]
    assert middle.alpha_ == model.alphas_[-3]
    np.testing.assert_array_equal(middle.coef_, model.coef_path_[-3].T)
    assert middle.predict(X).shape == (120,)


@pytest.mark.parametrize("where", ["fold", "path"])
def test_stopping_a_path_drops_its_levels(X, y, where):
    full = SparseRegressorCV(**QUICK).fit(X, y)
    stop = (where, 1, 4)
    model = SparseRegressorCV(**QUICK).set_callbacks(Recorder(stop)).fit(X, y)
    assert model.scores_path_.shape == (5, 3)
    np.testing.assert_array_equal(model.alphas_, full.alphas_[:5])
    np.testing.assert_array_equal(model.coef_path_, full.coef_path_[:5])
    np.testing.assert_array_equal(model.scores_path_, full.scores_path_[:5])
    assert model.alpha_ in model.alphas_


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_the_callbacks_of_users(X, y, n_jobs, capsys):
    pytest.importorskip("rich")
    stream = io.StringIO()
    scores = ScoringMonitor(scoring="r2")
    stopping = EarlyStopping(
        "score", X_val=X[:40], y_val=y[:40], patience=3, min_delta=0.01
    )
    model = SparseRegressorCV(n_jobs=n_jobs, cv=3, alphas=30)
    model.set_callbacks(ProgressBar(), TextLog(stream), scores, stopping)
    model.fit(X[40:], y[40:])
    assert model.alphas_.shape[0] < 30
    if n_jobs is None:
        # Three folds and the path on all the data.
        assert [run.path for run in stopping.runs_] == [(0, 0), (0, 1), (0, 2), (1,)]
        assert any(run.stopped for run in stopping.runs_)
    lines = stream.getvalue().splitlines()
    assert lines[-1].startswith("SparseRegressorCV")
    assert "converged after" in lines[-1]
    assert len(scores.get_logs().data) > 4 * model.alphas_.shape[0]
    out = capsys.readouterr().out
    assert "cross-validation" in out
    assert "path" in out


def test_a_failure_leaves_the_fitted_model(X, y):
    model = SparseRegressorCV(**QUICK).fit(X, y)
    before = dict(vars(model))

    def broken(estimator, X, y):
        raise RuntimeError("no score today")

    model.set_params(scoring=broken)
    with pytest.raises(RuntimeError, match="no score today"):
        model.fit(X[:90], y[:90])
    model.set_params(scoring=None)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is before[name] for name in before)


def test_one_warning_for_all_the_paths(X, labels):
    model = SparseClassifierCV(max_iter=1, tol=1e-12, **QUICK)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, labels)
    texts = [str(item.message) for item in caught]
    assert sum("fits on the paths of SparseClassifierCV" in t for t in texts) == 1
    assert len(texts) <= 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"criterion": "cp"}, "criterion must be one of"),
        ({"selection": "2se"}, "selection must be one of"),
        ({"criterion": "bic", "selection": "1se"}, 'needs the folds of criterion="cv"'),
        ({"ebic_gamma": -1.0}, "ebic_gamma must be a nonnegative number"),
        ({"cv": [([0, 1], [])]}, "test part of fold 0 has no sample"),
        ({"cv": []}, "makes no folds"),
        ({"alphas": []}, "a nonempty list"),
        ({"eps": 2.0}, r"eps must be a number in \(0, 1\)"),
        ({"scoring": "lightness"}, "scoring"),
    ],
)
def test_bad_parameters(parameters, message, X, y):
    with pytest.raises(ValueError, match=message):
        SparseRegressorCV(**parameters).fit(X, y)


def test_bad_folds(X, y, labels, weight):
    folds = [(np.flatnonzero(labels == "no"), np.flatnonzero(labels == "yes"))]
    with pytest.raises(ValueError, match=r"fold 0 has no sample of class 'yes'"):
        SparseClassifierCV(cv=folds).fit(X, labels)
    nothing = np.flatnonzero(weight == 0)
    folds = [(nothing, np.flatnonzero(weight > 0))]
    with pytest.raises(ValueError, match="training part of fold 0"):
        SparseRegressorCV(cv=folds).fit(X, y, sample_weight=weight)
    masks = [(np.arange(120) < 80, np.arange(120) >= 80)]
    assert SparseRegressorCV(**QUICK | {"cv": masks}).fit(X, y).scores_path_.shape[1]


@pytest.mark.usefixtures("cuda_stand_in")
@pytest.mark.parametrize("kind", [SparseRegressorCV, SparseClassifierCV])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_on_a_device(kind, n_jobs, X, y, three, weight):
    y = y if kind is SparseRegressorCV else three
    host = kind(**QUICK, scoring=None).fit(X, y, sample_weight=weight)
    device = kind(**QUICK, device="cuda", n_jobs=n_jobs)
    device.fit(X, y, sample_weight=weight)
    assert device.device_ == "cuda:0"
    assert isinstance(device.coef_path_, np.ndarray)
    np.testing.assert_allclose(device.scores_path_, host.scores_path_, rtol=1e-4)
    assert device.alpha_ == pytest.approx(host.alpha_)


def test_arrays_in_and_out(device_backend, X, labels):
    y = (labels == "yes").astype(np.int64)
    with config_context(array_api_dispatch=True):
        model = SparseClassifierCV(scoring="roc_auc", **QUICK)
        model.fit(device_backend.asarray(X), device_backend.asarray(y))
    assert type(model.coef_path_) is type(device_backend.asarray(X))
    host = SparseClassifierCV(scoring="roc_auc", **QUICK).fit(X, y)
    np.testing.assert_allclose(
        device_backend.to_numpy(model.scores_path_), host.scores_path_, atol=1e-3
    )
