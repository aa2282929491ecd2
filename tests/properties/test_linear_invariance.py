"""What changes a problem in name only changes no minimum: every convex linear model."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.properties.linear_problems import (
    CONVEX,
    alpha_scale,
    assert_same_minimum,
)
from tests.properties.strategies import permutation, ratios, scales, seeds, tables

every_model = pytest.mark.parametrize("model", CONVEX, ids=lambda model: model.name)


def prepared(model, table, ratio, weight=None):
    """Return target and alpha, with the classes that a classifier needs."""
    y = model.y(table)
    if model.target in ("binary", "classes"):
        seen = np.unique(y if weight is None else y[weight > 0])
        assume(len(seen) == (2 if model.target == "binary" else 3))
    if model.target == "count":
        assume((y if weight is None else y * weight).any())
    return y, ratio * alpha_scale(table.X, y, weight)


@every_model
@given(table=tables(), ratio=ratios, seed=seeds)
def test_the_order_of_the_rows(model, table, ratio, seed):
    y, alpha = prepared(model, table, ratio)
    order = permutation(seed, len(y))
    one = model.fit(table.X, y, alpha=alpha)
    other = model.fit(table.X[order], y[order], alpha=alpha)
    assert_same_minimum(one, other)


@every_model
@given(table=tables(), ratio=ratios, seed=seeds)
def test_the_order_of_the_columns(model, table, ratio, seed):
    if model.ordered:
        return
    y, alpha = prepared(model, table, ratio)
    order = permutation(seed, table.X.shape[1])
    one = model.fit(table.X, y, alpha=alpha)
    other = model.fit(table.X[:, order], y, alpha=alpha)
    assert_same_minimum(one, other)


@every_model
@given(table=tables(), ratio=ratios)
def test_a_weight_is_a_number_of_rows(model, table, ratio):
    y, alpha = prepared(model, table, ratio, table.weight)
    rows = np.repeat(np.arange(len(y)), table.weight.astype(int))
    one = model.fit(table.X, y, table.weight, alpha=alpha)
    other = model.fit(table.X[rows], y[rows], alpha=alpha)
    assert_same_minimum(one, other)


@every_model
@given(table=tables(), ratio=ratios, scale=scales)
def test_the_scale_of_the_weights(model, table, ratio, scale):
    y, alpha = prepared(model, table, ratio, table.weight)
    one = model.fit(table.X, y, table.weight, alpha=alpha)
    other = model.fit(table.X, y, scale * table.weight, alpha=alpha)
    assert_same_minimum(one, other)


@every_model
@given(table=tables(), ratio=ratios, scale=scales)
def test_the_scale_of_the_target(model, table, ratio, scale):
    if not model.homogeneous:
        return
    y, alpha = prepared(model, table, ratio)
    one = model.fit(table.X, y, alpha=alpha)
    other = model.fit(table.X, scale * y, alpha=scale * alpha)
    assert_same_minimum(one, other, scale=scale**2)


@every_model
@given(table=tables(), ratio=ratios, scale=scales)
def test_the_scale_of_the_features(model, table, ratio, scale):
    if not model.homogeneous:
        return
    y, alpha = prepared(model, table, ratio)
    one = model.fit(table.X, y, alpha=alpha)
    other = model.fit(scale * table.X, y, alpha=scale * alpha)
    assert_same_minimum(one, other)


@every_model
@given(
    table=tables(),
    ratio=ratios,
    layout=st.sampled_from(["csr", "csc", "fortran", "readonly", "strided"]),
)
def test_the_layout_of_the_features(model, table, ratio, layout):
    y, alpha = prepared(model, table, ratio)
    X = table.X
    if layout in ("csr", "csc"):
        Z = sp.csr_array(X).asformat(layout)
    elif layout == "fortran":
        Z = np.asfortranarray(X)
    elif layout == "strided":
        Z = np.repeat(X, 2, axis=1)[:, ::2]
    else:
        Z = X.copy()
        Z.flags.writeable = False
    one = model.fit(X, y, alpha=alpha)
    other = model.fit(Z, y, alpha=alpha)
    assert_same_minimum(one, other)
