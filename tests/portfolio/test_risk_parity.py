"""Risk parity portfolios: the estimator."""

import io

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skopt2 import to_device
from skopt2.callbacks import Checkpoint, TextLog
from skopt2.inspection import ConvergenceDisplay
from skopt2.portfolio import RiskParity
from tests.callbacks.test_checkpoint import Interrupt

pytestmark = pytest.mark.usefixtures("cuda_stand_in")
ESTIMATES = ["ledoit_wolf", "oas", "empirical"]


@pytest.fixture
def X(rng):
    common = rng.standard_normal((120, 1))
    scale = [0.01, 0.02, 0.01, 0.05, 0.001, 0.03]
    return 0.001 + (rng.standard_normal((120, 6)) + common) * scale


def contributions(S, w):
    share = w * (S @ w)
    return share / share.sum()


def test_a_fit_gives_shares_of_the_risk(X):
    budget = [3, 1, 1, 1, 2, 2]
    model = RiskParity(budget, covariance="empirical").fit(X)
    S = np.cov(X.T, ddof=0)
    np.testing.assert_allclose(model.covariance_, S, rtol=1e-12)
    np.testing.assert_allclose(model.weights_.sum(), 1.0, rtol=1e-14)
    np.testing.assert_allclose(model.budget_, np.asarray(budget) / 10)
    np.testing.assert_allclose(
        contributions(S, model.weights_), model.budget_, rtol=1e-8
    )
    np.testing.assert_allclose(model.risk_contributions_, model.budget_, rtol=1e-8)
    w = model.weights_
    np.testing.assert_allclose(model.volatility_, np.sqrt(w @ S @ w), rtol=1e-12)
    np.testing.assert_allclose(model.volatility_, model.predict(X).std(), rtol=1e-12)
    assert model.converged_
    assert model.certificate_.value <= 1e-8
    assert model.covariance_estimator_ is None


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize(("name", "peer"), [("ledoit_wolf", LedoitWolf), ("oas", OAS)])
def test_shrunk_correlations_are_those_of_standardised_returns(X, name, peer, centered):
    Z = X if centered else X - X.mean(axis=0)
    scale = np.sqrt((Z**2).mean(axis=0))
    C = peer(assume_centered=True).fit(Z / scale).covariance_
    model = RiskParity(covariance=name, assume_centered=centered).fit(X)
    np.testing.assert_allclose(
        model.covariance_, scale[:, None] * C * scale, rtol=1e-10
    )


@pytest.mark.parametrize("name", ESTIMATES)
def test_units_and_order_of_the_assets_do_not_matter(X, rng, name):
    model = RiskParity(covariance=name, tol=1e-12).fit(X)
    units, order = 10.0 ** rng.uniform(-6, 6, 6), rng.permutation(6)
    moved = clone(model).fit((X * units)[:, order])
    w = (model.weights_ / units)[order]
    np.testing.assert_allclose(moved.weights_, w / w.sum(), rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_squares_of_returns_may_leave_the_range(X, unit):
    w = RiskParity().fit(X).weights_
    with np.errstate(over="ignore", under="ignore"):
        model = RiskParity().fit(X * unit)
    np.testing.assert_allclose(model.weights_, w, rtol=1e-7)
    np.testing.assert_allclose(
        model.volatility_ / unit, RiskParity().fit(X).volatility_
    )


@pytest.mark.parametrize("name", ESTIMATES)
def test_a_weight_is_a_repetition(X, rng, name):
    weight = rng.integers(0, 4, X.shape[0])
    a = RiskParity(covariance=name).fit(X, sample_weight=weight)
    b = RiskParity(covariance=name).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(a.weights_, b.weights_, rtol=1e-9)
    scores = (
        a.score(X[::2], sample_weight=weight[::2]),
        a.score(np.repeat(X[::2], weight[::2], axis=0)),
    )
    np.testing.assert_allclose(*scores, rtol=1e-9)
    assert scores[0] < -0.01
    assert np.abs(a.weights_ - RiskParity(covariance=name).fit(X).weights_).max() > 1e-4


def test_an_estimator_gives_the_covariance(X):
    model = RiskParity(covariance=LedoitWolf()).fit(X)
    S = LedoitWolf().fit(X).covariance_
    np.testing.assert_allclose(model.covariance_, S, rtol=1e-12)
    np.testing.assert_allclose(model.covariance_estimator_.covariance_, S)
    np.testing.assert_allclose(contributions(S, model.weights_), 1 / 6, rtol=1e-8)
    assert not hasattr(model.covariance, "covariance_")


def test_estimators_that_do_not_serve(X):
    with pytest.raises(ValueError, match="LedoitWolf.. takes no sample_weight"):
        RiskParity(covariance=LedoitWolf()).fit(X, sample_weight=np.arange(120))
    with pytest.raises(ValueError, match="StandardScaler.. has no attribute covari"):
        RiskParity(covariance=StandardScaler()).fit(X, sample_weight=np.arange(120))


def test_a_search_reaches_the_estimator(X):
    model = RiskParity(covariance=ShrunkCovariance())
    search = GridSearchCV(model, {"covariance__shrinkage": [0.0, 0.9]}, cv=2).fit(X)
    assert search.best_params_ == {"covariance__shrinkage": 0.0}


def test_a_matrix_can_be_given(X):
    S = np.cov(X.T, ddof=0)
    model = RiskParity(covariance="precomputed").fit(S)
    same = RiskParity(covariance="empirical").fit(X)
    np.testing.assert_allclose(model.weights_, same.weights_, rtol=1e-10)
    assert model.predict(X).shape == (120,)


def test_the_score_is_the_certificate_of_other_returns(X):
    model = RiskParity(covariance="empirical", tol=1e-3, solver="ccd").fit(X[:60])
    assert abs(-model.score(X[:60]) - model.certificate_.value) < 1e-12
    share = contributions(np.cov(X[60:].T, ddof=0), model.weights_)
    np.testing.assert_allclose(model.score(X[60:]), -np.abs(6 * share - 1).max())
    with pytest.raises(ValueError, match="n_samples=1"):
        model.score(X[:1])


def test_a_search_prefers_shrinkage_where_periods_are_few(rng):
    X = rng.standard_normal((60, 20))
    search = GridSearchCV(RiskParity(), {"covariance": ["empirical", "oas"]}, cv=2)
    assert search.fit(X).best_params_ == {"covariance": "oas"}


def test_many_assets_and_few_periods(rng):
    X = rng.standard_normal((60, 200))
    with pytest.raises(ValueError, match="no risk at all.*ledoit_wolf"):
        RiskParity(covariance="empirical").fit(X)
    assert RiskParity().fit(X).converged_
    # Singular, and yet every portfolio without short positions has some risk.
    model = RiskParity(covariance="empirical").fit(X[:, :80])
    np.testing.assert_allclose(
        contributions(np.cov(X[:, :80].T), model.weights_), 1 / 80, rtol=1e-7
    )


def test_risk_of_the_size_of_rounding_is_none(rng):
    # A few 1e-13 of the variance of an asset, which is above the bound of the solver.
    A = rng.standard_normal((36, 2))
    model = RiskParity(np.r_[1e-7, np.ones(35)], covariance="precomputed")
    with pytest.raises(ValueError, match="no risk at all"):
        model.fit(A @ A.T + 1e-13 * np.eye(36))


def test_opposite_assets_have_no_risk_together(X):
    with pytest.raises(ValueError, match="undo each other"):
        RiskParity(covariance="empirical").fit(np.c_[X, -X[:, 0]])


def test_assets_without_risk_are_named(X):
    pandas = pytest.importorskip("pandas")
    X[:, 2] = 0.1
    with pytest.raises(ValueError, match="asset 2 have zero variance.*VarianceThresh"):
        RiskParity().fit(X)
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    with pytest.raises(ValueError, match="asset c have zero variance"):
        RiskParity().fit(frame)
    S = np.diag([1.0, 0.0, 2.0])
    with pytest.raises(ValueError, match="asset 1 have zero variance"):
        RiskParity(covariance="precomputed").fit(S)


def test_frames_have_names(X):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    model = RiskParity(pandas.Series([1, 1, 2, 1, 1, 1])).fit(frame)
    assert list(model.feature_names_in_) == list("abcdef")
    np.testing.assert_allclose(model.predict(frame), X @ model.weights_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("fedcba")])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariance": "shrunk"}, "covariance must be .*'shrunk'"),
        ({"covariance": 3}, "estimator with covariance_; got cov"),
        ({"solver": "slsqp"}, "solver must be"),
        ({"budget": [1, 2]}, r"budget has shape \(2,\), expected \(6,\)"),
        ({"budget": [1, 1, 1, 0, 1, 1]}, "asset 3 is 0.0"),
        ({"budget": [1, np.nan, 1, 1, 1, 1]}, "asset 1 is nan"),
        ({"budget": list("abcdef")}, "budget must be numbers"),
    ],
)
def test_bad_parameters(X, change, message):
    with pytest.raises(ValueError, match=message):
        RiskParity(**change).fit(X)


def test_bad_data(X):
    with pytest.raises(ValueError, match="n_samples=1"):
        RiskParity().fit(X[:1])
    given = RiskParity(covariance="precomputed")
    with pytest.raises(ValueError, match="square.*\\(120, 6\\)"):
        given.fit(X)
    with pytest.raises(ValueError, match="symmetric.*5.0e-01"):
        given.fit(np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="negative eigenvalue"):
        given.fit(np.array([[1.0, 1.5], [1.5, 1.0]]))
    with pytest.raises(ValueError, match="weighs periods"):
        given.fit(np.eye(3), sample_weight=[1, 2, 3])
    with pytest.raises(ValueError, match="zero for every sample"):
        RiskParity().fit(X, sample_weight=np.zeros(120))


def test_a_fit_that_fails_changes_nothing(X):
    model = RiskParity().fit(X)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="zero variance"):
        model.fit(np.ones((10, 3)))
    assert vars(model) == before


@pytest.mark.parametrize("solver", ["ccd", "newton"])
def test_a_warm_start_is_near_the_end(X, solver):
    model = RiskParity(solver=solver, warm_start=True, tol=1e-6).fit(X)
    cold = model.n_iter_
    w = model.weights_
    assert model.fit(X).n_iter_ == 1
    np.testing.assert_allclose(model.weights_, w, rtol=1e-6)
    assert model.fit(X[1:]).n_iter_ <= cold
    # Another number of assets: a cold start.
    assert model.fit(X[:, :4]).weights_.shape == (4,)


def test_a_fit_that_is_cut_short_warns(X):
    with pytest.warns(ConvergenceWarning, match="after max_iter=1 .*solver='newton'"):
        model = RiskParity(solver="ccd", max_iter=1).fit(X)
    assert not model.converged_
    np.testing.assert_allclose(model.weights_.sum(), 1.0)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        model = RiskParity(solver="ccd", time_limit=1e-9).fit(X)
    assert model.stop_reason_ == "time_limit"
    with pytest.warns(ConvergenceWarning, match="without further progress"):
        assert RiskParity(tol=0).fit(X).certificate_.value < 1e-13


@pytest.mark.parametrize("solver", ["ccd", "newton"])
def test_an_interrupted_fit_goes_on(X, tmp_path, solver):
    model = RiskParity(solver=solver, covariance="empirical", tol=1e-12)
    whole = clone(model).fit(X)
    path = tmp_path / "fit.npz"
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(2))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X)
    assert not hasattr(broken, "weights_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X)
    assert rest.n_iter_ == whole.n_iter_
    np.testing.assert_allclose(rest.weights_, whole.weights_, rtol=1e-12)
    stream = io.StringIO()
    clone(model).set_callbacks(TextLog(stream)).fit(X)
    assert len(stream.getvalue().splitlines()) == whole.n_iter_ + 1


def test_the_convergence_can_be_drawn(X):
    pytest.importorskip("matplotlib")
    display = ConvergenceDisplay.from_estimator(RiskParity(solver="ccd").fit(X))
    assert display.figure_ is not None


@pytest.mark.parametrize("name", ESTIMATES)
@pytest.mark.parametrize("solver", ["ccd", "newton"])
def test_arrays_of_any_library(X, backend, dispatch, name, solver):
    weight = np.linspace(1.0, 2.0, X.shape[0])
    host = RiskParity(covariance=name, solver=solver).fit(X, sample_weight=weight)
    there, p = backend.asarray(X), backend.asarray(weight)
    model = clone(host).fit(there, sample_weight=p)
    assert type(model.weights_) is type(there)
    assert model.n_iter_ == host.n_iter_
    for attribute in ("weights_", "covariance_", "risk_contributions_", "budget_"):
        np.testing.assert_allclose(
            backend.to_numpy(getattr(model, attribute)),
            getattr(host, attribute),
            rtol=1e-10,
        )
    np.testing.assert_allclose(
        backend.to_numpy(model.predict(there)), host.predict(X), rtol=1e-9, atol=1e-15
    )
    np.testing.assert_allclose(model.score(there), host.score(X), rtol=1e-8)


def test_a_device_gives_host_attributes(X):
    model = RiskParity(device="cuda").fit(X)
    assert model.device_ == "cuda:0"
    assert type(model.weights_) is np.ndarray
    np.testing.assert_allclose(model.weights_, RiskParity().fit(X).weights_, rtol=1e-10)
    assert type(to_device(model, "cuda").weights_).__module__ != "numpy"


@pytest.mark.parametrize("solver", ["ccd", "newton"])
def test_float32_stays(X, device_backend, dispatch, solver):
    x = device_backend.asarray(X, np.float32)
    model = RiskParity(solver=solver).fit(x)
    assert model.converged_
    for name in ("weights_", "covariance_", "risk_contributions_", "budget_"):
        assert getattr(model, name).dtype == x.dtype
    assert model.predict(x).dtype == x.dtype
    np.testing.assert_allclose(
        device_backend.to_numpy(model.weights_),
        RiskParity().fit(X).weights_,
        rtol=1e-5,
    )


def test_an_estimator_on_a_device_works_on_the_host(X, device_backend, dispatch):
    model = RiskParity(covariance=EmpiricalCovariance())
    found = model.fit(device_backend.asarray(X))
    same = RiskParity(covariance="empirical").fit(X)
    np.testing.assert_allclose(
        device_backend.to_numpy(found.weights_), same.weights_, rtol=1e-8
    )
