"""Private centring of a fit: what it costs, and the rows it leads to."""

import math

from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.private_center import (
    CENTER_SHARE,
    center_plan,
    private_center,
)
from skopt2.solvers.privacy.rows import RowMap


def centering_plan(center, budget, sampling_rate, n_steps):
    """Return how much of a budget is for the centre and the radius of the rows.

    They take ``CENTER_SHARE`` of mu^2, whatever the data: of that of the budget, or
    with a given noise multiplier of what it and the steps come to together.

    Parameters
    ----------
    center : object
        The parameter of the estimator.
    budget : tuple (epsilon, delta, noise_multiplier)
        As ``check_privacy_parameters`` returns it.
    sampling_rate : float
        Probability of a row in a batch.
    n_steps : int
        Steps of the descent that follows.

    Returns
    -------
    plan : CenterPlan or None
        None unless ``center`` is ``"private"``.
    """
    if center != "private":
        return None
    epsilon, delta, multiplier = budget
    if multiplier is None:
        mu = gaussian_mu(epsilon, delta) if math.isfinite(epsilon) else math.inf
        return center_plan(CENTER_SHARE * mu * mu)
    squared = n_steps / multiplier**2
    if sampling_rate < 1.0:
        # The central limit of sampled steps: a rule, the accountant has the last word.
        bound = math.expm1(min(multiplier**-2, 100.0))
        squared = min(squared, sampling_rate**2 * n_steps * bound)
    return center_plan(CENTER_SHARE / (1.0 - CENTER_SHARE) * squared)


def check_centering(center, is_sparse):
    """Raise ValueError where rows cannot be shifted.

    Parameters
    ----------
    center : object
        The parameter of the estimator.
    is_sparse : bool
        Whether the rows are.
    """
    if center == "private" and is_sparse:
        raise ValueError(
            "center='private' shifts the features, which would fill a sparse X: use "
            "center=None, or a dense X."
        )


def centred(rows, plan, noise, relation):
    """Return the rows around their private centre, of a norm of feature_norm.

    Parameters
    ----------
    rows : Rows
        Under a public map.
    plan : CenterPlan
        Spent already.
    noise : NoiseSource
        Of the fit.
    relation : {"zero_out", "replace_one"}
        Which data sets are neighbours.

    Returns
    -------
    rows : Rows
        Their ``row_map`` folds coefficients back to the rows as they come.
    """
    found = private_center(rows, plan, noise, relation)
    scale = rows.feature_norm / found.radius
    return rows.mapped(rows.row_map.then(RowMap(shift=found.center, scale=scale)))
