"""Objectives of any form as something that returns gradients where they are needed."""

import numpy as np

from skopt2._core.array import all_finite, asarray_like
from skopt2.transport.objectives import LinearObjective


class Oracle:
    """A user's objective on the device that computes, its gradients checked.

    Parameters
    ----------
    objective : object
        With ``gradient(P)``, and perhaps ``value(P)`` and ``to(target)``.
    target : Target
        Where to compute.
    n, m : int
        Shape of the plan.
    """

    def __init__(self, objective, target, n, m):
        self.objective = objective.to(target) if hasattr(objective, "to") else objective
        self.shape = (n, m)
        self.checked = False
        if hasattr(objective, "value"):
            self.value = self.objective.value

    def gradient(self, P):
        """Return a subgradient beside the plan."""
        gradient = asarray_like(self.objective.gradient(P), P)
        if not self.checked:
            if tuple(gradient.shape) != self.shape:
                raise ValueError(
                    f"objective: the gradient has the shape {tuple(gradient.shape)}, "
                    f"expected that of the plan, {self.shape}."
                )
            if not all_finite(gradient):
                raise ValueError(
                    "objective: the gradient at the independent plan holds NaN or "
                    "infinity."
                )
            self.checked = True
        return gradient


class _GradientOnly:
    """A function that returns a subgradient, as an objective without a value."""

    def __init__(self, function):
        self.gradient = function


def as_objective(objective):
    """Return an object with a gradient for what the user may pass.

    Parameters
    ----------
    objective : object, callable or array-like of shape (n, m)
        With a method ``gradient``, or a function that is one, or a cost.

    Returns
    -------
    objective : object
        With ``gradient(P)``.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if hasattr(objective, "gradient"):
        return objective
    if callable(objective):
        return _GradientOnly(objective)
    if isinstance(objective, str) or np.ndim(objective) != 2:
        raise ValueError(
            "objective must have a method gradient(P), be a function, or be a cost "
            f"matrix; got {objective!r}."
        )
    return LinearObjective(objective)
