"""What potentials prove: the marginal error, the objectives and the duality gap.

Symbols: P_ij = exp((f_i + g_j - C_ij) / eps); D = <a, f> + <b, g> - eps sum P the dual
objective; P' the plan P rounded onto the marginals, whose primal objective is
<P', C> + eps sum P' (log P' - 1).

Since P' has the marginals a and b, <a, f> + <b, g> = sum P'_ij (f_i + g_j), and the gap
is eps sum_ij P'_ij log(P'_ij / P_ij) - P'_ij + P_ij: a sum of terms that are never
negative, exact to rounding even where the two objectives agree to all digits.

Source: J. Altschuler, J. Weed and P. Rigollet, Near-linear time approximation
algorithms for optimal transport via Sinkhorn iteration, NIPS 2017, algorithm 2.
"""

from dataclasses import dataclass

from skopt2._core.array import dot64, namespace, sum64

MARGINAL_ERROR = "marginal error"


@dataclass(frozen=True)
class Bound:
    """A feasible plan beside potentials, and what it says of both.

    Parameters
    ----------
    cost : float
        <P', C> of the rounded plan: not below the optimal transport cost.
    primal : float
        Primal objective of the rounded plan.
    dual : float
        Dual objective of the potentials.
    gap : float
        Their difference, which is not negative: a bound on the error of each.
    """

    cost: float
    primal: float
    dual: float
    gap: float


def marginal_error(geometry, f, g, eps, a, b):
    """Return |P 1 - a|_1 + |P' 1 - b|_1, accumulated in float64."""
    rows, cols = geometry.marginals(f, g, eps)
    xp = namespace(rows)
    return sum64(xp.abs(rows - a)) + sum64(xp.abs(cols - b))


def dual_objective(geometry, f, g, eps, a, b):
    """Return <a, f> + <b, g> - eps sum P."""
    rows, _ = geometry.marginals(f, g, eps)
    return dot64(a, f) + dot64(b, g) - eps * sum64(rows)


def bound(geometry, f, g, eps, a, b):
    """Return the duality gap of potentials, by rounding their plan.

    Parameters
    ----------
    geometry : object
        See :mod:`skopt2.solvers.transport.geometry`.
    f, g : array of shape (n,), (m,)
        Finite potentials.
    eps : float
        Regularisation.
    a, b : array of shape (n,), (m,)
        Positive masses of equal sums.

    Returns
    -------
    bound : Bound
    """
    dual = dual_objective(geometry, f, g, eps, a, b) + geometry.centring.offset(a, b)
    if hasattr(geometry, "round_with_divergence"):
        cost, entropy, divergence = geometry.round_with_divergence(f, g, eps, a, b)
        gap = eps * divergence
    else:
        cost, entropy = geometry.round(f, g, eps, a, b)
        gap = max(cost + eps * entropy - dual, 0.0)
    return Bound(cost, cost + eps * entropy, dual, gap)
