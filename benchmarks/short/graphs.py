"""Short cases of :mod:`benchmarks.linear_dag` and of label propagation."""

import numpy as np

from benchmarks.short.race import Entry, Race


def _make_graph(d, standardise):
    def make(place):
        from benchmarks.linear_dag import random_graph, random_rows

        rng = np.random.default_rng(0)
        W = random_graph("er", d, rng)
        X = random_rows(W, 1000, rng)
        if standardise:
            X = (X - X.mean(axis=0)) / X.std(axis=0)
        return W, X

    return make


def _dag_skopt2(problem, noise):
    from skopt2.structure_learning import LinearDAG

    return LinearDAG(noise, random_state=0).fit(problem[1]).adjacency_


def _dag_dagma(problem, level):
    from dagma.linear import DagmaLinear

    X = problem[1].copy()
    return DagmaLinear(loss_type="l2").fit(X, lambda1=level, w_threshold=0.3)


def _wrong_edges(problem, found):
    """Edges that are missing, reversed or too many, over the number of edges."""
    true, seen = problem[0] != 0, np.asarray(found) != 0
    differs = true != seen
    pairs = np.triu(differs | differs.T, 1)
    return float(pairs.sum() / true.sum())


def _dag(name, d):
    return Race(
        family="graphs without cycles",
        name=name,
        measure="wrong edges",
        margin=0.01,
        peers=("dagma",),
        make=_make_graph(d, False),
        entries={
            "skopt2": (Entry(_dag_skopt2, ("ev",)),),
            "dagma": (Entry(_dag_dagma, (0.03,)),),
        },
        judge=_wrong_edges,
    )


def _make_labels(case, **options):
    def make(place):
        from benchmarks import label_propagation

        X, y, share = getattr(label_propagation, case)(**options)
        graph, labels = label_propagation.prepare(X, y, share)
        return X, graph, labels, label_propagation.direct(graph, labels)

    return make


def _labels_skopt2(problem, tol):
    from skopt2.semi_supervised import GraphLabelPropagation

    X, graph, labels, _ = problem
    return GraphLabelPropagation("precomputed", tol=tol).fit(graph, labels)


def _labels_sklearn(problem, tol):
    from sklearn.semi_supervised import LabelPropagation

    X, graph, labels, _ = problem
    model = LabelPropagation(lambda A, B: graph, max_iter=100_000, tol=tol)
    return model.fit(X, labels)


def _labels_direct(problem, setting):
    from benchmarks.label_propagation import direct

    return direct(problem[1], problem[2])


def _label_error(problem, found):
    exact = problem[3]
    given = getattr(found, "label_distributions_", found)
    return float(np.abs(given - exact).max())


def _labels(name, case, remark="", **options):
    return Race(
        family="label propagation",
        name=name,
        measure="error",
        target=1e-4,
        peers=("sklearn", "scipy"),
        make=_make_labels(case, **options),
        entries={
            "skopt2": (Entry(_labels_skopt2, (1e-4,)),),
            "sklearn": (Entry(_labels_sklearn, (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),),
            "scipy": (Entry(_labels_direct, (None,), "sparse factor"),),
        },
        judge=_label_error,
        remark=remark,
    )


_FACTOR = (
    "Both have the same sparse factor, a few milliseconds of work; the rest checks the "
    "graph, the labels and the certificate."
)

CONTESTS = (
    _dag("20 nodes, 80 edges", 20),
    _dag("50 nodes, 200 edges", 50),
    _labels(
        "moons, 5000",
        "moons",
        _FACTOR,
    ),
    _labels("digits, 1797", "digits", _FACTOR),
    _labels("space, 10000", "quadrants", n=10_000),
)
