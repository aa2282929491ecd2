"""From the parameters of a streaming model to the stream that learns."""

from numbers import Real

import numpy as np

from skopt2._core.array import asarray_like, is_sparse
from skopt2._core.parameters import check_count, check_number, check_positive
from skopt2._core.random import seed_sequence
from skopt2.linear_model.formulation import Formulation, levels
from skopt2.losses.encoding import encode_target
from skopt2.solvers.problem import LinearProblem
from skopt2.solvers.streaming.choice import make_rule
from skopt2.solvers.streaming.epochs import Epochs
from skopt2.solvers.streaming.rows import Rows
from skopt2.solvers.streaming.stream import Stream

# Fewer steps without progress mean nothing.
LEAST_STEPS = 30


class StreamFormulation(Formulation):
    """Loss, penalty and rows of a stream; the whole problem only where fit measures it.

    Parameters
    ----------
    estimator : StreamingLinearModel
        Its parameters.
    data : FitInput
        Checked data.
    classes : ndarray of shape (n_classes,) or None
        All labels of a classifier.
    codes : array of int of shape (n,) or None
        Class numbers among them.
    weight : ndarray of shape (n,) or float
        Weights whose unit counts.
    """

    def __init__(self, estimator, data, classes, codes, weight):
        check_parameters(estimator)
        self.estimator = estimator
        n_classes = None if classes is None else len(classes)
        self._set_loss(estimator, n_classes)
        self._set_penalty(estimator, data)
        if not self.penalty.separable:
            raise ValueError(
                f"penalty={self.penalty.name!r} ties coefficients, and a stream steps "
                "in a metric of its own for each: use a separable penalty, such as "
                "'l1', 'elasticnet', 'mcp', 'scad' or 'box'."
            )
        y = data.y if codes is None else codes
        target = encode_target(self.loss, y, n_classes, data.X)
        self.rows = _rows(data.X, target, weight)
        self.loss.check_target(self.rows.y)

    def stream(self, horizon=None):
        """Return the stream.

        Parameters
        ----------
        horizon : int, default=None
            Minibatches of the whole run, where that is known.
        """
        estimator = self.estimator
        rule = make_rule(
            estimator.step,
            preconditioner=estimator.preconditioner,
            momentum=float(estimator.momentum),
            horizon=horizon,
        )
        return Stream(
            rule,
            self.loss,
            self.penalty.beside(self.rows.s),
            levels(float(estimator.alpha), self.factor),
            fit_intercept=estimator.fit_intercept,
            standardize=estimator.standardize,
            batch_size=int(estimator.batch_size),
        )

    def epochs(self):
        """Return the solver of ``fit``."""
        estimator, rows = self.estimator, self.rows
        steps = rows.count(int(estimator.batch_size))
        horizon = steps * int(estimator.max_iter)
        weight = rows.s / float(rows.xp.sum(rows.s))
        problem = LinearProblem(
            rows.X,
            rows.y,
            self.loss,
            self.penalty,
            levels(float(estimator.alpha), self.factor),
            weight,
            estimator.fit_intercept,
        )
        seed = seed_sequence(estimator.random_state) if estimator.shuffle else None
        stream = self.stream(horizon)
        patience = max(int(estimator.n_iter_no_change), -(-LEAST_STEPS // steps))
        if stream.rule.needs_horizon:
            # A schedule that ends at zero has not done its work before the end.
            patience = int(estimator.max_iter)
        return Epochs(stream, rows, problem, float(estimator.tol), seed, patience)


def check_parameters(estimator):
    """Raise unless the parameters are in range."""
    check_count("batch_size", estimator.batch_size)
    check_count("n_iter_no_change", estimator.n_iter_no_change)
    check_number("alpha", estimator.alpha, 0)
    check_positive("tol", estimator.tol)
    hint = "0.9 is usual."
    check_number("momentum", estimator.momentum, 0, 1, closed="low", hint=hint)


def _rows(X, target, weight):
    """Return the rows of positive weight."""
    values = X.data if is_sparse(X) else X
    if isinstance(weight, Real):
        weight = np.full(X.shape[0], weight)
    s = asarray_like(weight, values)
    rows = Rows(X, target, s)
    kept = np.flatnonzero(weight > 0.0)
    return rows if kept.size == weight.size else rows.chosen(kept)
