"""Scikit-learn's own checks of every public estimator, in several configurations."""

import importlib
import inspect
import pkgutil
import re

import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import skopt2
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
from skopt2.kernels import Matern
from skopt2.linear_model import (
    BlockCoordinateDescent,
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
from skopt2.losses import Huber
from skopt2.model_selection import HyperGradientCV
from skopt2.neural_network import ConvexReLUClassifier, ConvexReLURegressor
from skopt2.penalties import (
    MCP,
    Box,
    ElasticNet,
    GroupMCP,
    LogSum,
    RowMCP,
    SparseGroupLasso,
)
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
    MongeGapMap,
    ReferenceTransport,
    SinkhornDistance,
    SinkhornTransport,
    WassersteinBarycenter,
    WassersteinKMeans,
)

# One estimator for each branch of fit; the empty dictionary of expected failures of
# ``estimator_checks_generator`` is a promise of this package.
CONFIGURATIONS = [
    ConvexReLUClassifier(n_gates=6, max_iter=20),
    ConvexReLUClassifier(n_gates=30, solver="sampled", tol=1e-8),
    ConvexReLURegressor(
        "huber", n_gates=4, robust=0.01, max_iter=10, fit_intercept=False
    ),
    CoresetGPRegressor(n_coreset=20, max_iter=150),
    CoresetGPRegressor(
        1.0 * RBF(2.0),
        n_coreset=7,
        alpha=0.1,
        init="random",
        batch_size=32,
        max_iter=60,
    ),
    CoresetGPRegressor(n_coreset=9, max_iter=60, normalize_y=True, device="cpu"),
    DPLinearRegressor(y_bounds=(-10, 10)),
    DPLinearRegressor(
        epsilon=4.0,
        y_bounds=(0, 5),
        bounds=(-10, 10),
        loss="huber",
        relation="replace_one",
        random_state=0,
    ),
    DPLinearRegressor(y_bounds=(-10, 10), solver="adassp", fit_intercept=False),
    DPLinearRegressor(
        y_bounds=(-10, 10), noise_multiplier=2.0, batch_size=10, max_iter=30
    ),
    DPLogisticClassifier(),
    DPLogisticClassifier(epsilon=8.0, bounds=(-10, 10), random_state=0),
    DPLogisticClassifier(
        noise_multiplier=2.0, batch_size=10, max_iter=30, learning_rate=1.0
    ),
    DPLogisticClassifier(center="private", noise="discrete"),
    DPMLPClassifier(),
    DPMLPClassifier(
        epsilon=8.0,
        hidden_layer_sizes=(5, 4),
        activation="relu",
        bounds=(-10, 10),
        max_iter=30,
        random_state=0,
    ),
    DPMLPClassifier(
        noise_multiplier=2.0, hidden_layer_sizes=8, batch_size=10, max_iter=30
    ),
    DPMLPRegressor(y_bounds=(-100, 100), max_iter=50),
    DPMLPRegressor(
        epsilon=4.0,
        hidden_layer_sizes=8,
        loss="huber",
        y_bounds=(-10, 10),
        center="private",
        noise="discrete",
        clipping="automatic",
        max_iter=20,
        device="cpu",
    ),
    DPScaler(),
    DPScaler(bounds=(-10, 10), noise="discrete", random_state=0),
    DPScaler(noise_multiplier=3.0, with_scaling=False, device="cpu"),
    DPSVMClassifier(),
    DPSVMClassifier(epsilon=4.0, clipping="automatic", average=False, device="cpu"),
    GaussianProcessRegressor(),
    GaussianProcessRegressor(RBF() + WhiteKernel(), optimizer=None, normalize_y=True),
    GaussianProcessRegressor(
        RBF() + WhiteKernel(), solver="sap", n_samples=4, n_features=100
    ),
    GaussianProcessRegressor(
        Matern(2.5, 2.0), alpha=0.1, solver="cg", variance="solves", device="cpu"
    ),
    ConstrainedGPSearchCV(
        LogisticRegression(),
        {"C": [0.1, 0.2, 0.3, 0.5, 0.8, 1.0]},
        {"mean_fit_time": (None, 100.0)},
        n_iter=5,
        cv=2,
        error_score="raise",
    ),
    GPSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"),
    GPSearchCV(
        LogisticRegression(),
        {"C": [0.1, 0.2, 0.3, 0.5, 0.8, 1.0]},
        n_iter=5,
        cv=2,
        error_score="raise",
    ),
    GPSearchCV(
        make_pipeline(PCA(), Ridge()),
        [{"ridge__alpha": [0.1, 0.2, 0.5, 1.0]}, {"ridge__positive": [False, True]}],
        n_iter=6,
        batch_size=2,
        acquisition="thompson",
        cv=2,
        error_score="raise",
    ),
    GPSearchCV(
        make_pipeline(PCA(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        cv=2,
        error_score="raise",
    ),
    GraphLabelPropagation(),
    GraphLabelPropagation("rbf", gamma=1.0),
    GraphLabelPropagation(solver="cholesky"),
    GraphLabelPropagation(bounds=(0.05, 0.95)),
    GraphLabelPropagation(bounds=(0.2, 0.8), solver="descent", selection="gsd"),
    HyperGradientCV(
        SparseRegressor(penalty=ElasticNet(0.0)),
        penalties="feature",
        shrinkage=0.1,
        cv=2,
        max_iter=1,
    ),
    HyperGradientCV(SparseClassifier(), cv=2, init=0.01, max_iter=2, tol=0.1),
    KernelNewtonClassifier(),
    KernelNewtonClassifier(
        "laplacian", "squared_hinge", fit_intercept=False, n_passes=2, max_dictionary=9
    ),
    KernelNewtonClassifier(loss="squared", clip=None, eta=0.5, device="cpu"),
    KernelNewtonRegressor(),
    KernelNewtonRegressor(restart=True, oversampling=0.2),
    KernelNewtonRegressor(Matern(2.5), clip=1e3, oversampling=0.5, shuffle=False),
    KernelThinning(),
    KernelThinning("laplacian", variant="plus", n_swaps=2, device="cpu"),
    KernelThinning(Matern(2.5, 2.0), 1, variant="power", n_swaps=0),
    MatrixCompleter(random_state=0),
    MatrixCompleter(2, alpha=0.1, loss="l1", keep_observed=False, max_iter=10),
    MatrixCompleter("auto", alpha=0.1, scale=False, solver="scaledgd", max_iter=10),
    MatrixFactorization(),
    MatrixFactorization(2, nonnegative=False, init="random"),
    MatrixFactorization(
        3,
        nonnegative="codes",
        bounded=True,
        alpha_W=0.01,
        alpha_H=0.0,
        penalty="mcp",
        max_iter=60,
    ),
    MatrixFactorization(
        2, solver="bcd-pr", alpha_W=0.01, l1_ratio=0.5, init="k-means++", device="cpu"
    ),
    SparseInverseCovariance(),
    # Some checks have fewer rows than features, where only a penalised diagonal keeps
    # the likelihood of flat penalties bounded.
    SparseInverseCovariance(
        0.1, "mcp", standardize=True, penalize_diagonal=True, tol=1e-10
    ),
    SparseInverseCovariance(
        0.1, "scad", penalize_diagonal=True, warm_start=True, device="cpu", tol=1e-10
    ),
    SparseInverseCovarianceCV(alphas=4, eps=0.2, cv=3, tol=1e-10),
    SparseInverseCovarianceCV(
        "mcp", alphas=3, eps=0.3, criterion="ebic", penalize_diagonal=True, tol=1e-10
    ),
    LinearDAG(random_state=0),
    LinearDAG("nv", "bic", max_parents=3, n_init=2, random_state=0, device="cpu"),
    LinearDAG(solver="colide", max_iter=1, random_state=0),
    LpDictionaryLearning(tol=1e-12, random_state=0),
    LpDictionaryLearning(
        2, p=4, whiten=False, threshold=1.0, n_init=2, max_iter=30, device="cpu"
    ),
    SpectralUnmixer(max_iter=60),
    SpectralUnmixer(3, sum_to_one=False, guidance=0.0, init="random", device="cpu"),
    TensorFactorization(),
    TensorFactorization(
        2,
        nonnegative="codes",
        solver="bcd-pr",
        alpha_W=0.01,
        l1_ratio=0.5,
        max_iter=60,
    ),
    RiskParity(),
    # Not the empirical covariance: with the checks' 15 rows of 30 assets there are
    # weights without risk, and so no risk to share.
    RiskParity(solver="newton", warm_start=True),
    RiskParity(covariance="oas", solver="ccd", assume_centered=True, device="cpu"),
    SparseCholeskyGPClassifier(
        RBF(), likelihood="probit", n_neighbors=5, optimizer=None
    ),
    SparseCholeskyGPClassifier(
        ConstantKernel(1.0, (0.1, 10.0)) * RBF(1.0, (0.5, 5.0)), n_neighbors=5
    ),
    SparseCholeskyGPClassifier(solver="adam", max_iter=3, rho=3, optimizer=None),
    SparseCholeskyGPRegressor(),
    SparseCholeskyGPRegressor(
        RBF(), alpha=0.1, n_neighbors=5, rho=3, optimizer=None, normalize_y=True
    ),
    GroupRegressor(),
    GroupRegressor(penalty=GroupMCP(2.5), groups=2, alpha=0.2, orthonormalize=True),
    GroupRegressor(
        penalty="sparse_group_lasso",
        groups=3,
        alpha=0.1,
        warm_start=True,
        sweep="random",
        random_state=0,
        tol=1e-12,
    ),
    GroupRegressor(penalty="group_scad", alpha=0.1, fit_intercept=False, tol=1e-12),
    GroupRegressor(groups=2, alpha=0.02, warm_start=True, tol=1e-10),
    GroupRegressor("poisson", groups=2, alpha=0.05, tol=1e-10),
    GroupRegressor("huber", alpha=0.1, tol=1e-10),
    GroupClassifier(tol=1e-12),
    GroupClassifier("multinomial", groups=2, alpha=0.02, warm_start=True, tol=1e-10),
    GroupClassifier(penalty=SparseGroupLasso(0.2), groups=2, alpha=0.02, tol=1e-12),
    GroupClassifier(
        groups=2, orthonormalize=True, device="cpu", fit_intercept=False, tol=1e-12
    ),
    GroupRegressor(penalty="exclusive_lasso", groups=3, alpha=0.1, tol=1e-10),
    GroupRegressorCV(groups=2, alphas=4, eps=0.01, cv=3, tol=1e-10),
    GroupRegressorCV(
        penalty="group_scad", groups=2, alphas=4, criterion="bic", tol=1e-10
    ),
    GroupClassifierCV(
        penalty="sparse_group_lasso", alphas=4, eps=0.02, criterion="ebic", tol=1e-10
    ),
    GroupClassifierCV(groups=2, alphas=4, eps=0.01, cv=3, tol=1e-10),
    LowRankRegressor(max_iter=60, random_state=0),
    LowRankRegressor(1, alpha=0.0, loss="l1", max_iter=60, random_state=0),
    MultiTaskRegressor(tol=1e-10),
    MultiTaskRegressor(RowMCP(2.5), alpha=0.2, tol=1e-10, warm_start=True),
    MultiTaskRegressor("nuclear", alpha=0.1, tol=1e-10),
    MultiTaskRegressor("spectral_scad", alpha=0.1, fit_intercept=False, tol=1e-10),
    MultiTaskRegressorCV("row_scad", alphas=4, criterion="bic", tol=1e-10),
    MultiTaskRegressorCV("nuclear", alphas=4, eps=0.01, cv=3, device="cpu", tol=1e-10),
    SparseRegressor(),
    SparseRegressor("huber", "elasticnet", alpha=0.1),
    SparseRegressor(penalty=MCP(gamma=2.5), alpha=0.2),
    SparseRegressor(Huber(delta=1.0), "scad", alpha=0.1, fit_intercept=False),
    SparseRegressor(penalty=ElasticNet(0.2), alpha=0.1, positive=True),
    SparseRegressor(penalty="adaptive_l1", alpha=0.1, warm_start=True),
    SparseRegressor(penalty="log_sum", alpha=0.1, device="cpu"),
    SparseRegressor("quantile", alpha=0.05),
    SparseRegressor("quantile", alpha=0.05, positive=True),
    SparseRegressor("poisson", alpha=0.05, tol=1e-10),
    SparseRegressor(penalty="l_half", alpha=0.05, tol=1e-10),
    SparseRegressor(penalty="l0", alpha=0.05),
    SparseRegressor(penalty=Box(-1.0, 2.0), tol=1e-10),
    SparseRegressor(penalty="fused_lasso", alpha=0.1, tol=1e-10),
    SparseRegressor(penalty="slope", alpha=0.1, tol=1e-10),
    SparseRegressor(solver="proxgrad", alpha=0.1, tol=1e-12),
    SparseRegressor(penalty="mcp", solver="ag", alpha=0.1, tol=1e-12),
    SparseRegressor(penalty="scad", solver="vro-ccd", alpha=0.1, tol=1e-10),
    SparseRegressor(solver="bcd", alpha=0.1, tol=1e-10),
    SparseRegressor(penalty=ElasticNet(0.0), solver="newton-damped", tol=1e-10),
    SparseRegressor("huber", ElasticNet(0.0), solver="poly", tol=1e-13),
    SparseClassifier(solver="newton-lazy", alpha=0.02, tol=1e-14),
    SparseClassifier("multinomial", ElasticNet(0.0), solver="newton-gn", tol=1e-14),
    SparseClassifier(),
    SparseClassifier(positive=True),
    SparseClassifier(fit_intercept=False, tol=1e-10),
    SparseClassifier(solver="ag", alpha=0.02, tol=1e-10),
    SparseClassifier(
        solver=BlockCoordinateDescent("order", "gsq", block_size=3),
        alpha=0.05,
        tol=1e-10,
    ),
    SparseClassifier(penalty="l_half", alpha=0.02, tol=1e-10),
    SparseClassifier("multinomial", "elasticnet", alpha=0.05),
    # Not MCP: under a flat penalty the logistic loss of separable classes, which are
    # those of the checks of weights, has no minimiser.
    SparseClassifier(penalty=LogSum(epsilon=1.0), alpha=0.03, tol=1e-10),
    SparseClassifier(penalty="fused_lasso", alpha=0.02, tol=1e-10),
    SparseClassifier(penalty="slope", alpha=0.02, tol=1e-10),
    SparseClassifier("huberized_hinge", "scad", alpha=0.02, tol=1e-10),
    SparseClassifier("squared_hinge", penalty=ElasticNet(0.8), tol=1e-10),
    CVaRClassifier(beta=0.3, warm_start=True, tol=1e-9),
    CVaRRegressor(beta=0.6, tol=1e-9),
    SparsemaxClassifier(tol=1e-14),
    SparsemaxClassifier("l1", alpha=0.02, warm_start=True, tol=1e-12),
    SketchedRidgeCV(2, alphas=4, sketch="countsketch", random_state=0),
    SketchedRidgeCV(2, alphas=4, fit_intercept=False, random_state=0),
    SparseRegressorCV(alphas=4, eps=0.01, cv=3, tol=1e-10),
    SparseRegressorCV(penalty="mcp", alphas=4, criterion="bic", tol=1e-10),
    SparseRegressorCV("poisson", alphas=4, criterion="aic", tol=1e-10),
    SparseRegressorCV("huber", alphas=4, cv=3, selection="1se", positive=True),
    SparseClassifierCV(alphas=4, eps=0.01, cv=3, tol=1e-10),
    SparseClassifierCV("multinomial", alphas=4, criterion="ebic", tol=1e-10),
    SparseClassifierCV("squared_hinge", alphas=4, cv=3, scoring="accuracy", tol=1e-10),
    EigenProRegressor(tol=1e-10),
    EigenProRegressor("gaussian", solver="sap", tol=1e-12, max_iter=1000),
    EigenProRegressor(solver="eigenpro", tol=1e-12, max_iter=5000, device="cpu"),
    EigenProRegressor(centers=20, center_selection="k-means++", warm_start=True),
    EigenProClassifier(tol=1e-10),
    EigenProClassifier("matern", solver="cg", tol=1e-12, max_iter=1000),
    EigenProClassifier(centers=20, alpha=0.1),
    StreamingLinearClassifier(max_iter=20),
    StreamingLinearClassifier(
        penalty="elasticnet", step="udog", max_iter=25, device="cpu"
    ),
    StreamingLinearRegressor(max_iter=30),
    StreamingLinearRegressor("huber", "mcp", step="sps", momentum=0.5, max_iter=15),
    TrendFilter(),
    MongeGapMap(),
    ReferenceTransport(),
    ReferenceTransport(map="entropic", n_reference=10, device="cpu"),
    SinkhornDistance(),
    SinkhornDistance(0.1, debiased=True, normalize_cost="median", device="cpu"),
    SinkhornTransport(),
    SinkhornTransport(map="debiased", warm_start=True, device="cpu"),
    SinkhornTransport(1.0, map="progressive", n_steps=2, tol=1e-11),
    SinkhornTransport(1.0, metric="euclidean", label_reg=0.1, tol=1e-11),
    SinkhornTransport(1.0, reg_marginal=2.0, tol=1e-11),
    SinkhornTransport(metric="cosine", normalize_cost="max", solver="newton"),
    SparseRatioPCA(),
    SparseRatioPCA(
        1, 0.3, refit=False, solver="pcd", n_init=1, tol=1e-14, device="cpu"
    ),
    SparseRatioPCA(3, n_nonzero=2, solver="power"),
    WassersteinBarycenter(),
    WassersteinDictionary(3, 0.5, max_iter=30, random_state=0),
    WassersteinDictionary(
        2,
        0.5,
        cp=True,
        codes="nonnegative",
        init="random",
        n_init=2,
        max_iter=30,
        device="cpu",
    ),
    WassersteinBarycenter(0.1, debiased=False, normalize_cost="max", device="cpu"),
    WassersteinKMeans(3),
    WassersteinKMeans(2, n_init=2, init="random", marginal_tol=1e-4, device="cpu"),
    WassersteinKMeans(3, 1.0, debiased=False, normalize_cost="median"),
]


# Their outcome depends on the branch of ``fit``; that of the others on the class alone.
DECISIVE_CHECKS = {
    "check_array_api_same_namespace",
    "check_classifiers_train",
    "check_dict_unchanged",
    "check_estimator_sparse_array",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_idempotent",
    "check_methods_sample_order_invariance",
    "check_regressors_train",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
    "check_transformer_general",
}


def cases():
    """Pair each configuration with scikit-learn's checks.

    Those of the first configuration of a class and the decisive ones always run, the
    others with ``--thorough``.
    """
    seen = set()
    for configuration in CONFIGURATIONS:
        first = type(configuration) not in seen
        seen.add(type(configuration))
        with config_context(print_changed_only=True):
            text = re.sub(r"\s", "", str(configuration))
        for estimator, check in estimator_checks_generator(configuration):
            function = getattr(check, "func", check)
            options = getattr(check, "keywords", {})
            repeated = "readonly_memmap" in options
            always = first or (function.__name__ in DECISIVE_CHECKS and not repeated)
            yield pytest.param(
                estimator,
                check,
                id=f"{text}-{function.__name__}{options or ''}",
                marks=[] if always else [pytest.mark.thorough],
            )


# Some checks ask for more digits than float32 has.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("estimator", "check"), list(cases()))
def test_scikit_learn_accepts(estimator, check):
    check(estimator)


def test_every_public_estimator_is_checked():
    public = set()
    for entry in pkgutil.iter_modules(skopt2.__path__, "skopt2."):
        module = importlib.import_module(entry.name)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) and issubclass(value, BaseEstimator):
                public |= {value} if hasattr(value, "fit") else set()
    assert public == {type(estimator) for estimator in CONFIGURATIONS}
