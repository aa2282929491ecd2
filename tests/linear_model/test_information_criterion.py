"""AIC, BIC and EBIC of paths against their formulas, and what they choose."""

import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import multinomial, poisson

from skopt2.datasets import make_sparse_regression
from skopt2.linear_model import SparseClassifierCV, SparseRegressorCV
from skopt2.penalties import MCP

COUNTS = {"aic": lambda n: 2.0, "bic": math.log, "ebic": math.log}


def log_binomial(p, k):
    return math.log(math.comb(p, k))


@pytest.fixture(scope="module")
def data():
    return make_sparse_regression(
        90, 12, n_informative=4, rho=0.3, snr=3, random_state=1
    )


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gaussian(name, fit_intercept, data):
    X, y, _ = data
    model = SparseRegressorCV(
        criterion=name, alphas=9, ebic_gamma=0.8, fit_intercept=fit_intercept
    ).fit(X, y)
    assert model.criterion_path_.shape == model.alphas_.shape == (9,)
    assert model.scores_path_ is None
    for i in range(9):
        w = model.coef_path_[i]
        k = np.count_nonzero(w)
        rss = np.sum((y - X @ w - model.intercept_path_[i]) ** 2)
        expected = 90 * math.log(rss / 90) + COUNTS[name](90) * (k + fit_intercept)
        if name == "ebic":
            expected += 2 * 0.8 * log_binomial(12, k)
        assert model.criterion_path_[i] == pytest.approx(expected)
    best = np.argmin(model.criterion_path_)
    assert model.alpha_ == model.alphas_[best]
    np.testing.assert_array_equal(model.coef_, model.coef_path_[best])


def test_poisson(data):
    X, y, _ = data
    y = np.round(np.exp(y / y.std()))
    model = SparseRegressorCV("poisson", criterion="bic", alphas=6, eps=0.02)
    model.fit(X, y)
    for i in range(6):
        w = model.coef_path_[i]
        mean = np.exp(X @ w + model.intercept_path_[i])
        df = np.count_nonzero(w) + 1
        expected = -2 * poisson(mean).logpmf(y).sum() + math.log(90) * df
        assert model.criterion_path_[i] == pytest.approx(expected)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes(n_classes, data):
    X, y, _ = data
    edges = np.quantile(y, np.arange(1, n_classes) / n_classes)
    labels = np.digitize(y, edges)
    model = SparseClassifierCV(criterion="ebic", alphas=5, eps=0.05).fit(X, labels)
    one_hot = np.eye(n_classes)[labels]
    outputs = 1 if n_classes == 2 else n_classes
    for i in range(5):
        eta = X @ model.coef_path_[i] + model.intercept_path_[i]
        if n_classes == 2:
            eta = np.column_stack([np.zeros(90), eta])
        p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        k = np.count_nonzero(model.coef_path_[i])
        expected = -2 * multinomial(1, p).logpmf(one_hot).sum()
        expected += math.log(90) * (k + n_classes - 1)
        expected += log_binomial(12 * outputs, k)
        assert model.criterion_path_[i] == pytest.approx(expected)


def test_only_penalised_features_are_a_choice(data):
    X, y, _ = data
    factor = np.ones(12)
    factor[:2], factor[2] = 0.0, np.inf
    model = SparseRegressorCV(
        criterion="ebic", alphas=6, penalty_factor=factor, ebic_gamma=1.0
    ).fit(X, y)
    w, b = model.coef_path_[3], model.intercept_path_[3]
    k = np.count_nonzero(w[3:])
    expected = 90 * math.log(np.mean((y - X @ w - b) ** 2))
    expected += math.log(90) * (k + 3) + 2 * log_binomial(9, k)
    assert model.criterion_path_[3] == pytest.approx(expected)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_weights_are_repetitions(loss, data, rng):
    X, y, _ = data
    if loss == "poisson":
        y = np.round(np.exp(y / y.std()))
    weight = rng.integers(0, 4, 90)
    repeated = np.repeat(np.arange(90), weight)
    one = SparseRegressorCV(loss, criterion="bic", alphas=8, tol=1e-10)
    two = SparseRegressorCV(loss, criterion="bic", alphas=8, tol=1e-10)
    one.fit(X, y, sample_weight=weight)
    two.fit(X[repeated], y[repeated])
    np.testing.assert_allclose(one.criterion_path_, two.criterion_path_, rtol=1e-6)
    assert one.alpha_ == pytest.approx(two.alpha_)
    # Equal weights count too.
    three = SparseRegressorCV(loss, criterion="bic", alphas=8).fit(X, y, 2.0)
    four = SparseRegressorCV(loss, criterion="bic", alphas=8)
    four.fit(np.vstack([X, X]), np.hstack([y, y]))
    np.testing.assert_allclose(three.criterion_path_, four.criterion_path_, rtol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_ebic_recovers_the_support_where_p_is_large(seed):
    X, y, coef = make_sparse_regression(
        150, 500, n_informative=5, rho=0.3, snr=10, random_state=seed
    )
    model = SparseRegressorCV(penalty=MCP(gamma=3.0), criterion="ebic", ebic_gamma=1.0)
    model.fit(X, y)
    np.testing.assert_array_equal(model.coef_ != 0, coef != 0)


def test_path_ends_where_the_model_saturates():
    X, y, _ = make_sparse_regression(40, 200, n_informative=3, snr=4, random_state=0)
    model = SparseRegressorCV(criterion="bic").fit(X, y)
    sizes = np.count_nonzero(model.coef_path_, axis=1)
    assert sizes.max() + 1 < 40 / math.log(40)
    assert 2 <= model.alphas_.shape[0] < 100
    assert np.isfinite(model.criterion_path_).all()
    assert model.criterion_path_.shape == model.alphas_.shape == sizes.shape
    with pytest.raises(ValueError, match="too many coefficients"):
        SparseRegressorCV(criterion="bic", alphas=[1e-3]).fit(X, y)


def test_an_exact_fit_is_no_reason_for_more_coefficients():
    X, _, coef = make_sparse_regression(60, 8, n_informative=2, random_state=0)
    model = SparseRegressorCV(criterion="bic", alphas=[1.0, 0.0], tol=1e-12)
    model.fit(X, X @ coef)
    assert np.isfinite(model.criterion_path_).all()
    constant = SparseRegressorCV(criterion="aic", alphas=4).fit(X, np.ones(60))
    assert not constant.coef_.any()
    assert constant.alpha_ == constant.alphas_[0]


def test_large_numbers_of_candidates():
    # math.comb is exact; the logarithm of the gamma function must not overflow.
    assert gammaln(10**7) > 0
    X, y, _ = make_sparse_regression(50, 3000, n_informative=3, random_state=0)
    model = SparseRegressorCV(criterion="ebic", alphas=10, eps=0.3).fit(X, y)
    k = np.count_nonzero(model.coef_path_[-1])
    w, b = model.coef_path_[-1], model.intercept_path_[-1]
    expected = 50 * math.log(np.mean((y - X @ w - b) ** 2))
    expected += math.log(50) * (k + 1) + log_binomial(3000, k)
    assert model.criterion_path_[-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimator", "loss"),
    [
        (SparseRegressorCV, "huber"),
        (SparseRegressorCV, "quantile"),
        (SparseClassifierCV, "squared_hinge"),
        (SparseClassifierCV, "huberized_hinge"),
    ],
)
def test_losses_without_a_likelihood(estimator, loss, data):
    X, y, _ = data
    if estimator is SparseClassifierCV:
        y = y > 0
    with pytest.raises(ValueError, match=r"needs a likelihood.*criterion=\"cv\""):
        estimator(loss, criterion="aic").fit(X, y)


def test_weights_that_do_not_count(data):
    X, y, _ = data
    weight = np.linspace(1, 2, 90)
    model = SparseRegressorCV(criterion="bic", alphas=5)
    with pytest.raises(ValueError, match="more than two observations"):
        model.fit(X, y, sample_weight=weight / weight.sum())


@pytest.mark.usefixtures("cuda_stand_in")
def test_on_a_device(data):
    X, y, _ = data
    host = SparseRegressorCV(criterion="bic", alphas=8).fit(X, y)
    device = SparseRegressorCV(criterion="bic", alphas=8, device="cuda").fit(X, y)
    np.testing.assert_allclose(device.criterion_path_, host.criterion_path_, rtol=1e-5)
    assert device.device_ == "cuda:0"
