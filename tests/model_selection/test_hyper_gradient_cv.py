"""HyperGradientCV as its users meet it."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.linear_model import (
    CVaRRegressor,
    SparseClassifier,
    SparsemaxClassifier,
    SparseRegressor,
    SparseRegressorCV,
    sparse_path,
)
from skopt2.linear_model.cross_validation import Fold
from skopt2.losses import Huber, get_loss
from skopt2.model_selection import HyperGradientCV
from skopt2.model_selection.hyper_gradient_shrinkage import blocks_of
from skopt2.penalties import ElasticNet
from tests.stand_in import DEVICES, download

RIDGE = ElasticNet(0.0)


def regression(n=80, p=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    w = np.zeros(p)
    w[:3] = 2.0, -1.5, 1.0
    return X, X @ w + rng.normal(size=n) + 3.0


def test_leave_one_out_is_that_of_ridge_cv():
    X, y = regression(25, 6)
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE), cv=LeaveOneOut(), tol=1e-6
    ).fit(X, y)
    assert search.converged_
    # A fold has n - 1 samples, and scikit-learn's alpha is of a sum.
    alphas = np.exp(np.linspace(-3.0, 3.0, 601))
    curve = RidgeCV(alphas, store_cv_results=True).fit(X, y).cv_results_.mean(axis=0)
    best = alphas[np.argmin(curve)] / (len(y) - 1)
    assert search.levels_[0] == pytest.approx(best, rel=0.02)
    assert -search.best_score_ <= 0.5 * curve.min() * (1 + 1e-9)
    assert -search.best_score_ == pytest.approx(0.5 * curve.min(), rel=1e-5)


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_one_level_is_no_worse_than_a_fine_grid(penalty):
    X, y = regression()
    cv = KFold(4)
    grid = SparseRegressorCV(penalty=penalty, alphas=100, eps=1e-3, cv=cv).fit(X, y)
    best = -grid.scores_path_.mean(axis=1).max()
    inner = SparseRegressor(penalty=penalty)
    search = HyperGradientCV(inner, cv=cv, tol=1e-5).fit(X, y)
    assert search.converged_
    # SparseRegressorCV scores by the squared error, without the half.
    assert -2.0 * search.best_score_ <= best * (1 + 1e-4)
    assert search.history_["fits"][-1] < 100


@pytest.mark.parametrize(
    "inner",
    [
        SparseRegressor("huber", RIDGE),
        SparseRegressor(Huber(0.5), "l1"),
        SparseRegressor("poisson", "elasticnet"),
    ],
)
def test_score_is_that_of_the_splits(inner):
    X, y = regression(60)
    y = np.round(np.abs(y)) if inner.loss == "poisson" else y
    weight = np.random.default_rng(0).integers(1, 4, y.size).astype(float)
    search = HyperGradientCV(inner, cv=KFold(3), penalties="single").fit(
        X, y, sample_weight=weight
    )
    values = []
    for train, test in KFold(3).split(X):
        model = clone(inner).set_params(**search.best_params_, tol=1e-12)
        model.fit(X[train], y[train], sample_weight=weight[train])
        eta = X[test] @ model.coef_ + model.intercept_
        v = weight[test] / weight[test].sum()
        values.append(get_loss(inner.loss).value(y[test], eta, v))
    assert -search.best_score_ == pytest.approx(np.mean(values), rel=1e-6)


def test_features_with_levels_of_their_own_predict_better():
    X, y = regression(80, 20)
    new_X, new_y = regression(1000, 20, seed=1)
    inner = SparseRegressor(penalty=RIDGE)
    single = HyperGradientCV(inner).fit(X, y)
    own = HyperGradientCV(inner, penalties="feature").fit(X, y)
    assert own.converged_
    assert own.levels_.shape == (20,)
    factor = own.best_params_["penalty_factor"]
    assert factor[:3].max() < np.median(factor[3:])
    assert own.score(new_X, new_y) > single.score(new_X, new_y) + 0.01
    # The single level is where many levels start.
    assert own.best_score_ > single.best_score_


def test_groups_share_a_level():
    X, y = regression()
    labels = np.repeat(["a", "b", "c"], 4)
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE), penalties="group", groups=labels, shrinkage=0.1
    ).fit(X, y)
    factor = search.best_params_["penalty_factor"]
    assert list(search.group_labels_) == ["a", "b", "c"]
    assert search.levels_.shape == (3,)
    assert len(set(factor)) == 3
    np.testing.assert_allclose(
        search.best_params_["alpha"] * factor, np.repeat(search.levels_, 4)
    )
    assert search.levels_.argmin() == 0


def test_terms_of_the_elastic_net():
    X, y = regression()
    inner = SparseRegressor(penalty="elasticnet")
    one = HyperGradientCV(inner).fit(X, y)
    two = HyperGradientCV(inner, penalties="terms", max_iter=100).fit(X, y)
    assert two.best_score_ >= one.best_score_ - 1e-3
    alpha, penalty = two.best_params_["alpha"], two.best_params_["penalty"]
    np.testing.assert_allclose(
        [alpha * penalty.l1_ratio, alpha * (1 - penalty.l1_ratio)], two.levels_
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier(n_classes):
    X, eta = regression(90)
    y = np.array(["no", "yes", "maybe"])[np.digitize(eta, [3.0, 5.0][: n_classes - 1])]
    search = HyperGradientCV(
        SparseClassifier(penalty=RIDGE), penalties="feature", cv=3, shrinkage=0.1
    ).fit(X, y)
    assert search.converged_
    np.testing.assert_array_equal(search.classes_, np.unique(y))
    proba = search.predict_proba(X)
    assert proba.shape == (90, n_classes)
    np.testing.assert_allclose(np.exp(search.predict_log_proba(X)), proba)
    assert search.decision_function(X).shape == ((90,) if n_classes == 2 else (90, 3))
    assert search.score(X, y) == np.mean(search.predict(X) == y) > 0.75
    assert not hasattr(HyperGradientCV(SparseRegressor()), "predict_proba")


def test_more_features_than_samples_dense_and_sparse():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 260)) * (rng.random((40, 260)) < 0.4)
    y = X[:, :3] @ [2.0, -2.0, 1.0] + 0.1 * rng.normal(size=40)
    for penalty in ("l1", RIDGE):
        search = HyperGradientCV(SparseRegressor(penalty=penalty), cv=3)
        dense = clone(search).fit(X, y)
        thin = clone(search).fit(sp.csc_array(X), y)
        np.testing.assert_allclose(thin.levels_, dense.levels_, rtol=1e-5)
        np.testing.assert_allclose(thin.predict(X), dense.predict(X), atol=1e-4)
    assert np.isfinite(dense.certificate_.value)


def test_user_factors_start_and_bounds():
    X, y = regression()
    factor = np.ones(12)
    factor[5], factor[6] = np.inf, 3.0
    inner = SparseRegressor(penalty="l1", penalty_factor=factor)
    search = HyperGradientCV(inner, penalties="feature", shrinkage=1.0).fit(X, y)
    assert search.best_estimator_.coef_[5] == 0.0
    assert np.isinf(search.best_params_["penalty_factor"][5])
    near = HyperGradientCV(SparseRegressor(), init=0.1, bounds=(0.09, 0.11)).fit(X, y)
    assert 0.09 * (1 - 1e-12) <= near.levels_[0] <= 0.11
    assert near.converged_
    # Ridge may leave features unpenalised; their level is of no account.
    free = SparseRegressor(penalty=RIDGE, penalty_factor=(np.arange(12) > 2) * 1.0)
    assert HyperGradientCV(free).fit(X, y).converged_


def test_the_pull_is_chosen_on_samples_set_aside():
    # Levels of features that matter differently are worth having ...
    X, y = regression(60, 12)
    inner = SparseRegressor(penalty=RIDGE)
    search = HyperGradientCV(inner, penalties="feature").fit(X, y)
    assert 0.0 < search.shrinkage_ < np.inf
    losses = search.nested_losses_
    assert search.shrinkage_ == min(losses, key=losses.get)
    assert losses[search.shrinkage_] < 0.95 * losses[np.inf]
    # ... and those of features that all matter alike are not.
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 12))
    y = X.sum(axis=1) + 3.0 * rng.normal(size=60)
    equal = HyperGradientCV(inner, penalties="feature").fit(X, y)
    assert equal.shrinkage_ >= 1.0
    free = HyperGradientCV(inner, penalties="feature", shrinkage=0.01).fit(X, y)
    new_X = rng.normal(size=(2000, 12))
    assert equal.score(new_X, new_X.sum(axis=1)) > free.score(new_X, new_X.sum(axis=1))
    # A single split has nothing to set aside.
    alone = HyperGradientCV(
        inner, penalties="feature", cv=[(np.arange(40), np.arange(40, 60))]
    ).fit(X, y)
    assert alone.nested_losses_ == {}
    assert alone.shrinkage_ == 1.0


def test_one_level_for_all_is_among_the_choices():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(40, 15))
    y = rng.normal(size=40)
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE), penalties="feature", cv=4
    ).fit(X, y)
    assert search.shrinkage_ == np.inf
    assert search.levels_.shape == (15,)
    np.testing.assert_array_equal(search.best_params_["penalty_factor"], 1.0)
    given = clone(search).set_params(init=np.full(15, 1.0)).fit(X, y)
    assert given.shrinkage_ == np.inf
    assert given.best_score_ == pytest.approx(search.best_score_, rel=1e-3)


def test_blocks_set_aside_what_their_folds_have_not_seen():
    folds = [
        Fold(k, np.flatnonzero(np.arange(50) % 5 != k), np.arange(k, 50, 5))
        for k in range(5)
    ]
    blocks = blocks_of(folds)
    assert [len(inner) for inner, _ in blocks] == [3, 3, 4]
    seen = np.concatenate([outer.test for _, outer in blocks])
    np.testing.assert_array_equal(np.sort(seen), np.arange(50))
    for inner, outer in blocks:
        for fold in (*inner, outer):
            assert np.intersect1d(fold.train, outer.test).size == 0
            assert np.intersect1d(fold.train, fold.test).size == 0
        for fold in inner:
            assert np.intersect1d(fold.test, outer.test).size == 0
    # Classes that a training part would lack, and single splits, leave no blocks.
    assert blocks_of(folds[:1]) == []
    rare = np.zeros(50)
    rare[0] = 1
    assert all(0 not in outer.test for _, outer in blocks_of(folds, rare))


def test_many_levels_fit_the_folds_less_with_shrinkage():
    X, y = regression(40, 20)
    inner = SparseRegressor(penalty=RIDGE)
    spreads, losses = [], []
    for shrinkage in (0.01, 0.1, 10.0):
        search = HyperGradientCV(
            inner, penalties="feature", shrinkage=shrinkage, max_iter=200
        ).fit(X, y)
        spreads.append(np.log(search.levels_).std())
        losses.append(-search.best_score_)
    assert (np.diff(spreads) < 0).all()
    assert (np.diff(losses) > 0).all()
    assert spreads[-1] < 0.05


def test_float32_and_weights():
    X, y = regression()
    search = HyperGradientCV(SparseRegressor(penalty=RIDGE), cv=KFold(3))
    low = clone(search).fit(X.astype(np.float32), y.astype(np.float32))
    full = clone(search).fit(X, y)
    assert low.best_estimator_.coef_.dtype == np.float32
    np.testing.assert_allclose(low.levels_, full.levels_, rtol=1e-3)
    # Weight 2 is the sample twice, weight 0 the sample left out.
    weight = np.tile([1.0, 2.0, 0.0, 1.0], 20)
    rows = np.repeat(np.arange(80), weight.astype(int))
    fold = np.arange(80) % 3
    cv = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    again = [
        (np.flatnonzero(fold[rows] != k), np.flatnonzero(fold[rows] == k))
        for k in range(3)
    ]
    one = clone(search).set_params(cv=cv).fit(X, y, sample_weight=weight)
    two = clone(search).set_params(cv=again).fit(X[rows], y[rows])
    np.testing.assert_allclose(one.levels_, two.levels_, rtol=1e-6)
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-6)


def test_validation_loss_pairs_threads_and_groups_of_samples():
    X, y = regression(60)
    inner = SparseRegressor("huber", RIDGE)
    samples = np.arange(60) // 6
    search = HyperGradientCV(inner, validation_loss="squared", cv=GroupKFold(3))
    one = clone(search).fit(X, y, groups=samples)
    two = clone(search).set_params(n_jobs=2).fit(X, y, groups=samples)
    np.testing.assert_array_equal(one.levels_, two.levels_)
    assert one.n_splits_ == 3
    pair = HyperGradientCV(inner, cv=[(np.arange(40), np.arange(40, 60))]).fit(X, y)
    assert pair.n_splits_ == 1


def test_in_a_pipeline_under_cross_validation_and_nested_parameters():
    X, y = regression()
    search = HyperGradientCV(SparseRegressor(penalty=ElasticNet(0.5)), cv=3)
    search.set_params(estimator__penalty__l1_ratio=0.2)
    assert search.estimator.penalty.l1_ratio == 0.2
    scores = cross_val_score(make_pipeline(StandardScaler(), search), X, y, cv=3)
    assert scores.min() > 0.6


def test_callbacks_watch_the_search():
    X, y = regression()
    new_X, new_y = regression(200, seed=1)
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE), penalties="feature", tol=1e-9, shrinkage=0.0
    )
    # Samples beside the folds judge every step: the guard against too many levels.
    stopping = EarlyStopping(X_val=new_X, y_val=new_y, patience=3, keep_best=True)
    search.set_callbacks(stopping).fit(X, y)
    assert search.stop_reason_ == "callback"
    assert search.n_iter_ < 100
    assert search.history_["levels"].shape[1] == 12
    free = HyperGradientCV(
        **{**search.get_params(deep=False), "max_iter": search.n_iter_}
    )
    with pytest.warns(ConvergenceWarning):
        free.fit(X, y)
    assert search.score(new_X, new_y) >= free.score(new_X, new_y)


def test_a_checkpoint_goes_on_where_it_was(tmp_path):
    X, y = regression()
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE), penalties="feature", shrinkage=0.1, tol=1e-6
    )
    whole = clone(search).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        clone(search).set_params(max_iter=3).set_callbacks(
            Checkpoint(tmp_path / "search")
        ).fit(X, y)
    again = clone(search).set_callbacks(Checkpoint(tmp_path / "search")).fit(X, y)
    assert again.n_iter_ == whole.n_iter_ > 3
    np.testing.assert_allclose(again.levels_, whole.levels_, rtol=1e-10)
    assert again.history_["levels"].shape == (whole.n_iter_, 12)


def test_arrays_of_another_namespace():
    xp = pytest.importorskip("array_api_strict")
    X, y = regression(50, 6)
    search = HyperGradientCV(SparseRegressor(penalty=RIDGE), cv=3)
    host = clone(search).fit(X, y)
    with config_context(array_api_dispatch=True):
        other = clone(search).fit(xp.asarray(X), xp.asarray(y))
        predicted = other.predict(xp.asarray(X))
        assert isinstance(predicted, type(xp.asarray(X)))
    np.testing.assert_allclose(np.asarray(predicted), host.predict(X), rtol=1e-9)
    assert other.best_score_ == host.best_score_


def test_the_estimator_has_a_device_of_its_own(cuda_stand_in):
    X, y = regression(50, 6)
    host = HyperGradientCV(SparseRegressor(penalty=RIDGE), cv=3).fit(X, y)
    inner = SparseRegressor(penalty=RIDGE, device="cuda")
    there = HyperGradientCV(inner, cv=3).fit(X, y)
    assert there.best_estimator_.device_ == "cuda:0"
    assert there.device_ == "cpu"
    np.testing.assert_allclose(there.predict(X), host.predict(X), rtol=1e-9)
    # Arrays of a device come to the host for the search; the model stays there.
    xp = pytest.importorskip("array_api_strict")
    moved = xp.asarray(X, device=DEVICES[0])
    model = HyperGradientCV(SparseRegressor(penalty=RIDGE), cv=3)
    model.fit(moved, xp.asarray(y, device=DEVICES[0]))
    predicted = model.predict(moved)
    assert predicted.device == DEVICES[0]
    np.testing.assert_allclose(download(predicted), host.predict(X), rtol=1e-9)


def test_units_of_the_target_do_not_matter(rng):
    X = rng.standard_normal((30, 4))
    y = X[:, 0] + 0.1 * rng.standard_normal(30)
    plain = HyperGradientCV(SparseRegressor(), cv=3).fit(X, y)
    for unit in (1e-50, 1e100):
        fit = HyperGradientCV(SparseRegressor(), cv=3).fit(X, unit * y)
        np.testing.assert_allclose(fit.predict(X) / unit, plain.predict(X), rtol=1e-3)
        assert fit.converged_


def test_too_few_steps_are_warned_of_and_refit_is_optional():
    X, y = regression()
    search = HyperGradientCV(
        SparseRegressor(penalty=RIDGE),
        penalties="feature",
        max_iter=1,
        tol=1e-9,
        shrinkage=0.1,
        refit=False,
    )
    with pytest.raises(NotFittedError):
        search.predict(X)
    with pytest.warns(ConvergenceWarning, match="projected hypergradient"):
        search.fit(X, y)
    assert search.stop_reason_ == "max_iter"
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(AttributeError, match="refit=True"):
        search.predict(X)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"penalties": "each"}, "penalties must be one of"),
        ({"penalties": "terms"}, "needs penalty='elasticnet'"),
        ({"penalties": "group"}, "groups goes with"),
        ({"groups": 2}, "groups goes with"),
        ({"penalties": "group", "groups": [[0, 1], [1, 2]]}, "belongs|share|in two"),
        ({"init": -1.0}, "finite positive levels"),
        ({"init": [1.0, 2.0]}, "expected a number or"),
        ({"bounds": (2.0, 1.0)}, "0 < low < high"),
        ({"shrinkage": -1.0}, "shrinkage must be a nonnegative number"),
        ({"tol": 0.0}, "tol must be a positive number"),
        ({"accuracy": 0.0}, "accuracy must be a positive number"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"validation_loss": "poisson"}, "cannot judge"),
        ({"validation_loss": "x"}, "validation_loss='x': .* must be one of"),
        ({"estimator": SparseRegressor(penalty="mcp")}, "convex penalty"),
        ({"estimator": SparseRegressor("quantile")}, "second derivative"),
        ({"estimator": SparseRegressor(positive=True)}, "positive=True"),
        ({"estimator": SparseRegressor(penalty_factor=np.zeros(12))}, "of 0 under"),
    ],
)
def test_what_cannot_be_searched_is_said(params, match):
    X, y = regression(30)
    search = HyperGradientCV(SparseRegressor()).set_params(**params)
    with pytest.raises(ValueError, match=match):
        search.fit(X, y)


def test_other_estimators_are_refused():
    X, y = regression(30)
    others = RidgeCV(), SparseRegressorCV(), CVaRRegressor(), SparsemaxClassifier()
    for other in others:
        with pytest.raises(TypeError, match="must be a SparseRegressor"):
            HyperGradientCV(other).fit(X, y)
    with pytest.raises(TypeError, match="bounds must be None or two numbers"):
        HyperGradientCV(SparseRegressor(), bounds=3).fit(X, y)
    with pytest.raises(ValueError, match="takes metadata only"):
        HyperGradientCV(SparseRegressor()).fit(X, y, colour=1)


def test_nothing_to_explain():
    X, _ = regression(30)
    for penalty in ("l1", RIDGE):
        search = HyperGradientCV(SparseRegressor(penalty=penalty), cv=3)
        search.fit(X, np.full(30, 2.0))
        np.testing.assert_allclose(search.predict(X), 2.0)


def test_path_of_levels_agrees_with_the_estimator():
    X, y = regression()
    search = HyperGradientCV(SparseRegressor()).fit(X, y)
    path = sparse_path(X, y, alphas=[search.best_params_["alpha"]])
    np.testing.assert_allclose(path.coefs[0], search.best_estimator_.coef_, atol=1e-4)
