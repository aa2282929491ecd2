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
``CoLiDE``, its ``solver="colide"`` without polish and with the paper's numbers of
steps; ``polished``, with it; ``short``, with polish after at most 10 000 steps; and
``DAGMA``, where the package ``dagma`` is installed, with its defaults.
"""

import argparse
import time
import warnings

import numpy as np

from skopt2.structure_learning import LinearDAG, structural_hamming_distance

# Thousands of steps on the path of CoLiDE, as in the paper.
STEPS = 130


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
    found["LinearDAG nv, 1"] = lambda X: (
        LinearDAG("nv", n_init=1, random_state=0).fit(X).adjacency_
    )
    if not equal:
        found["LinearDAG nv"] = lambda X: (
            LinearDAG("nv", random_state=0).fit(X).adjacency_
        )
    if slow:
        noise = "ev" if equal else "nv"
        for name, options in {
            "": {"refine": False, "max_iter": STEPS},
            ", polished": {"max_iter": STEPS},
            ", short": {"max_iter": 10},
        }.items():
            model = LinearDAG(noise, solver="colide", random_state=0, **options)
            found[f"CoLiDE {noise}{name}"] = lambda X, m=model: m.fit(X).adjacency_
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
