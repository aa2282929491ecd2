r"""Ridge models on sketches of the features, grown to an ensemble.

Problem: for each sketch S_k (p, q) and each level a,
    v_k = argmin_v  sum_i s_i (y_i - x_i'S_k v)^2 / 2 + a |v|^2 / 2,
with x_i and y_i centred where there is an intercept; the ensemble is the mean w of the
S_k v_k.

Symbols: B (n, q) = diag(s)^(1/2) X S_k, z (n,) = diag(s)^(1/2) y; d_k(a) = tr(B (B'B +
a)^-1 B') the trace of the smoother, the same for rows that are repeated in the place of
a weight; d the mean of d_k; N the number of observations, c = 1 with an intercept, else
0; r_k = z - B v_k.

One eigendecomposition of the smaller of B'B and B B' serves all levels.

Generalised cross-validation of the ensemble, consistent for its squared risk:
    R_K(a) = |mean_k r_k|^2 / (1 - (d + c) / N)^2.
The risk depends on K as R_K = R_inf + D / K. With the mean R_1 of the single models,
    R_inf = (K R_K - R_1) / (K - 1),
which is the risk of the model without a sketch at the implicit level ("ensemble
trick").

Source: P. Patil and D. LeJeune, Asymptotically free sketched ridge ensembles: risks,
cross-validation, and tuning, ICLR 2024, theorem 2 (GCV), theorem 3 (decomposition),
section 4.3 (trick).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    asarray_like,
    namespace,
    norm64,
    to_numpy,
)
from skopt2._core.random import pack_seed, unpack_seed
from skopt2._core.result import Measure
from skopt2.solvers.sketching.sketches import make_sketch


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Sums over the members so far, for each sketch size.

    Parameters
    ----------
    count : int
        Members.
    fitted : list of ndarray of shape (n, A)
        Sum of B v for each level.
    traces : list of ndarray of shape (A,)
        Sum of d_k.
    squares : list of ndarray of shape (A,)
        Sum of |r_k|^2.
    coefs : list of list of ndarray of shape (q, A)
        v_k, member by member.
    residual : float
        Largest relative residual of the normal equations.
    """

    count: int = 0
    fitted: list = field(default_factory=list)
    traces: list = field(default_factory=list)
    squares: list = field(default_factory=list)
    coefs: list = field(default_factory=list)
    residual: float = 0.0


@dataclass(frozen=True, eq=False)
class Choice:
    """The best sketch size and level of an ensemble.

    Parameters
    ----------
    size, level : int
        Their places in the grids.
    coef : ndarray of shape (p,)
        Mean of S_k v_k.
    gcv, limit, traces : ndarray of shape (sizes, A)
        R_K, R_inf and d.
    count : int
        Members.
    """

    size: int
    level: int
    coef: np.ndarray
    gcv: np.ndarray
    limit: np.ndarray
    traces: np.ndarray
    count: int


class RidgeEnsemble:
    """Grows an ensemble, in the form that the iteration loop takes.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, p)
        On any device.
    y, s : array of shape (n,)
        Target and weights with sum 1, beside X.
    fit_intercept : bool
        Whether to centre.
    sketch : str
        Kind of the sketch.
    sizes : list of int
        Sketch sizes.
    alphas : ndarray of shape (A,)
        Positive levels.
    n_members : int
        Members of the whole ensemble.
    seed : numpy.random.SeedSequence
        Of the sketches.
    n_observations : float
        N.
    run : callable
        ``run(function, items)`` returns the values of a function, in parallel.
    batch : int
        Members of one step.
    """

    name = "relative residual of the normal equations"

    def __init__(
        self,
        X,
        y,
        s,
        *,
        fit_intercept,
        sketch,
        sizes,
        alphas,
        n_members,
        seed,
        n_observations,
        run,
        batch,
    ):
        self.X, self.sketch, self.sizes, self.alphas = X, sketch, sizes, alphas
        self.n_members, self.n_observations = n_members, n_observations
        self._seed_text = pack_seed(seed)
        self._spawn(seed)
        self.run, self.batch, self.free = run, batch, float(fit_intercept)
        xp = self.xp = namespace(y)
        self.wide, self.y_dtype = accumulation_dtype(y), y.dtype
        s = xp.astype(s, self.wide)
        target = xp.astype(y, self.wide)
        self.root = s**0.5
        self.means, self.y_mean = None, 0.0
        if fit_intercept:
            self.means = np.asarray(to_numpy(X.T @ xp.astype(s, y.dtype)), dtype=float)
            self.y_mean = float(xp.sum(s * target))
            target = target - self.y_mean
        self.z = self.root * target
        # Of the target before it was centred.
        self.length = math.hypot(norm64(self.z), self.y_mean)

    @property
    def energy(self):
        """Trace of X'diag(s) X of the centred rows, as a float."""
        squares = self.X.power(2) if hasattr(self.X, "power") else self.X * self.X
        s = self.root * self.root
        values = squares.T @ namespace(s).astype(s, squares.dtype)
        total = float(np.asarray(to_numpy(values), dtype=float).sum())
        shift = 0.0 if self.means is None else float(self.means @ self.means)
        return max(total - shift, 0.0)

    def init(self):
        """Return an ensemble without members."""
        sizes, A = range(len(self.sizes)), self.alphas.size
        n = self.z.shape[0]
        return Ensemble(
            0,
            [np.zeros((n, A)) for _ in sizes],
            [np.zeros(A) for _ in sizes],
            [np.zeros(A) for _ in sizes],
            [[] for _ in sizes],
        )

    def step(self, state):
        """Add a batch of members to the ensembles of all sizes."""
        last = min(state.count + self.batch, self.n_members)
        numbers = list(range(state.count, last))
        members = self.run(self._member, numbers)
        fitted, traces, squares, coefs = [], [], [], []
        residual = state.residual
        for j in range(len(self.sizes)):
            parts = [member[j] for member in members]
            fitted.append(state.fitted[j] + sum(part[0] for part in parts))
            traces.append(state.traces[j] + sum(part[1] for part in parts))
            squares.append(state.squares[j] + sum(part[2] for part in parts))
            coefs.append([*state.coefs[j], *(part[3] for part in parts)])
            residual = max([residual, *(part[4] for part in parts)])
        return Ensemble(last, fitted, traces, squares, coefs, residual)

    def _spawn(self, seed):
        """Set one seed for each member and size."""
        self.seeds = seed.spawn(self.n_members * len(self.sizes))

    def _draw(self, k, j):
        """Return the sketch of a member and a size: the same at every call."""
        rng = np.random.default_rng(self.seeds[k * len(self.sizes) + j])
        return make_sketch(self.sketch, self.X.shape[1], self.sizes[j], rng)

    def _member(self, k):
        """Return what a member is for every size: B v, trace, |r|^2, v, residual."""
        return [self._fit(self._draw(k, j)) for j in range(len(self.sizes))]

    def _fit(self, sketch):
        xp = self.xp
        B = xp.astype(sketch.apply(self.X), self.wide)
        if self.means is not None:
            B = B - asarray_like(sketch.apply_row(self.means), self.z)
        B = B * self.root[:, None]
        alphas = asarray_like(self.alphas, self.z)
        Bt = B.T
        tall = B.shape[0] >= B.shape[1]
        squares, P = xp.linalg.eigh(Bt @ B if tall else B @ Bt)
        squares = xp.maximum(squares, xp.zeros_like(squares))
        inverse = 1.0 / (squares[:, None] + alphas[None, :])
        start = Bt @ self.z if tall else self.z
        solved = P @ (inverse * (P.T @ start)[:, None])
        v = solved if tall else Bt @ solved
        fitted = B @ v
        r = self.z[:, None] - fitted
        gap = Bt @ r - alphas[None, :] * v
        residual = float(xp.max(xp.abs(gap)))
        # What a constant target leaves is rounding, and nothing to be relative to.
        noise = 64.0 * float(xp.finfo(self.wide).eps) * self.length
        noise *= float(xp.max(squares)) ** 0.5
        if residual <= noise:
            residual = 0.0
        else:
            residual /= float(xp.max(xp.abs(Bt @ self.z)))
        trace = xp.sum(squares[:, None] * inverse, axis=0)
        values = (fitted, trace, xp.sum(r * r, axis=0), v)
        return (*(np.asarray(to_numpy(one), dtype=float) for one in values), residual)

    def paths(self, state):
        """Return R_K, R_inf and d, each (sizes, A); inf where GCV has no meaning."""
        K, z = state.count, np.asarray(to_numpy(self.z), dtype=float)
        traces = np.stack(state.traces) / K
        rest = 1.0 - (traces + self.free) / self.n_observations
        sound = rest > 1e-12
        rest = np.where(sound, rest, 1.0)
        together = np.stack([((z[:, None] - f / K) ** 2).sum(0) for f in state.fitted])
        gcv = np.where(sound, together / rest**2, np.inf)
        alone = np.stack(state.squares) / K / rest**2
        limit = np.full(gcv.shape, np.nan)
        if K > 1:
            limit = np.where(sound, (K * gcv - alone) / (K - 1.0), np.inf)
        return gcv, limit, traces

    def certificate(self, state):
        """Measure; the loop goes on until all members are there."""
        gcv, _, _ = self.paths(state)
        best = float(gcv.min())
        if not math.isfinite(best):
            raise ValueError(
                "Generalised cross-validation needs fewer degrees of freedom than "
                f"observations, n_samples={self.n_observations:g} (the sum of "
                "sample_weight): give larger alphas, a smaller sketch_size, more "
                "samples, or weights that count observations."
            )
        done = state.count == self.n_members
        value = state.residual if done else math.inf
        return Measure(best, value, extra={"members": state.count})

    def finalize(self, state):
        """Return the best size and level, and the coefficients there."""
        gcv, limit, traces = self.paths(state)
        j, a = np.unravel_index(int(np.argmin(gcv)), gcv.shape)
        coef = np.zeros(self.X.shape[1])
        for k in range(state.count):
            coef += self._draw(k, j).expand(state.coefs[j][k][:, a])
        coef /= state.count
        return Choice(int(j), int(a), coef, gcv, limit, traces, state.count)

    def pack(self, state):
        """Return the ensemble as plain arrays, for a checkpoint."""
        packed = {"count": state.count, "residual": state.residual}
        packed["seed"] = self._seed_text
        for j in range(len(self.sizes)):
            packed[f"fitted{j}"] = state.fitted[j]
            packed[f"traces{j}"] = state.traces[j]
            packed[f"squares{j}"] = state.squares[j]
            packed[f"coefs{j}"] = np.stack(state.coefs[j])
        return packed

    def unpack(self, packed):
        """Return the ensemble of a checkpoint, which goes on with its sketches."""
        self._seed_text = str(packed["seed"])
        self._spawn(unpack_seed(self._seed_text))
        sizes = range(len(self.sizes))
        return Ensemble(
            int(packed["count"]),
            *(
                [np.asarray(packed[f"{name}{j}"]) for j in sizes]
                for name in ("fitted", "traces", "squares")
            ),
            [list(np.asarray(packed[f"coefs{j}"])) for j in sizes],
            float(packed["residual"]),
        )
