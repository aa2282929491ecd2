"""Approximate leave-one-out along a descent, against its definition and exact runs."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from skopt2.linear_model import GroupRegressor, SparseClassifier, SparseRegressor
from skopt2.model_selection import approx_cross_validate, loo_path
from skopt2.penalties import ElasticNet


def classification(rng, n=40, p=6, classes=2):
    X = rng.standard_normal((n, p)) + 0.5
    scores = X[:, :classes] + rng.gumbel(size=(n, classes))
    return X, scores.argmax(axis=1)


def regression(rng, n=40, p=6):
    X = rng.standard_normal((n, p)) + 1.0
    return X, X[:, :3].sum(axis=1) + rng.standard_normal(n)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def soft(z, threshold):
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0.0)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_path_is_the_papers_update(rng, rho):
    """Every copy by itself, from the formulas, for logistic regression."""
    X, y = classification(rng)
    n, p = X.shape
    alpha, step, steps = 0.05, 0.7, 25
    model = SparseClassifier(penalty=ElasticNet(rho), alpha=alpha, fit_intercept=False)
    path = loo_path(model, X, y, step_size=step, max_iter=steps, n_check=n)

    def prox(z):
        return soft(z, step * alpha * rho) / (1.0 + step * alpha * (1.0 - rho))

    t, copies, exact = np.zeros(p), np.zeros((n, p)), np.zeros((n, p))
    for _ in range(steps):
        mean = sigmoid(X @ t)
        h = mean * (1.0 - mean)
        for i in range(n):
            rest = np.arange(n) != i
            A = X[rest]
            gradient = A.T @ (mean - y)[rest] / (n - 1)
            hessian = (A.T * h[rest]) @ A / (n - 1)
            copies[i] = prox(copies[i] - step * (gradient + hessian @ (copies[i] - t)))
            own = A.T @ (sigmoid(A @ exact[i]) - y[rest]) / (n - 1)
            exact[i] = prox(exact[i] - step * own)
        t = prox(t - step * X.T @ (mean - y) / n)
    np.testing.assert_allclose(path.coef, t, atol=1e-12)
    np.testing.assert_allclose(path.fold_coefs.T, copies, atol=1e-12)
    sign = 2.0 * y - 1.0
    eta = np.einsum("ij,ij->i", X, copies)
    true = np.einsum("ij,ij->i", X, exact)
    assert path.scores[-1] == pytest.approx(-np.log1p(np.exp(-sign * eta)).mean())
    score = -np.log1p(np.exp(-sign * true)).mean()
    assert path.checked_scores[-1] == pytest.approx(score)
    assert path.checked_errors[-1] == pytest.approx(path.scores[-1] - score)


@pytest.mark.parametrize("method", ["gradient", "accelerated", "sgd"])
@pytest.mark.parametrize("cv", ["loo", 4])
def test_squared_loss_is_exact_all_along(rng, method, cv):
    X, y = regression(rng)
    weight = rng.integers(0, 3, len(y))
    model = SparseRegressor(penalty="mcp", alpha=0.2)
    path = loo_path(
        model,
        X,
        y,
        sample_weight=weight,
        cv=cv,
        method=method,
        max_iter=60,
        n_check=4,
        random_state=0,
    )
    assert np.abs(path.checked_errors).max() < 1e-12
    assert path.iterations[0] == 10
    assert path.scores.shape == path.times.shape == path.objectives.shape


@pytest.mark.parametrize("method", ["gradient", "accelerated"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_limit_is_the_proximal_step(rng, method, classes):
    X, y = classification(rng, classes=classes)
    model = SparseClassifier(alpha=0.03, tol=1e-9)
    path = loo_path(model, X, y, method=method, max_iter=20000, check_every=50)
    assert path.stop_reason == "converged"
    step = approx_cross_validate(model, X, y, method="proximal")
    assert path.scores[-1] == pytest.approx(step.mean_score, abs=1e-5)
    assert path.objectives[-1] == pytest.approx(step.estimator.objective_, rel=1e-8)


def test_errors_fall_with_the_square_of_the_rows(rng):
    """The paper's rate, along the whole path: 1 / n^2."""
    largest = []
    for n in (100, 400):
        errors = []
        for seed in range(2):
            X, y = classification(np.random.default_rng(seed), n=n)
            model = SparseClassifier(penalty=ElasticNet(0.0), alpha=1e-3)
            path = loo_path(model, X, y, max_iter=60, n_check=n)
            assert (
                np.abs(path.checked_errors).max()
                < 0.1 * np.abs(path.train_scores - path.checked_scores).max()
            )
            errors.append(np.abs(path.checked_errors).max())
        largest.append(np.mean(errors))
    assert largest[1] < largest[0] / 8.0


def test_it_says_where_to_stop(rng):
    X, y = classification(rng, n=60, p=25)
    model = SparseClassifier(alpha=1e-5, tol=1e-8)
    path = loo_path(model, X, y, max_iter=400, check_every=5, n_check=60)
    assert path.best_iteration == path.iterations[np.argmax(path.scores)]
    assert path.best_iteration < 400
    assert path.best_score == path.scores.max() > path.scores[-1]
    # The exact score agrees that nothing near is better.
    exact = path.checked_scores
    assert exact[np.argmax(path.scores)] > exact.max() - 0.01
    assert repr(path).startswith(f"LooPath(best_iteration={path.best_iteration} of ")
    assert len(repr(path)) < 120
    again = loo_path(model, X, y, max_iter=400, check_every=5, patience=3)
    assert again.stop_reason == "patience"
    assert again.best_iteration == path.best_iteration
    assert again.iterations[-1] == path.best_iteration + 15
    np.testing.assert_array_equal(again.estimator.coef_, path.estimator.coef_)


def test_the_model_is_that_of_the_best_iteration(rng):
    X, y = classification(rng, n=60, p=25, classes=3)
    names = np.array(["a", "b", "c"])[y]
    path = loo_path(SparseClassifier(alpha=1e-5), X, names, max_iter=200)
    best = path.estimator
    stopped = loo_path(
        SparseClassifier(alpha=1e-5), X, names, max_iter=path.best_iteration
    )
    np.testing.assert_allclose(best.coef_.T, stopped.coef, atol=1e-12)
    assert set(best.predict(X)) <= {"a", "b", "c"}
    proba = best.predict_proba(X)[np.arange(60), y]
    row = np.argmax(path.scores)
    assert np.log(proba).mean() == pytest.approx(path.train_scores[row], rel=1e-9)


def test_the_intercept_and_the_shift_of_the_target(rng):
    X, y = regression(rng)
    model = SparseRegressor(alpha=0.1, tol=1e-10)
    path = loo_path(model, X + 3.0, y + 7.0, max_iter=2000, check_every=100)
    fitted = model.fit(X + 3.0, y + 7.0)
    np.testing.assert_allclose(path.estimator.coef_, fitted.coef_, atol=1e-8)
    assert path.estimator.intercept_ == pytest.approx(fitted.intercept_)
    assert path.estimator.predict(X).shape == (40,)


def test_badly_scaled_columns_do_not_matter(rng):
    X, y = classification(rng)
    model = SparseClassifier(penalty=ElasticNet(0.0), alpha=0.0)
    plain = loo_path(model, X, y, max_iter=50)
    scaled = loo_path(model, X * 10.0 ** np.arange(-3, 3), y, max_iter=50)
    np.testing.assert_allclose(scaled.scores, plain.scores, rtol=1e-6)


def test_counts_have_no_bound_on_the_curvature(rng):
    X, _ = regression(rng)
    y = rng.poisson(np.exp(X[:, 0]))
    model = SparseRegressor("poisson", alpha=0.01)
    for method in ("gradient", "accelerated"):
        path = loo_path(model, X, y, method=method, max_iter=300, n_check=40)
        assert path.objectives[-1] < path.objectives[0]
        assert np.abs(path.checked_errors).max() < 0.1 * -path.checked_scores.max()


def test_weights_repeat_rows(rng):
    X, y = classification(rng)
    weight = rng.integers(1, 4, 40)
    rows = np.repeat(np.arange(40), weight)
    every = np.arange(rows.size)
    cv = [(every[rows != i], every[rows == i]) for i in range(40)]
    model = SparseClassifier(alpha=0.01)
    heavy = loo_path(model, X, y, sample_weight=weight, max_iter=50)
    many = loo_path(model, X[rows], y[rows], cv=cv, max_iter=50)
    np.testing.assert_allclose(heavy.scores, many.scores, rtol=1e-9)
    np.testing.assert_allclose(heavy.coef, many.coef, atol=1e-12)


def test_stochastic_steps(rng):
    X, y = classification(rng, n=150)
    model = SparseClassifier(alpha=0.01)
    options = {"method": "sgd", "batch_size": 30, "max_iter": 300, "n_check": 20}
    first, second, other = (
        loo_path(model, X, y, random_state=seed, **options) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.scores, second.scores)
    assert not np.array_equal(first.scores, other.scores)
    fitted = model.fit(X, y)
    assert first.objectives[-1] < fitted.objective_ + 0.02
    optimism = np.abs(first.train_scores - first.scores).max()
    assert np.abs(first.checked_errors).max() < 0.5 * optimism


def test_products_with_and_without_a_hessian_agree(rng):
    """More features than rows take two products; few folds change the choice too."""
    X, y = classification(rng, n=30, p=50)
    model = SparseClassifier(alpha=0.02)
    wide = loo_path(model, X, y, max_iter=30)
    # Columns that are never used leave the path as it is, and change the algebra.
    factor = np.r_[np.ones(50), np.full(100, np.inf)]
    padded = np.hstack([X, np.zeros((30, 100))])
    other = loo_path(
        SparseClassifier(alpha=0.02, penalty_factor=factor), padded, y, max_iter=30
    )
    np.testing.assert_allclose(wide.scores, other.scores, rtol=1e-9)


def test_sparse_and_devices(device_backend, dispatch, rng):
    X, y = classification(rng)
    X[np.abs(X) < 0.5] = 0.0
    model = SparseClassifier(alpha=0.01)
    here = loo_path(model, X, y, max_iter=40)
    sparse = loo_path(model, sp.csr_array(X), y, max_iter=40)
    np.testing.assert_allclose(sparse.scores, here.scores)
    A, b = device_backend.asarray(X), device_backend.asarray(y)
    there = loo_path(model, A, b, max_iter=40)
    np.testing.assert_allclose(there.scores, here.scores)
    assert type(there.estimator.coef_) is type(A)
    assert type(there.estimator.predict(A)) is type(A)


def test_limits(rng):
    X, y = classification(rng)
    slow = SparseClassifier(alpha=1e-4, tol=1e-12, time_limit=1e-9)
    assert loo_path(slow, X, y).stop_reason == "time_limit"
    assert loo_path(slow.set_params(time_limit=None), X, y, max_iter=7).scores.size == 1
    with pytest.warns(ConvergenceWarning, match="step_size=10000.0: give a shorter"):
        far = loo_path(SparseRegressor(alpha=0.0), X, y, step_size=1e4)
    assert far.stop_reason == "diverged"


@pytest.mark.parametrize(
    ("model", "options", "error", "match"),
    [
        (SparseRegressor("quantile"), {}, ValueError, "no gradient"),
        (SparseRegressor(penalty="fused_lasso"), {}, ValueError, "fused_lasso"),
        (GroupRegressor(groups=2), {}, ValueError, "ties coefficients"),
        (SparseRegressor(), {"method": "adam"}, ValueError, "method="),
        (SparseRegressor(), {"step_size": 0.0}, ValueError, "step_size"),
        (SparseRegressor(), {"max_iter": 0}, ValueError, "max_iter"),
        (SparseRegressor(), {"patience": 0}, ValueError, "patience"),
        (SparseRegressor(), {"check_every": 1.5}, TypeError, "check_every"),
        (SparseRegressor(), {"n_check": 41}, ValueError, "n_check=41"),
        (SparseRegressor(), {"batch_size": 0}, ValueError, "batch_size"),
        (object(), {}, TypeError, "estimator must be"),
    ],
)
def test_bad_parameters(rng, model, options, error, match):
    X, y = regression(rng)
    with pytest.raises(error, match=match):
        loo_path(model, X, y, **options)
