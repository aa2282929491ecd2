"""Private linear regression."""

import dataclasses
import math

import numpy as np
from sklearn.base import RegressorMixin

from skopt2._core.chunks import is_chunked, is_dask
from skopt2._core.estimator import fit_method
from skopt2.privacy.private_input import check_private_input, check_private_stream
from skopt2.privacy.private_linear_model import PrivateLinearModel
from skopt2.privacy.private_parameters import check_privacy_parameters
from skopt2.privacy.private_targets import (
    BoundedTargets,
    TargetScale,
    check_moment_solver,
    check_y_bounds,
    scaled_loss,
)
from skopt2.solvers.privacy.accounting import calibrate_noise
from skopt2.solvers.privacy.adassp import AdaSSP
from skopt2.solvers.privacy.events import GaussianEvent
from skopt2.solvers.privacy.gaussian import gaussian_mu
from skopt2.solvers.privacy.moments import MomentQuery
from skopt2.solvers.privacy.preconditioned_descent import (
    PreconditionedDescent,
    moments_multiplier,
    step_multiplier,
)
from skopt2.solvers.privacy.private_center import descent_multiplier
from skopt2.solvers.privacy.regression_schedule import regression_schedule

# Features from which "auto" does not form their matrix.
MANY = 2000


class DPLinearRegressor(BoundedTargets, RegressorMixin, PrivateLinearModel):
    """Differentially private linear regression, for one target or several.

    Gaussian noise is added to sums over rows of bounded norm and targets in public
    bounds, so that the released model is (epsilon, delta)-differentially private.

    Parameters
    ----------
    epsilon : float, default=1.0
        Privacy loss of a fit; smaller is more private. Infinity turns the noise off.
    y_bounds : tuple (low, high)
        Public bounds of the targets, numbers or arrays of shape (n_targets,), which
        must not come from the data. Targets are clipped to them. There is no default.
    delta : float, default=None
        Probability with which the loss may be larger, far below one over the number of
        rows. None for ``min(0.01, 1 / n_samples**1.1)``.
    noise_multiplier : float, default=None
        Standard deviation of the noise of a step over the sensitivity of its sum, in
        place of ``epsilon``.
    loss : {"squared", "huber"}, Squared or Huber, default="squared"
        ``Huber(delta=...)`` of :mod:`skopt2.losses` has ``delta`` in units of ``y``;
        ``"huber"`` has a tenth of the width of ``y_bounds``.
    feature_norm : float, default=1.0
        Rows are scaled down to this Euclidean norm at most. It must not come from the
        data.
    bounds : tuple (low, high), default=None
        Public bounds of the features, numbers or arrays of shape (n_features,). Values
        are clipped to them, mapped to [-1, 1] and divided by ``sqrt(n_features)``. None
        for features of a public scale, with rows of norm about ``feature_norm``.
    center : {"midpoint", "private", None}, default="midpoint"
        With ``bounds``, whether the middle of them becomes 0. ``"private"`` spends a
        fifth of mu^2 on the mean and the spread of the rows.
    fit_intercept : bool, default=True
        Whether to fit an intercept. Without one ``y`` is shrunk to 0.
    solver : {"auto", "preconditioned", "adassp", "gd", "sgd"}, default="auto"
        See the Notes. ``"auto"`` is ``"sgd"`` with a ``batch_size``, ``"gd"`` with more
        than 2000 features or automatic clipping, and else ``"preconditioned"``.
    batch_size : int, default=None
        Expected rows of a Poisson batch of ``"sgd"``; each row is in it with
        probability ``batch_size / n_samples``. None for all rows.
    max_iter : int or "auto", default="auto"
        Steps; each of them is done. ``"adassp"`` has one.
    learning_rate : float or "auto", default="auto"
        Step size. ``"auto"`` follows from public numbers, as all defaults.
    max_grad_norm : float or "auto", default="auto"
        Norm of a row's gradient at most, for targets in [-1, 1].
    clipping : {"flat", "automatic"}, default="flat"
        ``"automatic"`` scales short gradients up to ``max_grad_norm``, too.
    alpha : float, default=0.0
        Level of the squared-norm penalty ``alpha / 2 * sum(coef_**2)``, without the
        intercept, in the units of the scaled rows and targets.
    average : bool, default=True
        Whether to return the mean of the iterates of the second half, which costs no
        privacy, or the last iterate.
    relation : {"zero_out", "replace_one"}, default="zero_out"
        Neighbouring data sets, of the same public number of rows: a row counts as
        nothing in one of them, or has other values, which takes twice the noise.
    noise : {"gaussian", "discrete"}, default="gaussian"
        Distribution of the noise; ``"discrete"`` is exact to the last bit.
    accountant : PrivacyAccountant, default=None
        Budget that the fit spends on, before any value is read.
    random_state : int, RandomState instance or None, default=None
        None draws fresh noise from the entropy of the system. Anything else makes the
        noise reproducible, for tests, and void as protection.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute, and to draw the noise; None follows ``X``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, for data as they come.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercepts.
    privacy_ : PrivacyRecord
        Epsilon, delta, relation, the mechanisms that read the data, the noise.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps, a public number.
    converged_ : bool
        Whether all steps were done.
    stop_reason_ : str
        ``"converged"``, or ``"callback"`` where one stopped the fit.
    certificate_ : Certificate
        The privacy loss epsilon.
    history_ : dict of ndarray
        Columns ``iteration`` and ``epsilon``, one row: progress is private.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    DPLogisticClassifier : The same for classes.
    PrivacyAccountant : A budget that several fits share.

    Notes
    -----
    ``"preconditioned"`` releases the second moments of the rows for a tenth of the
    budget (of mu^2, in terms of Gaussian privacy) and takes noisy Newton-like steps
    with them. ``"adassp"`` releases the moments of rows and targets, in one pass, and
    solves the normal equations with a ridge chosen from them. ``"gd"`` and ``"sgd"``
    are gradient descent, on all rows and on Poisson batches.

    Private are the values of ``X`` and ``y``. Public are the number of rows, of
    features and of targets, names, dtypes, and all parameters. A row with NaN or
    infinity, or with values whose squares overflow, counts as nothing; no error and no
    warning depends on a value, with one exception: targets of which none is finite are
    refused, as scikit-learn asks, so the guarantee is for neighbours that both have a
    finite target. All targets of a row are one record: the noise covers them jointly,
    and grows with the square root of their number. Every fit spends: a search over
    parameters with k fits spends k times.

    References
    ----------
    Wang, UAI 2018 (AdaSSP); Song, Chaudhuri and Sarwate, GlobalSIP 2013, and Abadi and
    others, CCS 2016 (noisy gradients); Dong, Roth and Su, Journal of the Royal
    Statistical Society B 84, 2022, corollary 3.3 (composition of Gaussian mechanisms).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.privacy import DPLinearRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 3))
    >>> y = X @ [10.0, -5.0, 0.0] + 20.0 + rng.normal(size=2000)
    >>> model = DPLinearRegressor(epsilon=1.0, bounds=(0, 1), y_bounds=(0, 50))
    >>> model.fit(X, y).score(X, y) > 0.8
    True
    >>> model.privacy_.epsilon
    1.0
    """

    _y_kind = "numbers"
    _solvers = ("auto", "preconditioned", "adassp", "gd", "sgd")

    def __init__(
        self,
        epsilon=1.0,
        *,
        y_bounds=None,
        delta=None,
        noise_multiplier=None,
        loss="squared",
        feature_norm=1.0,
        bounds=None,
        center="midpoint",
        fit_intercept=True,
        solver="auto",
        batch_size=None,
        max_iter="auto",
        learning_rate="auto",
        max_grad_norm="auto",
        clipping="flat",
        alpha=0.0,
        average=True,
        relation="zero_out",
        noise="gaussian",
        accountant=None,
        random_state=None,
        device=None,
    ):
        self.epsilon = epsilon
        self.y_bounds = y_bounds
        self.delta = delta
        self.noise_multiplier = noise_multiplier
        self.loss = loss
        self.feature_norm = feature_norm
        self.bounds = bounds
        self.center = center
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_grad_norm = max_grad_norm
        self.clipping = clipping
        self.alpha = alpha
        self.average = average
        self.relation = relation
        self.noise = noise
        self.accountant = accountant
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        # A few rows cannot be learnt from without telling of them.
        tags.regressor_tags.poor_score = True
        return tags

    @fit_method
    def fit(self, X, y=None):
        """Fit the model, and spend its epsilon.

        Parameters
        ----------
        X : array-like, CSR matrix or Dask array of shape (n_samples, n_features)
            Training data, or an iterator of chunks ``(X, y)``. float32 stays float32.
            Dask is read once a step; an iterator is kept, or with ``delta`` given and
            ``solver="adassp"`` read once.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; None with an iterator.

        Returns
        -------
        self : DPLinearRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, a shape or a type is wrong, or ``y_bounds`` is missing.
        BudgetError
            If the accountant's budget does not suffice: nothing was read then.
        """
        check_y_bounds(self.y_bounds)
        self._check_parameters()
        if self.solver == "adassp":
            return self._fit_moments(X, y)
        return self._fit(X, y)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions, which can lie outside of ``y_bounds``.
        """
        return self._linear(X, "predict")

    def _check_parameters(self):
        super()._check_parameters()
        check_moment_solver(self)

    def _solver(self, n_features):
        """Return the solver, from public numbers alone."""
        if self.solver != "auto":
            return self.solver
        if self.batch_size is not None:
            return "sgd"
        simple = n_features > MANY or self.clipping != "flat"
        return "gd" if simple else "preconditioned"

    def _task(self, data):
        _, y = next(data.chunks())
        n_outputs = None if y.ndim == 1 else y.shape[1]
        scale = self._target_scale(n_outputs)
        return scaled_loss(self.loss, scale), n_outputs, scale

    def _target_scale(self, n_outputs):
        """Return the map of the targets, a function of parameters."""
        return TargetScale(self.y_bounds, n_outputs, centred=self.fit_intercept)

    def _schedule(self, data, loss, n_outputs, budget):
        """Return steps, step size and clipping norm, the user's or the default ones."""
        epsilon, delta, multiplier = budget
        rate, bias = self._rate(data), bool(self.fit_intercept)
        mu = math.inf if multiplier is None else 10.0 * rate / multiplier
        if multiplier is None and math.isfinite(epsilon):
            mu = gaussian_mu(epsilon, delta)
        return regression_schedule(
            data.n_rows,
            data.n_features + bias,
            mu,
            squared_norm=float(self.feature_norm) ** 2 + bias,
            preconditioned=self._solver(data.n_features) == "preconditioned",
            sampling_rate=rate,
            n_steps=self.max_iter,
            learning_rate=self.learning_rate,
            clipping_norm=self.max_grad_norm,
        )

    def _calibrated(self, data, schedule, budget, center):
        epsilon, delta, multiplier = budget
        if self._solver(data.n_features) != "preconditioned":
            return super()._calibrated(data, schedule, budget, center)
        if multiplier is None:
            if center is None:
                whole = calibrate_noise(epsilon, delta)
            else:
                whole = descent_multiplier(center, epsilon, delta)
            multiplier = step_multiplier(whole, schedule.n_steps)
        return 1.0, epsilon, delta, multiplier

    def _events(self, multiplier, rate, n_steps):
        descent = super()._events(multiplier, rate, n_steps)
        if self._solver(self.n_features_in_) != "preconditioned":
            return descent
        return (GaussianEvent(moments_multiplier(multiplier, n_steps)), *descent)

    def _descent(self, rule, query, plan, noise, sampling, decayed):
        if self._solver(query.rows.n_features) != "preconditioned":
            return super()._descent(rule, query, plan, noise, sampling, decayed)
        # Around a private centre rows are in a ball, and no longer in a box.
        box = None if self.center == "private" else self._box()
        moments = MomentQuery(query.rows, with_targets=False, box=box, gram_weight=1.0)
        multiplier = moments_multiplier(plan.noise_multiplier, plan.n_steps)
        return PreconditionedDescent(query, moments, plan, multiplier, noise, decayed)

    @np.errstate(all="ignore")
    def _fit_moments(self, X, y):
        """Release the moments in one pass, solve, store."""
        if is_chunked(X) and not is_dask(X) and self.delta is not None:
            data, shape = check_private_stream(self, X, y_kind=self._y_kind)
        else:
            data = check_private_input(self, X, y, y_kind=self._y_kind)
            shape = next(data.chunks())[1].shape[1:]
        row_map = self._row_map(data)
        n_outputs = shape[0] if shape else None
        encode = self._target_scale(n_outputs)
        epsilon, delta, multiplier = check_privacy_parameters(self, data.n_rows)
        if multiplier is None:
            multiplier = calibrate_noise(epsilon, delta)
        events = self._events(multiplier, 1.0, 1)
        record = self._spend(
            events, delta, epsilon=epsilon, multiplier=multiplier, n_rows=data.n_rows
        )
        with data.target.activate():
            noise, _, _ = self._streams(data.target)
            rows = self._rows(data, encode, row_map)
            query = MomentQuery(rows, n_outputs=n_outputs, box=self._box())
            solver = AdaSSP(query, noise, multiplier, self.relation, float(self.alpha))

            def describe(theta):
                return self._attributes(theta, query, row_map, data.dtype)

            self._iterate(solver, solver.init(), data, describe, record, 1)
        self.privacy_ = dataclasses.replace(record, n_rows=query.n_rows)
        return self

    def _box(self):
        """Return the bound of the mapped features; None without public bounds."""
        return None if self.bounds is None else 1.0 / math.sqrt(self.n_features_in_)

    def _shape_attributes(self, coef, intercept, dtype):
        n_outputs = None if coef.ndim == 1 else coef.shape[1]
        coef, intercept = self._target_scale(n_outputs).fold(coef, intercept)
        coef = np.ascontiguousarray(coef.T, dtype=dtype)
        if n_outputs is None:
            return {"coef_": coef, "intercept_": float(intercept)}
        return {"coef_": coef, "intercept_": intercept.astype(dtype)}
