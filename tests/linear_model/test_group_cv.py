"""Paths of group models: degrees of freedom, criteria, folds, searches."""

import math

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold

from skopt2.linear_model import (
    GroupClassifier,
    GroupClassifierCV,
    GroupRegressor,
    GroupRegressorCV,
    SparseClassifierCV,
    SparseRegressorCV,
    group_path,
)
from skopt2.linear_model.group_freedom import degrees_of_freedom
from skopt2.penalties import GroupMCP, SparseGroupLasso
from tests.linear_model.test_group_models import LABELS, make_data

QUICK = {"groups": LABELS, "alphas": 6, "eps": 0.05}


def freedom(model, X, y, s=None):
    """Return the degrees of freedom of a fit."""
    data = model._check_input(X, y, s)
    formulation = model._formulate(data)
    formulation.set_alpha(model.alpha)
    solver = formulation.solver()
    result, _ = formulation.minimise(solver, solver.init(None))
    assert result.certificate.holds
    return degrees_of_freedom(formulation.problem, result.solution)


def divergence(model, X, y, s=None, h=1e-4):
    """Return sum_i d yhat_i / d y_i by central differences."""
    total = 0.0
    for i in range(y.size):
        ends = []
        for step in (h, -h):
            moved = y.copy()
            moved[i] += step
            ends.append(model.fit(X, moved, s).predict(X[[i]])[0])
        total += (ends[0] - ends[1]) / (2 * h)
    return total


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({}, "dense"),
        ({"orthonormalize": True}, "dense"),
        ({"penalty": SparseGroupLasso(0.3)}, "dense"),
        ({"fit_intercept": False}, "sparse"),
        ({}, "weights"),
        ({"group_weights": [1, 0, 2, 1, 1, 3, np.inf, 2]}, "dense"),
        ({}, "repeated"),
        ({"orthonormalize": True}, "repeated"),
    ],
)
def test_degrees_of_freedom_are_the_divergence(params, kind):
    X, y, _ = make_data(20)
    s, labels = None, LABELS
    if kind == "sparse":
        X = sp.csr_array(np.where(np.abs(X) > 1.0, X, 0.0))
    if kind == "weights":
        s = np.random.default_rng(2).integers(0, 3, 20).astype(float)
    if kind == "repeated":
        X = np.column_stack([X, X[:, 3:5], np.ones(20)])
        labels = np.append(LABELS, [2, 4, 2])
    model = GroupRegressor(groups=labels, alpha=0.15, tol=1e-11, **params)
    df = freedom(model, X, y, s)
    count = np.count_nonzero(model.fit(X, y, s).coef_)
    assert 3 < df < count
    assert_allclose(df, divergence(model, X, y, s), rtol=2e-4)


def test_degrees_of_freedom_of_several_outputs():
    X, y, _ = make_data(10)
    Y = np.column_stack([y, X[:, 0] - 0.5 * y])
    for params in ({}, {"orthonormalize": True}, {"penalty": "sparse_group_lasso"}):
        model = GroupRegressor(groups=LABELS, alpha=0.5, tol=1e-10, **params)
        df, total, h = freedom(model, X, Y), 0.0, 1e-4
        for i, k in np.ndindex(Y.shape):
            moved = np.zeros(Y.shape)
            moved[i, k] = h
            ends = [model.fit(X, Y + s * moved).predict(X[[i]])[0, k] for s in (1, -1)]
            total += (ends[0] - ends[1]) / (2 * h)
        assert 3 < df < np.count_nonzero(model.coef_)
        assert_allclose(df, total, rtol=1e-4)


@pytest.mark.parametrize("loss", ["poisson", "logistic", "multinomial"])
def test_degrees_of_freedom_are_those_of_the_last_newton_step(loss):
    X, y, _ = make_data(50)
    X, labels = X[:, :6], LABELS[:6]
    if loss == "poisson":
        target, kind, outputs = np.round(np.exp(y / 6)), GroupRegressor, 1
    else:
        outputs = 3 if loss == "multinomial" else 1
        target = np.digitize(y, np.quantile(y, [0.3, 0.6] if outputs > 1 else [0.5]))
        kind = GroupClassifier
    alpha = 0.05 if loss == "poisson" else 0.03
    model = kind(loss, groups=labels, alpha=alpha, tol=1e-11).fit(X, target)
    coef = np.atleast_2d(model.coef_)
    used = np.flatnonzero(coef[0])
    w = coef[:, used].T
    z = np.append(w.ravel(), np.atleast_1d(model.intercept_))

    def objective(z, penalised):
        w, b = z[:w_size].reshape(-1, outputs), z[w_size:]
        eta = X[:, used] @ w + b
        if penalised:
            parts = [w[labels[used] == g] for g in np.unique(labels[used])]
            return sum(
                alpha * math.sqrt((g == labels).sum()) * np.linalg.norm(part)
                for g, part in zip(np.unique(labels[used]), parts, strict=True)
            )
        if loss == "poisson":
            return np.mean(np.exp(eta[:, 0]) - target * eta[:, 0])
        if outputs == 1:
            eta = np.column_stack([np.zeros(50), eta])
        top = np.log(np.exp(eta).sum(axis=1))
        return np.mean(top - eta[np.arange(50), target])

    w_size = w.size
    hessians = [numerical_hessian(lambda z, k=k: objective(z, k), z) for k in (0, 1)]
    inverse = np.linalg.pinv(sum(hessians), rcond=1e-5, hermitian=True)
    expected = np.trace(inverse @ hessians[0])
    # Differences across the kink of a norm would be none.
    assert model.group_norms_.max() > 0.1
    assert not ((model.group_norms_ > 0) & (model.group_norms_ < 0.03)).any()
    assert_allclose(freedom(model, X, target), expected, rtol=1e-4)


def numerical_hessian(f, z, h=1e-3):
    """Return second derivatives by differences of fourth order in h."""
    steps = np.eye(z.size) * h

    def second(i, j, t):
        ends = [
            a * b * f(z + t * (a * steps[i] + b * steps[j]))
            for a in (1, -1)
            for b in (1, -1)
        ]
        return sum(ends) / (4 * (t * h) ** 2)

    return np.array(
        [
            [(4 * second(i, j, 1.0) - second(i, j, 2.0)) / 3 for j in range(z.size)]
            for i in range(z.size)
        ]
    )


def test_criterion_of_several_outputs_and_its_first_one():
    X, y, _ = make_data()
    model = GroupRegressorCV(criterion="bic", **QUICK).fit(X, y)
    column = clone(model).fit(X, y[:, None])
    assert_allclose(column.criterion_path_, model.criterion_path_)
    assert column.coef_.shape == (1, 30)
    Y = np.column_stack([y, X[:, 3] + 0.1 * y])
    both = clone(model).fit(X, Y)
    rss = ((both.predict(X) - Y) ** 2).sum()
    one = GroupRegressor(groups=LABELS, alpha=both.alpha_)
    expected = 240 * math.log(rss / 120) + math.log(240) * freedom(one, X, Y)
    assert_allclose(both.criterion_path_.min(), expected, rtol=1e-5)
    assert both.coef_path_.shape == (6, 30, 2)
    chosen = np.flatnonzero(both.alphas_ == both.alpha_)[0]
    assert_allclose(both.intercept_path_[chosen], both.intercept_)
    scores = clone(both).set_params(criterion="cv", cv=3).fit(X, Y).scores_path_
    named = clone(both).set_params(criterion="cv", cv=3)
    named.set_params(scoring="neg_mean_squared_error").fit(X, Y)
    assert_allclose(scores, named.scores_path_)


def test_degrees_of_freedom_by_yuan_and_lin(rng):
    X = np.linalg.qr(rng.standard_normal((60, 12)))[0] * math.sqrt(60)
    y = X[:, :4] @ [2.0, 1.0, 0.5, 0.1] + rng.standard_normal(60)
    model = GroupRegressor(groups=4, alpha=0.1, fit_intercept=False, tol=1e-12)
    df = freedom(model, X, y)
    least = X.T @ y / 60
    norms = np.linalg.norm(model.fit(X, y).coef_.reshape(3, 4), axis=1)
    full = np.linalg.norm(least.reshape(3, 4), axis=1)
    assert_allclose(df, ((norms > 0) + 3 * norms / full).sum(), rtol=1e-8)


def test_degrees_of_freedom_of_flat_penalties_and_of_classes(rng):
    X, y, labels = make_data()
    model = GroupRegressor(penalty="group_mcp", groups=LABELS, alpha=0.2, tol=1e-10)
    coef = model.fit(X, y).coef_
    norms = np.sqrt(np.bincount(LABELS, coef**2))
    # Groups beyond gamma * lam are not shrunk, and count like those of one feature.
    large = (norms > 0) & (np.bincount(LABELS) > 1)
    assert large.sum() == 2
    assert (norms[large] > 3 * 0.2 * np.sqrt(np.bincount(LABELS)[large])).all()
    assert_allclose(freedom(model, X, y), 1 + np.count_nonzero(coef), rtol=1e-8)
    # The hat matrix of the last Newton step, by its definition.
    model = GroupClassifier(groups=LABELS, alpha=0.02, tol=1e-11).fit(X, labels)
    w, lam = model.coef_[0], 0.02 * np.sqrt(np.bincount(LABELS))
    p = model.predict_proba(X)[:, 1]
    used = np.append(np.flatnonzero(w), w.size)
    A = np.column_stack([X, np.ones(120)])[:, used]
    H = (A * (p * (1 - p) / 120)[:, None]).T @ A
    D = np.zeros((w.size + 1, w.size + 1))
    for g in np.unique(LABELS[w != 0]):
        ids = np.flatnonzero(g == LABELS)
        size = np.linalg.norm(w[ids])
        unit = w[ids] / size
        D[np.ix_(ids, ids)] = lam[g] / size * (np.eye(ids.size) - np.outer(unit, unit))
    expected = np.trace(np.linalg.solve(H + D[np.ix_(used, used)], H))
    assert_allclose(freedom(model, X, labels), expected, rtol=1e-6)


@pytest.mark.parametrize("penalty", ["group_lasso", "sparse_group_lasso"])
@pytest.mark.parametrize("name", ["aic", "bic", "ebic"])
def test_criteria_by_their_formulas(name, penalty):
    X, y, _ = make_data()
    model = GroupRegressorCV(penalty=penalty, criterion=name, **QUICK).fit(X, y)
    sizes = np.bincount(LABELS)
    for i, alpha in enumerate(model.alphas_):
        coef = model.coef_path_[i]
        rss = ((y - X @ coef - model.intercept_path_[i]) ** 2).sum()
        one = GroupRegressor(penalty=penalty, groups=LABELS, alpha=alpha)
        df = freedom(one, X, y)
        expected = 120 * math.log(rss / 120)
        expected += df * (2 if name == "aic" else math.log(120))
        if name == "ebic":
            used = np.bincount(LABELS, coef != 0) > 0
            ways = math.comb(8, used.sum())
            if penalty == "sparse_group_lasso":
                ways *= math.comb(sizes[used].sum(), np.count_nonzero(coef))
            expected += math.log(ways)
        assert model.criterion_path_[i] == pytest.approx(expected, rel=1e-5)
    assert model.alpha_ == model.alphas_[np.argmin(model.criterion_path_)]
    assert model.certificate_.holds
    assert model.scores_path_ is None


@pytest.mark.parametrize(
    ("group", "plain"), [("group_lasso", "l1"), ("group_mcp", "mcp")]
)
@pytest.mark.parametrize("criterion", ["cv", "bic", "ebic"])
def test_groups_of_one_choose_what_the_plain_model_chooses(group, plain, criterion):
    X, y, labels = make_data()
    options = {"alphas": 6, "eps": 0.1, "criterion": criterion, "cv": 3, "tol": 1e-10}
    ours = GroupRegressorCV(penalty=group, **options).fit(X, y)
    theirs = SparseRegressorCV(penalty=plain, **options).fit(X, y)
    assert_allclose(ours.coef_path_, theirs.coef_path_, atol=1e-6)
    values = "scores_path_" if criterion == "cv" else "criterion_path_"
    assert_allclose(getattr(ours, values), getattr(theirs, values), rtol=1e-5)
    assert ours.alpha_ == pytest.approx(theirs.alpha_)
    if group == "group_lasso":
        ours = GroupClassifierCV(**options).fit(X, labels)
        theirs = SparseClassifierCV(**options).fit(X, labels)
        assert_allclose(getattr(ours, values), getattr(theirs, values), rtol=1e-5)


def test_folds_by_an_explicit_loop():
    X, y, labels = make_data()
    model = GroupRegressorCV(cv=3, tol=1e-10, n_jobs=2, **QUICK)
    with joblib.parallel_config("threading"):
        model.fit(X, y)
    assert model.scores_path_.shape == (6, 3)
    for i in (1, 4):
        for fold, (train, test) in enumerate(KFold(3).split(X)):
            one = GroupRegressor(groups=LABELS, alpha=model.alphas_[i], tol=1e-10)
            error = one.fit(X[train], y[train]).predict(X[test]) - y[test]
            assert_allclose(-model.scores_path_[i, fold], np.mean(error**2), rtol=1e-5)
    one = GroupRegressor(groups=LABELS, alpha=model.alpha_, tol=1e-10).fit(X, y)
    assert_allclose(model.coef_, one.coef_, atol=1e-5)
    assert_allclose(model.objective_, one.objective_, rtol=1e-8)
    assert model.certificate_.holds
    sparse = clone(model).set_params(n_jobs=None).fit(sp.csr_array(X), y)
    assert_allclose(sparse.scores_path_, model.scores_path_, rtol=1e-6)
    largest = clone(model).set_params(selection="1se", n_jobs=None).fit(X, y)
    assert largest.alpha_ > model.alpha_
    model = GroupClassifierCV(cv=3, tol=1e-10, **QUICK).fit(X, labels)
    three = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    several = GroupClassifierCV(criterion="ebic", **QUICK).fit(X, three)
    assert several.coef_path_.shape == (6, 30, 3)
    assert_allclose(several.intercept_path_.sum(axis=1), 0, atol=1e-12)
    assert (several.coef_[0] != 0).tolist() == (several.coef_[2] != 0).tolist()
    train, test = next(StratifiedKFold(3).split(X, labels))
    one = GroupClassifier(groups=LABELS, alpha=model.alphas_[3], tol=1e-10)
    p = one.fit(X[train], labels[train]).predict_proba(X[test])
    assert_allclose(-model.scores_path_[3, 0], log_loss(labels[test], p), rtol=1e-5)


def test_groups_of_samples_and_groups_of_features():
    X, y, _ = make_data()
    people = np.arange(120) % 7
    model = GroupRegressorCV(cv=GroupKFold(3), **QUICK)
    with_groups = clone(model).fit(X, y, groups=people)
    splits = list(GroupKFold(3).split(X, y, people))
    expected = clone(model).set_params(cv=splits).fit(X, y)
    assert_allclose(with_groups.scores_path_, expected.scores_path_)
    assert with_groups.groups_.tolist() == LABELS.tolist()
    with config_context(enable_metadata_routing=True):
        routed = clone(model).fit(X, y, groups=people)
    assert_allclose(routed.scores_path_, expected.scores_path_)


def test_path():
    X, y, labels = make_data()
    for loss, target, kind in (
        ("squared", y, GroupRegressor),
        ("logistic", labels, GroupClassifier),
    ):
        path = group_path(X, target, loss=loss, groups=LABELS, alphas=5, eps=0.1)
        assert all(c.holds for c in path.certificates)
        assert path.degrees_of_freedom[0] == 0
        assert path.degrees_of_freedom[1] > 0
        for alpha, objective in zip(path.alphas, path.objectives, strict=True):
            one = kind(loss, groups=LABELS, alpha=alpha).fit(X, target)
            assert_allclose(objective, one.objective_, rtol=1e-5)
    # Nothing to explain: a path of null models, on any grid.
    flat = group_path(X, np.ones(120), groups=LABELS, alphas=3)
    assert not flat.coefs.any()


def test_a_search_tunes_level_and_shape():
    X, y, _ = make_data()
    search = GridSearchCV(
        GroupRegressor(penalty=GroupMCP(), groups=LABELS),
        {"alpha": [0.02, 0.2], "penalty__gamma": [1.5, 5.0]},
        cv=3,
        error_score="raise",
    ).fit(X, y)
    assert search.best_params_["alpha"] == 0.2
    assert search.best_estimator_.penalty.gamma in (1.5, 5.0)
    model = GroupRegressorCV(penalty=GroupMCP(), cv=3, **QUICK)
    search = GridSearchCV(model, {"penalty__gamma": [1.5, 5.0]}, cv=3).fit(X, y)
    assert search.best_estimator_.converged_


@pytest.mark.usefixtures("dispatch")
def test_arrays_of_a_device_and_single_precision(backend):
    X, y, _ = make_data()
    model = GroupRegressorCV(cv=3, **QUICK)
    expected = clone(model).fit(X, y)
    model.fit(backend.asarray(X), backend.asarray(y))
    for name in ("coef_path_", "scores_path_", "groups_"):
        values = backend.to_numpy(getattr(model, name))
        assert_allclose(values, getattr(expected, name), rtol=1e-10)
    single = clone(model).set_params(tol=1e-4).fit(X.astype(np.float32), y)
    assert single.coef_path_.dtype == np.float32
    assert_allclose(single.coef_path_, expected.coef_path_, atol=0.05)


def test_bad_choices_are_named():
    X, y, _ = make_data()
    for params, words in (
        ({"criterion": "loo"}, "criterion must be one of"),
        ({"selection": "cyclic"}, "selection must be one of"),
        ({"sweep": "greedy"}, "greedy"),
        ({"groups": [[0, 99]]}, "99"),
    ):
        with pytest.raises(ValueError, match=words):
            GroupRegressorCV(**params).fit(X, y)
