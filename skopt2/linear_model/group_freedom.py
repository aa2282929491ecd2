r"""Degrees of freedom of group models, and the criteria that count them.

Problem: the divergence of the fit, sum_i d yhat_i / d y_i (times the variance of the
noise the covariance of fit and data), of
min_(v, b) sum_i s_i l(y_i, (B v)_i + b) + sum_g pen(v_g; lam_g).

Symbols: B (n, m), the columns of the groups that are not zero, or free, in the
coordinates of the solver; h = s * l'' (n,), the weights of the quadratic model at the
solution; H = B' diag(h) B (m, m), of columns centred with h where there is an
intercept; D (m, m), the Hessian of the penalty, block diagonal over the groups:
lam_g / |v_g| * (1 - u u') for the group lasso, with u = v_g / |v_g|.

Near the solution the groups that are zero stay so, and the optimality conditions of the
others, B'(s * l'(y, B v + b)) + pen'(v) = 0, give dv = (H + D)^-1 B' diag(s) dy for the
squared loss. Thus

df = [1 with an intercept] + trace((H + D)^-1 H),

which Vaiter et al. prove to be the divergence for almost all y (their eq. 13), and by
Stein's lemma an unbiased estimate of the degrees of freedom. With orthonormal groups H
is the identity, and df = sum_g (1 + (d_g - 1) |v_g| / (|v_g| + lam_g)), the formula of
Yuan and Lin (their eq. 6.2). For the logistic loss it is the trace of the hat matrix of
the last Newton step, the usual generalisation. A concave penalty is replaced by its
tangent, which leaves a count of the coefficients where groups are not shrunk or have
one feature; jumps of such a fit are not counted.

Sources: S. Vaiter, C. Deledalle, G. Peyre, J. Fadili and C. Dossal, The degrees of
freedom of the group lasso, arXiv:1205.1481, 2012; M. Yuan and Y. Lin, JRSS B 68, 2006,
section 6.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from skopt2.linear_model.information_criterion import (
    InformationCriterion,
    log_binomial,
)
from skopt2.solvers.block_coordinate_descent.coordinates import group_columns

# Directions with a smaller share of the largest curvature in the unit diagonal count
# less and less: below are repeated columns and rounding error.
RANK = 1e-10


def degrees_of_freedom(problem, solution):
    """Return the degrees of freedom of a group model.

    Parameters
    ----------
    problem : LinearProblem
        With a ``GroupedPenalty``, at the level of the solution.
    solution : Solution
        Its minimiser.

    Returns
    -------
    df : float
        With the intercept.
    """
    free = 1.0 if problem.fit_intercept else 0.0
    grouped = problem.penalty
    penalty, partition = grouped.penalty, grouped.partition
    w = np.zeros(problem.design.p)
    w[solution.ids] = solution.w
    v = np.asarray(grouped.coordinates.from_features(w))
    active = (partition.largest(np.abs(v)) > 0.0) | (problem.lam == 0.0)
    used = partition.spread(active)
    if not penalty.rotatable:
        used &= (v != 0.0) | partition.spread(problem.lam == 0.0)
    used = np.flatnonzero(used)
    if used.size == 0:
        return free
    H = _gram(problem, solution, used)
    M = H.copy()
    for g in np.flatnonzero(active & (problem.lam > 0.0)):
        places = np.flatnonzero(partition.index[used] == g)
        block = penalty.bend(v[used[places]], float(problem.lam[g]))
        M[np.ix_(places, places)] += block
    size = np.sqrt(M.diagonal())
    size = np.where(size > 0.0, size, 1.0)
    M /= np.outer(size, size)
    M[np.diag_indices_from(M)] += RANK
    inside = cho_solve(cho_factor(M, lower=True), H / np.outer(size, size))
    return free + float(np.trace(inside))


def _gram(problem, solution, used):
    """Return the Gram matrix of some coordinates, weighted by the curvature."""
    design = problem.design
    base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
    eta = problem.predictor(solution.ids, solution.w, base)
    h = np.asarray(problem.weigh(problem.curvature(eta)), dtype=np.float64)
    transform = problem.penalty.coordinates.transform
    ids, B = used, None
    if transform is not None:
        part = transform.tocsc()[:, used].tocsr()
        ids = np.flatnonzero(np.diff(part.indptr))
        part = part[ids]
    B = group_columns(design, ids).astype(np.float64)
    if transform is not None:
        B = B @ part
    if problem.fit_intercept:
        B -= (h @ B) / h.sum()
    return (B * h[:, None]).T @ B


class GroupCriterion(InformationCriterion):
    """AIC, BIC or EBIC of group models.

    Degrees of freedom are those of this file. EBIC counts the choices of groups, and
    under a penalty that selects inside a group those of features in them.
    """

    _seen = None

    def _count_candidates(self):
        grouped = self.problem.penalty
        return int(grouped.partition.spread(self.penalised).sum())

    def degrees_of_freedom(self, solution):
        """Return the degrees of freedom of a solution."""
        if self._seen is None or self._seen[0] is not solution:
            self._seen = solution, degrees_of_freedom(self.problem, solution)
        return self._seen[1]

    def log_choices(self, solution):
        """Return the logarithm of the number of models as large as a solution."""
        groups = self.problem.penalty.coordinates.groups
        counts = np.bincount(groups.index[solution.ids], minlength=groups.n_groups)
        counts = np.where(self.penalised, counts, 0)
        used = counts > 0
        value = log_binomial(int(self.penalised.sum()), int(used.sum()))
        if not self.problem.penalty.penalty.rotatable:
            value += log_binomial(int(groups.sizes[used].sum()), int(counts.sum()))
        return value
