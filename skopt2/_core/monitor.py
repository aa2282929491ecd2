"""Scikit-learn's callbacks inside the iteration loop."""

from skopt2._core.array import namespace
from skopt2._core.result import Certificate
from skopt2._core.transfer import convert, is_array


class Monitor:
    """Open one callback task per certificate check and report the fit so far.

    What a callback may ask for is built only when one asks: a progress bar costs no
    copy of the solution and no packing of the solver's state.

    Parameters
    ----------
    estimator : estimator
        Being fitted; it holds the callbacks.
    context : sklearn.callback.CallbackContext
        Root context of the fit.
    data : FitInput
        The data of the fit.
    describe : callable
        ``describe(solution)`` returns the fitted attributes of a solution.
    tol : float
        Tolerance of the certificate.
    certificate : str
        Name of the certificate, such as ``"relative duality gap"``.
    fingerprint : callable
        Returns the fingerprint of the problem.
    """

    def __init__(
        self,
        estimator,
        context,
        data,
        describe,
        *,
        tol,
        certificate,
        fingerprint,
    ):
        self.estimator = estimator
        self.context = context
        self.data = data
        self.describe = describe
        self.tol = tol
        self.certificate = certificate
        self.fingerprint = fingerprint
        self._task = None

    @property
    def arguments(self):
        """What scikit-learn passes to every hook: the estimator and its data."""
        weight = self.data.sample_weight_source
        metadata = dict(self.data.metadata_source or {})
        if weight is not None:
            metadata["sample_weight"] = weight
        return {
            "estimator": self.estimator,
            "X": self.data.X_source,
            "y": self.data.y_source,
            "metadata": metadata or None,
        }

    def begin(self, iteration):
        """Open the task of the iterations up to the next certificate check.

        Parameters
        ----------
        iteration : int
            Number of iterations done.
        """
        self._task = self.context.subcontext(task_name="iteration")
        self._task.call_on_fit_task_begin(**self.arguments)

    def end(self, iteration, solver, state, measure, history):
        """Close the task; return True if a callback asks to stop.

        Parameters
        ----------
        iteration : int
            Number of iterations done.
        solver : object
            With ``finalize(state)`` and ``pack(state)``.
        state : object
            The solver's state.
        measure : Measure
            Of the state.
        history : History
            Up to this check.

        Returns
        -------
        stop : bool
            Whether to stop the fit here.
        """
        return self._task.call_on_fit_task_end(
            **self.arguments,
            reconstruction_attributes=lambda: self.attributes_at(
                iteration, solver, state, measure, history
            ),
        )

    def attributes_at(self, iteration, solver, state, measure, history):
        """Return the attributes of an estimator fitted up to a check.

        Parameters
        ----------
        iteration : int
            Number of iterations done.
        solver, state, measure, history : object
            As in :meth:`end`.

        Returns
        -------
        attributes : dict
            Fitted attributes where the input lived, and ``_solver_state`` and
            ``_fingerprint`` for a checkpoint.
        """
        certificate = Certificate(self.certificate, measure.value, self.tol)
        fitted = convert(self.describe(solver.finalize(state)), self.data.source)
        return {
            **_snapshot(fitted),
            "n_iter_": iteration,
            "objective_": measure.objective,
            "dual_gap_": measure.gap,
            "certificate_": certificate,
            "converged_": certificate.holds,
            "history_": history.as_dict(),
            "device_": self.data.target.label,
            **self._kept(solver, state),
        }

    def _kept(self, solver, state):
        """Return what a checkpoint needs, of solvers that can be resumed."""
        if not hasattr(solver, "pack"):
            return {}
        return {
            "_solver_state": _snapshot(solver.pack(state)),
            "_fingerprint": self.fingerprint(),
        }

    def close(self):
        """Close the root task, once the estimator is fitted."""
        self.context.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes={}
        )


def _snapshot(values):
    """Return a dictionary whose arrays the solver will not change any more."""
    return {
        name: namespace(value).asarray(value, copy=True) if is_array(value) else value
        for name, value in values.items()
    }
