"""The benchmark of sketched ridge compares models of one problem."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from benchmarks.sketched_ridge import (
    claims,
    compare_sizes,
    intervals,
    main,
    make_data,
    new_error,
    noise_of,
)


def test_error_on_new_rows_is_that_of_many(rng):
    X, y, coef, scale = make_data(80, 30)
    model = Ridge(alpha=1.0).fit(X, y)
    new = rng.standard_normal((40000, 30)) * scale
    target = new @ coef + 2.0 * rng.standard_normal(40000)
    sampled = np.mean((target - model.predict(new)) ** 2)
    assert new_error(model, coef, scale) == pytest.approx(sampled, rel=0.03)


@pytest.mark.parametrize("kind", ["normal", "t, 3 degrees", "exponential"])
def test_kinds_of_noise_have_one_deviation(rng, kind):
    noise = noise_of(kind, 100000, rng)
    assert noise.mean() == pytest.approx(0.0, abs=0.05)
    assert noise.std() == pytest.approx(2.0, rel=0.15)


def test_figures_are_those_of_all_methods():
    rows = compare_sizes(60, 60, members=2)
    assert "RidgeCV" in rows
    assert len(rows) == 9
    assert all(error > 0.0 for _, error in rows.values())
    figures = claims(60, 80, "dct", seeds=1)
    assert set(figures) == {"gcv", "trick", "size"}
    mean, _, plain = intervals(60, 50, "normal", seeds=2)
    assert plain < mean < 1.0


def test_lines_are_printed(capsys):
    main(["--parts", "intervals", "--scale", "0.1"])
    assert capsys.readouterr().out.count("coverage") == 3
