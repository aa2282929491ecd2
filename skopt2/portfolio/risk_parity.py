"""Portfolios whose assets contribute given shares of the risk."""

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    max_abs,
    namespace,
    sum64,
)
from skopt2._core.estimator import IterativeEstimator, fit_method
from skopt2._core.result import StopReason
from skopt2._core.validation import check_fit_input, check_predict_input
from skopt2._core.weights import check_weights
from skopt2.portfolio.risk_input import (
    NO_RISK,
    check_budget,
    check_parameters,
    estimate,
)
from skopt2.solvers.risk_parity.choice import get_solver
from skopt2.solvers.risk_parity.problem import CERTIFICATE


class RiskParity(IterativeEstimator):
    r"""Portfolio whose assets contribute given shares of the risk.

    With the covariance matrix :math:`S` of the returns and the budget :math:`b`, the
    weights are positive, of sum one, and satisfy

    .. math:: \frac{w_i (S w)_i}{w^\top S w} = b_i .

    Equal shares are the default: the portfolio of equal risk contributions. The weights
    are those of the one minimiser of a convex problem, and do not depend on expected
    returns, nor on the unit of an asset.

    Parameters
    ----------
    budget : array-like of shape (n_assets,), default=None
        Share of each asset in the variance, positive; divided by its sum. None for
        equal shares.
    covariance : str or estimator, default="ledoit_wolf"
        Covariance matrix of the returns: "ledoit_wolf", "oas", "empirical" or
        "precomputed". The first two shrink the correlations by the rules of these
        names, and keep the volatilities; "empirical" shrinks nothing. With an estimator
        it is its ``covariance_`` after ``fit``, as in :mod:`sklearn.covariance`; with
        "precomputed", ``X`` of ``fit`` is the matrix.
    solver : {"auto", "ccd", "newton"}, default="auto"
        ``"ccd"`` is cyclic coordinate descent, ``"newton"`` damped Newton, for 300
        assets and more by conjugate gradients; ``"auto"`` is Newton.
    tol : float, default=1e-8
        Tolerance of the relative error of the risk contributions.
    max_iter : int, default=1000
        Largest number of sweeps or Newton steps.
    time_limit : float, default=None
        Seconds after which the fit stops.
    assume_centered : bool, default=False
        Whether the mean return of each asset is known to be zero, and not subtracted.
        Not used with an estimator or a matrix.
    warm_start : bool, default=False
        Start from the weights of the previous fit.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None follows ``X``.

    Attributes
    ----------
    weights_ : ndarray of shape (n_assets,)
        Positive weights, of sum 1.
    risk_contributions_ : ndarray of shape (n_assets,)
        Share of each asset in the variance of the portfolio, of sum 1.
    covariance_ : ndarray of shape (n_assets, n_assets)
        Covariance matrix of the returns.
    volatility_ : float
        Standard deviation of the return of the portfolio in one period, under
        ``covariance_``.
    budget_ : ndarray of shape (n_assets,)
        Budget, of sum 1.
    covariance_estimator_ : estimator or None
        Fitted, where ``covariance`` is an estimator; else None.
    n_features_in_ : int
        Number of assets.
    feature_names_in_ : ndarray of shape (n_assets,)
        Names of the assets, where ``X`` had string names.
    n_iter_ : int
        Sweeps or steps.
    converged_ : bool
        Whether the certificate holds.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"``, ``"callback"``,
        ``"stalled"`` or ``"diverged"``.
    certificate_ : Certificate
        Largest relative error of a contribution against the budget, with the
        tolerance. The weights are exact for a budget that is off by that much.
    dual_gap_ : float
        Bound on the error of the objective: the Kullback-Leibler divergence of the
        contributions from the budget.
    objective_ : float
        Value of the convex problem, in units of the volatilities.
    history_ : dict of ndarray
        Columns ``iteration``, ``time`` (seconds), ``objective`` and ``certificate``,
        one row per iteration.
    device_ : str
        Where the fit was computed.

    Notes
    -----
    The weights are computed in float64 where the device has it, and returned in the
    dtype of ``X``.

    With fewer periods than assets the empirical matrix is singular. That alone does no
    harm. But there may be weights without any risk in the sample, and then there is no
    answer: ``fit`` raises an error. Shrunk matrices always have one.

    :class:`sklearn.covariance.LedoitWolf` shrinks the covariance matrix, not the
    correlations: with assets of unequal volatility it takes the quiet ones for more
    risky than they are.

    References
    ----------
    Choi and Chen, Improved iterative methods for solving risk parity portfolio, Journal
    of Derivatives and Quantitative Studies 30, 2022; Spinu, An algorithm for computing
    risk parity weights, 2013; Maillard, Roncalli and Teiletche, The properties of
    equally weighted risk contribution portfolios, Journal of Portfolio Management 36,
    2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.portfolio import RiskParity
    >>> returns = np.random.default_rng(0).normal(size=(500, 3)) * [0.01, 0.02, 0.04]
    >>> model = RiskParity().fit(returns)
    >>> model.weights_.round(1)
    array([0.6, 0.3, 0.1])
    >>> model.risk_contributions_.round(6)
    array([0.333333, 0.333333, 0.333333])
    """

    _remedies = (
        "set solver='newton', or covariance='ledoit_wolf' if the matrix is singular",
        "set covariance='ledoit_wolf'",
    )
    _sparse_input = False

    def __init__(
        self,
        budget=None,
        *,
        covariance="ledoit_wolf",
        solver="auto",
        tol=1e-8,
        max_iter=1000,
        time_limit=None,
        assume_centered=False,
        warm_start=False,
        device=None,
    ):
        self.budget = budget
        self.covariance = covariance
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.assume_centered = assume_centered
        self.warm_start = warm_start
        self.device = device

    @fit_method
    def fit(self, X, y=None, sample_weight=None):
        """Find the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_assets)
            Returns, one row a period; or the covariance matrix of shape (n_assets,
            n_assets) with ``covariance="precomputed"``. float32 stays float32.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weight of each period, such as one that fades with its age. A
            weight k is the row repeated k times; "ledoit_wolf" and "oas" count rows, so
            that for them the sum of the weights matters.

        Returns
        -------
        self : RiskParity
            Fitted estimator.

        Raises
        ------
        ValueError
            If the returns or a parameter are out of range, an asset has no variance, or
            a portfolio without short positions has no risk at all.

        Warns
        -----
        ConvergenceWarning
            If the contributions did not reach ``tol``.
        """
        check_parameters(self)
        data = check_fit_input(
            self, X, None, sample_weight, accept_sparse=False, y_kind="none"
        )
        with data.target.activate():
            S, model = estimate(self, data, sample_weight)
            b = asarray_like(check_budget(self.budget, int(S.C.shape[0])), S.C)
            solver = get_solver(self.solver, S.C, b)
            # Made once, and not at each callback.
            fixed = {
                "covariance_": namespace(S.C).astype(S.matrix, data.X.dtype),
                "budget_": namespace(b).astype(b, data.X.dtype),
                "covariance_estimator_": model,
            }

            def describe(state):
                return self._describe(state, S, data, fixed)

            start = solver.init(self._warm_positions(S))
            return self._run(solver, start, data, describe, CERTIFICATE)

    def _finish(self, result, data, describe, monitor=None):
        # Stalled without one right digit: the risk is rounding there too.
        if result.reason == StopReason.STALLED and (
            result.solution.riskless or not result.certificate.value < 1.0
        ):
            raise ValueError(NO_RISK.format(covariance=self.covariance))
        return super()._finish(result, data, describe, monitor)

    def predict(self, X):
        """Return the returns of the portfolio, rebalanced in each period.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_assets)
            Returns of the assets.

        Returns
        -------
        r : ndarray of shape (n_samples,)
            ``X @ weights_``.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="weights_", method="predict"
        )
        return X @ asarray_like(self.weights_, X)

    def score(self, X, y=None, sample_weight=None):
        r"""Return how well the budget holds on other returns; the best value is 0.

        It is minus the largest relative error of a contribution,

        .. math:: -\max_i \Big| \frac{c_i}{b_i} - 1 \Big|,

        with the contributions of ``weights_`` under the empirical covariance matrix of
        ``X``. A search finds the covariance estimate whose contributions last.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_assets)
            Returns, in two periods at least unless ``assume_centered``.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Nonnegative weight of each period.

        Returns
        -------
        score : float
            At most 0.

        Raises
        ------
        ValueError
            If the return of the portfolio is the same in all periods.
        """
        X = check_predict_input(
            self, X, accept_sparse=False, attribute="weights_", method="score"
        )
        weight = check_weights(sample_weight, X)
        xp, wide = namespace(X), accumulation_dtype(X)
        X, w, b = (
            xp.astype(x, wide)
            for x in (
                X,
                asarray_like(self.weights_, X),
                asarray_like(self.budget_, X),
            )
        )
        p = xp.zeros_like(X[:, 0]) + 1.0 / int(X.shape[0])
        p = p if weight is None else xp.astype(weight, wide)
        if not self.assume_centered:
            X = X - p @ X
        r = X @ w
        share = w * ((p * r) @ X)
        total, size = sum64(share), float(xp.max(xp.abs(X) @ w))
        if not total > (8.0 * float(xp.finfo(wide).eps) * size) ** 2:
            raise ValueError(
                "score needs returns of the portfolio that differ between periods; got "
                f"n_samples={int(X.shape[0])} with none that do."
            )
        return -max_abs(share / (total * b) - 1.0)

    def _warm_positions(self, S):
        """Return the previous weights as positions, None without some that fit."""
        if not self.warm_start or not hasattr(self, "weights_"):
            return None
        w = asarray_like(self.weights_, S.C)
        if w.shape != S.volatility.shape:
            return None
        # Weights of float32 can be zero.
        x = w * S.volatility
        return x if bool(namespace(x).all(x > 0.0)) else None

    def _describe(self, state, S, data, fixed):
        """Return the fitted attributes of a state, on its device."""
        xp = namespace(state.x)
        w = state.x / S.volatility
        total = sum64(w)
        share = state.x * state.s
        variance = sum64(share)
        return {
            "weights_": xp.astype(w / total, data.X.dtype),
            "risk_contributions_": xp.astype(share / variance, data.X.dtype),
            # A float, and finite also where the squares of the returns are not.
            "volatility_": max(variance, 0.0) ** 0.5 / total,
            **fixed,
        }
