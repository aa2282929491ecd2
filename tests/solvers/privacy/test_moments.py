"""Sensitivity of the released moments, their noise, and what is left without any."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.array import asarray_like
from skopt2.solvers.privacy.discrete_gaussian import noise_grid
from skopt2.solvers.privacy.moments import MomentQuery
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.rows import RowMap, Rows


def rows_of(X, y, keep=None, *, bounds=None, feature_norm=1.0, fit_intercept=True):
    """Return prepared rows; bounds as the estimators map them."""
    d = X.shape[1]
    row_map = RowMap()
    if bounds is not None:
        low, high = (np.full(d, bound) for bound in bounds)
        row_map = RowMap(low, high, (low + high) / 2, 2 / ((high - low) * math.sqrt(d)))
    return Rows(
        lambda: iter([(X, y, keep)]),
        X.shape[0],
        d,
        row_map=row_map,
        feature_norm=feature_norm,
        fit_intercept=fit_intercept,
    )


def query_of(X, y, *, n_outputs=None, box=None, with_targets=True, weight=0.6, **kw):
    return MomentQuery(
        rows_of(X, y, **kw),
        n_outputs=n_outputs,
        box=box,
        with_targets=with_targets,
        gram_weight=weight,
    )


def norms_of_rows(X, y, **options):
    """Return the norm of what each row adds, over the sensitivity."""
    found = []
    for i in range(X.shape[0]):
        query = query_of(X[i : i + 1], y[i : i + 1], **options)
        found.append(np.linalg.norm(query.clipped_sum()))
    return np.array(found) / query.sensitivity("zero_out")


CASES = [
    {"with_targets": targets, "fit_intercept": bias, "weight": weight, "boxed": boxed}
    for targets in (True, False)
    for bias in (True, False)
    for weight, boxed in ((0.6, True), (1.0, False), (1.0, True))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_row_adds_no_more_than_the_sensitivity(case, rng):
    d, n_outputs, count = 4, 2, 150
    case = dict(case)
    if case.pop("boxed"):
        case |= {"bounds": (-2.0, 3.0), "box": 1 / math.sqrt(d)}
    X = rng.standard_normal((count, d)) * 10 ** rng.uniform(-3, 6, (count, 1))
    y = np.clip(rng.standard_normal((count, n_outputs)) * 3, -1, 1)
    # The corners of the bounds and the axes are where the bound is attained.
    corner = 1e3 * rng.choice([-1.0, 1.0], (8, d))
    X = np.concatenate([X, corner, 1e3 * np.eye(d)])
    y = np.concatenate([y, np.ones((8 + d, n_outputs))])
    ratio = norms_of_rows(X, y, n_outputs=n_outputs, **case)
    assert ratio.max() <= 1.0
    assert ratio[count:].max() > 1 - 1e-5


def test_thousands_of_neighbours_stay_within_the_sensitivity(rng):
    # All at once: the rows of a block whose moments are written down here.
    d, count = 5, 5000
    X = rng.standard_normal((count, d)) * 10 ** rng.uniform(-2, 4, (count, 1))
    X[:1000] *= rng.uniform(size=(1000, d)) < 0.3
    y = np.clip(2 * rng.standard_normal(count), -1, 1)
    for boxed in (False, True):
        options = {"bounds": (-1.0, 1.0)} if boxed else {}
        box = 1 / math.sqrt(d) if boxed else None
        query = query_of(X, y, box=box, **options)
        (block,) = query.rows.blocks()
        Z = block.X * (block.scale * block.keep)[:, None]
        middle, diagonal = (box**2 / 2, 1.0) if boxed else (0.0, math.sqrt(2))
        i, j = np.triu_indices(d, 1)
        parts = [
            (Z**2 - middle) / diagonal / 0.6,
            Z[:, i] * Z[:, j] / 0.6,
            Z,
            Z * y[:, None],
            y[:, None],
        ]
        ratio = np.linalg.norm(np.concatenate(parts, axis=1), axis=1)
        ratio /= query.sensitivity("zero_out")
        assert ratio.max() <= 1.0
        assert ratio.max() > 0.9
        # The same vector as the query's own, but for its room for rounding.
        whole = np.concatenate(parts, axis=1).sum(axis=0)
        assert_allclose(query.clipped_sum(), whole, rtol=1e-4)


def test_replacing_a_row_takes_twice_the_noise(rng):
    query = query_of(rng.standard_normal((9, 3)), rng.uniform(-1, 1, 9))
    assert query.sensitivity("replace_one") == 2 * query.sensitivity("zero_out")
    with pytest.raises(ValueError, match="relation must be"):
        query.sensitivity("add_remove")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_cannot_count_add_nothing(value, rng):
    X, y = rng.uniform(-1, 1, (6, 3)), rng.uniform(-1, 1, 6)
    spoilt = X.copy()
    spoilt[2, 1] = value
    with np.errstate(all="raise"):
        query = query_of(spoilt, y, bounds=(-1.0, 1.0), box=1 / math.sqrt(3))
        got = query.sums()
    left = np.arange(6) != 2
    want = query_of(X[left], y[left], bounds=(-1.0, 1.0), box=1 / math.sqrt(3)).sums()
    for a, b in zip(got, want, strict=True):
        assert_allclose(a, b, atol=1e-14)
    assert query.n_rows == 6


class Recorder(NoiseSource):
    """Noise of ones that remembers what was asked for."""

    def __init__(self):
        super().__init__(0)
        self.draws = []

    def draw(self, shape, std):
        self.draws.append((shape, std))
        return std * np.ones(shape)


@pytest.mark.parametrize("n_outputs", [None, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_noise_is_drawn_once_for_all_moments(n_outputs, fit_intercept, rng):
    X = rng.standard_normal((7, 4))
    y = rng.uniform(-1, 1, 7 if n_outputs is None else (7, n_outputs))
    query = query_of(X, y, n_outputs=n_outputs, fit_intercept=fit_intercept)
    recorder = Recorder()
    moments = query.release(recorder, 2.5, "zero_out")
    K = n_outputs or 1
    unit = 2.5 * math.sqrt(1 / 2 / 0.6**2 + K + fit_intercept * (1 + K))
    ((shape, std),) = recorder.draws
    assert shape == (10 + 4 * K + fit_intercept * (4 + K),)
    # Up to the room for rounding.
    assert unit <= std < unit * (1 + 1e-5)
    gram, total, cross, target = query.sums()
    off = moments.gram - gram
    assert_allclose(off, off.T)
    assert_allclose(np.diag(off), math.sqrt(2) * moments.std)
    assert_allclose(off[np.triu_indices(4, 1)], moments.std)
    assert_allclose(moments.std, 0.6 * std)
    assert_allclose(moments.cross - cross, std)
    if fit_intercept:
        assert_allclose(moments.total - total, std)
        assert_allclose(moments.target - target, std)
    else:
        assert total is moments.total is target is moments.target is None


def test_discrete_noise_is_on_a_grid(rng):
    X, y = rng.uniform(-1, 1, (30, 3)), rng.uniform(-1, 1, 30)
    query = query_of(X, y)
    noise = NoiseSource(1, kind="discrete")
    vector = noise.added(query, None, 2.0)
    grid = noise_grid(query.sensitivity("zero_out"), 2.0, vector.size, 30)
    steps = vector / grid.spacing
    assert_array_equal(steps, np.round(steps))
    moments = query.release(noise, 2.0, "zero_out")
    assert np.abs(moments.gram - query.sums()[0]).max() < 6 * moments.diagonal_std


def test_noise_of_the_moments_has_the_variances_that_are_said(rng):
    X, y = np.zeros((1, 12)), np.zeros(1)
    query = query_of(X, y, bounds=(-1.0, 1.0), box=1 / math.sqrt(12))
    noise = NoiseSource(0)
    grams, totals = [], []
    for _ in range(300):
        moments = query.release(noise, 1.5, "zero_out")
        grams.append(moments.gram)
        totals.append(moments.total)
    grams = np.array(grams)
    above = grams[:, *np.triu_indices(12, 1)].ravel()
    middle = np.diagonal(grams, axis1=1, axis2=2)
    # A row of zeros counts: its squares are 0, half a box off what is expected.
    assert abs(above.std() / moments.std - 1) < 0.02
    assert abs(middle.std() / moments.diagonal_std - 1) < 0.05
    assert abs(np.std(totals) / moments.total_std - 1) < 0.05
    assert_array_equal(grams, np.swapaxes(grams, 1, 2))


def test_the_box_needs_less_noise_than_the_ball():
    X, y = np.zeros((1, 10)), np.zeros(1)
    ball = query_of(X, y, with_targets=False, fit_intercept=False, weight=1.0)
    box = query_of(
        X,
        y,
        with_targets=False,
        fit_intercept=False,
        weight=1.0,
        box=1 / math.sqrt(10),
    )
    assert_allclose(ball.clipping_norm**2, 0.5, rtol=1e-5)
    assert_allclose(box.clipping_norm**2, 0.5 * 0.9 + 1 / 40, rtol=1e-5)
    # A ball that is smaller than the box decides where it does not reach its corners.
    small = query_of(X, y, box=1 / math.sqrt(10), feature_norm=0.3, weight=1.0)
    assert_allclose(small.clipping_norm**2, 0.3**4 / 2 + 0.3**2 + 0.3**2 + 1, rtol=1e-5)


def test_moments_are_sums_of_products(device_backend, rng):
    X, y = rng.uniform(-0.4, 0.4, (50, 3)), rng.uniform(-1, 1, (50, 2))
    there = [device_backend.asarray(a) for a in (X, y)]
    query = query_of(*there, n_outputs=2)
    got = [device_backend.to_numpy(part) for part in query.sums()]
    for a, b in zip(got, (X.T @ X, X.sum(0), X.T @ y, y.sum(0)), strict=True):
        assert_allclose(a, b, rtol=1e-12)
    noise = NoiseSource(3, device_backend.target)
    moments = query.release(noise, 1.0, "zero_out")
    want = query_of(X, y, n_outputs=2).release(NoiseSource(3), 1.0, "zero_out")
    if device_backend.name != "cupy":
        assert_allclose(device_backend.to_numpy(moments.gram), want.gram, rtol=1e-12)
    assert asarray_like(moments.cross, X).shape == (3, 2)


def test_float32_rows_are_summed_in_float64(rng):
    X = rng.uniform(-0.4, 0.4, (4000, 3)).astype(np.float32)
    y = rng.uniform(-1, 1, 4000).astype(np.float32)
    query = query_of(X, y)
    gram = query.sums()[0]
    assert gram.dtype == np.float64
    wide = X.astype(np.float64)
    assert_allclose(gram, wide.T @ wide, rtol=1e-12)
