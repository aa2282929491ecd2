"""The tables of linear graphs."""

import numpy as np

from benchmarks.linear_dag import main, random_graph, random_rows
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


def test_every_method_has_a_line(capsys):
    main(["--nodes", "9", "--noise", "ev", "nv", "--data", "1", "--fast"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["design", "method", "SHD/edges", "+-", "seconds"]
    assert len(lines) == 4
    assert float(lines[0].split()[-3]) < 0.1
