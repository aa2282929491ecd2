"""Options of the solvers whose steps come from curvature."""

from sklearn.base import BaseEstimator

from skopt2._core.parameters import check_choice, check_count, check_number
from skopt2.solvers.choice import check_solver, load


class CurvatureSteps(BaseEstimator):
    """Base of the options of one solver."""

    _solver = ""

    def _options(self, random_state):
        """Return the checked options of the solver."""
        raise NotImplementedError

    def make_solver(self, problem, tol, random_state=None):
        """Return the solver of a problem.

        Parameters
        ----------
        problem : LinearProblem
            On any device.
        tol : float
            Tolerance of the certificate.
        random_state : None, int, RandomState or Generator, default=None
            Seed where the options have none.

        Returns
        -------
        solver : CurvatureMethod
            With ``init`` and ``step``.

        Raises
        ------
        ValueError
            If there is no such option, or the solver does not fit the problem.
        """
        options = self._options(random_state)
        check_solver(self._solver, problem.loss, problem.penalty)
        return load(self._solver)(problem, tol, **options)


class DampedNewton(CurvatureSteps):
    """Damped Newton steps with an explicit length, for ``solver=``.

    ``solver="newton-damped"`` stands for this object with its defaults. The length of a
    step is a function of the Newton decrement and of one smoothness constant, which is
    found by backtracking: there is nothing to tune. For convex penalties.

    Parameters
    ----------
    schedule : {"third", "aicn"}, default="third"
        ``"third"`` is for functions with smooth third derivatives, whose objective
        falls at least like k^-3; ``"aicn"`` for those with smooth second derivatives,
        k^-2. Both converge quadratically in the end.

    See Also
    --------
    SparseRegressor : ``solver=DampedNewton(...)``.
    LazyNewton : One Hessian for several steps.

    References
    ----------
    Hanzely, Abdukhakimov and Takac, Damped Newton method with near-optimal global
    O(k^-3) convergence rate, arXiv:2405.18926, 2024; Hanzely et al., A damped Newton
    method achieves global O(1/k^2) and local quadratic convergence rate, NeurIPS 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skopt2.linear_model import DampedNewton, SparseClassifier
    >>> from skopt2.penalties import ElasticNet
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SparseClassifier(
    ...     penalty=ElasticNet(l1_ratio=0), alpha=1e-6, solver=DampedNewton()
    ... ).fit(X, y)
    >>> model.converged_
    True
    """

    _solver = "newton-damped"

    def __init__(self, schedule="third"):
        self.schedule = schedule

    def _options(self, random_state):
        check_choice("schedule", self.schedule, ("third", "aicn"))
        return {"schedule": self.schedule}


class LazyNewton(CurvatureSteps):
    """Newton steps that use one Hessian for several gradients, for ``solver=``.

    ``solver="newton-lazy"`` stands for this object with its defaults. The steps are
    regularised by the root of the gradient's norm times a constant that adapts. For
    convex penalties.

    Parameters
    ----------
    refresh : int or "auto", default="auto"
        Steps between two Hessians. ``"auto"`` divides the cost of a Hessian by that of
        a step; a step that fails renews the Hessian before its time.

    See Also
    --------
    SparseRegressor : ``solver=LazyNewton(...)``.
    DampedNewton : A new Hessian for each step.

    References
    ----------
    Doikov, Chayti and Jaggi, Second-order optimization with lazy Hessians, ICML 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skopt2.linear_model import LazyNewton, SparseClassifier
    >>> from skopt2.penalties import ElasticNet
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SparseClassifier(
    ...     penalty=ElasticNet(l1_ratio=0), alpha=1e-4, solver=LazyNewton(refresh=5)
    ... ).fit(X, y)
    >>> bool(model.history_["hessians"][-1] < model.n_iter_)
    True
    """

    _solver = "newton-lazy"

    def __init__(self, refresh="auto"):
        self.refresh = refresh

    def _options(self, random_state):
        check_count("refresh", self.refresh, named=("auto",))
        return {"refresh": self.refresh}


class GradientNormalizedNewton(CurvatureSteps):
    """Newton steps with approximate Hessians, for ``solver=``.

    ``solver="newton-gn"`` stands for this object with its defaults. The regulariser is
    the norm of the gradient over a radius that the method finds. For convex penalties.

    Parameters
    ----------
    curvature : {"auto", "fisher", "bound"}, default="auto"
        ``"bound"`` uses one matrix for the whole fit, the Hessian with the curvature of
        the loss at its largest; not for the Poisson loss. ``"fisher"`` is the Fisher
        information, for several classes one matrix for each instead of one for all
        pairs of them. ``"auto"`` is ``"fisher"``.

    See Also
    --------
    SparseRegressor : ``solver=GradientNormalizedNewton(...)``.
    LazyNewton : One exact Hessian for several steps.

    References
    ----------
    Semenov, Jaggi and Doikov, Gradient-normalized smoothness for optimization with
    approximate Hessians, arXiv:2506.13710, 2025; Boehning, Annals of the Institute of
    Statistical Mathematics 44, 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skopt2.linear_model import GradientNormalizedNewton, SparseClassifier
    >>> from skopt2.penalties import ElasticNet
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SparseClassifier(
    ...     penalty=ElasticNet(l1_ratio=0),
    ...     alpha=0.01,
    ...     solver=GradientNormalizedNewton("bound"),
    ... ).fit(X, y)
    >>> int(model.history_["hessians"][-1])
    1
    """

    _solver = "newton-gn"

    def __init__(self, curvature="auto"):
        self.curvature = curvature

    def _options(self, random_state):
        check_choice("curvature", self.curvature, ("auto", "fisher", "bound"))
        return {"curvature": self.curvature}


class PolynomialGradient(CurvatureSteps):
    """Gradient steps times a polynomial of the curvature, for ``solver=``.

    ``solver="poly"`` stands for this object with its defaults. Only products with ``X``
    are formed, so it suits large data and GPUs. For ridge and for no penalty.

    Parameters
    ----------
    order : int, default=4
        Degree of the polynomial: products with the curvature in one iteration. As many
        large eigenvalues stop counting. 0 is the gradient method.
    form : {"krylov", "symmetric"}, default="krylov"
        ``"krylov"`` finds the best polynomial at each point; ``"symmetric"`` is the
        fast gradient method with one polynomial of the spectrum of the data.

    See Also
    --------
    SparseRegressor : ``solver=PolynomialGradient(...)``.
    Oasis : A diagonal in the place of the polynomial.

    References
    ----------
    Doikov and Rodomanov, Polynomial preconditioning for gradient methods, ICML 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skopt2.linear_model import PolynomialGradient, SparseRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SparseRegressor(alpha=0, solver=PolynomialGradient(order=2)).fit(X, y)
    >>> model.converged_
    True
    """

    _solver = "poly"

    def __init__(self, order=4, form="krylov"):
        self.order = order
        self.form = form

    def _options(self, random_state):
        check_count("order", self.order, 0)
        check_choice("form", self.form, ("krylov", "symmetric"))
        return {"order": int(self.order), "form": self.form}


class Oasis(CurvatureSteps):
    """Steps scaled by an estimated diagonal of the Hessian, for ``solver=``.

    ``solver="oasis"`` stands for this object with its defaults. There is no learning
    rate: the length of a step comes from the change of the gradient in the last. For
    every separable penalty with a slope at 0, MCP and SCAD too.

    Parameters
    ----------
    beta : float, default=0.99
        Memory of the diagonal, in [0, 1).
    random_state : int, RandomState instance or None, default=None
        Seed of the signs that the diagonal is estimated with; None for that of the
        model.

    See Also
    --------
    SparseRegressor : ``solver=Oasis(...)``.
    PolynomialGradient : A polynomial in the place of the diagonal.

    References
    ----------
    Jahani et al., Doubly adaptive scaled algorithm for machine learning using
    second-order information, ICLR 2022.

    Examples
    --------
    >>> from skopt2.datasets import make_sparse_regression
    >>> from skopt2.linear_model import Oasis, SparseRegressor
    >>> X, y, coef = make_sparse_regression(
    ...     n_samples=100, n_features=50, n_informative=4, random_state=0
    ... )
    >>> model = SparseRegressor(alpha=0.3, solver=Oasis(random_state=0)).fit(X, y)
    >>> model.converged_
    True
    """

    _solver = "oasis"

    def __init__(self, beta=0.99, *, random_state=None):
        self.beta = beta
        self.random_state = random_state

    def _options(self, random_state):
        check_number("beta", self.beta, 0)
        if self.beta >= 1.0:
            raise ValueError(
                f"beta must be less than 1, got beta={self.beta!r}: at 1 the diagonal "
                "would stay that of the start."
            )
        seed = random_state if self.random_state is None else self.random_state
        return {"beta": float(self.beta), "random_state": seed}


# What the names of these solvers stand for.
STEPS = {
    kind._solver: kind
    for kind in (
        DampedNewton,
        LazyNewton,
        GradientNormalizedNewton,
        PolynomialGradient,
        Oasis,
    )
}
