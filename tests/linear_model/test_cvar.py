"""CVaRRegressor and CVaRClassifier: minima, limits of beta, arrays, runs, bad input."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skopt2._core.array import namespace
from skopt2.callbacks import Checkpoint
from skopt2.linear_model import (
    CVaRClassifier,
    CVaRRegressor,
    SparseClassifier,
    SparseRegressor,
)
from skopt2.losses import Huber, Quantile
from skopt2.penalties import ElasticNet
from tests.callbacks.test_checkpoint import Interrupt

REGRESSION = ["squared", "absolute", "huber", "quantile"]
BINARY = ["logistic", "hinge", "squared_hinge"]


def sample(rng, loss, n=80, p=5):
    X = rng.standard_normal((n, p)) + 0.2
    y = X @ np.linspace(-2, 2, p) + 0.5 + rng.standard_t(3, n)
    return X, ((y > 0).astype(int) if loss in BINARY else y)


def estimator(loss, *args, **options):
    kind = CVaRClassifier if loss in BINARY else CVaRRegressor
    return kind(loss, *args, **{"alpha": 0.05, "tol": 1e-8, **options})


def convex_program(X, y, loss, beta, alpha, rho, weight, fit_intercept):
    """Return the minimum that an interior-point solver finds."""
    cvxpy = pytest.importorskip("cvxpy")
    s = weight / weight.sum()
    used = s > 0
    X, y, s = X[used], y[used], s[used]
    w, b, a = cvxpy.Variable(X.shape[1]), cvxpy.Variable(), cvxpy.Variable()
    eta = X @ w + b
    r, margin = y - eta, cvxpy.multiply(2 * y - 1, eta)
    losses = {
        "squared": lambda: 0.5 * cvxpy.square(r),
        "absolute": lambda: cvxpy.abs(r),
        "huber": lambda: 0.5 * cvxpy.huber(r, 1.35),
        "quantile": lambda: 0.5 * cvxpy.abs(r),
        "logistic": lambda: cvxpy.logistic(-margin),
        "hinge": lambda: cvxpy.pos(1 - margin),
        "squared_hinge": lambda: cvxpy.square(cvxpy.pos(1 - margin)),
    }
    tail = a + s @ cvxpy.pos(losses[loss]() - a) / (1 - beta)
    pen = rho * cvxpy.norm1(w) + 0.5 * (1 - rho) * cvxpy.sum_squares(w)
    limits = [] if fit_intercept else [b == 0]
    problem = cvxpy.Problem(cvxpy.Minimize(tail + alpha * pen), limits)
    return problem.solve(solver="CLARABEL")


@pytest.mark.parametrize("beta", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("loss", REGRESSION + BINARY)
def test_minimum_is_that_of_the_convex_program(rng, loss, beta):
    X, y = sample(rng, loss)
    weight = rng.integers(0, 4, len(X)).astype(float)
    rho, fit_intercept = {0.0: (0.0, True), 0.6: (1.0, True)}.get(beta, (0.4, False))
    model = estimator(loss, ElasticNet(rho), beta=beta, fit_intercept=fit_intercept)
    model.fit(X, y, weight)
    value = convex_program(X, y, loss, beta, 0.05, rho, weight, fit_intercept)
    assert model.converged_
    assert model.objective_ == pytest.approx(value, rel=2e-6)
    assert model.dual_gap_ >= 0


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "squared_hinge"])
def test_beta_0_is_the_mean_of_the_losses(rng, loss):
    X, y = sample(rng, loss)
    kind = SparseClassifier if loss in BINARY else SparseRegressor
    peer = kind(loss, "ridge", alpha=0.05, tol=1e-12).fit(X, y)
    model = estimator(loss, beta=0.0, tol=1e-10).fit(X, y)
    assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    assert_allclose(model.intercept_, peer.intercept_, atol=1e-5)
    assert model.objective_ == pytest.approx(peer.objective_, rel=1e-8)


def test_beta_near_1_is_the_largest_loss(rng):
    cvxpy = pytest.importorskip("cvxpy")
    X, y = sample(rng, "absolute", 40)
    model = estimator("absolute", beta=0.999).fit(X, y)
    nearer = estimator("absolute", beta=1.0 - 1e-12).fit(X, y)
    assert_allclose(nearer.coef_, model.coef_, rtol=1e-9)
    w, b = cvxpy.Variable(5), cvxpy.Variable()
    cost = cvxpy.norm_inf(y - X @ w - b) + 0.025 * cvxpy.sum_squares(w)
    value = cvxpy.Problem(cvxpy.Minimize(cost)).solve(solver="CLARABEL")
    assert model.objective_ == pytest.approx(value, rel=1e-6)
    largest = np.abs(y - model.predict(X)).max()
    assert model.cvar_ == pytest.approx(largest)
    assert model.quantile_ == pytest.approx(largest)


def test_quantile_and_cvar_are_those_of_the_training_losses(rng):
    X, y = sample(rng, "squared")
    model = estimator("squared", beta=0.75).fit(X, y)
    losses = np.sort((y - model.predict(X)) ** 2 / 2)
    assert model.cvar_ == pytest.approx(losses[-20:].mean())
    assert model.quantile_ == pytest.approx(losses[59])
    assert model.objective_ == pytest.approx(
        model.cvar_ + 0.025 * (model.coef_**2).sum()
    )
    assert model.certificate_.holds
    assert {"quantile", "cvar", "support"} <= set(model.history_)
    mean = estimator("squared", beta=0.0).fit(X, y)
    worst = np.sort((y - mean.predict(X)) ** 2 / 2)[-20:].mean()
    assert model.cvar_ < 0.99 * worst


@pytest.mark.parametrize("loss", ["absolute", "logistic"])
def test_weights_are_repetitions(rng, loss):
    X, y = sample(rng, loss)
    weight = rng.integers(0, 3, len(X))
    weighted = estimator(loss, tol=1e-10).fit(X, y, weight)
    repeated = estimator(loss, tol=1e-10).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-5)
    assert weighted.cvar_ == pytest.approx(repeated.cvar_, rel=1e-6)
    assert weighted.quantile_ == pytest.approx(repeated.quantile_, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["absolute", "logistic"])
def test_namespaces_agree(backend, dispatch, rng, loss, dtype):
    X, y = sample(rng, loss, 30, 3)
    weight = rng.uniform(0.5, 2.0, len(X))
    here = estimator(loss, tol=1e-7).fit(X, y, weight)
    A, s = backend.asarray(X, dtype), backend.asarray(weight, dtype)
    target = backend.asarray(y) if loss in BINARY else backend.asarray(y, dtype)
    model = estimator(loss, tol=1e-7).fit(A, target, s)
    assert model.converged_
    assert namespace(model.coef_) is backend.xp
    assert model.coef_.dtype == A.dtype
    coef = backend.to_numpy(model.coef_)
    assert_allclose(coef, here.coef_, atol=1e-4 if dtype == np.float64 else 2e-3)
    assert model.cvar_ == pytest.approx(here.cvar_, rel=1e-4)


def test_host_data_on_a_device(rng, cuda_stand_in):
    X, y = sample(rng, "absolute", 30, 3)
    here = estimator("absolute").fit(X, y)
    there = estimator("absolute", device="cuda").fit(X, y)
    assert isinstance(there.coef_, np.ndarray)
    assert there.device_.startswith("cuda")
    assert_allclose(there.coef_, here.coef_, atol=1e-5)
    with pytest.raises(ValueError, match="the stochastic method computes on the CPU"):
        estimator("absolute", device="cuda", solver="spl+").fit(X, y)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("solver", ["exact", "spl+"])
def test_sparse_is_dense(rng, form, solver):
    X, y = sample(rng, "absolute")
    X[np.abs(X) < 0.7] = 0
    options = {"solver": solver, "random_state": 0, "max_iter": 40}
    options["tol"] = 1e-8 if solver == "exact" else 0.5
    dense = estimator("absolute", **options).fit(X, y)
    model = estimator("absolute", **options).fit(form(X), y)
    assert_allclose(model.coef_, dense.coef_, atol=1e-5)
    assert_allclose(model.predict(form(X)), model.predict(X))


def test_columns_of_very_different_size(rng):
    X, y = sample(rng, "logistic")
    scale = 10.0 ** np.linspace(-3, 3, 5)
    model = estimator("logistic", alpha=1e-4).fit(X * scale, y)
    assert model.converged_
    value = convex_program(
        X * scale, y, "logistic", 0.9, 1e-4, 0.0, np.ones(len(X)), True
    )
    assert model.objective_ <= value * (1 + 1e-5)


@pytest.mark.parametrize("loss", ["squared", "hinge"])
def test_more_features_than_samples(rng, loss):
    X, y = sample(rng, loss, 30, 60)
    model = estimator(loss, tol=1e-6).fit(X, y)
    assert model.converged_
    lasso = estimator(loss, "l1", tol=1e-6).fit(X, y)
    assert lasso.converged_
    assert (lasso.coef_ == 0).mean() > 0.3


def test_a_tail_without_losses_is_left(rng):
    # The classes can be told apart with a margin: on the way all losses are 0.
    X = rng.standard_normal((5, 20))
    y = np.array([0, 1, 0, 1, 1])
    for loss in ("squared_hinge", "hinge"):
        model = estimator(loss, beta=0.95, alpha=1e-4).fit(X, y)
        value = convex_program(X, y, loss, 0.95, 1e-4, 0.0, np.ones(5), True)
        assert model.converged_
        assert model.objective_ == pytest.approx(value, abs=1e-7)


def test_the_gap_never_grows(rng):
    X, y = sample(rng, "huber")
    model = estimator("huber", "l1", alpha=1e-4, beta=0.97).fit(X, y)
    assert model.converged_
    assert (np.diff(model.history_["certificate"]) <= 0).all()
    assert (np.diff(model.history_["objective"]) <= 0).all()


def test_warm_start_is_at_the_solution(rng):
    X, y = sample(rng, "absolute")
    model = estimator("absolute", warm_start=True).fit(X, y)
    coef, steps = model.coef_, model.n_iter_
    model.fit(X, y)
    assert model.n_iter_ <= steps
    assert_allclose(model.coef_, coef, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["exact", "spl+"])
def test_an_interrupted_fit_goes_on(rng, tmp_path, solver):
    X, y = sample(rng, "absolute")
    model = estimator("absolute", solver=solver, max_iter=6, random_state=0, tol=1e-9)
    path = tmp_path / "fit.npz"
    straight = clone(model).fit(X, y)
    stopped = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y)
    again = clone(model).set_callbacks(Checkpoint(path, min_seconds=0))
    again.fit(X, y)
    assert again.n_iter_ == straight.n_iter_
    assert_allclose(again.coef_, straight.coef_, atol=1e-7)


@pytest.mark.parametrize("loss", ["absolute", "squared", "logistic", "hinge"])
@pytest.mark.parametrize("penalty", ["ridge", "l1"])
def test_spl_comes_near_the_minimum_within_its_gap(rng, loss, penalty):
    X, y = sample(rng, loss, 200)
    exact = estimator(loss, penalty, beta=0.5).fit(X, y)
    model = estimator(
        loss, penalty, beta=0.5, solver="spl+", tol=0.2, max_iter=80, random_state=0
    ).fit(X, y)
    assert model.converged_
    excess = model.objective_ - exact.objective_
    assert 0 <= excess + 1e-9 <= model.dual_gap_
    assert excess < 0.1 * exact.objective_
    again = clone(model).fit(X, y)
    assert_array_equal(again.coef_, model.coef_)


def test_spl_does_not_see_the_scale_of_the_losses(rng):
    X, y = sample(rng, "absolute")
    options = {"solver": "spl+", "tol": 0.5, "max_iter": 20, "random_state": 0}
    model = estimator("absolute", alpha=1.0, **options).fit(X, y)
    # With y and b in other units the level of the penalty changes with them.
    other = estimator("absolute", alpha=1e-3, **options).fit(X, 1e3 * y)
    assert_allclose(other.coef_, 1e3 * model.coef_, rtol=1e-8)


def test_probabilities_only_of_the_logistic_loss(rng):
    X, y = sample(rng, "logistic")
    names = np.array(["no", "yes"])[y]
    model = estimator("logistic").fit(X, names)
    p = model.predict_proba(X)
    assert_allclose(p[:, 1], 1 / (1 + np.exp(-model.decision_function(X))))
    assert_array_equal(model.predict(X), model.classes_[(p[:, 1] > 0.5).astype(int)])
    assert not hasattr(estimator("hinge"), "predict_proba")
    assert not hasattr(estimator("squared_hinge"), "predict_proba")


@pytest.mark.parametrize("loss", [Huber(0.5), Quantile(0.8)])
def test_losses_as_objects(rng, loss):
    X, y = sample(rng, "huber")
    model = CVaRRegressor(loss, beta=0.5, tol=1e-7).fit(X, y)
    assert model.converged_
    assert (
        clone(model).set_params(loss__smoothing=0.0) if loss.name == "quantile" else 1
    )


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"beta": 1.0}, ValueError, r"beta must be a number in \[0, 1\)"),
        ({"beta": -0.1}, ValueError, r"beta must be a number in \[0, 1\)"),
        ({"beta": "0.9"}, TypeError, r"beta must be a number"),
        ({"alpha": 0.0}, ValueError, "alpha must be a positive number"),
        ({"step_size": 0}, ValueError, "step_size must be a positive number"),
        (
            {"solver": "newton"},
            ValueError,
            r"one of .* got solver='newton'",
        ),
        ({"penalty": "mcp"}, ValueError, r"penalty='mcp' is not available here: use"),
        ({"loss": "poisson"}, ValueError, r"loss must be one of .* got loss='poisson'"),
        ({"tol": 0}, ValueError, r"tol must be"),
    ],
)
def test_bad_parameters(rng, options, error, match):
    X, y = sample(rng, "squared")
    with pytest.raises(error, match=match):
        CVaRRegressor(**options).fit(X, y)


def test_bad_data(rng):
    X, y = sample(rng, "squared")
    with pytest.raises(ValueError, match="NaN"):
        CVaRRegressor().fit(np.where(X > 1, np.nan, X), y)
    with pytest.raises(ValueError, match="must not be zero for every sample"):
        CVaRRegressor().fit(X, y, np.zeros(len(X)))
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        CVaRClassifier().fit(X, np.arange(len(X)) % 3)
    with pytest.raises(ValueError, match="only one class"):
        CVaRClassifier().fit(X, np.ones(len(X)))


def test_one_sample_and_constant_targets():
    model = CVaRRegressor().fit([[1.0, 2.0]], [3.0])
    assert model.predict([[1.0, 2.0]])[0] == pytest.approx(3.0, abs=1e-4)
    X = np.arange(12.0).reshape(6, 2)
    flat = CVaRRegressor("absolute").fit(X, np.full(6, 2.0))
    assert_allclose(flat.predict(X), 2.0)
    assert flat.cvar_ == 0
