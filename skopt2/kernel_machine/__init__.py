"""Kernel machines, and the choice of the rows that they are built on."""

from skopt2.kernel_machine.eigenpro_classifier import EigenProClassifier
from skopt2.kernel_machine.eigenpro_regressor import EigenProRegressor
from skopt2.kernel_machine.kernel_newton_classifier import KernelNewtonClassifier
from skopt2.kernel_machine.kernel_newton_regressor import KernelNewtonRegressor
from skopt2.kernel_machine.kernel_thinning import KernelThinning
from skopt2.kernel_machine.kmeans_plusplus import rejection_kmeans_plusplus

__all__ = [
    "EigenProClassifier",
    "EigenProRegressor",
    "KernelNewtonClassifier",
    "KernelNewtonRegressor",
    "KernelThinning",
    "rejection_kmeans_plusplus",
]


def __dir__():
    return __all__
