"""Random numbers that are seeded on the host and used on any device."""

import json
import numbers

import numpy as np

from skopt2._core.array import HOST, move
from skopt2._core.shared_parameters import check_random_state


def seed_sequence(random_state):
    """Return a NumPy seed sequence for anything scikit-learn takes as random state.

    Parameters
    ----------
    random_state : None, int, RandomState, Generator, SeedSequence or numpy.random
        None draws fresh entropy. An int gives the same sequence at every call; a
        generator is advanced, so that consecutive fits differ.

    Returns
    -------
    seed : numpy.random.SeedSequence
        To spawn streams from.

    Raises
    ------
    ValueError
        If ``random_state`` is none of these, or negative.
    """
    if random_state is None:
        return np.random.SeedSequence()
    if random_state is np.random:
        random_state = np.random.mtrand._rand
    check_random_state(random_state)
    if isinstance(random_state, numbers.Integral):
        return np.random.SeedSequence(int(random_state))
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(
            random_state.randint(0, 2**32, size=4, dtype=np.uint32).tolist()
        )
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(
            random_state.integers(0, 2**32, size=4, dtype=np.uint32).tolist()
        )
    return random_state


def spawn(random_state, n_streams):
    """Return independent host generators, one for each of several tasks.

    Parameters
    ----------
    random_state : None, int, RandomState or Generator
        See :func:`seed_sequence`.
    n_streams : int
        How many.

    Returns
    -------
    streams : list of numpy.random.Generator
        The i-th does not depend on ``n_streams``, nor on which process uses it.
    """
    seeds = seed_sequence(random_state).spawn(n_streams)
    return [np.random.default_rng(seed) for seed in seeds]


def pack_seed(seed):
    """Return a seed sequence as text, for a checkpoint.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
        Any.

    Returns
    -------
    text : str
        JSON.
    """
    entropy = np.atleast_1d(np.asarray(seed.entropy, dtype=object))
    words = [[int(word) for word in entropy], [int(key) for key in seed.spawn_key]]
    return json.dumps([*words, seed.n_children_spawned])


def unpack_seed(text):
    """Return the seed sequence of what :func:`pack_seed` returned.

    Parameters
    ----------
    text : str
        JSON.

    Returns
    -------
    seed : numpy.random.SeedSequence
        It spawns the streams that the other did after it was packed.
    """
    entropy, key, n_children = json.loads(text)
    return np.random.SeedSequence(
        entropy, spawn_key=tuple(key), n_children_spawned=n_children
    )


class Stream:
    """Random arrays on a target, from a seed on the host.

    Parameters
    ----------
    random_state : None, int, RandomState or Generator
        See :func:`seed_sequence`.
    target : Target, default=HOST
        Where the arrays go.
    native : bool, default=False
        False draws on the host and moves the numbers, so every device sees the same
        ones and gives the same answer. True draws on a GPU, which is faster for large
        arrays and gives other numbers than the host; on other devices it has no effect.
    """

    def __init__(self, random_state, target=HOST, native=False):
        seed = seed_sequence(random_state)
        self.target = target
        self._host = np.random.default_rng(seed)
        self._device = None
        if native and target.kind == "cuda":
            number = int(seed.generate_state(1, np.uint64)[0]) >> 1
            self._device = target.provider.generator(number, target.index)

    def normal(self, shape, dtype="float64"):
        """Return standard normal numbers.

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the array.
        dtype : {"float64", "float32"}, default="float64"
            Precision.

        Returns
        -------
        numbers : array
            On the target.
        """
        source = self._device or self._host
        return self._place(source.standard_normal(shape, dtype=np.dtype(dtype)))

    def uniform(self, shape, dtype="float64"):
        """Return numbers uniform in [0, 1).

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the array.
        dtype : {"float64", "float32"}, default="float64"
            Precision.

        Returns
        -------
        numbers : array
            On the target.
        """
        source = self._device or self._host
        return self._place(source.random(shape, dtype=np.dtype(dtype)))

    def integers(self, low, high, shape):
        """Return int64 numbers uniform in [low, high).

        Parameters
        ----------
        low, high : int
            Bounds.
        shape : int or tuple of int
            Shape of the array.

        Returns
        -------
        numbers : array
            On the target.
        """
        source = self._device or self._host
        return self._place(source.integers(low, high, shape, dtype=np.int64))

    def permutation(self, n):
        """Return the numbers 0 .. n - 1 in random order.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        order : array of shape (n,)
            int64 indices on the target.
        """
        if self._device is None:
            return self._place(self._host.permutation(n))
        xp = self.target.xp
        return xp.argsort(self._device.random(n))

    def subset(self, n, rate):
        """Return rows that are each in it with the same probability, independently.

        Parameters
        ----------
        n : int
            Rows in all.
        rate : float
            Probability of each.

        Returns
        -------
        rows : array of int
            Sorted, on the target; it can be empty.
        """
        # Given its size, a Poisson sample is uniform among the sets of that size.
        size = self._host.binomial(n, rate)
        rows = self._host.choice(n, size, replace=False, shuffle=False)
        rows.sort()
        return move(rows, self.target)

    def _place(self, numbers_):
        return numbers_ if self._device is not None else move(numbers_, self.target)
