"""Label propagation: skopt2 beside scikit-learn and a sparse direct solver.

Run from the root of the repository::

    python -m benchmarks.label_propagation

All get the same graph of 7 nearest neighbours, joined in both directions, as weights:
the search for neighbours is not timed. The error is the largest of a probability,
against the direct solution, whose time is that of its factor and its solution.
scikit-learn stops where a sweep changes the values by less than its ``tol`` in all.
"""

import argparse
import time
import warnings

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelPropagation

from skopt2.semi_supervised import GraphLabelPropagation


def moons(n=5000):
    """Return two half-moons that touch, with one label in a hundred."""
    X, y = make_moons(n, noise=0.2, random_state=0)
    return X, y, 0.01


def digits():
    """Return scikit-learn's digits, with three labels in a hundred."""
    X, y = load_digits(return_X_y=True)
    return X, y, 0.03


def quadrants(n=20_000):
    """Return a normal sample in space, in four classes, with one label in 200."""
    X = np.random.default_rng(1).standard_normal((n, 3))
    return X, (X[:, 0] > 0) + 2 * (X[:, 1] > 0), 0.005


CASES = {"moons": moons, "digits": digits, "quadrants": quadrants}


def prepare(X, y, share):
    """Return the graph, and labels of a random share of the samples."""
    graph = kneighbors_graph(X, 7)
    graph = sp.csr_array(graph.maximum(graph.T))
    known = np.random.default_rng(0).random(y.size) < share
    return graph, np.where(known, y, -1)


def direct(graph, labels):
    """Return the probabilities by a sparse factor."""
    known = labels >= 0
    L = sp.csr_array(sp.diags_array(graph.sum(axis=1)) - graph)
    p = (labels[:, None] == np.unique(labels[known])).astype(float)
    rhs = -(L[~known][:, known] @ p[known])
    p[~known] = splu(L[~known][:, ~known].tocsc()).solve(rhs)
    return p


def timed(function, repeats):
    """Return the result of a call, and the least time of some."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


def compare(X, y, share, repeats=3):
    """Return rows of name, seconds, iterations, error and share of right labels."""
    graph, labels = prepare(X, y, share)
    exact, seconds = timed(lambda: direct(graph, labels), repeats)
    hidden = labels < 0
    right = np.mean(np.argmax(exact, axis=1)[hidden] == y[hidden])
    rows = [("sparse direct", seconds, 1, 0.0, right)]
    ours, peer = GraphLabelPropagation, LabelPropagation
    methods = {
        "skopt2, tol=1e-4": (ours("precomputed", tol=1e-4), graph),
        "skopt2, tol=1e-6": (ours("precomputed"), graph),
        "skopt2, descent": (ours("precomputed", solver="descent"), graph),
        "scikit-learn, tol=1e-3": (peer(lambda A, B: graph, max_iter=100_000), X),
        "scikit-learn, tol=1e-5": (
            peer(lambda A, B: graph, max_iter=100_000, tol=1e-5),
            X,
        ),
    }
    for name, (model, data) in methods.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, seconds = timed(
                lambda model=model, data=data: model.fit(data, labels), repeats
            )
        error = np.max(np.abs(model.label_distributions_ - exact))
        right = np.mean(model.transduction_[hidden] == y[hidden])
        rows.append((name, seconds, model.n_iter_, error, right))
    return rows


def main(argv=None):
    """Print a table for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_propagation")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(argv)
    for case in options.cases:
        print(f"{case:24s} {'seconds':>8s} {'iter.':>7s} {'error':>8s} {'right':>7s}")
        for name, seconds, count, error, right in compare(
            *CASES[case](), repeats=options.repeats
        ):
            print(f"  {name:22s} {seconds:8.3f} {count:7d} {error:8.1e} {right:7.4f}")


if __name__ == "__main__":
    main()
