"""Every public estimator once: small data that it takes, and a quick configuration.

``CASES`` is what the properties and the fuzz of constructors run over; the test that no
estimator is missing compares it with the estimators of ``tests.test_common``.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge

from skopt2.covariance import SparseInverseCovariance, SparseInverseCovarianceCV
from skopt2.decomposition import (
    LpDictionaryLearning,
    MatrixCompleter,
    MatrixFactorization,
    SparseRatioPCA,
    SpectralUnmixer,
    TensorFactorization,
    WassersteinDictionary,
)
from skopt2.gaussian_process import (
    ConstrainedGPSearchCV,
    CoresetGPRegressor,
    GaussianProcessRegressor,
    GPSearchCV,
    SparseCholeskyGPClassifier,
    SparseCholeskyGPRegressor,
)
from skopt2.kernel_machine import (
    EigenProClassifier,
    EigenProRegressor,
    KernelNewtonClassifier,
    KernelNewtonRegressor,
    KernelThinning,
)
from skopt2.linear_model import (
    CVaRClassifier,
    CVaRRegressor,
    GroupClassifier,
    GroupClassifierCV,
    GroupRegressor,
    GroupRegressorCV,
    LowRankRegressor,
    MultiTaskRegressor,
    MultiTaskRegressorCV,
    SketchedRidgeCV,
    SparseClassifier,
    SparseClassifierCV,
    SparsemaxClassifier,
    SparseRegressor,
    SparseRegressorCV,
    StreamingLinearClassifier,
    StreamingLinearRegressor,
    TrendFilter,
)
from skopt2.model_selection import HyperGradientCV
from skopt2.neural_network import ConvexReLUClassifier, ConvexReLURegressor
from skopt2.portfolio import RiskParity
from skopt2.privacy import (
    DPLinearRegressor,
    DPLogisticClassifier,
    DPMLPClassifier,
    DPMLPRegressor,
    DPScaler,
    DPSVMClassifier,
)
from skopt2.semi_supervised import GraphLabelPropagation
from skopt2.structure_learning import LinearDAG
from skopt2.transport import (
    LinearObjective,
    MirrorSinkhorn,
    MongeGapMap,
    ReferenceTransport,
    SinkhornDistance,
    SinkhornTransport,
    WassersteinBarycenter,
    WassersteinKMeans,
)

N_SAMPLES, N_FEATURES = 24, 4


@dataclass(frozen=True)
class Data:
    """What one call of ``fit`` is given."""

    X: Any = None
    y: Any = None
    keywords: dict = field(default_factory=dict)

    def fit(self, estimator):
        """Fit an estimator and return it."""
        if self.X is None:
            return estimator.fit()
        if self.y is None:
            return estimator.fit(self.X, **self.keywords)
        return estimator.fit(self.X, self.y, **self.keywords)


def design(rng, n=N_SAMPLES, p=N_FEATURES):
    """Return correlated features of different scales."""
    mixing = np.eye(p) + 0.3 * rng.standard_normal((p, p))
    return rng.standard_normal((n, p)) @ mixing


def regression(rng):
    X = design(rng)
    w = np.linspace(1.0, -1.0, X.shape[1])
    return Data(X, X @ w + 0.3 * rng.standard_normal(len(X)) + 0.5)


def classification(rng):
    data = regression(rng)
    return Data(data.X, (data.y > np.median(data.y)).astype(int))


def several_targets(rng):
    X = design(rng)
    W = rng.standard_normal((X.shape[1], 3))
    return Data(X, X @ W + 0.3 * rng.standard_normal((len(X), 3)))


def points(rng):
    return Data(design(rng))


def nonnegative(rng):
    return Data(rng.random((N_SAMPLES, N_FEATURES)) + 0.05)


def spectra(rng):
    shares = rng.dirichlet(np.ones(3), size=30)
    return Data(shares @ (rng.random((3, 12)) + 0.1))


def tables(rng):
    W, H = rng.random((N_SAMPLES, 2)), rng.random((2, N_FEATURES))
    X = W @ H + 0.05 * rng.random((N_SAMPLES, N_FEATURES))
    X[rng.random(X.shape) < 0.2] = np.nan
    return Data(X)


def histograms(rng):
    X = rng.random((10, 6)) + 0.05
    return Data(X / X.sum(axis=1, keepdims=True))


def partial_labels(rng):
    data = classification(rng)
    y = data.y.copy()
    y[rng.permutation(len(y))[: len(y) // 2]] = -1
    y[:2] = 0, 1
    return Data(data.X, y)


def ordered(rng):
    X = np.sort(rng.random(N_SAMPLES))[:, None]
    return Data(X, np.abs(X[:, 0] - 0.5) + 0.05 * rng.standard_normal(N_SAMPLES))


def matrices(rng):
    X = rng.standard_normal((60, 12))
    W = np.outer(rng.standard_normal(3), rng.standard_normal(4)).ravel()
    return Data(X, X @ W + 0.05 * rng.standard_normal(60))


def two_clouds(rng):
    X = rng.standard_normal((14, 2))
    target = rng.standard_normal((12, 2)) @ [[1.0, 0.2], [0.2, 0.7]] + 2.0
    return Data(X, keywords={"target": target})


def nothing(rng):
    return Data()


@dataclass(frozen=True, eq=False)
class Case:
    """One estimator: a quick configuration and the data that it takes."""

    estimator: Any
    make: Callable

    @property
    def name(self):
        return type(self.estimator).__name__

    def data(self, seed=0):
        """Return the data of a seed."""
        return self.make(np.random.default_rng(seed))

    @property
    def parameters(self):
        """The names of the constructor's parameters."""
        return sorted(inspect.signature(type(self.estimator)).parameters)

    def fresh(self, **changes):
        """Return an unfitted copy with some parameters changed."""
        if hasattr(self.estimator, "get_params"):
            return clone(self.estimator).set_params(**changes)
        kept = {name: getattr(self.estimator, name) for name in self.parameters}
        return type(self.estimator)(**{**kept, **changes})


def _private(cls, **parameters):
    """Return a private estimator with a budget at which little noise is added."""
    return cls(
        epsilon=8.0,
        delta=1e-3,
        bounds=(-5, 5),
        max_iter=5,
        random_state=0,
        **parameters,
    )


_COST = np.abs(np.subtract.outer(np.arange(5.0), np.arange(4.0)))

CASES = [
    Case(SparseInverseCovariance(0.1), points),
    Case(SparseInverseCovarianceCV(alphas=3, eps=0.3, cv=2), points),
    Case(LpDictionaryLearning(2, random_state=0, max_iter=100), points),
    Case(MatrixCompleter(2, alpha=0.1, max_iter=100, random_state=0), tables),
    Case(MatrixFactorization(2, max_iter=100, random_state=0), nonnegative),
    Case(SparseRatioPCA(2, n_init=2, random_state=0), points),
    Case(SpectralUnmixer(3, max_iter=30, random_state=0), spectra),
    Case(TensorFactorization(2, max_iter=100, random_state=0), nonnegative),
    Case(WassersteinDictionary(2, 0.5, max_iter=10, random_state=0), histograms),
    Case(
        ConstrainedGPSearchCV(
            LogisticRegression(),
            {"C": [0.1, 0.2, 0.5, 1.0]},
            {"mean_fit_time": (None, 100.0)},
            n_iter=3,
            cv=2,
            random_state=0,
        ),
        classification,
    ),
    Case(CoresetGPRegressor(n_coreset=6, max_iter=30, random_state=0), regression),
    Case(
        GPSearchCV(Ridge(), {"alpha": [0.1, 0.3, 1.0]}, n_iter=3, cv=2, random_state=0),
        regression,
    ),
    Case(GaussianProcessRegressor(RBF(2.0), alpha=0.1, random_state=0), regression),
    Case(
        SparseCholeskyGPClassifier(
            RBF(2.0), n_neighbors=5, optimizer=None, random_state=0
        ),
        classification,
    ),
    Case(
        SparseCholeskyGPRegressor(
            RBF(2.0), alpha=0.1, n_neighbors=5, optimizer=None, random_state=0
        ),
        regression,
    ),
    Case(EigenProClassifier(random_state=0), classification),
    Case(EigenProRegressor(random_state=0), regression),
    Case(KernelNewtonClassifier(random_state=0), classification),
    Case(KernelNewtonRegressor(random_state=0), regression),
    Case(KernelThinning(random_state=0), points),
    Case(CVaRClassifier(beta=0.5, random_state=0), classification),
    Case(CVaRRegressor(beta=0.5, random_state=0), regression),
    Case(GroupClassifier(groups=2, random_state=0), classification),
    Case(
        GroupClassifierCV(groups=2, alphas=3, eps=0.1, cv=2, random_state=0),
        classification,
    ),
    Case(GroupRegressor(groups=2, alpha=0.05, random_state=0), regression),
    Case(
        GroupRegressorCV(groups=2, alphas=3, eps=0.1, cv=2, random_state=0), regression
    ),
    Case(
        LowRankRegressor(1, shape=(3, 4), alpha=0.0, max_iter=100, random_state=0),
        matrices,
    ),
    Case(MultiTaskRegressor(alpha=0.05), several_targets),
    Case(MultiTaskRegressorCV(alphas=3, eps=0.1, cv=2), several_targets),
    Case(SketchedRidgeCV(2, alphas=4, random_state=0), regression),
    Case(SparseClassifier(alpha=0.02, random_state=0), classification),
    Case(SparseClassifierCV(alphas=3, eps=0.1, cv=2, random_state=0), classification),
    Case(SparseRegressor(alpha=0.05, random_state=0), regression),
    Case(SparseRegressorCV(alphas=3, eps=0.1, cv=2, random_state=0), regression),
    Case(SparsemaxClassifier(random_state=0), classification),
    Case(StreamingLinearClassifier(max_iter=5, random_state=0), classification),
    Case(StreamingLinearRegressor(max_iter=5, random_state=0), regression),
    Case(TrendFilter(alpha=0.01), ordered),
    Case(HyperGradientCV(SparseRegressor(), cv=2, max_iter=2), regression),
    Case(ConvexReLUClassifier(n_gates=4, max_iter=50, random_state=0), classification),
    Case(ConvexReLURegressor(n_gates=4, max_iter=50, random_state=0), regression),
    Case(RiskParity(), points),
    Case(_private(DPLinearRegressor, y_bounds=(-5, 5)), regression),
    Case(_private(DPLogisticClassifier, classes=[0, 1]), classification),
    Case(
        _private(DPMLPClassifier, classes=[0, 1], hidden_layer_sizes=(4,)),
        classification,
    ),
    Case(
        _private(DPMLPRegressor, y_bounds=(-5, 5), hidden_layer_sizes=(4,)), regression
    ),
    Case(DPScaler(8.0, delta=1e-3, bounds=(-5, 5), random_state=0), points),
    Case(_private(DPSVMClassifier, classes=[0, 1]), classification),
    Case(GraphLabelPropagation(n_neighbors=4, random_state=0), partial_labels),
    Case(LinearDAG(n_init=1, random_state=0), points),
    Case(MirrorSinkhorn(LinearObjective(_COST), tol=0.1), nothing),
    Case(MongeGapMap(n_components=5, reg=0.5, max_iter=10, random_state=0), two_clouds),
    Case(ReferenceTransport(0.5, n_reference=6, random_state=0), points),
    Case(SinkhornDistance(0.5), histograms),
    Case(SinkhornTransport(0.5), two_clouds),
    Case(WassersteinBarycenter(0.5), histograms),
    Case(WassersteinKMeans(2, 0.5, random_state=0), histograms),
]
