r"""Subgradient steps for absolute errors, from a small start.

Problem: min over U (d1, k), V (d2, k), b of sum_i s_i abs(y_i - <X_i, U V'> - b) + lam
/ 2 (|U|^2 + |V|^2).
Symbols: m the median absolute residual; G = sum_i s_i sign(r_i) X_i.

Step: U + e m (G V - lam U), V + e m (G'U - lam V). For Gaussian X_i, and gross errors
in less than half of the y_i, G is near a multiple of the error of U V' over its norm,
and m of that norm: the product is what gradient descent would see without the gross
errors. The paper lets steps shrink at a fixed rate instead, which has to be known.

From a small start the directions of the solution grow first, and those that a larger
rank adds stay small: what is found depends on the number of steps, not on the rank. The
objective has lower points that fit the errors. The best point on the way is kept, and
the certificate is no more than what the last steps have gained, relative.

Sources: J. Ma and S. Fattahi, Global convergence of sub-gradient method for robust
matrix recovery: small initialization, noisy measurements, and over-parameterization,
JMLR 24, 2023, algorithm 1; T. Tong, C. Ma and Y. Chi, Low-rank matrix recovery with
scaled subgradient methods, IEEE Trans. Signal Processing 69, 2021, section II (sizes).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.result import Measure
from skopt2._core.weighted_quantile import weighted_quantile
from skopt2.solvers.low_rank.problem import Factors
from skopt2.solvers.singular_values import spectral_norm

# What the median of a normal variable and its mean absolute value make of its variance.
NORMAL = 0.6745 * math.sqrt(2.0 / math.pi)
# Length of a step, as a share of the largest that gradient descent could take.
LENGTH = 0.5
# Steps between two looks at what they have gained.
WINDOW = 50


@dataclass(frozen=True)
class RobustState:
    """Where a search is, and the best point that it has seen.

    Parameters
    ----------
    model : Factors
        Current.
    best : Factors
        Of the least objective.
    measure : Measure
        Of the best; its value is what the last window of steps has gained.
    mark : float
        Objective of the best at the beginning of the window.
    age : int
        Steps since then.
    """

    model: Factors
    best: Factors
    measure: Measure
    mark: float = math.inf
    age: int = 0


class RobustDescent:
    """Subgradient steps whose size is the median residual.

    Parameters
    ----------
    problem : Completion
        Of :class:`~skopt2.solvers.low_rank.measurements.Measurements` with a loss that
        is an absolute value but for rounding.
    """

    def __init__(self, problem):
        self.problem = problem

    def start(self, model, delta=0.0):
        """Return the state of a model."""
        measure = self._measure(model, math.inf)
        return RobustState(model, model, measure, measure.objective)

    def _measure(self, model, gained):
        problem = self.problem
        r = problem.residual(model)
        extra = {"stationarity": problem.stationarity(model, r), "rank": model.rank}
        objective = problem.objective(model, r) / problem.count
        return Measure(objective, gained, math.nan, extra)

    def step(self, state):
        """Take one step."""
        problem, model, xp = self.problem, state.model, self.problem.xp
        entries, r = problem.entries, problem.residual(model)
        median = weighted_quantile(xp.abs(r), 0.5, entries.ones())
        size = median / (NORMAL * entries.unit)
        G = size * entries.pull(entries.ones() * xp.sign(r))
        U, V, ridge = model.U, model.V, size * problem.level
        largest = max(spectral_norm(U), spectral_norm(V)) ** 2
        largest += spectral_norm(G) + ridge
        e = LENGTH / largest if largest > 0.0 else 0.0
        b = model.b
        if problem.intercept:
            # Not of the length of a step of the factors: it does not depend on them.
            b = b + LENGTH * weighted_quantile(r, 0.5, entries.ones())
        dU, dV = G @ V - ridge * U, xp.matrix_transpose(G) @ U - ridge * V
        new = Factors(U + e * dU, V + e * dV, b)
        return self._judged(state, new)

    def _judged(self, state, new):
        """Return the next state, with the best point so far."""
        measure, best, mark = self._measure(new, state.measure.value), new, state.mark
        if not measure.objective < state.measure.objective:
            measure, best = state.measure, state.best
        age = state.age + 1
        if age == WINDOW:
            gained = (mark - measure.objective) / max(mark, 1e-300)
            measure, mark, age = replace(measure, value=gained), measure.objective, 0
        return RobustState(new, best, measure, mark, age)

    def certificate(self, state):
        """Return objective and certificate of the best point."""
        return state.measure

    def finalize(self, state):
        """Return the best model."""
        return state.best

    def pack(self, state):
        """Return the state as plain arrays, for a checkpoint."""
        packed = {"mark": state.mark, "age": state.age, "gained": state.measure.value}
        for prefix, model in (("", state.model), ("best_", state.best)):
            for name in "UVb":
                packed[prefix + name] = to_numpy(getattr(model, name))
        return packed

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        like, models = self.problem.entries.like, []
        for prefix in ("", "best_"):
            arrays = (np.asarray(packed[prefix + name]) for name in "UVb")
            models.append(Factors(*(asarray_like(A, like) for A in arrays)))
        measure = self._measure(models[1], float(packed["gained"]))
        return RobustState(*models, measure, float(packed["mark"]), int(packed["age"]))
