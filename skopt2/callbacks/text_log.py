"""One line of text a certificate check."""

import logging
import math
import sys
import time

from skopt2.callbacks.task import (
    certificate_value,
    check_every,
    is_fit,
    is_iteration,
    task_key,
    task_label,
)


class TextLog:
    """Write iteration, seconds, objective and certificate of every check as text.

    One aligned line a check, and one at the end of each fit with the reason why it
    stopped. Register it on the outermost estimator: it is auto-propagated, so that a
    search or a pipeline logs the fits below it, each line with the place of its fit.

    Parameters
    ----------
    stream : text stream, logging.Logger or None, default=None
        Where the lines go. None is whatever ``sys.stdout`` is when a line is written.
    every : int, default=1
        Write every so many checks of a fit.
    min_seconds : float, default=0.0
        Least time between two lines of checks. A cross-validated path has hundreds of
        checks in a second; the last line of each fit is always written.
    level : int, default=logging.INFO
        Level of the records where ``stream`` is a logger.
    max_propagation_depth : int or None, default=None
        How many levels of nested estimators to log; None logs all of them.

    Notes
    -----
    Streams other than loggers are not pickled. Fits in worker processes therefore
    write to the standard output of their worker, which most backends of joblib show in
    the terminal; for their lines in a file pass a logger that the workers configure.

    Examples
    --------
    >>> import io
    >>> from skopt2.callbacks import TextLog
    >>> log = TextLog(stream=io.StringIO(), every=10)
    >>> log.max_propagation_depth is None
    True
    """

    def __init__(
        self,
        stream=None,
        every=1,
        *,
        min_seconds=0.0,
        level=logging.INFO,
        max_propagation_depth=None,
    ):
        writable = hasattr(stream, "write") or isinstance(stream, logging.Logger)
        if stream is not None and not writable:
            raise ValueError(
                "stream must be None, a text stream or a logging.Logger, got "
                f"{stream!r}."
            )
        self.stream = stream
        if not min_seconds >= 0:
            raise ValueError(f"min_seconds must be at least 0, got {min_seconds!r}.")
        self.every = check_every(every)
        self.min_seconds = float(min_seconds)
        self.level = level
        self._depth = max_propagation_depth
        self._started = {}
        self._checks = {}
        self._written_at = {}

    @property
    def max_propagation_depth(self):
        """How many levels of nested estimators to log; None for all."""
        return self._depth

    def setup(self, estimator, context):
        """Do nothing; the clock starts with the first task.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            Its root task.
        """

    def on_fit_task_begin(self, estimator, context):
        """Start the clock of a fit.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that begins.
        """
        if is_fit(context):
            self._started[task_key(context)] = time.perf_counter()

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        """Write the line of a check or the last line of a fit.

        Parameters
        ----------
        estimator : estimator
            Being fitted.
        context : CallbackContext
            The task that ends.
        fitted_estimator : estimator, default=None
            The estimator as of now.
        """
        if is_fit(context):
            self._end_fit(context, estimator)
        elif fitted_estimator is not None and is_iteration(context):
            key = task_key(context.parent)
            count = self._checks[key] = self._checks.get(key, 0) + 1
            if count % self.every == 0 and self._is_time(context.root_uuid):
                self._write(self._line(context, count, fitted_estimator))
        else:
            # The end of a task between the fit and its iterations, one penalty of a
            # path for example.
            self._checks.pop(task_key(context), None)

    def teardown(self, estimator, context):
        """Forget the fits below this one, which may have ended by an error.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        context : CallbackContext
            Its root task.
        """
        self._written_at.pop(context.root_uuid, None)
        for table in (self._started, self._checks):
            for key in [key for key in table if key[0] == context.root_uuid]:
                del table[key]

    def _is_time(self, root):
        """Tell whether the line before is old enough; then this is the line before."""
        if not self.min_seconds:
            return True
        now = time.perf_counter()
        if now - self._written_at.get(root, -math.inf) < self.min_seconds:
            return False
        self._written_at[root] = now
        return True

    def _seconds(self, context, estimator):
        """Seconds of the fit, those before an interruption included."""
        recorded = (getattr(estimator, "history_", None) or {}).get("time", ())
        if len(recorded):
            return float(recorded[-1])
        while not is_fit(context):
            context = context.parent
        now = time.perf_counter()
        return now - self._started.get(task_key(context), now)

    def _line(self, context, count, estimator):
        """Compose the line of one check."""
        parts = [
            f"{task_label(context.parent):<24s}",
            f"iteration {getattr(estimator, 'n_iter_', count):>7d}",
            f"{self._seconds(context, estimator):>9.3f} s",
        ]
        if hasattr(estimator, "objective_"):
            parts.append(f"objective {float(estimator.objective_):>16.9e}")
        if hasattr(estimator, "certificate_"):
            name = getattr(estimator.certificate_, "name", "certificate")
            parts.append(f"{name} {certificate_value(estimator):>9.2e}")
        return "  ".join(parts)

    def _end_fit(self, context, estimator):
        key = task_key(context)
        seconds = self._seconds(context, estimator)
        self._started.pop(key, None)
        self._checks.pop(key, None)
        reason = getattr(estimator, "stop_reason_", None)
        if reason is None:
            return
        self._write(
            f"{task_label(context):<24s}  {reason} after {estimator.n_iter_} "
            f"iterations in {seconds:.3f} s: {estimator.certificate_}"
        )

    def _write(self, line):
        if isinstance(self.stream, logging.Logger):
            self.stream.log(self.level, line)
            return
        stream = sys.stdout if self.stream is None else self.stream
        # One call with the whole line: lines of concurrent fits do not interleave.
        stream.write(line + "\n")
        if hasattr(stream, "flush"):
            stream.flush()

    def __getstate__(self):
        keep = self.stream if isinstance(self.stream, logging.Logger) else None
        return {**vars(self), "stream": keep}
