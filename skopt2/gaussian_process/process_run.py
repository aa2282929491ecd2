"""One fit of a Gaussian process, with its callbacks and its checkpoint."""

from dataclasses import replace

import numpy as np

from skopt2._core.array import accumulation_dtype
from skopt2._core.fit_record import FitRecord
from skopt2._core.result import History, StopReason
from skopt2.solvers.kernel.engine import RESIDUAL

_THETA, _WIDE = "fit_theta", "fit_wide"
# Reasons after which more digits may help.
_OVER = (StopReason.CONVERGED, StopReason.STALLED)


class ProcessRun:
    """What goes on while a Gaussian process is fitted.

    Parameters
    ----------
    model : GaussianProcessRegressor
        Being fitted.
    data : FitInput
        All rows.
    describe : callable
        ``describe(plan, process, solution)`` returns the fitted attributes.
    """

    def __init__(self, model, data, describe):
        self._model, self._data, self._describe = model, data, describe
        self._plan = self._process = None
        self._monitor = model._start(
            data, self.describe, tol=model.tol, certificate=RESIDUAL
        )
        self._resume = model._take_resume(data)
        self._record = FitRecord(self._monitor, model.random_state, self._resume)
        self._record.sources.append(self)

    def streams(self, count):
        """Return independent generators, the same ones after a resumption.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        streams : list of numpy.random.Generator
        """
        return self._record.streams(count)

    def fitted(self, start, search):
        """Return the process with its hyperparameters, those of a checkpoint if any.

        Parameters
        ----------
        start : ProcessKernel
            At its first values.
        search : callable
            Returns a process for one.

        Returns
        -------
        process : ProcessKernel
        """
        theta = self._record.notes.get(_THETA)
        if theta is None or self._model.optimizer is None:
            return search(start)
        # A search with a limit of time would end somewhere else.
        return start.with_theta(np.asarray(theta, dtype=np.float64))

    def solve(self, plan, process, rng):
        """Solve for the posterior, and store the model.

        Parameters
        ----------
        plan : PosteriorPlan
            The system.
        process : ProcessKernel
            Its kernel.
        rng : numpy.random.Generator
            Of the solver.

        Returns
        -------
        model : GaussianProcessRegressor
            Fitted.
        """
        self._process = process
        if self._record.notes.get(_WIDE):
            plan = plan.widened()
        result = self._solution(plan, rng, self._resume)
        if result.reason in _OVER and self._falls_short(plan, result):
            first, plan = result, plan.widened(result.solution.a)
            past = {"n_iter": first.n_iter, "history": first.history.as_dict()}
            result = _continued(first, self._solution(plan, rng, past))
        return self._model._finish(result, self._data, self.describe, self._monitor)

    def _falls_short(self, plan, result):
        """Tell whether the solution needs float64."""
        a = result.solution.a
        stalled = result.reason == StopReason.STALLED
        return plan.is_rounded(a) or (stalled and a.dtype != accumulation_dtype(a))

    def _solution(self, plan, rng, resume):
        """Return the result of the solver."""
        self._plan = plan
        return plan.solve(
            rng=rng,
            monitor=self._record,
            time_limit=self._model.time_limit,
            resume=resume,
        )

    def describe(self, solution):
        """Return the fitted attributes of a solution.

        Parameters
        ----------
        solution : Coefficients
            Of the solver.

        Returns
        -------
        attributes : dict
        """
        return self._describe(self._plan, self._process, solution)

    def pack(self):
        """Return what a checkpoint has to know, beside seeds and the solver's state.

        Returns
        -------
        notes : dict
        """
        process, X = self._process, self._plan.X
        theta = {_THETA: process.theta} if process.has_theta else {}
        return {_WIDE: X.dtype == accumulation_dtype(X), **theta}


def _continued(first, last):
    """Return the last of two results with the passes of both."""
    spent, columns = first.solution.n_epochs, last.history.as_dict()
    columns["n_epochs"][len(first.history) :] += spent
    solution = replace(last.solution, n_epochs=last.solution.n_epochs + spent)
    return replace(last, solution=solution, history=History(columns))
