"""The tables of linear graphs."""

import numpy as np

from benchmarks.linear_dag import (
    PATH,
    ReferenceCoLiDE,
    main,
    random_graph,
    random_rows,
)
from skopt2.solvers.dag.graphs import topological_order


def test_designs_are_those_of_the_paper():
    for kind, edges in (("er", 400), ("sf", 4 * 96)):
        W = random_graph(kind, 100, np.random.default_rng(0))
        assert topological_order(W) is not None
        assert abs(np.count_nonzero(W) - edges) < 60
        sizes = np.abs(W[W != 0])
        assert 0.5 <= sizes.min() < sizes.max() <= 2.0
    X = random_rows(0.0 * W, 5000, np.random.default_rng(0), var=4.0, law="laplace")
    np.testing.assert_allclose(X.std(axis=0).mean(), 2.0, rtol=0.01)


def test_the_reference_lowers_its_objective():
    rng = np.random.default_rng(0)
    X = random_rows(random_graph("er", 6, rng, 1), 500, rng)
    reference = ReferenceCoLiDE(X, True)
    W = reference.phase(np.zeros((6, 6)), 1.0, PATH[0][0], 300, 1e-2)
    assert reference.value(W, 1.0, 1.0) < reference.value(np.zeros((6, 6)), 1.0, 1.0)
    assert reference.noise(W) < reference.noise(np.zeros((6, 6)))


def test_every_method_has_a_line(capsys):
    main(["--nodes", "9", "--noise", "ev", "nv", "--data", "1", "--fast"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["design", "method", "SHD/edges", "+-", "seconds"]
    assert len(lines) == 4
    assert float(lines[0].split()[-3]) < 0.1
