"""Trend filtering: a curve of polynomial pieces with knots that the data choose."""

import numpy as np
from sklearn.base import RegressorMixin

from skopt2._core.array import asarray_like, namespace, to_numpy
from skopt2._core.array_parameters import check_alphas
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_positive,
    check_squarable,
)
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.solvers.trend_filtering import TrendInterior, TrendProblem, interpolate

CRITERIA = ("gcv", "cv")
# The grid of levels goes down from the largest by this factor.
SPAN = 1e-7
# Criteria do not consider curves that leave fewer degrees of freedom than this share.
SPARE = 0.1


class TrendFilter(RegressorMixin, IterativeEstimator):
    r"""Smoothing of a signal by polynomial pieces with few knots.

    Minimises, with weights :math:`s_i` that sum to 1, over the values of a curve at the
    different places :math:`x_i`,

    .. math:: \tfrac12 \sum_i s_i (y_i - \theta_i)^2 + \alpha \sum_j |\Delta_j|,

    where :math:`\Delta_j` is the jump at the knot j of the derivative of the order of
    the curve: of its value (order 0), its slope (1) or its second derivative (2). Rows
    at one place are merged into their weighted mean. The places may be irregular.

    Parameters
    ----------
    order : {0, 1, 2}, default=1
        Degree of the pieces: steps, lines or parabolas.
    alpha : float or {"gcv", "cv"}, default="gcv"
        Level of the penalty, positive; it depends on the unit of ``x`` for orders above
        0. ``"gcv"`` chooses it by generalised cross-validation, with the number of
        knots plus order plus 1 as degrees of freedom; ``"cv"`` by cross-validation.
    alphas : int or array-like of shape (n_alphas,), default=40
        Levels to choose from, or how many: down from the smallest that leaves no knot.
    cv : int, default=5
        Folds of ``alpha="cv"``: every ``cv``-th place is left out.
    tol : float, default=1e-6
        Tolerance of the duality gap, relative to what a single polynomial leaves.
    max_iter : int, default=200
        Largest number of interior-point steps.
    time_limit : float, default=None
        Seconds after which the fit stops at the next step.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where input is taken from and results are put; the banded systems are solved on
        the host.

    Attributes
    ----------
    x_ : ndarray of shape (n_places,)
        Different places with positive weight, increasing.
    fitted_ : ndarray of shape (n_places,)
        The curve there.
    knots_ : ndarray of shape (n_knots,)
        Places where the pieces meet.
    alpha_ : float
        Level of the fit.
    alphas_ : ndarray of shape (n_alphas,)
        Levels that were compared; the level alone if it was given, and 1 if the signal
        is one polynomial.
    scores_ : ndarray of shape (n_alphas,)
        Their criterion, the smaller the better; NaN if the level was given.
    n_features_in_ : int
        1.
    n_iter_ : int
        Interior-point steps.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Relative duality gap, with the tolerance.
    objective_ : float
        Value of the objective, for the merged rows.
    dual_gap_ : float
        Absolute duality gap.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``knots``, one row per step.
    device_ : str
        Where the input was put.

    See Also
    --------
    SparseRegressor : With the penalty ``"fused_lasso"``, steps in the coefficients.

    References
    ----------
    Kim, Koh, Boyd and Gorinevsky, SIAM Review 51, 2009; Tibshirani, Annals of
    Statistics 42, 2014; Tibshirani and Taylor, Annals of Statistics 40, 2012 (degrees
    of freedom).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.linear_model import TrendFilter
    >>> rng = np.random.default_rng(0)
    >>> x = np.sort(rng.uniform(0, 10, 300))
    >>> y = np.abs(x - 4) + 0.3 * rng.standard_normal(300)
    >>> model = TrendFilter(order=1).fit(x, y)
    >>> bool(abs(model.predict([4.0])[0]) < 0.2), model.knots_.size < 10
    (True, True)
    """

    _remedies = (
        "merge places that nearly coincide, or choose a smaller order",
        "bring x and y to moderate scales",
    )
    _sparse_input = False

    def __init__(
        self,
        order=1,
        alpha="gcv",
        *,
        alphas=40,
        cv=5,
        tol=1e-6,
        max_iter=200,
        time_limit=None,
        device=None,
    ):
        self.order = order
        self.alpha = alpha
        self.alphas = alphas
        self.cv = cv
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    @fit_method
    def fit(self, X, y, sample_weight=None):
        """Fit the curve.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Places, in any order.
        y : array-like of shape (n_samples,)
            Signal.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter.

        Returns
        -------
        self : TrendFilter
            Fitted estimator.

        Raises
        ------
        ValueError
            If X has more than one feature or too few places, or a parameter is wrong.
        """
        self._check_parameters()
        data = check_fit_input(self, _column(X), y, sample_weight, y_kind="regression")
        x, target, s = self._places(data)
        problem = TrendProblem(x, target, s, int(self.order))
        alphas, scores = self._scores(problem)
        alpha = float(alphas[np.nanargmin(scores) if alphas.size > 1 else 0])
        solver = TrendInterior(problem, alpha, self.tol)
        dtype = to_numpy(data.X).dtype

        def describe(solution):
            theta, used = solution
            return {
                "x_": x.astype(dtype),
                "fitted_": theta.astype(dtype),
                "knots_": x[self.order : -1][used].astype(dtype),
                "alpha_": alpha,
                "alphas_": alphas,
                "scores_": scores,
            }

        name = solver.certificate_name
        return self._run(solver, solver.init(), data, describe, name)

    def _places(self, data):
        """Return the different places, their mean target and weight, on the host."""
        x, target, s = _merged(data)
        if x.size < self.order + 2:
            raise ValueError(
                f"TrendFilter with order={self.order} needs at least {self.order + 2} "
                f"different places in X, got {x.size} (n_samples={data.X.shape[0]}); "
                "choose a smaller order."
            )
        return x, target, s

    def _check_parameters(self):
        check_choice("order", self.order, (0, 1, 2))
        check_positive("alpha", self.alpha, named=CRITERIA)
        check_squarable("alpha", self.alpha)
        check_alphas(self.alphas, low=2, positive=True)
        check_count("cv", self.cv, 2)
        check_positive("tol", self.tol)

    def _scores(self, problem):
        """Return the levels and the criterion of each."""
        if not isinstance(self.alpha, str) or not problem.explains:
            alpha = 1.0 if isinstance(self.alpha, str) else float(self.alpha)
            return np.array([alpha]), np.array([np.nan])
        alphas = check_alphas(self.alphas, low=2, positive=True)
        if isinstance(alphas, int):
            # At the very level a knot opens or does not, as rounding has it.
            top = max(problem.alpha_max * (1.0 + 1e-8), 1e-300)
            alphas = np.geomspace(top, SPAN * top, alphas)
        if self.alpha == "gcv":
            return alphas, np.array([self._gcv(problem, a) for a in alphas])
        return alphas, self._held_out(problem, alphas)

    def _curve(self, problem, alpha):
        """Return the curve and the knots for a level."""
        solver = TrendInterior(problem, alpha, self.tol)
        result = iterate(
            solver, solver.init(), tol=self.tol, max_iter=int(self.max_iter)
        )
        return result.solution

    def _gcv(self, problem, alpha):
        theta, used = self._curve(problem, alpha)
        spare = 1.0 - (np.count_nonzero(used) + problem.order + 1) / theta.size
        if spare < SPARE:
            # Not inf: two of those would tie with each other, never with a number.
            return np.nan if np.count_nonzero(used) else 0.0
        return float(problem.s @ (problem.y - theta) ** 2) / spare**2

    def _held_out(self, problem, alphas):
        """Return the weighted squared error at places left out."""
        n, folds = problem.y.size, int(self.cv)
        if n < 2 * (problem.order + 3):
            raise ValueError(
                f"alpha='cv' needs at least {2 * (problem.order + 3)} different "
                f"places, got {n}; use alpha='gcv' or a number."
            )
        scores, total = np.zeros(alphas.size), 0.0
        inner = np.arange(1, n - 1)
        for fold in range(folds):
            out = inner[inner % folds == fold]
            if out.size == 0:
                continue
            kept = np.delete(np.arange(n), out)
            s = problem.s[kept] / problem.s[kept].sum()
            x = problem.x * problem.unit
            part = TrendProblem(x[kept], problem.y[kept], s, problem.order)
            total += problem.s[out].sum()
            for i, alpha in enumerate(alphas):
                theta, _ = self._curve(part, alpha)
                found = interpolate(x[kept], theta, problem.order, x[out])
                scores[i] += problem.s[out] @ (problem.y[out] - found) ** 2
        return scores / total

    def predict(self, X):
        """Return the curve at other places.

        Between the places of the fit it goes on as the polynomial of its piece, beyond
        them as the first and the last piece.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Places.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Values, in the namespace of ``X``.
        """
        X = check_predict_input(
            self, _column(X), accept_sparse=False, attribute="fitted_"
        )
        at = np.asarray(to_numpy(X), dtype=np.float64)[:, 0]
        x, theta = (
            np.asarray(to_numpy(part), dtype=np.float64)
            for part in (self.x_, self.fitted_)
        )
        return asarray_like(interpolate(x, theta, int(self.order), at), X)


def _column(X):
    """Return X as one column; refuse more than one feature."""
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    elif hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if len(X.shape) == 1:
        return namespace(X).reshape(X, (-1, 1))
    if len(X.shape) == 2 and X.shape[1] != 1:
        raise ValueError(
            f"TrendFilter takes one feature, got X of shape {tuple(X.shape)}; give the "
            "places as X of shape (n_samples,) or (n_samples, 1)."
        )
    return X


def _merged(data):
    """Return places, mean target and weight of each different place, on the host."""
    x = np.asarray(to_numpy(data.X), dtype=np.float64)[:, 0]
    y = np.asarray(to_numpy(data.y), dtype=np.float64)
    s = np.full(y.size, 1.0 / y.size)
    if data.sample_weight is not None:
        s = np.asarray(to_numpy(data.sample_weight), dtype=np.float64)
        kept = s > 0
        x, y, s = x[kept], y[kept], s[kept]
    places, index = np.unique(x, return_inverse=True)
    weight = np.bincount(index, s)
    return places, np.bincount(index, s * y) / weight, weight / weight.sum()
