"""What an adapter of a kernel library offers to the timing code."""

import importlib

# in the order of the table
PEERS = ("skopt2", "sklearn", "eigenpro", "falkon")


def load_peer(name):
    """Import one library and return its adapter."""
    if name not in PEERS:
        raise ValueError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return importlib.import_module(f"benchmarks.kernel_peers.{name}_peer").ADAPTER


class Peer:
    """One library.

    Attributes
    ----------
    version : str
        Of the library.
    """

    version = ""

    def variants(self, problem):
        """Names of the methods that can solve the problem."""
        raise NotImplementedError

    def budgets(self, variant):
        """Settings to try, cheapest first: epochs, centres, or (None,) for one run."""
        return (None,)

    def fit(self, problem, variant, budget):
        """Fit; return ``predict(X) -> (m, c)`` and a remark for the table."""
        raise NotImplementedError
