"""Where a map jumps along a segment.

A jump is a single point: the images of points a small step apart, on a grid, would
nearly always miss it. So every interval of the grid is halved again and again, each
time to the half over which the image changes more: a jump stays inside.
"""

import numpy as np


def largest_jump(carry, start, end, n_intervals=200, n_halvings=30):
    """Return the largest change of an image that is left over tiny intervals.

    Parameters
    ----------
    carry : callable
        Maps points of shape (n, d) to their images.
    start, end : ndarray of shape (d,)
        Ends of the segment.
    n_intervals : int, default=200
        Intervals to look into.
    n_halvings : int, default=30
        How often each is halved. A steep slope fades with them, a jump does not.

    Returns
    -------
    change : float
        Over intervals of the length of the segment / (n_intervals 2^n_halvings).
    """

    def images(t):
        return carry(start + t[:, None] * (end - start))

    grid = np.linspace(0.0, 1.0, n_intervals + 1)
    left, right, found = grid[:-1], grid[1:], images(grid)
    low, high = found[:-1], found[1:]
    for _ in range(n_halvings):
        middle = 0.5 * (left + right)
        between = images(middle)
        first = np.abs(between - low).max(axis=1) >= np.abs(high - between).max(axis=1)
        left, right = np.where(first, left, middle), np.where(first, middle, right)
        low = np.where(first[:, None], low, between)
        high = np.where(first[:, None], between, high)
    return np.abs(high - low).max()
