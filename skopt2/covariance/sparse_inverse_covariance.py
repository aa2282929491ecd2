"""Sparse inverse covariance matrix at one level of the penalty."""

from skopt2._core.estimator import fit_method
from skopt2._core.parameters import check_number
from skopt2.covariance.model import InverseCovarianceModel


class SparseInverseCovariance(InverseCovarianceModel):
    r"""Sparse inverse covariance matrix: graphical lasso, graphical MCP and SCAD.

    With the empirical covariance matrix :math:`S`, the precision matrix :math:`T`
    minimises

    .. math:: \operatorname{tr}(S T) - \log\det T + \sum_{i \neq j} p_\alpha(T_{ij})

    over the positive definite matrices. A zero of :math:`T` is a pair of features that
    are independent given all the others; the rest are the edges of a graph.

    Parameters
    ----------
    alpha : float, default=0.01
        Strength of the penalty, nonnegative, in the units of a covariance. There is no
        edge from the largest absolute covariance on.
    penalty : {"l1", "mcp", "scad"} or Penalty, default="l1"
        Of the elements off the diagonal. ``"l1"`` is the graphical lasso, convex; the
        others do not shrink large elements. Give ``MCP(gamma=2.0)`` for another shape.
    covariance : {None, "precomputed"}, default=None
        With "precomputed", ``X`` of ``fit`` is a covariance matrix.
    penalize_diagonal : bool, default=False
        Whether the objective has alpha times the trace of :math:`T` as well.
    standardize : bool, default=False
        Whether the penalty is that of the precision matrix of the standardised
        features: ``alpha`` is then in the units of a correlation, and the graph does
        not depend on the units of the features. It is the same as a fit on
        standardised features, in the units of the data. Recommended with "mcp" and
        "scad".
    assume_centered : bool, default=False
        Whether the mean is known to be zero, and not subtracted.
    tol : float, default=1e-6
        Tolerance of the certificate.
    max_iter : int, default=2000
        Largest number of steps.
    time_limit : float, default=None
        Seconds after which the fit stops.
    warm_start : bool, default=False
        Start from the precision matrix of the previous fit.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    precision_ : ndarray of shape (n_features, n_features)
        Sparse inverse covariance matrix, with exact zeros.
    covariance_ : ndarray of shape (n_features, n_features)
        Its inverse.
    location_ : ndarray of shape (n_features,)
        Mean.
    n_edges_ : int
        Pairs of features with a precision that is not zero.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        For l1 the duality gap divided by the number of features; else the largest
        violation of the optimality conditions, in units of correlations.
    dual_gap_ : float
        Absolute duality gap, NaN for a nonconvex penalty.
    objective_ : float
        Value of the objective.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``support`` (edges), one row per check.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    SparseInverseCovarianceCV : Chooses ``alpha`` itself.
    inverse_covariance_path : Precision matrices at many levels.
    sklearn.covariance.GraphicalLasso : The same problem with l1.

    Notes
    -----
    Features that no covariance above ``alpha`` links, directly or through others, are
    independent in the solution: the connected components are solved one by one. This is
    exact for l1; for MCP and SCAD, whose slope at zero is ``alpha`` too, what is found
    is a stationary point of the whole problem.

    For MCP and SCAD the fit starts from the solution with l1, and ends at a stationary
    point near it. With fewer rows than features these penalties have no global minimum:
    the likelihood grows without bound where the penalty is flat. A fit that runs there
    stops with ``"diverged"``.

    It is computed in float64 where the device has it, and returned in the dtype of
    ``X``.

    References
    ----------
    Friedman, Hastie and Tibshirani, Sparse inverse covariance estimation with the
    graphical lasso, Biostatistics 9, 2008; Guillot, Rajaratnam, Rolfs, Maleki and Wong,
    Iterative thresholding algorithm for sparse inverse covariance estimation, NIPS
    2012; Mazumder and Hastie, Exact covariance thresholding into connected components,
    JMLR 13, 2012; Loh and Wainwright, Regularized M-estimators with nonconvexity, JMLR
    16, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.covariance import SparseInverseCovariance
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 4))
    >>> X[:, 1] += X[:, 0]
    >>> X[:, 2] += X[:, 1]
    >>> model = SparseInverseCovariance(alpha=0.2, penalty="mcp").fit(X)
    >>> (model.precision_ != 0).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 1]])
    """

    def __init__(
        self,
        alpha=0.01,
        penalty="l1",
        *,
        covariance=None,
        penalize_diagonal=False,
        standardize=False,
        assume_centered=False,
        tol=1e-6,
        max_iter=2000,
        time_limit=None,
        warm_start=False,
        device=None,
    ):
        self.alpha = alpha
        self.penalty = penalty
        self.covariance = covariance
        self.penalize_diagonal = penalize_diagonal
        self.standardize = standardize
        self.assume_centered = assume_centered
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find the precision matrix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; or the covariance matrix of shape (n_features, n_features) with
            ``covariance="precomputed"``. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weight of each row. A weight k is the row repeated k times.

        Returns
        -------
        self : SparseInverseCovariance
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter are out of range, a feature has no variance, or
            ``alpha`` is zero and the covariance matrix singular.

        Warns
        -----
        ConvergenceWarning
            If the certificate did not reach ``tol``.
        """
        check_number("alpha", self.alpha, 0)
        alpha = float(self.alpha)
        data, formulation = self._formulate(X, sample_weight)
        with data.target.activate():
            solver = formulation.solver(alpha, self.tol)

            def describe(solution):
                return self._describe(solution, formulation, alpha, data.X.dtype)

            warm = getattr(self, "precision_", None) if self.warm_start else None
            return self._run(
                solver,
                solver.init(formulation.start(warm, alpha)),
                data,
                describe,
                solver.certificate_name,
                check_every=solver.pause,
            )
