"""Linear models with convex and nonconvex penalties."""

from skopt2.linear_model.block_coordinate_descent import BlockCoordinateDescent
from skopt2.linear_model.curvature_steps import (
    DampedNewton,
    GradientNormalizedNewton,
    LazyNewton,
    Oasis,
    PolynomialGradient,
)
from skopt2.linear_model.cvar_classifier import CVaRClassifier
from skopt2.linear_model.cvar_regressor import CVaRRegressor
from skopt2.linear_model.group_classifier import GroupClassifier
from skopt2.linear_model.group_classifier_cv import GroupClassifierCV
from skopt2.linear_model.group_path import group_path
from skopt2.linear_model.group_regressor import GroupRegressor
from skopt2.linear_model.group_regressor_cv import GroupRegressorCV
from skopt2.linear_model.low_rank_regressor import LowRankRegressor
from skopt2.linear_model.multitask_cv import MultiTaskRegressorCV
from skopt2.linear_model.multitask_regressor import MultiTaskRegressor
from skopt2.linear_model.sketched_ridge_cv import SketchedRidgeCV
from skopt2.linear_model.sparse_classifier import SparseClassifier
from skopt2.linear_model.sparse_cv import SparseClassifierCV, SparseRegressorCV
from skopt2.linear_model.sparse_path import PathResult, sparse_path
from skopt2.linear_model.sparse_regressor import SparseRegressor
from skopt2.linear_model.sparsemax_classifier import SparsemaxClassifier
from skopt2.linear_model.streaming_classifier import StreamingLinearClassifier
from skopt2.linear_model.streaming_regressor import StreamingLinearRegressor
from skopt2.linear_model.trend_filter import TrendFilter

__all__ = [
    "BlockCoordinateDescent",
    "DampedNewton",
    "GradientNormalizedNewton",
    "CVaRClassifier",
    "CVaRRegressor",
    "GroupClassifier",
    "GroupClassifierCV",
    "GroupRegressor",
    "GroupRegressorCV",
    "LazyNewton",
    "LowRankRegressor",
    "MultiTaskRegressor",
    "MultiTaskRegressorCV",
    "Oasis",
    "PathResult",
    "PolynomialGradient",
    "SketchedRidgeCV",
    "SparseClassifier",
    "SparseClassifierCV",
    "SparseRegressor",
    "SparseRegressorCV",
    "SparsemaxClassifier",
    "StreamingLinearClassifier",
    "StreamingLinearRegressor",
    "TrendFilter",
    "group_path",
    "sparse_path",
]


def __dir__():
    return __all__
