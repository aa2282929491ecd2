"""The tables of the documentation from the figures of a run."""

import statistics

_NAMES = {
    "skopt2": "skopt2",
    "diffprivlib": "diffprivlib",
    "opacus": "Opacus",
    "sklearn": "scikit-learn",
}
_KINDS = ("accuracy", "network", "regression")
_HOPELESS = -10.0


def simple_table(rows):
    """Lines of a reStructuredText table; the first row is its head."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    edge = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return [edge, lines[0], edge, *lines[1:], edge]


def _peer(method):
    return method.split(":", 1)[0]


def _centre(kind, row):
    summary = statistics.median if kind == "regression" else statistics.fmean
    return summary(row["scores"])


def _best(kind, rows, peer):
    """Largest mean, or median, score of a library's methods, or None."""
    own = [row for method, row in rows.items() if _peer(method) == peer]
    return max((_centre(kind, row) for row in own), default=None)


def _score(value):
    if value is None:
        return "—"
    return f"< {_HOPELESS:g}" if value < _HOPELESS else f"{value:.3f}"


def _scores(kind, cases):
    """Table of the scores of one kind: a row for a library on a set."""
    chosen = {name: found for name, found in cases.items() if name.startswith(kind)}
    if not chosen:
        return []
    epsilons = sorted({text for found in chosen.values() for text in found}, key=float)
    table = [["Data (without privacy)", "Library", *epsilons]]
    for name, found in chosen.items():
        free = [_best(kind, rows, "sklearn") for rows in found.values()]
        free = max((value for value in free if value is not None), default=None)
        title = f"{name.split('-', 1)[1]} ({_score(free)})"
        for peer in ("skopt2", "diffprivlib", "opacus"):
            values = [_best(kind, found.get(text, {}), peer) for text in epsilons]
            if any(value is not None for value in values):
                table.append([title, _NAMES[peer], *map(_score, values)])
                title = "\\"
    return simple_table(table)


def _seconds(value):
    return "—" if value is None else f"{value:.2f}"


def _speed(cases):
    """Times and accuracies of the speed cases, a row for a method."""
    found = {
        name: next(iter(rows.values()))
        for name, rows in cases.items()
        if name.startswith("speed") and rows
    }
    if "speed" not in found:
        return []
    head = ["Method", "cpu s", "wall s", "first fit, cpu s", "accuracy"]
    other = found.get("speed-correlated", {})
    table = [head + (["correlated", "cpu s"] if other else [])]
    for method, row in found["speed"].items():
        peer, variant = method.split(":", 1)
        cells = [
            f"{_NAMES[peer]}, {variant}",
            _seconds(min(row["cpu"])),
            _seconds(min(row["wall"])),
            _seconds(row["first_cpu"]),
            f"{row['scores'][0]:.4f}",
        ]
        if other:
            twin = other.get(method)
            cells.append("—" if twin is None else f"{twin['scores'][0]:.4f}")
            cells.append("—" if twin is None else _seconds(min(twin["cpu"])))
        table.append(cells)
    return simple_table(table)


def _sigma(answer):
    return f"{answer['sigma']:.4g}" if "sigma" in answer else "—"


def _accountants(cases):
    """Noise multipliers and the times to find them."""
    if "accountant" not in cases:
        return []
    head = ["q", "steps", "epsilon", "skopt2", "s", "checked", "dp-accounting", "s"]
    table = [[*head, "ratio", "its RDP", "Opacus PRV", "s", "its RDP"]]
    for epsilon, rows in cases["accountant"].items():
        for schedule, found in rows.items():
            own, exact, coarse, prv, rdp = (
                found.get(method, {})
                for method in (
                    "skopt2:auto",
                    "dp_accounting:pld",
                    "dp_accounting:rdp",
                    "opacus:prv",
                    "opacus:rdp",
                )
            )
            both = "sigma" in own and "sigma" in exact
            table.append(
                [
                    *schedule.split(),
                    epsilon,
                    _sigma(own),
                    _seconds(own.get("cpu")),
                    f"{own['epsilon']:.4f}" if "epsilon" in own else "—",
                    _sigma(exact),
                    _seconds(exact.get("cpu")),
                    f"{own['sigma'] / exact['sigma']:.4f}" if both else "—",
                    _sigma(coarse),
                    _sigma(prv),
                    _seconds(prv.get("cpu")),
                    _sigma(rdp),
                ]
            )
    return simple_table(table)


def tables(results):
    """Tables of what a run has measured.

    Parameters
    ----------
    results : dict
        As :mod:`benchmarks.privacy` writes it.

    Returns
    -------
    tables : dict of str to list of str
        Lines by name; kinds of cases that were not run are missing.
    """
    cases = results["cases"]
    made = {kind: _scores(kind, cases) for kind in _KINDS}
    made |= {"speed": _speed(cases), "accountant": _accountants(cases)}
    return {name: lines for name, lines in made.items() if lines}


def insert(page, made):
    """Page with tables in place of what is between their marks.

    Parameters
    ----------
    page : str
        With lines ``.. begin NAME`` and ``.. end NAME``.
    made : dict of str to list of str
        From :func:`tables`.

    Returns
    -------
    page : str

    Raises
    ------
    ValueError
        If a mark is missing.
    """
    for name, lines in made.items():
        begin, end = f".. begin {name}\n", f".. end {name}\n"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(
                f"the page needs {begin.strip()!r} and {end.strip()!r} once"
            )
        before, rest = page.split(begin)
        after = rest.split(end)[1]
        page = "\n".join([f"{before}{begin}", *lines, "", f"{end}{after}"])
    return page
