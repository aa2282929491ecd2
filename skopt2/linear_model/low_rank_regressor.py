"""Trace regression: coefficients that form a matrix of low rank."""

import numpy as np
from sklearn.base import RegressorMixin

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.linear_model.low_rank_options import (
    check_low_rank_regressor,
    measurement_problem,
    measurement_solver,
    measurement_start,
)
from skopt2.solvers.certificate import GAP
from skopt2.solvers.low_rank.balance import balanced
from skopt2.solvers.low_rank.problem import STATIONARITY

PROGRESS = "relative progress"
# Singular values of this share of the largest are rounding, or of no use.
NEGLIGIBLE = 1e-3


class LowRankRegressor(RegressorMixin, IterativeEstimator):
    r"""Linear regression whose coefficients form a matrix of low rank.

    Rows of ``X`` are matrices :math:`X_i` of shape (d1, d2), flattened. Minimises, with
    weights :math:`s_i` that sum to 1 (:math:`s_i = 1/n` without ``sample_weight``),

    .. math:: \sum_i s_i\, \psi(y_i - \langle X_i, U V^\top \rangle - b)
              + \frac{\alpha}{2} \big( \|U\|_F^2 + \|V\|_F^2 \big)

    over factors of ``rank`` columns and the intercept. With as many columns as the
    shorter side this is the convex problem with the penalty :math:`\alpha \|M\|_*` of
    the nuclear norm. Also known as trace regression and matrix sensing.

    Parameters
    ----------
    rank : int or None, default=None
        Columns of the factors, at most the shorter side; None for as many as that.
    shape : tuple of int or None, default=None
        Shape (d1, d2) of the matrices, with ``d1 * d2 == n_features``. None: the shape
        nearest to a square, with ``d1 <= d2``.
    alpha : float, default=0.1
        Level of the penalty. 0 relies on ``rank``, and where that is too large on the
        small start, which finds matrices of low rank first.
    loss : {"squared", "huber", "l1"}, default="squared"
        Loss of a residual: half its square, linear beyond ``delta``, or its absolute
        value, for gross errors.
    delta : float, default=1.35
        Residual, in units of y, from which ``"huber"`` is linear.
    psd : bool, default=False
        Whether the matrix is to be positive semidefinite, :math:`U U^\top`. Only the
        symmetric parts of the :math:`X_i` count then.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    solver : {"scaledgd", "gd"}, default="scaledgd"
        Scaled gradient descent, or plain gradient descent, for comparison. ``"l1"`` has
        subgradient steps of its own.
    damping : float, default=2.0
        Damping of ``"scaledgd"``, relative to an estimate of the distance that is left.
    tol : float, default=1e-4
        Tolerance of the certificate.
    max_iter : int, default=2000
        Largest number of steps.
    time_limit : float, default=None
        Seconds after which the fit stops at the next step.
    warm_start : bool, default=False
        Whether to start from the factors of the last fit, where they have the shape.
    random_state : int, RandomState instance or None, default=None
        Draws the small start.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    coef_matrix_ : ndarray of shape (d1, d2)
        The same as a matrix.
    left_ : ndarray of shape (d1, rank)
        Factor U.
    right_ : ndarray of shape (d2, rank)
        Factor V; both have orthogonal columns of equal length.
    singular_values_ : ndarray of shape (rank,)
        Singular values of ``coef_matrix_``, largest first.
    rank_ : int
        How many of them exceed a thousandth of the largest.
    intercept_ : float
        Intercept; 0.0 without.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        or ``"diverged"``.
    certificate_ : Certificate
        With ``alpha > 0`` and a rank of the shorter side, and not ``psd``, the duality
        gap, relative to the objective of the intercept alone. Otherwise the norm of the
        gradient in the metric of the curvature, relative. With ``loss="l1"`` what the
        last 50 steps have gained, relative: no bound.
    objective_ : float
        The objective above.
    dual_gap_ : float
        Absolute duality gap, NaN where there is none.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``rank``, one row per step; with ``"l1"`` also ``stationarity``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MultiTaskRegressor : Several targets, with coefficients of low rank.
    skopt2.decomposition.MatrixCompleter : Measurements that are entries.

    References
    ----------
    Xu, Shen, Chi and Ma, The power of preconditioning in overparameterized low-rank
    matrix sensing, ICML 2023; Ma and Fattahi, Global convergence of sub-gradient method
    for robust matrix recovery, JMLR 24, 2023 (``"l1"``).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import LowRankRegressor
    >>> rng = np.random.default_rng(0)
    >>> M = np.outer(rng.standard_normal(12), rng.standard_normal(10))
    >>> X = rng.standard_normal((100, 120))
    >>> y = X @ M.ravel() + 3.0
    >>> model = LowRankRegressor(1, shape=(12, 10), alpha=0.0, random_state=0)
    >>> bool(np.abs(model.fit(X, y).coef_matrix_ - M).max() < 1e-2)
    True
    """

    _remedies = ("increase alpha, or lower the rank", "bring X to one scale")

    def __init__(
        self,
        rank=None,
        *,
        shape=None,
        alpha=0.1,
        loss="squared",
        delta=1.35,
        psd=False,
        fit_intercept=True,
        solver="scaledgd",
        damping=2.0,
        tol=1e-4,
        max_iter=2000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.rank = rank
        self.shape = shape
        self.alpha = alpha
        self.loss = loss
        self.delta = delta
        self.psd = psd
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.damping = damping
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Matrices, flattened in row-major order, one a row. float32 stays float32.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : LowRankRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or ``shape`` does not fit.
        """
        check_low_rank_regressor(self)
        data = check_fit_input(self, X, y, sample_weight, squares=True)
        with data.target.activate():
            problem = measurement_problem(self, data)
            solver = measurement_solver(self, problem)

            def describe(model):
                return self._attributes(model, problem)

            name = GAP if problem.convex else STATIONARITY
            name = PROGRESS if self.loss == "l1" else name

            def start():
                return solver.start(measurement_start(self, problem))

            return self._run(solver, start, data, describe, name)

    def _attributes(self, model, problem):
        """Return the fitted attributes of a model of centred features."""
        entries = problem.entries
        xp = problem.xp
        # Symmetric factors stay the same two times.
        model, s = balanced(model, False)
        M = model.U @ xp.matrix_transpose(model.V)
        coef = xp.reshape(M, (-1,))
        intercept = 0.0
        if self.fit_intercept:
            means = xp.zeros_like(coef) if entries.means is None else entries.means
            intercept = float(model.b[0]) - float(xp.sum(means * coef))
        values = np.asarray(to_numpy(s), dtype=np.float64)
        return {
            "coef_": coef,
            "coef_matrix_": M,
            "left_": model.U,
            "right_": model.V,
            "singular_values_": asarray_like(s, coef),
            "rank_": int((values > NEGLIGIBLE * values.max(initial=0.0)).sum()),
            "intercept_": intercept,
        }

    def predict(self, X):
        """Predict the targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions, in the namespace of ``X``.
        """
        X = check_predict_input(self, X)
        like = X.data if hasattr(X, "nnz") else X
        coef = asarray_like(self.coef_, like)
        if namespace(like).__name__ != "numpy":
            return X @ coef + self.intercept_
        return X @ coef + like.dtype.type(self.intercept_)
