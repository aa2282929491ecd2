"""The base of every estimator: devices, callbacks, results.

The ``fit`` of an estimator reads::

    @fit_method
    def fit(self, X, y, sample_weight=None):
        data = check_fit_input(self, X, y, sample_weight)
        with data.target.activate():
            solver, start, describe = ...
            return self._run(solver, start, data, describe, "name of the certificate")

where ``describe(solution)`` returns the fitted attributes of a solution, on the device
that computed it. It serves the callbacks in the middle of the fit and the result at its
end, so that the two cannot disagree. A fit with more to it than one loop calls the
parts of ``_run`` itself: ``_start``, ``_take_resume``, ``iterate``, ``_finish``.
"""

import functools
import math
import sys
import warnings

from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from skopt2._core.iterate import iterate
from skopt2._core.monitor import Monitor
from skopt2._core.named_objects import NamedObjects
from skopt2._core.result import StopReason
from skopt2._core.resume import check_resume, fingerprint
from skopt2._core.shared_parameters import check_shared
from skopt2._core.sklearn_seam import CallbackSupportMixin, with_callbacks
from skopt2._core.transfer import convert


def fit_method(fit):
    """Decorate ``fit``: run its callbacks, and leave no trace of a fit that failed.

    Parameters that mean the same in every estimator are checked before anything else,
    whether this fit needs them or not. An error, or a KeyboardInterrupt, in the middle
    of a fit restores every attribute as it was before the call: a model that was
    fitted stays usable.

    Parameters
    ----------
    fit : callable
        Method ``fit(self, X, y, ...)``.

    Returns
    -------
    decorated : callable
        The method with the same signature.
    """
    return all_or_nothing(with_callbacks(fit))


def all_or_nothing(fit):
    """Decorate ``fit``: an error, or a KeyboardInterrupt, leaves no trace of it.

    Parameters
    ----------
    fit : callable
        Method ``fit(self, X, y, ...)``.

    Returns
    -------
    decorated : callable
        The method with the same signature.
    """

    @functools.wraps(fit)
    def atomic_fit(self, *args, **kwargs):
        check_shared(self)
        before = dict(vars(self))
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return atomic_fit


class IterativeEstimator(NamedObjects, CallbackSupportMixin, BaseEstimator):
    """Base of the estimators that are fitted by the iteration loop.

    Subclasses have the parameter ``device``, decorate ``fit`` with :func:`fit_method`,
    and get tags, callbacks, checkpoints and the fitted attributes of a result.
    """

    # What to do, beside more iterations, about a fit that stopped short of its
    # tolerance, and about one that diverged.
    _remedies = (
        "bring the features to one scale",
        "bring the features to one scale, or increase alpha",
    )
    _sparse_input = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = self._sparse_input
        return tags

    def _run(
        self,
        solver,
        start,
        data,
        describe,
        certificate,
        *,
        max_iter=None,
        check_every=1,
    ):
        """Iterate from a start, or from a checkpoint, and store the result.

        Parameters
        ----------
        solver : object
            For :func:`skopt2._core.iterate.iterate`.
        start : object or callable
            Starting state; or what returns it, and is not called where a checkpoint
            holds one.
        data : FitInput
            The data of the fit.
        describe : callable
            As in :meth:`_start`.
        certificate : str
            Name of the certificate.
        max_iter : int, default=None
            Largest number of steps; None for the parameter of that name.
        check_every : int or callable, default=1
            Steps between two checks.

        Returns
        -------
        self : estimator
            Fitted.
        """
        max_iter = int(self.max_iter if max_iter is None else max_iter)
        checks = None if callable(check_every) else math.ceil(max_iter / check_every)
        monitor = self._start(
            data, describe, tol=self.tol, certificate=certificate, max_checks=checks
        )
        resume = self._take_resume(data)
        if callable(start):
            start = start() if resume is None or "state" not in resume else None
        result = iterate(
            solver,
            start,
            tol=float(self.tol),
            max_iter=max_iter,
            check_every=check_every,
            time_limit=getattr(self, "time_limit", None),
            monitor=monitor,
            name=certificate,
            resume=resume,
        )
        return self._finish(result, data, describe, monitor)

    def _start(self, data, describe, *, tol, certificate, max_checks=None):
        """Set up the callbacks of a fit.

        Parameters
        ----------
        data : FitInput
            The data of the fit.
        describe : callable
            ``describe(solution)`` returns a dictionary of fitted attributes.
        tol : float
            Tolerance of the certificate.
        certificate : str
            Name of the certificate.
        max_checks : int, default=None
            Largest number of certificate checks, for progress bars; None if unknown.

        Returns
        -------
        monitor : Monitor or None
            For ``iterate``; None without callbacks, which makes them free.
        """
        if not getattr(self, "_skl_callbacks", None):
            return None
        context = self._init_callback_context(max_subtasks=max_checks)
        monitor = Monitor(
            self,
            context,
            data,
            describe,
            tol=tol,
            certificate=certificate,
            # Once per fit: a checkpoint asks for it at every check.
            fingerprint=functools.cache(lambda: self._fingerprint_of(data)),
        )
        context.call_on_fit_task_begin(**monitor.arguments)
        return monitor

    def _fingerprint_of(self, data):
        return fingerprint(
            self,
            data.X_source,
            data.y_source,
            data.sample_weight_source,
            data.metadata_source,
        )

    def _take_resume(self, data):
        """Return the checkpoint to continue from, once, or None.

        Call it after :meth:`_start`, in which the callbacks load it.

        Parameters
        ----------
        data : FitInput
            The data of the fit.

        Returns
        -------
        payload : dict or None
            With ``"state"``, ``"n_iter"``, ``"history"`` and ``"fingerprint"``.

        Raises
        ------
        ValueError
            If the checkpoint belongs to another problem.
        """
        payload = self.__dict__.pop("_resume", None)
        if payload is not None:
            check_resume(payload, self._fingerprint_of(data))
        return payload

    def _finish(self, result, data, describe, monitor=None):
        """Turn a result into fitted attributes, warn, and close the callbacks.

        Parameters
        ----------
        result : Result
            What ``iterate`` returned.
        data : FitInput
            The data of the fit.
        describe : callable
            As in :meth:`_start`.
        monitor : Monitor, default=None
            What :meth:`_start` returned.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._store(result, data, describe(result.solution))
        self._warn_unless_converged(result)
        if monitor is not None:
            monitor.close()
        return self

    def _store(self, result, data, attributes):
        """Set the fitted attributes, arrays where the input lived.

        Parameters
        ----------
        result : Result
            Reason, certificate and history.
        data : FitInput
            The data of the fit.
        attributes : dict
            What the solution means to this estimator, on the device that computed it.
        """
        fitted = convert(attributes, data.source)
        vars(self).update(
            fitted,
            n_iter_=int(result.n_iter),
            converged_=result.reason == StopReason.CONVERGED,
            stop_reason_=str(result.reason),
            objective_=float(result.objective),
            certificate_=result.certificate,
            dual_gap_=float(result.gap),
            history_=result.history.as_dict(),
            device_=data.target.label,
        )

    def _limit(self, result):
        """Return the words for the limit of iterations that a fit came to."""
        return f"max_iter={result.n_iter} iterations"

    def _warn_unless_converged(self, result):
        """Emit a ConvergenceWarning that says what was reached and what to change.

        A fit that a callback stopped did what the user asked, and is not warned about.

        Parameters
        ----------
        result : Result
            What ``iterate`` returned.
        """
        if result.reason in (StopReason.CONVERGED, StopReason.CALLBACK):
            return
        remedy, cure = self._remedies
        causes = {
            StopReason.MAX_ITER: (
                f"after {self._limit(result)}",
                f"Increase max_iter, loosen tol, or {remedy}",
            ),
            StopReason.TIME_LIMIT: (
                f"at its time_limit, after {result.n_iter} iterations",
                f"Increase time_limit, loosen tol, or {remedy}",
            ),
            StopReason.STALLED: (
                f"without further progress, after {result.n_iter} iterations",
                "Loosen tol to what the precision of the data allows (float64 allows "
                f"less than float32), or {remedy}",
            ),
            StopReason.DIVERGED: (
                f"because the objective diverged, after {result.n_iter} iterations",
                cure[0].upper() + cure[1:],
            ),
        }
        how, advice = causes[result.reason]
        warnings.warn(
            f"{type(self).__name__} stopped {how}: {result.certificate}. {advice}.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )


def level_of_caller():
    """Return the stack level of the user's line.

    Returns
    -------
    level : int
        For ``warnings.warn``, seen from the calling function.
    """
    level, frame = 1, sys._getframe(1)
    # NumPy is between where np.errstate decorates a method.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        ("skopt2.", "sklearn.callback.", "numpy.")
    ):
        level, frame = level + 1, frame.f_back
    return level
