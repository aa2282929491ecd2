"""Gaussian process regression by a learnt coreset."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_random_state

from skopt2._core import cuda
from skopt2._core.array import move, to_numpy
from skopt2._core.estimator import fit_method
from skopt2._core.transfer import convert
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2.gaussian_process.coreset_model import CoresetModel


class CoresetGPRegressor(MultiOutputMixin, RegressorMixin, CoresetModel):
    r"""Gaussian process regression by a small set of learnt, weighted observations.

    The posterior given n rows is approximated by that given M pseudo observations
    :math:`(z_m, u_m)` of weight :math:`w_m`,

    .. math:: q(f) \propto p(f) \prod_{m=1}^M N(u_m \mid f(z_m), \sigma^2)^{w_m},

    where :math:`p(f)` is the prior and :math:`\sigma^2` the noise of the data. Inputs,
    outputs and weights of the coreset and the parameters of the kernel maximise the
    evidence lower bound, by Adam on batches of rows: :math:`O(M^3 + M^2 b)` time a step
    for b rows, and M (d + 2) numbers beside the kernel's own, where a free posterior at
    M inducing points has :math:`M d + M (M + 3) / 2`.

    Parameters
    ----------
    kernel : kernel of scikit-learn or None, default=None
        Sums and products of ``ConstantKernel``, ``WhiteKernel``, ``RBF``, and
        ``Matern`` with ``nu=0.5, 1.5, 2.5`` or infinity, one of the latter two in each
        product at most, from ``sklearn.gaussian_process.kernels``. Their parameters are
        where the fit starts; fixed ones stay. None for a constant times Matern-3/2 with
        a length scale for each feature, plus white noise, in the units of the data.
    n_coreset : int, default=100
        Pseudo observations M, at most one for each row.
    alpha : float, default=1e-10
        Variance of the noise, in the units of the targets that are fitted, beside the
        white part of the kernel. It is not learnt.
    init : {"k-means++", "random"}, default="k-means++"
        Rows at which the coreset starts: far from each other, or any.
    batch_size : int, default=512
        Rows of a step.
    learning_rate : float, default=0.03
        Step of Adam, in standard deviations of features and targets, and in logarithms
        of weights and parameters. It is halved where steps do not help, and falls to 0
        at the end of the fit.
    max_iter : int, default=2000
        Largest number of steps.
    tol : float, default=0.01
        The fit has converged where the evidence lower bound of all rows changed by at
        most this much for each row, in nats, over the last five measures at the full
        learning rate. It then goes on for two thirds as many steps, while the learning
        rate falls to 0. There is a measure at the end of each epoch, at least 50 steps
        after the last.
    normalize_y : bool, default=False
        Whether to fit targets that have mean 0 and variance 1; predictions are in the
        units of ``y`` in any case.
    time_limit : float, default=None
        Seconds after which the fit stops at the next measure.
    warm_start : bool, default=False
        Whether to start at the former coreset and kernel, where there are any for as
        many features and targets.
    random_state : int, RandomState, Generator or None, default=None
        For the start and the order of the rows.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``. The algebra is in float64 wherever the
        device has it.

    Attributes
    ----------
    coreset_X_ : ndarray of shape (n_coreset, n_features)
        Inputs of the coreset.
    coreset_y_ : ndarray of shape (n_coreset,) or (n_coreset, n_targets)
        Outputs of the coreset, in the units of ``y``.
    coreset_weights_ : ndarray of shape (n_coreset,)
        Weights of the coreset: how many observations each of them is worth.
    kernel_ : kernel of scikit-learn
        The kernel with what was learnt.
    noise_ : float
        Variance of the noise, of the targets that were fitted.
    evidence_lower_bound_ : float
        Lower bound of the log marginal likelihood of the targets that were fitted, in
        nats, for all rows.
    n_parameters_ : int
        Numbers that were learnt.
    jitter_ : float
        Variance that was added to each pseudo observation for the sake of rounding; the
        bound holds for what was added.
    n_restarts_ : int
        How often steps went wrong, and on from the best coreset.
    n_epochs_ : float
        Passes over the rows.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    n_iter_ : int
        Steps.
    converged_ : bool
        Whether the change of the bound fell below the tolerance.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"`` or
        ``"diverged"``.
    certificate_ : Certificate
        Change of the bound, with the tolerance. It says what more steps would gain, and
        not how far the bound is from its maximum.
    objective_ : float
        Minus the evidence lower bound.
    dual_gap_ : float
        NaN: the problem is not convex.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective``, ``certificate``,
        ``n_epochs``, ``learning_rate`` and ``n_restarts``, one row per measure.
    device_ : str
        Where the fit was computed.

    Notes
    -----
    At the end of each epoch the outputs of the coreset are replaced by the best ones,
    which solve one linear system, as the bound is quadratic in them. With the coreset
    at all rows, weights 1 and the parameters of the kernel held, the posterior is that
    of the exact Gaussian process, and the bound is its log marginal likelihood.

    There is no ``sample_weight``: batches are of rows.

    References
    ----------
    Ketenci, Perotte, Elhadad and Urteaga, Accurate and scalable stochastic Gaussian
    process regression via learnable coreset-based variational inference, UAI 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.gaussian_process import CoresetGPRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0.0, 10.0, (2000, 1))
    >>> y = np.sin(X[:, 0]) + 0.1 * rng.standard_normal(2000)
    >>> model = CoresetGPRegressor(n_coreset=15, random_state=0).fit(X, y)
    >>> mean, std = model.predict(np.array([[5.0]]), return_std=True)
    >>> mean.round(1).tolist(), round(model.noise_, 2)
    ([-1.0], 0.01)
    """

    def __init__(
        self,
        kernel=None,
        *,
        n_coreset=100,
        alpha=1e-10,
        init="k-means++",
        batch_size=512,
        learning_rate=0.03,
        max_iter=2000,
        tol=0.01,
        normalize_y=False,
        time_limit=None,
        warm_start=False,
        random_state=None,
        device=None,
    ):
        self.kernel = kernel
        self.n_coreset = n_coreset
        self.alpha = alpha
        self.init = init
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.normalize_y = normalize_y
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_method
    def fit(self, X, y):
        """Fit the model.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data. float32 stays float32, while the algebra is in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; several share the inputs and weights of the coreset, and the
            kernel.

        Returns
        -------
        self : CoresetGPRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or the kernel has parts without
            derivatives.

        Warns
        -----
        ConvergenceWarning
            If the bound still grew at the end.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        with data.target.activate():
            return self._fit_data(data)

    @fit_method
    def partial_fit(self, X, y):
        """Learn from new rows, and forget them.

        The coreset so far stands for the rows of the calls before. A call takes 50
        steps, the first 200, or as many as there are batches. The first one
        decides on the start, on the default kernel, and with ``normalize_y`` on the
        units of the targets. There is no certificate, and a fit to all rows at once
        leads to a larger bound.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; in the first call at least ``n_coreset``, or the coreset is smaller.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self : CoresetGPRegressor
            Fitted estimator. It has ``n_samples_seen_``, ``evidence_lower_bound_`` is
            an estimate, and attributes of a whole fit are gone.

        Raises
        ------
        ValueError
            If the data or a parameter is out of range, or unlike those before.
        """
        self._check_parameters()
        if hasattr(self, "_stream"):
            check_predict_input(
                self,
                X,
                accept_sparse=False,
                attribute="coreset_X_",
                method="partial_fit",
            )
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="multioutput")
        with data.target.activate():
            return self._add(data)

    def predict(self, X, return_std=False, return_cov=False):
        """Predict targets, and how uncertain they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return standard deviations too.
        return_cov : bool, default=False
            Whether to return covariances too.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_targets)
            In the dtype of ``X``.
        std : ndarray of the shape of ``mean``
            With ``return_std``. As in scikit-learn, the white part of the kernel
            counts, ``alpha`` does not.
        cov : ndarray of shape (n_samples, n_samples) or \
                (n_samples, n_samples, n_targets)
            With ``return_cov``, likewise.

        Raises
        ------
        RuntimeError
            If both are asked for.
        """
        if return_std and return_cov:
            raise RuntimeError("return_std and return_cov: ask for one of them.")
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="coreset_X_", method="predict"
        )
        source, target = cuda.resolve(self.device, X)
        with target.activate():
            found = self._moments(move(X, target), return_std, return_cov)
        found = convert(found, source)
        return found if return_std or return_cov else found[0]

    def sample_y(self, X, n_samples=1, random_state=0):
        """Draw functions from the posterior, at given rows.

        Parameters
        ----------
        X : array-like of shape (n_samples_X, n_features)
            Rows.
        n_samples : int, default=1
            Draws for each row.
        random_state : int, RandomState or None, default=0
            Of the draws.

        Returns
        -------
        values : ndarray of shape (n_samples_X, n_samples) or \
                (n_samples_X, n_targets, n_samples)
            In host memory; with the white part of the kernel, as in scikit-learn.
        """
        rng = check_random_state(random_state)
        mean, cov = (to_numpy(x) for x in self.predict(X, return_cov=True))
        if mean.ndim == 1:
            return rng.multivariate_normal(mean, cov, n_samples).T
        draws = [
            rng.multivariate_normal(mean[:, t], cov[:, :, t], n_samples).T[:, None]
            for t in range(mean.shape[1])
        ]
        return np.hstack(draws)
