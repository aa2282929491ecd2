"""Scikit-learn's own checks of every public estimator, in several configurations."""

import inspect
import warnings

import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from skopt2 import linear_model
from skopt2.linear_model import SparseClassifier, SparseRegressor
from skopt2.losses import Huber
from skopt2.penalties import MCP, ElasticNet

# One estimator for each branch of fit; the empty dictionary of expected failures of
# ``parametrize_with_checks`` is a promise of this package.
CONFIGURATIONS = [
    SparseRegressor(),
    SparseRegressor("huber", "elasticnet", alpha=0.1),
    SparseRegressor(penalty=MCP(gamma=2.5), alpha=0.2),
    SparseRegressor(Huber(delta=1.0), "scad", alpha=0.1, fit_intercept=False),
    SparseRegressor(penalty=ElasticNet(0.2), alpha=0.1, positive=True),
    SparseRegressor(penalty="adaptive_l1", alpha=0.1, warm_start=True),
    SparseRegressor(penalty="log_sum", alpha=0.1, device="cpu"),
    SparseClassifier(),
    SparseClassifier("multinomial", "elasticnet", alpha=0.05),
    SparseClassifier(penalty="mcp", alpha=0.03),
    SparseClassifier("huberized_hinge", "scad", alpha=0.02),
    SparseClassifier("squared_hinge", "l1", positive=True),
]


@parametrize_with_checks(CONFIGURATIONS)
def test_scikit_learn_accepts(estimator, check):
    check(estimator)
