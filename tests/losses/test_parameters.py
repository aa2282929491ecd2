"""Names, clones, and the messages for bad parameters and bad targets."""

import numpy as np
import pytest
from sklearn.base import clone

from skopt2.losses import (
    _LOSSES,
    Expectile,
    Huber,
    HuberizedHinge,
    Logistic,
    Loss,
    Multinomial,
    Poisson,
    Quantile,
    Sparsemax,
    SquaredHinge,
    get_loss,
)
from tests.losses.reference import ALL

TASKS = {
    "logistic": "binary",
    "squared_hinge": "binary",
    "huberized_hinge": "binary",
    "multinomial": "multiclass",
    "sparsemax": "multiclass",
}


def test_every_loss_has_a_formula_to_be_tested_with():
    assert {loss.name for loss, _ in ALL.values()} == set(_LOSSES)


@pytest.mark.parametrize("name", _LOSSES)
def test_names_give_objects(name):
    loss = get_loss(name)
    assert isinstance(loss, Loss)
    assert (loss.name, loss.task) == (name, TASKS.get(name, "regression"))
    assert get_loss(loss) is loss
    assert clone(loss).get_params() == loss.get_params()
    assert loss.is_quadratic is (name == "squared")
    assert loss.smoothable is (name == "quantile")
    assert loss.has_lipschitz is (name not in {"quantile", "poisson"})
    assert loss.probabilistic is (name in {"logistic", "multinomial", "sparsemax"})


def test_parameters_are_searchable():
    assert clone(Huber()).set_params(delta=2.0).delta == 2
    smoothed = Quantile(0.2).smoothed(0.1)
    assert smoothed.has_lipschitz
    assert smoothed.get_params() == {"quantile": 0.2, "smoothing": 0.1}


@pytest.mark.parametrize("unknown", ["mse", None, 1.0, Huber])
def test_unknown_loss_lists_the_names(unknown):
    with pytest.raises(ValueError, match=r"loss must be one of 'squared'.* got loss="):
        get_loss(unknown)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Huber(0.0), r"delta of the huber loss .* positive .* got delta=0.0. 1.35"),
        (Huber(-1.0), r"delta of the huber loss .* got delta=-1.0"),
        (Huber(np.inf), r"delta of the huber loss .* finite; got delta=inf"),
        (Quantile(0.0), r"quantile .* \(0, 1\); got quantile=0.0. Use 0.5"),
        (Quantile(1.0), r"quantile .* got quantile=1.0"),
        (Expectile(1.0), r"expectile .* \(0, 1\); got expectile=1.0. Use 0.5"),
        (Expectile(None), r"expectile .* got expectile=None"),
        (Quantile("half"), r"quantile .* got quantile='half'"),
        (
            Quantile(0.5, -1.0),
            r"smoothing .* nonnegative .* got smoothing=-1.0. Use",
        ),
        (HuberizedHinge(-2), r"delta of the huberized hinge .* got delta=-2. 2.0"),
        (HuberizedHinge(None), r"delta of the huberized hinge .* got delta=None"),
    ],
)
def test_bad_parameters_name_the_value_and_the_fix(loss, message):
    with pytest.raises(ValueError, match=message):
        get_loss(loss)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (Poisson(), [1.0, -2.0], r"poisson .* y >= 0, got .* -2.0; use loss='squared'"),
        (Poisson(), [0.0, 0.0], r"poisson .* at least one y > 0"),
        (Logistic(), [0.0, 1.0], r"logistic .* got values from 0.0 to 1.0; encode"),
        (
            SquaredHinge(),
            [2.0, 1.0],
            r"squared_hinge loss needs targets y in \{-1, 1\}",
        ),
        (HuberizedHinge(), [0.5, -1.0], r"huberized_hinge .* encode the classes"),
        (Multinomial(), [0.0, 1.0], r"one-hot .* got shape \(2,\); give one column"),
        (Multinomial(), [[1.0, 1.0]], r"rows sum to 1, .* off by up to 1.0; use"),
        (Multinomial(), [[2.0, -1.0]], r"nonnegative .* smallest entry of -1.0"),
        (Sparsemax(), [[0.5, 0.2]], r"sparsemax loss .* rows sum to 1"),
    ],
)
def test_bad_targets_name_the_loss_and_the_fix(loss, y, message, device_backend):
    with pytest.raises(ValueError, match=message):
        loss.check_target(device_backend.asarray(y))


def test_good_targets_pass(device_backend):
    get_loss("squared").check_target(device_backend.asarray([-1.0, 2.5]))
    Poisson().check_target(device_backend.asarray([0.0, 2.5]))
    Logistic().check_target(device_backend.asarray([-1.0, 1.0]))
    Multinomial().check_target(device_backend.asarray([[0.0, 1.0], [0.25, 0.75]]))
