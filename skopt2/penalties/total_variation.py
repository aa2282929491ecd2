"""The prox of the total variation of a chain, exactly and in linear time.

Problem: min_x sum_j (x_j - z_j)^2 / 2 + t sum_j abs(x_{j+1} - x_j).
Symbols: z (p,); t >= 0; m_j the derivative of the best value of the first j terms as a
function of x_j, piecewise linear and increasing.

Forward, m_{j+1}(x) = x - z_{j+1} + clip(m_j(x), -t, t): the pieces beyond the clipped
levels are dropped from both ends of a list, one is added at each, and low_j, high_j
note where the levels are met. Each piece is dropped once, so the sweep is O(p).
Backward, x_p is the root of m_p, and x_j = clip(x_{j+1}, low_j, high_j), which copies
equal values without rounding.

Source: N. Johnson, A dynamic programming algorithm for the fused lasso and
L0-segmentation, J. Computational and Graphical Statistics 22, 2013, section 2.
"""

from collections import deque

import numpy as np


def shrink_variation(z, t):
    """Return the minimiser of norm(x - z)^2 / 2 + t * sum of abs(x_{j+1} - x_j).

    Parameters
    ----------
    z : ndarray of shape (p,)
        Points, float64.
    t : float
        Level, nonnegative.

    Returns
    -------
    x : ndarray of shape (p,)
        Minimiser, constant on pieces exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.penalties.total_variation import shrink_variation
    >>> shrink_variation(np.array([0.0, 1.0, 5.0, 6.0]), 1.0).tolist()
    [1.0, 1.0, 5.0, 5.0]
    """
    if t == 0.0 or z.size < 2:
        return z.copy()
    values = z.tolist()
    # Knots from left to right: place, and by how much slope and constant rise there.
    knots = deque()
    low, high = [], []
    # The outermost pieces of m_j: slope 1, and constants so that the clipped part of
    # the message before is -t on the left and t on the right.
    left, right = -values[0], -values[0]
    for value in values[1:]:
        slope, constant = 1.0, left
        while knots and slope * knots[0][0] + constant <= -t:
            _, rise, lift = knots.popleft()
            slope, constant = slope + rise, constant + lift
        start = (-t - constant) / slope
        first = (start, slope, constant + t)
        slope, constant = 1.0, right
        while knots and slope * knots[-1][0] + constant >= t:
            _, rise, lift = knots.pop()
            slope, constant = slope - rise, constant - lift
        end = (t - constant) / slope
        knots.appendleft(first)
        knots.append((end, -slope, t - constant))
        low.append(start)
        high.append(end)
        left, right = -t - value, t - value
    slope, constant = 1.0, left
    while knots and slope * knots[0][0] + constant <= 0.0:
        _, rise, lift = knots.popleft()
        slope, constant = slope + rise, constant + lift
    x = -constant / slope
    out = [x]
    for start, end in zip(reversed(low), reversed(high), strict=True):
        x = start if x < start else end if x > end else x
        out.append(x)
    return np.array(out[::-1])
