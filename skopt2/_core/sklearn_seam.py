"""The only file with private or experimental scikit-learn names.

Every other file imports them from here, so a release of scikit-learn that moves one of
them is followed in one place.
"""

from sklearn.base import _fit_context as fit_context
from sklearn.callback import CallbackSupportMixin, FitCallback, with_callbacks
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils._array_api import check_same_namespace, move_to
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "BaseSearchCV",
    "CallbackSupportMixin",
    "FitCallback",
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "check_method_params",
    "check_same_namespace",
    "check_sample_weight",
    "fit_context",
    "move_to",
    "validate_parameter_constraints",
    "with_callbacks",
]
