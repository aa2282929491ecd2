"""The tables of factorisations and of unmixing."""

import numpy as np

from benchmarks.factorization import main, make_scene, scores


def test_every_method_has_a_line(capsys):
    main(
        ["--parts", "matrix", "--matrices", "digits", "--seeds", "1", "--times", ".15"]
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "start", "method", "0.15s"]
    left = {line[10:34].strip(): float(line.split()[-1]) for line in lines}
    assert len(left) == 10
    # NaN where a method had no result in the time, which a slow machine decides.
    finite = [value for value in left.values() if not np.isnan(value)]
    assert len(finite) >= 5
    assert all(5.0 < value < 60.0 for value in finite)


def test_scores_of_the_planted_scene():
    X, S, A, bad = make_scene(0, n=50, noise=0.0)
    keep = np.setdiff1d(np.arange(100), bad)
    np.testing.assert_allclose(X[:, keep], (A @ S)[:, keep])
    swapped = [1, 0, 3, 2]
    angle, error = scores(3.0 * S[swapped], A[:, swapped], S, A, bad)
    assert angle < 1e-5
    assert error == 0.0
