"""Adapting from one domain to another, as users do it.

Labels, pipelines, searches, frames, files. The values of plans are held elsewhere.
"""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import Delaunay
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skopt2.transport import (
    MongeGapMap,
    ReferenceTransport,
    SinkhornDistance,
    SinkhornTransport,
)
from tests.transport.continuity import largest_jump

# How a map may know of classes; the labels of the target are given in full.
LABELLED = [
    {"label_reg": 0.3, "n_rounds": 3},
    {"label_limit": 3.0},
    {"label_reg": 0.3, "n_rounds": 3, "label_limit": 3.0, "map": "debiased"},
]


@pytest.fixture
def domains(rng):
    """Three classes, and the same turned, stretched and moved."""
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    y, z = np.arange(45) % 3, np.arange(60) % 3
    X = centres[y] + 0.5 * rng.standard_normal((45, 2))
    Y = centres[z] + 0.5 * rng.standard_normal((60, 2))
    return X, y, Y @ np.array([[0.8, 0.6], [-0.9, 1.2]]) + [1.5, -1.0], z


def fit_labelled(domains, options):
    """Return a model that knows the classes of both sides, or of the source."""
    X, y, Y, z = domains
    known = {"target_labels": z} if "label_limit" in options else {}
    return SinkhornTransport(0.1, **options).fit(X, y, target=Y, **known)


def test_images_stay_within_the_targets_of_their_class(domains):
    """No mass crosses classes, so an image is a mean over targets of the same class.

    The classes of the source are moved apart, further than the regularisation reaches.
    """
    X, y, Y, z = domains
    X = X + 5.0 * np.c_[y == 1, y == 2]
    model = SinkhornTransport(0.02, label_limit=1e3)
    model.fit(X, y, target=Y, target_labels=z)
    assert model.plan_[y[:, None] != z].sum() == 0.0
    images = model.transform(X)
    for k in range(3):
        hull = Delaunay(Y[z == k])
        assert (hull.find_simplex(images[y == k], tol=1e-6) >= 0).all()


@pytest.mark.parametrize("label_reg", [0.0, 0.3])
def test_no_labels_of_the_target_are_unknown_ones(domains, label_reg):
    X, y, Y, _ = domains
    model = SinkhornTransport(0.1, label_reg=label_reg, tol=1e-9)
    without = clone(model).fit(X, y, target=Y)
    unknown = clone(model).fit(X, y, target=Y, target_labels=np.full(60, -1))
    assert_allclose(unknown.plan_, without.plan_, atol=1e-9)
    assert_allclose(unknown.transform(X), without.transform(X), atol=1e-6)


@pytest.mark.parametrize("side", ["source", "target"])
def test_points_of_unknown_class_may_go_anywhere(domains, side):
    X, y, Y, z = domains
    y, z = y.copy(), z.copy()
    (y if side == "source" else z)[::2] = -1
    model = SinkhornTransport(0.1, label_limit=1e3).fit(X, y, target=Y, target_labels=z)
    apart = (y[:, None] != z) & (y[:, None] >= 0) & (z >= 0)
    assert model.plan_[apart].sum() == 0.0
    # The unknown ones do cross, as the plan without labels does.
    plain = SinkhornTransport(0.1).fit(X, target=Y).plan_
    truth = np.arange(45)[:, None] % 3 != np.arange(60) % 3
    assert plain[truth].sum() > 1e-3
    assert model.plan_[truth].sum() > 1e-3


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_unknown(domains, missing):
    X, y, Y, z = domains
    partly = np.where(np.arange(60) % 3 == 0, -1, z)
    expected = SinkhornTransport(0.1).fit(X, y, target=Y, target_labels=partly)
    names = np.array(["cat", "dog", "eel", missing], dtype=object)
    model = SinkhornTransport(0.1)
    model.fit(X, names[y], target=Y, target_labels=names[partly])
    assert_array_equal(model.plan_, expected.plan_)
    assert_array_equal(model.label_classes_, names[:3].tolist())


@pytest.mark.parametrize("dtype", ["category", "string", "object"])
def test_labels_of_a_data_frame(domains, dtype):
    X, y, Y, z = domains
    names = np.array(["cat", "dog", "eel"])
    labels = pd.Series(names[z], dtype=dtype)
    labels[::3] = None
    model = SinkhornTransport(0.1)
    model.fit(X, pd.Series(names[y], dtype=dtype), target=Y, target_labels=labels)
    partly = np.where(np.arange(60) % 3 == 0, -1, z)
    expected = SinkhornTransport(0.1).fit(X, y, target=Y, target_labels=partly)
    assert_array_equal(model.plan_, expected.plan_)


def test_labels_without_a_common_class(domains):
    X, y, Y, z = domains
    model = SinkhornTransport(0.1)
    with pytest.raises(ValueError, match="no class in common with y.*as 7, 8, 9"):
        model.fit(X, y, target=Y, target_labels=z + 7)
    # A class that only the target has is none of y's business.
    model.fit(X, y, target=Y, target_labels=np.where(z == 2, 9, z))
    assert_array_equal(model.label_classes_, [0, 1, 2, 9])


def test_unlabelled_is_one_label(domains):
    X, y, Y, z = domains
    with pytest.raises(ValueError, match=r"one label.*got \[-1, 0\]"):
        SinkhornTransport(unlabelled=[-1, 0]).fit(X, y, target=Y, target_labels=z)


@pytest.mark.parametrize("options", LABELLED)
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_images_are_continuous_across_classes(domains, options, method):
    """From a point of one class to one of another, no step jumps."""
    model = fit_labelled(domains, options)
    points, classes = domains[:2] if method == "transform" else domains[2:]
    start, end = points[classes == 0][0], points[classes == 1][0]
    way = start + np.linspace(0.0, 1.0, 300)[:, None] * (end - start)
    nearest = cdist(way, points).argmin(axis=1)
    assert np.unique(classes[nearest]).size > 1
    carry = getattr(model, method)
    assert largest_jump(carry, start, end) < 1e-5
    # Over a millionth of the way or so.
    assert largest_jump(carry, start, end, n_halvings=13) < 1e-3
    # The classes do make a difference, and nearby points make the same.
    plain = SinkhornTransport(0.1).fit(domains[0], target=domains[2])
    assert np.abs(carry(way) - getattr(plain, method)(way)).max() > 0.05


@pytest.mark.parametrize("options", LABELLED)
def test_the_order_of_points_does_not_matter(domains, rng, options):
    X, y, Y, z = domains
    model = fit_labelled(domains, options)
    images = model.transform(X)
    for_rows = rng.permutation(45)
    assert_allclose(model.transform(X[for_rows]), images[for_rows], rtol=1e-10)
    for_cols = rng.permutation(60)
    shuffled = (X[for_rows], y[for_rows], Y[for_cols], z[for_cols])
    again = fit_labelled(shuffled, options)
    assert_allclose(again.transform(X), images, atol=1e-4)


@pytest.mark.parametrize("options", LABELLED)
def test_models_survive_a_file(domains, options, tmp_path):
    X, Y = domains[0], domains[2]
    model = fit_labelled(domains, options)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    for again in (joblib.load(path), joblib.load(path, mmap_mode="r")):
        assert_array_equal(again.transform(X), model.transform(X))
        assert_array_equal(again.inverse_transform(Y), model.inverse_transform(Y))
        assert_array_equal(again.plan_, model.plan_)


@pytest.mark.parametrize(
    "model",
    [
        SinkhornTransport(0.1, label_reg=0.2, label_limit=5.0, n_rounds=2),
        SinkhornTransport(0.1, map="progressive", reg_marginal=(1.0, np.inf)),
        MongeGapMap(
            "random_features", n_components=5, random_state=0, reg=0.3, tol=0.1
        ),
        ReferenceTransport(0.1, n_reference=20, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_second_fit_repeats_the_first(domains, model):
    X, y, Y, _ = domains
    data = {} if isinstance(model, ReferenceTransport) else {"target": Y}
    before = repr(model.get_params())
    first = model.fit(X, y, **data).transform(Y)
    second = model.fit(X, y, **data).transform(Y)
    assert repr(model.get_params()) == before
    assert_array_equal(first, second)


@pytest.mark.parametrize("options", [{}, {"label_reg": 0.3, "n_rounds": 3}])
def test_a_warm_path_over_reg_ends_where_cold_fits_do(domains, options):
    X, y, Y, z = domains
    warm = SinkhornTransport(warm_start=True, tol=1e-9, **options)
    for reg in (1.0, 0.3, 0.1, 0.05):
        cold = SinkhornTransport(reg, tol=1e-9, **options).fit(X, y, target=Y)
        warm.set_params(reg=reg).fit(X, y, target=Y)
        assert_allclose(warm.plan_, cold.plan_, atol=1e-7)
        scores = [
            LogisticRegression().fit(model.transform(X), y).score(Y, z)
            for model in (warm, cold)
        ]
        assert scores[0] == scores[1] > 0.9


def test_scores_of_a_search_with_labels_and_a_target(domains):
    X, y, Y, z = domains
    with config_context(enable_metadata_routing=True):
        carry = SinkhornTransport().set_fit_request(target=True, target_labels=True)
        pipe = Pipeline(
            [("scale", StandardScaler()), ("carry", carry), ("svc", SVC())],
            transform_input=["target"],
        )
        grid = {"carry__reg": [0.05, 0.5], "carry__label_reg": [0.0, 0.3]}
        search = GridSearchCV(pipe, grid, cv=3, error_score="raise")
        search.fit(X, y, target=Y, target_labels=z)
    assert search.best_score_ > 0.9
    fitted = search.best_estimator_
    assert fitted["svc"].score(fitted["scale"].transform(Y), z) > 0.9
    assert "SinkhornTransport" in search._repr_html_()


def test_the_score_of_a_monge_map_chooses_its_kind(rng):
    """A bent target asks for random features; the search finds out on new rows."""
    X = rng.standard_normal((90, 2))
    Y = rng.standard_normal((80, 2))
    Y = np.c_[Y[:, 0], Y[:, 1] + 2.0 * Y[:, 0] ** 2]
    with config_context(enable_metadata_routing=True):
        model = MongeGapMap(alpha=1e-4, reg=0.1, tol=3e-3, random_state=0)
        model.set_fit_request(target=True).set_score_request(target=True)
        grid = {"map": ["affine", "random_features"]}
        search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, target=Y)
    assert search.best_params_ == {"map": "random_features"}
    assert search.cv_results_["mean_test_score"].max() < 0.0


def test_frames_go_through_whole_pipelines(domains):
    X, y, Y, z = domains
    X, Y = (pd.DataFrame(part, columns=["east", "north"]) for part in (X, Y))
    with config_context(enable_metadata_routing=True, transform_output="pandas"):
        carry = SinkhornTransport(0.05).set_fit_request(target=True)
        pipe = Pipeline(
            [("scale", StandardScaler()), ("carry", carry), ("svc", SVC())],
            transform_input=["target"],
        ).fit(X, y, target=Y)
        carried = pipe[:-1].transform(X)
        assert carried.columns.tolist() == ["east", "north"]
        assert carried.index.equals(X.index)
        assert list(pipe[:-1].get_feature_names_out()) == ["east", "north"]
        assert pipe["svc"].score(pipe["scale"].transform(Y), z) > 0.9
        back = make_pipeline(StandardScaler(), ReferenceTransport(), SVC()).fit(X, y)
        assert back.score(Y, z) > 0.9


def test_distances_in_a_frame_and_a_cross_validation(rng):
    y = np.arange(40) % 2
    H = np.exp(-0.1 * (np.arange(12) - 3.0 - 4.0 * y[:, None]) ** 2)
    H = pd.DataFrame(H * (1.0 + 0.3 * rng.random((40, 12))))
    frame = SinkhornDistance().set_output(transform="pandas").fit(H[:30]).transform(H)
    assert frame.shape == (40, 30)
    assert frame.index.equals(H.index)
    pipe = make_pipeline(SinkhornDistance(), KNeighborsClassifier(metric="precomputed"))
    assert cross_val_score(pipe, H, y, cv=4).min() > 0.9
