"""Small estimators that report their fits through scikit-learn's callback protocol.

They follow what the real estimators promise to callbacks and nothing more: a root task,
one leaf task a certificate check, and a fitted estimator with the history, objective,
certificate and packed state of that check.
"""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from skopt2._core.resume import fingerprint
from skopt2._core.sklearn_seam import CallbackSupportMixin, with_callbacks


@dataclass(frozen=True)
class ToyCertificate:
    name: str
    value: float
    tol: float

    def __str__(self):
        return f"{self.name} {self.value:.1e} (tol {self.tol:.0e})"


class ToyLasso(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Lasso by proximal gradient steps with momentum, a check at every step."""

    def __init__(self, alpha=0.1, tol=1e-6, max_iter=200):
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        arguments = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**arguments)
        resume = self.__dict__.pop("_resume", None)
        state, past, start = self._begin(X, resume)
        text = fingerprint(self, X, y, sample_weight)
        result = self._iterate(context, arguments, state, past, start, text)
        vars(self).update(result)
        context.call_on_fit_task_end(**arguments, reconstruction_attributes={})
        return self

    def _begin(self, X, resume):
        if resume is None:
            zero = np.zeros(X.shape[1])
            past = {k: [] for k in ("iteration", "time", "objective", "certificate")}
            return {"w": zero, "v": zero.copy(), "t": 1.0}, past, 0
        past = {name: list(values) for name, values in resume["history"].items()}
        return dict(resume["state"]), past, resume["n_iter"]

    def _iterate(self, context, arguments, state, past, start, text):
        X, y = arguments["X"], arguments["y"]
        n = len(y)
        step = n / np.linalg.norm(X, 2) ** 2
        clock = time.perf_counter() - (past["time"][-1] if past["time"] else 0.0)
        reason, attributes = "max_iter", {}
        for k in range(start, self.max_iter):
            task = context.subcontext(task_name="iteration")
            task.call_on_fit_task_begin(**arguments)
            w, v, t = state["w"], state["v"], state["t"]
            z = v - step * X.T @ (X @ v - y) / n
            new = np.sign(z) * np.maximum(np.abs(z) - step * self.alpha, 0)
            t_new = (1 + np.sqrt(1 + 4 * t * t)) / 2
            state = {"w": new, "v": new + (t - 1) / t_new * (new - w), "t": t_new}
            objective, certificate = self._measure(X, y, new)
            row = (k + 1, time.perf_counter() - clock, objective, certificate.value)
            for name, value in zip(past, row, strict=True):
                past[name].append(value)
            attributes = {
                "coef_": new,
                "n_iter_": k + 1,
                "objective_": objective,
                "certificate_": certificate,
                "converged_": certificate.value <= self.tol,
                "history_": {name: np.array(values) for name, values in past.items()},
            }
            inside = {"_solver_state": state, "_fingerprint": text}
            stop = task.call_on_fit_task_end(
                **arguments, reconstruction_attributes={**attributes, **inside}
            )
            if attributes["converged_"]:
                reason = "converged"
                break
            if stop:
                reason = "callback"
                break
        return {**attributes, "stop_reason_": reason}

    def _measure(self, X, y, w):
        n = len(y)
        residual = y - X @ w
        primal = residual @ residual / (2 * n) + self.alpha * np.abs(w).sum()
        scale = min(1.0, self.alpha * n / max(np.max(np.abs(X.T @ residual)), 1e-300))
        theta = scale * residual
        gap = primal - theta @ (2 * y - theta) / (2 * n)
        value = max(gap, 0.0) / (y @ y / (2 * n))
        return float(primal), ToyCertificate("duality gap", float(value), self.tol)

    def predict(self, X):
        return np.asarray(X) @ self.coef_


class ToyLassoCV(ToyLasso):
    """A path of fits below one root, each with iterations of its own."""

    def __init__(self, alphas=(0.3, 0.1), tol=1e-6, max_iter=200):
        self.alphas = alphas
        self.tol = tol
        self.max_iter = max_iter

    @with_callbacks
    def fit(self, X, y):
        context = self._init_callback_context(max_subtasks=len(self.alphas))
        arguments = {"estimator": self, "X": X, "y": y, "metadata": None}
        context.call_on_fit_task_begin(**arguments)
        self.reasons_ = []
        for alpha in self.alphas:
            self.alpha = alpha
            task = context.subcontext(task_name="alpha", max_subtasks=self.max_iter)
            task.call_on_fit_task_begin(**arguments)
            result = self._iterate(task, arguments, *self._begin(X, None), "path")
            vars(self).update(result)
            self.reasons_.append(self.stop_reason_)
            task.call_on_fit_task_end(**arguments)
        context.call_on_fit_task_end(**arguments, reconstruction_attributes={})
        return self


class SilentSolver(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """Iterates without telling callbacks the state of its solver."""

    @with_callbacks
    def fit(self, X, y):
        context = self._init_callback_context(max_subtasks=3)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for k in range(3):
            task = context.subcontext(task_name="iteration")
            task.call_on_fit_task_begin(estimator=self, X=X, y=y)
            task.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes={"n_iter_": k + 1}
            )
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def predict(self, X):
        return np.zeros(len(X))
