"""The estimator with a coreset: the exact process, scales, shapes, errors, devices."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    Matern,
    WhiteKernel,
)

import skopt2
from skopt2._core.array import HOST
from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.gaussian_process import CoresetGPRegressor
from skopt2.gaussian_process.coreset_process import expand
from skopt2.solvers.kernel.coreset_bound import Bound, Coreset
from tests.callbacks.test_checkpoint import Interrupt

FIXED = ConstantKernel(1.5, "fixed") * RBF(1.2, "fixed") + WhiteKernel(0.1, "fixed")


@pytest.fixture
def data(rng):
    X = rng.uniform(-3.0, 3.0, (150, 2))
    return X, np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.2 * rng.standard_normal(150)


def quick(kernel=None, **options):
    """Return an estimator for a fit of a few hundredths of a second."""
    options = {"n_coreset": 10, "max_iter": 100, "random_state": 0, **options}
    return CoresetGPRegressor(kernel, **options)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_coreset_of_all_rows_is_the_exact_process(data):
    X, y = data[0][:60], data[1][:60]
    exact = GaussianProcessRegressor(FIXED, alpha=1e-10).fit(X, y)
    model = quick(FIXED, n_coreset=60).fit(X, y)
    evidence = exact.log_marginal_likelihood_value_
    assert_allclose(model.evidence_lower_bound_, evidence, rtol=1e-8)
    new = data[0][60:90]
    for options in ({"return_std": True}, {"return_cov": True}):
        for found, expected in zip(
            model.predict(new, **options), exact.predict(new, **options), strict=True
        ):
            assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_bound_grows_with_the_coreset_towards_the_evidence(data):
    X, y = data
    exact = GaussianProcessRegressor(FIXED, alpha=1e-10).fit(X, y)
    bounds = [
        quick(FIXED, n_coreset=size, max_iter=400).fit(X, y).evidence_lower_bound_
        for size in (2, 5, 10, 20, 40)
    ]
    assert (np.diff(bounds) > 0.0).all()
    evidence = exact.log_marginal_likelihood_value_
    assert evidence - 0.5 < bounds[-1] < evidence


def test_fit_converges_to_a_good_kernel(data):
    X, y = data
    model = CoresetGPRegressor(n_coreset=25, random_state=0).fit(X, y)
    assert model.converged_
    assert model.certificate_.holds
    assert model.stop_reason_ == "converged"
    kernel = ConstantKernel() * Matern([1.0, 1.0], nu=1.5) + WhiteKernel()
    exact = GaussianProcessRegressor(kernel, random_state=0).fit(X, y)
    evidence = exact.log_marginal_likelihood_value_
    assert evidence - 5.0 < model.evidence_lower_bound_ <= evidence
    assert model.noise_ == pytest.approx(0.04, rel=0.4)
    new = np.random.default_rng(1).uniform(-2.5, 2.5, (200, 2))
    found, expected = model.predict(new), exact.predict(new)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.06
    assert model.n_parameters_ == 25 * 4 + 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_units_of_the_data_do_not_matter(data):
    X, y = data
    model = quick().fit(X, y)
    units = np.array([1e4, 1e-3])
    other = quick().fit(X * units + units, 1e3 * y)
    assert_allclose(
        other.evidence_lower_bound_,
        model.evidence_lower_bound_ - len(y) * np.log(1e3),
        rtol=1e-5,
    )
    assert_allclose(
        other.predict(X * units + units), 1e3 * model.predict(X), rtol=1e-3, atol=1.0
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_normalized_targets_and_several_of_them(data):
    X, y = data
    Y = np.stack([y, 7.0 + 100.0 * np.cos(X[:, 0])], axis=1)
    model = quick(n_coreset=20, normalize_y=True).fit(X, Y)
    assert model.coreset_y_.shape == (20, 2)
    assert model.score(X, Y) > 0.9
    mean, std = model.predict(X[:5], return_std=True)
    _, cov = model.predict(X[:5], return_cov=True)
    assert mean.shape == std.shape == (5, 2)
    assert_allclose(std[:, 1] / std[:, 0], Y[:, 1].std() / Y[:, 0].std())
    assert_allclose(np.sqrt(np.einsum("iit->it", cov)), std, rtol=1e-6)
    assert model.sample_y(X[:5], 3).shape == (5, 2, 3)
    # The outputs of the coreset are in the units of y.
    assert abs(model.coreset_y_[:, 1].mean() - 7.0) < 100.0
    assert model.coreset_y_[:, 1].std() > 20.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_draws_have_the_moments_of_the_prediction(data):
    X, y = data
    model = quick().fit(X, y)
    draws = model.sample_y(X[:4], 20000, random_state=3)
    mean, cov = model.predict(X[:4], return_cov=True)
    assert_allclose(draws.mean(axis=1), mean, atol=0.02)
    assert_allclose(np.cov(draws), cov, atol=0.01)
    assert_array_equal(draws, model.sample_y(X[:4], 20000, random_state=3))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_single_precision_stays(data):
    X, y = (part.astype(np.float32) for part in data)
    model = quick().fit(X, y)
    mean, std = model.predict(X, return_std=True)
    assert {mean.dtype, std.dtype, model.coreset_X_.dtype} == {np.dtype("float32")}
    double = quick().fit(X.astype(np.float64), y.astype(np.float64))
    # The algebra is the same; what differs is the rounding of the coreset at the end.
    assert_allclose(mean, double.predict(X.astype(np.float64)), atol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fixed_parameters_stay_and_bounds_hold(data):
    X, y = data
    kernel = ConstantKernel(2.0, "fixed") * RBF([1.0, 2.0], (0.9, 2.5))
    model = quick(kernel + WhiteKernel(0.5, (0.3, 1.0)), max_iter=200).fit(X, y)
    assert model.kernel_.k1.k1.constant_value == 2.0
    assert (model.kernel_.k1.k2.length_scale >= 0.9 * (1.0 - 1e-12)).all()
    assert model.kernel_.k2.noise_level == pytest.approx(0.3)
    assert model.noise_ == pytest.approx(0.3)
    # The object that was given is left as it was.
    assert kernel.k2.length_scale == [1.0, 2.0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_warm_start_goes_on(data):
    X, y = data
    model = quick(warm_start=True).fit(X, y)
    first = model.evidence_lower_bound_
    model.fit(X, y)
    assert model.evidence_lower_bound_ >= first - 1e-6
    kept = model.coreset_weights_.copy()
    model.set_params(learning_rate=1e-12).fit(X, y)
    assert_allclose(model.coreset_weights_, kept, rtol=1e-8)


def test_seed_decides_and_warning_says_what_to_do(data):
    X, y = data
    with pytest.warns(ConvergenceWarning, match="evidence bound change per row"):
        one = quick().fit(X, y)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter"):
        two = quick().fit(X, y)
    with pytest.warns(ConvergenceWarning):
        other = quick(random_state=1).fit(X, y)
    assert_array_equal(one.coreset_X_, two.coreset_X_)
    assert np.abs(one.coreset_X_ - other.coreset_X_).max() > 0.1
    assert_array_equal(pickle.loads(pickle.dumps(one)).predict(X), one.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [1, 2, 12])
def test_few_rows_duplicates_and_constants(n):
    X, y = np.ones((n, 3)), np.full(n, 4.0)
    model = quick(n_coreset=5).fit(X, y)
    assert model.coreset_X_.shape == (min(n, 5), 3)
    mean, std = model.predict(X, return_std=True)
    assert_allclose(mean, 4.0, atol=1.5)
    assert np.isfinite(std).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_on_a_device_equals_that_on_the_host(data, cuda_stand_in):
    X, y = data
    options = {"max_iter": 20, "n_coreset": 6, "init": "random"}
    host, device = quick(**options).fit(X, y), quick(device="cuda", **options).fit(X, y)
    assert device.device_ == "cuda:0"
    assert isinstance(device.coreset_X_, np.ndarray)
    assert_allclose(device.coreset_X_, host.coreset_X_, rtol=1e-6)
    for found, expected in zip(
        device.predict(X, return_cov=True),
        host.predict(X, return_cov=True),
        strict=True,
    ):
        assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
    there = cuda_stand_in.upload(X, 0)
    model = quick(**options).fit(there, cuda_stand_in.upload(y, 0))
    back = skopt2.to_device(model, "cpu")
    assert_allclose(back.predict(X), host.predict(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_coreset": 0}, "n_coreset must be a positive integer; got n_co"),
        ({"batch_size": 1.5}, "batch_size must be a positive integer"),
        ({"max_iter": True}, "max_iter must be a positive integer"),
        ({"learning_rate": -1.0}, "learning_rate must be a positive number"),
        ({"tol": np.inf}, "tol must be a nonnegative number that is finit"),
        ({"alpha": -1e-3}, "alpha must be a nonnegative number"),
        ({"time_limit": 0}, "time_limit must be a positive number or None"),
        ({"init": "kmeans"}, "init must be one of"),
        ({"kernel": DotProduct()}, "ConstantKernel, WhiteKernel, RBF, and Matern"),
        ({"kernel": "rbf"}, "kernel must be a kernel object"),
        ({"kernel": Matern(nu=0.7)}, "nu=0.5, 1.5, 2.5 or inf"),
        ({"kernel": RBF() * RBF()}, "multiplies two kernels of the distance"),
        ({"kernel": WhiteKernel()}, "no RBF or Matern part"),
        ({"kernel": RBF([1.0, 1.0, 1.0])}, "3 values, but X has 2 features"),
        ({"kernel": RBF(), "alpha": 0}, "there is no noise"),
        ({"kernel": RBF(-1.0) + WhiteKernel()}, "must be positive and finite"),
    ],
)
def test_bad_parameters(data, parameters, match):
    with pytest.raises(ValueError, match=match):
        quick(**parameters).fit(*data)


def test_bad_calls(data):
    with pytest.raises(NotFittedError):
        quick().predict(data[0])
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(RuntimeError, match="ask for one of them"),
    ):
        quick().fit(*data).predict(data[0], return_std=True, return_cov=True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_white_noise_that_is_multiplied_is_noise(data):
    X, y = data
    kernel = ConstantKernel(2.0) * (RBF(1.0) + WhiteKernel(0.1))
    model = quick(kernel).fit(X, y)
    constant, inner = model.kernel_.k1.constant_value, model.kernel_.k2
    assert_allclose(model.noise_, constant * inner.k2.noise_level, rtol=1e-6)
    exact = GaussianProcessRegressor(model.kernel_, optimizer=None).fit(X, y)
    assert model.evidence_lower_bound_ < exact.log_marginal_likelihood_value_
    assert model.evidence_lower_bound_ > exact.log_marginal_likelihood_value_ - 50.0


def test_stream_of_rows_is_learnt(rng):
    X = rng.uniform(-3.0, 3.0, (3000, 2))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.2 * rng.standard_normal(3000)
    model, bounds = quick(n_coreset=20, batch_size=100), []
    for start in range(0, 3000, 500):
        model.partial_fit(X[start : start + 500], y[start : start + 500])
        bounds.append(model.evidence_lower_bound_ / model.n_samples_seen_)
    assert model.n_samples_seen_ == 3000
    assert model.n_iter_ == 450
    assert bounds[-1] > bounds[0] + 0.02
    # They have grown with the rows, the first of which were 500.
    assert 1500.0 < model.coreset_weights_.sum() < 3300.0
    assert model.noise_ == pytest.approx(0.04, rel=0.2)
    truth = np.sin(X[:, 0]) + 0.5 * X[:, 1]
    assert np.sqrt(np.mean((model.predict(X) - truth) ** 2)) < 0.06
    # What the coreset says of rows that are gone is near what they say themselves.
    exact = Bound(expand(model.kernel_, 2).terms, 1e-10)
    parts = model._parts(HOST)
    value = exact.value(Coreset(*parts[:4]), [(X, y[:, None])])
    assert model.evidence_lower_bound_ == pytest.approx(value, abs=0.03 * 3000)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_streams_begin_and_end(data):
    X, y = data
    model = quick(normalize_y=True).fit(X, y)
    model.partial_fit(X[:80], y[:80])
    assert not hasattr(model, "certificate_")
    copy = pickle.loads(pickle.dumps(model)).partial_fit(X[80:], y[80:])
    model.partial_fit(X[80:], y[80:])
    assert_array_equal(copy.coreset_X_, model.coreset_X_)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="y has 2 targets"):
        model.partial_fit(X, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :1], y)
    assert all(vars(model)[name] is value for name, value in before.items())
    model.fit(X, y)
    assert not hasattr(model, "n_samples_seen_")
    # With warm_start the stream begins where the fit ended.
    kept = model.set_params(warm_start=True, learning_rate=1e-12).coreset_X_
    assert_allclose(model.partial_fit(X[:80], y[:80]).coreset_X_, kept, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_stream_on_a_device(data, cuda_stand_in):
    X, y = data
    options = {"n_coreset": 6, "init": "random", "batch_size": 40}
    host, device = quick(**options), quick(device="cuda", **options)
    for part in (slice(0, 80), slice(80, 150)):
        host.partial_fit(X[part], y[part])
        device.partial_fit(X[part], y[part])
    assert device.device_ == "cuda:0"
    assert_allclose(device.predict(X), host.predict(X), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("at", [1, 7])
def test_an_interrupted_fit_continues_to_the_same_coreset(data, tmp_path, at):
    options = {"max_iter": 600, "tol": 0.05, "batch_size": 64}
    whole = quick(**options).fit(*data)
    assert len(whole.history_["iteration"]) > at
    path = tmp_path / "fit.npz"
    broken = quick(**options)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(at))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(*data)
    assert not hasattr(broken, "coreset_X_")
    # The order of the rows is that of the fit which was interrupted.
    rest = quick(**{**options, "random_state": 5})
    rest.set_callbacks(Checkpoint(path)).fit(*data)
    assert_array_equal(rest.coreset_X_, whole.coreset_X_)
    assert_array_equal(rest.history_["objective"], whole.history_["objective"])
    assert rest.stop_reason_ == whole.stop_reason_


def test_early_stopping_keeps_a_usable_coreset(data):
    X, y = data
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = quick().set_callbacks(stopping).fit(X, y)
    assert model.stop_reason_ == "callback"
    assert not model.converged_
    assert np.isfinite(model.predict(X)).all()
