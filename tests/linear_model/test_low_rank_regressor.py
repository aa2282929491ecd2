"""Trace regression: recovery, convex programs, claims of the papers, arrays, runs."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint
from skopt2.linear_model import LowRankRegressor
from skopt2.solvers.low_rank.measurements import Measurements


def matrix(rng, d1=10, d2=8, k=2, condition=1.0):
    U = np.linalg.qr(rng.standard_normal((d1, k)))[0]
    V = np.linalg.qr(rng.standard_normal((d2, k)))[0]
    return (U * np.geomspace(1.0, 1.0 / condition, k)) @ V.T


def sensing(rng, n=130, noise=0.0, **options):
    """Return Gaussian measurements of a matrix, their values, and the matrix."""
    M = matrix(rng, **options)
    X = rng.standard_normal((n, M.size))
    return X, X @ M.ravel() + 2.0 + noise * rng.standard_normal(n), M


def model(*args, **options):
    return LowRankRegressor(*args, **{"random_state": 0, "shape": (10, 8), **options})


def distance(fit, M):
    return np.linalg.norm(fit.coef_matrix_ - M) / np.linalg.norm(M)


@pytest.fixture
def data(rng):
    return sensing(rng, noise=0.1)


@pytest.mark.parametrize("loss", ["squared", "huber", "l1"])
@pytest.mark.parametrize("solver", ["scaledgd", "gd"])
def test_recovers_from_fewer_measurements_than_coefficients(rng, loss, solver):
    X, y, M = sensing(rng, 75)
    fit = model(2, alpha=0.0, loss=loss, solver=solver, tol=1e-6).fit(X, y)
    assert fit.converged_
    assert distance(fit, M) < 1e-3
    assert fit.rank_ == 2
    assert fit.intercept_ == pytest.approx(2.0, abs=1e-3)
    assert_allclose(fit.left_ @ fit.right_.T, fit.coef_matrix_)
    assert_array_equal(fit.coef_matrix_.ravel(), fit.coef_)
    assert_allclose(fit.predict(X), y, atol=2e-2)
    s = np.linalg.svd(fit.coef_matrix_, compute_uv=False)
    assert_allclose(fit.singular_values_, s[:2])


@pytest.mark.parametrize("loss", ["squared", "huber"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_any_rank_is_the_nuclear_norm_problem_of_cvxpy(rng, loss, fit_intercept):
    cvxpy = pytest.importorskip("cvxpy")
    X, y, _ = sensing(rng, 60, noise=0.2, d1=6, d2=5)
    X = X + 1.0
    options = {"shape": (6, 5), "loss": loss, "delta": 0.5, "tol": 1e-7}
    fit = model(alpha=0.1, fit_intercept=fit_intercept, **options).fit(X, y)
    assert fit.certificate_.name == "relative duality gap"
    assert fit.converged_
    M, b = cvxpy.Variable((6, 5)), cvxpy.Variable()
    r = y - X @ cvxpy.vec(M, order="C") - b * fit_intercept
    lost = cvxpy.sum_squares(r) / 2.0
    if loss == "huber":
        lost = cvxpy.sum(cvxpy.huber(r, 0.5)) / 2.0
    problem = cvxpy.Problem(cvxpy.Minimize(lost / 60 + 0.1 * cvxpy.normNuc(M)))
    value = problem.solve(solver="SCS", eps=1e-7, max_iters=20000)
    assert fit.objective_ == pytest.approx(value, rel=1e-5)
    assert fit.objective_ - fit.dual_gap_ <= value * (1.0 + 1e-6)
    assert_allclose(fit.coef_matrix_, M.value, atol=2e-3)


def test_of_full_rank_without_penalty_it_is_least_squares(rng):
    X, y, _ = sensing(rng, 80, noise=0.3, d1=4, d2=3)
    fit = model(alpha=0.0, shape=(4, 3), tol=1e-8).fit(X, y)
    A = np.hstack([X, np.ones((80, 1))])
    exact = np.linalg.lstsq(A, y)[0]
    assert_allclose(fit.coef_, exact[:-1], atol=1e-6)
    assert fit.intercept_ == pytest.approx(exact[-1], abs=1e-6)


def steps(seed, condition, rank, solver):
    """Return the steps to small errors, from six times the degrees of freedom."""
    rng = np.random.default_rng(seed)
    X, y, M = sensing(rng, 200, condition=condition)
    options = {"alpha": 0.0, "fit_intercept": False, "tol": 0.0, "max_iter": 250}
    fit = model(rank, solver=solver, **options)
    with pytest.warns(ConvergenceWarning):
        fit.fit(X, y - 2.0)
    small = fit.history_["objective"] < 1e-8 * fit.history_["objective"][0]
    return int(np.argmax(small)) if small.any() else 250


def test_steps_feel_neither_the_condition_number_nor_much_of_the_rank():
    scaled = [steps(0, condition, 2, "scaledgd") for condition in (1.0, 30.0)]
    above = [steps(0, condition, 4, "scaledgd") for condition in (1.0, 30.0)]
    assert max(scaled) <= 2 * min(scaled)
    assert max(above) <= 2 * min(above) <= 6 * min(scaled)
    assert steps(0, 30.0, 2, "gd") == steps(0, 30.0, 4, "gd") == 250


def test_gross_errors_do_no_harm_whatever_the_rank(rng):
    X, y, M = sensing(rng, 250)
    wrong = rng.random(250) < 0.1
    y = np.where(wrong, y + 20.0 * rng.standard_normal(250), y)
    options = {"alpha": 0.0, "tol": 1e-3}
    errors = [
        distance(model(k, loss="l1", **options).fit(X, y), M) for k in (2, 5, None)
    ]
    assert max(errors) < 0.01
    squared = model(2, **options).fit(X, y)
    assert distance(squared, M) > 0.5


def test_positive_semidefinite(rng):
    U = rng.standard_normal((10, 2))
    M, X = U @ U.T, rng.standard_normal((60, 100))
    y = X @ M.ravel() - 1.0
    fit = model(2, shape=None, alpha=0.0, psd=True, tol=1e-6).fit(X, y)
    assert_allclose(fit.coef_matrix_, M, atol=1e-3)
    assert_allclose(fit.coef_matrix_, fit.coef_matrix_.T, atol=1e-12)
    y = X @ (M - 3.0 * np.eye(10)).ravel()
    fit = model(alpha=0.01, shape=None, psd=True).fit(X, y)
    assert np.linalg.eigvalsh(fit.coef_matrix_)[0] > -1e-10


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["squared", "l1"])
def test_weights_are_repetitions(rng, data, loss):
    X, y, _ = data
    weights = rng.integers(0, 3, 130)
    options = {"rank": 2, "loss": loss, "tol": 1e-6, "max_iter": 200}
    there = model(**options).fit(X, y, sample_weight=weights)
    here = model(**options).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert_allclose(there.coef_, here.coef_, atol=1e-7)
    assert there.intercept_ == pytest.approx(here.intercept_, abs=1e-7)


def test_sparse_and_uncentred_measurements(rng):
    M = matrix(rng)
    X = sp.random_array((150, 80), density=0.3, random_state=rng, format="csr") * 3.0
    y = X @ M.ravel() + 5.0
    dense, sparse = model(2, alpha=1e-3).fit(X.toarray(), y), model(2, alpha=1e-3)
    assert_allclose(sparse.fit(X, y).coef_, dense.coef_, atol=1e-8)
    assert_allclose(sparse.predict(X), dense.predict(X.toarray()), atol=1e-7)
    centred = Measurements(X, y, (10, 8), None, True)
    full = Measurements(X.toarray(), y, (10, 8), None, True)
    assert centred.unit == pytest.approx(full.unit)
    far = model(2, alpha=1e-3).fit(X.toarray() + 100.0, y)
    assert_allclose(far.coef_, dense.coef_, atol=1e-5)


def test_float32_stays_and_agrees(data):
    X, y, _ = data
    wide = model(2).fit(X, y)
    fit = model(2).fit(X.astype(np.float32), y.astype(np.float32))
    assert fit.coef_.dtype == fit.left_.dtype == np.float32
    assert fit.predict(X.astype(np.float32)).dtype == np.float32
    assert_allclose(fit.coef_, wide.coef_, atol=1e-3)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("options", [{"rank": 2}, {"loss": "l1"}, {"loss": "huber"}])
def test_other_arrays_give_the_same(device_backend, data, options):
    X, y, _ = data
    options = {"max_iter": 60, "tol": 0.1, **options}
    wanted, there = model(**options).fit(X, y), device_backend.asarray(X)
    fit = model(**options).fit(there, device_backend.asarray(y))
    for name in ("coef_", "left_", "right_"):
        found = device_backend.to_numpy(getattr(fit, name))
        assert_allclose(found, getattr(wanted, name), rtol=1e-5, atol=1e-7)
    out = fit.predict(there)
    assert type(out) is type(there)
    assert_allclose(device_backend.to_numpy(out), wanted.predict(X), rtol=1e-6)


def test_device_is_used_and_left(cuda_stand_in, data):
    X, y, _ = data
    there, here = model(2, device="cuda").fit(X, y), model(2).fit(X, y)
    assert there.device_ == "cuda:0"
    assert isinstance(there.coef_, np.ndarray)
    assert_allclose(there.coef_, here.coef_, rtol=1e-6, atol=1e-9)
    sparse = model(2, device="cuda").fit(sp.csr_array(X), y)
    assert_allclose(sparse.coef_, here.coef_, rtol=1e-6, atol=1e-9)


def test_warm_start_needs_fewer_steps(data):
    X, y, _ = data
    fit = model(warm_start=True, tol=1e-6).fit(X, y)
    first, before = fit.n_iter_, fit.coef_
    fit.fit(X, y)
    assert fit.n_iter_ <= first // 4
    assert_allclose(fit.coef_, before, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["huber", "l1"])
def test_continues_from_a_checkpoint(tmp_path, data, loss):
    X, y, _ = data
    path, options = tmp_path / "fit.npz", {"tol": 0.0, "loss": loss}
    straight = model(2, max_iter=60, **options).fit(X, y)
    part = model(2, max_iter=30, **options)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X, y)
    whole = model(2, max_iter=60, **options).set_callbacks(Checkpoint(path)).fit(X, y)
    assert whole.n_iter_ == straight.n_iter_
    assert_allclose(whole.coef_, straight.coef_, rtol=1e-7, atol=1e-10)


def test_stops_pickles_and_clones(data):
    X, y, _ = data
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(2, tol=0.0, time_limit=1e-9).fit(X, y)
    assert fit.stop_reason_ == "time_limit"
    fit = model(2).fit(X, y)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.predict(X), fit.predict(X))
    assert_array_equal(clone(fit).fit(X, y).coef_, fit.coef_)
    assert (np.diff(fit.history_["objective"]) <= 1e-12).all()


def test_degenerate_data(rng):
    X = rng.standard_normal((20, 12))
    flat = LowRankRegressor(random_state=0).fit(X, np.full(20, 3.0))
    assert_allclose(flat.predict(X), 3.0)
    assert flat.coef_matrix_.shape == (3, 4)
    prime = LowRankRegressor(random_state=0).fit(X[:, :11], X[:, 0])
    assert prime.coef_matrix_.shape == (1, 11)
    constant = LowRankRegressor(random_state=0).fit(np.ones((20, 12)), X[:, 0])
    assert_allclose(constant.predict(np.ones((2, 12))), X[:, 0].mean())
    one = LowRankRegressor(random_state=0).fit(X[:1], [2.0])
    assert_allclose(one.predict(X[:1]), 2.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank must be a positive integer or None"),
        ({"alpha": -1.0}, "alpha must be a nonnegative number"),
        ({"loss": "quantile"}, "loss must be one of"),
        ({"solver": "adam"}, "solver must be one of"),
        ({"delta": 0.0}, "delta must be a positive number"),
        ({"damping": -1.0}, "damping must be a nonnegative number"),
        ({"shape": (10, 7)}, "has 70 elements, but X has 80 features"),
        ({"shape": 14}, "shape must be a pair of positive integers"),
        ({"psd": True}, "psd=True needs square matrices"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"time_limit": 0.0}, "time_limit must be a positive number or None"),
    ],
)
def test_bad_parameters_are_named(data, options, words):
    X, y, _ = data
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X, y)
    with pytest.raises(TypeError, match="psd must be True or False"):
        model(psd="yes").fit(X, y)
