"""Online Newton steps against dense references, and the pieces they are made of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2.kernels import Gaussian, Linear
from skopt2.losses import Logistic, Squared, SquaredHinge
from skopt2.solvers.kernel import kernel_newton
from skopt2.solvers.kernel.kernel_newton import Dictionary, NewtonModel, advance
from skopt2.solvers.kernel.loss_curvature import safe_curvature
from skopt2.solvers.kernel.nested_factor import NestedFactor
from tests.solvers.kernel import newton_reference as reference

KERNEL = Gaussian(length_scale=0.8)


def stream(n, seed=0, n_outputs=1, signs=False):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2))
    Y = np.sin(2.0 * X[:, :1].T) + X[:, 1] + 0.3 * rng.standard_normal((n_outputs, n))
    return X, np.where(Y > 0, 1.0, -1.0) if signs else Y


def run(
    X, Y, loss, cuts=(), *, oversampling=np.inf, restart=False, kernel=KERNEL, **changes
):
    """Go through a stream in pieces; return predictions, model and dictionary."""
    options = {"alpha": 0.1, "eta": None, "clip": np.inf, "n_constant": 1}
    options.update(changes)
    model = NewtonModel(loss, Y.shape[0], *options.values())
    dictionary = Dictionary(0.1, oversampling, None, 1e-11, np.random.default_rng(7))
    centers, parts = X[:0], []
    for some in np.split(np.arange(len(X)), cuts):
        among = kernel(X[some])
        known = kernel(centers, X[some]) if len(centers) else np.zeros((0, some.size))
        Z, joined = advance(
            model, dictionary, known, among, np.diagonal(among), Y[:, some], restart
        )
        centers = np.concatenate([centers, X[some][joined]])
        parts.append(Z)
    return np.concatenate(parts, axis=1), model, dictionary, centers


@pytest.mark.parametrize(
    ("loss", "clip"),
    [(Squared(), np.inf), (Squared(), 1.0), (Logistic(), 3.0), (SquaredHinge(), 2.0)],
    ids=str,
)
@pytest.mark.parametrize("constant", [0, 1])
def test_steps_equal_the_dense_ones(loss, clip, constant):
    X, Y = stream(90, n_outputs=2, signs=loss.name != "squared")

    def curvature(y, z, slope):
        y, z = np.array([y]), np.array([z])
        return float(safe_curvature(loss, y, z, clip)[0])

    expected = reference.online_newton(
        KERNEL(X), Y, loss, 0.1, curvature, clip, bool(constant)
    )
    found, model, _, centers = run(
        X, Y, loss, [20, 21, 70], clip=clip, n_constant=constant
    )
    assert len(centers) == 90
    assert_allclose(found, expected, atol=1e-7)
    # Something was learnt, and something was clipped.
    assert np.abs(found[:, 60:]).mean() > 0.2
    assert np.isinf(clip) or np.isclose(np.abs(found), clip).any()


def test_a_number_for_eta_multiplies_squared_gradients():
    X, Y = stream(60, signs=True)
    expected = reference.online_newton(
        KERNEL(X), Y, Logistic(), 0.1, lambda y, z, slope: 0.7 * slope**2, 5.0
    )
    found = run(X, Y, Logistic(), eta=0.7, clip=5.0)[0]
    assert_allclose(found, expected, atol=1e-8)


def test_squared_loss_predicts_as_ridge_regression_on_the_past():
    X, Y = stream(50)
    Z = run(X, Y, Squared())[0]
    K = KERNEL(X) + 1.0
    for t in (1, 7, 49):
        a = np.linalg.solve(K[:t, :t] + 0.1 * np.eye(t), Y[0, :t])
        assert Z[0, t] == pytest.approx(K[t, :t] @ a, abs=1e-9)


@pytest.mark.parametrize("loss", [Squared(), Logistic()], ids=str)
@pytest.mark.parametrize("restart", [False, True])
def test_cuts_make_no_difference(loss, restart):
    X, Y = stream(120, n_outputs=3, signs=loss.name != "squared")
    options = {"oversampling": 0.5, "restart": restart, "clip": 4.0}
    Z, model, dictionary, centers = run(X, Y, loss, **options)
    assert 5 < len(centers) < 100
    for cuts in ([1, 2, 50], list(range(1, 120))):
        other = run(X, Y, loss, cuts, **options)
        assert_array_equal(other[3], centers)
        assert_allclose(other[0], Z, atol=1e-9)
        assert_allclose(other[1].W, model.W, atol=1e-9)
        assert_allclose(other[1].P, model.P, atol=1e-9)


def test_long_blocks_equal_short_ones(monkeypatch):
    X, Y = stream(100, n_outputs=2, signs=True)
    long = run(X, Y, Logistic(), clip=3.0)
    monkeypatch.setattr(kernel_newton, "STEPS", 7)
    short = run(X, Y, Logistic(), clip=3.0)
    assert_allclose(short[0], long[0], atol=1e-9)
    assert_allclose(short[1].P, long[1].P, atol=1e-9)


def test_restarts_forget():
    X, Y = stream(80)
    Z, model, _, centers = run(X, Y, Squared(), oversampling=0.3, restart=True)
    last = int(np.flatnonzero((centers[-1] == X).all(axis=1))[0])
    assert Z[0, last] == 0.0
    # What is left is ridge regression on the rows since then, in the dictionary.
    L = np.linalg.cholesky(KERNEL(centers))
    Phi = np.linalg.solve(L, KERNEL(centers, X[last:])).T
    Phi = np.column_stack([np.ones(len(Phi)), Phi])
    A = Phi.T @ Phi + 0.1 * np.eye(Phi.shape[1])
    assert_allclose(model.P[0], np.linalg.inv(A), atol=1e-9)
    assert_allclose(model.W[0], np.linalg.solve(A, Phi.T @ Y[0, last:]), atol=1e-8)


def test_dictionary_follows_the_leverage_scores():
    X, Y = stream(150)
    gamma, oversampling = 0.1, 0.8
    _, _, dictionary, centers = run(X, Y, Squared(), [40], oversampling=oversampling)
    uniform = np.random.default_rng(7).random(150)
    chosen, weights = [], []
    for t in range(150):
        members, S = [*chosen, t], np.diag(np.sqrt([*weights, 1.0]))
        K = S @ KERNEL(X[members]) @ S
        # The score of the row among those of the dictionary and itself.
        tau = np.linalg.solve(K + gamma * np.eye(len(K)), K)[-1, -1]
        chance = min(1.0, oversampling * tau)
        if uniform[t] < chance:
            chosen.append(t)
            weights.append(1.0 / chance)
    assert 10 < len(chosen) < 120
    assert_array_equal(centers, X[chosen])
    assert_allclose(dictionary.scores.scales**2, weights, rtol=1e-9)
    assert dictionary.span.size == len(chosen)


def test_dictionary_of_repeated_rows_does_not_grow(rng):
    X = np.repeat(rng.standard_normal((4, 2)), 30, axis=0)[rng.permutation(120)]
    Y = X[:, :1].T
    assert len(run(X, Y, Squared(), list(range(10, 120, 10)))[3]) == 4
    # Two directions are all that a linear kernel has in two dimensions.
    assert len(run(X, Y, Squared(), kernel=Linear())[3]) == 2
    assert len(run(0.0 * X, Y, Squared(), kernel=Linear())[3]) == 0


def test_size_of_the_dictionary_is_bounded():
    X, Y = stream(60)
    for loss in (Squared(), Logistic()):
        model = NewtonModel(loss, 1, 0.1, None, 5.0, 1)
        dictionary = Dictionary(0.1, np.inf, 9, 1e-11, np.random.default_rng(0))
        K = KERNEL(X)
        Z, joined = advance(model, dictionary, K[:0], K, np.diagonal(K), np.sign(Y))
        assert joined == list(range(9))
        assert model.size == 10
        assert np.isfinite(Z).all()


def test_factor_of_a_dictionary(rng):
    X, others = rng.standard_normal((7, 3)), rng.standard_normal((5, 3))
    scales = rng.uniform(0.5, 2.0, 7)
    factor = NestedFactor(gamma=0.3)
    for i, scale in enumerate(scales):
        q = factor.coordinates(KERNEL(X[:i], X[i : i + 1]))[:, 0]
        Q = factor.coordinates(KERNEL(X[:i], others))
        row = factor.append(1.0, q, Q, KERNEL(X[i : i + 1], others)[0], scale)
    K = scales[:, None] * KERNEL(X) * scales + 0.3 * np.eye(7)
    assert_allclose(factor.matrix, np.linalg.cholesky(K), atol=1e-12)
    Q = factor.coordinates(KERNEL(X, others))
    assert_allclose(Q[-1], row, atol=1e-12)
    expected = np.linalg.solve(factor.matrix, scales[:, None] * KERNEL(X, others))
    assert_allclose(Q, expected, atol=1e-12)
    w = rng.standard_normal((2, 7))
    assert_allclose(factor.coefficients(w).T @ KERNEL(X, others), w @ Q, atol=1e-11)


@pytest.mark.parametrize("loss", [Squared(), Logistic(), SquaredHinge()], ids=str)
@pytest.mark.parametrize("bound", [0.5, 1.0, 3.0, 8.0])
def test_parabola_is_the_highest_below_the_loss(loss, bound):
    grid = np.linspace(-bound, bound, 4001)
    one = np.ones(1)

    def value(y, z):
        return np.array([loss.value(np.array([y]), u[None], one) for u in z])

    for y in (-1.0, 1.0):
        values = value(y, grid)
        for z in (-bound, -0.4 * bound, 0.0, 0.3 * bound, bound):
            y1, z1 = np.array([y]), np.array([z])
            c = float(safe_curvature(loss, y1, z1, bound)[0])
            slope = float(loss.gradient(y1, z1)[0])
            rest = values - value(y, z1)[0] - slope * (grid - z)
            assert (rest - 0.5 * c * (grid - z) ** 2).min() > -1e-9
            far = np.abs(grid - z) > 1e-3 * bound
            highest = (2.0 * rest[far] / (grid[far] - z) ** 2).min()
            highest = min(highest, float(loss.curvature(y1, z1)[0]))
            assert c == pytest.approx(max(highest, 0.0), abs=2e-3)


def test_regret_grows_like_a_logarithm():
    X, Y = stream(1600)
    rng = np.random.default_rng(3)
    truth = np.sin(3.0 * X[:, 0]) * np.cos(2.0 * X[:, 1])
    y = truth + 0.1 * rng.standard_normal(1600)

    def regrets(z):
        excess = 0.5 * ((z - y) ** 2 - (truth - y) ** 2)
        return excess[:400].sum(), excess.sum()

    newton = regrets(run(X, y[None, :], Squared(), oversampling=1.0)[0][0])
    K = KERNEL(X)
    gradient = min(
        (
            regrets(reference.online_gradient(K, y, Squared(), step))
            for eta in (0.3, 1.0)
            for step in (lambda t, e=eta: e, lambda t, e=eta: e / np.sqrt(t + 1.0))
        ),
        key=lambda found: found[1],
    )
    # Four times as many rows: a logarithm adds a little to each, a root doubles it.
    assert newton[1] < 1.4 * newton[0]
    assert gradient[1] > 1.6 * gradient[0]
    assert newton[1] < 0.5 * gradient[1]
