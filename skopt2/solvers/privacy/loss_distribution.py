"""Privacy of composed events where no closed form exists; Renyi divergences so far."""

from skopt2.solvers.privacy.renyi import renyi_delta as loss_delta
from skopt2.solvers.privacy.renyi import renyi_epsilon as loss_epsilon

__all__ = ["loss_delta", "loss_epsilon"]
