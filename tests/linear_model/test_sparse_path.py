"""Paths: every level is optimal, the grid is right, and single fits agree."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import lasso_path

from skopt2.linear_model import SparseClassifier, SparseRegressor, sparse_path
from skopt2.penalties import MCP, SCAD, ElasticNet
from tests.linear_model import reference

CASES = [
    ("squared", "l1"),
    ("squared", "elasticnet"),
    ("squared", "mcp"),
    ("squared", "scad"),
    ("squared", "log_sum"),
    ("squared", "transformed_l1"),
    ("huber", "l1"),
    ("huber", "mcp"),
    ("poisson", "l1"),
    ("poisson", "scad"),
    ("logistic", "l1"),
    ("logistic", "mcp"),
    ("squared_hinge", "l1"),
    ("huberized_hinge", "elasticnet"),
    ("multinomial", "l1"),
    ("multinomial", "elasticnet"),
]


def data(rng, loss, n=60, p=90):
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] += 0.5 * X[:, j - 1]
    eta = X[:, :4] @ [1.5, -1.0, 1.0, 0.5] + 0.5
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.4 * eta)).astype(float)
    if loss == "multinomial":
        scores = np.stack([eta, -X[:, 5], X[:, 6]], axis=1)
        return X, np.argmax(scores + rng.gumbel(size=(n, 3)), axis=1)
    if loss in ("squared", "huber"):
        return X, eta + 0.5 * rng.standard_normal(n)
    return X, np.where(eta + rng.logistic(size=n) > 0, "yes", "no")


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(("loss", "penalty"), CASES)
def test_every_level_is_optimal(rng, loss, penalty, positive):
    X, y = data(rng, loss)
    path = sparse_path(
        X,
        y,
        loss=loss,
        penalty=penalty,
        alphas=12,
        eps=0.05,
        positive=positive,
        tol=1e-9,
    )
    target, top = reference.encode(loss, y), path.alphas[0]
    assert not path.coefs[0].any()
    assert path.coefs[1].any()
    assert path.alphas[-1] == pytest.approx(0.05 * top)
    for i, alpha in enumerate(path.alphas):
        w, b = path.coefs[i], path.intercepts[i]
        assert path.certificates[i].holds
        value = reference.objective(loss, penalty, X, target, w, b, alpha)
        assert path.objectives[i] == pytest.approx(value, rel=1e-10)
        worst = reference.violation(
            loss, penalty, X, target, w, b, alpha, positive=positive
        )
        assert worst <= 1e-4 * top
        assert path.degrees_of_freedom[i] == np.count_nonzero(w)
        assert path.n_iters[i] >= 1


def test_same_path_as_scikit_learn(rng):
    X, y = data(rng, "squared")
    path = sparse_path(X, y, alphas=20, eps=0.01, tol=1e-11)
    A, r = X - X.mean(axis=0), y - y.mean()
    alphas, coefs, _ = lasso_path(A, r, eps=0.01, alphas=20, tol=1e-14, max_iter=10**6)
    np.testing.assert_allclose(path.alphas, alphas)
    np.testing.assert_allclose(path.coefs, coefs.T, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("positive", [True, False])
def test_grid_starts_where_the_first_feature_enters(rng, loss, fit_intercept, positive):
    X, y = data(rng, loss)
    options = {"fit_intercept": fit_intercept, "positive": positive}
    factor = np.ones(90)
    factor[:2], factor[2], factor[3] = 0.0, np.inf, 0.3
    for penalty_factor in (None, factor):
        path = sparse_path(
            X,
            y,
            loss=loss,
            penalty=ElasticNet(0.8),
            alphas=1,
            tol=1e-10,
            penalty_factor=penalty_factor,
            **options,
        )
        kind = SparseRegressor if loss == "squared" else SparseClassifier
        model = kind(
            loss,
            ElasticNet(0.8),
            penalty_factor=penalty_factor,
            tol=1e-11,
            **options,
        )
        free = 0 if penalty_factor is None else 2
        counts = []
        for share in (1 + 1e-4, 1 - 1e-2):
            coef = model.set_params(alpha=share * path.alphas[0]).fit(X, y).coef_
            counts.append(np.atleast_2d(coef)[:, free:].any())
        assert counts == [False, True]


@pytest.mark.parametrize("loss", ["squared", "poisson", "multinomial"])
def test_unpenalised_and_excluded_features_along_a_path(rng, loss):
    X, y = data(rng, loss)
    factor = np.ones(90)
    factor[7], factor[0] = 0.0, np.inf
    path = sparse_path(
        X, y, loss=loss, alphas=6, eps=0.1, penalty_factor=factor, tol=1e-9
    )
    target = reference.encode(loss, y)
    assert path.coefs[:, 7].any(axis=-1).all()
    assert not path.coefs[:, 0].any()
    for i, alpha in enumerate(path.alphas):
        w, b = path.coefs[i], path.intercepts[i]
        worst = reference.violation(loss, "l1", X, target, w, b, alpha, factor=factor)
        assert worst <= 1e-5
    # At the top of the grid only the unpenalised feature is in.
    assert np.count_nonzero(path.coefs[0].any(axis=-1) if w.ndim > 1 else path.coefs[0])


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "adaptive_l1"])
def test_levels_are_those_of_single_fits(rng, penalty):
    X, y = data(rng, "squared")
    path = sparse_path(X, y, penalty=penalty, alphas=[0.05, 0.5, 0.2], tol=1e-10)
    np.testing.assert_array_equal(path.alphas, [0.5, 0.2, 0.05])
    for i, alpha in enumerate(path.alphas):
        model = SparseRegressor(penalty=penalty, alpha=alpha, tol=1e-10).fit(X, y)
        np.testing.assert_allclose(path.coefs[i], model.coef_, atol=1e-5)
        assert path.intercepts[i] == pytest.approx(model.intercept_, abs=1e-5)
        assert path.objectives[i] == pytest.approx(model.objective_, rel=1e-9)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("penalty", ["mcp", "scad", "elasticnet"])
def test_no_worse_than_coordinate_descent_along_the_path(penalty, seed):
    """Plain coordinate descent, warm-started along the same levels."""
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(20, 60)), int(rng.integers(5, 60))
    X = rng.standard_normal((n, p)) + rng.standard_normal((n, 1))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X[:, :3] @ rng.uniform(-2, 2, 3) + 0.5 * rng.standard_normal(n)
    path = sparse_path(
        X, y, penalty=penalty, alphas=10, eps=0.05, fit_intercept=False, tol=1e-10
    )
    w, mine, theirs = np.zeros(p), [], []
    for i, alpha in enumerate(path.alphas):
        w = reference.coordinate_descent(penalty, X, y, alpha, w)
        for v, values in ((path.coefs[i], mine), (w, theirs)):
            values.append(reference.objective("squared", penalty, X, y, v, 0.0, alpha))
            worst = reference.violation(
                "squared", penalty, X, y, v, 0.0, alpha, fit_intercept=False
            )
            assert worst <= 1e-6
    if penalty == "elasticnet":
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    else:
        # Two stationary points may differ; along the path neither method loses.
        assert np.mean(np.divide(mine, theirs)) <= 1.01
        assert np.max(np.divide(mine, theirs)) <= 1.1


@pytest.mark.parametrize("gamma", [1.3, 2.5])
def test_badly_scaled_columns_under_mcp(rng, gamma):
    """Steps 1 / L_j above gamma: the prox has another branch there."""
    X, y = data(rng, "squared", n=80, p=20)
    X = X * 10.0 ** rng.uniform(-3, 1, 20)
    for shape in (MCP(gamma), SCAD(gamma + 1)):
        path = sparse_path(X, y, penalty=shape, alphas=15, eps=1e-3, tol=1e-8)
        assert all(c.holds for c in path.certificates)
        assert (np.diff(path.objectives) <= 1e-12).all()
        assert path.degrees_of_freedom[-1] > 0


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix])
def test_sparse_path_is_the_dense_one(rng, kind):
    X, y = data(rng, "squared")
    X = X * (rng.random(X.shape) < 0.3) + (np.arange(90) == 4)
    options = {"penalty": "mcp", "alphas": 8, "eps": 0.05, "tol": 1e-10}
    one, other = sparse_path(X, y, **options), sparse_path(kind(X), y, **options)
    np.testing.assert_allclose(one.coefs, other.coefs, atol=1e-8)
    np.testing.assert_allclose(one.intercepts, other.intercepts, atol=1e-8)


def test_shapes(rng):
    X, y = data(rng, "multinomial")
    path = sparse_path(X, y, loss="logistic", alphas=4, eps=0.1)
    assert path.coefs.shape == (4, 90, 3)
    assert path.intercepts.shape == (4, 3)
    assert path.alphas.shape == path.objectives.shape == path.n_iters.shape == (4,)
    assert path.degrees_of_freedom.dtype.kind == "i"
    assert len(path.certificates) == 4


def test_sample_weight(rng):
    X, y = data(rng, "squared", n=30, p=10)
    weight = rng.integers(0, 4, 30)
    one = sparse_path(X, y, alphas=6, sample_weight=weight, tol=1e-11)
    rows = np.repeat(np.arange(30), weight)
    other = sparse_path(X[rows], y[rows], alphas=6, tol=1e-11)
    np.testing.assert_allclose(one.alphas, other.alphas)
    np.testing.assert_allclose(one.coefs, other.coefs, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alphas": 0}, ValueError, "alphas must be a positive integer"),
        ({"alphas": 2.5}, ValueError, "alphas must be a positive integer"),
        ({"alphas": None}, ValueError, "alphas must be a positive integer"),
        ({"alphas": "auto"}, TypeError, "alphas must be a positive integer"),
        ({"alphas": []}, ValueError, "a nonempty list"),
        ({"alphas": [[0.1]]}, ValueError, "a nonempty list"),
        (
            {"alphas": [0.1, -1.0]},
            ValueError,
            "nonempty list of nonnegative finite num",
        ),
        (
            {"alphas": [0.1, np.nan]},
            ValueError,
            "nonempty list of nonnegative finite num",
        ),
        ({"eps": 0.0}, ValueError, r"eps must be a number in \(0, 1\)"),
        ({"eps": 1.0}, ValueError, r"eps must be a number in \(0, 1\)"),
        ({"penalty": ElasticNet(0.0)}, ValueError, "Give the levels as alphas="),
        ({"penalty": "l3"}, ValueError, "penalty must be one of .* got penalty='l3'"),
        ({"loss": "absolute"}, ValueError, "loss must be one of .* got loss='abs"),
    ],
)
def test_bad_grid(rng, options, error, match):
    X, y = data(rng, "squared", n=20, p=5)
    with pytest.raises(error, match=match):
        sparse_path(X, y, **options)


def test_a_constant_target_has_a_null_path(rng):
    X, _ = data(rng, "squared", n=20, p=5)
    for value in (0.0, 0.1, 1e9):
        path = sparse_path(X, np.full(20, value), alphas=5)
        assert not path.coefs.any()
        np.testing.assert_allclose(path.intercepts, value)
        assert all(c.holds for c in path.certificates)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 1e6])
@pytest.mark.parametrize("loss", ["squared", "logistic", "multinomial"])
@pytest.mark.parametrize("penalty", ["l1", "mcp", "l_half", "l0"])
def test_constant_columns_have_a_null_path(rng, penalty, loss, value, dtype):
    """Their gradients are rounding errors, and no levels."""
    _, y = data(rng, loss, n=40, p=8)
    X = np.full((40, 3), value, dtype=dtype)
    path = sparse_path(X, y, loss=loss, penalty=penalty, alphas=5)
    assert not path.coefs.any()
    assert all(c.holds for c in path.certificates)
    wide = np.column_stack([X, rng.standard_normal((40, 2)).astype(dtype)])
    path = sparse_path(wide, y, loss=loss, penalty=penalty, alphas=3, eps=0.5)
    alone = sparse_path(wide[:, 3:], y, loss=loss, penalty=penalty, alphas=3, eps=0.5)
    np.testing.assert_allclose(path.alphas, alone.alphas, rtol=1e-5)
    assert not path.coefs[:, :3].any()


def test_eps_reaches_the_smallest_level_and_n_below_p(rng):
    """Down to where the fit interpolates: still certified."""
    X, y = data(rng, "squared", n=20, p=80)
    path = sparse_path(X, y, alphas=30, eps=1e-5)
    assert all(c.holds for c in path.certificates)
    assert path.degrees_of_freedom[-1] <= 20
    r = y - X @ path.coefs[-1] - path.intercepts[-1]
    assert np.abs(r).max() < 1e-2 * y.std()
