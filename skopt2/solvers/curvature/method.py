"""What the methods with steps from curvature share.

Problem: min F(w, b) of :mod:`skopt2.solvers.problem`, on the working sets and levels of
:mod:`skopt2.solvers.first_order`; without a kink at 0 the working set is all features.

One iteration of a method is one row of the history, or PERIOD of them where they are
cheap. Each method is monotone: a step that would raise the objective by more than
rounding is not taken, whatever its theory promises.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2.solvers.certificate import objective_scale
from skopt2.solvers.curvature.field import Field, is_smooth
from skopt2.solvers.first_order import INNER_LIMIT
from skopt2.solvers.running_method import RunningMethod


@dataclass(frozen=True)
class Run:
    """Where the iteration stands.

    Parameters
    ----------
    local : Local
        The iterate.
    rest : float
        Part of the penalty there that is not smooth.
    length : float
        Dual norm of the gradient, with a penalty of the least subgradient.
    memory : object
        What the method remembers.
    """

    local: Any
    rest: float
    length: float
    memory: Any

    @property
    def objective(self):
        """Objective on the working set."""
        return self.local.value + self.rest


class CurvatureMethod(RunningMethod):
    """Base of the methods.

    Parameters
    ----------
    problem : LinearProblem
        A smooth loss; which penalties, a subclass says.
    tol : float
        Tolerance of the certificate.

    Raises
    ------
    ValueError
        If the method has no step for the loss or the penalty.
    """

    # Iterations between two certificates.
    period = 1
    # Which penalties: "smooth", "convex", or "separable" ones.
    takes = "convex"

    def __init__(self, problem, tol):
        self._refuse(problem)
        super().__init__(problem, tol)
        self.smooth = is_smooth(problem.penalty, problem.lam)
        self.counts = {"iterations": 0, "hessians": 0, "gradients": 0}
        self._field = None

    def _refuse(self, problem):
        """Raise ValueError if the method has no step for a loss or a penalty."""
        loss, penalty = problem.loss, problem.penalty
        if loss.smoothable:
            raise ValueError(
                f"solver={self.name!r} needs a loss with a curvature, and loss="
                f"{loss.name!r} has none; use solver='auto'."
            )
        smooth = is_smooth(penalty, problem.lam)
        if self.takes == "smooth" and not smooth:
            raise ValueError(
                f"solver={self.name!r} takes no penalty with a kink or a bound, got "
                f"penalty={penalty.name!r}: use penalty=ElasticNet(l1_ratio=0) for "
                "ridge, alpha=0 for none, or solver='auto'."
            )
        if penalty.stationarity == "fixed_point" and not smooth:
            raise ValueError(
                f"solver={self.name!r} needs a penalty with a slope at 0, and penalty="
                f"{penalty.name!r} has none: use solver='auto'."
            )
        if self.takes == "convex" and not (penalty.convex or smooth):
            raise ValueError(
                f"solver={self.name!r} is for convex penalties, got penalty="
                f"{penalty.name!r}: use solver='auto', or 'oasis'."
            )

    def _begin(self, field, local):
        """Return the memory of a run that starts here."""
        raise NotImplementedError

    def _advance(self, field, run):
        """Return the run after one iteration; with the same point if it cannot move."""
        raise NotImplementedError

    def _best(self, run):
        """Return the local view of the best point of a run."""
        return run.local

    def _run_at(self, field, local, memory):
        """Return the run at a point."""
        length = field.norm(field.least(local))
        return Run(local, field.rest(local.u), length, memory)

    def _minimise(self, model, point, lam, goal, final):
        """Run some iterations; see FirstOrder."""
        # On the way to the target level every step has another penalty.
        run = self._kept(point, final) if final else None
        if run is None or self._field is None or self._field.model is not model:
            self._field = Field(model, lam, self.smooth)
            local = self._field.start(point)
            run = self._run_at(self._field, local, self._begin(self._field, local))
            self.counts["gradients"] += 1
        field = self._field
        field.lam = lam
        for _ in range(self.period if final else INNER_LIMIT):
            run = self._advance(field, run)
            self.counts["iterations"] += 1
            if self.met(field.stationarity(self._best(run)), goal):
                break
        end = field.point(self._best(run), point.b)
        self._keep(run, end, final)
        return end

    def _working_set(self, state, used, lam):
        """Return the working set, without the features that are excluded."""
        ids = super()._working_set(state, used, lam)
        return ids[np.isfinite(lam[ids])]

    def retarget(self, state, lam):
        """Return the state with a new target level; the run is for the old one."""
        self._field = None
        self.smooth = is_smooth(self.problem.penalty, lam)
        return super().retarget(state, lam)

    def certificate(self, state):
        """Return objective and certificate, and what they have cost so far."""
        measure = super().certificate(state)
        measure.extra.update(self.counts)
        return measure

    def rounding(self, run):
        """Return by how much objectives differ that are the same."""
        eps = float(self.problem.xp.finfo(self.problem.y.dtype).eps)
        return 8.0 * eps * max(abs(run.objective), objective_scale(self.problem))
