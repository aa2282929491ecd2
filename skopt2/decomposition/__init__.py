"""Decompositions of data into few components."""

from skopt2.decomposition.lp_dictionary_learning import LpDictionaryLearning
from skopt2.decomposition.matrix_completer import MatrixCompleter
from skopt2.decomposition.matrix_factorization import MatrixFactorization
from skopt2.decomposition.sparse_ratio_pca import SparseRatioPCA
from skopt2.decomposition.spectral_unmixer import SpectralUnmixer
from skopt2.decomposition.tensor_factorization import TensorFactorization
from skopt2.decomposition.wasserstein_dictionary import WassersteinDictionary

__all__ = [
    "LpDictionaryLearning",
    "MatrixCompleter",
    "MatrixFactorization",
    "SparseRatioPCA",
    "SpectralUnmixer",
    "TensorFactorization",
    "WassersteinDictionary",
]


def __dir__():
    return __all__
