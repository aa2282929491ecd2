"""What the estimators of a tail of losses share."""

from skopt2._core.validation import check_fit_input, host_data
from skopt2.linear_model.cvar_formulation import CVaRFormulation
from skopt2.linear_model.sparse_model import SparseLinearModel


class CVaRModel(SparseLinearModel):
    """Base of the regressor and the classifier."""

    # No parameters here, but the fit of the base class reads them.
    positive = False
    penalty_factor = None

    def __init__(
        self,
        loss,
        penalty="ridge",
        *,
        beta=0.9,
        alpha=0.01,
        fit_intercept=True,
        solver="auto",
        step_size=1.0,
        tol=1e-6,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.beta = beta
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def _check_input(self, X, y, sample_weight):
        data = check_fit_input(
            self, X, y, sample_weight, y_kind=self._y_kind, squares=True
        )
        if isinstance(self.solver, str) and self.solver == "spl+":
            return host_data(self, data, "the stochastic method")
        return data

    def _formulate(self, data):
        return CVaRFormulation(self, data)

    def _describe(self, solution, data):
        """Return the fitted attributes of a solution, with the risk."""
        risk = {"quantile_": solution.quantile, "cvar_": solution.cvar}
        return {**super()._describe(solution, data), **risk}
