"""OTT-JAX: float64, compiled for each number of iterations before any clock runs.

``lse`` is its default, ``kernel`` multiplies by the kernel instead (fast and open to
underflow), ``momentum`` its adaptive over-relaxation and ``anderson`` its
acceleration with five memories.
"""

import time

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import ott  # noqa: E402
from ott.geometry import geometry, pointcloud  # noqa: E402
from ott.problems.linear import linear_problem  # noqa: E402
from ott.solvers.linear import acceleration, sinkhorn  # noqa: E402

from benchmarks.transport_certificates import Answer  # noqa: E402
from benchmarks.transport_peers.base import Peer  # noqa: E402

_BATCH = 512
_INNER = 10


def _options(variant):
    if variant == "kernel":
        return {"lse_mode": False}
    if variant == "momentum":
        return {"momentum": acceleration.Momentum(start=100, error_threshold=1e-1)}
    if variant == "anderson":
        return {"anderson": acceleration.AndersonAcceleration(memory=5)}
    return {}


class _Prepared:
    """Device arrays and the programs compiled so far."""

    def __init__(self, problem):
        self.problem = problem
        self.cost = None if problem.C is None else jnp.asarray(problem.C)
        self.X = None if problem.X is None else jnp.asarray(problem.X)
        self.Y = None if problem.Y is None else jnp.asarray(problem.Y)
        self.a, self.b = jnp.asarray(problem.a), jnp.asarray(problem.b)
        self.programs = {}

    def program(self, variant, budget):
        """Return the compiled solver and the seconds that compiling it took."""
        key = variant, budget
        if key not in self.programs:
            start = time.perf_counter()
            data = (self.a, self.b, *self.costs())
            jitted = jax.jit(self._build(variant, budget))
            program = jitted.lower(1e-3, *data).compile()
            self.programs[key] = program, time.perf_counter() - start
        return self.programs[key]

    def costs(self):
        return (self.X, self.Y) if self.cost is None else (self.cost,)

    def _build(self, variant, budget):
        reg = self.problem.reg

        def solve(threshold, a, b, *data):
            if len(data) == 2:
                geom = pointcloud.PointCloud(*data, epsilon=reg, batch_size=_BATCH)
            else:
                geom = geometry.Geometry(cost_matrix=data[0], epsilon=reg)
            solver = sinkhorn.Sinkhorn(
                threshold=threshold,
                max_iterations=budget,
                inner_iterations=min(_INNER, budget),
                **_options(variant),
            )
            out = solver(linear_problem.LinearProblem(geom, a, b))
            return out.f, out.g, out.n_iters

        return solve


class OttPeer(Peer):
    """Adapter of OTT-JAX."""

    version = f"{ott.__version__} (jax {jax.__version__})"

    def variants(self, problem):
        if problem.C is None:
            return ("lse",)
        return ("lse", "kernel", "momentum", "anderson")

    def prepare(self, problem):
        return _Prepared(problem)

    def compile(self, prepared, variant, budget):
        return prepared.program(variant, budget)[1]

    def solve(self, prepared, variant, tol, budget):
        program, _ = prepared.program(variant, budget)
        f, g, n_iter = program(tol, prepared.a, prepared.b, *prepared.costs())
        return Answer(np.asarray(f), np.asarray(g), int(n_iter))


ADAPTER = OttPeer()
