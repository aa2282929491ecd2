"""Predictions of the estimator that a search has fitted to all data."""

from sklearn.base import MetaEstimatorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skopt2._core.validation import check_predict_input


def _inner_has(name):
    """Return a check that the estimator has a method."""

    def check(self):
        inner = getattr(self, "best_estimator_", self.estimator)
        getattr(inner, name)
        return True

    return check


class BestEstimator(MetaEstimatorMixin):
    """Mixin of a search with attributes ``levels_`` and ``best_estimator_``."""

    def _best(self, method, X):
        """Return the fitted estimator, for data like those of the fit."""
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            raise AttributeError(
                f"{type(self).__name__}.{method} needs the estimator that refit=True "
                "fits to all data, got refit=False."
            )
        check_predict_input(self, X, attribute="levels_", method=method)
        return self.best_estimator_

    def predict(self, X):
        """Predict with the best estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Targets or class labels.
        """
        return self._best("predict", X).predict(X)

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X):
        """Return class probabilities of the best estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        return self._best("predict_proba", X).predict_proba(X)

    @available_if(_inner_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Return logarithms of class probabilities of the best estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        return self._best("predict_log_proba", X).predict_log_proba(X)

    @available_if(_inner_has("decision_function"))
    def decision_function(self, X):
        """Return the scores of the classes of the best estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores.
        """
        return self._best("decision_function", X).decision_function(X)

    def score(self, X, y, sample_weight=None):
        """Return the score of the best estimator: R^2, or accuracy.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,)
            Target or class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        score : float
            Larger is better.
        """
        best = self._best("score", X)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return best.score(X, y, **weights)
