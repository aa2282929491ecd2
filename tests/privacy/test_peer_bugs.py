"""Bugs that private learning libraries had, or have: none of them may be ours.

Each test says whose bug it was, with the number of the thread where there is one.
"""

import math
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import is_classifier, is_regressor
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier

from skopt2.losses import Logistic, Multinomial
from skopt2.privacy import DPLogisticClassifier
from skopt2.solvers.privacy.accounting import calibrate_noise, epsilon_of
from skopt2.solvers.privacy.events import GaussianEvent, SampledGaussianEvent
from skopt2.solvers.privacy.gaussian import gaussian_delta, gaussian_mu
from skopt2.solvers.privacy.noise import NoiseSource, PoissonSampling
from tests.privacy.private_estimators import (
    NAMES,
    data_for,
    has,
    make,
    quiet_fit,
    released,
)
from tests.privacy.test_privacy_properties import query_of

CLASSIFIERS = [name for name in NAMES if is_classifier(make(name))]
WITH_BATCHES = [name for name in NAMES if has(name, "batch_size")]

pytestmark = pytest.mark.filterwarnings(
    "ignore::skopt2.privacy.PrivacyLeakWarning",
)


def blank(model, n=30):
    """Return data in which no row counts."""
    X, y = data_for(model, n=n)
    return np.full_like(X, np.nan), y


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("seed", [None, 0])
def test_classes_do_not_share_their_noise(name, seed):
    # diffprivlib, LogisticRegression with n_jobs: each class got the same noise vector.
    model = make(name, random_state=seed)
    for numbers in released(quiet_fit(model, *blank(model))).values():
        used = numbers[numbers != 0]
        assert np.unique(used).size == used.size


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_one_against_the_rest_does_not_share_noise_either(n_jobs):
    # The same, should someone compose classes by hand.
    model = make("DPLogisticClassifier", classes=[0, 1], max_iter=3)
    X, _ = blank(model)
    y = np.arange(len(X)) % 3
    fit = OneVsRestClassifier(model, n_jobs=n_jobs).fit(np.nan_to_num(X) * 0 + 1, y)
    rows = np.vstack([part.coef_ for part in fit.estimators_])
    assert np.unique(rows).size == rows.size


@pytest.mark.parametrize("name", NAMES)
def test_workers_do_not_share_noise(name):
    # The same over processes, without a seed and with the estimator pickled to each.
    model = make(name)
    X, y = blank(model)
    fits = Parallel(n_jobs=2)(delayed(quiet_fit)(model, X, y) for _ in range(4))
    for attribute in released(fits[0]):
        numbers = np.vstack([released(fit)[attribute] for fit in fits])
        if attribute == "radius_" or np.unique(numbers[0]).size < numbers[0].size:
            continue  # one of twelve radii, one number for all features, or zeros
        assert np.unique(numbers).size == numbers.size, attribute


@pytest.mark.parametrize("R", [0.1, 12.0, 20.0, 100.0])
def test_noise_knows_the_norm_of_rows_as_it_enters(R):
    # diffprivlib #10: 0.25 R where the curvature needs 0.25 R^2, so that epsilon=1 was
    # 3.26 at data_norm=100. Here the norm of rows enters the clipping alone.
    rng = np.random.default_rng(0)
    for loss, k in ((Logistic(), None), (Multinomial(), 3)):
        X = rng.normal(size=(1, 3)) * 1e3
        y = np.ones(1) if k is None else np.eye(3)[:1]
        query = query_of(X, y, loss, 0.7, n_outputs=k, feature_norm=R)
        for scale in (0.0, 1.0, 1e3):
            W = rng.normal(size=query.shape) * scale
            assert np.linalg.norm(query.clipped_sum(W)) <= 0.7


def test_default_noise_covers_rows_of_any_stated_norm(monkeypatch):
    stds = []
    draw = NoiseSource.draw
    monkeypatch.setattr(
        NoiseSource,
        "draw",
        lambda source, shape, std: (stds.append(std), draw(source, shape, std))[1],
    )
    X, y = np.full((20, 3), 1e4), np.arange(20) % 2
    for R in (1.0, 100.0):
        model = DPLogisticClassifier(classes=[0, 1], feature_norm=R).fit(X, y)
        query = query_of(X[:1], np.ones(1), Logistic(), 1e9, feature_norm=R)
        unclipped = np.linalg.norm(query.clipped_sum(np.full(4, -1e3)))
        reach = stds[-1] / model.privacy_.noise_multiplier
        # What the noise is for is never more than a row can do without clipping.
        assert reach <= unclipped * (1 + 1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if is_regressor(make(name))])
@pytest.mark.parametrize("bounds", [(0.0, 10.0), (-10.0, 0.0), (-1.0, 3.0)])
def test_no_second_moment_is_released_exactly(name, bounds):
    # diffprivlib #105: bounds (0, 10) gave the diagonal of X'X a sensitivity of zero.
    rng = np.random.default_rng(0)
    X = rng.uniform(*bounds, size=(40, 3))
    y = np.clip(X @ [0.1, -0.1, 0.05], -1, 1)
    outputs = []
    for _ in range(6):
        model = make(name, bounds=bounds, y_bounds=(-1.0, 1.0))
        outputs.append(np.concatenate(list(released(quiet_fit(model, X, y)).values())))
    free = np.ptp(np.vstack(outputs), axis=0) > 0
    assert free.sum() >= 3
    # Whatever is random is so in full: none of it is a constant plus a little.
    spread = np.std(np.vstack(outputs)[:, free], axis=0)
    assert spread.min() > 1e-3 * np.median(spread)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    "name", [name for name in NAMES if has(name, "fit_intercept", "epsilon")]
)
def test_an_intercept_costs_nothing_extra(name, intercept):
    # diffprivlib #104: the epsilons of the mechanisms added up to 1.25 for 1.
    model = make(name, fit_intercept=intercept, delta=1e-5)
    record = quiet_fit(model, *data_for(model)).privacy_
    assert epsilon_of(record.events, 1e-5) <= 1.0


def test_intercept_counts_in_the_norm_of_a_row():
    # A row of zeros has the gradient of its intercept, which is to be clipped too.
    query = query_of(np.zeros((1, 3)), -np.ones(1), Logistic(), 0.1)
    assert np.linalg.norm(query.clipped_sum(np.zeros(4))) == pytest.approx(
        0.1, rel=1e-5
    )


@pytest.mark.parametrize("name", WITH_BATCHES)
def test_gradients_are_not_divided_by_the_realised_batch(monkeypatch, name):
    # Opacus #571 and #819: the size of a batch, or of the data, is private.
    sizes = []
    draw = PoissonSampling.draw

    def recorded(source):
        sizes.append(draw(source).size)
        return np.arange(0)

    monkeypatch.setattr(PoissonSampling, "draw", recorded)
    model = make(name, batch_size=5, noise_multiplier=2.0, random_state=0, max_iter=8)
    X, y = data_for(model, n=30)
    empty = released(quiet_fit(model, X, y))
    monkeypatch.setattr(PoissonSampling, "draw", draw)
    none = released(quiet_fit(model, np.full_like(X, np.nan), y))
    # Empty batches, and batches of rows that do not count, are the same steps.
    assert len(set(sizes)) > 1
    for key, value in empty.items():
        np.testing.assert_array_equal(value, none[key])
        assert np.any(value != 0) or not value.size


@pytest.mark.parametrize("name", WITH_BATCHES)
def test_batches_are_poisson_and_not_shuffled(monkeypatch, name):
    # Opacus #80 and #128, TensorFlow Privacy, and arXiv 2411.04205.
    batches = []
    draw = PoissonSampling.draw

    def recorded(source):
        batches.append(draw(source))
        return batches[-1]

    monkeypatch.setattr(PoissonSampling, "draw", recorded)
    model = make(name, batch_size=10, max_iter=60, noise_multiplier=3.0)
    quiet_fit(model, *data_for(model, n=50))
    sizes = np.array([batch.size for batch in batches])
    assert len(batches) == 60
    # Binomial sizes: mean 10, variance 8.
    assert abs(sizes.mean() - 10) < 5 * math.sqrt(8 / 60)
    assert 3 < sizes.var() < 17
    # Five batches are no partition of the rows.
    epochs = [np.concatenate(batches[at : at + 5]) for at in range(0, 60, 5)]
    assert all(np.unique(epoch).size < epoch.size for epoch in epochs)
    counts = np.bincount(np.concatenate(batches), minlength=50)
    # Each row is in 12 of 60 batches on the mean, give or take 3.1.
    assert counts.max() <= 30
    assert counts.std() > 1


@pytest.mark.parametrize("name", WITH_BATCHES)
def test_sampling_rate_is_that_of_the_batches(name):
    # Opacus #813: another sampler, and a rate that was not its own.
    model = make(name, batch_size=7, noise_multiplier=3.0)
    (event,) = quiet_fit(model, *data_for(model, n=50)).privacy_.events
    assert event.sampling_rate == pytest.approx(7 / 50)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, 1e30])
def test_one_record_cannot_make_the_model_not_finite(name, value):
    # Opacus: one record with NaN turned all weights to NaN, which tells of it.
    model = make(name)
    X, y = data_for(model)
    X[4, 1] = value
    for numbers in released(quiet_fit(model, X, y)).values():
        assert np.all(np.isfinite(numbers))


@pytest.mark.parametrize("name", NAMES)
def test_records_that_cannot_count_are_alike(name):
    # NaN, infinity and an unknown label are one and the same: no row.
    model = make(name, random_state=0)
    X, y = data_for(model)
    X[5] = np.nan
    first = released(quiet_fit(model, X, y))
    X[5, :2] = np.inf
    second = released(quiet_fit(model, X, y))
    results = [second]
    if is_classifier(model):
        X[5], y[5] = 0.5, 99
        results.append(released(quiet_fit(model, X, y)))
    for other in results:
        for key, value in first.items():
            np.testing.assert_array_equal(value, other[key])


@pytest.mark.parametrize("name", NAMES)
def test_no_random_number_is_used_twice(monkeypatch, name):
    # JAX pull request 3646: one key for all parameters of a network.
    calls = []
    draw = NoiseSource.draw

    def recorded(source, shape, std):
        noise = draw(source, shape, std)
        if std > 0:
            calls.append(np.ravel(np.array(noise, dtype=float)) / std)
        return noise

    monkeypatch.setattr(NoiseSource, "draw", recorded)
    model = make(name)
    quiet_fit(model, *data_for(model))
    numbers = np.concatenate(calls)
    assert numbers.size > 1
    assert np.unique(numbers).size == numbers.size


def test_noise_of_the_sum_is_divided_with_the_sum():
    # jax-privacy #383: noise that was calibrated to the sum was added to the mean, or
    # the other way round.
    outputs = []
    for n in (20, 200):
        model = DPLogisticClassifier(
            classes=[0, 1], noise_multiplier=3.0, max_iter=1, average=False,
            learning_rate=1.0, max_grad_norm=1.0, fit_intercept=False, random_state=0,
        )  # fmt: skip
        X = np.full((n, 500), np.nan)
        outputs.append(quiet_fit(model, X, np.zeros(n)).coef_)
    np.testing.assert_allclose(outputs[0], 10 * outputs[1])
    assert np.std(outputs[0]) == pytest.approx(3.0 / 20, rel=0.15)


def test_rows_in_one_block_are_clipped_one_by_one():
    # TensorFlow Privacy #81 and #620: a microbatch was clipped as one.
    C, W = 0.1, np.zeros(3)
    row, other = np.array([[100.0, 0.0]]), np.array([[0.0, 100.0]])
    y = -np.ones(1)
    one = query_of(row, y, Logistic(), C).clipped_sum(W)
    two = query_of(other, y, Logistic(), C).clipped_sum(W)
    both = query_of(np.vstack([row, other]), -np.ones(2), Logistic(), C)
    np.testing.assert_allclose(both.clipped_sum(W), one + two, rtol=1e-12)
    same = query_of(np.vstack([row] * 5), -np.ones(5), Logistic(), C)
    np.testing.assert_allclose(same.clipped_sum(W), 5 * one, rtol=1e-12)


def test_softmax_gradient_reaches_the_square_root_of_two():
    # TensorFlow Privacy bounds it by one: p - e_k for a wrong sure answer is longer.
    X, y = np.array([[1.0, 0.0]]), np.eye(3)[:1]
    W = np.zeros((3, 3))
    W[0, 1] = 1e3
    free = query_of(X, y, Multinomial(), 1e6, n_outputs=3)
    assert np.linalg.norm(free.clipped_sum(W)) == pytest.approx(
        math.sqrt(2) * math.sqrt(2), rel=1e-2
    )
    clipped = query_of(X, y, Multinomial(), 1.0, n_outputs=3)
    assert 0.999 < np.linalg.norm(clipped.clipped_sum(W)) <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_the_clipped_rows_are_the_ones_in_use(name):
    # smartnoise-sdk #622: a clipped copy was made, and the data as they came were used.
    bounded = has(name, "bounds") and make(name).bounds is not None
    model = make(name, random_state=0)
    X, y = data_for(model)
    far = X.copy()
    if bounded:
        X[3], far[3] = 3.0, 1e6
    else:
        X[3] /= np.linalg.norm(X[3])
        far[3] = 1e6 * X[3]
    first, second = (released(quiet_fit(model, rows, y)) for rows in (X, far))
    for key, value in first.items():
        np.testing.assert_allclose(value, second[key], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, "y_bounds")])
def test_the_clipped_targets_are_the_ones_in_use(name):
    # diffprivlib #34 and #35, on targets.
    model = make(name, random_state=0)
    X, y = data_for(model)
    y[3] = 2.0
    first = released(quiet_fit(model, X, y))
    y[3] = 1e5
    second = released(quiet_fit(model, X, y))
    for key, value in first.items():
        np.testing.assert_allclose(value, second[key], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_every_fit_is_counted(name):
    # smartnoise-sdk #621: an odometer that lost releases; and clones, folds, searches.
    spent = []

    class Odometer:
        def spend(self, events, label=""):
            spent.extend(events)

        def __sklearn_clone__(self):
            return self

        def __deepcopy__(self, memo):
            return self

    model = make(name, accountant=Odometer(), delta=1e-5)
    X, y = data_for(model)
    one = quiet_fit(model, X, y).privacy_
    assert list(one.events) == spent
    quiet_fit(model, X, y)
    assert len(spent) == 2 * len(one.events)
    if hasattr(model, "score"):
        cross_val_score(model, X, y, cv=3)
        assert len(spent) == 5 * len(one.events)
    # Releases of the same data add up: noise in each is its own, but the data are one.
    assert epsilon_of(spent, 1e-5) > 1.2 * one.epsilon


def test_order_of_renyi_close_to_one_is_no_loophole():
    # TensorFlow Privacy #166: the order 1 + 1e-8 gave epsilon 0.
    for sigma in (0.5, 1.0, 5.0):
        event = SampledGaussianEvent(sigma, 0.1, 100)
        values = [epsilon_of(event, 1e-5, method) for method in ("rdp", "pld")]
        assert values[0] >= values[1] > 0.05


def test_sign_of_the_analytic_gaussian_is_right():
    # smartnoise-core #316: for epsilon below the turning point the sign was another.
    for epsilon in (1e-4, 0.1, 1.0, 10.0):
        mu = gaussian_mu(epsilon, 1e-5)
        assert gaussian_delta(mu, epsilon) <= 1e-5 < gaussian_delta(1.001 * mu, epsilon)
    assert gaussian_delta(1.0, 0.0) == pytest.approx(0.38292, abs=1e-5)


@pytest.mark.parametrize("epsilon", [0.1, 8.0])
def test_calibration_works_at_both_ends(epsilon):
    # Opacus: "the privacy budget is too low" at 0.1 (#346, #348), PRV at large epsilon
    # (#601, #604, #606), and a tolerance of 0.01 that costs 14 % more noise at 0.1.
    sigma = calibrate_noise(epsilon, 1e-5, sampling_rate=0.1, count=100)
    expected = {0.1: 30.91, 8.0: 0.936}[epsilon]
    assert sigma == pytest.approx(expected, rel=0.01)
    assert epsilon_of(SampledGaussianEvent(sigma, 0.1, 100), 1e-5) <= epsilon


def test_sampling_is_not_taken_for_a_smaller_gaussian():
    # Opacus pull request 400: the limit theorem's epsilon is too small.
    event = SampledGaussianEvent(0.8, 0.01, 500)
    mu = 0.01 * math.sqrt(500 * (math.exp(0.8**-2) - 1))
    limit = next(e for e in np.arange(0.01, 10, 0.01) if gaussian_delta(mu, e) <= 1e-6)
    assert epsilon_of(event, 1e-6) > 1.2 * limit


def test_correlated_releases_are_composed_and_not_listed():
    # google/differential-privacy #428: two releases of one row cost more than each.
    event = GaussianEvent(5.0)
    assert epsilon_of([event, event], 1e-5) > 1.3 * epsilon_of(event, 1e-5)
    together = epsilon_of(GaussianEvent(5.0 / math.sqrt(2)), 1e-5)
    assert epsilon_of([event, event], 1e-5) == pytest.approx(together)


@pytest.mark.parametrize("name", NAMES)
def test_infinite_budget_is_said_and_charged(name):
    # Without noise a fit is no free lunch.
    spent = []

    class Meter:
        def spend(self, events, label=""):
            spent.extend(events)

        def __sklearn_clone__(self):
            return self

    model = make(name, epsilon=math.inf, accountant=Meter(), delta=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*data_for(model))
    assert epsilon_of(spent, 1e-5) == math.inf
