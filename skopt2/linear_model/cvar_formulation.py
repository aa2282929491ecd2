"""From parameters and data to the problem of a tail."""

import functools
from dataclasses import replace

import numpy as np

from skopt2._core.array import is_sparse, namespace
from skopt2._core.parameters import check_choice, check_number, check_positive
from skopt2.linear_model.formulation import Formulation
from skopt2.penalties import ElasticNet, get_penalty
from skopt2.penalties.l1 import L1
from skopt2.solvers.cvar.multipliers import TailMultipliers
from skopt2.solvers.cvar.pieces import BINARY, REGRESSION, get_pieces
from skopt2.solvers.cvar.problem import TailProblem
from skopt2.solvers.cvar.prox_linear import StochasticProxLinear

SOLVERS = ("auto", "exact", "spl+")


class CVaRFormulation(Formulation):
    """One problem of the tail of the losses.

    Parameters
    ----------
    estimator : CVaRModel
        Its parameters.
    data : FitInput
        Checked data; for a classifier with class numbers in y.
    """

    def __init__(self, estimator, data):
        hint = (
            "It is the share of the losses below the tail: one above 1 - 1 / n_samples "
            "stands for the largest loss."
        )
        check_number("beta", estimator.beta, 0, 1, closed="low", hint=hint)
        check_positive("step_size", estimator.step_size)
        check_positive("alpha", estimator.alpha)
        check_choice("solver", estimator.solver, SOLVERS)
        self._beta, self._step = float(estimator.beta), estimator.step_size
        super().__init__(estimator, doubled(data))

    def _set_loss(self, estimator, n_classes):
        if n_classes is not None and n_classes > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"multiclass, and {type(estimator).__name__} separates two classes. "
                "Wrap it in sklearn.multiclass.OneVsRestClassifier."
            )
        names = REGRESSION if n_classes is None else BINARY
        self.loss = get_pieces(estimator.loss, names)
        self._problem = functools.partial(TailProblem, beta=self._beta)

    def _set_penalty(self, estimator, data):
        self.penalty = get_penalty(estimator.penalty)
        if not isinstance(self.penalty, (L1, ElasticNet)):
            raise ValueError(
                f"penalty={estimator.penalty!r} is not available here: use 'ridge', "
                "'l1', 'elasticnet' or ElasticNet(l1_ratio)."
            )
        self.factor = np.ones(data.X.shape[1])
        self._n_reweightings, self._reweight = 0, None

    def _solver(self, tol):
        if self.solver_name == "spl+":
            return StochasticProxLinear(
                self.problem, tol, self._step, self.random_state
            )
        return TailMultipliers(self.problem, tol)

    def feasible(self, start):
        """Return a warm start as it is: every point is feasible."""
        return start


def doubled(data):
    """Return the data in float64: levels of the tail are differences of losses.

    Parameters
    ----------
    data : FitInput
        Checked.

    Returns
    -------
    data : FitInput
        The same object where it is in float64 already.
    """
    values = data.X.data if is_sparse(data.X) else data.X
    xp = namespace(values)
    if values.dtype == xp.float64:
        return data

    def widen(x):
        if x is None or is_sparse(x):
            return x if x is None else x.astype(np.float64)
        return x if "int" in str(x.dtype) else xp.astype(x, xp.float64)

    return replace(
        data,
        X=widen(data.X),
        y=widen(data.y),
        sample_weight=widen(data.sample_weight),
    )
