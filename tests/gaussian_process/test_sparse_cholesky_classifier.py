"""Classification with sparse inverse Cholesky factors."""

import pickle

import numpy as np
import pytest
from scipy.special import expit
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import (
    RBF,
    CompoundKernel,
    ConstantKernel,
    Matern,
    WhiteKernel,
)

from skopt2.callbacks import Checkpoint
from skopt2.gaussian_process import SparseCholeskyGPClassifier
from skopt2.solvers.kernel.inverse_cholesky_observation import Bernoulli

KERNEL = 9.0 * Matern(0.3, nu=1.5)


def two_classes(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    p = expit(5 * np.sin(7 * X[:, 0]) * np.cos(6 * X[:, 1]))
    return X, (rng.uniform(size=n) < p).astype(int), p


def three_classes(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 2))
    scores = np.stack([np.sin(7 * X[:, 0]), np.cos(6 * X[:, 1]), X[:, 0] - 0.5], axis=1)
    noise = 0.3 * rng.gumbel(size=(n, 3))
    return X, np.array(["ash", "elm", "oak"])[(scores + noise).argmax(axis=1)]


def fixed(kernel=KERNEL, **options):
    return SparseCholeskyGPClassifier(kernel, **{"optimizer": None, **options})


def dense_posterior(kernel, X, y, new, nugget):
    """Variational posterior by the dense fixed point of Opper and Archambeau."""
    K = kernel(X) + nugget * np.eye(len(X))
    mean, variance = np.zeros(len(X)), np.diag(K).copy()
    for _ in range(100):
        _, slope, curvature = Bernoulli().expectations(y, mean, variance)
        inner = np.linalg.inv(K + np.diag(1 / curvature))
        S = K - K @ inner @ K
        mean, variance = S @ (slope + curvature * mean), np.diag(S)
    k = kernel(new, X)
    var = kernel.diag(new) - np.einsum("ij,jk,ik->i", k, inner, k)
    return k @ np.linalg.solve(K, mean), var


def test_all_neighbours_give_the_dense_variational_posterior():
    X, y, _ = two_classes(80)
    new = two_classes(40, 1)[0]
    model = fixed(n_neighbors=79, tol=1e-9).fit(X, y)
    m, v = dense_posterior(KERNEL, X, 2.0 * y - 1, new, 9e-6)
    want = Bernoulli().probability(m, v)
    np.testing.assert_allclose(model.predict_proba(new)[:, 1], want, atol=1e-6)
    np.testing.assert_array_equal(model.predict(new), (m > 0).astype(int))


def test_agrees_with_the_laplace_approximation_of_scikit_learn():
    X, y, p = two_classes(500)
    new, _, truth = two_classes(300, 1)
    exact = GaussianProcessClassifier(1.0 * Matern(nu=1.5)).fit(X, y)
    model = SparseCholeskyGPClassifier(n_neighbors=20).fit(X, y)
    np.testing.assert_allclose(model.kernel_.theta, exact.kernel_.theta, atol=0.4)
    got, want = model.predict_proba(new)[:, 1], exact.predict_proba(new)[:, 1]
    assert np.abs(got - want).mean() < 0.03
    assert np.abs(got - truth).mean() < 1.05 * np.abs(want - truth).mean()
    assert np.mean(model.predict(new) == exact.predict(new)) > 0.95


@pytest.mark.thorough
def test_few_neighbours_find_the_parameters_too():
    X, y, _ = two_classes(500)
    few = SparseCholeskyGPClassifier(n_neighbors=5).fit(X, y)
    many = SparseCholeskyGPClassifier(n_neighbors=25).fit(X, y)
    np.testing.assert_allclose(few.kernel_.theta, many.kernel_.theta, atol=0.5)
    start = SparseCholeskyGPClassifier(n_neighbors=25, optimizer=None).fit(X, y)
    assert many.evidence_bound_ > start.evidence_bound_ + 10


def test_several_classes():
    X, y = three_classes(300)
    new, truth = three_classes(200, 1)
    model = fixed().fit(X, y)
    p = model.predict_proba(new)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.classes_, ["ash", "elm", "oak"])
    scores = model.decision_function(new)
    assert scores.shape == (200, 3)
    labels = model.classes_[scores.argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(new), labels)
    np.testing.assert_array_equal(p.argmax(axis=1), scores.argmax(axis=1))
    exact = GaussianProcessClassifier(KERNEL, optimizer=None).fit(X, y)
    assert model.score(new, truth) > exact.score(new, truth) - 0.02
    # Each class is the two-class problem of it against the rest.
    one = fixed().fit(X, y == "elm")
    np.testing.assert_allclose(one.decision_function(new), scores[:, 1], atol=1e-5)
    assert isinstance(model.kernel_, CompoundKernel)


def test_probit_and_noise_of_the_kernel():
    X, y, _ = two_classes(100)
    new = two_classes(50, 1)[0]
    logit = fixed().fit(X, y).predict_proba(new)
    probit = fixed((9 / 2.6) * Matern(0.3, nu=1.5), likelihood="probit").fit(X, y)
    np.testing.assert_allclose(probit.predict_proba(new), logit, atol=0.05)
    kernel = KERNEL + WhiteKernel(4.0)
    noisy = fixed(kernel, n_neighbors=99, tol=1e-8).fit(X, y)
    m, v = dense_posterior(kernel, X, 2.0 * y - 1, new, 0.0)
    want = Bernoulli().probability(m, v)
    np.testing.assert_allclose(noisy.predict_proba(new)[:, 1], want, atol=1e-6)
    assert np.abs(want - 0.5).mean() < np.abs(logit[:, 1] - 0.5).mean()


def test_stochastic_gradients_reach_the_same_probabilities():
    X, y, _ = two_classes(200)
    new = two_classes(50, 1)[0]
    natural = fixed(n_neighbors=10).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="stationarity"):
        adam = fixed(n_neighbors=10, solver="adam", max_iter=20, random_state=0).fit(
            X, y
        )
    gap = adam.predict_proba(new) - natural.predict_proba(new)
    assert np.abs(gap).max() < 0.03
    assert adam.n_iter_ == 20
    assert adam.evidence_bound_ < natural.evidence_bound_ + 1.0


def test_certificate_history_and_pickle():
    X, y, _ = two_classes(200)
    model = fixed().fit(X, y)
    assert model.converged_
    assert model.certificate_.holds
    assert model.n_iter_ < 20
    assert model.objective_ == pytest.approx(-model.evidence_bound_)
    assert model.history_["certificate"][-1] == model.certificate_.value
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["natural", "adam"])
def test_fit_resumes_from_a_checkpoint(solver, tmp_path):
    X, y = three_classes(150)

    def model(max_iter):
        options = {"n_neighbors": 8, "tol": 1e-9, "random_state": 0}
        return fixed(max_iter=max_iter, solver=solver, **options)

    whole = model(6).fit(X, y)
    path = tmp_path / "fit.npz"
    first, second = model(3), model(6)
    first.set_callbacks(Checkpoint(path))
    first.fit(X, y)
    second.set_callbacks(Checkpoint(path))
    second.fit(X, y)
    assert second.n_iter_ == whole.n_iter_ == 6
    # Adam plans its steps for all passes, which a longer fit has more of.
    atol = 1e-6 if solver == "natural" else 0.05
    np.testing.assert_allclose(
        second.predict_proba(X), whole.predict_proba(X), atol=atol
    )


def test_separable_and_repeated_rows():
    X, _, _ = two_classes(100)
    y = X[:, 0] > 0.5
    X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    # Separable classes ask for an ever larger variance.
    model = SparseCholeskyGPClassifier(
        ConstantKernel(1.0, (1e-2, 1e2)) * RBF(1.0, (0.05, 10.0)), n_neighbors=10
    ).fit(X, y)
    assert model.score(X, y) > 0.98
    assert np.isfinite(model.predict_proba(X)).all()


def test_float32_and_other_namespaces(backend):
    X, y, _ = two_classes(120)
    new = two_classes(30, 1)[0]
    plain = fixed(n_neighbors=12).fit(X, y)
    want = plain.predict_proba(new)
    with config_context(array_api_dispatch=True):
        model = fixed(n_neighbors=12).fit(backend.asarray(X), backend.asarray(y))
        found = model.predict_proba(backend.asarray(new))
        labels = model.predict(backend.asarray(new))
    np.testing.assert_allclose(backend.to_numpy(found), want, atol=1e-12)
    np.testing.assert_array_equal(backend.to_numpy(labels), plain.predict(new))
    small = fixed(n_neighbors=12).fit(X.astype(np.float32), y)
    p = small.predict_proba(new.astype(np.float32))
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, want, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood must be one of"),
        ({"solver": "cg"}, "solver must be one of"),
        ({"n_neighbors": 2.5}, "n_neighbors must be a positive integer"),
        ({"max_iter": 0}, "max_iter must be a positive integer"),
    ],
)
def test_bad_parameters_are_named(options, message):
    X, y, _ = two_classes(30)
    with pytest.raises(ValueError, match=message):
        SparseCholeskyGPClassifier(**options).fit(X, y)
