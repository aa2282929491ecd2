"""Conjugates against a search for the supremum, domains, and balanced dual points."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar

from skopt2.losses import HuberizedHinge, Logistic, Poisson, Squared, SquaredHinge
from tests.losses.reference import ALL, SCALAR, data


@pytest.mark.parametrize("name", SCALAR)
def test_conjugate_is_the_supremum(name, rng):
    loss, formula = SCALAR[name]
    y, eta, s = data(loss, rng, n=15)
    # Shrunk gradients are points of the domain that no optimality condition selects.
    theta = rng.uniform(0.3, 0.95, 15) * loss.gradient(y, eta)
    assert loss.to_domain(y, theta) == 1
    expected = 0
    for weight, target, slope in zip(s, y, theta, strict=True):
        best = minimize_scalar(
            lambda t, target=target, slope=slope: formula(target, t) - slope * t,
            bounds=(-30, 30),
            method="bounded",
            options={"xatol": 1e-9},
        )
        expected -= weight * best.fun
    assert_allclose(loss.conjugate(y, theta, s), expected, atol=1e-7)


@pytest.mark.parametrize("name", ALL)
def test_fenchel_young_equality_at_the_gradient(name, rng):
    loss, _ = ALL[name]
    y, eta, s = data(loss, rng)
    theta = loss.gradient(y, eta)
    both = loss.value(y, eta, s) + loss.conjugate(y, theta, s)
    inner = np.sum(theta * eta, axis=1) if eta.ndim == 2 else theta * eta
    assert_allclose(both, s @ inner, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_fenchel_young_inequality(name, rng):
    loss, _ = ALL[name]
    y, eta, s = data(loss, rng)
    for t in (0.0, 0.2, 0.9):
        theta = t * loss.gradient(y, rng.permutation(eta))
        inner = np.sum(theta * eta, axis=1) if eta.ndim == 2 else theta * eta
        both = loss.value(y, eta, s) + loss.conjugate(y, theta, s)
        assert both >= s @ inner - 1e-12


@pytest.mark.parametrize("name", ALL)
def test_gradients_are_in_the_domain(name, rng):
    loss, _ = ALL[name]
    y, eta, _ = data(loss, rng)
    assert loss.to_domain(y, loss.gradient(y, eta)) == pytest.approx(1, abs=1e-14)
    assert loss.to_domain(y, 0 * eta) == 1


@pytest.mark.parametrize(
    ("name", "y", "theta", "scale"),
    [
        ("huber", [0.0, 0.0], [1.6, -0.4], 0.5),
        ("quantile", [0.0, 0.0], [0.7, -0.6], 0.5),
        ("smooth quantile", [0.0, 0.0], [1.4, -0.3], 0.5),
        ("poisson", [2.0, 1.0], [-4.0, 9.0], 0.5),
        ("poisson", [0.0, 1.0], [-1e-9, 9.0], 0.0),
        ("logistic", [1.0, -1.0], [-4.0, 0.5], 0.25),
        ("logistic", [1.0, -1.0], [1e-9, 0.5], 0.0),
        ("squared_hinge", [1.0, -1.0], [-4.0, 9.0], 1.0),
        ("squared_hinge", [1.0, -1.0], [-4.0, -1e-9], 0.0),
        ("huberized_hinge", [1.0, -1.0], [-0.5, 2.0], 0.5),
        ("huberized_hinge", [1.0, -1.0], [0.1, 2.0], 0.0),
        ("multinomial", [[1.0, 0.0]], [[-2.0, 2.0]], 0.5),
        ("multinomial", [[1.0, 0.0]], [[1.0, -1.0]], 0.0),
        ("sparsemax", [[0.5, 0.5]], [[1.0, -1.0]], 0.5),
    ],
)
def test_to_domain_is_the_largest_scale(name, y, theta, scale):
    assert ALL[name][0].to_domain(np.array(y), np.array(theta)) == pytest.approx(scale)


@pytest.mark.parametrize("name", ALL)
def test_balanced_points_are_orthogonal_to_constants_and_in_the_domain(name, rng):
    loss, _ = ALL[name]
    y, eta, s = data(loss, rng)
    theta = loss.gradient(y, eta)
    balanced = loss.balance(y, theta, s)
    assert_allclose(s @ balanced, 0, atol=1e-14)
    if loss.task == "multiclass":
        assert_allclose(balanced.sum(axis=1), 0, atol=1e-14)
    if name != "squared":
        assert loss.to_domain(y, balanced) == pytest.approx(1, abs=1e-13)
    # A point that is balanced already stays where it is.
    assert_allclose(loss.balance(y, balanced, s), balanced, atol=1e-13)


def test_squared_loss_of_several_outputs_is_the_sum(rng):
    loss, s = Squared(), rng.uniform(0, 1, 7)
    s /= s.sum()
    y, eta = rng.standard_normal((2, 7, 3))
    for name in ("value", "conjugate"):
        parts = [getattr(loss, name)(y[:, k], eta[:, k], s) for k in range(3)]
        assert_allclose(getattr(loss, name)(y, eta, s), sum(parts))
    balanced = loss.balance(y, eta, s)
    assert_allclose(balanced[:, 1], loss.balance(y[:, 1], eta[:, 1], s))
    assert_allclose(loss.intercept_start(y, s), s @ y)


def test_balance_of_one_sided_points():
    y, s = np.ones(3), np.full(3, 1 / 3)
    for loss in (Logistic(), SquaredHinge(), HuberizedHinge(), Poisson()):
        theta = np.array([-0.2, 0.0, -0.5])
        assert_allclose(loss.balance(y, theta, s), 0)
        assert_allclose(loss.balance(-y, -theta, s), 0)
        assert_allclose(loss.balance(y, 0 * theta, s), 0)
