"""Noise of both kinds, added to a query that knows its sensitivity."""

import math

import numpy as np
import pytest

from skopt2._core.array import to_numpy
from skopt2.solvers.privacy.noise import NoiseSource
from skopt2.solvers.privacy.query import ClippedSum


class Known(ClippedSum):
    """A sum that is known beforehand."""

    clipping_norm = 0.5
    n_rows = 1000

    def __init__(self, total):
        self.total = total
        self.shape = tuple(total.shape)

    def clipped_sum(self, W, rows=None):
        return self.total if rows is None else 0.0 * self.total


@pytest.mark.parametrize("kind", ["gaussian", "discrete"])
@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
def test_noise_has_the_scale_of_the_sensitivity(kind, relation, device_backend):
    total = device_backend.asarray(np.linspace(-9.0, 9.0, 40_000).reshape(200, 200))
    noise = NoiseSource(3, device_backend.target, kind)
    found = noise.added(Known(total), None, 7.0, relation)
    difference = to_numpy(found) - to_numpy(total)
    std = 7.0 * 0.5 * (2 if relation == "replace_one" else 1)
    z = difference / std
    # Discrete noise on 40000 values pays 0.02 % for the grid.
    assert abs(z.mean()) < 5 / math.sqrt(z.size)
    assert abs(z.std() - 1) < 5 / math.sqrt(2 * z.size)
    assert abs(np.corrcoef(z[:-1].ravel(), z[1:].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("kind", ["gaussian", "discrete"])
def test_every_release_has_new_noise(kind):
    total = np.zeros(50)
    noise = NoiseSource(3, kind=kind)
    first, second = (noise.added(Known(total), None, 1.0) for _ in range(2))
    assert (first != second).all()
    again = NoiseSource(3, kind=kind).added(Known(total), None, 1.0)
    assert (first == again).all()
    fresh = [NoiseSource(kind=kind).added(Known(total), None, 1.0) for _ in range(2)]
    assert (fresh[0] != fresh[1]).all()


@pytest.mark.parametrize("kind", ["gaussian", "discrete"])
def test_without_noise_the_sum_is_exact(kind):
    total = np.arange(5.0) / 3
    found = NoiseSource(3, kind=kind).added(Known(total), None, 0.0)
    assert (found == total).all()


def test_batches_reach_the_query():
    total = np.ones(4)
    found = NoiseSource(3).added(Known(total), None, 0.0, rows=np.array([1]))
    assert (found == 0).all()


def test_discrete_noise_is_not_drawn_without_its_sum():
    with pytest.raises(ValueError, match="noise='discrete' needs the sum"):
        NoiseSource(3, kind="discrete").draw((3,), 1.0)


def test_discrete_noise_is_secure_without_a_seed_alone():
    assert not NoiseSource(kind="discrete").bits.seeded
    assert not NoiseSource(1, kind="discrete", secure=True).bits.seeded
    assert NoiseSource(1, kind="discrete").bits.seeded


@pytest.mark.parametrize("kind", ["gaussian", "discrete"])
def test_last_bits_tell_the_sum_apart_from_zero_of_gaussian_noise_alone(kind):
    # A sum of 1 plus noise near -1 has the spacing of floats at 1 (Mironov, CCS 2012).
    shares = []
    for value in (0.0, 1.0):
        released = NoiseSource(7, kind=kind).added(
            Known(np.full(50_000, value)), None, 2.0
        )
        steps = released[np.abs(released) < 2.0**-5] * 2.0**53
        shares.append((steps == np.rint(steps)).mean())
    if kind == "gaussian":
        assert shares[1] == 1.0
        assert shares[0] < 0.1
    else:
        assert max(shares) < 0.1
