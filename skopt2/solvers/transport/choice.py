"""Which solver runs."""

from skopt2.solvers.transport.scaling import Scaling


def balanced_solver(name, geometry, a, b, eps, *, tol):
    """Return the solver of a name."""
    return Scaling(geometry, a, b, eps, tol=tol)
