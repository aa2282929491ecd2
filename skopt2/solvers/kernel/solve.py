"""The one entry to the solvers of kernel systems.

Problem: (K + Lambda) a = Y (:mod:`skopt2.solvers.kernel.system`), for kernel ridge
regression and for Gaussian processes: Lambda = alpha I, or alpha / w_i for a row of
weight w_i, or the noise variances.
"""

import math
import time
import warnings
from dataclasses import replace

from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_count,
    check_number,
    check_positive,
)
from skopt2._core.random import seed_sequence
from skopt2._core.result import StopReason
from skopt2.solvers.kernel.block_sampler import BlockSampler
from skopt2.solvers.kernel.choice import Plan, choose
from skopt2.solvers.kernel.cholesky import factorise, single_is_enough
from skopt2.solvers.kernel.conjugate_gradient import ConjugateGradient
from skopt2.solvers.kernel.dual_descent import DualDescent
from skopt2.solvers.kernel.eigenpro import EigenPro
from skopt2.solvers.kernel.engine import ESTIMATE, RESIDUAL, BlockDual, largest
from skopt2.solvers.kernel.low_rank import LowRankPreconditioner
from skopt2.solvers.kernel.sketch_project import SketchProject
from skopt2.solvers.kernel.system import KernelSystem
from skopt2.solvers.kernel.trial import Trial

SOLVERS = ("auto", "cholesky", "sap", "sdd", "eigenpro", "cg")
# Refinements of a direct solution; more than a few mean that rounding has won.
REFINEMENTS = 20
# Columns of a history that all solvers share.
COLUMNS = ("iteration", "time", "objective", "certificate", "n_epochs")


def solve_kernel_system(
    operator,
    Y,
    lam,
    *,
    solver="auto",
    tol=1e-3,
    max_epochs=100,
    start=None,
    rng=None,
    batch_size=None,
    step_size=None,
    n_components=None,
    factor=None,
    allowance=1.0,
    monitor=None,
    time_limit=None,
    resume=None,
):
    """Solve (K + Lambda) a = Y.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of shape (n, n).
    Y : array of shape (n, c)
        Targets in the units of the caller, beside the operator. All columns share every
        pass over K.
    lam : float or array of shape (n,)
        Diagonal of Lambda, not negative. Rows of weight 0 have no finite one: drop
        them.
    solver : {"auto", "cholesky", "sap", "sdd", "eigenpro", "cg"}, default="auto"
        Algorithm; "auto" is "sap" where the factor of "cholesky" does not fit the
        memory budget. Where it does it is "cholesky", before or after some epochs of
        "sap", or "sap" if these show that it is faster. Which it is depends on times,
        each of them on the seed alone.
    tol : float, default=1e-3
        Tolerance of the residual, relative to Y, in every column.
    max_epochs : float, default=100
        Passes over K after which to stop.
    start : array of shape (n, c) or None, default=None
        Coefficients to start from; ignored by a direct solution. Costs one pass.
    rng : None, int, Generator, RandomState or SeedSequence, default=None
        Of blocks, subsamples and pivots.
    batch_size : int or None, default=None
        Rows of a block; None for the default of the algorithm.
    step_size : float or None, default=None
        Step of "sdd" and "eigenpro"; None for the largest safe one.
    n_components : int or None, default=None
        Rank of the preconditioner of "eigenpro" and "cg", and of Nystrom approximations
        of the blocks of "sap"; None for the default of the algorithm.
    factor : CholeskyFactor, SpectralInverse or None, default=None
        What :func:`~skopt2.solvers.kernel.cholesky.factorise` returned for this system,
        for the solver "cholesky"; None to compute it.
    allowance : float or ndarray of shape (c,), default=1.0
        Numbers by which the relative residuals of the columns are divided.
    monitor : object or None, default=None
        As for :func:`skopt2._core.iterate.iterate`.
    time_limit : float or None, default=None
        Seconds after which to stop. Preparations count; a factorisation is not
        interrupted.
    resume : dict or None, default=None
        ``state``, ``n_iter`` and ``history`` of a checkpoint. Algorithm, seed, block
        size and rank are its own.

    Returns
    -------
    result : Result
        Its solution is a :class:`~skopt2.solvers.kernel.coefficients.Coefficients`, its
        ``n_iter`` counts blocks, or passes of a direct or conjugate gradient solution.
        The certificate is the largest relative residual of a column; its name says if
        it is only an estimate, which ends a fit at a limit, and never as converged.

    Raises
    ------
    ValueError
        If a parameter is out of range, or K is not positive semidefinite.

    Warns
    -----
    UserWarning
        If ``step_size`` was so long that the solver had to shorten it.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, KernelOperator
    >>> from skopt2.solvers.kernel.solve import solve_kernel_system
    >>> K = KernelOperator(Gaussian(length_scale=1.0), np.array([[0.0], [9.0]]))
    >>> result = solve_kernel_system(K, np.array([[2.0], [4.0]]), 1.0)
    >>> result.solution.a.round(6).tolist()
    [[1.0], [2.0]]
    """
    began = time.perf_counter()
    state = (resume or {}).get("state")
    options = {"batch_size": batch_size, "step_size": step_size, "rank": n_components}
    auto = solver == "auto"
    if state is not None:
        solver, seed = state["solver"], int(state["seed"])
        options |= {name: state[name] for name in ("batch_size", "rank")}
    else:
        seed = int(seed_sequence(rng).generate_state(1)[0])
    _check(solver, tol, max_epochs, options)
    system = KernelSystem(operator, Y, lam, allowance)
    plan = Plan(solver)
    if auto and solver in ("auto", "sap"):
        single = system.Y.dtype == system.xp.float64 and single_is_enough(system)
        found = choose(system, tol=tol, single=single)
        # A checkpoint of sketch-and-project is one of no other algorithm.
        plan = found if solver in ("auto", found.solver) else plan
    settings = {
        "tol": tol,
        "max_epochs": max_epochs,
        "seed": seed,
        "factor": factor,
        **options,
    }
    loop = {
        "start": start,
        "monitor": monitor,
        "time_limit": time_limit,
        "resume": resume,
        "began": began,
    }
    run = _run if plan.seconds is None else _try
    result = run(plan, system, settings, **loop)
    restarts = result.solution.n_restarts
    if step_size is not None and restarts:
        warnings.warn(
            f"step_size={step_size!r} is too long: the solver diverged {restarts} "
            f"times, and went on with {result.solution.step_size:.3g} in the end. None "
            "chooses a step that is safe.",
            UserWarning,
            stacklevel=2,
        )
    if result.solution.exact:
        return result
    return replace(result, certificate=replace(result.certificate, name=ESTIMATE))


def _run(plan, system, settings, *, start, monitor, time_limit, resume, began):
    """Return the result of one algorithm."""
    direct = plan.solver == "cholesky"
    engine, interval, max_iter = _build(plan.solver, system, **settings)
    if resume is not None and direct:
        max_iter += int(resume["n_iter"])
    state = (resume or {}).get("state")
    if state is not None:
        first = engine.unpack(state)
        resume = {key: value for key, value in resume.items() if key != "state"}
    elif start is None or direct:
        first = engine.start()
    else:
        first = engine.start(system.from_units(start))
    if isinstance(monitor, Trial):
        monitor.starts(first.n_epochs, largest(first.best_values))
    if time_limit is not None:
        time_limit -= time.perf_counter() - began
    return iterate(
        engine,
        first,
        tol=settings["tol"],
        max_iter=max_iter,
        check_every=interval,
        time_limit=time_limit,
        monitor=monitor,
        name=RESIDUAL,
        resume=resume,
    )


def _try(plan, system, settings, *, monitor, time_limit, resume, began, **loop):
    """Return the result of sketch-and-project, or of the factor that replaces it."""
    if plan.keep:
        system.operator.keep()
    times = (resume or {"history": {}})["history"].get("time", ())
    past = float(times[-1]) if len(times) else 0.0
    trial = Trial(
        plan.seconds,
        settings["tol"],
        deadline=math.inf if time_limit is None else began + time_limit - past,
        inner=monitor,
    )
    loop |= {"time_limit": time_limit, "began": began}
    result = _run(plan, system, settings, monitor=trial, resume=resume, **loop)
    matrix = system.operator.release() if plan.keep else None
    ended = result.reason in (StopReason.MAX_ITER, StopReason.STALLED)
    if not (trial.given_up or (ended and trial.in_time())):
        return result
    history = result.history.as_dict()
    shared = {name: history[name] for name in COLUMNS}
    # The loop adds the times of the history to its own.
    loop |= {"start": None, "began": began + float(history["time"][-1]) - past}
    return _run(
        Plan("cholesky"),
        system,
        settings | {"matrix": matrix, "spent": result.solution.n_epochs},
        monitor=monitor,
        resume={"n_iter": result.n_iter, "history": shared},
        **loop,
    )


def _build(
    solver,
    system,
    *,
    tol,
    max_epochs,
    seed,
    factor,
    batch_size,
    step_size,
    rank,
    matrix=None,
    spent=0.0,
):
    """Return the solver of the loop, its interval of measures, and its step limit."""
    if solver == "cholesky":
        if factor is None:
            factor = factorise(system, matrix=matrix)
        engine = ConjugateGradient(system, factor, tol=tol, seed=seed, spent=spent)
        return engine, 1, min(REFINEMENTS, max(1, round(max_epochs)))
    if solver == "cg":
        made = LowRankPreconditioner(system, rank, seed)
        spent = made.n_components / system.n
        engine = ConjugateGradient(system, made, tol=tol, seed=seed, spent=spent)
        return engine, 1, max(1, round(max_epochs))
    if solver == "sap":
        rule = SketchProject(system, batch_size, rank, seed)
    elif solver == "sdd":
        rule = DualDescent(system, batch_size, step_size, seed)
    else:
        rule = EigenPro(system, batch_size, rank, step_size, seed)
    sampler = BlockSampler(system.n, rule.batch_size, seed, system.Y)
    max_steps = max(1, round(max_epochs * sampler.n_blocks))
    engine = BlockDual(system, rule, sampler, tol=tol, max_steps=max_steps)
    return engine, engine.interval, max_steps


def _check(solver, tol, max_epochs, options):
    """Raise ValueError for a parameter out of range."""
    check_choice("solver", solver, SOLVERS)
    check_number("tol", tol, 0)
    check_positive("max_epochs", max_epochs, infinite=True)
    check_count("batch_size", options["batch_size"], optional=True)
    check_count("n_components", options["rank"], optional=True)
    check_positive("step_size", options["step_size"], optional=True)
