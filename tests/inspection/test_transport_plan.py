"""TransportPlanDisplay: the matrix, the lines, and how far the mass is spread."""

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from skopt2.inspection import TransportPlanDisplay
from skopt2.transport import MirrorSinkhorn, sinkhorn

PLAN = np.array([[0.3, 0.1, 0.0], [0.0, 0.2, 0.4]])
SOURCE = np.array([[0.0, 0.0], [1.0, 0.0]])
TARGET = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])


class Moved(BaseEstimator):
    """An estimator with a plan."""

    def fit(self, X=None, y=None):
        self.plan_ = PLAN
        return self


def segments(display):
    (lines,) = display.ax_.collections[:1]
    return {tuple(map(tuple, segment)) for segment in lines.get_segments()}


def test_a_matrix():
    display = TransportPlanDisplay.from_plan(PLAN, name="two to three")
    (image,) = display.ax_.images
    np.testing.assert_array_equal(image.get_array(), PLAN)
    assert display.ax_.get_xlabel() == "target"
    assert display.ax_.get_title(loc="left").startswith("two to three: a unit of mass")


def test_lines_join_what_the_plan_joins():
    display = TransportPlanDisplay.from_plan(
        PLAN, source=SOURCE, target=TARGET, share=1.0
    )
    expected = {
        (tuple(SOURCE[i]), tuple(TARGET[j])) for i, j in np.argwhere(PLAN > 0).tolist()
    }
    assert segments(display) == expected


def test_lines_hold_the_share_of_the_mass():
    display = TransportPlanDisplay.from_plan(
        PLAN, source=SOURCE, target=TARGET, share=0.7
    )
    # 0.4 and 0.3 are the first two entries, and hold exactly 0.7 of it.
    assert segments(display) == {((1.0, 0.0), (2.0, 1.0)), ((0.0, 0.0), (0.0, 1.0))}


def test_spread_of_maps_and_of_products():
    assert TransportPlanDisplay(np.eye(4)[[2, 0, 1, 3]] / 4).effective_targets == 1.0
    product = np.full((3, 5), 1 / 15)
    assert TransportPlanDisplay(product).effective_targets == pytest.approx(5.0)
    # A row without mass sends nothing anywhere.
    empty = TransportPlanDisplay(np.array([[0.0, 0.0], [0.5, 0.5]]))
    assert empty.effective_targets == pytest.approx(2.0)
    assert TransportPlanDisplay(np.zeros((2, 2))).effective_targets == 0.0


def test_from_a_result_and_an_estimator():
    cost = ((SOURCE[:, None] - TARGET[None]) ** 2).sum(axis=2)
    result = sinkhorn(None, None, cost, 0.5)
    display = TransportPlanDisplay.from_result(result)
    np.testing.assert_array_equal(display.plan, result.plan)
    assert display.ax_.get_title(loc="left").startswith("reg 0.5: ")
    assert TransportPlanDisplay.from_estimator(Moved().fit()).name == "Moved"
    with pytest.raises(NotFittedError):
        TransportPlanDisplay.from_estimator(Moved())
    mirror = MirrorSinkhorn(cost, tol=0.5).fit()
    display = TransportPlanDisplay.from_estimator(mirror)
    np.testing.assert_array_equal(display.plan, mirror.plan_)
    named = TransportPlanDisplay.from_result(SimpleNamespace(plan=PLAN), name="mine")
    assert named.name == "mine"


def test_given_axes(figures):
    _, ax = figures.subplots()
    display = TransportPlanDisplay.from_plan(PLAN, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"kind": "arrows"}, "kind must be one of"),
        ({"kind": "lines"}, "needs the points"),
        ({"share": 0.0}, r"share must be in \(0, 1\]"),
        ({"source": SOURCE.T[:1]}, r"source must have shape \(2, 2\)"),
        ({"source": SOURCE, "target": SOURCE}, r"target must have shape \(3, 2\)"),
    ],
)
def test_bad_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        TransportPlanDisplay.from_plan(PLAN, **arguments)
    with pytest.raises(ValueError, match=r"plan must have shape \(n, m\)"):
        TransportPlanDisplay.from_plan(PLAN[0])
