"""Short cases of :mod:`benchmarks.transport`, and of Gromov and barycentres."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.short.clock import steady
from benchmarks.short.contest import Contest, Outcome, choose
from benchmarks.short.race import Entry, Race
from benchmarks.transport_cases import build, find, prepare

_REPEAT = 3


@dataclass(frozen=True, kw_only=True)
class TransportContest(Contest):
    """A contest whose libraries have adapters in :mod:`benchmarks.transport_peers`.

    Attributes
    ----------
    case : str
        Of :data:`benchmarks.transport_cases.CASES`.
    """

    case: str

    def enter(self, library, place):
        """Search the fastest setting of every method that solves the problem."""
        from benchmarks.transport_peers.base import load_peer
        from benchmarks.transport_timing import search

        peer = load_peer("reference" if library == "numpy" else library)
        case = find(self.case)
        prepare(case, place.cache, place.data)
        problem, outcomes = build(case, place.cache), []
        methods = [one for one in peer.variants(problem) if one not in peer.exact]
        if library == "skopt2":
            methods = ["auto"]
        first, prepared = None, peer.prepare(problem)
        for method in methods:
            share = place.limit / (2.0 * len(methods))
            found = search(peer, problem, method, (self.target,), _REPEAT, share)
            first = found["preparing"] if first is None else first
            best = found["best"][0] or min(found["runs"], key=lambda one: one["error"])
            asked = method, best["tol"], best["budget"]
            spent = steady(partial(peer.solve, prepared, *asked), best["cpu"])
            setting = f"{method} tol={best['tol']:.0e}"
            outcomes.append(Outcome(library, spent, best["error"], setting=setting))
        if not outcomes:
            return Outcome(library, error="does not solve the problem")
        return replace(choose(self, outcomes), first=first)


_CALL = (
    "A problem of a hundred points that some sweeps solve: checking the arguments and "
    "the certificate takes longer."
)
_ENTROPIC = "optimal transport"


def _entropic(name, case, peers, target=1e-6, remark=""):
    return TransportContest(
        family=_ENTROPIC,
        name=name,
        case=case,
        measure="marginal error",
        target=target,
        peers=peers,
        remark=remark,
    )


def _spaces(n):
    """Points of a helix, and the same turned, stretched and shuffled, with noise."""

    def make(place):
        rng = np.random.default_rng(0)
        t = np.sort(rng.random(n))
        X = np.c_[np.cos(6 * t), np.sin(6 * t), 2 * t]
        Y = X[rng.permutation(n)] @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
        Y = Y + 0.05 * rng.standard_normal(Y.shape)
        costs = [((Z[:, None] - Z[None]) ** 2).sum(axis=2) for Z in (X, Y)]
        top = max(C.max() for C in costs)
        return costs[0] / top, costs[1] / top, 5e-3

    return make


def _gromov_error(problem, P):
    """Distance of a plan from the entropic plan of its own linearised cost, in L1.

    The fixed points of this map are the stationary plans of the entropic problem, for
    the squared loss, whose gradient is twice the linearised cost of Peyre and others
    (2016). The scaling runs here until its marginals are exact to 1e-10.
    """
    A, B, reg = problem
    n, m = P.shape
    if not np.all(np.isfinite(P)) or P.sum() < 0.5:
        return np.inf
    a, b = np.full(n, 1.0 / n), np.full(m, 1.0 / m)
    C = (A**2 @ a)[:, None] + (B**2 @ b)[None] - 2.0 * A @ P @ B.T
    C = 2.0 * (C - C.min())
    K = np.exp(-C / reg)
    u, v = a, b
    for _ in range(30_000):
        u = a / np.maximum(K @ v, 1e-300)
        v = b / np.maximum(K.T @ u, 1e-300)
        if np.abs(u * (K @ v) - a).sum() < 1e-10:
            break
    return np.abs(u[:, None] * K * v[None] - P).sum()


def _gromov_skopt2(problem, tol):
    from skopt2.transport import gromov_wasserstein

    A, B, reg = problem
    return gromov_wasserstein(A, B, reg=reg, tol=tol).plan


def _gromov_pot(solver):
    def run(problem, tol):
        import ot

        A, B, reg = problem
        a, b = (np.full(len(C), 1.0 / len(C)) for C in (A, B))
        return ot.gromov.entropic_gromov_wasserstein(
            A,
            B,
            a,
            b,
            loss_fun="square_loss",
            epsilon=reg,
            solver=solver,
            max_iter=2000,
            tol=tol,
            # of the scaling within each step
            numItermax=20_000,
            stopThr=1e-2 * tol,
        )

    return run


def _gromov_ott(problem, tol):
    import jax
    from ott.geometry import geometry
    from ott.problems.quadratic import quadratic_problem
    from ott.solvers.linear import sinkhorn
    from ott.solvers.quadratic import gromov_wasserstein

    jax.config.update("jax_enable_x64", True)
    A, B, reg = problem
    posed = quadratic_problem.QuadraticProblem(
        geometry.Geometry(cost_matrix=A), geometry.Geometry(cost_matrix=B)
    )
    solver = gromov_wasserstein.GromovWasserstein(
        linear_solver=sinkhorn.Sinkhorn(threshold=tol, max_iterations=5000),
        # its linearised cost is half the gradient
        epsilon=0.5 * reg,
        threshold=tol,
        max_iterations=500,
    )
    return np.asarray(solver(posed).matrix)


def _gromov(n, remark=""):
    tolerances = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
    return Race(
        family="Gromov-Wasserstein",
        name=f"helix, n = {n}",
        measure="fixed-point error",
        target=1e-5,
        peers=("pot", "ott"),
        make=_spaces(n),
        entries={
            "skopt2": (Entry(_gromov_skopt2, (1e-5,)),),
            "pot": (Entry(_gromov_pot("PGD"), tolerances, "PGD"),),
            "ott": (Entry(_gromov_ott, tolerances, compiles=True),),
        },
        judge=_gromov_error,
        remark=remark,
    )


def _histograms(k, side):
    """Smooth random images, or histograms on a line, positive, of sum one."""

    def make(place):
        from scipy.ndimage import gaussian_filter

        rng = np.random.default_rng(0)
        images = rng.random((k, *side)) ** 8
        images = np.stack([gaussian_filter(one, 2.0) for one in images]) + 1e-6
        images /= images.reshape(k, -1).sum(axis=1).reshape(k, *([1] * len(side)))
        return images, 2.0 if len(side) == 2 else 20.0

    return make


def _grid_cost(shape):
    grid = np.indices(shape).reshape(len(shape), -1).T.astype(float)
    return ((grid[:, None] - grid[None]) ** 2).sum(axis=2)


def _barycenter_error(problem, p):
    """How far a histogram is from stationary: L1 norm of the projected gradient map.

    With potentials g_k of p in the entropic transport to each measure, solved here, the
    histogram p prod_k exp(-g_k / (K reg)) is p itself where p is the barycentre.
    """
    images, reg = problem
    B = images.reshape(len(images), -1).T
    p = np.asarray(p, dtype=float).ravel()
    if not np.all(np.isfinite(p)) or p.min() < 0:
        return np.inf
    p = p / p.sum()
    K = np.exp(-_grid_cost(images.shape[1:]) / reg)
    U = np.ones_like(B)
    for _ in range(2000):
        V = B / np.maximum(K.T @ U, 1e-300)
        old, U = U, p[:, None] / np.maximum(K @ V, 1e-300)
        if np.abs(np.log(np.maximum(U, 1e-300) / np.maximum(old, 1e-300))).max() < 1e-7:
            break
    logs = np.log(np.maximum(U, 1e-300))
    q = p * np.exp(-(logs - logs.mean(axis=0)).mean(axis=1))
    return np.abs(q / q.sum() - p).sum()


def _barycenter_skopt2(problem, tol):
    from skopt2.transport import wasserstein_barycenter

    return wasserstein_barycenter(problem[0], reg=problem[1], tol=tol).barycenter


def _barycenter_pot(problem, tol):
    import ot

    images, reg = problem
    flat = np.ascontiguousarray(images.reshape(len(images), -1).T)
    cost = _grid_cost(images.shape[1:])
    return ot.bregman.barycenter(flat, cost, reg, numItermax=20_000, stopThr=tol)


def _barycenter_pot_images(problem, tol):
    import ot

    images, reg = problem
    # Its kernel is that of a square of side one.
    unit = reg / (images.shape[1] - 1) ** 2
    return ot.bregman.convolutional_barycenter2d(
        images, unit, numItermax=20_000, stopThr=tol
    )


def _barycenter(name, k, side):
    tolerances = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
    entries = [Entry(_barycenter_pot, tolerances, "barycenter")]
    if len(side) == 2:
        entries.append(Entry(_barycenter_pot_images, tolerances, "convolutional"))
    return Race(
        family="barycentres",
        name=name,
        measure="fixed-point error",
        target=1e-3,
        peers=("pot",),
        make=_histograms(k, side),
        entries={
            "skopt2": (Entry(_barycenter_skopt2, (1e-5, 1e-6, 1e-7)),),
            "pot": tuple(entries),
        },
        judge=_barycenter_error,
    )


_ALL = "pot", "ott", "geomloss", "numpy"

CONTESTS = (
    _entropic(
        "plane, 100 points, reg 0.1", "u2-100-1e-1", ("pot", "numpy"), 1e-6, _CALL
    ),
    _entropic("plane, 1000, reg 0.01", "u2-1000-1e-2", _ALL),
    _entropic("10-d, 1000, reg 0.001", "u10-1000-1e-3", ("pot", "numpy")),
    _entropic("assignment, 500", "lap-u", ("pot", "numpy")),
    _entropic("digits, 784 pixels", "digits-l2", ("pot", "numpy")),
    _gromov(100),
    _gromov(300),
    _barycenter("5 histograms of 100", 5, (100,)),
    _barycenter("4 images of 24 x 24", 4, (24, 24)),
)
