"""Gaussian processes: regression, approximations of it, and search built on it."""

from skopt2.gaussian_process.gaussian_process_regressor import GaussianProcessRegressor
from skopt2.gaussian_process.gp_search import GPSearchCV

__all__ = ["GPSearchCV", "GaussianProcessRegressor"]
