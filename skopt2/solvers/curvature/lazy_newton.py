"""Newton steps with lazy Hessians: one matrix for several gradients.

Problem and symbols: :mod:`skopt2.solvers.curvature.regularised_newton`; z the point of
the last Hessian H(z), refreshed every m steps; c the adaptive constant.

A step minimises the model of the fresh gradient and of the old Hessian with the
regulariser r = (c norm(g))^1/2, the quadratic regularisation of the paper, whose
constant grows with m. Here c is found: it is divided by 4 after a step that is good at
once, and multiplied by 4 after one that is not. Where the second trial is no better, it
is the Hessian that is too old, and it is refreshed before its time. Steps count as many
arithmetic operations as

    Hessian: n N^2 and a factor of N^3 / 3;    step: 4 n N and 2 N^2,

and the period of least total cost is their quotient: for the dense Hessian of n = N
samples it is a third of N, the order that the paper proves best. Forming a matrix runs
FASTER times as many operations in a second as a product with a vector, so the period
that pays is that much shorter.

Source: N. Doikov, E. M. Chayti and M. Jaggi, Second-order optimization with lazy
Hessians, ICML 2023, algorithm 2 and section 5 (quadratic regularisation), theorem 4.2
(the period).
"""

from dataclasses import replace

from skopt2.solvers.curvature.matrix import CurvatureMatrix, rounded
from skopt2.solvers.curvature.regularised_newton import (
    FIRST,
    TRIALS,
    RegularisedNewton,
    Regulariser,
)

# What the constant is multiplied by after a bad step, and divided by after a good one.
FACTOR = 4.0
# Operations of a matrix product in the time of one of a vector.
FASTER = 16.0


class LazyNewton(RegularisedNewton):
    """Newton steps that use one Hessian for several gradients.

    Parameters
    ----------
    problem : LinearProblem
        A loss with a curvature, a convex penalty.
    tol : float
        Tolerance of the certificate.
    refresh : int or "auto", default="auto"
        Steps between two Hessians.
    """

    name = "newton-lazy"

    def __init__(self, problem, tol, refresh="auto"):
        super().__init__(problem, tol)
        self.refresh = refresh

    def _matrix(self, field, local):
        """Return the Hessian at a point."""
        coupled = self.problem.n_outputs > 1
        self.counts["hessians"] += 1
        return CurvatureMatrix(field, field.curvature(local.eta), coupled)

    def _begin(self, field, local):
        matrix = self._matrix(field, local)
        size = max(field.norm(field.least(local)), 1e-300)
        return Regulariser((FIRST * matrix.size) ** 2 / size, matrix)

    def _advance(self, field, run):
        """Take one step; see CurvatureMethod."""
        memory, quadratic = run.memory, self.problem.loss.is_quadratic
        n, K, mode = self.problem.design.n, self.problem.n_outputs, memory.matrix.mode
        due = memory.age >= period(self.refresh, n, K * field.N, mode)
        for failures in range(TRIALS):
            old = memory.age > 0 and not quadratic
            if old and (due or failures > 1):
                memory = replace(memory, matrix=self._matrix(field, run.local), age=0)
            least = 1e-14 * memory.matrix.size
            r = max((memory.constant * run.length) ** 0.5, least)
            found = self._attempt(field, run, memory.matrix, rounded(r))
            if found is not None:
                constant = memory.constant / (1.0 if failures else FACTOR)
                memory = Regulariser(constant, memory.matrix, memory.age + 1)
                return replace(found, memory=memory)
            memory = replace(memory, constant=memory.constant * FACTOR)
        return replace(run, memory=memory)


def period(refresh, n, N, mode="gram"):
    """Return the steps between two Hessians.

    Parameters
    ----------
    refresh : int or "auto"
        As given.
    n, N : int
        Samples, and rows of the matrix.
    mode : {"gram", "samples", "cg"}, default="gram"
        How systems are solved; without a matrix of N rows an old one saves nothing.
    """
    if refresh != "auto":
        return int(refresh)
    if mode != "gram":
        return 1
    hessian = n * N * N + N**3 / 3.0
    step = 4.0 * n * N + 2.0 * N * N
    return max(1, min(int(hessian / step / FASTER), N))
