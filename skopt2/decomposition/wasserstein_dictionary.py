"""Dictionaries of histograms under an entropic Wasserstein loss, as an estimator."""

from skopt2._core.array import asarray_like
from skopt2._core.estimator import fit_method
from skopt2._core.histograms import normalise
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.dictionary_codes import codes_of
from skopt2.decomposition.dictionary_start import check_dictionary, starting_state
from skopt2.decomposition.factorization_arrays import check_codes
from skopt2.decomposition.ground_metric import describe_metric
from skopt2.solvers.wasserstein_dictionary.descent import DictionaryDescent
from skopt2.solvers.wasserstein_dictionary.loss import EntropicLoss
from skopt2.solvers.wasserstein_dictionary.mixture import Mixture

CERTIFICATE = "relative stationarity gap"


class WassersteinDictionary(ComponentModel):
    r"""Dictionary of histograms under an entropic Wasserstein loss.

    Rows of ``X`` are histograms :math:`x_i` on common bins: nonnegative, divided by
    their sums. Atoms :math:`D_1, \dots, D_k` and codes :math:`T` are sought, each atom
    and each row of codes a histogram too, that minimise the mean of

    .. math:: W\Big(x_i, \sum_j T_{ij} D_j\Big), \quad
              W(x, q) = \min_P\; \langle P, C \rangle
              + \varepsilon \sum_{ab} P_{ab} (\log P_{ab} - 1)
              \quad \text{such that} \quad P \mathbf 1 = x,\; P^\top \mathbf 1 = q,

    with the ground cost :math:`C` between bins. Mass that is near to where it should be
    costs little: the dictionary is one of shapes that may move a little, where that of
    a nonnegative matrix factorisation compares bin by bin.

    With ``cp=True`` the bins form a grid, rows are joint histograms, and every atom is
    the product of one histogram for each axis.

    Parameters
    ----------
    n_components : int, default=8
        Number of atoms.
    reg : float, default=0.05
        Regularisation :math:`\varepsilon`, in the unit that ``normalize_cost`` names.
    cost : "grid", tuple of int, array or list of array, default=None
        Ground cost. None: the bins are points 0, 1, 2, ... of a line; ``"grid"``: the
        pixels of a square image in row-major order; a tuple of lengths: the cells of a
        grid of that shape; all three with squared distances. An array of shape
        (n_features, n_features) gives the costs, nonnegative; a list of arrays those
        along each axis of a grid, whose sum is the ground cost.
    normalize_cost : {None, "mean", "max", "median"}, default="mean"
        Unit of ``reg``: this figure of the ground cost, or None for 1.
    cp : bool, default=False
        Whether atoms are products of one histogram for each axis of the grid.
    codes : {"simplex", "nonnegative"}, default="simplex"
        Sum of the codes of a row: one, or the sum of the row, so that
        ``inverse_transform`` gives rows of the same mass. Shapes are what is fitted,
        and the atoms are the same.
    prox : float, default=3.0
        Weight of the proximal term, in units of the regularisation. Larger values make
        more and cheaper iterations.
    init : {"samples", "random"} or array, default="samples"
        Atoms to start from: random rows, each mixed with the mean and flattened; random
        histograms; or histograms, of shape (n_components, n_features).
    n_init : int, default=1
        Random starts. Each is followed for ten iterations, and the best to the end.
    tol : float, default=1e-2
        Tolerance of the certificate of the fit, and of that of each row of
        ``transform``.
    max_iter : int, default=200
        Largest number of sweeps over all blocks.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of a sweep.
    warm_start : bool, default=False
        Whether to start from the components of the last fit, and from its codes where
        there are as many rows.
    random_state : int, RandomState instance or None, default=None
        Draws the starts.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, each with the sum one.
    factors_ : list of ndarray of shape (n_components, n_bins_of_axis)
        With ``cp`` the histograms of each axis whose products are the atoms, else the
        components alone.
    reconstruction_err_ : float
        Mean loss of the rows, less what the best of all histograms would leave: zero
        where every mixture is its row blurred by the entropy. In the unit of the cost.
    cost_scale_ : float
        Unit of ``reg``.
    reg_ : float
        Regularisation in the unit of the ground cost.
    n_components_ : int
        Number of atoms.
    n_features_in_ : int
        Number of bins.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the bins, where ``X`` had string names.
    n_iter_ : int
        Sweeps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    certificate_ : Certificate
        Stationarity gap :math:`\sup \langle -\nabla f(\theta), \theta' - \theta
        \rangle` over all feasible :math:`\theta'`, in units of ``cost_scale_``: no less
        than what the best change of one block alone would gain. Never below the mean
        error of the marginals of the plans, on which the gradient rests.
    objective_ : float
        ``reconstruction_err_``.
    dual_gap_ : float
        NaN: the problem has more than one local minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per sweep. The objective never increases.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    skopt2.transport.WassersteinKMeans : One atom for each row, and no mixtures.
    sklearn.decomposition.NMF : Mixtures that are compared bin by bin.

    Notes
    -----
    Blocks (the codes, the atoms, or the factors of each axis) are minimised in turn,
    each with an entropic proximal term, by a scaling iteration in the dual; the paper's
    term is quadratic. The problem is not convex: the certificate says that no block can
    gain more, and ``n_init`` helps against poor local minima.

    The entropy blurs: the best mixture for a row is the row blurred with a variance of
    about :math:`\varepsilon / 2` for squared distances, so atoms are blurred by as
    much. Choose ``reg`` no larger than the detail that matters.

    References
    ----------
    Kwon and Lyu, Complexity of block coordinate descent with proximal regularization
    and applications to Wasserstein CP-dictionary learning, ICML 2023; Rolet, Cuturi and
    Peyre, Fast dictionary learning with a smoothed Wasserstein loss, AISTATS 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import WassersteinDictionary
    >>> bins = np.arange(30)
    >>> shapes = np.exp(-0.5 * (bins - np.array([[6.0], [15.0], [24.0]])) ** 2)
    >>> X = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], size=50) @ shapes
    >>> model = WassersteinDictionary(3, reg=0.01, random_state=0).fit(X)
    >>> np.sort(model.components_.argmax(axis=1))
    array([ 6, 15, 24])
    >>> model.transform(X).shape
    (50, 3)
    """

    _remedies = ("increase n_init or reg", "increase reg")

    def __init__(
        self,
        n_components=8,
        reg=0.05,
        *,
        cost=None,
        normalize_cost="mean",
        cp=False,
        codes="simplex",
        prox=3.0,
        init="samples",
        n_init=1,
        tol=1e-2,
        max_iter=200,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.reg = reg
        self.cost = cost
        self.normalize_cost = normalize_cost
        self.cp = cp
        self.codes = codes
        self.prox = prox
        self.init = init
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    @fit_method
    def fit(self, X, y=None):
        """Learn a dictionary of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative. float32 stays float32. A row of zeros counts as
            equal masses in all bins, with a warning.
        y : None
            Ignored.

        Returns
        -------
        self : WassersteinDictionary
            Fitted estimator.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, the ground cost does not fit the
            number of features, or a parameter is out of range.
        """
        check_dictionary(self)
        data = check_fit_input(self, X, None, accept_sparse=False, y_kind="none")
        with data.target.activate():
            metric = describe_metric(self, data.X, data.target)
            loss = EntropicLoss(metric.kernel(), normalise(data.X, type(self).__name__))
            lengths = metric.lengths if self.cp else (int(data.X.shape[1]),)
            mixture = Mixture(lengths)
            rho = float(self.prox) * metric.eps
            solver = DictionaryDescent(loss, mixture, rho, metric.scale)

            def describe(state):
                return {
                    "components_": mixture.atoms(state.factors),
                    "factors_": list(state.factors),
                    "reconstruction_err_": state.objective,
                    "cost_scale_": metric.scale,
                    "reg_": metric.eps,
                    "n_components_": int(state.T.shape[1]),
                    "_metric": metric,
                    "_codes": state.T,
                }

            def start():
                return starting_state(self, solver, data.target)

            return self._run(solver, start, data, describe, CERTIFICATE)

    def transform(self, X):
        """Return the codes of histograms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Histograms, nonnegative.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Nonnegative, with rows that sum to one or, with ``codes="nonnegative"``, to
            the sum of the row. In the namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If a histogram is negative or not finite, or has other features.

        Warns
        -----
        ConvergenceWarning
            If the certificate of a row did not reach the tolerance.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="components_", method="transform"
        )
        return asarray_like(codes_of(self, X), X)

    def inverse_transform(self, X):
        """Return the mixtures of codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        mixtures : ndarray of shape (n_samples, n_features)
            Sums of the components, weighted by the codes.

        Raises
        ------
        ValueError
            If there is not one code for each component, or codes are not finite.
        """
        D = self.components_
        return check_codes(X, D) @ D
