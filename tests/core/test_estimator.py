"""The base of the estimators, on a ridge regression fitted by gradient descent."""

import copy
import pickle
import timeit
import warnings

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning, SkipTestWarning
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from skopt2._core import cuda
from skopt2._core.array import to_numpy
from skopt2._core.monitor import Monitor
from skopt2._core.result import Certificate, History, Result, StopReason
from skopt2._core.validation import check_fit_input
from tests import toy_ridge
from tests.stand_in import DEVICES
from tests.toy_ridge import NAME, GradientDescent, ToyRidge


class Recorder:
    """A callback that keeps what its hooks were given."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.calls = []
        self.models = []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, metadata=None):
        self.calls.append(("begin", context.task_name))
        self.X, self.metadata = X, metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(("end", context.task_name))
        if context.task_name == "iteration":
            self.models.append(fitted_estimator)
        return len(self.models) == self.stop_at

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))


class Resume:
    """A callback that puts a checkpoint where a fit looks for it."""

    def __init__(self, payload):
        self.payload = payload

    def setup(self, estimator, context):
        estimator._resume = copy.deepcopy(self.payload)

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


@pytest.fixture
def data(rng):
    X = rng.standard_normal((30, 4))
    return X, X @ [1.0, -2.0, 0.0, 0.5] + 0.1 * rng.standard_normal(30)


@pytest.fixture
def ridge(data):
    X, y = data
    return np.linalg.solve(X.T @ X / 30 + 0.1 * np.eye(4), X.T @ y / 30)


def test_fitted_attributes(data, ridge):
    model = ToyRidge().fit(*data)
    assert_allclose(model.coef_, ridge, atol=1e-5)
    assert model.converged_ is True
    assert model.stop_reason_ == "converged"
    assert type(model.stop_reason_) is str
    assert 1 <= model.n_iter_ < 500
    assert model.certificate_.holds
    assert str(model.certificate_).startswith("relative gradient")
    assert type(model.objective_) is float
    assert np.isnan(model.dual_gap_)
    assert model.device_ == "cpu"
    assert model.n_features_in_ == 4
    assert list(model.history_) == [
        "iteration",
        "time",
        "objective",
        "certificate",
        "size",
    ]
    assert len(model.history_["objective"]) == model.n_iter_
    assert not hasattr(model, "_solver_state")


def test_nothing_of_the_fit_stays_behind(data):
    model = ToyRidge().set_callbacks(Recorder()).fit(*data)
    private = {name for name in vars(model) if name.startswith("_")}
    assert private == {"_skl_callbacks"}


def test_scikit_learn_finds_no_fault():
    with warnings.catch_warnings():
        # Data sets of the checks that gradient descent cannot solve, and checks that
        # need a library which is not installed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", SkipTestWarning)
        results = check_estimator(ToyRidge(), on_fail=None)
    failed = [
        f"{result['check_name']}: {result['exception']!r}"
        for result in results
        # A torch built for CUDA on a machine without a driver fails before our code.
        if result["status"] == "failed"
        and type(result["exception"]).__name__ != "AcceleratorError"
    ]
    assert not failed, "\n".join(failed)


def test_metadata_routing():
    with config_context(enable_metadata_routing=True):
        model = ToyRidge().set_fit_request(sample_weight=True)
    assert model.get_metadata_routing().fit.requests == {"sample_weight": True}


def test_tags():
    tags = get_tags(ToyRidge())
    assert tags.array_api_support
    assert tags.input_tags.sparse
    assert tags.target_tags.required


def test_numpy_in_numpy_out_though_computed_on_cuda(cuda_stand_in, data, ridge):
    model = ToyRidge(device="cuda:1").fit(*data, np.ones(30))
    assert model.device_ == "cuda:1"
    assert type(model.coef_) is np.ndarray
    assert type(model.nested_["list"][0]) is np.ndarray
    assert model.nested_["text"] == "kept"
    assert type(model.predict(data[0])) is np.ndarray
    assert_allclose(model.coef_, ToyRidge().fit(*data).coef_)


def test_a_model_computed_on_cuda_pickles_without_it(cuda_stand_in, data):
    stored = pickle.dumps(ToyRidge(device="cuda").fit(*data))
    for name in (b"cupy", b"array_api_strict", b"stand_in"):
        assert name not in stored
    model = pickle.loads(stored)
    assert_array_equal(model.predict(data[0]), model.predict(data[0]))


def test_cuda_in_cuda_out(cuda_stand_in, data, ridge):
    X, y = (cuda_stand_in.upload(part, 0) for part in data)
    for device in (None, "cuda", "auto"):
        model = ToyRidge(device=device).fit(X, y)
        assert model.device_ == "cuda:0"
        assert model.coef_.device == DEVICES[0]
        assert model.predict(X).device == DEVICES[0]
        assert type(model.history_["objective"]) is np.ndarray
        assert_allclose(to_numpy(model.coef_), ridge, atol=1e-5)


def test_computed_elsewhere_the_result_returns_to_the_input(cuda_stand_in, data):
    X, y = (cuda_stand_in.upload(part, 0) for part in data)
    for device in ("cpu", "cuda:1"):
        model = ToyRidge(device=device).fit(X, y)
        assert model.device_ == device
        assert model.coef_.device == DEVICES[0]


def test_array_api_in_and_out_with_dispatch(dispatch, data, ridge):
    X, y = (array_api_strict.asarray(part, device=DEVICES[1]) for part in data)
    model = ToyRidge().fit(X, y)
    assert model.coef_.device == DEVICES[1]
    assert model.device_ == str(DEVICES[1])
    assert model.predict(X).device == DEVICES[1]
    assert_allclose(to_numpy(model.coef_), ridge, atol=1e-5)


def test_auto_records_its_choice(no_cuda, data):
    assert ToyRidge(device="auto").fit(*data).device_ == "cpu"
    with pytest.raises(ImportError, match=r"skopt2\[cuda12\]"):
        ToyRidge(device="cuda").fit(*data)


@pytest.mark.gpu
def test_cupy_equals_numpy(data, ridge):
    target = cuda.cuda_target()
    on_host = ToyRidge(device="cuda").fit(*data)
    assert type(on_host.coef_) is np.ndarray
    X, y = (target.xp.asarray(part) for part in data)
    model = ToyRidge().fit(X, y)
    assert cuda.provider.owns(model.predict(X))
    assert_allclose(to_numpy(model.coef_), ToyRidge().fit(*data).coef_, atol=1e-10)


@pytest.mark.parametrize("callbacks", [False, True])
def test_an_interrupted_fit_leaves_no_trace(data, callbacks):
    model, recorder = ToyRidge(fail_at=3), Recorder()
    if callbacks:
        model.set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    assert vars(model) == before
    assert not callbacks or recorder.calls[-1] == ("teardown", "fit")


def test_a_failed_refit_keeps_the_model(data):
    model = ToyRidge().fit(*data)
    before = model.predict(data[0])
    with pytest.raises(KeyboardInterrupt):
        model.set_params(fail_at=2).fit(data[0][:, :3], data[1])
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(np.full((3, 2), np.nan), np.zeros(3))
    with pytest.raises(ValueError, match="sample_weight must not be zero"):
        model.fit(np.ones((3, 2)), np.zeros(3), np.zeros(3))
    assert model.n_features_in_ == 4
    assert_array_equal(model.predict(data[0]), before)


def test_warning_says_what_was_reached_and_what_to_change(data):
    message = (
        r"ToyRidge stopped after max_iter=3 iterations: relative gradient .*"
        r"Increase max_iter, loosen tol, or bring the features to one scale\."
    )
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model = ToyRidge(max_iter=3).fit(*data)
    # The first line outside the packages, here in the fit of the toy.
    assert caught[0].filename == toy_ridge.__file__
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("reason", list(StopReason))
def test_every_reason_has_its_advice(reason):
    history = History()
    certificate = Certificate(NAME, 0.5, 1e-6)
    result = Result(None, 1.0, certificate, reason, 7, history, 0.0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ToyRidge()._warn_unless_converged(result)
    silent = reason in (StopReason.CONVERGED, StopReason.CALLBACK)
    assert len(caught) == (0 if silent else 1)
    if not silent:
        assert str(certificate) in str(caught[0].message)


def test_callbacks_see_one_task_per_check(data):
    recorder = Recorder()
    model = ToyRidge().set_callbacks(recorder).fit(*data, np.arange(30.0))
    checks = [("begin", "iteration"), ("end", "iteration")] * model.n_iter_
    assert recorder.calls == [
        ("setup", "fit"),
        ("begin", "fit"),
        *checks,
        ("end", "fit"),
        ("teardown", "fit"),
    ]
    assert recorder.X is data[0]
    assert_allclose(recorder.metadata["sample_weight"].sum(), 1.0)


def test_callbacks_see_the_model_as_of_each_check(data):
    recorder = Recorder()
    model = ToyRidge().set_callbacks(recorder).fit(*data)
    assert [seen.n_iter_ for seen in recorder.models] == list(
        range(1, model.n_iter_ + 1)
    )
    half = recorder.models[model.n_iter_ // 2]
    n_checks = half.n_iter_
    assert half.predict(data[0]).shape == (30,)
    assert_array_equal(
        half.history_["objective"], model.history_["objective"][:n_checks]
    )
    assert half.objective_ == model.history_["objective"][n_checks - 1]
    assert half.certificate_.value == model.history_["certificate"][n_checks - 1]
    assert_array_equal(half._solver_state["w"], half.coef_)
    last = recorder.models[-1]
    assert_array_equal(last.coef_, model.coef_)
    assert last.converged_
    assert not half.converged_


def test_a_callback_stops_a_fit_without_a_warning(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = ToyRidge().set_callbacks(Recorder(stop_at=4)).fit(*data)
    assert model.n_iter_ == 4
    assert model.stop_reason_ == "callback"
    assert not model.converged_


def test_callbacks_on_cuda_see_the_users_arrays(cuda_stand_in, data):
    recorder = Recorder()
    ToyRidge(device="cuda").set_callbacks(recorder).fit(*data)
    assert recorder.X is data[0]
    assert type(recorder.models[0].coef_) is np.ndarray
    assert type(recorder.models[0].predict(data[0])) is np.ndarray


def test_nothing_is_built_that_no_callback_asks_for(data, monkeypatch):
    class Counting:
        ends = 0

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.ends += 1

        def teardown(self, estimator, context):
            pass

    def refuse(*args):
        raise AssertionError("built for nobody")

    monkeypatch.setattr(GradientDescent, "pack", refuse)
    monkeypatch.setattr(Monitor, "attributes_at", refuse)
    counting = Counting()
    model = ToyRidge().set_callbacks(counting).fit(*data)
    assert counting.ends == model.n_iter_ + 1


def test_callbacks_of_scikit_learn(data):
    monitor = ScoringMonitor(scoring="r2")
    model = ToyRidge().set_callbacks(ProgressBar(), monitor).fit(*data)
    log = monitor.get_logs()
    assert len(log.data) == model.n_iter_ + 1
    assert_allclose(log.data[-1]["r2"], model.score(*data))


def test_callbacks_reach_a_fit_inside_a_search(data):
    monitor = ScoringMonitor(scoring="r2")
    ridge = ToyRidge().set_callbacks(monitor)
    search = GridSearchCV(ridge, {"alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar()).fit(*data)
    rows = monitor.get_logs().data
    # Four fits on folds and the refit, each below the tasks of the search.
    assert len({row["parent_task_id_path"] for row in rows if row["r2"]}) >= 5
    assert {row["estimator_name"] for row in rows} == {"ToyRidge"}


def test_without_callbacks_there_is_no_monitor(data):
    checked = check_fit_input(ToyRidge(), *data)
    model = ToyRidge()
    start = lambda: model._start(checked, None, tol=1.0, certificate=NAME)  # noqa: E731
    assert start() is None
    seconds = min(timeit.repeat(start, number=1000, repeat=3)) / 1000
    assert seconds < 2e-5


@pytest.fixture
def payload(data):
    """What a checkpoint callback stores after five iterations."""
    recorder = Recorder(stop_at=5)
    ToyRidge().set_callbacks(recorder).fit(*data)
    seen = recorder.models[-1]
    return {
        "state": seen._solver_state,
        "n_iter": seen.n_iter_,
        "history": seen.history_,
        "fingerprint": seen._fingerprint,
    }


def test_a_resumed_fit_continues_to_the_same_answer(data, payload):
    whole = ToyRidge().fit(*data)
    recorder = Recorder()
    rest = clone(whole).set_callbacks(Resume(payload), recorder).fit(*data)
    assert rest.n_iter_ == whole.n_iter_
    assert len(recorder.models) == whole.n_iter_ - 5
    assert_array_equal(rest.history_["objective"], whole.history_["objective"])
    assert_array_equal(rest.coef_, whole.coef_)
    # What a second checkpoint would store includes the history of the first.
    assert len(recorder.models[-1].history_["objective"]) == whole.n_iter_
    times = recorder.models[-1].history_["time"]
    assert (np.diff(times) >= 0).all()
    assert not hasattr(rest, "_resume")


def test_what_may_change_between_the_two(data, payload):
    model = ToyRidge(tol=1e-3, max_iter=1000, device="cpu")
    assert model.set_callbacks(Resume(payload)).fit(*data).converged_


@pytest.mark.parametrize("change", ["alpha", "X", "y", "weight", "dtype", "class"])
def test_a_checkpoint_of_another_problem_is_refused(data, payload, change):
    (X, y), weight, model = data, None, ToyRidge()
    if change == "alpha":
        model.alpha = 0.2
    elif change == "X":
        X = X.copy()
        X[17, 2] += 1e-12
    elif change == "y":
        y = y[::-1]
    elif change == "weight":
        weight = np.arange(30.0)
    elif change == "dtype":
        X = X.astype(np.float32)
    else:
        model = type("Other", (ToyRidge,), {})()
    model.set_callbacks(Resume(payload))
    with pytest.raises(ValueError, match="checkpoint belongs to another problem"):
        model.fit(X, y, weight)
    assert not hasattr(model, "coef_")
    assert not hasattr(model, "_resume")


def test_a_file_that_is_no_checkpoint_is_refused(data):
    model = ToyRidge().set_callbacks(Resume({"state": {}}))
    with pytest.raises(
        ValueError, match=r"lacks \['fingerprint', 'history', 'n_iter'\]"
    ):
        model.fit(*data)
