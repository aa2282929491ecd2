import itertools

import numpy as np
import pytest

from skopt2._core.iterate import iterate
from skopt2.solvers.transport import gromov
from skopt2.solvers.transport.gromov import GromovSinkhorn, random_plan
from skopt2.solvers.transport.gromov_costs import (
    PointSpaces,
    StoredSpaces,
    quadratic,
)


def squares(X):
    return ((X[:, None] - X) ** 2).sum(-1)


def weights(rng, n):
    a = rng.random(n) + 0.2
    return a / a.sum()


def tensor(Cx, Cy, loss):
    """Return l(Cx_ik, Cy_jl) for all i, j, k, l."""
    x, y = Cx[:, None, :, None], Cy[None, :, None, :]
    if loss == "squared":
        return (x - y) ** 2
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0) / y), 0.0) - x + y


def spaces_and_tensor(kind, rng, a, b):
    n, m = len(a), len(b)
    X, Y = rng.normal(size=(n, 2)) + 5.0, rng.normal(size=(m, 3))
    if kind.endswith("points"):
        if kind == "wide points":
            X = rng.normal(size=(n, 4))
        L = tensor(squares(X), squares(Y), "squared")
        return PointSpaces(X, Y, a, b), L
    if kind == "symmetric":
        C = squares(X), squares(Y)
        return StoredSpaces(*C, a, b), tensor(*C, "squared")
    C = rng.random((n, n)), rng.random((m, m)) + 0.1
    loss = "kl" if kind == "kl" else "squared"
    return StoredSpaces(*C, a, b, loss), tensor(*C, loss)


def plan(rng, a, b):
    """Return a plan with these marginals, by scaling random entries."""
    P = rng.random((len(a), len(b))) + 0.1
    for _ in range(500):
        P *= (a / P.sum(1))[:, None]
        P *= b / P.sum(0)
    return P


@pytest.mark.parametrize(
    "kind", ["symmetric", "points", "wide points", "asymmetric", "kl"]
)
def test_the_gradient_is_that_of_the_tensor(rng, kind):
    a, b = weights(rng, 6), weights(rng, 5)
    spaces, L = spaces_and_tensor(kind, rng, a, b)
    P = plan(rng, a, b)
    G = spaces.gradient(P)
    expected = np.einsum("ijkl,kl->ij", L, P) + np.einsum("klij,kl->ij", L, P)
    np.testing.assert_allclose(G, expected, rtol=1e-10)
    value = quadratic(spaces, G, P, P.sum(1) - a, P.sum(0) - b)
    exact = np.einsum("ijkl,ij,kl->", L, P, P)
    assert value == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    "kind", ["symmetric", "points", "wide points", "asymmetric", "kl"]
)
def test_the_gradient_is_that_of_the_value_off_the_marginals(rng, kind):
    a, b = weights(rng, 6), weights(rng, 5)
    spaces, _ = spaces_and_tensor(kind, rng, a, b)
    P, D = rng.random((2, 6, 5)) / 30

    def value(P):
        G = spaces.gradient(P)
        return quadratic(spaces, G, P, P.sum(1) - a, P.sum(0) - b)

    slope = (value(P + 1e-4 * D) - value(P - 1e-4 * D)) / 2e-4
    assert slope == pytest.approx((spaces.gradient(P) * D).sum(), rel=1e-8)


def run(spaces, a, b, reg, *, tol=1e-8, max_iter=500, start=None, **options):
    solver = GromovSinkhorn(spaces, a, b, reg, tol=tol, **options)
    return iterate(solver, solver.start(start), tol=tol, max_iter=max_iter)


def test_the_certificate_is_the_distance_from_the_next_plan(rng):
    a, b = weights(rng, 6), weights(rng, 5)
    spaces, _ = spaces_and_tensor("symmetric", rng, a, b)
    result = run(spaces, a, b, 1.0, tol=1e-10)
    found = result.solution
    assert result.certificate.holds
    # The potentials are those of the linearised problem at the plan itself.
    G = spaces.gradient(found.P)
    again = np.exp(found.f[:, None] + found.g - G)
    np.testing.assert_allclose(again, found.P, atol=1e-10)
    np.testing.assert_allclose(found.P.sum(1), a, atol=1e-10)
    P, eps = found.P, 1.0
    value = 0.5 * (G * P).sum() + eps * (P * (np.log(P) - 1)).sum()
    assert result.objective == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "kl"])
@pytest.mark.parametrize("proximal", [False, True])
def test_the_objective_never_rises(rng, kind, proximal, monkeypatch):
    # Plans without errors: these are allowed for otherwise.
    monkeypatch.setattr(gromov, "SHARE", 1e-7)
    a, b = weights(rng, 12), weights(rng, 9)
    spaces, _ = spaces_and_tensor(kind, rng, a, b)
    for reg in (0.3, 0.01):
        solver = GromovSinkhorn(spaces, a, b, reg, proximal=proximal, tol=1e-9)
        state, values = solver.start(), []
        for _ in range(60):
            values.append(solver.certificate(state).objective)
            state = solver.step(state)
        scale = abs(values[0] - values[-1])
        assert (np.diff(values) <= 1e-7 * scale + 1e-9).all()
        assert values[-1] < values[0]


def test_steps_that_overshoot_are_shortened():
    # Not concave on plans: without a term that keeps plans near, they alternate.
    C = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    a = np.full(3, 1 / 3)
    spaces = StoredSpaces(C, -C, a, a)
    result = run(spaces, a, a, 0.02, start=plan(np.random.default_rng(0), a, a))
    history = result.history.as_dict()
    assert result.certificate.holds
    assert history["tau"].max() > 0.0
    assert (np.diff(history["objective"]) <= 1e-9).all()


def test_the_proximal_variant_finds_a_vertex(rng):
    X = rng.normal(size=(8, 2))
    order = rng.permutation(8)
    a = np.full(8, 1 / 8)
    spaces = PointSpaces(X, X[order], a, a)
    result = run(spaces, a, a, 0.3, proximal=True, tol=1e-9)
    assert result.certificate.holds
    assert result.objective == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_array_equal(order[result.solution.P.argmax(axis=1)], range(8))
    assert result.solution.P.max() == pytest.approx(1 / 8, rel=1e-5)


def test_points_equal_their_matrices(rng):
    a, b = weights(rng, 10), weights(rng, 12)
    X, Y = rng.normal(size=(10, 2)) + 100.0, rng.normal(size=(12, 3))
    one = run(PointSpaces(X, Y, a, b), a, b, 2.0)
    other = run(StoredSpaces(squares(X), squares(Y), a, b), a, b, 2.0)
    np.testing.assert_allclose(one.solution.P, other.solution.P, atol=1e-8)


def test_a_plan_is_a_start(rng):
    a, b = weights(rng, 10), weights(rng, 12)
    spaces, _ = spaces_and_tensor("symmetric", rng, a, b)
    cold = run(spaces, a, b, 1.0)
    warm = run(spaces, a, b, 1.0, start=cold.solution.P, tol=1e-7)
    assert warm.n_iter == 1 < cold.n_iter
    np.testing.assert_allclose(warm.solution.P, cold.solution.P, atol=1e-7)
    sparse = np.where(cold.solution.P > 1e-3, cold.solution.P, 0.0)
    again = run(spaces, a, b, 1.0, start=sparse, proximal=True, max_iter=3)
    assert np.isfinite(again.objective)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_scale_of_the_costs_does_not_matter(rng, scale):
    a, b = weights(rng, 8), weights(rng, 7)
    Cx, Cy = squares(rng.normal(size=(8, 2))), squares(rng.normal(size=(7, 2)))
    one = run(StoredSpaces(Cx, Cy, a, b), a, b, 1.0)
    spaces = StoredSpaces(scale * Cx, scale * Cy, a, b)
    other = run(spaces, a, b, scale**2)
    np.testing.assert_allclose(other.solution.P, one.solution.P, atol=1e-7)
    assert other.objective - other.solution.cost == pytest.approx(
        scale**2 * (one.objective - one.solution.cost), rel=1e-6
    )


@pytest.mark.parametrize("kind", ["symmetric", "points"])
def test_float32_stays_and_ends_at_its_floor(rng, kind):
    a, b = weights(rng, 10), weights(rng, 9)
    X, Y = rng.normal(size=(10, 2)), rng.normal(size=(9, 2))
    low = [z.astype(np.float32) for z in (X, Y, a, b)]
    if kind == "points":
        spaces, exact = PointSpaces(*low), PointSpaces(X, Y, a, b)
    else:
        C = [squares(z) for z in (X, Y)]
        exact = StoredSpaces(*C, a, b)
        spaces = StoredSpaces(*(z.astype(np.float32) for z in C), *low[2:])
    result = run(spaces, *low[2:], 1.0, tol=1e-4)
    assert result.certificate.holds
    assert result.solution.P.dtype == np.float32
    expected = run(exact, a, b, 1.0).solution.P
    assert np.abs(result.solution.P - expected).sum() < 1e-2
    result = run(spaces, *low[2:], 1.0, tol=0.0)
    assert result.reason == "stalled"


@pytest.mark.parametrize("kind", ["symmetric", "points", "kl"])
def test_every_namespace_gives_the_same(device_backend, kind):
    rng = np.random.default_rng(3)
    a, b = weights(rng, 7), weights(rng, 6)
    X, Y = rng.normal(size=(7, 2)), rng.normal(size=(6, 2))
    M = rng.random((7, 6))

    def make(xp):
        X_, Y_, a_, b_, M_ = (xp(z) for z in (X, Y, a, b, M))
        if kind == "points":
            spaces = PointSpaces(X_, Y_, a_, b_)
        else:
            Cx, Cy = xp(squares(X)), xp(squares(Y) + 0.1)
            loss = "kl" if kind == "kl" else "squared"
            spaces = StoredSpaces(Cx, Cy, a_, b_, loss)
        return spaces, a_, b_, M_

    spaces, a_, b_, M_ = make(lambda z: z)
    here = run(spaces, a_, b_, 0.5, M=M_, alpha=0.7)
    spaces, a_, b_, M_ = make(device_backend.asarray)
    there = run(spaces, a_, b_, 0.5, M=M_, alpha=0.7)
    P = device_backend.to_numpy(there.solution.P)
    np.testing.assert_allclose(P, here.solution.P, atol=1e-7)


def test_random_plans_have_the_marginals_and_differ(rng):
    a, b = weights(rng, 10), weights(rng, 12)
    spaces, _ = spaces_and_tensor("symmetric", rng, a, b)
    P, Q = (random_plan(np.random.default_rng(k), spaces, a, b, 1.0) for k in (0, 1))
    assert np.abs(P.sum(1) - a).sum() + np.abs(P.sum(0) - b).sum() < 1e-3
    assert np.abs(P - Q).sum() > 0.5


def test_a_packed_state_goes_on_where_it_was(rng):
    a, b = weights(rng, 10), weights(rng, 12)
    spaces, _ = spaces_and_tensor("symmetric", rng, a, b)
    solver = GromovSinkhorn(spaces, a, b, 1.0)
    state = solver.start()
    for _ in range(3):
        state = solver.step(state)
    measure = solver.certificate(state)
    again = solver.certificate(solver.unpack(solver.pack(state)))
    assert again.value == pytest.approx(measure.value, rel=0.1)


def test_a_permutation_is_the_minimum_over_all(rng):
    # Squared distances make the cost concave: its minimum is at a vertex.
    X, Y, a = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), np.full(5, 0.2)
    L = tensor(squares(X), squares(Y), "squared")
    best = min(
        sum(L[i, p[i], k, p[k]] for i in range(5) for k in range(5)) / 25
        for p in itertools.permutations(range(5))
    )
    spaces = PointSpaces(X, Y, a, a)
    values = []
    for k in range(12):
        start = random_plan(np.random.default_rng(k), spaces, a, a, 0.01)
        values.append(run(spaces, a, a, 0.01, start=start, tol=1e-6).solution.cost)
    assert min(values) == pytest.approx(best, rel=1e-3)
    assert min(values) > best * (1 - 1e-6)


@pytest.mark.parametrize("reg", [50.0, 1e7])
def test_pairs_that_were_given_up_come_back(reg):
    # Steps multiply: without a least share each pair would need hundreds of them. And
    # potentials in the units of a huge weight would leave no digits for a small one.
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(30, 2)) * [2.0, 1.0], rng.normal(size=(40, 3))
    a, b = np.full(30, 1 / 30), np.full(40, 1 / 40)
    spaces = PointSpaces(X, Y, a, b)
    result = run(spaces, a, b, reg, proximal=True, tol=1e-6, max_iter=150)
    assert result.certificate.holds
    assert result.history.as_dict()["n_inner"][-1] < 15_000


def test_extrapolation_saves_steps_and_ends_in_the_same_place(monkeypatch):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 2)) * [2.0, 1.0], rng.normal(size=(60, 3))
    a = np.full(60, 1 / 60)
    spaces = PointSpaces(X, Y, a, a)
    fast = run(spaces, a, a, 20.0)
    monkeypatch.setattr(gromov, "NEAR", 0.0)
    plain = run(spaces, a, a, 20.0)
    assert fast.certificate.holds
    assert plain.certificate.holds
    np.testing.assert_allclose(fast.solution.P, plain.solution.P, atol=1e-6)
    assert 2 * fast.n_iter < plain.n_iter


def test_errors_of_plans_do_not_pass_for_a_rise():
    # A plan with a marginal error can have a lower objective than all plans without.
    rng = np.random.default_rng(2)
    C, D, a = rng.random((30, 30)), rng.random((30, 30)) + 0.1, np.full(30, 1 / 30)
    result = run(StoredSpaces(C, D, a, a), a, a, 1e-3, tol=1e-6)
    assert result.certificate.holds
    assert result.n_iter < 100
