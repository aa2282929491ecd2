"""What the losses of a distribution over several classes share.

Problem: l(y, eta) = Omega*(eta) + Omega(y) - <y, eta>, with a convex Omega on the
simplex; y and eta of shape (n, K), the rows of y one-hot or distributions.
Conjugate: Omega(theta + y) - Omega(y), rows of theta + y in the simplex.

Source: M. Blondel, A. F. T. Martins and V. Niculae, Learning with Fenchel-Young losses,
JMLR 21:35, 2020.
"""

from skopt2._core.array import namespace
from skopt2.losses.base import Loss, share_above


class SimplexLoss(Loss):
    """Base of the losses whose link maps scores into the simplex."""

    task = "multiclass"
    probabilistic = True

    def check_target(self, y):
        """Raise ValueError unless the rows of y are distributions over the classes."""
        xp = namespace(y)
        if y.ndim != 2:
            raise ValueError(
                f"The {self.name} loss needs one-hot targets of shape (n_samples, "
                f"n_classes), got shape {tuple(y.shape)}; give one column per class."
            )
        off = xp.abs(xp.sum(y, axis=1) - 1.0)
        if bool(xp.any(y < 0)) or bool(xp.any(off > 1e-5)):
            raise ValueError(
                f"The {self.name} loss needs nonnegative targets whose rows sum to 1, "
                f"got a smallest entry of {float(xp.min(y))} and row sums off by up to "
                f"{float(xp.max(off))}; use one-hot rows."
            )

    def gradient(self, y, eta):
        """Derivative of each sample: probabilities minus y, shape (n, K)."""
        return self.inverse_link(eta) - y

    def to_domain(self, y, theta):
        """Largest t in [0, 1] with t * theta + y >= 0; rows of theta must sum to 0."""
        return share_above(y, theta)

    def balance(self, y, theta, s):
        """Dual point near theta, in the domain, with sum_i s_i theta_ik = 0 for all k.

        theta + y must keep rows in the simplex and reach the class frequencies of y as
        weighted means. Classes above theirs give up mass in proportion; each row hands
        what it gave to the classes below, in proportion to what those lack.
        """
        xp = namespace(theta)
        p = xp.maximum(theta + y, 0.0)
        weights = s[:, None]
        mean, target = xp.sum(weights * p, axis=0), xp.sum(weights * y, axis=0)
        keep = xp.where(mean > target, target / xp.where(mean > 0, mean, 1.0), 1.0)
        lack = xp.maximum(target - mean, 0.0)
        total = xp.sum(lack)
        share = lack / xp.where(total > 0, total, xp.ones_like(total))
        kept = p * keep
        return kept + xp.sum(p - kept, axis=1, keepdims=True) * share - y
