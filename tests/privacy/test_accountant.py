"""The budget: never passed, never under-counted, shared by copies and processes."""

import copy
import gc
import json
import math
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

from skopt2.privacy import BudgetError, PrivacyAccountant, ledger_file
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.events import GaussianEvent, SampledGaussianEvent
from skopt2.solvers.privacy.gaussian import gaussian_epsilon, gaussian_mu

DELTA = 1e-5
ONE = GaussianEvent(10.0)


def budget_for(n_spends, sigma=10.0):
    """Return an epsilon that suffices for n events of that noise, not for n + 1."""
    return gaussian_epsilon(math.sqrt(n_spends + 0.5) / sigma, DELTA)


class Spender(ClassifierMixin, BaseEstimator):
    """A classifier that spends and then looks at nothing."""

    def __init__(self, accountant=None, level=0.0):
        self.accountant = accountant
        self.level = level

    def fit(self, X, y):
        self.accountant.spend(ONE, label="Spender")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def spend_often(accountant, times):
    """Spend until refused; return how often it worked."""
    done = 0
    for _ in range(times):
        try:
            accountant.spend(ONE, label=str(os.getpid()))
        except BudgetError:
            break
        done += 1
    return done


def test_total_is_the_exact_composition():
    accountant = PrivacyAccountant(delta=DELTA)
    for _ in range(4):
        accountant.spend(GaussianEvent(20.0, count=25), label="fit")
    assert accountant.total() == (pytest.approx(1.9931, abs=1e-4), DELTA)
    assert accountant.total(1e-6)[0] > accountant.total()[0]
    assert accountant.events == (GaussianEvent(20.0, count=25),) * 4
    assert accountant.records[0] == ("fit", (GaussianEvent(20.0, count=25),))


def test_mixed_events_compose_through_their_losses():
    events = [SampledGaussianEvent(1.5, 0.04, 200), GaussianEvent(20.0, 10)]
    accountant = PrivacyAccountant(epsilon=10.0, delta=DELTA)
    for event in events:
        accountant.spend(event)
    alone = [epsilon_of(event, DELTA) for event in events]
    total = accountant.total()[0]
    assert total == epsilon_of(events, DELTA)
    assert max(alone) < total < 0.9 * sum(alone)


def test_budget_is_checked_before_anything_is_recorded():
    accountant = PrivacyAccountant(budget_for(3), DELTA)
    assert spend_often(accountant, 10) == 3
    before = accountant.total(), accountant.records
    with pytest.raises(BudgetError, match=r"budget is .* no data was read"):
        accountant.spend(ONE)
    assert (accountant.total(), accountant.records) == before
    # Less still fits.
    accountant.spend(GaussianEvent(20.0))


def test_whole_budget_can_be_spent_at_once():
    sigma = math.sqrt(50) / gaussian_mu(1.0, DELTA) * (1 + 1e-12)
    accountant = PrivacyAccountant(1.0, DELTA)
    accountant.spend(GaussianEvent(sigma, 50))
    assert accountant.remaining() == pytest.approx(0.0, abs=2e-3)
    with pytest.raises(BudgetError):
        accountant.spend(GaussianEvent(1e3))


def test_release_without_noise_needs_an_infinite_budget():
    with pytest.raises(BudgetError, match="epsilon=inf"):
        PrivacyAccountant(1e6, DELTA).spend(GaussianEvent(0.0))
    accountant = PrivacyAccountant(delta=DELTA)
    accountant.spend(GaussianEvent(0.0))
    assert accountant.total()[0] == math.inf


@pytest.mark.parametrize(("rate", "count"), [(1.0, 1), (0.05, 100)])
def test_remaining_is_what_further_fits_can_ask_for(rate, count):
    from skopt2.solvers.privacy.accounting import calibrate_noise

    accountant = PrivacyAccountant(2.0, DELTA)
    accountant.spend(GaussianEvent(8.0))
    epsilon = accountant.remaining(3, sampling_rate=rate, count=count)
    sigma = calibrate_noise(epsilon, DELTA, sampling_rate=rate, count=count)
    for _ in range(3):
        accountant.spend(SampledGaussianEvent(sigma, rate, count))
    assert accountant.total()[0] == pytest.approx(2.0, rel=1e-3)
    assert PrivacyAccountant().remaining() == math.inf


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be above 0, got 0.0"),
        ({"epsilon": math.nan}, "epsilon must be above 0"),
        ({"delta": 0.0}, r"delta must be a number in \(0, 1\)"),
        ({"delta": 1.0}, r"delta must be a number in \(0, 1\)"),
        ({"ledger": "/nowhere/at/all/ledger.json"}, "ledger=.*no folder"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        PrivacyAccountant(**parameters)


def test_spending_takes_events_only():
    accountant = PrivacyAccountant(1.0, DELTA)
    with pytest.raises(TypeError, match="GaussianEvent"):
        accountant.spend(0.5)
    assert accountant.records == ()
    with pytest.raises(ValueError, match="n_fits"):
        accountant.remaining(0)


def test_copies_are_the_same_book():
    accountant = PrivacyAccountant(1.0, DELTA)
    assert clone(accountant) is accountant
    assert copy.copy(accountant) is accountant
    assert copy.deepcopy([accountant])[0] is accountant
    assert clone(Spender(accountant)).accountant is accountant
    assert pickle.loads(pickle.dumps(accountant)) is accountant


def test_repr_says_what_is_spent():
    accountant = PrivacyAccountant(1.0, DELTA)
    accountant.spend(GaussianEvent(10.0))
    spent = gaussian_epsilon(0.1, DELTA)
    expected = f"PrivacyAccountant(epsilon=1, delta=1e-05, spent={spent:.3g})"
    assert repr(accountant) == expected
    assert expected[:30] in repr(Spender(accountant))


@pytest.mark.parametrize("pickled_first", [False, True])
def test_threads_never_pass_the_budget(pickled_first):
    accountant = PrivacyAccountant(budget_for(20), DELTA)
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(spend_often(accountant, 20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    if pickled_first:
        # The records move to a file while the threads spend.
        pickle.dumps(accountant)
    for thread in threads:
        thread.join()
    assert sum(done) == 20 == len(accountant.records)


def test_worker_processes_share_the_budget():
    accountant = PrivacyAccountant(budget_for(9), DELTA)
    accountant.spend(ONE)
    done = Parallel(n_jobs=2, backend="loky")(
        delayed(spend_often)(accountant, 5) for _ in range(4)
    )
    assert sum(done) == 8
    assert len(accountant.records) == 9
    processes = {label for label, _ in accountant.records[1:]}
    assert processes
    assert str(os.getpid()) not in processes
    assert accountant.total()[0] <= accountant.epsilon


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_spends_from_one_budget(n_jobs):
    X, y = load_iris(return_X_y=True)
    accountant = PrivacyAccountant(budget_for(7), DELTA)
    search = GridSearchCV(
        Spender(accountant), {"level": [0.0, 1.0, 2.0]}, cv=2, n_jobs=n_jobs
    ).fit(X, y)
    assert len(accountant.records) == 7
    assert search.best_estimator_.accountant is accountant
    with pytest.raises(BudgetError):
        cross_val_score(
            Spender(accountant), X, y, cv=2, error_score="raise", n_jobs=n_jobs
        )
    assert len(accountant.records) == 7


def test_search_that_cannot_refit_says_so():
    X, y = load_iris(return_X_y=True)
    accountant = PrivacyAccountant(budget_for(3), DELTA)
    search = GridSearchCV(Spender(accountant), {"level": [0.0, 1.0]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BudgetError):
            search.fit(X, y)
    assert len(accountant.records) == 3


def test_copy_of_another_process_refuses_once_the_owner_is_gone():
    accountant = PrivacyAccountant(1.0, DELTA)
    accountant.spend(ONE)
    content = pickle.dumps(accountant)
    path = accountant._file.path
    assert os.path.exists(path)
    del accountant
    gc.collect()
    assert not os.path.exists(path)
    orphan = pickle.loads(content)
    with pytest.raises(BudgetError, match="ledger='path/to/ledger.json'"):
        orphan.spend(GaussianEvent(1e6))
    with pytest.raises(BudgetError):
        orphan.total()
    assert repr(orphan).endswith("spent=unknown)")
    assert not os.path.exists(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_cannot_spend_unseen():
    accountant = PrivacyAccountant(1.0, DELTA)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_exit_with_refusal, args=(accountant,))
    process.start()
    process.join()
    assert process.exitcode == 7


def _exit_with_refusal(accountant):
    try:
        accountant.spend(ONE)
    except BudgetError as error:
        os._exit(7 if "ledger=" in str(error) else 1)
    os._exit(0)


def test_sessions_share_a_ledger(tmp_path):
    path = tmp_path / "ledger.json"
    first = PrivacyAccountant(budget_for(2), DELTA, ledger=path)
    first.spend(ONE, label="in this session")
    code = (
        "import sys\n"
        "from skopt2.privacy import PrivacyAccountant\n"
        "from skopt2.solvers.privacy.events import GaussianEvent\n"
        "book = PrivacyAccountant(float(sys.argv[1]), 1e-5, ledger=sys.argv[2])\n"
        "book.spend(GaussianEvent(10.0), label='in another')\n"
    )
    arguments = [sys.executable, "-c", code, repr(first.epsilon), str(path)]
    subprocess.run(arguments, check=True)
    assert [label for label, _ in first.records] == ["in this session", "in another"]
    assert first.total()[0] == pytest.approx(gaussian_epsilon(2**0.5 / 10, DELTA))
    with pytest.raises(BudgetError):
        first.spend(ONE)
    assert pickle.loads(pickle.dumps(first)).records == first.records


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "other"}'])
def test_damaged_ledger_is_refused(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content)
    with pytest.raises(BudgetError, match="ledger .*ledger.json"):
        PrivacyAccountant(1.0, DELTA, ledger=path)
    assert path.read_text() == content


def test_deleted_ledger_does_not_start_again(tmp_path):
    path = tmp_path / "ledger.json"
    accountant = PrivacyAccountant(1.0, DELTA, ledger=path)
    path.unlink()
    with pytest.raises(BudgetError, match="deleted"):
        accountant.spend(ONE)
    assert not path.exists()


def test_crash_while_writing_keeps_the_old_ledger(tmp_path, monkeypatch):
    path = tmp_path / "ledger.json"
    accountant = PrivacyAccountant(1.0, DELTA, ledger=path)
    accountant.spend(ONE)
    before = path.read_text(), accountant.total()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(ledger_file.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        accountant.spend(ONE)
    monkeypatch.undo()
    assert (path.read_text(), accountant.total()) == before
    assert sorted(os.listdir(tmp_path)) == ["ledger.json", "ledger.json.lock"]
    accountant.spend(ONE)
    assert len(json.loads(path.read_text())["records"]) == 2


def test_platforms_without_locks_use_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_file, "system_lock", lambda descriptor: False)
    accountant = PrivacyAccountant(
        budget_for(8), DELTA, ledger=tmp_path / "ledger.json"
    )
    # Separate objects: only the file stands between them.
    copies = [pickle.loads(pickle.dumps(accountant)) for _ in range(3)]
    done = []
    threads = [
        threading.Thread(target=lambda book=book: done.append(spend_often(book, 8)))
        for book in copies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 8 == len(accountant.records)
    held = tmp_path / "ledger.json.held"
    held.touch()
    monkeypatch.setattr(ledger_file, "PATIENCE", 0.02)
    with pytest.raises(BudgetError, match="delete the lock"):
        accountant.total()
