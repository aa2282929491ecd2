"""Square dictionaries by l_p norms: recovery, optimality, arrays, runs, bad input."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.special import gamma
from sklearn.base import clone
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skopt2._core.array import to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.decomposition import LpDictionaryLearning
from skopt2.solvers.lp_dictionary.power_method import PowerMethod, polar
from skopt2.solvers.lp_dictionary.whitening import whitening_of

# Of features.
UNITS = 10.0 ** np.array([-12, 0, 3, 0, 9, 0, 0, 0])


def mixtures(rng, n=1500, k=8, theta=0.2):
    """Return rows and the unit atoms that they are sparse in."""
    D = rng.standard_normal((k, k))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Y = rng.standard_normal((n, k)) * (rng.random((n, k)) < theta)
    return Y @ D, D


def cosines(components, D):
    """Return those of the angles to planted atoms, matched one to one."""
    C = np.abs(components @ D.T)
    rows, columns = linear_sum_assignment(-C)
    return C[rows, columns]


def model(**options):
    return LpDictionaryLearning(**{"random_state": 0, **options})


@pytest.fixture
def planted(rng):
    return mixtures(rng)


@pytest.fixture
def X(planted):
    return planted[0]


@pytest.mark.parametrize("p", [2.3, 3, 4])
def test_finds_the_dictionary(planted, p):
    X, D = planted
    fit = model(p=p).fit(X + 5.0)
    assert fit.converged_
    assert cosines(fit.components_, D).min() > 0.995
    assert_allclose(np.linalg.norm(fit.components_, axis=1), 1.0, rtol=1e-12)
    assert_allclose(fit.inverse_transform(fit.transform(X)), X, atol=1e-12)
    assert_allclose(fit.mean_, X.mean(axis=0) + 5.0, rtol=1e-12)
    assert (np.diff(fit.code_norms_) <= 1e-5).all()
    normal = 2 ** (p / 2) * gamma((p + 1) / 2) / np.sqrt(np.pi)
    assert fit.code_norms_.min() > 1.08 * normal ** (1 / p)


def test_small_powers_need_fewer_rows():
    found = {p: [] for p in (2.5, 3, 5)}
    for seed in range(4):
        X, D = mixtures(np.random.default_rng(seed), n=400, k=15)
        for p, values in found.items():
            values.append(cosines(model(p=p).fit(X).components_, D).mean())
    means = {p: np.mean(values) for p, values in found.items()}
    assert means[2.5] > means[3] > means[5] + 0.02


def test_codes_do_not_depend_on_a_map_of_the_features(planted):
    X, D = planted
    fit = model(tol=1e-9).fit(X)
    codes = fit.transform(X) / fit.code_sizes_
    for M in (np.linalg.inv(D) * 10.0 ** np.arange(-2, 2.1, 4 / 7) @ D, np.diag(UNITS)):
        again = model(tol=1e-9).fit(X @ M)
        assert again.objective_ == pytest.approx(fit.objective_, rel=1e-9)
        other = again.transform(X @ M) / again.code_sizes_
        C = np.abs(codes.T @ other) / len(X)
        assert_allclose(np.sort(C, axis=0)[-1], 1.0, rtol=1e-2)
        assert_allclose(np.sort(C, axis=0)[-2], 0.0, atol=0.1)


def test_power_four_is_the_independent_components_of_largest_kurtosis(planted):
    X, _ = planted
    other = FastICA(fun="cube", whiten="unit-variance", tol=1e-10, max_iter=2000)
    other.set_params(random_state=0).fit(X)
    atoms = other.mixing_.T / np.linalg.norm(other.mixing_.T, axis=1, keepdims=True)
    fit = model(p=4, tol=1e-10).fit(X)
    assert_allclose(cosines(fit.components_, atoms), 1.0, atol=1e-9)
    codes = other.transform(X)
    value = np.mean((codes / codes.std(axis=0)) ** 4) ** 0.25
    assert fit.objective_ == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("p", [2.5, 3, 4.0])
def test_objective_never_falls_and_the_bound_of_a_step_holds(rng, p):
    X, _ = mixtures(rng, n=300, theta=0.6)
    _, Z = whitening_of(X, None, None, whiten=True, centered=False)
    assert_allclose(Z.T @ Z / 300, np.eye(8), atol=1e-13)
    solver = PowerMethod(Z, None, p)
    state = solver.start(rng.standard_normal((8, 8)))
    for _ in range(40):
        plain = solver._evaluate(state.P)
        assert plain.value >= state.value + state.sure - 1e-12
        new = solver.step(state)
        assert new.value >= state.value + state.sure - 1e-12
        state = new
    norm = np.mean(np.abs(Z @ state.A.T) ** p) ** (1 / p)
    assert solver.certificate(state).objective == pytest.approx(norm, rel=1e-12)
    fit = model(p=p).fit(X)
    assert np.diff(fit.history_["objective"]).min() > -1e-13


def test_a_fit_is_a_maximum_in_every_plane(rng):
    X, _ = mixtures(rng, n=300, k=4, theta=0.5)
    _, Z = whitening_of(X, None, None, whiten=True, centered=False)
    solver = PowerMethod(Z, None, 3.0)
    state = solver.start(np.eye(4))
    for _ in range(200):
        state = solver.step(state)
    assert state.distance < 1e-9
    assert_allclose(polar(state.G)[0], state.A, atol=1e-8)
    Y = Z @ state.A.T
    for i in range(4):
        for j in range(i):

            def loss(t, a=Y[:, i], b=Y[:, j]):
                turned = np.cos(t) * a + np.sin(t) * b, np.cos(t) * b - np.sin(t) * a
                return -np.mean(np.abs(np.stack(turned)) ** 3)

            best = minimize_scalar(loss, bounds=(-0.3, 0.3), method="bounded")
            assert best.fun >= loss(0.0) - 1e-9


def test_fewer_atoms_and_orthogonal_ones(rng):
    D = np.linalg.qr(rng.standard_normal((10, 10)))[0][:4]
    Y = rng.standard_normal((2000, 4)) * (rng.random((2000, 4)) < 0.2)
    X = Y @ D + 0.05 * rng.standard_normal((2000, 10))
    for whiten in (True, False):
        fit = model(n_components=4, whiten=whiten).fit(X)
        assert cosines(fit.components_, D).min() > 0.99
        assert fit.transform(X).shape == (2000, 4)
    assert_allclose(fit.components_ @ fit.components_.T, np.eye(4), atol=1e-12)
    best = X @ fit.components_.T @ fit.components_
    centre = fit.mean_ - fit.components_.T @ (fit.components_ @ fit.mean_)
    assert_allclose(fit.inverse_transform(fit.transform(X)), best + centre, atol=1e-12)


def test_threshold_makes_codes_sparse(planted):
    X, _ = planted
    fit = model().fit(X)
    codes = fit.transform(X)
    assert_allclose(np.sqrt(np.mean(codes**2, axis=0)), fit.code_sizes_, rtol=1e-2)
    few = fit.set_params(threshold=0.3).transform(X)
    kept = few != 0
    assert_array_equal(few[kept], codes[kept])
    assert_array_equal(kept, np.abs(codes) > 0.3 * fit.code_sizes_)
    assert 0.15 < kept.mean() < 0.25


def test_rank_and_constant_features(planted):
    X, D = planted
    twice = np.column_stack([X, np.full(len(X), 3.0), X[:, 0] + X[:, 1]])
    fit = model().fit(twice)
    assert fit.components_.shape == (8, 10)
    assert_array_equal(fit.components_[:, 8], 0.0)
    assert_allclose(fit.inverse_transform(fit.transform(twice)), twice, atol=1e-10)
    with pytest.warns(UserWarning, match="8 directions only"):
        fit = model(n_components=9).fit(twice)
    assert fit.n_components_ == 8
    with pytest.raises(ValueError, match="constant in n_samples=5"):
        model().fit(np.ones((5, 3)))


def test_weights_are_repetitions(planted, rng):
    X = planted[0][:200]
    weight = rng.integers(0, 4, len(X))
    weighted = model(tol=1e-9).fit(X, sample_weight=weight)
    repeated = model(tol=1e-9).fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.components_, repeated.components_, atol=1e-6)
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-10)


def test_float32_stays_and_agrees(planted):
    X, D = planted
    fit = model().fit(X.astype(np.float32))
    assert fit.components_.dtype == fit.mean_.dtype == np.float32
    assert fit.transform(X.astype(np.float32)).dtype == np.float32
    assert fit.converged_
    assert_allclose(
        cosines(fit.components_, model().fit(X).components_), 1.0, atol=1e-5
    )


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize("options", [{}, {"n_components": 3, "whiten": False, "p": 4}])
def test_other_arrays_give_the_same(device_backend, X, options, rng):
    X, weight = X[:300], rng.random(300)
    there = device_backend.asarray(X)
    wanted = model(**options).fit(X, sample_weight=weight)
    fit = model(**options).fit(there, sample_weight=device_backend.asarray(weight))
    for name in ("components_", "mean_", "code_norms_", "code_sizes_"):
        found = to_numpy(getattr(fit, name))
        assert_allclose(found, getattr(wanted, name), atol=1e-6)
    codes = fit.transform(there)
    assert type(codes) is type(there)
    assert_allclose(to_numpy(codes), wanted.transform(X), atol=1e-5)


def test_device_is_used_and_left(cuda_stand_in, X):
    there, here = model(device="cuda").fit(X), model().fit(X)
    assert there.device_ == "cuda:0"
    assert isinstance(there.components_, np.ndarray)
    assert_allclose(there.components_, here.components_, atol=1e-6)


def test_more_starts_and_warm_start(rng):
    X, _ = mixtures(rng, n=60, k=6, theta=0.5)
    one = [model(random_state=seed, max_iter=300).fit(X) for seed in range(5)]
    many = model(n_init=20).fit(X)
    assert many.objective_ >= max(fit.objective_ for fit in one) - 1e-6
    assert max(fit.objective_ for fit in one) > min(fit.objective_ for fit in one)
    fit = model(warm_start=True, tol=1e-9).fit(X)
    atoms = fit.components_
    fit.fit(X)
    assert fit.n_iter_ <= 2
    assert_allclose(fit.components_, atoms, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_continues_from_a_checkpoint(tmp_path, rng):
    X, path = mixtures(rng, n=100, theta=0.7)[0], tmp_path / "fit.npz"
    straight = model(max_iter=12, tol=0.0).fit(X)
    part = model(max_iter=6, tol=0.0)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    whole = model(max_iter=12, tol=0.0).set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == 12
    assert_allclose(whole.components_, straight.components_, atol=1e-9)


def test_stops_pickles_and_clones(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 1)
    with pytest.warns(ConvergenceWarning, match="without further progress"):
        model(tol=0.0).fit(X)
    fit = model().fit(X)
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    assert fit.get_feature_names_out()[7] == "lpdictionarylearning7"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"p": 2}, "p must be a number larger than 2"),
        ({"p": "3"}, "p must be a number larger than 2"),
        ({"n_components": 0}, "n_components must be a positive integer"),
        ({"n_components": 9}, "n_components=9 is more than n_features=8"),
        ({"n_init": 0}, "n_init must be a positive integer"),
        ({"threshold": -1.0}, "threshold must be a nonnegative number"),
        ({"whiten": "unit-variance"}, "whiten must be True or False"),
        ({"assume_centered": 1}, "assume_centered must be True or False"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="NaN"):
        model().fit(np.where(X > 0.9, np.nan, X))
    with pytest.raises(ValueError, match="8 components"):
        model().fit(X).inverse_transform(np.ones((2, 4)))
    with pytest.raises(NotFittedError):
        model().inverse_transform(np.ones((2, 8)))


@pytest.mark.parametrize("whiten", [True, False])
def test_atoms_and_codes_in_any_units(X, whiten):
    plain = model(whiten=whiten).fit(X)
    for unit in (1e-290, 1e200):
        fit = model(whiten=whiten).fit(X * unit)
        assert_allclose(fit.components_, plain.components_, atol=1e-6)
        assert_allclose(fit.transform(X * unit) / unit, plain.transform(X), atol=1e-6)
