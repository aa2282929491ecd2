"""What the estimators share that learn components and return codes."""

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from skopt2._core.estimator import IterativeEstimator


class ComponentModel(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, IterativeEstimator
):
    """Base of the estimators with ``components_`` of shape (n_components, n_features).

    They take dense rows, unless their tags say otherwise.
    """

    _sparse_input = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self):
        return int(self.components_.shape[0])
