"""Defaults of private networks: functions of public numbers."""

from dataclasses import replace

import pytest
from numpy.testing import assert_allclose

from skopt2.solvers.privacy.descent import DescentPlan
from skopt2.solvers.privacy.network_schedule import CLASSIFICATION, REGRESSION

PLAN = DescentPlan(n_steps=100, learning_rate=0.0, noise_multiplier=30.0)


@pytest.mark.parametrize("defaults", [CLASSIFICATION, REGRESSION])
def test_noise_moves_a_weight_as_far_as_it_may(defaults):
    bound = defaults.clipping_norm
    for n_rows, rate, steps in ((300, 1.0, 100), (2000, 0.1, 400), (90, 1.0, 25)):
        plan = replace(PLAN, n_steps=steps, sampling_rate=rate)
        noise = 40.0 * bound
        step, momentum = defaults.pace(n_rows, plan, noise, bound)
        far = step / (1 - momentum) * noise * steps**0.5 / (rate * n_rows)
        assert_allclose(far, defaults.movement)


@pytest.mark.parametrize("defaults", [CLASSIFICATION, REGRESSION])
def test_steps_end_at_the_stable_ones(defaults):
    bound = 0.3
    step, momentum = defaults.pace(1000, PLAN, 0.0, bound)
    assert momentum == 0.9
    assert_allclose(step / (1 - momentum), defaults.largest_step / bound)
    step, momentum = defaults.pace(10**9, PLAN, 1.0, bound, 0.0)
    assert momentum == 0.0
    assert_allclose(step, defaults.plain_step / bound)
    step, momentum = defaults.pace(1000, PLAN, 1e9, bound)
    assert momentum == 0.0
    assert step < 1e-3


def test_small_batches_take_more_steps():
    assert CLASSIFICATION.steps(1.0) == 100
    assert REGRESSION.steps(1.0) == 200
    assert REGRESSION.steps(0.01) == 3000
    assert REGRESSION.steps(0.9) == 200


def test_hidden_units_of_a_layer_have_one_size():
    for n_units in (1, 16, 64):
        scale = REGRESSION.hidden_scale(n_units)
        assert_allclose(scale * n_units**0.5, REGRESSION.unit_size)
