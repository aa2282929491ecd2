"""Saving a fit while it runs, and continuing it after an interruption."""

import os
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from skopt2._core.resume import fingerprint
from skopt2.callbacks.checkpoint_file import (
    SavedFit,
    read_checkpoint,
    write_checkpoint,
)
from skopt2.callbacks.task import (
    check_every,
    is_fit,
    is_iteration,
    task_ids,
    task_key,
    task_path,
)

_PLACE = "{task}"
# After these nothing is left to resume: solved, at the limit of the precision, or on a
# state that is not finite.
_FINAL = frozenset({"converged", "stalled", "diverged"})


@dataclass
class _RunningFit:
    """What the callback knows of a fit between its setup and its teardown."""

    path: Path
    resumed: SavedFit | None = None
    checks: int = 0
    written_at: float = float("-inf")
    written: bool = False
    pending: SavedFit | None = None
    ended: bool = False


class Checkpoint:
    """Save the solver's state to a file, from which an interrupted fit continues.

    Register it on the estimator whose fit takes long and fit it. If the process dies,
    is interrupted, or the fit runs out of iterations or time, run the same lines
    again: the fit goes on from the file to the same answer. What may change in
    between is ``max_iter``, ``tol``, ``time_limit`` and ``device``.

    It is not auto-propagated: a file belongs to one fit of one estimator. Inside a
    search or any other estimator that makes several fits, register it on the inner
    estimator with a path that contains ``{task}``, which becomes the place of the fit
    in the search, such as ``0-12``.

    Parameters
    ----------
    path : str or path-like
        File to write, usually ``*.npz``; its folder has to exist. The file holds plain
        arrays and a JSON header, no pickle, and is replaced atomically.
    every : int, default=1
        Write every so many certificate checks. The state of the last check is also
        written when the fit ends or is interrupted.
    min_seconds : float, default=1.0
        Least time between two writes: waiting for the disk at each of many short
        iterations would take longer than the fit.
    finished : {"raise", "overwrite", "resume"}, default="raise"
        What to do with the file of a fit that has converged (or cannot go on, because
        it stalled or diverged): raise a ValueError, start anew, or continue from its
        last state, which costs one check.
    mismatch : {"raise", "overwrite"}, default="raise"
        What to do with a file of another problem (other data, parameters or class of
        estimator) or one that cannot be read: raise a ValueError, or start anew.

    Examples
    --------
    >>> from skopt2.callbacks import Checkpoint
    >>> checkpoint = Checkpoint("fit.npz", every=10, min_seconds=30)
    >>> checkpoint.path
    'fit.npz'
    """

    def __init__(
        self, path, every=1, *, min_seconds=1.0, finished="raise", mismatch="raise"
    ):
        if not min_seconds >= 0:
            raise ValueError(f"min_seconds must be at least 0, got {min_seconds!r}.")
        if finished not in ("raise", "overwrite", "resume"):
            raise ValueError(
                f"finished must be 'raise', 'overwrite' or 'resume', got {finished!r}."
            )
        if mismatch not in ("raise", "overwrite"):
            raise ValueError(
                f"mismatch must be 'raise' or 'overwrite', got {mismatch!r}."
            )
        self.path = os.fspath(path)
        self.every = check_every(every)
        self.min_seconds = float(min_seconds)
        self.finished = finished
        self.mismatch = mismatch
        self._fits = {}

    def setup(self, estimator, context):
        """Hand the state of an interrupted fit to the estimator.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            Its root task.

        Raises
        ------
        ValueError
            If the file cannot be used and the options do not allow to replace it, or
            several fits would share it.
        FileNotFoundError
            If the folder of the file does not exist.
        """
        path = self._path_of(context)
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"The folder of the checkpoint {path} does not exist; create it first."
            )
        fit = self._fits[task_key(context)] = _RunningFit(path)
        if path.exists():
            fit.resumed = self._usable(path, type(estimator).__name__)
        if fit.resumed is not None:
            estimator._resume = {
                "state": fit.resumed.state,
                "n_iter": fit.resumed.n_iter,
                "history": fit.resumed.history,
                "fingerprint": fit.resumed.fingerprint,
            }

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        """Compare the data with those of the interrupted fit.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that begins.
        X, y : array-like, default=None
            Data of the fit.
        metadata : dict, default=None
            May hold "sample_weight".

        Raises
        ------
        ValueError
            If the file belongs to another problem and ``mismatch="raise"``.
        """
        fit = self._fits.get(task_key(context))
        if fit is None or fit.resumed is None or X is None or not is_fit(context):
            return
        metadata = dict(metadata or {})
        weight = metadata.pop("sample_weight", None)
        found = fingerprint(estimator, X, y, weight, metadata)
        if fit.resumed.fingerprint == found:
            return
        if self.mismatch == "raise":
            raise ValueError(
                f"The checkpoint {fit.path} belongs to another problem: the "
                f"parameters of {type(estimator).__name__}, X, y or sample_weight "
                "differ from those of the interrupted fit. Restore them (max_iter, "
                "tol, time_limit and device may change), remove the file, or pass "
                "mismatch='overwrite'."
            )
        vars(estimator).pop("_resume", None)
        fit.resumed = None

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Save the state of a check, if one is due.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that ends.
        fitted_estimator : estimator, default=None
            The estimator as of now, with its solver's state.

        Raises
        ------
        TypeError
            If the estimator does not reveal the state of its solver.
        """
        if is_fit(context):
            fit = self._fits.get(task_key(context))
            if fit is not None:
                fit.ended = True
            return
        if fitted_estimator is None or not is_iteration(context):
            return
        fit = self._fits.get(task_key(context.parent))
        if fit is None:
            return
        state = getattr(fitted_estimator, "_solver_state", None)
        if state is None:
            raise TypeError(
                f"{type(estimator).__name__} does not reveal the state of its solver "
                "and cannot be saved by Checkpoint; the iterative estimators of skopt2 "
                "do."
            )
        saved = SavedFit(
            estimator=type(estimator).__name__,
            n_iter=int(fitted_estimator.n_iter_),
            fingerprint=getattr(fitted_estimator, "_fingerprint", ""),
            state=state,
            history=fitted_estimator.history_,
        )
        fit.checks += 1
        now = time.monotonic()
        due = fit.checks % self.every == 0
        if due and now - fit.written_at >= self.min_seconds:
            write_checkpoint(fit.path, saved)
            fit.written_at, fit.written, fit.pending = now, True, None
        else:
            fit.pending = saved.copied()

    def teardown(self, estimator, context):
        """Write what is not written yet, and mark a fit that is over as finished.

        Parameters
        ----------
        estimator : estimator
            Fitted, or interrupted.
        context : CallbackContext
            Its root task.
        """
        fit = self._fits.pop(task_key(context), None)
        if fit is None:
            return
        last = fit.pending
        if fit.ended:
            if last is None and fit.written:
                last = read_checkpoint(fit.path)
            if last is not None:
                reason = getattr(estimator, "stop_reason_", None)
                last = replace(
                    last,
                    stop_reason=None if reason is None else str(reason),
                    finished=reason in _FINAL,
                )
        if last is not None:
            write_checkpoint(fit.path, last)
        elif fit.ended and fit.resumed is None:
            warnings.warn(
                f"Checkpoint wrote nothing to {fit.path}: the fit of "
                f"{type(estimator).__name__} has no iterations of its own. Register it "
                "on an estimator that makes a single iterative fit.",
                UserWarning,
                stacklevel=2,
            )

    def _path_of(self, context):
        """Return the file of a fit; raise where several fits would share one."""
        if _PLACE in self.path:
            place = "-".join(map(str, task_ids(context))) or "0"
            return Path(self.path.replace(_PLACE, place))
        for outer in task_path(context)[:-1]:
            if not outer.sequential_subtasks:
                raise ValueError(
                    f"{outer.estimator_name} makes several fits, which cannot share "
                    f"the checkpoint {self.path!r}. Put {_PLACE} into the path to give "
                    "each fit a file of its own."
                )
        return Path(self.path)

    def _usable(self, path, estimator_name):
        """Return the stored fit to continue, None to start anew, or raise."""
        try:
            saved = read_checkpoint(path)
        except ValueError as error:
            if self.mismatch == "overwrite":
                return None
            raise ValueError(
                f"{error} Remove it or pass mismatch='overwrite'."
            ) from error
        if saved.estimator != estimator_name:
            if self.mismatch == "overwrite":
                return None
            raise ValueError(
                f"The checkpoint {path} was written by {saved.estimator}, not by "
                f"{estimator_name}. Remove it, choose another path, or pass "
                "mismatch='overwrite'."
            )
        if saved.finished and self.finished != "resume":
            if self.finished == "overwrite":
                return None
            raise ValueError(
                f"The checkpoint {path} holds a finished fit of {saved.estimator} "
                f"({saved.stop_reason} after {saved.n_iter} iterations). Remove it, "
                "choose another path, or pass finished='overwrite' to start anew or "
                "finished='resume' to continue from its last state."
            )
        return saved

    def __getstate__(self):
        return {**vars(self), "_fits": {}}
