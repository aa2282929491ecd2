"""The adaptive l1 norm: a short sequence of weighted l1 problems.

Penalty of one stage: pen(w; lam) = lam * abs(w), where the caller multiplies the level
of feature j by c_j = (e / (abs(v_j) + e))^power, with v the solution of the stage
before and e = epsilon * max_j abs(v_j). The first stage is the plain l1 norm.

Sources: E. Candes, M. Wakin and S. Boyd, Enhancing sparsity by reweighted l1
minimization, JFAA 14, 2008, section 2.2 (power 1); H. Zou, The adaptive lasso and its
oracle properties, JASA 101, 2006, section 3.1 (other powers).
"""

from skopt2._core.array import namespace
from skopt2._core.parameters import check_count, check_positive
from skopt2.penalties.l1 import L1


class AdaptiveL1(L1):
    """Reweighted l1 norm: large coefficients of one stage are shrunk less in the next.

    Parameters
    ----------
    power : float, default=1.0
        Exponent of the weights, positive.
    epsilon : float, default=0.1
        Size, relative to the largest coefficient, below which weights level off.
    n_reweightings : int, default=2
        Stages after the first.

    References
    ----------
    Candes, Wakin and Boyd, JFAA 14, 2008, section 2.2; Zou, JASA 101, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties import AdaptiveL1
    >>> AdaptiveL1(epsilon=0.5).reweight(np.array([2.0, 0.0])).round(3).tolist()
    [0.333, 1.0]
    """

    name = "adaptive_l1"

    def __init__(self, power=1.0, epsilon=0.1, n_reweightings=2):
        self.power = power
        self.epsilon = epsilon
        self.n_reweightings = n_reweightings

    def check_parameters(self, n_features=None):
        """Raise ValueError if a parameter is out of range."""
        of = "the adaptive l1 penalty"
        check_positive("power", self.power, of=of, hint="1.0 is usual.")
        check_positive("epsilon", self.epsilon, of=of, hint="0.1 is usual.")
        hint = "Use 2, or 0 for plain l1."
        check_count("n_reweightings", self.n_reweightings, 0, of=of, hint=hint)

    def reweight(self, w):
        """Weight of each feature in the next stage.

        Parameters
        ----------
        w : array of shape (p,) or (p, K)
            Solution of this stage.

        Returns
        -------
        factor : array of the shape of w
            In (0, 1]: 1 where w == 0, and everywhere if w is 0.
        """
        xp = namespace(w)
        size = xp.abs(w)
        level = float(self.epsilon) * xp.max(size)
        level = xp.where(level > 0, level, xp.ones_like(level))
        return (level / (size + level)) ** float(self.power)
