"""Pictures of fits, paths, supports, plans and budgets in one call, by matplotlib."""

from skopt2.inspection.convergence import ConvergenceDisplay
from skopt2.inspection.path import PathDisplay
from skopt2.inspection.privacy_curve import PrivacyCurveDisplay
from skopt2.inspection.support import SupportDisplay
from skopt2.inspection.transport_plan import TransportPlanDisplay

__all__ = [
    "ConvergenceDisplay",
    "PathDisplay",
    "PrivacyCurveDisplay",
    "SupportDisplay",
    "TransportPlanDisplay",
]


def __dir__():
    return __all__
