"""Pictures of fits, paths and supports, in one call each; they need matplotlib."""

from skopt2.inspection.convergence import ConvergenceDisplay
from skopt2.inspection.path import PathDisplay
from skopt2.inspection.support import SupportDisplay

__all__ = ["ConvergenceDisplay", "PathDisplay", "SupportDisplay"]
