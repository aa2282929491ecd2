"""Label propagation on a graph of samples, with a certificate."""

import dataclasses

import numpy as np
from sklearn.base import ClassifierMixin

from skopt2._core.array import HOST, is_sparse, move, to_numpy
from skopt2._core.cuda import target_of
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.semi_supervised.affinity import carry_over
from skopt2.semi_supervised.nodes import Nodes, known_labels
from skopt2.semi_supervised.propagation_parameters import check_parameters
from skopt2.solvers.certificate import GAP


class GraphLabelPropagation(ClassifierMixin, IterativeEstimator):
    r"""Classification with few labels, by the smoothest values on a graph.

    Samples are the nodes of a graph with weights :math:`w_{ij}` between similar ones.
    Each has a value for each class. Those of labelled samples are fixed, at 1 for their
    class and 0 for the others; those of the others minimise

    .. math:: \tfrac12 \sum_{i<j} w_{ij} \|f_i - f_j\|^2, \qquad
       \text{low} \le f \le \text{high},

    where the bounds are optional. Without them each value is the mean of those around,
    and the classes sum to 1. The fit ends with a bound on the error of the energy.

    Parameters
    ----------
    kernel : {"knn", "rbf", "precomputed"} or callable, default="knn"
        Weights: 1 where either sample is among the ``n_neighbors`` nearest of the
        other; :math:`\exp(-\gamma \|x_i - x_j\|^2)` between all; ``X`` itself, dense or
        sparse; or ``kernel(X, Y)``, which returns the weights of rows.
    gamma : float, default=20.0
        Of "rbf", per squared unit of the features.
    n_neighbors : int, default=7
        Of "knn"; fewer where there are not as many samples.
    bounds : tuple of two floats, default=None
        Least and largest value of an unlabelled sample. (0.1, 0.9), for example, lets
        no single label count as more than nine in ten for its neighbours.
    solver : {"auto", "conjugate", "newton", "descent", "cholesky"}, default="auto"
        "descent" minimises exactly over one forest of nodes after another; "conjugate",
        without bounds, speeds that up by conjugate gradients; "newton", with bounds,
        does so for the values that no bound holds; "cholesky" takes all nodes at once,
        by a sparse factor if less than a fifth of the pairs have an edge, and otherwise
        with n_samples**2 numbers of memory. "auto" is "cholesky" for dense graphs, and
        without bounds for sparse ones whose factor is small, as that of points in the
        plane; else "conjugate" or "newton".
    selection : {"cyclic", "random", "gs", "gsd", "gsq", "variable"}, default="cyclic"
        Next forest of "descent": in turn; in random order; the one with the largest
        gradient; that divided by the diagonal; the one that brings most; or a new
        forest of the nodes with the largest gradients.
    tol : float, default=1e-6
        Largest duality gap relative to the energy of the best constant values.
    max_iter : int, default=1000
        Most passes over the graph, or steps.
    random_state : None, int, RandomState or Generator, default=None
        Draws the order of the random selection.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, without -1.
    label_distributions_ : ndarray of shape (n_samples, n_classes)
        Probabilities of the training samples.
    transduction_ : ndarray of shape (n_samples,)
        Labels of the training samples; those given, where given.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the labels. It stands for samples without a path to a label.
    n_unreached_ : int
        Number of those samples among the training data.
    X_ : ndarray or sparse matrix of shape (n_samples, n_features), or None
        Training data, for predictions; None for ``kernel="precomputed"``.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Passes, or steps of "conjugate" or "newton".
    converged_ : bool
        Whether the certificate reached ``tol``.
    stop_reason_ : str
        Why the fit ended.
    certificate_ : Certificate
        Relative duality gap, and what was asked for.
    dual_gap_ : float
        Bound on the energy above its minimum.
    objective_ : float
        Energy.
    history_ : dict of ndarray
        One row for each pass.
    device_ : str
        "cpu": graphs are searched and solved in host memory, and arrays of other
        libraries copied there and back.

    See Also
    --------
    sklearn.semi_supervised.LabelPropagation : The same values by Jacobi iterations.

    Notes
    -----
    Labels are -1 for samples whose class is not known. In ``y`` of strings all are
    known, and in ``y`` of only -1 and 1, the usual numbers of two classes, too, with a
    warning.

    References
    ----------
    Zhu, Ghahramani and Lafferty, Semi-supervised learning using Gaussian fields and
    harmonic functions, ICML 2003. Nutini, Laradji and Schmidt, Let's make block
    coordinate descent converge faster, JMLR 23, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from skopt2.semi_supervised import GraphLabelPropagation
    >>> X, y = make_moons(300, noise=0.06, random_state=0)
    >>> known = np.arange(300) < 10
    >>> model = GraphLabelPropagation().fit(X, np.where(known, y, -1))
    >>> bool(np.mean(model.transduction_ == y) > 0.95)
    True
    >>> print(model.certificate_.name, model.converged_)
    relative duality gap True
    """

    _remedies = (
        "connect the graph better (more neighbours, a smaller gamma)",
        "connect the graph better (more neighbours, a smaller gamma)",
    )

    def __init__(
        self,
        kernel="knn",
        *,
        gamma=20.0,
        n_neighbors=7,
        bounds=None,
        solver="auto",
        selection="cyclic",
        tol=1e-6,
        max_iter=1000,
        random_state=None,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.n_neighbors = n_neighbors
        self.bounds = bounds
        self.solver = solver
        self.selection = selection
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags

    @fit_method
    def fit(self, X, y):
        """Propagate the labels over the graph of the samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples, with and without labels; the weights of the graph, of shape
            (n_samples, n_samples), for ``kernel="precomputed"``.
        y : array-like of shape (n_samples,)
            Labels, -1 where unknown.

        Returns
        -------
        self : GraphLabelPropagation
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, there is no label, or the
            weights are not those of an undirected graph.
        """
        check_parameters(self)
        data = check_fit_input(
            self,
            X,
            y,
            accept_sparse=("csr",),
            y_kind="classification",
            min_classes=1,
        )
        data = dataclasses.replace(data, X=to_numpy(data.X), target=HOST)
        nodes = Nodes(self, data.X, *known_labels(data.classes, to_numpy(data.y)))
        solver = nodes.solver(self)

        def describe(solution):
            return self._describe(solution, nodes, data)

        self.classes_ = nodes.classes
        start = solver.init(nodes.start())
        return self._run(solver, start, data, describe, GAP)

    def _describe(self, solution, nodes, data):
        """Return the fitted attributes of the values of the free nodes."""
        p = nodes.distributions(solution)
        codes = np.argmax(p, axis=1)
        # A label stands, also where classes tie.
        codes[nodes.labelled] = nodes.codes[nodes.labelled]
        values = data.X.data if is_sparse(data.X) else data.X
        return {
            "label_distributions_": p.astype(values.dtype, copy=False),
            "transduction_": nodes.classes[codes],
            "class_prior_": nodes.prior.astype(values.dtype, copy=False),
            "n_unreached_": int(np.count_nonzero(~nodes.reached)),
            "X_": None if self.kernel == "precomputed" else data.X,
        }

    def predict_proba(self, X):
        """Predict class probabilities: means over the samples that are near.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Samples; for ``kernel="precomputed"`` their weights to the training samples,
            of shape (n_samples, n_training_samples).

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        return self._probabilities(X, "predict_proba")

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            As in :meth:`predict_proba`. For the samples of the fit, ``transduction_``
            has the labels, and those that were given.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; in the namespace of ``X`` where they are numbers.
        """
        p = to_numpy(self._probabilities(X, "predict"))
        labels = self.classes_[np.argmax(p, axis=1)]
        return labels if labels.dtype.kind in "OUS" else move(labels, target_of(X))

    def _probabilities(self, X, method):
        fitted = "label_distributions_"
        X = check_predict_input(
            self, X, accept_sparse=("csr",), attribute=fitted, method=method
        )
        values = to_numpy(self.label_distributions_)
        p = carry_over(
            to_numpy(X),
            to_numpy(self.X_),
            values.astype(np.float64),
            self.kernel,
            self.gamma,
            self.n_neighbors,
        )
        p = np.where(np.isnan(p), to_numpy(self.class_prior_), p)
        return move(p.astype(values.dtype), target_of(X))
