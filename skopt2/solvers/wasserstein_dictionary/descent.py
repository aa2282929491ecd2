"""Block coordinate descent with proximal regularisation, in the dual.

Problem: min over T and F_1, ..., F_d of f = (1 / N) sum_i H_{x_i}(q_i), with the loss
of :mod:`.loss` and the mixtures q of :mod:`.mixture`; every row of every block lies on
a simplex.

One block theta at a time, the others fixed:

    theta <- argmin f(theta) + rho * sum_i, or j, t_j KL(theta_j | theta_j old),

which is BCD-PR with an entropic proximal term; t_j is the share of the mass that row j
carries (1 / N for codes, mean_i T_ij for factors). With slopes c(g) of the block and
s_j = c_j / t_j, the dual to minimise over potentials g (N, n) is smooth,

    Phi(g) = (1 / N) sum_i H*(g_i) + rho sum_j t_j log sum_b theta_jb exp(-s_jb / rho),

with theta(g) = softmax(log theta old - s / rho) and the gradient (q*(g) - q(g)) / N.
Since s is a convex combination of potentials, Phi(g + u) - Phi(g) is at most

    (1 / N) sum eps q* (exp(u / eps) - 1) + rho q (exp(-u / rho) - 1),

by log(1 + a) <= a and the convexity of exp. Its minimiser

    u = eps rho / (eps + rho) * (log q - log q*)

is the dual step: a damped Sinkhorn scaling that never increases Phi. A block is solved
as exactly as it moves: until |q - q*|_1 <= inexact * |q - q old|_1. A sweep that would
increase f is taken again with blocks solved more exactly.

Certificate: sup <-grad f, theta' - theta> over theta' in the feasible set, summed over
the blocks, in units of ``scale``: a closed form on simplices. It is no less than the
same supremum inside the unit ball, which is how stationarity is measured for BCD-PR,
and no less than what minimising over one block could still gain. The slopes are those
of potentials with |q - q*|_1 > 0, so the certificate is never below the mean of that.

Symbols: N rows, n bins, k atoms, T (N, k), F_m (k, n_m), g (N, n), q (N, n), eps and
rho > 0.

Source: D. Kwon and H. Lyu, Complexity of block coordinate descent with proximal
regularization and applications to Wasserstein CP-dictionary learning, ICML 2023,
algorithm BCD-PR and the dual of its Wasserstein application; A. Rolet, M. Cuturi and
G. Peyre, AISTATS 2016 (duals of both blocks). The scaling step is derived here.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skopt2._core.array import asarray_like, dot64, namespace, sum64
from skopt2._core.result import Measure
from skopt2.solvers.transport.anderson import Anderson
from skopt2.solvers.wasserstein_dictionary.loss import distance, proximal

# Dual steps for a block and for the potentials of a measure, at most.
BLOCK_STEPS, POLISH_STEPS = 100, 60
# Memory of the acceleration of dual steps, and the growth of the mismatch, over the
# smallest, at which it is given up.
MEMORY, SETBACK = 6, 3.0
# Error of the potentials of a measure, as a share of the certificate before.
POLISH = 1e-2
# Times that a sweep is taken again, and what that does to the tolerance of blocks.
RETRIES, STRICTER = 3, 0.1


@dataclass(frozen=True, eq=False)
class DictionaryState:
    """Where the solver stands.

    Parameters
    ----------
    T : array of shape (N, k)
        Codes.
    factors : list of array of shape (k, n_m)
        Factors of the modes.
    g : array of shape (N, n)
        Potentials of the mixtures.
    objective : float
        Mean loss, infinite where it is not known.
    gap : float
        Certificate.
    inexact : float
        Error to which blocks are solved, as a share of their moves.
    stalled : bool
        Whether rounding forbids progress.
    """

    T: Any
    factors: Any
    g: Any
    objective: float = math.inf
    gap: float = 1.0
    inexact: float = 0.1
    stalled: bool = False


class DictionaryDescent:
    """BCD-PR for dictionaries of histograms; a solver for ``iterate``.

    Parameters
    ----------
    loss : EntropicLoss
        Of the rows to learn from.
    mixture : Mixture
        How codes and factors make mixtures.
    rho : float
        Weight of the proximal term, in units of the cost.
    scale : float
        Unit of the certificate.
    """

    name = "bcd-pr"

    def __init__(self, loss, mixture, rho, scale):
        self.loss, self.mixture, self.rho, self.scale = loss, mixture, rho, scale
        self.damping = rho / (loss.eps + rho)
        self.floor = 8.0 * float(namespace(loss.X).finfo(loss.X.dtype).eps)

    def start(self, T, factors):
        """Return the state at codes and factors, measured."""
        g = namespace(T).zeros_like(self.loss.X)
        return self._measured(DictionaryState(T, list(factors), g))

    def step(self, state):
        """Take one sweep over all blocks; never one that increases the objective."""
        inexact = state.inexact
        slack = self.floor * max(1.0, abs(state.objective) / self.scale) * self.scale
        for _ in range(RETRIES + 1):
            new = self._sweep(state, inexact)
            if not new.objective > state.objective + slack:
                return new
            inexact *= STRICTER
        return replace(state, stalled=True)

    def certificate(self, state):
        """Return the objective and the measure of stationarity."""
        return Measure(state.objective, state.gap, stalled=state.stalled)

    def finalize(self, state):
        """Return the state itself."""
        return state

    def pack(self, state):
        """Return the state as arrays and numbers."""
        packed = {f"factor_{m}": F for m, F in enumerate(state.factors)}
        names = ("T", "g", "objective", "gap", "inexact", "stalled")
        return {**packed, **{name: getattr(state, name) for name in names}}

    def unpack(self, packed):
        """Return the state of what :meth:`pack` returned."""
        X, count = self.loss.X, len(self.mixture.lengths)
        factors = [asarray_like(packed[f"factor_{m}"], X) for m in range(count)]
        T, g = asarray_like(packed["T"], X), asarray_like(packed["g"], X)
        names = ("objective", "gap", "inexact", "stalled")
        return DictionaryState(T, factors, g, **{k: packed[k] for k in names})

    def _sweep(self, state, inexact):
        """Return the measured state after one sweep."""
        T, factors, g = state.T, list(state.factors), state.g
        D = self.mixture.atoms(factors)
        T, g = self._block(T, g, lambda g: g @ D.T, lambda T: T @ D, inexact)
        for mode in range(len(factors)):
            factors[mode], g = self._factor(T, factors, g, mode, inexact)
        new = DictionaryState(T, factors, g, gap=state.gap, inexact=inexact)
        return self._measured(new)

    def _factor(self, T, factors, g, mode, inexact):
        """Return the new factors of one mode, and potentials."""
        xp, mixture = namespace(T), self.mixture
        share = xp.mean(T, axis=0)[:, None]
        share = xp.where(share > self.loss.tiny, share, share + self.loss.tiny)

        def slope(g):
            return mixture.slope(T, g, factors, mode) / share

        def mix(F):
            return T @ mixture.atoms([*factors[:mode], F, *factors[mode + 1 :]])

        return self._block(factors[mode], g, slope, mix, inexact)

    def _block(self, theta, g, slope, mix, inexact):
        """Return the proximal step of a block by dual steps, and potentials."""
        old, before = theta, mix(theta)

        def image(g):
            theta = self._bounded(proximal(old, slope(g), self.rho))
            q = mix(theta)
            new, mismatch = self.loss.ascend(g, q, self.damping)
            aim = inexact * sum64(distance(q, before))
            return theta, q, new, sum64(mismatch), aim

        return self._settle(image, g, BLOCK_STEPS)

    def _settle(self, image, g, limit):
        """Repeat dual steps, accelerated, until their mismatch is small enough.

        Parameters
        ----------
        image : callable
            Returns at potentials g: block, mixtures, next potentials, the mismatch of
            g and its tolerance.
        g : array of shape (N, n)
            Where to start.
        limit : int
            Largest number of steps.

        Returns
        -------
        theta : array
            Block.
        g : array of shape (N, n)
            Potentials.
        """
        anderson, least, kept = Anderson(MEMORY), math.inf, None
        lowest = self.floor * int(g.shape[0])
        for _ in range(limit):
            theta, q, new, mismatch, aim = image(g)
            if mismatch <= max(aim, lowest):
                return theta, new
            if mismatch <= SETBACK * least:
                g = anderson.next(g, new, namespace(q).sqrt(q))
            else:
                # An accelerated step went astray: back to the best, without memory.
                anderson.clear()
                g = kept[1]
                least = math.inf
                continue
            if mismatch < least:
                least, kept = mismatch, (theta, new)
        return kept if kept is not None else (theta, new)

    def _bounded(self, theta):
        """Return rows with masses that a later step can still raise."""
        xp, tiny = namespace(theta), self.loss.tiny
        return xp.where(theta > tiny, theta, xp.zeros_like(theta) + tiny)

    def _measured(self, state):
        """Return the state with potentials of its mixtures, objective and gap."""
        D = self.mixture.atoms(state.factors)
        q, g = state.T @ D, state.g
        aim = max(POLISH * min(state.gap, 1.0), self.floor) * int(q.shape[0])

        def image(g):
            new, mismatch = self.loss.ascend(g, q)
            return None, q, new, sum64(mismatch), aim

        _, g = self._settle(image, g, POLISH_STEPS)
        gaps = self.gaps(state.T, state.factors, g)
        value = self.loss.value(g, q)
        _, mismatch = self.loss.ascend(g, q)
        gap = max(sum(gaps) / self.scale, sum64(mismatch) / int(q.shape[0]))
        return replace(state, g=g, objective=value, gap=gap)

    def gaps(self, T, factors, g):
        """Return sup <-grad f, theta' - theta> of every block, codes first.

        Parameters
        ----------
        T : array of shape (N, k)
            Codes.
        factors : list of array of shape (k, n_m)
            Factors.
        g : array of shape (N, n)
            Potentials of their mixtures.
        """
        slopes = g @ self.mixture.atoms(factors).T * (1.0 / int(T.shape[0]))
        found = [_gap(T, slopes)]
        for mode, F in enumerate(factors):
            found.append(_gap(F, self.mixture.slope(T, g, factors, mode)))
        return found


def _gap(theta, c):
    """Return sum_j <c_j, theta_j> - min c_j; nothing where rounding makes it less."""
    lowest = namespace(c).min(c, axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        return max(dot64(theta, c - lowest), 0.0)
