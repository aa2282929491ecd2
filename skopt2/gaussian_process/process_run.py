"""One fit of a Gaussian process, with its callbacks and its checkpoint."""

import numpy as np

from skopt2._core.fit_record import FitRecord
from skopt2.solvers.kernel.engine import RESIDUAL

_THETA = "fit_theta"


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
        self._plan, self._process = plan, process
        result = plan.solve(
            rng=rng,
            monitor=self._record,
            time_limit=self._model.time_limit,
            resume=self._resume,
        )
        return self._model._finish(result, self._data, self.describe, self._monitor)

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
        process = self._process
        return {_THETA: process.theta} if process.has_theta else {}
