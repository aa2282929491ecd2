"""Curves of :mod:`benchmarks.scaling` for transport, kernels and all other families."""

from functools import partial

import numpy as np
import scipy.sparse as sp
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
from sklearn.metrics import euclidean_distances

from benchmarks.scaling_curve import Curve, pair
from benchmarks.scaling_linear import design, labels
from skopt2.covariance import SparseInverseCovariance
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
    CoresetGPRegressor,
    GaussianProcessRegressor,
    SparseCholeskyGPRegressor,
)
from skopt2.kernel_machine import (
    EigenProRegressor,
    KernelNewtonRegressor,
    KernelThinning,
)
from skopt2.neural_network import ConvexReLURegressor
from skopt2.portfolio import RiskParity
from skopt2.privacy import DPLinearRegressor, DPLogisticClassifier, DPMLPClassifier
from skopt2.semi_supervised import GraphLabelPropagation
from skopt2.structure_learning import LinearDAG
from skopt2.transport import (
    PointCloud,
    gromov_wasserstein,
    sinkhorn,
    sinkhorn_divergence,
    sliced_wasserstein,
)


def _clouds(n, d):
    rng = np.random.default_rng(0)
    return rng.random((n, d)), rng.random((n, d))


def _stored(share, d=2):
    def prepare(n):
        X, Y = _clouds(n, d)
        cost = euclidean_distances(X, Y, squared=True)
        cost /= cost.max()
        return lambda: sinkhorn(None, None, cost, share)

    return prepare


def _streamed(n, d, share=1e-2):
    X, Y = _clouds(n, d)
    cloud = PointCloud(X, Y, streamed=True)
    return lambda: sinkhorn(None, None, cloud, share * d)


def _divergence(n):
    X, Y = _clouds(n, 2)
    return lambda: sinkhorn_divergence(X, Y, 2e-2)


def _sliced(n, d):
    X, Y = _clouds(n, d)
    return lambda: sliced_wasserstein(X, Y, random_state=0)


def _gromov(n):
    X, Y = _clouds(n, 2)
    return lambda: gromov_wasserstein(
        X, Y @ [[2, 0], [0, 1]], reg=0.02, metric="sqeuclidean"
    )


def _surface(n, d):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1.0, 1.0, (n, d))
    y = np.sin(3.0 * X[:, 0]) * X[:, 1] + 0.1 * rng.standard_normal(n)
    return X, y


def _kernel(**options):
    def prepare(n, d=10):
        X, y = _surface(n, d)
        options_ = {"alpha": 0.1, "random_state": 0} | options
        model = EigenProRegressor(**options_)
        return lambda: model.fit(X, y)

    return prepare


def _online(n):
    X, y = _surface(n, 10)
    model = KernelNewtonRegressor(random_state=0)
    return lambda: model.fit(X, y)


def _thinning(n):
    X, _ = _surface(n, 10)
    model = KernelThinning(size=100, random_state=0)
    return lambda: model.fit(X)


def _process(**options):
    def prepare(n):
        X, y = _surface(n, 2)
        kernel = 1.0 * Matern(0.5, nu=1.5)
        model = GaussianProcessRegressor(
            kernel, alpha=0.01, optimizer=None, random_state=0, **options
        )
        return lambda: model.fit(X, y)

    return prepare


def _vecchia(n, k=30):
    X, y = _surface(n, 2)
    kernel = 1.0 * Matern(0.5, nu=1.5) + WhiteKernel(0.01)
    model = SparseCholeskyGPRegressor(
        kernel, n_neighbors=k, optimizer=None, random_state=0
    )
    return lambda: model.fit(X, y)


def _coreset(n, k=50):
    X, y = _surface(n, 2)
    kernel = 1.0 * RBF([1.0, 1.0]) + WhiteKernel(0.01)
    model = CoresetGPRegressor(kernel, n_coreset=k, random_state=0)
    return lambda: model.fit(X, y)


def _private(make, classes=True, **options):
    def prepare(n, p):
        X, y = design(n, p)
        X, y = np.clip(X / 4.0, -1.0, 1.0), np.clip(y / y.std(), -3.0, 3.0)
        y = labels(y) if classes else y
        model = make(1.0, bounds=(-1.0, 1.0), random_state=0, **options)
        return lambda: model.fit(X, y)

    return prepare


def _completion(n, k):  # 50 entries a row, of 1000 columns
    rng = np.random.default_rng(0)
    U, V = rng.standard_normal((n, 5)), rng.standard_normal((1000, 5))
    i = np.repeat(np.arange(n), 50)
    j = rng.integers(0, 1000, i.size)
    i, j = np.divmod(np.unique(1000 * i + j), 1000)
    x = np.einsum("ij,ij->i", U[i], V[j]) + 0.5 * rng.standard_normal(i.size)
    X = sp.csr_array((x, (i, j)), shape=(n, 1000))
    model = MatrixCompleter(k, scale=False, random_state=0)
    return lambda: model.fit(X)


def _nonnegative(n, p, k):
    rng = np.random.default_rng(0)
    W, H = rng.gamma(0.5, size=(n, 8)), rng.gamma(0.5, size=(8, p))
    X = W @ H + 0.1 * rng.random((n, p))
    model = MatrixFactorization(k, random_state=0)
    return lambda: model.fit(X)


def _tensor(n, k):
    rng = np.random.default_rng(0)
    A, B, C = (rng.gamma(0.5, size=(size, 8)) for size in (n, 20, 20))
    X = np.einsum("ir,jr,kr->ijk", A, B, C).reshape(n, -1)
    X += 0.1 * rng.random(X.shape)
    model = TensorFactorization(k, shape=(20, 20), random_state=0)
    return lambda: model.fit(X)


def _unmix(n, k):
    rng = np.random.default_rng(0)
    X = rng.dirichlet(np.full(4, 0.5), n) @ rng.gamma(2.0, size=(4, 100))
    X += 0.01 * rng.random(X.shape)
    model = SpectralUnmixer(k, random_state=0)
    return lambda: model.fit(X)


def _lp(n, p):
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((n, p)) * (rng.random((n, p)) < 0.2)
    X = codes @ rng.standard_normal((p, p))
    model = LpDictionaryLearning(random_state=0)
    return lambda: model.fit(X)


def _histograms(n, bins, k=3):
    places = np.arange(bins)
    middles = bins * (np.arange(k)[:, None] + 0.5) / k
    shapes = np.exp(-0.5 * ((places - middles) / (0.04 * bins)) ** 2)
    X = np.random.default_rng(0).dirichlet(np.full(k, 0.5), size=n) @ shapes
    model = WassersteinDictionary(k, random_state=0)
    return lambda: model.fit(X)


def _graph(n, p):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    X[:, 1:] += 0.6 * X[:, :-1]
    model = SparseInverseCovariance(alpha=0.15)
    return lambda: model.fit(X)


def _relu(n, gates):
    X, y = _surface(n, 5)
    model = ConvexReLURegressor(n_gates=gates, alpha=1e-3, random_state=0)
    return lambda: model.fit(X, y)


def _dag(n, p):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        parents = rng.choice(j, min(2, j), replace=False)
        X[:, j] += X[:, parents] @ rng.choice([-0.8, 0.8], parents.size)
    model = LinearDAG(random_state=0)
    return lambda: model.fit(X)


def _few_labels(solver):
    def prepare(n):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, 3))
        y = (X[:, 0] > 0) + 2 * (X[:, 1] > 0)
        y = np.where(rng.random(n) < 0.02, y, -1)
        y[:4] = np.arange(4)
        model = GraphLabelPropagation(solver=solver, random_state=0)
        return lambda: model.fit(X, y)

    return prepare


def _components(n, p):
    X, _ = design(n, p)
    model = SparseRatioPCA(2, random_state=0)
    return lambda: model.fit(X)


def _portfolio(n, p):
    X, _ = design(n, p)
    model = RiskParity()
    return lambda: model.fit(0.01 * X)


def _transport():
    stored = (250, 500, 1000, 2000, 4000)
    n, d = "n = m points", "d dimensions"
    many = (4000, 8000, 16000, 32000, 64000, 128000)
    yield Curve("transport", "stored, share 1e-2", n, "d = 2", stored, _stored(1e-2))
    yield Curve("transport", "stored, share 1e-4", n, "d = 2", stored, _stored(1e-4))
    sizes = (500, 1000, 2000, 4000, 8000)
    yield Curve("transport", "streamed", n, "d = 2", sizes, lambda n: _streamed(n, 2))
    yield Curve("transport", "divergence", n, "d = 2", stored, _divergence)
    yield Curve("transport", "sliced", n, "d = 3", many, lambda n: _sliced(n, 3))
    sizes = (50, 100, 200, 400, 800)
    yield Curve("transport", "Gromov-Wasserstein", n, "d = 2", sizes, _gromov)
    sizes = (2, 4, 8, 16, 32, 64, 128)
    for label, fit, m in ("streamed", _streamed, 2000), ("sliced", _sliced, 10_000):
        prepare = partial(fit, m)
        yield Curve("transport", label, d, f"n = m = {m}", sizes, prepare)


def _kernels():
    n, d = "n rows", "d features"
    dense, sap = _kernel(solver="cholesky"), _kernel(solver="sap")
    few = _kernel(centers=500)
    sizes = (500, 1000, 2000, 4000, 8000)
    yield Curve("kernels", "all rows, cholesky", n, "d = 10", sizes, dense)
    sizes = (1000, 2000, 4000, 8000, 16000)
    yield Curve("kernels", "all rows, sap", n, "d = 10", sizes, sap)
    sizes = (4000, 8000, 16000, 32000, 64000, 128000)
    yield Curve("kernels", "500 centres", n, "d = 10", sizes, few)
    sizes = (1000, 2000, 4000, 8000, 16000)
    yield Curve("kernels", "online Newton steps", n, "d = 10", sizes, _online)
    yield Curve("kernels", "thinning to 100", n, "d = 10", sizes, _thinning)
    sizes = (5, 10, 20, 40, 80, 160, 320)
    yield Curve("kernels", "all rows, sap", d, "n = 4000", sizes, partial(sap, 4000))
    prepare = partial(few, 20_000)
    yield Curve("kernels", "500 centres", d, "n = 20000", sizes, prepare)


def _processes():
    family, n, k = "gaussian_processes", "n rows", "neighbours, points"
    given = "d = 2, kernel given"
    sizes = (500, 1000, 2000, 4000, 8000)
    exact = _process(solver="cholesky")
    yield Curve(family, "exact, cholesky", n, given, sizes, exact)
    sizes = (1000, 2000, 4000, 8000)
    yield Curve(family, "exact, iterative", n, given, sizes, _process(solver="sap"))
    sizes = (2000, 4000, 8000, 16000, 32000)
    yield Curve(family, "sparse Cholesky", n, given, sizes, _vecchia)
    yield Curve(family, "coreset", n, "d = 2, 50 points", sizes, _coreset)
    sizes = (10, 20, 40, 80)
    for label, fit in ("sparse Cholesky", _vecchia), ("coreset", _coreset):
        yield Curve(family, label, k, "n = 5000", sizes, partial(fit, 5000))


def _private_models():
    rows = ("n rows", (4000, 8000, 16000, 32000, 64000), 20_000)
    features = ("p features", (10, 20, 40, 80, 160), 20)
    kinds = {
        "linear": _private(DPLinearRegressor, False, y_bounds=(-3.0, 3.0)),
        "logistic, noisy descent": _private(DPLogisticClassifier, classes=[0, 1]),
        "network of 64": _private(DPMLPClassifier, classes=[0, 1]),
    }
    for label, prepare in kinds.items():
        yield from pair("privacy", label, prepare, rows, features)


def _matrices():
    rows = ("n rows", (250, 500, 1000, 2000, 4000), 1000)
    rank = ("components", (4, 8, 16, 32), 8)
    yield from pair("low_rank", "completion", _completion, rows, rank)
    fixed = lambda n, k: _nonnegative(n, 200, k)  # noqa: E731
    rows = ("n rows", (500, 1000, 2000, 4000, 8000), 1000)
    rank = ("components", (2, 4, 8, 16), 4)
    family = "factorization"
    yield from pair(family, "matrix, 200 columns", fixed, rows, rank)
    yield from pair(family, "tensor, 20 x 20 a row", _tensor, rows, rank)
    yield from pair(family, "unmixing, 100 bands", _unmix, rows, rank)


def curves():
    """Return the curves of all families but the linear models.

    Returns
    -------
    list of Curve
    """
    n, p = "n rows", "p features"
    ladder = (500, 1000, 2000, 4000, 8000)
    found = [*_transport(), *_kernels(), *_processes(), *_private_models()]
    found += _matrices()
    for family, label, prepare, first, second in [
        (
            "lp_dictionary",
            "all atoms",
            _lp,
            (n, (2000, 4000, 8000, 16000, 32000), 10_000),
            (p, (8, 16, 32, 64, 128), 16),
        ),
        (
            "wasserstein_dictionary",
            "3 atoms",
            _histograms,
            (n, (25, 50, 100, 200, 400), 100),
            ("bins", (20, 40, 80, 160), 40),
        ),
        (
            "graphical_models",
            "graphical lasso",
            _graph,
            (n, ladder, 1000),
            (p, (50, 100, 200, 400, 800), 100),
        ),
        (
            "convex_relu",
            "squared loss",
            _relu,
            (n, (250, 500, 1000, 2000, 4000), 1000),
            ("gates", (25, 50, 100, 200, 400), 50),
        ),
        (
            "linear_dag",
            "moves, one variance",
            _dag,
            (n, ladder, 1000),
            (p, (10, 20, 40, 80), 20),
        ),
        (
            "sparse_ratio_pca",
            "2 components",
            _components,
            (n, ladder, 1000),
            (p, (50, 100, 200, 400, 800), 200),
        ),
        (
            "risk_parity",
            "equal shares",
            _portfolio,
            (n, ladder, 2000),
            ("assets", (100, 200, 400, 800, 1600), 200),
        ),
    ]:
        found += pair(family, label, prepare, first, second)
    sizes = (2000, 4000, 8000, 16000, 32000)
    for label, solver in {"auto": "auto", "descent": "descent"}.items():
        fit = _few_labels(solver)
        found.append(Curve("label_propagation", label, n, "d = 3", sizes, fit))
    return found
