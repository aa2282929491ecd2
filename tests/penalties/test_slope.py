"""The sorted l1 norm against closed forms, linear programs and quadratic programs."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize

from skopt2._core.array import device_of
from skopt2.penalties import L1, Slope
from skopt2.penalties.structured import precision

WEIGHTS = np.array([3.0, 2.0, 2.0, 0.5, 0.0])
ONES = np.ones(5)


def brute_norm(v, weights):
    """Largest sum of weights and sizes over all orders, which the sorted one is."""
    orders = itertools.permutations(np.abs(v))
    return max(np.dot(order, weights) for order in orders)


def vertices(weights):
    """All signed permutations of the weights: the corners of the dual ball."""
    orders = np.array(list(itertools.permutations(weights)))
    signs = np.array(list(itertools.product([-1, 1], repeat=len(weights))))
    return (orders[:, None, :] * signs[None, :, :]).reshape(-1, len(weights))


def test_value_is_the_largest_over_orders(rng):
    v = rng.standard_normal(5)
    assert_allclose(Slope(WEIGHTS).value(v, 2 * ONES), 2 * brute_norm(v, WEIGHTS))


def test_families():
    oscar = Slope("oscar", q=0.25).for_features(3).weights
    assert_allclose(oscar, [1.5, 1.25, 1.0])
    v = np.array([3.0, -1.0, 2.0])
    pairs = sum(max(abs(a), abs(b)) for a, b in itertools.combinations(v, 2))
    assert_allclose(Slope("oscar", q=0.25).value(v, np.ones(3)), 6 + 0.25 * pairs)
    # Two-sided levels 0.1 / 2 and 0.1 of the normal distribution, from its tables.
    bh = Slope(q=0.1).for_features(2).weights
    assert_allclose(bh, [1.959963984540054, 1.6448536269514722], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_prox_against_a_quadratic_program(scale, rng):
    """J is the largest of linear functions: an epigraph form with few of them active.

    The optimality conditions are checked on all corners of the dual ball: z - v is in
    the ball and attains the norm.
    """
    corners = vertices(WEIGHTS)
    for _ in range(5):
        z = scale * rng.standard_normal(5) * 4
        v = Slope(WEIGHTS).prox(z, 0.7 * scale, ONES)
        u = (z - v) / (0.7 * scale)
        found = linprog(
            np.zeros(len(corners)),
            A_eq=np.vstack([corners.T, np.ones(len(corners))]),
            b_eq=np.append(u, 1.0),
        )
        assert found.status == 0
        assert_allclose(u @ v, brute_norm(v, WEIGHTS), rtol=1e-12, atol=1e-300)


def test_constant_weights_are_the_l1_norm(rng):
    z, lam, step = rng.standard_normal((3, 40))
    lam = np.abs(lam)
    lam[:2] = 0.0, np.inf
    one = Slope(np.ones(40))
    finite = np.where(np.isfinite(lam) & (lam > 0), lam, 1.0)
    step = 0.3 / finite**2
    assert_allclose(one.prox(z, step, lam), L1().prox(z, step, lam), atol=1e-14)
    w = one.prox(z, step, lam)
    assert_allclose(one.value(w, lam), L1().value(w, lam))
    # Equal sizes make a cluster: only without ties are the two derivatives the same.
    assert_allclose(one.derivative(w, lam), L1().derivative(w, lam), atol=1e-14)
    held = lam > 0
    ours = one.subdiff_distance(w, z, lam)[held]
    assert_allclose(ours, L1().subdiff_distance(w, z, lam)[held], atol=1e-14)
    assert_allclose(
        one.dual_scale(z[held], lam[held]),
        1 / max(1, (np.abs(z[held]) / lam[held]).max()),
    )


def test_ties_stay_ties():
    v = Slope([3.0, 2.0, 1.0]).prox(np.array([5.0, -5.0, 5.0]), 1.0, np.ones(3))
    assert_array_equal(v, [3.0, -3.0, 3.0])
    v = Slope([3.0, 1.0]).prox(np.array([4.0, 3.5]), 1.0, np.ones(2))
    assert v[0] == v[1] == 1.75


def test_dual_norm_is_the_largest_over_the_unit_ball(rng):
    u = rng.standard_normal(5)
    # Corners of the ball {J <= 1}: k equal entries.
    best = max(
        np.sort(np.abs(u))[::-1][:k].sum() / WEIGHTS[:k].sum() for k in range(1, 6)
    )
    assert_allclose(Slope(WEIGHTS).alpha_max(u, ONES), best)
    # The same by a linear program over the corners of the dual ball.
    corners = vertices(WEIGHTS)
    top = linprog(-u, A_ub=corners, b_ub=np.ones(len(corners)), bounds=(None, None))
    assert_allclose(-top.fun, best, rtol=1e-9)
    assert_allclose(Slope(WEIGHTS).dual_scale(9 * u, ONES), 1 / max(9 * best, 1.0))


def test_distance_is_that_of_the_nearest_subgradient(rng):
    """Corners of the subdifferential: signed orders that attain the norm."""
    w = np.array([2.0, -1.0, 1.0, 0.0, 0.0])
    corners = vertices(WEIGHTS)
    face = corners[np.isclose(corners @ w, brute_norm(w, WEIGHTS))]
    face = np.unique(face, axis=0)
    for _ in range(5):
        grad = 3 * rng.standard_normal(5)
        found = minimize(
            lambda a, g=grad: np.sum((a @ face + g) ** 2),
            np.full(len(face), 1 / len(face)),
            jac=lambda a, g=grad: 2 * face @ (a @ face + g),
            bounds=[(0, 1)] * len(face),
            constraints={
                "type": "eq",
                "fun": lambda a: a.sum() - 1,
                "jac": np.ones_like,
            },
            options={"ftol": 1e-14, "maxiter": 500},
        )
        distance = Slope(WEIGHTS).subdiff_distance(w, grad, ONES)
        assert_allclose(np.sum(distance**2), found.fun, rtol=1e-5, atol=1e-7)


def test_prox_points_are_stationary(rng):
    penalty = Slope(q=0.2).for_features(60)
    lam = rng.uniform(0.5, 2, 60)
    lam[:2] = 0.0, np.inf
    z = rng.standard_normal(60) * 4
    step = 0.5 / np.where((lam > 0) & np.isfinite(lam), lam, 1.0) ** 2
    w = penalty.prox(z, step, lam)
    assert 5 < np.count_nonzero(w) < 58
    assert penalty.subdiff_distance(w, (w - z) / step, lam).max() < 1e-12


def test_pieces_give_the_value_and_its_slopes(rng):
    penalty = Slope(WEIGHTS)
    w = np.array([2.0, -1.0, 1.0, 0.0, 0.5])
    lam = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    labels, direction, slopes = penalty.pieces(w, lam, precision(w))
    assert_array_equal(labels, [0, 1, 1, -1, 2])
    x = np.array([2.0, 1.0, 0.5])
    assert_allclose(np.where(labels >= 0, direction * x[labels], 0), w)
    assert_allclose(slopes @ x, penalty.value(w, lam))
    assert_allclose(slopes, [3.0, 4.0, 0.0])


def test_unequal_steps_are_refused():
    with pytest.raises(ValueError, match=r"step \* lam\^2"):
        Slope([2.0, 1.0]).prox(np.ones(2), np.array([1.0, 2.0]), np.ones(2))


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (Slope("fdr"), "'bh', 'oscar' or a vector"),
        (Slope(q=1.0), r"in \(0, 1\)"),
        (Slope("oscar", q=-1.0), "nonnegative"),
        (Slope([1.0, 2.0]), "sort them"),
        (Slope([0.0, 0.0]), "first positive"),
        (Slope([[1.0]]), "vector with one number"),
        (Slope(["a"]), "vector with one number"),
    ],
)
def test_bad_parameters_name_the_value_and_the_fix(penalty, message):
    with pytest.raises(ValueError, match=message):
        penalty.check_parameters()


def test_weights_must_fit_the_features():
    with pytest.raises(ValueError, match="2 entries, but X has 3 features"):
        Slope([2.0, 1.0]).check_parameters(n_features=3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_namespace_agrees(dtype, device_backend):
    rng = np.random.default_rng(3)
    z, grad = rng.standard_normal((2, 30, 2)) * 3
    lam = np.full((30, 1), 0.8)
    lam[3], lam[4] = np.inf, 0.0
    penalty = Slope("oscar", q=0.02).for_features(30)

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
            penalty.alpha_max(put(grad), put(lam)),
        ]

    found = answers(lambda x: device_backend.asarray(x, dtype))
    right = answers(lambda x: np.asarray(x, dtype=dtype))
    for one, other in zip(found, right, strict=True):
        if not isinstance(one, float):
            one = device_backend.to_numpy(one)
        assert_array_equal(one, other)
