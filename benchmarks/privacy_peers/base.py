"""What an adapter of a privacy library offers to the timing code."""

import importlib

# in the order of the tables
PEERS = ("skopt2", "diffprivlib", "opacus", "dp_accounting", "sklearn")


def load_peer(name):
    """Import one library and return its adapter."""
    if name not in PEERS:
        raise ValueError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return importlib.import_module(f"benchmarks.privacy_peers.{name}_peer").ADAPTER


class Peer:
    """One library.

    Attributes
    ----------
    version : str
        Of the library.
    """

    version = ""

    def variants(self, case, epsilon, search=False):
        """Names of the methods that a case is given to at a budget.

        With ``search``, all settings among which the best are to be found.
        """
        return []

    def prepare(self, problem, variant):
        """Return what :meth:`fit` reads; not timed."""
        return problem

    def fit(self, prepared, variant):
        """Fit, calibration of the noise included; return a model."""
        raise NotImplementedError

    def predict(self, model, X):
        """Return labels or targets of float64 rows."""
        return model.predict(X)

    def noise(self, variant, epsilon, delta, rate, steps):
        """Return the noise multiplier of Poisson-sampled steps for a budget."""
        raise NotImplementedError

    def spent(self, sigma, delta, rate, steps):
        """Return the epsilon of steps with a noise multiplier, or None."""
        return None
