"""diffprivlib: objective perturbation, and its linear regression.

It is told the true bounds: rows are no longer than 1, features and targets are scaled.
Several penalties are tried, the table shows the best of them at each budget.
"""

import warnings

import diffprivlib
import numpy as np
from diffprivlib.models import LinearRegression, LogisticRegression

from benchmarks.privacy_peers.base import Peer

_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
# The speed cases show three of them.
_FEW = (0.01, 1.0, 100.0)


class DiffprivlibPeer(Peer):
    """Adapter of diffprivlib."""

    version = diffprivlib.__version__

    def variants(self, case, epsilon, search=False):
        if case.kind == "regression":
            return ["default"]
        known = {"accuracy": _PENALTIES, "speed": _FEW}
        return [f"C={C:g}" for C in known.get(case.kind, ())]

    def fit(self, prepared, variant):
        if prepared.case.kind == "regression":
            edge = 1.0 / np.sqrt(prepared.X.shape[1])
            model = LinearRegression(
                epsilon=prepared.epsilon,
                bounds_X=(-edge, edge),
                bounds_y=(-1.0, 1.0),
                random_state=prepared.seed,
            )
        else:
            model = LogisticRegression(
                epsilon=prepared.epsilon,
                data_norm=1.0,
                C=float(variant.removeprefix("C=")),
                max_iter=1000,
                random_state=prepared.seed,
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(prepared.X, prepared.y)


ADAPTER = DiffprivlibPeer()
