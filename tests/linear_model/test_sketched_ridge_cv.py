"""Sketched ridge ensembles against explicit smoothers, plain ridge and new rows."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from skopt2.callbacks import Checkpoint
from skopt2.linear_model import SketchedRidgeCV
from skopt2.solvers.sketching.sketches import SKETCHES, make_sketch
from tests.callbacks.test_checkpoint import Interrupt


def data(rng, n=80, p=40, noise=1.0, decay=20.0):
    scale = np.sqrt(2.0 / (1.0 + decay * np.linspace(0.0, 1.0, p)))
    X = rng.standard_normal((n, p)) * scale + 0.5
    coef = np.zeros(p)
    coef[: p // 4] = rng.standard_normal(p // 4) / np.sqrt(p // 4)
    return X, X @ coef + noise * rng.standard_normal(n) + 2.0, coef, scale


def explicit(X, s, S, alpha, intercept=True):
    """Return the smoother (n, n) of a member, and its coefficients as a matrix."""
    center = np.eye(len(s)) - np.outer(np.ones(len(s)), s) * intercept
    Z = center @ X @ S
    inside = np.linalg.solve(Z.T @ (s[:, None] * Z) + alpha * np.eye(S.shape[1]), Z.T)
    coef = inside @ (s[:, None] * center)
    return np.outer(np.ones(len(s)), s) * intercept + Z @ coef, S @ coef


@pytest.mark.parametrize("sketch", SKETCHES)
@pytest.mark.parametrize("intercept", [True, False])
def test_gcv_is_that_of_explicit_smoothers(rng, sketch, intercept):
    X, y, _, _ = data(rng, n=30)
    weight = rng.integers(0, 4, 30).astype(float)
    model = SketchedRidgeCV(
        3,
        sketch=sketch,
        sketch_size=[7, 35],
        alphas=[0.01, 0.3],
        fit_intercept=intercept,
        random_state=5,
    )
    model.fit(X, y, sample_weight=weight)
    s, N = weight / weight.sum(), weight.sum()
    seeds = np.random.SeedSequence(5).spawn(6)
    for j, q in enumerate((7, 35)):
        for a, alpha in enumerate((0.3, 0.01)):
            members = []
            for k in range(3):
                rng_k = np.random.default_rng(seeds[2 * k + j])
                S = make_sketch(sketch, 40, q, rng_k).apply(np.eye(40))
                members.append(explicit(X, s, S, alpha, intercept))
            L = np.mean([smoother for smoother, _ in members], axis=0)
            coef = np.mean([W for _, W in members], axis=0) @ y
            rest = 1.0 - np.trace(L) / N
            gcv = (s * (y - L @ y) ** 2).sum() / rest**2
            assert model.gcv_path_[j, a] == pytest.approx(gcv, rel=1e-8)
            # The trick: products of the residuals of different members.
            r = [y - smoother @ y for smoother, _ in members]
            cross = [s @ (r[k] * r[m]) for k in range(3) for m in range(3) if k != m]
            limit = np.mean(cross) / rest**2
            assert model.unsketched_gcv_path_[j, a] == pytest.approx(limit, rel=1e-7)
            if (q, alpha) == (model.sketch_size_, model.alpha_):
                np.testing.assert_allclose(model.coef_, coef, rtol=1e-7, atol=1e-9)
                assert model.degrees_of_freedom_ == pytest.approx(np.trace(L))
                np.testing.assert_allclose(
                    model.corrected_residuals_, (y - L @ y) / rest, atol=1e-8
                )
    assert model.gcv_ == model.gcv_path_.min()
    assert model.converged_
    assert model.certificate_.value < 1e-10


@pytest.mark.parametrize("sketch", ["dct", "orthogonal"])
@pytest.mark.parametrize("p", [20, 100])
def test_a_rotation_of_all_features_is_ridge(rng, sketch, p):
    X, y, _, _ = data(rng, p=p)
    model = SketchedRidgeCV(
        2, sketch=sketch, sketch_size=p, alphas=[0.05], random_state=0
    ).fit(X, y)
    peer = Ridge(alpha=0.05 * 80, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-9)
    assert model.intercept_ == pytest.approx(peer.intercept_)
    assert model.implicit_alpha_ == pytest.approx(0.05)
    assert model.unsketched_gcv_ == pytest.approx(model.gcv_)


@pytest.mark.parametrize("sketch", SKETCHES)
def test_sketches_keep_products_on_average(rng, sketch):
    p, q = 24, 10
    total = np.zeros((p, p))
    for _ in range(400):
        S = make_sketch(sketch, p, q, rng).apply(np.eye(p))
        total += S @ S.T / 400
    # Entries of S S' have a variance of about 1 / q, and more on the diagonal.
    np.testing.assert_allclose(total, np.eye(p), atol=6.0 * np.sqrt(2.0 / q / 400))


@pytest.mark.parametrize("sketch", SKETCHES)
def test_sketches_are_linear_operators(rng, sketch):
    made = make_sketch(sketch, 30, 11, rng)
    X, row, v = rng.standard_normal((9, 30)), rng.standard_normal(30), np.arange(11.0)
    S = made._dense() if hasattr(made, "_dense") else made.S
    np.testing.assert_allclose(made.apply(X), X @ S, atol=1e-12)
    np.testing.assert_allclose(made.apply_row(row), row @ S, atol=1e-12)
    np.testing.assert_allclose(made.expand(v), S @ v, atol=1e-12)
    for form in (sp.csr_array, sp.csc_array):
        np.testing.assert_allclose(made.apply(form(X)), X @ S, atol=1e-12)


@pytest.mark.parametrize("sketch", SKETCHES)
def test_the_mean_of_many_members_is_ridge_at_the_implicit_level(rng, sketch):
    X, y, _, _ = data(rng, n=150, p=120)
    options = {"sketch": sketch, "sketch_size": 60, "alphas": [0.2], "random_state": 0}
    model = SketchedRidgeCV(150, **options).fit(X, y)
    peer = Ridge(alpha=model.implicit_alpha_ * 150).fit(X, y)
    far = Ridge(alpha=0.2 * 150).fit(X, y)

    def distance(one, other):
        return np.linalg.norm(one.predict(X) - other.predict(X)) / np.sqrt(150)

    few = SketchedRidgeCV(5, **options).fit(X, y)
    assert distance(model, peer) < 0.35 * distance(few, peer)
    assert distance(model, peer) < 0.5 * distance(model, far)
    # The trace of the smoother is the same, and so is the estimate of the risk.
    Z = X - X.mean(axis=0)
    values = np.linalg.eigvalsh(Z.T @ Z / 150)
    trace = (values / (values + model.implicit_alpha_)).sum() + 1.0
    assert model.degrees_of_freedom_ == pytest.approx(trace, rel=0.02)
    r = y - peer.predict(X)
    gcv = (r @ r / 150) / (1.0 - trace / 150) ** 2
    assert few.unsketched_gcv_ == pytest.approx(gcv, rel=0.05)
    assert model.unsketched_gcv_ == pytest.approx(gcv, rel=0.02)
    assert few.gcv_ > few.unsketched_gcv_


@pytest.mark.parametrize("sketch", ["dct", "countsketch"])
def test_gcv_is_the_risk(sketch):
    ratios = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X, y, coef, scale = data(rng, n=200, p=240, noise=1.5)
        model = SketchedRidgeCV(4, sketch=sketch, random_state=seed).fit(X, y)
        off = (model.coef_ - coef) * scale
        shift = model.intercept_ - 2.0 + 0.5 * (model.coef_ - coef).sum()
        risk = off @ off + shift**2 + 1.5**2
        ratios.append(model.gcv_ / risk)
    # The mean of 200 squares of normal errors has a relative deviation of a tenth.
    assert np.mean(ratios) == pytest.approx(1.0, abs=3.0 * 0.1 / np.sqrt(6))


def draw(rng, noise, n):
    if noise == "normal":
        return rng.standard_normal(n)
    return rng.standard_t(3, n) if noise == "heavy" else rng.exponential(1.5, n) - 1.5


@pytest.mark.parametrize("noise", ["normal", "heavy", "skewed"])
def test_intervals_cover_new_rows(noise):
    found = {0.5: [], 0.9: []}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y, coef, scale = data(rng, n=300, p=200, noise=0.0)
        model = SketchedRidgeCV(4, sketch_size=50, random_state=seed)
        model.fit(X, y + draw(rng, noise, 300))
        new = rng.standard_normal((5000, 200)) * scale + 0.5
        target = new @ coef + 2.0 + draw(rng, noise, 5000)
        for coverage, shares in found.items():
            low, high = model.predict_interval(new, coverage).T
            shares.append(((low <= target) & (target <= high)).mean())
    for coverage, shares in found.items():
        # Quantiles of 300 residuals, four times.
        deviation = np.sqrt(2.0 * coverage * (1.0 - coverage) / 300 / 4)
        assert np.mean(shares) == pytest.approx(coverage, abs=3.0 * deviation)


def test_uncorrected_residuals_would_be_too_short():
    plain, corrected = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y, coef, scale = data(rng, n=300, p=250)
        model = SketchedRidgeCV(4, sketch_size=200, alphas=[0.05], random_state=seed)
        model.fit(X, y)
        new = rng.standard_normal((4000, 250)) * scale + 0.5
        error = new @ coef + 2.0 + rng.standard_normal(4000) - model.predict(new)
        low, high = np.quantile(y - model.predict(X), [0.05, 0.95])
        plain.append(((low <= error) & (error <= high)).mean())
        low, high = (model.predict_interval(new, 0.9) - model.predict(new)[:, None]).T
        corrected.append(((low <= error) & (error <= high)).mean())
    assert np.mean(plain) < 0.75
    assert np.mean(corrected) == pytest.approx(0.9, abs=0.03)


def test_sketch_size_alone_reaches_the_best_risk(rng):
    """The paper's claim: with a tiny level the size takes the place of the level."""
    X, y, _, _ = data(rng, n=120, p=150, noise=2.0)
    sizes = list(range(5, 115, 10))
    sized = SketchedRidgeCV(
        8, sketch="gaussian", sketch_size=sizes, alphas=[1e-6], random_state=0
    ).fit(X, y)
    tuned = SketchedRidgeCV(1, sketch_size=150, random_state=0).fit(X, y)
    best = sized.unsketched_gcv_path_.min()
    assert best == pytest.approx(tuned.gcv_, rel=0.05)


def test_integer_weights_repeat_rows(rng):
    X, y, _, _ = data(rng)
    weight = rng.integers(0, 3, 80)
    model = SketchedRidgeCV(3, random_state=0)
    heavy = model.fit(X, y, sample_weight=weight).predict_interval(X[:3])
    gcv = heavy, model.gcv_path_
    rows = np.repeat(np.arange(80), weight)
    many = model.fit(X[rows], y[rows]).predict_interval(X[:3])
    np.testing.assert_allclose(gcv[0], many, rtol=1e-7)
    np.testing.assert_allclose(gcv[1], model.gcv_path_, rtol=1e-6)


@pytest.mark.parametrize("sketch", SKETCHES)
def test_devices_and_formats_agree(device_backend, dispatch, rng, sketch):
    X, y, _, _ = data(rng)
    X[X < 0.0] = 0.0
    weight = rng.uniform(0.5, 2.0, 80)
    model = SketchedRidgeCV(2, sketch=sketch, alphas=5, random_state=0)
    here = model.fit(X, y, weight).coef_
    gcv = model.gcv_path_
    for made in (sp.csr_array(X), sp.csc_matrix(X)):
        np.testing.assert_allclose(model.fit(made, y, weight).coef_, here, atol=1e-9)
    A, b, s = (device_backend.asarray(part) for part in (X, y, weight))
    there = model.fit(A, b, s)
    assert type(there.coef_) is type(A)
    np.testing.assert_allclose(device_backend.to_numpy(there.coef_), here, atol=1e-9)
    found = device_backend.to_numpy(there.gcv_path_)
    np.testing.assert_allclose(found, gcv, rtol=1e-8)
    assert there.predict_interval(A).shape == (80, 2)
    assert type(there.predict_interval(A)) is type(A)


def test_float32_stays(rng):
    X, y, _, _ = data(rng)
    wide = SketchedRidgeCV(2, random_state=0).fit(X, y)
    model = SketchedRidgeCV(2, random_state=0).fit(X.astype("f"), y.astype("f"))
    assert model.coef_.dtype == model.predict(X.astype("f")).dtype == np.float32
    np.testing.assert_allclose(model.gcv_path_, wide.gcv_path_, rtol=1e-3)


def test_scales_of_the_data_do_not_matter(rng):
    X, y, _, _ = data(rng)
    model = SketchedRidgeCV(2, random_state=0).fit(X, y)
    large = SketchedRidgeCV(2, random_state=0).fit(1e6 * X, 1e-5 * y)
    np.testing.assert_allclose(large.coef_, 1e-11 * model.coef_, rtol=1e-5, atol=1e-18)
    assert large.sketch_size_ == model.sketch_size_


def test_parallel_and_repeated_fits_agree(rng):
    X, y, _, _ = data(rng)
    model = SketchedRidgeCV(4, random_state=3)
    first = model.fit(X, y).coef_
    np.testing.assert_array_equal(model.fit(X, y).coef_, first)
    model.set_params(n_jobs=2).fit(X, y)
    np.testing.assert_allclose(model.coef_, first, atol=1e-12)
    assert model.n_iter_ == 2
    assert model.n_members_ == 4
    assert not np.array_equal(model.set_params(random_state=4).fit(X, y).coef_, first)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_interval(X), model.predict_interval(X))


def test_time_limit_leaves_fewer_members(rng):
    X, y, _, _ = data(rng)
    model = SketchedRidgeCV(50, time_limit=1e-9, random_state=0)
    with pytest.warns(UserWarning, match="time_limit"):
        model.fit(X, y)
    assert model.stop_reason_ == "time_limit"
    assert model.n_members_ == 1
    one = SketchedRidgeCV(1, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.coef_, one.coef_)
    assert np.isnan(one.unsketched_gcv_)


def test_a_checkpoint_continues_the_ensemble(rng, tmp_path):
    X, y, _, _ = data(rng)
    whole = SketchedRidgeCV(5, random_state=0).fit(X, y)
    path = tmp_path / "sketched.ckpt"
    broken = SketchedRidgeCV(5, random_state=0)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    rest = SketchedRidgeCV(5, random_state=0).set_callbacks(Checkpoint(path))
    rest.fit(X, y)
    assert rest.n_members_ == rest.n_iter_ == 5
    np.testing.assert_allclose(rest.coef_, whole.coef_, atol=1e-12)
    np.testing.assert_allclose(rest.gcv_path_, whole.gcv_path_)


def test_constant_target_and_columns(rng):
    X, _, _, _ = data(rng)
    model = SketchedRidgeCV(2, random_state=0).fit(X, np.full(80, 3.0))
    np.testing.assert_allclose(model.predict(X), 3.0)
    flat = SketchedRidgeCV(2, random_state=0).fit(np.ones((20, 3)), np.arange(20.0))
    np.testing.assert_allclose(flat.predict(np.ones((2, 3))), 9.5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_estimators": 0}, "n_estimators"),
        ({"sketch": "fft"}, "sketch="),
        ({"sketch_size": 41}, "sketch_size=41"),
        ({"sketch_size": 1.5}, "sketch_size=1.5"),
        ({"sketch_size": 0}, "sketch_size"),
        ({"sketch_size": []}, "at least one size"),
        ({"alphas": [0.0, 1.0]}, "alphas"),
        ({"alphas": []}, "a nonempty list"),
        ({"alphas": 0}, "alphas"),
        ({"eps": 1.0}, "eps"),
        ({"tol": 0.0}, "tol"),
    ],
)
def test_bad_parameters(rng, options, match):
    X, y, _, _ = data(rng, n=20)
    with pytest.raises(ValueError, match=match):
        SketchedRidgeCV(**options).fit(X, y)


def test_bad_calls(rng):
    X, y, _, _ = data(rng)
    model = SketchedRidgeCV(2)
    # They count ten observations, and the least model has more degrees of freedom.
    with pytest.raises(ValueError, match="weights that count observations"):
        model.set_params(alphas=[1e-3]).fit(X, y, sample_weight=np.full(80, 0.05))
    model.fit(X, y)
    for coverage in (0.0, 1.0, "all"):
        with pytest.raises(ValueError, match="coverage="):
            model.predict_interval(X, coverage)
    with pytest.raises(TypeError, match="fit_intercept"):
        SketchedRidgeCV(2, fit_intercept="no").fit(X, y)
