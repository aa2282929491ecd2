"""One curve of :mod:`benchmarks.scaling`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Curve:
    """Fits of one kind over sizes that grow along one axis.

    Attributes
    ----------
    family : str
        Name of the picture.
    label : str
        In its legend.
    axis : str
        What grows, as the axis is labelled.
    fixed : str
        What stays.
    sizes : tuple of int
        From small to large; the first is fitted in a moment.
    prepare : callable
        Makes data of a size and returns a function without arguments that fits them.
    """

    family: str
    label: str
    axis: str
    fixed: str
    sizes: tuple[int, ...]
    prepare: Callable


def pair(family, label, prepare, first, second):
    """Yield the curves of a fit along two axes.

    Parameters
    ----------
    family, label : str
        See :class:`Curve`.
    prepare : callable
        Called with the sizes along both axes.
    first, second : tuple of (str, tuple of int, int)
        Axis, sizes, and the size that it has while the other one grows.

    Yields
    ------
    Curve
    """
    (axis, sizes, there), (other, others, here) = first, second
    yield Curve(
        family, label, axis, f"{other} = {here}", sizes, lambda n: prepare(n, here)
    )
    yield Curve(
        family, label, other, f"{axis} = {there}", others, lambda p: prepare(there, p)
    )
