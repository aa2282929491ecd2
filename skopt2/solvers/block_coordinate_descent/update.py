"""Updates of one block of a quadratic model.

Problem: min_v |v' B - rest|^2 / 2 + pen(v; lam) over one block; B B' has the
eigenvalues e, and L is the largest. An update is given the old coefficients, None for
zero, and the gradient B r there, and returns the new ones.

In the principal axes of the block, where B B' = diag(e), the minimiser for the group
lasso is v = q / (e + lam / nu) with q = e * v_old - B r and its own norm nu, the root
of h(nu) = 1, h(nu) = sum_i (q_i / (e_i nu + lam))^2; it is 0 where |q| <= lam.
h^(-1/2) is increasing and concave, so that Newton on it lands left of the root from
anywhere and rises to it from there; it is almost linear, and one or two steps will do.

Sources: Z. Qin, K. Scheinberg and D. Goldfarb, Efficient block-coordinate descent
algorithms for the group lasso, Mathematical Programming Computation 5, 2013, section 3;
H. Zou and R. Li, One-step sparse estimates in nonconcave penalized likelihood models,
Annals of Statistics 36, 2008, section 2, for the tangents of concave penalties.
"""

import math

import numpy as np

# Newton steps on the norm, and the error before the last of them, whose own is much
# smaller. The norm starts from the old one, so that the error vanishes as the sweeps
# converge, and one step is the rule.
NEWTON_STEPS, ACCURACY = 8, 0.1


class ProximalUpdate:
    """Proximal gradient step with the curvature of the block.

    Parameters
    ----------
    penalty : GroupPenalty
        Any.
    curvature : float
        L, positive.
    lam : float
        Level of the group.
    """

    __slots__ = ("lam", "prox", "step")

    def __init__(self, penalty, curvature, lam):
        self.prox, self.step, self.lam = penalty.block_prox, 1.0 / curvature, lam

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        z = gradient * -self.step
        if old is not None:
            z += old
        return self.prox(z, self.step, self.lam)


class ShrinkUpdate:
    """Minimiser of the group lasso where all curvatures are equal.

    Parameters
    ----------
    curvature : float
        L, positive.
    lam : float
        Level of the group, in [0, inf].
    """

    __slots__ = ("curvature", "lam")

    def __init__(self, curvature, lam):
        self.curvature, self.lam = curvature, lam

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        if old is not None:
            gradient = gradient - self.curvature * old
        force = math.sqrt(gradient.dot(gradient))
        if force <= self.lam:
            return None
        return gradient * ((self.lam / force - 1.0) / self.curvature)


class ScaledUpdate:
    """Proximal step with a length for each coefficient.

    Parameters
    ----------
    penalty : GroupPenalty
        With ``scaled_prox``: one that is not a function of a norm alone.
    curvatures : ndarray of shape (d,)
        Diagonal of a matrix above B B', positive.
    lam : float
        Level of the group.
    """

    __slots__ = ("curvatures", "lam", "prox")

    def __init__(self, penalty, curvatures, lam):
        self.prox, self.curvatures, self.lam = penalty.scaled_prox, curvatures, lam

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        z = gradient / -self.curvatures
        if old is not None:
            z += old
        return self.prox(z, self.curvatures, self.lam)


class NormUpdate:
    """Minimiser of the group lasso in the principal axes of a block.

    Parameters
    ----------
    curvatures : ndarray of shape (d,)
        e, nonnegative, the largest positive.
    lam : float
        Level of the group, positive.
    """

    __slots__ = ("curvatures", "lam", "largest")

    def __init__(self, curvatures, lam):
        self.curvatures, self.lam = curvatures, lam
        self.largest = float(curvatures.max())

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        return self.minimum(old, gradient, self.lam)

    def minimum(self, old, gradient, lam):
        """Return the new coefficients under a given positive level."""
        e = self.curvatures
        if old is None:
            q, size = -gradient, 0.0
        else:
            q, size = e * old, math.sqrt(old.dot(old))
            q -= gradient
        force = math.sqrt(q.dot(q))
        if force <= lam:
            return None
        least = (force - lam) / self.largest
        nu = size if size > least else least
        for _ in range(NEWTON_STEPS):
            bend = lam / nu
            a = e + bend
            u = q / a
            square = float(u.dot(u))
            excess = math.sqrt(square) / nu - 1.0
            a = u / a
            nu += nu * square * excess / (square - bend * float(a.dot(u)))
            if nu < least:
                nu = least
            if -ACCURACY < excess < ACCURACY:
                break
        q /= e + lam / nu
        return q


class ConcaveUpdate(NormUpdate):
    """Minimiser of the bound that the tangent of a concave penalty is.

    The penalty at the new norm is at most its tangent at the old one, a group lasso
    with the slope there as its level: minimising that cannot raise the objective.

    Parameters
    ----------
    penalty : GroupPenalty
        Concave in the norm.
    curvatures : ndarray of shape (d,)
        e, nonnegative, the largest positive.
    lam : float
        Level of the group, positive.
    """

    __slots__ = ("free", "slope")

    def __init__(self, penalty, curvatures, lam):
        super().__init__(curvatures, lam)
        self.slope, self.free = penalty.slope, FreeUpdate(curvatures)

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        size = 0.0 if old is None else math.sqrt(old.dot(old))
        slope = self.slope(size, self.lam)
        if slope > 0.0:
            return self.minimum(old, gradient, slope)
        return self.free.new(old, gradient)


class FreeUpdate:
    """Minimiser without a penalty in the principal axes of a block.

    Parameters
    ----------
    curvatures : ndarray of shape (d,)
        e; directions with none stay where they are.
    """

    __slots__ = ("inverse",)

    def __init__(self, curvatures):
        tiny = 100.0 * float(np.finfo(curvatures.dtype).eps) * float(curvatures.max())
        bent = curvatures > tiny
        self.inverse = np.where(bent, 1.0 / np.where(bent, curvatures, 1.0), 0.0)

    def new(self, old, gradient):
        """Return the new coefficients, None for zero."""
        z = gradient * -self.inverse
        if old is not None:
            z += old
        return z if z.any() else None


def make_update(penalty, curvatures, lam, principal):
    """Return the best update of a block that has one; None for a constant block.

    Parameters
    ----------
    penalty : GroupPenalty
        Of the group.
    curvatures : ndarray of shape (d,)
        Eigenvalues of the block, or a diagonal bound.
    lam : float
        Level of the group, in [0, inf].
    principal : bool
        Whether the coordinates are the principal axes.
    """
    largest = float(curvatures.max()) if curvatures.size else 0.0
    if not largest > 0.0:
        return None
    if principal and lam == 0.0:
        return FreeUpdate(curvatures)
    # With equal curvatures the proximal step is the minimiser already.
    unequal = float(curvatures.min()) < (1.0 - 1e-9) * largest
    if principal and unequal and math.isfinite(lam):
        if penalty.convex:
            return NormUpdate(curvatures, lam)
        return ConcaveUpdate(penalty, curvatures, lam)
    if principal and penalty.convex:
        return ShrinkUpdate(largest, lam)
    if unequal and not penalty.rotatable and math.isfinite(lam):
        return ScaledUpdate(penalty, curvatures, lam)
    return ProximalUpdate(penalty, largest, lam)
