"""Streaming models: minima, streams, weights, interruption, chunks, bad input."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor

from skopt2.callbacks import Checkpoint, EarlyStopping
from skopt2.linear_model import (
    SparseClassifier,
    SparseRegressor,
    StreamingLinearClassifier,
    StreamingLinearRegressor,
)
from skopt2.losses import get_loss
from skopt2.penalties import Box, ElasticNet
from tests.callbacks.test_checkpoint import Interrupt

STEPS = ["dog", "udog", "sania", "sps", "linear", "refined"]
IN_STREAM = STEPS[:4]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.fixture
def X(rng):
    X = rng.standard_normal((640, 8))
    X[:, 1] += 0.5 * X[:, 0]
    return X + 0.5


@pytest.fixture
def y(X, rng):
    return X @ [2.0, -1.0, 1.0, 0, 0, 0.5, 0, 0] + 3.0 + 0.5 * rng.standard_normal(640)


@pytest.fixture
def labels(X, y, rng):
    return (y - y.mean() + rng.logistic(size=640) > 0).astype(int)


def regressor(**options):
    return StreamingLinearRegressor(**{"alpha": 0.01, "random_state": 0, **options})


def classifier(**options):
    return StreamingLinearClassifier(**{"alpha": 0.01, "random_state": 0, **options})


def excess(model, reference, X, y):
    """Return how far a model is above the minimum, relative to the null model."""
    null = clone(reference).set_params(alpha=1e6).fit(X, y).objective_
    return (model.objective_ - reference.objective_) / (null - reference.objective_)


@pytest.mark.parametrize("step", STEPS)
def test_every_rule_comes_near_the_minimum(X, y, labels, step):
    # Acceleration pays with the noise of full batches only.
    size, loose = (640, 200) if step == "udog" else (64, 40)
    options = {"step": step, "batch_size": size, "max_iter": loose, "tol": 1e-7}
    options["n_iter_no_change"] = loose
    reference = SparseRegressor(alpha=0.01, tol=1e-9).fit(X, y)
    model = regressor(**options).fit(X, y)
    assert 0.0 <= excess(model, reference, X, y) < 2e-3
    # The certificate is no smaller than what it bounds.
    assert model.dual_gap_ >= model.objective_ - reference.objective_ - 1e-12
    reference = SparseClassifier(alpha=0.01, tol=1e-9).fit(X, labels)
    model = classifier(**options).fit(X, labels)
    assert 0.0 <= excess(model, reference, X, labels) < 2e-3


@pytest.mark.parametrize(
    ("loss", "penalty"),
    [
        ("huber", "l1"),
        ("quantile", "l1"),
        ("poisson", "l1"),
        ("squared", ElasticNet(0.3)),
        ("squared", Box(-0.5, 1.0)),
        ("squared", "adaptive_l1"),
    ],
)
def test_losses_and_penalties(X, y, rng, loss, penalty):
    if loss == "poisson":
        y = rng.poisson(np.exp(0.3 * X[:, 0] + 0.5)).astype(float)
    model = regressor(loss=loss, penalty=penalty, max_iter=30, tol=1e-7).fit(X, y)
    if penalty == "adaptive_l1":
        # A stream does not weigh anew: it is the first stage.
        penalty = "l1"
    reference = SparseRegressor(loss, penalty, alpha=0.01, tol=1e-8).fit(X, y)
    assert model.objective_ <= reference.objective_ * 1.005 + 1e-3


@pytest.mark.parametrize("loss", ["squared_hinge", "huberized_hinge", "multinomial"])
def test_losses_of_classifiers(X, labels, loss):
    reference = SparseClassifier(loss, alpha=0.01, tol=1e-8).fit(X, labels)
    model = classifier(loss=loss, max_iter=30, tol=1e-7).fit(X, labels)
    assert excess(model, reference, X, labels) < 5e-3


@pytest.mark.parametrize("penalty", ["mcp", "scad"])
def test_nonconvex_penalties_are_nearly_stationary(X, y, penalty):
    model = regressor(penalty=penalty, alpha=0.1, max_iter=60, tol=1e-4).fit(X, y)
    assert model.certificate_.name == "relative KKT violation"
    assert model.certificate_.value < 0.01
    np.testing.assert_array_equal(model.coef_ != 0, [1, 1, 1, 0, 0, 1, 0, 0])


def test_the_mean_has_exact_zeros(X, y):
    model = regressor(alpha=0.1).fit(X, y)
    reference = SparseRegressor(alpha=0.1).fit(X, y)
    np.testing.assert_array_equal(model.coef_ != 0, reference.coef_ != 0)


def test_several_classes(X, rng):
    scores = X @ rng.standard_normal((8, 3))
    y = np.array(["a", "b", "c"])[np.argmax(scores + rng.gumbel(size=(640, 3)), axis=1)]
    reference = SparseClassifier(alpha=0.01, tol=1e-8).fit(X, y)
    model = classifier(max_iter=30, tol=1e-7).fit(X, y)
    assert model.coef_.shape == (3, 8)
    assert excess(model, reference, X, y) < 5e-3
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert np.abs(p - reference.predict_proba(X)).max() < 0.1


@pytest.mark.parametrize("step", STEPS)
def test_blind_to_units_and_shifts(X, y, step):
    """Other units of columns and target, and shifts of both, are the same problem."""
    scale, shift = 10.0 ** np.arange(-4.0, 4.0), np.arange(8.0)
    model = regressor(alpha=0.0, step=step, max_iter=2).fit(X, y)
    other = regressor(alpha=0.0, step=step, max_iter=2)
    other.fit((X + shift) * scale, 1e5 * (y + 100.0))
    np.testing.assert_allclose(other.coef_ * scale / 1e5, model.coef_, rtol=1e-5)
    np.testing.assert_allclose(
        other.predict((X + shift) * scale) / 1e5 - 100.0, model.predict(X), rtol=1e-5
    )


def test_many_rare_columns_do_not_blow_up(rng):
    """Values near 0 come first for some columns: steps for their scale are too long."""
    X = sp.random_array((3000, 8000), density=0.01, rng=rng, format="csr")
    w = rng.standard_normal(8000) * (rng.random(8000) < 0.05)
    y = (X @ w > 0).astype(int)
    model = classifier(alpha=1e-5, max_iter=2).fit(X, y)
    assert model.online_loss_ < 0.75
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize("step", STEPS)
def test_better_than_sgd_as_it_is_on_badly_scaled_columns(X, y, labels, step):
    A = X * 10.0 ** np.linspace(-2, 2, 8)
    ours = regressor(alpha=1e-4, step=step, max_iter=10).fit(A, y)
    with np.errstate(all="ignore"):
        theirs = SGDRegressor(penalty="l1", max_iter=10, random_state=0).fit(A, y)
    assert ours.score(A, y) > 0.8 > theirs.score(A, y)
    ours = classifier(alpha=1e-4, step=step, max_iter=10).fit(A, labels)
    theirs = SGDClassifier("log_loss", penalty="l1", max_iter=10, random_state=0)
    assert ours.score(A, labels) > theirs.fit(A, labels).score(A, labels) - 0.01
    p, q = ours.predict_proba(A), theirs.predict_proba(A)
    of_class = np.arange(640), labels
    assert np.log(p[of_class]).mean() > np.log(np.maximum(q[of_class], 1e-9)).mean()


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("step", IN_STREAM)
def test_calls_of_partial_fit_are_one_epoch(X, y, step, kind):
    whole = regressor(step=step, shuffle=False, max_iter=1).fit(kind(X), y)
    stream = regressor(step=step)
    for k in range(0, 640, 128):
        stream.partial_fit(kind(X[k : k + 128]), y[k : k + 128])
        assert stream.stop_reason_ == "stream"
    np.testing.assert_array_equal(stream.coef_, whole.coef_)
    assert stream.intercept_ == whole.intercept_
    assert stream.online_loss_ == whole.online_loss_
    assert stream.n_samples_seen_ == whole.n_samples_seen_ == 640
    assert stream.n_steps_ == whole.n_steps_
    assert stream.n_iter_ == 5
    assert not stream.converged_
    assert not hasattr(stream, "certificate_")


def test_progressive_validation_is_the_loss_before_learning(X, y):
    model, losses = regressor(), []
    for k in range(0, 640, 64):
        A, b = X[k : k + 64], y[k : k + 64]
        if k:
            x = model._state.run.x
            losses.append(np.mean((A @ x[:-1] + x[-1] - b) ** 2) / 2)
        else:
            losses.append(np.var(b) / 2)
        model.partial_fit(A, b)
    assert model.online_loss_ == pytest.approx(np.mean(losses), rel=1e-12)
    # Later passes over the same rows are no validation.
    epochs = regressor(shuffle=False, max_iter=3).fit(X, y)
    assert epochs.online_loss_ == pytest.approx(model.online_loss_, rel=1e-12)


@pytest.mark.parametrize("step", IN_STREAM)
def test_a_pickled_stream_goes_on(X, labels, step):
    model = classifier(step=step, max_iter=2).fit(X[:320], labels[:320])
    other = pickle.loads(pickle.dumps(model))
    for part in (slice(320, 500), slice(500, 640)):
        model.partial_fit(X[part], labels[part])
        other.partial_fit(X[part], labels[part])
    np.testing.assert_array_equal(other.coef_, model.coef_)
    assert other.online_loss_ == model.online_loss_


def test_partial_fit_after_fit_improves_on_new_rows(X, y):
    model = regressor(max_iter=5).fit(X[:64], y[:64])
    before = model.score(X[64:], y[64:])
    for _ in range(3):
        model.partial_fit(X[64:], y[64:])
    assert model.score(X[64:], y[64:]) > before


@pytest.mark.parametrize("step", STEPS)
def test_weights_are_repetitions_where_rows_fit_into_one_minibatch(rng, step):
    X, k = rng.standard_normal((20, 3)), rng.integers(0, 4, 20)
    y = X @ [1.0, 2.0, 0.0] + 0.1 * rng.standard_normal(20)
    options = {"alpha": 0.05, "step": step, "max_iter": 30}
    weighted = regressor(**options).fit(X, y, 7.0 * k)
    repeated = regressor(**options).fit(np.repeat(X, k, axis=0), np.repeat(y, k))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-7)


def test_weights_pull_towards_the_weighted_minimum(X, y, rng):
    weight = rng.integers(0, 5, 640).astype(float)
    model = regressor(max_iter=40, tol=1e-7).fit(X, y, weight)
    reference = SparseRegressor(alpha=0.01, tol=1e-9).fit(X, y, weight)
    other = SparseRegressor(alpha=0.01, tol=1e-9).fit(X, y)
    assert model.objective_ - reference.objective_ < 1e-3
    near = np.abs(model.coef_ - reference.coef_).max()
    assert near < 0.5 * np.abs(other.coef_ - reference.coef_).max()
    # Weight 0 is no row, to the last bit, and the unit of the weights is none.
    kept = weight > 0
    dropped = regressor(max_iter=40, tol=1e-7).fit(X[kept], y[kept], weight[kept])
    np.testing.assert_array_equal(dropped.coef_, model.coef_)
    large = regressor(max_iter=40, tol=1e-7).fit(X, y, 2.0**900 * weight)
    np.testing.assert_array_equal(large.coef_, model.coef_)


def test_weights_of_one_call_count_beside_those_of_another(X, y):
    heavy = regressor()
    heavy.partial_fit(X[:320], y[:320], np.full(320, 1.0))
    heavy.partial_fit(X[320:], -y[320:], np.full(320, 3.0))
    light = regressor()
    light.partial_fit(X[:320], y[:320], np.full(320, 3.0))
    light.partial_fit(X[320:], -y[320:], np.full(320, 1.0))
    truth = np.array([2.0, -1.0, 1.0, 0, 0, 0.5, 0, 0])
    assert truth @ heavy.coef_ < truth @ light.coef_


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_fit_continues_to_the_last_bit(X, y, tmp_path, step):
    options = {"step": step, "max_iter": 8, "tol": 1e-9, "random_state": None}
    path = tmp_path / "fit.npz"
    broken = regressor(**options)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(4))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert not hasattr(broken, "coef_")
    # The same draws as those of the whole, although no seed was given: the rest of a
    # fit and a second rest agree, and both go on with the orders of the first part.
    again = path.read_bytes()
    first = regressor(**options).set_callbacks(Checkpoint(path)).fit(X, y)
    path.write_bytes(again)
    second = regressor(**options).set_callbacks(Checkpoint(path)).fit(X, y)
    np.testing.assert_array_equal(first.coef_, second.coef_)
    seeded = {**options, "random_state": 3}
    whole = regressor(**seeded).fit(X, y)
    path = tmp_path / "seeded.npz"
    broken = regressor(**seeded)
    broken.set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(4))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    rest = regressor(**seeded).set_callbacks(Checkpoint(path)).fit(X, y)
    np.testing.assert_array_equal(rest.coef_, whole.coef_)
    np.testing.assert_array_equal(
        rest.history_["objective"], whole.history_["objective"]
    )
    assert rest.n_iter_ == whole.n_iter_ == 8


def test_a_failed_call_leaves_the_stream_as_it_was(X, y):
    model = regressor().partial_fit(X[:100], y[:100])
    coef, state = model.coef_.copy(), model._state
    y = y.copy()
    y[-1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.coef_, coef)
    assert model._state is state


def test_ends_of_a_fit(X, y, labels):
    model = regressor(alpha=1e-4, tol=1e-2).fit(X, y)
    assert model.stop_reason_ == "stalled"
    history = model.history_["objective"]
    null = np.var(y) / 2
    assert history[:-5].min() - history[-5:].min() <= 1e-2 * null
    assert len(history) == model.n_iter_ < 100
    assert regressor(alpha=1.0, tol=0.5).fit(X, y).converged_
    with pytest.warns(ConvergenceWarning, match="max_iter=2 epochs"):
        regressor(max_iter=2, tol=1e-9).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        regressor(time_limit=1e-9, tol=1e-9).fit(X, y)
    stopping = EarlyStopping("objective", patience=1, min_delta=1e9)
    model = classifier(tol=1e-9).set_callbacks(stopping).fit(X, labels)
    assert model.stop_reason_ == "callback"


@pytest.mark.parametrize("options", [{"tol": 1e-2}, {"step": "linear", "max_iter": 3}])
def test_the_usual_ends_are_no_reason_for_a_warning(X, y, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = regressor(alpha=1e-4, **options).fit(X, y)
    assert not model.converged_


@pytest.mark.parametrize("preconditioner", ["curvature", "adagrad-sqr"])
def test_polyak_steps_without_noise(X, preconditioner):
    """Where all losses reach their bounds at once, steps need not fall."""
    y = X @ [2.0, -1.0, 1.0, 0, 0, 0.5, 0, 0] + 3.0
    options = {"alpha": 0.0, "step": "sania", "preconditioner": preconditioner}
    model = regressor(max_iter=30, n_iter_no_change=30, tol=1e-30, **options).fit(X, y)
    limit = {"curvature": 1e-9, "adagrad-sqr": 1e-5}[preconditioner]
    assert model.objective_ < limit * np.var(y)


def test_warm_start(X, y):
    model = regressor(warm_start=True, tol=1e-6, max_iter=20).fit(X, y)
    again = model.fit(X, y)
    cold = regressor(max_iter=1).fit(X, y)
    assert again.history_["objective"][0] < cold.objective_
    # What the former fit had outside of new bounds is brought inside.
    model.set_params(positive=True, max_iter=1).fit(X, y)
    assert model.coef_.min() >= 0.0


def test_sparse_rows_are_dense_rows(X, y, labels):
    X = X * (np.abs(X) > 0.7)
    dense, sparse = regressor(max_iter=3), regressor(max_iter=3)
    dense.fit(X, y)
    for kind in (sp.csr_array, sp.csc_matrix):
        sparse.fit(kind(X), y)
        np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-9, atol=1e-12)
    many = classifier(loss="multinomial", step="sps", max_iter=3)
    expected = clone(many).fit(X, labels).coef_
    found = many.fit(sp.csr_array(X), labels).coef_
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)


def test_chunks(X, y, labels):
    da = pytest.importorskip("dask.array")
    wanted = regressor()
    for k in range(0, 640, 320):
        wanted.partial_fit(X[k : k + 320], y[k : k + 320])
    lazy = regressor().fit(da.from_array(X, chunks=(320, 8)), da.from_array(y))
    pieces = ((X[k : k + 320], y[k : k + 320]) for k in range(0, 640, 320))
    read = regressor().fit(pieces)
    for model in (lazy, read):
        np.testing.assert_array_equal(model.coef_, wanted.coef_)
        assert model.n_iter_ == 1
        assert model.stop_reason_ == "stream"
    read.partial_fit(X, y)
    model = classifier().fit(iter([(X[:320], labels[:320]), (X[320:], labels[320:])]))
    assert model.score(X, labels) > 0.75
    with pytest.raises(ValueError, match="no chunk with rows"):
        regressor().fit(iter([]))
    with pytest.raises(ValueError, match=r"new labels \[2\]"):
        classifier().fit(iter([(X, labels), (X, labels + 1)]))
    with pytest.raises(ValueError, match="that of chunks is not"):
        regressor(step="linear").fit(iter([(X, y)]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": "adam"}, "step must be one of"),
        ({"step": "dog", "momentum": 0.5}, "is for step='sps'"),
        ({"step": "sps", "momentum": 1.0}, r"momentum must be a number in \[0, 1\)"),
        ({"step": "dog", "preconditioner": "curvature"}, "for step='sania'"),
        ({"batch_size": 0}, "batch_size must be a positive integer"),
        ({"n_iter_no_change": 0}, "n_iter_no_change"),
        ({"alpha": -1.0}, "alpha must be a nonnegative number"),
        ({"tol": 0.0}, "tol must be a positive number"),
        ({"penalty": "slope"}, "ties coefficients"),
        ({"loss": "logistic"}, "is for binary"),
        ({"penalty_factor": np.ones(3)}, "penalty_factor has shape"),
    ],
)
def test_a_bad_parameter_is_named(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        regressor(**options).fit(X, y)


def test_mistakes_of_a_stream_are_named(X, y, labels):
    with pytest.raises(ValueError, match="the first call of partial_fit needs all"):
        classifier().partial_fit(X, labels)
    model = classifier().partial_fit(X[:1], labels[:1], classes=[0, 1])
    with pytest.raises(ValueError, match="are not those of the first call"):
        model.partial_fit(X, labels, classes=[0, 2])
    with pytest.raises(ValueError, match=r"new labels \[2\]"):
        model.partial_fit(X, labels + 1)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :3], labels)
    model = regressor().partial_fit(X, y)
    with pytest.raises(ValueError, match="set them back"):
        model.set_params(step="udog").partial_fit(X, y)
    with pytest.raises(ValueError, match="set them back"):
        model.set_params(step="dog", fit_intercept=False).partial_fit(X, y)
    assert not hasattr(regressor(step="linear"), "partial_fit")
    with pytest.raises(TypeError, match="shuffle must be True or False"):
        regressor(shuffle="no").fit(X, y)


def test_hard_inputs(rng):
    # One sample, constant columns, fewer rows than columns, a constant target.
    X = rng.standard_normal((5, 12))
    X[:, 0], X[:, 1] = 3.0, 0.0
    y = np.full(5, 7.0)
    for step in STEPS:
        model = regressor(step=step, max_iter=5).fit(X, y)
        np.testing.assert_allclose(model.predict(X), 7.0, rtol=1e-6)
        assert np.isfinite(
            regressor(step=step, max_iter=5).fit(X[:1], y[:1]).coef_
        ).all()
    model = regressor(fit_intercept=False, standardize=False, max_iter=20)
    assert np.isfinite(model.fit(X, X[:, 2]).score(X, X[:, 2]))
    model = regressor(loss="poisson").partial_fit(X, np.array([0.0, 0, 0, 0, 1]))
    assert np.isfinite(model.predict(X)).all()


def test_the_lower_bounds_of_the_losses(rng):
    """What the Polyak rules use: the least value that the loss of a sample has."""
    s = np.ones(1)
    for name, y in (
        ("squared", 2.0),
        ("poisson", 3.0),
        ("huber", 1.0),
        ("logistic", 1.0),
    ):
        loss, target = get_loss(name), np.array([y])
        values = [
            loss.value(target, np.array([e]), s) for e in np.linspace(-5, 30, 7001)
        ]
        bound = -loss.conjugate(target, np.zeros(1), s)
        assert bound <= min(values) + 1e-12
        assert bound == pytest.approx(min(values), abs=3e-3)
