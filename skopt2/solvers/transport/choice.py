"""Which solver runs."""

from skopt2.solvers.transport.newton import SinkhornNewton
from skopt2.solvers.transport.scaling import Scaling


def balanced_solver(name, geometry, a, b, eps, *, tol):
    """Return the solver of a name."""
    kind = SinkhornNewton if name == "newton" else Scaling
    return kind(geometry, a, b, eps, tol=tol)
