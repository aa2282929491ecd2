"""What an adapter of a transport library offers to the timing code."""

import importlib

# in the order of the table
PEERS = ("skopt2", "reference", "pot", "ott", "geomloss", "regot")


def load_peer(name):
    """Import one library and return its adapter."""
    if name not in PEERS:
        raise ValueError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return importlib.import_module(f"benchmarks.transport_peers.{name}_peer").ADAPTER


class Peer:
    """One library.

    ``variants`` lists its methods, each a row of the table; ``prepare`` and ``compile``
    are not timed with ``solve``, ``warm`` is timed apart.

    Attributes
    ----------
    version : str
        Of the library.
    searches : bool
        Whether the best setting is searched for. Where not, ``solve`` gets the target
        as its tolerance and a budget of zero.
    limit : float
        Wall seconds that one run may take, for libraries that can be told; set by the
        timing code.
    exact : tuple of str
        Variants that solve the problem without regularisation: reported, never
        compared.
    """

    version = ""
    searches = True
    limit = float("inf")
    exact = ()

    def variants(self, problem):
        """Names of the methods that can solve the problem."""
        raise NotImplementedError

    def memory_budget(self, variant):
        """Iterations of the run that shows the memory."""
        return 3

    def first_budget(self, variant):
        """Iterations of the first run of a search."""
        return 64

    def growth(self, variant):
        """Factor between the iterations of two runs of a search."""
        return 4

    def has_tolerance(self, variant):
        """Whether the method stops by itself."""
        return True

    def prepare(self, problem):
        """Return what the other methods get as their first argument."""
        return problem

    def compile(self, prepared, variant, budget):
        """Compile what a run needs, once; return the seconds that took."""
        return 0.0

    def warm(self, prepared, variant):
        """Do whatever only a first call does."""
        budget = 1 if self.searches else 0
        self.compile(prepared, variant, budget)
        self.solve(prepared, variant, 1e-1, budget)

    def solve(self, prepared, variant, tol, budget):
        """Return an :class:`~benchmarks.transport_certificates.Answer`."""
        raise NotImplementedError
