"""Group models: independent solvers, the plain model, weights, sparse X, bad input."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from skopt2.linear_model import (
    GroupClassifier,
    GroupRegressor,
    SparseClassifier,
    SparseRegressor,
)
from skopt2.linear_model.grouping import check_groups
from skopt2.penalties import (
    MCP,
    SCAD,
    GroupLasso,
    GroupMCP,
    GroupSCAD,
    SparseGroupLasso,
)

SCALAR = {
    "group_lasso": "l1",
    "group_mcp": "mcp",
    "group_scad": "scad",
    "sparse_group_lasso": "l1",
}
CONVEX = ["group_lasso", "sparse_group_lasso"]
# Logistic curvature is below 1/4: with the usual gamma the coordinates have several
# minima, of which two methods need not find the same.
MILD = {
    "group_lasso": ("group_lasso", "l1"),
    "group_mcp": (GroupMCP(12.0), MCP(12.0)),
    "group_scad": (GroupSCAD(12.0), SCAD(12.0)),
    "sparse_group_lasso": ("sparse_group_lasso", "l1"),
}
LABELS = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 2, 7])


def make_data(n=120, seed=0, labels=LABELS):
    """Return X, a target and class labels that are not separable."""
    rng = np.random.default_rng(seed)
    p = labels.size
    X = rng.standard_normal((n, p)) @ (np.eye(p) + 0.2 * rng.standard_normal((p, p)))
    signal = X[:, 3:6].sum(axis=1) - X[:, 21:23].sum(axis=1)
    y = 3.0 + signal + rng.standard_normal(n)
    flip = rng.random(n) < 0.15
    return X + rng.standard_normal(p), y, np.where(flip, signal < 0, signal > 0)


def convex_reference(X, y, alpha, labels, s, tau, loss):
    """Return the objective where L-BFGS-B ends on smoothed norms, e -> 0.

    Norms are sqrt(|w_g|^2 + e^2), which is above the norm by at most e: what comes out
    is above the minimum, by a little.
    """
    p, index = X.shape[1], np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(index)
    e = 1e-9

    def objective(z, e):
        w, eta = z[:p], X @ z[:p] + z[p]
        if loss == "squared":
            value, slope = 0.5 * (s * (eta - y) ** 2).sum(), s * (eta - y)
        else:
            margin = y * eta
            value = (s * np.logaddexp(0, -margin)).sum()
            slope = -s * y / (1 + np.exp(margin))
        norms = np.sqrt(np.bincount(index, w * w) + e * e)
        sides = np.sqrt(w * w + e * e)
        value += alpha * ((1 - tau) * np.sqrt(sizes) @ norms + tau * sides.sum())
        grad = X.T @ slope + alpha * (
            (1 - tau) * (np.sqrt(sizes) / norms)[index] * w + tau * w / sides
        )
        return value, np.append(grad, slope.sum())

    z = np.zeros(p + 1)
    for width in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        z = minimize(
            objective,
            z,
            args=(width,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-11},
        ).x
    return objective(z, e)[0]


@pytest.mark.parametrize("penalty", CONVEX)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_convex_minimum_of_an_independent_solver(penalty, weighted, loss):
    X, y, labels = make_data()
    s = np.random.default_rng(1).uniform(0, 2, y.size) if weighted else np.ones(y.size)
    tau = 0.5 if penalty == "sparse_group_lasso" else 0.0
    if loss == "squared":
        model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=0.2, tol=1e-9)
        target = model.fit(X, y, s) and y
    else:
        model = GroupClassifier(penalty=penalty, groups=LABELS, alpha=0.02, tol=1e-9)
        target = model.fit(X, labels, s) and np.where(labels, 1.0, -1.0)
    expected = convex_reference(X, target, model.alpha, LABELS, s / s.sum(), tau, loss)
    assert model.converged_
    assert model.certificate_.name == "relative duality gap"
    # The smoothed minimum is from above, up to its rounding.
    assert model.objective_ <= expected * (1 + 1e-9)
    assert model.objective_ >= expected * (1 - 1e-6)
    used = np.bincount(LABELS, model.coef_.ravel() != 0) > 0
    assert 0 < used.sum() < 8


@pytest.mark.parametrize("penalty", SCALAR)
@pytest.mark.parametrize("sparse", [False, True])
def test_groups_of_one_are_the_plain_model(penalty, sparse):
    X, y, labels = make_data()
    if sparse:
        X = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0.0))
    options = {"alpha": 0.3, "tol": 1e-11}
    group = GroupRegressor(penalty=penalty, **options).fit(X, y)
    plain = SparseRegressor(penalty=SCALAR[penalty], **options).fit(X, y)
    assert_allclose(group.coef_, plain.coef_, atol=1e-8)
    assert_allclose(group.intercept_, plain.intercept_, rtol=1e-8)
    assert 0 < np.count_nonzero(group.coef_) < X.shape[1]
    options["alpha"] = 0.05
    mild, scalar = MILD[penalty]
    group = GroupClassifier(penalty=mild, **options).fit(X, labels)
    plain = SparseClassifier(penalty=scalar, **options).fit(X, labels)
    assert_allclose(group.coef_, plain.coef_, atol=1e-8)
    assert_allclose(group.intercept_, plain.intercept_, atol=1e-8)


@pytest.mark.parametrize(
    ("penalty", "orthonormalize"),
    [
        ("group_lasso", False),
        ("group_lasso", True),
        (GroupMCP(12.0), False),
        (GroupMCP(12.0), True),
        (GroupSCAD(12.0), True),
        (SparseGroupLasso(0.1), False),
    ],
)
def test_weights_are_repeated_rows(penalty, orthonormalize):
    X, y, labels = make_data(150)
    k = np.random.default_rng(2).integers(0, 3, 150)
    options = {
        "penalty": penalty,
        "groups": LABELS,
        "orthonormalize": orthonormalize,
        "tol": 1e-11,
    }
    for A in (X, sp.csc_array(X)):
        rows = np.repeat(np.arange(150), k)
        one = GroupRegressor(alpha=0.3, **options).fit(A, y, k)
        two = GroupRegressor(alpha=0.3, **options).fit(A[rows], y[rows])
        assert_allclose(one.coef_, two.coef_, atol=1e-8)
        assert_allclose(one.intercept_, two.intercept_, atol=1e-8)
        assert one.converged_
        assert two.converged_
    one = GroupClassifier(alpha=0.05, **options).fit(X, labels, k)
    two = GroupClassifier(alpha=0.05, **options).fit(X[rows], labels[rows])
    assert_allclose(one.coef_, two.coef_, atol=1e-7)


def test_models_descend_where_newton_steps_do_not():
    # Separable classes under a flat penalty: no minimum, and steps that overshoot.
    X, _, labels = make_data(60)
    X, labels = X[:40], labels[:40]
    model = GroupClassifier(
        penalty="group_mcp", groups=LABELS, alpha=0.05, tol=1e-11, max_iter=25
    )
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(X, labels)
    assert (np.diff(model.history_["objective"]) < 0).all()


@pytest.mark.parametrize("penalty", SCALAR)
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_sparse_and_dense_agree(penalty, fit_intercept):
    X, y, labels = make_data()
    X = np.where(np.abs(X) > 1.0, X, 0.0)
    options = {
        "penalty": penalty,
        "groups": LABELS,
        "fit_intercept": fit_intercept,
        "tol": 1e-11,
    }
    dense = GroupRegressor(alpha=0.1, **options).fit(X, y)
    sparse = GroupRegressor(alpha=0.1, **options).fit(sp.csr_matrix(X), y)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-8)
    assert_allclose(sparse.objective_, dense.objective_, rtol=1e-12)
    options["penalty"] = MILD[penalty][0]
    dense = GroupClassifier(alpha=0.03, **options).fit(X, labels)
    sparse = GroupClassifier(alpha=0.03, **options).fit(sp.csc_array(X), labels)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-7)
    assert_allclose(sparse.intercept_, dense.intercept_, atol=1e-7)


@pytest.mark.parametrize("penalty", ["group_lasso", "group_mcp", "group_scad"])
def test_orthonormal_groups_do_not_see_the_basis(penalty):
    X, y, _ = make_data()
    options = {"penalty": penalty, "alpha": 0.3, "orthonormalize": True, "tol": 1e-11}
    plain = GroupRegressor(groups=LABELS, **options).fit(X, y)
    rng = np.random.default_rng(3)
    mixed = X.copy()
    for g in range(8):
        d = np.count_nonzero(g == LABELS)
        mixed[:, g == LABELS] = X[:, g == LABELS] @ rng.standard_normal((d, d))
    other = GroupRegressor(groups=LABELS, **options).fit(mixed, y)
    assert_allclose(other.predict(mixed), plain.predict(X), rtol=1e-8)
    # |X_g w_g| in the weighted norm is what is penalised.
    centred = X - X.mean(axis=0)
    parts = [centred[:, g == LABELS] @ plain.coef_[g == LABELS] for g in range(8)]
    sizes = np.array([np.sqrt(np.mean(part**2)) for part in parts])
    residual = plain.predict(X) - y
    for g in np.flatnonzero(sizes):
        # Stationarity in the space of predictions, for the lasso: -r = lam * direction.
        if penalty == "group_lasso":
            Q = np.linalg.qr(centred[:, g == LABELS])[0]
            lam = 0.3 * np.sqrt((g == LABELS).sum())
            assert_allclose(-Q @ (Q.T @ residual), lam * parts[g] / sizes[g], atol=1e-7)
    assert 0 < np.count_nonzero(sizes) < 8


@pytest.mark.parametrize("orthonormalize", [False, True])
@pytest.mark.parametrize("penalty", ["group_lasso", "group_mcp"])
def test_rank_deficient_groups_and_constant_columns(penalty, orthonormalize):
    X, y, _ = make_data()
    twice = np.column_stack([X, X[:, 3:6], np.full(y.size, 7.0), np.zeros(y.size)])
    labels = np.append(LABELS, [2, 2, 2, 2, 9])
    model = GroupRegressor(
        penalty=penalty,
        groups=labels,
        alpha=0.2,
        orthonormalize=orthonormalize,
        tol=1e-10,
    ).fit(twice, y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    assert (model.coef_[-2:] == 0).all()
    # The copies share what one of them would have had.
    assert_allclose(model.coef_[3:6], model.coef_[30:33], atol=1e-7)
    assert (model.coef_[3:6] != 0).all()


def test_more_groups_than_samples_and_a_full_working_set():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((40, 600)), rng.standard_normal(40)
    for penalty in SCALAR:
        model = GroupRegressor(penalty=penalty, groups=5, alpha=0.05, tol=1e-7)
        model.fit(X, y)
        assert model.converged_, penalty
        assert model.history_["working_set"].max() < 120


@pytest.mark.parametrize("penalty", SCALAR)
def test_float32(penalty):
    X, y, labels = make_data()
    options = {"penalty": penalty, "groups": LABELS}
    for model, target in (
        (GroupRegressor(alpha=0.3, tol=1e-4, **options), y.astype(np.float32)),
        (GroupClassifier(alpha=0.05, tol=1e-4, **options), labels),
    ):
        single = model.fit(X.astype(np.float32), target)
        assert single.coef_.dtype == np.float32
        assert single.converged_
        coef = single.coef_.copy()
        model.set_params(tol=1e-10).fit(X, target)
        assert_allclose(coef, model.coef_, atol=0.02)


@pytest.mark.parametrize("penalty", SCALAR)
def test_certificate_is_independent_of_the_solver(penalty):
    X, y, _ = make_data()
    model = GroupRegressor(penalty=penalty, groups=LABELS, alpha=0.3, tol=1e-8)
    model.fit(X, y)
    gradient = X.T @ (model.predict(X) - y) / y.size
    for g in range(8):
        part = g == LABELS
        lam, w, c = 0.3 * np.sqrt(part.sum()), model.coef_[part], gradient[part]
        if penalty == "sparse_group_lasso":
            if not w.any():
                soft = np.maximum(np.abs(c) - 0.15, 0)
                assert np.linalg.norm(soft) <= 0.5 * lam + 1e-6
            continue
        size = np.linalg.norm(w)
        if size == 0:
            assert np.linalg.norm(c) <= lam + 1e-6
            continue
        slope = {
            "group_lasso": lam,
            "group_mcp": max(lam - size / 3.0, 0),
            "group_scad": min(lam, max(3.7 * lam - size, 0) / 2.7),
        }[penalty]
        assert_allclose(-c, slope * w / size, atol=2e-4 * np.abs(gradient).max() + 1e-6)


def test_unpenalised_and_excluded_groups():
    X, y, labels = make_data()
    weights = np.ones(8)
    weights[[2, 5]] = 0.0, np.inf
    model = GroupRegressor(groups=LABELS, group_weights=weights, alpha=50.0, tol=1e-9)
    model.fit(X, y)
    free = np.column_stack([np.ones(y.size), X[:, LABELS == 2]])
    expected = np.linalg.lstsq(free, y, rcond=None)[0]
    assert_allclose(model.coef_[LABELS == 2], expected[1:], rtol=1e-6)
    assert_allclose(model.intercept_, expected[0], rtol=1e-6)
    assert (model.coef_[LABELS != 2] == 0).all()
    model.set_params(alpha=1e-3).fit(X, y)
    assert (model.coef_[LABELS == 5] == 0).all()
    assert (model.coef_[LABELS == 7] != 0).all()
    classifier = GroupClassifier(groups=LABELS, alpha=0.0, tol=1e-8).fit(X, labels)
    p = classifier.predict_proba(X)[:, 1]
    assert_allclose(X.T @ (p - labels), 0, atol=1e-4)


def test_groups_as_the_user_writes_them():
    pandas = pytest.importorskip("pandas")
    X, y, _ = make_data(labels=np.zeros(6))
    frame = pandas.DataFrame(X[:, :6], columns=list("abcdef"))
    y = frame["a"] + frame["c"] + 0.1 * np.random.default_rng(0).standard_normal(120)
    fits = [
        GroupRegressor(groups=groups, alpha=0.2, tol=1e-10).fit(frame, y)
        for groups in (
            ["u", "v", "u", "w", "w", "x"],
            [["c", "a"], ["b"], ["d", "e"], ["f"]],
            [[0, -4], ["d", 4]],
            {"first": ["a", "c"], "second": ["d", "e"]},
        )
    ]
    for model in fits:
        assert_allclose(model.coef_, fits[0].coef_, atol=1e-8)
        assert model.groups_[0] == model.groups_[2]
        assert model.groups_[3] == model.groups_[4] != model.groups_[5]
    assert check_groups(4, 6)[0].index.tolist() == [0, 0, 0, 0, 1, 1]
    assert check_groups(None, 3)[0].index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"groups": [0, 1]}, r"groups has shape \(2,\)"),
        ({"groups": [["a", "b"]]}, "no column names"),
        ({"groups": [[0], []]}, "not empty"),
        ({"groups": [[0, 99]]}, "99"),
        ({"groups": 0}, "groups must be a positive integer"),
        ({"groups": np.full(30, np.nan)}, "NaN"),
        ({"group_weights": [1.0, 2.0]}, "group_weights has shape"),
        ({"group_weights": -np.ones(30)}, "nonnegative"),
        ({"penalty": "l1"}, "one of 'group_lasso'"),
        ({"penalty": GroupMCP(0.5)}, "gamma"),
        ({"penalty": "sparse_group_lasso", "orthonormalize": True}, "orthonormalize"),
        ({"orthonormalize": "yes"}, "True or False"),
        ({"loss": "quantile"}, "squared"),
        ({"sweep": "greedy"}, "sweep must be one of"),
        ({"alpha": -1.0}, "alpha"),
    ],
)
def test_bad_input_is_named(params, words):
    X, y, _ = make_data()
    with pytest.raises((ValueError, TypeError), match=words):
        GroupRegressor(**params).fit(X, y)


def test_warm_start_and_random_order_reach_the_same_minimum():
    X, y, _ = make_data()
    options = {"groups": LABELS, "alpha": 0.2, "tol": 1e-9}
    cold = GroupRegressor(**options).fit(X, y)
    warm = GroupRegressor(warm_start=True, **options).fit(X, y)
    before = warm.coef_.copy()
    warm.fit(X, y)
    assert warm.n_iter_ == 1
    assert_allclose(warm.coef_, before, atol=1e-7)
    mixed = GroupRegressor(sweep="random", random_state=0, **options).fit(X, y)
    assert_allclose(mixed.objective_, cold.objective_, rtol=1e-8)
    again = GroupRegressor(sweep="random", random_state=0, **options).fit(X, y)
    assert (again.coef_ == mixed.coef_).all()


@pytest.mark.parametrize("kind", [GroupRegressor, GroupClassifier])
def test_search_reaches_the_parameters_of_the_penalty(kind):
    model = kind(penalty=GroupMCP()).set_params(penalty__gamma=5.0)
    assert model.penalty.gamma == 5.0
    named = kind(penalty="group_mcp").set_params(penalty__gamma=5.0)
    assert named.penalty.gamma == 5.0
    assert isinstance(kind(penalty=GroupLasso()).penalty, GroupLasso)
