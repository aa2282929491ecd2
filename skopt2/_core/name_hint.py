"""A guess at the name that was meant."""

import difflib


def name_hint(parameter, value, known, elsewhere=None):
    """Return what to write instead of a value that is not among the known names.

    Parameters
    ----------
    parameter : str
        Name of the parameter, such as ``"penalty"``.
    value : object
        What the user gave.
    known : dict of str to str
        Names, each with the known name that it stands for: itself, or for a name that
        other libraries use, the one used here.
    elsewhere : dict of str to str, default=None
        Names that are not for this parameter, each with what to do instead.

    Returns
    -------
    hint : str
        A sentence, or nothing.

    Examples
    --------
    >>> from skopt2._core.name_hint import name_hint
    >>> name_hint("penalty", "mpc", {"mcp": "mcp", "l1": "l1", "lasso": "l1"})
    "Did you mean 'mcp'?"
    """
    if isinstance(value, type):
        name = value.__name__
        return f"{name} is a class: give an object, {parameter}={name}()."
    if not isinstance(value, str):
        return ""
    elsewhere = elsewhere or {}
    written = value.lower().replace("-", "_").replace(" ", "_")
    names = {**elsewhere, **known}
    near = [written] if written in names else difflib.get_close_matches(written, names)
    if not near:
        return ""
    if near[0] in known:
        return f"Did you mean {known[near[0]]!r}?"
    return elsewhere[near[0]]
