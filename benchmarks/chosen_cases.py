"""Which cases of a benchmark the command line asks for."""


def chosen(known, wanted):
    """Return the names that begin with what was asked for, all by default.

    Parameters
    ----------
    known : list of str
        Names of all cases.
    wanted : list of str or None
        Names, or beginnings of names; None or empty for all.

    Returns
    -------
    names : list of str
        In the order of ``known``.

    Raises
    ------
    SystemExit
        If one of them is the beginning of no name.
    """
    unknown = [
        want for want in wanted or () if not any(n.startswith(want) for n in known)
    ]
    if unknown:
        raise SystemExit(f"unknown cases {unknown}; known: {', '.join(known)}")
    return [name for name in known if name.startswith(tuple(wanted or [""]))]
