"""Directed acyclic graphs of linear models, as an estimator."""

from functools import partial

import numpy as np

from skopt2._core.array import asarray_like, namespace, sum64
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.validation import check_fit_input, check_predict_input, host_data
from skopt2._core.weights import check_weights
from skopt2.structure_learning.dag_parameters import check_dag
from skopt2.structure_learning.moments import moments_of, total_weight
from skopt2.structure_learning.sampling import drawn_rows
from skopt2.structure_learning.searches import Search


class LinearDAG(IterativeEstimator):
    r"""Directed acyclic graph of a linear model: which feature depends on which.

    The features are taken for :math:`x = W^\top x + e + \text{const}`, with independent
    noise :math:`e_j` of standard deviation :math:`\sigma_j`, and :math:`W_{ij}` the
    effect of feature i on feature j. Over the weights of graphs without a cycle it
    minimises

    .. math:: n \sum_j \log \sigma_j^2 + \sum_j \frac{n \, r_j(W)}{\sigma_j^2}
              + \alpha \, \#\{W_{ij} \neq 0\} ,

    with :math:`r_j` the mean squared residual of feature j: the noise is estimated with
    the weights, so that ``alpha`` has no units and stays the same for any noise.

    Parameters
    ----------
    noise : {"ev", "nv"}, default="ev"
        ``"ev"``: the noise of all features has one variance, which makes the graph
        unique, and depends on the units of the features. ``"nv"``: each has its own.
        Units do not count then, and edges that no data can direct may point either way.
    alpha : {"ebic", "bic"} or float, default="ebic"
        Price of an edge, in units of twice the log-likelihood: :math:`\log n + 2 \log
        d` for ``"ebic"``, with n rows and d features, or :math:`\log n`. With
        ``solver="colide"`` a number is the level of its :math:`\ell_1` norm, in units
        of the least deviation of a feature; with a criterion that is 0.05, the paper's
        for noise of variance 1. The polish goes by the criterion, ``"ebic"`` if
        ``alpha`` is a number.
    solver : {"moves", "colide"}, default="moves"
        ``"moves"``: moves of one feature in an order. ``"colide"``: the continuous path
        of CoLiDE, on which cycles cost more and more, and the moves from where it ends.
    max_parents : int, default=None
        Largest number of parents. None for a third of the rows.
    forbidden : array-like of bool of shape (n_features, n_features), default=None
        True at (i, j) where i must not be a parent of j.
    n_init : int, default=None
        Starts: the first from the order of residual variances, the others from random
        orders. The graph of least cost stays. None for 1 with ``"ev"``, where the first
        is as good as right, and 5 with ``"nv"``. With ``solver="colide"`` the first is
        from where its path ends, and None is 1.
    refine : bool, default=True
        Whether moves polish the graph of ``solver="colide"``. They never raise its
        cost.
    threshold : float, default=0.3
        With ``solver="colide"``: weights that are smaller where the path ends are cut.
        The paper's, for weights that are not below 0.5.
    assume_centered : bool, default=False
        Whether the mean is known to be zero, and not subtracted.
    tol : float, default=1e-9
        Tolerance of the certificate.
    max_iter : int, default=100
        Largest number of sweeps over all features. With ``solver="colide"`` also the
        thousands of steps of the path (the paper has 130).
    time_limit : float, default=None
        Seconds after which the fit stops.
    warm_start : bool, default=False
        Start from the order of the previous fit, the path from its weights.
    random_state : int, RandomState instance or None, default=None
        Draws in which order features are moved, and the random starts.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Arrays of a GPU are copied: the search runs on the CPU, and ``"cuda"`` is an
        error.

    Attributes
    ----------
    adjacency_ : ndarray of shape (n_features, n_features)
        Weights :math:`W`: the least squares effect of feature i, in its row, on feature
        j, in its column. Exactly zero where there is no edge. Without ``refine`` the
        weights of the path, shrunk by the :math:`\ell_1` norm.
    order_ : ndarray of shape (n_features,)
        Features in an order in which parents come before their children.
    noise_std_ : ndarray of shape (n_features,)
        Standard deviations of the noise, all the same with ``"ev"``.
    mean_ : ndarray of shape (n_features,)
        Mean of the features.
    n_edges_ : int
        Number of edges.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Moves that were tried: of one feature, to all places. And steps of the path.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, or
        ``"stalled"`` at the end of a path without ``refine``.
    certificate_ : Certificate
        Largest gain from moving any one feature to any other place in the order, with
        new parents for all whom that concerns, by growing and shrinking, over rows
        times features. Infinite before all were tried. Without ``refine``: the larger
        of the largest step that one weight alone would make where the path ends, and
        the log-determinant that measures cycles, before cuts. It seldom gets below
        1e-3, the fit is ``"stalled"`` there.
    objective_ : float
        The cost above without its constant, divided by the number of rows. On the path,
        and without ``refine``: the score of CoLiDE.
    dual_gap_ : float
        NaN: the problem is combinatorial, and there is no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate`` and
        ``edges``.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    refine_dag : The same search from a graph of any other method.
    structural_hamming_distance : Compares two graphs.
    skopt2.covariance.SparseInverseCovariance : Undirected graphs.

    Notes
    -----
    There are only edges from earlier to later features of an order, so that every fit
    is a graph without a cycle, also one that was stopped.

    With ``"ev"`` features that vary more come later; standardised features have lost
    what says so. Choose ``"nv"`` for them.

    A graph is a model of the joint distribution. That an edge is an effect needs more:
    no common causes left out, a linear model, and with ``"ev"`` equal noise.

    References
    ----------
    Saboksayr, Mateos and Tepper, CoLiDE: Concomitant linear DAG estimation, ICLR 2024;
    Deng, Bello, Aragam and Ravikumar, Optimizing NOTEARS objectives via topological
    swaps, ICML 2023; Chen, Drton and Wang, On causal discovery with an equal-variance
    assumption, Biometrika 106, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.structure_learning import LinearDAG
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=500)
    >>> y = 2 * x + rng.normal(size=500)
    >>> z = x - y + rng.normal(size=500)
    >>> model = LinearDAG(random_state=0).fit(np.column_stack([z, y, x]))
    >>> model.adjacency_.round(1)
    array([[ 0. ,  0. ,  0. ],
           [-1. ,  0. ,  0. ],
           [ 1.1,  2. ,  0. ]])
    >>> model.order_
    array([2, 1, 0])
    """

    _remedies = (
        "forbid edges that cannot be, or polish with refine=True",
        "bring the features to one scale",
    )
    _sparse_input = False

    def __init__(
        self,
        noise="ev",
        alpha="ebic",
        *,
        solver="moves",
        max_parents=None,
        forbidden=None,
        n_init=None,
        refine=True,
        threshold=0.3,
        assume_centered=False,
        tol=1e-9,
        max_iter=100,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.noise = noise
        self.alpha = alpha
        self.solver = solver
        self.max_parents = max_parents
        self.forbidden = forbidden
        self.n_init = n_init
        self.refine = refine
        self.threshold = threshold
        self.assume_centered = assume_centered
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find the graph.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights. A weight k is the row repeated k times; their sum is
            the number of rows.

        Returns
        -------
        self : LinearDAG
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data are not finite, a feature is constant, or a parameter is out of
            range.

        Warns
        -----
        ConvergenceWarning
            If the certificate did not reach ``tol``.
        """
        check_dag(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        data = host_data(self, data, "the search of an order")
        n, d = data.X.shape
        moments = moments_of(
            data.X,
            data.sample_weight,
            total_weight(sample_weight, n),
            self.assume_centered,
            getattr(self, "feature_names_in_", None),
        )
        search = Search(self, moments)
        describe = partial(search.describe, dtype=data.X.dtype)
        return self._run(
            search.solver,
            search.start,
            data,
            describe,
            search.certificate,
            max_iter=search.max_steps(),
            check_every=search.check_every,
        )

    def _limit(self, result):
        return f"max_iter={self.max_iter} sweeps"

    def predict(self, X):
        """Return each feature as its parents predict it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        expected : ndarray of shape (n_samples, n_features)
            The mean for features without parents. In the namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has other features.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="adjacency_", method="predict"
        )
        return self._expected(X)

    def _expected(self, X):
        """Return the predictions of checked rows."""
        mean = asarray_like(self.mean_, X)
        return mean + (X - mean) @ asarray_like(self.adjacency_, X)

    def score(self, X, y=None, sample_weight=None):
        """Return the mean log-likelihood of rows under normal noise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.

        Returns
        -------
        score : float
            In natural logarithms, of a row.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has other features.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="adjacency_", method="score"
        )
        xp, weight = namespace(X), check_weights(sample_weight, X)
        std = asarray_like(self.noise_std_, X)
        e = (X - self._expected(X)) / std
        rows = -0.5 * xp.sum(e * e, axis=1)
        fit = sum64(rows) / X.shape[0] if weight is None else sum64(rows * weight)
        d = int(X.shape[1])
        return fit - sum64(xp.log(std)) - 0.5 * d * float(np.log(2.0 * np.pi))

    def sample(self, n_samples=1, random_state=None):
        """Draw rows of the model, with normal noise.

        Parameters
        ----------
        n_samples : int, default=1
            Rows.
        random_state : int, RandomState instance or None, default=None
            Draws them.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the namespace and dtype of the fit.

        Raises
        ------
        ValueError
            If ``n_samples`` is not a positive integer.
        """
        return drawn_rows(self, n_samples, random_state)
