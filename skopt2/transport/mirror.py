"""Convex objectives over the transport polytope, at once or as a stream of costs."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skopt2._core import cuda
from skopt2._core.array import move, namespace
from skopt2._core.iterate import iterate
from skopt2._core.parameters import (
    check_choice,
    check_number,
    check_positive,
    check_squarable,
)
from skopt2._core.result import StopReason
from skopt2._core.shared_parameters import check_shared
from skopt2.solvers.certificate import GAP
from skopt2.solvers.transport.mirror import MirrorDescent
from skopt2.transport.clouds import check_mass
from skopt2.transport.cost_stream import CostStream
from skopt2.transport.dense_input import check_costs
from skopt2.transport.oracle import Oracle, as_objective
from skopt2.transport.problem import TOTALS

STEPS = ("sqrt", "constant")


class MirrorSinkhorn:
    """Minimise a convex function of the plan over the transport polytope.

    min F(P) over P >= 0 with P 1 = a and P'1 = b, by mirror descent: each step
    multiplies the plan by exp(-eta * gradient) and scales its rows or its columns to
    their masses, in turn. It needs nothing of F but gradients, at one pass over the
    plan a step, and the error falls as 1 / sqrt(n_iter). For F(P) = <P, cost> alone, or
    with an entropy, :func:`skopt2.transport.sinkhorn` is faster.

    :meth:`fit` minimises a fixed objective and certifies the result by a duality gap.
    :meth:`partial_fit` takes one cost matrix, or one gradient, at a time, and keeps a
    bound on the regret.

    Parameters
    ----------
    objective : object, callable or array-like of shape (n, m), default=None
        What :meth:`fit` minimises. An object with methods ``value(P)`` and
        ``gradient(P)``, such as :class:`~skopt2.transport.QuadraticObjective` and
        :class:`~skopt2.transport.GroupLassoObjective`; a function that returns a
        subgradient at a plan; or a cost matrix. It has to be convex. None for streams.
    a, b : array-like of shape (n,) and (m,), default=None
        Nonnegative masses of the rows and columns, of equal sums; None for equal
        masses with the sum of the other side, or with sum 1.
    step : {"sqrt", "constant"}, default="sqrt"
        Steps proportional to 1 / sqrt(t), or the best constant for ``max_iter`` steps.
    step_size : float, default=1.0
        Multiple of the step of theory.
    tol : float, default=1e-2
        Tolerance of the duality gap, as a share of what the independent plan
        a b' / sum(a) loses to the lower bound.
    max_iter : int, default=10000
        Largest number of steps.
    time_limit : float, default=None
        Seconds after which :meth:`fit` stops.
    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the last iterate, with the step that it had
        reached; averages and bounds start anew.
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}, default=None
        Where to compute; None where the cost, or else ``a``, lives.

    Attributes
    ----------
    plan_ : array of shape (n, m)
        Feasible plan: its sums are ``a`` and ``b`` up to rounding. After :meth:`fit`
        the best one found; after :meth:`partial_fit` the one to use next.
    average_ : array of shape (n, m)
        After :meth:`fit` the mean of the iterates, feasible in the limit only; after
        :meth:`partial_fit` the mean of the plans used so far, which is feasible.
    objective_ : float
        After :meth:`fit` F at ``plan_``, or ``<gradient, plan_>`` where only gradients
        are known; after :meth:`partial_fit` the mean cost of the plans used.
    dual_gap_ : float
        After :meth:`fit` a bound on ``F(plan_) - min F``; after :meth:`partial_fit` a
        bound on the mean regret to the best single plan.
    certificate_ : Certificate
        The gap relative to the independent plan, beside ``tol``.
    n_iter_ : int
        Steps taken.
    converged_ : bool
        Whether the certificate reached ``tol``.
    stop_reason_ : str
        ``"converged"``, ``"max_iter"``, ``"time_limit"`` or ``"diverged"``;
        ``"stream"`` after :meth:`partial_fit`.
    history_ : dict of ndarray
        One row per measure: ``iteration``, ``time``, ``objective``, ``certificate`` and
        ``lower_bound``.
    device_ : str
        Where it was computed.

    References
    ----------
    M. Ballu and Q. Berthet, "Mirror Sinkhorn: fast online optimization on transport
    polytopes", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import MirrorSinkhorn, QuadraticObjective
    >>> cost = np.array([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]])
    >>> model = MirrorSinkhorn(QuadraticObjective(cost, strength=2.0)).fit()
    >>> model.converged_
    True
    >>> model.plan_.sum(axis=0).round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """

    def __init__(
        self,
        objective=None,
        a=None,
        b=None,
        *,
        step="sqrt",
        step_size=1.0,
        tol=1e-2,
        max_iter=10_000,
        time_limit=None,
        warm_start=False,
        device=None,
    ):
        self.objective = objective
        self.a = a
        self.b = b
        self.step = step
        self.step_size = step_size
        self.tol = tol
        self.max_iter = max_iter
        self.time_limit = time_limit
        self.warm_start = warm_start
        self.device = device

    def fit(self):
        """Minimise the objective until its duality gap reaches the tolerance.

        Returns
        -------
        self : MirrorSinkhorn
            Fitted.

        Raises
        ------
        ValueError
            If a parameter is out of range, the masses do not fit, a gradient has the
            wrong shape, or the objective turns out not to be convex.

        Warns
        -----
        ConvergenceWarning
            If the gap did not reach the tolerance.
        """
        self._check_parameters()
        if self.objective is None:
            raise ValueError(
                "objective=None is for partial_fit; fit needs an objective, a gradient "
                "function or a cost matrix."
            )
        objective = as_objective(self.objective)
        like = getattr(objective, "cost", self.a)
        source, target = cuda.resolve(self.device, like)
        a, b = self._masses(getattr(objective, "shape", None), like)
        horizon = self.max_iter if self.step == "constant" else None
        with target.activate():
            a, b = move(a, target), move(b, target)
            solver = MirrorDescent(
                Oracle(objective, target, a.shape[0], b.shape[0]),
                a,
                b,
                step_size=float(self.step_size),
                horizon=horizon,
            )
            result = iterate(
                solver,
                solver.start(self._warm_state(a, b)),
                tol=self.tol,
                max_iter=self.max_iter,
                check_every=solver.interval,
                time_limit=self.time_limit,
                name=GAP,
            )
            self._store(result, source, target)
        self._warn_unless_converged()
        return self

    def partial_fit(self, cost):
        """Take one step of a stream.

        The plan for this round was ``plan_`` of the call before, at the first call the
        independent plan a b' / sum(a). For a stream of costs ``dual_gap_`` bounds its
        mean regret. For a convex objective pass its subgradient, perhaps a noisy one,
        at that plan: then it bounds ``F(average_) - min F``, up to the noise.

        Parameters
        ----------
        cost : array-like of shape (n, m)
            Cost of this round, or a subgradient at the plan of this round.

        Returns
        -------
        self : MirrorSinkhorn
            With the attributes of this class, ``history_`` excepted.

        Raises
        ------
        ValueError
            If a parameter is out of range, the cost is not finite, or its shape is not
            that of the masses or of the stream.
        """
        stream = self.__dict__.get("_stream")
        if stream is None:
            self._check_parameters()
            stream = self._open_stream(cost)
        cost = check_costs(cost)
        if tuple(cost.shape) != stream.shape:
            raise ValueError(
                f"cost has the shape {tuple(cost.shape)}, expected {stream.shape}, "
                "that of the masses and of the stream so far."
            )
        with stream.target.activate():
            stream.take(move(cost, stream.target))
            self._stream = stream
            # A stream keeps no history; that of an earlier fit would be taken for one.
            vars(self).pop("history_", None)
            vars(self).update(stream.attributes(self.tol))
        return self

    def _open_stream(self, cost):
        """Return an empty stream for costs like this one."""
        source, target = cuda.resolve(self.device, cost)
        cost = check_costs(cost)
        a, b = self._masses(tuple(int(k) for k in cost.shape), cost)
        a, b = move(a, target), move(b, target)
        horizon = self.max_iter if self.step == "constant" else None
        solver = MirrorDescent(
            None, a, b, step_size=float(self.step_size), horizon=horizon
        )
        return CostStream(solver, source, target)

    def _masses(self, shape, like):
        """Return masses of equal sums in host memory, in the dtype to compute in."""
        if shape is None:
            if self.a is None or self.b is None:
                raise ValueError(
                    "a and b must be given, since the objective has no shape to tell "
                    "how many rows and columns there are."
                )
            shape = tuple(np.shape(side)[0] for side in (self.a, self.b))
        shares, totals = [], []
        for mass, n, name, side in zip(
            (self.a, self.b), shape, "ab", ("rows", "columns"), strict=True
        ):
            share, total = check_mass(mass, n, name, f"{side} of the plan")
            shares.append(np.full(n, 1.0 / n) if share is None else share)
            totals.append(total)
        known = [total for total in totals if total is not None] or [1.0]
        single = "float32" in str(getattr(like, "dtype", ""))
        name = "float32" if single else "float64"
        if abs(known[0] - known[-1]) > TOTALS[name] * max(known):
            raise ValueError(
                f"a and b must have the same sum, got {totals[0]:.8g} and "
                f"{totals[1]:.8g}: divide each by its sum."
            )
        return tuple((known[0] * share).astype(name) for share in shares)

    def _warm_state(self, a, b):
        """Return the state of the last fit where it has the same masses."""
        state = self.__dict__.get("_state") if self.warm_start else None
        if state is None:
            return None
        xp = namespace(a)
        same = (
            namespace(state.P) is xp
            and state.P.dtype == a.dtype
            and tuple(state.P.shape) == (a.shape[0], b.shape[0])
        )
        return state if same else None

    def _store(self, result, source, target):
        """Set the fitted attributes, arrays where the input lived."""
        solution = result.solution
        self.__dict__.pop("_stream", None)
        vars(self).update(
            plan_=move(solution.plan, source),
            average_=move(solution.average, source),
            objective_=float(result.objective),
            dual_gap_=float(result.gap),
            certificate_=result.certificate,
            n_iter_=int(result.n_iter),
            converged_=result.reason == StopReason.CONVERGED,
            stop_reason_=str(result.reason),
            history_=result.history.as_dict(),
            device_=target.label,
            _state=solution.state,
        )

    def _warn_unless_converged(self):
        """Emit a ConvergenceWarning that says what was reached and what to change."""
        if self.converged_:
            return
        advice = {
            "max_iter": "Increase max_iter, or loosen tol",
            "time_limit": "Increase time_limit, or loosen tol",
            "diverged": "The objective or its gradient is not finite",
        }[self.stop_reason_]
        warnings.warn(
            f"MirrorSinkhorn stopped ({self.stop_reason_}) after {self.n_iter_} steps: "
            f"{self.certificate_}. {advice}; the error falls as 1 / sqrt(n_iter).",
            ConvergenceWarning,
            stacklevel=3,
        )

    def _check_parameters(self):
        """Raise ValueError for a parameter out of range."""
        check_choice("step", self.step, STEPS)
        check_positive("step_size", self.step_size, hint="1.0 is the step of theory.")
        check_squarable("step_size", self.step_size)
        hint = (
            "It bounds the duality gap as a share of that of the independent plan: "
            "1e-2 is usual."
        )
        check_number("tol", self.tol, 0, hint=hint)
        check_shared(self)
