"""Group penalties by name."""

from skopt2._core.name_hint import name_hint
from skopt2._core.parameters import check_choice
from skopt2.penalties.exclusive_lasso import ExclusiveLasso
from skopt2.penalties.group import GroupLasso, GroupPenalty
from skopt2.penalties.group_concave import GroupMCP, GroupSCAD
from skopt2.penalties.sparse_group import SparseGroupLasso

_PENALTIES = {
    kind.name: kind
    for kind in (GroupLasso, GroupMCP, GroupSCAD, SparseGroupLasso, ExclusiveLasso)
}
# What a penalty of single features becomes for groups of them.
_SYNONYMS = {
    "l1": "group_lasso",
    "l2": "group_lasso",
    "lasso": "group_lasso",
    "mcp": "group_mcp",
    "scad": "group_scad",
    "sparse_group": "sparse_group_lasso",
}


def get_group_penalty(penalty):
    """Return the group penalty object for a name; check the parameters of an object.

    Parameters
    ----------
    penalty : str or GroupPenalty
        ``"group_lasso"``, ``"group_mcp"``, ``"group_scad"``, ``"sparse_group_lasso"``,
        ``"exclusive_lasso"``, or an object, which is returned as it is.

    Returns
    -------
    penalty : GroupPenalty
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.

    Examples
    --------
    >>> from skopt2.penalties import get_group_penalty
    >>> get_group_penalty("group_mcp")
    GroupMCP()
    """
    if isinstance(penalty, str) and penalty in _PENALTIES:
        return _PENALTIES[penalty]()
    if not isinstance(penalty, GroupPenalty):
        known = {**_SYNONYMS, **{name: name for name in _PENALTIES}}
        hint = name_hint("penalty", penalty, known)
        other = "an object such as GroupMCP(gamma=2.0)"
        check_choice("penalty", penalty, _PENALTIES, other=other, hint=hint)
    penalty.check_parameters()
    return penalty
