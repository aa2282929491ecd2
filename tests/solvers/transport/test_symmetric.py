"""Transport of a measure to itself by averaged updates."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.certificate import dual_objective
from skopt2.solvers.transport.cost import ground_cost
from skopt2.solvers.transport.geometry import DenseGeometry
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.solvers.transport.symmetric import SymmetricScaling, self_transport
from skopt2.solvers.transport.unbalanced import UnbalancedScaling


def cloud(n=60, metric="sqeuclidean", seed=0):
    """Return masses of sum one and the costs between their points."""
    rng = np.random.default_rng(seed)
    X, a = rng.standard_normal((n, 3)), rng.random(n) ** 3 + 1e-9
    return a / a.sum(), ground_cost(metric).block(X, X)


def run(method, tol=1e-12, **options):
    """Run the loop."""
    return iterate(
        method,
        method.start(),
        tol=tol,
        max_iter=10_000,
        check_every=method.interval,
        **options,
    )


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock", "cosine"])
@pytest.mark.parametrize("eps", [1e-5, 1e-2, 1.0, 1e3])
@pytest.mark.parametrize("rho", [math.inf, 0.5])
def test_a_third_in_every_step(metric, eps, rho):
    a, cost = cloud(metric=metric)
    found = run(SymmetricScaling(DenseGeometry(cost), a, eps, rho), tol=1e-10)
    assert found.certificate.holds
    # 3^-21 < 1e-10, and some steps to come near the solution.
    assert found.n_iter <= 40
    f = found.solution.f
    rows = np.exp(logsumexp((f[:, None] + f - cost) / eps, axis=1))
    target = a * np.exp(-(f - eps * np.log(a)) / rho)
    error = 2.0 * np.abs(rows - target).sum() / rows.sum()
    assert error <= 1e-10 + 1e-13 * cost.max() / eps
    assert found.solution.g is f


def test_objective_is_that_of_both_sides():
    a, cost = cloud(30)
    found = run(SymmetricScaling(DenseGeometry(cost), a, 0.1, 0.5))
    method = UnbalancedScaling(DenseGeometry(cost), a, a, 0.1, (0.5, 0.5))
    both = iterate(
        method,
        method.start(),
        tol=1e-12,
        max_iter=1000,
        check_every=method.interval,
    )
    # Less the constant eps (sum a)^2.
    assert found.objective == pytest.approx(both.objective - 0.1, rel=1e-12)
    f, _ = method.translated(both.solution.f, both.solution.g)
    np.testing.assert_allclose(found.solution.f, f, atol=1e-10)


def test_kernels_that_are_not_positive(rng):
    # A symmetric cost of no metric: slower, but it converges.
    cost = rng.random((40, 40))
    cost = cost + cost.T
    a = np.full(40, 1 / 40)
    found = run(SymmetricScaling(DenseGeometry(cost), a, 0.05))
    assert found.certificate.holds
    assert found.n_iter < 1000


def test_start_and_resume():
    a, cost = cloud()
    method = SymmetricScaling(DenseGeometry(cost), a, 0.05)
    cold = run(method)
    state = method.start(cold.solution.f)
    assert method.certificate(state).value <= 1e-12
    state = method.start()
    for _ in range(10):
        state = method.step(state)
    packed = method.pack(state)
    resume = {"state": packed, "n_iter": 10, "history": {}}
    again = SymmetricScaling(DenseGeometry(cost), a, 0.05)
    rest = run(again, resume=resume)
    assert rest.n_iter == cold.n_iter
    np.testing.assert_allclose(rest.solution.f, cold.solution.f, atol=1e-12)


def test_single_precision_and_its_floor():
    a, cost = cloud()
    geometry = DenseGeometry(cost.astype(np.float32))
    a = a.astype(np.float32)
    found = run(SymmetricScaling(geometry, a, 0.5), tol=1e-5)
    assert found.certificate.holds
    assert found.solution.f.dtype == np.float32
    floor = run(SymmetricScaling(geometry, a, 0.5), tol=0.0)
    assert floor.reason == "stalled"
    assert floor.certificate.value < 1e-5


@pytest.mark.parametrize("kind", [PointCloudGeometry, StoredPointGeometry])
@pytest.mark.parametrize("eps", [1.0, 0.1, 0.01, 1e-3])
def test_balanced_transport_to_itself(rng, kind, eps):
    X, a = rng.standard_normal((120, 2)) + 3.0, rng.random(120) + 0.1
    a /= a.sum()
    geometry = kind(X, X)
    found = self_transport(geometry, a, eps, 1e-10)
    assert found.certificate.holds
    assert found.n_iter <= 40
    f = found.solution.f
    rows, cols = geometry.marginals(f, f, eps)
    error = np.abs(rows - a).sum() + np.abs(cols - a).sum()
    assert error == pytest.approx(found.certificate.value, abs=1e-12)
    dual = dual_objective(geometry, f, f, eps, a, a)
    assert found.objective == pytest.approx(dual, rel=1e-12)
    warm = self_transport(geometry, a, eps, 1e-10, f)
    assert warm.n_iter <= 5


def test_balanced_transport_to_itself_stops_at_rounding(rng):
    X = rng.standard_normal((50, 2)).astype(np.float32)
    a = np.full(50, 0.02, dtype=np.float32)
    found = self_transport(PointCloudGeometry(X, X), a, 0.1, 0.0)
    assert found.reason == "stalled"
    assert found.certificate.value < 1e-5
    assert found.n_iter < 100


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_units_of_the_cost_do_not_matter(scale):
    a, cost = cloud()
    plain = run(SymmetricScaling(DenseGeometry(cost), a, 0.1, 2.0))
    scaled = run(
        SymmetricScaling(DenseGeometry(scale * cost), a, scale * 0.1, scale * 2.0)
    )
    assert scaled.n_iter == plain.n_iter
    np.testing.assert_allclose(
        scaled.solution.f, scale * plain.solution.f, rtol=1e-9, atol=1e-12 * scale
    )


def test_namespaces_agree(backend):
    a, cost = cloud(20)
    expected = run(SymmetricScaling(DenseGeometry(cost), a, 0.1))
    parts = [backend.asarray(z) for z in (cost, a)]
    found = run(SymmetricScaling(DenseGeometry(parts[0]), parts[1], 0.1))
    np.testing.assert_allclose(
        backend.to_numpy(found.solution.f), expected.solution.f, atol=1e-12
    )
