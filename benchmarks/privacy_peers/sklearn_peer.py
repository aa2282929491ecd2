"""scikit-learn without privacy: what there is to reach, and to pay for."""

import warnings

import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from benchmarks.privacy_peers.base import Peer

# Rows are no longer than 1, so the default penalty would bend the labels.
_C = 100.0


class SklearnPeer(Peer):
    """Adapter of scikit-learn."""

    version = sklearn.__version__

    def variants(self, case, epsilon, search=False):
        if case.kind == "accountant" or epsilon != max(case.epsilons):
            return []
        return ["not private"]

    def fit(self, prepared, variant):
        model = {
            "regression": lambda: LinearRegression(),
            "network": lambda: MLPClassifier(
                64, learning_rate_init=0.01, random_state=prepared.seed
            ),
        }.get(prepared.case.kind, lambda: LogisticRegression(C=_C, max_iter=1000))()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(prepared.X, prepared.y)


ADAPTER = SklearnPeer()
