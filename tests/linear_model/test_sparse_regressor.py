"""SparseRegressor: the same minima as scikit-learn, and those of the formulas."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import ElasticNet as SklearnElasticNet
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

from skopt2.linear_model import SparseRegressor, SparseRegressorCV, sparse_path
from skopt2.losses import Expectile, Huber, Poisson, Quantile
from skopt2.penalties import MCP, SCAD, AdaptiveL1, Box, ElasticNet, WeightedL1
from tests.linear_model import reference

LOSSES = ["squared", "huber", "poisson"]


@pytest.fixture
def X(rng):
    X = rng.standard_normal((60, 25))
    for j in range(1, 25):
        X[:, j] += 0.6 * X[:, j - 1]
    return X + 0.5


@pytest.fixture
def y(X, rng):
    return X[:, :4] @ [2.0, -1.5, 1.0, 0.5] + 3.0 + 0.5 * rng.standard_normal(60)


def target(loss, X, rng):
    eta = X[:, :4] @ [1.0, -1.0, 0.5, 0.5] + 0.3
    if loss == "poisson":
        return rng.poisson(np.exp(0.5 * eta)).astype(float)
    noise = (
        rng.standard_t(2, len(X)) if loss == "huber" else rng.standard_normal(len(X))
    )
    return eta + 0.5 * noise


def cost(X, y, w, b, alpha, l1_ratio=1.0):
    r = y - X @ w - b
    quadratic = 0.5 * (1 - l1_ratio) * (w @ w)
    return r @ r / (2 * len(y)) + alpha * (l1_ratio * abs(w).sum() + quadratic)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_same_minimum_as_lasso(X, y, kind, fit_intercept, positive):
    options = {"fit_intercept": fit_intercept, "positive": positive}
    for alpha in (1.0, 0.1, 0.01):
        peer = Lasso(alpha, tol=1e-14, max_iter=10**6, **options).fit(X, y)
        model = SparseRegressor(alpha=alpha, tol=1e-10, **options).fit(kind(X), y)
        expected = cost(X, y, peer.coef_, peer.intercept_, alpha)
        assert model.objective_ == pytest.approx(expected, rel=1e-8)
        assert cost(X, y, model.coef_, model.intercept_, alpha) == pytest.approx(
            model.objective_, rel=1e-12
        )
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)
        assert model.intercept_ == pytest.approx(peer.intercept_, abs=1e-6)
        assert model.dual_gap_ <= 1e-10 * y.var()
        assert model.converged_


@pytest.mark.parametrize("l1_ratio", [1.0, 0.7, 0.1])
@pytest.mark.parametrize("positive", [False, True])
def test_same_minimum_as_elastic_net(X, y, l1_ratio, positive):
    alpha = 0.3
    peer = SklearnElasticNet(
        alpha, l1_ratio=l1_ratio, tol=1e-14, max_iter=10**6, positive=positive
    ).fit(X, y)
    model = SparseRegressor(
        penalty=ElasticNet(l1_ratio), alpha=alpha, tol=1e-10, positive=positive
    ).fit(X, y)
    expected = cost(X, y, peer.coef_, peer.intercept_, alpha, l1_ratio)
    assert model.objective_ == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)


def test_ridge_is_the_elastic_net_without_l1(X, y):
    peer = Ridge(0.2 * len(y)).fit(X, y)
    model = SparseRegressor(penalty=ElasticNet(0.0), alpha=0.2, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-8)
    assert model.intercept_ == pytest.approx(peer.intercept_)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_same_minimum_as_poisson_regressor(X, rng, fit_intercept):
    y = target("poisson", X, rng)
    peer = PoissonRegressor(
        alpha=0.3, tol=1e-12, max_iter=10**5, fit_intercept=fit_intercept
    ).fit(X, y)
    model = SparseRegressor(
        "poisson", ElasticNet(0.0), alpha=0.3, tol=1e-12, fit_intercept=fit_intercept
    ).fit(X, y)
    w, v = model.coef_, peer.coef_
    value = reference.LOSSES["poisson"][0]
    theirs = value(y, X @ v + peer.intercept_).mean() + 0.15 * (v @ v)
    assert model.objective_ <= theirs + 1e-8 * abs(theirs)
    np.testing.assert_allclose(w, v, atol=1e-4)
    np.testing.assert_allclose(model.predict(X), np.exp(X @ w + model.intercept_))


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_alpha_zero_is_least_squares(X, y, fit_intercept):
    model = SparseRegressor(alpha=0.0, fit_intercept=fit_intercept).fit(X, y)
    peer = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-8)
    assert model.certificate_.name == "relative KKT violation"
    assert np.isnan(model.dual_gap_)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_alpha_zero_with_more_features_than_samples(X, y, fit_intercept):
    """Any interpolation is a minimiser; the normal equations are singular."""
    model = SparseRegressor(alpha=0.0, fit_intercept=fit_intercept)
    model.fit(X[:10], y[:10])
    assert model.converged_
    np.testing.assert_allclose(model.predict(X[:10]), y[:10], atol=1e-4)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("penalty", list(reference.PENALTIES))
@pytest.mark.parametrize("loss", LOSSES)
def test_optimality_conditions(X, rng, loss, penalty, fit_intercept, positive):
    y = target(loss, X, rng)
    model = SparseRegressor(
        loss,
        penalty,
        alpha=0.05,
        fit_intercept=fit_intercept,
        positive=positive,
        tol=1e-9,
    ).fit(X, y)
    assert model.converged_
    w, b = model.coef_, model.intercept_
    value = reference.objective(loss, penalty, X, y, w, b, 0.05)
    assert model.objective_ == pytest.approx(value, rel=1e-11)
    worst = reference.violation(
        loss, penalty, X, y, w, b, 0.05, positive=positive, fit_intercept=fit_intercept
    )
    assert worst <= 1e-5
    assert model.history_["objective"][-1] == model.objective_
    assert (b != 0) == fit_intercept


@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "mcp", "scad"])
@pytest.mark.parametrize("loss", LOSSES)
def test_penalty_factors(X, rng, loss, penalty):
    y = target(loss, X, rng)
    factor = np.ones(25)
    factor[[0, 8]], factor[[1, 5]], factor[2] = 0.0, np.inf, 3.0
    model = SparseRegressor(
        loss, penalty, alpha=0.1, penalty_factor=factor, tol=1e-10
    ).fit(X, y)
    w, b = model.coef_, model.intercept_
    assert w[0] != 0
    assert w[8] != 0
    assert w[1] == w[5] == 0
    worst = reference.violation(loss, penalty, X, y, w, b, 0.1, factor=factor)
    assert worst <= 1e-8


def test_penalty_factor_is_a_scale_of_the_columns(X, y):
    """Factor f on a column is factor 1 on the column divided by f."""
    factor = np.linspace(0.5, 3.0, 25)
    model = SparseRegressor(alpha=0.1, penalty_factor=factor, tol=1e-11).fit(X, y)
    peer = Lasso(0.1, tol=1e-14, max_iter=10**6).fit(X / factor, y)
    np.testing.assert_allclose(model.coef_, peer.coef_ / factor, atol=1e-6)
    weighted = SparseRegressor(penalty=WeightedL1(factor), alpha=0.1, tol=1e-11)
    np.testing.assert_allclose(weighted.fit(X, y).coef_, model.coef_, atol=1e-8)


def test_features_without_penalty_are_least_squares(X, y):
    """Above alpha_max only they are in: closed form."""
    factor = np.ones(25)
    factor[[3, 11]] = 0.0
    model = SparseRegressor(alpha=1e3, penalty_factor=factor, tol=1e-10).fit(X, y)
    peer = LinearRegression().fit(X[:, [3, 11]], y)
    np.testing.assert_allclose(model.coef_[[3, 11]], peer.coef_, atol=1e-8)
    assert np.count_nonzero(model.coef_) == 2
    assert model.intercept_ == pytest.approx(peer.intercept_)


def test_features_with_infinite_factor_are_left_out(X, y):
    factor = np.ones(25)
    factor[10:] = np.inf
    model = SparseRegressor(alpha=0.05, penalty_factor=factor, tol=1e-11).fit(X, y)
    alone = SparseRegressor(alpha=0.05, tol=1e-11).fit(X[:, :10], y)
    np.testing.assert_allclose(model.coef_[:10], alone.coef_, atol=1e-9)
    assert not model.coef_[10:].any()
    everything = SparseRegressor(alpha=0.05, penalty_factor=np.full(25, np.inf))
    everything.fit(X, y)
    assert not everything.coef_.any()
    assert everything.intercept_ == pytest.approx(y.mean())


@pytest.mark.parametrize("loss", LOSSES)
def test_positive_and_unpenalised(X, rng, loss):
    """The bound holds for a feature without penalty, and not for the intercept."""
    y = target(loss, X, rng)
    y = y - 10.0 if loss != "poisson" else y
    factor = np.zeros(25)
    model = SparseRegressor(
        loss, alpha=1.0, penalty_factor=factor, positive=True, tol=1e-9
    ).fit(X, y)
    assert (model.coef_ >= 0).all()
    worst = reference.violation(
        loss,
        "l1",
        X,
        y,
        model.coef_,
        model.intercept_,
        1.0,
        factor=factor,
        positive=True,
    )
    assert worst <= 1e-8
    if loss == "squared":
        assert model.intercept_ < 0
        peer = LinearRegression(positive=True).fit(X, y)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_same_minimum_as_quantile_regressor(X, y, rng, quantile, fit_intercept):
    weight = rng.integers(0, 3, 60).astype(float)
    for alpha in (0.1, 0.01):
        peer = QuantileRegressor(
            quantile=quantile, alpha=alpha, fit_intercept=fit_intercept
        ).fit(X, y, sample_weight=weight)
        model = SparseRegressor(
            Quantile(quantile), alpha=alpha, fit_intercept=fit_intercept, tol=1e-8
        ).fit(X, y, sample_weight=weight)

        def cost(w, b, alpha=alpha):
            r = y - X @ w - b
            pinball = np.maximum(quantile * r, (quantile - 1) * r)
            return weight @ pinball / weight.sum() + alpha * abs(w).sum()

        expected = cost(peer.coef_, peer.intercept_)
        assert cost(model.coef_, model.intercept_) <= expected * (1 + 1e-7)
        assert model.converged_


@pytest.mark.parametrize("expectile", [0.1, 0.8])
def test_expectiles_are_fixed_points_of_weighted_least_squares(X, y, expectile):
    model = SparseRegressor(Expectile(expectile), alpha=0.0, tol=1e-12).fit(X, y)
    above = y > model.predict(X)
    assert 0 < above.sum() < len(y)
    weight = np.where(above, expectile, 1 - expectile)
    peer = LinearRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-8)
    assert model.intercept_ == pytest.approx(peer.intercept_, abs=1e-8)


def test_best_subset(X, y):
    """All subsets of seven features."""
    A, alpha = X[:, :7], 0.05
    best = np.inf
    for size in range(8):
        for subset in itertools.combinations(range(7), size):
            columns = np.column_stack([np.ones(60), A[:, subset]])
            r = y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
            best = min(best, r @ r / 120 + alpha * size)
    model = SparseRegressor(penalty="l0", alpha=alpha).fit(A, y)
    assert model.objective_ == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("penalty", ["l_half", "l_two_thirds", "l0"])
def test_no_coordinate_improves_under_a_quasi_norm(X, y, penalty):
    q = {"l_half": 0.5, "l_two_thirds": 2 / 3, "l0": 0.0}[penalty]
    model = SparseRegressor(penalty=penalty, alpha=0.1, tol=1e-9).fit(X, y)
    w, b = model.coef_, model.intercept_

    def cost(v):
        r = y - X @ v - b
        return r @ r / 120 + 0.1 * (abs(v[v != 0]) ** q).sum()

    assert cost(w) == pytest.approx(model.objective_, rel=1e-10)
    for j in range(25):
        for c in np.r_[0.0, w[j] * np.linspace(0.8, 1.2, 9), np.linspace(-3, 3, 13)]:
            v = w.copy()
            v[j] = c
            assert cost(v) >= cost(w) * (1 - 1e-9)


def test_adaptive_l1_is_a_sequence_of_weighted_lassos(X, y):
    shape = AdaptiveL1(n_reweightings=2)
    for positive in (False, True):
        model = SparseRegressor(
            penalty=shape, alpha=0.2, tol=1e-11, positive=positive
        ).fit(X, y)
        factor = np.ones(25)
        for _ in range(3):
            peer = Lasso(0.2, tol=1e-14, max_iter=10**6, positive=positive)
            w = peer.fit(X / factor, y).coef_ / factor
            level = 0.1 * abs(w).max()
            factor = level / (abs(w) + level)
        np.testing.assert_allclose(model.coef_, w, atol=1e-6)
        assert model.converged_
        assert (np.diff(model.history_["iteration"]) > 0).all()
        assert model.n_iter_ == model.history_["iteration"][-1]
    plain = SparseRegressor(penalty=AdaptiveL1(n_reweightings=0), alpha=0.2)
    lasso = SparseRegressor(alpha=0.2).fit(X, y)
    np.testing.assert_array_equal(plain.fit(X, y).coef_, lasso.coef_)


def test_adaptive_l1_keeps_to_max_iter(X, y):
    whole = SparseRegressor(penalty="adaptive_l1", alpha=0.05).fit(X, y)
    assert whole.n_iter_ >= 3
    short = SparseRegressor(penalty="adaptive_l1", alpha=0.05, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        short.fit(X, y)
    assert short.n_iter_ == 2
    assert not short.converged_


def test_bounds(X, y):
    """A box is projected on; positive=True takes its lower half away."""
    model = SparseRegressor(penalty=Box(-0.5, 1.0), tol=1e-8).fit(X, y)
    assert model.converged_
    assert model.coef_.min() == -0.5
    assert model.coef_.max() == 1.0
    half = SparseRegressor(penalty=Box(-0.5, 1.0), positive=True, tol=1e-8).fit(X, y)
    assert half.converged_
    assert half.coef_.min() == 0.0
    assert half.coef_.max() == 1.0
    bounded = SparseRegressor(penalty=Box(0.0, np.inf), tol=1e-8).fit(X, y)
    peer = LinearRegression(positive=True).fit(X, y)
    np.testing.assert_allclose(bounded.coef_, peer.coef_, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad", "log_sum", "elasticnet"])
def test_warm_start(X, y, penalty):
    wide = np.hstack([X] + [X[np.roll(np.arange(60), k)] for k in range(1, 12)])
    cold = SparseRegressor(penalty=penalty, alpha=0.1, tol=1e-9).fit(wide, y)
    assert cold.n_iter_ > 2
    warm = SparseRegressor(penalty=penalty, alpha=0.1, tol=1e-9, warm_start=True)
    again = warm.fit(wide, y).fit(wide, y)
    assert again.n_iter_ == 1
    np.testing.assert_allclose(again.coef_, cold.coef_, atol=1e-6)
    # A nearby problem is reached from the old solution.
    warm.set_params(alpha=0.09).fit(wide, y)
    cold.set_params(alpha=0.09).fit(wide, y)
    assert warm.n_iter_ <= cold.n_iter_
    if penalty in ("l1", "elasticnet"):
        assert warm.objective_ == pytest.approx(cold.objective_, rel=1e-8)
    assert warm.converged_


def test_warm_start_from_what_is_no_longer_allowed(X, y):
    """Bounds and exclusions that came later, or another shape, do no harm."""
    model = SparseRegressor(alpha=0.05, warm_start=True, tol=1e-10).fit(X, y)
    assert (model.coef_ < 0).any()
    model.set_params(positive=True).fit(X, y)
    expected = SparseRegressor(alpha=0.05, positive=True, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    factor = np.where(np.arange(25) == 0, np.inf, 1.0)
    model.set_params(positive=False, penalty_factor=factor).fit(X, y)
    assert model.coef_[0] == 0
    assert np.isfinite(model.objective_)
    expected = SparseRegressor(alpha=0.05, penalty_factor=factor, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-8)
    model.set_params(penalty_factor=None).fit(X[:, :7], y)
    assert model.coef_.shape == (7,)


def test_warm_start_without_effect_on_a_fresh_model(X, y):
    model = SparseRegressor(alpha=0.1, warm_start=True).fit(X, y)
    expected = SparseRegressor(alpha=0.1).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("loss", LOSSES)
def test_dtype_is_kept(X, rng, loss, kind, dtype):
    y = target(loss, X, rng)
    model = SparseRegressor(loss, alpha=0.1, tol=1e-4).fit(kind(X.astype(dtype)), y)
    assert model.coef_.dtype == dtype
    assert model.predict(kind(X.astype(dtype))).dtype == dtype
    reference_ = SparseRegressor(loss, alpha=0.1, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference_.coef_, atol=1e-2)
    assert model.objective_ == pytest.approx(reference_.objective_, rel=1e-4)


def test_fitted_attributes(X, y):
    model = SparseRegressor(alpha=0.1).fit(X, y)
    assert model.coef_.shape == (25,)
    assert type(model.intercept_) is float
    assert model.n_features_in_ == 25
    assert model.stop_reason_ == "converged"
    assert model.device_ == "cpu"
    assert model.certificate_.name == "relative duality gap"
    assert model.certificate_.value <= model.certificate_.tol == model.tol
    assert {"iteration", "time", "objective", "certificate"} <= set(model.history_)
    assert len(model.history_["iteration"]) == model.n_iter_
    assert model.score(X, y) > 0.9
    np.testing.assert_allclose(model.predict(X), X @ model.coef_ + model.intercept_)


def test_one_unfitted_and_one_refitted(X, y):
    model = SparseRegressor()
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y).fit(X[:, :3], y)
    assert model.predict(X[:, :3]).shape == (60,)


def test_loss_parameters_matter(X, y):
    y = y.copy()
    y[:3] += 100.0
    tight = SparseRegressor(Huber(delta=0.5), alpha=0.01).fit(X, y)
    loose = SparseRegressor(Huber(delta=1e6), alpha=0.01).fit(X, y)
    squared = SparseRegressor(alpha=0.01).fit(X, y)
    np.testing.assert_allclose(loose.coef_, squared.coef_, atol=1e-3)
    truth = np.r_[2.0, -1.5, 1.0, 0.5, np.zeros(21)]
    errors = [np.linalg.norm(m.coef_ - truth) for m in (tight, squared)]
    assert errors[0] < 0.2 * errors[1]


@pytest.mark.parametrize("shape", [MCP(1e7), SCAD(1e7)])
def test_gamma_tends_to_lasso(X, y, shape):
    model = SparseRegressor(penalty=shape, alpha=0.1, tol=1e-9).fit(X, y)
    lasso = SparseRegressor(alpha=0.1, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.coef_, lasso.coef_, atol=1e-4)


def test_null_model_above_alpha_max(X, y):
    top = sparse_path(X, y, alphas=1).alphas[0]
    assert not SparseRegressor(alpha=top * (1 + 1e-9)).fit(X, y).coef_.any()
    assert SparseRegressor(alpha=top * 0.99).fit(X, y).coef_.any()


@pytest.mark.parametrize("kind", [SparseRegressor, SparseRegressorCV])
def test_losses_of_counts_are_tagged(kind):
    for loss in ("poisson", Poisson()):
        assert kind(loss).__sklearn_tags__().target_tags.positive_only
    for loss in ("squared", Huber(), "unknown"):
        assert not kind(loss).__sklearn_tags__().target_tags.positive_only


def test_tall_data_of_few_features_at_a_low_level(rng):
    # The part of the rows that the solver begins with admits all features, which are
    # in the working set already.
    X = rng.standard_normal((20_000, 5))
    y = X @ [1.0, -1.0, 0.5, 0.0, 2.0] + rng.standard_normal(20_000)
    model = SparseRegressor(alpha=1e-4, tol=1e-10).fit(X, y)
    assert model.converged_
    reference = Lasso(alpha=1e-4, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-6)
