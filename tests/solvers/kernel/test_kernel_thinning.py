"""Kernel thinning against its definition on dense matrices."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import gamma, kv

from skopt2._core.array import to_numpy
from skopt2.kernels import Cauchy, Gaussian, Laplacian, Matern
from skopt2.solvers.kernel import kernel_thinning
from skopt2.solvers.kernel.kernel_thinning import Discrepancy, Split, thin
from skopt2.solvers.kernel.power_kernel import RoughMatern, power_kernel
from tests.solvers.kernel import thinning_reference as reference

BUDGET = 2**24


def run(X, kernel, size, split_kernels=None, n_swaps=1, seed=0):
    return thin(
        kernel,
        X,
        size,
        split_kernels=[kernel] if split_kernels is None else split_kernels,
        delta=0.5,
        n_swaps=n_swaps,
        rng=np.random.default_rng(seed),
        budget=BUDGET,
    )


@pytest.mark.parametrize("block", [2, 5, 128])
@pytest.mark.parametrize("parts", [1, 3, 8])
def test_split_equals_its_definition(rng, monkeypatch, block, parts):
    monkeypatch.setattr(kernel_thinning, "BLOCK", block)
    monkeypatch.setattr(kernel_thinning, "PARTS", parts)
    X = rng.standard_normal((96, 2))
    kernel = Gaussian(length_scale=1.0)
    expected = reference.split(
        kernel(X), np.arange(96), 3, 0.5, np.random.default_rng(4)
    )
    split = Split([kernel], X, np.random.default_rng(4), BUDGET)
    found = split.sets(np.arange(96), 3, 0.5)
    assert len(found) == 8
    for some, other in zip(found, expected, strict=True):
        assert_array_equal(some, other)


def test_split_by_a_sum_of_kernels(rng):
    X = rng.standard_normal((64, 2))
    kernels = [Gaussian(length_scale=1.0), Laplacian(length_scale=0.5)]
    K = kernels[0](X) + kernels[1](X)
    members = rng.permutation(64)[:48]
    expected = reference.split(K, members, 2, 0.3, np.random.default_rng(4))
    found = Split(kernels, X, np.random.default_rng(4), BUDGET).sets(members, 2, 0.3)
    for some, other in zip(found, expected, strict=True):
        assert_array_equal(some, other)


def test_sets_part_the_rows(rng):
    X = rng.standard_normal((80, 3))
    split = Split([Gaussian(length_scale=1.0)], X, rng, BUDGET)
    sets = split.sets(np.arange(80), 4, 0.5)
    assert [some.size for some in sets] == [5] * 16
    assert_array_equal(np.sort(np.concatenate(sets)), np.arange(80))


def test_signs_are_fair(rng):
    # Each half is a fair choice of one row of each pair, whatever the walk does.
    X = rng.standard_normal((8, 1))
    split = Split([Gaussian(length_scale=1.0)], X, rng, BUDGET)
    counts = np.zeros(8)
    for _ in range(600):
        counts[split.halve(np.arange(8), 10.0)[0]] += 1
    assert np.abs(counts / 600 - 0.5).max() < 5.0 * 0.5 / math.sqrt(600)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kernel", [Gaussian(1.0), Laplacian(1.0)], ids=str)
def test_discrepancy_reduction_and_swaps_equal_theirs(seed, kernel):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 2))
    K = kernel(X)
    discrepancy = Discrepancy(kernel, X, BUDGET)
    members = rng.permutation(40)[:21]
    assert discrepancy.square(members) == pytest.approx(
        reference.squared_mmd(K, members), rel=1e-10
    )
    fewer = discrepancy.reduced(members, 18)
    assert_array_equal(np.sort(fewer), np.sort(reference.reduce(K, members, 18)))
    # More than COLUMNS rows, so that blocks of columns follow each other.
    swapped = discrepancy.swapped(fewer)
    assert_array_equal(swapped, reference.swap(K, fewer))
    assert np.unique(swapped).size == 18


@pytest.mark.parametrize("size", [1, 3, 7, 20, 33, 64, 79, 80])
def test_any_size(size):
    X = np.random.default_rng(1).standard_normal((80, 2))
    kernel = Gaussian(length_scale=1.0)
    found = run(X, kernel, size)
    assert found.indices.size == np.unique(found.indices).size == size
    exact = math.sqrt(max(reference.squared_mmd(kernel(X), found.indices), 0.0))
    assert found.mmd == pytest.approx(exact, abs=1e-8)
    assert found.mmd <= found.mmd_split + 1e-12


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_swaps", [1, 2])
def test_swaps_never_increase_the_discrepancy(seed, n_swaps):
    X = np.random.default_rng(seed).standard_normal((300, 3))
    kernel = Matern(1.5, length_scale=1.0)
    found = run(X, kernel, 17, n_swaps=n_swaps, seed=seed)
    before = run(X, kernel, 17, n_swaps=n_swaps - 1, seed=seed)
    assert before.mmd_split == found.mmd_split
    assert found.mmd < before.mmd <= before.mmd_split


@pytest.mark.parametrize(
    ("kernel", "dim"),
    [(Gaussian(1.0), 2), (Gaussian(3.0), 10), (Laplacian(1.0), 2)],
    ids=str,
)
def test_discrepancy_is_far_below_that_of_random_rows(kernel, dim):
    n, size = 1024, 32
    ratios, split_ratios = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((n, dim))
        K = kernel(X)
        squares = [
            reference.squared_mmd(K, rng.permutation(n)[:size]) for _ in range(20)
        ]
        typical = math.sqrt(np.mean(squares))
        found = run(X, kernel, size, seed=seed)
        ratios.append(found.mmd / typical)
        split_ratios.append(found.mmd_split / typical)
    assert max(split_ratios) < 0.85
    assert max(ratios) < (0.25 if kernel.smooth and dim == 2 else 0.65)


def test_discrepancy_falls_faster_than_that_of_random_rows():
    kernel = Gaussian(length_scale=1.0)
    means = []
    for n in (256, 4096):
        found = [
            run(
                np.random.default_rng(seed).standard_normal((n, 2)),
                kernel,
                k,
                seed=seed,
            )
            for seed in range(3)
            for k in (math.isqrt(n),)
        ]
        means.append(np.mean([some.mmd for some in found]))
    # Random rows, 4 times as many: a factor 2. Thinned rows: 4 up to logarithms.
    assert means[0] / means[1] > 3.0


def test_duplicated_rows(rng):
    X = np.repeat(rng.standard_normal((6, 2)), 20, axis=0)
    found = run(X, Gaussian(length_scale=1.0), 12)
    values, counts = np.unique(X[found.indices], axis=0, return_counts=True)
    # Two copies of each have the mean of the sample.
    assert_array_equal(counts, [2] * 6)
    assert found.mmd == pytest.approx(0.0, abs=1e-7)
    equal = run(np.ones((9, 2)), Gaussian(length_scale=1.0), 2)
    assert equal.mmd == pytest.approx(0.0, abs=1e-7)


def test_float32_is_as_good(rng):
    X = rng.standard_normal((500, 2))
    single = run(X.astype(np.float32), Gaussian(length_scale=1.0), 22)
    double = run(X, Gaussian(length_scale=1.0), 22)
    exact = reference.squared_mmd(Gaussian(length_scale=1.0)(X), single.indices)
    assert single.mmd == pytest.approx(math.sqrt(exact), rel=1e-3)
    assert single.mmd < 1.3 * double.mmd


def test_namespaces_agree(device_backend):
    X = np.random.default_rng(3).standard_normal((150, 2))
    kernel = Gaussian(length_scale=1.0)
    expected = run(X, kernel, 11)
    found = run(device_backend.asarray(X), kernel, 11)
    assert_array_equal(found.indices, expected.indices)
    assert found.mmd == pytest.approx(expected.mmd, rel=1e-9)


def test_memory_is_far_from_a_kernel_matrix(rng):
    import tracemalloc

    n = 3000
    X = rng.standard_normal((n, 2))
    tracemalloc.start()
    run(X, Gaussian(length_scale=1.0), 54)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.3 * 8 * n * n


def spectral_density(kernel, omega):
    """Return the Fourier transform on the line over its value at 0, by quadrature."""

    def value(r):
        scaled = kernel.scale * (r / kernel.length_scale) ** 2
        return float(kernel.profile(np.array([scaled]))[0])

    total = quad(value, 0.0, np.inf)[0]
    return quad(value, 0.0, np.inf, weight="cos", wvar=omega)[0] / total


@pytest.mark.parametrize("kernel", [Gaussian(0.7), Matern(1.5, 1.3), Matern(2.5, 1.3)])
@pytest.mark.parametrize("omega", [0.3, 1.0, 2.0])
def test_power_kernels_have_the_power_of_the_spectral_density(kernel, omega):
    power, alpha = power_kernel(kernel, 1)
    expected = spectral_density(kernel, omega) ** alpha
    assert 0.5 <= alpha < 1.0
    assert spectral_density(power, omega) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kernel", "dim", "alpha"),
    [
        (Matern(0.5, 1.0), 4, 4.5 / 5.0),
        (Laplacian(1.0), 1, 0.75),
        (Matern(1.5, 1.0), 1, 0.5),
        (Matern(2.5, 1.0), 2, 5.0 / 7.0),
        (Matern(2.5, 1.0), 3, 0.5),
        (Matern(math.inf, 1.0), 3, 0.5),
    ],
)
def test_exponents(kernel, dim, alpha):
    assert power_kernel(kernel, dim)[1] == pytest.approx(alpha)


def test_length_scales_of_features_are_kept():
    scales = np.array([0.5, 2.0])
    power, _ = power_kernel(Gaussian(length_scale=scales), 2)
    assert_allclose(power.length_scale, scales / math.sqrt(2.0))


def test_rough_kernel_equals_the_bessel_function(device_backend):
    t = np.concatenate([[0.0], np.logspace(-3, 1.5, 60)])
    expected = np.ones_like(t)
    expected[1:] = 2**0.75 / gamma(0.25) * t[1:] ** 0.25 * kv(0.25, t[1:])
    kernel = RoughMatern(length_scale=2.0)
    X = device_backend.asarray(2.0 * t[:, None])
    found = to_numpy(kernel(X[:1, :], X))[0]
    assert_allclose(found, expected, atol=2e-3)
    # A mixture of Gaussians is positive definite, to the last digit.
    points = np.random.default_rng(0).standard_normal((40, 2))
    assert np.linalg.eigvalsh(kernel(points)).min() > -1e-13


def test_kernels_without_a_power():
    with pytest.raises(ValueError, match="has no known power kernel"):
        power_kernel(Cauchy(length_scale=1.0), 2)
