"""Sparse components: recovery, PCA as the limit, weights, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.decomposition import SparseRatioPCA
from skopt2.solvers.fractional import starts
from skopt2.solvers.fractional.covariance_form import CovarianceForm
from tests.callbacks.test_checkpoint import Interrupt


@pytest.fixture
def X(rng):
    """Two groups of features that move together, on noise."""
    X = rng.standard_normal((60, 40)) + 3.0
    X[:, :5] += 2.5 * rng.standard_normal((60, 1))
    X[:, 10:18] += 1.2 * rng.standard_normal((60, 1)) * np.resize([1, -1], 8)
    return X


def model(**options):
    return SparseRatioPCA(**{"random_state": 0, **options})


def spread(C, v):
    return float(np.sqrt(v @ C @ v))


def test_planted_groups_are_found(X):
    fit = model(alpha=0.15).fit(X)
    assert fit.converged_
    assert fit.stop_reason_ == "converged"
    supports = [set(np.flatnonzero(v)) for v in fit.components_]
    assert supports == [set(range(5)), set(range(10, 18))]
    signs = np.sign(fit.components_[1, 10:18])
    assert abs(signs @ np.resize([1, -1], 8)) == 8
    assert_allclose(np.linalg.norm(fit.components_, axis=1), 1.0)
    assert (fit.components_[[0, 1], np.abs(fit.components_).argmax(axis=1)] > 0).all()


def test_so_many_loadings(X):
    for options in ({}, {"refit": False}):
        fit = model(n_nonzero=5, **options).fit(X)
        assert_array_equal((fit.components_ != 0.0).sum(axis=1), 5)
        assert set(np.flatnonzero(fit.components_[0])) == set(range(5))
        assert_allclose(np.linalg.norm(fit.components_, axis=1), 1.0)
    # A little less alpha selects more.
    less = model(n_components=1, alpha=0.7 * float(fit.alphas_[0])).fit(X)
    assert (less.components_ != 0.0).sum() > 5
    every = model(n_nonzero=40).fit(X)
    assert_array_equal(every.alphas_, 0.0)


@pytest.mark.parametrize("solver", ["fcd", "pcd", "power"])
def test_without_penalty_it_is_pca(X, solver):
    fit, pca = model(alpha=0.0, n_components=4, solver=solver).fit(X), PCA(4).fit(X)
    assert_allclose(np.abs((fit.components_ * pca.components_).sum(axis=1)), 1.0)
    assert_allclose(fit.explained_variance_ratio_, pca.explained_variance_ratio_)
    assert_allclose(fit.explained_variance_ * 60 / 59, pca.explained_variance_)
    assert_allclose(np.abs(fit.transform(X)), np.abs(pca.transform(X)), atol=1e-6)
    assert fit.score(X) == pytest.approx(pca.explained_variance_ratio_.sum())


def test_the_largest_penalty_leaves_the_feature_of_largest_variance(X):
    # A feature of larger variance that goes with no other.
    X = X * np.where(np.arange(40) == 30, 4.0, 1.0)
    fit = model(n_components=1, alpha=0.999, n_init=1).fit(X)
    assert_array_equal(np.flatnonzero(fit.components_), [X.var(axis=0).argmax()])
    assert fit.explained_variance_[0] == pytest.approx(X.var(axis=0).max())


def test_the_ratio_is_least_along_every_coordinate(X):
    alpha = 0.2
    fit = model(n_components=1, alpha=alpha, refit=False).fit(X)
    C, v = np.cov(X.T, bias=True), fit.components_[0]

    def ratio(v):
        return ((1 - alpha) * np.linalg.norm(v) + alpha * abs(v).sum()) / spread(C, v)

    assert fit.objective_ * (1 - alpha) == pytest.approx(ratio(v))
    steps = np.concatenate([np.linspace(-3.0, 3.0, 121), -v])
    for e in np.eye(40):
        assert min(ratio(v + eta * e) for eta in steps) >= ratio(v) * (1 - 1e-12)
    # Stationary on the support, to the last digits.
    ids = np.flatnonzero(v)
    pull = C @ v / spread(C, v) * ratio(v)
    rest = (1 - alpha) * v + alpha * np.sign(v) - pull
    assert abs(rest[ids]).max() < 1e-12


def test_refit_explains_more_on_the_same_features(X):
    fit, shrunk = model(alpha=0.2).fit(X), model(alpha=0.2, refit=False).fit(X)
    ids = np.flatnonzero(fit.components_[0])
    assert_array_equal(ids, np.flatnonzero(shrunk.components_[0]))
    assert fit.explained_variance_[0] > shrunk.explained_variance_[0]
    part = PCA(1).fit(X[:, ids])
    assert_allclose(abs(fit.components_[0, ids] @ part.components_[0]), 1.0)


def test_exchanges_leave_no_better_truncated_power_step(rng):
    X = rng.standard_normal((40, 60)) @ np.diag(np.linspace(1.0, 1.5, 60))
    fit = model(n_components=1, n_nonzero=6).fit(X)
    C, v = np.cov(X.T, bias=True), fit.components_[0]
    step = C @ v
    step[np.argsort(np.abs(step))[:-6]] = 0.0
    step /= np.linalg.norm(step)
    assert spread(C, step) <= spread(C, v) * (1.0 + 1e-9)
    ids = np.flatnonzero(v)
    alone = np.linalg.eigvalsh(C[np.ix_(ids, ids)])[-1]
    assert fit.explained_variance_[0] == pytest.approx(alone)


def test_variance_is_that_of_the_projection(X):
    fit = model(n_components=4, alpha=0.1).fit(X)
    V = fit.components_
    assert abs(V @ V.T - np.eye(4)).max() > 1e-3
    nearest = fit.inverse_transform(fit.transform(X))
    # The projection: what is left is orthogonal to every component.
    assert_allclose((X - nearest) @ V.T, 0.0, atol=1e-9)
    total = ((X - X.mean(axis=0)) ** 2).sum()
    share = 1.0 - ((X - nearest) ** 2).sum() / total
    assert fit.explained_variance_ratio_.sum() == pytest.approx(share)
    assert fit.score(X) == pytest.approx(share)
    assert share < PCA(4).fit(X).explained_variance_ratio_.sum()
    other = X[::-1] * 1.1
    far = fit.inverse_transform(fit.transform(other))
    wanted = 1.0 - ((other - far) ** 2).sum() / ((other - fit.mean_) ** 2).sum()
    assert fit.score(other) == pytest.approx(wanted)


def test_units_do_not_matter(X):
    fit, again = model(alpha=0.2).fit(X), model(alpha=0.2).fit(1e6 * X - 1e7)
    assert_allclose(again.components_, fit.components_, atol=1e-7)
    small = model(alpha=0.2).fit(1e-100 * X)
    assert_allclose(small.components_, fit.components_, atol=1e-7)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_matrix])
def test_sparse_data_are_the_same(rng, form):
    X = np.where(rng.uniform(size=(50, 30)) < 0.7, 0.0, rng.normal(1.0, size=(50, 30)))
    X[:, :4] *= 1.0 + 3.0 * rng.uniform(size=(50, 1))
    weight = rng.uniform(size=50)
    fit = model(n_components=3).fit(X, sample_weight=weight)
    other = model(n_components=3).fit(form(X), sample_weight=weight)
    assert_allclose(other.components_, fit.components_, atol=1e-9)
    assert_allclose(other.transform(form(X)), fit.transform(X), atol=1e-9)
    assert other.score(form(X), None, weight) == pytest.approx(
        fit.score(X, None, weight)
    )


def test_many_features_without_a_covariance_matrix(rng):
    X = rng.standard_normal((40, 700))
    X[:, :6] += 3.0 * rng.standard_normal((40, 1))
    X[:, 6:12] += 2.0 * rng.standard_normal((40, 1))
    for data in (X, sp.csr_array(X)):
        fit = model(alpha=0.2).fit(data)
        assert fit.converged_
        assert_array_equal(np.flatnonzero(fit.components_[0]), range(6))
        assert set(range(6, 12)) <= set(np.flatnonzero(fit.components_[1]))
    half, pca = model(alpha=0.0).fit(X), PCA(2, svd_solver="full").fit(X)
    assert_allclose(half.explained_variance_ratio_, pca.explained_variance_ratio_)


def test_many_loadings_need_no_matrix_of_their_features(rng, monkeypatch):
    X = rng.standard_normal((30, 1200)) * np.linspace(1.0, 2.0, 1200)
    gram = CovarianceForm.gram
    monkeypatch.setattr(
        CovarianceForm, "gram", lambda form, ids: _small(gram, form, ids)
    )
    fit, pca = model(alpha=0.0).fit(X), PCA(2, svd_solver="full").fit(X)
    assert_allclose(fit.explained_variance_ratio_, pca.explained_variance_ratio_)
    assert (model(n_components=1, alpha=0.005).fit(X).components_ != 0.0).sum() > 1000


def _small(gram, form, ids):
    assert ids.size <= 1000
    return gram(form, ids)


def test_leading_directions_without_the_eigenvalue_solver(rng, monkeypatch):
    def fail(*args, **kwargs):
        raise ArpackNoConvergence("no gap", np.empty(0), np.empty((400, 0)))

    X = rng.standard_normal((60, 400))
    X[:, :6] += 3.0 * rng.standard_normal((60, 1))
    wanted = model(n_components=1, alpha=0.2).fit(X).components_
    dense = PCA(1).fit(X).components_
    monkeypatch.setattr(starts, "eigsh", fail)
    fit = model(n_components=1, alpha=0.2).fit(X)
    assert_allclose(fit.components_, wanted, atol=1e-9)
    fit = model(n_components=1, alpha=0.0).fit(X)
    assert abs(fit.components_[0] @ dense[0]) == pytest.approx(1.0, abs=1e-6)


def test_weights_are_repetitions(X, rng):
    weight = rng.integers(0, 4, 60)
    fit = model(alpha=0.15).fit(X, sample_weight=weight)
    again = model(alpha=0.15).fit(np.repeat(X, weight, axis=0))
    assert_allclose(fit.components_, again.components_, atol=1e-9)
    assert_allclose(fit.explained_variance_, again.explained_variance_)
    assert_allclose(fit.mean_, again.mean_)


def test_float32_stays_and_agrees(X):
    wide, fit = model().fit(X), model().fit(X.astype(np.float32))
    for name in ("components_", "mean_", "explained_variance_", "alphas_"):
        assert getattr(fit, name).dtype == np.float32
    assert fit.transform(X.astype(np.float32)).dtype == np.float32
    assert_allclose(fit.components_, wide.components_, atol=1e-4)


@pytest.mark.usefixtures("dispatch")
def test_other_arrays_give_the_same(backend, X):
    wanted, there = model().fit(X), backend.asarray(X)
    fit = model().fit(there)
    assert fit.device_ == "cpu"
    assert_allclose(backend.to_numpy(fit.components_), wanted.components_)
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(backend.to_numpy(codes), wanted.transform(X), atol=1e-9)
    points = backend.to_numpy(fit.inverse_transform(codes))
    assert_allclose(points, wanted.inverse_transform(wanted.transform(X)))
    assert fit.score(there) == pytest.approx(wanted.score(X))


@pytest.mark.usefixtures("cuda_stand_in")
def test_a_gpu_that_is_asked_for_is_refused(X):
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        model(device="cuda").fit(X)
    assert model(device="auto").fit(X).device_ == "cpu"


def test_starts_help_where_the_leading_direction_mixes_groups():
    better = 0
    for seed in (10, 13, 16):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((40, 100))
        for g in range(6):
            X[:, 8 * g : 8 * g + 8] += 1.2 * rng.standard_normal((40, 1))
        one = model(n_components=1, alpha=0.2, n_init=1).fit(X).objective_
        more = model(n_components=1, alpha=0.2).fit(X).objective_
        assert more <= one * (1.0 + 1e-10)
        better += more < one * (1.0 - 1e-3)
    assert better >= 2


def test_a_search_finds_how_many_loadings(rng):
    X = rng.standard_normal((60, 50))
    X[:, :6] += 1.2 * rng.standard_normal((60, 1))
    grid = {"n_nonzero": [1, 6, 50]}
    search = GridSearchCV(model(n_components=1), grid, cv=3).fit(X)
    assert search.best_params_ == {"n_nonzero": 6}


def test_no_more_components_than_variance(rng):
    X = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 10))
    with pytest.warns(UserWarning, match="n_components=5, but 2 leave no variance"):
        fit = model(n_components=5, alpha=0.0).fit(X)
    assert fit.components_.shape == (2, 10)
    assert fit.explained_variance_ratio_.sum() == pytest.approx(1.0)
    assert list(fit.get_feature_names_out()) == ["sparseratiopca0", "sparseratiopca1"]


def test_a_constant_feature_has_no_loading(X):
    X[:, 0] = 1e6 / 3.0
    for data in (X, sp.csr_array(X)):
        fit = model(n_components=3, alpha=0.0).fit(data)
        assert_allclose(fit.components_[:, 0], 0.0, atol=1e-9)


def test_history_names_components(X):
    fit = model(n_components=3, alpha=0.1).fit(X)
    history = fit.history_
    assert_array_equal(np.unique(history["component"]), [0, 1, 2])
    for k in range(3):
        ratio = history["ratio"][history["component"] == k]
        assert np.diff(ratio).max(initial=0.0) <= 1e-13
    assert np.isinf(history["certificate"][history["component"] < 2]).all()
    assert fit.certificate_.value == history["certificate"][-1] <= fit.tol
    last = [history["ratio"][history["component"] == k][-1] for k in range(3)]
    assert fit.objective_ == pytest.approx(sum(last))


def test_limits_leave_the_components_so_far(X):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        fit = model(n_components=6, max_iter=2).fit(X)
    assert fit.components_.shape[0] == fit.n_components_ == 2
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(n_components=3, time_limit=1e-9).fit(X)
    assert (fit.n_components_, fit.n_iter_) == (1, 1)
    stopper = EarlyStopping(patience=1, min_delta=1e9, monitor="objective")
    fit = model(n_components=6).set_callbacks(stopper).fit(X)
    assert fit.stop_reason_ == "callback"


def test_rounding_counts_as_no_gain(X):
    for solver in ("fcd", "pcd", "power"):
        fit = model(alpha=0.05, tol=0.0, solver=solver).fit(1e3 * X)
        assert fit.converged_
        assert fit.certificate_.value == 0.0


def test_a_checkpoint_continues_the_fit(X, tmp_path):
    options = {"n_components": 6, "n_nonzero": 7, "n_init": 2}
    whole, path = model(**options).fit(X), tmp_path / "fit.ckpt"
    broken = model(**options).set_callbacks(
        Checkpoint(path, min_seconds=0), Interrupt(4)
    )
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X)
    rest = model(**options).set_callbacks(Checkpoint(path)).fit(X)
    assert rest.converged_
    assert rest.n_iter_ == whole.n_iter_
    assert_allclose(rest.components_, whole.components_, atol=1e-9)


def test_pickles_clones_and_repeats(X):
    fit = model(random_state=3, n_init=3).fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": 1.0}, "alpha must be a number in"),
        ({"alpha": -0.1}, "alpha must be a number in"),
        ({"n_components": 0}, "n_components must be a positive integer"),
        ({"n_nonzero": 0}, "n_nonzero must be a positive integer or None"),
        ({"n_init": 1.5}, "n_init must be a positive integer"),
        ({"solver": "cd"}, "solver must be one of"),
        ({"refit": 1}, "refit must be True or False"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_are_refused(X):
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(X > 4.0, np.nan, X))
    with pytest.raises(ValueError, match="constant in n_samples=5"):
        model().fit(np.ones((5, 3)))
    with pytest.raises(ValueError, match="n_samples=1 "):
        model().fit(X[:1])
    fit = model().fit(X)
    with pytest.raises(ValueError, match="2 components"):
        fit.inverse_transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        fit.inverse_transform(np.full((2, 2), np.inf))
    with pytest.raises(ValueError, match="rows that differ"):
        fit.score(fit.mean_[None])
