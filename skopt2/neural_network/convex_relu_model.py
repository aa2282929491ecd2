"""What the convex networks share: one fit, one forward pass."""

from skopt2._core.array import namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator
from skopt2._core.fit_record import FitRecord
from skopt2._core.iterate import iterate
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.neural_network.network_formulation import NetworkFormulation
from skopt2.neural_network.network_parameters import check_count, check_parameters
from skopt2.solvers.convex_relu.cone_projection import gate_violation
from skopt2.solvers.convex_relu.gates import sample_gates
from skopt2.solvers.convex_relu.network import Network, network_of
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _check_input(self, X, y, sample_weight):
        return check_fit_input(
            self, X, y, sample_weight, accept_sparse=False, y_kind=self._y_kind
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
            name = "relative duality gap"
            monitor = self._start(data, describe, tol=self.tol, certificate=name)
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
                name=name,
                resume=resume,
            )
            return self._finish(result, data, describe, monitor)

    def _describe(self, solution, formulation, data):
        """Return the fitted attributes of blocks or of a network, on its device."""
        network = network_of(solution) if isinstance(solution, Blocks) else solution
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

    def gate_violation(
        self, X, y, sample_weight=None, *, n_gates=1000, random_state=None
    ):
        """Try fresh activation patterns on the training data.

        A pattern that the fit did not have could lower the objective if and only if the
        dual constraint of its cone is violated at the solution.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data of the fit.
        y : array-like of shape (n_samples,)
            Targets of the fit.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the fit.
        n_gates : int, default=1000
            Patterns to draw.
        random_state : None, int, RandomState or Generator, default=None
            Draws them.

        Returns
        -------
        violation : float
            Largest violation relative to ``alpha``. With a value near 0, or below, none
            of the fresh patterns is worth adding; with a large one, fit with a larger
            ``n_gates``. Without ``robust``: moves of the rows are left out.

        Raises
        ------
        ValueError
            If the input or ``n_gates`` is out of range.
        """
        check_predict_input(
            self,
            X,
            accept_sparse=False,
            attribute="neuron_sizes_",
            method="gate_violation",
        )
        check_count("n_gates", n_gates)
        data = self._check_input(X, y, sample_weight)
        with data.target.activate():
            formulation = NetworkFormulation(self, data)
            network = formulation.former(self._weights())
            rows, s = formulation.X, formulation.s
            xp, loss, target = namespace(rows), formulation.loss, formulation.y
            if network is None:
                empty = xp.zeros_like(rows[:0, :])
                b = xp.astype(self.intercepts_[1], rows.dtype)
                network = Network(empty, empty[:, : b.shape[0]], b)
            eta = network(rows)
            theta = loss.gradient(target, eta[:, 0] if target.ndim == 1 else eta)
            if formulation.bias:
                theta = loss.balance(target, theta, s)
            rng = spawn(random_state, 1)[0]
            D = sample_gates(rows, s, n_gates, formulation.bias, rng)
            theta = to_numpy(theta)
            return gate_violation(
                to_numpy(rows),
                to_numpy(s),
                D,
                theta[:, None] if theta.ndim == 1 else theta,
                float(self.alpha),
            )
