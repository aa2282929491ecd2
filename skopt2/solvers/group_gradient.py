"""Proximal gradient for groups of features: all groups move at once.

Problem: min_(w, b) f(w, b) + sum_g pen(|w_g|; lam_g), see
:mod:`skopt2.penalties.group_norms`.

Block descent visits one group after the other, which keeps a CPU busy and a GPU idle.
The iteration here is that of :mod:`skopt2.solvers.proximal_gradient`, products with the
columns of a working set, in a metric that is the same for the features of a group: the
prox is only known there. Working sets hold whole groups.

Source: A. Beck and M. Teboulle, SIAM J. Imaging Sciences 2, 2009; B. O'Donoghue and E.
Candes, Foundations of Computational Mathematics 15, 2015, section 3.2.
"""

import numpy as np

from skopt2.solvers.composite import column_scale
from skopt2.solvers.proximal_gradient import ProximalGradient


class GroupGradient(ProximalGradient):
    """Proximal gradient with momentum and restarts on groups.

    Parameters
    ----------
    problem : LinearProblem
        On any device, with a ``GroupNorms`` penalty and the level of its group for
        each feature.
    tol : float
        Tolerance of the certificate.
    """

    name = "group gradient"

    def __init__(self, problem, tol):
        sizes = problem.penalty.pull(problem.null_gradient)
        allowed = np.isfinite(problem.lam)
        largest = float(sizes[allowed].max(initial=0.0))
        # Relative to groups, as block descent has it.
        problem.null_scale = largest if 0.0 < largest < np.inf else None
        super().__init__(problem, tol)
        self._index = problem.penalty.index
        largest = np.zeros(self._index.max(initial=-1) + 1)
        np.maximum.at(largest, self._index, column_scale(problem.design))
        self._metric = largest[self._index]

    def _restrict(self, ids):
        """Return the model of a working set, in the metric of the groups."""
        known = self._model
        model = super()._restrict(ids)
        if model is not known:
            model.metric, model._theta = model._column(self._metric[ids]), None
        return model

    def _working_set(self, state, used, lam):
        """Return the features of the groups that are in use or want to be."""
        ids = super()._working_set(state, used, lam)
        chosen = np.zeros(self._index.max(initial=-1) + 1, dtype=bool)
        chosen[self._index[ids]] = True
        return np.flatnonzero(chosen[self._index])

    def _newton(self, model, point, lam, ceiling):
        """Return None: groups have no Newton steps here."""
        return None
