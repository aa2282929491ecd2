"""The private centre and radius: sensitivities, budgets, and what they find."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.array import to_numpy
from skopt2.solvers.privacy import private_center as module
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.private_center import (
    CenterPlan,
    DistanceCounts,
    RowSum,
    center_plan,
    private_center,
    quantile_bin,
    radius_edges,
)
from skopt2.solvers.privacy.rows import Rows

NO_NOISE = CenterPlan(0.0, 0.0)


class Recorder(NoiseSource):
    """Adds no noise, and keeps what would have been drawn."""

    def __init__(self):
        super().__init__(0)
        self.drawn = []

    def draw(self, shape, std):
        self.drawn.append((shape, std))
        return 0.0


def rows_of(X, R=1.0, *, n_rows=None, cuts=(), in_memory=True):
    parts = [X[a:b, :] for a, b in zip((0, *cuts), (*cuts, X.shape[0]), strict=True)]

    def read():
        for part in parts:
            yield part, np.zeros(part.shape[0], dtype=part.dtype), None

    return Rows(
        read,
        X.shape[0] if n_rows is None else n_rows,
        X.shape[1],
        feature_norm=R,
        fit_intercept=False,
        in_memory=in_memory,
    )


def on_backend(X, backend, R=1.0):
    X = backend.asarray(X)
    y = backend.asarray(np.zeros(X.shape[0]), dtype=np.float64)

    def read():
        yield X, backend.xp.astype(y, X.dtype), None

    return Rows(read, *X.shape, feature_norm=R, fit_intercept=False)


def clipped(X, R=1.0):
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return X * np.minimum(1.0, R / np.maximum(norms, 1e-300))


@pytest.mark.parametrize("R", [0.5, 1.0, 40.0])
def test_center_and_counts_are_their_definitions(rng, device_backend, R):
    X = R * rng.standard_normal((200, 6)) * 0.5
    rows = on_backend(X, device_backend, R)
    total = to_numpy(RowSum(rows).clipped_sum())
    assert_allclose(total, clipped(X, R).sum(axis=0), rtol=1e-12, atol=1e-12 * R)
    point = rng.standard_normal(6) * 0.1
    edges = radius_edges(R)
    counts = to_numpy(DistanceCounts(rows, edges[:-1]).clipped_sum(point))
    distance = np.linalg.norm(clipped(X, R) - point, axis=1)
    bins = np.concatenate([[-1.0], edges[:-1], [np.inf]])
    assert_array_equal(counts, np.histogram(distance, bins)[0])
    assert counts.sum() == 200


def test_without_noise(rng):
    X = 0.1 * rng.standard_normal((400, 4)) + np.array([0.5, 0.0, -0.2, 0.1])
    found = private_center(rows_of(X), NO_NOISE, NoiseSource(0))
    assert_allclose(found.center, clipped(X).mean(axis=0), rtol=1e-12)
    distance = np.sort(np.linalg.norm(X - found.center, axis=1))
    assert distance[199] <= found.radius < math.sqrt(2) * distance[200]


def test_in_expectation_with_noise(rng):
    X = 0.1 * rng.standard_normal((2000, 4)) + 0.3
    plan = center_plan(0.5**2)
    seeds = range(300)
    found = [private_center(rows_of(X), plan, NoiseSource(seed)) for seed in seeds]
    centers = np.stack([one.center for one in found])
    std = plan.mean_multiplier / 2000
    error = 5 * std / math.sqrt(300)
    assert np.abs(centers.mean(axis=0) - X.mean(axis=0)).max() < error
    assert abs(centers.std(axis=0).mean() / std - 1) < 0.15
    assert len({one.radius for one in found}) < 3


@pytest.mark.parametrize("in_memory", [True, False])
def test_chunks_make_no_difference(rng, in_memory):
    X = rng.standard_normal((500, 5)) * 0.4
    plan = center_plan(0.1)
    whole = private_center(rows_of(X), plan, NoiseSource(3))
    parts = rows_of(X, cuts=(1, 77, 400), in_memory=in_memory)
    found = private_center(parts, plan, NoiseSource(3))
    assert_allclose(found.center, whole.center, rtol=1e-12)
    assert found.radius == whole.radius


def test_large_blocks_are_read_in_parts(rng, monkeypatch):
    X = rng.standard_normal((100, 3))
    whole = private_center(rows_of(X), NO_NOISE, NoiseSource(0))
    monkeypatch.setattr(module, "STEP", 7)
    parts = private_center(rows_of(X), NO_NOISE, NoiseSource(0))
    assert_allclose(parts.center, whole.center, rtol=1e-12)
    assert parts.radius == whole.radius


def test_batches(rng):
    X = rng.standard_normal((100, 3)) * 0.3
    rows = rows_of(X)
    batch = np.array([3, 17, 60])
    total = RowSum(rows).clipped_sum(rows=batch)
    assert_allclose(total, clipped(X[batch]).sum(axis=0), rtol=1e-12)
    counts = DistanceCounts(rows, radius_edges(1.0)[:-1])
    assert counts.clipped_sum(np.zeros(3), batch).sum() == 3
    nobody = np.array([], dtype=np.int64)
    assert_array_equal(RowSum(rows).clipped_sum(rows=nobody), np.zeros(3))
    assert_array_equal(counts.clipped_sum(np.zeros(3), nobody), np.zeros(12))


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
def test_noise_is_that_of_the_plan(rng, relation):
    X = rng.standard_normal((50, 3))
    noise = Recorder()
    plan = center_plan(0.04, mean_share=0.75)
    private_center(rows_of(X, 2.0), plan, noise, relation)
    factor = 2.0 if relation == "replace_one" else 1.0
    m1, m2 = math.sqrt(0.03), math.sqrt(0.01)
    expected = [((3,), factor * 2.0 / m1), ((12,), factor / m2)]
    assert [shape for shape, _ in noise.drawn] == [shape for shape, _ in expected]
    assert_allclose([std for _, std in noise.drawn], [std for _, std in expected])


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("squared_mu", [1e-6, 0.01, 3.7])
def test_events_compose_to_the_budget(share, squared_mu):
    plan = center_plan(squared_mu, mean_share=share)
    spent = sum(event.squared_mu for event in plan.events)
    assert squared_mu * (1 - 1e-13) < spent <= squared_mu
    assert len(plan.events) == (1 if share == 1.0 else 2)


def test_mean_alone(rng):
    X = rng.standard_normal((60, 3)) * 0.1
    noise = Recorder()
    found = private_center(rows_of(X, 3.0), center_plan(0.1, mean_share=1.0), noise)
    assert found.radius == 3.0
    assert len(noise.drawn) == 1


def extreme_rows(rng, n, d):
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-3, 3, (n, 1))
    X[rng.random(n) < 0.05] = 0.0
    X[rng.integers(n)] = 1e300
    X[rng.integers(n)] = -1e160
    X[rng.integers(n), 0] = np.nan
    X[rng.integers(n), 1] = np.inf
    X[rng.integers(n)] = 5e-324
    return X


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_row_moves_a_sum_by_more_than_its_sensitivity(rng, dtype):
    largest = [0.0, 0.0]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(150):
            R = float(10.0 ** rng.uniform(-2, 2))
            X = extreme_rows(rng, 40, 4).astype(dtype)
            point = rng.standard_normal(4) * R
            i = int(rng.integers(40))
            other = X.copy()
            other[i] = np.nan
            for k, query in enumerate((RowSum, DistanceCounts)):
                extra = () if k == 0 else (radius_edges(R),)
                a = query(rows_of(X, R), *extra)
                b = query(rows_of(other, R), *extra)
                change = a.clipped_sum(point) - b.clipped_sum(point)
                ratio = np.linalg.norm(change) / a.sensitivity("zero_out")
                assert ratio <= 1 + 1e-12
                largest[k] = max(largest[k], ratio)
    # The bounds are reached: they are not merely large.
    assert min(largest) > 1 - 1e-5


def test_rows_that_are_not_finite_add_nothing(rng):
    X = rng.standard_normal((100, 3)) * 0.3
    spoilt = np.concatenate([X, np.full((5, 3), np.nan), [[np.inf, 0, 0]]])
    kept = np.concatenate([X, np.zeros((6, 3))])
    assert_array_equal(
        RowSum(rows_of(spoilt)).clipped_sum(), RowSum(rows_of(kept)).clipped_sum()
    )
    edges = radius_edges(1.0)
    counts = DistanceCounts(rows_of(spoilt), edges).clipped_sum(np.zeros(3))
    assert counts.sum() == 100
    found = private_center(rows_of(spoilt), NO_NOISE, NoiseSource(0))
    assert_allclose(found.center, clipped(X).sum(axis=0) / 106, rtol=1e-9)


def test_huge_noise_gives_usable_numbers(rng):
    X = rng.standard_normal((30, 4))
    edges = radius_edges(1.5)
    for seed in range(50):
        found = private_center(rows_of(X, 1.5), center_plan(1e-8), NoiseSource(seed))
        assert np.linalg.norm(found.center) <= 1.5 * (1 + 1e-12)
        assert found.radius in edges


def test_float32_rows(rng, device_backend):
    X = (rng.standard_normal((300, 3)) * 0.2 + 0.3).astype(np.float32)
    found = private_center(
        on_backend(X, device_backend),
        NO_NOISE,
        NoiseSource(0, device_backend.target),
    )
    wide = private_center(rows_of(X.astype(np.float64)), NO_NOISE, NoiseSource(0))
    assert_allclose(found.center, wide.center, rtol=1e-5)
    assert found.radius == wide.radius


def test_discrete_noise_is_about_as_good(rng):
    X = rng.standard_normal((5000, 3)) * 0.1 + 0.2
    plan = center_plan(0.3**2)
    found = private_center(rows_of(X), plan, NoiseSource(1, kind="discrete"))
    assert np.abs(found.center - X.mean(axis=0)).max() < 5 * plan.mean_multiplier / 5000
    assert found.radius == private_center(rows_of(X), NO_NOISE, NoiseSource(0)).radius


def test_quantile_of_exact_counts():
    counts = np.array([0.0, 3.0, 4.0, 2.0, 1.0])
    assert quantile_bin(counts, 10, 0.3) == 1
    assert quantile_bin(counts, 10, 0.31) == 2
    assert quantile_bin(counts, 10, 0.7) == 2
    assert quantile_bin(counts, 10, 0.9) == 3
    assert quantile_bin(counts, 10, 1.0) == 4


def test_two_sided_counts_have_less_noise(rng):
    truth = np.zeros(12)
    truth[8] = 200.0
    noisy = truth + 40 * rng.standard_normal((500, 12))
    right = np.mean([quantile_bin(counts, 200) == 8 for counts in noisy])
    one_sided = np.mean([np.argmax(np.cumsum(c) >= 100) == 8 for c in noisy])
    assert right > one_sided + 0.15
