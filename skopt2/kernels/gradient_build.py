"""The tree of a kernel object, with the places of its parameters in theta."""

from sklearn.gaussian_process import kernels as gp

from skopt2.kernels.constant import Constant
from skopt2.kernels.from_pairwise import FromPairwise
from skopt2.kernels.gradient_opaque import OpaqueLeaf
from skopt2.kernels.gradient_periodic import PeriodicLeaf
from skopt2.kernels.gradient_places import branches, places
from skopt2.kernels.gradient_tree import (
    ConstantLeaf,
    DotProductLeaf,
    PowerBranch,
    ProductBranch,
    RadialLeaf,
    SumBranch,
)
from skopt2.kernels.periodic import Periodic
from skopt2.kernels.polynomial import Polynomial
from skopt2.kernels.process_signal import signal_of


def build(kernel, place=0, numbers=None):
    """Return the tree of the part of a kernel object that is a function of two points.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels
        With or without white parts.
    place : int, default=0
        Where in theta its parameters begin.
    numbers : list or None, default=None
        Nodes so far.

    Returns
    -------
    node : Node or None
        None where all is white.
    """
    numbers = [] if numbers is None else numbers
    node = _node(kernel, place, numbers)
    if node is not None:
        numbers.append(node)
        node.number = len(numbers)
    return node


def _node(kernel, place, numbers):
    """Return a node and those under it."""
    kind = type(kernel)
    if isinstance(kernel, gp.WhiteKernel):
        return None
    if kind is gp.Exponentiation:
        base = build(kernel.kernel, place, numbers)
        return None if base is None else PowerBranch(base, float(kernel.exponent))
    if kind is gp.Sum:
        nodes = [build(*branch, numbers) for branch in branches(kernel, place)]
        nodes = _flat([node for node in nodes if node is not None], SumBranch)
        if len(nodes) < 2:
            return nodes[0] if nodes else None
        return SumBranch(nodes)
    if kind is gp.Product:
        nodes = [build(*branch, numbers) for branch in branches(kernel, place)]
        return None if None in nodes else ProductBranch(_flat(nodes, ProductBranch))
    return _leaf(kernel, place)


def _flat(nodes, kind):
    """Return nodes, those of a kind replaced by what is under them."""
    return [
        part
        for node in nodes
        for part in (node.nodes if isinstance(node, kind) else [node])
    ]


def _leaf(kernel, place):
    """Return the node of a kernel object that is not made of others."""
    signal, where = signal_of(kernel), places(kernel, place)
    if isinstance(signal, FromPairwise):
        return OpaqueLeaf(kernel, place)
    if isinstance(signal, Constant):
        return ConstantLeaf(float(signal.value), where["constant_value"])
    if isinstance(signal, Polynomial):
        return DotProductLeaf(signal, where["sigma_0"])
    if isinstance(signal, Periodic):
        return PeriodicLeaf(kernel, signal, place)
    each = not isinstance(signal.length_scale, float)
    return RadialLeaf(signal, where["length_scale"], each, where.get("alpha"))
