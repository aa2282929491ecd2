"""What a search believes about scores it has not measured.

Scores are brought to mean 0 and standard deviation 1 before a Gaussian process is
fitted to them, and two kinds of them are changed first, because one stationary process
cannot hold them beside the rest:

- a failed fit has no score. It counts as the worst score measured, so the search moves
  away from where it happened.
- scores far below all others (a regressor that diverges, R^2 = -1e6) would flatten the
  differences among the good ones. What lies below the median by more than
  three times the distance of the best score from it is set to that.

The process of a search has a Matern-5/2 kernel with a length scale for each column, a
variance and a noise, which maximise the marginal likelihood times log-normal priors:
with the ten scores that a search begins with, the likelihood alone would as well take a
length scale of nothing or of infinity. The noise is one number for all candidates: with
the variance of each mean over the folds in its place, what the folds differ by without
the candidates taken out, the searches of `benchmarks/gp_search.py` ended with up to
three times the regret. All candidates share the folds, so theirs is not the noise that
counts.
"""

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from skopt2.gaussian_process.gaussian_process_regressor import GaussianProcessRegressor

# Distance below the median, in distances of the best from it, at which scores are cut.
FENCE = 3.0
# Log-normal priors, as mean and standard deviation of the logarithm; the length scale's
# median grows with the root of the number of columns as distances in a cube do.
VARIANCE_PRIOR = (0.0, 1.0)
LENGTH_PRIOR = (np.log(0.6), 1.0)
NOISE_PRIOR = (np.log(1e-3), 2.0)
BOUNDS = (1e-8, 1e4)
# Between fits that also start from the median of the priors, this many start from the
# parameters of the last one alone: a new score seldom changes much.
PERIOD = 4
# Points at which one draw from a posterior is computed: it costs their cube.
N_DRAWN = 512
JITTER = 1e-8


def usable_scores(scores, fence=FENCE):
    """Return scores that a process can be fitted to.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Larger is better; not finite where the fit failed. At least one is finite.
    fence : float or None, default=3.0
        Where low scores are cut; None leaves them.

    Returns
    -------
    usable : ndarray of shape (n,)
        Finite.
    """
    finite = np.isfinite(scores)
    measured = scores[finite]
    if fence is not None and len(measured) > 2:
        middle = np.median(measured)
        spread = measured.max() - middle
        if spread > 0.0:
            measured = np.maximum(measured, middle - fence * spread)
    usable = np.full(len(scores), measured.min())
    usable[finite] = measured
    return usable


class LikelihoodWithPriors:
    """Optimiser of kernel parameters, for ``optimizer`` of a process regressor.

    Parameters
    ----------
    means, deviations : ndarray of shape (n_theta,)
        Of the normal priors of the logarithms of the parameters.
    restart : bool
        Whether to start from the means, too.
    """

    # The priors say how far a parameter should go: at a bound nothing is to be changed.
    warns_at_bounds = False

    def __init__(self, means, deviations, restart):
        self.means = means
        self.deviations = deviations
        self.restart = restart

    def __call__(self, objective, initial, bounds):
        """Return the best parameters and the objective there, priors included."""

        def penalised(theta):
            value, gradient = objective(theta, eval_gradient=True)
            z = (theta - self.means) / self.deviations
            return value + 0.5 * z @ z, gradient + z / self.deviations

        starts = [initial]
        if self.restart:
            starts.append(self.means)
        best, lowest = initial, np.inf
        for start in starts:
            found = minimize(
                penalised,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 40, "ftol": 1e-6},
            )
            if found.fun < lowest:
                best, lowest = found.x, found.fun
        return best, lowest


class Surrogate:
    """A process fitted to the scores of a search.

    Parameters
    ----------
    regressor : estimator or None
        With scikit-learn's Gaussian process contract; None takes the one above.
    fence : float or None, default=3.0
        See `usable_scores`.
    """

    def __init__(self, regressor=None, fence=FENCE):
        self.regressor = regressor
        self.fence = fence
        self._theta = None
        self._n_fits = 0

    def fit(self, columns, scores):
        """Fit to all that was measured.

        Parameters
        ----------
        columns : ndarray of shape (n, n_columns)
            Points.
        scores : ndarray of shape (n,)
            Larger is better; not finite where the fit failed.

        Returns
        -------
        self : Surrogate
            Fitted.
        """
        usable = usable_scores(scores, self.fence)
        self.offset = usable.mean()
        deviation = usable.std()
        self.scale = deviation if deviation > 0.0 else 1.0
        self._columns = columns
        self._values = (usable - self.offset) / self.scale
        if self.regressor is not None:
            self.model_ = clone(self.regressor).fit(columns, self._values)
        else:
            self.model_ = self._fit_process(columns, self._values)
        return self

    def predict(self, columns):
        """Return mean and deviation of standardised scores, shape (m,) each."""
        return self.model_.predict(columns, return_std=True)

    def in_units(self, mean, std):
        """Return a standardised mean and standard deviation in units of the score."""
        return self.offset + self.scale * mean, self.scale * std

    def standardised(self, score):
        """Return a score as the process sees it."""
        return (score - self.offset) / self.scale

    def best_mean(self):
        """Return the largest posterior mean at a point that was evaluated."""
        return float(self.model_.predict(self._columns).max())

    def believing(self, columns):
        """Return a surrogate that takes its own mean at points for their scores.

        Parameters
        ----------
        columns : ndarray of shape (k, n_columns)
            Points under evaluation. The process is certain there, up to its noise, so
            another proposal goes elsewhere.

        Returns
        -------
        other : Surrogate
            With the same parameters of the kernel.
        """
        other = Surrogate(self.regressor, self.fence)
        other.offset, other.scale = self.offset, self.scale
        other._columns = np.concatenate([self._columns, columns])
        other._values = np.concatenate([self._values, self.model_.predict(columns)])
        frozen = clone(self.model_)
        if hasattr(self.model_, "kernel_") and "optimizer" in frozen.get_params():
            frozen.set_params(kernel=self.model_.kernel_, optimizer=None)
        other.model_ = frozen.fit(other._columns, other._values)
        return other

    def draw(self, rng):
        """Draw a function from the posterior.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the draw.

        Returns
        -------
        path : callable
            Takes columns, shape (m, n_columns), and returns values, shape (m,).
        joint : int or None
            At how many points the path can be asked for, once. None means at any, again
            and again, which needs a regressor with ``sample_paths``.
        """
        if hasattr(self.model_, "sample_paths"):
            paths = self.model_.sample_paths(1, random_state=int(rng.integers(2**31)))
            return lambda columns: np.reshape(paths(columns), -1), None

        def values(columns):
            mean, covariance = self.model_.predict(columns, return_cov=True)
            # The eigenvalues that rounding makes negative are noise of this size.
            squares, vectors = eigh(covariance, driver="evd")
            spread = np.sqrt(np.maximum(squares, 0.0))
            return mean + vectors @ (spread * rng.standard_normal(len(mean)))

        return values, N_DRAWN

    def _fit_process(self, columns, values):
        n_columns = columns.shape[1]
        length = (LENGTH_PRIOR[0] + 0.5 * np.log(n_columns), LENGTH_PRIOR[1])
        priors = np.array([VARIANCE_PRIOR, *[length] * n_columns, NOISE_PRIOR])
        kernel = ConstantKernel(1.0, BOUNDS) * Matern(
            np.ones(n_columns), [BOUNDS] * n_columns, nu=2.5
        ) + WhiteKernel(1.0, BOUNDS)
        start = priors[:, 0] if self._theta is None else self._theta
        kernel = kernel.clone_with_theta(start)
        restart = self._theta is not None and self._n_fits % PERIOD == 0
        optimizer = LikelihoodWithPriors(*priors.T, restart)
        self._n_fits += 1
        tuned = GaussianProcessRegressor(kernel, optimizer=optimizer)
        tuned.fit(columns, values)
        self._theta = tuned.kernel_.theta
        # The deviation of the score itself, not of another noisy measurement of it.
        signal, noise = tuned.kernel_.k1, tuned.kernel_.k2.noise_level
        latent = GaussianProcessRegressor(signal, alpha=noise + JITTER, optimizer=None)
        return latent.fit(columns, values)
