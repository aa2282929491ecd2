"""An estimator on the base of the real ones: a ridge regression by gradient descent."""

from sklearn.base import RegressorMixin

from skopt2._core.array import asarray_like, dot64, max_abs, norm64, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.result import Measure
from skopt2._core.validation import check_fit_input, check_predict_input

NAME = "relative gradient"


class GradientDescent:
    """min_w sum_i s_i (x_i'w - y_i)^2 / 2 + alpha |w|^2 / 2 by steps in place."""

    def __init__(self, X, y, weight, alpha, fail_at):
        self.steps_left = fail_at
        self.X, self.y, self.alpha = X, y, alpha
        self.weight = weight if weight is not None else 1.0 / X.shape[0]
        self.step_size = 0.9 / self.largest_eigenvalue()

    def hessian(self, w):
        return self.X.T @ (self.weight * (self.X @ w)) + self.alpha * w

    def largest_eigenvalue(self):
        v = self.X.T @ (0 * self.y + 1)
        if max_abs(v) == 0:
            return self.alpha
        for _ in range(20):
            v = self.hessian(v / norm64(v))
        return norm64(v)

    def gradient(self, w):
        return self.hessian(w) - self.X.T @ (self.weight * self.y)

    def step(self, w):
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise KeyboardInterrupt
        w -= self.step_size * self.gradient(w)
        return w

    def certificate(self, w):
        value = max_abs(self.gradient(w)) / (max_abs(self.gradient(0 * w)) or 1.0)
        residual = self.X @ w - self.y
        objective = dot64(self.weight * residual, residual) + self.alpha * dot64(w, w)
        return Measure(objective / 2, value, extra={"size": max_abs(w)})

    def finalize(self, w):
        return w + 0.0

    def pack(self, w):
        return {"w": to_numpy(w)}

    def unpack(self, packed):
        return asarray_like(packed["w"], self.y) + 0.0


class ToyRidge(RegressorMixin, IterativeEstimator):
    def __init__(self, alpha=0.1, tol=1e-6, max_iter=500, device=None, fail_at=None):
        self.alpha = alpha
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.fail_at = fail_at

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit in the order that every estimator follows."""
        data = check_fit_input(self, X, y, sample_weight)
        with data.target.activate():
            solver = GradientDescent(
                data.X, data.y, data.sample_weight, self.alpha, self.fail_at
            )
            start = solver.X.T @ (0 * solver.y)
            return self._run(solver, start, data, self._describe, NAME)

    def _describe(self, w):
        return {"coef_": w, "nested_": {"list": [w, 1.0], "text": "kept"}}

    def predict(self, X):
        return check_predict_input(self, X) @ self.coef_
