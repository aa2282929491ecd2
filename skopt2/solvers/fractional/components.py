r"""Sparse directions of a sample, one after the other.

Problem of each component: min_v (abs(v)_2 + lam abs(v)_1) / sqrt(v'PCPv), as

    min_v (1/2 + 1/2 v'v + lam abs(v)_1) / sqrt(v'PCPv),

which is least at abs(v)_2 = 1; lam = alpha / (1 - alpha). C is the covariance matrix,
and P takes the components found before away: see
:mod:`skopt2.solvers.fractional.covariance_form`. With ``n_nonzero`` alpha is the
smallest, to a thousandth, with so many nonzero loadings. Where their number jumps past
it, the largest of more stay. Features are then exchanged by truncated power steps while
that adds to the variance.

One step of the sequence is one of the solver of the current component. It moves on when
that one reached the tolerance, or can gain no more; the certificate of the sequence is
the largest of all, and infinite until the last component.

Source: G. Yuan, Coordinate descent methods for fractional minimization, ICML 2023,
arXiv:2201.12691; L. Mackey, Deflation methods for sparse PCA, NeurIPS 2008; X.-T. Yuan
and T. Zhang, Truncated power method for sparse eigenvalue problems, JMLR 14, 2013.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.fractional.denominators import RootQuadratic
from skopt2.solvers.fractional.forms import Ridge
from skopt2.solvers.fractional.fractional_descent import FractionalDescent
from skopt2.solvers.fractional.gradient_subgradient import GradientSubgradient
from skopt2.solvers.fractional.parametric_descent import ParametricDescent
from skopt2.solvers.fractional.problem import FractionalProblem
from skopt2.solvers.fractional.starts import (
    leading_directions,
    power_steps,
    starting_directions,
)

SOLVERS = ("fcd", "pcd", "power")
# Halvings of the search for alpha, steps of the starts at each, and the share of the
# variance that counts as none; steps that give the loadings their last digits.
HALVINGS, TRIAL, NONE, POLISH = 10, 15, 1e-12, 200
# Most exchanges of features after the ratio has chosen k of them.
EXCHANGES = 50
# Accuracy of leading directions that are only where sparse ones start.
ROUGH = 1e-2
# Most features whose covariances are put side by side.
BLOCK = 1000
# Starts that are followed for longer, and for how many steps.
FINALISTS, LONG = 3, 100


@dataclass(frozen=True)
class Component:
    """A direction that was found.

    Parameters
    ----------
    v : ndarray of shape (p,)
        Loadings of norm 1.
    alpha, ratio, residual : float
        Its penalty, its ratio, and its certificate.
    """

    v: Any
    alpha: float
    ratio: float
    residual: float


@dataclass(frozen=True)
class SequenceState:
    """The components so far, and the one in work.

    Parameters
    ----------
    found : tuple of Component
        Finished ones.
    form : CovarianceForm
        Without their directions.
    solver : FractionalDescent
        Of the one in work.
    inner : FractionalState
        Where it is.
    alpha : float
        Its penalty.
    """

    found: tuple
    form: Any
    solver: Any
    inner: Any
    alpha: float


@dataclass(frozen=True)
class ComponentSequence:
    """Solver of one component after the other.

    Parameters
    ----------
    form : CovarianceForm
        Of the sample.
    n_components : int
        Most components.
    alpha : float
        Penalty in [0, 1).
    n_nonzero : int or None
        Nonzero loadings of a component; ``alpha`` is not used then.
    solver : {"fcd", "pcd", "power"}
        Solver of a component.
    refit : bool
        Loadings of the leading direction on the features that were selected.
    n_init : int
        Starts of a component.
    tol : float
        Tolerance of a component.
    random_state : int
        Draws the orders of sweeps.
    """

    form: Any
    n_components: int
    alpha: float
    n_nonzero: Any
    solver: str
    refit: bool
    n_init: int
    tol: float
    random_state: int

    def init(self):
        """Return the state at the start of the first component.

        Returns
        -------
        state : SequenceState or None
            None where the sample has no variance.
        """
        return self._begin((), self.form)

    def _begin(self, found, form):
        """Return the state at the start of a component, None if nothing is left."""
        if not form.diagonal.sum() > NONE * form.total:
            return None
        dense = self.alpha == 0.0
        if self.n_nonzero is not None:
            dense = self.n_nonzero >= self._p
        V = starting_directions(form, self.n_init, 0.0 if dense else ROUGH)
        alpha = self.alpha if self.n_nonzero is None else self._search(form, V)
        V, ratios = power_steps(form, V, alpha / (1.0 - alpha))
        # Early ranks may change: a few of the best go on before one is chosen.
        V = V[:, np.argsort(ratios, kind="stable")[:FINALISTS]]
        V, ratios = power_steps(form, V, alpha / (1.0 - alpha), LONG)
        best = int(np.argmin(ratios))
        if self.n_nonzero is not None and self.refit:
            # Their number is given: what counts is what so many loadings explain.
            best = int(np.argmax([self._explained(form, v) for v in V.T]))
        return self._at(found, form, alpha, V[:, best])

    def _explained(self, form, v):
        """Return the variance that a direction explains with k loadings."""
        v = exchanged(
            form, leading_on(form, largest(v, self.n_nonzero)), self.n_nonzero
        )
        return float(v @ form.products(v))

    def _at(self, found, form, alpha, v):
        problem = FractionalProblem(
            Ridge(v.size), alpha / (1.0 - alpha), RootQuadratic(form)
        )
        if self.solver == "power":
            solver = GradientSubgradient(problem)
        else:
            kind = FractionalDescent if self.solver == "fcd" else ParametricDescent
            solver = kind(problem, random_state=self.random_state + len(found))
        return SequenceState(found, form, solver, solver.init(v), alpha)

    def _search(self, form, V):
        """Return the smallest alpha, to a thousandth, with k nonzero loadings.

        Where the number jumps past k, that just before the jump, with more.
        """
        k = self.n_nonzero
        if k >= form.diagonal.size:
            return 0.0
        low, high, few = 0.0, 1.0, 1
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            lam = middle / (1.0 - middle)
            tried, ratios = power_steps(form, V, lam, TRIAL, 1e-3)
            count = np.count_nonzero(tried[:, int(np.argmin(ratios))])
            if count > k:
                # Directions that are too dense are a good start for less dense ones.
                low, V = middle, tried
            else:
                high, few = middle, count
        return high if few == k and high < 1.0 else low

    def step(self, state):
        """Return the state after one step of the component in work, or of the next.

        Parameters
        ----------
        state : SequenceState
            Any.

        Returns
        -------
        state : SequenceState
            With the same components found, or one more.
        """
        if self._done(state) and not self._last(state):
            state = self._begin(*self._finished(state))
        return replace(state, inner=state.solver.step(state.inner))

    def _done(self, state):
        measure = state.solver.certificate(state.inner)
        # A step at least, so that every component has a row in the history.
        stepped = state.inner.n_steps > 0
        return stepped and (measure.value <= self.tol or measure.stalled)

    def _finished(self, state):
        """Return the components with the one in work, and the form without it."""
        found = (*state.found, self.component(state))
        return found, state.form.deflated(found[-1].v)

    def _last(self, state):
        if len(state.found) + 1 >= self.n_components:
            return True
        _, form = self._finished(state)
        return not form.diagonal.sum() > NONE * form.total

    def component(self, state):
        """Return the component in work.

        Parameters
        ----------
        state : SequenceState
            Any.

        Returns
        -------
        component : Component
            Refitted if asked, with its largest loading positive.
        """
        inner, form, k = state.inner, state.form, self.n_nonzero
        v = inner.x / np.linalg.norm(inner.x)
        if k is not None and np.count_nonzero(v) > k:
            ids = largest(v, k)
            v = np.bincount(ids, v[ids], v.size)
            v /= np.linalg.norm(v)
        elif not self.refit and np.count_nonzero(v) > 1:
            # A gain of eps leaves half of the digits of the loadings open.
            ids, lam = np.flatnonzero(v), state.solver.problem.lam
            part = _Restricted(form, ids)
            v[ids] = power_steps(part, v[ids, None], lam, POLISH, 1e-15)[0][:, 0]
        if self.refit:
            v = leading_on(form, np.flatnonzero(v))
            v = v if k is None else exchanged(form, v, k)
        v = v if v[np.abs(v).argmax()] > 0.0 else -v
        residual = state.solver.certificate(inner).value
        return Component(v, state.alpha, inner.ratio, residual)

    def certificate(self, state):
        """Measure a state.

        Parameters
        ----------
        state : SequenceState
            Any.

        Returns
        -------
        measure : Measure
            Sum of the ratios so far, largest certificate.
        """
        inner = state.solver.certificate(state.inner)
        last = self._done(state) and self._last(state)
        value = max([inner.value, *(c.residual for c in state.found)])
        return Measure(
            sum(c.ratio for c in state.found) + inner.objective,
            value if last else math.inf,
            extra={
                "component": len(state.found),
                "ratio": inner.objective,
                "residual": inner.value,
                **inner.extra,
            },
            stalled=last and value > self.tol,
        )

    def finalize(self, state):
        """Return the state itself."""
        return state

    def pack(self, state):
        """Return a state for a checkpoint."""
        return {
            "loadings": np.array([c.v for c in state.found]).reshape(-1, self._p),
            "figures": np.array(
                [(c.alpha, c.ratio, c.residual) for c in state.found]
            ).reshape(-1, 3),
            "alpha": state.alpha,
            **state.solver.pack(state.inner),
        }

    @property
    def _p(self):
        return self.form.diagonal.size

    def unpack(self, packed):
        """Return the state of a checkpoint."""
        found, form = (), self.form
        for v, figures in zip(packed["loadings"], packed["figures"], strict=True):
            found = (*found, Component(v, *(float(figure) for figure in figures)))
            form = form.deflated(v)
        state = self._at(found, form, float(packed["alpha"]), packed["x"])
        return replace(state, inner=state.solver.unpack(packed))


def largest(v, k):
    """Return the places of the k largest absolute values, in increasing order."""
    return np.sort(np.argsort(-np.abs(v), kind="stable")[:k])


def leading_on(form, ids):
    """Return the leading direction on some features, in all p."""
    v = np.zeros(form.diagonal.size)
    v[ids] = leading_directions(_Restricted(form, ids), 1)[:, 0]
    return v


def exchanged(form, v, k):
    """Return a direction with k nonzero loadings and no less variance than one.

    The features of the k largest entries of Cv are those of one truncated power step,
    which does not lower the variance, and their leading direction has no less.
    """
    variance = float(v @ form.products(v))
    for _ in range(EXCHANGES):
        other = leading_on(form, largest(form.products(v), k))
        gained = float(other @ form.products(other))
        if not gained > variance * (1.0 + 1e-10):
            break
        v, variance = other, gained
    return v


class _Restricted:
    """A form on some coordinates; only a few of them get a matrix."""

    def __init__(self, form, ids):
        self.form, self.ids = form, ids
        self.H = form.gram(ids) if ids.size <= BLOCK else None
        self.diagonal = form.diagonal[ids]

    def products(self, V):
        if self.H is not None:
            return self.H @ V
        full = np.zeros((self.form.diagonal.size, *V.shape[1:]))
        full[self.ids] = V
        return self.form.products(full)[self.ids]
