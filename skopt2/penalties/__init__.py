"""Penalties of coefficients and of groups: value, prox, alpha_max.

Every penalty is one file and a ``BaseEstimator``, so that ``penalty__gamma`` can be
searched and cloned.
"""

from functools import partial

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
        names = ", ".join(repr(name) for name in _PENALTIES)
        hint = "; give the weights as penalty=WeightedL1(weights)"
        raise ValueError(
            f"penalty={penalty!r} is unknown: use one of {names}, or an object such as "
            f"MCP(gamma=2.0){hint if penalty == 'weighted_l1' else ''}."
        )
    penalty.check_parameters()
    return penalty
