"""The auditor: what it finds, what it must not find, and how it treats estimators."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skopt2.privacy.auditing import AuditResult, audit
from skopt2.solvers.privacy.events import GaussianEvent
from tests.privacy.descent import N_STEPS, descent

# Noise multipliers of 20 steps at delta=1e-5: epsilon 1 for full batches, and 2 for
# Poisson batches of a fifth of the rows.
FULL, SAMPLED = 16.68390, 2.33866
SMALL = {"n_canaries": 256, "n_fits": 16}
GAUSSIAN = {"claimed": (1.0, 1e-5), "curve": "gaussian"}


def test_finds_nothing_in_clean_descents():
    for seed in range(10):
        result = audit(descent(FULL), **GAUSSIAN, **SMALL, random_state=seed)
        assert result.passed, (seed, result)
        clean = descent(SAMPLED, rate=0.2)
        result = audit(clean, claimed=(2.0, 1e-5), **SMALL, random_state=seed)
        assert result.passed, (seed, result)
    few = {"method": "worlds", "n_fits": 400}
    for seed in range(5):
        clean = descent(FULL, intercept=True)
        assert audit(clean, **GAUSSIAN, **few, random_state=seed).passed


@pytest.mark.thorough
@pytest.mark.parametrize(
    "bug",
    [
        "half the noise",
        "clipping norm forgotten in the noise",
        "noise for one step",
        "batch clipped as a whole",
        "clipped copy not used",
        "noise of the sum added to the mean over rows",
        "fixed seed",
    ],
)
def test_canaries_find_what_is_wrong_with_full_batches(bug):
    result = audit(descent(FULL, bug=bug), **GAUSSIAN, random_state=0)
    assert not result.passed, result
    assert result.method == "canaries"


@pytest.mark.parametrize(
    "bug", ["full batch", "batch clipped as a whole", "noise for one step"]
)
def test_canaries_find_what_is_wrong_with_sampled_batches(bug):
    fit = descent(SAMPLED, rate=0.2, bug=bug)
    result = audit(fit, claimed=(2.0, 1e-5), random_state=0)
    assert not result.passed, result
    assert result.curve == "approximate"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "bug", ["half the noise", "noise for one step", "intercept outside of the norm"]
)
def test_worlds_find_what_is_wrong_with_an_intercept(bug):
    fit = descent(FULL, intercept=True, bug=bug)
    result = audit(fit, **GAUSSIAN, method="worlds", random_state=1)
    assert not result.passed, result


@pytest.mark.parametrize(
    "bug", ["no noise in the last step", "one noise for all steps"]
)
def test_bugs_that_only_a_recording_generator_sees(bug):
    # Said in the user guide; should the auditor ever see them, the guide is wrong.
    assert audit(descent(FULL, bug=bug), **GAUSSIAN, **SMALL, random_state=0).passed


def test_bound_grows_with_the_number_of_fits_and_stays_below_the_truth():
    bounds = [
        audit(descent(FULL), **GAUSSIAN, n_fits=n, random_state=0).epsilon_lower
        for n in (4, 48)
    ]
    assert 0 <= bounds[0] < bounds[1] <= 1.0


@pytest.mark.parametrize("relation", ["zero_out", "add_remove", "replace_one"])
def test_relations_are_what_they_say(relation):
    # Labels of -1 and 1 differ by two: replacing costs twice what leaving out does.
    def noisy_sum(X, y, seed):
        total = X.T @ (2.0 * y - 1.0) if X.size else np.zeros(X.shape[1])
        rng = np.random.default_rng(seed)
        return total + rng.normal(scale=1.0, size=X.shape[1])

    result = audit(
        noisy_sum, claimed=(6.0, 1e-5), curve="gaussian", relation=relation,
        random_state=0, **SMALL,
    )  # fmt: skip
    # mu = 1 is epsilon 4.4, mu = 2 is 10.1.
    assert result.passed == (relation != "replace_one")
    assert result.epsilon_lower > (6.0 if relation == "replace_one" else 1.5)


def test_worlds_see_records_that_change_the_spread_alone():
    # Objective perturbation with too little curvature does: diffprivlib #10.
    def fit(X, y, seed):
        rng = np.random.default_rng(seed)
        there = np.abs(X[-1]).max() > 1e-3
        return rng.normal(scale=0.1 if there else 1.0, size=1)

    result = audit(fit, claimed=(1.0, 1e-5), method="worlds", random_state=0)
    assert not result.passed, result
    assert result.epsilon_lower > 1.5


def test_release_without_noise_has_no_bound():
    def plain_sum(X, y, seed):
        return X.T @ y + np.arange(X.shape[1])

    result = audit(plain_sum, claimed=1.0, **SMALL)
    assert result.epsilon_lower == np.inf
    assert not result.passed
    assert "no noise" in result.summary()


@pytest.mark.parametrize("method", ["canaries", "worlds"])
def test_release_that_ignores_the_data_gives_nothing_away(method):
    fit = {
        "fixed": lambda X, y, seed: np.arange(X.shape[1], dtype=float),
        "noise": lambda X, y, seed: np.random.default_rng(seed).random(X.shape[1]),
    }
    few = SMALL if method == "canaries" else {"n_fits": 100}
    for name, function in fit.items():
        result = audit(function, claimed=(0.1, 1e-5), method=method, **few)
        assert result.passed, name


def test_number_of_outputs_that_tells_is_found():
    def fit(X, y, seed):
        rng = np.random.default_rng(seed)
        return rng.random(2 + int(np.sum(np.any(X != 0, axis=1))))

    result = audit(fit, claimed=1.0, method="worlds", n_fits=100)
    assert not result.passed
    assert "number of fitted values" in result.notes[0]


class Accountant:
    """Counts what is spent."""

    def __init__(self):
        self.spent = 0

    def __deepcopy__(self, memo):
        return self

    def __sklearn_clone__(self):
        return self


class NoisyMean(ClassifierMixin, BaseEstimator):
    """Class means with Gaussian noise on the sums of rows."""

    def __init__(
        self, epsilon=1.0, std=3.75, accountant=None, seed_of_noise=None,
        random_state=None,
    ):  # fmt: skip
        self.epsilon = epsilon
        self.std = std
        self.accountant = accountant
        self.seed_of_noise = seed_of_noise
        self.random_state = random_state

    def fit(self, X, y):
        if self.accountant is not None:
            self.accountant.spent += 1
        seed = self.random_state if self.seed_of_noise is None else self.seed_of_noise
        rng = np.random.default_rng(seed)
        X = np.nan_to_num(np.asarray(X, dtype=float))
        self.classes_ = np.array([0, 1])
        self.coef_ = X.T @ np.where(y == 1, 1.0, -1.0)
        self.coef_ += rng.normal(scale=self.std, size=X.shape[1])
        return self

    def decision_function(self, X):
        return X @ self.coef_

    def predict(self, X):
        return (self.decision_function(X) > 0).astype(int)


class Stated(NoisyMean):
    """The same, with a record of what it did."""

    def fit(self, X, y):
        super().fit(X, y)
        self.privacy_ = type("Record", (), {})()
        self.privacy_.epsilon, self.privacy_.delta = self.epsilon, 1e-5
        self.privacy_.events = (GaussianEvent(self.std),)
        return self


def test_estimators_are_cloned_and_spend_nothing():
    accountant = Accountant()
    estimator = NoisyMean(accountant=accountant)
    before = estimator.get_params()
    audit(estimator, claimed=(1.0, 1e-5), **SMALL)
    assert accountant.spent == 0
    assert estimator.get_params() == before
    assert not hasattr(estimator, "coef_")


def test_claims_and_curves_come_from_the_record():
    result = audit(Stated(), **SMALL)
    assert (result.curve, result.epsilon_claimed, result.delta) == (
        "gaussian",
        1.0,
        1e-5,
    )
    assert result.passed
    assert not audit(Stated(std=1.0)).passed
    assert audit(Stated(std=1.0), claimed=5.0, **SMALL).delta == 1e-5
    # Without a record any mechanism is possible.
    result = audit(NoisyMean(), claimed=(1.0, 1e-5), **SMALL)
    assert result.curve == "approximate"
    assert audit(NoisyMean(epsilon=3.0), **SMALL).epsilon_claimed == 3.0


def test_pipelines_are_audited_as_a_whole():
    pipeline = make_pipeline(MaxAbsScaler(), Stated(std=1.0))
    assert not audit(pipeline).passed


def test_fixed_seed_inside_an_estimator_is_found():
    result = audit(Stated(seed_of_noise=0), **SMALL)
    assert not result.passed
    assert "seed is fixed inside" in result.notes[0]


def test_seed_of_the_user_is_replaced_and_remarked_upon():
    result = audit(Stated(random_state=5), **SMALL)
    assert result.passed
    assert "random_state=5" in result.notes[0]


def test_not_private_estimators_fail():
    # An unpenalised fit of separable canaries is as sure as a float can be.
    result = audit(LogisticRegression(), claimed=1.0, relation="replace_one", **SMALL)
    assert not result.passed


@pytest.mark.parametrize("method", ["canaries", "worlds"])
def test_same_seed_gives_the_same_audit_on_any_number_of_workers(method):
    few = SMALL if method == "canaries" else {"n_fits": 60}
    results = [
        audit(Stated(), method=method, **few, random_state=3, n_jobs=n_jobs)
        for n_jobs in (None, 2)
    ]
    assert results[0] == results[1]


def test_workers_draw_noise_of_their_own():
    # Without any seed, the processes of a pool must not share the state of one.
    result = audit(Stated(), **SMALL, n_jobs=2)
    assert result.passed
    assert not result.notes


class NoisySpread(TransformerMixin, BaseEstimator):
    """Means of rows in the unit ball with Gaussian noise."""

    def __init__(self, epsilon=1.0, std=3.75, random_state=None):
        self.epsilon = epsilon
        self.std = std
        self.random_state = random_state

    def fit(self, X, y=None):
        rng = np.random.default_rng(self.random_state)
        X = np.asarray(X, dtype=float)
        self.mean_ = (X.sum(axis=0) + rng.normal(scale=self.std, size=X.shape[1])) / 9
        return self


def test_transformers_are_audited_in_two_worlds():
    few = {"claimed": (1.0, 1e-5), "curve": "gaussian", "n_fits": 2000}
    result = audit(NoisySpread(), **few, random_state=0)
    assert result.method == "worlds"
    assert result.passed
    assert not audit(NoisySpread(std=1.0), **few, random_state=0).passed
    with pytest.raises(ValueError, match="use method='worlds'"):
        audit(NoisySpread(), **few, method="canaries")


def test_result_reads_well():
    result = audit(descent(FULL, bug="half the noise"), **GAUSSIAN, random_state=0)
    assert isinstance(result, AuditResult)
    assert "passed=False" in repr(result)
    assert str(result).startswith("FAILED: epsilon is at least")
    assert "0.95 confidence" in result.summary()
    right, wrong = result.guesses
    assert 0.55 < right / (right + wrong) < 0.75


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "x"}, "method must be one of"),
        ({"relation": "x"}, "relation must be one of"),
        ({"curve": "x"}, "curve must be one of"),
        ({"confidence": 1.0}, r"confidence must be a number in \(0, 1\)"),
        ({"n_fits": 1}, "n_fits must be an integer of at least 2 or Non"),
        ({"n_canaries": 7.5}, "n_canaries must be an integer of at least 8 or"),
        ({"norm": 0.0}, "norm must be a positive number or None"),
        ({"claimed": -1.0}, "claimed must be epsilon"),
        ({"claimed": (1.0, 1.0)}, "delta must be in"),
        ({"claimed": 1.0, "curve": "gaussian"}, "needs a positive delta"),
        ({"claimed": None}, "does not say its epsilon"),
        ({"settings": {"a": 1}}, "settings are parameters of an estimator"),
    ],
)
def test_wrong_parameters_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        audit(descent(FULL), **({"claimed": 1.0} | wrong))


def test_other_objects_are_refused():
    with pytest.raises(ValueError, match="must have a method fit"):
        audit("model", claimed=1.0)
    with pytest.raises(ValueError, match="one coordinate for each feature"):
        audit(lambda X, y, seed: np.zeros(3), claimed=1.0, method="canaries")


def test_no_warning_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audit(Stated(random_state=1), **SMALL)


def test_reference_noise_is_that_of_the_accountant():
    from skopt2.solvers.privacy.accounting import epsilon_of

    assert epsilon_of(GaussianEvent(FULL, N_STEPS), 1e-5) == pytest.approx(1, rel=1e-4)
