"""Scikit-learn's callbacks along a path: one task a level of the penalty."""

import time

from skopt2._core.result import History
from skopt2._core.transfer import convert


class PathTasks:
    """Open and close one callback task for each level, inside that of the path.

    What a callback may ask for is built only when one asks.

    Parameters
    ----------
    estimator : estimator
        Being fitted.
    context : sklearn.callback.CallbackContext or None
        Task of the path; None without callbacks, which makes them free.
    alphas : ndarray of shape (n_alphas,)
        Levels of the path.
    data : FitInput
        Data of the path.
    X, y : array or callable
        What callbacks see as the data, or a function that returns it.
    metadata : dict or callable, default=None
        What they see beside it.
    """

    def __init__(self, estimator, context, alphas, data, *, X, y, metadata=None):
        self.estimator, self.context, self.alphas = estimator, context, alphas
        self.data = data
        self._arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._start, self._n_iter, self._history = time.perf_counter(), 0, History()
        if context is not None:
            context.call_on_fit_task_begin(**self._arguments)
            self._open()

    def _open(self):
        self._task = self.context.subcontext(task_name="alpha")
        self._task.call_on_fit_task_begin(**self._arguments)

    def end(self, i, result, *, last=False):
        """Close the task of a level; return True if the path has to end there.

        Parameters
        ----------
        i : int
            Number of the level.
        result : Result
            Its solution.
        last : bool, default=False
            Whether the path ends there in any case.
        """
        if self.context is None:
            return last
        self._n_iter += result.n_iter
        self._history.append(
            iteration=self._n_iter,
            time=time.perf_counter() - self._start,
            objective=result.objective,
            certificate=result.certificate.value,
        )
        stop = self._task.call_on_fit_task_end(
            **self._arguments,
            reconstruction_attributes=lambda: self._attributes(i, result),
        )
        last = last or stop
        if not last and i + 1 < len(self.alphas):
            self._open()
        return last

    def close(self):
        """Close the task of the path."""
        if self.context is not None:
            self.context.call_on_fit_task_end(**self._arguments)

    def _attributes(self, i, result):
        """Return the attributes of an estimator fitted at a level."""
        estimator, data = self.estimator, self.data
        attributes = {
            **convert(estimator._describe(result.solution, data), data.source),
            "alpha_": float(self.alphas[i]),
            "n_iter_": self._n_iter,
            "objective_": result.objective,
            "dual_gap_": result.gap,
            "certificate_": result.certificate,
            "converged_": result.certificate.holds,
            "history_": self._history.as_dict(),
            "device_": data.target.label,
        }
        if data.classes is not None:
            attributes["classes_"] = data.classes
        return attributes
