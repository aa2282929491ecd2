"""ConvergenceDisplay on what transport returns: results, levels, dual objectives."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skopt2.inspection import ConvergenceDisplay
from skopt2.inspection.runs import distances_to_best
from skopt2.transport import (
    MirrorSinkhorn,
    PointCloud,
    SinkhornTransport,
    sinkhorn,
    sinkhorn_divergence,
    wasserstein_barycenter,
)
from tests.inspection.conftest import Fit

rng = np.random.default_rng(0)
X, Y = rng.random((60, 2)), rng.random((50, 2))


@pytest.fixture(scope="module")
def runs():
    """One problem by sweeps and by Newton steps."""
    return {
        solver: sinkhorn(
            None, None, PointCloud(X, Y), 2e-3, solver=solver, tol=1e-9, max_iter=5000
        )
        for solver in ("sinkhorn", "newton")
    }


@pytest.mark.parametrize("x", ["iteration", "seconds"])
def test_one_result(runs, x):
    column = {"iteration": "iteration", "seconds": "time"}[x]
    result = runs["sinkhorn"]
    display = ConvergenceDisplay.from_result(result, x=x)
    (line,) = display.lines_[0]
    np.testing.assert_array_equal(line.get_xdata(), result.history[column])
    np.testing.assert_array_equal(line.get_ydata(), result.history["certificate"])
    assert line.get_ydata()[-1] == result.marginal_error
    assert display.ax_.get_yscale() == "log"
    assert display.ax_.get_ylabel() == "marginal error"
    assert display.ax_.get_xlabel() == x
    assert display.ax_.get_title(loc="left") == (
        f"TransportResult: converged after {result.n_iter} iterations, "
        f"marginal error {result.marginal_error:.1e}"
    )
    assert [text.get_text() for text in display.ax_.texts] == ["tol 1e-09"]


def test_levels_on_the_way_are_dotted(runs):
    display = ConvergenceDisplay.from_results(runs)
    history = runs["newton"].history
    last = history["reg"] == runs["newton"].reg
    assert 0 < last.sum() < last.size
    _, newton = display.lines_[0]
    solid = [line for line in display.ax_.lines if line.get_label() == "_last level"]
    assert len(solid) == 1
    np.testing.assert_array_equal(np.isfinite(solid[0].get_ydata()), last)
    assert solid[0].get_linestyle() == "-" != newton.get_linestyle()
    assert solid[0].get_color() == newton.get_color()
    np.testing.assert_array_equal(newton.get_ydata(), history["certificate"])
    assert display.ax_.get_xlabel() == "iteration, dotted at a larger reg"
    assert display.names == ["sinkhorn", "newton"]


def test_dual_objectives_are_drawn_below_the_highest(runs):
    display = ConvergenceDisplay.from_results(runs, quantity="objective")
    best = max(result.history["objective"].max() for result in runs.values())
    for line, result in zip(display.lines_[0], runs.values(), strict=True):
        distance = best - result.history["objective"]
        drawn = np.isfinite(line.get_ydata())
        assert drawn[0]
        np.testing.assert_allclose(line.get_ydata()[drawn], distance[drawn])
        # Only rounding is left out.
        assert distance[~drawn].max(initial=0.0) < 1e-15
    # Its first check belongs to the largest regularisation, and is the farthest.
    assert display.lines_[0][1].get_ydata()[0] > display.lines_[0][0].get_ydata()[0]


@pytest.mark.parametrize("solver", ["sinkhorn", "newton"])
@pytest.mark.parametrize("mass", [1.0, 7.0])
def test_history_is_in_the_units_of_the_objective(solver, mass):
    a, b = np.full(60, mass / 60), np.full(50, mass / 50)
    cloud = PointCloud(X, Y + 3.0)
    result = sinkhorn(a, b, cloud, 0.05, solver=solver, tol=1e-12)
    level = result.history["reg"]
    np.testing.assert_allclose(result.history["objective"][-1], result.objective)
    # A level is a problem of its own: its dual objective stays below its optimum.
    for reg in np.unique(level):
        best = sinkhorn(a, b, cloud, reg, tol=1e-12).objective
        found = result.history["objective"][level == reg]
        assert (found <= best + 1e-9 * mass).all()
        assert (found >= best - 2.0 * mass * reg).all()


def test_all_that_has_a_history(runs):
    clouds = wasserstein_barycenter([X, Y], reg=0.1, n_support=5, random_state=0)
    fits = {
        "balanced": runs["newton"],
        "unbalanced": sinkhorn(None, None, PointCloud(X, Y), 0.1, reg_marginal=1.0),
        "histograms": wasserstein_barycenter(rng.random((2, 9)), reg=1.0),
        "clouds": clouds,
        "divergence": sinkhorn_divergence(X, Y, 0.1).transport,
        "estimator": SinkhornTransport().fit(X, target=Y),
        "mirror": MirrorSinkhorn(np.eye(3), tol=0.5).fit(),
        "sparse": Fit().fit(),
    }
    display = ConvergenceDisplay.from_estimators(fits)
    assert display.names == list(fits)
    for line, fit in zip(display.lines_[0], fits.values(), strict=True):
        history = fit.history if hasattr(fit, "history") else fit.history_
        np.testing.assert_array_equal(line.get_ydata(), history["certificate"])
    label = display.ax_.get_ylabel()
    assert "marginal error" in label
    assert "fixed-point error" in label


def test_best_is_the_lowest_unless_all_rise():
    up = {"iteration": [1, 2], "objective": [0.0, 1.0]}
    down = {"iteration": [1, 2], "objective": [3.0, 2.0]}
    still = {"iteration": [1], "objective": [0.5]}
    for histories, expected in (
        ([up, still], [[1.0, np.nan], [0.5]]),
        ([up, down], [[np.nan, 1.0], [3.0, 2.0]]),
        ([still], [[np.nan]]),
    ):
        curves = distances_to_best(histories)
        for curve, values in zip(curves, expected, strict=True):
            np.testing.assert_array_equal(curve, values)


def test_a_given_logarithmic_axis_stays_one(runs, figures):
    _, ax = figures.subplots()
    ax.set_xscale("log")
    ConvergenceDisplay.from_results(runs, ax=ax)
    assert ax.get_xscale() == "log"
    assert type(ax.xaxis.get_major_locator()).__name__ == "LogLocator"
    low, high = ax.get_xlim()
    ticks = [t for t in ax.get_xticks() if low <= t <= high]
    assert ticks
    assert set(np.log10(ticks)) <= {0.0, 1.0, 2.0, 3.0, 4.0}


def test_runs_of_one_check():
    start = sinkhorn(None, None, PointCloud(X, Y), 0.1, tol=1e-12)
    again = sinkhorn(None, None, PointCloud(X, Y), 0.1, start=start.potentials)
    assert len(again.history["iteration"]) == 1
    display = ConvergenceDisplay.from_results([start, again], quantity="objective")
    distance = start.history["objective"].max() - start.history["objective"]
    np.testing.assert_allclose(display.lines_[0][0].get_ydata()[0], distance[0])
    assert display.names == ["TransportResult 1", "TransportResult 2"]


def test_what_has_no_history():
    divergence = sinkhorn_divergence(X, Y, 0.1)
    with pytest.raises(TypeError, match="DivergenceResult stands .* attribute trans"):
        ConvergenceDisplay.from_result(divergence)
    with pytest.raises(TypeError, match="ndarray is no estimator: it has no method"):
        ConvergenceDisplay.from_result(np.ones(3))
    stream = MirrorSinkhorn()
    with pytest.raises(NotFittedError, match="This MirrorSinkhorn has no history_"):
        ConvergenceDisplay.from_estimator(stream)
    # A stream keeps no history.
    stream.partial_fit(np.eye(3))
    with pytest.raises(NotFittedError, match="pass an estimator whose fit records it"):
        ConvergenceDisplay.from_estimator(stream)
