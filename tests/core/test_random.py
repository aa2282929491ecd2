"""Seeds, streams, and the same numbers on every device."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skopt2._core.array import device_of, namespace, to_numpy
from skopt2._core.random import (
    Stream,
    pack_seed,
    seed_sequence,
    spawn,
    unpack_seed,
)
from tests.stand_in import DEVICES

STATES = [3, np.int64(3), np.random.SeedSequence(3)]


@pytest.mark.parametrize("state", STATES)
def test_a_number_always_gives_the_same_streams(state):
    first = [stream.random(3) for stream in spawn(3, 4)]
    again = [stream.random(3) for stream in spawn(state, 4)]
    assert_array_equal(first, again)
    assert len({tuple(row) for row in first}) == 4


def test_streams_do_not_depend_on_their_number():
    assert_array_equal(spawn(0, 2)[1].random(3), spawn(0, 9)[1].random(3))


@pytest.mark.parametrize(
    "make",
    [np.random.RandomState, np.random.default_rng],
    ids=["RandomState", "Generator"],
)
def test_a_generator_advances(make):
    state = make(0)
    first, second = spawn(state, 1)[0].random(3), spawn(state, 1)[0].random(3)
    assert not np.array_equal(first, second)
    assert_array_equal(first, spawn(make(0), 1)[0].random(3))


def test_fresh_entropy():
    assert seed_sequence(None).entropy != seed_sequence(None).entropy
    np.random.seed(0)  # noqa: NPY002
    first = seed_sequence(np.random).entropy
    np.random.seed(0)  # noqa: NPY002
    assert seed_sequence(np.random).entropy == first


def test_bad_states():
    with pytest.raises(ValueError, match="nonnegative integer.*got random_state=-1"):
        spawn(-1, 1)
    with pytest.raises(ValueError, match="random_state must be None, a nonneg"):
        spawn("seed", 1)


def draw(stream):
    return [
        stream.normal((2, 3)),
        stream.uniform(4, dtype="float32"),
        stream.integers(0, 10, 5),
        stream.permutation(6),
    ]


def test_every_device_sees_the_same_numbers(backend):
    expected = draw(Stream(7))
    for made, host in zip(draw(Stream(7, backend.target)), expected, strict=True):
        assert namespace(made) is backend.xp
        assert device_of(made) == backend.device
        assert to_numpy(made).dtype == host.dtype
        assert_array_equal(to_numpy(made), host)


def test_native_numbers_are_drawn_on_the_device(cuda_stand_in):
    target = cuda_stand_in.target(1)
    made = draw(Stream(7, target, native=True))
    assert all(x.device == DEVICES[1] for x in made)
    assert_array_equal(np.sort(to_numpy(made[3])), np.arange(6))
    again = draw(Stream(7, target, native=True))
    for x, y in zip(made, again, strict=True):
        assert_array_equal(to_numpy(x), to_numpy(y))


@pytest.mark.gpu
def test_native_numbers_of_cupy():
    from skopt2._core.cuda import cuda_target

    target = cuda_target()
    for made, host in zip(
        draw(Stream(7, target, native=True)), draw(Stream(7)), strict=True
    ):
        assert device_of(made) == target.device
        assert made.shape == host.shape
        assert to_numpy(made).dtype == host.dtype


@pytest.mark.parametrize(
    "seed",
    [
        np.random.SeedSequence(),
        np.random.SeedSequence(2**100 + 7),
        seed_sequence(np.random.default_rng(0)),
        np.random.SeedSequence(3).spawn(2)[1],
    ],
)
def test_a_packed_seed_spawns_the_same(seed):
    seed.spawn(1)
    again = unpack_seed(pack_seed(seed))
    for one, other in zip(seed.spawn(2), again.spawn(2), strict=True):
        assert_array_equal(one.generate_state(4), other.generate_state(4))
