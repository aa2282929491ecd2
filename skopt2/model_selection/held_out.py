"""Scores of predictions for rows that were left out."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring
from sklearn.utils.metaestimators import available_if

from skopt2._core.array import to_numpy
from skopt2._core.class_scores import ClassProbabilities
from skopt2.losses import is_probabilistic


class _Regressor(RegressorMixin, BaseEstimator):
    """A model that predicts what it was given.

    Parameters
    ----------
    loss : Loss
        Of the problem.
    eta : ndarray of shape (k,)
        Predictors.
    """

    def __init__(self, loss=None, eta=None):
        self.loss = loss
        self.eta = eta

    def predict(self, X):
        """Return the mean of the rows that the predictors are of."""
        return self.loss.inverse_link(self.eta)


class _Classifier(ClassProbabilities, ClassifierMixin, BaseEstimator):
    """A classifier that predicts what it was given.

    Parameters
    ----------
    loss : Loss
        Of the problem.
    eta : ndarray of shape (k,) or (k, K)
        Predictors.
    classes : ndarray of shape (n_classes,)
        Labels.
    """

    def __init__(self, loss=None, eta=None, classes=None):
        self.loss = loss
        self.eta = eta
        self.classes = classes

    @property
    def classes_(self):
        """Labels."""
        return self.classes

    def _scores(self, X, method):
        return self.eta if self.eta.ndim == 2 else self.eta[:, None]

    predict_proba = available_if(is_probabilistic)(ClassProbabilities.predict_proba)


class Scorer:
    """Scores of folds, from the predictors of their rows.

    Parameters
    ----------
    posed : HostProblem
        All the data.
    scoring : str, callable or None
        Scikit-learn scorer; None for minus the mean loss.
    """

    def __init__(self, posed, scoring):
        self._posed, self._scorer = posed, None
        if scoring is not None:
            self._scorer = check_scoring(posed.estimator, scoring=scoring)
            self._y = to_numpy(posed.data.y_source)
            weight = posed.data.sample_weight_source
            self._weight = None if weight is None else to_numpy(weight)

    def _model(self, eta):
        loss, classes = self._posed.problem.loss, self._posed.data.classes
        if classes is None:
            return _Regressor(loss, eta)
        return _Classifier(loss, eta, classes)

    def __call__(self, rows, eta):
        """Return the score of a fold.

        Parameters
        ----------
        rows : ndarray of int of shape (k,)
            Its rows.
        eta : ndarray of shape (k,) or (k, K)
            Their predictors.
        """
        if self._scorer is None:
            return self._posed.score(rows, eta)
        X = np.zeros((rows.size, 1))
        value = self._scorer(self._model(eta), X, self._y[rows], **self._params(rows))
        if not isinstance(value, Real):
            raise ValueError(
                f"scoring must return a number, got {value!r} of type "
                f"{type(value).__name__}."
            )
        return float(value)

    def _params(self, rows):
        return {} if self._weight is None else {"sample_weight": self._weight[rows]}

    def of_folds(self, folds, eta):
        """Return the scores (F,) of folds from predictors of their pairs."""
        scores = np.empty(len(folds))
        for f in range(len(folds)):
            pairs = folds.pairs(f)
            scores[f] = self(folds.rows[pairs], eta[pairs])
        return scores
