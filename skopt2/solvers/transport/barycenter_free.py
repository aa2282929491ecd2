"""Entropic barycentres of point clouds, whose support moves.

Problem: min_X sum_s w_s W(b_s, Y_s; p, X), W(b, Y; p, X) the minimum of
<P, C> + eps * sum P (log P - 1) over plans with marginals b and p, C the squared
distances of the points Y and X; debiased, less W(p, X; p, X) / 2.

Symbols: Y_s (n_s, d) points and b_s (n_s,) masses of the clouds, w_s weights, X (m, d)
the support and p (m,) its fixed masses; all of b_s, p, w have sums of one. P_s (n_s, m)
the plans, T_s(X)_j = sum_i (P_s)_ij y_i / p_j the mean to which point j is sent.

One step: X <- X + t (T(X) - X) with T(X) = sum_s w_s T_s(X), and debiased
T(X) = X + sum_s w_s T_s(X) - T_X(X). For t = 1 and without debiasing T minimises the
problem for the plans as they are, so the objective never rises. A longer t, which grows
while the objective falls, saves most of the steps; where it rises the iteration goes
back to t = 1. The gradient of the objective is 2 p_j (x_j - T(X)_j): the root mean
square of X - T(X), relative to the radius of the clouds, is the certificate, beside the
marginal errors of the plans, which are solved as accurately as the steps deserve.

Sources: M. Cuturi and A. Doucet, Fast computation of Wasserstein barycenters, ICML
2014, algorithm 2; J. Feydy et al., Interpolating between optimal transport and MMD
using Sinkhorn divergences, AISTATS 2019, section 3.2 (debiased gradient).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skopt2._core.array import accumulation_dtype, asarray_like, namespace, sum64
from skopt2._core.result import Measure
from skopt2.solvers.transport.inner import inner_tolerance, solve_balanced
from skopt2.solvers.transport.patience import Patience
from skopt2.solvers.transport.stored_points import StoredPointGeometry

# Factor by which the steps grow while the objective falls, and their largest length.
GROWTH, LONGEST = 1.3, 10.0
# Relative increase of the objective that rounding explains.
ROUNDING = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class FreeBarycenter:
    """Support of a barycentre and what proves it.

    Parameters
    ----------
    X : array of shape (m, d)
        Support.
    geometries : list
        Costs between the clouds and the support.
    potentials : list of tuple of array
        Potentials (f, g) of shapes (n_s,) and (m,) that belong to the geometries.
    errors : ndarray of shape (S,)
        Marginal errors.
    displacement : float
        Root mean square of X - T(X), relative to the radius of the clouds.
    """

    X: Any
    geometries: list
    potentials: list
    errors: Any
    displacement: float


@dataclass
class FreeState:
    """Where the solver stands; it changes it in place.

    Parameters
    ----------
    X : array of shape (m, d)
        Support.
    plain : array of shape (m, d) or None
        Where the last step would have led with a length of one.
    length : float
        Of the next step.
    last : float
        Length of the last step.
    best : float
        Smallest objective.
    displacement : float
        At the last measure.
    plans : object
        Plans at ``X``, None where they are not known.
    starts : list
        Potentials of the original costs to start the plans from.
    n_inner : int
        Sweeps and Newton steps of all plans.
    patience : Patience
        Tells when rounding forbids progress.
    """

    X: Any
    plain: Any = None
    length: float = 1.0
    last: float = 1.0
    best: float = math.inf
    displacement: float = math.inf
    plans: Any = None
    starts: Any = None
    n_inner: int = 0
    patience: Patience | None = None


class FreeSupport:
    """Moves the support of a barycentre; a solver for ``iterate``.

    Parameters
    ----------
    clouds : list of array of shape (n_s, d)
        Points.
    masses : list of array of shape (n_s,)
        Positive masses with sums of one.
    p : array of shape (m,)
        Positive masses of the support with the sum one.
    w : array of shape (S,)
        Positive weights with the sum one, on the host.
    eps : float
        Regularisation.
    debiased : bool, default=False
        Whether to take the bias of the entropy away.
    relax : bool, default=True
        Whether to take longer steps.
    tol : float, default=1e-4
        Tolerance of the certificate.
    geometry : callable, default=StoredPointGeometry
        Makes the costs between two point clouds.
    """

    name = "free support"

    def __init__(
        self,
        clouds,
        masses,
        p,
        w,
        eps,
        *,
        debiased=False,
        relax=True,
        tol=1e-4,
        geometry=StoredPointGeometry,
    ):
        self.xp = namespace(p)
        self.masses, self.p, self.eps, self.tol = masses, p, eps, tol
        self.w = [float(weight) for weight in w]
        self.debiased, self.relax, self.geometry = debiased, relax, geometry
        self.clouds = clouds
        self.centres = [self._centre(Y, b) for Y, b in zip(clouds, masses, strict=True)]
        self.radius = self._radius()
        single = p.dtype == self.xp.float32
        self.rounding = ROUNDING["float32" if single else "float64"]
        unit = float(self.xp.finfo(p.dtype).eps)
        self.floor = unit * max(1.0, self.radius**2 / eps)

    def start(self, X, starts=None):
        """Return the starting state.

        Parameters
        ----------
        X : array of shape (m, d)
            Support.
        starts : list of tuple of array, default=None
            Potentials of the plans, in the units of the cost.

        Returns
        -------
        state : FreeState
        """
        n = len(self.clouds) + self.debiased
        starts = [*(starts or []), *[None] * n][:n]
        return FreeState(X, starts=starts, patience=Patience(self.floor))

    def step(self, state):
        """Move the support."""
        plans = self._plans(state)
        state.plain, state.last = state.X + plans.step, state.length
        state.X = state.X + state.length * plans.step
        if self.relax:
            state.length = min(GROWTH * state.length, LONGEST)
        state.plans = None
        return state

    def certificate(self, state):
        """Measure the displacement; go back where a long step has failed."""
        plans = self._plans(state)
        slack = self.rounding * (abs(state.best) + self.radius**2)
        if state.last > 1.0 and not plans.objective <= state.best + slack:
            state.X, state.plans, state.length = state.plain, None, 1.0
            plans = self._plans(state)
        elif plans.displacement > state.displacement:
            # Near the end the objective no longer tells an unstable length.
            state.length = 1.0
        state.last = 1.0
        state.best = min(state.best, plans.objective)
        state.displacement = plans.displacement
        worst = float(max(plans.errors))
        return Measure(
            plans.objective,
            max(plans.displacement, worst),
            extra={"marginal_error": worst, "n_inner": state.n_inner},
            stalled=state.patience.exhausted(max(plans.displacement, worst)),
        )

    def finalize(self, state):
        """Return the support and its plans."""
        plans = self._plans(state)
        n = len(self.clouds)
        return FreeBarycenter(
            state.X,
            plans.geometries[:n],
            plans.potentials[:n],
            np.asarray(plans.errors[:n]),
            plans.displacement,
        )

    def pack(self, state):
        """Return the state as arrays and numbers."""
        return {"X": state.X, "length": state.length, "best": state.best}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        state = self.start(asarray_like(packed["X"], self.p))
        state.length, state.best = packed["length"], packed["best"]
        return state

    def _plans(self, state):
        """Return the plans at the support of the state."""
        if state.plans is None:
            tol = inner_tolerance(state.displacement, self.tol)
            plans = _Plans(self, state.X, state.starts, tol)
            state.plans, state.starts = plans, plans.starts
            state.n_inner += plans.n_iter
        return state.plans

    def _centre(self, Y, b):
        """Return the mean of a cloud, in its dtype."""
        xp = self.xp
        wide = accumulation_dtype(Y)
        mean = xp.sum(xp.astype(b, wide)[:, None] * xp.astype(Y, wide), axis=0)
        return xp.astype(mean, Y.dtype)

    def _radius(self):
        """Return the root mean square distance of the points from the common mean.

        That of the means if every cloud is one point, and one if all are the same.
        """
        pairs = zip(self.w, self.clouds, self.masses, self.centres, strict=True)
        inner = sum(w * sum64(b[:, None] * (Y - c) ** 2) for w, Y, b, c in pairs)
        first = self.centres[0]
        gaps = [c - first for c in self.centres]
        mean = sum(w * gap for w, gap in zip(self.w, gaps, strict=True))
        outer = sum(
            w * sum64((gap - mean) ** 2) for w, gap in zip(self.w, gaps, strict=True)
        )
        # The barycentre of far clouds is no wider than they are.
        return math.sqrt(inner) or math.sqrt(outer) or 1.0


class _Plans:
    """Plans between all clouds and a support, and where they send it."""

    def __init__(self, solver, X, starts, tol):
        self.solver, self.X, self.tol = solver, X, tol
        self.geometries, self.potentials, self.starts = [], [], []
        self.errors, self.objective, self.n_iter = [], 0.0, 0
        step = 0.0
        parts = zip(
            solver.clouds, solver.masses, solver.w, solver.centres, starts, strict=False
        )
        for Y, b, w, centre, start in parts:
            self.objective += w * self._solve(Y, b, start)
            step = step + w * ((centre - X) + self._send(Y - centre[None, :]))
        if solver.debiased:
            self.objective -= 0.5 * self._solve(X, solver.p, starts[-1])
            centre = solver._centre(X, solver.p)
            step = step + ((X - centre) - self._send(X - centre[None, :]))
        self.step = step
        square = sum64(solver.p[:, None] * step**2)
        self.displacement = math.sqrt(square) / solver.radius

    def _solve(self, Y, b, start):
        """Solve one problem, keep what belongs to it, and return its objective."""
        solver = self.solver
        geometry = solver.geometry(Y, self.X)
        result = solve_balanced(geometry, b, solver.p, solver.eps, self.tol, start)
        f, g = result.solution.f, result.solution.g
        self.geometries.append(geometry)
        self.potentials.append((f, g))
        self.starts.append(geometry.centring.outside(f, g))
        self.errors.append(result.certificate.value)
        self.n_iter += result.n_iter
        return result.objective + geometry.centring.offset(b, solver.p)

    def _send(self, Y):
        """Return the means of points to which the last plan sends the support."""
        xp = self.solver.xp
        geometry, (f, g) = self.geometries[-1], self.potentials[-1]
        V = xp.concat([Y, xp.ones_like(Y[:, :1])], axis=1)
        sent = geometry.apply_t(f, g, self.solver.eps, V)
        return sent[:, :-1] / sent[:, -1:]
