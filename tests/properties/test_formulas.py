"""Losses, penalties and projections: what convex analysis says of every number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skopt2._core.simplex import onto_simplex
from skopt2.penalties import (
    L0,
    L1,
    MCP,
    SCAD,
    Box,
    ElasticNet,
    FusedLasso,
    LogSum,
    Lq,
    Positive,
    Slope,
)
from tests.losses.reference import ALL as LOSSES
from tests.losses.reference import SMOOTH
from tests.properties.strategies import seeds

PENALTIES = {
    "l1": L1(),
    "elasticnet": ElasticNet(0.4),
    "ridge": ElasticNet(0.0),
    "slope": Slope(),
    "oscar": Slope("oscar", 0.3),
    "fused": FusedLasso(0.3),
    "variation": FusedLasso(1e-3),
    "box": Box(-0.5, 2.0),
    "positive": Positive(L1()),
    "l0": L0(),
    "mcp": MCP(2.5),
    "scad": SCAD(3.1),
    "log_sum": LogSum(0.3),
    "lq": Lq(0.5),
    "lq 2/3": Lq(2 / 3),
    "positive mcp": Positive(MCP(3.0)),
}
CONVEX = [name for name, penalty in PENALTIES.items() if penalty.has_gap]
magnitudes = st.integers(-6, 6).map(lambda exponent: 10.0**exponent)
steps = st.integers(-4, 4).map(lambda exponent: 3.0**exponent)


@st.composite
def samples(draw, loss, rows=12):
    """Draw targets of a loss, predictors of any size, and weights."""
    rng = np.random.default_rng(draw(seeds))
    size = draw(st.sampled_from([1e-6, 1e-2, 1.0, 8.0, 30.0]))
    n = draw(st.integers(1, rows))
    s = rng.random(n) * (rng.random(n) < 0.8) + 1e-3
    if loss in ("multinomial", "sparsemax"):
        K = draw(st.integers(2, 5))
        y = np.eye(K)[rng.integers(0, K, n)]
        return y, size * rng.standard_normal((n, K)), s / s.sum()
    eta = size * rng.standard_normal(n)
    if loss == "poisson":
        y = rng.poisson(2.0, n).astype(float)
    elif LOSSES[loss][0].task == "regression":
        y = size * rng.standard_normal(n)
    else:
        y = rng.choice([-1.0, 1.0], n)
    return y, eta, s / s.sum()


def inner(theta, eta, s):
    product = theta * eta
    return float(s @ (product.sum(axis=1) if product.ndim == 2 else product))


def size_of(*terms):
    """Return the allowance for the rounding of a sum of terms."""
    return 1e-12 * sum(abs(float(term)) for term in terms) + 1e-290


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_fenchel_young(name, data):
    loss, _ = LOSSES[name]
    y, eta, s = data.draw(samples(name))
    # A gradient elsewhere, shrunk: a point of the domain.
    other = np.roll(eta, 1, axis=0) * data.draw(st.sampled_from([0.0, 0.1, 1.0]))
    theta = data.draw(st.floats(0.0, 1.0)) * loss.gradient(y, other)
    theta = loss.to_domain(y, theta) * theta
    value, conjugate = loss.value(y, eta, s), loss.conjugate(y, theta, s)
    scale = inner(np.abs(theta), np.abs(eta), s)
    allowed = size_of(value, conjugate, scale)
    assert np.isfinite([value, conjugate]).all()
    assert value + conjugate >= inner(theta, eta, s) - allowed


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_fenchel_young_is_tight_at_the_gradient(name, data):
    loss, _ = LOSSES[name]
    y, eta, s = data.draw(samples(name))
    theta = loss.gradient(y, eta)
    value, conjugate = loss.value(y, eta, s), loss.conjugate(y, theta, s)
    scale = inner(np.abs(theta), np.abs(eta), s) + float(np.abs(s @ np.abs(y)).sum())
    gap = value + conjugate - inner(theta, eta, s)
    assert abs(gap) <= size_of(value, conjugate, scale)


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data())
def test_convexity_and_its_tangents(name, data):
    """Between two points the loss is below its chord and above its tangents."""
    loss, _ = LOSSES[name]
    y, eta, s = data.draw(samples(name))
    other = np.roll(eta, 1, axis=0) + 0.3
    t = data.draw(st.floats(0.0, 1.0))
    first, second = loss.value(y, eta, s), loss.value(y, other, s)
    middle = loss.value(y, (1 - t) * eta + t * other, s)
    slope = inner(loss.gradient(y, eta), other - eta, s)
    scale = inner(np.abs(loss.gradient(y, eta)), np.abs(eta) + np.abs(other), s)
    assert middle <= (1 - t) * first + t * second + size_of(first, second, scale)
    assert second >= first + slope - size_of(first, second, scale)
    assert first >= 0 or name == "poisson"


@pytest.mark.parametrize("name", SMOOTH)
@given(data=st.data())
def test_the_gradient_is_a_difference(name, data):
    loss, _ = LOSSES[name]
    y, eta, s = data.draw(samples(name))
    direction = np.cos(np.arange(eta.size)).reshape(eta.shape)
    h = 1e-5 * max(1.0, float(np.abs(eta).max()))
    ends = [loss.value(y, eta + sign * h * direction, s) for sign in (1, -1)]
    middle = loss.value(y, eta, s)
    slope = inner(loss.gradient(y, eta), direction, s)
    # Each one-sided difference bounds the slope of a convex function.
    allowed = 1e-13 * (abs(middle) + sum(map(abs, ends))) / h + 1e-13 * abs(slope)
    assert (middle - ends[1]) / h - allowed <= slope <= (ends[0] - middle) / h + allowed


def draw_point(data, name):
    """Draw a point with ties and zeros, a step and a level."""
    rng = np.random.default_rng(data.draw(seeds))
    p = data.draw(st.integers(1, 9))
    z = rng.standard_normal(p) if data.draw(st.booleans()) else rng.integers(-2, 3, p)
    z = z * data.draw(magnitudes)
    step = data.draw(steps)
    # Levels beside the point: far from it a prox is zero, or the point.
    lam = data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0]))
    level = lam * float(np.abs(z).max() or 1.0) / step
    return rng, z, step, np.full(p, level)


def prox_objective(penalty, v, z, step, lam):
    return float(((v - z) ** 2).sum()) / (2 * step) + penalty.value(v, lam)


@pytest.mark.parametrize("name", PENALTIES)
@given(data=st.data())
def test_no_point_is_better_than_the_prox(name, data):
    penalty = PENALTIES[name]
    rng, z, step, lam = draw_point(data, name)
    penalty = penalty.for_features(len(z))
    v = penalty.prox(z, step, lam)
    reached = prox_objective(penalty, v, z, step, lam)
    low, high = penalty.bounds or (-np.inf, np.inf)
    assert np.isfinite(reached)
    others = [np.zeros_like(z), z, v / 2, np.roll(v, 1), v + 0.1 * (z - v)]
    size = max(float(np.abs(z).max()), 1e-300)
    others += [v + size * t * rng.standard_normal(len(z)) for t in (1e-6, 1e-3, 1.0)]
    others += [np.where(np.arange(len(z)) == j, 0.0, v) for j in range(len(z))]
    for other in others:
        other = np.clip(other, low, high)
        value = prox_objective(penalty, other, z, step, lam)
        assert reached <= value + size_of(reached, value, float(z @ z) / step)


@pytest.mark.parametrize("name", PENALTIES)
@given(data=st.data())
def test_the_prox_is_stationary(name, data):
    """(z - prox(z)) / step lies in the subdifferential."""
    penalty = PENALTIES[name]
    _, z, step, lam = draw_point(data, name)
    penalty = penalty.for_features(len(z))
    v = penalty.prox(z, step, lam)
    distance = np.asarray(penalty.subdiff_distance(v, (v - z) / step, lam))
    scale = (np.abs(z) + np.abs(v)).max() / step + float(np.abs(lam).max())
    assert (distance <= 1e-10 * scale).all()


@pytest.mark.parametrize("name", CONVEX)
@given(data=st.data())
def test_convex_proxes_are_firmly_nonexpansive(name, data):
    penalty = PENALTIES[name]
    rng, z, step, lam = draw_point(data, name)
    penalty = penalty.for_features(len(z))
    other = z + float(np.abs(z).max()) * rng.standard_normal(len(z))
    u, v = penalty.prox(z, step, lam), penalty.prox(other, step, lam)
    allowed = 1e-13 * float(z @ z + other @ other)
    assert ((u - v) ** 2).sum() <= (u - v) @ (z - other) + allowed


@pytest.mark.parametrize("name", ["l1", "slope", "oscar", "fused", "variation"])
@given(data=st.data())
def test_moreau_for_norms(name, data):
    """The residual of a norm's prox is a projection onto the ball of the dual norm."""
    penalty = PENALTIES[name]
    _, z, step, lam = draw_point(data, name)
    penalty = penalty.for_features(len(z))
    v = penalty.prox(z, step, lam)
    residual = (z - v) / step
    # <u, v> = J(v) at the residual u, and the dual norm of u is at most 1.
    value = penalty.value(v, lam)
    assert abs(residual @ v - value) <= size_of(value, 4 * float(z @ z) / step)
    if lam[0] > 0:
        assert penalty.dual_scale(residual, lam) >= 1 - 1e-9


@given(data=st.data())
def test_the_projection_onto_the_simplex(data):
    rng = np.random.default_rng(data.draw(seeds))
    k, n = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 4))
    A = data.draw(magnitudes) * rng.standard_normal((k, n))
    A = A + data.draw(st.sampled_from([0.0, 1e8, -1e8]))
    P = onto_simplex(A)
    assert (P >= 0).all()
    np.testing.assert_allclose(P.sum(axis=0), 1.0, rtol=1e-12)
    # <A - P, Q - P> <= 0 for every other Q of the simplex; the corners suffice.
    shifted = A - A.max(axis=0)
    step = shifted - P
    gain = step - (step * P).sum(axis=0)
    assert (gain <= 1e-12 * (1 + np.abs(shifted).max())).all()
    np.testing.assert_allclose(onto_simplex(P), P, atol=1e-14)
