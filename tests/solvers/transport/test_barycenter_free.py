import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.barycenter_free import FreeSupport


def clouds(rng):
    return [
        rng.normal(size=(30, 2)) * [1.0, 0.3] + [3.0, 0.0],
        rng.normal(size=(20, 2)) * [0.3, 1.0],
        rng.normal(size=(25, 2)) * 0.5 + [0.0, 3.0],
    ]


W = np.array([0.2, 0.5, 0.3])


def make(Y, eps, m=15, w=W, tol=1e-4, **options):
    masses = [np.full(len(y), 1.0 / len(y), dtype=y.dtype) for y in Y]
    p = np.full(m, 1.0 / m, dtype=Y[0].dtype)
    return FreeSupport(Y, masses, p, w, eps, tol=tol, **options)


def run(solver, X, tol=1e-4, max_iter=500):
    return iterate(solver, solver.start(X), tol=tol, max_iter=max_iter)


@pytest.mark.parametrize("debiased", [False, True])
def test_the_displacement_is_the_gradient(rng, debiased):
    Y = clouds(rng)
    X = np.concatenate(Y)[rng.permutation(75)[:15]]
    solver = make(Y, 0.5, debiased=debiased, tol=1e-12)

    def objective(X):
        state = solver.start(X)
        state.displacement = 0.0
        return solver.certificate(state).objective, state.plans.step

    _, step = objective(X)
    direction = rng.normal(size=X.shape)
    h = 1e-4
    slope = (objective(X + h * direction)[0] - objective(X - h * direction)[0]) / h / 2
    assert slope == pytest.approx(-2.0 / 15 * (step * direction).sum(), rel=1e-5)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("eps", [1.0, 0.1])
def test_the_objective_falls_and_long_steps_are_fewer(rng, debiased, eps):
    Y = clouds(rng)
    X = np.concatenate(Y)[rng.permutation(75)[:15]]
    plain = run(make(Y, eps, relax=False, debiased=debiased, tol=1e-3), X, 1e-3)
    fast = run(make(Y, eps, debiased=debiased, tol=1e-3), X, 1e-3)
    for result in (plain, fast):
        objective = result.history.as_dict()["objective"]
        assert (np.diff(objective) <= 1e-6 * np.abs(objective[0])).all()
        assert result.certificate.holds
    assert fast.n_iter < plain.n_iter
    assert fast.objective == pytest.approx(plain.objective, rel=1e-3)


def test_the_means_are_averaged(rng):
    Y = clouds(rng)
    result = run(make(Y, 0.3, tol=1e-6), np.concatenate(Y)[:15], tol=1e-6)
    mean = sum(w * y.mean(axis=0) for w, y in zip(W, Y, strict=True))
    np.testing.assert_allclose(result.solution.X.mean(axis=0), mean, atol=1e-5)


def test_the_support_is_where_the_plans_send_it(rng):
    Y = clouds(rng)
    found = run(make(Y, 0.3, tol=1e-7), np.concatenate(Y)[:15], tol=1e-7).solution
    sent = 0.0
    for w, y, geometry, pair in zip(
        W, Y, found.geometries, found.potentials, strict=True
    ):
        P = geometry.plan(*pair, 0.3)
        assert np.abs(P.sum(1) - 1 / len(y)).sum() < 1e-7
        sent = sent + w * 15 * (P.T @ y)
    np.testing.assert_allclose(found.X, sent, atol=1e-6)
    assert found.displacement < 1e-7


def test_far_clouds_keep_their_digits_in_float32(rng):
    Y = [y.astype(np.float32) for y in clouds(rng)]
    X = np.concatenate(Y)[:15]
    near = run(make(Y, 0.5), X).solution
    shift = np.float32(1024.0)
    far = run(make([y + shift for y in Y], 0.5), X + shift).solution
    assert far.X.dtype == np.float32
    # The rounding of the points themselves, at this distance.
    np.testing.assert_allclose(far.X - shift, near.X, atol=2e-2)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_the_points_does_not_matter(rng, scale):
    Y = clouds(rng)
    X = np.concatenate(Y)[:15]
    one = run(make(Y, 0.5), X)
    other = run(make([scale * y for y in Y], 0.5 * scale**2), scale * X)
    np.testing.assert_allclose(other.solution.X / scale, one.solution.X, atol=1e-3)
    assert other.n_iter == pytest.approx(one.n_iter, abs=5)


def test_points_alone_meet_at_their_mean():
    Y = [np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])]
    result = run(make(Y, 0.1, m=1), np.array([[5.0, 5.0]]))
    np.testing.assert_allclose(result.solution.X, [[0.5, 0.6]], atol=1e-12)


def test_every_namespace_gives_the_same(device_backend, rng):
    Y = clouds(rng)
    X = np.concatenate(Y)[:10]
    here = run(make(Y, 0.5, m=10), X, max_iter=8).solution
    there = [device_backend.asarray(y) for y in Y]
    masses = [device_backend.asarray(np.full(len(y), 1.0 / len(y))) for y in Y]
    p = device_backend.asarray(np.full(10, 0.1))
    solver = FreeSupport(there, masses, p, W, 0.5)
    found = run(solver, device_backend.asarray(X), max_iter=8).solution
    np.testing.assert_allclose(device_backend.to_numpy(found.X), here.X, atol=1e-6)


def test_a_packed_state_goes_on_where_it_was(rng):
    Y = clouds(rng)
    solver = make(Y, 0.5)
    state = solver.start(np.concatenate(Y)[:15])
    for _ in range(5):
        state = solver.step(state)
        measure = solver.certificate(state)
    again = make(Y, 0.5)
    state = again.unpack(solver.pack(state))
    assert again.certificate(state).objective == pytest.approx(measure.objective)
    assert state.length > 1.0
