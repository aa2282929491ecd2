"""Square dictionaries by the largest l_p norm of the codes, as an estimator."""

import warnings

from sklearn.utils.validation import check_is_fitted

from skopt2._core.array import asarray_like, namespace
from skopt2._core.estimator import fit_method, level_of_caller
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.factorization_arrays import check_codes
from skopt2.decomposition.lp_dictionary_start import (
    check_lp_dictionary,
    counted_rows,
    starting_state,
)
from skopt2.solvers.lp_dictionary.power_method import CERTIFICATE, PowerMethod
from skopt2.solvers.lp_dictionary.whitening import whitening_of


class LpDictionaryLearning(ComponentModel):
    r"""Square dictionary in which the data are sparse, by an l_p norm made largest.

    Rows are taken for :math:`x = D^\top y + m` with sparse codes :math:`y` and as many
    atoms as features, or fewer. With :math:`z` the whitened rows, all atoms are found
    at once, by the rotation

    .. math:: \max_{A^\top A = I} \; \sum_i s_i \| A z_i \|_p^p , \quad p > 2 .

    Of vectors of one length the sparse ones have the largest norm. There is no
    penalty, no step size, and no sparse code to solve for: a step is two products with
    the data and a small singular value decomposition.

    Parameters
    ----------
    n_components : int, default=None
        Number of atoms, at most the number of features. None for as many as there are
        directions in which the rows vary. With fewer, the rows are projected on their
        leading principal components.
    p : float, default=3.0
        Norm, larger than 2. Smaller ones need fewer rows and stand large values
        better, 4 is that of the MSP algorithm and a kurtosis.
    whiten : bool, default=True
        Whether atoms may have any angles. False for an orthogonal dictionary: rows are
        only rotated.
    assume_centered : bool, default=False
        Whether the mean of the rows is known to be zero, and not subtracted.
    threshold : float, default=0.0
        ``transform`` sets codes to zero up to this multiple of their root mean square
        in the fit.
    n_init : int, default=1
        Random starts, of which the best after a few steps goes on.
    tol : float, default=1e-5
        Tolerance of the certificate.
    max_iter : int, default=1000
        Largest number of steps.
    time_limit : float, default=None
        Seconds after which the fit stops.
    warm_start : bool, default=False
        Start from the components of the previous fit.
    random_state : int, RandomState instance or None, default=None
        Draws the rotations to start from.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, of Euclidean norm 1, their largest value positive, those of the sparsest
        codes first.
    mean_ : ndarray of shape (n_features,)
        Mean of the rows, zero with ``assume_centered``.
    code_norms_ : ndarray of shape (n_components,)
        :math:`(\sum_i s_i |y_{ij}|^p)^{1/p}` of the codes of each atom, divided by
        their root mean square: the larger, the sparser. For normal codes it is
        1.169 with ``p=3``, and 1.316 with ``p=4``.
    code_sizes_ : ndarray of shape (n_components,)
        Root mean square of the codes of each atom.
    n_components_ : int
        Number of atoms.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"`` or
        ``"stalled"`` (at the floor of rounding).
    certificate_ : Certificate
        Distance of the rotation from the one of the next plain step, in the Frobenius
        norm over that of the rotation: 0 at a stationary point, and only there.
    objective_ : float
        :math:`\ell_p` norm of a code of the rotated rows: the p-th root of the maximum
        above over the number of atoms. It never falls.
    dual_gap_ : float
        NaN: the problem has more than one local maximum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per step.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    sklearn.decomposition.DictionaryLearning : With more atoms than features too.
    sklearn.decomposition.FastICA : Independent components, of any distribution.
    SparseRatioPCA : Sparse atoms in the place of sparse codes.

    Notes
    -----
    The rotation is unique up to signs and the order of the atoms, in which a maximum
    has its own. With :math:`p = 4` the problem is that of independent components of
    large kurtosis; the reference shows that a maximiser is near the dictionary that
    the data were drawn with.

    Codes are ``(X - mean_) @ pinv(components_)``, without a threshold the least squares
    fit. ``X`` is whitened in float64 where the device has it.

    References
    ----------
    Shen, Xue, Zhang, Letaief and Lau, Complete dictionary learning via l_p-norm
    maximization, UAI 2020; Zhai, Yang, Liao, Wright and Ma, Complete dictionary
    learning via l4-norm maximization over the orthogonal group, JMLR 21, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import LpDictionaryLearning
    >>> rng = np.random.default_rng(0)
    >>> Y = rng.normal(size=(2000, 8)) * (rng.random((2000, 8)) < 0.2)
    >>> D = rng.normal(size=(8, 8))
    >>> model = LpDictionaryLearning(random_state=0).fit(Y @ D)
    >>> cosines = model.components_ @ D.T / np.linalg.norm(D, axis=1)
    >>> bool((np.abs(cosines).max(axis=0) > 0.99).all())
    True
    """

    _remedies = ("try another random_state or a larger n_init", "bring X to one scale")

    def __init__(
        self,
        n_components=None,
        *,
        p=3.0,
        whiten=True,
        assume_centered=False,
        threshold=0.0,
        n_init=1,
        tol=1e-5,
        max_iter=1000,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.p = p
        self.whiten = whiten
        self.assume_centered = assume_centered
        self.threshold = threshold
        self.n_init = n_init
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Learn a dictionary of the rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weights. A weight k is the row repeated k times.

        Returns
        -------
        self : LpDictionaryLearning
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data are not finite or constant, there are fewer features than
            components, or a parameter is out of range.

        Warns
        -----
        ConvergenceWarning
            If the certificate did not reach ``tol``.
        UserWarning
            If the rows vary in fewer directions than components were asked for.
        """
        check_lp_dictionary(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            whitening, solver = self._problem(data)

            def describe(state):
                return self._describe(state, solver, whitening, data.X)

            def start():
                return starting_state(self, solver, whitening, data.target)

            self._run(solver, start, data, describe, CERTIFICATE)
        wanted = self.n_components
        if wanted is not None and self.n_components_ < wanted:
            warnings.warn(
                f"n_components={wanted}, but the rows vary in {self.n_components_} "
                "directions only: there are no more atoms.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        return self

    def _problem(self, data):
        """Return the whitening and the solver of checked data."""
        p, wanted = int(data.X.shape[1]), self.n_components
        if wanted is not None and wanted > p:
            raise ValueError(
                f"n_components={wanted} is more than n_features={p}: the dictionary is "
                "square at most. Use sklearn.decomposition.DictionaryLearning for more "
                "atoms than features."
            )
        rows, s = counted_rows(data)
        whitening, Z = whitening_of(
            rows, s, wanted, whiten=self.whiten, centered=self.assume_centered
        )
        if not Z.shape[1]:
            raise ValueError(
                f"Every feature of X is constant in n_samples={rows.shape[0]} rows: "
                "pass rows that differ."
            )
        return whitening, PowerMethod(asarray_like(Z, data.X), s, self.p)

    def _describe(self, state, solver, whitening, X):
        """Return the fitted attributes of a state."""
        xp = namespace(state.A)
        A = asarray_like(state.A, whitening.forward)
        norms, sizes = solver.code_norms(state.A)
        # Norms that are equal but for rounding keep the order of the start.
        order = xp.argsort(-xp.round(1e5 * norms), stable=True)
        A = xp.take(A, order, axis=0)
        atoms = A @ whitening.backward
        # Divided by the largest first: squares of any units fit.
        unit = xp.max(xp.abs(atoms), axis=1)
        length = unit * xp.sqrt(xp.sum((atoms / unit[:, None]) ** 2, axis=1))
        largest = xp.max(atoms, axis=1) >= -xp.min(atoms, axis=1)
        size, length = length, xp.where(largest, length, -length)
        filters = (whitening.forward @ xp.matrix_transpose(A)) * length
        return {
            "components_": asarray_like(atoms / length[:, None], X),
            "mean_": asarray_like(whitening.mean, X),
            "code_norms_": asarray_like(xp.take(norms, order), X),
            "n_components_": int(A.shape[0]),
            "_filters": asarray_like(filters, X),
            "code_sizes_": asarray_like(xp.take(sizes, order) * size, X),
        }

    def transform(self, X):
        """Return the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Least squares codes, those below the threshold exactly zero. In the
            namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has other features.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="components_", method="transform"
        )
        xp = namespace(X)
        codes = (X - asarray_like(self.mean_, X)) @ asarray_like(self._filters, X)
        if self.threshold > 0.0:
            floor = float(self.threshold) * asarray_like(self.code_sizes_, X)
            codes = xp.where(xp.abs(codes) > floor, codes, xp.zeros_like(codes))
        return codes

    def inverse_transform(self, X):
        """Return the rows that codes stand for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            Sums of the atoms, weighted by the codes, the mean added.

        Raises
        ------
        ValueError
            If there is not one code for each component, or they are not finite.
        """
        check_is_fitted(self)
        D = self.components_
        return check_codes(X, D) @ D + self.mean_
