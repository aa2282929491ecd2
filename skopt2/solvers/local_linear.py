"""Concave penalties and the pinball loss: a finite sequence of linear programs.

Problem: min_(w, b) sum_i s_i l(y_i, x_i'w + b) + sum_j pen(abs(w_j)), l the pinball
loss and pen concave in abs(w_j).
Symbols: u_j = pen'(abs(w_j)), its slope at 0 where w_j = 0; theta the multipliers of a
program, a subgradient of each sample's loss.

The tangent of the penalty at a point lies above it, so the minimiser of the loss and
sum_j u_j abs(w_j) has no higher an objective than the point. Each is a vertex, of which
there are finitely many, and the objective falls until it stays. There the point solves
its own program: 0 lies in X'(s * theta) + pen'(w) with theta from that program, which
is stationarity of the true problem, with no smoothing left in it. A search for theta
would be a box-constrained problem over the interpolated samples, already answered.

No smoothing finds these points once the samples near the fit are as many as the
coefficients: the loss is flat between its kinks and the penalty is concave there.

Source: H. Zou and R. Li, One-step sparse estimates in nonconcave penalized likelihood
models, Annals of Statistics 36, 2008, eqs. 2.6 and 2.7, taken to its end; Y. Wu and Y.
Liu, Variable selection in quantile regression, Statistica Sinica 19, 2009 (programs).
"""

from dataclasses import replace

import numpy as np

# Programs of one descent: they are finitely many, but each may be one of many.
PROGRAMS = 60


def is_concave(penalty):
    """Return whether tangents of the penalty are programs that bound it."""
    return not penalty.convex and penalty.stationarity == "subdifferential"


class LocalLinear:
    """Descent by programs.

    Parameters
    ----------
    program : VertexProgram
        Of a problem whose penalty is concave.
    slack : float
        Change of the objective that is rounding error.
    """

    def __init__(self, program, slack):
        self.program, self.problem, self.slack = program, program.problem, slack

    def best(self, vertices):
        """Return the lowest end of the descents from some starts.

        Parameters
        ----------
        vertices : list of Vertex
            Points to start from; ``w`` decides the first tangent of each.

        Returns
        -------
        vertex : Vertex
            Stationary with its theta; None if no descent came to its end.
        """
        ends = [self.descend(start) for start in vertices]
        ends = [end for end in ends if end is not None]
        return min(ends, key=self.objective, default=None)

    def descend(self, point):
        """Return where the programs end, None if one fails."""
        reached = self.objective(point)
        for _ in range(PROGRAMS):
            used = point.ids[point.w != 0]
            new = self.program.solve(point.eta, point.band, used, self.slopes(point))
            if new is None:
                return None
            value = self.objective(new)
            if value >= reached - self.slack:
                # The point is as good a solution of its program as the new one, and
                # multipliers of one solution are those of all.
                return replace(point, theta=new.theta)
            point, reached = new, value
        return None

    def slopes(self, point):
        """Return u (p,) at a point."""
        penalty, lam = self.problem.penalty, self.problem.lam
        w = self._full(point)
        return np.where(
            w == 0, penalty.slope_at_zero(lam), np.abs(penalty.derivative(w, lam))
        )

    def objective(self, point):
        """Return the objective of a point, as a float."""
        problem = self.problem
        eta = problem.design.to_device(point.eta)
        return problem.loss_value(eta) + problem.penalty_value(self._full(point))

    def _full(self, point):
        w = np.zeros(self.problem.design.p)
        w[point.ids] = point.w
        return w
