"""The tables of square dictionaries."""

import numpy as np

from benchmarks.lp_dictionary import CASES, cosines, curve, main, planted


def test_planted_atoms_are_recognised():
    X, D = planted(100, 5, 0.3, np.random.default_rng(0), outliers=0.2, orthogonal=True)
    assert X.shape == (120, 5)
    np.testing.assert_allclose(D @ D.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(cosines(-3.0 * D[::-1], D), 1.0)


def test_every_method_has_a_line(capsys, monkeypatch):
    monkeypatch.setitem(CASES, "clean", (1500, 8, 0.2, {}))
    main(["--parts", "table", "--cases", "clean", "--data", "1", "--fast"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "method", ">0.99", ">0.9", "1-cos", "ms"]
    assert len(lines) == 6
    assert [float(line.split()[-3]) for line in lines] == [1.0] * 6


def test_more_rows_find_more():
    shares = curve(5, 0.2, [15, 600], 1)
    assert shares[15, 3] == 0.0
    assert shares[600, 3] == 1.0
