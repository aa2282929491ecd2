"""The table of risk parity solvers."""

import numpy as np
import pytest

from benchmarks.risk_parity import (
    KINDS,
    error,
    improved_descent,
    main,
    make_covariance,
    package,
    plain_descent,
    slsqp,
)


def test_every_method_has_a_line(capsys):
    main(["--assets", "8", "--kinds", "full", "--matrices", "2"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["kind", "assets", "method", "steps", "ms", "error"]
    assert len(lines) >= 6
    assert all(float(line.split()[-1]) <= 1e-6 for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_methods_find_the_same_weights(kind):
    S = make_covariance(kind, 12, np.random.default_rng(1))
    b = np.full(12, 1 / 12)
    w, _ = package("newton", S, b, 1e-10)
    assert error(S, w, b) <= 1e-9
    for run in (plain_descent, improved_descent, slsqp):
        np.testing.assert_allclose(run(S, b, 1e-7)[0], w, rtol=1e-4)
