"""What the sparse linear estimators share: one fit, one prediction."""

import numpy as np

# Not used here: loaded so that the first fit does not wait for the default solver.
import skopt2.solvers.working_set  # noqa: F401
from skopt2._core.array import is_sparse, namespace, to_numpy
from skopt2._core.chunks import by_blocks
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.validation import (
    check_fit_input,
    check_predict_input,
    host_data,
)
from skopt2.linear_model.block_coordinate_descent import BlockCoordinateDescent
from skopt2.linear_model.curvature_steps import STEPS
from skopt2.linear_model.formulation import Formulation
from skopt2.losses import get_loss
from skopt2.penalties import get_penalty
from skopt2.solvers.state import Solution


def _rules(name):
    """Return the options that the name of a solver stands for."""
    known = {"bcd": BlockCoordinateDescent, **STEPS}
    if name not in known:
        raise ValueError(
            f"solver={name!r} has no parameters; those with some are "
            f"{', '.join(map(repr, known))}."
        )
    return known[name]()


class SparseLinearModel(IterativeEstimator):
    """Base of the sparse regressor and the sparse classifier."""

    _y_kind = "regression"
    _get_penalty = staticmethod(get_penalty)

    def _makers(self):
        return {"loss": get_loss, "penalty": self._get_penalty, "solver": _rules}

    def _check_input(self, X, y, sample_weight):
        data = check_fit_input(
            self, X, y, sample_weight, y_kind=self._y_kind, squares=True
        )
        solver = getattr(self, "solver", "auto")
        named = isinstance(solver, str) and solver == "bcd"
        if named or isinstance(solver, BlockCoordinateDescent):
            return host_data(self, data, "block coordinate descent")
        return data

    def _formulate(self, data):
        return Formulation(self, data)

    def _fit(self, X, y, sample_weight):
        """Check the input, minimise, and store: the body of every ``fit``."""
        data = self._check_input(X, y, sample_weight)
        with data.target.activate():
            formulation = self._formulate(data)
            formulation.set_alpha(self.alpha)
            solver = formulation.solver()

            def describe(solution):
                return self._describe(solution, data)

            if data.classes is not None:
                # Before the end: callbacks predict with the model of a check.
                self.classes_ = data.classes
            monitor = self._start(
                data,
                describe,
                tol=formulation.tol,
                certificate=solver.certificate_name,
                max_checks=formulation.max_iter,
            )
            warm = self._warm_solution(data, formulation.problem.n_outputs)
            result, _ = formulation.minimise(
                solver,
                solver.init(formulation.feasible(warm)),
                monitor=monitor,
                resume=self._take_resume(data),
            )
            return self._finish(result, data, describe, monitor)

    def _describe(self, solution, data):
        """Return ``coef_`` and ``intercept_`` of a solution, in host memory."""
        values = data.X.data if is_sparse(data.X) else data.X
        dtype = np.float32 if "float32" in str(values.dtype) else np.float64
        w = solution.w
        coef = np.zeros((data.X.shape[1], *w.shape[1:]), dtype=dtype)
        coef[solution.ids] = w
        intercept = np.asarray(solution.intercept, dtype=dtype)
        return self._shape_attributes(coef, intercept)

    def _shape_attributes(self, coef, intercept):
        return {"coef_": coef, "intercept_": float(intercept)}

    def _warm_solution(self, data, outputs):
        """Return the previous fit as a start, None without one that has the shape."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef, intercept = self._unshape(to_numpy(self.coef_), to_numpy(self.intercept_))
        n_features = data.X.shape[1]
        expected = (n_features,) if outputs == 1 else (n_features, outputs)
        if coef.shape != expected:
            return None
        used = coef != 0 if coef.ndim == 1 else (coef != 0).any(axis=1)
        ids = np.flatnonzero(used)
        return Solution(ids, coef[ids].astype(np.float64), intercept)

    def _unshape(self, coef, intercept):
        return coef, float(intercept)

    @by_blocks
    def _linear(self, X, method):
        """Return X @ coef + intercept, (n,) or (n, K)."""
        X = check_predict_input(self, X, method=method)
        coef, intercept = self.coef_, self.intercept_
        if coef.ndim == 1:
            return X @ coef + intercept
        xp = namespace(coef)
        product = X @ (coef.T if xp is np else xp.matrix_transpose(coef))
        return product + intercept
