"""Which descent a private linear model runs, checked before it spends."""

from skopt2.solvers.privacy.descent import PrivateDescent
from skopt2.solvers.privacy.dice_descent import DiceDescent, Feedback
from skopt2.solvers.privacy.difference_descent import DifferenceDescent, Differences

# Experimental: no better than "gd" under noise that can be proved.
FULL_BATCH_SOLVERS = ("dicesgd", "diff2")
# Share of the steps that return what clipping cut off; their mean is the solution.
FEEDBACK_SHARE = 0.2
# Share of the iterates of the other solvers that are averaged.
LAST_THIRD = 1.0 / 3.0
# Times the curvature, largest step that is stable for gradients one step late, without
# and with momentum; the curvature is about half of its bound.
LATE, LATE_MOMENTUM = 2.0, 0.5


def check_full_batch_solver(estimator):
    """Raise ValueError for what DiceSGD and DIFF2 have no proof for.

    Parameters
    ----------
    estimator : estimator
        With ``solver``, ``batch_size``, ``clipping`` and ``noise``.
    """
    if estimator.solver not in FULL_BATCH_SOLVERS:
        return
    wanted = {"batch_size": None, "clipping": "flat", "noise": "gaussian"}
    for name, value in wanted.items():
        given = getattr(estimator, name)
        if given != value:
            raise ValueError(
                f"solver={estimator.solver!r} has proved noise for {name}={value!r} "
                f"alone; got {name}={given!r}. Use that, or solver='auto'."
            )


def descent_rule(solver, schedule, loss, largest, height):
    """Return what a solver needs beside its plan.

    Parameters
    ----------
    solver : str
        Of the estimator.
    schedule : Schedule
        Steps and step size.
    loss : Loss
        Row by row.
    largest : float
        Bound of the norm of the gradient of a row.
    height : float
        Bound of the norm of a row, intercept included.

    Returns
    -------
    rule : Feedback, Differences or None
        None for plain descent.

    Raises
    ------
    ValueError
        If the loss has no finite bound that the solver needs.
    """
    if solver not in FULL_BATCH_SOLVERS:
        return None
    smoothness = row_smoothness(loss, height)
    if solver == "diff2":
        return Differences(smoothness)
    # Gradients that are not clipped need steps that are stable for them.
    late = LATE_MOMENTUM if schedule.momentum else LATE
    rate = min(schedule.learning_rate, late / smoothness)
    return Feedback(largest, averaged_from(schedule.n_steps, FEEDBACK_SHARE), rate)


def row_smoothness(loss, height):
    """Return the largest second derivative of the loss of a row.

    Parameters
    ----------
    loss : Loss
        Row by row.
    height : float
        Bound of the norm of a row, intercept included.

    Returns
    -------
    smoothness : float
        Infinite for a loss with kinks.
    """
    bend = float(loss.lipschitz) if loss.has_lipschitz else float("inf")
    return bend * height**2


def averaged_from(n_steps, share):
    """Return the first of the steps that belong to a share at the end.

    Parameters
    ----------
    n_steps : int
        All steps.
    share : float
        Between 0 and 1.

    Returns
    -------
    step : int
        From 0.
    """
    return int(n_steps * (1 - share))


def averaged_share(solver, average):
    """Return the share of the iterates, at the end, whose mean is the solution.

    Parameters
    ----------
    solver : str
        Of the estimator.
    average : bool
        Whether there is a mean at all.

    Returns
    -------
    tail : float
        0.0 for the last iterate.
    """
    if not average:
        return 0.0
    return FEEDBACK_SHARE if solver == "dicesgd" else LAST_THIRD


def make_descent(rule, query, plan, noise, sampling=None, decayed=None):
    """Return the solver for the iteration loop.

    Parameters
    ----------
    rule : Feedback, Differences or None
        What :func:`descent_rule` returned.
    query : GLMQuery
        Sum of clipped gradients.
    plan : DescentPlan
        Steps and noise.
    noise : NoiseSource
        Fresh for this fit.
    sampling : PoissonSampling or None, default=None
        Batches.
    decayed : array or None, default=None
        Where the penalty acts.

    Returns
    -------
    solver : PrivateDescent
        With the events of plain descent.
    """
    if isinstance(rule, Feedback):
        return DiceDescent(query, plan, noise, rule, decayed)
    if isinstance(rule, Differences):
        return DifferenceDescent(query, plan, noise, rule, decayed)
    return PrivateDescent(query, plan, noise, sampling, decayed)
