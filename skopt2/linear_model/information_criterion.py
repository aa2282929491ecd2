"""Information criteria: choosing a level of the penalty without folds.

Problem: min over the models of a path of -2 log L + penalty(df).
Symbols: n the number of observations, the sum of the sample weights; df the degrees of
freedom; k the number of nonzero penalised coefficients, of p that could be; L the
likelihood of the model on the data that it was fitted to:

- squared loss, Gaussian with the variance profiled out: -2 log L = n log(RSS / n), up
  to the constant n (1 + log 2 pi);
- Poisson, logistic and multinomial loss: exactly.

AIC  = -2 log L + 2 df,
BIC  = -2 log L + log(n) df,
EBIC = BIC + 2 gamma log binomial(p, k).

df is the number of nonzero coefficients, and the intercept. Along a lasso path that is
an unbiased estimate (Zou, Hastie and Tibshirani); for the elastic net, which shrinks
further, an upper bound; for nonconvex penalties the count that is commonly used, exact
where the coefficients of the support are not shrunk. A multinomial model has K - 1 free
intercepts.

Sources: H. Akaike, IEEE Trans. Automatic Control 19, 1974; G. Schwarz, Annals of
Statistics 6, 1978, for BIC; J. Chen and Z. Chen, Extended Bayesian information criteria
for model selection with large model spaces, Biometrika 95, 2008, equation 1 with
tau(S_k) = binomial(p, k); H. Zou, T. Hastie and R. Tibshirani, On the degrees of
freedom of the lasso, Annals of Statistics 35, 2007, theorem 1.
"""

import math
from numbers import Real

import numpy as np
from scipy.special import gammaln

from skopt2._core.array import to_numpy
from skopt2._core.array_parameters import as_numbers

CRITERIA = ("aic", "bic", "ebic")
_LIKELIHOODS = ("squared", "poisson", "logistic", "multinomial")


def count_observations(sample_weight, n_samples):
    """Return how many observations the samples stand for: the sum of their weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Checked weights, as the user gave them: weight k equals k observations.
    n_samples : int
        Rows of X.
    """
    if sample_weight is None:
        return float(n_samples)
    if isinstance(sample_weight, Real):
        return float(sample_weight) * n_samples
    return float(as_numbers("sample_weight", sample_weight).sum())


def free_intercepts(problem):
    """Return the degrees of freedom of the intercepts of a problem."""
    if not problem.fit_intercept:
        return 0
    if problem.loss.is_quadratic:
        return problem.n_outputs
    # A constant added to all classes changes no probability.
    return max(problem.n_outputs - 1, 1)


class InformationCriterion:
    """AIC, BIC or EBIC of the solutions of one problem.

    Parameters
    ----------
    name : {"aic", "bic", "ebic"}
        Which.
    formulation : Formulation
        The problem on all the data.
    n_observations : float
        Sum of the sample weights.
    gamma : float, default=0.5
        Weight of the model space in EBIC; 0 makes it BIC.

    Raises
    ------
    ValueError
        If the loss is that of no likelihood, or there is hardly an observation.
    """

    def __init__(self, name, formulation, n_observations, gamma=0.5):
        problem = formulation.problem
        loss = problem.loss
        if loss.name not in _LIKELIHOODS:
            raise ValueError(
                f"criterion={name!r} needs a likelihood, and loss={loss.name!r} has "
                'none. Use criterion="cv".'
            )
        if n_observations <= 2.0:
            raise ValueError(
                f"criterion={name!r} needs more than two observations, and there is "
                f"n_samples={n_observations:g}: the sum of sample_weight, where it is "
                "given. Give weights that count observations, or use more samples."
            )
        self.name, self.gamma, self.n = name, gamma, n_observations
        self.problem = problem
        self.penalised = (formulation.factor > 0) & np.isfinite(formulation.factor)
        self.n_candidates = self._count_candidates() * problem.n_outputs
        self.n_free = free_intercepts(problem)
        self._constant = 0.0
        if loss.name == "poisson":
            weights = to_numpy(problem.s).astype(np.float64)
            self._constant = float(weights @ gammaln(to_numpy(problem.y) + 1.0))
        self._floor = np.finfo(np.float64).eps ** 2 * max(problem.null_value, 1e-200)
        self._limit = self._largest()

    def _count_candidates(self):
        """Return how many features are penalised and may enter."""
        return int(self.penalised.sum())

    def _largest(self):
        """Return the number of degrees of freedom at which a path ends.

        With as many coefficients as observations the residual vanishes, and log(RSS)
        has no lower bound. Where p >= n a path gets near there by choosing among many
        coefficients those that fit the noise: RSS is no estimate of it long before,
        and every criterion turns down again. Criteria with an estimated variance are
        consistent for models that are small beside n; n / log(n) is the size that Fan
        and Lv screen for.
        """
        limit = self.n
        if self.problem.loss.is_quadratic and self.n_candidates + self.n_free >= self.n:
            limit = max(self.n / math.log(self.n), self.n_free + 2.0)
        return limit

    def degrees_of_freedom(self, solution):
        """Return the number of nonzero coefficients and free intercepts."""
        return int(np.count_nonzero(solution.w)) + self.n_free

    def is_saturated(self, solution):
        """Return True where the model is too large for the criterion to mean much."""
        return self.degrees_of_freedom(solution) >= self._limit

    def deviance(self, solution):
        """Return -2 log L, for the squared loss up to a constant."""
        problem = self.problem
        base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
        eta = problem.predictor(solution.ids, solution.w, base)
        mean = problem.loss_value(eta)
        if problem.loss.is_quadratic:
            # Beyond rounding an exact fit is no better than another one.
            return self.n * math.log(2.0 * max(mean, self._floor))
        return 2.0 * self.n * (mean + self._constant)

    def __call__(self, solution):
        """Return the criterion of a solution, smaller is better."""
        df = self.degrees_of_freedom(solution)
        if self.name == "aic":
            return self.deviance(solution) + 2.0 * df
        value = self.deviance(solution) + math.log(self.n) * df
        if self.name == "ebic":
            value += 2.0 * self.gamma * self.log_choices(solution)
        return value

    def log_choices(self, solution):
        """Return the logarithm of the number of models as large as a solution."""
        k = np.count_nonzero(solution.w[self.penalised[solution.ids]])
        return log_binomial(self.n_candidates, k)


def log_binomial(p, k):
    """Return log binomial(p, k)."""
    return float(gammaln(p + 1.0) - gammaln(k + 1.0) - gammaln(p - k + 1.0))
