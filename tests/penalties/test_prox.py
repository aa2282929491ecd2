"""Every prox is the global minimiser that a search over a fine grid finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2.penalties import (
    L0,
    L1,
    MCP,
    SCAD,
    Box,
    Lq,
    Positive,
    WeightedL1,
)
from tests.penalties.reference import BOX, SYMMETRIC, cases


def smallest(objective, low, high):
    """Return the smallest objective on [low, high], by a grid and a finer grid."""
    best = np.full(low.shape, np.inf)
    for _ in range(3):
        grid = low + (high - low) * np.linspace(0, 1, 801)[:, None]
        values = objective(grid)
        at = np.argmin(values, axis=0)
        best = np.minimum(best, values.min(axis=0))
        width = (high - low) / 800
        centre = np.take_along_axis(grid, at[None], axis=0)[0]
        low, high = np.maximum(centre - width, low), np.minimum(centre + width, high)
    return best


def assert_global(v, z, step, lam, formula, low, high):
    """Assert that no grid point is better than v."""

    def objective(x):
        return (x - z) ** 2 / (2 * step) + formula(np.abs(x), lam)

    reached = objective(v)
    assert (v >= low * (1 + 1e-14)).all()
    assert (v <= high * (1 + 1e-14)).all()
    # Points that a grid can miss: the ends and 0.
    best = smallest(objective, low, high)
    best = np.minimum(best, objective(np.clip(0.0, low, high)))
    assert (reached <= best * (1 + 1e-12) + 1e-14).all()


@pytest.mark.parametrize("name", SYMMETRIC)
def test_prox_is_the_global_minimiser(name, rng):
    penalty, formula = SYMMETRIC[name]
    z, step, lam = cases(rng)
    v = penalty.prox(z, step, lam)
    assert_array_equal(v[np.isinf(lam)], 0.0)
    assert_allclose(v[lam == 0], z[lam == 0], rtol=1e-14)
    keep = np.isfinite(lam)
    low, high = np.minimum(z, 0), np.maximum(z, 0)
    assert_global(*(x[keep] for x in (v, z, step, lam)), formula, low[keep], high[keep])


@pytest.mark.parametrize("name", SYMMETRIC)
def test_positive_prox_is_the_global_minimiser(name, rng):
    penalty, formula = SYMMETRIC[name]
    z, step, lam = cases(rng)
    v = Positive(penalty).prox(z, step, lam)
    assert (v >= 0).all()
    assert_array_equal(v[np.isinf(lam)], 0.0)
    keep = np.isfinite(lam)
    high = np.maximum(z, 0)
    args = (x[keep] for x in (v, z, step, lam))
    assert_global(*args, formula, np.zeros(keep.sum()), high[keep])


def test_box_prox_is_the_projection(rng):
    z, step, lam = cases(rng)
    expected = np.where(np.isinf(lam), 0, np.clip(z, -0.5, 2))
    assert_array_equal(BOX.prox(z, step, lam), expected)
    expected = np.where(np.isinf(lam), 0, np.clip(z, 0, 2))
    assert_array_equal(Positive(BOX).prox(z, step, lam), expected)


def test_box_takes_bounds_per_feature():
    box = Box([-1.0, 0.0, -np.inf], [0.0, 2.0, np.inf])
    z = np.array([3.0, 3.0, 3.0])
    assert_array_equal(box.prox(z, 1.0, np.ones(3)), [0.0, 2.0, 3.0])
    rows = box.prox(np.stack([z, -z], axis=1), 1.0, np.ones((3, 1)))
    assert_array_equal(rows, [[0.0, -1.0], [2.0, 0.0], [3.0, -3.0]])


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("step", [1e-3, 0.5, 1.5, 2.5, 3.0, 6.0, 40.0])
def test_scalar_and_array_steps_agree(name, step, rng):
    penalty, _ = SYMMETRIC[name]
    z, _, lam = cases(rng)
    expected = penalty.prox(z, np.full(z.shape, step), lam)
    assert_allclose(penalty.prox(z, step, lam), expected, rtol=1e-13)
    assert_allclose(penalty.prox(z, np.float64(step), lam), expected, rtol=1e-13)
    columns = penalty.prox(z[:, None] * np.ones(2), step, lam[:, None])
    assert_allclose(columns, np.stack([expected] * 2, axis=1), rtol=1e-13)


def test_mcp_with_a_long_step_keeps_a_large_point():
    # Firm thresholding with the sign of 1 - s / gamma ignored returns 0 here.
    assert MCP(3.0).prox(np.array([4.5]), 5.0, np.array([1.0]))[0] == 4.5


@pytest.mark.parametrize("step", [1.0, 3.0, 4.0])
def test_scad_is_monotone_across_its_zones(step):
    z = np.arange(-2048, 2049) / 256
    v = SCAD(3.0).prox(z, step, np.ones(z.shape))
    assert (np.diff(v) >= 0).all()
    assert_array_equal(v, -v[::-1])


@pytest.mark.parametrize(
    ("penalty", "jump"),
    [
        (Lq(0.5), 1.5 * 2.0 ** (2 / 3)),
        (Lq(2 / 3), 2 * (4 / 3) ** 0.75),
        (L0(), 2.0),
        (MCP(1.5), np.sqrt(1.5 * 2)),
    ],
)
def test_threshold_is_where_the_theory_puts_it(penalty, jump):
    # Step 2 at level 1.
    z = jump * np.array([1 - 1e-9, 1 + 1e-9])
    v = penalty.prox(z, 2.0, np.ones(2))
    assert v[0] == 0
    assert v[1] > 0.4 * jump


@pytest.mark.parametrize("q", [0.5, 2 / 3])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_lq_prox_survives_extreme_scales(q, scale):
    # pen(c w; lam) scales like c^q: with lam c^(2 - q) the prox scales with c.
    z = np.array([3.0, 0.2, -5.0])
    expected = Lq(q).prox(z, 0.7, np.ones(3)) * scale
    got = Lq(q).prox(z * scale, 0.7, np.full(3, scale ** (2 - q)))
    assert_allclose(got, expected, rtol=1e-12)


def test_weighted_l1_multiplies_the_level(rng):
    weights = np.array([0.0, 0.5, 2.0, 0.0])
    lam = np.array([1.0, 2.0, 0.5, np.inf])
    z = np.array([3.0, 3.0, 3.0, 3.0])
    expected = L1().prox(z, 0.5, np.array([0.0, 1.0, 1.0, np.inf]))
    assert_array_equal(WeightedL1(weights).prox(z, 0.5, lam), expected)
    assert_array_equal(WeightedL1(list(weights)).prox(z, 0.5, lam), expected)
    subset = np.array([2, 1])
    part = WeightedL1(weights).restrict(subset)
    assert_array_equal(part.prox(z[subset], 0.5, lam[subset]), expected[subset])
