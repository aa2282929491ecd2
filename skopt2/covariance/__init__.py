"""Sparse inverse covariance matrices: graphical models of continuous variables."""

from skopt2.covariance.path import InverseCovariancePath, inverse_covariance_path
from skopt2.covariance.sparse_inverse_covariance import SparseInverseCovariance
from skopt2.covariance.sparse_inverse_covariance_cv import SparseInverseCovarianceCV

__all__ = [
    "InverseCovariancePath",
    "SparseInverseCovariance",
    "SparseInverseCovarianceCV",
    "inverse_covariance_path",
]


def __dir__():
    return __all__
