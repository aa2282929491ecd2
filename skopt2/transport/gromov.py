"""Entropic Gromov-Wasserstein transport between measures in different spaces."""

import math
import numbers
import warnings

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import (
    all_finite,
    asarray_like,
    index_like,
    move,
    namespace,
    sum64,
    take,
    to_numpy,
)
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_choice, check_number, check_positive
from skopt2._core.random import spawn
from skopt2.solvers.transport.cost import METRICS, ground_cost
from skopt2.solvers.transport.gromov import GromovSinkhorn, random_plan
from skopt2.solvers.transport.gromov_costs import LOSSES, PointSpaces, StoredSpaces
from skopt2.transport.dense_input import check_costs, check_points
from skopt2.transport.gromov_result import describe
from skopt2.transport.measures import check_masses
from skopt2.transport.problem import TOTALS
from skopt2.transport.sinkhorn import check_options

CERTIFICATE = "fixed-point error"
MAX_ITER = 1000


def gromov_wasserstein(
    Cx,
    Cy,
    a=None,
    b=None,
    *,
    reg,
    loss="squared",
    metric="precomputed",
    M=None,
    alpha=None,
    proximal=False,
    start=None,
    n_init=1,
    n_jobs=None,
    tol=1e-6,
    max_iter=None,
    time_limit=None,
    random_state=None,
    device=None,
):
    r"""Match two spaces by the costs within each of them.

    Minimises over plans P with the row sums a and the column sums b

    .. math:: (1 - \alpha) \langle P, M \rangle
              + \alpha \sum_{ijkl} \ell(C^x_{ik}, C^y_{jl}) P_{ij} P_{kl}
              + \mathrm{reg} \sum_{ij} P_{ij} (\log P_{ij} - 1).

    The problem is not convex. What is found is stationary: the plan is the solution of
    entropic transport for its own linearised cost.

    Parameters
    ----------
    Cx : array-like of shape (n, n) or (n, n_features)
        Costs within the first space, symmetric or not, or its points if ``metric`` is
        not "precomputed". float32 stays float32. NumPy, CuPy, and other array-API
        arrays while scikit-learn's array API dispatch is on.
    Cy : array-like of shape (m, m) or (m, n_features_y)
        The same for the second space.
    a, b : array-like of shape (n,), (m,), default=None
        Nonnegative masses with the same sum, by which they are divided; None for equal
        ones.
    reg : float
        Regularisation, in the units of the loss.
    loss : {"squared", "kl"}, default="squared"
        Loss of two costs: (x - y)^2, or x log(x / y) - x + y, which needs nonnegative
        ``Cx`` and positive ``Cy``.
    metric : str or callable, default="precomputed"
        Costs between the points of each space: "sqeuclidean", "euclidean", "cityblock",
        "cosine", or a function of two clouds that returns their matrix. Those of
        "sqeuclidean" with the squared loss are never formed: their low rank makes a
        step cost n m times the smaller number of features.
    M : array-like of shape (n, m), default=None
        Costs between the spaces, for fused transport.
    alpha : float, default=None
        Weight of the quadratic term, between 0 and 1; None for 0.5 with ``M`` and 1
        without.
    proximal : bool, default=False
        Whether to minimise without entropy: ``reg`` is then the first weight of a
        Kullback-Leibler term that keeps each plan near the one before, and falls from
        step to step. A large one takes more steps, and more often finds a good minimum.
    start : array-like of shape (n, m), default=None
        Plan to start from, such as that of a result; divided by its sum. None for the
        product of the masses.
    n_init : int, default=1
        Number of starts, the others from plans at random. The plan of the lowest
        objective is returned.
    n_jobs : int, default=None
        Number of starts at a time, in threads unless ``joblib.parallel_config`` names
        another backend; None for one.
    tol : float, default=1e-6
        Tolerance of the certificate: the larger of the marginal error of the plan and
        a bound on its L1 distance from the solution for its linearised cost, or on the
        relative Frank-Wolfe gap if ``proximal``.
    max_iter : int, default=None
        Largest number of linearisations of each start; None for 1000.
    time_limit : float, default=None
        Seconds after which to stop each start.
    random_state : None, int, RandomState or Generator, default=None
        Draws the other starts.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None is where ``Cx`` is, and the result is there too.

    Returns
    -------
    result : GromovResult
        Plan, costs, certificate and history.

    Raises
    ------
    ValueError
        If costs or masses are not finite, of the wrong shape or out of range, the sums
        of the masses differ, or a parameter is out of range.
    TypeError
        If a matrix is sparse.

    Warns
    -----
    ConvergenceWarning
        If the certificate did not reach the tolerance; ``result.converged`` is False
        then.

    Notes
    -----
    There can be many stationary plans, and each start leads to one. A large ``reg`` has
    few: solve for it first, and pass its plan as ``start`` for a smaller one. Spaces
    with symmetries have several equally good plans, and the product of the masses can
    be stationary between them: ``n_init`` or ``M`` leads away from it.

    References
    ----------
    Peyre, Cuturi and Solomon, Gromov-Wasserstein averaging of kernel and distance
    matrices, ICML 2016; Xu et al., Gromov-Wasserstein learning for graph matching and
    node embedding, ICML 2019 (proximal); Vayer et al., Optimal transport for structured
    data with application on graphs, ICML 2019 (fused).

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import gromov_wasserstein
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0], [5.0, 1.0]])
    >>> Y = X[[2, 0, 3, 1]] @ [[0.0, 1.0], [-1.0, 0.0]] + 10.0
    >>> result = gromov_wasserstein(X, Y, reg=0.5, metric="sqeuclidean")
    >>> result.plan.argmax(axis=1)
    array([1, 3, 0, 2])
    >>> result.converged
    True
    """
    reg = check_positive("reg", reg, hint="It is in the units of the loss.")
    check_options("auto", tol, max_iter, time_limit)
    alpha = _check_alpha(alpha, M)
    if isinstance(n_init, bool) or not (
        isinstance(n_init, numbers.Integral) and n_init >= 1
    ):
        raise ValueError(f"n_init must be a positive integer; got {n_init!r}.")
    source, target = cuda.resolve(device, Cx)
    Cx, Cy = _check_spaces(Cx, Cy, loss, metric, source)
    shape = int(Cx.shape[0]), int(Cy.shape[0])
    masses = [
        check_masses(mass, n, name)
        for mass, n, name in zip((a, b), shape, "ab", strict=True)
    ]
    _check_totals(a, b, Cx.dtype == namespace(Cx).float32)
    index = [np.flatnonzero(mass) for mass in masses]
    with target.activate():
        Cx, Cy = move(Cx, target), move(Cy, target)
        M = _check_between(M, "M", shape, Cx, target, index)
        start = _check_between(start, "start", shape, Cx, target, index)
        a, b = (
            asarray_like(mass[some], Cx)
            for mass, some in zip(masses, index, strict=True)
        )
        spaces = _spaces(Cx, Cy, a, b, loss, metric, index)
        solver = GromovSinkhorn(
            spaces, a, b, reg, M=M, alpha=alpha, proximal=bool(proximal), tol=tol
        )
        options = {
            "tol": tol,
            "max_iter": MAX_ITER if max_iter is None else max_iter,
            "time_limit": time_limit,
            "name": CERTIFICATE,
        }
        result, number = _best(
            solver, _check_start(start), n_init, random_state, n_jobs, target, options
        )
        found = describe(
            result, solver, number, index=index, shape=shape, source=source
        )
    _warn_unless_converged(found)
    return found


def _best(solver, start, n_init, random_state, n_jobs, target, options):
    """Return the result of the start with the lowest objective, and its number."""
    streams = spawn(random_state, int(n_init))
    results = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_solve)(solver, start if k == 0 else rng, target, options)
        for k, rng in enumerate(streams)
    )
    # A plan of another start that is not stationary is worth less than one that is.
    number = min(range(len(results)), key=lambda k: _rank(results[k]))
    return results[number], number


def _solve(solver, start, target, options):
    """Return the result from a plan, or from one that a generator draws."""
    with target.activate():
        if isinstance(start, np.random.Generator):
            start = random_plan(start, solver.spaces, solver.a, solver.b, solver.reg)
        return iterate(solver, solver.start(start), **options)


def _rank(result):
    """Return what makes one result better than another: lower is better."""
    return not result.certificate.holds, result.objective


def _check_alpha(alpha, M):
    """Return the weight of the quadratic term."""
    if alpha is None:
        return 1.0 if M is None else 0.5
    alpha = check_number("alpha", alpha, 0, 1)
    if M is None and alpha != 1.0:
        raise ValueError(
            f"alpha={alpha!r} weighs the costs between the spaces. Pass them as M, or "
            "leave alpha out."
        )
    return alpha


def _check_spaces(Cx, Cy, loss, metric, source):
    """Return the costs or points of both spaces in one dtype, where the first lives."""
    check_choice("loss", loss, LOSSES)
    if metric == "precomputed":
        spaces = []
        for C, name in ((Cx, "Cx"), (Cy, "Cy")):
            C = check_costs(C, name)
            if C.shape[0] != C.shape[1]:
                raise ValueError(
                    f"{name} has the shape {tuple(C.shape)}, but costs within a space "
                    "are a square matrix. Pass metric='sqeuclidean' or another for "
                    "points."
                )
            spaces.append(C)
    else:
        if not callable(metric) and metric not in METRICS:
            raise ValueError(
                f"metric must be 'precomputed', one of {METRICS} or a callable; got "
                f"{metric!r}."
            )
        spaces = [check_points(X, name) for X, name in ((Cx, "Cx"), (Cy, "Cy"))]
    Cx, Cy = spaces[0], move(spaces[1], source)
    xp = namespace(Cx)
    if Cx.dtype != Cy.dtype:
        Cx, Cy = xp.astype(Cx, xp.float64), xp.astype(Cy, xp.float64)
    return Cx, Cy


def _check_between(values, name, shape, like, target, index):
    """Return costs or masses of pairs that have mass, beside an array."""
    if values is None:
        return None
    values = check_costs(values, name)
    if tuple(values.shape) != shape:
        raise ValueError(
            f"{name} has the shape {tuple(values.shape)}, expected {shape}: a value "
            "for each pair of points."
        )
    values = asarray_like(move(values, target), like)
    return _select(values, *index)


def _check_totals(a, b, single):
    """Refuse masses of different sums."""
    if a is None or b is None:
        return
    one, other = (
        float(np.sum(to_numpy(mass) if hasattr(mass, "dtype") else mass, dtype=float))
        for mass in (a, b)
    )
    slack = TOTALS["float32" if single else "float64"]
    if abs(one - other) > slack * max(one, other):
        raise ValueError(
            f"a sums to {one:.8g} and b to {other:.8g}, but all mass is matched: "
            "divide each by its sum."
        )


def _check_start(start):
    """Return a plan to start from, with the sum one."""
    if start is None:
        return None
    low, total = float(namespace(start).min(start)), sum64(start)
    if not (low >= 0.0 and 0.0 < total < math.inf):
        raise ValueError(
            "start must be a plan: nonnegative with a positive sum between points that "
            f"have mass. Its smallest entry is {low:.4g} and its sum {total:.4g}."
        )
    return start / total


def _spaces(Cx, Cy, a, b, loss, metric, index):
    """Return the costs within the spaces, of the points that have mass."""
    if metric == "sqeuclidean" and loss == "squared":
        return PointSpaces(_select(Cx, index[0]), _select(Cy, index[1]), a, b)
    if metric != "precomputed":
        cost = ground_cost(metric)
        Cx, Cy = cost.block(Cx, Cx), cost.block(Cy, Cy)
    Cx, Cy = (_select(C, some, some) for C, some in zip((Cx, Cy), index, strict=True))
    if loss == "kl":
        low = float(namespace(Cx).min(Cx)), float(namespace(Cy).min(Cy))
        if low[0] < 0.0 or low[1] <= 0.0:
            raise ValueError(
                "loss='kl' needs nonnegative Cx and positive Cy; their smallest values "
                f"are {low[0]:.4g} and {low[1]:.4g}. Use loss='squared' for distances, "
                "which are zero on the diagonal."
            )
    spaces = StoredSpaces(Cx, Cy, a, b, loss)
    if not (all_finite(spaces.rows) and all_finite(spaces.cols)):
        raise ValueError(
            "The squares of the costs overflow. Divide both Cx and Cy by the largest "
            "cost, and reg by its square."
        )
    return spaces


def _select(values, rows, cols=None):
    """Return some rows, and some columns, by their numbers on the host."""
    for axis, some in enumerate((rows, cols)):
        if some is not None and len(some) < values.shape[axis]:
            some = index_like(some, values)
            values = take(values, some, axis=axis)
    return values


def _warn_unless_converged(found):
    """Emit a ConvergenceWarning that says what was reached and what to change."""
    if found.converged:
        return
    advice = {
        "max_iter": "Increase max_iter or reg, or loosen tol",
        "time_limit": "Increase time_limit or reg, or loosen tol",
        "stalled": "Loosen tol to what the floats can hold, pass the costs in float64, "
        "or increase reg",
        "diverged": "Increase reg, or pass the costs in float64",
    }[found.stop_reason]
    if found.proximal and found.stop_reason == "max_iter":
        advice = "Increase max_iter, decrease reg, or loosen tol"
    warnings.warn(
        f"Gromov-Wasserstein transport stopped ({found.stop_reason}) after "
        f"{found.n_iter} linearisations with reg={found.reg:.3g}: {found.certificate}. "
        f"{advice}.",
        ConvergenceWarning,
        stacklevel=3,
    )
