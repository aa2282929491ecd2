"""Workers that are killed in the middle of a fit: the result is that of a quiet run."""

import os
import re
import signal
import textwrap
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skopt2.kernel_machine import EigenProRegressor
from skopt2.linear_model import SparseRegressor, SparseRegressorCV

PAGE = Path(__file__).resolve().parents[2] / "doc" / "user_guide" / "scaling_out.rst"
RNG = np.random.default_rng(1)
# So many rows that joblib scatters the row numbers of the folds.
X = RNG.standard_normal((400, 4))
Y = X[:, 0] - X[:, 1] + RNG.standard_normal(400)
LEVELS = [0.3, 0.1]


@pytest.fixture
def strike(client, tmp_path):
    """Return what kills all workers the first time that one of them calls it."""
    # joblib does not send work to a cluster of one worker.
    client.wait_for_workers(2, timeout=120)
    mark, host = str(tmp_path / "struck"), os.getpid()
    victims = list(client.run(os.getpid).values())
    assert host not in victims

    # A function in a function is sent by its code: workers need not import this file.
    def kill(everyone=True):
        me = os.getpid()
        if me == host:
            return
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        for pid in sorted(victims, key=lambda pid: pid == me):
            if everyone or pid == me:
                os.kill(pid, signal.SIGKILL)

    yield kill
    assert Path(mark).exists()


def score_after(kill, **options):
    def score(model, X, y):
        kill(**options)
        return -np.mean((model.predict(X) - y) ** 2)

    return score


def test_a_path_outlives_a_worker(client, strike):
    model = SparseRegressorCV(alphas=LEVELS, cv=4)
    model.set_params(scoring=score_after(strike, everyone=False))
    here = clone(model).fit(X, Y)
    with joblib.parallel_config("dask", client=client):
        there = clone(model).fit(X, Y)
    assert_array_equal(there.scores_path_, here.scores_path_)
    assert_array_equal(there.coef_, here.coef_)


def steady_client(cluster):
    """Return the client of the guide's recipe."""
    recipe = re.search(
        r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8")
    )
    namespace = {}
    exec(textwrap.dedent(recipe[1]), namespace)
    return namespace["SteadyClient"](cluster, set_as_default=False)


def test_a_search_outlives_all_workers(client, strike):
    search = GridSearchCV(SparseRegressor(), {"alpha": LEVELS}, cv=2)
    search.set_params(scoring=score_after(strike))
    here = clone(search).fit(X, Y)
    with (
        steady_client(client.cluster) as steady,
        joblib.parallel_config("dask", client=steady, scatter=[X, Y]),
    ):
        there = clone(search).fit(X, Y)
    for name in ("mean_test_score", "std_test_score"):
        assert_array_equal(there.cv_results_[name], here.cv_results_[name])
    assert there.best_params_ == here.best_params_


def test_passes_over_blocks_outlive_a_worker(client, strike):
    da = pytest.importorskip("dask.array")

    def block(rows, block_info=None):
        if block_info[None]["chunk-location"][0] == 2:
            strike(everyone=False)
        return rows

    A, b = da.from_array(X, chunks=(100, 4)), da.from_array(Y, chunks=100)
    A = da.map_blocks(block, A, dtype=X.dtype, meta=np.empty((0, 0)))
    model = EigenProRegressor(alpha=0.1, centers=X[:30], solver="eigenpro")
    model.set_params(max_iter=5, tol=1e-12, random_state=0)
    with pytest.warns(match="max_iter"):
        there = clone(model).fit(A, b)
    with pytest.warns(match="max_iter"):
        here = clone(model).fit(da.from_array(X, chunks=(100, 4)), b)
    assert_array_equal(there.dual_coef_, here.dual_coef_)
