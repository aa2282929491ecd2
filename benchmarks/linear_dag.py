"""Linear graphs side by side: distance and time, the tables of the user guide.

Run from the root of the repository::

    python -m benchmarks.linear_dag

Designs of the CoLiDE paper: ``er`` graphs with 4 edges a node at random, ``sf`` graphs
in which each node comes with 4 edges to nodes that have many; weights between 0.5 and 2
of either sign; 1000 rows. Noise ``ev``: one variance, ``var``; ``nv``: variances from
0.5 to 10; normal, exponential or Laplace. ``--standardize`` divides each feature by
its deviation.

Columns: the structural Hamming distance divided by the number of edges, its deviation
over the data sets, and seconds of processor time.

Methods: ``LinearDAG`` with the noise of the design, and with ``nv`` from one start;
``CoLiDE``, that of the paper written anew: its score, log-det acyclicity on a central
path, Adam, its numbers of iterations, penalty 0.05 and threshold 0.3; ``refined``,
``refine_dag`` from its graph; and ``DAGMA``, where the package ``dagma`` is installed,
with its defaults.
"""

import argparse
import time
import warnings

import numpy as np

from skopt2.solvers.dag.graphs import without_cycles
from skopt2.structure_learning import (
    LinearDAG,
    refine_dag,
    structural_hamming_distance,
)

PENALTY, THRESHOLD = 0.05, 0.3
# Central path: s of the log-determinant, and largest numbers of Adam steps.
PATH = ((1.0, 20_000), (0.9, 20_000), (0.8, 20_000), (0.7, 70_000))
RATE, CHECK = 3e-4, 1000


def random_graph(kind, d, rng, k=4):
    """Return weights of a random graph without cycles.

    Parameters
    ----------
    kind : {"er", "sf"}
        See the module.
    d : int
        Nodes.
    rng : numpy.random.Generator
        Draws it.
    k : int, default=4
        Edges a node.

    Returns
    -------
    W : ndarray of shape (d, d)
    """
    A = np.zeros((d, d), dtype=bool)
    if kind == "er":
        A = np.triu(rng.random((d, d)) < min(1.0, 2.0 * k / (d - 1)), 1)
    else:
        ends = list(range(k))
        for node in range(k, d):
            found = set()
            while len(found) < k:
                found.add(int(ends[rng.integers(len(ends))]))
            A[node, list(found)] = True
            ends += [*found, *[node] * k]
    W = A * rng.uniform(0.5, 2.0, (d, d)) * rng.choice([-1.0, 1.0], (d, d))
    turned = rng.permutation(d)
    return W[np.ix_(turned, turned)]


def random_rows(W, n, rng, equal=True, var=1.0, law="normal"):
    """Return rows of a linear model with the graph.

    Parameters
    ----------
    W : ndarray of shape (d, d)
        Weights.
    n : int
        Rows.
    rng : numpy.random.Generator
        Draws them.
    equal : bool, default=True
        Whether the noise has one variance.
    var : float, default=1.0
        That variance.
    law : {"normal", "exp", "laplace"}, default="normal"
        Of the noise.

    Returns
    -------
    X : ndarray of shape (n, d)
    """
    d = len(W)
    if law == "normal":
        noise = rng.standard_normal((n, d))
    elif law == "exp":
        noise = rng.exponential(size=(n, d))
    else:
        noise = rng.laplace(scale=2**-0.5, size=(n, d))
    noise *= np.sqrt(var if equal else rng.uniform(0.5, 10.0, d))
    return np.linalg.solve((np.eye(d) - W).T, noise.T).T


class ReferenceCoLiDE:
    """CoLiDE with Adam, from the formulas of the paper.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    equal : bool
        EV or NV.
    """

    def __init__(self, X, equal):
        X = X - X.mean(axis=0)
        self.S, self.equal, self.d = X.T @ X / len(X), equal, X.shape[1]
        self.eye = np.eye(self.d)

    def noise(self, W):
        """Return sigma, in closed form, of weights."""
        left = self.eye - W
        squares = np.einsum("ij,ij->j", left, self.S @ left)
        return np.sqrt(squares.mean() if self.equal else squares)

    def value(self, W, mu, s):
        """Return the objective with sigma in closed form."""
        score = np.sum(self.noise(W) * (self.d if self.equal else 1.0))
        h = self.d * np.log(s) - np.linalg.slogdet(s * self.eye - W * W)[1]
        return mu * (score + PENALTY * np.abs(W).sum()) + h

    def phase(self, W, mu, s, steps, rate):
        """Return weights after Adam steps; None where s has to grow."""
        first, second, last = 0.0, 0.0, 1e16
        move = np.zeros_like(W)
        for k in range(1, steps + 1):
            inverse = np.linalg.inv(s * self.eye - W * W)
            while inverse.min() < -1e-6:
                if k == 1 or s <= 0.9:
                    return None
                W, rate = W + 0.5 * rate * move, 0.5 * rate
                if rate < 1e-16:
                    return W
                inverse = np.linalg.inv(s * self.eye - W * W)
            slope = -mu * (self.S @ (self.eye - W)) / self.noise(W)
            slope += mu * PENALTY * np.sign(W) + 2.0 * W * inverse.T
            first = 0.99 * first + 0.01 * slope
            second = 0.999 * second + 0.001 * slope**2
            root = np.sqrt(second / (1.0 - 0.999**k)) + 1e-8
            move = first / (1.0 - 0.99**k) / root
            W = W - rate * move
            if k % CHECK == 0:
                value = self.value(W, mu, s)
                if abs(last - value) <= 1e-6 * abs(last):
                    break
                last = value
        return W

    def fit(self):
        """Return the weights of a graph without cycles."""
        W, mu = np.zeros((self.d, self.d)), 1.0
        for s, steps in PATH:
            rate, found = RATE, None
            while found is None:
                found = self.phase(W, mu, s, steps, rate)
                rate, s = 0.5 * rate, s + 0.1
            W, mu = found, 0.1 * mu
        return without_cycles(np.where(np.abs(W) > THRESHOLD, W, 0.0))


def dagma(X):
    """Return the graph of DAGMA, or None where it is not installed."""
    try:
        from dagma.linear import DagmaLinear
    except ImportError:
        return None
    return DagmaLinear(loss_type="l2").fit(X.copy(), lambda1=0.03, w_threshold=0.3)


def methods(equal, slow):
    """Return the fits by name; each takes rows and returns weights."""
    found = {}
    if equal:
        found["LinearDAG ev"] = lambda X: LinearDAG("ev").fit(X).adjacency_
    found["LinearDAG nv, 1"] = lambda X: LinearDAG("nv", n_init=1).fit(X).adjacency_
    if not equal:
        found["LinearDAG nv"] = lambda X: (
            LinearDAG("nv", random_state=0).fit(X).adjacency_
        )
    if slow:
        name = "ev" if equal else "nv"
        found[f"CoLiDE {name}"] = lambda X: ReferenceCoLiDE(X, equal).fit()
        found["DAGMA"] = dagma
    return found


def measure(kind, d, n_data, *, equal, var, law, standardize, slow, n=1000):
    """Return distances and seconds of every method over data sets of one design.

    Parameters
    ----------
    kind : {"er", "sf"}
        Graphs.
    d : int
        Nodes.
    n_data : int
        Data sets, drawn with the seeds 0, 1, ...
    equal, var, law : bool, float, str
        Noise, as in :func:`random_rows`.
    standardize : bool
        Whether features are divided by their deviations.
    slow : bool
        Whether to run the methods that take minutes.
    n : int, default=1000
        Rows.

    Returns
    -------
    rows : dict of str to list of tuple
        Distance over the number of edges, and seconds, of each data set.
    """
    found = {}
    for seed in range(n_data):
        rng = np.random.default_rng(seed)
        W = random_graph(kind, d, rng)
        X = random_rows(W, n, rng, equal, var, law)
        if standardize:
            X = (X - X.mean(axis=0)) / X.std(axis=0)
        edges = np.count_nonzero(W)

        def distance(V, W=W, edges=edges):
            return structural_hamming_distance(V, W) / edges

        for name, fit in methods(equal, slow).items():
            start = time.process_time()
            V = fit(X)
            spent = time.process_time() - start
            if V is None:
                continue
            found.setdefault(name, []).append((distance(V), spent))
            if name.startswith("CoLiDE"):
                noise = "ev" if equal else "nv"
                start = time.process_time()
                V = refine_dag(V, X, noise=noise).adjacency_
                spent = time.process_time() - start
                found.setdefault(f"{name}, refined", []).append((distance(V), spent))
    return found


def main(argv=None):
    """Print one line for each design and method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.linear_dag", description=__doc__
    )
    parser.add_argument("--graphs", nargs="+", choices=["er", "sf"], default=["er"])
    parser.add_argument("--nodes", nargs="+", type=int, default=[20, 50])
    parser.add_argument("--noise", nargs="+", choices=["ev", "nv"], default=["ev"])
    parser.add_argument("--var", nargs="+", type=float, default=[1.0])
    parser.add_argument("--laws", nargs="+", default=["normal"])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--data", type=int, default=3)
    parser.add_argument("--standardize", action="store_true")
    parser.add_argument("--fast", action="store_true", help="LinearDAG alone")
    o = parser.parse_args(argv)
    print(f"{'design':24}{'method':22}{'SHD/edges':>10}{'+-':>7}{'seconds':>9}")
    cases = [
        (kind, d, noise, var, law)
        for kind in o.graphs
        for d in o.nodes
        for noise in o.noise
        for var in (o.var if noise == "ev" else [1.0])
        for law in o.laws
    ]
    for kind, d, noise, var, law in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = measure(
                kind,
                d,
                o.data,
                equal=noise == "ev",
                var=var,
                law=law,
                standardize=o.standardize,
                slow=not o.fast,
                n=o.rows,
            )
        size = f"={var:g}" if noise == "ev" else ""
        for name, values in rows.items():
            far, spent = np.transpose(values)
            print(
                f"{f'{kind} {d} {noise}{size} {law}':24}{name:22}{far.mean():10.3f}"
                f"{far.std():7.3f}{spent.mean():9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
