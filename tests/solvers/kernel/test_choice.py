"""Which algorithm "auto" starts with, and when it goes over to the other."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skopt2._core.result import StopReason
from skopt2.kernels import Gaussian, KernelOperator, Matern, Precomputed
from skopt2.solvers.kernel import choice, solve
from skopt2.solvers.kernel.choice import Plan, choose
from skopt2.solvers.kernel.solve import solve_kernel_system
from skopt2.solvers.kernel.system import KernelSystem
from skopt2.solvers.kernel.trial import Trial
from tests.solvers.kernel.dense_operator import DenseOperator, matern_matrix

N = 200


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, 5))


def operator(X, **options):
    return KernelOperator(Matern(length_scale=1.0, nu=1.5), X, **options)


@pytest.fixture
def rates(monkeypatch):
    """Rates of an imagined machine, of which a test changes the first."""
    found = {"flops": 1e12, "entry": 1e-9, "kept": 1e-10}
    monkeypatch.setattr(choice, "SMALL", 10)
    monkeypatch.setattr(choice, "factorisation_rate", lambda *_: found["flops"])
    monkeypatch.setattr(
        choice,
        "seconds_per_entry",
        lambda system, kept=False: found["kept" if kept else "entry"],
    )
    return found


def test_predicted_times_decide(X, rng, rates):
    system = KernelSystem(operator(X), rng.standard_normal((N, 1)), 0.3)
    assert choose(system, tol=1e-3) == Plan("cholesky")
    rates["flops"] = 1e8
    plan = choose(system, tol=1e-3)
    assert (plan.solver, plan.keep) == ("sap", True)
    # Two passes and n^3 / 3 operations.
    assert_allclose(plan.seconds, 2e-9 * N**2 + N**3 / 3 / 1.4e8)
    # Digits cost the direct solution nothing.
    rates["kept"] = 1e-9
    rates["flops"] = 4e9
    assert choose(system, tol=1e-1).solver == "sap"
    assert choose(system, tol=1e-12).solver == "cholesky"


def test_memory_decides(X, rng, rates):
    rates["flops"] = 1e8
    Y = rng.standard_normal((N, 1))
    system = KernelSystem(operator(X, budget=N * N * 4), Y, 0.3)
    # No factor in float64, and one in float32 beside no matrix.
    assert choose(system, tol=1e-3) == Plan("sap")
    plan = choose(system, tol=1e-3, single=True)
    assert plan.seconds > 0.0
    assert not plan.keep
    stored = KernelSystem(operator(X, store=True), Y, 0.3)
    assert not choose(stored, tol=1e-3).keep
    given = KernelSystem(DenseOperator(matern_matrix(X)), Y, 0.3)
    assert not choose(given, tol=1e-3).keep


def test_rates_are_positive_and_kept(X):
    rate = choice.factorisation_rate(X, True)
    assert 1e8 < rate < 1e15
    assert choice.factorisation_rate(X, True) == rate
    system = KernelSystem(operator(X), X[:, :1], 0.3)
    assert 1e-12 < choice.seconds_per_entry(system) < 1e-4
    assert 1e-13 < choice.seconds_per_entry(system, kept=True) < 1e-4


@pytest.fixture
def clock(monkeypatch):
    """A clock that only tests move."""
    now = {"value": 100.0}
    fake = SimpleNamespace(perf_counter=lambda: now["value"])
    monkeypatch.setattr("skopt2.solvers.kernel.trial.time", fake)
    return now


def watch(clock, levels, seconds, *, pace=math.inf, tol=1e-3, **options):
    """Return the epoch, of a second, after which a trial gives up, or None."""
    trial = Trial(seconds, tol, **options)
    engine = SimpleNamespace(pace=pace)
    for epoch, level in enumerate(levels, start=1):
        trial.begin(epoch)
        clock["value"] += 1.0
        state = SimpleNamespace(n_epochs=float(epoch))
        if trial.end(epoch, engine, state, SimpleNamespace(value=level), None):
            assert trial.given_up
            return epoch
    assert not trial.given_up
    return None


def test_a_trial_is_given_up_where_it_cannot_win(clock):
    # Half the residual an epoch: 10 epochs, 14 with the allowance and the measure.
    fast = 0.5 ** np.arange(1, 11)
    assert watch(clock, fast, seconds=15.0) is None
    # Hopeless from the first rate on, and where the residual falls more slowly later.
    assert watch(clock, fast, seconds=9.0) == 2
    slower = np.r_[fast[:6], fast[5] * 0.8 ** np.arange(1, 14)]
    assert watch(clock, slower, seconds=30.0) is None
    assert watch(clock, slower, seconds=20.0) == 8
    assert watch(clock, slower, seconds=20.0, pace=0.5) is None
    # Residuals that fall no longer are given up at once, however near they are.
    stuck = np.r_[fast[:6], np.full(20, fast[5])]
    assert watch(clock, stuck, seconds=30.0) == 8
    assert watch(clock, np.r_[fast[:6], 9e-4], seconds=30.0) is None


def test_a_trial_knows_deadlines_and_other_monitors(clock):
    slow = 0.8 ** np.arange(1, 31)
    assert watch(clock, slow, seconds=20.0) == 2
    # With no time left for the other solution an unfinished one is better.
    deadline = clock["value"] + 20.0
    assert watch(clock, slow, seconds=20.0, deadline=deadline) is None
    calls = []
    inner = SimpleNamespace(
        begin=calls.append, end=lambda iteration, *_: iteration == 3
    )
    trial = Trial(1e9, 1e-3, inner=inner)
    engine, measure = SimpleNamespace(pace=1.0), SimpleNamespace(value=0.9)
    for t in (1, 2, 3):
        trial.begin(t)
        clock["value"] += 1.0
        state = SimpleNamespace(n_epochs=float(t))
        assert trial.end(t, engine, state, measure, None) == (t == 3)
    assert calls == [1, 2, 3]
    assert not trial.given_up


@pytest.fixture
def planned(monkeypatch):
    """Let the choice be a given plan."""
    found = {}
    monkeypatch.setattr(solve, "choose", lambda *_, **__: found["plan"])
    return found


def run(K, Y, **options):
    options = {"tol": 1e-6, "rng": 3, "batch_size": 40} | options
    return solve_kernel_system(K, Y, 0.3, **options)


@pytest.mark.parametrize("keep", [False, True])
def test_a_trial_that_wins_is_that_algorithm(X, rng, planned, keep):
    Y = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e9, keep)
    K = operator(X)
    result = run(K, Y)
    alone = run(operator(X), Y, solver="sap")
    assert result.solution.solver == "sap"
    assert result.reason is StopReason.CONVERGED
    assert_allclose(result.solution.a, alone.solution.a, rtol=1e-9)
    assert result.n_iter == alone.n_iter
    assert not K.stored


@pytest.mark.parametrize("keep", [False, True])
def test_a_trial_that_loses_is_followed_by_the_factor(X, rng, planned, keep):
    Y = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e-12, keep)
    K = operator(X)
    result = run(K, Y)
    assert result.solution.solver == "cholesky"
    assert result.reason is StopReason.CONVERGED
    assert result.certificate.name == "relative residual"
    expected = np.linalg.solve(matern_matrix(X) + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, rtol=1e-9, atol=1e-10)
    history = result.history.as_dict()
    assert (np.diff(history["iteration"]) > 0).all()
    assert (np.diff(history["time"]) > 0).all()
    assert_array_equal(np.floor(history["n_epochs"]), [1, 2, 3])
    assert result.solution.n_epochs == history["n_epochs"][-1]
    assert result.n_iter == history["iteration"][-1] == 11
    assert not K.stored


def test_a_matrix_that_was_given_stays_what_it_was(X, rng, planned):
    Y, matrix = rng.standard_normal((N, 2)), matern_matrix(X)
    before = matrix.copy()
    planned["plan"] = Plan("sap", 1e-12, True)
    K = KernelOperator(Precomputed(), matrix)
    assert run(K, Y).solution.solver == "cholesky"
    assert_array_equal(matrix, before)
    assert K.stored


def test_the_factor_of_a_kept_matrix_agrees_on_devices(X, rng, planned, device_backend):
    Y = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e-12, True)
    here = run(operator(X), Y)
    there = run(operator(device_backend.asarray(X)), device_backend.asarray(Y))
    assert there.solution.solver == "cholesky"
    a = device_backend.to_numpy(there.solution.a)
    assert_allclose(a, here.solution.a, rtol=1e-7, atol=1e-9)


def test_float32_factors_of_a_kept_float64_matrix(X, rng, planned, monkeypatch):
    monkeypatch.setattr("skopt2.solvers.kernel.cholesky.FEW", 1)
    Y = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e-12, True)
    result = run(operator(X), Y, tol=1e-12)
    assert result.reason is StopReason.CONVERGED
    assert result.solution.n_epochs > 3.0
    expected = np.linalg.solve(matern_matrix(X) + 0.3 * np.eye(N), Y)
    assert_allclose(result.solution.a, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("limit", ["epochs", "rounding"])
def test_what_ends_sketch_and_project_does_not_end_auto(rng, planned, limit):
    """As before there were trials, the direct solution is what remains."""
    X = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e9)
    Y = np.sin(X[:, :1])
    if limit == "epochs":
        options = {"max_epochs": 2, "tol": 1e-8}
    else:
        X, Y, options = X.astype(np.float32), Y.astype(np.float32), {"tol": 1e-9}
    K = KernelOperator(Gaussian(length_scale=1.0), X)
    ended = run(K, Y, solver="sap", **options)
    assert ended.reason.value == {"epochs": "max_iter", "rounding": "stalled"}[limit]
    result = run(K, Y, **options)
    assert result.solution.solver == "cholesky"
    assert result.certificate.value < ended.certificate.value
    late = run(K, Y, time_limit=10.0, **options)
    assert late.solution.solver == "sap"


class Interrupt(Exception):
    pass


class Breaks:
    """A monitor that saves a checkpoint at a measure and breaks off."""

    def __init__(self, at):
        self.at, self.count, self.saved = at, 0, None

    def begin(self, iteration):
        pass

    def end(self, iteration, solver, state, measure, history):
        self.count += 1
        if self.count == self.at:
            packed = {
                key: np.array(value) if isinstance(value, np.ndarray) else value
                for key, value in solver.pack(state).items()
            }
            history = history.as_dict()
            self.saved = {"state": packed, "n_iter": iteration, "history": history}
            raise Interrupt


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_trial_goes_on(X, rng, planned, at):
    Y = rng.standard_normal((N, 2))
    planned["plan"] = Plan("sap", 1e-12, True)
    whole = run(operator(X), Y, tol=0.0)
    monitor = Breaks(at)
    with pytest.raises(Interrupt):
        run(operator(X), Y, tol=0.0, monitor=monitor)
    assert monitor.saved["state"]["solver"] == ("cholesky" if at == 3 else "sap")
    rest = run(operator(X), Y, tol=0.0, resume=monitor.saved)
    assert rest.solution.solver == "cholesky"
    assert rest.reason is StopReason.STALLED
    assert_allclose(rest.solution.a, whole.solution.a, rtol=1e-9, atol=1e-12)
    # A rate takes two epochs from where the trial started, or started again.
    assert rest.n_iter >= whole.n_iter
    assert math.isfinite(rest.solution.n_epochs)
    # A checkpoint of an algorithm that was asked for is not on trial.
    if at < 3:
        named = run(operator(X), Y, solver="sap", resume=monitor.saved, max_epochs=9)
        assert named.solution.solver == "sap"
