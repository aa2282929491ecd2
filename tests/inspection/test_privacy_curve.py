"""PrivacyCurveDisplay: what it fits, what it refuses, and what it draws."""

import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skopt2.inspection import PrivacyCurveDisplay
from skopt2.privacy import DPLogisticClassifier, PrivacyLeakWarning

X = np.linspace(-1.0, 1.0, 40)[:, None]
Y = 2.0 * X[:, 0]
LABELS = np.arange(40) % 2


class NoisyMean(RegressorMixin, BaseEstimator):
    """Predicts noise of standard deviation 1 / epsilon, and says that it leaks."""

    def __init__(
        self, epsilon=1.0, random_state=None, accountant=None, noise_multiplier=None
    ):
        self.epsilon = epsilon
        self.random_state = random_state
        self.accountant = accountant
        self.noise_multiplier = noise_multiplier

    def fit(self, X, y):
        if self.random_state is not None:
            warnings.warn("a seed", PrivacyLeakWarning, stacklevel=2)
        self.value_ = np.random.default_rng(self.random_state).normal() / self.epsilon
        return self

    def predict(self, X):
        return np.full(len(X), self.value_)


class Share(ClassifierMixin, BaseEstimator):
    """A classifier that scores min(epsilon / 10, 1)."""

    def __init__(self, epsilon=1.0):
        self.epsilon = epsilon

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return min(self.epsilon / 10.0, 1.0)


def value_of(estimator, X, y):
    return estimator.value_


def rows_of(estimator, X, y):
    return X.sum()


def labels(ax):
    return [text.get_text() for text in ax.texts]


def draw(*arguments, **parameters):
    with pytest.warns(PrivacyLeakWarning, match="neither it nor a parameter"):
        return PrivacyCurveDisplay.from_estimator(*arguments, **parameters)


def test_scores_belong_to_their_budgets():
    display = draw(Share(), X, LABELS, epsilons=[8.0, 0.5, 2.0], cv=4, n_repeats=1)
    assert display.scores["Share"].shape == (3, 4)
    line = display.lines_["Share"]
    np.testing.assert_array_equal(line.get_xdata(), [0.5, 2.0, 8.0])
    np.testing.assert_allclose(line.get_ydata(), [0.05, 0.2, 0.8])
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlim() == (0.5, 8.0)
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["0.5", "2", "8"]
    assert display.ax_.get_ylabel() == "accuracy"


def test_every_fit_has_noise_of_its_own():
    # Also where the estimator holds a seed, with which all would be equal.
    for state in (None, 0):
        display = draw(
            NoisyMean(random_state=3),
            X,
            Y,
            epsilons=[1.0, 2.0],
            cv=3,
            n_repeats=4,
            scoring=value_of,
            random_state=state,
        )
        assert display.scores["NoisyMean"].shape == (2, 12)
        assert np.unique(display.scores["NoisyMean"]).size == 24


def test_seed_repeats_the_curve_in_any_number_of_workers():
    def scores(state, n_jobs=None):
        with parallel_config(backend="threading"):
            display = draw(
                NoisyMean(),
                X,
                Y,
                epsilons=[1.0],
                scoring=value_of,
                random_state=state,
                n_jobs=n_jobs,
            )
        return display.scores["NoisyMean"]

    filters = list(warnings.filters)
    once = scores(5)
    np.testing.assert_array_equal(scores(5, n_jobs=2), once)
    assert not np.isin(scores(6), once).any()
    # Threads have left the filters of warnings as they were.
    assert warnings.filters == filters


def test_all_estimators_see_the_same_splits():
    with pytest.warns(PrivacyLeakWarning, match="of 24 fits"):
        display = PrivacyCurveDisplay.from_estimators(
            {"a": NoisyMean(), "b": NoisyMean()},
            X,
            Y,
            epsilons=[1.0, 2.0],
            cv=ShuffleSplit(3, random_state=0),
            n_repeats=2,
            scoring=rows_of,
            baseline=LinearRegression(),
        )
    tests = display.baselines["not private"]
    assert np.unique(tests).size == 3
    for name in "ab":
        np.testing.assert_array_equal(display.scores[name], [[*tests, *tests]] * 2)


def test_warns_once_for_all_fits():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PrivacyCurveDisplay.from_estimator(
            NoisyMean(), X, Y, epsilons=[1.0], random_state=0
        )
    (one,) = [w for w in caught if issubclass(w.category, PrivacyLeakWarning)]
    assert "10 fits to the same rows" in str(one.message)
    # At the line of the user.
    assert one.filename == __file__


def test_budget_inside_a_pipeline_and_a_search():
    pipeline = make_pipeline(StandardScaler(), NoisyMean())
    display = draw(pipeline, X, Y, epsilons=[1.0, 1e6], random_state=0)
    assert list(display.lines_) == ["NoisyMean"]
    # At a large budget the noise is gone and the prediction is 0.
    folds = KFold(5).split(X)
    plain = [
        1 - (Y[t] ** 2).sum() / ((Y[t] - Y[t].mean()) ** 2).sum() for _, t in folds
    ]
    np.testing.assert_allclose(
        display.scores["NoisyMean"][1], [*plain, *plain], rtol=1e-4, atol=1e-9
    )
    assert display.ax_.get_ylabel() == "R2"
    assert pipeline[-1].epsilon == 1.0
    search = GridSearchCV(Share(), {}, cv=2)
    display = draw(search, X, LABELS, epsilons=[1.0, 2.0])
    np.testing.assert_allclose(display.lines_["Share"].get_ydata(), [0.1, 0.2])


def test_private_estimator_gets_better_with_its_budget():
    data, target = load_breast_cancer(return_X_y=True)
    model = DPLogisticClassifier(
        classes=[0, 1], bounds=(0.0, 1.2 * data.max(axis=0)), random_state=3
    )
    pipeline = make_pipeline(FunctionTransformer(), model)
    display = draw(pipeline, data, target, epsilons=[1e-3, 100.0], cv=3, random_state=0)
    poor, good = display.scores["DPLogisticClassifier"]
    assert np.unique(poor).size == 6
    assert good.min() > 0.85 > poor.mean()


def test_several_budgets_need_a_name():
    pipeline = Pipeline([("a", Share()), ("b", Share())])
    with pytest.raises(ValueError, match=r"several budgets, \['a__epsilon', 'b__eps"):
        PrivacyCurveDisplay.from_estimator(pipeline, X, LABELS)
    search = GridSearchCV(NoisyMean(), {"noise_multiplier": [None]}, cv=2)
    name = "estimator__epsilon"
    display = draw(search, X, Y, epsilons=[1.0], param=name, name="a name")
    assert list(display.lines_) == ["a name"]
    with pytest.raises(ValueError, match="param='c__epsilon' is not a parameter of Pi"):
        PrivacyCurveDisplay.from_estimator(pipeline, X, LABELS, param="c__epsilon")


def test_shared_accountant_is_refused_before_any_fit():
    class Accountant:
        def __bool__(self):
            # An object of length 0, say, is an accountant all the same.
            return False

    class Unfit(NoisyMean):
        def fit(self, X, y):
            raise AssertionError("must not be reached")

    pipeline = make_pipeline(StandardScaler(), Unfit(accountant=Accountant()))
    words = r"unfit__accountant is a shared accountant, and the curve takes 70 fits"
    with pytest.raises(ValueError, match=words):
        PrivacyCurveDisplay.from_estimator(pipeline, X, Y)


def test_noise_multiplier_that_overrules_epsilon_is_refused():
    with pytest.raises(
        ValueError, match=r"noise_multiplier=2.0 takes the place of eps"
    ):
        PrivacyCurveDisplay.from_estimator(NoisyMean(noise_multiplier=2.0), X, Y)


def test_errors_of_a_fit_are_not_hidden():
    class Broken(NoisyMean):
        def fit(self, X, y):
            raise ArithmeticError("why it failed")

    with pytest.raises(ArithmeticError, match="why it failed"):
        draw(Broken(), X, Y)


@pytest.mark.parametrize("epsilons", [[0.0], [-1.0, 1.0], [np.inf], [np.nan]])
def test_budgets_must_have_a_place_on_the_axis(epsilons):
    with pytest.raises(ValueError, match="epsilons must be positive and finite"):
        PrivacyCurveDisplay.from_estimator(Share(), X, LABELS, epsilons=epsilons)
    with pytest.raises(ValueError, match="epsilons must be positive and finite"):
        PrivacyCurveDisplay.from_scores(epsilons, np.zeros(len(epsilons)))


def test_other_errors():
    with pytest.raises(ValueError, match="LinearRegression has no parameter epsilon"):
        PrivacyCurveDisplay.from_estimator(LinearRegression(), X, Y)
    with pytest.raises(ValueError, match=r"sequence of numbers, got shape \(0,\)"):
        PrivacyCurveDisplay.from_scores([], [])
    for n_repeats in (0, 1.5):
        with pytest.raises(ValueError, match="n_repeats must be a positive integer"):
            PrivacyCurveDisplay.from_estimator(Share(), X, LABELS, n_repeats=n_repeats)
    with pytest.raises(ValueError, match=r"scores of 'a' must have one row for each"):
        PrivacyCurveDisplay.from_scores([1.0, 2.0], {"a": [[0.1, 0.2]]})
    with pytest.raises(ValueError, match=r"band must be a share in \(0, 1\], or None"):
        PrivacyCurveDisplay.from_scores([1.0], [1.0], band=80)


def test_baselines_are_estimators_or_scores():
    display = draw(
        Share(),
        X,
        LABELS,
        epsilons=[1.0, 2.0],
        baseline={"largest class": DummyClassifier(), "known": 0.9},
    )
    heights = {name: line.get_ydata() for name, line in display.baseline_lines_.items()}
    assert heights == {"largest class": [0.5, 0.5], "known": [0.9, 0.9]}
    assert set(labels(display.ax_)) == {"Share", "largest class", "known"}


def test_band_holds_its_share_of_the_fits():
    scores = np.arange(22.0).reshape(2, 11)
    display = PrivacyCurveDisplay.from_scores([1.0, 2.0], scores)
    (band,) = display.ax_.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((1.0, 20.0))
    words = display.ax_.get_title(loc="left")
    assert words == "means of 11 fits, bands hold 80% of them"
    display = PrivacyCurveDisplay.from_scores([1.0, 2.0], scores, band=None)
    assert len(display.ax_.collections) == 0
    assert display.ax_.get_title(loc="left") == "means of 11 fits"


def test_one_score_a_budget_has_no_band():
    display = PrivacyCurveDisplay.from_scores(
        [2.0, 1.0], [0.7, 0.6], baseline=[0.8, 1.0], score_name="recall"
    )
    assert len(display.ax_.collections) == 0
    assert display.ax_.get_title(loc="left") == ""
    assert display.ax_.get_ylabel() == "recall"
    np.testing.assert_array_equal(display.lines_["private"].get_ydata(), [0.6, 0.7])
    assert display.baseline_lines_["not private"].get_ydata()[0] == pytest.approx(0.9)


def test_picture_says_that_it_is_not_private():
    display = draw(Share(), X, LABELS, epsilons=[1.0, 2.0])
    words = display.ax_.get_title(loc="left")
    assert words == "means of 10 fits, bands hold 80% of them, not private itself"


def test_labels_are_at_the_ends_and_do_not_overlap():
    curves = {name: [0.1, 0.9 + 1e-4 * i] for i, name in enumerate("abcd")}
    display = PrivacyCurveDisplay.from_scores([1.0, 2.0], curves, baseline=0.9)
    assert labels(display.ax_) == [*"abcd", "not private"]
    display.figure_.canvas.draw()
    boxes = sorted(
        (text.get_window_extent() for text in display.ax_.texts), key=lambda b: b.y0
    )
    assert all(a.y1 <= b.y0 + 1 for a, b in zip(boxes[:-1], boxes[1:], strict=True))
    colors = {line.get_color() for line in display.lines_.values()}
    assert len(colors) == 4


def test_single_curve_needs_no_label():
    display = PrivacyCurveDisplay.from_scores([1.0, 2.0], [0.1, 0.2])
    assert labels(display.ax_) == []


def test_single_budget():
    display = PrivacyCurveDisplay.from_scores([1.0], [[0.1, 0.2]])
    display.figure_.canvas.draw()
    assert display.lines_["private"].get_ydata() == pytest.approx([0.15])


def test_many_budgets_keep_the_ticks_of_the_logarithm():
    epsilons = np.geomspace(0.1, 10.0, 30)
    display = PrivacyCurveDisplay.from_scores(epsilons, epsilons)
    assert len(display.ax_.get_xticks()) < 10


def test_given_axes_and_style(figures):
    _, axes = figures.subplots(1, 2)
    display = PrivacyCurveDisplay.from_scores(
        [1.0, 2.0], [0.1, 0.2], ax=axes[0], linewidth=4, color="k"
    )
    assert display.ax_ is axes[0]
    assert display.figure_ is axes[0].figure
    line = display.lines_["private"]
    assert (line.get_linewidth(), line.get_color()) == (4, "k")
    with pytest.raises(ValueError, match=r"draws 1 panel\(s\)"):
        PrivacyCurveDisplay.from_scores([1.0], [0.1], ax=axes)
