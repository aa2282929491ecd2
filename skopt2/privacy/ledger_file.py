"""A JSON file of what was spent, which threads, processes and later sessions share.

Every change is made under a lock and replaces the whole file at once: a process that
dies on the way leaves either the old file or the new one, and frees the lock.

The lock is one of the operating system on a second file beside the first, which is
never replaced. Where the file system or the platform has none, the second file itself
is the lock: only one process can create it.
"""

import contextlib
import errno
import json
import os
import tempfile
import threading
import time

# A hold takes well under a second; what is held for longer belongs to a dead process.
PATIENCE = 120.0
FORMAT = "skopt2 privacy ledger 1"
# Without a lock of the system this says that files cannot be locked here.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class BudgetError(RuntimeError):
    """The privacy budget does not suffice, or what was spent is not known.

    It is raised before a data value is read, and nothing was recorded. In a search of
    scikit-learn, ``error_score="raise"`` ends the search with it; otherwise the search
    scores what it can afford no longer as NaN, and the final refit raises it.

    Examples
    --------
    >>> from skopt2.privacy import BudgetError, PrivacyAccountant
    >>> from skopt2.solvers.privacy.events import GaussianEvent
    >>> accountant = PrivacyAccountant(epsilon=1.0, delta=1e-5)
    >>> try:
    ...     accountant.spend(GaussianEvent(noise_multiplier=2.0))
    ... except BudgetError:
    ...     accountant.total()
    (0.0, 1e-05)
    """


def system_lock(descriptor):
    """Wait for the operating system's lock of an open file.

    Parameters
    ----------
    descriptor : int
        The open file. Closing it frees the lock.

    Returns
    -------
    locked : bool
        False where there is no such lock.
    """
    try:
        import fcntl
    except ImportError:
        return _windows_lock(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _windows_lock(descriptor):
    try:
        import msvcrt
    except ImportError:
        return False
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        # It gives up by itself after ten seconds.
        with contextlib.suppress(OSError):
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            return True
    raise BudgetError(f"A lock was not free after {PATIENCE:g} s.")


@contextlib.contextmanager
def _exclusive_file(path):
    """Hold a file that only one process can create."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except (FileExistsError, PermissionError):
            if time.monotonic() > end:
                raise BudgetError(
                    f"The lock {path} was not free after {PATIENCE:g} s. If no process "
                    "uses the ledger, one died while it did: delete the lock."
                ) from None
            time.sleep(0.005)
    try:
        yield
    finally:
        os.unlink(path)


class LedgerFile:
    """Records of spending in a file.

    Parameters
    ----------
    path : str
        The file, in a folder that exists.
    """

    def __init__(self, path):
        self.path = os.path.abspath(os.fspath(path))
        self._threads = threading.RLock()
        self._process = os.getpid()

    @contextlib.contextmanager
    def locked(self):
        """Keep every other thread and process away from the file."""
        if self._process != os.getpid():
            # A fork while another thread held the lock leaves it closed for ever.
            self._threads, self._process = threading.RLock(), os.getpid()
        with self._threads:
            folder = os.path.dirname(self.path)
            if not os.path.isdir(folder):
                raise self.gone()
            descriptor = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o666)
            try:
                if system_lock(descriptor):
                    yield
                else:
                    with _exclusive_file(f"{self.path}.held"):
                        yield
            finally:
                os.close(descriptor)

    def gone(self):
        """Return the error for a file that is not there."""
        return BudgetError(
            f"The record of what was spent, {self.path}, is not here: it was deleted, "
            "or it belonged to a session that ended or to another machine. Spending "
            "on is refused, since the total is unknown. Give PrivacyAccountant a file "
            "that lasts and that all processes see: ledger='path/to/ledger.json'."
        )

    def exists(self):
        """Say whether the file is there."""
        return os.path.exists(self.path)

    def read(self):
        """Return the list of records; call it under the lock."""
        try:
            with open(self.path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError:
            raise self.gone() from None
        except (ValueError, OSError) as error:
            raise BudgetError(f"ledger {self.path} cannot be read: {error}.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise BudgetError(f"ledger {self.path} is not a ledger of privacy budgets.")
        return content["records"]

    def write(self, records):
        """Replace the records; call it under the lock.

        Parameters
        ----------
        records : list of dict
            All of them, in plain numbers and strings.
        """
        folder = os.path.dirname(self.path)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=".ledger-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"format": FORMAT, "records": records}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        # The new name is on the disk only after its folder is.
        with contextlib.suppress(OSError, AttributeError):
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
