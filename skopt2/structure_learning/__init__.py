"""Graphs of cause and effect from data."""

from skopt2.structure_learning.hamming import structural_hamming_distance
from skopt2.structure_learning.linear_dag import LinearDAG
from skopt2.structure_learning.refinement import refine_dag

__all__ = ["LinearDAG", "refine_dag", "structural_hamming_distance"]


def __dir__():
    return __all__
