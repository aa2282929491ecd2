"""Bad input: a message that names the parameter and the value, or the right answer."""

import numpy as np
import pytest
import scipy.sparse as sp

from skopt2.linear_model import (
    CVaRRegressor,
    LowRankRegressor,
    SketchedRidgeCV,
    SparseClassifier,
    SparseRegressor,
    StreamingLinearRegressor,
)
from skopt2.losses import Huber
from skopt2.penalties import MCP, SCAD, Box, ElasticNet, WeightedL1

BOTH = [SparseRegressor, SparseClassifier]
FORMATS = [np.asarray, sp.csr_array, sp.csc_matrix]


@pytest.fixture
def X(rng):
    return rng.standard_normal((20, 4))


@pytest.fixture
def y():
    return np.arange(20) % 2


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("estimator", BOTH)
def test_data_that_are_not_finite(X, y, estimator, value, kind):
    X[3, 2] = value
    match = "Input X contains " + ("NaN" if np.isnan(value) else "infinity")
    with pytest.raises(ValueError, match=match):
        estimator().fit(kind(X), y)
    model = estimator().fit(np.nan_to_num(X, posinf=0, neginf=0), y)
    with pytest.raises(ValueError, match=match):
        model.predict(kind(X))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_target_that_is_not_finite(X, y, value):
    y = y.astype(float)
    y[5] = value
    for estimator in BOTH:
        with pytest.raises(ValueError, match="Input y contains (NaN|infinity)"):
            estimator().fit(X, y)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array instead"),
        (lambda X, y: (X[None], y), "Found array with dim 3"),
        (lambda X, y: (X, y[:-1]), r"inconsistent numbers of samples: \[20, 19\]"),
        (lambda X, y: (X[:0], y[:0]), r"Found array with 0 sample\(s\)"),
        (lambda X, y: (X[:, :0], y), r"Found array with 0 feature\(s\)"),
        (lambda X, y: (X, np.stack([y, y], axis=1)), "y should be a 1d array"),
        (lambda X, y: (X, None), "requires y to be passed, but the target y is None"),
        (lambda X, y: (X + 1j, y), "Complex data not supported"),
        (lambda X, y: (np.full(X.shape, "a"), y), "could not convert string to float"),
    ],
)
@pytest.mark.parametrize("estimator", BOTH)
def test_shapes(X, y, estimator, change, match):
    with pytest.raises(ValueError, match=match):
        estimator().fit(*change(X, y))


def test_other_features_at_prediction(X, y):
    model = SparseRegressor().fit(X, y)
    with pytest.raises(
        ValueError, match="X has 3 features, but SparseRegressor is exp"
    ):
        model.predict(X[:, :3])


@pytest.mark.parametrize(
    ("weight", "match"),
    [
        (np.full(20, -1.0), "must be nonnegative; its smallest value is -1.0"),
        (np.zeros(20), "must not be zero for every sample"),
        (np.full(19, 1.0), r"sample_weight has shape \(19,\), expected \(20,\)"),
        (np.full((20, 1), 1.0), r"sample_weight has shape \(20, 1\)"),
        (np.full(20, np.nan), "sample_weight contains NaN"),
        (np.full(20, np.inf), "sample_weight contains infinity"),
    ],
)
@pytest.mark.parametrize("estimator", BOTH)
def test_weights(X, y, estimator, weight, match):
    with pytest.raises(ValueError, match=match):
        estimator().fit(X, y, sample_weight=weight)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -0.1}, ValueError, "alpha must be a nonneg.*; got alpha=-0.1"),
        ({"alpha": np.nan}, ValueError, "that is finite; got alpha=nan"),
        ({"alpha": "0.1"}, TypeError, "alpha must be a nonneg.*; got alpha='0.1'"),
        ({"tol": 0.0}, ValueError, "tol must be a positive number; got tol=0.0"),
        (
            {"solver": "cd"},
            ValueError,
            "one of 'auto', .* got solver='cd'",
        ),
        ({"solver": None}, ValueError, "solver must be one of .* got solver=None"),
        (
            {"penalty": "lasso"},
            ValueError,
            "penalty must be one of 'l1'.* got penalty='lasso'",
        ),
        ({"penalty": MCP}, ValueError, "or an object such as MCP"),
        ({"penalty": MCP(1.0)}, ValueError, "gamma of the MCP penalty .* gamma=1.0"),
        ({"penalty": SCAD(2.0)}, ValueError, "gamma of the SCAD penalty .* gamma=2.0"),
        ({"penalty": ElasticNet(1.5)}, ValueError, "l1_ratio of the elastic net"),
        ({"penalty": WeightedL1([1.0, 2.0])}, ValueError, "4 features"),
        ({"penalty": Box(1.0, 2.0)}, ValueError, "enclose 0"),
        ({"penalty_factor": [1.0] * 3}, ValueError, r"shape \(3,\), expected \(4,\)"),
        (
            {"penalty_factor": "ab"},
            TypeError,
            "numbers; got penalty_factor='ab'",
        ),
        ({"penalty_factor": 2.0}, ValueError, r"shape \(\), expected \(4,\)"),
        ({"penalty_factor": [1, 1, -1, 1]}, ValueError, "must be nonneg.* contains -1"),
        ({"penalty_factor": [1, 1, np.nan, 1]}, ValueError, "it contains nan"),
        ({"device": "gpu"}, ValueError, "device must be None, 'cpu', 'cuda'"),
    ],
)
@pytest.mark.parametrize("estimator", BOTH)
def test_parameters(X, y, estimator, options, error, match):
    with pytest.raises(error, match=match):
        estimator(**options).fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "loss", "match"),
    [
        (
            SparseRegressor,
            "logistic",
            "loss='logistic' is for .*, which SparseRegressor",
        ),
        (
            SparseClassifier,
            "squared",
            "loss='squared' is for regression targets, which",
        ),
        (
            SparseRegressor,
            "absolute",
            "loss must be one of 'squared', .* got loss='absolute'",
        ),
        (SparseClassifier, "hinge", "loss must be one of .* got loss='hinge'"),
        (SparseRegressor, Huber(delta=0.0), "delta of the huber loss .* delta=0.0"),
    ],
)
def test_losses(X, y, estimator, loss, match):
    with pytest.raises(ValueError, match=match):
        estimator(loss).fit(X, y)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"penalty__gamma": 2.0}, r"Invalid parameter 'gamma' for estimator L1\(\)"),
        ({"penalty": "mpc", "penalty__gamma": 2.0}, "Did you mean 'mcp'"),
        ({"penalty": MCP(), "penalty__gama": 2.0}, "Invalid parameter 'gama'"),
        ({"loss": "huber", "loss__gamma": 2.0}, "'gamma' for estimator Huber"),
        ({"solver__gamma": 2.0}, "solver='auto' has no parameters; those .* 'bcd'"),
        ({"gamma": 2.0}, "Invalid parameter 'gamma'"),
    ],
)
def test_parameters_of_names(estimator, params, match):
    with pytest.raises(ValueError, match=match):
        estimator().set_params(**params)


@pytest.mark.parametrize("kind", [np.asarray, list, lambda y: y.astype(object)])
def test_labels_are_no_regression_target(X, kind):
    with pytest.raises(ValueError, match="y must be numeric: .*'b'.* classifiers"):
        SparseRegressor().fit(X, kind(np.array(["b", "a"] * 10)))


@pytest.mark.parametrize("value", [np.inf, np.nan, None])
def test_objects_that_are_not_finite(X, y, value):
    y = y.astype(object)
    y[4] = value
    with pytest.raises(ValueError, match="Input (y )?contains (NaN|infinity)"):
        SparseRegressor().fit(X, y)


def test_targets_outside_the_domain_of_the_loss(X, y):
    with pytest.raises(
        ValueError, match=r"poisson loss needs targets y >= 0, .* -1\.0"
    ):
        SparseRegressor("poisson").fit(X, y - 1)
    with pytest.raises(ValueError, match="poisson loss needs at least one y > 0"):
        SparseRegressor("poisson").fit(X, 0 * y)


@pytest.mark.parametrize("label", [1, "a"])
def test_one_class(X, label):
    with pytest.raises(ValueError, match=f"there is only one class: {label!r}"):
        SparseClassifier().fit(X, [label] * 20)


def test_a_continuous_target_is_no_label(X):
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        SparseClassifier().fit(X, X[:, 0])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("loss", ["squared", "huber", "poisson"])
def test_one_sample(X, loss, kind):
    """Nothing can be explained: the intercept is the target."""
    model = SparseRegressor(loss, alpha=0.1).fit(kind(X[:1]), [3.0])
    assert not model.coef_.any()
    np.testing.assert_allclose(model.predict(X[:1]), [3.0], rtol=1e-6)
    assert model.converged_


def test_one_sample_without_intercept(X):
    model = SparseRegressor(alpha=0.01, fit_intercept=False).fit(X[:1], [3.0])
    assert np.count_nonzero(model.coef_) == 1
    assert np.flatnonzero(model.coef_) == np.abs(X[0]).argmax()


def test_one_feature(X, y):
    for estimator in BOTH:
        model = estimator(alpha=0.001).fit(X[:, :1], y)
        assert model.coef_.shape[-1] == 1
        assert model.converged_


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e6])
@pytest.mark.parametrize("penalty", ["l1", "mcp", "elasticnet"])
@pytest.mark.parametrize("estimator", BOTH)
def test_constant_columns(X, y, estimator, penalty, value, kind):
    """Collinear with the intercept, or empty: no coefficient, no warning."""
    y = y + 0.0 if estimator is SparseClassifier else X[:, 0] + y
    wide = np.column_stack([X, np.full(20, value)])
    model = estimator(penalty=penalty, alpha=0.01).fit(kind(wide), y)
    alone = estimator(penalty=penalty, alpha=0.01).fit(kind(X), y)
    assert model.converged_
    coef = np.atleast_2d(model.coef_)
    assert coef[0, 4] == 0
    np.testing.assert_allclose(coef[:, :4], np.atleast_2d(alone.coef_), atol=1e-4)
    only = estimator(penalty=penalty, alpha=0.01).fit(kind(wide[:, 4:]), y)
    assert only.converged_
    assert not only.coef_.any()


def test_unpenalised_constant_column(X, y):
    """The intercept and the column share one mean: any split is right."""
    wide = np.column_stack([X, np.ones(20)])
    factor = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    for estimator in BOTH:
        model = estimator(alpha=0.01, penalty_factor=factor).fit(wide, y)
        alone = estimator(alpha=0.01).fit(X, y)
        assert model.converged_
        # A column of rounding errors takes no part of the intercept.
        assert np.abs(model.coef_).max() < 10.0
        np.testing.assert_allclose(model.predict(wide), alone.predict(X), atol=1e-3)
        assert model.objective_ == pytest.approx(alone.objective_, rel=1e-6)


@pytest.mark.parametrize("value", [1.0, 0.1, 1e6])
@pytest.mark.parametrize("solver", ["auto", "proxgrad", "poly"])
def test_least_squares_with_a_constant_column(X, y, solver, value):
    wide = np.column_stack([X, np.full(20, value)])
    target = y + 0.1 * X[:, 0]
    model = SparseRegressor(
        penalty="ridge", alpha=0.0, solver=solver, tol=1e-10, max_iter=5000
    )
    model.fit(wide, target)
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(20)]), target, rcond=None)[0]
    np.testing.assert_allclose(model.coef_, [*exact[:4], 0.0], atol=1e-5)
    assert model.intercept_ == pytest.approx(exact[4], abs=1e-4)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "elasticnet", "scad"])
@pytest.mark.parametrize("copies", [2, 7])
@pytest.mark.parametrize("estimator", BOTH)
def test_duplicate_columns(X, y, estimator, copies, penalty):
    """A singular design: the same objective as without the copies for the lasso."""
    y = y + 0.0 if estimator is SparseClassifier else X[:, 0] + y
    wide = np.tile(X, copies)
    model = estimator(penalty=penalty, alpha=0.01, tol=1e-9).fit(wide, y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    alone = estimator(penalty=penalty, alpha=0.01, tol=1e-9).fit(X, y)
    if penalty == "l1":
        assert model.objective_ == pytest.approx(alone.objective_, rel=1e-8)
    else:
        assert model.objective_ < 1.05 * alone.objective_


def test_unpenalised_duplicate_columns(X, y):
    wide = np.tile(X, 3)
    for estimator in BOTH:
        model = estimator(alpha=0.5, penalty_factor=np.zeros(12)).fit(wide, y)
        alone = estimator(alpha=0.5, penalty_factor=np.zeros(4)).fit(X, y)
        assert model.converged_
        assert model.objective_ == pytest.approx(alone.objective_, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1, 1e10])
@pytest.mark.parametrize("penalty", ["l1", "mcp", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_constant_target(X, loss, penalty, value):
    model = SparseRegressor(loss, penalty, alpha=1e-3).fit(X, np.full(20, value))
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-7, atol=1e-12)
    assert model.converged_


def test_more_features_than_samples(rng):
    X = rng.standard_normal((8, 300))
    y = np.arange(8) % 2
    for estimator in BOTH:
        for alpha in (1e-2, 1e-4):
            model = estimator(alpha=alpha).fit(X, y)
            assert model.converged_
            assert np.count_nonzero(model.coef_) <= 8


def test_a_column_vector_is_taken_with_a_warning(X, y):
    from sklearn.exceptions import DataConversionWarning

    with pytest.warns(DataConversionWarning, match="column-vector y"):
        SparseRegressor().fit(X, y[:, None].astype(float))


def test_huge_values(X):
    """No overflow on the way, or a message: never a silent NaN."""
    for scale in (1e100, 1e-100):
        model = SparseRegressor(alpha=0.01).fit(scale * X, X[:, 0])
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.objective_)
    with pytest.raises(ValueError, match="too large for the float32"):
        SparseRegressor().fit(X.astype(np.float32), np.full(20, 1e200))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "model",
    [
        SparseRegressor(),
        SparseRegressor(solver="oasis"),
        SparseRegressor(penalty=ElasticNet(0.0), solver="newton-lazy"),
        CVaRRegressor(),
        LowRankRegressor(shape=(2, 2)),
        SketchedRidgeCV(),
        StreamingLinearRegressor(),
    ],
)
def test_values_whose_squares_overflow(X, model):
    y = X[:, 0]
    for kind in (np.asarray, sp.csr_array):
        with pytest.raises(ValueError, match=r"X has values as large as .*e\+200"):
            model.fit(kind(1e200 * X), y)
        with pytest.raises(ValueError, match="or pass X in float64"):
            model.fit(kind((1e20 * X).astype(np.float32)), y)
        with pytest.raises(ValueError, match=r"no values larger than .*e-200, whose"):
            model.fit(kind(1e-200 * X), y)
    with pytest.raises(ValueError, match=r"y has values as large as .*e\+200"):
        model.fit(X, 1e200 * y)
    with pytest.raises(ValueError, match="squares vanish in float64: divide it by"):
        model.fit(X, 1e-200 * y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("step", ["dog", "udog", "sania", "sps"])
def test_rows_of_a_stream_may_be_small_but_not_huge(X, step):
    y, model = X[:, 0], StreamingLinearRegressor(step=step, random_state=0)
    with pytest.raises(ValueError, match="whose squares overflow"):
        model.partial_fit(1e200 * X, y)
    model.partial_fit(1e-160 * X[:2], 1e-200 * y[:2]).partial_fit(X, y)
    assert np.isfinite(model.predict(X)).all()
