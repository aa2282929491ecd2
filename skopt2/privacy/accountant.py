"""A privacy budget that several fits share, and that is checked before data is read.

Problem: fits that read the same rows make releases, each an event of
:mod:`skopt2.solvers.privacy.events`. All of them together have to be (epsilon,
delta)-private. The events are composed, not the epsilons of the fits: k fits of equal
noise cost about sqrt(k) times one of them, not k times.

An accountant is shared by design: copies, clones and pickles of it are the same book.
"""

import contextlib
import math
import os
import shutil
import tempfile
import threading
import weakref

from skopt2.privacy.ledger_file import BudgetError, LedgerFile
from skopt2.solvers.privacy.accounting import epsilon_of
from skopt2.solvers.privacy.events import (
    SampledGaussianEvent,
    as_events,
    event_from,
)
from skopt2.solvers.privacy.gaussian import check_delta

# Accountants of this process whose records moved to a temporary file, by its path.
_OWNED = weakref.WeakValueDictionary()
# What is left is rounded down by more than calibration and composition can differ.
SAFE = 1e-6


def _remove(folder, process):
    # A forked child must not take the file away from its parent.
    if process == os.getpid():
        shutil.rmtree(folder, ignore_errors=True)


def _restore(path, epsilon, delta, temporary):
    """Return the accountant of a pickle: in the process that owns it, the original."""
    owner = _OWNED.get(path) if temporary else None
    if owner is not None and owner._process == os.getpid():
        return owner
    accountant = PrivacyAccountant(epsilon, delta)
    accountant._file, accountant._temporary = LedgerFile(path), temporary
    return accountant


class PrivacyAccountant:
    """Privacy budget that fits, searches, processes and sessions share.

    Give the same accountant to every estimator that reads the same people's data. Each
    fit spends before it reads a value; a fit that would pass the budget raises
    :class:`BudgetError`, and neither reads data nor spends.

    Parameters
    ----------
    epsilon : float, default=inf
        Budget of all fits together. Infinity only keeps the books.
    delta : float, default=1e-5
        Probability at which epsilon is stated, well below one over the number of rows.
        Estimators have their own delta; the total is always at this one.
    ledger : str or path, default=None
        JSON file of what was spent. It is created if need be, its folder is not.
        Processes, machines that see the file, and later sessions share it. Without one
        the records last as long as the session: worker processes on the same machine
        share them, and a pickle of the accountant refuses to spend in another session.

    Attributes
    ----------
    events : tuple of GaussianEvent and SampledGaussianEvent
        All that was recorded.
    records : tuple of (str, tuple of events)
        The same by fit, each with its label.

    See Also
    --------
    skopt2.privacy.DPLogisticClassifier : Takes an accountant.

    Notes
    -----
    ``copy``, ``deepcopy`` and :func:`sklearn.base.clone` return the accountant itself,
    so that all candidates of a search and all folds spend from one budget. It may be
    used by threads and processes at the same time: the budget is checked and the
    record written under one lock.

    The total is the exact one of the Gaussian mechanism if all rows took part in all
    releases, and otherwise comes from the distribution of the privacy loss, within
    0.1 % of the truth and above it. What a later fit computes may depend on the
    outputs of earlier ones, as in a search. For full batches so may its noise: a budget
    of Gaussian mechanisms is a filter. For sampled batches that is not proved; choose
    their noise, rate and number of steps on other grounds.

    References
    ----------
    Dong, Roth and Su, Gaussian differential privacy, Journal of the Royal Statistical
    Society B 84, 2022. Smith and Thakurta, Fully adaptive composition for Gaussian
    differential privacy, 2022. Doroshenko and others, Connect the dots: tighter
    discrete approximations of privacy loss distributions, PETS 2022.

    Examples
    --------
    >>> from skopt2.privacy import PrivacyAccountant
    >>> from skopt2.solvers.privacy.events import GaussianEvent
    >>> accountant = PrivacyAccountant(epsilon=2.0, delta=1e-5)
    >>> accountant.spend(GaussianEvent(noise_multiplier=40.0, count=100), label="fit")
    >>> accountant
    PrivacyAccountant(epsilon=2, delta=1e-05, spent=0.926)

    Two such fits cost less than twice as much, and five are too many:

    >>> accountant.spend(GaussianEvent(noise_multiplier=40.0, count=100))
    >>> round(accountant.total()[0], 2)
    1.36
    >>> accountant.spend(GaussianEvent(noise_multiplier=40.0, count=300))
    Traceback (most recent call last):
        ...
    skopt2.privacy.ledger_file.BudgetError: This would bring ...

    What each of two further fits may ask for:

    >>> round(accountant.remaining(n_fits=2), 2)
    0.93
    """

    def __init__(self, epsilon=math.inf, delta=1e-5, ledger=None):
        if not epsilon > 0:
            raise ValueError(f"epsilon must be above 0, got {epsilon!r}.")
        self.epsilon, self.delta = float(epsilon), check_delta(delta)
        self._records, self._known = [], (0, 0.0)
        self._lock, self._process = threading.RLock(), os.getpid()
        self._file, self._temporary = None, False
        if ledger is not None:
            self._file = LedgerFile(ledger)
            folder = os.path.dirname(self._file.path)
            if not os.path.isdir(folder):
                raise ValueError(f"ledger={os.fspath(ledger)!r}: no folder {folder}.")
            with self._file.locked():
                if not self._file.exists():
                    self._file.write([])
                self._file.read()

    def spend(self, events, label=""):
        """Record events if the budget suffices for them.

        Parameters
        ----------
        events : event or iterable of events
            What is about to be done to the data.
        label : str, default=""
            Name for the records.

        Raises
        ------
        BudgetError
            If the total would pass the budget, or is not known. Nothing is recorded.
        """
        entry = {
            "label": str(label),
            "events": [e.as_dict() for e in as_events(events)],
        }
        known = None
        with self._opened() as book:
            if self.epsilon < math.inf:
                n_records = len(book.records) + 1
                total = epsilon_of(_events([*book.records, entry]), self.delta)
                if not total <= self.epsilon:
                    raise BudgetError(self._refusal(entry, total, book.records))
                known = (n_records, total)
            book.add(entry)
        # Only now is it certain that the record was stored.
        self._known = known or self._known

    def _refusal(self, entry, total, records):
        already = self._total(records)
        return (
            f"This would bring the total to epsilon={total:.6g} at delta="
            f"{self.delta:g}; the budget is {self.epsilon:g}, and {already:.6g} of it "
            f"is spent. {entry['label'] or 'It'} did not run: no data was read, and "
            "nothing was recorded. Ask for less epsilon or fewer fits; remaining() "
            "says what is left."
        )

    def total(self, delta=None):
        """Return what was spent.

        Parameters
        ----------
        delta : float, default=None
            Probability at which to state it. None takes that of the budget.

        Returns
        -------
        epsilon : float
            Of all events together.
        delta : float
            The one it is stated at.

        Raises
        ------
        BudgetError
            If it is not known, because the file of a pickled accountant is gone.
        """
        with self._opened() as book:
            records = book.records
            if delta is None:
                return self._total(records), self.delta
        return epsilon_of(_events(records), delta), float(delta)

    def remaining(self, n_fits=1, *, sampling_rate=1.0, count=1):
        """Return the epsilon that each of some further fits may ask for.

        Parameters
        ----------
        n_fits : int, default=1
            How many fits share what is left, at the delta of this accountant.
        sampling_rate : float, default=1.0
            Probability with which a row is in a batch; 1 for full batches.
        count : int, default=1
            Steps of a fit. Without sampling it makes no difference.

        Returns
        -------
        epsilon : float
            Of one fit; 0 if nothing is left.

        Raises
        ------
        ValueError
            If ``n_fits`` is below 1.
        """
        if self.epsilon == math.inf:
            return math.inf
        with self._opened() as book:
            spent = _events(book.records)
        if n_fits < 1:
            raise ValueError(f"n_fits must be at least 1, got {n_fits!r}.")

        def fits(sigma, number):
            return SampledGaussianEvent(sigma, sampling_rate, number * count)

        def affordable(sigma):
            events = [*spent, fits(sigma, n_fits)]
            return epsilon_of(events, self.delta) <= self.epsilon

        low, high = 0.25, 1.0
        while affordable(low) and low > 1e-9:
            low, high = low / 4, low
        while not affordable(high):
            low, high = high, 4 * high
            if high > 1e12:
                return 0.0
        while high > low * (1 + 1e-6):
            middle = math.sqrt(low * high)
            low, high = (low, middle) if affordable(middle) else (middle, high)
        return epsilon_of(fits(high, 1), self.delta) * (1 - SAFE)

    @property
    def events(self):
        """All that was recorded."""
        with self._opened() as book:
            return tuple(_events(book.records))

    @property
    def records(self):
        """What was recorded, by fit, each with its label."""
        with self._opened() as book:
            return tuple(
                (entry["label"], tuple(_events([entry]))) for entry in book.records
            )

    def _total(self, records):
        # Records are only ever added, so their number tells whether a total is old.
        if self._known[0] != len(records):
            self._known = (len(records), epsilon_of(_events(records), self.delta))
        return self._known[1]

    @contextlib.contextmanager
    def _opened(self):
        """Open the book: nobody else can change it, and it is stored at the end."""
        if self._process != os.getpid():
            if self._file is None:
                raise BudgetError(
                    "This accountant is the copy of another process, made by a fork: "
                    "what it spends would not be known there. Give PrivacyAccountant a "
                    "file that both see: ledger='path/to/ledger.json'."
                )
            # At the fork another thread may have held the lock.
            self._lock, self._process = threading.RLock(), os.getpid()
        with self._lock:
            if self._file is None:
                book = _Book(self._records)
                yield book
                self._records = book.records
            else:
                with self._file.locked():
                    book = _Book(self._file.read())
                    yield book
                    if book.changed:
                        self._file.write(book.records)

    def _share(self):
        """Move the records to a temporary file that worker processes can open."""
        with self._lock:
            if self._file is not None:
                return
            with self._opened() as book:
                folder = tempfile.mkdtemp(prefix="skopt2-ledger-")
                weakref.finalize(self, _remove, folder, self._process)
                file = LedgerFile(os.path.join(folder, "ledger.json"))
                file.write(book.records)
                self._file, self._temporary = file, True
                _OWNED[file.path] = self

    def __reduce__(self):
        self._share()
        state = (self._file.path, self.epsilon, self.delta, self._temporary)
        return _restore, state

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __sklearn_clone__(self):
        return self

    def __repr__(self):
        try:
            spent = f"{self.total()[0]:.3g}"
        except (BudgetError, OSError):
            spent = "unknown"
        return (
            f"PrivacyAccountant(epsilon={self.epsilon:g}, delta={self.delta:g}, "
            f"spent={spent})"
        )


def _events(records):
    """Return the events of records."""
    return [event_from(record) for entry in records for record in entry["events"]]


class _Book:
    """Records, and whether some were added."""

    def __init__(self, records):
        self.records, self.changed = records, False

    def add(self, entry):
        self.records, self.changed = [*self.records, entry], True
