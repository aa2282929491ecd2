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

df = [free intercepts] + trace((H + D)^-1 H),

which Vaiter et al. prove to be the divergence for almost all y and any design, and by
Stein's lemma an unbiased estimate of the degrees of freedom. With orthonormal groups H
is the identity, and df = sum_g (1 + (d_g - 1) |v_g| / (|v_g| + lam_g)), the formula of
Yuan and Lin. For the logistic loss it is the trace of the hat matrix of the last Newton
step, the usual generalisation. With K outputs v and b have K columns, and h is a matrix
for each sample. A concave penalty is replaced by its tangent, which leaves a count of
the coefficients where groups are not shrunk or have one feature; jumps of such a fit
are not counted.

Sources: S. Vaiter, C. Deledalle, G. Peyre, J. Fadili and C. Dossal, The degrees of
freedom of the group lasso for a general design, hal-00768896, 2012; M. Yuan and Y. Lin,
Model selection and estimation in regression with grouped variables, JRSS B 68, 2006.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from skopt2.linear_model.information_criterion import (
    InformationCriterion,
    free_intercepts,
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
        With the intercepts.
    """
    free = float(free_intercepts(problem))
    used, bend = support(problem, solution)
    if used.size == 0:
        return free
    H = _hessian(problem, solution, used)
    M = H + bend
    size = np.sqrt(M.diagonal())
    size = np.where(size > 0.0, size, 1.0)
    M /= np.outer(size, size)
    M[np.diag_indices_from(M)] += RANK
    inside = cho_solve(cho_factor(M, lower=True), H / np.outer(size, size))
    return free + float(np.trace(inside))


def support(problem, solution):
    """Return the coefficients that are free to move, and the Hessian of the penalty.

    Parameters
    ----------
    problem : LinearProblem
        With a ``GroupedPenalty``, at the level of the solution.
    solution : Solution
        Its minimiser.

    Returns
    -------
    used : ndarray of int of shape (m,)
        Places in the coordinates of the groups; with K outputs place j K + k is column
        j of output k.
    bend : ndarray of shape (m, m)
        D, see the module.
    """
    grouped = problem.penalty
    penalty, partition = grouped.penalty, grouped.partition
    v = _coefficients(problem, solution)
    active = (partition.largest(np.abs(v)) > 0.0) | (problem.lam == 0.0)
    used = partition.spread(active)
    if not penalty.rotatable:
        used &= (v != 0.0) | partition.spread(problem.lam == 0.0)
    used = np.flatnonzero(used)
    bend = np.zeros((used.size, used.size))
    for g in np.flatnonzero(active & (problem.lam > 0.0)):
        places, lam = np.flatnonzero(partition.index[used] == g), float(problem.lam[g])
        bend[np.ix_(places, places)] = penalty.bend(v[used[places]], lam)
    return used, bend


def _coefficients(problem, solution):
    """Return the coefficients in the coordinates of the groups, (r,)."""
    w = np.zeros((problem.design.p, *solution.w.shape[1:]))
    w[solution.ids] = solution.w
    coordinates = problem.penalty.coordinates
    return np.asarray(coordinates.from_features(w, solution.latent))


def _hessian(problem, solution, used):
    """Return the Hessian of the loss in some coefficients, the intercept minimised."""
    outputs = problem.n_outputs
    rows = np.unique(used // outputs)
    B, W = columns_of(problem, rows), curvatures_of(problem, solution)
    H = np.zeros((rows.size, outputs, rows.size, outputs))
    for k in range(outputs):
        for j in range(outputs):
            if W[:, k, j].any():
                H[:, k, :, j] = (B * W[:, k, j, None]).T @ B
    H = H.reshape(rows.size * outputs, -1)
    if problem.fit_intercept:
        cross = np.einsum("ij,ikl->jkl", B, W).reshape(-1, outputs)
        H -= cross @ np.linalg.pinv(W.sum(axis=0)) @ cross.T
    places = np.searchsorted(rows, used // outputs) * outputs + used % outputs
    return H[np.ix_(places, places)]


def columns_of(problem, rows):
    """Return centred columns in the coordinates of the groups, (n, m)."""
    transform = problem.penalty.coordinates.transform
    if transform is None:
        return group_columns(problem.design, rows).astype(np.float64)
    part = transform.tocsc()[:, rows].tocsr()
    ids = np.flatnonzero(np.diff(part.indptr))
    return group_columns(problem.design, ids).astype(np.float64) @ part[ids]


def curvatures_of(problem, solution):
    """Return the weighted Hessian of the loss of each sample, (n, K, K)."""
    base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
    eta = problem.predictor(solution.ids, solution.w, base)
    h, columns = problem.curvature(eta), []
    for k in range(problem.n_outputs):
        unit = np.zeros_like(eta)
        unit[..., k if eta.ndim == 2 else slice(None)] = 1.0
        columns.append(problem.curvature_product(h, unit).reshape(eta.shape[0], -1))
    return np.stack(columns, axis=2).astype(np.float64)


class GroupCriterion(InformationCriterion):
    """AIC, BIC or EBIC of group models.

    Degrees of freedom are those of this file. EBIC counts the choices of groups, and
    under a penalty that selects inside a group those of features in them.
    """

    _seen = None

    def __init__(self, name, formulation, n_observations, gamma=0.5):
        problem = formulation.problem
        if problem.loss.is_quadratic:
            # One variance for all outputs, and one observation for each of them.
            n_observations *= problem.n_outputs
        super().__init__(name, formulation, n_observations, gamma)

    def _count_candidates(self):
        grouped = self.problem.penalty
        total = int(grouped.partition.spread(self.penalised).sum())
        return total // self.problem.n_outputs

    def degrees_of_freedom(self, solution):
        """Return the degrees of freedom of a solution."""
        if self._seen is None or self._seen[0] is not solution:
            self._seen = solution, degrees_of_freedom(self.problem, solution)
        return self._seen[1]

    def log_choices(self, solution):
        """Return the logarithm of the number of models as large as a solution."""
        grouped = self.problem.penalty
        v = _coefficients(self.problem, solution)
        counts = grouped.partition.sums((v != 0.0).astype(np.float64))
        counts = np.where(self.penalised, counts, 0.0)
        used = counts > 0.0
        value = log_binomial(int(self.penalised.sum()), int(used.sum()))
        if not grouped.penalty.rotatable:
            inside = grouped.partition.sizes[used].sum()
            value += log_binomial(int(inside), int(counts.sum()))
        return value
