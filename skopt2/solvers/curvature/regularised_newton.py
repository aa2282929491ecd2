"""Newton steps with a quadratic regulariser as large as the gradient asks for.

Problem and symbols: :mod:`skopt2.solvers.curvature.field`. Both methods of this family
minimise, with a curvature matrix B,

    g'h + h'B h / 2 + r norm(h)^2 / 2 + pen(w + h),

and find r by trials. With G the gradient at the new point plus the subgradient of the
penalty that the minimiser names, -(g + B h + r M h), a trial is good if the objective
falls by what r promises: F - F_new or -G'h is at least norm(G)^2 / (c r). Where the
gradient at least halves, the method is in its fast phase and no more is asked for.
"""

from dataclasses import dataclass
from typing import Any

from skopt2._core.array import sum64
from skopt2.solvers.curvature.method import CurvatureMethod
from skopt2.solvers.curvature.model_step import model_step

# Failures of one iteration after which rounding is to blame.
TRIALS = 50
# Share of the predicted fall that an actual one may be.
AGREEMENT = 0.5
# The first regulariser, relative to the curvature.
FIRST = 0.1


@dataclass(frozen=True)
class Regulariser:
    """What a method of this family remembers.

    Parameters
    ----------
    constant : float
        What the regulariser is found from.
    matrix : CurvatureMatrix
        Curvature of the last step.
    age : int
        Steps that it has been used for.
    """

    constant: float
    matrix: Any
    age: int = 0


class RegularisedNewton(CurvatureMethod):
    """Base of the methods.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a convex penalty.
    tol : float
        Tolerance of the certificate.
    """

    # Shares of norm(G)^2 / r for the fall of the objective and for the slope.
    fall, slope = 0.125, 0.25

    def _attempt(self, field, run, matrix, r):
        """Return the run after a step with a regulariser, None where it is too small.

        Parameters
        ----------
        field : Field
            The problem.
        run : Run
            Where to start; its memory is left as it is.
        matrix : CurvatureMatrix
            Curvature.
        r : float
            Regulariser.
        """
        local, slack = run.local, self.rounding(run)
        h = model_step(field, matrix, local, r=r)
        u, eta = field.centred(local.u + h, local.eta + field.times(h))
        value = field.value(u, eta)
        rest = field.rest(u)
        gained = run.objective - (value + rest)
        if not gained >= -slack:
            return None
        new = field.at(u, eta, value)
        self.counts["gradients"] += 1
        Bh = matrix.times(h)
        G = new.g
        if not field.smooth:
            G = G - local.g - Bh - (r * field.metric) * h
        size = field.norm(G)
        promise = size * size / r
        good = gained >= self.fall * promise or -sum64(G * h) >= self.slope * promise
        predicted = run.rest - rest - sum64(h * local.g) - 0.5 * sum64(h * Bh)
        good = good or gained >= AGREEMENT * predicted > slack
        # What is left to gain may be less than rounding: then the gradient decides.
        share = 0.5 if predicted > slack else 0.99
        if not (good or size <= share * run.length):
            return None
        return self._run_at(field, new, run.memory)
