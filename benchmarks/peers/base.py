"""What an adapter offers to the timing code."""

import importlib

# in the order of the table
_MODULES = ("skopt2", "sklearn", "celer", "skglm", "adelie", "abess")


def peer_names():
    """Names of the libraries compared."""
    return _MODULES


def load_peer(name):
    """Import one library and return its adapter."""
    if name not in _MODULES:
        raise ValueError(f"unknown peer {name!r}; known: {', '.join(_MODULES)}")
    return importlib.import_module(f"benchmarks.peers.{name}_peer").ADAPTER


class Peer:
    """One library.

    ``variants`` lists the settings worth trying on a problem (the best counts);
    ``ladder`` the tolerances, loosest first; ``prepare`` is not timed and may change
    the memory layout of the design; ``solve`` is timed.
    """

    name = "peer"
    models = ()
    # whether tolerances between the steps of the ladder are tried too
    refine = True

    def variants(self, problem):
        """Names of the settings to try; an empty tuple where it cannot solve it."""
        return ("default",) if problem.model in self.models else ()

    def ladder(self, problem, targets):
        """Tolerances to try, in the library's own unit, loosest first."""
        return tuple(10.0**-k for k in range(2, 13))

    def prepare(self, problem, variant):
        """Return what ``solve`` gets as its first argument; not timed."""
        return problem

    def solve(self, problem, variant, tol):
        """Return coefficients of shape (n_alphas, n_features), dense or sparse."""
        raise NotImplementedError

    def tiny(self, problem):
        """Return a callable doing one fit of the library's plain estimator."""
        return None
