"""Regression from a stream of rows."""

from sklearn.utils.metaestimators import available_if

from skopt2._core.estimator import fit_method
from skopt2.linear_model.loss_regression import LossRegression
from skopt2.linear_model.streaming_model import StreamingLinearModel, has_no_horizon


class StreamingLinearRegressor(LossRegression, StreamingLinearModel):
    r"""Linear regression from minibatches, with no step size to tune.

    Minimises what :class:`SparseRegressor` minimises,

    .. math:: \sum_i s_i\, \ell(y_i, x_i^\top w + b)
              + \sum_j \mathrm{pen}(w_j; \alpha\, \mathrm{factor}_j),

    by stochastic proximal steps, for data that are large, or come in pieces.

    Parameters
    ----------
    loss : str or Loss, default="squared"
        Loss of a sample: ``"squared"``, ``"huber"``, ``"quantile"``, ``"expectile"``,
        ``"poisson"``, or an object from :mod:`skopt2.losses` with its parameters.
    penalty : str or Penalty, default="l1"
        Separable penalty of a coefficient: ``"l1"``, ``"elasticnet"``, ``"ridge"``,
        ``"adaptive_l1"``, ``"mcp"``, ``"scad"``, ``"l_half"``, ``"l_two_thirds"``,
        ``"log_sum"``, ``"transformed_l1"``, ``"l0"``, ``"box"``, or an object from
        :mod:`skopt2.penalties`; each minibatch ends with its proximal step.
    alpha : float, default=1e-4
        Level of the penalty, nonnegative.
    penalty_factor : array-like of shape (n_features,), default=None
        Multiplies ``alpha`` feature by feature: 0 leaves a feature unpenalised, inf
        excludes it. None for 1 everywhere.
    positive : bool, default=False
        Restrict the coefficients to nonnegative values.
    fit_intercept : bool, default=True
        Whether to fit an unpenalised intercept.
    step : {"dog", "udog", "sania", "sps", "linear", "refined"}, default="dog"
        Rule of the step sizes; none has a learning rate. ``"dog"`` divides the distance
        travelled by the root of the summed squared gradients; ``"udog"`` accelerates
        it, for large minibatches; ``"sania"`` and ``"sps"`` are Polyak steps, which use
        the lower bound of each loss; ``"linear"`` and ``"refined"`` decay to zero at
        the end of ``max_iter`` epochs, and are for ``fit`` only.
    preconditioner : {"auto", "curvature", "adagrad-sqr"}, default="auto"
        Diagonal metric of ``"sania"`` (``"auto"``: squared gradients) and of ``"sps"``
        (``"auto"``: the diagonal of the Hessian).
    momentum : float, default=0.0
        Momentum of ``"sps"``, in [0, 1).
    standardize : bool, default=True
        Whether steps are taken in the metric of the columns, standardised by the means
        and variances seen so far. It changes how fast a fit is, not the problem:
        ``coef_`` and the penalty belong to the columns as they are.
    batch_size : int, default=64
        Most rows of a minibatch; the rows of a call are shared out evenly.
    shuffle : bool, default=True
        Whether ``fit`` draws a new order for each epoch; ``partial_fit`` takes rows as
        they come.
    tol : float, default=1e-3
        Tolerance, relative to the null model: the fit ends where ``certificate_`` is
        below it, or where ``n_iter_no_change`` epochs in a row have not lowered the
        objective by so much.
    n_iter_no_change : int, default=5
        Epochs without progress that end the fit, if they are at least 30 steps.
    max_iter : int, default=100
        Largest number of epochs.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of an epoch.
    warm_start : bool, default=False
        Start ``fit`` from the previous coefficients; sums and means begin anew.
    random_state : int, RandomState instance or None, default=None
        Draws the orders.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``. Minibatches are small: a GPU pays only
        with thousands of features or large ``batch_size``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients: of the mean of the iterates with weights 1, 2, 3, ..., or for
        ``"linear"`` and ``"refined"`` of the last.
    intercept_ : float
        Intercept; 0.0 without one.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    online_loss_ : float
        Mean loss of the rows, each predicted before it was learnt from for the first
        time, by the iterate: progressive validation, the honest figure of a stream.
    n_samples_seen_ : int
        Different rows learnt from, those of weight 0 not counted.
    n_steps_ : int
        Steps taken.
    n_iter_ : int
        Epochs of ``fit``; each ``partial_fit`` adds one.
    converged_ : bool
        Whether the certificate holds; False after ``partial_fit``.
    stop_reason_ : str
        ``"converged"``, ``"stalled"`` (no progress, the usual end), ``"max_iter"``,
        ``"time_limit"``, ``"callback"`` or ``"diverged"``; ``"stream"`` after
        ``partial_fit`` and after a fit to chunks.
    certificate_ : Certificate
        Relative duality gap of a convex problem, relative KKT violation of a nonconvex
        one, on all rows. With small ``alpha`` the gap is a bound that is far from
        tight. Only ``fit`` to data in one piece has it, as the next three.
    objective_ : float
        Value of the objective.
    dual_gap_ : float
        Absolute duality gap, NaN where the problem has none.
    history_ : dict of ndarray
        Columns ``iteration`` (epoch), ``time`` (seconds), ``objective``,
        ``certificate``, ``support`` and ``step_size``, one row per epoch.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseRegressor : Solves the same problem to a certificate.
    StreamingLinearClassifier : The same for classification.

    References
    ----------
    Ivgi, Hinder and Carmon, ICML 2023 (DoG); Kreisler, Ivgi, Hinder and Carmon, COLT
    2024 (U-DoG); Abdukhakimov, Xiang, Kamzolov, Gower and Takac, 2023 (SANIA);
    Abdukhakimov, Xiang, Kamzolov and Takac, 2024 (preconditioned Polyak steps); Wang,
    Johansson and Zhang, ICML 2023 (momentum); Defazio, Cutkosky, Mehta and Mishchenko,
    2023 (linear decay and refinement).

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import StreamingLinearRegressor
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=2000, n_features=20, n_informative=5, random_state=0
    ... )
    >>> model = StreamingLinearRegressor()
    >>> for start in range(0, 2000, 500):
    ...     rows = slice(start, start + 500)
    ...     model = model.partial_fit(X[rows], y[rows])
    >>> model.n_samples_seen_
    2000
    """

    def __init__(
        self,
        loss="squared",
        penalty="l1",
        *,
        alpha=1e-4,
        penalty_factor=None,
        positive=False,
        fit_intercept=True,
        step="dog",
        preconditioner="auto",
        momentum=0.0,
        standardize=True,
        batch_size=64,
        shuffle=True,
        tol=1e-3,
        n_iter_no_change=5,
        max_iter=100,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.step = step
        self.preconditioner = preconditioner
        self.momentum = momentum
        self.standardize = standardize
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Learn in epochs, from scratch; from chunks in one pass.

        Parameters
        ----------
        X : array-like, CSR matrix, Dask collection or iterator, of shape \
                (n_samples, n_features)
            Training data; float32 stays float32. An iterator yields tuples ``(X, y)``
            or ``(X, y, sample_weight)``.
        y : array-like of shape (n_samples,); None with an iterator
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; their sum does not matter. A row of weight k pulls k
            times as hard, which is what repeating it does on average; where all rows
            fit into one minibatch the two are the same.

        Returns
        -------
        self : StreamingLinearRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range.
        """
        return self._fit(X, y, sample_weight)

    @available_if(has_no_horizon)
    def partial_fit(self, X, y, sample_weight=None):
        """Learn from rows once, in their order, and go on from the calls before.

        Whether rows come in one call or in several makes no difference, as long as each
        call but the last has a multiple of ``batch_size`` rows.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Target.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights, whose unit is the same in all calls.

        Returns
        -------
        self : StreamingLinearRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or does not fit the calls
            before.
        """
        return self._partial_fit(X, y, sample_weight)
