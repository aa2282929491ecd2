"""SparseClassifier: the same minima as scikit-learn, labels, probabilities."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from skopt2.linear_model import SparseClassifier
from skopt2.penalties import ElasticNet
from tests.linear_model import reference

BINARY = ["logistic", "squared_hinge", "huberized_hinge"]


@pytest.fixture
def X(rng):
    X = rng.standard_normal((70, 12))
    for j in range(1, 12):
        X[:, j] += 0.5 * X[:, j - 1]
    return X


def labels(X, rng, n_classes):
    scores = np.stack([X[:, 0] - X[:, 1], X[:, 2], -X[:, 0]], axis=1)[:, :n_classes]
    return np.argmax(scores + 0.7 * rng.gumbel(size=scores.shape), axis=1)


def parts(model):
    """Return coefficients and intercept in the shapes of the reference."""
    if model.coef_.shape[0] == 1:
        return model.coef_[0], model.intercept_[0]
    return model.coef_.T, model.intercept_


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_same_minimum_as_logistic_regression(
    X, rng, l1_ratio, n_classes, kind, fit_intercept
):
    y, alpha = labels(X, rng, n_classes), 0.03
    peer = LogisticRegression(
        C=1 / (len(y) * alpha),
        l1_ratio=l1_ratio,
        solver="saga",
        tol=1e-9,
        max_iter=10**5,
        fit_intercept=fit_intercept,
        random_state=0,
    ).fit(X, y)
    model = SparseClassifier(
        penalty=ElasticNet(l1_ratio),
        alpha=alpha,
        tol=1e-10,
        fit_intercept=fit_intercept,
    ).fit(kind(X), y)
    loss = "logistic" if n_classes == 2 else "multinomial"
    target = reference.encode(loss, y)

    def cost(coef, b):
        eta = X @ coef.T + b
        eta = eta[:, 0] if n_classes == 2 else eta
        value = reference.LOSSES[loss][0](target, eta).mean()
        ridge = 0.5 * (1 - l1_ratio) * (coef**2).sum()
        return value + alpha * (l1_ratio * abs(coef).sum() + ridge)

    expected = cost(peer.coef_, peer.intercept_)
    assert model.objective_ == pytest.approx(expected, rel=1e-8)
    assert cost(model.coef_, model.intercept_) == pytest.approx(
        model.objective_, rel=1e-12
    )
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-3)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-3)
    assert model.coef_.shape == peer.coef_.shape
    assert model.intercept_.shape == peer.intercept_.shape


def test_same_minimum_as_linear_svc(X, rng):
    y, alpha = labels(X, rng, 2), 0.02
    peer = LinearSVC(
        penalty="l1",
        C=1 / (len(y) * alpha),
        dual=False,
        tol=1e-10,
        max_iter=10**6,
        fit_intercept=False,
    ).fit(X, y)
    model = SparseClassifier(
        "squared_hinge", alpha=alpha, fit_intercept=False, tol=1e-11
    ).fit(X, y)
    target = reference.encode("squared_hinge", y)
    w = peer.coef_[0]
    expected = reference.objective("squared_hinge", "l1", X, target, w, 0.0, alpha)
    assert model.objective_ == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-4)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("penalty", list(reference.PENALTIES))
@pytest.mark.parametrize("loss", [*BINARY, "multinomial"])
def test_optimality_conditions(X, rng, loss, penalty, fit_intercept, positive):
    y = labels(X, rng, 3 if loss == "multinomial" else 2)
    factor = np.ones(12)
    factor[1], factor[2] = np.inf, 2.0
    model = SparseClassifier(
        loss,
        penalty,
        alpha=0.02,
        penalty_factor=factor,
        fit_intercept=fit_intercept,
        positive=positive,
        tol=1e-9,
    ).fit(X, y)
    assert model.converged_
    target = reference.encode(loss, y)
    w, b = parts(model)
    value = reference.objective(loss, penalty, X, target, w, b, 0.02, factor=factor)
    assert model.objective_ == pytest.approx(value, rel=1e-11)
    worst = reference.violation(
        loss,
        penalty,
        X,
        target,
        w,
        b,
        0.02,
        factor=factor,
        positive=positive,
        fit_intercept=fit_intercept,
    )
    assert worst <= 1e-5


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_features_without_penalty(X, rng, loss):
    y = labels(X, rng, 3 if loss == "multinomial" else 2)
    factor = np.ones(12)
    factor[[4, 7]] = 0.0
    model = SparseClassifier(loss, alpha=1e3, penalty_factor=factor, tol=1e-10)
    model.fit(X, y)
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10**4)
    peer.fit(X[:, [4, 7]], y)
    expected = peer.predict_proba(X[:, [4, 7]])
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-5)


@pytest.mark.parametrize("names", [["no", "yes"], [-1, 1], [7.0, 9.0], [False, True]])
@pytest.mark.parametrize("loss", BINARY)
def test_two_classes_of_any_label(X, rng, loss, names):
    codes = labels(X, rng, 2)
    y = np.asarray(names)[codes]
    model = SparseClassifier(loss, alpha=0.02).fit(X, y)
    np.testing.assert_array_equal(model.classes_, names)
    assert model.coef_.shape == (1, 12)
    assert model.intercept_.shape == (1,)
    score = model.decision_function(X)
    assert score.shape == (70,)
    np.testing.assert_allclose(score, X @ model.coef_[0] + model.intercept_[0])
    np.testing.assert_array_equal(model.predict(X), np.asarray(names)[1 * (score > 0)])
    assert model.predict(X).dtype == y.dtype
    assert model.score(X, y) > 0.75


def test_several_classes(X, rng):
    codes = labels(X, rng, 3)
    y = np.array(["b", "a", "c"])[codes]
    model = SparseClassifier(alpha=0.01, tol=1e-9).fit(X, y)
    np.testing.assert_array_equal(model.classes_, ["a", "b", "c"])
    assert model.coef_.shape == (3, 12)
    assert model.intercept_.sum() == pytest.approx(0.0, abs=1e-12)
    scores = model.decision_function(X)
    assert scores.shape == (70, 3)
    np.testing.assert_array_equal(model.predict(X), model.classes_[scores.argmax(1)])
    by_name = SparseClassifier("multinomial", alpha=0.01, tol=1e-9).fit(X, y)
    np.testing.assert_array_equal(by_name.coef_, model.coef_)
    assert model.loss == "logistic"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities(X, rng, n_classes):
    y = labels(X, rng, n_classes)
    model = SparseClassifier(alpha=0.01).fit(X, y)
    p, logs = model.predict_proba(X), model.predict_log_proba(X)
    assert p.shape == logs.shape == (70, n_classes)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(logs), p)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))
    far = model.predict_log_proba(1e6 * X)
    assert np.isfinite(far).all()
    assert np.isfinite(model.predict_proba(1e6 * X)).all()


def test_two_classes_under_the_multinomial_loss(X, rng):
    """Two symmetric rows: with an l1 norm the same model as the logistic one."""
    y = labels(X, rng, 2)
    both = SparseClassifier("multinomial", alpha=0.02, tol=1e-11).fit(X, y)
    one = SparseClassifier("logistic", alpha=0.02, tol=1e-11).fit(X, y)
    assert both.coef_.shape == (2, 12)
    assert both.decision_function(X).shape == (70,)
    np.testing.assert_allclose(
        both.decision_function(X), one.decision_function(X), atol=1e-4
    )
    np.testing.assert_allclose(both.predict_proba(X), one.predict_proba(X), atol=1e-5)
    assert both.objective_ == pytest.approx(one.objective_, rel=1e-9)
    np.testing.assert_array_equal(both.predict(X), one.predict(X))


@pytest.mark.parametrize("loss", ["squared_hinge", "huberized_hinge"])
def test_margins_have_no_probabilities(X, rng, loss):
    model = SparseClassifier(loss).fit(X, labels(X, rng, 2))
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_log_proba")
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        model.predict_proba(X)
    assert "calibrate" in str(caught.value.__cause__)


@pytest.mark.parametrize("loss", ["squared_hinge", "huberized_hinge"])
def test_margins_are_for_two_classes(X, rng, loss):
    with pytest.raises(ValueError, match=f"loss='{loss}' separates two classes"):
        SparseClassifier(loss).fit(X, labels(X, rng, 3))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_warm_start(X, rng, n_classes):
    y = labels(X, rng, n_classes)
    wide = np.hstack([X] + [rng.permutation(X) for _ in range(25)])
    cold = SparseClassifier(alpha=0.02, tol=1e-9).fit(wide, y)
    assert cold.n_iter_ > 1
    warm = SparseClassifier(alpha=0.02, tol=1e-9, warm_start=True).fit(wide, y)
    warm.fit(wide, y)
    assert warm.n_iter_ == 1
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=1e-6)
    # Another number of classes has no use for the old coefficients.
    y = labels(X, rng, 5 - n_classes)
    warm.fit(wide, y)
    np.testing.assert_array_equal(warm.classes_, np.unique(y))
    expected = SparseClassifier(alpha=0.02, tol=1e-9).fit(wide, y)
    assert warm.objective_ == pytest.approx(expected.objective_, rel=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(X, rng, n_classes, dtype):
    y = labels(X, rng, n_classes)
    model = SparseClassifier(alpha=0.02, tol=1e-4).fit(X.astype(dtype), y)
    assert model.coef_.dtype == model.intercept_.dtype == dtype
    assert model.decision_function(X.astype(dtype)).dtype == dtype
    assert model.predict_proba(X.astype(dtype)).dtype == dtype
    expected = SparseClassifier(alpha=0.02, tol=1e-9).fit(X, y)
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_separable_classes(rng):
    """A penalty keeps the coefficients finite; without one they only grow so far."""
    X = rng.standard_normal((30, 3))
    y = X[:, 0] > 0
    model = SparseClassifier(alpha=1e-4).fit(X, y)
    assert model.converged_
    assert model.score(X, y) == 1.0
    free = SparseClassifier(alpha=0.0, max_iter=30).fit(X, y)
    assert np.isfinite(free.coef_).all()
    assert free.score(X, y) == 1.0


@pytest.mark.parametrize("loss", ["multinomial", "sparsemax"])
def test_columns_of_large_units_among_several_classes(rng, loss):
    X = rng.standard_normal((300, 20))
    truth = np.zeros((20, 4))
    truth[:5] = rng.standard_normal((5, 4))
    y = (X @ truth + rng.gumbel(size=(300, 4))).argmax(axis=1)
    units = np.ones(20)
    units[[0, 7]] = 1e6
    model = SparseClassifier(loss, alpha=0.01, max_iter=20).fit(X * units, y)
    assert model.converged_
    same = SparseClassifier(loss, alpha=0.01, penalty_factor=1.0 / units).fit(X, y)
    assert model.objective_ == pytest.approx(same.objective_, rel=2e-6)


def test_unbalanced_classes(rng):
    X = rng.standard_normal((500, 5))
    y = np.zeros(500, dtype=int)
    y[:2] = 1
    for loss in BINARY:
        model = SparseClassifier(loss, alpha=1.0).fit(X, y)
        assert not model.coef_.any()
        assert model.converged_
        assert (model.predict(X) == 0).all()
    model = SparseClassifier(alpha=1.0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 0.004, rtol=1e-6)


def test_what_parameters_rule_out_is_tagged():
    for positive in (False, True):
        tags = SparseClassifier(positive=positive).__sklearn_tags__()
        assert tags.classifier_tags.poor_score is positive


def test_binary_only_losses_are_tagged():
    tags = [
        SparseClassifier(loss).__sklearn_tags__().classifier_tags.multi_class
        for loss in ("logistic", "multinomial", "squared_hinge", "huberized_hinge")
    ]
    assert tags == [True, True, False, False]
    # An unknown loss is reported by fit, not by whoever asks for the tags.
    assert SparseClassifier("unknown").__sklearn_tags__() is not None
