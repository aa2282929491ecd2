r"""Parametric coordinate descent: Dinkelbach's difference along each coordinate.

Problem: min_x (f(x) + lam abs(x)_1) / G(x), see
:mod:`skopt2.solvers.fractional.problem`. With alpha = R(x), for a coordinate i,

    eta = argmin g_i eta + (c_i + theta)/2 eta^2 + lam abs(x + eta e_i)_1
                 - alpha G(x + eta e_i),

globally. The difference is zero at eta = 0, so a negative one lowers the ratio: the
ratio never increases. Its fixed points for theta = 0 are those of the fractional
method. Where G is a quadratic of more curvature than the numerator, theta is raised
for the coordinate until the difference is convex.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691, method PCD.
"""

from skopt2.solvers.fractional.coordinate_difference import (
    least_differences,
    least_piece_difference,
    least_root_difference,
)
from skopt2.solvers.fractional.denominators import reach
from skopt2.solvers.fractional.fractional_descent import FractionalDescent

# Relative curvature that is left to a difference of two parabolas.
CONVEX = 1e-6


class ParametricDescent(FractionalDescent):
    """Sweeps of parametric coordinate descent; parameters as for the fractional one."""

    def coordinate(self, f, G, k, x, size):
        """Return the step of one coordinate, 0 where no step is better.

        Parameters
        ----------
        f, G, k, x, size : LocalForm, LocalSmooth or LocalPieces, int, float, float
            As for :meth:`FractionalDescent.coordinate`.

        Returns
        -------
        eta : float
            The step.
        """
        problem = self.problem
        c, a1 = f.diagonal[k] + self.theta, f.slope(k)
        alpha = (f.value + size) / self._level(G)
        if problem.denominator.root:
            return least_root_difference(c, a1, problem.lam, x, alpha, *G.polynomial(k))
        if problem.denominator.smooth:
            d2, d1, d0 = G.polynomial(k)
            far = reach(x, d2, d0)
            c = max(c, 2.0 * alpha * d2 * (1.0 + CONVEX))
            pieces = [(d2, d1, d0, -far, far)]
            eta = least_piece_difference(c, a1, problem.lam, x, alpha, pieces)
        elif hasattr(G, "few_pieces"):
            pieces = [(0.0, *piece) for piece in G.few_pieces(k)]
            eta = least_piece_difference(c, a1, problem.lam, x, alpha, pieces)
        else:
            eta = least_differences(c, a1, problem.lam, x, alpha, *G.pieces(k))
        return eta if abs(eta) > 1e-15 * abs(x) else 0.0
