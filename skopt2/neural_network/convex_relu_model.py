"""What the convex networks share: one fit, one forward pass."""

import numpy as np

from skopt2._core.array import namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.fit_record import FitRecord
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_count
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.losses import get_loss
from skopt2.neural_network.network_formulation import NetworkFormulation, with_bias
from skopt2.neural_network.network_parameters import check_parameters
from skopt2.solvers.certificate import GAP
from skopt2.solvers.convex_relu.cone_projection import gate_violation
from skopt2.solvers.convex_relu.gates import sample_gates
from skopt2.solvers.convex_relu.network import network_of
from skopt2.solvers.convex_relu.program import Blocks

# Steps between two certificates of ADMM, each about as dear as a step.
CHECK_EVERY = 10


class ConvexReLUModel(IterativeEstimator):
    """Base of the convex networks, for regression and classification."""

    _y_kind = "regression"
    _remedies = (
        "bring the features to one scale, or increase alpha",
        "bring the features to one scale, or increase alpha",
    )
    _sparse_input = False

    def _makers(self):
        return {"loss": get_loss}

    def _check_input(self, X, y, sample_weight):
        return check_fit_input(
            self,
            X,
            y,
            sample_weight,
            accept_sparse=False,
            y_kind=self._y_kind,
            squares=True,
        )

    def _fit(self, X, y, sample_weight):
        """Check the input, minimise, and store: the body of every ``fit``."""
        check_parameters(self)
        data = self._check_input(X, y, sample_weight)
        with data.target.activate():
            formulation = NetworkFormulation(self, data)

            def describe(solution):
                return self._describe(solution, formulation, data)

            former = formulation.former(self._weights()) if self.warm_start else None
            if data.classes is not None:
                # Before the end: callbacks predict with the model of a check.
                self.classes_ = data.classes
            monitor = self._start(data, describe, tol=self.tol, certificate=GAP)
            resume = self._take_resume(data)
            record = FitRecord(monitor, self.random_state, resume)
            solver, start = formulation.solver(
                record.streams(1)[0], record.notes, former
            )
            record.sources.append(formulation)
            result = iterate(
                solver,
                start,
                tol=self.tol,
                max_iter=self.max_iter,
                check_every=CHECK_EVERY if formulation.method == "admm" else 1,
                time_limit=self.time_limit,
                monitor=record,
                name=GAP,
                resume=resume,
            )
            return self._finish(result, data, describe, monitor)

    def _describe(self, solution, formulation, data):
        """Return the fitted attributes of blocks or of a network, on its device."""
        if isinstance(solution, Blocks):
            network, theta = network_of(solution), solution.theta
        else:
            network, theta = solution, formulation.gradient_at(solution)
        xp, dtype = namespace(data.X), data.X.dtype
        W, d = network.W, int(data.X.shape[1])
        bias = W[:, d] if formulation.bias else xp.zeros_like(network.sizes)
        hidden, bias, a, b, sizes = (
            xp.astype(part, dtype)
            for part in (W[:, :d].T, bias, network.a, network.b, network.sizes)
        )
        return {
            "coefs_": [hidden, a],
            "intercepts_": [bias, b],
            "neuron_sizes_": sizes,
            "dual_coef_": xp.astype(formulation.dual_of(theta), dtype),
            "n_hidden_": int(sizes.shape[0]),
            "n_gates_": int(formulation.gates.shape[0]),
            "solver_": formulation.method,
        }

    def _weights(self):
        """Return the weights of the previous fit, None without one."""
        if not hasattr(self, "coefs_"):
            return None
        (W, a), (c, b) = self.coefs_, self.intercepts_
        return W, c, a, b

    def _outputs(self, X, method):
        """Return the outputs of the network, (n, K)."""
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="neuron_sizes_", method=method
        )
        (W, a), (c, b) = self.coefs_, self.intercepts_
        return namespace(X).maximum(X @ W + c, 0.0) @ a + b

    def gate_violation(self, X, *, n_gates=1000, random_state=None):
        """Try fresh activation patterns on the training data.

        The dual point of the fit proves its bound for the patterns that were in use. A
        pattern that was not could lower the objective only if the dual constraint of
        its cone is violated there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data of the fit, row by row.
        n_gates : int, default=1000
            Patterns to draw.
        random_state : None, int, RandomState or Generator, default=None
            Draws them.

        Returns
        -------
        violation : float
            Largest violation relative to ``alpha``. With a large one, fit with
            ``init="dual"`` or "descent", or a larger ``n_gates``. With a value near 0,
            or below, none of the fresh patterns is worth adding, which says little
            where there are many features. With ``robust`` it is that of rows that do
            not move.

        Raises
        ------
        ValueError
            If ``X`` has other rows than the fit, or ``n_gates`` is out of range.
        """
        X = check_predict_input(
            self,
            X,
            accept_sparse=False,
            attribute="dual_coef_",
            method="gate_violation",
        )
        check_count("n_gates", n_gates)
        dual = to_numpy(self.dual_coef_).astype(np.float64)
        rows = to_numpy(X).astype(np.float64)
        if len(rows) != len(dual):
            raise ValueError(
                f"X has {len(rows)} rows, and the model was fitted to {len(dual)}: "
                "pass the X of the fit."
            )
        rows = with_bias(rows) if self.fit_intercept else rows
        s = np.full(len(rows), 1.0 / len(rows))
        rng = spawn(random_state, 1)[0]
        D = sample_gates(rows, s, n_gates, bool(self.fit_intercept), rng)
        return gate_violation(rows, D, dual, float(self.alpha))
