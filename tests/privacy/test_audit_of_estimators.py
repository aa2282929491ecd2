"""The auditor on the estimators of the package, as they are and broken on purpose."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skopt2.privacy import (
    DPLogisticClassifier,
    DPMLPClassifier,
    DPScaler,
    PrivacyAccountant,
    audit,
    private_linear_model,
)
from skopt2.solvers.privacy import query
from skopt2.solvers.privacy.glm_query import GLMQuery
from skopt2.solvers.privacy.network_query import NetworkQuery
from skopt2.solvers.privacy.noise import NoiseSource, PoissonSampling
from tests.privacy.private_estimators import NAMES, has, make

GAUSSIAN = {"max_iter": 20, "classes": [0, 1], "delta": 1e-5}


def logistic(**parameters):
    return DPLogisticClassifier(**(GAUSSIAN | parameters))


def few_fits(name):
    """Return the settings of a short audit."""
    if not hasattr(make(name), "predict"):
        return {"n_fits": 120}
    if has(name, "hidden_layer_sizes"):
        return {"n_canaries": 64, "n_fits": 64, "settings": {"max_iter": 10}}
    return {"n_canaries": 128, "n_fits": 16}


@pytest.mark.parametrize("name", NAMES)
def test_estimators_pass(name):
    result = audit(make(name), random_state=0, **few_fits(name))
    assert result.passed, result
    assert result.epsilon_claimed == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_auditor_has_teeth_for_every_estimator(monkeypatch, name):
    # Without any noise the release is a function of the data, or as good as one.
    monkeypatch.setattr(
        NoiseSource, "draw", lambda source, shape, std: 1e-9 * np.ones(shape)
    )
    result = audit(make(name), random_state=0, **few_fits(name))
    assert not result.passed, result


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
def test_relations_of_the_estimator_are_audited(relation):
    result = audit(logistic(relation=relation), random_state=0)
    assert result.relation == relation
    assert result.passed
    # The canaries do nearly all that the relation allows: the bound is not loose.
    assert result.epsilon_lower > 0.2


def test_noise_for_another_relation_is_found(monkeypatch):
    monkeypatch.setattr(query, "sensitivity", lambda norm, relation: norm)
    result = audit(logistic(relation="replace_one"), random_state=0)
    assert not result.passed, result


def half_noise(monkeypatch):
    draw = NoiseSource.draw
    monkeypatch.setattr(
        NoiseSource, "draw", lambda source, shape, std: 0.5 * draw(source, shape, std)
    )


def sensitivity_halved(monkeypatch):
    monkeypatch.setattr(query, "sensitivity", lambda norm, relation: 0.5 * norm)


def no_clipping(monkeypatch):
    def clip(query, residuals, block):
        keep = block.keep[:, None] if residuals.ndim == 2 else block.keep
        return residuals * keep

    monkeypatch.setattr(GLMQuery, "clip", clip)


def noise_for_one_step(monkeypatch):
    calibrate = private_linear_model.calibrate_noise
    monkeypatch.setattr(
        private_linear_model,
        "calibrate_noise",
        lambda *args, count=1, **kwargs: calibrate(*args, **kwargs),
    )


def one_seed_for_all(monkeypatch):
    init = NoiseSource.__init__

    def seeded(source, seed=None, *args, **kwargs):
        init(source, 0, *args, **kwargs)

    monkeypatch.setattr(NoiseSource, "__init__", seeded)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "mutation",
    [half_noise, sensitivity_halved, no_clipping, one_seed_for_all],
)
@pytest.mark.parametrize("classes", [[0, 1], [0, 1, 2]])
def test_broken_full_batches_are_found(monkeypatch, mutation, classes):
    mutation(monkeypatch)
    result = audit(logistic(classes=classes), random_state=0)
    assert not result.passed, result
    assert result.method == "canaries"
    assert result.curve == "gaussian"


@pytest.mark.thorough
@pytest.mark.parametrize("broken", ["half the noise", "no clipping"])
def test_broken_networks_are_found(monkeypatch, broken):
    if broken == "half the noise":
        half_noise(monkeypatch)
    else:
        monkeypatch.setattr(
            NetworkQuery, "factors", lambda query, block, *_: np.array(block.keep)
        )
    model = DPMLPClassifier(max_iter=20, delta=1e-5, classes=[0, 1])
    result = audit(model, random_state=0)
    assert not result.passed, result


def all_rows(monkeypatch):
    monkeypatch.setattr(
        PoissonSampling, "draw", lambda sampling: np.arange(sampling.n_rows)
    )


@pytest.mark.parametrize("mutation", [all_rows, no_clipping])
def test_broken_sampled_batches_are_found(monkeypatch, mutation):
    mutation(monkeypatch)
    model = logistic(epsilon=2.0, batch_size=205)
    result = audit(model, claimed=(2.0, 1e-5), random_state=0)
    assert not result.passed, result


def test_understated_epsilon_is_found(monkeypatch):
    noise_for_one_step(monkeypatch)
    result = audit(logistic(), claimed=1.0, random_state=0)
    assert not result.passed, result
    assert result.delta == 1e-5


def test_settings_are_stated_and_can_be_changed():
    model = logistic()
    result = audit(model, random_state=0, settings={"max_grad_norm": 0.2}, n_fits=4)
    assert result.settings["max_grad_norm"] == 0.2
    assert result.settings["fit_intercept"] is False
    assert result.settings["accountant"] is None
    assert model.max_grad_norm == "auto"
    assert "max_grad_norm=0.2" in result.summary()


def test_a_norm_of_a_hundred_is_as_private():
    # diffprivlib's noise forgot a factor of the norm: 2.42 for a claim of 1.
    assert audit(logistic(feature_norm=100.0), random_state=0).passed


def test_a_budget_is_not_touched():
    accountant = PrivacyAccountant(epsilon=1.5, delta=1e-5)
    model = logistic(accountant=accountant)
    audit(model, random_state=0, n_canaries=64, n_fits=16)
    assert accountant.total()[0] == 0.0
    assert model.accountant is accountant


def test_private_parts_of_a_pipeline_are_claimed_together():
    pipeline = make_pipeline(
        DPScaler(epsilon=1.0, delta=1e-5), logistic(classes=["no", "yes"])
    )
    result = audit(pipeline, random_state=0, n_canaries=64, n_fits=16)
    assert result.passed
    # Less than the sum, more than each.
    assert 1.2 < result.epsilon_claimed < 2.0
    assert result.curve == "gaussian"
