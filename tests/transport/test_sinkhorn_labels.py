"""Maps between samples whose classes are known, all or in part."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression

from skopt2.transport import SinkhornTransport, sinkhorn
from tests.transport.sample_maps import cross_class, fit


def test_known_classes_do_not_mix(domains):
    X, y, Y, z = domains
    plain = fit(0.1, X, y, target=Y)
    assert cross_class(plain, y, z) > 1e-3
    model = fit(0.1, X, y, target=Y, target_labels=z)
    assert cross_class(model, y, z) < 1e-30
    assert model.converged_
    assert_allclose(model.plan_.sum(axis=0), 1.0 / 60, atol=1e-6)
    assert_array_equal(model.label_classes_, [0, 1, 2])


def test_costs_of_known_classes(domains):
    """The plan is that of a matrix in which other classes cost more."""
    X, y, Y, z = domains
    partly = np.where(np.arange(60) % 2, z, -1)
    model = fit(0.1, X, y, target=Y, target_labels=partly, label_limit=0.3, tol=1e-10)
    C = cdist(X - X.mean(axis=0), Y - Y.mean(axis=0), "sqeuclidean")
    differ = (y[:, None] != partly) & (partly >= 0)
    L = 0.3 * C.max() * differ
    expected = sinkhorn(None, None, C + L, model.reg_, tol=1e-10)
    assert_allclose(model.plan_, expected.plan, atol=1e-10)
    original = cdist(X, Y, "sqeuclidean")
    assert model.cost_ == pytest.approx((model.plan_ * original).sum(), rel=1e-8)


def test_unknown_classes_change_nothing(domains):
    X, y, Y, _ = domains
    expected = fit(0.1, X, y, target=Y, tol=1e-10)
    model = fit(0.1, X, y, target=Y, target_labels=np.full(60, -1), tol=1e-10)
    assert_allclose(model.plan_, expected.plan_, atol=1e-10)
    assert_allclose(model.transform(X), expected.transform(X), atol=1e-7)


def test_fitting_twice_changes_no_parameter(domains):
    X, y, Y, z = domains
    model = SinkhornTransport(0.1, label_limit=10.0, label_reg=0.1)
    before = model.get_params()
    first = model.fit(X, y, target=Y, target_labels=z).plan_
    second = model.fit(X, y, target=Y, target_labels=z).plan_
    assert model.get_params() == before
    assert_array_equal(first, second)


@pytest.mark.parametrize("unlabelled", ["?", None, -1, float("nan")])
def test_strings_and_other_words_for_unknown(domains, unlabelled):
    X, y, Y, z = domains
    partly = np.where(np.arange(60) % 3, z, -1)
    expected = fit(0.1, X, y, target=Y, target_labels=partly)
    if unlabelled == unlabelled and unlabelled not in (None, -1):
        names = np.array(["cat", "dog", "eel", unlabelled])
    elif unlabelled == -1:
        names = np.array(["cat", "dog", "eel", "-1"])
    else:
        names = np.array([10.0, 20.0, 30.0, unlabelled], dtype=object)
    model = fit(
        0.1,
        X,
        names[y],
        target=Y,
        target_labels=list(names[partly]),
        unlabelled=unlabelled,
    )
    assert_array_equal(model.plan_, expected.plan_)
    assert_array_equal(model.label_classes_, names[:3].tolist())


def test_classes_around_a_point_map_it(domains):
    """Points of the fit go to the means of their rows, labels included."""
    X, y, Y, z = domains
    # Classes far apart, so that the class around each point is its own.
    X, Y = X + 20.0 * np.eye(3, 2)[y], Y + 20.0 * np.eye(3, 2)[(z + 1) % 3]
    model = fit(0.02, X, y, target=Y, target_labels=z, tol=1e-10)
    P = model.plan_
    assert_allclose(model.transform(X), P @ Y / P.sum(axis=1)[:, None], atol=1e-3)
    back = P.T @ X / P.sum(axis=0)[:, None]
    assert_allclose(model.inverse_transform(Y), back, atol=1e-3)
    # Nearby points too, which carry no label.
    near = model.transform(X + 1e-4)
    assert np.abs(near - model.transform(X)).max() < 0.01


def group_objective(model, y, label_reg):
    """Return what the rounds of the group penalty minimise."""
    P = model.plan_
    C = cdist(model.source_, model.target_, "sqeuclidean")
    q = np.stack([P[y == k].sum(axis=0) for k in range(3)]) * P.shape[1]
    penalty = (np.sqrt(q + 1e-6) - 1e-3).sum() / P.shape[1]
    entropy = (P * (np.log(np.maximum(P, 1e-300)) - 1.0)).sum()
    eta = label_reg * model.cost_scale_
    return (P * C).sum() + model.reg_ * entropy + eta * penalty


def test_rounds_of_the_group_penalty_descend(domains):
    X, y, Y, z = domains
    values, mixed = [], []
    for n_rounds in (1, 2, 3, 6):
        model = fit(0.1, X, y, target=Y, label_reg=0.2, n_rounds=n_rounds, tol=1e-9)
        values.append(group_objective(model, y, 0.2))
        mixed.append(cross_class(model, y, z))
    plain = fit(0.1, X, y, target=Y, tol=1e-9)
    assert group_objective(plain, y, 0.2) > values[0]
    assert (np.diff(values) <= 1e-9).all()
    assert mixed[-1] < 0.6 * cross_class(plain, y, z)


def test_group_penalty_does_not_depend_on_how_a_target_point_is_split(domains):
    X, y, Y, _ = domains
    options = {"label_reg": 0.2, "tol": 1e-10, "n_rounds": 3}
    once = fit(0.2, X, y, target=Y, **options)
    twice = fit(0.2, X, y, target=np.vstack([Y, Y]), **options)
    assert_allclose(twice.plan_[:, :60] + twice.plan_[:, 60:], once.plan_, atol=1e-9)


def test_rounds_end_when_nothing_changes(domains):
    X, y, Y, _ = domains
    few = fit(0.5, X, y, target=Y, label_reg=0.01, n_rounds=1000)
    assert few.converged_
    assert few.n_iter_ < 1000
    assert (np.diff(few.history_["iteration"]) > 0).all()


def test_adapted_classifier_gains(rng):
    """Carried to the target, the source trains a better classifier for it."""
    y, z = np.arange(200) % 2, np.arange(180) % 2
    X = rng.standard_normal((200, 2)) + 2.5 * np.stack([y, 0 * y], 1)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    Y = (rng.standard_normal((180, 2)) + 2.5 * np.stack([z, 0 * z], 1)) @ turn + 4.0
    plain = LogisticRegression().fit(X, y).score(Y, z)
    model = SinkhornTransport(0.05, label_reg=0.1)
    carried = model.fit_transform(X, y, target=Y)
    adapted = LogisticRegression().fit(carried, y).score(Y, z)
    assert adapted > plain + 0.2
    assert adapted > 0.8
