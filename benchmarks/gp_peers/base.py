"""What an adapter of a Gaussian process library offers to the timing code."""

import importlib

# in the order of the table
PEERS = ("skopt2", "sklearn", "gpytorch")


def load_peer(name):
    """Import one library and return its adapter."""
    if name not in PEERS:
        raise ValueError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return importlib.import_module(f"benchmarks.gp_peers.{name}_peer").ADAPTER


class Peer:
    """One library.

    Attributes
    ----------
    version : str
        Of the library.
    """

    version = ""

    def variants(self, problem, fitted):
        """Names of the methods that can solve the problem.

        ``fitted`` says whether hyperparameters are to be found, or are given.
        """
        raise NotImplementedError

    def run(self, problem, variant, fitted):
        """Return mean and variance of the test targets, and a remark for the table."""
        raise NotImplementedError
