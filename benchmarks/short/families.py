"""The contests of all families, in the order of the table."""

import importlib

# Each module has ``CONTESTS``.
_MODULES = (
    "sparse",
    "tasks",
    "transport",
    "kernels",
    "processes",
    "search",
    "privacy",
    "covariance",
    "factors",
    "networks",
    "graphs",
    "resampling",
    "streaming",
    "risk",
)


def _all():
    for name in _MODULES:
        path = f"benchmarks.short.{name}"
        for contest in importlib.import_module(path).CONTESTS:
            yield path, contest


def families():
    """Names of the families."""
    return list(dict.fromkeys(contest.family for _, contest in _all()))


def contests(family=None, case=None):
    """Contests with the modules that have them.

    Parameters
    ----------
    family : sequence of str or None
        Only these.
    case : sequence of str or None
        Only those whose names begin so.

    Returns
    -------
    found : list of (str, Contest)
    """
    beginnings = tuple(case or ("",))
    return [
        (path, contest)
        for path, contest in _all()
        if (not family or contest.family in family)
        and contest.name.startswith(beginnings)
    ]
