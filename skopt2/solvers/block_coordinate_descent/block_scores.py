r"""How promising a block is: the greedy rules.

Problem: min_x f(x) + pen(x); x (m,); g = grad f(x); v_i = dist(-g_i, d pen(x_i)), which
is abs(g_i) without a penalty; L_i and M_b bound the Hessian, on a coordinate and on a
block, and L_b is the largest eigenvalue of M_b.

The rules, each the decrease that a model of f promises, up to a factor:

- gs, Gauss-Southwell: sum_{i in b} v_i^2;
- gsl: the model with L_b, without a penalty sum_{i in b} g_i^2 / (2 L_b);
- gsd: the model with a diagonal D_b >= M_b, without a penalty sum g_i^2 / (2 D_i);
- gsq: the model with M_b itself, without a penalty g_b' M_b^-1 g_b / 2.

As L_b I >= M_b and D_b >= M_b, gsq promises at least what gsl and gsd do. With a
penalty the models include it: this is the rule GS-q, for blocks.

For variable blocks of t coordinates the best block is that of the t largest terms for
gs and gsd. For gsl it maximises sum v_i^2 / sum L_i, as sum L_i bounds L_b: a ratio of
sums, which Dinkelbach's iteration solves by sorting a few times. For gsq no efficient
method is known: the block of gsd is improved by hard thresholding pursuit.

Sources: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, sections 2 and 3; J. Nutini et al., Coordinate
descent converges faster with the Gauss-Southwell rule than random selection, ICML 2015,
section 8, for the rules with a penalty; W. Dinkelbach, On nonlinear fractional
programming, Management Science 13, 1967; S. Foucart, Hard thresholding pursuit, SIAM
J. Numerical Analysis 49, 2011, for the pursuit.
"""

import numpy as np

from skopt2.solvers.block_coordinate_descent.block_minimum import DenseMatrix

# Iterations of Dinkelbach, and of hard thresholding.
RATIOS, THRESHOLDINGS = 20, 10


def coordinate_gains(penalty, x, g, lam, D):
    """Return the decrease that the model with curvature D promises, per coordinate.

    Parameters
    ----------
    penalty : Penalty or None
        None without a penalty.
    x, g : ndarray of shape (m,)
        Point and gradient.
    lam : ndarray of shape (m,)
        Levels.
    D : float or ndarray of shape (m,)
        Curvature of the model.

    Returns
    -------
    gains : ndarray of shape (m,)
        Not negative but for rounding.
    """
    if penalty is None:
        return g * g / (2.0 * D)
    d = penalty.prox(x - g / D, 1.0 / D, lam) - x
    change = penalty.terms(x + d, lam) - penalty.terms(x, lam)
    gains = -(d * (g + 0.5 * D * d) + change)
    # A convex model gains that much at least, which no rounding hides.
    return np.maximum(gains, 0.5 * D * d * d) if penalty.convex else gains


def largest(scores, size):
    """Return the coordinates with the largest scores, in increasing order.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Any.
    size : int
        How many.
    """
    if size >= scores.size:
        return np.arange(scores.size)
    return np.sort(np.argpartition(-scores, size - 1)[:size])


def largest_ratio_block(squares, L, size):
    """Return the block of a size with the largest sum of squares over sum of bounds.

    Parameters
    ----------
    squares : ndarray of shape (m,)
        Numerators.
    L : ndarray of shape (m,)
        Denominators, positive.
    size : int
        Coordinates of the block.
    """
    ratio, block = -1.0, largest(squares / L, size)
    for _ in range(RATIOS):
        new = float(squares[block].sum() / L[block].sum())
        if new <= ratio:
            break
        ratio = new
        block = largest(squares - ratio * L, size)
    return block


def thresholded_block(smooth, g, D, theta, size):
    """Return a block with a large g_b' M_b^-1 g_b, by hard thresholding pursuit.

    The system of a block is solved, a gradient step is taken from its solution, and the
    largest coordinates are the next block, as long as that promises more.

    Parameters
    ----------
    smooth : object
        With ``hessian_times``.
    g : ndarray of shape (m,)
        Gradient, 0 where a coordinate is held.
    D : ndarray of shape (m,)
        Bounds on the diagonal of the Hessian.
    theta : float
        Largest eigenvalue of the Hessian that is scaled to D = 1.
    size : int
        Coordinates of the block.
    """
    step = 1.0 / (theta * D)
    block, chosen, best = largest(g * g / D, size), None, -np.inf
    for _ in range(THRESHOLDINGS):
        d = np.zeros(g.size)
        d[block] = -DenseMatrix(smooth.bound(block)).solve(g[block])
        promise = -float(g[block] @ d[block])
        if not promise > best:
            break
        chosen, best = block, promise
        d -= step * (g + smooth.hessian_times(d))
        block = largest(d * d * D, size)
    return chosen
