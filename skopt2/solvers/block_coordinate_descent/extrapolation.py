"""Anderson extrapolation of the sweeps of coordinate descent.

Symbols: V (K + 1, m), the coefficients after K + 1 consecutive sweeps; U (K, m), their
differences. The weights c minimise |U'c| with sum c = 1; sum_k c_k V_{k + 1} is where
the sweeps, were they an affine map, would be closest to rest. Everything that is affine
in the coefficients is extrapolated with the same weights.

Source: Q. Bertrand and M. Massias, Anderson acceleration of coordinate descent, AISTATS
2021, algorithms 1 and 3.
"""

import numpy as np

# Relative to the trace: differences below it are rounding.
RIDGE = 1e-12


def extrapolation_weights(points):
    """Return the weights of all points but the first, None where there are none.

    Parameters
    ----------
    points : ndarray of shape (K + 1, m)
        Consecutive points.

    Returns
    -------
    weights : ndarray of shape (K,) or None
        Their sum is 1.
    """
    steps = np.diff(points, axis=0).astype(np.float64)
    gram = steps @ steps.T
    trace = float(np.trace(gram))
    if not 0.0 < trace < np.inf:
        return None
    gram[np.diag_indices_from(gram)] += RIDGE * trace
    try:
        weights = np.linalg.solve(gram, np.ones(gram.shape[0]))
    except np.linalg.LinAlgError:
        return None
    total = float(weights.sum())
    if not np.isfinite(total) or abs(total) * trace < 1e-300:
        return None
    return weights / total
