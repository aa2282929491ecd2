"""Matrix completion: recovery, closed forms, imputation, arrays, runs, bad input."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skopt2.callbacks import Checkpoint
from skopt2.decomposition import MatrixCompleter


def full_table(rng, n=80, p=12, k=2, noise=0.0):
    """Return a matrix of low rank with columns of different means and units."""
    M = rng.standard_normal((n, k)) @ rng.standard_normal((k, p))
    return M + noise * rng.standard_normal((n, p)) + np.arange(p)


def holes(rng, M, share=0.3):
    return np.where(rng.random(M.shape) < share, np.nan, M)


def model(*args, **options):
    return MatrixCompleter(*args, **{"random_state": 0, **options})


@pytest.fixture
def full(rng):
    return full_table(rng)


@pytest.fixture
def X(rng, full):
    return holes(rng, full)


def error(found, X, full):
    """Return the error at missing entries, relative to that of column means."""
    missing = np.isnan(X)
    means = SimpleImputer().fit_transform(X)
    lost = np.linalg.norm((found - full)[missing])
    return lost / np.linalg.norm((means - full)[missing])


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2, "alpha": 0.0, "tol": 1e-9},
        {"rank": 2, "alpha": 0.0, "tol": 1e-7, "loss": "l1"},
        {"rank": 2, "alpha": 0.0, "tol": 1e-9, "solver": "scaledgd"},
        {"rank": 3, "alpha": 0.0, "tol": 1e-9, "fit_intercept": False},
    ],
)
def test_recovers_what_has_low_rank(X, full, options):
    fit = model(**options).fit(X)
    assert fit.converged_
    assert_allclose(fit.transform(X), full, atol=2e-3 if "loss" in options else 1e-6)


def test_defaults_find_the_rank_or_the_level(rng, X, full):
    fit = model().fit(X)
    assert fit.certificate_.name == "relative duality gap"
    assert error(fit.transform(X), X, full) < 1e-2
    ranks = [rank for rank, _ in model("auto").fit(X).search_path_]
    assert ranks[:3] == [1, 2, 3]
    noisy = full + 0.1 * rng.standard_normal(full.shape)
    wide = full_table(rng, 150, 40, 3, noise=0.1)
    assert model("auto").fit(holes(rng, wide)).rank_ == 3
    fit = model().fit(np.where(np.isnan(X), np.nan, noisy))
    levels = [level for level, _ in fit.search_path_]
    assert fit.alpha_ in levels[:-1]
    assert error(fit.transform(X), X, full) < 0.2


def test_a_given_rank_gets_the_level_of_its_noise(rng):
    levels = []
    for noise in (0.05, 2.0):
        truth = full_table(rng, 200, 30, 4)
        X = holes(rng, truth + noise * rng.standard_normal(truth.shape), 0.5)
        found = model(4).fit(X)
        levels.append(found.alpha_)
        errors = [
            error(model(4, alpha=alpha).fit_transform(X), X, truth)
            for alpha in (1e-3, 1e-2, 1e-1)
        ]
        reached = error(found.transform(X), X, truth)
        assert reached < 1.15 * min(errors)
        assert reached < 0.8 * max(errors)
    assert levels[0] < levels[1]


def test_absolute_loss_is_not_misled_by_gross_errors(rng):
    full = full_table(rng, 150, 20)
    X = holes(rng, full)
    X[rng.random(X.shape) < 0.05] += 30.0
    errors = []
    for loss in ("squared", "l1"):
        fit = model(2, alpha=0.0, loss=loss, tol=1e-3).fit(X)
        errors.append(error(fit.transform(X), X, full))
        wrong = np.abs(fit.encode(X) @ fit.components_ + fit.intercept_ - X) > 10.0
    assert errors[1] < 0.05 < errors[0]
    assert_array_equal(wrong[~np.isnan(X)], (np.abs(X - full) > 10.0)[~np.isnan(X)])


def test_complete_tables_have_closed_forms(rng):
    full = full_table(rng, 30, 8, 8)
    options = {"scale": False, "keep_observed": False, "tol": 1e-9}
    U, s, Vt = np.linalg.svd(full, full_matrices=False)
    fit = model(3, alpha=0.0, fit_intercept=False, **options).fit(full)
    assert_allclose(fit.transform(full), (U[:, :3] * s[:3]) @ Vt[:3], atol=1e-5)
    fit = model(3, alpha=0.0, **options).fit(full)
    pca = PCA(3).fit(full)
    wanted = pca.inverse_transform(pca.transform(full))
    assert_allclose(fit.transform(full), wanted, atol=1e-5)
    assert_allclose(fit.intercept_, full.mean(axis=0))
    fit = model(None, alpha=1.0, fit_intercept=False, **options).fit(full)
    soft = np.maximum(s - 1.0 * np.sqrt(full.size), 0.0)
    assert 0 < np.count_nonzero(soft) == fit.rank_ < 8
    assert_allclose(fit.transform(full), (U * soft) @ Vt, atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_rank_does_not_count_what_is_rounding(seed):
    full = full_table(np.random.default_rng(seed), 30, 8, 8)
    s = np.linalg.svd(full, compute_uv=False) - np.sqrt(full.size)
    fit = model(None, alpha=1.0, fit_intercept=False, scale=False, tol=1e-9).fit(full)
    assert fit.rank_ == np.count_nonzero(s > 0.0)
    assert fit.components_.shape == (fit.rank_, 8)
    assert fit.row_factors_.shape == (30, fit.rank_)


def test_new_rows_solve_their_own_ridge_problem(rng, X):
    fit = model(2, alpha=0.1).fit(X)
    new = holes(rng, full_table(rng, 7), 0.4)
    n_known, (n, p) = np.count_nonzero(~np.isnan(X)), X.shape
    level = 0.1 * n_known / np.sqrt(n * p)
    scaled = (new - fit.intercept_) / fit.scale_
    V = fit.components_ / fit.scale_
    for i, row in enumerate(scaled):
        A = V[:, ~np.isnan(row)].T
        u = np.linalg.solve(A.T @ A + level * np.eye(2), A.T @ row[~np.isnan(row)])
        assert_allclose(fit.encode(new)[i], u)
        gaps = np.isnan(row)
        filled = fit.transform(new)[i]
        assert_allclose(filled[gaps], (u @ fit.components_ + fit.intercept_)[gaps])
        assert_array_equal(filled[~gaps], new[i, ~gaps])
    assert_allclose(fit.row_factors_, fit.encode(X), atol=1e-8)


def test_sparse_entries_are_what_is_stored(X):
    known = ~np.isnan(X)
    S = sp.csr_array(known.astype(float))
    S.data = X[known]
    S.data[3] = 0.0
    dense = X.copy()
    dense[np.nonzero(known)[0][3], np.nonzero(known)[1][3]] = 0.0
    options = {"rank": 2, "alpha": 0.05, "tol": 1e-10}
    here, there = model(**options).fit(dense), model(**options).fit(S)
    assert_allclose(there.components_, here.components_, rtol=1e-6)
    assert_allclose(there.transform(S), here.transform(dense), rtol=1e-6)
    i, j = np.nonzero(~known)
    values = there.predict_entries(i, j)
    assert_allclose(values, here.transform(dense)[i, j], rtol=1e-5, atol=1e-6)
    assert there.score(S) == pytest.approx(here.score(dense))
    zeros = model(missing_values=0.0, **options).fit(np.where(known, X, 0.0))
    assert_allclose(zeros.components_, model(**options).fit(X).components_)


def test_thin_tables_are_kept_as_sparse_ones(rng):
    full = full_table(rng, 800, 300, 2)
    X = holes(rng, full, 0.94)
    fit = model(2, alpha=0.0, tol=1e-7).fit(X)
    assert_allclose(fit.transform(X), full, atol=1e-3)
    assert_array_equal(fit.transform(X)[~np.isnan(X)], X[~np.isnan(X)])


def test_columns_of_any_unit(X, full):
    units = np.geomspace(1e-6, 1e6, X.shape[1])
    fit, scaled = model(2).fit(X), model(2).fit(X * units)
    assert_allclose(scaled.transform(X * units) / units, fit.transform(X), rtol=1e-6)
    far = model(2, alpha=0.0, tol=1e-7).fit(X + 1e6)
    assert_allclose(far.transform(X + 1e6) - 1e6, full, atol=1e-4)


def test_imputes_in_pipelines_and_searches(rng, X, full):
    y = full @ rng.standard_normal(full.shape[1])
    pipeline = make_pipeline(model(), Ridge(1e-6)).fit(X[:60], y[:60])
    means = make_pipeline(SimpleImputer(), Ridge(1e-6)).fit(X[:60], y[:60])
    left = [1.0 - fitted.score(X[60:], y[60:]) for fitted in (pipeline, means)]
    assert left[0] < 0.1 * left[1]
    search = GridSearchCV(model(alpha=1e-3), {"rank": [1, 2]}, cv=3).fit(X)
    assert search.best_params_ == {"rank": 2}
    assert search.best_score_ > 0.9


def test_frames_names_and_empty_features(X):
    X = X.copy()
    X[:, 4] = np.nan
    X[7] = np.nan
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(12)])
    kept = [f"c{j}" for j in range(12) if j != 4]
    completer = model(2).set_output(transform="pandas")
    with pytest.warns(UserWarning, match=r"left out by transform: c4\. Set keep_empty"):
        fit = completer.fit(frame)
    out = fit.transform(frame)
    assert list(out.columns) == kept
    assert fit.empty_features_.tolist() == [j == 4 for j in range(12)]
    assert_allclose(out.iloc[7], np.delete(fit.intercept_, 4), atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        whole = model(2, keep_empty_features=True, tol=1e-3).fit(X)
    assert_array_equal(whole.transform(X)[:, 4], 0.0)
    assert len(whole.get_feature_names_out()) == 12
    alone = model(2, fit_intercept=False).fit(X)
    assert_array_equal(alone.transform(X)[7], 0.0)


def test_known_entries_stay_or_lose_their_noise(rng, full):
    noisy = full + 0.3 * rng.standard_normal(full.shape)
    X = holes(rng, noisy, 0.2)
    known = ~np.isnan(X)
    kept = model(2).fit_transform(X)
    cleaned = model(2, keep_observed=False).fit_transform(X)
    assert_array_equal(kept[known], X[known])
    lost = [np.linalg.norm((Z - full)[known]) for Z in (cleaned, kept)]
    assert lost[0] < 0.7 * lost[1]


def test_float32_stays_and_agrees(X):
    wide, fit = model(2).fit(X), model(2).fit(X.astype(np.float32))
    assert fit.components_.dtype == fit.row_factors_.dtype == np.float32
    assert fit.transform(X.astype(np.float32)).dtype == np.float32
    assert_allclose(fit.transform(X), wide.transform(X), atol=1e-3)


@pytest.mark.usefixtures("dispatch")
@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2, "keep_observed": False},
        {},
        {"rank": 2, "loss": "l1"},
        {"rank": 2, "solver": "scaledgd"},
    ],
)
def test_other_arrays_give_the_same(device_backend, X, options):
    X = X[:40].copy()
    X[:, 2] = np.nan
    wanted, there = model(**options).fit(X), device_backend.asarray(X)
    fit = model(**options).fit(there)
    for name in ("components_", "intercept_", "row_factors_"):
        found = device_backend.to_numpy(getattr(fit, name))
        assert_allclose(found, getattr(wanted, name), rtol=1e-5, atol=1e-6)
    out = fit.transform(there)
    assert type(out) is type(there)
    assert_allclose(device_backend.to_numpy(out), wanted.transform(X), rtol=1e-5)
    assert fit.score(there) == pytest.approx(wanted.score(X), rel=1e-4)
    values = fit.predict_entries([0, 3], [1, 5])
    assert_allclose(
        device_backend.to_numpy(values), wanted.predict_entries([0, 3], [1, 5])
    )


def test_device_is_used_and_left(cuda_stand_in, X):
    there, here = model(2, device="cuda").fit(X), model(2).fit(X)
    assert there.device_ == "cuda:0"
    assert isinstance(there.components_, np.ndarray)
    assert_allclose(there.transform(X), here.transform(X), rtol=1e-6)
    with pytest.raises(ValueError, match="computes on the CPU"):
        model(2, device="cuda").fit(sp.csr_array(np.ones((4, 3))))


def test_warm_start_needs_fewer_sweeps(X):
    fit = model(3, alpha=1e-3, tol=1e-7, warm_start=True).fit(X)
    first, before = fit.n_iter_, fit.transform(X)
    fit.fit(X)
    assert fit.n_iter_ <= first // 2
    assert_allclose(fit.transform(X), before, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rank", [2, None])
def test_continues_from_a_checkpoint(tmp_path, X, rank):
    path, options = tmp_path / "fit.npz", {"tol": 0.0, "alpha": 0.05}
    straight = model(rank, max_iter=8, **options).fit(X)
    part = model(rank, max_iter=4, **options)
    part.set_callbacks(Checkpoint(path, min_seconds=0)).fit(X)
    whole = model(rank, max_iter=8, **options).set_callbacks(Checkpoint(path)).fit(X)
    assert whole.n_iter_ == 8
    assert_allclose(whole.transform(X), straight.transform(X), rtol=1e-7)


def test_stops_pickles_and_clones(X):
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        fit = model(2, tol=0.0, time_limit=1e-9).fit(X)
    assert (fit.stop_reason_, fit.n_iter_) == ("time_limit", 1)
    fit = model(2).fit(X)
    assert fit.rank_ == fit.components_.shape[0] == 2
    again = pickle.loads(pickle.dumps(fit))
    assert_array_equal(again.transform(X), fit.transform(X))
    assert_array_equal(clone(fit).fit(X).components_, fit.components_)
    assert np.isnan(fit.dual_gap_)
    assert (np.diff(fit.history_["objective"]) <= 1e-12).all()


def test_degenerate_data():
    constant = model().fit(np.full((5, 4), 3.0))
    assert_allclose(constant.transform([[np.nan, 3.0, np.nan, 3.0]]), 3.0)
    one = model().fit([[1.0, np.nan, 2.0]])
    assert one.transform([[np.nan, np.nan, 5.0]]).tolist() == [[1.0, 5.0]]
    column = model(1).fit([[1.0], [np.nan], [3.0]])
    assert column.transform([[np.nan]]).tolist() == [[2.0]]
    few = model(5, alpha=0.0).fit([[1.0, np.nan], [np.nan, 2.0], [3.0, np.nan]])
    assert np.isfinite(few.transform([[np.nan, 1.0]])).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank must be a positive integer, 'auto' or None"),
        ({"rank": "best"}, "rank must be a positive integer"),
        ({"alpha": -1.0}, "alpha must be a nonnegative number"),
        ({"alpha": 0.0}, "rank=None needs alpha > 0"),
        ({"loss": "huber"}, "loss must be one of"),
        ({"solver": "svd"}, "solver must be one of"),
        ({"solver": "scaledgd", "loss": "l1"}, "is for the squared loss"),
        ({"scale": 1}, "scale must be True or False"),
        ({"smoothing": 0.0}, "smoothing must be a positive number"),
        (
            {"validation_fraction": 1.0},
            r"validation_fraction must be a number in \(0, 1\)",
        ),
        ({"missing_values": "?"}, "missing_values must be a number"),
    ],
)
def test_bad_parameters_are_named(X, options, words):
    with pytest.raises(ValueError, match=words):
        model(**options).fit(X)


def test_bad_data_is_refused(X):
    with pytest.raises(ValueError, match="infinity"):
        model(2).fit(np.where(np.isnan(X), np.inf, X))
    with pytest.raises(ValueError, match="no known entry"):
        model(2).fit(sp.csr_array((5, 3)))
    with pytest.raises(ValueError, match="no known entry"):
        model(2).fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match=r"missing_values=0\.0"):
        model(2, missing_values=0.0).fit(X)
    fit = model(2).fit(X)
    with pytest.raises(ValueError, match="infinity"):
        fit.transform(np.full((1, 12), np.inf))
    with pytest.raises(ValueError, match="between 0 and 79"):
        fit.predict_entries([80], [0])
    with pytest.raises(ValueError, match="same length"):
        fit.predict_entries([1, 2], [0])
    with pytest.raises(ValueError, match="vector of integers"):
        fit.predict_entries([0.5], [0])
    with pytest.raises(ValueError, match="hides some of the known"):
        fit.score(np.where(np.arange(12) == 3, 1.0, np.nan)[None, :])
