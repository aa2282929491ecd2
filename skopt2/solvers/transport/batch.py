"""Many small problems of entropic transport at once.

Problems: for each p, min_P <P, C_p> + eps * sum P (log P - 1) over plans with marginals
a_p and b_p. Symbols: C (n, m) for all problems or (P, n, m), A (P, n) and B (P, m)
masses that sum to one in every row, zeros allowed, eps > 0.

Problems of one cost are scaled together, by matrix products with one kernel. Where the
regularisation is too small for that, each gets a kernel of its own, still in one batch.
What has not converged then is solved alone, with all that the solvers of one problem
can do.
"""

import dataclasses
import functools

import numpy as np

from skopt2._core.array import index_like, namespace, put, take, to_numpy
from skopt2._core.iterate import iterate
from skopt2._core.result import Certificate, StopReason
from skopt2.solvers.transport.batch_kernel import GridKernel, OwnKernels, SharedKernel
from skopt2.solvers.transport.batch_scaling import BatchScaling, BatchSolution
from skopt2.solvers.transport.batch_symmetric import SymmetricScaling
from skopt2.solvers.transport.certificate import MARGINAL_ERROR
from skopt2.solvers.transport.choice import balanced_solver
from skopt2.solvers.transport.geometry import DEVICE_BLOCK, HOST_BLOCK, DenseGeometry

# Sweeps of a batch before the problems that are left are solved one by one.
SWEEPS = 1000
# Entries of a kernel above which the host gains nothing by a batch of them.
SMALL = 2**14


class BatchProblem:
    """Costs and regularisation of many problems, and what they share.

    Parameters
    ----------
    C : array of shape (n, m) or (P, n, m)
        Finite costs, of all problems or of each.
    eps : float
        Regularisation.
    axes : list of array of shape (n_k, n_k), default=None
        Costs along the axes of a grid, whose sum ``C`` is.
    """

    def __init__(self, C, eps, axes=None):
        self.C, self.eps, self.axes = C, eps, axes
        self.shared = C.ndim == 2
        self._memory = HOST_BLOCK if isinstance(C, np.ndarray) else DEVICE_BLOCK

    @functools.cached_property
    def kernel(self):
        """Kernel of all problems, where they share the cost."""
        if self.axes is not None:
            return GridKernel(self.axes, self.eps)
        return SharedKernel(self.C, self.eps, self.symmetric)

    @functools.cached_property
    def symmetric(self):
        """Whether the cost of all problems is a symmetric matrix."""
        C = self.C
        if not self.shared or C.shape[0] != C.shape[1]:
            return False
        return bool(namespace(C).all(C == C.T))

    def prepare(self):
        """Compute what problems share, before threads do so at the same time."""
        return (self.kernel, self.symmetric) if self.shared else self.symmetric

    @property
    def block(self):
        """Number of problems whose arrays stay in the cache, or fill a GPU."""
        n, m = self.C.shape[-2:]
        return max(16, self._memory // (max(n, m) if self.shared else n * m))

    @property
    def block_of_kernels(self):
        """The same for problems with a kernel each; 0 where that gains nothing."""
        n, m = self.C.shape[-2:]
        if isinstance(self.C, np.ndarray) and n * m > SMALL:
            return 0
        return max(1, self._memory // (n * m))

    def costs(self, ids):
        """Return the costs of some problems, (P, n, m) or (1, n, m) if shared."""
        if self.shared:
            return self.C[None, :, :]
        return take(self.C, ids)

    def alone(self, p, a, b):
        """Return rows and columns with mass, and the solver's arguments, of one."""
        C = self.C if self.shared else self.C[p, :, :]
        rows, cols = (np.flatnonzero(to_numpy(masses)) for masses in (a, b))
        parts = (take(a, rows), take(b, cols))
        C = take(take(C, rows), index_like(cols, C), axis=1)
        return (rows, cols), (DenseGeometry(C), *parts, self.eps)


def solve_batch(
    problem,
    A,
    B,
    *,
    tol=1e-6,
    max_iter=10_000,
    start=None,
    monitor=None,
    resume=None,
):
    """Solve all problems of a batch.

    Parameters
    ----------
    problem : BatchProblem
        Costs and regularisation.
    A : array of shape (P, n)
        Nonnegative masses of the rows, which sum to one for each problem.
    B : array of shape (P, m) or None
        Masses of the columns, likewise; None for those of the rows.
    tol : float, default=1e-6
        Tolerance of each marginal error.
    max_iter : int, default=10_000
        Largest number of sweeps in the batch, and of steps alone.
    start : array of shape (P, m), default=None
        Potentials of the columns to start from.
    monitor, resume : object, default=None
        As in :func:`skopt2._core.iterate.iterate`, for the batch.

    Returns
    -------
    result : Result
        With a :class:`.batch_scaling.BatchSolution`. The certificate is the largest
        marginal error, the history that of the batch.
    """
    cap = min(max_iter, SWEEPS)
    options = {"tol": tol, "max_iter": cap}
    everyone = np.arange(A.shape[0])
    solver = _solver(problem, everyone, A, B, tol, own=not problem.shared)
    result = _run(solver, start, monitor, resume, **options)
    solution = result.solution
    if result.reason == StopReason.CALLBACK:
        return result
    step = problem.block_of_kernels if problem.shared else 0
    if step:
        lost = np.flatnonzero(~np.isfinite(solution.error))
        for ids in np.split(lost, range(step, lost.size, step)):
            if ids.size:
                solver = _solver(problem, ids, A, B, tol, own=True)
                again = _run(solver, **options).solution
                solution = _replace(solution, ids, again)
    left = ~np.isfinite(solution.error)
    if cap < max_iter:
        left |= (solution.error > tol) & (solution.n_iter >= cap)
    for p in np.flatnonzero(left):
        a, b = A[p, :], A[p, :] if B is None else B[p, :]
        found = _alone(problem, int(p), a, b, tol, max_iter)
        solution = _replace(solution, np.asarray([p]), found)
    return _conclude(result, solution, tol, cap)


def _solver(problem, ids, A, B, tol, *, own):
    """Return the solver of some problems, with kernels of their own or with one."""
    if ids.size < A.shape[0]:
        A, B = (None if x is None else take(x, ids) for x in (A, B))
    symmetric = B is None and problem.symmetric
    B = A if B is None else B
    kernel = problem.kernel if not own else None
    if kernel is None:
        costs = problem.costs(ids)
        kernel = OwnKernels.reduced(costs, problem.eps, A, B, symmetric)
    if symmetric:
        return SymmetricScaling(kernel, A, tol=tol)
    return BatchScaling(kernel, A, B, tol=tol)


def _run(solver, start=None, monitor=None, resume=None, *, tol, max_iter):
    """Run the iteration loop on a batch."""
    return iterate(
        solver,
        solver.start(start),
        tol=tol,
        max_iter=max_iter,
        check_every=solver.interval,
        monitor=monitor,
        name=MARGINAL_ERROR,
        resume=resume,
    )


def _alone(problem, p, a, b, tol, max_iter):
    """Return the solution of one problem, as a batch of one."""
    support, arguments = problem.alone(p, a, b)
    solver = balanced_solver("newton", *arguments, tol=tol)
    result = iterate(
        solver,
        solver.start(),
        tol=tol,
        max_iter=max_iter,
        check_every=solver.interval,
        name=MARGINAL_ERROR,
    )
    f, g = result.solution.f, result.solution.g
    cost = arguments[0].inner(f, g, problem.eps)
    full = []
    for values, masses, index in zip((f, g), (a, b), support, strict=True):
        empty = namespace(masses).zeros_like(masses) - np.inf
        full.append(put(empty, index_like(index, masses), values)[None, :])
    figures = (result.objective, cost, result.certificate.value)
    return BatchSolution(
        *full, *(np.asarray([x]) for x in figures), np.asarray([result.n_iter])
    )


def _replace(solution, ids, new):
    """Return solutions in which those of some problems are replaced."""
    index = index_like(ids, solution.f)
    f = put(solution.f, index, new.f)
    g = put(solution.g, index, new.g)
    host = {}
    for name in ("objective", "cost", "error", "n_iter"):
        host[name] = getattr(solution, name).copy()
        host[name][ids] = getattr(new, name)
    host["n_iter"][ids] += solution.n_iter[ids]
    return BatchSolution(f, g, **host)


def _conclude(result, solution, tol, cap):
    """Return the outcome of all stages."""
    worst = float(solution.error.max(initial=0.0))
    reason = StopReason.CONVERGED
    if not worst <= tol:
        behind = solution.n_iter[~(solution.error <= tol)]
        reason = StopReason.MAX_ITER if behind.max() >= cap else StopReason.STALLED
    return dataclasses.replace(
        result,
        solution=solution,
        objective=float(solution.objective.sum()),
        certificate=Certificate(MARGINAL_ERROR, worst, tol),
        reason=reason,
        n_iter=int(solution.n_iter.max(initial=0)),
    )
