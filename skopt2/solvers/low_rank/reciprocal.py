"""Division where there may be nothing to divide by."""

from skopt2._core.array import namespace


def reciprocal(x):
    """Return the reciprocals of positive elements, and zero for the others."""
    xp = namespace(x)
    positive = x > 0.0
    return xp.where(positive, 1.0 / xp.where(positive, x, xp.ones_like(x)), 0.0 * x)
