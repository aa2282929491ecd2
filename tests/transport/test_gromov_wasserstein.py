import itertools

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import xlogy
from sklearn.exceptions import ConvergenceWarning

from skopt2.transport import gromov_wasserstein, sinkhorn


def squares(X):
    return ((X[:, None] - X) ** 2).sum(-1)


def curve(rng, n):
    """Points of a plane without symmetries."""
    X = rng.normal(size=(n, 2)) * [2.0, 1.0]
    X[:, 0] += 0.3 * X[:, 1] ** 2
    return X


def rotated(rng, X):
    """Return the points turned, moved and in another order, and that order."""
    Q, _ = np.linalg.qr(rng.normal(size=(2, 2)))
    order = rng.permutation(len(X))
    return (X @ Q + 7.0)[order], order


def masses(rng, n):
    a = rng.random(n) + 0.1
    return a / a.sum()


@pytest.mark.parametrize("metric", ["precomputed", "sqeuclidean", "euclidean"])
@pytest.mark.parametrize("proximal", [False, True])
def test_a_rotated_cloud_is_recognised(rng, metric, proximal):
    X = curve(rng, 25)
    Y, order = rotated(rng, X)
    spaces, reg = (X, Y), 0.02
    if metric == "precomputed":
        spaces = squares(X), squares(Y)
    if metric == "euclidean":
        reg = 1e-3
    result = gromov_wasserstein(
        *spaces,
        reg=reg,
        metric=metric,
        proximal=proximal,
        n_init=4,
        tol=1e-4,
        random_state=0,
    )
    assert result.converged
    np.testing.assert_array_equal(order[result.plan.argmax(axis=1)], np.arange(25))
    assert result.quadratic_cost == pytest.approx(0.0, abs=0.05)
    assert result.linear_cost == 0.0


@pytest.mark.parametrize("proximal", [False, True])
def test_neither_order_nor_position_matters(rng, proximal):
    X, Y = curve(rng, 14), rng.normal(size=(11, 3))
    a, b, M = masses(rng, 14), masses(rng, 11), rng.random((14, 11))
    moved, order = rotated(rng, X)
    options = {"reg": 0.5, "metric": "sqeuclidean", "proximal": proximal, "tol": 1e-8}
    one = gromov_wasserstein(X, Y, a, b, M=M, **options)
    other = gromov_wasserstein(moved, Y, a[order], b, M=M[order], **options)
    np.testing.assert_allclose(other.plan, one.plan[order], atol=1e-6)
    assert other.objective == pytest.approx(one.objective, rel=1e-7)
    # The roles of the spaces can change as well, and with them the side of low rank.
    back = gromov_wasserstein(Y, X, b, a, M=M.T, **options)
    np.testing.assert_allclose(back.plan.T, one.plan, atol=1e-6)


@pytest.mark.parametrize("tol", [0.1, 1e-4, 1e-7])
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_the_certificate_bounds_the_distance(rng, noise, tol):
    X = rng.normal(size=(30, 2)) * [2.0, 1.0]
    Y = X[rng.permutation(30)] + noise * rng.normal(size=(30, 2))
    Cx, Cy = squares(X) / squares(X).max(), squares(Y) / squares(Y).max()
    result = gromov_wasserstein(Cx, Cy, reg=0.01, tol=tol)
    P = result.plan
    a, b = P.sum(axis=1), P.sum(axis=0)
    G = 2.0 * (Cx**2 @ a)[:, None] + 2.0 * (Cy**2 @ b) - 4.0 * Cx @ P @ Cy
    again = sinkhorn(a, b, G, 0.01, tol=1e-12, max_iter=20_000)
    assert again.converged
    distance = np.abs(again.plan - P).sum()
    assert 0.0 < distance <= result.stationarity <= tol
    # The bound would be of little use were it much larger.
    assert result.stationarity < 100.0 * distance


@pytest.mark.parametrize("reg", [1e4, 1.0, 1e-2])
def test_the_gap_of_the_proximal_variant_bounds_that_of_the_assignment(rng, reg):
    X, Y = curve(rng, 20), curve(rng, 20)
    Cx, Cy, a = squares(X), squares(Y), np.full(20, 0.05)
    result = gromov_wasserstein(Cx, Cy, reg=reg, proximal=True)
    assert result.converged
    P = result.plan
    constant = 2.0 * (Cx**2 @ a)[:, None] + 2.0 * (Cy**2 @ a)
    G = constant - 4.0 * Cx @ P @ Cy
    rows, cols = linear_sum_assignment(G)
    exact = (G * P).sum() - G[rows, cols].mean()
    scale = np.abs(constant - 4.0 * (Cx @ a)[:, None] * (Cy @ a)).max()
    assert exact <= (result.stationarity + 1e-8) * scale
    assert result.stationarity <= 1e-6
    # The weight of the first step is no worse for being huge.
    assert result.n_iter < 300


def test_a_bad_vertex_is_left(rng):
    # Where a plan is zero a step multiplies zero.
    X = np.array([[0.0], [1.0], [3.0], [7.0]])
    start = np.eye(4)[[1, 0, 2, 3]]
    result = gromov_wasserstein(
        X, X, reg=1.0, metric="sqeuclidean", proximal=True, start=start
    )
    np.testing.assert_allclose(result.plan, np.eye(4) / 4, atol=1e-6)
    assert result.cost == pytest.approx(0.0, abs=1e-5)


def test_the_best_permutation_of_all(rng):
    X, Y = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    Cx, Cy = squares(X), squares(Y)
    best = min(
        ((Cx - Cy[np.ix_(p, p)]) ** 2).sum() / 25
        for p in itertools.permutations(range(5))
    )
    result = gromov_wasserstein(Cx, Cy, reg=0.02, n_init=10, random_state=1)
    assert result.cost == pytest.approx(best, rel=1e-4)
    one = gromov_wasserstein(Cx, Cy, reg=0.02)
    assert one.start_number == 0
    assert one.objective >= result.objective - 1e-9


def test_the_ends_of_fused_transport(rng):
    X, Y = curve(rng, 12), curve(rng, 15)
    M = rng.random((12, 15))
    spaces = squares(X), squares(Y)
    linear = gromov_wasserstein(*spaces, reg=0.05, M=M, alpha=0.0, tol=1e-9)
    expected = sinkhorn(None, None, M, 0.05, tol=1e-10)
    np.testing.assert_allclose(linear.plan, expected.plan, atol=1e-9)
    assert linear.objective == pytest.approx(expected.objective, abs=1e-8)
    assert linear.cost == linear.linear_cost == pytest.approx(expected.cost, abs=1e-8)
    quadratic = gromov_wasserstein(*spaces, reg=3.0, M=M, alpha=1.0, tol=1e-9)
    plain = gromov_wasserstein(*spaces, reg=3.0, tol=1e-9)
    np.testing.assert_allclose(quadratic.plan, plain.plan, atol=1e-8)
    assert quadratic.alpha == plain.alpha == 1.0
    between = gromov_wasserstein(*spaces, reg=3.0, M=M)
    assert between.alpha == 0.5
    mean = 0.5 * between.linear_cost + 0.5 * between.quadratic_cost
    assert between.cost == pytest.approx(mean)


def test_costs_between_spaces_break_ties(rng):
    # A square maps onto itself in eight ways; labels single one of them out.
    X = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    order = np.array([2, 3, 0, 1])
    M = (np.arange(4)[:, None] != order).astype(float)
    result = gromov_wasserstein(
        X, X, reg=0.01, M=M, alpha=0.5, metric="sqeuclidean", tol=1e-8
    )
    np.testing.assert_allclose(result.plan, (M == 0) / 4, atol=1e-6)


def test_the_result_proves_itself(rng):
    X, Y = curve(rng, 12), curve(rng, 10)
    a, b = masses(rng, 12), masses(rng, 10)
    Cx, Cy, M = squares(X), squares(Y), rng.random((12, 10))
    result = gromov_wasserstein(Cx, Cy, 5 * a, 5 * b, reg=2.0, M=M, alpha=0.7, tol=1e-8)
    P = result.plan
    error = np.abs(P.sum(1) - a).sum() + np.abs(P.sum(0) - b).sum()
    assert result.marginal_error == pytest.approx(error, rel=1e-3, abs=1e-14)
    L = (Cx[:, None, :, None] - Cy[None, :, None, :]) ** 2
    quadratic = np.einsum("ijkl,ij,kl->", L, P, P)
    assert result.quadratic_cost == pytest.approx(quadratic, rel=1e-7)
    assert result.linear_cost == pytest.approx((M * P).sum(), rel=1e-12)
    G = 1.4 * np.einsum("ijkl,kl->ij", L, P) + 0.3 * M
    again = sinkhorn(a, b, G, 2.0, tol=1e-11).plan
    assert result.stationarity >= np.abs(again - P).sum() - 1e-9
    assert max(result.stationarity, result.marginal_error) <= 1e-8
    f, g = result.potentials
    np.testing.assert_allclose(np.exp((f[:, None] + g - G) / 2.0), P, atol=1e-8)
    entropy = xlogy(P, P).sum() - P.sum()
    assert result.objective == pytest.approx(result.cost + 2.0 * entropy, abs=1e-6)
    columns = {"objective", "certificate", "residual", "tau", "n_inner"}
    assert columns | {"inner_converged"} <= set(result.history)
    assert result.inner_converged is True
    assert (result.history["inner_converged"] == 1.0).all()


def test_points_without_mass_have_none(rng):
    X, Y = curve(rng, 10), curve(rng, 8)
    a, b = rng.random(10) + 0.1, rng.random(8) + 0.1
    a[[2, 7]], b[0] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    M = rng.random((10, 8))
    options = {"reg": 1.0, "alpha": 0.5, "tol": 1e-9}
    for metric in ("sqeuclidean", "precomputed"):
        spaces = (X, Y) if metric == "sqeuclidean" else (squares(X), squares(Y))
        full = gromov_wasserstein(*spaces, a, b, M=M, metric=metric, **options)
        assert (full.plan[[2, 7]] == 0).all()
        assert (full.plan[:, 0] == 0).all()
        assert (full.potentials[0][[2, 7]] == -np.inf).all()
        part = gromov_wasserstein(
            squares(X[a > 0]),
            squares(Y[b > 0]),
            a[a > 0],
            b[b > 0],
            M=M[a > 0][:, b > 0],
            **options,
        )
        inner = full.plan[a > 0][:, b > 0]
        np.testing.assert_allclose(inner, part.plan, atol=1e-8)


def test_a_plan_is_a_start(rng):
    X, Y = curve(rng, 15), curve(rng, 12)
    options = {"reg": 0.5, "metric": "sqeuclidean"}
    cold = gromov_wasserstein(X, Y, **options)
    warm = gromov_wasserstein(X, Y, start=7.0 * cold.plan, **options)
    assert warm.n_iter < cold.n_iter
    np.testing.assert_allclose(warm.plan, cold.plan, atol=1e-5)


def test_matrices_that_are_not_symmetric(rng):
    C = rng.random((7, 7))
    order = rng.permutation(7)
    result = gromov_wasserstein(
        C, C[np.ix_(order, order)], reg=1e-3, n_init=8, random_state=0, tol=1e-5
    )
    np.testing.assert_array_equal(order[result.plan.argmax(axis=1)], np.arange(7))


def test_the_loss_of_kernels(rng):
    X = curve(rng, 9)
    Y, order = rotated(rng, X)
    K = [np.exp(-0.1 * squares(Z)) + 0.01 for Z in (X, Y)]
    result = gromov_wasserstein(
        *K, reg=1e-4, loss="kl", n_init=8, random_state=0, tol=1e-5
    )
    np.testing.assert_array_equal(order[result.plan.argmax(axis=1)], np.arange(9))
    assert result.quadratic_cost == pytest.approx(0.0, abs=1e-6)


def test_callables_and_precision(rng):
    X, Y = curve(rng, 10), curve(rng, 8)
    options = {"reg": 1.0, "tol": 1e-4}
    one = gromov_wasserstein(X, Y, metric=lambda A, B: squares(A), **options)
    other = gromov_wasserstein(X, Y, metric="sqeuclidean", **options)
    np.testing.assert_allclose(one.plan, other.plan, atol=1e-4)
    options = {"reg": 20.0, "metric": "sqeuclidean", "tol": 1e-4}
    high = gromov_wasserstein(X, Y, **options)
    low = gromov_wasserstein(X.astype(np.float32), Y.astype(np.float32), **options)
    assert low.converged
    assert low.plan.dtype == low.potentials[0].dtype == np.float32
    np.testing.assert_allclose(low.plan, high.plan, atol=1e-3)
    order = rng.permutation(10)
    X = X.astype(np.float32)
    options = {"reg": 1.0, "metric": "sqeuclidean", "proximal": True, "tol": 1e-3}
    low = gromov_wasserstein(X, X[order], **options)
    assert low.converged
    assert low.plan.dtype == np.float32
    np.testing.assert_array_equal(order[low.plan.argmax(axis=1)], np.arange(10))


def test_devices(rng, cuda_stand_in):
    X, Y = curve(rng, 8), curve(rng, 7)
    M = rng.random((8, 7))
    options = {"reg": 1.0, "M": M, "metric": "sqeuclidean", "tol": 1e-8}
    here = gromov_wasserstein(X, Y, **options)
    sent = gromov_wasserstein(X, Y, device="cuda", **options)
    assert isinstance(sent.plan, np.ndarray)
    np.testing.assert_allclose(sent.plan, here.plan, atol=1e-7)
    there = gromov_wasserstein(
        *(cuda_stand_in.upload(Z, 1) for Z in (squares(X), squares(Y))), reg=1.0, M=M
    )
    for x in (there.plan, *there.potentials):
        assert cuda_stand_in.index_of(x) == 1
    assert there.cost == pytest.approx(here.cost, rel=1e-4)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_random_state(rng, n_jobs):
    C = rng.random((2, 8, 8))
    options = {"reg": 0.01, "n_init": 3, "tol": 1e-4, "random_state": 5}
    one = gromov_wasserstein(*C, **options)
    other = gromov_wasserstein(*C, n_jobs=n_jobs, **options)
    np.testing.assert_array_equal(one.plan, other.plan)
    assert one.start_number == other.start_number


def test_one_point_and_equal_points(rng):
    X = rng.normal(size=(5, 2))
    for proximal in (False, True):
        options = {"reg": 1.0, "metric": "sqeuclidean", "proximal": proximal}
        result = gromov_wasserstein(X[:1], X, **options)
        np.testing.assert_allclose(result.plan, np.full((1, 5), 0.2), atol=1e-12)
        assert result.cost == pytest.approx((squares(X) ** 2).mean())
        result = gromov_wasserstein(X[:1].repeat(3, axis=0), X[:2] * 0.0, **options)
        np.testing.assert_allclose(result.plan, np.full((3, 2), 1 / 6), atol=1e-12)
        assert result.cost == pytest.approx(0.0, abs=1e-12)


def test_stopping_early_is_told(rng):
    C = squares(curve(rng, 10)), squares(curve(rng, 10))
    with pytest.warns(ConvergenceWarning, match="max_iter.*Increase max_iter or reg"):
        result = gromov_wasserstein(*C, reg=0.1, max_iter=1)
    assert not result.converged
    with pytest.warns(ConvergenceWarning, match="decrease reg"):
        gromov_wasserstein(*C, reg=10.0, max_iter=2, proximal=True)
    low = [c.astype(np.float32) for c in C]
    with pytest.warns(ConvergenceWarning, match="stalled"):
        gromov_wasserstein(*low, reg=10.0, tol=0.0)


C3 = np.ones((3, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reg": -1.0}, "reg must be a positive number"),
        ({"Cx": np.ones((3, 2))}, r"Cx has the shape \(3, 2\)"),
        ({"Cy": np.ones(3)}, r"Cy must have the shape \(n, m\)"),
        ({"Cy": np.full((2, 2), np.nan)}, "Cy must be finite"),
        ({"a": [1.0, 1.0]}, r"a has the shape \(2,\), expected \(3,\)"),
        ({"b": [1.0, -1.0, 1.0]}, "b must be finite and nonnegative"),
        ({"loss": "cubed"}, "loss must be one of"),
        ({"loss": "kl", "Cy": np.eye(3)}, "needs nonnegative Cx and positive Cy"),
        ({"metric": "hamming"}, "metric must be 'precomputed', one of"),
        ({"alpha": 0.5}, "Pass them as M"),
        ({"alpha": 1.5, "M": C3}, r"alpha must be a number in \[0, 1\]"),
        ({"M": np.ones((3, 2))}, r"M has the shape \(3, 2\), expected \(3, 3\)"),
        ({"start": np.ones((2, 3))}, "start has the shape"),
        ({"start": -C3}, "start must be a plan"),
        ({"start": 0.0 * C3}, "start must be a plan"),
        ({"a": [1.0, 1.0, 1.0], "b": [1.0, 2.0, 1.0]}, "a sums to 3 and b to 4"),
        ({"a": [0.0, 0.0, 0.0]}, "a must be finite and nonnegative with a positive"),
        ({"n_init": 0}, "n_init must be a positive integer"),
        ({"tol": np.inf}, "tol must be a nonnegative number that is finit"),
        ({"max_iter": 1.5}, "max_iter must be a positive integer"),
        ({"Cx": 1e200 * C3}, "squares of the costs overflow"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_input(change, message):
    arguments = {"Cx": C3, "Cy": C3, "reg": 1.0, **change}
    with pytest.raises(ValueError, match=message):
        gromov_wasserstein(**arguments)
