r"""Degrees of freedom of penalties of rows, and the criteria that count them.

Problem: the divergence of the fit, sum_ik d yhat_ik / d y_ik, of
min_(W, b) sum_i s_i |y_i - W'x_i - b|^2 / 2 + sum_j pen(|w_j|; lam).

Symbols: G (m, m) the Gram matrix of the m rows in use; u_j = w_j / |w_j| (K,); c_j =
pen'(|w_j|) / |w_j|; C = diag(c); P = G + C.

Near the solution the zero rows stay so, and dW = (G (x) 1 + D)^-1 X'S dY with D_j = c_j
(1 - u_j u_j'), which Vaiter et al. prove for almost all Y. Thus

df = [K with an intercept] + trace((G (x) 1 + D)^-1 (G (x) 1)).

The matrix has m K rows, but D = C (x) 1 less a sum of m matrices of rank one, and by
Woodbury's identity the trace needs only matrices of size m:

trace = K trace(P^-1 G) + trace((1 - S)^-1 T),
S_ij = sqrt(c_i c_j) (P^-1)_ij u_i'u_j,   T_ij = sqrt(c_i c_j) (P^-1 G P^-1)_ij u_i'u_j.

A concave penalty is replaced by its tangent, as for groups; jumps of such a fit are not
counted.

Sources: S. Vaiter, C. Deledalle, G. Peyre, J. Fadili and C. Dossal, The degrees of
freedom of the group lasso, arXiv:1205.1481, 2012; G. Golub and C. Van Loan, Matrix
Computations, 4th edition, 2013, eq. 2.1.4.
"""

import numpy as np

from skopt2.linear_model.information_criterion import (
    InformationCriterion,
    free_intercepts,
    log_binomial,
)
from skopt2.solvers.design import Block
from skopt2.solvers.row_model import row_norms

# Directions with a smaller share of the largest curvature in the unit diagonal count
# less and less: below are repeated columns and rounding error.
RANK = 1e-10


def degrees_of_freedom(problem, solution):
    """Return the degrees of freedom of a model with a penalty of the rows.

    Parameters
    ----------
    problem : MultiTaskProblem
        At the level of the solution.
    solution : Solution
        Its minimiser.

    Returns
    -------
    df : float
        With the intercepts.
    """
    free, m = float(free_intercepts(problem)), solution.ids.size
    if m == 0:
        return free
    block = Block(problem.design)
    block.extend(solution.ids)
    G = block.gram(np.arange(m), problem.s)
    norms = row_norms(solution.w)
    u = solution.w / norms[:, None]
    slope = problem.penalty.scalar.derivative(norms, np.float64(problem.level))
    # In units in which P has a unit diagonal.
    size = np.sqrt(G.diagonal() + slope / norms)
    G = G / np.outer(size, size)
    c = slope / norms / size**2
    inverse = np.linalg.inv(G + np.diag(c + RANK))
    root, turned = np.sqrt(np.outer(c, c)), u @ u.T
    through = inverse @ G
    S = root * inverse * turned
    T = root * (through @ inverse) * turned
    rest = np.linalg.solve((1.0 + RANK) * np.eye(m) - S, T)
    return free + problem.n_outputs * float(np.trace(through)) + float(np.trace(rest))


class RowCriterion(InformationCriterion):
    """AIC, BIC or EBIC of models with a penalty of the rows.

    One variance for all tasks, and one observation for each of them. EBIC counts the
    choices of rows.
    """

    _seen = None

    def __init__(self, name, formulation, n_observations, gamma=0.5):
        problem = formulation.problem
        if problem.penalty.kind != "rows":
            raise ValueError(
                f"criterion={name!r} counts degrees of freedom, which "
                f"penalty={problem.penalty.name!r} has no count of here. Use "
                "criterion='cv', or a penalty of the rows."
            )
        n_observations *= problem.n_outputs
        super().__init__(name, formulation, n_observations, gamma)

    def _count_candidates(self):
        return self.problem.design.p

    def degrees_of_freedom(self, solution):
        """Return the degrees of freedom of a solution."""
        if self._seen is None or self._seen[0] is not solution:
            self._seen = solution, degrees_of_freedom(self.problem, solution)
        return self._seen[1]

    def log_choices(self, solution):
        """Return the logarithm of the number of models as large as a solution."""
        return log_binomial(self.problem.design.p, solution.ids.size)
