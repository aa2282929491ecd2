"""Batches carried onto a reference: values, pipelines, arrays, bad input."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2 import to_device
from skopt2._core import cuda
from skopt2._core.array import namespace
from skopt2.transport import ReferenceTransport, sinkhorn

MAPS = ["entropic", "debiased"]


@pytest.fixture
def sample(rng):
    """A reference, and a batch of a shifted and stretched distribution."""
    X = rng.standard_normal((50, 2))
    return X, rng.standard_normal((40, 2)) * [0.5, 2.0] + [3.0, -1.0]


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
def test_a_batch_goes_to_the_means_of_its_rows(sample, metric):
    X, B = sample
    model = ReferenceTransport(0.1, metric=metric, map="entropic", tol=1e-10).fit(X)
    C = cdist(B, X, metric)
    P = sinkhorn(None, None, C, model.reg_, tol=1e-10).plan
    assert_allclose(model.transform(B), P @ X * 40, atol=1e-7)
    assert model.cost_scale_ == pytest.approx(
        cdist(X, X, metric).mean(), rel=1e-9 if metric != "cosine" else 1e-6
    )


def test_debiased_batches_lose_what_their_own_map_takes_away(sample):
    X, B = sample
    model = ReferenceTransport(0.1, tol=1e-10).fit(X)
    plain = ReferenceTransport(0.1, map="entropic", tol=1e-10).fit(X)
    own = sinkhorn(None, None, cdist(B, B, "sqeuclidean"), model.reg_, tol=1e-11)
    expected = B + plain.transform(B) - own.plan @ B * 40
    assert_allclose(model.transform(B), expected, atol=1e-6)


def test_batches_take_on_mean_and_spread_of_the_reference(rng):
    X = rng.standard_normal((400, 2)) @ np.array([[1.0, 0.5], [0.0, 0.5]])
    B = rng.standard_normal((300, 2)) * 3.0 + 100.0
    carried = ReferenceTransport(0.05).fit(X).transform(B)
    assert_allclose(carried.mean(axis=0), X.mean(axis=0), atol=1e-5)
    assert_allclose(np.cov(carried.T), np.cov(X.T), atol=0.1)
    shrunk = ReferenceTransport(0.05, map="entropic").fit(X).transform(B)
    assert np.trace(np.cov(shrunk.T)) < np.trace(np.cov(carried.T))


def test_a_shift_of_the_batch_does_not_matter(sample):
    X, B = sample
    model = ReferenceTransport(0.05, map="entropic", tol=1e-9).fit(X)
    expected = model.transform(B)
    for shift in (3.0, 1e3, 1e6):
        assert_allclose(model.transform(B + shift), expected, atol=1e-6)


@pytest.mark.parametrize("map", MAPS)
def test_the_reference_goes_to_itself(sample, map):
    X, _ = sample
    model = ReferenceTransport(0.1, map=map)
    carried = model.fit_transform(X)
    assert_array_equal(carried, model.transform(X))
    if map == "debiased":
        assert_array_equal(carried, X)
        assert not np.shares_memory(carried, X)
    own = sinkhorn(None, None, cdist(X, X, "sqeuclidean"), model.reg_, tol=1e-9)
    blurred = own.plan @ X * 50
    if map == "entropic":
        assert_allclose(carried, blurred, atol=1e-6)
    # Another order is another batch, and solved as one.
    assert_allclose(model.transform(X[::-1])[::-1], carried, atol=1e-4)


@pytest.mark.parametrize("map", MAPS)
def test_small_batches_are_mapped_row_by_row(sample, map):
    X, B = sample
    model = ReferenceTransport(0.1, map=map, min_batch_size=10).fit(X)
    few = model.transform(B[:9])
    for i in range(9):
        assert_allclose(model.transform(B[i : i + 1]), few[i : i + 1], rtol=1e-12)
    if map == "debiased":
        assert_array_equal(few, B[:9])
    else:
        g = model.potentials_[1]
        z = (g - cdist(B[:9], X, "sqeuclidean")) / model.reg_
        w = np.exp(z - z.max(axis=1, keepdims=True))
        assert_allclose(few, w @ X / w.sum(axis=1)[:, None], rtol=1e-9)
    assert not np.allclose(model.transform(B[:10])[:9], few)


def test_single_rows_as_a_measure_if_asked_for(sample):
    """All mass of one row goes to the reference: its image is the mean."""
    X, B = sample
    model = ReferenceTransport(0.1, map="entropic", min_batch_size=1).fit(X)
    assert_allclose(model.transform(B[:1]), X.mean(axis=0)[None], atol=1e-6)


def test_batches_change_nothing(sample):
    X, B = sample
    model = ReferenceTransport(0.1).fit(X)
    first = model.transform(B)
    model.transform(5.0 * B + 1.0)
    assert_array_equal(model.transform(B), first)
    order = np.arange(40)[::-1]
    assert_allclose(model.transform(B[order]), first[order], atol=1e-5)


def test_clusters(rng):
    X = rng.standard_normal((300, 3))
    weight = rng.integers(0, 3, 300)
    model = ReferenceTransport(n_reference=20, random_state=3).fit(X, None, weight)
    assert model.reference_.shape == (20, 3)
    assert model.reference_weight_.sum() == pytest.approx(1.0)
    # The mean is that of the weighted sample: so are the centres of its clusters.
    assert_allclose(
        model.reference_weight_ @ model.reference_,
        np.average(X, axis=0, weights=weight),
        atol=1e-2,
    )
    again = ReferenceTransport(n_reference=20, random_state=3).fit(X, None, weight)
    assert_array_equal(again.reference_, model.reference_)
    clusters = KMeans(20, n_init=1, random_state=np.random.RandomState(3))
    clusters.fit(X, sample_weight=weight / weight.sum())
    assert_array_equal(model.reference_, clusters.cluster_centers_)


def test_draws(rng):
    X = rng.standard_normal((100, 2))
    weight = np.r_[np.zeros(50), np.arange(1.0, 51.0)]
    options = {"n_reference": 12, "reference": "random", "random_state": 0}
    model = ReferenceTransport(**options).fit(X, None, weight)
    rows = [
        int(np.flatnonzero((point == X).all(axis=1))[0]) for point in model.reference_
    ]
    assert len(set(rows)) == 12
    assert min(rows) >= 50
    assert_allclose(model.reference_weight_, weight[rows] / weight[rows].sum())
    plain = ReferenceTransport(**options).fit(X)
    assert_allclose(plain.reference_weight_, 1.0 / 12)
    assert plain.transform(X).shape == (100, 2)


def test_all_rows_where_there_are_not_more(sample):
    X, _ = sample
    assert_array_equal(ReferenceTransport(n_reference=50).fit(X).reference_, X)
    assert_array_equal(ReferenceTransport(n_reference=500).fit(X).reference_, X)


@pytest.mark.parametrize("map", MAPS)
def test_weights_repeat_rows(sample, rng, map):
    X, B = sample
    weight = rng.integers(0, 3, 50)
    options = {"map": map, "tol": 1e-10}
    weighted = ReferenceTransport(0.1, **options).fit(X, None, weight)
    repeated = ReferenceTransport(0.1, **options).fit(np.repeat(X, weight, axis=0))
    assert weighted.reg_ == pytest.approx(repeated.reg_)
    assert_allclose(weighted.transform(B), repeated.transform(B), atol=1e-6)
    assert_allclose(weighted.transform(B[:5]), repeated.transform(B[:5]), atol=1e-7)


@pytest.fixture
def shifted(rng):
    y, z = np.arange(120) % 2, np.arange(100) % 2
    X = rng.standard_normal((120, 3)) + 4.0 * y[:, None]
    B = rng.standard_normal((100, 3)) * 1.5 + 5.0 * z[:, None] + 20.0
    return X, y, B, z


@pytest.mark.parametrize("map", MAPS)
def test_a_plain_pipeline_follows_a_shift(shifted, map):
    X, y, B, z = shifted
    pipe = make_pipeline(
        StandardScaler(), ReferenceTransport(map=map), LogisticRegression()
    )
    pipe.fit(X, y)
    assert pipe.score(X, y) > 0.95
    assert pipe[-1].score(pipe[0].transform(B), z) == 0.5
    assert pipe.score(B, z) > 0.95


def test_search_and_cross_validation(shifted):
    X, y, _, _ = shifted
    pipe = make_pipeline(ReferenceTransport(random_state=0), LogisticRegression())
    grid = {
        "referencetransport__reg": [0.02, 0.2],
        "referencetransport__n_reference": [None, 20],
    }
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.95
    assert cross_val_score(pipe, X, y, cv=3).mean() > 0.95


def test_names_and_frames(sample):
    X, B = (pd.DataFrame(part, columns=["east", "north"]) for part in sample)
    model = ReferenceTransport(0.1).set_output(transform="pandas").fit(X)
    carried = model.transform(B)
    assert (
        list(carried.columns)
        == list(model.get_feature_names_out())
        == [
            "east",
            "north",
        ]
    )
    expected = ReferenceTransport(0.1).fit(sample[0]).transform(sample[1])
    assert_allclose(carried.to_numpy(), expected)
    assert list(model.transform(B[:3]).columns) == ["east", "north"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(B[["north", "east"]])


def test_clone_and_pickle(sample):
    X, B = sample
    model = ReferenceTransport(0.1, n_reference=20, random_state=0).fit(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(B), model.transform(B))
    assert clone(model).get_params() == model.get_params()


def test_changed_parameters_wait_for_the_next_fit(sample):
    X, B = sample
    model = ReferenceTransport(0.1).fit(X)
    expected = model.transform(B)
    model.set_params(reg=5.0, map="entropic", metric="cosine", normalize_cost=None)
    assert_array_equal(model.transform(B), expected)


def test_the_model_keeps_its_own_points(sample):
    X, B = (part.copy() for part in sample)
    model = ReferenceTransport(0.1).fit(X)
    expected = model.transform(B)
    X[:] = 0.0
    assert_array_equal(model.transform(B), expected)


def test_fitted_figures(sample):
    X, _ = sample
    model = ReferenceTransport(0.1).fit(X)
    assert model.converged_
    assert model.stop_reason_ == "converged"
    assert model.certificate_.value == model.marginal_error_ < 1e-6
    C = cdist(X, X, "sqeuclidean")
    P = np.exp((model.potentials_[0][:, None] + model.potentials_[1] - C) / model.reg_)
    assert_allclose(P.sum(axis=0), 1.0 / 50, atol=1e-8)
    assert model.cost_ == pytest.approx((P * C).sum())
    assert model.history_["iteration"][-1] == model.n_iter_ >= 1
    assert 0 <= model.dual_gap_ < 1e-6


@pytest.mark.parametrize("map", MAPS)
@pytest.mark.parametrize("n_reference", [None, 15])
def test_namespaces_agree(backend, dispatch, sample, map, n_reference):
    X, B = sample
    options = {"map": map, "n_reference": n_reference, "random_state": 0, "tol": 1e-9}
    expected = ReferenceTransport(0.1, **options).fit(X)
    model = ReferenceTransport(0.1, **options).fit(backend.asarray(X))
    assert namespace(model.reference_weight_) is backend.xp
    for batch in (B, B[:5], X):
        carried = model.transform(backend.asarray(batch))
        assert namespace(carried) is backend.xp
        assert_allclose(backend.to_numpy(carried), expected.transform(batch), atol=1e-6)


@pytest.mark.parametrize("map", MAPS)
def test_numpy_computed_on_the_gpu(cuda_stand_in, sample, map):
    X, B = sample
    expected = ReferenceTransport(0.1, map=map).fit(X)
    model = ReferenceTransport(0.1, map=map, device="cuda").fit(X)
    assert model.device_ == "cuda:0"
    assert type(model.reference_) is np.ndarray
    for batch in (B, B[:3]):
        carried = model.transform(batch)
        assert type(carried) is np.ndarray
        assert_allclose(carried, expected.transform(batch), atol=1e-4)
    assert_array_equal(
        pickle.loads(pickle.dumps(model)).transform(B), model.transform(B)
    )


def test_device_arrays_move_home(cuda_stand_in, sample):
    X, B = sample
    up = cuda.cuda_target().provider.upload
    model = ReferenceTransport(0.1, n_reference=20, random_state=0).fit(up(X, 0))
    assert cuda.provider.owns(model.transform(up(B, 0)))
    expected = ReferenceTransport(0.1, n_reference=20, random_state=0).fit(X)
    home = to_device(model, "cpu")
    assert_allclose(home.transform(B), expected.transform(B), atol=1e-4)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        model.transform(B)


@pytest.mark.parametrize("map", MAPS)
def test_float32(sample, map):
    X, B = sample
    wide = ReferenceTransport(0.1, map=map).fit(X)
    model = ReferenceTransport(0.1, map=map, tol=1e-5).fit(X.astype(np.float32))
    assert model.reference_.dtype == model.reference_weight_.dtype == np.float32
    for batch in (B, B[:3]):
        carried = model.transform(batch.astype(np.float32))
        assert carried.dtype == np.float32
        assert_allclose(carried, wide.transform(batch), atol=2e-3)


def test_too_few_iterations_are_reported(sample):
    X, B = sample
    model = ReferenceTransport(0.002, max_iter=10, tol=1e-9).fit(X)
    with pytest.warns(ConvergenceWarning, match=r"\(max_iter\) after 10 iterations"):
        carried = model.transform(B)
    assert np.isfinite(carried).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reg": 0}, "reg must be a positive number"),
        ({"map": "progressive"}, "map must be one of"),
        ({"metric": "manhattan"}, "metric must be one of"),
        ({"normalize_cost": 1}, "normalize_cost must be one of"),
        ({"n_reference": 0}, "n_reference must be a positive integer"),
        ({"n_reference": 2.5}, "n_reference must be a positive integer"),
        ({"min_batch_size": 0}, "min_batch_size must be a positive integer"),
        ({"reference": "medoids"}, "reference must be one of 'kmeans', 'random'"),
        ({"solver": "lbfgs"}, "solver must be one of"),
    ],
)
def test_parameters_out_of_range(sample, options, message):
    with pytest.raises(ValueError, match=message):
        ReferenceTransport(**options).fit(sample[0])


def test_batches_that_do_not_fit(sample):
    X, B = sample
    model = ReferenceTransport().fit(X)
    with pytest.raises(ValueError, match="X has 1 features"):
        model.transform(B[:, :1])
    B[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.transform(B)
