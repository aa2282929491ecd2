"""Matrix factorisations: recovery, penalties, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.decomposition import MatrixFactorization
from skopt2.penalties import MCP


def model(**options):
    return MatrixFactorization(**{"n_components": 3, "random_state": 0, **options})


def cosines(found, planted):
    """Return the smallest cosine of planted components to the found ones."""
    unit = [M / np.linalg.norm(M, axis=1, keepdims=True) for M in (found, planted)]
    near = np.abs(unit[1] @ unit[0].T)
    rows, columns = linear_sum_assignment(-near)
    return near[rows, columns].min()


@pytest.fixture
def planted(rng):
    return rng.random((3, 14)) * (rng.random((3, 14)) < 0.5)


@pytest.fixture
def X(rng, planted):
    return (rng.random((40, 3)) * (rng.random((40, 3)) < 0.6)) @ planted


@pytest.mark.parametrize("init", ["nndsvda", "nndsvd", "nndsvdar", "random"])
def test_recovers_planted_components(X, planted, init):
    fit = model(init=init, tol=1e-8, max_iter=3000).fit(X)
    assert fit.converged_
    assert cosines(fit.components_, planted) > 0.999
    assert fit.reconstruction_err_ < 1e-4 * np.linalg.norm(X)
    codes = fit.transform(X)
    assert codes.min() >= 0.0
    assert_allclose(fit.inverse_transform(codes), X, atol=1e-4)


def test_objective_is_that_of_scikit_learn(rng):
    X = rng.random((30, 12))
    options = {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}
    fit = model(**options, tol=1e-9, max_iter=5000, init="random").fit(X)
    W, H = fit.transform(X), fit.components_
    loss = 0.5 * np.sum((X - W @ H) ** 2)
    wide = {}
    for name, A, n in (("W", W, 12), ("H", H, 30)):
        level = n * options[f"alpha_{name}"]
        wide[name] = level * (0.3 * A.sum() + 0.35 * np.sum(A * A))
    assert fit.objective_ == pytest.approx((loss + sum(wide.values())) / 360, rel=1e-7)
    assert fit.reconstruction_err_ == pytest.approx(np.linalg.norm(X - W @ H), rel=1e-5)
    # From this solution the other solver finds nothing better.
    other = NMF(3, init="custom", tol=0.0, max_iter=50, **options)
    again = other.fit_transform(X, W=W.copy(), H=H.copy())
    assert_allclose(again, W, atol=1e-5)
    assert_allclose(other.components_, H, atol=1e-5)


def test_as_good_as_scikit_learn_from_the_same_start(rng):
    X, ours, theirs = rng.random((60, 25)), [], []
    for seed in range(4):
        W = np.random.default_rng(seed).random((60, 5))
        H = np.random.default_rng(seed + 9).random((5, 25))
        fit = MatrixFactorization(5, init="custom", tol=1e-5, max_iter=2000)
        ours.append(fit.fit(X, W=W, H=H).reconstruction_err_)
        other = NMF(5, init="custom", tol=1e-8, max_iter=2000)
        theirs.append(other.fit(X, W=W.copy(), H=H.copy()).reconstruction_err_)
    assert min(ours) <= min(theirs) * 1.01
    assert np.mean(ours) <= np.mean(theirs) * 1.01


@pytest.mark.parametrize("nonnegative", ["codes", "components", False])
def test_signs_are_kept_where_asked(rng, nonnegative):
    X = rng.standard_normal((30, 12))
    fit = model(nonnegative=nonnegative, tol=1e-3).fit(X)
    codes, H = fit.transform(X), fit.components_
    assert (codes.min() >= 0.0) == (nonnegative == "codes")
    assert (H.min() >= 0.0) == (nonnegative == "components")
    best = np.sqrt(np.sum(np.linalg.svd(X)[1][3:] ** 2))
    if nonnegative is False:
        assert fit.reconstruction_err_ == pytest.approx(best, rel=1e-4)
    else:
        assert best < fit.reconstruction_err_ < np.linalg.norm(X)


@pytest.mark.parametrize("penalty", ["l1", "mcp", MCP(2.0), "scad", "l0", "l_half"])
def test_sparse_codes_under_bounded_components(X, penalty):
    options = {"bounded": True, "alpha_H": 0.0, "init": "random"}
    dense = model(**options).fit(X)
    fit = model(penalty=penalty, alpha_W=0.02, **options).fit(X)
    assert np.linalg.norm(fit.components_, axis=1).max() <= 1.0 + 1e-9
    used, before = (np.mean(m.transform(X) > 0) for m in (fit, dense))
    assert 0.05 < used < before
    assert np.diff(fit.history_["objective"]).max() <= 1e-14
    assert fit.converged_


def test_sparse_is_dense(rng, X):
    weights = rng.random(40)
    fit = model(tol=1e-6).fit(X, sample_weight=weights)
    for kind in (sp.csr_array, sp.csc_matrix, sp.coo_array):
        again = model(tol=1e-6).fit(kind(X), sample_weight=weights)
        assert_allclose(again.components_, fit.components_, rtol=1e-6)
        assert_allclose(again.transform(kind(X)), fit.transform(X), atol=1e-8)
        assert again.reconstruction_err_ == pytest.approx(
            fit.reconstruction_err_, abs=1e-5
        )


@pytest.mark.parametrize("options", [{}, {"alpha_W": 0.01, "penalty": "mcp"}])
@pytest.mark.parametrize("init", ["nndsvda", "random", "k-means++"])
def test_weights_are_repetitions(rng, init, options):
    X, times = rng.random((25, 9)), rng.integers(0, 4, 25)
    fit = model(init=init, **options).fit(X, sample_weight=times)
    again = model(init=init, **options).fit(np.repeat(X, times, axis=0))
    assert_allclose(fit.components_, again.components_, rtol=1e-6, atol=1e-9)
    assert fit.objective_ == pytest.approx(again.objective_)


@pytest.mark.parametrize("solver", ["hals", "bcd-pr"])
def test_scale_changes_nothing(X, solver):
    fits = [model(solver=solver).fit(scale * X) for scale in (1.0, 1e-8, 1e8)]
    base = fits[0].history_["certificate"]
    for fit in fits[1:]:
        assert_allclose(fit.history_["certificate"], base, rtol=1e-3)


def test_float32_stays_and_agrees(X):
    wide, fit = model().fit(X), model().fit(X.astype(np.float32))
    codes = fit.transform(X.astype(np.float32))
    assert fit.components_.dtype == codes.dtype == np.float32
    assert fit.converged_
    assert cosines(fit.components_, wide.components_) > 0.995


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "bcd-pr", "alpha_W": 0.01, "l1_ratio": 1.0},
        {"nonnegative": "codes", "init": "k-means++"},
        {"bounded": True, "alpha_W": 0.01, "alpha_H": 0.0, "penalty": "mcp"},
    ],
)
def test_other_arrays_give_the_same(device_backend, X, options):
    options = {"max_iter": 5, "tol": 0.5, **options}
    wanted, there = model(**options).fit(X), device_backend.asarray(X)
    fit = model(**options).fit(there)
    assert_allclose(
        device_backend.to_numpy(fit.components_), wanted.components_, rtol=1e-7
    )
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(device_backend.to_numpy(codes), wanted.transform(X), atol=1e-7)
    back = device_backend.to_numpy(fit.inverse_transform(codes))
    assert_allclose(back, wanted.inverse_transform(wanted.transform(X)), atol=1e-7)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_device_is_used_and_left(cuda_stand_in, X, kind):
    options = {"max_iter": 5, "tol": 0.5}
    there = model(device="cuda", **options).fit(kind(X))
    here = model(**options).fit(kind(X))
    assert there.device_ == "cuda:0"
    assert isinstance(there.components_, np.ndarray)
    assert_allclose(there.components_, here.components_, rtol=1e-8)
    assert_allclose(there.transform(kind(X)), here.transform(kind(X)), atol=1e-8)


def test_warm_start_goes_on(X):
    fit = model(warm_start=True, tol=1e-8, max_iter=3000).fit(X)
    first, before = fit.n_iter_, fit.components_
    fit.fit(X)
    assert fit.n_iter_ < 0.2 * first
    assert_allclose(fit.components_, before, atol=1e-6)
    assert fit.fit(X[:-2]).converged_


def test_given_components_are_where_it_starts(X, planted):
    fit = MatrixFactorization("auto", init=planted, tol=1e-6).fit(X)
    assert fit.n_iter_ <= 3
    assert_allclose(fit.components_, planted, atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["hals", "bcd-pr"])
def test_continues_from_a_checkpoint(tmp_path, X, solver):
    options = {"solver": solver, "tol": 0.0}
    path = tmp_path / "fit.npz"
    straight = model(max_iter=12, **options).fit(X)
    part = model(max_iter=7, **options)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    whole = model(max_iter=12, **options)
    whole.set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == 12
    assert_allclose(whole.components_, straight.components_, rtol=1e-10)


def test_stops_when_asked(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 1)
    stopper = EarlyStopping(patience=2, min_delta=1e9, monitor="objective")
    fit = model(tol=0.0).set_callbacks(stopper).fit(X)
    assert fit.stop_reason_ == "callback"
    with pytest.warns(ConvergenceWarning, match="without further progress"):
        assert model(tol=0.0, max_iter=5000).fit(X).stop_reason_ == "stalled"


def test_pickles_clones_and_names(X):
    fit = model().fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    names = list(fit.get_feature_names_out())
    assert names == [f"matrixfactorization{j}" for j in range(3)]
    assert_array_equal(model().fit_transform(X), fit.transform(X))


def test_degenerate_data(X):
    zero = model().fit(np.zeros((5, 4)))
    assert zero.converged_
    assert zero.reconstruction_err_ == 0.0
    assert_array_equal(zero.transform(np.zeros((2, 4))), 0.0)
    one = model().fit(X[:1])
    assert one.reconstruction_err_ == pytest.approx(0.0, abs=1e-6)
    many = MatrixFactorization("auto", random_state=0).fit(X)
    assert many.components_.shape == (14, 14)
    codes = many.transform(np.vstack([X, np.zeros(14)]))
    assert np.isfinite(codes).all()
    assert not codes[-1].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "n_components must be a positive integer"),
        ({"nonnegative": "both"}, "nonnegative must be one of"),
        ({"solver": "mu"}, "solver must be one of"),
        ({"alpha_W": -1.0}, "alpha_W must be a nonnegative number"),
        ({"alpha_H": "none"}, "alpha_H must be a nonnegative number"),
        ({"l1_ratio": 1.5}, r"l1_ratio must be a number in \[0, 1\]"),
        ({"alpha_W": 1.0, "alpha_H": 0.0}, "without alpha_H has no effect"),
        ({"alpha_H": 1.0}, "without alpha_W has no effect"),
        ({"alpha_H": 1.0, "bounded": True}, "without alpha_W has no effect"),
        ({"penalty": "ridge"}, "is not for codes"),
        ({"penalty": "slope"}, "is not for codes"),
        ({"penalty": "adaptive_l1"}, "is not for codes"),
        ({"nonnegative": 1}, "nonnegative must be one of"),
        ({"prox": 0.0}, "prox must be a positive number"),
        ({"init": "pca"}, "init must be one of"),
        ({"init": np.ones((2, 14))}, r"expected \(3, 14\)"),
        ({"init": -np.ones((3, 14))}, "negative"),
        ({"init": np.full((3, 14), np.nan)}, "init must be finite"),
        ({"init": "custom"}, "needs both W and H"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="Negative values in data"):
        model().fit(-X)
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(X > 0.5, np.nan, X))
    with pytest.raises(ValueError, match="init='custom' only"):
        model().fit(X, H=np.ones((3, 14)))
    fit = model().fit(X)
    with pytest.raises(ValueError, match="Negative values in data"):
        fit.transform(-X)
    with pytest.raises(ValueError, match="3 components"):
        fit.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        fit.inverse_transform(np.full((2, 3), np.inf))
