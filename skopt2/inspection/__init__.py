"""Pictures of fits, paths, supports and plans, in one call; they need matplotlib."""

from skopt2.inspection.convergence import ConvergenceDisplay
from skopt2.inspection.path import PathDisplay
from skopt2.inspection.support import SupportDisplay
from skopt2.inspection.transport_plan import TransportPlanDisplay

__all__ = [
    "ConvergenceDisplay",
    "PathDisplay",
    "SupportDisplay",
    "TransportPlanDisplay",
]
