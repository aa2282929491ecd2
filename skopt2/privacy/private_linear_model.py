"""What private descents share: from parameters to a descent, and back.

One ``fit`` for all of them: parameters and shapes are checked, noise is found, the
budget is spent, and then values are read. Linear models are the plain case; networks
replace the query, the start and the attributes.
"""

import math

import numpy as np

from skopt2._core.array import namespace, to_numpy
from skopt2._core.chunks import by_blocks
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
    check_squarable,
)
from skopt2._core.validation import check_predict_input
from skopt2.privacy.descent_choice import (
    FULL_BATCH_SOLVERS,
    averaged_share,
    check_full_batch_solver,
    descent_rule,
    make_descent,
    row_smoothness,
)
from skopt2.privacy.private_centering import centering_plan, centred, check_centering
from skopt2.privacy.private_input import check_private_input, rows_or_zeros
from skopt2.privacy.private_model import PrivateModel
from skopt2.privacy.private_parameters import check_bounds, check_privacy_parameters
from skopt2.solvers.privacy.accounting import calibrate_noise
from skopt2.solvers.privacy.descent import DescentPlan, steps_start
from skopt2.solvers.privacy.events import descent_events
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.glm_query import CLIPPINGS, GLMQuery
from skopt2.solvers.privacy.noise import KINDS, PoissonSampling
from skopt2.solvers.privacy.private_center import CENTER_SHARE, descent_multiplier
from skopt2.solvers.privacy.rows import RowMap, Rows
from skopt2.solvers.privacy.schedule import default_schedule

CENTERS = ("midpoint", "private", None)


class PrivateLinearModel(PrivateModel):
    """Base of the private linear classifiers and regressors.

    A subclass has ``_y_kind`` and ``_task(data)``, which returns the loss, the number
    of scores or None, and the encoder of targets.
    """

    _y_kind = "labels"
    # The column of the intercept; a parameter of the classifiers.
    intercept_scaling = 1.0
    _solvers = ("auto", "gd", "sgd", *FULL_BATCH_SOLVERS)

    # A user's np.seterr(under="raise") would make an error of some values.
    @np.errstate(all="ignore")
    def _fit(self, X, y):
        """Check, spend, descend, store: the body of every ``fit``."""
        self._check_parameters()
        data = check_private_input(self, X, y, y_kind=self._y_kind)
        row_map = self._row_map(data)
        loss, n_outputs, encode = self._task(data)
        budget = check_privacy_parameters(self, data.n_rows)
        schedule = self._schedule(data, loss, n_outputs, budget)
        rule = self._rule(schedule, loss, n_outputs)
        center = centering_plan(self.center, budget, self._rate(data), schedule.n_steps)
        rate, epsilon, delta, multiplier = self._calibrated(
            data, schedule, budget, center
        )
        events = self._events(multiplier, rate, schedule.n_steps)
        if center is not None:
            events = (*center.events, *events)
        record = self._spend(
            events, delta, epsilon=epsilon, multiplier=multiplier, n_rows=data.n_rows
        )
        plan = self._plan(schedule, rate, multiplier, data.n_rows)
        with data.target.activate():
            noise, sampling_seed, start_seed = self._streams(data.target)
            rows = self._rows(data, encode, row_map)
            if center is not None:
                rows = centred(rows, center, noise, self.relation)
            query = self._query(rows, loss, n_outputs, schedule.clipping_norm)
            sampling = None
            if rate < 1:
                sampling = PoissonSampling(sampling_seed, data.n_rows, rate)
            values = self._start_values(query, start_seed)
            start = steps_start(query, next(rows.blocks()).y, values)
            decayed = self._decayed(query, start)
            solver = self._descent(rule, query, plan, noise, sampling, decayed)

            def describe(W):
                return self._attributes(W, query, rows.row_map, data.dtype)

            return self._iterate(
                solver, solver.init(start), data, describe, record, schedule.n_steps
            )

    def _rule(self, schedule, loss, n_outputs):
        """Return what DiceSGD and DIFF2 need beside a plan; None for the others."""
        height = self._height()
        largest = height * _largest_slope(loss, n_outputs)
        return descent_rule(self.solver, schedule, loss, largest, height)

    def _query(self, rows, loss, n_outputs, clipping_norm):
        """Return the sum of clipped gradients."""
        return GLMQuery(
            rows, loss, clipping_norm, n_outputs=n_outputs, clipping=self.clipping
        )

    def _start_values(self, query, seed):
        """Return public starting values; None for zeros."""
        return None

    def _decayed(self, query, start):
        """Return 0.0 for the intercept, 1.0 for the coefficients; None without one."""
        if not query.rows.fit_intercept:
            return None
        ones = namespace(start).ones_like(start)
        ones[-1, ...] = 0.0
        return ones

    def _plan(self, schedule, rate, multiplier, n_rows):
        """Return how the descent goes."""
        return DescentPlan(
            n_steps=schedule.n_steps,
            learning_rate=schedule.learning_rate,
            noise_multiplier=multiplier,
            relation=self.relation,
            sampling_rate=rate,
            alpha=float(self.alpha),
            tail=averaged_share(self.solver, self.average),
            momentum=schedule.momentum,
        )

    def _rows(self, data, encode, row_map):
        """Return the rows that a query reads."""
        return Rows(
            data.parts(encode, wide=self.noise == "discrete"),
            data.n_rows,
            data.n_features,
            row_map=row_map,
            feature_norm=float(self.feature_norm),
            fit_intercept=self.fit_intercept,
            intercept_scaling=float(self.intercept_scaling),
            in_memory=not data.streamed,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.bounds is None and self.center != "private"
        return tags

    def _check_parameters(self):
        """Raise ValueError for parameters that no data could make right."""
        check_positive("feature_norm", self.feature_norm)
        check_number("alpha", self.alpha, 0)
        check_positive("intercept_scaling", self.intercept_scaling)
        for name in ("feature_norm", "alpha", "intercept_scaling"):
            check_squarable(name, getattr(self, name))
        check_choice("solver", self.solver, self._solvers)
        check_choice("clipping", self.clipping, CLIPPINGS)
        check_choice("center", self.center, CENTERS)
        check_choice("noise", self.noise, KINDS)
        for name in ("learning_rate", "max_grad_norm"):
            check_positive(name, getattr(self, name), named=("auto",))
        check_count("batch_size", self.batch_size, optional=True)
        check_full_batch_solver(self)
        full = self.batch_size is None
        if self.solver == "sgd" and full:
            raise ValueError(
                "solver='sgd' draws Poisson batches: give their expected size as "
                "batch_size, or use solver='gd'."
            )
        if self.solver == "gd" and not full:
            raise ValueError(
                f"solver='gd' reads all rows in each step, but batch_size="
                f"{self.batch_size}: use solver='sgd', or batch_size=None."
            )
        if not full and self.relation == "replace_one":
            raise ValueError(
                "relation='replace_one' is for full batches: the amplification by "
                "sampling is that of 'zero_out'. Use batch_size=None."
            )

    def _row_map(self, data):
        """Return the public map of the rows: bounds to [-1, 1], over sqrt(d)."""
        check_centering(self.center, data.is_sparse)
        if self.bounds is None:
            return RowMap()
        low, high = check_bounds("bounds", self.bounds, data.n_features)
        if data.is_sparse:
            raise ValueError(
                "bounds shift the features, which would fill a sparse X: scale it "
                "beforehand by public numbers and leave bounds=None."
            )
        root = math.sqrt(data.n_features)
        if self.center is None:
            largest = np.maximum(np.abs(low), np.abs(high))
            return RowMap(low, high, None, 1.0 / (largest * root))
        return RowMap(low, high, (low + high) / 2, 2.0 / ((high - low) * root))

    def _schedule(self, data, loss, n_outputs, budget):
        """Return steps, step size and clipping norm, the user's or the default ones."""
        epsilon, delta, multiplier = budget
        mu = math.inf
        if multiplier is None and math.isfinite(epsilon):
            mu = gaussian_mu(epsilon, delta)
            if self.center == "private":
                mu *= math.sqrt(1.0 - CENTER_SHARE)
        rate = self._rate(data)
        return default_schedule(
            n_rows=data.n_rows,
            mu=mu,
            multiplier=multiplier,
            largest=self._height() * _largest_slope(loss, n_outputs),
            smoothness=self._smoothness(loss),
            sampling_rate=rate,
            n_steps=self.max_iter,
            learning_rate=self.learning_rate,
            clipping_norm=self.max_grad_norm,
        )

    def _height(self):
        """Return the largest norm of a row, intercept included."""
        return math.hypot(float(self.feature_norm), self._bias())

    def _bias(self):
        """Return the value of the column of the intercept; 0.0 without one."""
        return float(self.intercept_scaling) if self.fit_intercept else 0.0

    def _smoothness(self, loss):
        """Return the largest second derivative of a row's loss; infinite for none.

        Gradients that are all scaled to one length have none.
        """
        if self.clipping != "flat":
            return math.inf
        return row_smoothness(loss, self._height())

    def _rate(self, data):
        """Return the probability of a row to be in a batch."""
        if self.batch_size is None:
            return 1.0
        if data.streamed:
            raise ValueError(
                "Poisson batches need the rows in memory: use batch_size=None with "
                "Dask collections."
            )
        return min(1.0, self.batch_size / data.n_rows)

    def _calibrated(self, data, schedule, budget, center):
        """Return sampling rate, epsilon, delta and noise multiplier of a step."""
        epsilon, delta, multiplier = budget
        rate = self._rate(data)
        releases = {"sampling_rate": rate, "count": schedule.n_steps}
        if multiplier is None and center is not None:
            multiplier = descent_multiplier(center, epsilon, delta, **releases)
        elif multiplier is None:
            multiplier = calibrate_noise(epsilon, delta, **releases)
        return rate, epsilon, delta, multiplier

    def _events(self, multiplier, rate, n_steps):
        """Return what reads the data in a descent."""
        return descent_events(multiplier, rate, n_steps)

    def _descent(self, rule, query, plan, noise, sampling, decayed):
        """Return the solver of the iteration loop."""
        return make_descent(rule, query, plan, noise, sampling, decayed)

    def _attributes(self, W, query, row_map, dtype):
        """Return coefficients and intercepts for rows as they come."""
        W = np.asarray(to_numpy(W), dtype=np.float64)
        if self.fit_intercept:
            coef, intercept = W[:-1], self._bias() * W[-1]
        else:
            coef, intercept = W, np.zeros(W.shape[1:])
        coef, intercept = row_map.fold(coef, intercept)
        return self._shape_attributes(coef, intercept, numpy_dtype(dtype))

    @by_blocks
    def _linear(self, X, method):
        """Return the scores of rows, (n,) or (n, K)."""
        X = rows_or_zeros(check_predict_input(self, X, method=method, finite=False))
        coef, intercept = self.coef_, self.intercept_
        if coef.ndim == 1:
            return X @ coef + intercept
        return X @ coef.T + intercept


def _largest_slope(loss, n_outputs):
    """Return the largest norm of the derivative of a loss in the scores."""
    if loss.name == "multinomial":
        return math.sqrt(2.0)
    root = math.sqrt(n_outputs or 1)
    if loss.name in ("logistic", "huberized_hinge"):
        return root
    if loss.name == "huber":
        return float(loss.delta) * root
    return math.inf


def numpy_dtype(dtype):
    """Return float32 or float64 of NumPy for a dtype of any namespace.

    Parameters
    ----------
    dtype : dtype
        Of any namespace.

    Returns
    -------
    dtype : type
        float32 for float32, else float64.
    """
    return np.float32 if str(dtype).rpartition(".")[2] == "float32" else np.float64
