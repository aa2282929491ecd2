"""Fits in threads and processes at once find what each finds alone."""

import threading
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from threadpoolctl import threadpool_info

from tests.properties.estimators import CASES
from tests.properties.fitted import assert_same_fit

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def fit(number):
    """Fit a case of the table, by its number: what a worker is sent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return CASES[number].data().fit(CASES[number].fresh())


def shared():
    """Return what a fit could change for the whole process."""
    pools = [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()]
    # joblib compiles what the filters say; their actions and categories stay.
    filters = [(action, category) for action, _, category, *_ in warnings.filters]
    state = np.random.get_state()[1]  # noqa: NPY002
    return sorted(pools), np.geterr(), filters, state.tolist()


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: CASES[n].name)
def test_threads_at_once(number):
    case = CASES[number]
    alone = fit(number)
    before = shared()
    found, gate = [None] * 3, threading.Barrier(3)

    def work(place):
        gate.wait()
        # Data of its own in one of the threads: what a fit keeps would be seen.
        found[place] = case.data(place % 2).fit(case.fresh())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_same_fit(alone, found[0], rtol=1e-12)
    assert_same_fit(alone, found[2], rtol=1e-12)
    assert shared() == before


def test_processes_at_once():
    """In two processes, each with fits of its own, as in the one that started them."""
    numbers = range(len(CASES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        remote = Parallel(n_jobs=2, batch_size=4)(delayed(fit)(n) for n in numbers)
    for number, other in zip(numbers, remote, strict=True):
        assert_same_fit(fit(number), other, rtol=1e-9, atol=1e-12)
