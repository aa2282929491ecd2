"""Early stopping: stop a solve when rows that it does not see are predicted no better.

An iterative solver of a kernel system fits the leading directions of the kernel first,
and the noise last, so stopping it is a form of regularisation (Yao, Rosasco and
Caponnetto, On early stopping in gradient descent learning, 2007).
"""

import numpy as np
from sklearn.model_selection import train_test_split

from skopt2._core.array import namespace, sum64


class ValidationMonitor:
    """Measure the error on rows that are held out, and stop when it no longer falls.

    Parameters
    ----------
    operator : KernelOperator
        Rows held out, columns the rows of the fit.
    Y : array of shape (n_held_out, c)
        Their targets.
    weight : array of shape (n_held_out,) or None
        Their weights.
    patience : int
        Measures without a smaller error after which to stop.
    inner : object or None
        Another monitor of the loop, which is asked too.

    Attributes
    ----------
    errors : list of float
        Mean squared error of each measure.
    best : object or None
        Solution with the smallest error.
    """

    def __init__(self, operator, Y, weight, patience, inner=None):
        self.operator, self.Y, self.weight = operator, Y, weight
        self.patience, self.inner = patience, inner
        self.errors, self.best, self._least = [], None, np.inf

    def begin(self, iteration):
        """Pass the call on."""
        if self.inner is not None:
            self.inner.begin(iteration)

    def end(self, iteration, solver, state, measure, history):
        """Measure the error; return True to stop."""
        asked = False
        if self.inner is not None:
            asked = self.inner.end(iteration, solver, state, measure, history)
        solution = solver.finalize(state)
        error = self.error(solution.a)
        self.errors.append(error)
        if error < self._least:
            self.best, self._least = solution, error
        since = len(self.errors) - 1 - int(np.argmin(self.errors))
        return bool(asked) or since >= self.patience

    def scores(self, a):
        """Return the model's values at the rows held out, for coefficients (n, c)."""
        return self.operator.product(a)

    def error(self, a):
        """Return the mean squared error of coefficients (n, c)."""
        squares = (self.scores(a) - self.Y) ** 2
        per_row = namespace(squares).sum(squares, axis=1)
        if self.weight is None:
            return sum64(per_row) / per_row.shape[0]
        return sum64(per_row * self.weight) / sum64(self.weight)


def hold_out(n, fraction, rng, labels=None):
    """Split the numbers 0 .. n - 1 in rows to fit and rows held out.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        Share to hold out.
    rng : numpy.random.Generator
        Shuffles.
    labels : ndarray of shape (n,) or None, default=None
        Classes whose shares are kept, where every class has two rows and there is room
        for each on both sides.

    Returns
    -------
    fitted, held_out : ndarray of int
        Sorted.

    Raises
    ------
    ValueError
        If one side would be empty.
    """
    n_held = int(np.ceil(fraction * n))
    if not 0 < n_held < n:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} of {n} samples "
            "leaves nothing to fit or nothing to hold out; change "
            "validation_fraction, or use early_stopping=False."
        )
    stratify = None
    if labels is not None:
        counts = np.unique(labels, return_counts=True)[1]
        if counts.min() >= 2 and min(n_held, n - n_held) >= counts.size:
            stratify = labels
    seed = int(rng.integers(2**31))
    parts = train_test_split(
        np.arange(n), test_size=n_held, random_state=seed, stratify=stratify
    )
    return np.sort(parts[0]), np.sort(parts[1])
