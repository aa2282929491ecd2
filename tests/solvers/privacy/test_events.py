"""Events: checked, comparable, and the same after a round trip through JSON."""

import json
import math

import numpy as np
import pytest

from skopt2.solvers.privacy.events import (
    GaussianEvent,
    SampledGaussianEvent,
    as_events,
    event_from,
    gather,
)

EVENTS = [
    GaussianEvent(1.5),
    GaussianEvent(0.1 + 0.2, 7),
    GaussianEvent(0.0),
    GaussianEvent(math.inf),
    SampledGaussianEvent(1.5, 0.01, 1000),
    SampledGaussianEvent(1 / 3, 1.0),
]


@pytest.mark.parametrize("event", EVENTS)
def test_round_trip_through_json(event):
    assert event_from(json.loads(json.dumps(event.as_dict()))) == event


def test_numpy_numbers_become_plain_ones():
    event = SampledGaussianEvent(np.float32(1.5), np.float64(0.25), np.int64(3))
    assert event == SampledGaussianEvent(1.5, 0.25, 3)
    assert {type(value) for value in event.as_dict().values()} == {str, float, int}


def test_gather_merges_equal_mechanisms():
    events = [
        GaussianEvent(2.0, 3),
        SampledGaussianEvent(1.0, 0.1, 5),
        SampledGaussianEvent(4.0, 1.0, 4),
        SampledGaussianEvent(1.0, 0.1, 6),
        SampledGaussianEvent(math.inf, 0.1, 6),
        GaussianEvent(math.inf),
    ]
    assert gather(events) == (0.75 + 0.25, {(1.0, 0.1): 11})
    assert gather([*events, GaussianEvent(0.0)]) == (math.inf, {})
    assert gather([]) == (0.0, {})
    assert GaussianEvent(2.0, 3).squared_mu == 0.75
    assert GaussianEvent(0.0).squared_mu == math.inf


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GaussianEvent(-1.0), "noise_multiplier must be a nonnegative number"),
        (lambda: GaussianEvent(math.nan), "noise_multiplier"),
        (lambda: GaussianEvent("1"), "noise_multiplier"),
        (lambda: GaussianEvent(1.0, 0), "count must be a positive integer"),
        (lambda: GaussianEvent(1.0, 1.5), "count must be a positive integer"),
        (lambda: GaussianEvent(1.0, True), "count"),
        (lambda: SampledGaussianEvent(1.0, 0.0), "sampling_rate .* got 0.0"),
        (lambda: SampledGaussianEvent(1.0, 1.1), "sampling_rate"),
        (lambda: SampledGaussianEvent(1.0, math.nan), "sampling_rate"),
        (lambda: event_from({"kind": "laplace"}), "kind must be one of"),
        (lambda: event_from({"kind": "gaussian", "x": 1}), "does not describe"),
    ],
)
def test_bad_events(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_other_things_are_no_events():
    for wrong in (1.0, [1.0], [GaussianEvent(1.0), None]):
        with pytest.raises(TypeError, match="events must be GaussianEvent"):
            as_events(wrong)
