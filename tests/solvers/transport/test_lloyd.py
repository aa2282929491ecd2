"""Lloyd's iterations on points in the plane, beside scikit-learn's KMeans."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from skopt2._core.iterate import iterate
from skopt2.solvers.transport.lloyd import Lloyd
from skopt2.solvers.transport.seeding import drawn_by_mass, spread_out


class Plane:
    """Squared distances and means of points; means may be spoilt."""

    def __init__(self, X, noise=0.0):
        self.X, self.noise, self.means = X, noise, 0
        self.rng = np.random.default_rng(0)

    def assign(self, P, labels, g):
        D = ((self.X[:, None] - P) ** 2).sum(axis=2)
        return SimpleNamespace(D=D, S=D.copy(), g=self.X.copy(), error=self.noise)

    def mean(self, members, w, g):
        self.means += 1
        p = w @ self.X[members]
        p = p + self.noise * self.rng.standard_normal(p.shape)
        return p, self.X[members], self.noise


def run(X, centres, w=None, noise=0.0, **options):
    n = len(X)
    w = np.full(n, 1.0 / n) if w is None else w / w.sum()
    solver = Lloyd(Plane(X, noise), w, tol=options.pop("tol", 0.0))
    options = {"tol": solver.tol, "max_iter": 300, **options}
    return iterate(solver, solver.start(centres), **options), solver


@pytest.fixture
def X():
    return make_blobs(300, centers=6, cluster_std=1.5, random_state=3)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_same_fixed_point_as_scikit_learn(X, rng, weighted):
    w = rng.random(300) if weighted else np.ones(300)
    peer = KMeans(6, init=X[:6], n_init=1, tol=0.0, algorithm="lloyd")
    peer.fit(X, sample_weight=w)
    result, _ = run(X, [X[:6]], w)
    found = result.solution
    assert_allclose(found.P, peer.cluster_centers_, rtol=1e-10)
    assert_array_equal(found.labels, peer.labels_)
    assert_allclose(found.inertia * w.sum(), peer.inertia_, rtol=1e-10)
    assert result.reason == "converged"
    assert result.certificate.value == 0.0


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_inertia_never_rises(X, noise):
    """Not even where the means are wrong: such centres stay where they were."""
    result, solver = run(X, [X[:6]], noise=noise, max_iter=40)
    objective = result.history.as_dict()["objective"]
    assert len(objective) > 3
    assert (np.diff(objective) <= 0.0).all()
    found = result.solution
    D = solver.problem.assign(found.P, None, None).D
    assert_allclose(found.D, D)
    assert_array_equal(found.labels, D.argmin(axis=1))
    assert_allclose(found.inertia, D.min(axis=1).mean())


def test_clusters_that_have_not_changed_are_left_alone(X):
    result, solver = run(X, [X[:6]])
    assert 6 < solver.problem.means < 6 * result.n_iter


def test_best_of_several_runs(X, rng):
    starts = [X[rng.choice(300, 6, replace=False)] for _ in range(4)]
    alone = [run(X, [start])[0] for start in starts]
    result, _ = run(X, starts)
    inertias = [one.objective for one in alone]
    assert result.objective == min(inertias)
    assert result.n_iter == max(one.n_iter for one in alone)
    best = alone[int(np.argmin(inertias))].solution
    assert_array_equal(result.solution.labels, best.labels)
    history = result.history.as_dict()
    assert history["active"][0] == 4
    assert history["active"][-1] == 0


def test_empty_clusters_get_the_farthest_points(X):
    # Two of three centres coincide, so that the last of them has no points.
    far = np.vstack([X, [[60.0, 60.0]]])
    result, solver = run(far, [np.array([X[0], X[1], X[1]])], max_iter=1)
    assert 300 in np.flatnonzero(result.solution.labels == 2)
    result, solver = run(far, [np.array([X[0], X[1], X[1]])])
    assert_array_equal(np.unique(result.solution.labels), [0, 1, 2])
    assert result.reason == "converged"


def test_a_fit_does_not_end_with_an_empty_cluster():
    X = np.array([[0.0], [1.0], [10.0]])
    solver = Lloyd(Plane(X), np.full(3, 1 / 3), tol=0.9)
    state = solver.start([np.array([[0.0], [100.0]])])
    # The first step moves the second centre to the farthest point.
    state = solver.step(state)
    assert solver.certificate(state).value <= 0.9
    assert_array_equal(state[0].labels, [0, 0, 1])
    # A mean that is far off leaves its cluster empty: that is no end.
    solver.problem.mean = lambda members, w, g: (np.array([1e3]), X[members], 0.0)
    state = solver.start([np.array([[2.0], [-5.0]])])
    assert solver.certificate(solver.step(state)).value == math.inf


def test_points_without_mass_follow_only(X):
    w = np.ones(300)
    w[::3] = 0.0
    result, _ = run(X, [X[:6]], w)
    kept, _ = run(X[w > 0], [X[:6]])
    assert_allclose(result.solution.P, kept.solution.P, rtol=1e-12)
    assert_array_equal(result.solution.labels[w > 0], kept.solution.labels)
    assert result.objective == pytest.approx(kept.objective, rel=1e-12)


def test_pack_and_unpack(X):
    solver = Lloyd(Plane(X), np.full(300, 1 / 300), tol=0.0)
    state = solver.step(solver.start([X[:6], X[6:12]]))
    again = solver.unpack(solver.pack(state))
    for one, other in zip(state, again, strict=True):
        assert_array_equal(one.labels, other.labels)
        assert (one.change, one.moved) == (other.change, other.moved)
    assert_allclose(solver.step(state)[0].P, solver.step(again)[0].P)


def squares(X):
    return lambda ids: ((X[:, None] - X[ids]) ** 2).sum(axis=2)


def test_seeds_are_spread_out():
    X, y = make_blobs(200, centers=8, cluster_std=0.01, random_state=0)
    w = np.full(200, 1 / 200)
    for seed in range(5):
        ids = spread_out(squares(X), w, 8, np.random.default_rng(seed))
        assert_array_equal(np.sort(y[ids]), np.arange(8))


@pytest.mark.parametrize("mass", [[1.0, 3.0, 0.0, 4.0], [0.25, 0.25, 0.25, 0.25]])
def test_first_seed_is_drawn_by_mass(mass):
    mass = np.asarray(mass) / np.sum(mass)
    X = np.arange(4.0)[:, None]
    rng = np.random.default_rng(0)
    for draw in (
        lambda: spread_out(squares(X), mass, 1, rng),
        lambda: drawn_by_mass(mass, 1, rng),
    ):
        counts = np.bincount([int(draw()[0]) for _ in range(4000)], minlength=4)
        # Four standard deviations of a frequency.
        assert (np.abs(counts / 4000 - mass) <= 4 * math.sqrt(0.25 / 4000)).all()
        assert (counts[mass == 0.0] == 0).all()


def test_seeds_are_different_points_with_mass():
    X = np.array([[0.0], [0.0], [1.0], [5.0]])
    w = np.array([0.5, 0.25, 0.25, 0.0])
    for seed in range(10):
        for ids in (
            spread_out(squares(X), w, 3, np.random.default_rng(seed)),
            drawn_by_mass(w, 3, np.random.default_rng(seed)),
        ):
            assert_array_equal(np.sort(ids), [0, 1, 2])
