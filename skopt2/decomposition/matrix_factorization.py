"""Constrained and sparse matrix factorisation, as an estimator."""

from skopt2._core.estimator import fit_method
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.factorization_arrays import check_codes, check_nonnegative
from skopt2.decomposition.factorization_codes import solved_codes
from skopt2.decomposition.factorization_options import block_levels, block_term
from skopt2.decomposition.matrix_options import check_matrix_factorization
from skopt2.decomposition.matrix_start import starting_blocks
from skopt2.penalties import get_penalty
from skopt2.solvers.factorization.data import MatrixData
from skopt2.solvers.factorization.descent import CERTIFICATE, FactorDescent
from skopt2.solvers.factorization.proximal import ProximalDescent


class MatrixFactorization(ComponentModel):
    r"""Factorisation of a matrix with signs, sparsity and norms of its factors.

    Codes :math:`W` of shape (n_samples, n_components) and components :math:`H` of shape
    (n_components, n_features) are sought that minimise

    .. math:: \frac{1}{n p} \Big( \tfrac12 \|X - W H\|_F^2
              + \alpha_W\, p \sum_{ij} \phi_W(W_{ij})
              + \alpha_H\, n \sum_{jf} \phi_H(H_{jf}) \Big), \qquad
              \phi(v) = \rho |v| + \tfrac{1 - \rho}{2} v^2,

    with :math:`n` samples, :math:`p` features and :math:`\rho` the ``l1_ratio``: the
    objective of :class:`sklearn.decomposition.NMF` over the number of elements. Either
    factor or both can be nonnegative, codes can carry a nonconvex penalty, and the
    components can be kept in the unit ball instead of being penalised.

    Parameters
    ----------
    n_components : int or "auto", default=8
        Number of components; ``"auto"``: those of ``init`` where it is an array, else
        as many as features.
    nonnegative : bool, "codes" or "components", default=True
        Which factors have no negative element: both, none, or one. ``True`` needs an
        ``X`` without negative values.
    alpha_W : float, default=0.0
        Level of the penalty of the codes; see above.
    alpha_H : float or "same", default="same"
        Level of the penalty of the components; ``"same"``: that of the codes.
    l1_ratio : float, default=0.0
        Share of the l1 norm in the elastic net, between 0 and 1.
    penalty : str or Penalty, default="elasticnet"
        Penalty of the codes instead of :math:`\phi_W`: ``"elasticnet"``, ``"l1"``,
        ``"mcp"``, ``"scad"``, ``"l0"`` (counts them), ``"l_half"``, ``"log_sum"``, or
        an object of :mod:`skopt2.penalties`, with the level ``alpha_W * n_features``.
    bounded : bool, default=False
        Whether each component has a Euclidean norm of at most one. Then the codes alone
        may be penalised (``alpha_H=0``); otherwise a penalty of one factor without the
        other would have no effect, since one can shrink while the other grows.
    init : str or array, default="nndsvda"
        Where to start: ``"nndsvda"``, ``"nndsvd"``, ``"nndsvdar"``: singular vectors,
        raised to a small number, with their zeros, or raised to small random numbers;
        ``"random"``: random numbers; ``"k-means++"``: rows of ``X`` that are far from
        each other as components; ``"custom"``: ``W`` and ``H`` of ``fit``. An array of
        shape (n_components, n_features) holds the components.
    solver : {"hals", "bcd-pr"}, default="hals"
        Accelerated hierarchical alternating least squares; or block coordinate descent
        with a proximal term, the method of the reference, which is slower.
    prox : float, default=0.1
        Weight of the proximal term of ``"bcd-pr"``, in units of the mean curvature of a
        block at the start.
    tol : float, default=1e-4
        Tolerance of the certificate.
    max_iter : int, default=500
        Largest number of sweeps over both factors.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of a sweep.
    warm_start : bool, default=False
        Whether to start from the components of the last fit, and from its codes where
        there are as many rows.
    random_state : int, RandomState instance or None, default=None
        Draws the start.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Components.
    reconstruction_err_ : float
        Frobenius norm of what is left of ``X``; its rows weighted by ``sample_weight``,
        of mean one.
    n_components_ : int
        Number of components.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Sweeps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    certificate_ : Certificate
        How far both factors are from the best value of each of their elements, all
        others fixed: the norm of these distances, in the metric of the curvature, over
        the norm of ``X``.
    objective_ : float
        The objective above.
    dual_gap_ : float
        NaN: the problem has more than one local minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per sweep. The objective never increases. With ``"bcd-pr"`` also
        ``stationarity``, the measure of the reference, where no penalty has a kink.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    TensorFactorization : Arrays of more modes.
    SpectralUnmixer : Spectra with outlying channels.
    WassersteinDictionary : Histograms, compared by optimal transport.
    sklearn.decomposition.NMF : Other losses of nonnegative factors.

    Notes
    -----
    Each row of one factor, given everything else, has an exact minimiser; sweeps over
    these rows are repeated and extrapolated. The certificate says that no element alone
    could improve the objective; a better local minimum may exist, and another ``init``
    or ``random_state`` may find it.

    References
    ----------
    Gillis and Glineur, Accelerated multiplicative updates and hierarchical ALS
    algorithms for nonnegative matrix factorization, Neural Computation 24, 2012; Ang
    and Gillis, Accelerating nonnegative matrix factorization algorithms using
    extrapolation, Neural Computation 31, 2019; Kwon and Lyu, Complexity of block
    coordinate descent with proximal regularization, ICML 2023 (``"bcd-pr"``).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import MatrixFactorization
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((40, 3)) @ rng.random((3, 10))
    >>> model = MatrixFactorization(3, random_state=0, tol=1e-6).fit(X)
    >>> bool(model.reconstruction_err_ < 1e-2 * np.linalg.norm(X))
    True
    >>> model.transform(X).shape
    (40, 3)
    """

    _remedies = ("try another init or random_state", "bring X to one scale")
    _not_flags = ("nonnegative",)
    _sparse_input = True

    def _makers(self):
        return {"penalty": get_penalty}

    def __init__(
        self,
        n_components=8,
        *,
        nonnegative=True,
        alpha_W=0.0,
        alpha_H="same",
        l1_ratio=0.0,
        penalty="elasticnet",
        bounded=False,
        init="nndsvda",
        solver="hals",
        prox=0.1,
        tol=1e-4,
        max_iter=500,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.nonnegative = nonnegative
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.penalty = penalty
        self.bounded = bounded
        self.init = init
        self.solver = solver
        self.prox = prox
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self.nonnegative is True
        return tags

    def _terms(self, n_features):
        """Return the terms of codes and components for so many features."""
        sign = self.nonnegative
        level, other, ratio = block_levels(self)
        codes, components = sign in (True, "codes"), sign in (True, "components")
        level = level * n_features
        return [
            block_term(self.penalty, level, ratio, codes),
            block_term("elasticnet", other, ratio, components, ball=self.bounded),
        ]

    @fit_method
    def fit(self, X, y=None, sample_weight=None, *, W=None, H=None):
        """Learn components of the rows of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data; never made dense. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; a weight of k counts as k equal rows.
        W : array-like of shape (n_samples, n_components), default=None
            Codes to start from, with ``init="custom"``.
        H : array-like of shape (n_components, n_features), default=None
            Components to start from, with ``init="custom"``.

        Returns
        -------
        self : MatrixFactorization
            Fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite, or negative with ``nonnegative=True``, or a
            parameter is out of range.
        """
        check_matrix_factorization(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=("csr",), y_kind="none"
        )
        if self.nonnegative is True:
            check_nonnegative(data.X, type(self).__name__)
        with data.target.activate():
            matrix = MatrixData(data.X, data.sample_weight)
            terms = self._terms(matrix.shape[1])
            if self.solver == "hals":
                solver = FactorDescent(matrix, terms)
            else:
                solver = ProximalDescent(matrix, terms, float(self.prox))

            def describe(state):
                left = max(2.0 * matrix.residual(state.factors) * matrix.shape[0], 0.0)
                return {
                    "components_": state.factors[1],
                    "reconstruction_err_": left**0.5,
                    "n_components_": int(state.factors[1].shape[0]),
                    "_codes": state.factors[0],
                }

            def start():
                blocks = starting_blocks(self, matrix, terms, data.target, W, H)
                return solver.start(blocks)

            return self._run(solver, start, data, describe, CERTIFICATE)

    def fit_transform(self, X, y=None, sample_weight=None, *, W=None, H=None):
        """Learn components and return the codes of the rows of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights.
        W, H : array-like, default=None
            Factors to start from, with ``init="custom"``.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            What ``transform`` returns.
        """
        return self.fit(X, None, sample_weight, W=W, H=H).transform(X)

    def transform(self, X):
        """Return the codes of samples under the components of the fit.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Data.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Minimisers, sample by sample, of the objective with fixed components. In the
            namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If ``X`` is not finite, has other features, or is negative with
            ``nonnegative=True``.

        Warns
        -----
        ConvergenceWarning
            If the certificate of a sample did not reach the tolerance.
        """
        X = check_predict_input(
            self,
            X,
            accept_sparse=("csr",),
            attribute="components_",
            method="transform",
        )
        if self.nonnegative is True:
            check_nonnegative(X, type(self).__name__)
        return solved_codes(self, X, self._terms(self.n_features_in_)[0])

    def inverse_transform(self, X):
        """Return the samples that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_features)
            Sums of the components, weighted by the codes.

        Raises
        ------
        ValueError
            If there is not one code for each component, or codes are not finite.
        """
        H = self.components_
        return check_codes(X, H) @ H
