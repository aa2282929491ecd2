"""Gaussian process classification with sparse inverse Cholesky factors."""

from functools import partial

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.gaussian_process.kernels import CompoundKernel, ConstantKernel, Matern
from sklearn.utils.parallel import Parallel, delayed

from skopt2._core.array import to_numpy
from skopt2._core.estimator import fit_method
from skopt2._core.iterate import iterate
from skopt2._core.labels import labels_of, signs
from skopt2._core.parameters import check_choice
from skopt2._core.random import spawn
from skopt2._core.validation import check_fit_input
from skopt2.gaussian_process.sparse_cholesky_model import (
    OPTIMIZER,
    SparseCholeskyModel,
    beside,
)
from skopt2.solvers.kernel.inverse_cholesky_adam import AdamSolver
from skopt2.solvers.kernel.inverse_cholesky_bound import EvidenceBound
from skopt2.solvers.kernel.inverse_cholesky_latent import fit_latent
from skopt2.solvers.kernel.inverse_cholesky_observation import Bernoulli, Probit
from skopt2.solvers.kernel.inverse_cholesky_posterior import SparsePosterior
from skopt2.solvers.kernel.inverse_cholesky_sites import STATIONARITY, SideBySide

_LIKELIHOODS = {"logit": Bernoulli, "probit": Probit}


class SparseCholeskyGPClassifier(ClassifierMixin, SparseCholeskyModel):
    r"""Gaussian process classification in time almost linear in the number of rows.

    A latent process f has the sparse prior of :class:`SparseCholeskyGPRegressor`, and
    the classes of two-class data have the probabilities of a link function of f. The
    posterior is approximated by the normal distribution with a sparse inverse Cholesky
    factor that maximises a bound on the evidence. Three and more classes are told apart
    one against the rest, each with its own process and kernel, and their probabilities
    are scaled to the sum 1.

    Parameters
    ----------
    kernel : kernel of sklearn.gaussian_process.kernels, default=None
        Covariance of the latent process. Its variance says how sure of a class the
        model can be; separable classes ask for an ever larger one. None is
        ``ConstantKernel(1.0, (0.01, 1000.0)) * Matern(nu=1.5)``.
    likelihood : {"logit", "probit"}, default="logit"
        Link of the process to probabilities: the logistic or the normal distribution
        function.
    n_neighbors : int, default=30
        Most predecessors that a row depends on, see :class:`SparseCholeskyGPRegressor`.
    rho : float, default=None
        Largest distance of a neighbour in units of the spacing of the rows up to its
        place in the order; None for no bound.
    solver : {"natural", "adam"}, default="natural"
        "natural" takes natural gradient steps to the stationary point of the bound;
        about ten suffice. "adam" goes on from a rough posterior with stochastic
        gradients by the mean and all entries of the factor, as published; each of its
        iterations is a pass over the rows. It takes much longer, and it was never seen
        to end higher.
    optimizer : "fmin_l_bfgs_b", callable or None, default="fmin_l_bfgs_b"
        How the parameters of the kernel maximise the bound, by turns with the
        posterior; None keeps them.
    optimizer_size : int, default=5000
        Most rows whose terms are summed for that purpose.
    n_restarts_optimizer : int, default=0
        Further starts of the optimizer, within the bounds of the kernel.
    tol : float, default=1e-4
        Relative stationarity of the bound at which the fit ends.
    max_iter : int, default=100
        Most steps, or passes, for the posterior.
    random_state : None, int, RandomState or Generator, default=None
        Draws the terms, the restarts and the batches.
    n_jobs : int or None, default=None
        Processes for the classes when the parameters of their kernels are sought.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        As for the other estimators. The fit is computed in host memory.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    kernel_ : kernel object
        With the parameters that were found; with more than two classes a
        ``CompoundKernel`` of one for each class.
    evidence_bound_ : float
        Bound on the logarithm of the evidence, summed over the latent processes.
    X_train_ : ndarray of shape (n_samples, n_features)
        The rows.
    n_iter_ : int
        Steps, or passes, for the posterior.
    certificate_ : Certificate
        Relative stationarity of the bound.
    converged_ : bool
        Whether it reached ``tol``.
    stop_reason_ : str
        Why the fit ended.
    objective_ : float
        The bound, negated.
    dual_gap_ : float
        NaN, for the bound has no dual problem.
    history_ : dict of ndarray
        Objective and certificate of each step.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, where ``X`` had string names.
    device_ : str
        Where the arrays live.

    See Also
    --------
    SparseCholeskyGPRegressor : The same for numbers.

    References
    ----------
    Cao, Kang, Jimenez, Sang, Schaefer and Katzfuss, Variational sparse inverse Cholesky
    approximation for latent Gaussian processes via double Kullback-Leibler
    minimization, ICML 2023.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skopt2.gaussian_process import SparseCholeskyGPClassifier
    >>> X, y = make_moons(600, noise=0.2, random_state=0)
    >>> model = SparseCholeskyGPClassifier(n_neighbors=15).fit(X[:400], y[:400])
    >>> bool(model.score(X[400:], y[400:]) > 0.95)
    True
    >>> model.predict_proba(X[400:]).shape
    (200, 2)
    """

    def __init__(
        self,
        kernel=None,
        *,
        likelihood="logit",
        n_neighbors=30,
        rho=None,
        solver="natural",
        optimizer=OPTIMIZER,
        optimizer_size=5000,
        n_restarts_optimizer=0,
        tol=1e-4,
        max_iter=100,
        random_state=None,
        n_jobs=None,
        device=None,
    ):
        self.kernel = kernel
        self.likelihood = likelihood
        self.n_neighbors = n_neighbors
        self.rho = rho
        self.solver = solver
        self.optimizer = optimizer
        self.optimizer_size = optimizer_size
        self.n_restarts_optimizer = n_restarts_optimizer
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device

    @fit_method
    def fit(self, X, y):
        """Find the parameters of the kernels and the posteriors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, dense.
        y : array-like of shape (n_samples,)
            Labels of at least two classes.

        Returns
        -------
        self : SparseCholeskyGPClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are out of range.
        TypeError
            If the kernel is no kernel object.
        """
        self._check_parameters()
        data = check_fit_input(self, X, y, accept_sparse=False, y_kind="classification")
        rows = np.asarray(to_numpy(data.X), dtype=np.float64)
        Y = signs(np.asarray(to_numpy(data.y)), data.classes.size)
        kernel = _default() if self.kernel is None else clone(self.kernel)
        streams = spawn(self.random_state, 2 * Y.shape[1])
        link = _LIKELIHOODS[self.likelihood]()
        # Data inside of the function travel with each task; those that are arguments
        # would be lost with the worker of a Dask cluster to which joblib gives them.
        calls = (
            partial(fit_latent, self._search(rng), kernel, rows, y, link)
            for y, rng in zip(Y.T, streams, strict=False)
        )
        fits = Parallel(n_jobs=self.n_jobs)(delayed(call)() for call in calls)
        self.classes_ = data.classes
        with data.target.activate():
            return self._fit_posteriors(data, fits, streams[Y.shape[1] :])

    def _fit_posteriors(self, data, fits, streams):
        """Compute the posteriors of the latent processes, and store the model."""
        kernels = [fit.kernel for fit in fits]

        def describe(solutions):
            return {
                "kernel_": kernels[0] if len(fits) == 1 else CompoundKernel(kernels),
                "X_train_": data.X,
                "_posteriors": [
                    SparsePosterior(
                        fit.blocks, fit.points, fit.nugget, factor, mean[:, None]
                    )
                    for fit, (mean, factor) in zip(fits, solutions, strict=True)
                ],
            }

        solver, start = self._solver(fits, streams)
        self._run(solver, start, data, describe, STATIONARITY)
        self.evidence_bound_ = -self.objective_
        return self

    def _solver(self, fits, streams):
        """Return the solver of all processes and its first states."""
        tol = float(self.tol)
        starts = [fit.start for fit in fits]
        if self.solver == "natural":
            return SideBySide([fit.problem for fit in fits], tol), starts
        solvers, states = [], []
        for fit, state, rng in zip(fits, starts, streams, strict=True):
            problem = fit.problem
            rough = iterate(problem, state, tol=_ROUGH, max_iter=_FIRST_STEPS)
            bound = EvidenceBound(
                problem.prior, problem.points, problem.y, problem.likelihood
            )
            solvers.append(AdamSolver(bound, rng, int(self.max_iter)))
            states.append(solvers[-1].start(*rough.solution))
        return SideBySide(solvers, tol), states

    def decision_function(self, X):
        """Return the logarithms of the odds of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Positive for the second of two classes; with more classes the odds are those
            of each against the rest, before probabilities are scaled to the sum 1.
        """
        X, rows = self._points_of(X, "decision_function")
        odds = np.log(self._chances(rows))
        scores = odds[0] - odds[1]
        return beside(scores[:, 0] if scores.shape[1] == 1 else scores, X)

    def predict(self, X):
        """Predict the labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; where these are strings, in host memory.
        """
        X, rows = self._points_of(X, "predict")
        if len(self._posteriors) == 1:
            # The sign of the mean: the link is symmetric.
            scores = self._posteriors[0].predict(rows)[0]
        else:
            odds = np.log(self._chances(rows))
            scores = odds[0] - odds[1]
        return labels_of(beside(scores, X), self.classes_, X)

    def predict_proba(self, X):
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            New rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Averages of the link over the posterior of the latent process; rows sum
            to 1.
        """
        X, rows = self._points_of(X, "predict_proba")
        for_class, against = self._chances(rows)
        if for_class.shape[1] == 1:
            for_class = np.concatenate([against, for_class], axis=1)
        return beside(for_class / for_class.sum(axis=1, keepdims=True), X)

    def _chances(self, rows):
        """Return the probabilities of 1 and -1 under each process, (2, q, c)."""
        link = _LIKELIHOODS[self.likelihood]()
        found = []
        for posterior in self._posteriors:
            mean, variance = posterior.predict(rows, with_variance=True)
            variance = variance + posterior.blocks.noise(rows)
            m = mean[:, 0]
            found.append([link.probability(s * m, variance) for s in (1.0, -1.0)])
        both = np.stack(found).transpose(1, 2, 0)
        return np.maximum(both, np.finfo(np.float64).tiny)

    def _check_parameters(self):
        """Raise ValueError or TypeError for a parameter out of range."""
        super()._check_parameters()
        check_choice("likelihood", self.likelihood, _LIKELIHOODS)
        check_choice("solver", self.solver, ("natural", "adam"))


def _default():
    """Return the kernel for kernel=None."""
    return ConstantKernel(1.0, (1e-2, 1e3)) * Matern(nu=1.5)


# Stationarity, and steps, that the stochastic gradients start from.
_ROUGH = 0.05
_FIRST_STEPS = 10
