"""What a checkpoint of a fit holds beside the state of the solver.

Which rows are held out, which are centres, and the noise of samples is drawn before the
solver starts. A fit that goes on from a checkpoint must draw the same again, also
without a ``random_state``: the coefficients that it finds there belong to those draws.
"""

import numpy as np

from skopt2._core.random import pack_seed, seed_sequence, unpack_seed

_SEED = "fit_seed"


class FitRecord:
    """Monitor that adds notes to the state which the callbacks get.

    Parameters
    ----------
    inner : Monitor or None
        Calls the callbacks.
    random_state : None, int, RandomState or Generator
        Of the estimator.
    resume : dict or None
        Checkpoint to go on from.

    Attributes
    ----------
    notes : dict
        What a former part of the fit noted; empty at the start of one.
    sources : list
        Objects with ``pack()``, which returns further notes. Their names begin with
        ``fit_``.
    """

    def __init__(self, inner, random_state, resume):
        state = (resume or {}).get("state", {})
        self.inner = inner
        self.notes = {k: v for k, v in state.items() if k.startswith("fit_")}
        if _SEED in self.notes:
            self._seed = unpack_seed(self.notes[_SEED])
        else:
            self._seed = seed_sequence(random_state)
        self._text = pack_seed(self._seed)
        self.sources = []

    def streams(self, n_streams):
        """Return independent generators, the same after a resumption.

        Parameters
        ----------
        n_streams : int
            How many.

        Returns
        -------
        streams : list of numpy.random.Generator
        """
        return [np.random.default_rng(s) for s in self._seed.spawn(n_streams)]

    def begin(self, iteration):
        """Pass the call on."""
        if self.inner is not None:
            self.inner.begin(iteration)

    def end(self, iteration, solver, state, measure, history):
        """Pass the call on; return True if a callback asks to stop."""
        if self.inner is None:
            return False
        noted = _Noted(solver, self._packed)
        return self.inner.end(iteration, noted, state, measure, history)

    def _packed(self):
        """Return the notes of now."""
        notes = {_SEED: self._text}
        for source in self.sources:
            notes.update(source.pack())
        return notes


class _Noted:
    """A solver whose packed state has notes."""

    def __init__(self, solver, notes):
        self._solver, self._notes = solver, notes

    def finalize(self, state):
        return self._solver.finalize(state)

    def pack(self, state):
        return {**self._solver.pack(state), **self._notes()}
