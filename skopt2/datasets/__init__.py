"""Generators of sparse problems with a known truth; nothing is downloaded."""

from skopt2.datasets.classification import make_sparse_classification
from skopt2.datasets.recovery import make_signal_recovery
from skopt2.datasets.regression import make_sparse_regression
from skopt2.datasets.sparse_design import make_sparse_design

__all__ = [
    "make_signal_recovery",
    "make_sparse_classification",
    "make_sparse_design",
    "make_sparse_regression",
]


def __dir__():
    return __all__
