"""k-means of histograms: clusters, inertia, weights, runs, arrays, bad input."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_clusterer
from sklearn.callback import ScoringMonitor
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import namespace
from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.transport import (
    WassersteinBarycenter,
    WassersteinKMeans,
    wasserstein_barycenter,
)
from tests.callbacks.test_checkpoint import Interrupt
from tests.transport.barycenter_reference import (
    bump,
    gaussian_variance,
    line,
    moments,
)
from tests.transport.test_wasserstein_barycenter import distance

PLACES = np.array([20.0, 23.3, 24.1, 50.2, 52.9, 55.4, 56.1, 80.3, 81.7, 83.2])


def unit(n_clusters, **options):
    """Return an estimator with the regularisation in the unit of the cost."""
    options = {"random_state": 0, **options}
    return WassersteinKMeans(n_clusters, normalize_cost=None, **options)


@pytest.fixture
def X(rng):
    """Bumps at random places, and some noise."""
    X = np.array([bump(30, place, 2) for place in rng.uniform(4, 26, 25)])
    return X + 0.002 * rng.random((25, 30))


@pytest.fixture
def few(X):
    return X[:12, ::2]


@pytest.fixture
def rough(rng):
    """Histograms without clusters, which take some iterations."""
    return rng.random((60, 12)) ** 4


@pytest.mark.thorough
@pytest.mark.parametrize("reg", [3.0, 6.0])
def test_shifted_copies_cluster_like_their_places(reg):
    """Divergences of shifted copies are squares of their shifts, means are copies."""
    X = np.array([bump(105, place, 3) for place in PLACES])
    w = np.arange(1.0, 11.0)
    for seed in range(2):
        start = np.random.default_rng(seed).choice(10, 3, replace=False)
        peer = KMeans(3, init=PLACES[start, None], n_init=1, tol=0.0)
        peer.fit(PLACES[:, None], sample_weight=w)
        model = unit(3, reg=reg, init=X[start], tol=0.0, marginal_tol=1e-7)
        model.fit(X, sample_weight=w)
        assert_array_equal(model.labels_, peer.labels_)
        assert model.inertia_ == pytest.approx(peer.inertia_, rel=1e-6)
        for p, place in zip(model.cluster_centers_, peer.cluster_centers_, strict=True):
            # Not bin by bin: detail finer than the blur is not determined.
            assert_allclose(moments(p), (place[0], 9.0), rtol=1e-5)
        assert model.converged_
        assert model.certificate_.value == 0.0


def test_atoms_cluster_like_their_places():
    """The limit without regularisation: histograms of one bin."""
    places = np.round(PLACES)
    X = np.zeros((10, 105))
    X[np.arange(10), places.astype(int)] = 1.0
    model = unit(3, reg=0.5).fit(X)
    peer = KMeans(3, n_init=5, random_state=0).fit(places[:, None])
    assert adjusted_rand_score(model.labels_, peer.labels_) == 1.0
    # A mean between two bins costs a quarter of a square more.
    assert peer.inertia_ <= model.inertia_ + 1e-6 <= peer.inertia_ + 10 / 4


@pytest.mark.parametrize("debiased", [True, False])
def test_centres_of_gaussians(debiased):
    variances, reg = np.array([[9.0, 36.0], [16.0, 64.0]]), 6.0
    X = [bump(200, place, np.sqrt(v)) for place, v in ((40, 9.0), (48, 36.0))]
    X += [bump(200, place, np.sqrt(v)) for place, v in ((140, 16.0), (150, 64.0))]
    model = unit(2, reg=reg, debiased=debiased, marginal_tol=1e-9).fit(X)
    assert_array_equal(model.labels_ == model.labels_[0], [True, True, False, False])
    half = np.array([0.5, 0.5])
    for j, place, v in zip(model.labels_[[0, 2]], (44, 145), variances, strict=True):
        mean, variance = moments(model.cluster_centers_[j])
        assert mean == pytest.approx(place, abs=1e-5)
        expected = gaussian_variance(v, half, reg, debiased)
        assert variance == pytest.approx(expected, rel=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("debiased", [True, False])
def test_a_fit_is_a_fixed_point(rng, X, debiased):
    """Centres are barycentres of their clusters; labels are of the nearest of them."""
    w = rng.random(25)
    model = unit(4, reg=1.0, debiased=debiased, tol=0.0, marginal_tol=1e-9)
    model.fit(X, sample_weight=w)
    D = np.array(
        [
            [distance(x, p, line(30), 1.0, debiased) for p in model.cluster_centers_]
            for x in X[:5]
        ]
    )
    assert_allclose(model.transform(X[:5]), D, atol=1e-7)
    assert_array_equal(model.labels_[:5], D.argmin(axis=1))
    options = {"reg": 1.0, "debiased": debiased, "tol": 1e-9}
    for j in range(4):
        own = model.labels_ == j
        result = wasserstein_barycenter(X[own], weights=w[own], **options)
        assert_allclose(model.cluster_centers_[j], result.barycenter, atol=1e-6)
    D = model.transform(X)
    assert_array_equal(model.predict(X), model.labels_)
    assert model.inertia_ == pytest.approx(w @ D.min(axis=1), rel=1e-6)
    assert model.objective_ == pytest.approx(model.inertia_ / w.sum())
    assert model.score(X, sample_weight=w) == pytest.approx(-model.inertia_, rel=1e-6)
    assert model.score(X) == pytest.approx(-D.min(axis=1).sum())


def test_one_cluster_is_the_barycentre(X):
    model = unit(1, reg=1.0, marginal_tol=1e-9).fit(X)
    peer = WassersteinBarycenter(1.0, normalize_cost=None, tol=1e-9).fit(X)
    assert_allclose(model.cluster_centers_[0], peer.barycenter_, atol=1e-7)
    assert_allclose(model.transform(X), peer.transform(X), atol=1e-7)
    # Seeds, the barycentre, and nothing that could change after it.
    assert model.n_iter_ <= 2


@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("marginal_tol", [1e-7, 0.05])
def test_inertia_never_rises(rough, debiased, marginal_tol):
    model = unit(5, reg=2.0, init="random", debiased=debiased, tol=0.0)
    model.set_params(marginal_tol=marginal_tol).fit(rough)
    objective = model.history_["objective"]
    assert len(objective) > 2
    assert (np.diff(objective) <= 1e-15 * abs(objective[0])).all()
    assert model.stop_reason_ == "converged"


@pytest.mark.thorough
def test_warm_starts_let_empty_bins_fill_again(rng):
    """Steps that multiply masses would leave them empty, with small errors."""
    X = rng.random((50, 30)) ** 4
    model = unit(3, reg=7.0, tol=0.0).fit(X)
    assert model.n_iter_ > 2
    assert model.marginal_error_ <= 1e-6
    for j in range(3):
        own = X[model.labels_ == j]
        cold = unit(1, reg=7.0).fit(own)
        warm = model.transform(own)[:, j].sum()
        assert warm == pytest.approx(cold.inertia_, rel=1e-4)


def test_images(rng):
    X = rng.random((12, 256)) + 0.01
    axis = np.arange(16.0)
    i, j = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    C = (i[:, None] - i) ** 2 + (j[:, None] - j) ** 2
    by_axes = unit(2, reg=0.5, cost="grid").fit(X)
    stored = unit(2, reg=0.5, cost=C).fit(X)
    assert_array_equal(by_axes.labels_, stored.labels_)
    assert_allclose(by_axes.cluster_centers_, stored.cluster_centers_, atol=1e-7)


def test_empty_clusters_are_filled():
    X = np.array([bump(105, place, 3) for place in PLACES])
    init = np.array([X[0], X[8], X[8]])
    model = unit(3, reg=1.0, init=init).fit(X)
    assert_array_equal(np.unique(model.labels_), [0, 1, 2])
    assert adjusted_rand_score(model.labels_, [0] * 3 + [1] * 4 + [2] * 3) == 1.0


def test_fewer_different_rows_than_clusters(X):
    rows = X[[0, 1, 2, 0, 1, 2]]
    with pytest.warns(ConvergenceWarning, match="only 3 different histograms"):
        model = unit(5, reg=1.0).fit(rows)
    assert model.cluster_centers_.shape == (5, 30)
    assert_array_equal(model.labels_[:3], model.labels_[3:])
    assert len(np.unique(model.labels_)) == 3
    assert model.inertia_ == pytest.approx(0.0, abs=1e-8)
    assert model.transform(X).shape == (25, 5)


@pytest.mark.thorough
@pytest.mark.parametrize("init", ["k-means++", "random"])
@pytest.mark.parametrize("debiased", [True, False])
def test_weights_repeat_rows_in_any_order(rng, X, init, debiased):
    w = rng.integers(0, 4, 25)
    model = unit(4, reg=1.0, init=init, debiased=debiased, n_init=2)
    model.fit(X, sample_weight=w)
    rows = rng.permutation(np.repeat(np.arange(25), w))
    again = clone(model).fit(X[rows])
    assert_array_equal(again.labels_, model.labels_[rows])
    assert_allclose(again.cluster_centers_, model.cluster_centers_, rtol=1e-7)
    assert again.inertia_ == pytest.approx(model.inertia_, rel=1e-9)
    # Rows without weight have labels too.
    assert_array_equal(model.predict(X), model.labels_)
    assert model.inertia_ == pytest.approx(w @ model.transform(X).min(axis=1), rel=1e-6)


def test_scales_of_rows_and_weights_do_not_matter(rng, X):
    w = rng.random(25)
    model = unit(3, reg=1.0).fit(X, sample_weight=w)
    scaled = X * np.logspace(-100, 100, 25)[:, None]
    again = unit(3, reg=1.0).fit(scaled, sample_weight=1e100 * w)
    assert adjusted_rand_score(again.labels_, model.labels_) == 1.0
    assert again.objective_ == pytest.approx(model.objective_, rel=1e-6)
    assert again.inertia_ == pytest.approx(1e100 * model.inertia_, rel=1e-6)
    half = unit(3, reg=1.0).fit(X, sample_weight=0.5)
    assert half.inertia_ == pytest.approx(12.5 * half.objective_)


@pytest.mark.thorough
def test_more_runs_find_no_worse_clusters(X):
    one = unit(5, reg=1.0, init="random").fit(X)
    many = unit(5, reg=1.0, init="random", n_init=3).fit(X)
    assert many.inertia_ <= one.inertia_
    again = unit(5, reg=1.0, init="random", n_init=3, n_jobs=2).fit(X)
    assert_array_equal(again.cluster_centers_, many.cluster_centers_)
    assert_array_equal(again.labels_, many.labels_)


@pytest.mark.thorough
def test_runs_travel_to_other_processes(X, monkeypatch):
    """What a worker of joblib gets survives the way there and back."""
    calls = []

    class Remote(joblib.Parallel):
        def __call__(self, tasks):
            tasks = [pickle.loads(pickle.dumps(task)) for task in tasks]
            calls.append(len(tasks))
            results = [function(*args, **kwargs) for function, args, kwargs in tasks]
            return pickle.loads(pickle.dumps(results))

    expected = unit(3, reg=1.0, n_init=2).fit(X)
    monkeypatch.setattr("skopt2.transport.cluster_runs.Parallel", Remote)
    model = unit(3, reg=1.0, n_init=2, n_jobs=2).fit(X)
    assert calls[:2] == [2, 2]
    assert_array_equal(model.cluster_centers_, expected.cluster_centers_)


@pytest.mark.thorough
def test_random_state(X):
    first = unit(5, reg=1.0, init="random").fit(X)
    assert_array_equal(unit(5, reg=1.0, init="random").fit(X).labels_, first.labels_)
    found = {
        unit(5, reg=1.0, init="random", random_state=k).fit(X).inertia_
        for k in range(6)
    }
    assert len(found) > 1


def test_fitted_figures(X):
    model = WassersteinKMeans(4, 0.01, random_state=0).fit(X)
    assert is_clusterer(model)
    assert model.converged_
    assert model.certificate_.name == "relative decrease of the inertia"
    assert model.certificate_.value <= 1e-4
    assert model.marginal_error_ <= 1e-6
    assert len(model.history_["objective"]) == model.n_iter_
    assert model.history_["objective"][-1] == model.objective_
    assert_allclose(model.cluster_centers_.sum(axis=1), 1.0)
    assert_array_equal(model.fit_predict(X), model.labels_)
    assert_array_equal(
        model.fit_predict(X, sample_weight=np.arange(25)),
        clone(model).fit(X, sample_weight=np.arange(25)).labels_,
    )


def test_names_and_frames(X):
    frame = pd.DataFrame(X, columns=[f"bin{k}" for k in range(30)])
    model = WassersteinKMeans(3, random_state=0).set_output(transform="pandas")
    D = model.fit_transform(frame)
    assert list(D.columns) == [f"wassersteinkmeans{k}" for k in range(3)]
    assert list(model.get_feature_names_out()) == list(D.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.iloc[:, ::-1])


def test_clone_pickle_and_search(X):
    model = unit(3, reg=1.0, debiased=False)
    assert clone(model).get_params() == model.get_params()
    model.fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), model.transform(X))
    search = GridSearchCV(unit(2, reg=1.0), {"n_clusters": [1, 4]}, cv=3)
    assert search.fit(X).best_params_ == {"n_clusters": 4}


def test_changed_parameters_wait_for_the_next_fit(X):
    model = unit(3, reg=1.0).fit(X)
    expected = model.transform(X)
    model.set_params(n_clusters=7, reg=3.0, cost=(5, 6), debiased=False)
    assert_array_equal(model.transform(X), expected)


def test_callbacks_see_the_fit(rough):
    monitor = ScoringMonitor(scoring=lambda model, X, y: model.score(X))
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = unit(5, reg=1.0, init="random", tol=0.0)
    model.set_callbacks(monitor, stopping).fit(rough)
    assert model.stop_reason_ == "callback"
    assert model.predict(rough).shape == (60,)
    assert not model.converged_


@pytest.mark.parametrize("n_init", [1, 3])
def test_an_interrupted_fit_continues(rough, tmp_path, n_init):
    model = unit(5, reg=1.0, init="random", tol=0.0, n_init=n_init)
    whole = clone(model).fit(rough)
    assert whole.n_iter_ > 2
    path = tmp_path / "fit.npz"
    broken = clone(model)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(rough)
    assert not hasattr(broken, "labels_")
    other = clone(model).set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match="belongs to another problem"):
        other.fit(rough, sample_weight=np.arange(60.0))
    rest = clone(model).set_params(random_state=5)
    rest.set_callbacks(Checkpoint(path)).fit(rough)
    assert_array_equal(rest.labels_, whole.labels_)
    assert_allclose(rest.cluster_centers_, whole.cluster_centers_, atol=1e-6)
    assert_allclose(rest.history_["objective"][:2], whole.history_["objective"][:2])


@pytest.mark.parametrize("debiased", [True, False])
def test_namespaces_agree(backend, dispatch, few, debiased):
    model = unit(3, reg=1.0, debiased=debiased)
    expected = clone(model).fit(few, sample_weight=np.arange(12.0))
    there = backend.asarray(few)
    model.fit(there, sample_weight=backend.asarray(np.arange(12.0)))
    D, labels = model.transform(there), model.predict(there)
    for x in (D, labels, model.labels_, model.cluster_centers_):
        assert namespace(x) is backend.xp
    assert_array_equal(backend.to_numpy(model.labels_), expected.labels_)
    assert_array_equal(backend.to_numpy(labels), expected.labels_)
    centres = backend.to_numpy(model.cluster_centers_)
    assert_allclose(centres, expected.cluster_centers_, atol=1e-6)
    assert_allclose(backend.to_numpy(D), expected.transform(few), rtol=1e-5, atol=1e-6)


def test_numpy_computed_on_the_gpu(cuda_stand_in, few):
    expected = unit(3, reg=1.0).fit(few)
    model = unit(3, reg=1.0, n_init=2, n_jobs=2, device="cuda").fit(few)
    assert model.device_ == "cuda:0"
    for x in (model.cluster_centers_, model.labels_, model.predict(few)):
        assert type(x) is np.ndarray
    assert model.inertia_ <= expected.inertia_ * (1 + 1e-9)
    one = unit(3, reg=1.0, device="cuda").fit(few)
    assert_array_equal(one.labels_, expected.labels_)


@pytest.mark.thorough
def test_device_arrays_move_home(cuda_stand_in, few):
    there = cuda.cuda_target().provider.upload(few, 0)
    model = unit(3, reg=1.0).fit(there)
    assert cuda.provider.owns(model.labels_)
    assert cuda.provider.owns(model.predict(there))
    expected = unit(3, reg=1.0).fit(few)
    assert_array_equal(to_device(model, "cpu").predict(few), expected.labels_)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.predict(few)
    centres = cuda.cuda_target().provider.upload(few[:3], 0)
    assert unit(3, reg=1.0, init=centres).fit(there).converged_


def test_float32(few):
    model = unit(3, reg=1.0, marginal_tol=1e-4).fit(few.astype(np.float32))
    D = model.transform(few.astype(np.float32))
    assert model.cluster_centers_.dtype == D.dtype == np.float32
    assert model.labels_.dtype == np.int64
    expected = unit(3, reg=1.0).fit(few)
    assert_array_equal(model.labels_, expected.labels_)
    assert_allclose(model.cluster_centers_, expected.cluster_centers_, atol=1e-3)
    assert model.inertia_ == pytest.approx(expected.inertia_, rel=1e-3)


def test_too_few_iterations_are_reported(rough):
    model = unit(5, reg=1.0, init="random", tol=0.0, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 .*fewer clusters"):
        model.fit(rough)
    assert model.stop_reason_ == "max_iter"
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model.set_params(max_iter=50, time_limit=1e-9).fit(rough)


@pytest.mark.thorough
def test_inexact_plans_are_reported(X, monkeypatch):
    monkeypatch.setattr("skopt2.transport.cluster_problem.MAX_ITER", 1)
    with pytest.warns(ConvergenceWarning, match="did not reach marginal_tol=1e-06"):
        model = unit(2, reg=0.1).fit(X)
    assert model.marginal_error_ > 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a positive integer; got n_c"),
        ({"n_clusters": 26}, "n_samples=25 should be >= n_clusters=26"),
        ({"n_init": 1.5}, "n_init must be a positive integer; got n_init="),
        ({"max_iter": None}, "max_iter must be a positive integer; got max_i"),
        ({"tol": -1.0}, r"tol must be a nonnegative number; got tol=-1\.0"),
        ({"marginal_tol": "x"}, "marginal_tol must be a nonnegative number"),
        ({"time_limit": 0}, "time_limit must be a positive number"),
        ({"reg": 0.0}, "reg must be a positive number"),
        ({"init": "far"}, "init must be one of"),
        ({"init": np.ones((2, 30))}, r"init has the shape \(2, 30\), expected \(3, 30"),
        ({"init": -np.ones((3, 30))}, "data passed to WassersteinKMeans as init"),
        ({"init": np.full((3, 30), np.nan)}, "init must be finite"),
        ({"cost": (7, 4)}, "do not multiply to the 30 features"),
        ({"cost": np.triu(np.ones((30, 30)))}, "needs a symmetric cost"),
        ({"normalize_cost": "std"}, "normalize_cost must be one of"),
        ({"random_state": "a"}, "random_state must be None, a nonnegative integ"),
    ],
)
def test_parameters_out_of_range(X, options, message):
    with pytest.raises(ValueError, match=message):
        WassersteinKMeans(**{"n_clusters": 3, **options}).fit(X)


def test_bad_histograms(X):
    model = unit(3, reg=1.0).fit(X)
    bad = X.copy()
    bad[1, 1] = -0.5
    for method in (model.transform, model.predict, model.score, model.fit):
        with pytest.raises(ValueError, match="Negative values in data passed to Wass"):
            method(bad)
    with pytest.raises(ValueError, match="30 features"):
        model.predict(X[:, :5])
    with pytest.raises(ValueError, match="must not be zero for every"):
        model.fit(X, sample_weight=np.zeros(25))
    # Fits that failed have not touched the model.
    assert_array_equal(model.predict(X), model.labels_)


def test_rows_of_zeros_count_as_flat(X):
    X[2] = 0.0
    with pytest.warns(UserWarning, match="Row 2 of the data passed to WassersteinKMe"):
        model = unit(3, reg=1.0).fit(X)
    X[2] = 1.0
    assert_array_equal(unit(3, reg=1.0).fit(X).labels_, model.labels_)
