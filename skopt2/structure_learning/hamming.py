"""Distance of two graphs."""

import numpy as np

from skopt2._core.array import to_numpy
from skopt2.solvers.dag.graphs import hamming_distance


def structural_hamming_distance(W, V):
    """Return how many edges of a graph have to change to make it another one.

    An edge that is missing, one too many, and one of the wrong direction count 1 each.

    Parameters
    ----------
    W, V : array-like of shape (d, d)
        Weights or adjacencies: not zero at (i, j) where there is an edge from i to j.

    Returns
    -------
    distance : int
        0 for the same edges, whatever their weights.

    Raises
    ------
    ValueError
        If the arrays are not square matrices of one size.

    References
    ----------
    Tsamardinos, Brown and Aliferis, The max-min hill-climbing Bayesian network
    structure learning algorithm, Machine Learning 65, 2006.

    Examples
    --------
    >>> from skopt2.structure_learning import structural_hamming_distance
    >>> structural_hamming_distance([[0, 1], [0, 0]], [[0, 0], [2.5, 0]])
    1
    """
    A, B = (M if hasattr(M, "dtype") else np.asarray(M) for M in (W, V))
    A, B = np.asarray(to_numpy(A)), np.asarray(to_numpy(B))
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape != B.shape:
        raise ValueError(
            f"Graphs are square matrices of one size; got {A.shape} and {B.shape}."
        )
    return hamming_distance(A, B)
