"""Constrained and sparse CP factorisation of arrays, as an estimator."""

from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import namespace
from skopt2._core.estimator import fit_method
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.factorization_arrays import check_codes, check_nonnegative
from skopt2.decomposition.factorization_codes import solved_codes
from skopt2.decomposition.tensor_arrays import as_rows, check_lengths, starting_factors
from skopt2.decomposition.tensor_terms import (
    check_tensor_factorization,
    factor_attributes,
    factor_solver,
    factor_terms,
)
from skopt2.penalties import get_penalty
from skopt2.solvers.factorization.descent import CERTIFICATE

# Sweeps between two measures, which cost as much as half a sweep.
CHECK_EVERY = 5


class TensorFactorization(ComponentModel):
    r"""CP factorisation of an array with signs, sparsity and norms of its factors.

    Samples :math:`X_i` are matrices or arrays of more modes. Codes :math:`W` and, for
    each mode :math:`m` of a sample, factors :math:`A^m` of shape (n_components,
    :math:`d_m`) are sought that minimise

    .. math:: \frac{1}{n p} \Big( \tfrac12 \sum_i \Big\| X_i - \sum_j W_{ij}\,
              A^1_j \otimes \dots \otimes A^M_j \Big\|^2
              + \alpha_W\, p \sum_{ij} \phi_W(W_{ij})
              + \alpha_H\, n \sum_{m j a} \phi(A^m_{ja}) \Big),

    with :math:`n` samples of :math:`p = d_1 \cdots d_M` elements, and the elastic net
    :math:`\phi(v) = \rho |v| + (1 - \rho) v^2 / 2`. With one mode this is a matrix
    factorisation; with more, components are products of a profile for each mode, and
    are unique under mild conditions.

    Parameters
    ----------
    n_components : int, default=8
        Number of components.
    shape : tuple of int, default=None
        Lengths of the modes of a sample, where ``X`` has one sample a row, flat and
        row-major. None: those of ``X``, which is one mode for rows.
    nonnegative : bool, "codes" or "components", default=True
        Which of the codes and the factors have no negative element: both, none, or one.
    alpha_W : float, default=0.0
        Level of the penalty of the codes; see above.
    alpha_H : float or "same", default="same"
        Level of the penalty of the factors of each mode; ``"same"``: that of the codes.
    l1_ratio : float, default=0.0
        Share :math:`\rho` of the l1 norm, between 0 and 1.
    penalty : str or Penalty, default="elasticnet"
        Penalty of the codes instead of :math:`\phi`, as in
        :class:`MatrixFactorization`.
    bounded : bool, default=False
        Whether each factor has a Euclidean norm of at most one. Then the codes alone
        may be penalised (``alpha_H=0``).
    init : {"svd", "random"} or list of array, default="svd"
        Factors to start from: leading singular vectors of the unfoldings, in absolute
        value where nonnegative; random ones; or one array of shape (n_components, d_m)
        for each mode.
    solver : {"hals", "bcd-pr"}, default="hals"
        Accelerated hierarchical alternating least squares; or block coordinate descent
        with a proximal term, the method of the reference, which is slower.
    prox : float, default=0.1
        Weight of the proximal term of ``"bcd-pr"``, in units of the mean curvature of a
        block at the start.
    tol : float, default=1e-4
        Tolerance of the certificate.
    max_iter : int, default=1000
        Largest number of sweeps over all blocks.
    time_limit : float, default=None
        Seconds after which the fit stops at the next measure.
    warm_start : bool, default=False
        Whether to start from the factors of the last fit.
    random_state : int, RandomState instance or None, default=None
        Draws the start.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    factors_ : list of ndarray of shape (n_components, d_m)
        Factors of the modes of a sample. Of norm one, their sizes in the codes, where
        nothing is penalised or bounded.
    components_ : ndarray of shape (n_components, n_features)
        Their products, flat.
    shape_ : tuple of int
        Lengths of the modes of a sample.
    reconstruction_err_ : float
        Frobenius norm of what is left of ``X``; samples weighted by ``sample_weight``,
        of mean one.
    n_components_ : int
        Number of components.
    n_features_in_ : int
        Number of elements of a sample.
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
        How far all blocks are from the best value of each of their elements, all others
        fixed, as in :class:`MatrixFactorization`.
    objective_ : float
        The objective above.
    dual_gap_ : float
        NaN: the problem has more than one local minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per five sweeps. The objective never increases. With ``"bcd-pr"`` also
        ``stationarity``, the measure of the reference, where no penalty has a kink.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MatrixFactorization : Samples with one mode; sparse ``X``.
    WassersteinDictionary : Joint histograms, compared by optimal transport.

    Notes
    -----
    The array must be dense. Beside it, a partial product of n_components times its size
    over the length of the last mode is held in memory.

    A best approximation need not exist without constraints: components can grow against
    each other for ever (degeneracy). ``nonnegative=True``, a penalty, or ``bounded``
    codes exclude that.

    References
    ----------
    Kolda and Bader, Tensor decompositions and applications, SIAM Review 51, 2009;
    Gillis and Glineur, Neural Computation 24, 2012; Ang and Gillis, Neural Computation
    31, 2019; Kwon and Lyu, Complexity of block coordinate descent with proximal
    regularization, ICML 2023 (``"bcd-pr"``).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import TensorFactorization
    >>> rng = np.random.default_rng(0)
    >>> W, A, B = rng.random((30, 2)), rng.random((2, 6)), rng.random((2, 5))
    >>> X = np.einsum("nk,ka,kb->nab", W, A, B)
    >>> model = TensorFactorization(2, tol=1e-6).fit(X)
    >>> [factor.shape for factor in model.factors_]
    [(2, 6), (2, 5)]
    >>> bool(model.reconstruction_err_ < 1e-3 * np.linalg.norm(X))
    True
    """

    _remedies = ("try another init or random_state", "bring X to one scale")
    _not_flags = ("nonnegative",)

    def _makers(self):
        return {"penalty": get_penalty}

    def __init__(
        self,
        n_components=8,
        *,
        shape=None,
        nonnegative=True,
        alpha_W=0.0,
        alpha_H="same",
        l1_ratio=0.0,
        penalty="elasticnet",
        bounded=False,
        init="svd",
        solver="hals",
        prox=0.1,
        tol=1e-4,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.shape = shape
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
        tags.input_tags.three_d_array = True
        return tags

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Learn factors of the modes of the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, d_1, ..., d_M) or (n_samples, n_features)
            Samples, dense. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights; a weight of k counts as k equal samples.

        Returns
        -------
        self : TensorFactorization
            Fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite, or negative with ``nonnegative=True``, or a
            parameter is out of range.
        """
        check_tensor_factorization(self)
        rows, lengths = as_rows(X, self.shape)
        flat, X = rows is X, rows
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        if self.nonnegative is True:
            check_nonnegative(data.X, type(self).__name__)
        with data.target.activate():
            lengths = check_lengths(lengths, int(data.X.shape[1]))
            solver = factor_solver(self, data.X, data.sample_weight, lengths)

            def describe(state):
                fitted = factor_attributes(solver, lengths, state)
                return {**fitted, "_flat": flat}

            def start():
                factors = starting_factors(self, solver, lengths, data.target)
                return solver.start(factors)

            return self._run(
                solver, start, data, describe, CERTIFICATE, check_every=CHECK_EVERY
            )

    def transform(self, X):
        """Return the codes of samples under the factors of the fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, d_1, ..., d_M) or (n_samples, n_features)
            Samples.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Minimisers, sample by sample, of the objective with fixed factors. In the
            namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If ``X`` is not finite, has another shape, or is negative with
            ``nonnegative=True``.

        Warns
        -----
        ConvergenceWarning
            If the certificate of a sample did not reach the tolerance.
        """
        check_is_fitted(self, "components_")
        X, _ = as_rows(X, self.shape_)
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="components_", method="transform"
        )
        if self.nonnegative is True:
            check_nonnegative(X, type(self).__name__)
        return solved_codes(self, X, factor_terms(self, self.shape_)[0])

    def inverse_transform(self, X):
        """Return the samples that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        samples : ndarray of shape (n_samples, d_1, ..., d_M) or (n_samples, n_features)
            Sums of the components, weighted by the codes; flat if the fit was to rows.

        Raises
        ------
        ValueError
            If there is not one code for each component, or codes are not finite.
        """
        H = self.components_
        flat = check_codes(X, H) @ H
        if self._flat:
            return flat
        return namespace(flat).reshape(flat, (int(flat.shape[0]), *self.shape_))
