"""Public generators: shapes, truth, signal-to-noise ratio, reproducibility, errors."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.datasets import (
    make_signal_recovery,
    make_sparse_classification,
    make_sparse_design,
    make_sparse_regression,
)
from skopt2.datasets.response import REGRESSION_FAMILIES, poisson_scale

GENERATORS = [
    make_signal_recovery,
    make_sparse_classification,
    make_sparse_design,
    make_sparse_regression,
]


def small(generator, **kwargs):
    size = {"n_samples": 30}
    if generator is make_signal_recovery:
        size |= {"cluster_size": 2, "gap": 5}
    else:
        size |= {"n_features": 40, "n_informative": 4}
    if generator is make_sparse_design:
        size["density"] = 0.3
    return generator(**(size | kwargs))


def dense(X):
    return X.toarray() if sp.issparse(X) else X


@pytest.mark.parametrize("generator", GENERATORS)
def test_same_seed_same_data_other_seed_other_data(generator):
    first, again = small(generator, random_state=5), small(generator, random_state=5)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(dense(a), dense(b))
    other = small(generator, random_state=6)
    assert not np.array_equal(dense(first[0]), dense(other[0]))


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dtype_of_design_and_truth(generator, dtype):
    X, y, coef = small(generator, dtype=dtype, random_state=0)
    assert X.dtype == dtype
    assert coef.dtype == dtype
    expected = np.int64 if generator is make_sparse_classification else dtype
    assert y.dtype == expected


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an? .*integer"),
        ({"snr": 0.0}, "snr must be a positive number; got snr=0.0"),
        ({"snr": np.inf}, "snr must be a positive number"),
        ({"dtype": np.int32}, "dtype must be float64 or float32, got int32"),
    ],
)
def test_bad_parameters_are_named(generator, parameters, message):
    with pytest.raises(ValueError, match=message):
        small(generator, **parameters)


@pytest.mark.parametrize("family", ["gaussian", "laplace", "heavy_tailed"])
@pytest.mark.parametrize("snr", [0.5, 4.0])
def test_additive_noise_has_the_snr_asked_for(family, snr):
    X, y, coef = make_sparse_regression(
        200_000, 6, n_informative=3, family=family, snr=snr, random_state=0
    )
    signal = X @ coef
    # Student's t with 3 degrees of freedom has no fourth moment: its sample variance
    # converges slowly, hence the width.
    tolerance = 0.15 if family == "heavy_tailed" else 0.02
    assert signal.var() / (y - signal).var() == pytest.approx(snr, rel=tolerance)


def test_contaminated_noise_has_a_tenth_of_outliers():
    X, y, coef = make_sparse_regression(
        50_000, 6, n_informative=3, family="contaminated", snr=2.0, random_state=1
    )
    noise = y - X @ coef
    scale = np.sqrt((X @ coef).var() / 2.0)
    # Of Gaussian inliers 0.3 % are beyond 3, of outliers of scale 10, 76 %.
    assert np.mean(np.abs(noise) > 3 * scale) == pytest.approx(
        0.9 * 0.0027 + 0.1 * 0.764, rel=0.05
    )


@pytest.mark.parametrize("snr", [1e-3, 0.3, 3.0, 50.0])
def test_poisson_scale_solves_its_cubic(snr):
    u = np.exp(poisson_scale(snr) ** 2 / 2)
    assert u > 1
    assert u**3 - u == pytest.approx(snr, rel=1e-12)


def test_poisson_counts_have_the_snr_asked_for():
    X, y, coef = make_sparse_regression(
        400_000, 5, n_informative=3, family="poisson", snr=2.0, random_state=0
    )
    mean = np.exp(X @ coef)
    assert np.all(y >= 0)
    assert np.all(y == np.round(y))
    assert mean.var() / mean.mean() == pytest.approx(2.0, rel=0.1)
    assert np.mean((y - mean) ** 2) == pytest.approx(mean.mean(), rel=0.05)


@pytest.mark.parametrize("family", REGRESSION_FAMILIES)
def test_support_has_the_size_asked_for(family):
    _, y, coef = make_sparse_regression(
        40, 60, n_informative=7, family=family, random_state=0
    )
    assert np.count_nonzero(coef) == 7
    assert np.all(np.isfinite(y))


def test_no_signal_is_allowed():
    _, y, coef = make_sparse_regression(20, 10, n_informative=0, random_state=0)
    assert not coef.any()
    assert y.std() > 0


def test_groups_are_informative_as_a_whole():
    labels = np.repeat(["x", "y", "z"], [3, 4, 5])
    _, _, coef = make_sparse_regression(
        20, 12, n_informative=1, groups=labels, correlation="block", rho=0.5
    )
    active = coef != 0
    assert len({*labels[active]}) == 1
    assert active.sum() == (labels == labels[active][0]).sum()


def test_groups_are_the_correlated_blocks():
    X, _, _ = make_sparse_regression(
        30_000, 6, n_informative=1, groups=3, correlation="block", rho=0.8,
        random_state=0,
    )  # fmt: skip
    correlation = np.corrcoef(X.T)
    assert correlation[0, 2] == pytest.approx(0.8, abs=0.02)
    assert correlation[0, 3] == pytest.approx(0.0, abs=0.02)


def test_more_signals_than_features_names_the_range():
    with pytest.raises(ValueError, match="n_informative must be an integer from 0 to"):
        make_sparse_regression(10, 5, n_informative=6)


def test_unknown_family_lists_the_choices():
    with pytest.raises(ValueError, match=r"family must be one of 'gaussian'"):
        make_sparse_regression(family="cauchy")


def test_binary_labels_follow_the_logistic_model():
    X, y, coef = make_sparse_classification(
        100_000, 5, n_informative=3, snr=3.0, random_state=0
    )
    eta = X @ coef
    assert eta.var() == pytest.approx(np.pi**2, rel=1e-6)
    probability = 1 / (1 + np.exp(-eta))
    assert set(np.unique(y)) == {0, 1}
    for low, high in [(0.05, 0.15), (0.45, 0.55), (0.85, 0.95)]:
        inside = (probability > low) & (probability < high)
        assert y[inside].mean() == pytest.approx(probability[inside].mean(), abs=0.02)


def test_multinomial_labels_follow_the_softmax():
    X, y, coef = make_sparse_classification(
        100_000, 6, n_classes=3, n_informative=4, snr=1.0, random_state=0
    )
    assert coef.shape == (3, 6)
    np.testing.assert_allclose(coef.sum(axis=0), 0, atol=1e-12)
    assert np.count_nonzero(np.abs(coef).sum(axis=0)) == 4
    weights = np.exp(X @ coef.T)
    probability = weights / weights.sum(axis=1, keepdims=True)
    for k in range(3):
        likely = probability[:, k] > 0.6
        assert np.mean(y[likely] == k) == pytest.approx(
            probability[likely, k].mean(), abs=0.02
        )


@pytest.mark.parametrize("format", ["csc", "csr"])
@pytest.mark.parametrize("density", [1e-3, 0.2, 0.7, 1.0])
def test_sparse_design_has_exact_density_and_sorted_indices(format, density):
    X, _, _ = make_sparse_design(
        50, 400, density, n_informative=2, format=format, random_state=0
    )
    assert isinstance(X, sp.csc_array if format == "csc" else sp.csr_array)
    assert X.nnz == round(density * 50 * 400)
    assert X.has_canonical_format
    assert X.indices.dtype == np.int32
    assert np.all(X.data != 0)


def test_sparse_places_are_uniform():
    X, _, _ = make_sparse_design(100, 1000, 0.3, values="ones", random_state=0)
    share = X.sum(axis=0) / 100
    assert share[:500].mean() == pytest.approx(0.3, abs=0.005)
    assert share[500:].mean() == pytest.approx(0.3, abs=0.005)
    assert set(X.data) == {1.0}


def test_sparse_signal_lies_on_columns_that_are_not_empty():
    X, _, coef = make_sparse_design(20, 5000, 1e-4, n_informative=5, random_state=0)
    assert np.all(np.diff(X.indptr)[coef != 0] > 0)
    with pytest.raises(ValueError, match="n_informative must be an integer from 0 to"):
        make_sparse_design(20, 5000, 1e-4, n_informative=50)


@pytest.mark.parametrize("family", [*REGRESSION_FAMILIES, "logistic"])
def test_sparse_families(family):
    X, y, coef = make_sparse_design(
        300, 200, 0.05, n_informative=20, family=family, random_state=0
    )
    assert np.count_nonzero(coef) == 20
    assert np.corrcoef(X @ coef, y)[0, 1] > 0.2
    if family == "logistic":
        assert set(y.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"density": 0.0}, r"density must lie in \(0, 1\], got 0.0"),
        ({"format": "coo"}, r"format must be one of 'csc', 'csr'"),
        ({"values": "binary"}, r"values must be one of 'normal', 'uniform', 'ones'"),
        ({"family": "multinomial"}, "family must be one of"),
    ],
)
def test_sparse_design_errors(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_sparse_design(10, 10, **parameters)


def test_large_sparse_design_stays_sparse_in_memory():
    import tracemalloc

    tracemalloc.start()
    X, _, _ = make_sparse_design(20_000, 100_000, 1e-4, random_state=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert X.nnz == 200_000
    assert peak < 60e6


def test_signal_recovery_has_the_layout_of_the_paper():
    X, y, coef = make_signal_recovery(60, random_state=0)
    assert X.shape == (60, 2050)
    assert y.shape == (60,)
    starts = np.arange(5) * 510
    expected = (starts[:, None] + np.arange(10)).ravel()
    np.testing.assert_array_equal(np.flatnonzero(coef), expected)
    means = coef[expected].reshape(5, 10).mean(axis=1)
    np.testing.assert_allclose(means, [0.5, 5, 10, 20, 50], atol=6)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0), 1)


@pytest.mark.parametrize("rho", [0.1, 0.9])
def test_signal_recovery_has_the_population_snr(rho):
    X, y, coef = make_signal_recovery(60_000, rho=rho, snr=7.0, gap=20, random_state=2)
    signal = X @ coef
    assert signal.var() / (y - signal).var() == pytest.approx(7.0, rel=0.05)


def test_signal_recovery_labels():
    X, y, coef = make_signal_recovery(
        20_000, task="classification", gap=5, snr=10.0, random_state=0
    )
    assert y.dtype == np.int64
    assert set(y.tolist()) == {0, 1}
    assert np.mean((X @ coef > 0) == y) > 0.75
