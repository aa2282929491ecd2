"""The pieces in CONTRIBUTING.rst are what it says they are."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skopt2.kernels import KernelOperator
from skopt2.linear_model import SparseRegressor
from tests.kernels.reference import distances
from tests.losses.reference import data
from tests.penalties.reference import cases
from tests.penalties.test_prox import assert_global
from tests.solvers.problems import build, design, solve, target
from tests.solvers.reference import coordinate_descent, objective

PAGE = Path(__file__).resolve().parent.parent / "CONTRIBUTING.rst"
BLOCK = re.compile(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)")


@pytest.fixture(scope="module")
def pieces():
    """Everything that the complete blocks define, by name."""
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    names = {}
    # The last one, an estimator, leaves its solver to the reader.
    for block in blocks[:-1]:
        exec(textwrap.dedent(block), names)
    return names


def test_penalty(pieces, rng):
    penalty = pieces["CappedL1"](0.7)
    z, step, lam = cases(rng)
    v = penalty.prox(z, step, lam)
    keep = np.isfinite(lam)
    z, step, lam, v = (x[keep] for x in (z, step, lam, v))
    low, high = np.minimum(z, 0), np.maximum(z, 0)
    assert_global(v, z, step, lam, lambda a, b: b * np.minimum(a, 0.7), low, high)
    assert_allclose(penalty.subdiff_distance(v, (v - z) / step, lam), 0, atol=1e-9)
    with pytest.raises(ValueError, match="cap of the capped l1 penalty"):
        SparseRegressor(penalty=pieces["CappedL1"](0)).fit(z[:, None], z)


def test_loss(pieces, rng):
    loss = pieces["LogCosh"]()
    y, eta, s = data(loss, rng)
    assert_allclose(loss.value(y, eta, s), s @ np.log(np.cosh(y - eta)), rtol=1e-13)
    theta = loss.gradient(y, eta)
    both = loss.value(y, eta, s) + loss.conjugate(y, theta, s)
    assert_allclose(both, s @ (theta * eta), rtol=1e-11)
    model = SparseRegressor(loss, alpha=0.01).fit(rng.standard_normal((60, 5)), y)
    assert model.certificate_.name == "relative duality gap"
    assert model.converged_


def test_kernel(pieces, rng):
    X = rng.standard_normal((40, 3))
    kernel = pieces["InverseMultiquadric"](1.5)
    expected = 1 / np.sqrt(1 + distances(X, X, 1.5) ** 2)
    assert_allclose(kernel(X), expected, atol=1e-13)
    block = KernelOperator(kernel, X).block(slice(None), slice(None))
    assert_allclose(block, expected, atol=1e-13)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_solver(pieces, rng, loss):
    X = design(rng, 60, 10)
    y, lam = target(rng, X, loss), np.full(10, 0.05)
    problem = build(X, y, loss, "l1", 0.05)
    result, _ = solve(pieces["ProximalSteps"], problem, 1e-8)
    w, b = coordinate_descent(X, y, loss, problem.penalty, lam)
    least = objective(X, y, loss, problem.penalty, lam, w, b)
    assert result.objective == pytest.approx(least, rel=1e-7)
