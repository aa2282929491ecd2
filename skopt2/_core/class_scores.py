"""Labels and probabilities from the scores of classes."""

from skopt2._core.array import expit, logsumexp, namespace
from skopt2._core.labels import labels_of


class ClassScores:
    """Mixin of classifiers that have a score for each class.

    The class has ``classes_`` and ``_scores(X, method)``, which checks ``X`` and
    returns an array of shape (n_samples, 1) for two classes, positive for the second,
    or (n_samples, n_classes).
    """

    def decision_function(self, X):
        """Return the score of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Positive for ``classes_[1]`` with two classes.
        """
        scores = self._scores(X, "decision_function")
        if scores.shape[1] == 2:
            return scores[:, 1] - scores[:, 0]
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; in the namespace of ``X`` where they are numbers.
        """
        return labels_of(self._scores(X, "predict"), self.classes_, X)


class ClassProbabilities(ClassScores):
    """Mixin that adds the probabilities of the logistic model of the scores.

    A class whose ``_link`` is no None has other ones: those that it returns for scores
    of shape (n_samples, n_classes), zeros among them.
    """

    _link = None

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        scores = self._scores(X, "predict_proba")
        if self._link is not None:
            return self._link(scores)
        xp = namespace(scores)
        if scores.shape[1] == 1:
            # 1 - p would be 0 where p is close to 1, and its logarithm infinite.
            return xp.stack([expit(-scores[:, 0]), expit(scores[:, 0])], axis=1)
        parts = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
        return parts / xp.sum(parts, axis=1, keepdims=True)

    def predict_log_proba(self, X):
        """Predict the logarithm of the class probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        scores = self._scores(X, "predict_log_proba")
        xp = namespace(scores)
        if self._link is not None:
            p = self._link(scores)
            return xp.where(p > 0, xp.log(xp.where(p > 0, p, 1.0)), -xp.inf)
        if scores.shape[1] == 1:
            scores = xp.concat([xp.zeros_like(scores), scores], axis=1)
        shifted = scores - xp.max(scores, axis=1, keepdims=True)
        return shifted - logsumexp(shifted, axis=1)[:, None]
