"""The barycentre as an estimator: values, weights, arrays, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import namespace
from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.transport import (
    SinkhornDistance,
    WassersteinBarycenter,
    sinkhorn,
    wasserstein_barycenter,
)
from skopt2.transport.histogram_sample import HistogramSample
from tests.callbacks.test_checkpoint import Interrupt
from tests.transport.barycenter_reference import (
    bump,
    debiased_by_primal,
    gaussian_variance,
    line,
    moments,
)


@pytest.fixture
def X(rng):
    X = rng.random((7, 10)) * (rng.random((7, 10)) > 0.2)
    X[:, 0] += 0.1
    return X


def unit(**options):
    """Return an estimator with the regularisation in the unit of the cost."""
    return WassersteinBarycenter(normalize_cost=None, **options)


@pytest.mark.parametrize("reg", [5.0, 50.0])
@pytest.mark.parametrize("debiased", [True, False])
def test_barycentre_of_gaussians(reg, debiased):
    """Mean and variance have a closed form, for any regularisation."""
    X = np.array([bump(200, 70, 6), bump(200, 120, 12)])
    model = unit(reg=reg, debiased=debiased, tol=1e-9)
    model.fit(X, sample_weight=[3.0, 7.0])
    mean, variance = moments(model.barycenter_)
    expected = gaussian_variance([36.0, 144.0], np.array([0.3, 0.7]), reg, debiased)
    assert mean == pytest.approx(105, abs=1e-6)
    assert variance == pytest.approx(expected, rel=1e-7)


def test_distances_to_shifted_gaussians():
    """The divergence of shifted copies is the square of their shift."""
    model = unit(reg=3.0, tol=1e-9).fit([bump(150, 60, 5), bump(150, 90, 5)])
    assert_allclose(model.barycenter_, bump(150, 75, 5), atol=1e-7)
    Z = [bump(150, place, 5) for place in (30, 75, 100)]
    assert_allclose(model.transform(Z)[:, 0], [45.0**2, 0.0, 25.0**2], atol=1e-5)


@pytest.mark.parametrize("debiased", [True, False])
def test_barycentre_is_that_of_the_function(rng, X, debiased):
    C = rng.random((10, 10))
    C += C.T
    w = rng.random(7)
    options = {"debiased": debiased, "tol": 1e-10}
    model = unit(reg=0.1, cost=C, **options).fit(X, sample_weight=w)
    result = wasserstein_barycenter(X, reg=0.1, cost=C, weights=w, **options)
    assert_allclose(model.barycenter_, result.barycenter, atol=1e-9)
    assert model.objective_ == pytest.approx(result.objective, rel=1e-9)


@pytest.mark.parametrize("shape", ["grid", (16, 16)])
def test_images(rng, shape):
    images = rng.random((3, 16, 16)) + 0.01
    model = unit(reg=1.0, cost=shape, tol=1e-9).fit(images.reshape(3, -1))
    result = wasserstein_barycenter(images, reg=1.0, debiased=True, tol=1e-9)
    assert_allclose(model.barycenter_, result.barycenter.ravel(), atol=1e-8)


def distance(a, p, C, reg, debiased):
    """Return the distance by separate problems."""

    def solve(a, b):
        a, b = a / a.sum(), b / b.sum()
        return sinkhorn(a, b, C, reg, tol=1e-11, max_iter=100_000)

    if debiased:
        both = solve(a, a).objective + solve(p, p).objective
        return solve(a, p).objective - 0.5 * both
    result = solve(a, p)
    P = result.plan[result.plan > 0]
    return result.cost + reg * (P * np.log(P * C.size)).sum()


@pytest.mark.parametrize("debiased", [True, False])
def test_distances_are_those_of_single_problems(rng, X, debiased):
    C = line(10)
    model = unit(reg=2.0, debiased=debiased, tol=1e-10).fit(X)
    Z = rng.random((3, 10))
    expected = [distance(z, model.barycenter_, C, 2.0, debiased) for z in Z]
    assert_allclose(model.transform(Z)[:, 0], expected, atol=1e-8)
    assert (model.transform(X) >= 0.0).all()
    itself = model.transform(model.barycenter_[None, :])
    if debiased:
        assert_allclose(itself, 0.0, atol=1e-9)
        peer = SinkhornDistance(2.0, normalize_cost=None, debiased=True, tol=1e-10)
        peer.fit(model.barycenter_[None, :])
        assert_allclose(model.transform(Z), peer.transform(Z), atol=1e-9)


@pytest.mark.parametrize("debiased", [True, False])
def test_the_mean_distance_is_smallest_at_the_barycentre(rng, X, debiased):
    w = rng.random(7)
    w /= w.sum()
    model = unit(reg=2.0, debiased=debiased, tol=1e-11).fit(X, sample_weight=w)
    best, p = w @ model.transform(X)[:, 0], model.barycenter_
    worse = clone(model).fit(X)
    for _ in range(10):
        other = p * np.exp(0.05 * rng.standard_normal(10))
        worse.barycenter_ = other / other.sum()
        assert w @ worse.transform(X)[:, 0] > best
    if debiased:
        own = [sinkhorn(*[x / x.sum()] * 2, line(10), 2.0).objective for x in X]
        assert model.objective_ - 0.5 * (w @ own) == pytest.approx(best, abs=1e-8)


def test_debiased_barycentre_of_few_bins(rng):
    B, C, w = rng.random((3, 5)), line(5), np.array([0.2, 0.3, 0.5])
    B /= B.sum(axis=1, keepdims=True)
    expected, _ = debiased_by_primal(B, C, 1.0, w)
    model = unit(reg=1.0, tol=1e-10).fit(B, sample_weight=w)
    assert_allclose(model.barycenter_, expected, atol=1e-5)


@pytest.mark.parametrize("debiased", [True, False])
def test_one_histogram(X, debiased):
    model = unit(reg=2.0, debiased=debiased).fit(X[:1])
    if debiased:
        assert_allclose(model.barycenter_, X[0] / X[0].sum(), rtol=1e-12)
    assert model.converged_
    assert_array_equal(
        model.barycenter_,
        unit(reg=2.0, debiased=debiased).fit(X[[0, 0, 0]]).barycenter_,
    )


@pytest.mark.parametrize("debiased", [True, False])
def test_weights_repeat_rows_in_any_order(rng, X, debiased):
    w = np.array([2, 0, 1, 3, 1, 0, 4])
    model = unit(reg=2.0, debiased=debiased).fit(X, sample_weight=w)
    rows = rng.permutation(np.repeat(np.arange(7), w))
    again = unit(reg=2.0, debiased=debiased).fit(X[rows])
    assert_allclose(again.barycenter_, model.barycenter_, rtol=1e-9)
    assert again.n_iter_ == model.n_iter_
    scaled = unit(reg=2.0, debiased=debiased).fit(X, sample_weight=1e200 * w)
    assert_allclose(scaled.barycenter_, model.barycenter_, rtol=1e-9)


def test_samples_are_measures(rng, X):
    rows = np.array([4, 2, 4, 4, 1, 2])
    sample = HistogramSample.of(X[rows], np.array([1.0, 2.0, 3.0, 0.0, 0.0, 1.0]))
    assert_array_equal(sample.A[sample.rows], X[rows])
    assert len(sample.A) == 3
    assert_allclose(sample.w[sample.rows[[0, 1, 4]]], [4 / 7, 3 / 7, 0.0])
    assert len(sample.with_mass().A) == 2
    other = HistogramSample.of(X[rows[::-1]], None)
    assert_array_equal(other.A, sample.A)


def test_different_rows_with_one_product(monkeypatch):
    monkeypatch.setattr(
        "skopt2.transport.histogram_sample.row_products", lambda X, v: X[:, 0]
    )
    A = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    sample = HistogramSample.of(A, None)
    assert_array_equal(sample.A[sample.rows], A)
    assert_allclose(np.sort(sample.w), [1 / 3, 2 / 3])


def test_fitted_figures(X):
    model = WassersteinBarycenter(0.1, cost=(2, 5), tol=1e-8).fit(X)
    assert model.converged_
    assert model.stop_reason_ == "converged"
    assert model.certificate_.name == "marginal error"
    assert model.certificate_.value == model.marginal_error_ <= 1e-8
    assert model.history_["iteration"][-1] == model.n_iter_ > 1
    assert model.barycenter_.sum() == pytest.approx(1.0)
    assert model.reg_ == pytest.approx(0.1 * model.ground_cost_.mean())
    assert np.isnan(model.dual_gap_)


def test_names_and_frames(X):
    frame = pd.DataFrame(X, columns=[f"bin{k}" for k in range(10)])
    model = WassersteinBarycenter(0.1).set_output(transform="pandas")
    D = model.fit_transform(frame)
    assert list(D.columns) == ["wassersteinbarycenter0"]
    assert list(model.get_feature_names_out()) == list(D.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame.iloc[:, ::-1])


def test_clone_pickle_and_pipeline(X):
    model = WassersteinBarycenter(0.1, cost=(2, 5), debiased=False)
    assert clone(model).get_params() == model.get_params()
    model.fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))
    chain = make_pipeline(FunctionTransformer(np.square), clone(model))
    chain.fit(np.sqrt(X), wassersteinbarycenter__sample_weight=np.ones(7))
    assert_allclose(chain.transform(np.sqrt(X)), model.transform(X), rtol=1e-6)


def test_changed_parameters_wait_for_the_next_fit(X):
    model = WassersteinBarycenter(0.1).fit(X)
    expected = model.transform(X)
    model.set_params(reg=3.0, cost=(2, 5), normalize_cost=None, debiased=False)
    assert_array_equal(model.transform(X), expected)


@pytest.mark.parametrize("debiased", [True, False])
def test_an_interrupted_fit_continues(X, tmp_path, debiased):
    model = WassersteinBarycenter(0.02, debiased=debiased, tol=1e-9)
    whole = clone(model).fit(X)
    assert len(whole.history_["iteration"]) > 2
    path = tmp_path / "fit.npz"
    broken = clone(model)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X)
    assert not hasattr(broken, "barycenter_")
    other = clone(model).set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match="belongs to another problem"):
        other.fit(X, sample_weight=np.arange(7.0))
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X)
    assert rest.converged_
    assert_allclose(rest.barycenter_, whole.barycenter_, atol=1e-7)


def test_early_stopping_keeps_a_usable_barycentre(X):
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = WassersteinBarycenter(0.1, tol=1e-12).set_callbacks(stopping).fit(X)
    assert model.stop_reason_ == "callback"
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("debiased", [True, False])
def test_namespaces_agree(backend, dispatch, X, debiased):
    w = np.arange(7.0)
    model = WassersteinBarycenter(0.1, debiased=debiased, tol=1e-9)
    expected = clone(model).fit(X, sample_weight=w)
    there = backend.asarray(X)
    model.fit(there, sample_weight=backend.asarray(w))
    D = model.transform(there)
    assert namespace(D) is namespace(model.barycenter_) is backend.xp
    p = backend.to_numpy(model.barycenter_)
    assert_allclose(p, expected.barycenter_, atol=1e-8)
    assert_allclose(backend.to_numpy(D), expected.transform(X), atol=1e-7)


@pytest.mark.parametrize("cost", [None, "array", (16, 16)])
def test_numpy_computed_on_the_gpu(cuda_stand_in, rng, cost):
    X = rng.random((5, 256 if isinstance(cost, tuple) else 8))
    cost = line(8) if cost == "array" else cost
    expected = WassersteinBarycenter(0.1, cost=cost, debiased=False).fit(X)
    model = WassersteinBarycenter(0.1, cost=cost, debiased=False, device="cuda").fit(X)
    assert model.device_ == "cuda:0"
    assert type(model.barycenter_) is np.ndarray
    D = model.transform(X)
    assert type(D) is np.ndarray
    assert_allclose(D, expected.transform(X), rtol=1e-6)


def test_device_arrays_move_home(cuda_stand_in, X):
    there = cuda.cuda_target().provider.upload(X, 0)
    model = WassersteinBarycenter(0.1).fit(there)
    assert cuda.provider.owns(model.transform(there))
    expected = WassersteinBarycenter(0.1).fit_transform(X)
    assert_allclose(to_device(model, "cpu").transform(X), expected, atol=1e-6)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.transform(X)


def test_float32(X):
    model = WassersteinBarycenter(0.1, tol=1e-4).fit(X.astype(np.float32))
    D = model.transform(X.astype(np.float32))
    assert model.barycenter_.dtype == model.ground_cost_.dtype == D.dtype == np.float32
    assert model.converged_
    expected = WassersteinBarycenter(0.1, tol=1e-9).fit(X)
    assert_allclose(model.barycenter_, expected.barycenter_, atol=2e-3)
    assert_allclose(D, expected.transform(X), rtol=1e-2)


def test_too_few_iterations_are_reported(X):
    model = WassersteinBarycenter(0.01, max_iter=4, tol=1e-9)
    with pytest.warns(
        ConvergenceWarning, match="Increase max_iter.*reg near the detail"
    ):
        model.fit(X)
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"
    with pytest.warns(ConvergenceWarning, match="did not reach a marginal error of"):
        model.transform(X)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        WassersteinBarycenter(0.01, tol=0.0, time_limit=1e-9).fit(X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reg": 0.0}, "reg must be a positive number"),
        ({"tol": -1.0}, "tol must be a nonnegative number"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"time_limit": 0}, "time_limit must be a positive number"),
        ({"normalize_cost": "std"}, "normalize_cost must be one of"),
        ({"cost": "grid"}, "needs square images, but X has 10 features"),
        ({"cost": np.ones((3, 3))}, r"cost has the shape \(3, 3\), but X has 10"),
        ({"cost": np.triu(np.ones((10, 10)))}, "debiased=True needs a symmetric cost"),
        ({"device": "tpu"}, "device must be"),
    ],
)
def test_parameters_out_of_range(X, options, message):
    with pytest.raises(ValueError, match=message):
        WassersteinBarycenter(**options).fit(X)


def test_costs_may_be_asymmetric_without_debiasing(rng, X):
    C = rng.random((10, 10))
    model = unit(reg=0.1, cost=C, debiased=False, tol=1e-9).fit(X)
    result = wasserstein_barycenter(X, reg=0.1, cost=C, tol=1e-9)
    assert_allclose(model.barycenter_, result.barycenter, atol=1e-8)


def test_bad_histograms(X):
    model = WassersteinBarycenter(0.1).fit(X)
    bad = X.copy()
    bad[1, 1] = -0.5
    for method in (model.transform, model.fit):
        with pytest.raises(ValueError, match="Negative values in data passed to Wass"):
            method(bad)
    bad[1, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.transform(bad)
    with pytest.raises(ValueError, match="10 features"):
        model.transform(X[:, :5])
    with pytest.raises(ValueError, match="must not be zero for every"):
        model.fit(X, sample_weight=np.zeros(7))
    # Fits that failed have not touched the model.
    assert model.transform(X).shape == (7, 1)


def test_rows_of_zeros_count_as_flat(X):
    X[2] = 0.0
    with pytest.warns(UserWarning, match="Row 2 of the data passed to WassersteinBary"):
        model = WassersteinBarycenter(0.1).fit(X)
    X[2] = 1.0
    expected = WassersteinBarycenter(0.1).fit(X)
    assert_array_equal(model.barycenter_, expected.barycenter_)
