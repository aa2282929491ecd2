"""The tables of fractional solvers and of sparse components."""

import numpy as np
import pytest

from benchmarks import fractional, sparse_components
from skopt2.solvers.fractional.covariance_form import covariance_form


@pytest.mark.parametrize("kind", fractional.PROBLEMS)
def test_every_method_lowers_every_ratio(kind):
    problem = fractional.make_problem(kind, np.random.default_rng(0), 20)
    x = np.random.default_rng(1).standard_normal(20)
    first = problem.state(x).ratio
    for make in fractional.METHODS.values():
        state, spent = fractional.run(make(problem), x, 0.02, 1e-9)
        assert 0.0 < state.ratio < first
        assert spent >= 0.0


def test_a_line_for_each_method(capsys):
    arguments = ["--problems", "sparse PCA", "--coordinates", "20"]
    fractional.main([*arguments, "--data", "1", "--starts", "1"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["problem", "method", "excess", "%", "best", "ms"]
    assert len(lines) == len(fractional.METHODS)
    fractional.main([*arguments, "--data", "1", "--starts", "1", "--escapes"])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_methods_have_the_loadings_that_they_may():
    X, planted = sparse_components.make_planted("spread", np.random.default_rng(0))
    found, once = sparse_components.methods(X[:, :40], 2, 8)
    assert once > 0.0
    for V, _ in found.values():
        count, explained, overlap, cosine = sparse_components.figures(
            X[:, :40], V, planted[:, :40]
        )
        assert 0 < count <= 10
        assert 0.5 < explained < 1.3
        assert overlap > 0.5
        assert cosine > 0.5


def test_truncated_power_steps_end_at_a_fixed_point(rng):
    form, _ = covariance_form(rng.standard_normal((40, 30)))
    v = sparse_components.truncated_power(form, 5, np.eye(30)[:, :1])
    w = form.products(v)
    w[np.argsort(np.abs(w))[:-5]] = 0.0
    np.testing.assert_allclose(w / np.linalg.norm(w), v, atol=1e-6)
