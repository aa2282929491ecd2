"""The curves of :mod:`benchmarks.scaling`, by families."""

from benchmarks.scaling_curve import Curve
from benchmarks.scaling_linear import curves as linear_curves
from benchmarks.scaling_models import curves as model_curves

__all__ = ["CURVES", "Curve"]

CURVES = [*linear_curves(), *model_curves()]
