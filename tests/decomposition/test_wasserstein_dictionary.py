"""Dictionaries of histograms: recovery, codes, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skopt2.callbacks import EarlyStopping
from skopt2.decomposition import WassersteinDictionary


def bump(n, place, width):
    """Return histograms of one bump each."""
    X = np.exp(-0.5 * ((np.arange(n) - np.asarray(place)[..., None]) / width) ** 2)
    return X / X.sum(axis=-1, keepdims=True)


def blurred(D, lengths, eps):
    """Return atoms as the entropy blurs them: K' (d / K 1), axis by axis."""
    D = D.reshape(-1, *lengths)
    for axis, n in enumerate(lengths, start=1):
        x = np.arange(float(n))
        K = np.exp(-((x[:, None] - x) ** 2) / eps)
        D = np.moveaxis(np.moveaxis(D, axis, -1) / K.sum(axis=1) @ K, -1, axis)
    return D.reshape(len(D), -1)


def matched(found, planted):
    """Return the largest |.|_1 distance of planted atoms to the found ones, order."""
    far = np.abs(found[None, :, :] - planted[:, None, :]).sum(axis=2)
    rows, columns = linear_sum_assignment(far)
    return far[rows, columns].max(), columns


@pytest.fixture
def planted():
    return bump(20, [3.0, 9.0, 16.0], 1.5)


@pytest.fixture
def T(rng):
    return rng.dirichlet(np.full(3, 0.3), 40)


@pytest.fixture
def X(T, planted):
    return T @ planted


def model(**options):
    options = {"random_state": 0, "reg": 0.1, **options}
    return WassersteinDictionary(3, **options)


def test_recovers_planted_components_and_codes(X, T, planted):
    fit = model(tol=3e-3).fit(X)
    assert fit.converged_
    wanted = blurred(planted, (20,), fit.reg_)
    error, order = matched(fit.components_, wanted)
    assert error < 0.1
    assert_allclose(fit.transform(X)[:, order], T, atol=0.06)
    # The planted dictionary leaves nothing: that is the global minimum.
    assert 0.0 <= fit.reconstruction_err_ < 3e-3 * fit.cost_scale_
    assert fit.objective_ == fit.reconstruction_err_


def test_recovers_planted_joint_histograms(T):
    one, two = bump(8, [1.0, 6.0, 3.0], 1.0), bump(6, [1.0, 2.0, 5.0], 1.0)
    planted = np.einsum("ka,kb->kab", one, two).reshape(3, -1)
    fit = model(cost=(8, 6), cp=True, tol=3e-3).fit(T @ planted)
    assert [F.shape for F in fit.factors_] == [(3, 8), (3, 6)]
    product = np.einsum("ka,kb->kab", *fit.factors_).reshape(3, -1)
    assert_allclose(fit.components_, product, rtol=1e-12)
    error, _ = matched(fit.components_, blurred(planted, (8, 6), fit.reg_))
    assert error < 0.1


def test_objective_never_increases(X):
    fit = model(max_iter=40, tol=1e-3)
    with pytest.warns(ConvergenceWarning, match="stationarity gap"):
        fit.fit(X[:, ::2] ** 2)
    history = fit.history_
    assert history["objective"].size > 10
    assert np.diff(history["objective"]).max() <= 1e-12 * fit.cost_scale_


def test_costs_of_a_grid_may_be_given(X):
    fits = []
    line = [(np.arange(n)[:, None] - np.arange(n)) ** 2.0 for n in (4, 5)]
    whole = (line[0][:, None, :, None] + line[1][None, :, None, :]).reshape(20, 20)
    for cost in ((4, 5), line, whole):
        for unit in ("mean", "max", "median"):
            fit = model(cost=cost, normalize_cost=unit, reg=0.5, max_iter=3, tol=0.9)
            fits.append(fit.fit(X))
    for i in range(3):
        for j in (3, 6):
            assert fits[i].cost_scale_ == pytest.approx(fits[i + j].cost_scale_)
            assert_allclose(fits[i].components_, fits[i + j].components_, rtol=1e-8)


def test_codes_keep_the_mass_of_rows(X):
    scaled = X * np.linspace(0.5, 7.0, len(X))[:, None]
    simplex = model().fit(scaled)
    fit = model(codes="nonnegative").fit(scaled)
    assert_allclose(fit.components_, simplex.components_)
    assert_allclose(simplex.transform(scaled).sum(axis=1), 1.0)
    codes = fit.transform(scaled)
    assert_allclose(codes.sum(axis=1), scaled.sum(axis=1))
    assert_allclose(fit.inverse_transform(codes).sum(axis=1), scaled.sum(axis=1))


def test_scale_of_rows_does_not_matter(X):
    fit, again = model().fit(X), model().fit(1e3 * X)
    assert_allclose(fit.components_, again.components_, rtol=1e-6)


def test_zeros_are_histograms_too(X):
    X = np.where(X < 1e-2, 0.0, X)
    fit = model().fit(X)
    assert fit.converged_
    assert np.isfinite(fit.components_).all()
    with pytest.warns(UserWarning, match="histogram without mass"):
        codes = fit.transform(np.zeros((1, 20)))
    assert codes.sum() == pytest.approx(1.0)


def test_float32_stays_and_agrees(X):
    wide, fit = model().fit(X), model().fit(X.astype(np.float32))
    assert fit.components_.dtype == fit.transform(X.astype(np.float32)).dtype
    assert fit.components_.dtype == np.float32
    assert matched(fit.components_, wide.components_)[0] < 0.05
    assert fit.objective_ == pytest.approx(wide.objective_, abs=1e-2 * fit.cost_scale_)


@pytest.mark.usefixtures("dispatch")
def test_other_arrays_give_the_same(backend, X):
    options = {"max_iter": 5, "tol": 0.2, "cost": (4, 5), "cp": True}
    wanted = model(**options).fit(X)
    there = backend.asarray(X)
    fit = model(**options).fit(there)
    assert_allclose(backend.to_numpy(fit.components_), wanted.components_, rtol=1e-6)
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(backend.to_numpy(codes), wanted.transform(X), atol=1e-6)
    mixed = backend.to_numpy(fit.inverse_transform(codes))
    assert_allclose(mixed, wanted.inverse_transform(wanted.transform(X)), atol=1e-6)


def test_device_is_used_and_left(cuda_stand_in, X):
    options = {"max_iter": 5, "tol": 0.2}
    fit, wanted = model(device="cuda", **options).fit(X), model(**options).fit(X)
    assert fit.device_ != "cpu"
    assert isinstance(fit.components_, np.ndarray)
    assert_allclose(fit.components_, wanted.components_, rtol=1e-6)
    assert_allclose(fit.transform(X), wanted.transform(X), atol=1e-6)


def test_seeds_repeat_and_restarts_help(rng):
    X = rng.dirichlet(np.full(12, 0.3), 25)
    options = {"max_iter": 10, "tol": 0.9, "init": "random"}
    one = model(**options).fit(X)
    assert_array_equal(one.components_, model(**options).fit(X).components_)
    other = model(**{**options, "random_state": 1}).fit(X)
    assert abs(other.components_ - one.components_).max() > 1e-3
    best = model(n_init=3, **options).fit(X)
    assert best.objective_ < one.objective_


def test_warm_start_goes_on(X):
    fit = model(warm_start=True, tol=3e-3).fit(X)
    first = fit.n_iter_
    before = fit.components_
    fit.fit(X)
    assert fit.n_iter_ < first
    assert_allclose(fit.components_, before, atol=0.02)


def test_given_atoms_are_where_it_starts(X, planted):
    fit = model(init=planted, max_iter=1, tol=0.9).fit(X)
    assert (fit.components_.argmax(axis=1) == [3, 9, 16]).all()


def test_pickles_and_clones(X):
    fit = model().fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    names = list(fit.get_feature_names_out())
    assert names == [f"wassersteindictionary{j}" for j in range(3)]


def test_stops_when_asked(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 1)
    stopper = EarlyStopping(patience=2, min_delta=1e9, monitor="objective")
    fit = model(tol=0.0).set_callbacks(stopper).fit(X)
    assert fit.stop_reason_ == "callback"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reg": 0.0}, "reg must be a positive number"),
        ({"prox": -1.0}, "prox must be a positive number"),
        ({"n_init": 1.5}, "n_init must be a positive integer"),
        ({"codes": "any"}, "codes must be one of"),
        ({"init": "pca"}, "init must be one of"),
        ({"init": np.ones((2, 20))}, r"expected \(3, 20\)"),
        ({"init": np.full((3, 20), np.nan)}, "init must be finite"),
        ({"cost": (3, 6)}, "do not multiply to the 20 features"),
        ({"cost": [np.ones((3, 3)), np.ones((5, 5))]}, "do not multiply"),
        ({"cost": np.ones((3, 3))}, "cost has the shape"),
        ({"normalize_cost": "sum"}, "normalize_cost must be one of"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="Negative values in data"):
        model().fit(-X)
    with pytest.raises(TypeError, match="[Ss]parse"):
        model().fit(sp.csr_array(X))
    fit = model().fit(X)
    with pytest.raises(ValueError, match="3 components"):
        fit.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        fit.inverse_transform(np.full((2, 3), np.inf))
