"""skopt2: its private estimators with their default parameters.

``batch 1024`` asks for Poisson subsampling and sets nothing else.
"""

import warnings

import skopt2
from benchmarks.privacy_peers.base import Peer
from skopt2 import privacy
from skopt2.solvers.privacy.accounting import calibrate_noise

_MODELS = {
    "accuracy": "DPLogisticClassifier",
    "speed": "DPLogisticClassifier",
    "network": "DPMLPClassifier",
    "regression": "DPLinearRegressor",
}


class Skopt2Peer(Peer):
    """Adapter of skopt2."""

    version = skopt2.__version__

    def variants(self, case, epsilon, search=False):
        if case.kind == "accountant":
            return ["auto", "rdp"]
        return ["default", "batch 1024"] if case.kind == "speed" else ["default"]

    def fit(self, prepared, variant):
        case = prepared.case
        options = {"epsilon": prepared.epsilon, "delta": case.delta}
        if variant == "batch 1024":
            options["batch_size"] = 1024
        if case.kind == "regression":
            options["y_bounds"] = (-1.0, 1.0)
        with warnings.catch_warnings():
            # The labels are read off the training part by every library.
            warnings.simplefilter("ignore", UserWarning)
            model = getattr(privacy, _MODELS[case.kind])(**options)
            return model.fit(prepared.X, prepared.y)

    def noise(self, variant, epsilon, delta, rate, steps):
        return calibrate_noise(
            epsilon, delta, sampling_rate=rate, count=steps, method=variant
        )


ADAPTER = Skopt2Peer()
