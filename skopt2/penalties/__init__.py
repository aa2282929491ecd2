"""Penalties of coefficients and of groups: value, prox, alpha_max.

Every penalty is one file and a ``BaseEstimator``, so that ``penalty__gamma`` can be
searched and cloned.
"""

from functools import partial

from skopt2._core.name_hint import name_hint
from skopt2._core.parameters import check_choice
from skopt2.penalties.adaptive_l1 import AdaptiveL1
from skopt2.penalties.base import Penalty
from skopt2.penalties.box import Box
from skopt2.penalties.elastic_net import ElasticNet
from skopt2.penalties.exclusive_lasso import ExclusiveLasso
from skopt2.penalties.fused_lasso import FusedLasso
from skopt2.penalties.group import GroupLasso, GroupPenalty
from skopt2.penalties.group_concave import GroupMCP, GroupSCAD
from skopt2.penalties.group_names import get_group_penalty
from skopt2.penalties.l0 import L0
from skopt2.penalties.l1 import L1
from skopt2.penalties.log_sum import LogSum
from skopt2.penalties.lq import Lq
from skopt2.penalties.mcp import MCP
from skopt2.penalties.multitask import (
    MultiTaskPenalty,
    NuclearNorm,
    RowLasso,
    RowMCP,
    RowSCAD,
    SpectralMCP,
    SpectralSCAD,
    get_multitask_penalty,
)
from skopt2.penalties.positive import Positive
from skopt2.penalties.scad import SCAD
from skopt2.penalties.slope import Slope
from skopt2.penalties.sparse_group import SparseGroupLasso
from skopt2.penalties.transformed_l1 import TransformedL1
from skopt2.penalties.weighted_l1 import WeightedL1

__all__ = [
    "L0",
    "L1",
    "MCP",
    "SCAD",
    "AdaptiveL1",
    "Box",
    "ElasticNet",
    "ExclusiveLasso",
    "FusedLasso",
    "GroupLasso",
    "GroupMCP",
    "GroupPenalty",
    "GroupSCAD",
    "LogSum",
    "Lq",
    "MultiTaskPenalty",
    "NuclearNorm",
    "Penalty",
    "Positive",
    "RowLasso",
    "RowMCP",
    "RowSCAD",
    "Slope",
    "SparseGroupLasso",
    "SpectralMCP",
    "SpectralSCAD",
    "TransformedL1",
    "WeightedL1",
    "get_group_penalty",
    "get_multitask_penalty",
    "get_penalty",
]


def __dir__():
    return __all__


_PENALTIES = {
    "l1": L1,
    "elasticnet": ElasticNet,
    "ridge": partial(ElasticNet, l1_ratio=0.0),
    "adaptive_l1": AdaptiveL1,
    "mcp": MCP,
    "scad": SCAD,
    "l_half": partial(Lq, q=0.5),
    "l_two_thirds": partial(Lq, q=2 / 3),
    "log_sum": LogSum,
    "transformed_l1": TransformedL1,
    "l0": L0,
    "box": Box,
    "slope": Slope,
    "fused_lasso": FusedLasso,
}
# What other libraries call them.
_SYNONYMS = {
    "lasso": "l1",
    "l2": "ridge",
    "elastic_net": "elasticnet",
    "enet": "elasticnet",
    "adaptive_lasso": "adaptive_l1",
    "l05": "l_half",
    "log": "log_sum",
    "best_subset": "l0",
    "sorted_l1": "slope",
    "owl": "slope",
    "total_variation": "fused_lasso",
    "fused": "fused_lasso",
}
_GROUPS = "Groups of features have their own estimators, GroupRegressor among them."
_TASKS = "Several targets have an estimator of their own, MultiTaskRegressor."
_ELSEWHERE = {
    "none": "For no penalty give alpha=0.",
    "weighted_l1": "Give the weights as penalty=WeightedL1(weights).",
    **dict.fromkeys(("group_lasso", "group_mcp", "group_scad"), _GROUPS),
    **dict.fromkeys(("sparse_group_lasso", "exclusive_lasso"), _GROUPS),
    **dict.fromkeys(("row_lasso", "row_mcp", "row_scad", "nuclear"), _TASKS),
}


def get_penalty(penalty):
    """Return the penalty object for a name; check the parameters of an object.

    Parameters
    ----------
    penalty : str or Penalty
        ``"l1"``, ``"elasticnet"``, ``"ridge"``, ``"adaptive_l1"``, ``"mcp"``,
        ``"scad"``, ``"l_half"``, ``"l_two_thirds"``, ``"log_sum"``,
        ``"transformed_l1"``, ``"l0"``, ``"box"``, ``"slope"``, ``"fused_lasso"``, or an
        object, which is returned as it is.

    Returns
    -------
    penalty : Penalty
        An object with valid parameters.

    Raises
    ------
    ValueError
        If the name is unknown or a parameter is out of range.

    Examples
    --------
    >>> from skopt2.penalties import get_penalty
    >>> get_penalty("mcp")
    MCP()
    """
    if isinstance(penalty, str) and penalty in _PENALTIES:
        return _PENALTIES[penalty]()
    if not isinstance(penalty, Penalty):
        other, hint = "an object such as MCP(gamma=2.0)", _hint(penalty)
        check_choice("penalty", penalty, _PENALTIES, other=other, hint=hint)
    penalty.check_parameters()
    return penalty


def _hint(penalty):
    """Return what to write instead of what is no penalty."""
    if penalty is None:
        penalty = "none"
    elif isinstance(penalty, (GroupPenalty, MultiTaskPenalty)):
        penalty = penalty.name
    known = {**_SYNONYMS, **{name: name for name in _PENALTIES}}
    return name_hint("penalty", penalty, known, _ELSEWHERE)
