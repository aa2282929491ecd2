"""Error feedback: what it releases is bounded, and unbiased without noise."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skopt2.solvers.privacy.descent import DescentPlan, PrivateDescent
from skopt2.solvers.privacy.dice_descent import (
    DiceDescent,
    Feedback,
    clip_norm,
    feedback_sensitivity,
)
from tests.solvers.privacy.neighbours import (
    HEIGHT,
    Recorder,
    largest_norm,
    make_query,
    random_case,
)


def shifts(queries, path, plan, feedback):
    """Return the moves of the releases between neighbours, over their noise."""
    solvers = [DiceDescent(query, plan, Recorder(), feedback) for query in queries]
    states = [solver.init(path[0]) for solver in solvers]
    ratios = []
    for W in path:
        (a, std, error_a), (b, same, error_b) = (
            solver.read(state, W) for solver, state in zip(solvers, states, strict=True)
        )
        assert std == same
        ratios.append(np.linalg.norm(a - b) / std)
        step = states[0].step + 1
        states = [
            replace(state, step=step, error=error)
            for state, error in zip(states, (error_a, error_b), strict=True)
        ]
    return np.array(ratios)


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_release_moves_by_more_than_its_sensitivity(rng, n_classes, relation):
    """Any data, neighbours, iterates, clipping norms: also all together, at most mu."""
    largest, sigma, worst = largest_norm(n_classes), 3.0, 0.0
    for case in range(400):
        n_steps = 6
        feedback = Feedback(
            largest,
            start=int(rng.integers(0, 3)),
            learning_rate=1.0,
            error_norm=math.inf if case % 2 else 10.0 ** rng.uniform(-2, 1),
        )
        norm = largest * rng.uniform(0.02, 1.0)
        queries = random_case(rng, n_classes, relation, norm)
        path = 10.0 ** rng.uniform(-1, 2) * rng.standard_normal(
            (n_steps, *queries[0].shape)
        )
        plan = DescentPlan(n_steps, 1.0, sigma, relation)
        ratios = shifts(queries, path, plan, feedback) * sigma
        worst = max(worst, ratios.max())
        assert ratios.max() <= 1 + 1e-12
        assert np.sqrt(np.sum((ratios / sigma) ** 2)) <= math.sqrt(n_steps) / sigma
    assert worst > 0.98


def test_the_bound_of_unclipped_errors_is_attained():
    """A wrong row of full norm moves the first release by C1, all others by G."""
    X, norm, sigma, n_steps = np.array([[1.0], [-1.0]]), 0.25, 2.0, 20
    full = make_query(X, np.array([1, 1]), norm)
    less = make_query(X, np.array([1, 1]), norm, keep=np.array([0.0, 1.0]))
    path = np.tile(np.array([-40.0, -40.0]), (n_steps, 1))
    feedback = Feedback(HEIGHT, start=0, learning_rate=1.0)
    plan = DescentPlan(n_steps, 1.0, sigma)
    ratios = shifts((full, less), path, plan, feedback)
    mu = math.sqrt(np.sum(ratios**2))
    assert 0.9999 * math.sqrt(n_steps) / sigma < mu <= math.sqrt(n_steps) / sigma
    # Noise for the clipped part alone would break the promise by far.
    sizes = [feedback_sensitivity(t, norm, feedback, 2, "zero_out") for t in range(3)]
    assert sizes == pytest.approx([norm, HEIGHT, HEIGHT])


def test_the_bound_of_clipped_errors_grows_with_the_steps():
    """Errors of opposite rows cancel until one row is missing: more than G moves."""
    feedback = Feedback(HEIGHT, start=0, learning_rate=1.0, error_norm=1.0)
    sizes = [feedback_sensitivity(t, 0.4, feedback, 50, "zero_out") for t in range(5)]
    cut = HEIGHT - 0.4
    expected = [0.4, 0.4 + cut, 0.4 + 2.0, 0.4 + 2.0, 0.4 + 2.0]
    assert sizes == pytest.approx(expected)
    # The error of one world, saturated, keeps what the other returns at once.
    X = np.array([[1.0], [-1.0], [-1.0]])
    codes = np.array([1, 1, 1])
    full = make_query(X, codes, 0.4)
    less = make_query(X, codes, 0.4, keep=np.array([0.0, 1.0, 1.0]))
    wrong, right = np.array([-40.0, -40.0]), np.array([0.0, 40.0])
    path = np.array([wrong, wrong, wrong, right, right, right, right, right])
    ratios = shifts((full, less), path, DescentPlan(8, 1.0, 1.0), feedback)
    assert ratios.max() <= 1


def test_errors_before_the_start_are_not_kept():
    """Until then the noise is that of clipped gradients, and so is the step."""
    rng = np.random.default_rng(3)
    X, codes = rng.standard_normal((30, 2)), rng.integers(0, 2, size=30)
    query, n_steps = make_query(X, codes, 0.1), 12
    feedback = Feedback(HEIGHT, start=8, learning_rate=0.5)
    plan = DescentPlan(n_steps, 2.0, 5.0)
    plain, dice = Recorder(), Recorder()
    descents = (
        PrivateDescent(query, plan, plain),
        DiceDescent(query, plan, dice, feedback),
    )
    states = [solver.init(np.zeros(3)) for solver in descents]
    for step in range(n_steps):
        states = [s.step(state) for s, state in zip(descents, states, strict=True)]
        same = np.array_equal(states[0].W, states[1].W)
        assert same == (step < 8)
    assert np.any(states[1].error != 0)
    stds = [5.0 * 0.1] * 9 + [5.0 * HEIGHT] * 3
    assert dice.draws == [((3,), pytest.approx(std)) for std in stds]


def test_every_step_draws_noise_of_its_sensitivity():
    """As many draws as steps, none of another size: nothing is read without noise."""
    rng = np.random.default_rng(4)
    X, codes = rng.standard_normal((9, 2)), rng.integers(0, 3, size=9)
    query = make_query(X, codes, 0.3, n_classes=3)
    feedback = Feedback(2.0, start=1, learning_rate=0.1, error_norm=0.8)
    plan, noise = DescentPlan(5, 0.1, 1.5, "replace_one"), Recorder()
    solver = DiceDescent(query, plan, noise, feedback)
    state = solver.init(np.zeros((3, 3)))
    for _ in range(5):
        state = solver.step(state)
    sizes = [0.6, 0.6, 0.6 + 1.6, 0.6 + 1.6, 0.6 + 1.6]
    assert noise.draws == [((3, 3), pytest.approx(1.5 * size)) for size in sizes]
    assert solver.certificate(state).value == 0


def test_without_noise_there_is_no_bias_of_clipping():
    """The limit is that of gradients that nobody clipped; clipped ones miss it."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((60, 2))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    codes = (X[:, 0] + 0.7 * rng.standard_normal(60) > 0.3).astype(int)
    alpha = 0.01
    exact = LogisticRegression(C=1 / (60 * alpha), tol=1e-12, max_iter=10_000)
    exact.fit(X, codes)
    exact = np.r_[exact.coef_[0], exact.intercept_]
    query, decayed = make_query(X, codes, 0.1), np.array([1.0, 1.0, 0.0])
    plan = DescentPlan(1500, 0.8, 0.0, alpha=alpha, tail=0.0)
    feedback = Feedback(HEIGHT, start=0, learning_rate=0.8)
    solvers = (
        DiceDescent(query, plan, Recorder(), feedback, decayed),
        PrivateDescent(query, plan, Recorder(), None, decayed),
    )
    found = []
    for solver in solvers:
        state = solver.init(np.zeros(3))
        for _ in range(1500):
            state = solver.step(state)
        found.append(np.abs(solver.finalize(state) - exact).max())
    assert found[0] < 1e-6
    assert found[1] > 0.1


def test_clipped_sums_that_are_inactive_leave_no_error():
    """With C1 = G nothing is cut off: plain descent, and its noise."""
    rng = np.random.default_rng(6)
    X, codes = rng.standard_normal((12, 2)), rng.integers(0, 2, size=12)
    query, plan = make_query(X, codes, HEIGHT), DescentPlan(6, 1.0, 2.0)
    feedback = Feedback(HEIGHT, start=0, learning_rate=1.0)
    dice, plain = Recorder(), Recorder()
    states = []
    for solver in (
        DiceDescent(query, plan, dice, feedback),
        PrivateDescent(query, plan, plain),
    ):
        state = solver.init(np.zeros(3))
        for _ in range(6):
            state = solver.step(state)
        states.append(state.W)
    np.testing.assert_allclose(states[0], states[1], rtol=1e-12)
    assert dice.draws == plain.draws


def test_namespaces_agree(device_backend):
    """NumPy and devices that refuse silent copies find the same iterates."""
    rng = np.random.default_rng(7)
    X, codes = rng.standard_normal((20, 3)), rng.integers(0, 3, size=20)
    feedback, found = Feedback(2.0, 2, 0.5, 0.3), []
    for place in (None, device_backend.asarray):
        query = make_query(X, codes, 0.2, n_classes=3, place=place)
        noise = Recorder(like=place)
        solver = DiceDescent(query, DescentPlan(7, 2.0, 1.0), noise, feedback)
        start = np.zeros(query.shape)
        state = solver.init(start if place is None else place(start))
        for _ in range(7):
            state = solver.step(state)
        found.append(device_backend.to_numpy(solver.finalize(state)))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_float32_rows_are_summed_in_float64():
    """The parameters stay float64; the bound holds for float32 gradients too."""
    rng = np.random.default_rng(8)
    X, codes = (
        rng.standard_normal((8, 2)).astype(np.float32),
        rng.integers(0, 2, size=8),
    )
    full = make_query(X, codes, 0.2)
    less = make_query(X, codes, 0.2, keep=np.r_[0.0, np.ones(7)].astype(np.float32))
    path = 30 * rng.standard_normal((40, 3))
    plan = DescentPlan(40, 1.0, 1.0)
    feedback = Feedback(HEIGHT, start=0, learning_rate=1.0)
    assert shifts((full, less), path, plan, feedback).max() <= 1
    solver = DiceDescent(full, plan, Recorder(), feedback)
    assert solver.step(solver.init(np.zeros(3))).W.dtype == np.float64


def test_rows_that_are_not_finite_count_as_nothing():
    """Neither the sum nor the error sees them."""
    X = np.array([[0.5], [np.nan], [np.inf], [1e300]])
    query = make_query(X, np.array([1, 0, 1, 0]), 0.2)
    alone = make_query(X[:1], np.array([1]), 0.2)
    feedback = Feedback(HEIGHT, start=0, learning_rate=1.0)
    sums = []
    for each in (query, alone):
        solver = DiceDescent(each, DescentPlan(3, 1.0, 0.0), Recorder(), feedback)
        state = solver.init(np.array([0.3, -0.2]))
        total, _, error = solver.read(state, state.W)
        sums.append(np.r_[total, error])
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-12)


def test_clip_norm_scales_down_and_never_up():
    """The projection on a ball."""
    v = np.array([[3.0, 0.0], [0.0, 4.0]])
    np.testing.assert_allclose(clip_norm(v, 2.5), v / 2)
    np.testing.assert_array_equal(clip_norm(v, 7.0), v)
    np.testing.assert_array_equal(clip_norm(0 * v, 1.0), 0 * v)
    assert clip_norm(v, math.inf) is v


def test_what_cannot_be_proved_is_refused():
    """Sampled batches, automatic clipping, unbounded gradients, no error at all."""
    X, codes = np.ones((4, 1)), np.array([0, 1, 0, 1])
    feedback, plan = Feedback(HEIGHT, 0, 1.0), DescentPlan(3, 1.0, 1.0)
    query, sampled = make_query(X, codes, 1.0), replace(plan, sampling_rate=0.5)
    with pytest.raises(ValueError, match="batch_size=None"):
        DiceDescent(query, sampled, Recorder(), feedback)
    query = make_query(X, codes, 1.0, clipping="automatic")
    with pytest.raises(ValueError, match="clipping='flat'"):
        DiceDescent(query, plan, Recorder(), feedback)
    with pytest.raises(ValueError, match="largest=inf"):
        Feedback(math.inf, 0, 1.0)
    with pytest.raises(ValueError, match="error_norm"):
        Feedback(1.0, 0, 1.0, error_norm=0.0)
