"""What the transport table comes to: how often skopt2's default is good enough."""

from benchmarks.transport_cases import find

_AUTO = "skopt2:auto"
_NEAR = 1.2
_FASTER = 5.0
_SMALL_REG = 1e-3


def _times(answers, i, clock):
    """Seconds of every method that solves the problem and reached target i."""
    return {
        solver: answer["best"][i][clock]
        for solver, answer in answers.items()
        if not answer["exact"] and answer["best"][i] is not None
    }


def _of(times, prefixes):
    """Smallest time among the methods of some libraries."""
    return min(
        (one for name, one in times.items() if name.startswith(prefixes)), default=None
    )


def _line(text, counted):
    count = sum(counted.values())
    missing = ", ".join(name for name, good in counted.items() if not good)
    ending = f"; not: {missing}" if missing else ""
    return f"{text}: {count} of {len(counted)} rows{ending}"


def summarise(cases, clock="cpu"):
    """Count the rows in which skopt2's default reaches its goals.

    Parameters
    ----------
    cases : dict
        Answers by case name and method, as the benchmark collects them.
    clock : {"cpu", "wall"}
        The time that is compared.

    Returns
    -------
    dict
        ``"near"``: row label to whether the default took at most 1.2 times the
        fastest method's time; ``"near_others"``: the same without skopt2's other
        solvers; ``"pot"``, ``"ott"``: for small regularisation, whether it was five
        times faster than the library, in the rows that the library reached;
        ``"lines"``: the same as text. A default that did not reach the target counts
        as a miss; a row that nobody else reached needs only that.
    """
    near, others, five = {}, {}, {"pot:": {}, "ott:": {}}
    for name, answers in cases.items():
        if _AUTO not in answers:
            continue
        case = find(name)
        for i, target in enumerate(case.targets):
            label = f"{name} @{target:.0e}"
            reached = _times(answers, i, clock)
            auto = reached.pop(_AUTO, None)
            foreign = {
                solver: seconds
                for solver, seconds in reached.items()
                if not solver.startswith("skopt2:")
            }
            for counted, times in ((near, reached), (others, foreign)):
                best = min(times.values(), default=float("inf"))
                counted[label] = auto is not None and auto <= _NEAR * best
            if case.reg > _SMALL_REG:
                continue
            for prefix, counted in five.items():
                peer = _of(reached, prefix)
                if peer is not None:
                    counted[label] = auto is not None and peer >= _FASTER * auto
    lines = [
        _line(f"auto <= {_NEAR} x the fastest method", near),
        _line(f"auto <= {_NEAR} x the fastest method of the others", others),
    ] + [
        _line(f"auto >= {_FASTER:.0f} x faster than {prefix[:-1]}, reg <= 1e-3", rows)
        for prefix, rows in five.items()
    ]
    return {
        "near": near,
        "near_others": others,
        "pot": five["pot:"],
        "ott": five["ott:"],
        "lines": lines if near else ["skopt2:auto was not run: nothing to count"],
    }
