"""SupportDisplay: found, missed, false; layouts, names, targets."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skopt2.inspection import SupportDisplay
from tests.inspection.conftest import Fit

COEF = np.array([0.0, 1.5, -0.5, 0.0, 2.0])
TRUE = np.array([1.0, 2.0, 0.0, 0.0, 2.5])


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_counts_and_summary():
    display = SupportDisplay.from_coef(COEF, coef_true=TRUE, name="lasso")
    assert display.found.tolist() == [1, 4]
    assert display.missed.tolist() == [0]
    assert display.false.tolist() == [2]
    assert display.ax_.get_title(loc="left") == "lasso: 2 of 3 found, 1 missed, 1 false"


def test_rows_are_named_and_ordered_by_size():
    display = SupportDisplay.from_coef(
        COEF, coef_true=TRUE, feature_names=list("abcde")
    )
    assert rows(display.ax_) == ["e", "b", "a", "c"]
    low, high = display.ax_.get_ylim()
    assert low > high


def test_markers_are_the_values():
    display = SupportDisplay.from_coef(COEF, coef_true=TRUE)
    drawn = {
        line.get_label(): sorted(line.get_xdata().tolist())
        for line in display.ax_.lines
        if not line.get_label().startswith("_")
    }
    assert drawn == {
        "estimate": [1.5, 2.0],
        "false positive": [-0.5],
        "truth": [2.0, 2.5],
        "missed": [1.0],
    }
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["estimate", "false positive", "truth", "missed"]


def test_without_a_truth_there_is_no_legend():
    display = SupportDisplay.from_estimator(Fit().fit())
    assert display.ax_.get_legend() is None
    assert display.ax_.get_title(loc="left") == "Fit: 2 of 4 features"
    assert rows(display.ax_) == ["x1", "x2"]


def test_names_of_the_fit():
    import pandas as pd

    fit = Fit().fit(pd.DataFrame(np.zeros((2, 4)), columns=[*"abcd"]))
    assert rows(SupportDisplay.from_estimator(fit).ax_) == ["b", "c"]
    renamed = SupportDisplay.from_estimator(fit, feature_names=[*"wxyz"])
    assert rows(renamed.ax_) == ["x", "y"]


def test_long_vectors_are_drawn_over_the_index():
    coef = np.zeros(500)
    coef[::5] = 1.0
    display = SupportDisplay.from_coef(coef)
    assert display.ax_.get_xlabel() == "feature"
    named = SupportDisplay.from_coef(coef, layout="names", max_features=7)
    assert len(rows(named.ax_)) == 7
    assert named.ax_.get_title(loc="left") == "100 of 500 features (7 largest shown)"


def test_several_targets():
    coef = np.array([[3.0, 0.0, 1.0], [4.0, 0.0, 0.0]])
    display = SupportDisplay.from_coef(coef, coef_true=coef)
    np.testing.assert_allclose(display.coef, [5, 0, 1])
    assert SupportDisplay.from_coef(coef, target=1).found.tolist() == [0]
    assert SupportDisplay.from_coef(coef[:1]).coef.tolist() == [3, 0, 1]


@pytest.mark.parametrize("layout", ["names", "index"])
def test_empty_model(layout):
    display = SupportDisplay.from_coef(np.zeros(4), layout=layout)
    display.figure_.canvas.draw()
    assert display.found.size == 0


def test_given_axes_and_style(figures):
    _, ax = figures.subplots()
    display = SupportDisplay.from_coef(COEF, ax=ax, layout="index", marker="s")
    assert display.ax_ is ax
    assert {
        line.get_marker() for line in ax.lines if line.get_label() == "estimate"
    } == {"s"}


def test_errors():
    with pytest.raises(NotFittedError):
        SupportDisplay.from_estimator(Fit())
    with pytest.raises(ValueError, match="layout must be one of 'auto', 'names'"):
        SupportDisplay(COEF).plot(layout="rows")
    with pytest.raises(ValueError, match=r"coef must have shape \(n_features,\)"):
        SupportDisplay(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"coef_true must have the shape \(5,\) of co"):
        SupportDisplay(COEF, coef_true=TRUE[:2])
