"""The tail of losses: its weights, its derivatives, its bound, the step of SPL+."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from skopt2.losses import Huber, Quantile
from skopt2.penalties import get_penalty
from skopt2.solvers.cvar.pieces import BINARY, REGRESSION, get_pieces
from skopt2.solvers.cvar.problem import TailProblem
from skopt2.solvers.cvar.prox_linear import StochasticProxLinear, prox_linear_share
from skopt2.solvers.cvar.tail import tail_mean, tail_weights

LOSSES = {
    "squared": lambda y, e: (y - e) ** 2 / 2,
    "absolute": lambda y, e: np.abs(y - e),
    "huber": lambda y, e: np.where(
        np.abs(y - e) <= 1.35, (y - e) ** 2 / 2, 1.35 * np.abs(y - e) - 1.35**2 / 2
    ),
    "quantile": lambda y, e: np.abs(y - e) / 2,
    "logistic": lambda y, e: np.logaddexp(0, -y * e),
    "hinge": lambda y, e: np.maximum(1 - y * e, 0),
    "squared_hinge": lambda y, e: np.maximum(1 - y * e, 0) ** 2,
}


def problem(rng, loss, n=40, p=3, beta=0.7, penalty="ridge", alpha=0.1):
    X = rng.standard_normal((n, p))
    y = 2 * X[:, 0] + rng.standard_normal(n)
    if loss in BINARY:
        y = np.where(y > 0, 1.0, -1.0)
    s = rng.uniform(0.5, 2, n)
    s[0] = 0
    pieces = get_pieces(loss, REGRESSION + BINARY)
    return TailProblem(
        X,
        y,
        pieces,
        get_penalty(penalty),
        np.full(p, alpha),
        s / s.sum(),
        True,
        beta=beta,
    )


def test_tail_mean_of_equal_weights_is_the_mean_of_the_worst(rng):
    losses, s = rng.exponential(size=20), np.full(20, 0.05)
    level, mean = tail_mean(losses, s, 0.75)
    assert mean == pytest.approx(np.sort(losses)[-5:].mean())
    assert level == np.sort(losses)[14]
    assert tail_mean(losses, s, 0.0)[1] == pytest.approx(losses.mean())
    assert tail_mean(losses, s, 0.99)[1] == pytest.approx(losses.max())


@pytest.mark.parametrize("scale", [-1.0, 0.05, 1.0])
@pytest.mark.parametrize("mu", [1e-3, 0.3, 30.0])
def test_tail_weights_are_the_solution_of_the_proximal_program(rng, mu, scale):
    cvxpy = pytest.importorskip("cvxpy")
    u = scale * rng.exponential(size=(2, 12))
    s = rng.uniform(0.5, 2, 12)
    s[3] = 0
    s /= s.sum()
    cap, centre = s / 0.4, np.stack([s, s]) * rng.uniform(0, 1, (2, 12))
    v, tied = tail_weights(u, centre, s, cap, mu)
    used = s > 0
    V = cvxpy.Variable((2, int(used.sum())))
    unit = np.sqrt(s[used])[None, :]
    move = cvxpy.multiply(V - centre[:, used], 1 / np.repeat(unit, 2, axis=0))
    value = cvxpy.sum(cvxpy.multiply(V, u[:, used])) - mu / 2 * cvxpy.sum_squares(move)
    limits = [V >= 0, cap[used][None, :] >= V, cvxpy.sum(V) <= 1]
    cvxpy.Problem(cvxpy.Maximize(value), limits).solve(solver="CLARABEL")
    assert_allclose(v[:, used], V.value, atol=2e-6)
    assert not v[:, ~used].any()
    assert tied == (v.sum() > 1 - 1e-9)
    assert v.sum() <= 1 + 1e-12


@pytest.mark.parametrize("loss", LOSSES)
def test_pieces_are_the_loss_and_its_derivatives(rng, loss):
    pieces = get_pieces(loss, REGRESSION + BINARY)
    y, eta = np.sign(rng.standard_normal(50)), 2 * rng.standard_normal(50)
    u = pieces.values(y, eta)
    assert u.shape == (pieces.n_pieces, 50)
    assert_allclose(np.maximum(u.max(axis=0), 0), LOSSES[loss](y, eta), rtol=1e-13)
    assert ((u > 0).sum(axis=0) <= 1).all()
    h = 1e-6
    rise = (pieces.values(y, eta + h) - pieces.values(y, eta - h)) / (2 * h)
    assert_allclose(pieces.slopes(y, eta), rise, atol=1e-6)
    bend = (pieces.slopes(y, eta + h) - pieces.slopes(y, eta - h)) / (2 * h)
    assert_allclose(pieces.bends(y, eta), bend, atol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_of_the_proximal_form(rng, loss):
    tail = problem(rng, loss)
    tail.proximal(tail.mean_weights(), 0.5, 0.0)
    eta, move = rng.standard_normal((2, 40))
    h = 1e-6
    rise = (tail.loss_value(eta + h * move) - tail.loss_value(eta - h * move)) / (2 * h)
    gradient = tail.weighted_gradient(eta)
    assert gradient @ move == pytest.approx(rise, abs=1e-7)
    ahead, behind = (tail.weighted_gradient(eta + t * move) for t in (h, -h))
    product = tail.curvature_product(tail.curvature(eta), move)
    assert_allclose(product, (ahead - behind) / (2 * h), atol=1e-5)


@pytest.mark.parametrize("penalty", ["ridge", "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["absolute", "logistic", "squared"])
def test_any_weights_bound_the_minimum(rng, loss, penalty):
    tail = problem(rng, loss, penalty=penalty)
    for _ in range(10):
        eta = rng.standard_normal(40)
        v = tail.cap * rng.uniform(0, 1, (tail.loss.n_pieces, 40)) / 2
        bound = tail.dual_value(eta, v)
        w = rng.standard_normal(3)
        point = tail.predictor(np.arange(3), w, rng.standard_normal())
        assert bound <= tail.risk(point)[1] + tail.penalty_value(w) + 1e-12


@pytest.mark.parametrize("beta", [0.0, 0.6, 0.95])
@pytest.mark.parametrize("level", [-3.0, 0.4, 0.9, 20.0])
def test_a_step_of_spl_is_the_minimiser_of_its_model(rng, level, beta):
    model = problem(rng, "squared", beta=beta, alpha=0.3)
    solver = StochasticProxLinear(model, 1e-3)
    w, b, step = rng.standard_normal(3), 0.3, 0.7
    t, t_a, i = step * solver.unit, step * solver.unit_a, 5
    x, y = solver.rows[i], model.y[i]
    r = x @ w + b - y

    def cost(z):
        new, c, a = z[:3], z[3], z[4]
        tangent = r * r / 2 + r * (x @ (new - w) + c - b)
        near = ((new - w) ** 2).sum() + (c - b) ** 2
        value = a + max(tangent - a, 0) / (1 - beta) + 0.15 * (new**2).sum()
        return value + near / (2 * t) + (a - level) ** 2 / (2 * t_a)

    new, c, a, q, _ = solver._move(w, b, level, i, step)
    found = cost(np.r_[new, c, a])
    start = np.r_[new, c, a] + 0.1
    options = {"xatol": 1e-11, "fatol": 1e-14, "maxiter": 8000, "maxfev": 8000}
    peer = minimize(cost, start, method="Nelder-Mead", options=options)
    assert found <= peer.fun + 1e-10
    for d in np.vstack([np.eye(5), -np.eye(5), rng.standard_normal((30, 5))]):
        assert found <= cost(np.r_[new, c, a] + 1e-3 * d) + 1e-14
    assert 0 <= q <= 1


def test_the_share_of_a_sample_has_three_cases():
    assert prox_linear_share(0.0, 1.0, 5.0, 1.0, 0.5) == 0
    assert prox_linear_share(9.0, 1.0, 5.0, 1.0, 0.5) == 1
    assert prox_linear_share(5.0, 1.0, 5.0, 1.0, 0.5) == pytest.approx(0.25)


def test_pieces_by_name_and_by_object():
    assert get_pieces(Huber(2.0), REGRESSION).loss.delta == 2
    assert get_pieces(Quantile(0.2), REGRESSION).below == 0.2
    with pytest.raises(ValueError, match=r"loss must be one of 'sq"):
        get_pieces("hinge", REGRESSION)
    with pytest.raises(ValueError, match=r"smoothing .* got smoothing=0.1"):
        get_pieces(Quantile(0.2, smoothing=0.1), REGRESSION)
