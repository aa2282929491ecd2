"""Global steps along one coordinate, against grids."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.solvers.fractional.coordinate_difference import (
    least_differences,
    least_piece_difference,
    least_root_difference,
)
from skopt2.solvers.fractional.coordinate_ratio import (
    least_linear_ratio,
    least_plain_ratio,
    least_ratios,
    least_root_ratio,
)

FAR = 50.0


def draw(rng):
    """Return a2, a1, a0, lam, x, d2, d1, d0 with a positive ratio."""
    a2, a1, lam = rng.uniform(0.01, 3.0), 2.0 * rng.normal(), rng.choice([0.0, 0.3, 2])
    x = rng.choice([0.0, rng.normal()])
    a0 = a1 * a1 / (4.0 * a2) + lam * abs(x) + rng.uniform(0.0, 2.0)
    d2, d1 = rng.uniform(1e-3, 5.0), 3.0 * rng.normal()
    d0 = d1 * d1 / (4.0 * d2) * rng.choice([1.000001, 1.2, 3.0]) + 1e-4
    return tuple(float(v) for v in (a2, a1, a0, lam, x, d2, d1, d0))


def ratio(eta, a2, a1, a0, lam, x, d2, d1, d0, root):
    top = (a2 * eta + a1) * eta + a0 + lam * (abs(x + eta) - abs(x))
    D = (d2 * eta + d1) * eta + d0
    return top / (D**0.5 if root else D)


def difference(eta, c, a1, lam, x, alpha, d2, d1, d0, root):
    top = 0.5 * c * eta**2 + a1 * eta + lam * (abs(x + eta) - abs(x))
    D = (d2 * eta + d1) * eta + d0
    return top - alpha * (np.maximum(D, 0.0) ** 0.5 if root else D)


def top_ratio(eta, a2, a1, a0, lam, x, t, base):
    top = (a2 * eta + a1) * eta + a0 + lam * (abs(x + eta) - abs(x))
    return top / (base + np.maximum(abs(x + eta) - t, 0.0))


GRID = np.linspace(-FAR, FAR, 20001)


@pytest.mark.parametrize("seed", range(5))
def test_ratio_is_least_on_a_grid(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        case = draw(rng)
        tried = np.append(GRID, [0.0, -case[4]])
        for root in (True, False):
            wanted = ratio(tried, *case, root).min()
            if root:
                eta = least_root_ratio(*case)
                ends = (-np.inf, np.inf)
            else:
                eta = least_plain_ratio(*case, FAR)
                ends = (-FAR, FAR)
            found = ratio(eta, *case, root)
            assert found <= wanted * (1.0 + 1e-12)
            _, value = least_ratios(*case, *ends, root)
            assert value == pytest.approx(found, rel=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_linear_pieces_of_a_denominator(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        a2, a1, a0, lam, x, *_ = draw(rng)
        t, base = rng.uniform(0.1, 2.0), rng.uniform(0.5, 2.0)
        # base + max(abs(x + eta) - t, 0)
        pieces = [
            (-1.0, base - x - t, -np.inf, -x - t),
            (0.0, base, -x - t, t - x),
            (1.0, base + x - t, t - x, np.inf),
        ]
        case = (a2, a1, a0, lam, x)
        eta = least_linear_ratio(a2, a1, a0, lam, x, pieces)
        tried = np.append(GRID, [0.0, -x, t - x, -t - x])
        found = top_ratio(eta, *case, t, base)
        assert found <= top_ratio(tried, *case, t, base).min() * (1.0 + 1e-12)
        arrays = np.array(pieces).T
        _, least = least_ratios(a2, a1, a0, lam, x, 0.0, *arrays, False)
        assert least.min() == pytest.approx(found, rel=1e-11)
        one = least_differences(2.0 * a2, a1, lam, x, 0.3, 0.0 * arrays[0], *arrays)
        few = [(0.0, *piece) for piece in pieces]
        other = least_piece_difference(2.0 * a2, a1, lam, x, 0.3, few)
        assert other == pytest.approx(one, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_difference_is_least_on_a_grid(seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        a2, a1, _, lam, x, d2, d1, d0 = draw(rng)
        alpha = rng.uniform(0.01, 5.0)
        case = (2.0 * a2, a1, lam, x, alpha, d2, d1, d0)
        tried = np.append(GRID, [0.0, -x])
        scale = alpha * d0**0.5
        eta = least_root_difference(*case)
        wanted = difference(tried, *case, True).min()
        assert difference(eta, *case, True) <= wanted + 1e-12 * scale
        pieces = [np.array([v]) for v in (d2, d1, d0, -FAR, FAR)]
        eta = least_differences(*case[:5], *pieces)
        wanted = difference(tried, *case, False).min()
        assert difference(eta, *case, False) <= wanted + 1e-9 * abs(wanted)
        other = least_piece_difference(*case[:5], [(d2, d1, d0, -FAR, FAR)])
        assert other == pytest.approx(eta, rel=1e-12)


def test_parametric_and_fractional_steps_stop_together(rng):
    for _ in range(100):
        a2, a1, a0, lam, x, d2, d1, d0 = draw(rng)
        for _ in range(60):
            alpha = a0 / d0**0.5
            eta = least_root_difference(2.0 * a2, a1, lam, x, alpha, d2, d1, d0)
            a0 += (a2 * eta + a1) * eta + lam * (abs(x + eta) - abs(x))
            a1, x = a1 + 2.0 * a2 * eta, x + eta
            d0, d1 = d0 + (d2 * eta + d1) * eta, d1 + 2.0 * d2 * eta
        eta = least_root_ratio(a2, a1, a0, lam, x, d2, d1, d0)
        least = ratio(eta, a2, a1, a0, lam, x, d2, d1, d0, True)
        assert least == pytest.approx(a0 / d0**0.5, rel=1e-12)


def test_a_constant_denominator_leaves_the_numerator():
    # soft(-a1, lam) / (2 a2) of a lasso in one variable
    case = (0.5, -3.0, 10.0, 1.0, 0.0, 0.0, 0.0, 4.0)
    assert least_root_ratio(*case) == pytest.approx(2.0)
    assert least_plain_ratio(*case, FAR) == pytest.approx(2.0)
    assert_allclose(least_ratios(*case, -np.inf, np.inf, True)[0], 2.0)
    assert least_root_difference(1.0, -3.0, 1.0, 0.0, 2.0, 0.0, 0.0, 4.0) == 2.0


def test_an_exact_zero_is_reached():
    # The numerator is least at zero and the denominator hardly moves.
    eta = least_root_ratio(0.5, 0.3, 1.0, 1.0, 0.3, 1e-6, 1e-7, 1.0)
    assert eta == -0.3
    assert least_root_difference(1.0, 0.3, 1.0, 0.3, 1.0, 1e-6, 1e-7, 1.0) == -0.3


def test_a_collinear_column_is_an_absolute_value():
    # sqrt(D) = abs(1 + eta): the ratio has a pole at -1, and is still minimised.
    case = (0.5, 0.0, 2.0, 0.0, 0.0, 1.0, 2.0, 1.0)
    eta = least_root_ratio(*case)
    tried = np.append(GRID[abs(GRID + 1.0) > 1e-3], 0.0)
    assert ratio(eta, *case, True) <= ratio(tried, *case, True).min()
    eta = least_root_difference(1.0, 0.0, 0.0, 0.0, 2.0, 1.0, 2.0, 1.0)
    assert eta == pytest.approx(2.0)


def test_empty_pieces_are_left_out():
    case = (0.5, 1.0, 2.0, 0.1, 0.5, 1.0, 0.0, 1.0)
    eta, value = least_ratios(*case, np.array([-1.0, 3.0]), np.array([1.0, 2.0]), True)
    assert -1.0 <= eta[0] <= 1.0
    assert value[1] == np.inf
