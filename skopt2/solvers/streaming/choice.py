"""Step rules by their names."""

from skopt2._core.parameters import check_choice
from skopt2.solvers.streaming.dog import DoG
from skopt2.solvers.streaming.linear_decay import LinearDecay, RefinedDecay
from skopt2.solvers.streaming.polyak import Polyak
from skopt2.solvers.streaming.preconditioner import PRECONDITIONERS
from skopt2.solvers.streaming.sania import Sania
from skopt2.solvers.streaming.udog import UDoG

# Those that end at zero, and so have to know when.
SCHEDULES = ("linear", "refined")
STEPS = ("dog", "udog", "sania", "sps", *SCHEDULES)
# What preconditioner="auto" stands for.
_OWN = {"sania": "adagrad-sqr", "sps": "curvature"}


def make_rule(name, *, preconditioner="auto", momentum=0.0, horizon=None):
    """Return a step rule.

    Parameters
    ----------
    name : {"dog", "udog", "sania", "sps", "linear", "refined"}
        Which.
    preconditioner : {"auto", "curvature", "adagrad-sqr", "adagrad"}, default="auto"
        For ``"sania"`` and ``"sps"``.
    momentum : float, default=0.0
        For ``"sps"``.
    horizon : int, default=None
        Steps of the whole run, for ``"linear"`` and ``"refined"``.

    Returns
    -------
    rule : StepRule

    Raises
    ------
    ValueError
        If a name is unknown or an option does not belong to the rule.
    """
    check_choice("step", name, STEPS)
    check_choice("preconditioner", preconditioner, ("auto", *PRECONDITIONERS))
    if preconditioner != "auto" and name not in _OWN:
        raise ValueError(
            f"preconditioner={preconditioner!r} is for step='sania' and "
            f"step='sps'; with step={name!r} leave it 'auto'."
        )
    if momentum and name != "sps":
        raise ValueError(
            f"momentum={momentum!r} is for step='sps'; with step={name!r} it must be 0."
        )
    if name in _OWN:
        kind = _OWN[name] if preconditioner == "auto" else preconditioner
        metric = PRECONDITIONERS[kind]()
        return Sania(metric) if name == "sania" else Polyak(metric, momentum)
    if name in SCHEDULES:
        if horizon is None:
            raise ValueError(
                f"step={name!r} decays to zero at the end of a run whose length is "
                "known, which that of chunks is not: use step='dog'."
            )
        return (LinearDecay if name == "linear" else RefinedDecay)(horizon)
    return DoG() if name == "dog" else UDoG()
