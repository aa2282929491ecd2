"""ConvergenceDisplay: what is drawn, labels, scales, errors."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.inspection import ConvergenceDisplay
from tests.inspection.conftest import Fit


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_one_fit():
    fit = Fit().fit()
    display = ConvergenceDisplay.from_estimator(fit)
    (line,) = display.lines_[0]
    np.testing.assert_array_equal(line.get_xdata(), fit.history_["iteration"])
    np.testing.assert_array_equal(line.get_ydata(), fit.history_["certificate"])
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_ylabel() == "relative duality gap"
    assert display.ax_.get_xlabel() == "iteration"
    assert display.figure_ is display.ax_.figure
    assert texts(display.ax_) == ["tol 1e-06"]
    assert display.ax_.get_title(loc="left") == (
        "Fit: converged after 6 iterations, relative duality gap 1.0e-07"
    )


def test_several_fits_are_named_at_their_ends():
    fits = {"first": Fit().fit(), "second": Fit(alpha=2.0).fit()}
    display = ConvergenceDisplay.from_estimators(fits, x="seconds")
    assert {"first", "second"} <= set(texts(display.ax_))
    assert display.ax_.get_xlabel() == "seconds"
    assert display.ax_.get_title(loc="left") == ""
    colors = {line.get_color() for line in display.lines_[0]}
    assert len(colors) == 2


def test_repeated_class_names_are_numbered():
    display = ConvergenceDisplay.from_estimators([Fit().fit(), Fit().fit()])
    assert display.names == ["Fit 1", "Fit 2"]


def test_objective_is_the_distance_to_the_best_of_all():
    first, second = Fit(alpha=1.0).fit(), Fit(alpha=1.5).fit()
    display = ConvergenceDisplay.from_estimators([first, second], quantity="objective")
    best = first.history_["objective"].min()
    low, high = (line.get_ydata() for line in display.lines_[0])
    np.testing.assert_allclose(low[:-1], first.history_["objective"][:-1] - best)
    assert np.isnan(low[-1])
    np.testing.assert_allclose(high, second.history_["objective"] - best)


def test_both_quantities_in_two_panels(figures):
    display = ConvergenceDisplay.from_estimator(Fit().fit(), quantity="both")
    assert len(display.axes_) == 2
    assert display.ax_ is display.axes_[0]
    assert display.axes_[1].get_ylabel() == "distance to the best objective"
    _, axes = figures.subplots(2, 1)
    display.plot(axes, quantity="both", color="red")
    assert display.axes_ == list(axes)
    assert display.lines_[1][0].get_color() == "red"


def test_certificate_of_zero_is_drawn_at_the_edge():
    history = {"iteration": [1, 2, 3], "certificate": [1e-2, 1e-5, 0.0]}
    display = ConvergenceDisplay.from_history(history, tol=1e-4)
    np.testing.assert_allclose(display.lines_[0][0].get_ydata()[-1], 1e-6)


def test_not_finite_values_are_left_out():
    history = {"iteration": [0, 1, 2], "certificate": [np.inf, np.nan, 1e-3]}
    display = ConvergenceDisplay.from_history(history)
    values = display.lines_[0][0].get_ydata()
    np.testing.assert_array_equal(np.isfinite(values), [False, False, True])


def test_history_without_any_check():
    history = {"iteration": [], "time": [], "objective": [], "certificate": []}
    display = ConvergenceDisplay.from_history(history, quantity="both", name="none")
    assert display.lines_[0][0].get_xdata().size == 0


def test_pipeline_and_search_are_unwrapped():
    X, y = np.eye(8), np.arange(8.0)

    class Scored(Fit):
        def score(self, X, y):
            return -self.alpha

    pipeline = make_pipeline(StandardScaler(), Scored())
    search = GridSearchCV(pipeline, {"scored__alpha": [1.0, 3.0]}, cv=2).fit(X, y)
    display = ConvergenceDisplay.from_estimator(search)
    assert display.names == ["Scored"]
    assert display.histories[0]["certificate"][0] == 1e-2


def test_given_axes_and_name_and_style(figures):
    _, ax = figures.subplots()
    display = ConvergenceDisplay.from_estimator(
        Fit().fit(), ax=ax, name="mine", linewidth=5
    )
    assert display.ax_ is ax
    assert display.lines_[0][0].get_linewidth() == 5
    assert ax.get_title(loc="left").startswith("mine: ")


def test_errors(figures):
    fit = Fit().fit()
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(Fit())
    with pytest.raises(ValueError, match="quantity must be one of 'certificate'"):
        ConvergenceDisplay.from_estimator(fit, quantity="gap")
    with pytest.raises(ValueError, match="x must be one of 'iteration', 'seconds'"):
        ConvergenceDisplay.from_estimator(fit, x="time")
    _, ax = figures.subplots()
    with pytest.raises(ValueError, match=r"draws 2 panel\(s\) here and needs as many"):
        ConvergenceDisplay.from_estimator(fit, quantity="both", ax=ax)
