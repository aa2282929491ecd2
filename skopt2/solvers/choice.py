"""Which solver fits which problem, and which linear algebra a solver uses."""

import importlib

from skopt2._core.parameters import check_choice

# Name -> module and class. Imported when chosen: a lasso does not pay for splicing.
SOLVERS = {
    "newton": ("working_set", "WorkingSetNewton"),
    "proxgrad": ("proximal_gradient", "ProximalGradient"),
    "ag": ("accelerated_gradient", "AcceleratedGradient"),
    "splicing": ("splicing", "Splicing"),
    "smoothing": ("smoothing", "Smoothing"),
    "bcd": ("block_coordinate_descent.ruled_descent", "RuledDescent"),
    "a-coder": ("cyclic_dual_averaging", "CyclicDualAveraging"),
    "vr-a-coder": ("variance_reduced_averaging", "VarianceReducedAveraging"),
    "p-ccd": ("cyclic_descent", "CyclicDescent"),
    "vro-ccd": ("variance_reduced_descent", "VarianceReducedDescent"),
    "curvature": ("curvature.adaptive", "AdaptiveCurvature"),
    "newton-damped": ("curvature.damped_newton", "DampedNewton"),
    "newton-lazy": ("curvature.lazy_newton", "LazyNewton"),
    "newton-gn": ("curvature.normalised_newton", "NormalisedNewton"),
    "poly": ("curvature.polynomial_gradient", "PolynomialGradient"),
    "oasis": ("curvature.oasis", "Oasis"),
}

# Methods that work with gradients of a smooth loss.
FIRST_ORDER = ("proxgrad", "ag", "bcd", "a-coder", "vr-a-coder", "p-ccd", "vro-ccd")


# Fewer values of X than this, and a ridge problem is solved before its rate is known.
FEW = 150_000
# A coefficient at its upper bound is neither zero nor free to move.
BOXES = ("box", "positive box")


def choose_solver(loss, penalty):
    """Return the name that ``solver="auto"`` stands for.

    Parameters
    ----------
    loss : Loss
        A loss with no curvature needs smoothing.
    penalty : Penalty
        Best subset selection needs exchanges; penalties for which every support is
        stationary, and boxes, are left to proximal steps.
    """
    if loss.smoothable:
        return "smoothing"
    if not penalty.separable:
        return "proxgrad"
    if penalty.name == "l0":
        return "splicing"
    if penalty.stationarity == "fixed_point" or penalty.name in BOXES:
        return "proxgrad"
    return "curvature" if without_kink(loss, penalty) else "newton"


def without_kink(loss, penalty):
    """Tell whether all of the problem is smooth and none of it simple.

    Then working sets have nothing to leave out, and no one matrix is the Hessian. The
    hinges are left out, as they are flat where most samples may be, and the sparsemax
    loss, whose Hessian has a matrix for each set of classes.

    Parameters
    ----------
    loss : Loss
        The loss.
    penalty : Penalty
        The penalty.
    """
    flat = loss.task == "binary" and not loss.probabilistic
    if loss.is_quadratic or flat or loss.name == "sparsemax":
        return False
    return penalty.name == "elasticnet" and penalty.l1_ratio == 0


def make_solver(problem, name, tol, random_state=None):
    """Return a solver of a problem.

    Parameters
    ----------
    problem : LinearProblem
        The problem.
    name : str or object
        ``"auto"`` or a key of ``SOLVERS``; an object makes the solver itself.
    tol : float
        Tolerance of the certificate.
    random_state : None, int, RandomState or Generator, default=None
        Seed of the solvers that draw samples.

    Raises
    ------
    ValueError
        If there is no such solver, or it cannot solve this problem.
    """
    if hasattr(name, "make_solver"):
        return name.make_solver(problem, tol, random_state)
    if isinstance(name, str) and name == "auto":
        name = choose_solver(problem.loss, problem.penalty)
        if name == "splicing" and problem.n_outputs > 1:
            name = "proxgrad"
        if name == "curvature" and not _worth_measuring(problem):
            name = "newton"
    if not isinstance(name, str) or name not in SOLVERS:
        check_choice("solver", name, ("auto", *SOLVERS))
    check_solver(name, problem.loss, problem.penalty)
    loaded = load(name if problem.penalty.separable else "piece")
    if getattr(loaded, "stochastic", False):
        return loaded(problem, tol, random_state)
    return loaded(problem, tol)


def _worth_measuring(problem):
    """Tell whether a problem without a kink is large, and not too flat.

    Of few numbers the exact steps of working sets are milliseconds. With more features
    than samples only the logistic loss is never so flat in so many directions that
    working sets are the safer choice.
    """
    n, p = problem.design.n, problem.design.p
    return n * p >= FEW and (p <= n or problem.loss.name == "logistic")


def load(name):
    """Return the class of a solver, ``"piece"`` for penalties that tie coefficients."""
    module, kind = SOLVERS.get(name, ("piece_gradient", "PieceGradient"))
    return getattr(importlib.import_module(f"skopt2.solvers.{module}"), kind)


def check_solver(name, loss, penalty):
    """Raise if a solver that was asked for by name cannot do what is asked.

    Parameters
    ----------
    name : str
        A key of ``SOLVERS``.
    loss : Loss
        The loss.
    penalty : Penalty
        The penalty.

    Raises
    ------
    ValueError
        With what to use instead.
    """
    if not penalty.separable and name != "proxgrad":
        raise ValueError(
            f"solver={name!r} is for separable penalties, and penalty={penalty.name!r} "
            "ties coefficients: use solver='auto' and a loss with a gradient, such as "
            "loss='huber' in the place of 'quantile'."
        )
    if name == "newton":
        if loss.smoothable:
            raise ValueError(
                f"solver='newton' needs a loss with a curvature, and loss={loss.name!r}"
                " has none. Use solver='auto'."
            )
        if penalty.stationarity == "fixed_point" or penalty.name in BOXES:
            raise ValueError(
                f"solver='newton' cannot decide which coefficients of penalty="
                f"{penalty.name!r} are zero. Use solver='auto'."
            )
    elif name == "splicing" and penalty.name != "l0":
        raise ValueError(
            f"solver='splicing' is for penalty='l0', got penalty={penalty.name!r}. "
            "Use solver='auto'."
        )
    elif name == "smoothing" and not loss.smoothable:
        raise ValueError(
            f"solver='smoothing' is for loss='quantile', got loss={loss.name!r}. "
            "Use solver='auto'."
        )
    elif name == "bcd" and penalty.stationarity == "fixed_point":
        raise ValueError(
            f"solver='bcd' needs a penalty with a slope at 0, and penalty="
            f"{penalty.name!r} has none. Use solver='auto'."
        )
    elif name == "bcd" and loss.task == "multiclass" and loss.name != "multinomial":
        raise ValueError(
            f"solver='bcd' has no model of the {loss.name} loss. Use solver='auto'."
        )
    elif name in FIRST_ORDER and loss.smoothable:
        raise ValueError(
            f"solver={name!r} needs a smooth loss, and loss={loss.name!r} is not. "
            "Use solver='auto'."
        )


def choose_linear_algebra(n_active, n_working, n_samples, sparse, n_outputs):
    """Return how Newton systems are solved: ``"inverse"`` or ``"cg"``.

    An explicit inverse wins while the active set is small enough to hold and is not
    larger than the sample: beyond its different rows the Gram matrix is singular, and a
    factorisation there is the one way to be ten times slower than coordinate descent.
    Sparse columns are nearly orthogonal when there are many of them, which is where
    conjugate gradients need few products, each cheap.

    Parameters
    ----------
    n_active : int
        Coordinates in the active set.
    n_working : int
        Coordinates in the working set, whose Gram matrix would be held.
    n_samples : int
        Different rows of X.
    sparse : bool
        Whether X is sparse.
    n_outputs : int
        Columns of the coefficients.
    """
    if n_outputs > 1 or n_active > max(n_samples, 50):
        return "cg"
    limit = 1000 if sparse else 6000
    return "cg" if n_working > limit else "inverse"
