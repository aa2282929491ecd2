"""Robust unmixing of spectra into endmembers and abundances, as an estimator."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import asarray_like, move, namespace
from skopt2._core.estimator import fit_method, level_of_caller
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.decomposition.component_model import ComponentModel
from skopt2.decomposition.factorization_arrays import check_codes, plain_array
from skopt2.decomposition.unmixing_start import check_unmixer, starting_spectra
from skopt2.solvers.factorization.abundances import Sparsity, solve_abundances
from skopt2.solvers.factorization.unmixing import UnmixingDescent

CERTIFICATE = "relative projected-gradient residual"
# Certificate at which the abundances of a pixel are left, as a share of the tolerance.
CLOSER = 0.1


class SpectralUnmixer(ComponentModel):
    r"""Spectra as mixtures of few endmembers, with outlying channels.

    Rows of ``X`` are pixels :math:`x_i`, columns are channels. Nonnegative endmembers
    :math:`S` of shape (n_components, n_channels), abundances :math:`A` and a guidance
    map :math:`g` with mean one are sought that minimise

    .. math:: \frac{1}{C \sigma} \sum_c
              \sqrt{\tfrac1n \|X_{\cdot c} - A S_{\cdot c}\|^2 + (d \sigma)^2}
              + \frac{\alpha}{n} \sum_i \Big( g_i \sum_j
              \big( (A_{ij} + e)^p - e^p \big)
              + \tfrac{1}{\gamma} g_i \log g_i \Big).

    The error of a channel enters with its norm and not with its square, so channels
    that no mixture explains (sensor faults, water vapour) count little. The concave
    power makes abundances sparse, and more so where the map is large: it is learnt with
    them, and large where pixels are nearly pure.

    Parameters
    ----------
    n_components : int, default=4
        Number of endmembers.
    p : float, default=0.5
        Exponent of the sparsity, in (0, 1]. With ``sum_to_one`` an exponent of one has
        no effect: all abundances then have the same sum.
    alpha : float, default=0.01
        Level :math:`\alpha` of the sparsity; the first term is about one for no
        endmembers.
    guidance : float, default=1.0
        How strongly the map follows the sparsity, :math:`\gamma`; 0: all pixels alike.
    sum_to_one : bool, default=True
        Whether the abundances of a pixel sum to one, exactly. Without, they are
        nonnegative and no endmember exceeds the largest value of a channel.
    smoothing : float, default=1e-3
        Smoothing :math:`d` of the channel errors, in units of :math:`\sigma`, the
        median root mean square of the channels; large values give squared errors.
    offset : float, default=0.01
        Offset :math:`e` of the power, which bounds its slope at zero.
    init : {"purest", "random"} or array, default="purest"
        Endmembers to start from: pixels that are far apart in channels that others can
        predict (successive projection); random pixels; or spectra, of shape
        (n_components, n_channels).
    tol : float, default=1e-4
        Tolerance of the certificate, and of that of each pixel of ``transform``.
    max_iter : int, default=500
        Largest number of sweeps over all blocks.
    time_limit : float, default=None
        Seconds after which the fit stops at the end of a sweep.
    warm_start : bool, default=False
        Whether to start from the endmembers and channel weights of the last fit.
    random_state : int, RandomState instance or None, default=None
        Draws the start with ``init="random"``.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Endmembers.
    guidance_ : ndarray of shape (n_pixels,)
        Guidance map of the pixels of the fit, with mean one.
    channel_errors_ : ndarray of shape (n_channels,)
        Root mean square error of each channel: large for outlying ones.
    reconstruction_err_ : float
        Mean of the channel errors.
    n_components_ : int
        Number of endmembers.
    n_features_in_ : int
        Number of channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the channels, where ``X`` had string names.
    n_iter_ : int
        Sweeps.
    converged_ : bool
        Whether the certificate reached the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``, ``"stalled"``
        (at the floor of rounding) or ``"diverged"``.
    certificate_ : Certificate
        Distance to what a projected gradient step of each block would give, in the
        metric of the curvature, relative: half its square is gained at least.
    objective_ : float
        The objective above.
    dual_gap_ : float
        NaN: the problem has more than one local minimum, and no bound.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per sweep. The objective never increases.
    device_ : str
        Where the fit was computed.

    See Also
    --------
    MatrixFactorization : Nonnegative factors under squared errors.

    Notes
    -----
    From the reference are the norm over channels and the l_p sparsity with a learnt map
    for each pixel. The form of the map, the smoothing, the start, and the block descent
    with its certificate are not: the objective is not that of the paper in all parts.

    References
    ----------
    Zhu, Wang, Fan, Meng and Pan, Effective spectral unmixing via robust representation
    and learning-based sparsity, arXiv 1409.0685, 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.decomposition import SpectralUnmixer
    >>> rng = np.random.default_rng(0)
    >>> spectra = rng.random((3, 40))
    >>> A = rng.dirichlet([0.3, 0.3, 0.3], size=200)
    >>> X = A @ spectra
    >>> X[:, 7] = rng.random(200)
    >>> model = SpectralUnmixer(3).fit(X)
    >>> int(model.channel_errors_.argmax())
    7
    >>> bool(np.allclose(model.transform(X).sum(axis=1), 1.0))
    True
    """

    _remedies = ("try another init", "bring X to one scale")

    def __init__(
        self,
        n_components=4,
        *,
        p=0.5,
        alpha=0.01,
        guidance=1.0,
        sum_to_one=True,
        smoothing=1e-3,
        offset=0.01,
        init="purest",
        tol=1e-4,
        max_iter=500,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.n_components = n_components
        self.p = p
        self.alpha = alpha
        self.guidance = guidance
        self.sum_to_one = sum_to_one
        self.smoothing = smoothing
        self.offset = offset
        self.init = init
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    def _sparsity(self):
        """Return the sparsity of the abundances."""
        level, guidance = float(self.alpha), float(self.guidance)
        if level == 0.0:
            guidance = 0.0
        return Sparsity(
            level, float(self.p), float(self.offset), guidance, bool(self.sum_to_one)
        )

    @fit_method
    def fit(self, X, y=None):
        """Learn endmembers of pixels.

        Parameters
        ----------
        X : array-like of shape (n_pixels, n_channels)
            Spectra, one a row. float32 stays float32.
        y : None
            Ignored.

        Returns
        -------
        self : SpectralUnmixer
            Fitted estimator.

        Raises
        ------
        ValueError
            If ``X`` is not finite or a parameter is out of range.
        """
        check_unmixer(self)
        data = check_fit_input(self, X, None, accept_sparse=False, y_kind="none")
        with data.target.activate():
            solver = UnmixingDescent(data.X, self._sparsity(), float(self.smoothing))

            def describe(state):
                errors = solver.channel_errors(state)
                return {
                    "components_": state.S,
                    "guidance_": state.g,
                    "channel_errors_": errors,
                    "reconstruction_err_": float(namespace(errors).mean(errors)),
                    "n_components_": int(state.S.shape[0]),
                    "_weights": state.v,
                    "_unit": solver.C * solver.sigma,
                    "_log_mean": state.log_mean,
                }

            def start():
                return solver.start(*starting_spectra(self, data.X, data.target))

            return self._run(solver, start, data, describe, CERTIFICATE)

    def transform(self, X):
        """Return the abundances of pixels.

        Parameters
        ----------
        X : array-like of shape (n_pixels, n_channels)
            Spectra.

        Returns
        -------
        abundances : ndarray of shape (n_pixels, n_components)
            Nonnegative; with ``sum_to_one`` each row sums to one. Stationary for the
            endmembers, the channel weights and the scale of the map of the fit. In the
            namespace and dtype of ``X``.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has other channels.

        Warns
        -----
        ConvergenceWarning
            If the certificate of a pixel did not reach the tolerance.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="components_", method="transform"
        )
        _, target = cuda.resolve(self.device, X)
        with target.activate():
            moved = move(X, target)
            xp = namespace(moved)
            S = asarray_like(move(self.components_, target), moved)
            v = asarray_like(move(self._weights, target), moved) / self._unit
            G = (S * v) @ xp.matrix_transpose(S)
            B = (S * v) @ xp.matrix_transpose(moved)
            norms = xp.sqrt(xp.sum(moved * moved * v, axis=1))
            A, gaps = solve_abundances(
                B,
                G,
                self._sparsity(),
                self._log_mean,
                scale=xp.where(norms > 0.0, norms, xp.ones_like(norms)),
                tol=CLOSER * self.tol,
                rounds=self.max_iter,
            )
            worst = float(xp.max(gaps))
            if not worst <= self.tol:
                warnings.warn(
                    f"The abundances of a pixel did not reach tol={self.tol:.0e}: its "
                    f"certificate is {worst:.1e}. Increase max_iter or offset, or "
                    "loosen tol.",
                    ConvergenceWarning,
                    stacklevel=level_of_caller(),
                )
        return plain_array(xp.matrix_transpose(A), X)

    def inverse_transform(self, X):
        """Return the spectra that abundances stand for.

        Parameters
        ----------
        X : array-like of shape (n_pixels, n_components)
            Abundances.

        Returns
        -------
        spectra : ndarray of shape (n_pixels, n_channels)
            Mixtures of the endmembers.

        Raises
        ------
        ValueError
            If there is not one abundance for each endmember, or some are not finite.
        """
        S = self.components_
        return check_codes(X, S) @ S
