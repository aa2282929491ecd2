import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning

from skopt2.transport import sinkhorn, wasserstein_barycenter


def rows(X):
    """Return the points in a fixed order."""
    return X[np.lexsort(X.T.round(6))]


def test_midpoints_of_an_assignment_are_the_barycentre(rng):
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0)), -1).reshape(12, 2)
    jitter = 0.1 * rng.random((2, 12, 2))
    Y = [grid + jitter[0], (1.3 * grid + jitter[1] + [2.0, 1.0])[::-1]]
    C = ((Y[0][:, None] - Y[1]) ** 2).sum(-1)
    i, j = linear_sum_assignment(C)
    expected = 0.25 * Y[0][i] + 0.75 * Y[1][j]
    options = {"reg": 0.02, "weights": [1, 3], "tol": 1e-6}
    result = wasserstein_barycenter(Y, support=Y[0], **options)
    np.testing.assert_allclose(rows(result.support), rows(expected), atol=1e-5)
    # Plans with errors e cost up to e max(C) too much; these have a tenth of tol.
    # sum_k w_k W_2^2(b_k, p) = w_0 w_1 W_2^2(b_0, b_1).
    assert result.cost == pytest.approx(3 / 16 * C[i, j].mean(), rel=2e-5)


@pytest.mark.parametrize("debiased", [False, True])
def test_one_cloud_is_its_own_barycentre(rng, debiased):
    Y = rng.random((10, 3))
    result = wasserstein_barycenter(
        [Y], reg=1e-3, n_support=10, debiased=debiased, random_state=0, tol=1e-7
    )
    np.testing.assert_allclose(rows(result.support), rows(Y), atol=1e-5)


def test_debiasing_keeps_the_width_of_a_cloud(rng):
    Y = rng.normal(size=(60, 2))
    Y -= Y.mean(axis=0)
    options = {"reg": 1.0, "support": 0.3 * Y, "tol": 1e-3}
    blurred = wasserstein_barycenter([Y - 2.0, Y + 2.0], **options)
    sharp = wasserstein_barycenter([Y - 2.0, Y + 2.0], debiased=True, **options)
    assert blurred.support.var(axis=0).mean() < 0.7 * Y.var()
    assert sharp.support.var(axis=0).mean() == pytest.approx(Y.var(), rel=0.05)


def test_moving_all_clouds_moves_the_barycentre(rng):
    Y = [rng.random((15, 2)), rng.random((20, 2)), rng.random((10, 2))]
    options = {"reg": 0.05, "n_support": 8, "random_state": 3}
    one = wasserstein_barycenter(Y, **options)
    other = wasserstein_barycenter([y + [30.0, -5.0] for y in Y], **options)
    moved = one.support + [30.0, -5.0]
    np.testing.assert_allclose(other.support, moved, atol=1e-9)


def test_points_and_clouds_without_mass_count_nothing(rng):
    Y, far = [rng.random((9, 2)), rng.random((7, 2))], np.full((2, 2), 50.0)
    b = [rng.random(9) + 0.1, rng.random(7) + 0.1]
    options = {"reg": 0.1, "support": rng.random((6, 2)), "tol": 1e-6}
    plain = wasserstein_barycenter(Y, masses=b, weights=[1, 2], **options)
    more = wasserstein_barycenter(
        [Y[0], far, np.vstack([far, Y[1]])],
        masses=[5 * b[0], [1, 1], np.concatenate([[0, 0], b[1]])],
        weights=[1, 0, 2],
        **options,
    )
    np.testing.assert_allclose(more.support, plain.support, atol=1e-12)
    plan = more.plan(2)
    assert plan.shape == (9, 6)
    assert (plan[:2] == 0).all()
    np.testing.assert_allclose(plan[2:], plain.plan(1), atol=1e-12)
    assert (more.potentials[0][2][:2] == -np.inf).all()
    assert np.isnan(more.potentials[0][1]).all()
    with pytest.raises(ValueError, match="weight 0"):
        more.plan(1)


def test_the_result_proves_itself(rng):
    Y = [rng.random((9, 2)) + 4.0, rng.random((7, 2))]
    result = wasserstein_barycenter(Y, reg=0.2, n_support=5, random_state=1, tol=1e-6)
    np.testing.assert_allclose(result.barycenter, 0.2)
    assert result.certificate.name == "fixed-point error"
    assert max(result.displacement, result.marginal_error) <= 1e-6
    objective, cost = 0.0, 0.0
    for k, y in enumerate(Y):
        P, C = result.plan(k), ((y[:, None] - result.support) ** 2).sum(-1)
        f, g = (potentials[k] for potentials in result.potentials)
        np.testing.assert_allclose(P, np.exp((f[:, None] + g - C) / 0.2), rtol=1e-9)
        np.testing.assert_allclose(P.sum(0), 0.2, atol=1e-6)
        objective += 0.5 * sinkhorn(None, None, C, 0.2, tol=1e-9).objective
        cost += 0.5 * (P * C).sum()
    assert result.objective == pytest.approx(objective, abs=1e-6)
    assert result.cost == pytest.approx(cost, rel=1e-9)
    assert 0 <= result.dual_gap < 1e-5
    assert {"marginal_error", "n_inner"} <= set(result.history)


def test_a_result_is_a_start(rng):
    Y = [rng.random((20, 2)), rng.random((20, 2)) + 1.0]
    cold = wasserstein_barycenter(Y, reg=0.02, n_support=12, random_state=0)
    warm = wasserstein_barycenter(Y, reg=0.02, support=cold.support)
    assert warm.n_iter <= 3 < cold.n_iter


def test_more_points_than_there_are(rng):
    Y = [np.array([[0.0, 0.0], [4.0, 0.0]])]
    result = wasserstein_barycenter(Y, reg=0.1, n_support=4, random_state=2)
    assert result.support.shape == (4, 2)
    found = np.sort(result.support[:, 0])
    np.testing.assert_allclose(found, [0.0, 0.0, 4.0, 4.0], atol=1e-2)


def test_random_state_and_precision(rng):
    Y = [rng.random((20, 2)).astype(np.float32) for _ in range(2)]
    options = {"reg": 0.1, "n_support": 6}
    one, other, third = (
        wasserstein_barycenter(np.stack(Y), random_state=seed, **options)
        for seed in (0, 0, 1)
    )
    assert one.support.dtype == one.barycenter.dtype == np.float32
    np.testing.assert_array_equal(one.support, other.support)
    assert np.abs(one.support - third.support).max() > 1e-4


def test_devices(rng, cuda_stand_in):
    Y = [rng.random((9, 2)), rng.random((7, 2))]
    options = {"reg": 0.2, "support": rng.random((4, 2)), "tol": 1e-5}
    here = wasserstein_barycenter(Y, **options)
    sent = wasserstein_barycenter(Y, device="cuda", **options)
    assert isinstance(sent.support, np.ndarray)
    np.testing.assert_allclose(sent.support, here.support, atol=1e-5)
    there = wasserstein_barycenter([cuda_stand_in.upload(y, 1) for y in Y], **options)
    for x in (there.support, there.barycenter, there.potentials[0][1], there.plan(0)):
        assert cuda_stand_in.index_of(x) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_support": 0}, "n_support must be a positive integer; got 0"),
        ({"n_support": True}, "n_support must be a positive integer"),
        ({"support": np.ones((3, 1))}, "support has 1 features"),
        ({"support": np.full((3, 2), np.nan)}, "support must be finite"),
        ({"support": np.ones((3, 2)), "n_support": 4}, "support has 3 points"),
        ({"measures": [np.ones((2, 2)), np.ones((2, 3))]}, r"features; got \[2, 3\]"),
        ({"measures": []}, "at least one point cloud"),
        ({"measures": [np.ones(2)]}, r"measures\[0\] must have the shape"),
        ({"measures": [[[np.inf, 1.0]]]}, r"measures\[0\] must be finite"),
        ({"masses": [[1, 1]]}, "masses holds 1 arrays, expected 2"),
        ({"masses": [[1, 1, 1], [1, 1]]}, r"masses\[0\] has the shape"),
        ({"masses": [[1, -1], [1, 1]]}, r"masses\[0\] must be finite and nonneg"),
        ({"masses": [[0, 0], [1, 1]]}, "positive sum"),
        ({"weights": [1, 2, 3]}, r"expected \(2,\)"),
    ],
)
def test_bad_input(change, message):
    measures = [np.zeros((2, 2)), np.ones((2, 2))]
    arguments = {"measures": measures, "reg": 1.0, "n_support": 2, **change}
    if "support" in change and "n_support" not in change:
        arguments["n_support"] = None
    with pytest.raises(ValueError, match=message):
        wasserstein_barycenter(**arguments)


def test_stopping_early_is_told(rng):
    with pytest.warns(ConvergenceWarning, match="fixed-point error"):
        result = wasserstein_barycenter(
            [rng.random((9, 2))], reg=0.1, n_support=4, max_iter=1, random_state=0
        )
    assert not result.converged
