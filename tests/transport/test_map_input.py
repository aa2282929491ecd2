"""What users of transport maps get wrong, and what they are told."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import euclidean
from sklearn.exceptions import ConvergenceWarning

from skopt2.transport import (
    MongeGapMap,
    ReferenceTransport,
    SinkhornDistance,
    SinkhornTransport,
)

MAPS_TO_A_TARGET = [SinkhornTransport, MongeGapMap]


@pytest.fixture
def samples(rng):
    """A source with two classes, and a target."""
    return rng.standard_normal((45, 2)), np.arange(45) % 2, rng.random((60, 2))


@pytest.mark.parametrize("model", MAPS_TO_A_TARGET)
def test_points_in_the_place_of_labels(samples, model):
    """fit(X, Y) would be the identity, and say nothing."""
    X, y, Y = samples
    for points in (Y, pd.DataFrame(Y)):
        with pytest.raises(ValueError, match=r"shape \(60, 2\).*fit\(X, target=Y\)"):
            model().fit(X, points)
    # Labels, several outputs of a later step, and a target beside them are fine.
    for labels in (y, np.c_[y, y, y]):
        assert model().fit(X, labels).converged_
    assert model(reg=0.5).fit(X, np.c_[y, y], target=Y).n_features_in_ == 2


@pytest.mark.parametrize("model", MAPS_TO_A_TARGET)
def test_columns_of_the_target_have_their_names(samples, model):
    X, _, Y = samples
    X, Y = (pd.DataFrame(part, columns=["east", "north"]) for part in (X, Y))
    for wrong in (Y[["north", "east"]], Y.rename(columns={"east": "west"})):
        with pytest.raises(ValueError, match="target: The feature names should match"):
            model().fit(X, target=wrong)
    with pytest.raises(ValueError, match="target: The feature names should match"):
        model().fit(X, target=Y[["east"]])


def test_columns_of_the_target_of_a_score_have_their_names(samples):
    X, _, Y = samples
    X, Y = (pd.DataFrame(part, columns=["east", "north"]) for part in (X, Y))
    model = MongeGapMap(reg=0.5).fit(X, target=Y)
    assert model.score(X, target=Y) < 0.0
    with pytest.raises(ValueError, match="target: The feature names should match"):
        model.score(X, target=Y[["north", "east"]])


@pytest.mark.parametrize("model", MAPS_TO_A_TARGET)
@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.ones((3, 5)), "target: X has 5 features"),
        (np.full((3, 2), np.nan), "Input target contains NaN"),
        (np.full((3, 2), np.inf), "Input target contains infinity"),
        (np.ones((0, 2)), r"target: Found array with 0 sample\(s\)"),
        ([], "target: Expected 2D array"),
        ([["a", "b"]], "target: .*strings"),
    ],
)
def test_targets_that_do_not_fit(samples, model, target, message):
    with pytest.raises(ValueError, match=message):
        model().fit(samples[0], target=target)


@pytest.mark.parametrize("name", ["sample_weight", "target_weight"])
@pytest.mark.parametrize("model", MAPS_TO_A_TARGET)
def test_weights_that_are_words(samples, model, name):
    X, _, Y = samples
    with pytest.raises(ValueError, match=f"{name} must hold numbers: .*'balanced'"):
        model().fit(X, target=Y, **{name: "balanced"})


@pytest.mark.parametrize("metric", [euclidean, lambda x, y: np.abs(x - y).sum()])
def test_metrics_of_two_points(samples, metric):
    """As scikit-learn has them; here a metric gets all points at once."""
    X, _, Y = samples
    with pytest.raises(ValueError, match=r"\(45, 2\) and \(60, 2\).*cdist does"):
        SinkhornTransport(metric=metric).fit(X, target=Y)


FITS = {
    "SinkhornTransport": lambda X, Y: SinkhornTransport().fit(X, target=Y),
    "MongeGapMap": lambda X, Y: MongeGapMap(reg=0.5).fit(X, target=Y),
    "ReferenceTransport": lambda X, Y: ReferenceTransport().fit(X),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(
    ("dtype", "scale", "message"),
    [
        ("f4", 1e-21, "underflow float32. Multiply X and Y.*or pass them in float64"),
        ("f4", 1e21, "overflow float32. Divide X and Y.*or pass them in float64"),
        ("f8", 1e-170, "underflow float64. Multiply X and Y by a common factor.$"),
        ("f8", 1e170, "overflow float64. Divide X and Y by a common factor.$"),
    ],
)
def test_units_beyond_the_precision(samples, fit, dtype, scale, message):
    """Costs that are all zero, or infinite, carry every point to the mean."""
    X, _, Y = samples
    with pytest.raises(ValueError, match=message):
        fit((scale * X).astype(dtype), (scale * Y).astype(dtype))


def test_masses_of_zero_have_no_units(samples):
    X, _, Y = samples
    far, weight = np.vstack([X, [[1e200, 0.0]]]), np.r_[np.ones(45), 0.0]
    model = SinkhornTransport(metric="euclidean")
    model.fit(far, target=Y, sample_weight=weight)
    expected = SinkhornTransport(metric="euclidean").fit(X, target=Y)
    assert model.reg_ == pytest.approx(expected.reg_)


def test_a_regularisation_below_the_precision(samples):
    X, _, Y = (part.astype("f4") for part in samples)
    model = SinkhornTransport(1e-39, normalize_cost=None)
    with pytest.raises(
        ValueError, match="reg is 1.0e-39.*underflows float32. Increase"
    ):
        model.fit(X, target=Y)


def test_warnings_point_at_the_line_of_the_user(rng):
    H = rng.random((12, 30))
    with pytest.warns(ConvergenceWarning, match="Sinkhorn distances") as caught:
        SinkhornDistance(1e-4, max_iter=1000).fit(H[:3]).set_params(
            max_iter=10
        ).transform(H)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("model", MAPS_TO_A_TARGET)
def test_targets_that_leave_the_precision_of_the_source(samples, model):
    X, _, Y = samples
    with pytest.raises(ValueError, match="target has values too large for the float32"):
        model(metric="cityblock").fit(X.astype("f4"), target=1e39 * Y)


@pytest.mark.parametrize("map", ["entropic", "debiased", "progressive"])
def test_points_too_far_to_be_mapped(samples, map):
    X, _, Y = samples
    model = SinkhornTransport(map=map, n_steps=2).fit(X, target=Y)
    # Far away is no trouble: the image is among the targets that lie that way.
    far = model.transform(1e100 * X)
    assert np.isfinite(far).all()
    for method in (model.transform, model.inverse_transform):
        with pytest.raises(
            ValueError, match="X holds values up to .*e\\+2.*overflow fl"
        ):
            method(1e200 * X)


def test_batches_that_leave_the_precision_of_the_reference(samples):
    X, _, Y = samples
    model = ReferenceTransport().fit(X.astype("f4"))
    with pytest.raises(ValueError, match="too large for the float32 of the fit"):
        model.transform(1e39 * Y)


def test_costs_that_leave_the_precision_of_the_histograms(rng):
    cost = 1e39 * (1.0 - np.eye(3))
    with pytest.raises(ValueError, match="cost has values too large for the float32"):
        SinkhornDistance(cost=cost).fit(rng.random((4, 3)).astype("f4"))
    assert SinkhornDistance(cost=cost).fit(rng.random((4, 3))).converged_
