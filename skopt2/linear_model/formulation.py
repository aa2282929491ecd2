"""From parameters and data to the problem that a solver minimises."""

import time
from dataclasses import replace

import numpy as np

from skopt2._core.array_parameters import as_numbers
from skopt2._core.iterate import iterate
from skopt2._core.parameters import check_number, check_positive
from skopt2._core.result import StopReason
from skopt2.losses import get_loss, names_of_losses
from skopt2.losses.encoding import encode_target, several_classes
from skopt2.penalties import get_penalty
from skopt2.penalties.positive import Positive
from skopt2.solvers.certificate import gradient_scale
from skopt2.solvers.choice import make_solver
from skopt2.solvers.composite import column_scale
from skopt2.solvers.problem import LinearProblem


def check_factor(penalty_factor, n_features):
    """Return the penalty factors as float64, (n_features,), each in [0, inf].

    Parameters
    ----------
    penalty_factor : array-like of shape (n_features,) or None
        None for 1 everywhere.
    n_features : int
        Columns of X.

    Raises
    ------
    ValueError
        If the shape is wrong, or a factor negative or NaN.
    """
    if penalty_factor is None:
        return np.ones(n_features)
    factor = as_numbers("penalty_factor", penalty_factor)
    if factor.shape != (n_features,):
        raise ValueError(
            f"penalty_factor has shape {factor.shape}, expected ({n_features},): one "
            "factor for each column of X."
        )
    if not (factor >= 0).all():
        raise ValueError(
            "penalty_factor must be nonnegative (0 leaves a feature unpenalised, inf "
            f"excludes it); it contains {factor[~(factor >= 0)][0]}."
        )
    return factor


def levels(alpha, factor):
    """Return alpha * factor, inf where the factor is inf whatever alpha is."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(factor), np.inf, alpha * factor)


class Formulation:
    """One problem up to the value of alpha.

    Parameters
    ----------
    estimator : SparseLinearModel
        Its parameters.
    data : FitInput
        Checked data; for a classifier with class numbers in y.
    """

    _problem = LinearProblem

    def __init__(self, estimator, data):
        check_positive("tol", estimator.tol)
        X = data.X
        self.tol, self.max_iter = float(estimator.tol), int(estimator.max_iter)
        self.time_limit = estimator.time_limit
        self.solver_name = getattr(estimator, "solver", "auto")
        self.random_state = getattr(estimator, "random_state", None)
        n_classes = None if data.classes is None else len(data.classes)
        self._set_loss(estimator, n_classes)
        target = encode_target(self.loss, data.y, n_classes, X)
        self.loss.check_target(target)
        self._set_penalty(estimator, data)
        self.problem = self._problem(
            X,
            target,
            self.loss,
            self.penalty,
            levels(1.0, self.factor),
            data.sample_weight,
            estimator.fit_intercept,
        )
        self._finish()

    def _set_loss(self, estimator, n_classes):
        """Set the loss of the task."""
        loss = get_loss(estimator.loss)
        if loss.task == "binary" and n_classes is not None and n_classes > 2:
            loss = several_classes(loss)
        wanted = ("regression",) if n_classes is None else ("binary", "multiclass")
        if loss.task not in wanted:
            names = ", ".join(repr(name) for name in names_of_losses(wanted))
            raise ValueError(
                f"loss={estimator.loss!r} is for {loss.task} targets, which "
                f"{type(estimator).__name__} does not take: use one of {names}, or "
                f"{'a classifier' if n_classes is None else 'a regressor'}."
            )
        self.loss = loss

    def _set_penalty(self, estimator, data):
        """Set the penalty and the factors of its levels."""
        n_features = data.X.shape[1]
        penalty = get_penalty(estimator.penalty)
        penalty.check_parameters(n_features=n_features)
        penalty = penalty.for_features(n_features)
        self._reweight = getattr(penalty, "reweight", None)
        self._n_reweightings = getattr(penalty, "n_reweightings", 0)
        if estimator.positive and not penalty.separable:
            raise ValueError(
                f"positive=True is for separable penalties, and penalty="
                f"{penalty.name!r} ties coefficients. Use positive=False, or another "
                "penalty."
            )
        if estimator.positive:
            penalty = Positive(penalty)
        self.penalty = penalty
        self.factor = check_factor(estimator.penalty_factor, n_features)

    def _finish(self):
        """Complete the problem where that needs its data: not here."""

    def set_alpha(self, alpha):
        """Put the problem at a value of alpha.

        Parameters
        ----------
        alpha : float
            Level of the penalty.
        """
        check_number("alpha", alpha, 0)
        self.problem.set_level(levels(float(alpha), self.factor))

    def alpha_max(self):
        """Return the smallest alpha with no penalised feature in the model.

        Unpenalised features are fitted first; penalties under which zero is always
        stationary use the proximal fixed point with coordinate steps.
        """
        problem = self.problem
        gradient = problem.null_gradient
        if (self.factor == 0).any():
            gradient = self._unpenalised_gradient()
        force = self.penalty.pull(gradient)
        # The pull of a constant column is rounding error, which needs no level.
        eps = float(problem.xp.finfo(problem.y.dtype).eps)
        noise = 100.0 * eps * gradient_scale(problem)
        force = np.where(np.abs(force) > noise, force, 0.0)
        steps = None
        if self.penalty.stationarity == "fixed_point":
            bound = problem.loss.lipschitz or 1.0
            steps = 1.0 / (bound * column_scale(problem.design))
            steps = steps if force.ndim == 1 else steps[:, None]
        factor = self.factor if force.ndim == 1 else self.factor[:, None]
        return float(self.penalty.alpha_max(force, factor, steps))

    def _unpenalised_gradient(self):
        """Return the gradient where only the unpenalised features are fitted."""
        problem = self.problem
        before = problem.lam
        problem.set_level(np.where(self.factor == 0, 0.0, np.inf))
        solver = self._unpenalised_solver(1e-8)
        state = solver.init(None)
        for _ in range(20):
            state = solver.step(state)
            if solver.certificate(state).value <= 1e-8:
                break
        solution = solver.finalize(state)
        problem.set_level(before)
        base = problem.centred_intercept(solution.ids, solution.w, solution.intercept)
        eta = problem.predictor(solution.ids, solution.w, base)
        return problem.design.gradient(problem.weighted_gradient(eta))

    def solver(self):
        """Return the solver that the estimator asks for."""
        self._start_clock(None)
        return self._solver(self.tol)

    def _solver(self, tol):
        return make_solver(self.problem, self.solver_name, tol, self.random_state)

    def _unpenalised_solver(self, tol):
        return make_solver(self.problem, "auto", tol)

    def feasible(self, start):
        """Return the point nearest to a warm start that the problem allows.

        Parameters
        ----------
        start : Solution or None
            A previous fit may have had other bounds and excluded other features.
        """
        if start is None or start.ids.size == 0:
            return start
        shut = np.where(np.isinf(self.factor[start.ids]), np.inf, 0.0)
        shut = shut if start.w.ndim == 1 else shut[:, None]
        w = self.penalty.restrict(start.ids).prox(start.w, 1.0, shut)
        used = w != 0 if w.ndim == 1 else (w != 0).any(axis=1)
        return replace(start, ids=start.ids[used], w=w[used])

    def minimise(self, solver, state, *, monitor=None, resume=None):
        """Run a solver from a state; multi-stage penalties reweight in between.

        Parameters
        ----------
        solver : object
            From :meth:`solver`.
        state : object
            From its ``init`` or ``retarget``.
        monitor : Monitor, default=None
            Callbacks.
        resume : dict, default=None
            A checkpoint.

        Returns
        -------
        result : Result
            Of the last stage, with the iterations and the history of all.
        state : object
            The last one of the solver, where a path goes on.
        """
        arguments = {
            "tol": self.tol,
            "max_iter": self.max_iter,
            "check_every": getattr(solver, "check_every", 1),
            "time_limit": self.time_limit,
            "monitor": monitor,
            "name": solver.certificate_name,
        }
        base = self.problem.lam
        stages = _Stages(solver, self.problem)
        self._start_clock(resume)
        result = iterate(stages, state, resume=resume, **arguments)
        while stages.number < self._n_reweightings:
            if result.reason not in (StopReason.CONVERGED, StopReason.STALLED):
                break
            if result.n_iter >= self.max_iter:
                result = replace(result, reason=StopReason.MAX_ITER)
                break
            state = stages.begin(base * self._reweight(self._sizes(result.solution)))
            past = {"n_iter": result.n_iter, "history": result.history.as_dict()}
            self._start_clock(past)
            result = iterate(stages, state, resume=past, **arguments)
        self.problem.set_level(base)
        return result, stages.state

    def _start_clock(self, resume):
        """Let the inner loops of a solver keep the time limit too.

        Parameters
        ----------
        resume : dict or None
            With the history of what has been done within the limit already.
        """
        if self.time_limit is None:
            return
        past = [] if resume is None else resume["history"].get("time", [])
        spent = float(past[-1]) if len(past) else 0.0
        self.problem.deadline = time.perf_counter() + self.time_limit - spent

    def _sizes(self, solution):
        """Return the largest absolute coefficient of each feature, (p,)."""
        size = np.zeros(self.factor.shape)
        w = np.abs(solution.w)
        size[solution.ids] = w if w.ndim == 1 else w.max(axis=1)
        return size


class _Stages:
    """A solver that remembers its last state, and the stage that it is in.

    Parameters
    ----------
    solver : object
        What does the work.
    problem : LinearProblem
        Its level is that of the stage.
    """

    def __init__(self, solver, problem):
        self._solver, self._problem = solver, problem
        self.number, self.state = 0, None

    def begin(self, lam):
        """Return the state in which the next stage starts."""
        self.number += 1
        return self._solver.retarget(self.state, lam)

    def step(self, state):
        """Step and remember."""
        self.state = self._solver.step(state)
        return self.state

    def certificate(self, state):
        """Measure."""
        return self._solver.certificate(state)

    def finalize(self, state):
        """Return the solution."""
        return self._solver.finalize(state)

    def pack(self, state):
        """Return the state of the solver, and after the first stage its levels."""
        packed = self._solver.pack(state)
        if self.number:
            packed = {**packed, "stage": self.number, "levels": self._problem.lam}
        return packed

    def unpack(self, packed):
        """Return the state of a checkpoint, in the stage that it was written in."""
        packed = dict(packed)
        self.number = int(packed.pop("stage", 0))
        levels = packed.pop("levels", None)
        if levels is not None:
            self._problem.set_level(np.asarray(levels, dtype=np.float64))
        return self._solver.unpack(packed)
