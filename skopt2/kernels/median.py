"""The median of the distances between points, which serves as a length scale."""

import numpy as np

from skopt2._core.array import take, to_numpy

# Rows among which the median is taken.
MEDIAN_ROWS = 1000


def median_distance(X, rng=None):
    """Return the median distance between pairs of points.

    Parameters
    ----------
    X : array of shape (n, d)
        Points.
    rng : numpy.random.Generator or None, default=None
        Draws the sample of at most 1000 points; None takes evenly spaced ones.

    Returns
    -------
    distance : float
        That of the positive distances where more than half of all are 0, and 1.0 where
        no two points differ.
    """
    n = int(X.shape[0])
    if n > MEDIAN_ROWS:
        index = (
            np.linspace(0, n - 1, MEDIAN_ROWS).astype(np.int64)
            if rng is None
            else np.sort(rng.choice(n, MEDIAN_ROWS, replace=False))
        )
        X = take(X, index)
    X = np.asarray(to_numpy(X), dtype=np.float64)
    # In units of the largest value: squares of huge or tiny ones leave the range.
    unit = float(np.abs(X).max(initial=0.0))
    X = X / unit if unit > 0.0 else X
    X = X - X.mean(axis=0) if n else X
    spread = float(np.abs(X).max(initial=0.0))
    if spread == 0.0:
        return 1.0
    X, unit = X / spread, unit * spread
    norms = (X * X).sum(axis=1)
    squares = norms[:, None] + norms - 2.0 * (X @ X.T)
    squares[squares <= 4e-15 * (norms[:, None] + norms)] = 0.0
    distances = np.sqrt(squares[np.triu_indices(squares.shape[0], 1)])
    median = float(np.median(distances))
    if median == 0.0:
        distances = distances[distances > 0.0]
        if not distances.size:
            return 1.0
        median = float(np.median(distances))
    return unit * median
