"""Decompositions of data into few components."""

from skopt2.decomposition.wasserstein_dictionary import WassersteinDictionary

__all__ = ["WassersteinDictionary"]
