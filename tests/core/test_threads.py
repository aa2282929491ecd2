"""The pool of threads that stays between calls."""

import os
import pickle
import threading
import warnings
from contextlib import ExitStack

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from skopt2._core.threads import (
    TaskPool,
    blas_threads,
    one_blas_thread,
    without_warnings,
)


def test_every_task_is_done_once():
    for n_threads in (1, 2, 5, None):
        done = np.zeros(50)

        def work(first, last, done=done):
            done[first:last] += 1.0

        pool = TaskPool(n_threads)
        for _ in range(3):
            pool.run(work, [(i, i + 1) for i in range(50)])
        np.testing.assert_array_equal(done, 3.0)


def test_threads_are_as_many_as_asked_for_and_stay():
    seen, barrier = set(), threading.Barrier(3)

    def work(task):
        barrier.wait(10.0)
        seen.add(threading.get_ident())

    pool = TaskPool(3)
    pool.run(work, [(0,), (1,), (2,)])
    first = set(seen)
    pool.run(work, [(0,), (1,), (2,)])
    assert len(first) == 3
    assert seen == first


def test_an_exception_of_a_task_is_raised():
    def work(task):
        if task == 3:
            raise ZeroDivisionError("task 3")

    for n_threads in (1, 2):
        with pytest.raises(ZeroDivisionError, match="task 3"):
            TaskPool(n_threads).run(work, [(k,) for k in range(5)])


def test_tasks_have_one_blas_thread_each():
    controller = ThreadpoolController().select(user_api="blas")
    seen = []
    with controller.limit(limits=2):
        granted = blas_threads()
        TaskPool(2).run(lambda task: seen.append(blas_threads()), [(0,), (1,)])
        assert blas_threads() == granted
        with one_blas_thread():
            assert blas_threads() == 1
    assert seen == [1, 1]


def test_limits_of_threads_that_overlap_are_put_back():
    """The second fit must not take the limit of the first for what was granted."""
    controller = ThreadpoolController().select(user_api="blas")
    with controller.limit(limits=2):
        granted = blas_threads()
        first = ExitStack()
        first.enter_context(one_blas_thread())
        with one_blas_thread():
            first.close()
            assert blas_threads() == 1
        assert blas_threads() == granted


def test_filters_of_warnings_are_changed_in_the_main_thread_only():
    def quiet():
        with without_warnings(UserWarning, "one"):
            seen.append(list(warnings.filters))

    seen, before = [], list(warnings.filters)
    quiet()
    thread = threading.Thread(target=quiet)
    thread.start()
    thread.join()
    assert len(seen[0]) == len(before) + 1
    assert seen[1] == before == warnings.filters


def test_pools_are_pickled_without_their_threads():
    pool = TaskPool(2)
    pool.run(lambda task: None, [(0,), (1,)])
    copy = pickle.loads(pickle.dumps(pool))
    done = []
    copy.run(done.append, [(0,), (1,)])
    assert (copy.n_threads, sorted(done)) == (2, [0, 1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_starts_threads_of_its_own():
    pool = TaskPool(2)
    pool.run(lambda task: None, [(0,), (1,)])
    child = os.fork()
    if child == 0:
        done = []
        pool.run(done.append, [(0,), (1,)])
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
