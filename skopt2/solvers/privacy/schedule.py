"""Steps, step size and clipping norm of private descent, from public numbers alone.

Symbols: N rows, d features, K scores, mu the Gaussian privacy parameter (of T steps
with the noise multiplier sigma: mu = sqrt(T) / sigma), G the largest norm that the
gradient of a row can have.

A rule that read the data would spend privacy; these read N, d, K and mu.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Defaults of one descent.

    Parameters
    ----------
    n_steps : int
        Steps T.
    learning_rate : float
        Step size.
    clipping_norm : float
        Bound C of the gradient of a row.
    """

    n_steps: int
    learning_rate: float
    clipping_norm: float


def default_schedule(
    n_rows,
    n_features,
    n_outputs,
    mu,
    *,
    multiplier=None,
    largest=math.inf,
    sampling_rate=1.0,
    n_steps="auto",
    learning_rate="auto",
    clipping_norm="auto",
):
    """Return the schedule of a generalised linear model; what is given stays.

    Parameters
    ----------
    n_rows, n_features, n_outputs : int
        N, d with the intercept, K.
    mu : float
        Gaussian privacy parameter; infinite without noise, or where the noise
        multiplier is given.
    multiplier : float or None, default=None
        Noise multiplier of a step, instead of ``mu``.
    largest : float, default=inf
        Norm G of gradients without clipping; infinite where there is no bound.
    sampling_rate : float, default=1.0
        Probability of a row in a batch.
    n_steps, learning_rate, clipping_norm : "auto" or number
        As the user gave them.

    Returns
    -------
    schedule : Schedule
        T, lr and C.
    """
    if n_steps == "auto":
        n_steps = 50 if sampling_rate == 1 else max(100, math.ceil(3 / sampling_rate))
    if clipping_norm == "auto":
        clipping_norm = min(0.25, largest)
        if math.isinf(mu) and multiplier is None:
            clipping_norm = min(largest, 1e6)
    if learning_rate == "auto":
        learning_rate = 8.0 / clipping_norm
    return Schedule(int(n_steps), float(learning_rate), float(clipping_norm))
