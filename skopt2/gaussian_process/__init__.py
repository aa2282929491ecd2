"""Gaussian processes: regression, approximations of it, and search built on it."""

from skopt2.gaussian_process.constrained_gp_search import ConstrainedGPSearchCV
from skopt2.gaussian_process.coreset_gp_regressor import CoresetGPRegressor
from skopt2.gaussian_process.gaussian_process_regressor import GaussianProcessRegressor
from skopt2.gaussian_process.gp_search import GPSearchCV
from skopt2.gaussian_process.sparse_cholesky_classifier import (
    SparseCholeskyGPClassifier,
)
from skopt2.gaussian_process.sparse_cholesky_regressor import SparseCholeskyGPRegressor

__all__ = [
    "ConstrainedGPSearchCV",
    "CoresetGPRegressor",
    "GPSearchCV",
    "GaussianProcessRegressor",
    "SparseCholeskyGPClassifier",
    "SparseCholeskyGPRegressor",
]


def __dir__():
    return __all__
