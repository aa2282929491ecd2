"""Choosing models: without refitting them for every fold, or along a gradient."""

from skopt2.model_selection.approximate_cv import (
    ApproximateCV,
    approx_cross_val_score,
    approx_cross_validate,
)
from skopt2.model_selection.hyper_gradient_cv import HyperGradientCV
from skopt2.model_selection.loo_path import LooPath, loo_path

__all__ = [
    "ApproximateCV",
    "HyperGradientCV",
    "LooPath",
    "approx_cross_val_score",
    "approx_cross_validate",
    "loo_path",
]


def __dir__():
    return __all__
