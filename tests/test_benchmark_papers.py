"""The scripts that reproduce papers of transport: their algorithms, and small runs."""

import numpy as np
import pytest

from benchmarks import published_newton, transport_papers


@pytest.fixture
def assignment(rng):
    n = 30
    return rng.random((n, n)), 0.02, np.full(n, 1.0 / n)


def test_published_newton_solves_an_assignment(assignment):
    C, eps, a = assignment
    steps, error = published_newton.solve(C, eps, a, a, warm=20, entries=450)
    assert error <= 1e-9
    assert 2 <= steps <= 20
    # All entries make it Newton's method, none a scaled gradient.
    options = {"warm": 20, "max_steps": 40}
    full, _ = published_newton.solve(C, eps, a, a, entries=900, **options)
    few, far = published_newton.solve(C, eps, a, a, entries=1, **options)
    assert full <= steps < few
    assert far > 1e-9


def test_sweeps_are_those_of_the_kernel(assignment, rng):
    C, eps, a = assignment
    b = rng.dirichlet(np.ones(30))
    K = np.exp(-C / eps)
    u = a / (K @ np.ones(30))
    v = b / (K.T @ u)
    x, y = published_newton.sweep(C, eps, a, b, np.zeros(30))
    np.testing.assert_allclose(np.exp(x), u, rtol=1e-12)
    np.testing.assert_allclose(np.exp(y), v, rtol=1e-12)
    P = published_newton.plan(C, eps, x, y)
    np.testing.assert_allclose(P, u[:, None] * K * v, rtol=1e-12)


def test_hessian_keeps_the_largest_entries(rng):
    P = rng.random((4, 6))
    H = published_newton._hessian(P, 24).toarray()
    np.testing.assert_allclose(
        H, np.block([[np.diag(P.sum(1)), P], [P.T, np.diag(P.sum(0))]])
    )
    kept = published_newton._hessian(P, 5).toarray()[:4, 4:]
    expected = np.where(np.sort(P, axis=None)[-5] <= P, P, 0.0)
    np.testing.assert_array_equal(kept, expected)


def test_studies_print_a_row_for_each_problem(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        transport_papers, "NEWTON", (("u2-100-1e-1", 5), ("mnist-l2", 5))
    )
    monkeypatch.setattr(transport_papers, "DIRECTIONS", (40,))
    monkeypatch.setattr(transport_papers, "REFERENCE_DIRECTIONS", 200)
    monkeypatch.setattr(transport_papers, "STEPS", (5, 20))
    transport_papers.main(["--draws", "3", "--cache", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("u2-100"))
    assert "5 + " in row
    assert "error" not in row
    assert any(line.startswith("mnist-l2") and "skipped" in line for line in lines)
    rows = [line for line in lines if line.startswith(("Gauss", "sphere", "digits"))]
    assert len(rows) == 4
    # 64 features leave too few directions for harmonics.
    assert rows[-1].split()[-3] == "-"
    five, twenty = (line.split() for line in lines if line.strip()[:2] in ("5 ", "20"))
    assert float(twenty[1]) < float(five[1])
    assert float(five[1]) <= float(five[2])
