"""DiceSGD and DIFF2 as solvers of the private linear models."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression

from skopt2.privacy import DPLogisticClassifier, DPSVMClassifier
from skopt2.privacy.auditing import audit
from skopt2.privacy.leak import PrivacyLeakWarning
from skopt2.solvers.privacy import dice_descent
from skopt2.solvers.privacy.noise import NoiseSource

SOLVERS = ("dicesgd", "diff2")


@pytest.fixture(autouse=True)
def quiet():
    """Seeds are for tests: no warning of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        yield


def wine():
    """Return wine, public bounds of its features, and all of its classes."""
    X, y = load_wine(return_X_y=True)
    return X, y, (np.zeros(X.shape[1]), np.max(X, axis=0) * 1.1)


class Unspent:
    """An accountant that must not be asked."""

    def spend(self, events, label=""):
        raise AssertionError(f"{label} spent {events}")


@pytest.mark.parametrize("solver", SOLVERS)
def test_events_are_those_of_plain_descent(solver):
    """The same budget buys the same noise multiplier for the same steps."""
    X, y, bounds = wine()
    records = [
        DPLogisticClassifier(2.0, bounds=bounds, classes=[0, 1, 2], solver=each)
        .fit(X, y)
        .privacy_
        for each in ("gd", solver)
    ]
    assert records[0] == records[1]
    assert records[1].events[0].count == 50


@pytest.mark.parametrize("relation", ["zero_out", "replace_one"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_all_noise_is_scaled_by_a_sensitivity(solver, relation, monkeypatch):
    """No step is without noise, none has less than its sensitivity asks for."""
    X, y, bounds = wine()
    stds, draw = [], NoiseSource.draw

    def recorded(self, shape, std):
        stds.append(std)
        return draw(self, shape, std)

    monkeypatch.setattr(NoiseSource, "draw", recorded)
    model = DPLogisticClassifier(
        2.0,
        bounds=bounds,
        classes=[0, 1, 2],
        solver=solver,
        relation=relation,
        max_iter=10,
        max_grad_norm=0.25,
        learning_rate=1e-3 if solver == "diff2" else "auto",
    ).fit(X, y)
    ratios = np.array(stds) / model.privacy_.noise_multiplier
    each = 2.0 if relation == "replace_one" else 1.0
    assert len(ratios) == 10
    if solver == "dicesgd":
        # Rows of norm sqrt(1 + .25^2), slopes of norm sqrt(2).
        largest = np.sqrt(2 * (1 + 0.25**2))
        np.testing.assert_allclose(ratios, each * np.array([0.25] * 9 + [largest]))
    else:
        assert ratios[0] == pytest.approx(each * 0.25)
        assert np.all(ratios > 0)
        assert np.all(ratios[1:] < each * 0.25)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_model_keeps_what_was_released_and_no_more(solver):
    """No error of clipping, no estimate, no generator: the attributes of plain fits."""
    X, y, bounds = wine()
    models = [
        DPLogisticClassifier(2.0, bounds=bounds, classes=[0, 1, 2], solver=each).fit(
            X, y
        )
        for each in ("gd", solver)
    ]
    assert vars(models[0]).keys() == vars(models[1]).keys()
    sizes = [len(pickle.dumps(model)) for model in models]
    assert abs(sizes[0] - sizes[1]) < 50


def test_without_noise_feedback_removes_the_bias():
    """Clipping at a tenth of the gradients: the penalised optimum all the same."""
    X, y = load_breast_cancer(return_X_y=True)
    low, high = X.min(axis=0), X.max(axis=0)
    Z = (2 * (X - low) / (high - low) - 1) / np.sqrt(X.shape[1])
    alpha = 0.05
    exact = LogisticRegression(C=1 / (len(y) * alpha), tol=1e-10, max_iter=5000)
    exact.fit(Z, y)
    errors = []
    for solver in ("dicesgd", "gd"):
        model = DPLogisticClassifier(
            np.inf,
            classes=[0, 1],
            solver=solver,
            alpha=alpha,
            max_grad_norm=0.15,
            learning_rate=2.0,
            max_iter=1500,
            intercept_scaling=1.0,
            average=False,
        ).fit(Z, y)
        errors.append(np.abs(model.coef_ - exact.coef_).max())
    assert errors[0] < 1e-6
    assert errors[1] > 0.01


@pytest.mark.parametrize("model", [DPLogisticClassifier, DPSVMClassifier])
@pytest.mark.parametrize("solver", SOLVERS)
def test_seeded_fits_repeat_and_others_do_not(model, solver):
    """The noise is that of the seed, or fresh; float32 stays float32."""
    X, y, bounds = wine()
    X = X.astype(np.float32)
    base = model(4.0, bounds=bounds, classes=[0, 1, 2], solver=solver)
    seeded = [base.set_params(random_state=3).fit(X, y).coef_ for _ in range(2)]
    fresh = [base.set_params(random_state=None).fit(X, y).coef_ for _ in range(2)]
    np.testing.assert_array_equal(seeded[0], seeded[1])
    assert seeded[0].dtype == np.float32
    assert not np.any(fresh[0] == fresh[1])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "given",
    [{"batch_size": 20}, {"clipping": "automatic"}],
    ids=["batches", "clipping"],
)
def test_what_has_no_proof_is_refused_before_it_spends(solver, given):
    """The error names the parameter, its value and the remedy."""
    X, y, bounds = wine()
    model = DPLogisticClassifier(
        bounds=bounds, classes=[0, 1, 2], solver=solver, accountant=Unspent(), **given
    )
    (name, value), *_ = given.items()
    with pytest.raises(ValueError, match=f"{name}=.*got {name}={value!r}"):
        model.fit(X, y)


def test_short_steps_take_differences_and_long_ones_gradients():
    """The default step of small data is too long for differences to save anything."""
    X, y, bounds = wine()
    fits = []
    for solver, rate in (
        ("gd", "auto"),
        ("diff2", "auto"),
        ("gd", 0.1),
        ("diff2", 0.1),
    ):
        model = DPLogisticClassifier(
            4.0, bounds=bounds, classes=[0, 1, 2], solver=solver, learning_rate=rate
        )
        fits.append(model.set_params(random_state=0).fit(X, y))
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert np.all(fits[2].coef_ != fits[3].coef_)
    assert fits[2].privacy_ == fits[3].privacy_


def audited(solver, seed=0):
    """Return an audit of many canaries of a solver, and of its defaults."""
    model = DPLogisticClassifier(1.0, delta=1e-5, classes=[0, 1], solver=solver)
    return audit(model, method="canaries", random_state=seed)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_auditor_finds_nothing(solver):
    """Lower bounds on epsilon stay under the claim."""
    for seed in range(3):
        result = audited(solver, seed)
        assert result.passed, result


def test_the_auditor_finds_errors_that_noise_does_not_cover(monkeypatch):
    """Noise for the clipped part alone, as if what is returned were free."""
    monkeypatch.setattr(
        dice_descent, "feedback_sensitivity", lambda step, norm, *others: norm
    )
    result = audited("dicesgd")
    assert not result.passed, result
    assert result.epsilon_lower > 1.5
