"""Sparse inverse covariance estimators: contract, weights, units, errors, choice."""

import io

import array_api_strict
import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.covariance import GraphicalLasso, empirical_covariance, graphical_lasso
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

from skopt2.callbacks import Checkpoint, TextLog
from skopt2.covariance import (
    SparseInverseCovariance,
    SparseInverseCovarianceCV,
    inverse_covariance_path,
)
from skopt2.inspection import ConvergenceDisplay
from skopt2.penalties import MCP
from tests.callbacks.test_checkpoint import Interrupt


def chain(n=200, p=12, seed=0):
    """Return rows of a chain of features, and its precision matrix."""
    T = np.eye(p) + 0.45 * (np.eye(p, k=1) + np.eye(p, k=-1))
    rng = np.random.default_rng(seed)
    rows = np.linalg.solve(np.linalg.cholesky(T).T, rng.standard_normal((p, n))).T
    return rows, T


def edges(T):
    return T[np.triu_indices(len(T), 1)] != 0


@pytest.mark.parametrize("assume_centered", [False, True])
def test_agrees_with_scikit_learn(assume_centered):
    X = chain()[0] * 2.0 + 0.3
    options = {"alpha": 0.3, "assume_centered": assume_centered}
    model = SparseInverseCovariance(**options, tol=1e-10).fit(X)
    peer = GraphicalLasso(**options, tol=1e-8, enet_tol=1e-9).fit(X)
    np.testing.assert_allclose(model.precision_, peer.precision_, atol=1e-5)
    np.testing.assert_allclose(model.covariance_, peer.covariance_, atol=1e-5)
    np.testing.assert_allclose(model.location_, peer.location_)
    assert model.get_precision() is model.precision_
    new = chain(50, seed=1)[0]
    assert model.score(new) == pytest.approx(peer.score(new), rel=1e-5)
    np.testing.assert_allclose(model.mahalanobis(new), peer.mahalanobis(new), rtol=1e-4)
    for norm in ("frobenius", "spectral"):
        for scaling, squared in ((True, True), (False, False)):
            found = model.error_norm(np.eye(12), norm, scaling, squared)
            expected = peer.error_norm(np.eye(12), norm, scaling, squared)
            assert found == pytest.approx(expected, rel=1e-4)
    assert model.converged_
    assert model.dual_gap_ <= 1e-9
    S = empirical_covariance(X, assume_centered=assume_centered)
    T = model.precision_
    off = np.abs(T).sum() - np.trace(T)
    value = (S * T).sum() - np.linalg.slogdet(T)[1] + 0.3 * off
    assert model.objective_ == pytest.approx(value, rel=1e-9)


def test_precomputed_covariance_is_that_of_the_rows():
    X = chain()[0]
    S = empirical_covariance(X)
    options = {"alpha": 0.2, "tol": 1e-12}
    rows = SparseInverseCovariance(**options).fit(X)
    given = SparseInverseCovariance(covariance="precomputed", **options).fit(S)
    np.testing.assert_allclose(given.precision_, rows.precision_, atol=1e-8)
    np.testing.assert_array_equal(given.location_, np.zeros(12))


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
def test_weights_are_repetitions(penalty):
    X = chain(40)[0]
    weight = np.random.default_rng(0).integers(0, 4, 40)
    model = SparseInverseCovariance(0.2, penalty, standardize=True, tol=1e-10)
    weighted = model.fit(X, sample_weight=weight).precision_
    repeated = model.fit(np.repeat(X, weight, axis=0)).precision_
    np.testing.assert_allclose(weighted, repeated, atol=1e-6)
    score = model.score(X, sample_weight=weight)
    assert score == pytest.approx(model.score(np.repeat(X, weight, axis=0)))


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
@pytest.mark.parametrize("diagonal", [False, True])
def test_standardized_penalty_has_no_units(penalty, diagonal):
    X = chain()[0]
    X /= X.std(axis=0)
    units = 10.0 ** np.random.default_rng(0).uniform(-3, 3, 12)
    options = {"penalty": penalty, "penalize_diagonal": diagonal, "tol": 1e-11}
    plain = SparseInverseCovariance(0.1, **options).fit(X)
    scaled = SparseInverseCovariance(0.1, standardize=True, **options).fit(X * units)
    back = units[:, None] * scaled.precision_ * units
    np.testing.assert_allclose(back, plain.precision_, atol=1e-6)


def test_covariance_scales_with_alpha():
    # The problem of c X and c^2 alpha is that of X and alpha.
    X = chain()[0]
    small = SparseInverseCovariance(0.2, tol=1e-12).fit(X).precision_
    large = SparseInverseCovariance(0.2 * 1e12, tol=1e-12).fit(1e6 * X).precision_
    np.testing.assert_allclose(1e12 * large, small, atol=1e-8)


def test_penalized_diagonal_has_the_variance_and_alpha():
    X = chain()[0]
    X[:, 3] = 5.0
    model = SparseInverseCovariance(0.2, penalize_diagonal=True, tol=1e-10).fit(X)
    expected = X.var(axis=0) + 0.2
    np.testing.assert_allclose(np.diag(model.covariance_), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="VarianceThreshold"):
        SparseInverseCovariance(0.2).fit(X)


@pytest.mark.parametrize("penalty", ["l1", "mcp", "scad"])
def test_certificate_is_that_of_the_penalty(penalty):
    X = chain()[0]
    # The gap is of first order in the error of the gradient.
    tol = 1e-12 if penalty == "l1" else 1e-8
    model = SparseInverseCovariance(0.1, penalty, standardize=True, tol=tol).fit(X)
    assert model.converged_
    s = X.std(axis=0)
    T = model.precision_ * s[:, None] * s
    G = np.corrcoef(X, rowvar=False) - np.linalg.inv(T)
    off = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(np.diag(G), 0.0, atol=1e-6)
    assert np.all(np.abs(G)[off & (T == 0)] <= 0.1 + 1e-7)
    size = np.abs(T[off & (T != 0)])
    slope = {
        "l1": np.full_like(size, 0.1),
        "mcp": np.maximum(0.1 - size / 3.0, 0.0),
        "scad": np.minimum(0.1, np.maximum(0.37 - size, 0.0) / 2.7),
    }[penalty]
    np.testing.assert_allclose(np.abs(G)[off & (T != 0)], slope, atol=1e-6)


def test_mcp_finds_the_graph_with_less_bias():
    X, T = chain(n=400)
    true = edges(T)
    mcp = SparseInverseCovarianceCV("mcp", criterion="ebic", standardize=True).fit(X)
    lasso = SparseInverseCovarianceCV("l1", criterion="ebic", standardize=True).fit(X)
    np.testing.assert_array_equal(edges(mcp.precision_), true)
    assert np.all(edges(lasso.precision_)[true])
    bias = [np.abs(m.precision_ - T)[T != 0].mean() for m in (mcp, lasso)]
    assert bias[0] < 0.6 * bias[1]


def test_cross_validation_scores_left_out_rows():
    X = chain(60)[0]
    folds = KFold(3)
    alphas = [0.5, 0.2, 0.1]
    model = SparseInverseCovarianceCV(alphas=alphas, cv=folds, tol=1e-9).fit(X)
    expected = np.empty((3, 3))
    for j, (train, test) in enumerate(folds.split(X)):
        for i, alpha in enumerate(alphas):
            fold = SparseInverseCovariance(alpha, tol=1e-9).fit(X[train])
            expected[i, j] = fold.score(X[test])
    np.testing.assert_allclose(model.scores_path_, expected, rtol=1e-6)
    assert model.alpha_ == alphas[expected.mean(axis=1).argmax()]
    single = SparseInverseCovariance(model.alpha_, tol=1e-9).fit(X)
    np.testing.assert_allclose(model.precision_, single.precision_, atol=1e-7)
    with parallel_config("threading", n_jobs=2):
        parallel = clone(model).fit(X)
    np.testing.assert_array_equal(parallel.scores_path_, model.scores_path_)


def test_one_standard_error_has_fewer_edges():
    X = chain(60)[0]
    best = SparseInverseCovarianceCV().fit(X)
    sparser = SparseInverseCovarianceCV(selection="1se").fit(X)
    assert sparser.alpha_ >= best.alpha_
    assert sparser.n_edges_ <= best.n_edges_


@pytest.mark.parametrize("criterion", ["aic", "bic", "ebic"])
def test_criterion_counts_edges(criterion):
    X, alphas = chain(60)[0], [0.5, 0.2, 0.1]
    options = {"alphas": alphas, "criterion": criterion, "tol": 1e-10}
    model = SparseInverseCovarianceCV(ebic_gamma=1, **options).fit(X)
    n, p = X.shape
    cost = {"aic": 2.0, "bic": np.log(n), "ebic": np.log(n) + 4 * np.log(p)}[criterion]
    for i, alpha in enumerate(alphas):
        single = SparseInverseCovariance(alpha, tol=1e-10).fit(X)
        expected = -2 * n * single.score(X) + cost * single.n_edges_
        assert model.criterion_path_[i] == pytest.approx(expected, rel=1e-6)
    assert model.scores_path_ is None


def test_criterion_takes_weights_as_counts():
    X = chain(40)[0]
    weight = np.random.default_rng(0).integers(1, 4, 40)
    model = SparseInverseCovarianceCV(alphas=4, criterion="ebic", tol=1e-9)
    weighted = model.fit(X, sample_weight=weight).criterion_path_
    repeated = model.fit(np.repeat(X, weight, axis=0)).criterion_path_
    np.testing.assert_allclose(weighted, repeated, rtol=1e-7)


def test_search_by_score():
    search = GridSearchCV(SparseInverseCovariance(), {"alpha": [0.01, 0.1, 1.0]}, cv=3)
    assert search.fit(chain(100)[0]).best_params_ == {"alpha": 0.1}


def test_path_starts_without_edges():
    X = chain()[0]
    S = empirical_covariance(X)
    path = inverse_covariance_path(S, alphas=6, eps=0.1)
    assert path.alphas[0] == pytest.approx(np.abs(S - np.diag(np.diag(S))).max())
    assert path.n_edges[0] == 0
    assert path.n_edges[-1] > 11
    for alpha, precision in zip(path.alphas[1:], path.precisions[1:], strict=True):
        expected = graphical_lasso(S, alpha, tol=1e-8, enet_tol=1e-9)[1]
        np.testing.assert_allclose(precision, expected, atol=2e-3)
    assert all(certificate.holds for certificate in path.certificates)


def test_fewer_rows_than_features():
    X = chain(n=8)[0]
    model = SparseInverseCovariance(0.2, tol=1e-8).fit(X)
    assert model.converged_
    assert np.linalg.eigvalsh(model.precision_)[0] > 0
    with pytest.raises(ValueError, match="alpha > 0"):
        SparseInverseCovariance(0.0).fit(X)


def test_one_feature():
    X = chain()[0][:, :1]
    model = SparseInverseCovariance().fit(X)
    assert model.precision_[0, 0] == pytest.approx(1.0 / X.var())
    assert SparseInverseCovarianceCV(cv=3).fit(X).n_edges_ == 0


def test_float32_stays():
    X = chain()[0]
    model = SparseInverseCovariance(0.2, tol=1e-9).fit(X.astype(np.float32))
    for name in ("precision_", "covariance_", "location_"):
        assert getattr(model, name).dtype == np.float32
    expected = SparseInverseCovariance(0.2, tol=1e-9).fit(X).precision_
    np.testing.assert_allclose(model.precision_, expected, atol=1e-5)
    assert model.converged_


def test_warm_start_takes_fewer_steps():
    X = chain(n=20)[0]
    model = SparseInverseCovariance(0.1, warm_start=True, tol=1e-9).fit(X)
    cold = model.n_iter_
    first = model.precision_
    model.fit(X)
    assert model.n_iter_ < cold
    np.testing.assert_allclose(model.precision_, first, atol=1e-5)


def test_warns_without_convergence():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model = SparseInverseCovariance(0.01, max_iter=2).fit(chain()[0])
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"
    with (
        pytest.warns(ConvergenceWarning, match="CV stopped"),
        pytest.warns(ConvergenceWarning, match="fits on the paths") as caught,
    ):
        SparseInverseCovarianceCV(max_iter=2, alphas=3).fit(chain()[0])
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alpha": -1.0}, "alpha"),
        ({"penalty": "lasso"}, "penalty"),
        ({"penalty": "l0"}, "precision matrices"),
        ({"penalty": MCP(0.5)}, "gamma"),
        ({"covariance": "empirical"}, "covariance"),
        ({"standardize": "yes"}, "standardize"),
    ],
)
def test_parameters_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        SparseInverseCovariance(**options).fit(chain()[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alphas": []}, "alphas"),
        ({"alphas": [-1.0]}, "alphas"),
        ({"alphas": 0}, "alphas"),
        ({"eps": 1.0}, "eps"),
        ({"criterion": "gcv"}, "criterion"),
        ({"selection": "max"}, "selection"),
        ({"ebic_gamma": -1.0}, "ebic_gamma"),
        ({"cv": [([0, 1], [])]}, "fold 0"),
        ({"cv": []}, "no folds"),
    ],
)
def test_choices_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        SparseInverseCovarianceCV(**options).fit(chain()[0])


@pytest.mark.parametrize(
    ("S", "words"),
    [
        (np.ones((2, 3)), "square"),
        (np.array([[1.0, 0.5], [0.1, 1.0]]), "symmetric"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "semidefinite"),
        (np.array([[1.0, 0.0], [0.0, -1.0]]), "variance"),
        (np.diag([1.0, 0.0]), "zero variance"),
    ],
)
def test_covariances_out_of_range(S, words):
    with pytest.raises(ValueError, match=words):
        SparseInverseCovariance(0.1, covariance="precomputed").fit(S)


def test_other_errors():
    X = chain()[0]
    S = empirical_covariance(X)
    model = SparseInverseCovariance(0.1, covariance="precomputed")
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(S, sample_weight=np.ones(12))
    with pytest.raises(ValueError, match="n_samples=1"):
        SparseInverseCovariance().fit(X[:1])
    with pytest.raises(ValueError, match="Scale the features"):
        SparseInverseCovariance(0.1, standardize=True).fit(1e-160 * X)
    model = SparseInverseCovariance(0.1).fit(X)
    with pytest.raises(ValueError, match="comp_cov"):
        model.error_norm(np.eye(3))
    with pytest.raises(ValueError, match="norm"):
        model.error_norm(S, norm="nuclear")


@pytest.mark.parametrize("penalty", ["l1", "scad"])
def test_device_gives_the_same(cuda_stand_in, penalty):
    X = chain(60)[0]
    host = SparseInverseCovariance(0.2, penalty, standardize=True, tol=1e-8).fit(X)
    there = SparseInverseCovariance(
        0.2, penalty, standardize=True, tol=1e-8, device="cuda"
    ).fit(X)
    assert there.device_ == "cuda:0"
    assert isinstance(there.precision_, np.ndarray)
    np.testing.assert_allclose(there.precision_, host.precision_, atol=1e-6)


def test_arrays_stay_in_their_namespace(dispatch):
    X = chain(60)[0]
    strict = array_api_strict.asarray(X)
    model = SparseInverseCovarianceCV(alphas=3, cv=3, tol=1e-10).fit(strict)
    assert isinstance(model.precision_, type(strict))
    assert isinstance(model.mahalanobis(strict), type(strict))
    host = SparseInverseCovarianceCV(alphas=3, cv=3, tol=1e-10).fit(X)
    assert model.score(strict) == pytest.approx(host.score(X))
    path = inverse_covariance_path(array_api_strict.asarray(host.covariance_), alphas=2)
    assert isinstance(path.precisions[0], type(strict))


@pytest.mark.parametrize("penalty", ["l1", "mcp"])
def test_checkpoint_continues(tmp_path, penalty):
    X, path = chain(n=30)[0], tmp_path / "fit.skopt2"
    model = SparseInverseCovariance(0.1, penalty, penalize_diagonal=True, tol=1e-10)
    whole = clone(model).fit(X)
    broken = clone(model).set_callbacks(Checkpoint(path, min_seconds=0), Interrupt(4))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X)
    assert not hasattr(broken, "precision_")
    rest = clone(model).set_callbacks(Checkpoint(path)).fit(X)
    assert rest.history_["iteration"][0] == whole.history_["iteration"][0]
    np.testing.assert_allclose(rest.precision_, whole.precision_, atol=1e-6)
    stream = io.StringIO()
    logged = clone(model).set_callbacks(TextLog(stream)).fit(X)
    assert len(stream.getvalue().splitlines()) == len(logged.history_["time"]) + 1


def test_convergence_can_be_drawn():
    pytest.importorskip("matplotlib")
    model = SparseInverseCovariance(0.1).fit(chain()[0])
    assert ConvergenceDisplay.from_estimator(model).figure_ is not None


def test_large_components_start_in_single_precision():
    # The answer, its certificate and its dtype are those of double precision.
    X = chain(n=80, p=120)[0]
    model = SparseInverseCovariance(0.15, tol=1e-9).fit(X)
    assert model.precision_.dtype == np.float64
    S = empirical_covariance(X)
    expected = graphical_lasso(S, 0.15, tol=1e-8, enet_tol=1e-10)[1]
    np.testing.assert_allclose(model.precision_, expected, atol=1e-5)
    T, W = model.precision_, model.covariance_
    Z = S + np.clip(W - S, -0.15, 0.15) * (1 - np.eye(120))
    off = np.abs(T).sum() - np.trace(T)
    value = (S * T).sum() - np.linalg.slogdet(T)[1] + 0.15 * off
    gap = value - np.linalg.slogdet(Z)[1] - 120
    assert gap == pytest.approx(model.dual_gap_, abs=1e-9)
    early = SparseInverseCovariance(0.15, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        early.fit(X)
    np.testing.assert_allclose(
        early.precision_ @ early.covariance_, np.eye(120), atol=1e-10
    )
