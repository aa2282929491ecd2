"""The fused lasso against quadratic and linear programs, and its closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, lsq_linear

from skopt2._core.array import device_of
from skopt2.penalties import L1, FusedLasso
from skopt2.penalties.structured import precision
from skopt2.penalties.total_variation import shrink_variation


def differences(p):
    return np.diff(np.eye(p), axis=0)


def dual_prox(z, level_tv, level_l1):
    """Prox by its dual, a least squares problem in a box: z - B'u, abs(u) <= levels."""
    p = z.size
    B = np.vstack([differences(p), np.eye(p)])
    bound = np.r_[np.full(p - 1, level_tv), np.full(p, level_l1)] + 1e-300
    found = lsq_linear(B.T, z, bounds=(-bound, bound), tol=1e-14, method="bvls")
    return z - B.T @ found.x


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_prox_is_that_of_the_dual_program(scale, rng):
    for p in (1, 2, 3, 12):
        z = scale * np.cumsum(rng.standard_normal(p))
        found = FusedLasso(0.3).prox(z, scale, np.ones(p))
        right = dual_prox(z / scale, 0.7, 0.3) if p > 1 else None
        if p == 1:
            right = L1().prox(z / scale, 0.3, np.ones(1))
        assert_allclose(found / scale, right, atol=1e-8)


@pytest.mark.parametrize("t", [1e-3, 0.5, 3.0, 1e4])
def test_long_chains_meet_their_optimality_conditions(t, rng):
    z = np.cumsum(rng.standard_normal(3000)) + rng.standard_normal(3000)
    x = shrink_variation(z, t)
    # u of z - x = D'u, by summation: at most t, and t times the sign of each jump.
    u = -np.cumsum(z - x)
    assert abs(u[-1]) < 1e-8
    u, jumps = u[:-1], np.diff(x)
    assert np.abs(u).max() <= t + 1e-8
    assert_allclose(u[jumps != 0], t * np.sign(jumps[jumps != 0]), atol=1e-8)
    if t == 1e4:
        assert_allclose(x, z.mean(), rtol=1e-9)


def test_share_of_one_is_the_l1_norm(rng):
    z, w = rng.standard_normal((2, 30))
    lam = np.full(30, 0.4)
    one = FusedLasso(1.0)
    assert_allclose(one.prox(z, 2.0, lam), L1().prox(z, 2.0, lam), atol=1e-15)
    assert_allclose(one.value(w, lam), L1().value(w, lam))
    assert_allclose(one.dual_scale(z, lam), L1().dual_scale(z, lam))
    assert_allclose(
        one.subdiff_distance(w, z, lam), L1().subdiff_distance(w, z, lam), atol=1e-14
    )


def test_value():
    penalty = FusedLasso(0.25)
    w = np.array([1.0, 1.0, -2.0, 9.0])
    lam = np.array([2.0, 2.0, 2.0, 0.0])
    assert penalty.value(w, lam) == 0.25 * 8 + 0.75 * 6


def test_dual_norm_is_the_largest_over_the_unit_ball(rng):
    """Maximise <u, w> over rho * sizes + (1 - rho) * changes <= 1."""
    p = 9
    D = differences(p)
    eye, flat = np.eye(p), np.zeros((p, p - 1))
    for rho in (0.05, 0.5, 0.9):
        u = rng.standard_normal(p) + 0.4
        rows = [[s * eye, -eye, flat] for s in (1, -1)]
        rows += [[s * D, np.zeros((p - 1, p)), -np.eye(p - 1)] for s in (1, -1)]
        budget = np.r_[np.zeros(p), np.full(p, rho), np.full(p - 1, 1 - rho)]
        A = np.vstack([np.block(rows), budget])
        b = np.append(np.zeros(A.shape[0] - 1), 1.0)
        cost = -np.r_[u, np.zeros(2 * p - 1)]
        top = -linprog(cost, A_ub=A, b_ub=b, bounds=(None, None)).fun
        assert_allclose(FusedLasso(rho).alpha_max(u, np.ones(p)), top, rtol=1e-9)
        scale = FusedLasso(rho).dual_scale(9 * u, np.ones(p))
        assert_allclose(scale, 1 / max(9 * top, 1), rtol=1e-9)


def test_distance_is_that_of_the_nearest_subgradient(rng):
    """B'u with u at its sign where B w is not 0, and in its box elsewhere."""
    rho = 0.4
    w = np.array([0.0, 0.0, 2.0, 2.0, 2.0, -1.0, -1.0, 0.0, 0.0, 0.0])
    p = w.size
    B = np.vstack([(1 - rho) * differences(p), rho * np.eye(p)])
    fixed = np.abs(B @ w) > 0
    for _ in range(5):
        grad = 2 * rng.standard_normal(p)
        rest = -grad - B[fixed].T @ np.sign(B @ w)[fixed]
        found = lsq_linear(B[~fixed].T, rest, bounds=(-1, 1), tol=1e-14, method="bvls")
        right = np.abs(rest - B[~fixed].T @ found.x)
        distance = FusedLasso(rho).subdiff_distance(w, grad, np.ones(p))
        assert_allclose(distance, right, atol=1e-8)


def test_prox_points_are_stationary_and_pieces_carry_the_value(rng):
    penalty = FusedLasso(0.3)
    z = np.cumsum(rng.standard_normal(80))
    lam = np.ones(80)
    lam[[5, 20]] = 0.0, np.inf
    w = penalty.prox(z, 0.9, lam)
    assert penalty.subdiff_distance(w, (w - z) / 0.9, lam).max() < 1e-12
    labels, direction, slopes = penalty.pieces(w, lam, precision(w))
    assert 3 < slopes.size < 60
    x = np.zeros(slopes.size)
    x[labels[labels >= 0]] = w[labels >= 0]
    assert_array_equal(np.where(labels >= 0, direction * x[labels], 0.0), w)
    assert_allclose(slopes @ x, penalty.value(w, lam), rtol=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 1.5, "a", None])
def test_bad_share_names_the_value_and_the_fix(ratio):
    with pytest.raises(ValueError, match="l1_ratio=.*1e-3"):
        FusedLasso(ratio).check_parameters()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_namespace_agrees(dtype, device_backend):
    rng = np.random.default_rng(3)
    z, grad = np.cumsum(rng.standard_normal((2, 30, 2)), axis=1)
    lam = np.full((30, 1), 0.8)
    lam[3], lam[4] = np.inf, 0.0
    penalty = FusedLasso(0.3)

    def answers(put):
        w = penalty.prox(put(z), 0.7, put(lam))
        assert w.dtype == put(z).dtype
        assert device_of(w) == device_of(put(z))
        return [
            w,
            penalty.region(w, put(lam)),
            penalty.subdiff_distance(w, put(grad), put(lam)),
            penalty.derivative(w, put(lam)),
            penalty.value(w, put(lam)),
            penalty.dual_scale(put(grad), put(lam)),
        ]

    found = answers(lambda x: device_backend.asarray(x, dtype))
    right = answers(lambda x: np.asarray(x, dtype=dtype))
    for one, other in zip(found, right, strict=True):
        if not isinstance(one, float):
            one = device_backend.to_numpy(one)
        assert_array_equal(one, other)
