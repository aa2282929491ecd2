"""Spectral unmixing: recovery with outlying channels, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.base import clone
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.simplex import onto_simplex
from skopt2.callbacks import Checkpoint
from skopt2.decomposition import SpectralUnmixer
from skopt2.solvers.factorization.abundances import Sparsity, improve
from skopt2.solvers.factorization.unmixing import UnmixingDescent

OUTLIERS = [3, 17, 18, 30, 44]


def scene(rng, n=200, C=50, k=3, noise=0.01):
    """Return pixels, spectra and abundances, with channels of noise."""
    x = np.linspace(0.0, 1.0, C)
    centre, width = rng.random((2, k, 4, 1))
    bumps = np.exp(-0.5 * ((x - centre) / (0.05 + 0.15 * width)) ** 2)
    S = 0.2 + 0.3 * (rng.random((k, 4, 1)) * bumps).sum(axis=1)
    A = rng.dirichlet(np.full(k, 0.4), n)
    A = np.where(A < 0.05, 0.0, A)
    A /= A.sum(axis=1, keepdims=True)
    X = A @ S + noise * rng.standard_normal((n, C))
    X[:, OUTLIERS] = rng.random((n, len(OUTLIERS)))
    return np.maximum(X, 0.0), S, A


def scores(S, A, planted, abundances):
    """Return the mean spectral angle in degrees and the error of the abundances."""
    keep = np.setdiff1d(np.arange(planted.shape[1]), OUTLIERS)
    unit = [M[:, keep] for M in (S, planted)]
    unit = [M / np.linalg.norm(M, axis=1, keepdims=True) for M in unit]
    angle = np.degrees(np.arccos(np.clip(unit[1] @ unit[0].T, -1.0, 1.0)))
    rows, columns = linear_sum_assignment(angle)
    error = np.sqrt(np.mean((A[:, columns] - abundances) ** 2))
    return angle[rows, columns].mean(), error


def model(**options):
    return SpectralUnmixer(**{"n_components": 3, "random_state": 0, **options})


@pytest.fixture
def pixels(rng):
    return scene(rng)


@pytest.fixture
def X(pixels):
    return pixels[0]


def test_recovers_endmembers_that_nmf_does_not(pixels):
    X, S, A = pixels
    fit = model().fit(X)
    assert fit.converged_
    angle, error = scores(fit.components_, fit.transform(X), S, A)
    other = NMF(3, max_iter=2000)
    W = other.fit_transform(X)
    W = W / W.sum(axis=1, keepdims=True)
    worse, larger = scores(other.components_, W, S, A)
    assert angle < 1.0
    assert error < 0.05
    assert worse > 5.0 * angle
    assert larger > 3.0 * error
    found = np.argsort(fit.channel_errors_)[-len(OUTLIERS) :]
    assert sorted(found) == OUTLIERS


def test_norm_over_channels_and_sparsity_both_matter(pixels):
    X, S, A = pixels

    def angle(**options):
        fit = model(**options).fit(X)
        return scores(fit.components_, fit.transform(X), S, A)[0]

    full = angle()
    assert angle(smoothing=100.0, alpha=0.0) > 2.0 * full
    assert angle(alpha=0.0) > full


def test_guidance_is_large_where_pixels_are_pure(pixels):
    X, _, A = pixels
    fit = model(guidance=3.0).fit(X)
    assert fit.guidance_.mean() == pytest.approx(1.0)
    pure = A.max(axis=1) > 0.95
    mixed = A.max(axis=1) < 0.6
    assert fit.guidance_[pure].mean() > 2.0 * fit.guidance_[mixed].mean()
    assert_array_equal(model(guidance=0.0).fit(X).guidance_, 1.0)


@pytest.mark.parametrize("sum_to_one", [True, False])
def test_objective_by_its_definition_and_never_rising(X, sum_to_one):
    X = X[:80]
    fit = model(sum_to_one=sum_to_one).fit(X)
    objective = fit.history_["objective"]
    assert np.diff(objective).max() <= 1e-14
    solver = UnmixingDescent(X, fit._sparsity(), 1e-3)
    state = solver.start(fit.components_, fit._weights)
    A, S, g = state.A, fit.components_, fit.guidance_
    # Abundances from the endmembers alone lead to the same place.
    for _ in range(100):
        G, B = solver.abundance_problem(S, fit._weights)
        A = improve(A, B, G, fit._sparsity(), g)
    q = np.mean((X - A.T @ S) ** 2, axis=0)
    value = np.mean(np.sqrt(q + solver.d2)) / solver.sigma
    phi = np.sum(np.sqrt(A + 0.01) - 0.1, axis=0)
    value += 0.01 * np.mean(g * phi + g * np.log(g))
    assert fit.objective_ == pytest.approx(value, rel=1e-3)
    if sum_to_one:
        assert_allclose(fit.transform(X).sum(axis=1), 1.0, atol=1e-12)
    else:
        assert (X.max(axis=0) >= S).all()


def test_certificate_is_that_of_the_gradient(X):
    """A finite difference of the objective agrees that nothing is left to gain."""
    solver = UnmixingDescent(X[:40], Sparsity(0.01, 0.5, 0.01, 1.0, False), 1e-3)
    state = solver.start(X[[0, 7, 20]], np.ones(50))
    for _ in range(400):
        state = solver.step(state)
    assert solver.certificate(state).value < 1e-3
    shapes = state.A.shape, state.S.shape

    def F(v):
        A, S = v[: state.A.size].reshape(shapes[0]), v[state.A.size :]
        S = S.reshape(shapes[1])
        q = np.mean((X[:40] - A.T @ S) ** 2, axis=0)
        total = np.mean(np.sqrt(q + solver.d2)) / solver.sigma
        phi = np.sum(np.sqrt(A + 0.01) - 0.1, axis=0)
        return total + 0.01 * np.mean(state.g * (phi + np.log(state.g)))

    v = np.concatenate([state.A.ravel(), state.S.ravel()])
    assert F(v) == pytest.approx(state.objective, rel=1e-10)
    top = np.concatenate([np.full(state.A.size, np.inf), np.tile(X[:40].max(0), 3)])
    bounds = list(zip(np.zeros(v.size), top, strict=True))
    better = minimize(F, v, bounds=bounds, options={"maxiter": 3})
    assert better.fun >= F(v) * (1 - 1e-5)


def test_simplex_projection_is_the_nearest_point(rng):
    cvxpy = pytest.importorskip("cvxpy")
    A = rng.standard_normal((4, 6)) * 2.0
    P = cvxpy.Variable((4, 6), nonneg=True)
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(P - A)), [cvxpy.sum(P, axis=0) == 1]
    )
    problem.solve(solver="CLARABEL")
    assert_allclose(onto_simplex(A), P.value, atol=1e-6)


def test_convex_abundances_are_those_of_cvxpy(rng):
    cvxpy = pytest.importorskip("cvxpy")
    H, X = rng.random((4, 9)), rng.random((5, 9))
    sparsity = Sparsity(0.0, 0.5, 0.01, 0.0, True)
    A = np.full((4, 5), 0.25)
    for _ in range(200):
        A = improve(A, H @ X.T, H @ H.T, sparsity, np.ones(5))
    W = cvxpy.Variable((5, 4), nonneg=True)
    loss = cvxpy.sum_squares(X - W @ H)
    problem = cvxpy.Problem(cvxpy.Minimize(loss), [cvxpy.sum(W, axis=1) == 1])
    problem.solve(solver="CLARABEL")
    assert_allclose(A.T, W.value, atol=1e-5)


def test_scale_changes_nothing(X):
    fit, again = model().fit(X), model().fit(1e6 * X)
    assert again.objective_ == pytest.approx(fit.objective_, rel=1e-6)
    assert_allclose(again.components_, 1e6 * fit.components_, rtol=1e-3)
    assert_allclose(again.transform(1e6 * X), fit.transform(X), atol=1e-3)


def test_float32_stays_and_agrees(X):
    wide, fit = model().fit(X), model().fit(X.astype(np.float32))
    assert fit.components_.dtype == fit.guidance_.dtype == np.float32
    assert fit.transform(X.astype(np.float32)).dtype == np.float32
    assert_allclose(fit.components_, wide.components_, atol=5e-3)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("sum_to_one", [True, False])
def test_other_arrays_give_the_same(device_backend, X, sum_to_one):
    X, options = X[:60], {"max_iter": 10, "tol": 0.5, "sum_to_one": sum_to_one}
    wanted, there = model(**options).fit(X), device_backend.asarray(X)
    fit = model(**options).fit(there)
    for name in ("components_", "guidance_", "channel_errors_"):
        found = device_backend.to_numpy(getattr(fit, name))
        assert_allclose(found, getattr(wanted, name), rtol=1e-6, atol=1e-9)
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(device_backend.to_numpy(codes), wanted.transform(X), atol=1e-6)


def test_device_is_used_and_left(cuda_stand_in, X):
    options = {"max_iter": 5, "tol": 0.5}
    there = model(device="cuda", **options).fit(X[:60])
    here = model(**options).fit(X[:60])
    assert there.device_ == "cuda:0"
    assert isinstance(there.components_, np.ndarray)
    assert_allclose(there.components_, here.components_, rtol=1e-6)
    assert_allclose(there.transform(X[:9]), here.transform(X[:9]), atol=1e-6)


def test_warm_start_and_given_spectra(X):
    fit = model(warm_start=True).fit(X)
    first, before = fit.n_iter_, fit.components_
    fit.fit(X)
    assert fit.n_iter_ <= max(5, first // 2)
    assert_allclose(fit.components_, before, atol=2e-3)
    given = model(init=before).fit(X)
    assert_allclose(given.components_, before, atol=2e-2)
    assert model(init="random").fit(X).converged_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_continues_from_a_checkpoint(tmp_path, X):
    path, options = tmp_path / "fit.npz", {"tol": 0.0}
    straight = model(max_iter=12, **options).fit(X)
    part = model(max_iter=6, **options)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    whole = model(max_iter=12, **options).set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == 12
    assert_allclose(whole.components_, straight.components_, rtol=1e-9)


def test_stops_pickles_and_clones(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 1)
    fit = model().fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    assert fit.inverse_transform(fit.transform(X)).shape == X.shape
    names = list(fit.get_feature_names_out())
    assert names == [f"spectralunmixer{j}" for j in range(3)]


def test_degenerate_data():
    zero = model().fit(np.zeros((5, 4)))
    assert zero.converged_
    assert np.isfinite(zero.transform(np.zeros((2, 4)))).all()
    one = model().fit(np.ones((1, 4)))
    assert one.reconstruction_err_ == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "n_components must be a positive integer"),
        ({"p": 0.0}, r"p must be a number in \(0, 1\]"),
        ({"p": 1.5}, r"p must be a number in \(0, 1\]"),
        ({"alpha": -1.0}, "alpha must be a nonnegative number"),
        ({"guidance": -1.0}, "guidance must be a nonnegative number"),
        ({"smoothing": 0.0}, "smoothing must be a positive number"),
        ({"offset": 0.0}, "offset must be a positive number"),
        ({"sum_to_one": "yes"}, "sum_to_one must be True or False"),
        ({"init": "vca"}, "init must be one of"),
        ({"init": np.ones((2, 50))}, r"expected \(3, 50\)"),
        ({"init": -np.ones((3, 50))}, "negative"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(X > 0.9, np.nan, X))
    fit = model().fit(X)
    with pytest.raises(ValueError, match="3 components"):
        fit.inverse_transform(np.ones((2, 4)))
