"""Label propagation against direct solutions and scikit-learn, and its input."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelPropagation

from skopt2._core.array import to_numpy
from skopt2.callbacks import Checkpoint
from skopt2.semi_supervised import GraphLabelPropagation


def moons(n=300, share=0.1, noise=0.15):
    X, y = make_moons(n, noise=noise, random_state=0)
    known = np.random.default_rng(0).random(n) < share
    return X, y, np.where(known, y, -1)


def iris():
    X, y = load_iris(return_X_y=True)
    known = np.random.default_rng(1).random(y.size) < 0.15
    return X, np.where(known, y, -1)


def harmonic(W, y, classes):
    """Each value is the mean of those around: a sparse direct solution."""
    known = y >= 0
    L = sp.csr_array(sp.diags_array(W.sum(axis=1)) - W)
    target = (y[known][:, None] == classes).astype(float)
    p = np.zeros((y.size, classes.size))
    p[known] = target
    rhs = -(L[~known][:, known] @ target)
    p[~known] = spsolve(L[~known][:, ~known].tocsc(), rhs)
    return p


def neighbour_graph(X, k=7):
    W = kneighbors_graph(X, k)
    return sp.csr_array(W.maximum(W.T))


@pytest.mark.parametrize("solver", ["auto", "conjugate", "descent", "cholesky"])
def test_every_solver_finds_the_harmonic_function(solver):
    X, y = iris()
    model = GraphLabelPropagation(solver=solver, tol=1e-11, max_iter=5000).fit(X, y)
    assert model.converged_
    assert model.certificate_.value <= 1e-11
    p = harmonic(neighbour_graph(X), y, model.classes_)
    np.testing.assert_allclose(model.label_distributions_, p, atol=1e-8)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


def test_two_classes_are_one_column():
    X, _, y = moons()
    model = GraphLabelPropagation(tol=1e-11).fit(X, y)
    p = harmonic(neighbour_graph(X), y, np.array([0, 1]))
    np.testing.assert_allclose(model.label_distributions_, p, atol=1e-8)


def test_dense_graph_agrees_with_scikit_learn():
    X, _, y = moons(150)
    model = GraphLabelPropagation("rbf", gamma=5.0).fit(X, y)
    peer = LabelPropagation("rbf", gamma=5.0, max_iter=100_000, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(
        model.label_distributions_, peer.label_distributions_, atol=1e-7
    )
    np.testing.assert_array_equal(model.transduction_, peer.transduction_)
    new = X[:20] + 0.05
    np.testing.assert_allclose(
        model.predict_proba(new), peer.predict_proba(new), atol=1e-7
    )


@pytest.mark.parametrize("solver", ["newton", "descent", "cholesky"])
def test_bounds_hold_and_let_no_label_shout(solver):
    X, _, y = moons()
    model = GraphLabelPropagation(bounds=(0.2, 0.8), solver=solver, tol=1e-9)
    model.set_params(max_iter=5000).fit(X, y)
    p = model.label_distributions_[y < 0]
    assert p.min() == pytest.approx(0.2)
    assert p.max() == pytest.approx(0.8)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert model.converged_


def test_given_weights_are_the_graph():
    X, _, y = moons()
    W = neighbour_graph(X)
    expected = GraphLabelPropagation().fit(X, y)
    for graph in (W, W.toarray(), W.tocsc()):
        model = GraphLabelPropagation("precomputed", solver="conjugate").fit(graph, y)
        np.testing.assert_allclose(
            model.label_distributions_, expected.label_distributions_, atol=1e-6
        )
        rows = model.predict_proba(graph[:5])
        mean = (W @ model.label_distributions_)[:5] / W.sum(axis=1)[:5, None]
        np.testing.assert_allclose(rows, mean)
    called = GraphLabelPropagation(
        lambda A, B: np.exp(-np.square(A[:, None] - B).sum(axis=2))
    ).fit(X, y)
    named = GraphLabelPropagation("rbf", gamma=1.0).fit(X, y)
    np.testing.assert_allclose(
        called.label_distributions_, named.label_distributions_, atol=1e-9
    )


def test_nodes_without_a_path_to_a_label_get_the_shares_of_the_labels():
    W = np.zeros((6, 6))
    for i, j in ((0, 1), (2, 3), (4, 5)):
        W[i, j] = W[j, i] = 1.0
    y = np.array([0, -1, 1, 1, -1, -1])
    model = GraphLabelPropagation("precomputed").fit(W, y)
    assert model.n_unreached_ == 2
    np.testing.assert_allclose(model.class_prior_, [1 / 3, 2 / 3])
    np.testing.assert_allclose(model.label_distributions_[4:], [[1 / 3, 2 / 3]] * 2)
    np.testing.assert_array_equal(model.transduction_, [0, 0, 1, 1, 1, 1])
    assert model.objective_ == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 6))), [[1 / 3, 2 / 3]])


def test_labels_stand_and_all_may_be_labelled():
    X, truth, _ = moons()
    flipped = truth.copy()
    flipped[:5] = 1 - flipped[:5]
    model = GraphLabelPropagation().fit(X, flipped)
    np.testing.assert_array_equal(model.transduction_, flipped)
    assert model.converged_
    names = np.array(["a", "b"])[truth]
    model = GraphLabelPropagation().fit(X, names)
    assert set(model.predict(X)) == {"a", "b"}
    assert np.mean(model.predict(X) == names) > 0.9


def test_minus_one_and_one_are_two_classes():
    X, truth, _ = moons()
    with pytest.warns(UserWarning, match="-1 and 1 only"):
        model = GraphLabelPropagation().fit(X, 2 * truth - 1)
    np.testing.assert_array_equal(model.classes_, [-1, 1])


def test_float32_and_sparse_rows():
    X, _, y = moons()
    single = GraphLabelPropagation().fit(X.astype(np.float32), y)
    assert single.label_distributions_.dtype == np.float32
    assert single.predict_proba(X[:3].astype(np.float32)).dtype == np.float32
    double = GraphLabelPropagation().fit(sp.csr_array(X), y)
    np.testing.assert_allclose(
        single.label_distributions_, double.label_distributions_, atol=1e-5
    )
    np.testing.assert_allclose(
        double.predict_proba(sp.csc_array(X[:5])),
        GraphLabelPropagation().fit(X, y).predict_proba(X[:5]),
        atol=1e-12,
    )


@pytest.mark.usefixtures("cuda_stand_in")
def test_device_arrays_come_back_there(device_backend):
    X, _, y = moons(120)
    host = GraphLabelPropagation().fit(X, y)
    there = device_backend.asarray(X)
    model = GraphLabelPropagation().fit(there, device_backend.asarray(y))
    p = model.predict_proba(there)
    assert type(p) is type(there)
    np.testing.assert_array_equal(to_numpy(p), host.predict_proba(X))
    np.testing.assert_array_equal(to_numpy(model.predict(there)), host.predict(X))
    np.testing.assert_array_equal(
        to_numpy(model.label_distributions_), host.label_distributions_
    )
    assert model.device_ == "cpu"


def test_history_and_a_fit_that_is_cut_short():
    X, _, y = moons()
    model = GraphLabelPropagation(solver="descent", max_iter=3)
    with pytest.warns(ConvergenceWarning, match="connect the graph better"):
        model.fit(X, y)
    assert model.stop_reason_ == "max_iter"
    assert len(model.history_["certificate"]) == 3
    assert model.dual_gap_ > 0.0


@pytest.mark.parametrize("solver", ["descent", "conjugate"])
def test_checkpoint_continues(tmp_path, solver):
    X, _, y = moons()
    model = GraphLabelPropagation(solver=solver, max_iter=2000, tol=1e-9)
    path = tmp_path / "fit.ckpt"
    with pytest.warns(ConvergenceWarning):
        clone(model).set_params(max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    again = clone(model).set_callbacks(Checkpoint(path)).fit(X, y)
    whole = clone(model).fit(X, y)
    assert again.n_iter_ == whole.n_iter_
    assert again.history_["iteration"].size == whole.n_iter_
    np.testing.assert_allclose(
        again.label_distributions_, whole.label_distributions_, atol=1e-12
    )


def test_random_state_repeats_the_random_order():
    X, _, y = moons()
    model = GraphLabelPropagation(solver="descent", selection="random", max_iter=5000)
    first, second = (
        clone(model).set_params(random_state=3).fit(X, y).history_["objective"]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_weights_of_a_search_are_sliced_on_both_sides():
    X, truth, _ = moons(120)
    W = np.exp(-np.square(X[:, None] - X).sum(axis=2))
    search = GridSearchCV(
        GraphLabelPropagation("precomputed"), {"solver": ["auto"]}, cv=3
    )
    assert search.fit(W, truth).best_score_ > 0.7


BAD = [
    ({"kernel": "gauss"}, "kernel must be one of"),
    ({"solver": "lu"}, "solver must be one of"),
    ({"selection": "best"}, "selection must be one of"),
    ({"n_neighbors": 0}, "n_neighbors must be a positive integer"),
    ({"gamma": 0.0}, "gamma must be a positive number"),
    ({"bounds": (0.5,)}, "bounds must be None or two numbers"),
    ({"bounds": (0.5, 0.5)}, "0 <= low < high <= 1"),
    ({"bounds": (0.1, 0.9), "solver": "conjugate"}, "has no bounds"),
    ({"solver": "newton"}, "bounds is None"),
]


@pytest.mark.parametrize(("parameters", "message"), BAD)
def test_bad_parameters_are_named(parameters, message):
    X, _, y = moons(30)
    with pytest.raises(ValueError, match=message):
        GraphLabelPropagation(**parameters).fit(X, y)


def test_bad_graphs_and_labels_are_named():
    W = np.ones((4, 4))
    y = np.array([0, 1, -1, -1])
    model = GraphLabelPropagation("precomputed")
    with pytest.raises(ValueError, match="expected \\(4, 4\\)"):
        model.fit(W[:, :3], y)
    with pytest.raises(ValueError, match="nonnegative"):
        model.fit(-W, y)
    with pytest.raises(ValueError, match="symmetric"):
        model.fit(np.triu(W), y)
    with pytest.raises(ValueError, match="y has no label"):
        model.fit(W, np.full(4, -1))


def test_weights_that_rounding_loses_are_no_edges():
    # Samples 2 and 3 hang on a label by a weight that their sum cannot hold.
    W = np.zeros((4, 4))
    W[2, 3] = W[3, 2] = 1.0
    W[0, 2] = W[2, 0] = 1e-30
    y = np.array([0, 1, -1, -1])
    W[0, 1] = W[1, 0] = 1.0
    model = GraphLabelPropagation("precomputed").fit(W, y)
    assert model.n_unreached_ == 2
