"""What label propagation solves for: samples as nodes, labels as fixed values."""

import warnings

import numpy as np
import scipy.sparse as sp

from skopt2._core.estimator import level_of_caller
from skopt2._core.random import spawn
from skopt2.semi_supervised.affinity import (
    reached,
    training_graph,
    without_negligible,
)
from skopt2.solvers.graph_blocks.conjugate import GraphConjugate
from skopt2.solvers.graph_blocks.descent import GraphDescent
from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import forests
from skopt2.solvers.graph_blocks.problem import graph_problem
from skopt2.solvers.graph_blocks.projected_newton import GraphNewton
from skopt2.solvers.graph_blocks.whole_graph import WholeGraph, worth_factoring

# A graph with more of its elements than this is factored as a dense matrix.
DENSE = 0.2


def known_labels(found, numbers):
    """Return the labels but -1, and the number of the label of each sample.

    Parameters
    ----------
    found : ndarray of shape (n_found,)
        Sorted values of ``y``.
    numbers : ndarray of int of shape (n,)
        Positions in ``found``.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Labels.
    codes : ndarray of int of shape (n,)
        Positions in ``classes``, -1 for unlabelled samples.

    Raises
    ------
    ValueError
        If there is no label.
    """
    known = np.ones(found.size, dtype=bool)
    if "-1" in found.tolist():
        warnings.warn(
            "y holds the text '-1', which is taken for a class: NumPy turns -1 into it "
            "beside labels of text. For samples without a label, number the classes, "
            "with sklearn.preprocessing.LabelEncoder for example, and then set -1.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    if found.dtype.kind not in "US" and not _are_signs(found):
        known = np.asarray(found != -1, dtype=bool)
    if not known.any():
        raise ValueError(
            "y has no label: all samples are -1, which means unlabelled. At least one "
            "class needs a labelled sample."
        )
    renumbered = np.where(known, np.cumsum(known) - 1, -1)
    return found[known], renumbered[numbers]


def _are_signs(found):
    """Tell labels that are -1 and 1, which leave nothing to propagate but one class."""
    if found.tolist() != [-1, 1]:
        return False
    warnings.warn(
        "y holds -1 and 1 only: they are taken for two classes, with all samples "
        "labelled. For samples without a label, number the classes otherwise, for "
        "example 0 and 1.",
        UserWarning,
        stacklevel=level_of_caller(),
    )
    return True


class Nodes:
    """The graph of the samples, and which of their values are unknown.

    Parameters
    ----------
    model : GraphLabelPropagation
        With the parameters.
    X : ndarray or csr matrix of shape (n, d)
        Samples, or weights.
    classes : ndarray of shape (n_classes,)
        Labels.
    codes : ndarray of int of shape (n,)
        Positions in ``classes``, -1 for unlabelled samples.
    """

    def __init__(self, model, X, classes, codes):
        self.classes, self.codes = classes, codes
        self.bounds = model.bounds
        self.labelled = codes >= 0
        graph = training_graph(X, model.kernel, model.gamma, model.n_neighbors)
        graph = without_negligible(graph)
        self.reached = reached(graph, self.labelled)
        self.free = self.reached & ~self.labelled
        counts = np.bincount(codes[self.labelled], minlength=classes.size)
        self.prior = counts / counts.sum()
        self.graph = graph[self.reached][:, self.reached]

    @property
    def _columns(self):
        """Classes that are solved for: one of two, as the sum is 1 without bounds."""
        single = self.classes.size == 2 and self.bounds is None
        return np.array([1]) if single else np.arange(self.classes.size)

    def solver(self, model):
        """Return the solver that the parameters ask for.

        Parameters
        ----------
        model : GraphLabelPropagation
            With the parameters.

        Returns
        -------
        solver : GraphDescent
            For ``iterate``.
        """
        graph, n = self.graph, self.graph.shape[0]
        stored = graph.nnz if sp.issparse(graph) else np.count_nonzero(graph)
        dense = stored > DENSE * n * n
        # A graph with few zeros has no forests of more than a few nodes.
        whole = model.solver == "cholesky" or (model.solver == "auto" and dense)
        if not (dense and whole):
            graph = sp.csr_array(graph)
        elif sp.issparse(graph):
            graph = graph.toarray()
        known = self.codes[self.labelled]
        values = (known[:, None] == self._columns).astype(np.float64)
        problem = graph_problem(graph, ~self.free[self.reached], values, self.bounds)
        nodes = problem.A.shape[0]
        if model.solver == "auto" and self.bounds is None and not whole:
            whole = nodes == 0 or worth_factoring(problem.A)
        if whole:
            return GraphDescent(problem, [WholeGraph(problem.A)] if nodes else [])
        number = forests(problem.A)
        parts = range(int(number.max(initial=-1)) + 1)
        blocks = [ForestBlock(problem.A, np.flatnonzero(number == i)) for i in parts]
        if model.solver == "descent":
            rng = spawn(model.random_state, 1)[0]
            return GraphDescent(problem, blocks, model.selection, rng)
        kind = GraphConjugate if self.bounds is None else GraphNewton
        return kind(problem, blocks)

    def start(self):
        """Return the values to start from: the shares of the labels."""
        shape = (int(np.count_nonzero(self.free)), self._columns.size)
        return np.broadcast_to(self.prior[self._columns], shape)

    def distributions(self, solution):
        """Return the probabilities of all samples.

        Parameters
        ----------
        solution : ndarray of shape (n_free, n_columns)
            Values of the free nodes.

        Returns
        -------
        p : ndarray of shape (n, n_classes)
            Rows that sum to 1.
        """
        found = np.clip(solution, 0.0, 1.0)
        if self._columns.size < self.classes.size:
            found = np.hstack([1.0 - found, found])
        p = np.broadcast_to(self.prior, (self.codes.size, self.classes.size)).copy()
        p[self.free] = found / np.sum(found, axis=1, keepdims=True)
        p[self.labelled] = self.codes[self.labelled][:, None] == np.arange(
            self.classes.size
        )
        return p
