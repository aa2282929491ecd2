r"""The penalised likelihood of a precision matrix, its duality gap, its stationarity.

Problem: min over T (p, p) positive definite of

    F(T) = tr(C T) - log det T + sum_{i != j} pen(T_ij / Q_ij; alpha).

- C (p, p): covariance, here of unit diagonal; Q (p, p): what an element of T is in the
  units of the penalty, products of standard deviations, or 1;
- pen(v; alpha) = alpha abs(v) + concave(v), concave differentiable, 0 for l1;
- L (p, p): alpha / Q, and 0 on the diagonal;
- W = T^-1, G = C - W + concave'(T): gradient of all but the l1 part.

T is stationary if the least subgradient, G + L sign(T) where T is not zero and
sign(G) max(abs(G) - L, 0) where it is, vanishes. For l1 the dual problem is

    max log det Z + p    subject to    abs(Z - C) <= L,

so that Z = C + clip(W - C, -L, L), where it is positive definite, bounds the error:

    F(T) - F* <= F(T) - log det Z - p.

At the minimum tr(C T) + sum L abs(T) = p, and this is what a gap is divided by.

Blocks. Let the nodes i and j be linked if abs(C_ij) > L_ij. With T zero between the
connected components, W is zero there too, G = C, and the condition at zero holds for
all the elements between them. So the solutions of the components make a stationary
point of the whole; this uses the slope of the penalty at zero only, and holds for
concave penalties as well. For l1, where it is the minimum, it is Theorem 1 of Mazumder
and Hastie. For a concave penalty there may be others.

Sources: O. Banerjee, L. El Ghaoui, A. d'Aspremont, Model selection through sparse
maximum likelihood estimation, JMLR 9, 2008, equations 2 to 5; D. Witten, J. Friedman,
N. Simon, New insights and faster computations for the graphical lasso, Journal of
Computational and Graphical Statistics 20, 2011; R. Mazumder, T. Hastie, Exact
covariance thresholding into connected components for large-scale graphical lasso, JMLR
13, 2012; P.-L. Loh, M. Wainwright, Regularized M-estimators with nonconvexity, JMLR 16,
2015, for the split into l1 and a concave part.
"""

from dataclasses import dataclass, replace
from typing import Any

from skopt2._core.array import max_abs, namespace, sum64, take
from skopt2.penalties.base import soft_threshold
from skopt2.solvers.precision.definite import symmetric


@dataclass(frozen=True, eq=False)
class PrecisionProblem:
    """Penalised likelihood of a precision matrix.

    Parameters
    ----------
    C : array of shape (p, p)
        Covariance of unit diagonal, in the widest float of its device.
    Q : array of shape (p, p)
        An element of T is so many units of the penalty.
    level : array of shape (p, p)
        alpha, and 0 on the diagonal.
    penalty : Penalty
        L1, or one with slope ``alpha`` at zero that is concave on each side.
    """

    C: Any
    Q: Any
    level: Any
    penalty: Any

    def __post_init__(self):
        # A factor reads one triangle: what sets T apart from its mirror image would
        # stay, and grow where the penalty is concave.
        object.__setattr__(self, "C", symmetric(self.C))

    @property
    def size(self):
        """Number of rows."""
        return int(self.C.shape[0])

    @property
    def L(self):
        """Slopes of the penalty at zero."""
        return self.level / self.Q

    def restrict(self, index):
        """Return the problem of some of the nodes.

        Parameters
        ----------
        index : array of int of shape (k,)
            Nodes.
        """
        C, Q, level = (
            take(take(M, index), index, axis=1) for M in (self.C, self.Q, self.level)
        )
        return replace(self, C=C, Q=Q, level=level)

    def astype(self, dtype):
        """Return the problem in another precision.

        Parameters
        ----------
        dtype : dtype
            Of its namespace.
        """
        xp = namespace(self.C)
        C, Q, level = (xp.astype(M, dtype) for M in (self.C, self.Q, self.level))
        return replace(self, C=C, Q=Q, level=level)

    def concave_value(self, T, L):
        """Return the penalty less its l1 part."""
        if self.penalty.convex:
            return 0.0
        whole = float(self.penalty.value(T / self.Q, self.level))
        return whole - sum64(L * namespace(T).abs(T))

    def concave_gradient(self, T, L):
        """Return the gradient of the penalty less its l1 part."""
        slope = self.penalty.derivative(T / self.Q, self.level) / self.Q
        return slope - L * namespace(T).sign(T)


def gap_at(log_det, value, size):
    """Return the duality gap, infinity without a dual point.

    Parameters
    ----------
    log_det : float
        Logarithm of the determinant of the dual point, minus infinity if it is not
        positive definite.
    value : float
        Primal objective.
    size : int
        Number of rows.
    """
    # Below zero is rounding of sums of this size.
    return max(value - log_det - size, 0.0)


def kkt_violation(T, G, L):
    """Return the largest element of the least subgradient.

    Parameters
    ----------
    T, G, L : array of shape (p, p)
        Precision, gradient of all but the l1 part, slopes at zero.
    """
    xp = namespace(T)
    least = xp.where(T == 0.0, soft_threshold(G, L), G + L * xp.sign(T))
    return max_abs(least)
