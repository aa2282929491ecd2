"""Newton steps with approximate Hessians and the gradient as the measure of smoothness.

Problem and symbols: :mod:`skopt2.solvers.curvature.regularised_newton`; B an
approximation of the Hessian; gamma the gradient-normalised smoothness, the radius of
the ball around the point in which B predicts the gradient up to a share of its norm.

The regulariser is r = norm(g) / gamma. The radius is not known either: it doubles after
a step for which F - F_new >= norm(G)^2 / (8 r), and is halved until there is one.

The approximations, none of which costs more than one matrix for each output:

- ``"bound"``: c A'diag(s)A with the bound c of the second derivative, for losses that
  have one: one matrix and its eigenvectors for the whole fit, a step costs products
  with vectors. For the softmax it serves all outputs (Boehning).
- ``"fisher"``: A'diag(s h)A, the Fisher information, which is the Hessian of the
  losses with one output; the softmax has its blocks on the diagonal, p (1 - p) for
  each output times K / (K - 1), which is exact where all classes are alike. Blocks are
  stiff where the same is added to all classes, which the softmax does not see. For a
  quadratic penalty that part of a step is 0; one with a kink takes the whole Hessian.
  One matrix for each class is as many: they serve for as many steps as lazy Hessians.
- ``"auto"``: ``"fisher"``.

Source: A. Semenov, M. Jaggi and N. Doikov, Gradient-normalized smoothness for
optimization with approximate Hessians, arXiv:2506.13710, 2025, algorithm 1; D.
Boehning, Multinomial logistic regression algorithm, Annals of the Institute of
Statistical Mathematics 44, 1992.
"""

from dataclasses import replace

from skopt2.solvers.curvature.lazy_newton import period
from skopt2.solvers.curvature.matrix import CurvatureMatrix
from skopt2.solvers.curvature.regularised_newton import (
    FIRST,
    TRIALS,
    RegularisedNewton,
    Regulariser,
)


class NormalisedNewton(RegularisedNewton):
    """Newton steps with an approximate Hessian and the regulariser norm(g) / gamma.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a convex penalty.
    tol : float
        Tolerance of the certificate.
    curvature : {"auto", "fisher", "bound"}, default="auto"
        The approximation.

    Raises
    ------
    ValueError
        If the loss has no bound to use.
    """

    name = "newton-gn"

    def __init__(self, problem, tol, curvature="auto"):
        super().__init__(problem, tol)
        if curvature == "bound" and not problem.loss.has_lipschitz:
            raise ValueError(
                f"curvature='bound' needs a loss of bounded curvature, and that of "
                f"loss={problem.loss.name!r} has no bound; use curvature='fisher'."
            )
        self.fixed = curvature == "bound" or problem.loss.is_quadratic

    def _matrix(self, field, local):
        """Return the approximation at a point."""
        self.counts["hessians"] += 1
        problem = self.problem
        if self.fixed:
            # The same for all outputs and all points.
            h = field.xp.ones_like(problem.s) * float(problem.loss.lipschitz)
            return CurvatureMatrix(field, h, lasting=True)
        h = field.curvature(local.eta)
        K = problem.n_outputs
        if K > 1 and not field.smooth:
            return CurvatureMatrix(field, h, coupled=True)
        if K > 1:
            h = (K / (K - 1.0)) * h * (1.0 - h)
        return CurvatureMatrix(field, h)

    def _begin(self, field, local):
        matrix = self._matrix(field, local)
        size = field.norm(field.least(local))
        return Regulariser(size / (FIRST * matrix.size), matrix)

    def _advance(self, field, run):
        """Take one step; see CurvatureMethod."""
        memory = run.memory
        gamma, span = memory.constant, self._span(field, memory.matrix)
        for failures in range(TRIALS):
            due = memory.age >= span or failures > 1
            if memory.age and due and not self.fixed:
                memory = replace(memory, matrix=self._matrix(field, run.local), age=0)
            r = max(run.length / max(gamma, 1e-300), 1e-14 * memory.matrix.size)
            found = self._attempt(field, run, memory.matrix, r)
            if found is not None:
                memory = Regulariser(2.0 * gamma, memory.matrix, memory.age + 1)
                return replace(found, memory=memory)
            gamma *= 0.5
        return replace(run, memory=replace(memory, constant=gamma))

    def _span(self, field, matrix):
        """Return the steps that an approximation serves for."""
        if self.problem.n_outputs == 1:
            return 1
        return period("auto", self.problem.design.n, field.N, matrix.mode)
