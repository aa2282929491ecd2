"""Coefficients of linear classifiers in the shapes that scikit-learn gives them."""

import numpy as np
from sklearn.utils.metaestimators import available_if

from skopt2._core.class_scores import ClassProbabilities as Probabilities
from skopt2.losses import get_loss, is_probabilistic


class ClassCoefficients(Probabilities):
    """Mixin: one row of ``coef_`` for two classes, else one for each."""

    _y_kind = "classification"

    def _shape_attributes(self, coef, intercept):
        if coef.ndim == 1:
            return {"coef_": coef[None, :], "intercept_": intercept.reshape(1)}
        # A constant added to every intercept changes no probability: take the mean out.
        intercept = intercept - intercept.mean()
        return {"coef_": np.ascontiguousarray(coef.T), "intercept_": intercept}

    def _unshape(self, coef, intercept):
        if coef.shape[0] == 1:
            return coef[0], float(intercept[0])
        return coef.T, intercept.astype(np.float64)

    def _scores(self, X, method):
        return self._linear(X, method)

    @property
    def _link(self):
        loss = get_loss(self.loss)
        return loss.inverse_link if loss.name == "sparsemax" else None

    predict_proba = available_if(is_probabilistic)(Probabilities.predict_proba)
    predict_log_proba = available_if(is_probabilistic)(Probabilities.predict_log_proba)


class LossClasses(ClassCoefficients):
    """Mixin of the classifiers that take any loss: it says how many classes."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Classes that differ by smaller values of every feature are out of reach.
        tags.classifier_tags.poor_score = bool(self.positive)
        try:
            loss = get_loss(self.loss)
        except ValueError:
            # Tags are read before fit, which is where bad parameters are reported.
            return tags
        several = loss.task == "multiclass" or loss.name == "logistic"
        tags.classifier_tags.multi_class = several
        return tags
