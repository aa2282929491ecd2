"""What the private linear classifiers share."""

import numpy as np
from sklearn.base import ClassifierMixin

from skopt2.privacy.private_labels import LabelEncoder, public_classes
from skopt2.privacy.private_linear_model import PrivateLinearModel


class PrivateLinearClassifier(ClassifierMixin, PrivateLinearModel):
    """Base of private classifiers with one score for each class, one for two."""

    _y_kind = "labels"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A few rows cannot be learnt from without telling of them.
        tags.classifier_tags.poor_score = True
        return tags

    def _encoder(self, data, kind):
        """Set ``classes_`` and return the encoder of targets."""
        self.classes_ = public_classes(self, data)
        return LabelEncoder(self.classes_, kind)

    def _n_outputs(self):
        n_classes = self.classes_.shape[0]
        return None if n_classes == 2 else n_classes

    def _shape_attributes(self, coef, intercept, dtype):
        if coef.ndim == 1:
            coef, intercept = coef[None, :], np.reshape(intercept, (1,))
        else:
            coef = np.ascontiguousarray(coef.T)
        return {"coef_": coef.astype(dtype), "intercept_": intercept.astype(dtype)}

    def _scores(self, X, method):
        return self._linear(X, method)
