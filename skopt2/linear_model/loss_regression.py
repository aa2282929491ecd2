"""Predictions of the linear regressions that take any loss."""

from sklearn.base import RegressorMixin

from skopt2.losses import get_loss


class LossRegression(RegressorMixin):
    """Mixin: the loss says what is predicted, and for which targets."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        name = getattr(self.loss, "name", self.loss)
        tags.target_tags.positive_only = name == "poisson"
        return tags

    def predict(self, X):
        """Predict the target: the mean, or the quantile or expectile of that loss.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions, in the namespace of ``X``.
        """
        return get_loss(self.loss).inverse_link(self._linear(X, "predict"))
