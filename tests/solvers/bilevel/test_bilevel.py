"""The bilevel solvers: slopes, their bounds, and a descent that is never fooled."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2._core.iterate import iterate
from skopt2.losses import get_loss
from skopt2.solvers.bilevel import bend, ground, lower
from skopt2.solvers.bilevel.levels import Levels
from skopt2.solvers.bilevel.lower import LowerProblem
from skopt2.solvers.bilevel.maid import Maid
from skopt2.solvers.bilevel.upper import Evaluation, Upper
from skopt2.solvers.state import Solution

LOSSES = ("squared", "huber", "poisson", "logistic", "multinomial")


def samples(name, n, p=6, seed=0):
    """Return X and the target as the loss wants it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.5
    eta = X @ np.append(rng.normal(size=3), np.zeros(p - 3)) + 0.3
    if name == "logistic":
        return X, np.where(eta + rng.logistic(size=n) > 0.5, 1.0, -1.0)
    if name == "poisson":
        return X, rng.poisson(np.exp(0.4 * eta)).astype(float)
    if name == "multinomial":
        classes = np.column_stack([eta, -eta, rng.normal(size=n)]).argmax(axis=1)
        return X, np.eye(3)[classes]
    return X, eta + rng.standard_t(3, size=n)


def one_split(name, ratio, each=True, seed=0, solver="auto", sparse=False):
    """Return a split of 50 training and 30 validation samples."""
    X, y = samples(name, 80, seed=seed)
    p = X.shape[1]
    index = np.arange(p) if each and ratio is not None else np.zeros(p, dtype=int)
    levels = Levels(index, np.ones(p), ratio)
    rng = np.random.default_rng(seed + 1)
    parts = []
    for rows in (slice(0, 50), slice(50, 80)):
        s = rng.uniform(0.5, 1.5, y[rows].shape[0])
        part = sp.csr_array(X[rows]) if sparse else X[rows]
        parts.append((part, y[rows], s / s.sum()))
    loss = get_loss(name)
    return LowerProblem(*parts, loss, loss, True, levels, solver)


def difference(split, theta, step=1e-4):
    """Return central differences of the validation loss."""
    slope = []
    for j in range(theta.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = theta.copy()
            moved[j] += sign * step
            ends.append(split.solve(moved, 1e-13).value)
        slope.append((ends[0] - ends[1]) / (2.0 * step))
    return np.array(slope)


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0, None])
@pytest.mark.parametrize("name", LOSSES)
def test_slope_is_that_of_differences(name, ratio):
    split = one_split(name, ratio)
    theta = np.linspace(-3.0, -2.0, split.levels.n)
    slope, error = split.slope(split.solve(theta, 1e-13), 1e-12)
    expected = difference(split, theta)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(slope, expected, atol=2e-7)
    # The kinks of the Huber loss leave some doubt about which samples are beyond.
    assert error < (1e-2 if name == "huber" else 1e-7)


def test_slope_of_ridge_is_the_closed_form():
    split = one_split("squared", 0.0)
    (X, Xv), (yv, v) = split._data, split._validation
    s, y = split.problem.s, split.problem.y
    theta = np.linspace(-2.0, 0.0, X.shape[1])
    mean = s @ X
    A, B = X - mean, Xv - mean
    H = A.T @ (A * s[:, None]) + np.diag(np.exp(theta))
    w = np.linalg.solve(H, A.T @ (s * y))
    residual = B @ w + split.problem.y_mean - yv
    q = np.linalg.solve(H, B.T @ (v * residual))
    fit = split.solve(theta, 1e-12)
    slope, _ = split.slope(fit, 1e-12)
    assert fit.value == pytest.approx(0.5 * v @ residual**2, rel=1e-12)
    np.testing.assert_allclose(slope, -np.exp(theta) * w * q, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("ratio", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_bounds_hold_and_are_of_use(name, ratio):
    split = one_split(name, ratio, seed=3)
    theta = np.full(split.levels.n, -2.5)
    best = split.solve(theta, 1e-13)
    slope, _ = split.slope(best, 1e-12)
    rng, useful = np.random.default_rng(0), []
    for size in 0.3 * 0.1 ** np.arange(7):
        w, b = best.solution.w, best.solution.intercept
        noise = size * rng.normal(size=w.shape) * (w != 0)
        b = b if split.loss.is_quadratic else b + size * rng.normal(size=np.shape(b))
        fit = split.judge(theta, Solution(best.solution.ids, w + noise, b))
        off = abs(fit.value - best.value)
        assert off <= fit.error
        moved, error = split.slope(fit, 0.1)
        assert np.linalg.norm(moved - slope) <= error
        if math.isfinite(error):
            useful.append((fit.error / size, error / size))
    # Linear in the distance, and not many times what the error is.
    assert useful
    if name != "huber":
        assert np.max(useful) < 200.0


def test_a_gap_is_a_distance():
    # Ridge: the norm of the Hessian, the gap and the residual are all known exactly.
    split = one_split("squared", 0.0)
    theta = np.full(split.levels.n, -1.0)
    best = split.solve(theta, 1e-13)
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=best.solution.w.shape)
    fit = split.judge(theta, replace(best.solution, w=best.solution.w + noise))
    H = fit.ground.hessian.matrix()
    exact = math.sqrt(noise @ H @ noise)
    assert fit.distance == pytest.approx(exact, rel=1e-7)
    by_gap, _ = bend.distance(split.loss, math.inf, 0.5 * exact**2, 1.0)
    assert by_gap == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("size", [1e-7, 1e-3, 0.1, 0.7])
def test_distance_inverts_what_it_says(size):
    loss = get_loss("logistic")
    reach = 2.0
    gap = (-math.expm1(-size) - size * math.exp(-size)) / reach**2
    residual = -math.expm1(-size) / reach
    for arguments in ((residual, math.inf), (math.inf, gap)):
        N, u = bend.distance(loss, *arguments, reach)
        assert u >= size * (1.0 - 1e-9)
        assert u / reach == N
        assert u == pytest.approx(size, rel=1e-2 if size < 1e-3 else 2e-3)
    # A point that is too far away has no bound.
    assert bend.distance(loss, 1.0, 1.0, reach) == (math.inf, math.inf)


@pytest.mark.parametrize("name", ["squared", "poisson", "multinomial"])
def test_diagonal_norm_bounds_the_factorised_one(name, monkeypatch):
    exact = one_split(name, 0.4)
    theta = np.full(exact.levels.n, -2.0)
    known = exact.solve(theta, 1e-12)
    slope, _ = exact.slope(known, 1e-12)
    monkeypatch.setattr(ground, "LIMIT", 0)
    monkeypatch.setattr(lower, "LIMIT", 0)
    for sparse in (False, True):
        split = one_split(name, 0.4, sparse=sparse)
        fit = split.solve(theta, 1e-10)
        found, error = split.slope(fit, 1e-10)
        assert split.n_products > 3
        np.testing.assert_allclose(found, slope, atol=1e-8)
        assert error < 1e-4
        metric, other = fit.ground.metric, known.ground.metric
        rng = np.random.default_rng(0)
        for _ in range(20):
            v = rng.normal(size=metric.coordinates.size)
            assert metric.dual_norm(v) >= other.dual_norm(v)
            assert metric.dual_norm(v) ** 2 == pytest.approx(v @ metric.solve(v))
        assert (fit.ground.reach >= known.ground.reach * (1 - 1e-9)).all()
        values, groups = rng.normal(size=v.size), np.zeros(v.size, dtype=int)
        values[: metric.coordinates.n_free] = 0.0
        assert metric.spread(values, groups, 1) == pytest.approx(
            metric.dual_norm(values)
        )
        assert other.spread(values, groups, 1) == pytest.approx(other.dual_norm(values))


def upper(name, ratio, each=True, n=90, shrinkage=0.0, solver="auto"):
    """Return the mean of three splits."""
    X, y = samples(name, n, seed=7)
    p, loss = X.shape[1], get_loss(name)
    index = np.arange(p) if each and ratio is not None else np.zeros(p, dtype=int)
    levels = Levels(index, np.ones(p), ratio)
    splits = []
    for k in range(3):
        test = np.arange(n) % 3 == k
        parts = [
            (X[rows], y[rows], np.full(rows.sum(), 1.0 / rows.sum()))
            for rows in (~test, test)
        ]
        splits.append(LowerProblem(*parts, loss, loss, True, levels, solver))
    return Upper(splits, levels, shrinkage)


def box(d):
    return np.full(d, -9.0), np.full(d, 3.0)


@pytest.mark.parametrize(
    ("name", "ratio", "each"),
    [
        ("squared", 0.0, True),
        ("squared", 1.0, False),
        ("logistic", 0.4, True),
        ("poisson", None, False),
        ("multinomial", 0.0, True),
        ("huber", 0.4, False),
    ],
)
def test_no_step_raises_the_true_loss(name, ratio, each):
    loose, exact = upper(name, ratio, each), upper(name, ratio, each)
    d = loose.levels.n
    maid = Maid(loose, *box(d), 1e-3)
    state = maid.init(np.full(d, -4.5))
    before = exact.evaluate(state.at.theta, 1e-13).value
    steps = 0
    for _ in range(25):
        new = maid.step(state)
        value = exact.evaluate(new.at.theta, 1e-13).value
        assert value <= before + 1e-13
        assert abs(value - new.at.value) <= new.at.error + 1e-13
        moved = not np.array_equal(new.at.theta, state.at.theta)
        steps += moved
        if moved:
            assert value < before
        state, before = new, value
        if state.stalled or maid.certificate(state).value <= 1e-3:
            break
    assert steps >= 2
    assert maid.certificate(state).value <= 1e-3


def test_scalar_case_is_the_minimum_of_the_curve():
    found = []
    for ratio in (0.0, 1.0):
        mean = upper("squared", ratio, each=False)
        maid = Maid(mean, *box(1), 1e-6)
        result = iterate(maid, maid.init(np.array([-2.0])), tol=1e-6, max_iter=60)
        assert result.certificate.holds
        scan = np.linspace(-9.0, 3.0, 150)
        values = [mean.evaluate(np.array([t]), 1e-12).value for t in scan]
        value = mean.evaluate(result.solution[0], 1e-12).value
        assert value <= min(values) + 1e-9
        found.append(float(result.solution[0][0]))
        assert abs(found[-1] - scan[np.argmin(values)]) < 0.1
    assert found[0] != found[1]


def test_accuracy_and_step_size_hardly_matter():
    # The claim of the paper, over four orders of the accuracy and of the step.
    values = []
    for accuracy in (1e-1, 1e-3, 1e-6):
        for step_size in (1e-2, 1.0, 10.0):
            mean = upper("logistic", 0.0, shrinkage=0.01)
            maid = Maid(mean, *box(6), 1e-3, accuracy, step_size)
            result = iterate(maid, maid.init(np.full(6, -2.0)), tol=1e-3, max_iter=60)
            assert result.certificate.holds
            assert result.n_iter <= 30
            values.append(result.objective)
    assert max(values) - min(values) < 1e-3 * max(values)


class Noisy:
    """A known phi whose values and slopes are off by as much as was allowed."""

    scale, work, lowers = 1.0, (0, 0, 0), []

    def __init__(self, seed=0, kink=0.0):
        self.rng, self.kink = np.random.default_rng(seed), kink
        self.stretch = np.array([1.0, 10.0, 0.1])
        self.targets = []

    def true(self, theta):
        bowl = 0.5 * self.stretch @ (theta - 1.0) ** 2
        return float(bowl + 0.1 * np.sin(3.0 * theta).sum()) / 20.0 + self.kink * abs(
            theta[0] - 0.2
        )

    def evaluate(self, theta, target, start=None):
        self.targets.append(target)
        noise = self.rng.uniform(-target, target)
        return Evaluation(theta, (), self.true(theta) + noise, target)

    def slope(self, at, forcing):
        slope = self.stretch * (at.theta - 1.0) + 0.3 * np.cos(3.0 * at.theta)
        slope = slope / 20.0
        slope[0] += self.kink * np.sign(at.theta[0] - 0.2)
        error = at.error + forcing * np.linalg.norm(slope)
        noise = self.rng.normal(size=3)
        return slope + 0.9 * error * noise / np.linalg.norm(noise), error


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_never_taken_for_a_decrease(seed, monkeypatch):
    # No target can be reached exactly here: fits of this kind are never exact.
    monkeypatch.setattr(Evaluation, "exact", False)
    phi = Noisy(seed)
    maid = Maid(phi, *box(3), 1e-4)
    state, path = maid.init(np.array([-3.0, 3.0, -5.0])), []
    for _ in range(100):
        old = phi.true(state.at.theta)
        state = maid.step(state)
        path.append(state.eps)
        assert phi.true(state.at.theta) < old
        if maid.certificate(state).value <= 1e-4:
            break
    assert maid.certificate(state).value <= 1e-4
    # The certificate is a bound of the true slope.
    flat = (
        phi.stretch * (state.at.theta - 1.0) + 0.3 * np.cos(3 * state.at.theta)
    ) / 20
    assert np.linalg.norm(flat) <= 1e-4
    # Loose far away, tight at the end, and relaxed in between.
    assert path[0] > 1e-4 > path[-1]
    assert (np.diff(path) > 0).any()
    assert (np.diff(path) < 0).any()


def test_kink_is_certified_by_slopes_of_both_sides():
    phi = Noisy(kink=1.0)
    maid = Maid(phi, *box(3), 1e-3, accuracy=1e-9)
    state = maid.init(np.array([2.0, 0.5, 2.0]))
    for _ in range(60):
        state = maid.step(state)
        if maid.certificate(state).value <= 1e-3:
            break
    assert maid.certificate(state).value <= 1e-3
    assert abs(state.at.theta[0] - 0.2) <= 0.02
    # One slope alone is nowhere near 0 there.
    assert len(state.corners) >= 1
    assert np.linalg.norm(state.z) > 0.5


def test_state_of_a_checkpoint_goes_on():
    mean = upper("squared", 0.0)
    maid = Maid(mean, *box(6), 1e-8)
    state = maid.step(maid.init(np.full(6, -2.0)))
    again = maid.unpack(maid.pack(state))
    np.testing.assert_array_equal(again.at.theta, state.at.theta)
    np.testing.assert_allclose(again.z, state.z, rtol=1e-6)
    np.testing.assert_allclose(
        maid.step(again).at.theta, maid.step(state).at.theta, atol=1e-5
    )
