"""What must hold of the mechanisms themselves: sensitivity, and the noise."""

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed
from scipy.stats import chi2
from sklearn.model_selection import GridSearchCV

from skopt2.losses import Huber, HuberizedHinge, Logistic, Multinomial
from skopt2.privacy import DPLogisticClassifier
from skopt2.solvers.privacy import descent as descent_module
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.glm_query import GLMQuery
from skopt2.solvers.privacy.network_query import Network, NetworkQuery
from skopt2.solvers.privacy.noise import NoiseSource, PoissonSampling
from skopt2.solvers.privacy.rows import RowMap, Rows
from tests.privacy.private_estimators import (
    NAMES,
    data_for,
    has,
    make,
    quiet_fit,
    released,
)

HUGE = (1e160, -1e300, np.inf, -np.inf, np.nan, 1e-300, 0.0)


def query_of(X, y, loss, C, *, n_outputs=None, clipping="flat", **rows):
    """Return the query of a GLM over rows in memory."""
    data = Rows(lambda: iter([(X, y, None)]), *X.shape, **rows)
    return GLMQuery(data, loss, C, n_outputs=n_outputs, clipping=clipping)


def random_row(rng, d):
    """Return a row of any size, now and then with values that are no data."""
    row = rng.normal(size=d) * 10.0 ** rng.uniform(-8, 8)
    if rng.random() < 0.3:
        row[rng.integers(d)] = rng.choice(HUGE)
    return row


def random_target(rng, loss, k):
    """Return a target of one row, for a loss, right or wild."""
    if loss.name == "multinomial":
        return np.eye(k)[rng.integers(k)]
    if k is not None:
        return rng.choice([-1.0, 1.0], size=k)
    if loss.name == "huber":
        return rng.normal() * 10.0 ** rng.uniform(-3, 8)
    return rng.choice([-1.0, 1.0])


def random_case(rng, dtype):
    """Return a query with a row and one without, and the parameters to ask at."""
    d, n = int(rng.integers(1, 6)), int(rng.integers(0, 6))
    k = int(rng.integers(2, 5)) if rng.random() < 0.4 else None
    losses = [Logistic(), HuberizedHinge()] + ([Huber()] if k is None else [])
    loss = rng.choice(losses) if k is None or rng.random() < 0.3 else Multinomial()
    X = np.array([random_row(rng, d) for _ in range(n + 1)])
    y = np.array([random_target(rng, loss, k) for _ in range(n + 1)])
    with np.errstate(over="ignore", invalid="ignore"):
        X, y = X.astype(dtype), y.astype(dtype)
    settings = {
        "feature_norm": 10.0 ** rng.uniform(-2, 3),
        "fit_intercept": bool(rng.random() < 0.7),
        "intercept_scaling": 10.0 ** rng.uniform(-2, 1),
        "clipping": str(rng.choice(["flat", "automatic"])),
        "n_outputs": k,
    }
    if rng.random() < 0.3:
        low, high = np.full(d, -2.0), np.full(d, 3.0)
        settings["row_map"] = RowMap(low, high, (low + high) / 2, 0.4 / np.sqrt(d))
    C = 10.0 ** rng.uniform(-3, 2)
    blank = X.copy()
    blank[n] = np.nan
    pair = [query_of(part, y, loss, C, **settings) for part in (X, blank)]
    W = rng.normal(size=pair[0].shape) * 10.0 ** rng.uniform(-3, 4)
    return pair, W, C


@pytest.mark.parametrize(("dtype", "slack"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_one_row_moves_the_clipped_sum_by_at_most_the_clipping_norm(dtype, slack):
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(2000 if dtype is np.float64 else 500):
        pair, W, C = random_case(rng, dtype)
        sums = [query.clipped_sum(W) for query in pair]
        assert np.all(np.isfinite(sums)), (pair, W)
        ratios.append(np.linalg.norm(sums[0] - sums[1]) / C)
    assert max(ratios) <= 1 + slack
    # The bound is reached: a factor forgotten anywhere would show.
    assert np.mean(np.array(ratios) > 0.999) > 0.2


def test_sparse_rows_are_bounded_alike():
    rng = np.random.default_rng(1)
    for _ in range(200):
        X = np.array([random_row(rng, 4) for _ in range(3)])
        X[rng.random(X.shape) < 0.5] = 0.0
        y = rng.choice([-1.0, 1.0], size=3)
        W = rng.normal(size=5) * 10.0 ** rng.uniform(-3, 4)
        queries = [query_of(A, y, Logistic(), 0.3) for A in (X, sp.csr_array(X))]
        sums = [query.clipped_sum(W) for query in queries]
        assert np.all(np.isfinite(sums[1]))
        one = query_of(sp.csr_array(X[:1]), y[:1], Logistic(), 0.3).clipped_sum(W)
        assert np.linalg.norm(one) <= 0.3 * (1 + 1e-12)
        np.testing.assert_allclose(sums[0], sums[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_of_long_sums_stays_within_the_clipping_norm(dtype):
    # Sums of many rows round; what one row changes must not exceed C for that.
    rng = np.random.default_rng(2)
    n, d, C = 200_000, 4, 0.25
    X = rng.normal(size=(n, d)).astype(dtype)
    X[:, 0] = np.abs(X[:, 0])
    y = np.full(n, -1, dtype=dtype)
    W = np.zeros(d + 1)
    blank = X.copy()
    blank[n // 3] = np.nan
    without = query_of(blank, y, Logistic(), C).clipped_sum(W)
    for _ in range(8):
        X[n // 3] = 5 * rng.normal(size=d)
        there = query_of(X, y, Logistic(), C).clipped_sum(W)
        change = np.linalg.norm(there - without)
        assert 0.95 * C < change <= C


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_of_a_network_stays_within_the_clipping_norm(dtype):
    rng = np.random.default_rng(4)
    n, d, C = 60_000, 3, 0.05
    X = rng.normal(size=(n, d)).astype(dtype)
    X[:, 0] = np.abs(X[:, 0]) + 1
    y = np.full(n, -1, dtype=dtype)
    network = Network((d, 4, 1), "tanh")
    W = np.abs(rng.normal(size=network.n_parameters))
    blank = X.copy()
    blank[n // 2] = np.nan

    def total(rows):
        data = Rows(lambda: iter([(rows, y, None)]), n, d, fit_intercept=False)
        return NetworkQuery(data, network, Logistic(), C).clipped_sum(W)

    without = total(blank)
    for _ in range(3):
        X[n // 2] = 5 * rng.normal(size=d)
        change = np.linalg.norm(total(X) - without)
        assert 0.95 * C < change <= C


def test_norms_are_those_of_the_gradients():
    # No clipping, then the norm of a row's sum is that of its derivative, by
    # differences: the intercept, the square root of two of softmax, and R count.
    rng = np.random.default_rng(3)
    for loss, k in ((Logistic(), None), (Multinomial(), 3), (HuberizedHinge(), None)):
        X, y = rng.normal(size=(1, 4)), np.atleast_1d(random_target(rng, loss, k))
        y = y[None] if k else y
        query = query_of(
            X, y, loss, 1e3, n_outputs=k, feature_norm=2.0, intercept_scaling=0.3
        )
        W = rng.normal(size=query.shape)
        row = np.append(X[0] * min(1, 2 / np.linalg.norm(X)), 0.3)

        def value(V, loss=loss, y=y, row=row):
            eta = row @ V
            return float(loss.value(y, np.asarray(eta)[None], np.ones(1)))

        slope = np.zeros(W.shape)
        for index in np.ndindex(*W.shape):
            step = np.zeros(W.shape)
            step[index] = 1e-6
            slope[index] = (value(W + step) - value(W - step)) / 2e-6
        np.testing.assert_allclose(query.clipped_sum(W), slope, atol=1e-7)
        block = next(query.rows.blocks())
        size = np.linalg.norm(np.atleast_1d(query.slopes(W, block)[0]))
        assert size * block.norm[0] == pytest.approx(np.linalg.norm(slope), rel=1e-6)


class Recorder:
    """Stands in for the draws of noise, and keeps what they were."""

    def __init__(self, monkeypatch):
        self.calls = []
        draw = NoiseSource.draw

        def recorded(source, shape, std):
            noise = draw(source, shape, std)
            self.calls.append((tuple(shape), float(std), np.array(noise)))
            return noise

        monkeypatch.setattr(NoiseSource, "draw", recorded)


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2]])
@pytest.mark.parametrize("batch_size", [None, 12])
def test_every_step_draws_noise_once(monkeypatch, relation, classes, batch_size):
    if batch_size and relation == "replace_one":
        pytest.skip("sampling has no such accounting")
    record = Recorder(monkeypatch)
    model = DPLogisticClassifier(
        classes=classes, max_iter=17, max_grad_norm=0.3, relation=relation,
        batch_size=batch_size,
    )  # fmt: skip
    X, y = data_for(model)
    model.fit(X, y)
    sigma = model.privacy_.noise_multiplier
    shape = (X.shape[1] + 1, 3) if len(classes) == 3 else (X.shape[1] + 1,)
    reach = 2.0 if relation == "replace_one" else 1.0
    assert len(record.calls) == 17
    assert {call[0] for call in record.calls} == {shape}
    assert [call[1] for call in record.calls] == pytest.approx(
        [sigma * 0.3 * reach] * 17
    )
    (event,) = model.privacy_.events
    assert (event.count, event.noise_multiplier) == (17, sigma)
    assert getattr(event, "sampling_rate", 1.0) == (0.2 if batch_size else 1.0)
    # All steps, and all columns within a step, have numbers of their own.
    numbers = np.concatenate([call[2].ravel() for call in record.calls])
    assert np.unique(numbers).size == numbers.size
    standard = numbers / record.calls[0][1]
    assert chi2.ppf(1e-6, numbers.size) < standard @ standard
    assert standard @ standard < chi2.isf(1e-6, numbers.size)


@pytest.mark.parametrize("batch_size", [None, 10])
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2]])
def test_without_gradients_the_model_is_noise_of_the_stated_size(classes, batch_size):
    p, n, T, lr, C = 400, 40, 25, 3.0, 0.4
    model = DPLogisticClassifier(
        classes=classes, max_iter=T, learning_rate=lr, max_grad_norm=C, average=False,
        fit_intercept=False, batch_size=batch_size, noise_multiplier=2.5,
    )  # fmt: skip
    # No row counts: the label is unknown, or the value is none.
    X = np.full((n, p), np.nan)
    model.fit(X, np.full(n, 7))
    rate = 1.0 if batch_size is None else batch_size / n
    variance = T * (lr * 2.5 * C / (rate * n)) ** 2
    total = float(np.sum(model.coef_**2)) / variance
    assert chi2.ppf(1e-6, model.coef_.size) < total < chi2.isf(1e-6, model.coef_.size)


@pytest.mark.parametrize("name", NAMES)
def test_fits_share_no_noise(name):
    model = make(name)
    X, y = data_for(model)
    X = np.full_like(X, np.nan)
    fits = [quiet_fit(model, X, y) for _ in range(3)]
    outputs = [np.concatenate(list(released(fit).values())) for fit in fits]
    for first in range(3):
        for second in range(first):
            assert not np.array_equal(outputs[first], outputs[second])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_fit(name):
    # Reproducible, and said to be no protection.
    model = make(name, random_state=3)
    X, y = data_for(model)
    first, second = (released(quiet_fit(model, X, y)) for _ in range(2))
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])
    assert quiet_fit(model, X, y).privacy_.seeded
    assert not quiet_fit(make(name), X, y).privacy_.seeded


def test_workers_draw_noise_of_their_own():
    # diffprivlib pickles one generator into every worker: all of them drew the same.
    model = make("DPLogisticClassifier")
    X, y = data_for(model, n=20)
    X = np.full_like(X, np.nan)
    fits = Parallel(n_jobs=2)(delayed(quiet_fit)(model, X, y) for _ in range(6))
    rows = np.vstack([fit.coef_ for fit in fits])
    assert np.unique(np.round(rows, 12)).size == rows.size


def test_candidates_of_a_search_draw_noise_of_their_own():
    model = make("DPLogisticClassifier")
    X, y = data_for(model, n=20)
    search = GridSearchCV(
        model, {"max_iter": [20, 21]}, cv=2, n_jobs=2, scoring=coefficient_score,
        refit=False,
    )  # fmt: skip
    search.fit(np.full_like(X, np.nan), y)
    splits = [search.cv_results_[f"split{fold}_test_score"] for fold in range(2)]
    assert np.unique(np.concatenate(splits)).size == 4


def coefficient_score(estimator, X, y):
    return float(estimator.coef_[0, 0])


def test_noise_and_sampling_share_no_stream(monkeypatch):
    # Batches drawn from the stream of the noise would tell of it.
    seeds = []
    monkeypatch.setattr(
        PoissonSampling, "__init__", record_seed(PoissonSampling.__init__, seeds)
    )
    monkeypatch.setattr(
        NoiseSource, "__init__", record_seed(NoiseSource.__init__, seeds)
    )
    model = make("DPLogisticClassifier", batch_size=10, random_state=0)
    quiet_fit(model, *data_for(model))
    states = [tuple(seed.generate_state(4)) for seed in seeds]
    assert len(states) == 2
    assert len(set(states)) == 2


def record_seed(init, seeds):
    def recorded(self, seed=None, *args, **kwargs):
        seeds.append(seed)
        init(self, seed, *args, **kwargs)

    return recorded


def test_a_short_batch_is_divided_by_its_expected_size():
    # The realised size is private, and so is the number of rows that count.
    X, y = np.ones((10, 1)), -np.ones(10)
    query = query_of(X, y, Logistic(), 10.0, fit_intercept=False)
    plan = descent_module.DescentPlan(1, 1.0, 0.0, sampling_rate=0.5, tail=0.0)

    class Given:
        def __init__(self, rows):
            self.rows = np.array(rows, dtype=np.int64)

        def draw(self):
            return self.rows

    for rows in ([], [3], [1, 2, 4, 5, 6, 7, 8, 9]):
        solver = descent_module.PrivateDescent(
            query, plan, NoiseSource(0), sampling=Given(rows)
        )
        state = solver.step(solver.init(np.zeros(1)))
        np.testing.assert_allclose(state.W, -0.5 * len(rows) / 5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0])
def test_mechanisms_of_a_fit_cost_no_more_than_was_asked(name, epsilon):
    model = make(name, epsilon=epsilon, delta=1e-5)
    X, y = data_for(model)
    record = quiet_fit(model, X, y).privacy_
    assert record.epsilon <= epsilon
    assert epsilon_of(record.events, 1e-5) <= epsilon
    # Nor is noise thrown away: the budget is used.
    assert epsilon_of(record.events, 1e-5) >= 0.99 * epsilon


@pytest.mark.parametrize("name", [name for name in NAMES if has(name, "batch_size")])
def test_sampled_fits_are_not_accounted_as_full_ones(name):
    model = make(name, batch_size=15, delta=1e-5)
    record = quiet_fit(model, *data_for(model)).privacy_
    (event,) = record.events
    assert event.kind == "sampled_gaussian"
    assert event.sampling_rate == 0.25
    assert record.accounting == "pld"
    assert epsilon_of(record.events, 1e-5) <= 1.0


@pytest.mark.parametrize("name", NAMES)
def test_no_noise_is_no_privacy(name):
    record = quiet_fit(make(name, epsilon=np.inf), *data_for(make(name))).privacy_
    assert record.epsilon == np.inf
    assert epsilon_of(record.events, record.delta) == np.inf
