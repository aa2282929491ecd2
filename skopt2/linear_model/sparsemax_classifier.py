"""Classification with probabilities that may be zero, and with several labels."""

from dataclasses import replace

import numpy as np

from skopt2._core.array import asarray_like, is_sparse, namespace, to_numpy
from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_number
from skopt2._core.validation import check_fit_input
from skopt2.linear_model.formulation import Formulation
from skopt2.linear_model.label_sets import (
    best_threshold,
    check_binary,
    indicators,
    uniform_targets,
)
from skopt2.linear_model.sparse_classifier import SparseClassifier
from skopt2.losses import get_loss


class SparsemaxClassifier(SparseClassifier):
    r"""Linear classification whose probabilities are exactly zero where they can be.

    Minimises over the matrix W of coefficients, one row :math:`w_k` per class, with
    weights :math:`s_i` that sum to 1 and targets :math:`y_i` in the simplex (one-hot,
    or uniform over the labels of a sample),

    .. math:: \sum_i s_i \Bigl( \max_{p \in \Delta}
              \bigl\{ \langle p, z_i \rangle - \tfrac12 \lVert p \rVert^2 \bigr\}
              + \tfrac12 \lVert y_i \rVert^2 - \langle y_i, z_i \rangle \Bigr)
              + \sum_{kj} \mathrm{pen}(w_{kj}; \alpha), \qquad z_i = W x_i + b.

    The maximiser p, the projection of the scores onto the simplex, is what
    :meth:`predict_proba` returns. The loss of a sample is 0 as soon as the score of its
    class leads by 1.

    Parameters
    ----------
    penalty : str or Penalty, default="ridge"
        Penalty of a coefficient: ``"ridge"``, alpha / 2 times the square, ``"l1"``,
        ``"elasticnet"`` or another penalty of :class:`SparseClassifier`.
    alpha : float, default=0.01
        Level of the penalty, nonnegative.
    threshold : float or "auto", default="auto"
        With several labels, those whose probability is above it are predicted. 0 stands
        for the labels with a probability that is not zero; ``"auto"`` for the threshold
        with the best micro-averaged F1 on the training sample.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    solver : str, default="auto"
        As in :class:`SparseClassifier`: ``"newton"``, the choice of ``"auto"`` wherever
        it applies, works with the generalised Jacobian of the projection.
    tol : float, default=1e-6
        Tolerance of ``certificate_``, relative to the scale of the problem.
    max_iter : int, default=1000
        Largest number of solver iterations.
    time_limit : float, default=None
        Seconds after which the fit stops at the next certificate check.
    warm_start : bool, default=False
        Start from the previous fit.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of the stochastic solvers.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; with several labels a sample, the numbers of the columns of ``y``.
    multilabel_ : bool
        Whether ``y`` was a 0/1 matrix.
    threshold_ : float or None
        Threshold of the probability, with several labels; None without.
    coef_ : ndarray of shape (n_classes, n_features)
        Coefficients, one row per class, for two classes too.
    intercept_ : ndarray of shape (n_classes,)
        Intercepts; 0.0 without.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Solver iterations.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Relative duality gap of a convex problem, relative KKT violation of a nonconvex
        one, with the tolerance.
    objective_ : float
        Value of the objective.
    dual_gap_ : float
        Absolute duality gap, NaN where the problem has none.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        those of the solver, one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseClassifier : The same model as ``SparseClassifier("sparsemax")``, for one
        label a sample.

    Notes
    -----
    With several labels the probabilities of a sample are a distribution over its
    labels, not the chance of each: a sample with three labels has 1/3 of each at best.
    That is why the tags do not announce several labels: scikit-learn means by it a
    model of each label's chance, with labels where it is above one half. A sample
    without labels counts as uniform over all of them.

    References
    ----------
    Martins and Astudillo, From softmax to sparsemax: a sparse model of attention and
    multi-label classification, ICML 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skopt2.linear_model import SparsemaxClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SparsemaxClassifier(alpha=0.01).fit(X / 16, y)
    >>> p = model.predict_proba(X / 16)
    >>> bool((p == 0).mean() > 0.5)
    True
    >>> model.score(X / 16, y) > 0.95
    True
    """

    # No parameters here, but the fit of the base class reads them.
    loss = "sparsemax"
    positive = False
    penalty_factor = None

    def __init__(
        self,
        penalty="ridge",
        *,
        alpha=0.01,
        threshold="auto",
        fit_intercept=True,
        solver="auto",
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.threshold = threshold
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data: NumPy, pandas, SciPy CSR or CSC, CuPy, or another array-API
            array. float32 stays float32.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels of any kind; or, with several labels a sample, a matrix of 0
            and 1, dense or sparse, with a column for each label.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : SparsemaxClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``y`` has one class only.
        """
        return self._fit(X, y, sample_weight)

    def _check_input(self, X, y, sample_weight):
        check_threshold(self.threshold)
        Y = indicators(y)
        self.multilabel_ = Y is not None
        if not self.multilabel_:
            return super()._check_input(X, y, sample_weight)
        data = check_fit_input(
            self, X, Y, sample_weight, y_kind="multioutput", squares=True
        )
        check_binary(data.y)
        self.classes_ = np.arange(data.y.shape[1])
        return data

    def _formulate(self, data):
        if self.multilabel_:
            return LabelFormulation(self, replace(data, y=uniform_targets(data.y)))
        return super()._formulate(data)

    def _describe(self, solution, data):
        """Return the fitted attributes of a solution, with the threshold."""
        attributes = super()._describe(solution, data)
        if not self.multilabel_:
            return {**attributes, "threshold_": None}
        if self.threshold != "auto":
            return {**attributes, "threshold_": float(self.threshold)}
        values = data.X.data if is_sparse(data.X) else data.X
        coef = asarray_like(np.ascontiguousarray(attributes["coef_"].T), values)
        scores = data.X @ coef + asarray_like(attributes["intercept_"], values)
        weight = None if data.sample_weight is None else to_numpy(data.sample_weight)
        level = best_threshold(to_numpy(self._link(scores)), to_numpy(data.y), weight)
        return {**attributes, "threshold_": level}

    def decision_function(self, X):
        """Return the score of each class, or the margin of each label.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Positive for ``classes_[1]`` with two classes. With several labels by how
            much the probability is above ``threshold_``, where that is negative as if
            probabilities could be.
        """
        if not getattr(self, "multilabel_", False):
            return super().decision_function(X)
        scores = self._scores(X, "decision_function")
        xp = namespace(scores)
        # p = max(z - tau, 0): the largest of z - p is tau.
        tau = xp.max(scores - self._link(scores), axis=1, keepdims=True)
        return scores - tau - self.threshold_

    def predict(self, X):
        """Predict class labels, or the labels of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels; or 1 for the labels whose probability is above ``threshold_``, else
            0.
        """
        if not getattr(self, "multilabel_", False):
            return super().predict(X)
        p = self._link(self._scores(X, "predict"))
        xp = namespace(p)
        return xp.astype(p > self.threshold_, xp.int64)


class LabelFormulation(Formulation):
    """One problem whose targets are distributions already."""

    def _set_loss(self, estimator, n_classes):
        self.loss = get_loss(estimator.loss)


def check_threshold(threshold):
    """Raise unless the threshold of several labels is "auto" or in [0, 1).

    Parameters
    ----------
    threshold : object
        What the user gave.

    Raises
    ------
    ValueError
        If it is out of range.
    """
    hint = "0.0 predicts the labels of a probability that is not zero."
    check_number("threshold", threshold, 0, 1, closed="low", named=("auto",), hint=hint)
