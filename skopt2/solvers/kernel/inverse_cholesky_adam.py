"""Variational posterior of a sparse process by stochastic gradients.

The bound of :mod:`skopt2.solvers.kernel.inverse_cholesky_bound` is maximised over the
mean m and the entries of V at the pattern, the diagonal by its logarithm, with Adam on
batches of groups of rows. One step of the iteration loop is one pass over the rows.

The start matters: it is the posterior of natural steps, or that of a few of them.

Symbols: U, V sparse factors; m (n,); values (n, k + 1) the entries of V.

Cao et al., ICML 2023, section 4.4, who start from a Laplace approximation with an
incomplete factor; Kingma and Ba, Adam, ICLR 2015.
"""

from dataclasses import dataclass

import numpy as np

from skopt2._core.result import Measure
from skopt2.solvers.kernel.inverse_cholesky_ancestors import marginal_variances
from skopt2.solvers.kernel.inverse_cholesky_sparse import SparseFactor

_FIRST, _SECOND, _EPS = 0.9, 0.999, 1e-8
# Share of the passes after which the step size is a tenth.
_LATE = 0.7


@dataclass
class AdamState:
    """Where the stochastic gradients stand; changed in place.

    Parameters
    ----------
    mean : ndarray of shape (n,)
        m.
    values : ndarray of shape (n, k + 1)
        Entries of V, the logarithm of the diagonal last.
    first, second : list of two ndarrays
        Running means of the gradients of both, and of their squares.
    n_steps, n_passes : int
        So far.
    """

    mean: np.ndarray
    values: np.ndarray
    first: list
    second: list
    n_steps: int = 0
    n_passes: int = 0


class AdamSolver:
    """Solver for the iteration loop.

    Parameters
    ----------
    bound : EvidenceBound
        What to maximise.
    rng : numpy.random.Generator
        Draws the batches.
    n_passes : int
        Passes that the step sizes are planned for.
    step_size : float, default=0.01
        Of Adam, in units of the deviations of the process at the start.
    batch_size : int, default=256
        Rows of a batch, roughly.
    """

    def __init__(self, bound, rng, n_passes, *, step_size=0.01, batch_size=256):
        self.bound, self.n_passes = bound, n_passes
        # A fit that resumes draws the batches of its passes as it would have.
        self._seed = int(rng.integers(2**63))
        self.step_size, self.batch_size = step_size, batch_size

    def start(self, mean, factor):
        """Return the state at a posterior."""
        values = factor.values.copy()
        values[:, -1] = np.log(values[:, -1])
        zeros = [np.zeros_like(mean), np.zeros_like(values)]
        # Steps are relative to the deviations of f: those of the mean directly, those
        # of an entry V_ji, which f_j is multiplied by, inversely.
        deviations = np.sqrt(marginal_variances(factor, self.bound.points))
        neighbours = factor.neighbours
        self._units = (
            deviations,
            np.where(neighbours >= 0, 1.0 / deviations[neighbours], 0.0),
        )
        return AdamState(mean.copy(), values, zeros, [x.copy() for x in zeros])

    def step(self, state):
        """Go through the rows once, in batches of groups."""
        rng = np.random.default_rng([self._seed, state.n_passes])
        groups = rng.permutation(len(self.bound.groups))
        size = np.mean([rows.size for rows in self.bound.groups])
        n_batches = max(1, round(len(groups) * size / self.batch_size))
        late = state.n_passes >= _LATE * self.n_passes
        length = self.step_size * (0.1 if late else 1.0)
        for batch in np.array_split(groups, min(n_batches, len(groups))):
            self._move(state, batch, length)
        state.n_passes += 1
        return state

    def _move(self, state, batch, length):
        """Take one step."""
        factor = self.factor(state)
        _, by_mean, by_values = self.bound.gradient(state.mean, factor, batch)
        unit, column = self._units
        by_mean *= unit
        by_values[:, :-1] *= column
        by_values[:, -1] *= factor.values[:, -1]
        state.n_steps += 1
        moves = []
        for k, slope in enumerate((by_mean, by_values)):
            state.first[k] += (1 - _FIRST) * (slope - state.first[k])
            state.second[k] += (1 - _SECOND) * (slope * slope - state.second[k])
            m = state.first[k] / (1 - _FIRST**state.n_steps)
            v = state.second[k] / (1 - _SECOND**state.n_steps)
            moves.append(length * m / (np.sqrt(v) + _EPS))
        state.mean += unit * moves[0]
        state.values[:, :-1] += column * moves[1][:, :-1]
        state.values[:, -1] += moves[1][:, -1]

    def factor(self, state):
        """Return V."""
        values = state.values.copy()
        values[:, -1] = np.exp(values[:, -1])
        return SparseFactor(self.bound.prior.neighbours, values)

    def certificate(self, state):
        """Return the bound, negated, and the relative size of its gradient by m."""
        bound, by_mean, _ = self.bound.gradient(state.mean, self.factor(state))
        U = self.bound.prior
        pull = U.product(U.transposed_product(state.mean))
        scale = np.linalg.norm(pull) + np.linalg.norm(by_mean)
        value = np.linalg.norm(by_mean) / max(scale, np.finfo(float).tiny)
        return Measure(-bound, float(value))

    def finalize(self, state):
        """Return m and V."""
        return state.mean, self.factor(state)

    def pack(self, state):
        """Return the state as a dictionary, for checkpoints."""
        packed = dict(vars(state))
        for name in ("first", "second"):
            packed[f"{name}.mean"], packed[f"{name}.values"] = packed.pop(name)
        return packed

    def unpack(self, packed):
        """Return the state of a dictionary."""
        packed = dict(packed)
        for name in ("first", "second"):
            packed[name] = [packed.pop(f"{name}.{part}") for part in ("mean", "values")]
        return AdamState(**packed)
