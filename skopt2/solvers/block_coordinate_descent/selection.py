"""In which order a sweep visits the blocks.

A rule has ``order(blocks)``, which returns the positions of the next sweep from those
that it may visit.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, section 2.
"""

import numpy as np

from skopt2._core.parameters import check_choice
from skopt2._core.random import seed_sequence


class Cyclic:
    """Every block, in its order."""

    def order(self, blocks):
        """Return the blocks of the next sweep."""
        return blocks


class Shuffled:
    """Every block, in a new random order each sweep.

    Parameters
    ----------
    random_state : None, int, RandomState or Generator
        Seed.
    """

    def __init__(self, random_state):
        self._rng = np.random.default_rng(seed_sequence(random_state))

    def order(self, blocks):
        """Return the blocks of the next sweep."""
        return self._rng.permutation(blocks).tolist()


def make_selection(name, random_state):
    """Return a selection rule by name.

    Parameters
    ----------
    name : {"cyclic", "random"}
        The rule.
    random_state : None, int, RandomState or Generator
        Seed of the random one.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    check_choice("sweep", name, ("cyclic", "random"))
    return Cyclic() if name == "cyclic" else Shuffled(random_state)
