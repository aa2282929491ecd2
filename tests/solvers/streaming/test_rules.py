"""Each step rule beside the loop of its paper, written down in plain NumPy."""

import numpy as np
import pytest

from skopt2.losses import get_loss
from skopt2.penalties import get_penalty
from skopt2.solvers.streaming.base import DECAY
from skopt2.solvers.streaming.choice import STEPS, make_rule
from skopt2.solvers.streaming.linear_decay import refined_schedule
from skopt2.solvers.streaming.rows import Rows
from skopt2.solvers.streaming.sania import sania_length
from skopt2.solvers.streaming.stream import Stream

ALPHA, BATCH = 0.02, 10


@pytest.fixture
def data(rng):
    X = rng.standard_normal((200, 4)) * [1.0, 3.0, 0.5, 1.0]
    return X, X @ [1.0, -1.0, 0.0, 0.5] + 0.3 * rng.standard_normal(200)


def soft(z, level):
    return np.sign(z) * np.maximum(np.abs(z) - level, 0.0)


def minibatches(X, y):
    for k in range(0, len(y), BATCH):
        yield X[k : k + BATCH], y[k : k + BATCH]


def gradient(A, b, w):
    r = A @ w - b
    return A.T @ r / len(b), 0.5 * np.mean(r * r)


def learnt(data, name, **options):
    """Return the run of a rule over the data, and its model."""
    X, y = data
    stream = Stream(
        make_rule(name, **options),
        get_loss("squared"),
        get_penalty("l1"),
        np.full(X.shape[1], ALPHA),
        fit_intercept=False,
        standardize=False,
        batch_size=BATCH,
    )
    rows = Rows(X, y, np.ones(len(y)))
    state = stream.consume(stream.begin(rows), rows)
    found = np.zeros(X.shape[1])
    solution = stream.solution(state)
    found[solution.ids] = solution.w
    return state.run, found


def first_distance(A, value, g):
    """Excess over the slope of the loss, for the largest column, or over the norm."""
    slope = np.sqrt(2 * value * np.mean(A * A, axis=0).max())
    return value / max(slope, np.linalg.norm(g))


def weighted_mean(points):
    """Return the mean that forgets: weight share_t, then everything before shrinks."""
    weights = np.zeros(len(points))
    for t in range(1, len(points) + 1):
        share = (1 + DECAY) / (t + DECAY)
        weights[: t - 1] *= 1 - share
        weights[t - 1] = share
    assert weights.sum() == pytest.approx(1.0)
    return weights @ np.array(points)


def test_dog_has_the_distances_and_the_sums_of_the_paper(data):
    X, y = data
    w, reach, energy, iterates, slopes = np.zeros(4), 0.0, 0.0, [], []
    for A, b in minibatches(X, y):
        g, value = gradient(A, b, w)
        energy += g @ g
        reach = max(reach, np.linalg.norm(w))
        if not iterates:
            reach = first_distance(A, value, g)
        eta = reach / np.sqrt(energy)
        w = soft(w - eta * g, eta * ALPHA)
        iterates.append(w)
        slopes.append(g)
    run, model = learnt(data, "dog")
    assert run.reach == pytest.approx(reach, rel=1e-13)
    assert run.energy == pytest.approx(energy, rel=1e-13)
    assert run.eta == pytest.approx(eta, rel=1e-13)
    np.testing.assert_allclose(run.x, w, rtol=1e-12)
    mean = weighted_mean(iterates)
    np.testing.assert_allclose(run.mean, mean, rtol=1e-12)
    # The model is one proximal step from the mean.
    step = soft(mean - eta * weighted_mean(slopes), eta * ALPHA)
    np.testing.assert_allclose(model, step, rtol=1e-11)


def test_the_first_distance_counts_what_correlated_columns_share(rng):
    # One column, forty times: the gradient is longer than the slopes of the losses, and
    # a linear model must not go below 0, the least loss.
    x = rng.standard_normal((BATCH, 1))
    A, b = np.repeat(x, 40, axis=1), x[:, 0]
    g, value = gradient(A, b, np.zeros(40))
    slope = np.sqrt(2 * value * np.mean(A * A, axis=0).max())
    assert np.linalg.norm(g) > 3 * slope
    run, _ = learnt((A, b), "dog")
    assert run.reach == pytest.approx(value / np.linalg.norm(g), rel=1e-13)
    # With targets that the column says nothing about, the slopes are the larger.
    b = np.resize([1.0, -1.0], BATCH)
    A = np.full((BATCH, 1), 2.0) + 0.1 * x
    g, value = gradient(A, b, np.zeros(1))
    run, _ = learnt((A, b), "dog")
    slope = np.sqrt(2 * value * np.mean(A * A))
    assert np.linalg.norm(g) < 0.2 * slope
    assert run.reach == pytest.approx(value / slope, rel=1e-13)


def test_udog_is_its_sums_over_all_iterates(data):
    X, y = data
    batches = list(minibatches(X, y))
    start = np.zeros(4)
    points, weights, distances = [], [], []
    x_next, yt, spread, peak, reach = None, start, 0.0, 0.0, 0.0
    for t in range(len(batches) // 2):
        (A, b), (C, d) = batches[2 * t], batches[2 * t + 1]
        if t == 0:
            m, value = gradient(A, b, yt)
            reach = first_distance(A, value, m)
        distances.append(reach)
        a = sum(distances) / reach
        weights.append(reach * a)
        at = np.average([*points, yt], axis=0, weights=weights)
        m, _ = gradient(A, b, at)
        peak = max(peak, a * a * (m @ m))
        eta = a * reach / np.sqrt(spread + peak)
        x_next = soft(yt - eta * m, eta * ALPHA)
        points.append(x_next)
        model = np.average(points, axis=0, weights=weights)
        g, _ = gradient(C, d, model)
        spread += a * a * ((g - m) @ (g - m))
        peak = max(peak, a * a * (g @ g))
        eta = a * reach / np.sqrt(spread + peak)
        yt = soft(yt - eta * g, eta * ALPHA)
        reach = max(reach, np.linalg.norm(x_next), np.linalg.norm(yt))
    run, _ = learnt(data, "udog")
    np.testing.assert_allclose(run.x, x_next, rtol=1e-10)
    np.testing.assert_allclose(run.y, yt, rtol=1e-10)
    np.testing.assert_allclose(run.mean, model, rtol=1e-10)
    assert run.reach == pytest.approx(reach, rel=1e-11)


def test_sania_steps(data):
    X, y = data
    w, total = np.zeros(4), np.zeros(4)
    for t, (A, b) in enumerate(minibatches(X, y), start=1):
        g, value = gradient(A, b, w)
        total += g * g / (2 * value)
        B = total + t * np.mean(total / t)
        energy = g @ (g / B)
        inside = 1 - 2 * value / energy
        eta = 1 - np.sqrt(inside) if inside > 0 else 1.0
        w = soft(w - eta * g / B, eta * ALPHA / B)
    run, _ = learnt(data, "sania")
    np.testing.assert_allclose(run.x, w, rtol=1e-10)


@pytest.mark.parametrize(("excess", "energy"), [(0.3, 1.0), (0.5, 1.0), (2.0, 1.0)])
def test_the_length_of_sania_solves_its_problem(excess, energy):
    """The shortest step on the ray that reaches the bound, or comes nearest to it."""
    step = np.linspace(0.0, 3.0, 30_001)
    model = excess - step * energy + 0.5 * step**2 * energy
    reached = step[model <= 1e-9]
    best = reached[0] if reached.size else step[np.argmin(model)]
    assert sania_length(excess, energy) == pytest.approx(best, abs=2e-4)


def test_sania_at_the_bound_and_without_a_gradient():
    assert sania_length(0.0, 1.0) == 0.0
    assert sania_length(1.0, 0.0) == 0.0
    # Without cancellation: 1 - sqrt(1 - 2e-18) would be 0.
    assert sania_length(1e-18, 1.0) == pytest.approx(1e-18)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_polyak_steps(data, momentum):
    X, y = data
    w, d, bound, curvatures = np.zeros(4), np.zeros(4), np.inf, []
    for t, (A, b) in enumerate(minibatches(X, y), start=1):
        g, value = gradient(A, b, w)
        curvatures.append(np.mean(A * A, axis=0))
        h = np.array(curvatures)
        B = np.sum(h * h, axis=0) / np.sum(h, axis=0)
        d = momentum * d + g
        bound = min(bound, value / (d @ (d / B)))
        eta = bound / np.sqrt(t)
        w = soft(w - eta * d / B, eta * ALPHA / B)
    run, _ = learnt(data, "sps", momentum=momentum)
    assert run.bound == pytest.approx(bound, rel=1e-12)
    np.testing.assert_allclose(run.x, w, rtol=1e-10)


def test_the_curvature_is_what_hutchinson_estimates(rng):
    """The mean of z * (H z) over all signs z is the diagonal of the Hessian."""
    X = rng.standard_normal((30, 3))
    y = np.where(rng.random(30) < 0.5, 1.0, -1.0)
    loss = get_loss("logistic")
    stream = Stream(make_rule("sps"), loss, get_penalty("l1"), np.full(3, ALPHA))
    rows = Rows(X, y, np.ones(30))
    state = stream.consume(stream.begin(rows), rows)
    Z = np.hstack([X - X.mean(axis=0), np.ones((30, 1))])
    h = loss.curvature(y, np.zeros(30)) / 30
    H = Z.T @ (h[:, None] * Z)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1)
    estimate = np.mean(signs * (H @ signs), axis=1)
    np.testing.assert_allclose(estimate, np.diag(H), rtol=1e-12)
    # Of one minibatch mean and root mean square are the same.
    np.testing.assert_allclose(state.run.weights, [estimate, estimate], rtol=1e-12)


def test_linear_decay_is_dog_times_what_is_left(data):
    X, y = data
    w, reach, energy = np.zeros(4), 0.0, 0.0
    for t, (A, b) in enumerate(minibatches(X, y)):
        g, value = gradient(A, b, w)
        energy += g @ g
        reach = max(reach, np.linalg.norm(w))
        reach = first_distance(A, value, g) if t == 0 else reach
        eta = (1 - t / 20) * reach / np.sqrt(energy)
        w = soft(w - eta * g, eta * ALPHA)
    run, model = learnt(data, "linear", horizon=20)
    np.testing.assert_allclose(run.x, w, rtol=1e-12)
    np.testing.assert_array_equal(model, run.x)


def test_the_refined_schedule_of_equal_norms_is_linear_decay():
    eta = refined_schedule(np.full(50, 2.0), 80, distance=3.0)
    t = np.arange(80) + 0.5
    np.testing.assert_allclose(eta, 3.0 / (2.0 * np.sqrt(80)) * (1 - t / 80))


def test_the_refined_weights_minimise_the_bound_of_the_last_iterate(rng):
    """D sqrt(sum u^2 G^2) / sum u, which is least at u = G^-2."""
    norms = np.linspace(3.0, 1.0, 40)
    eta = refined_schedule(norms, 40, distance=1.0)

    def bound(u):
        return np.sqrt((u * u * norms**2).sum()) / u.sum()

    u = norms**-2.0
    best = bound(u)
    for _ in range(100):
        assert bound(u * np.exp(0.1 * rng.standard_normal(40))) > best
    after = np.cumsum(u[::-1])[::-1] - 0.5 * u
    expected = best * u * after / (u * u * norms**2).sum()
    # The median filter leaves a monotone sequence as it is, but for its ends.
    np.testing.assert_allclose(eta[5:35], expected[5:35], rtol=0.02)
    assert refined_schedule(np.zeros(5), 3, 1.0).tolist() == [0.0, 0.0, 0.0]


def test_a_refined_run_begins_anew_with_its_schedule(data):
    run, _ = learnt(data, "refined", horizon=20)
    recorded = 7
    assert len(run.norms) == recorded
    assert len(run.schedule) == 20 - recorded
    X, y = data
    w = np.zeros(4)
    for eta, (A, b) in zip(
        run.schedule, list(minibatches(X, y))[recorded:], strict=True
    ):
        g, _ = gradient(A, b, w)
        w = soft(w - eta * g, eta * ALPHA)
    np.testing.assert_allclose(run.x, w, rtol=1e-12)


def test_names_and_options():
    for name in STEPS:
        assert make_rule(name, horizon=5).name == name
    with pytest.raises(ValueError, match="step must be one of"):
        make_rule("adam")
    with pytest.raises(ValueError, match="preconditioner must be one of"):
        make_rule("sps", preconditioner="full")
    with pytest.raises(ValueError, match="is for step='sania'"):
        make_rule("dog", preconditioner="curvature")
    with pytest.raises(ValueError, match="momentum=0.9 is for step='sps'"):
        make_rule("dog", momentum=0.9)
    with pytest.raises(ValueError, match="that of chunks is not"):
        make_rule("linear")
