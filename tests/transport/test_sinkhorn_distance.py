"""Distances between histograms: values, scikit-learn's grammar, arrays, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import wasserstein_distance
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import namespace
from skopt2.transport import SinkhornDistance, sinkhorn
from skopt2.transport.pairs import Pairs


@pytest.fixture
def X(rng):
    X = rng.random((9, 12)) * (rng.random((9, 12)) > 0.3)
    X[:, 0] += 0.1
    return X


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:160], y[:160]


@pytest.mark.parametrize("reg", [0.5, 0.05])
def test_distances_are_those_of_single_problems(rng, X, reg):
    Z = rng.random((4, 12))
    model = SinkhornDistance(reg, tol=1e-11).fit(X)
    D = model.transform(Z)
    x = np.arange(12.0)
    C = (x[:, None] - x) ** 2
    assert_allclose(model.ground_cost_, C)
    assert model.cost_scale_ == pytest.approx(C.mean())
    for i in range(4):
        for j in range(9):
            pair = (Z[i] / Z[i].sum(), X[j] / X[j].sum())
            alone = sinkhorn(*pair, C, reg * C.mean(), tol=1e-11, max_iter=100_000)
            assert_allclose(D[i, j], alone.cost, atol=1e-9)


def test_divergences_are_those_of_single_problems(rng, X):
    Z = rng.random((3, 12))
    C = rng.random((12, 12))
    C += C.T
    np.fill_diagonal(C, 0.0)
    options = {"normalize_cost": None, "debiased": True, "tol": 1e-11}
    model = SinkhornDistance(0.2, cost=C, **options).fit(X)
    D = model.transform(Z)

    def objective(a, b):
        return sinkhorn(a / a.sum(), b / b.sum(), C, 0.2, tol=1e-11).objective

    for i in range(3):
        for j in range(9):
            both = objective(Z[i], Z[i]) + objective(X[j], X[j])
            assert_allclose(D[i, j], objective(Z[i], X[j]) - 0.5 * both, atol=1e-10)
    assert_allclose(model.self_objective_, [objective(x, x) for x in X], rtol=1e-10)
    assert_allclose(np.diag(model.transform(X)), 0.0, atol=1e-12)
    assert (D >= 0).all()


def test_limit_is_the_wasserstein_distance_on_a_line(X):
    x = np.arange(12.0)
    C = np.abs(x[:, None] - x)
    D = SinkhornDistance(1e-2, cost=C, normalize_cost="max").fit_transform(X)
    for i in range(3):
        for j in range(3):
            exact = wasserstein_distance(x, x, X[i], X[j])
            assert exact - 1e-6 <= D[i, j] <= exact + 0.11 * np.log(144)


@pytest.mark.parametrize("debiased", [True, False])
def test_symmetric_pairs_are_solved_once(X, debiased):
    model = SinkhornDistance(0.1, debiased=debiased, tol=1e-11)
    D = model.fit_transform(X)
    assert_array_equal(D, D.T)
    assert_allclose(D, model.transform(X), atol=1e-9)


def test_ground_costs_may_be_asymmetric(rng, X):
    C = rng.random((12, 12))
    model = SinkhornDistance(0.1, cost=C, tol=1e-11)
    D = model.fit_transform(X)
    assert not np.allclose(D, D.T)
    assert_allclose(D, model.transform(X), rtol=1e-12)


def test_totals_do_not_matter(X):
    D = SinkhornDistance(0.1).fit_transform(X)
    scaled = X * np.logspace(-200, 200, 9)[:, None]
    assert_allclose(SinkhornDistance(0.1).fit_transform(scaled), D, rtol=1e-9)


@pytest.mark.parametrize("cost", ["grid", (16, 16)])
def test_images_axis_by_axis(rng, cost):
    """Large images take another kernel, small ones the matrix; both the same costs."""
    X = rng.random((5, 256)) * (rng.random((5, 256)) > 0.5)
    model = SinkhornDistance(0.05, cost=cost, tol=1e-10)
    D = model.fit_transform(X)
    assert model._axes is not None
    i, j = np.divmod(np.arange(256), 16)
    C = (i[:, None] - i) ** 2 + (j[:, None] - j) ** 2
    assert_array_equal(model.ground_cost_, C)
    plain = SinkhornDistance(0.05, cost=C, tol=1e-10)
    assert_allclose(plain.fit_transform(X), D, rtol=1e-8)
    assert plain._axes is None


def test_oblong_images(rng):
    X = rng.random((4, 12))
    C = SinkhornDistance(cost=(3, 4)).fit(X).ground_cost_
    # Pixel 0 is (0, 0), pixel 11 is (2, 3).
    assert C[0, 11] == 13.0
    assert C[3, 4] == 10.0


def lower_median(C):
    return np.sort(C, axis=None)[(C.size - 1) // 2]


@pytest.mark.parametrize(
    ("name", "figure"), [("mean", np.mean), ("max", np.max), ("median", lower_median)]
)
def test_unit_of_the_regularisation(rng, X, name, figure):
    C = rng.random((12, 12))
    model = SinkhornDistance(0.1, cost=C, normalize_cost=name).fit(X)
    assert model.cost_scale_ == pytest.approx(figure(C))
    assert model.reg_ == pytest.approx(0.1 * figure(C))
    other = SinkhornDistance(0.1 * figure(C), cost=C, normalize_cost=None).fit(X)
    assert_allclose(model.transform(X), other.transform(X), rtol=1e-6)


@pytest.mark.parametrize("n_jobs", [2, -1])
def test_threads(X, n_jobs, monkeypatch):
    # Several blocks, so that there is something to share.
    monkeypatch.setattr("skopt2.solvers.transport.batch.HOST_BLOCK", 1)
    expected = SinkhornDistance(0.1).fit_transform(X)
    D = SinkhornDistance(0.1, n_jobs=n_jobs).fit_transform(X)
    assert_array_equal(D, expected)


def test_pairs_cover_the_matrix():
    pairs = Pairs(5, 5, symmetric=True)
    blocks = list(pairs.blocks(4))
    i, j = (np.concatenate(part) for part in zip(*blocks, strict=True))
    rows, cols = np.triu_indices(5, 1)
    assert_array_equal(i, rows)
    assert_array_equal(j, cols)
    values = pairs.assemble(10.0 * i + j, np.arange(5.0))
    assert_array_equal(values, values.T)
    assert_array_equal(np.diag(values), np.arange(5.0))
    assert values[3, 1] == 13.0
    oblong = Pairs(2, 3)
    i, j = (np.concatenate(part) for part in zip(*oblong.blocks(4), strict=True))
    assert_array_equal(oblong.assemble(10.0 * i + j, None), [[0, 1, 2], [10, 11, 12]])


@pytest.mark.parametrize("debiased", [True, False])
def test_one_histogram(X, debiased):
    model = SinkhornDistance(0.1, debiased=debiased)
    D = model.fit_transform(X[:1])
    assert D.shape == (1, 1)
    assert_allclose(D, model.transform(X[:1]), atol=1e-5)


def test_neighbours_in_a_pipeline(digits):
    X, y = digits
    model = make_pipeline(
        SinkhornDistance(0.05, cost="grid"),
        KNeighborsClassifier(3, metric="precomputed"),
    )
    search = GridSearchCV(
        model, {"sinkhorndistance__reg": [0.05, 5.0]}, cv=3, error_score="raise"
    )
    search.fit(X[:60], y[:60])
    assert search.best_params_ == {"sinkhorndistance__reg": 0.05}
    assert search.score(X[100:], y[100:]) > 0.85


def test_names_and_frames(X):
    frame = pd.DataFrame(X, columns=[f"bin{k}" for k in range(12)])
    model = SinkhornDistance(0.1).set_output(transform="pandas")
    D = model.fit_transform(frame)
    assert list(model.feature_names_in_) == list(frame.columns)
    assert list(D.columns) == [f"sinkhorndistance{k}" for k in range(9)]
    assert list(model.get_feature_names_out()) == list(D.columns)
    assert_allclose(D.to_numpy(), SinkhornDistance(0.1).fit_transform(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame.iloc[:, ::-1])


def test_clone_and_pickle(X):
    model = SinkhornDistance(0.1, cost="grid", debiased=True)
    assert clone(model).get_params() == model.get_params()
    model = SinkhornDistance(0.1, debiased=True).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))


def test_fitted_figures(X):
    model = SinkhornDistance(0.1, tol=1e-8).fit(X)
    assert model.converged_
    assert model.stop_reason_ == "converged"
    assert model.certificate_.name == "marginal error"
    assert model.certificate_.value == model.marginal_error_ <= 1e-8
    assert model.history_["iteration"][-1] == model.n_iter_ >= 1
    assert_allclose(model.histograms_.sum(axis=1), 1.0)
    assert model.objective_ == pytest.approx(model.self_objective_.sum())


def test_changed_parameters_wait_for_the_next_fit(X):
    model = SinkhornDistance(0.1).fit(X)
    expected = model.transform(X)
    model.set_params(reg=3.0, cost=(3, 4), normalize_cost=None)
    assert_array_equal(model.transform(X), expected)


def test_callbacks_see_the_fit(X):
    monitor = ScoringMonitor(scoring=lambda model, X, y: -model.marginal_error_)
    model = SinkhornDistance(0.1).set_callbacks(monitor)
    model.fit(X)
    assert model.converged_


@pytest.mark.parametrize("debiased", [True, False])
def test_namespaces_agree(backend, dispatch, X, debiased):
    options = {"debiased": debiased, "tol": 1e-9}
    expected = SinkhornDistance(0.1, **options).fit_transform(X)
    there = backend.asarray(X)
    model = SinkhornDistance(0.1, **options).fit(there)
    D = model.transform(there)
    assert namespace(D) is backend.xp
    assert namespace(model.histograms_) is backend.xp
    assert_allclose(backend.to_numpy(D), expected, atol=1e-7)


@pytest.mark.parametrize("cost", [None, "array", (16, 16)])
def test_numpy_computed_on_the_gpu(cuda_stand_in, rng, cost):
    X = rng.random((5, 256 if isinstance(cost, tuple) else 8))
    cost = rng.random((8, 8)) if cost == "array" else cost
    expected = SinkhornDistance(0.1, cost=cost, debiased=True).fit_transform(X)
    model = SinkhornDistance(0.1, cost=cost, debiased=True, device="cuda").fit(X)
    assert model.device_ == "cuda:0"
    assert type(model.histograms_) is np.ndarray
    D = model.transform(X)
    assert type(D) is np.ndarray
    assert_allclose(D, expected, atol=1e-6)
    assert type(pickle.loads(pickle.dumps(model)).ground_cost_) is np.ndarray


def test_device_arrays_move_home(cuda_stand_in, X):
    there = cuda.cuda_target().provider.upload(X, 0)
    model = SinkhornDistance(0.1, cost=(3, 4)).fit(there)
    assert cuda.provider.owns(model.transform(there))
    expected = SinkhornDistance(0.1, cost=(3, 4)).fit_transform(X)
    assert_allclose(to_device(model, "cpu").transform(X), expected, atol=1e-6)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.transform(X)


def test_float32(X):
    model = SinkhornDistance(0.1, tol=1e-5)
    D = model.fit_transform(X.astype(np.float32))
    assert D.dtype == np.float32
    assert model.histograms_.dtype == model.ground_cost_.dtype == np.float32
    assert model.converged_
    assert_allclose(D, SinkhornDistance(0.1).fit_transform(X), rtol=1e-3)


def test_too_few_iterations_are_reported(X):
    model = SinkhornDistance(0.01, max_iter=4, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter.*increase reg"):
        model.fit(X)
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"
    assert model.n_iter_ == 4
    with pytest.warns(
        ConvergenceWarning, match=r"of 18 Sinkhorn distances did not reach tol=1e-09"
    ):
        model.transform(X[:2])


def test_rows_of_zeros_count_as_flat(X):
    X[2] = 0.0
    model = SinkhornDistance(0.1)
    with pytest.warns(UserWarning, match="Row 2 of the data passed to SinkhornDist"):
        D = model.fit_transform(X)
    X[2] = 1.0
    assert_array_equal(D, SinkhornDistance(0.1).fit_transform(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reg": 0.0}, "reg must be a positive number"),
        ({"tol": -1.0}, "tol must be a nonnegative number"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
        ({"normalize_cost": "std"}, "normalize_cost must be one of"),
        ({"cost": "grid"}, "needs square images, but X has 12 features"),
        ({"cost": "line"}, "cost must be None, 'grid'"),
        ({"cost": (5, 2)}, "do not multiply to the 12 features"),
        ({"cost": (-3, -4)}, "do not multiply to the 12 features"),
        ({"cost": np.ones((3, 3))}, r"cost has the shape \(3, 3\), but X has 12"),
        ({"cost": np.full((12, 12), -1.0)}, "finite and nonnegative"),
        ({"cost": np.full((12, 12), np.inf)}, "finite and nonnegative"),
        ({"cost": np.full((12, 12), 1j)}, "Complex data not supported: cost"),
    ],
)
def test_parameters_out_of_range(X, options, message):
    with pytest.raises(ValueError, match=message):
        SinkhornDistance(**options).fit(X)


def test_bad_histograms(X):
    model = SinkhornDistance().fit(X)
    bad = X.copy()
    bad[1, 1] = -0.5
    for method in (model.transform, SinkhornDistance().fit):
        with pytest.raises(ValueError, match="Negative values in data passed to"):
            method(bad)
        bad[1, 1] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            method(bad)
        bad[1, 1] = -0.5
    with pytest.raises(ValueError, match="12 features"):
        model.transform(X[:, :5])
    # A fit that failed has not touched the model.
    with pytest.raises(ValueError, match="Negative"):
        model.fit(bad)
    assert model.transform(X).shape == (9, 9)
