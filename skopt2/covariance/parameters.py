"""Checks of the parameters of sparse inverse covariance estimators."""

from skopt2._core.parameters import check_positive
from skopt2.penalties import L1, MCP, SCAD, get_penalty

_PENALTIES = (L1, MCP, SCAD)


def check_parameters(model):
    """Raise ValueError for a parameter of the problem that is out of range.

    Parameters
    ----------
    model : estimator
        With the parameters.
    """
    check_positive("tol", model.tol)


def elementwise_penalty(penalty):
    """Return the penalty object of a name.

    Parameters
    ----------
    penalty : {"l1", "mcp", "scad"} or Penalty
        As given to the estimator.

    Raises
    ------
    ValueError
        If it is another one.
    """
    found = get_penalty(penalty)
    if type(found) not in _PENALTIES:
        raise ValueError(
            f"penalty={penalty!r} is not available for precision matrices: use 'l1', "
            "'mcp', 'scad', or an object such as MCP(gamma=2.0)."
        )
    return found
