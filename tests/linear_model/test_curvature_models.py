"""Sparse models with steps from curvature: independent solvers, scales, options."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV

from skopt2.linear_model import (
    DampedNewton,
    GradientNormalizedNewton,
    LazyNewton,
    Oasis,
    PolynomialGradient,
    SparseClassifier,
    SparseRegressor,
    SparseRegressorCV,
    sparse_path,
)
from skopt2.penalties import MCP, Box, ElasticNet

NEWTON = ("newton-damped", "newton-lazy", "newton-gn")
ALL = (*NEWTON, "poly", "oasis")
OPTIONS = [
    DampedNewton("aicn"),
    LazyNewton(refresh=3),
    GradientNormalizedNewton("bound"),
    PolynomialGradient(order=2, form="symmetric"),
    PolynomialGradient(order=0, form="symmetric"),
    PolynomialGradient(order=1),
    Oasis(beta=0.9, random_state=1),
]
RIDGE = ElasticNet(l1_ratio=0)


def data(rng, loss, n=70, p=12):
    X = rng.standard_normal((n, p)) + rng.standard_normal(p)
    X = X + 0.5 * rng.standard_normal((n, 1))
    eta = (X - X.mean(axis=0)) @ rng.standard_normal(p) / 3
    if loss == "poisson":
        return X, rng.poisson(np.exp(eta)).astype(float)
    if loss in ("squared", "huber"):
        return X, eta + 0.5 * rng.standard_t(3, n)
    if loss == "multinomial":
        return X, np.digitize(eta + 0.5 * rng.logistic(size=n), [-0.5, 0.5])
    return X, (eta + 0.5 * rng.logistic(size=n) > 0).astype(int)


def estimator(loss, penalty=RIDGE, **options):
    kind = SparseRegressor if loss in ("squared", "huber", "poisson") else None
    kind = kind or SparseClassifier
    return kind(loss, penalty, **{"alpha": 0.05, "random_state": 0, **options})


def reference(loss, X, y, alpha, weight):
    """Coefficients of the ridge models of scikit-learn."""
    n = weight.sum()
    if loss == "squared":
        return Ridge(alpha=n * alpha, tol=1e-12).fit(X, y, weight).coef_
    if loss == "poisson":
        model = PoissonRegressor(alpha=alpha, solver="newton-cholesky", tol=1e-10)
        return model.fit(X, y, weight).coef_
    model = LogisticRegression(C=1 / (n * alpha), tol=1e-11, solver="newton-cholesky")
    return model.fit(X, y, weight).coef_


@pytest.mark.parametrize("solver", [*ALL, *OPTIONS], ids=str)
@pytest.mark.parametrize("loss", ["squared", "poisson", "logistic", "multinomial"])
def test_ridge_is_that_of_scikit_learn(rng, loss, solver):
    if loss == "poisson" and getattr(solver, "curvature", None) == "bound":
        pytest.skip("no bound")
    X, y = data(rng, loss)
    weight = rng.uniform(0.2, 2.0, len(y))
    model = estimator(loss, solver=solver, tol=1e-11, max_iter=3000)
    model.fit(X, y, weight)
    assert model.converged_
    expected = reference(loss, X, y, 0.05, weight)
    assert_allclose(model.coef_, np.reshape(expected, model.coef_.shape), atol=2e-5)


def minimum_of_cvxpy(X, y, loss, alpha):
    """Objective of the l1 problem by an independent solver."""
    cp = pytest.importorskip("cvxpy")
    w, b = cp.Variable(X.shape[1]), cp.Variable()
    eta = X @ w + b
    if loss == "huber":
        value = 0.5 * cp.sum(cp.huber(eta - y, 1.35))
    elif loss == "poisson":
        value = cp.sum(cp.exp(eta) - cp.multiply(y, eta))
    else:
        value = cp.sum(cp.logistic(-cp.multiply(2.0 * y - 1.0, eta)))
    problem = cp.Problem(cp.Minimize(value / len(y) + alpha * cp.norm1(w)))
    return problem.solve(solver=cp.CLARABEL)


@pytest.mark.parametrize("solver", [*NEWTON, "oasis"])
@pytest.mark.parametrize("loss", ["huber", "poisson", "logistic"])
def test_l1_minimum_of_an_independent_solver(rng, loss, solver):
    X, y = data(rng, loss, 60, 25)
    model = estimator(loss, "l1", solver=solver, tol=1e-8).fit(X, y)
    assert model.converged_
    assert model.objective_ == pytest.approx(
        minimum_of_cvxpy(X, y, loss, 0.05), rel=1e-6
    )
    assert 0 < np.count_nonzero(model.coef_) < 25


@pytest.mark.parametrize("solver", [*NEWTON, "oasis"])
def test_more_features_than_samples(rng, solver):
    X, y = data(rng, "logistic", 40, 260)
    options = {"alpha": 0.08, "tol": 1e-7}
    here = estimator("logistic", "l1", solver=solver, **options).fit(X, y)
    best = estimator("logistic", "l1", **options).fit(X, y)
    assert here.converged_
    assert here.objective_ == pytest.approx(best.objective_, abs=1e-6)


FACTOR = np.ones(12)
FACTOR[0], FACTOR[5] = 0.0, np.inf


@pytest.mark.parametrize("solver", [*NEWTON, "oasis"])
@pytest.mark.parametrize(
    "options",
    [
        {"penalty": "adaptive_l1"},
        {"penalty": "l1", "penalty_factor": FACTOR},
        {"penalty": RIDGE, "penalty_factor": FACTOR},
        {"penalty": RIDGE, "positive": True},
        {"penalty": "elasticnet", "positive": True, "fit_intercept": False},
        {"penalty": Box(-0.5, 0.2)},
        {"penalty": "l1", "alpha": 0.0},
    ],
    ids=str,
)
def test_penalties_of_all_kinds_agree_with_the_default(rng, solver, options):
    X, y = data(rng, "squared")
    weight = rng.uniform(0.5, 2.0, len(y))
    options = {"tol": 1e-9, **options}
    here = estimator("squared", solver=solver, **options).fit(X, y, weight)
    default = estimator("squared", **options).fit(X, y, weight)
    assert here.converged_
    assert_allclose(here.coef_, default.coef_, atol=2e-5)


@pytest.mark.parametrize("penalty", [MCP(gamma=3.0), "scad", "log_sum"], ids=str)
def test_oasis_takes_concave_penalties(rng, penalty):
    X, y = data(rng, "squared")
    model = estimator("squared", penalty, solver="oasis", alpha=0.1).fit(X, y)
    assert model.converged_
    assert model.certificate_.name == "relative KKT violation"
    assert (np.diff(model.history_["objective"]) <= 1e-12).all()


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize(
    "loss", ["squared", "huber", "poisson", "logistic", "multinomial", "squared_hinge"]
)
@pytest.mark.parametrize("scale", ["small", "large", "odd", "far"])
def test_no_scale_makes_it_diverge(rng, solver, loss, scale):
    X, y = data(rng, loss)
    units = 10.0 ** np.linspace(-4, 4, 12)
    X = X * {"small": 1e-6, "large": 1e6, "odd": units, "far": 1.0}[scale]
    if loss in ("squared", "huber"):
        y = y * {"small": 1e-3, "large": 1e3}.get(scale, 1.0)
    model = estimator(loss, alpha=1e-3, solver=solver, tol=1e-6, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if scale == "far":
            model.set_params(max_iter=1).fit(X, y)
            model.coef_ = model.coef_ + 3.0 * rng.standard_normal(model.coef_.shape)
        # First-order steps may stop on max_iter; none of them may do worse.
        model.set_params(max_iter=50 if solver == "oasis" else 1000).fit(X, y)
    objective = model.history_["objective"]
    assert np.isfinite(objective).all()
    assert (np.diff(objective) <= 1e-10 * np.abs(objective[:-1])).all()
    if solver != "oasis":
        assert model.converged_


def test_units_of_columns_do_not_matter_to_oasis(rng):
    X, y = data(rng, "logistic")
    units = 2.0 ** np.arange(-20, 28, 4)
    options = {"alpha": 0.0, "solver": "oasis", "max_iter": 20}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = estimator("logistic", **options).fit(X, y)
        there = estimator("logistic", **options).fit(X * units, y)
    assert_allclose(there.coef_ * units, here.coef_, rtol=1e-6)
    assert_allclose(there.history_["objective"], here.history_["objective"], rtol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_large_eigenvalues_do_not_matter_to_polynomials(rng, k):
    n, p = 100, 40
    waves = [np.ones(p)] + [
        wave(2 * np.pi * f * np.arange(p) / p)
        for f in range(1, p // 2)
        for wave in (np.cos, np.sin)
    ]
    V = np.stack([*waves, np.cos(np.pi * np.arange(p))], axis=1)
    V /= np.linalg.norm(V, axis=0)
    U = np.linalg.qr(rng.standard_normal((n, p)))[0]
    counts = {}
    for form, order in (("krylov", k), ("symmetric", k), ("symmetric", 0)):
        for ratio in (1e2, 1e5):
            values = np.linspace(1, 2, p)
            values[:k] *= ratio
            X = 10 * U @ (np.sqrt(values)[:, None] * V.T)
            y = X @ V @ (1 / np.sqrt(values))
            solver = PolynomialGradient(order, form)
            model = estimator("squared", alpha=0, fit_intercept=False, solver=solver)
            model.set_params(max_iter=10000, tol=1e-6)
            with warnings.catch_warnings():
                # The last digits of a gradient that is a million times too large.
                warnings.simplefilter("ignore")
                history = model.fit(X, y).history_
            counts[form, order, ratio] = history["iterations"][-1]
    assert counts["krylov", k, 1e5] <= 1.5 * counts["krylov", k, 1e2]
    assert counts["symmetric", k, 1e5] <= 4 * counts["symmetric", k, 1e2]
    assert counts["symmetric", 0, 1e5] >= 10 * counts["symmetric", 0, 1e2]


def test_hessians_are_as_many_as_the_method_says(rng):
    X, y = data(rng, "logistic", 200, 30)
    models = {
        name: estimator("logistic", alpha=1e-2, solver=solver, tol=1e-8).fit(X, y)
        for name, solver in {
            "damped": "newton-damped",
            "lazy": LazyNewton(refresh=8),
            "bound": GradientNormalizedNewton("bound"),
        }.items()
    }
    hessians = {name: m.history_["hessians"][-1] for name, m in models.items()}
    assert hessians["damped"] == models["damped"].n_iter_
    assert hessians["lazy"] < hessians["damped"]
    assert hessians["bound"] == 1
    values = [m.objective_ for m in models.values()]
    assert max(values) - min(values) <= 1e-8


@pytest.mark.parametrize("solver", ALL)
@pytest.mark.parametrize(
    ("loss", "penalty"),
    [("poisson", RIDGE), ("multinomial", RIDGE), ("logistic", "l1")],
    ids=["poisson", "multinomial", "l1"],
)
def test_devices_agree(cuda_stand_in, rng, solver, loss, penalty):
    if solver == "poly" and penalty == "l1":
        pytest.skip("not a smooth penalty")
    X, y = data(rng, loss, 50, 8)
    options = {"solver": solver, "tol": 1e-9, "max_iter": 300}
    here = estimator(loss, penalty, **options).fit(X, y)
    there = estimator(loss, penalty, device="cuda:1", **options).fit(X, y)
    assert there.device_ == "cuda:1"
    assert_allclose(there.coef_, here.coef_, atol=1e-5)


@pytest.mark.parametrize("solver", ALL)
def test_sparse_and_float32(rng, solver):
    X, y = data(rng, "logistic")
    X[np.abs(X) < 0.7] = 0.0
    dense = estimator("logistic", solver=solver, tol=1e-9).fit(X, y)
    sparse = estimator("logistic", solver=solver, tol=1e-9).fit(sp.csr_array(X), y)
    assert_allclose(sparse.coef_, dense.coef_, atol=1e-5)
    half = estimator("logistic", solver=solver, tol=1e-5).fit(X.astype(np.float32), y)
    assert half.converged_
    assert half.coef_.dtype == np.float32
    assert_allclose(half.coef_, dense.coef_, atol=5e-3)


@pytest.mark.parametrize("solver", ALL)
def test_warm_start_and_time_limit(rng, solver):
    X, y = data(rng, "logistic")
    model = estimator("logistic", solver=solver, warm_start=True, tol=1e-6).fit(X, y)
    first = model.history_["iterations"][-1]
    assert model.fit(X, y).history_["iterations"][-1] <= min(first, 10)
    model = estimator("logistic", solver=solver, time_limit=1e-9, tol=1e-12)
    with pytest.warns(UserWarning, match="time_limit"):
        assert model.fit(X, y).stop_reason_ == "time_limit"


def test_paths_and_searches(rng):
    X, y = data(rng, "squared")
    alphas = [0.3, 0.1, 0.03]
    path = sparse_path(X, y, alphas=alphas, solver="newton-lazy", tol=1e-9)
    default = sparse_path(X, y, alphas=alphas, tol=1e-9)
    assert_allclose(path.coefs, default.coefs, atol=1e-6)
    search = GridSearchCV(
        estimator("squared", solver=PolynomialGradient()),
        {"solver__order": [0, 3], "solver__form": ["krylov"]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_["solver__form"] == "krylov"
    model = SparseRegressorCV(alphas=alphas, solver=DampedNewton(), cv=2).fit(X, y)
    assert model.alpha_ in alphas


@pytest.mark.parametrize(
    ("solver", "options", "match"),
    [
        ("poly", {"penalty": "l1"}, "l1_ratio=0"),
        ("newton-damped", {"penalty": "mcp"}, "convex penalties, got penalty='mcp'"),
        ("newton-lazy", {"penalty": "l0"}, "penalty='l0'"),
        ("oasis", {"penalty": "l_half"}, "penalty='l_half' has none"),
        ("newton-gn", {"loss": "quantile"}, "loss='quantile' has none"),
        ("poly", {"penalty": "slope"}, "solver='poly' is for separable penalties"),
        (DampedNewton("fast"), {}, "schedule='fast'"),
        (LazyNewton(0), {}, "refresh=0"),
        (LazyNewton("never"), {}, "refresh='never'"),
        (GradientNormalizedNewton("exact"), {}, "curvature='exact'"),
        (GradientNormalizedNewton("bound"), {"loss": "poisson"}, "has no bound"),
        (PolynomialGradient(-1), {}, "order=-1"),
        (PolynomialGradient(form="chebyshev"), {}, "form='chebyshev'"),
        (Oasis(1.0), {}, "beta=1.0"),
    ],
)
def test_what_does_not_go_together(rng, solver, options, match):
    X, y = data(rng, "poisson")
    options = {"loss": "squared", "penalty": RIDGE, **options}
    with pytest.raises(ValueError, match=match):
        SparseRegressor(solver=solver, **options).fit(X, y)


def test_options_of_a_name():
    model = SparseRegressor(solver="newton-lazy").set_params(solver__refresh=3)
    assert isinstance(model.solver, LazyNewton)
    assert model.solver.refresh == 3


@pytest.mark.parametrize("solver", ["newton-damped", "newton-lazy", "newton-gn"])
def test_penalties_without_a_step_are_sent_to_a_solver_that_has_one(solver):
    X, y = np.eye(6), np.arange(6.0)
    for penalty, words in (("mcp", "or 'oasis'"), ("l_half", "slope at 0")):
        with pytest.raises(ValueError, match=words):
            SparseRegressor(penalty=penalty, solver=solver).fit(X, y)
    assert np.isfinite(
        SparseRegressor(penalty="mcp", solver="oasis").fit(X, y).coef_
    ).all()
    with pytest.raises(ValueError, match="slope at 0"):
        SparseRegressor(penalty="l_half", solver="oasis").fit(X, y)
