r"""Ridge regression from noisy moments: adaptive sufficient statistics perturbation.

Problem: min_w,b 1/(2 N) sum_i norm(y_i - W'x_i - b)^2 + alpha/2 norm(W)^2, rows x of
norm at most R, targets in [-1, 1]. The data are read once, for the moments G, s, B, t
of :mod:`skopt2.solvers.privacy.moments`; all that follows is computed from their noisy
values, and costs no privacy:

    theta = (A + l D)^-1 g,   A = ((G, s), (s', N)),   g = (B; t),   theta = (W; b),

D the identity but for 0 at the intercept, l = N alpha + lambda, by
:mod:`skopt2.solvers.privacy.centred_moments`; without an intercept A = G, g = B. A need
not be definite: lambda is at least what makes the eigenvalues of its centred part as
large as tau (sqrt(d) + 1/2), tau the standard deviation of the noise of G. Wang (2018,
algorithm 2) releases the smallest eigenvalue of G, with a third of the budget, and
takes lambda = max(0, tau sqrt(d log(2 d^2 / rho)) - that). Here nothing is spent on
lambda: the eigenvalues of the noisy matrix are known, and of all lambda from there on
the one is taken that minimises an unbiased estimate of the loss.

The loss of theta is, but for a constant, tr(theta'A theta) / 2 - tr(theta'g), with the
moments before the noise. In terms of the noisy A, g, of their noise E, e, twice this is

    tr(theta'A theta) - 2 tr(theta'g) - tr(theta'E theta) + 2 tr(theta'e).

Stein's identity gives the expectations of the last two terms, as theta is a smooth
function of the noise. With H = (A + l D)^-1, V_ij the variance of E_ij and u_i those of
e, for each target (a column theta of it)

    E[theta'e] = E[sum_i u_i H_ii],
    -E[theta'E theta] / 2 = E[sum_ij V_ij (H_ii theta_j^2 + H_ij theta_i theta_j)
                              - sum_i V_ii H_ii theta_i^2].

All of it takes O(d^2) for each lambda, once C is diagonalised. lambda as a function of
the noise is left out of the derivative, as usual where a strength is chosen so.

Source: Y.-X. Wang, Revisiting differentially private linear regression, UAI 2018; C. M.
Stein, Estimation of the mean of a multivariate normal distribution, Annals of
Statistics 9, 1981, for the identity. The estimate for noisy moments is derived here.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import dot64, namespace, sum64
from skopt2._core.result import Measure
from skopt2.solvers.privacy.centred_moments import centred

# Smallest eigenvalue of the centred matrix, in units of the noise of G.
MARGIN = 1.0
# Ridges that are tried beyond the smallest, in units of the noise of G.
LADDER = (0.0, *(10 ** (k / 10) for k in range(-10, 31)))


@dataclass(frozen=True, eq=False)
class AdaSSPState:
    """Where the solver stands: before its one step, or after it.

    Parameters
    ----------
    theta : array of shape (p,) or (p, K) or None
        Coefficients, then the intercept.
    """

    theta: Any


class AdaSSP:
    """Solver of one step for the iteration loop: release, choose the ridge, solve.

    Parameters
    ----------
    query : MomentQuery
        With targets.
    noise : NoiseSource
        Fresh for this fit.
    multiplier : float
        Noise multiplier of the release; 0.0 for none, and plain ridge regression.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Which data sets are neighbours.
    alpha : float, default=0.0
        Squared-norm penalty.
    """

    def __init__(self, query, noise, multiplier, relation="zero_out", alpha=0.0):
        self.query, self.noise = query, noise
        self.multiplier, self.relation = multiplier, relation
        self.alpha = alpha

    def init(self):
        """Return the state before any data is read."""
        return AdaSSPState(None)

    def step(self, state):
        """Return the state with the solution."""
        moments = self.query.release(self.noise, self.multiplier, self.relation)
        return AdaSSPState(self._shaped(ridge_from(moments, self.alpha)))

    def certificate(self, state):
        """Return 0 after the step: nothing of the data is in it."""
        return Measure(objective=0.0, value=1.0 if state.theta is None else 0.0)

    def finalize(self, state):
        """Return the coefficients and, below them, the intercept."""
        return state.theta

    def _shaped(self, theta):
        return theta[:, 0] if self.query.n_outputs is None else theta


def ridge_from(moments, alpha=0.0):
    """Return the ridge regression of noisy moments.

    Parameters
    ----------
    moments : NoisyMoments
        Released, with targets.
    alpha : float, default=0.0
        Penalty, to which that against the noise is added.

    Returns
    -------
    theta : array of shape (p, K)
        Coefficients, then the intercepts if the moments have any.
    """
    xp, factor = namespace(moments.gram), centred(moments)
    right = moments.cross
    if factor.mean is not None:
        right = xp.concat([right, moments.target[None, :]], axis=0)
    base = moments.n_rows * alpha
    if moments.std == 0:
        return factor.solve(right, base)
    base += factor.floor(MARGIN, base)
    ridges = [base + moments.std * rung for rung in LADDER]
    solutions = [factor.solve(right, ridge) for ridge in ridges]
    losses = [
        estimated_loss(moments, factor, right, theta, ridge)
        for theta, ridge in zip(solutions, ridges, strict=True)
    ]
    return solutions[min(range(len(losses)), key=losses.__getitem__)]


def estimated_loss(moments, factor, right, theta, ridge):
    """Return an unbiased estimate of twice the loss of a ridge solution.

    Parameters
    ----------
    moments : NoisyMoments
        Released.
    factor : CentredMoments
        Of them.
    right : array of shape (p, K)
        g.
    theta : array of shape (p, K)
        (A + l D)^-1 g.
    ridge : float
        l, positive enough that C + l I is definite.

    Returns
    -------
    loss : float
        Less sum_i norm(y_i)^2, as N times the mean of squares would be.
    """
    d, n_outputs = factor.values.shape[0], theta.shape[1]
    w, v = theta[:d, :], moments.std**2
    inverse = factor.reciprocals(ridge)
    xp = namespace(inverse)
    turned = xp.matrix_transpose(factor.vectors) @ w
    diagonal = factor.vectors**2 @ inverse
    trace, norm = sum64(inverse), dot64(w, w)
    # theta'A theta = theta'g - l norm(w)^2, by the definition of theta.
    loss = -dot64(theta, right) - ridge * norm
    own = dot64(diagonal, xp.sum(w * w, axis=1))
    excess = moments.diagonal_std**2 - 2 * v
    noise = v * (trace * norm + dot64(turned * inverse[:, None], turned)) + excess * own
    noise += n_outputs * moments.cross_std**2 * trace
    if factor.mean is not None:
        bias = theta[d, :]
        # The last column of H is (-k; q).
        k = factor.vectors @ (inverse * (factor.mean @ factor.vectors))
        q = 1.0 / moments.n_rows + dot64(factor.mean, k)
        squares = dot64(bias, bias)
        mixed = dot64(k @ w, bias)
        noise += moments.total_std**2 * (trace * squares + q * norm - 2 * mixed)
        noise += n_outputs * moments.target_std**2 * q
    return loss + 2 * noise
