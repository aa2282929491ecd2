"""TextLog: format, streams, nested fits, foreign estimators."""

import io
import logging
import pickle
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skopt2.callbacks import TextLog
from tests.callbacks.toy import ToyLasso, ToyLassoCV

LINE = re.compile(
    r"ToyLasso {16}  iteration {1,7}\d+ +\d+\.\d{3} s  "
    r"objective +\d\.\d{9}e[+-]\d\d  duality gap +\d\.\d\de[+-]\d\d"
)


def fit_log(estimator, X, y, **kwargs):
    stream = io.StringIO()
    estimator.set_callbacks(TextLog(stream, **kwargs)).fit(X, y)
    return stream.getvalue().splitlines()


def test_one_aligned_line_a_check_and_the_reason_at_the_end(X, y):
    estimator = ToyLasso()
    lines = fit_log(estimator, X, y)
    assert len(lines) == estimator.n_iter_ + 1
    assert all(LINE.fullmatch(line) for line in lines[:-1])
    assert len({len(line) for line in lines[:-1]}) == 1
    assert re.fullmatch(
        rf"ToyLasso +converged after {estimator.n_iter_} iterations in \d+\.\d{{3}} s: "
        r"duality gap \d\.\de-\d\d \(tol 1e-06\)",
        lines[-1],
    )


def test_every_thins_the_lines(X, y):
    estimator = ToyLasso(max_iter=35, tol=0)
    lines = fit_log(estimator, X, y, every=10)
    found = [int(re.search(r"iteration +(\d+)", line)[1]) for line in lines[:-1]]
    assert found == [10, 20, 30]
    assert "max_iter after 35 iterations" in lines[-1]


def test_lines_of_checks_are_some_time_apart(X, y):
    lines = fit_log(ToyLassoCV(), X, y, min_seconds=1e6)
    # The first check of all folds and levels, and the end.
    assert len(lines) == 2
    assert "iteration" in lines[0]
    assert " after " in lines[1]
    log = TextLog(io.StringIO(), min_seconds=1e6)
    for _ in range(2):
        ToyLasso().set_callbacks(log).fit(X, y)
    assert log.stream.getvalue().count("objective") == 2
    assert log._written_at == {}


def test_default_stream_is_standard_output_at_the_time(X, y, capsys):
    log = TextLog(every=1000)
    ToyLasso().set_callbacks(log).fit(X, y)
    assert "converged after" in capsys.readouterr().out


def test_logger(X, y, caplog):
    logger = logging.getLogger("skopt2.test")
    log = TextLog(logger, every=1000, level=logging.WARNING)
    with caplog.at_level(logging.WARNING, logger="skopt2.test"):
        ToyLasso().set_callbacks(log).fit(X, y)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "converged after" in caplog.text


def test_fits_below_a_search_are_logged_with_their_place(X, y):
    stream = io.StringIO()
    search = GridSearchCV(ToyLasso(), {"alpha": [0.1, 0.3]}, cv=2)
    search.set_callbacks(TextLog(stream, every=10_000)).fit(X, y)
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "ToyLasso 0.0", "ToyLasso 0.1", "ToyLasso 0.2", "ToyLasso 0.3", "ToyLasso 1",
    ]  # fmt: skip


def test_depth_limits_what_is_logged(X, y):
    stream = io.StringIO()
    search = GridSearchCV(ToyLasso(), {"alpha": [0.1]}, cv=2)
    search.set_callbacks(TextLog(stream, max_propagation_depth=0)).fit(X, y)
    assert stream.getvalue() == ""


def test_pipeline_and_fits_inside_a_fit(X, y):
    lines = fit_log(make_pipeline(StandardScaler(), ToyLassoCV()), X, y, every=10)
    assert any(line.startswith("ToyLassoCV 1.0 ") for line in lines)
    assert any(line.startswith("ToyLassoCV 1.1 ") for line in lines)
    assert lines[-1].startswith("ToyLassoCV 1 ")


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_estimators_without_objective_are_logged_too(X, y):
    lines = fit_log(LogisticRegression(max_iter=20), X, y > np.median(y), every=2)
    assert lines
    assert all(
        re.fullmatch(r"LogisticRegression +iteration +\d+ +\d+\.\d{3} s", line)
        for line in lines
    )


def test_parallel_search_writes_from_the_workers(X, y):
    search = GridSearchCV(ToyLasso(), {"alpha": [0.1, 0.3]}, cv=2, n_jobs=2)
    search.set_callbacks(TextLog(io.StringIO(), every=10_000)).fit(X, y)
    assert search.best_estimator_.converged_


def test_pickle_keeps_loggers_and_drops_streams(tmp_path):
    with open(tmp_path / "log.txt", "w") as file:
        assert pickle.loads(pickle.dumps(TextLog(file))).stream is None
    logger = logging.getLogger("skopt2.test")
    assert pickle.loads(pickle.dumps(TextLog(logger))).stream is logger


def test_nothing_is_left_after_a_fit_that_failed(X, y):
    class Broken(io.StringIO):
        def write(self, text):
            raise OSError("broken pipe")

    log = TextLog(Broken())
    with pytest.raises(OSError, match="broken pipe"):
        ToyLasso().set_callbacks(log).fit(X, y)
    assert log._started == {}
    assert log._checks == {}


def test_bad_parameters():
    with pytest.raises(ValueError, match="every must be a positive integer"):
        TextLog(every=0)
    with pytest.raises(ValueError, match="min_seconds must be at least 0, got -1"):
        TextLog(min_seconds=-1)
    with pytest.raises(ValueError, match="stream must be None, a text stream or a log"):
        TextLog("log.txt")
