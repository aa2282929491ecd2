r"""Proximal gradient-subgradient steps for a ratio, the usual baseline.

Problem: min_x (f(x) + lam abs(x)_1) / G(x), see
:mod:`skopt2.solvers.fractional.problem`. With alpha = R(x), g in dG(x) and L the
largest curvature of f,

    x <- soft(x - (grad f(x) - alpha g) / L, lam / L).

With ``inner`` steps for the same alpha and g this is Dinkelbach's method with G made
linear, whose subproblems are solved better the larger ``inner``. Where f is x'x / 2 one
step solves the subproblem; for G the norm of Ax it is the generalised power method.
Limits are critical points, which need not be optimal along every coordinate.

Source: N. Zhang and Q. Li, First-order algorithms for a class of fractional
optimization problems, SIAM Journal on Optimization 32, 2022 (the step); W. Dinkelbach,
On nonlinear fractional programming, Management Science 13, 1967; M. Journee, Y.
Nesterov, P. Richtarik and R. Sepulchre, Generalized power method for sparse principal
component analysis, JMLR 11, 2010.
"""

import numpy as np

from skopt2.solvers.fractional.fractional_descent import FractionalDescent


class GradientSubgradient(FractionalDescent):
    """Steps of the proximal gradient-subgradient method.

    Parameters
    ----------
    problem : FractionalProblem
        What to minimise.
    inner : int, default=1
        Proximal gradient steps for each alpha and subgradient.
    rescale : bool, default=True
        Search along the ray through x after each step.
    """

    def __init__(self, problem, *, inner=1, rescale=True):
        super().__init__(problem, rescale=rescale)
        self.inner, self.L = int(inner), problem.numerator.lipschitz

    def step(self, state):
        """Return the state after one step.

        Parameters
        ----------
        state : FractionalState
            Any.

        Returns
        -------
        state : FractionalState
            No worse.
        """
        problem, lam = self.problem, self.problem.lam
        pull = state.ratio * problem.denominator.subgradient(state.kept, state.x)
        x, gradient = state.x, state.gradient
        for k in range(self.inner):
            if k:
                gradient = problem.numerator.evaluate(x)[1]
            z = x - (gradient - pull) / self.L
            x = np.sign(z) * np.maximum(np.abs(z) - lam / self.L, 0.0)
        return self._finished(problem.state(x, state.n_steps + 1, before=state.ratio))
