"""The benchmark of streaming rules measures what it says."""

import pytest

from benchmarks.streaming import PASSES, Problem, run_rule, run_sgd, sgd
from benchmarks.streaming_cases import generated
from skopt2.linear_model import SparseClassifier, SparseRegressor


@pytest.fixture(params=["classification", "regression"])
def problem(request):
    X, y = generated(request.param, bad=False)
    return Problem(X[:1000, :10], y[:1000])


def test_the_excess_is_that_of_the_batch_solver(problem):
    kind = SparseClassifier if problem.classes else SparseRegressor
    exact = kind(alpha=1e-4, tol=1e-9).fit(problem.X, problem.y)
    assert problem.objective(exact.coef_, exact.intercept_) == pytest.approx(
        exact.objective_, rel=1e-9
    )
    assert abs(problem.excess(exact.coef_, exact.intercept_)) < 1e-5
    null = kind(alpha=1e6).fit(problem.X, problem.y)
    assert problem.excess(null.coef_, null.intercept_) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("step", ["dog", "linear"])
def test_figures_of_a_rule(problem, step):
    found, seconds = run_rule(problem, step)
    assert len(found) == len(PASSES)
    assert 0.0 <= found[-1] < found[0]
    assert seconds > 0.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_figures_of_the_peer(problem):
    options = {"eta0": 0.001, "learning_rate": "constant", "average": True}
    found, _ = run_sgd(problem, **options)
    assert found[-1] < found[0]
    # Both minimise one objective: given time, the peer comes to the same minimum.
    model = sgd(problem, max_iter=100, tol=None, **options).fit(problem.X, problem.y)
    assert -1e-6 < problem.excess(model.coef_, model.intercept_) < 0.01
