"""The transformed l1 penalty.

Penalty: pen(w; lam) = lam * epsilon * abs(w) / (epsilon + abs(w)), scaled to slope lam
at 0. It tends to the l1 norm for large epsilon and to a multiple of l0 for small
epsilon.

Source: J. Lv and Y. Fan, A unified approach to model selection and sparse recovery
using regularized least squares, Annals of Statistics 37, 2009, eq. 3. Prox: S. Zhang
and J. Xin, Minimization of transformed l1 penalty, Mathematical Programming 169, 2018,
section 2. With u = step * lam, a = abs(z) and m = a + epsilon, a nonzero minimiser v
solves (a - v) (epsilon + v)^2 = u epsilon^2. Its largest root in trigonometric form is
v = a - 4/3 m sin(asin(sqrt(q)) / 3)^2 with q = 27 u epsilon^2 / (4 m^3), real for
q <= 1; it is a local minimum and is compared with 0.
"""

from skopt2._core.array import namespace
from skopt2._core.parameters import check_positive
from skopt2.penalties.base import Penalty, active_level, plain


class TransformedL1(Penalty):
    """Transformed l1 penalty lam * epsilon * abs(w) / (epsilon + abs(w)).

    Parameters
    ----------
    epsilon : float, default=1.0
        Positive size of a coefficient at which the penalty is half of its limit.

    References
    ----------
    Lv and Fan, Annals of Statistics 37, 2009; Zhang and Xin, Mathematical Programming
    169, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import TransformedL1
    >>> TransformedL1().prox(np.array([3.0, 0.9]), 1.0, np.ones(2)).round(4)
    array([2.9354, 0.    ])
    """

    name = "transformed_l1"
    convex = False

    def __init__(self, epsilon=1.0):
        self.epsilon = epsilon

    def check_parameters(self, n_features=None):
        """Raise ValueError unless epsilon is positive and finite."""
        of, hint = "the transformed l1 penalty", "1.0 is usual."
        check_positive("epsilon", self.epsilon, of=of, hint=hint)

    def terms(self, w, lam):
        """Penalty of each coefficient."""
        eps, size = float(self.epsilon), namespace(w).abs(w)
        return active_level(w, lam) * (eps * size / (eps + size))

    def prox(self, z, step, lam):
        """Global minimiser over v of (v - z)^2 / (2 step) + pen(v; lam)."""
        xp, eps = namespace(z), float(self.epsilon)
        size, reach = xp.abs(z), plain(step) * lam
        whole = size + eps
        ratio = 6.75 * (reach / whole) * (eps / whole) ** 2
        real = ratio <= 1
        reach = xp.where(real, reach, 0.0)
        third = xp.asin(xp.sqrt(xp.where(real, ratio, 0.0))) / 3.0
        v = xp.maximum(size - (4.0 / 3.0) * whole * xp.sin(third) ** 2, 0.0)
        gain = v * (size - 0.5 * v) - reach * (eps * v / (eps + v))
        return xp.where(real & (gain > 0), xp.copysign(v, z), 0.0)

    def derivative(self, w, lam):
        """Derivative sign(w) * lam * (epsilon / (epsilon + abs(w)))^2, 0 at 0."""
        xp, eps = namespace(w), float(self.epsilon)
        slope = active_level(w, lam) * (eps / (eps + xp.abs(w))) ** 2
        return xp.copysign(slope, w)

    def curvature(self, w, lam):
        """Second derivative -2 lam epsilon^2 / (epsilon + abs(w))^3, 0 at 0."""
        eps = float(self.epsilon)
        shifted = eps + namespace(w).abs(w)
        return -2.0 * active_level(w, lam) * (eps / shifted) ** 2 / shifted
