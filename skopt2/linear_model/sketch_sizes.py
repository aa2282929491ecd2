"""Sketch sizes as the user writes them."""

from numbers import Integral

import numpy as np

from skopt2._core.parameters import check_count, check_number

# The default sketch sizes are these parts of the features, and of the samples if there
# are fewer; with few features all of them too.
PARTS = (8, 4, 2)
FEW = 64


def sketch_sizes(sketch_size, n, p):
    """Return the sketch sizes to choose from, increasing.

    Parameters
    ----------
    sketch_size : int, float, list of them or None
        As the user gave it.
    n, p : int
        Samples and features.

    Raises
    ------
    TypeError
        If a size is no number.
    ValueError
        If a size is out of range.
    """
    if sketch_size is None:
        least = min(n, p)
        sizes = {max(1, least // part) for part in PARTS}
        return sorted(sizes | ({p} if p <= FEW else set()))
    listed = isinstance(sketch_size, (list, tuple, np.ndarray, range))
    listed = listed and np.ndim(sketch_size) > 0
    sizes = set()
    for size in list(sketch_size) if listed else [sketch_size]:
        whole = isinstance(size, Integral)
        if whole:
            hint = "There are no more features in X. A share of them is a float."
            check_count("sketch_size", size, 1, p, hint=hint)
        else:
            check_number("sketch_size", size, 0, 1, closed="high")
        sizes.add(int(size) if whole else max(1, round(float(size) * p)))
    if not sizes:
        raise ValueError("sketch_size must hold at least one size, got none.")
    return sorted(sizes)
