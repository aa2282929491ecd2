"""Steps, step size and clipping norm of private descent, from public numbers alone.

Symbols: N rows, d features, K scores, mu the Gaussian privacy parameter (of T steps
with the noise multiplier sigma: mu = sqrt(T) / sigma), G the largest norm that the
gradient of a row can have, L the largest speed at which it can change, m the momentum.

A rule that read the data would spend privacy; these read N, d, K and mu. The noise that
all steps together leave in a parameter along which the loss is flat has the standard
deviation s = p / (N mu), p = lr C T / (1 - m) the largest length of the path. So p
grows with N mu, within bounds, while lr stays within what is stable at L, where
gradients are not clipped. Where N mu is large, the bias of clipping weighs more than
noise, and C grows with its fourth root.
"""

import math
from dataclasses import dataclass

MOMENTUM = 0.9
# Bounds of p, and s: chosen on breast cancer, wine, digits and generated data of up to
# 50000 rows, where scores hardly change for s from 1.5 to 4.
SHORTEST, LONGEST, PATH_NOISE = 150.0, 4000.0, 3.0
# N mu from which clipping norms grow.
LARGE = 250.0
# Nesterov's momentum of 0.9 is stable for lr L below 1.35, L half of its bound.
STABLE = 2.6


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
    momentum : float, default=0.0
        Momentum m.
    """

    n_steps: int
    learning_rate: float
    clipping_norm: float
    momentum: float = 0.0


def default_schedule(
    n_rows,
    mu,
    *,
    multiplier=None,
    largest=math.inf,
    smoothness=math.inf,
    sampling_rate=1.0,
    n_steps="auto",
    learning_rate="auto",
    clipping_norm="auto",
):
    """Return the schedule of a generalised linear model; what is given stays.

    Parameters
    ----------
    n_rows : int
        N.
    mu : float
        Gaussian privacy parameter; infinite without noise, or where the noise
        multiplier is given.
    multiplier : float or None, default=None
        Noise multiplier of a step, instead of ``mu``.
    largest : float, default=inf
        Norm G of gradients without clipping; infinite where there is no bound.
    smoothness : float, default=inf
        Bound L of the second derivative of a row's loss; infinite for none, which
        leaves momentum out.
    sampling_rate : float, default=1.0
        Probability of a row in a batch.
    n_steps, learning_rate, clipping_norm : "auto" or number
        As the user gave them.

    Returns
    -------
    schedule : Schedule
        T, lr, C and m. There is momentum where the step size is ``"auto"``, gradients
        have bounds, and all rows are read.
    """
    full = sampling_rate == 1
    if n_steps == "auto":
        n_steps = 50 if full else max(100, math.ceil(3 / sampling_rate))
    if multiplier is not None and multiplier > 0:
        mu = math.sqrt(n_steps) / multiplier
    known = full and math.isfinite(largest) and math.isfinite(smoothness)
    if clipping_norm == "auto":
        clipping_norm = 0.25
        if known:
            clipping_norm *= max(1.0, n_rows * mu / LARGE) ** 0.25
        if math.isinf(mu):
            clipping_norm = 1e6
        clipping_norm = min(clipping_norm, largest)
    if learning_rate != "auto":
        return Schedule(int(n_steps), float(learning_rate), float(clipping_norm))
    if not known:
        return Schedule(int(n_steps), 8.0 / clipping_norm, float(clipping_norm))
    path = min(LONGEST, max(SHORTEST, PATH_NOISE * n_rows * mu))
    learning_rate = (1 - MOMENTUM) * path / (n_steps * clipping_norm)
    stable = STABLE / smoothness * max(1.0, largest / clipping_norm)
    learning_rate = min(learning_rate, stable)
    return Schedule(int(n_steps), learning_rate, float(clipping_norm), MOMENTUM)
