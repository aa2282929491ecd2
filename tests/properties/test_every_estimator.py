"""What holds of every estimator, whatever it computes: layouts, precision, order.

Two fits of one problem reach the same minimum up to the tolerance of the certificate.
A tolerance of 1e-10 leaves an error of its root in the solution of a strongly convex
problem, so that is what two fits may differ by; single precision leaves what its own
rounding does.
"""

import copy
import pickle
import warnings
from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from sklearn import config_context
from sklearn.base import OneToOneFeatureMixin

from skopt2._core.array import to_numpy
from tests.properties.estimators import CASES
from tests.properties.fitted import assert_same_fit
from tests.properties.strategies import permutation, seeds, share

TOL = 1e-10
SOLVED = 10 * TOL**0.5
SINGLE = 5e-3
OUTPUTS = ("predict", "decision_function", "predict_proba", "transform")

# Folds, streams, draws of rows and of starting points go by the order of the rows.
ROWS_MATTER = (
    "CV",
    "Coreset",
    "HyperGradient",
    "KernelNewton",
    "KernelThinning",
    "ReferenceTransport",
    "SinkhornDistance",
    "Streaming",
    "TrendFilter",
    "WassersteinDictionary",
    "WassersteinKMeans",
)
# Places on a line, entries of a matrix and groups of neighbours are columns in order,
# and noise, sketches and random gates are drawn by column.
COLUMNS_MATTER = (
    "DP",
    "Group",
    "LinearDAG",
    "LowRank",
    "ReLU",
    "SinkhornDistance",
    "SketchedRidge",
    "Tensor",
    "TrendFilter",
    "Wasserstein",
)
# Where rounding chooses another vertex, start or number of steps.
UNSTABLE = ("Factorization", "SpectralUnmixer", "WassersteinDictionary", "ReLU")

every_case = pytest.mark.parametrize(
    "case", [case for case in CASES if case.parameters], ids=lambda case: case.name
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def has(case, words):
    return any(word in case.name for word in words)


def fit(case, data):
    """Fit a case to a tight tolerance, in silence."""
    tight = "tol" in case.parameters and case.name != "MirrorSinkhorn"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return data.fit(case.fresh(**({"tol": TOL} if tight else {})))


def outputs(estimator, X):
    """Return what an estimator says of the rows it was fitted to, by method."""
    said = {}
    for name in OUTPUTS:
        method = getattr(estimator, name, None)
        if method is None or X is None:
            continue
        value = method(X)
        value = value.toarray() if sp.issparse(value) else value
        host = np.asarray(to_numpy(value) if hasattr(value, "dtype") else value)
        if host.dtype.kind == "f":
            said[name] = host
    return said


def converted(data, change):
    """Return data with every array of floats changed."""

    def one(x):
        floats = x is not None and np.asarray(x).dtype.kind == "f"
        return change(x) if floats else x

    keywords = {name: one(x) for name, x in data.keywords.items()}
    return replace(data, X=one(data.X), y=one(data.y), keywords=keywords)


def assert_same_outputs(one, other, atol, rows=slice(None)):
    """Compare what two estimators say, relative to the largest number of each."""
    assert set(one) == set(other)
    for name, x in one.items():
        # Not below 1: zeros are zeros up to the tolerance, not up to their size.
        size = max(float(np.nanmax(np.abs(x))), 1.0) if x.size else 1.0
        np.testing.assert_allclose(
            other[name], x[rows], rtol=0, atol=atol * size, err_msg=name
        )


def exact_data(case, seed):
    """Return data that single precision holds exactly."""
    data = case.data(seed)
    return converted(data, lambda x: x.astype(np.float32).astype(np.float64))


@every_case
@share(0.4)
@given(seed=seeds)
def test_the_layout_of_arrays(case, seed):
    """Neither the order in memory nor the right to write changes an answer."""
    data = case.data(seed)
    base = fit(case, data)
    kept = copy.deepcopy(data)

    def frozen(x):
        x = np.asfortranarray(x.copy())
        x.flags.writeable = False
        return x

    other = fit(case, converted(data, frozen))
    assert_same_outputs(outputs(base, data.X), outputs(other, data.X), SOLVED)
    # No fit writes into what it was given.
    for x, y in [(data.X, kept.X), (data.y, kept.y)]:
        if x is not None:
            np.testing.assert_array_equal(x, y)


@every_case
@share(0.4)
@given(seed=seeds)
def test_a_fit_repeats_and_pickles(case, seed):
    data = case.data(seed)
    base = fit(case, data)
    assert_same_fit(base, fit(case, data))
    thawed = pickle.loads(pickle.dumps(base))
    assert_same_outputs(outputs(base, data.X), outputs(thawed, data.X), 0.0)


@every_case
@share(0.4)
@given(seed=seeds)
def test_single_precision(case, seed):
    if has(case, UNSTABLE):
        return
    data = exact_data(case, seed)
    single = converted(data, lambda x: x.astype(np.float32))
    one, other = fit(case, data), fit(case, single)
    said = outputs(other, single.X)
    assert_same_outputs(outputs(one, data.X), said, SINGLE)
    assert all(x.dtype == np.float32 for x in said.values())


@every_case
@share(0.4)
@given(seed=seeds)
def test_another_namespace(case, seed):
    """Arrays of the strict stand-in of the standard give NumPy's answer."""
    data = case.data(seed)
    if data.X is None:
        return
    strict = converted(data, array_api_strict.asarray)
    if strict.y is not None:
        strict = replace(strict, y=array_api_strict.asarray(np.asarray(data.y)))
    base = fit(case, data)
    with config_context(array_api_dispatch=True):
        said = outputs(fit(case, strict), strict.X)
    assert_same_outputs(outputs(base, data.X), said, SOLVED)


@every_case
@share(0.4)
@given(seed=seeds)
def test_sparse_input(case, seed):
    tags = getattr(case.estimator, "__sklearn_tags__", None)
    data = case.data(seed)
    if tags is None or not tags().input_tags.sparse or np.isnan(data.X).any():
        return
    # Histograms stay histograms, and no two rows become the same neighbour.
    whole = has(case, ("Sinkhorn", "Wasserstein", "GraphLabel"))
    X = data.X * ((np.abs(data.X) > 0.3 * np.abs(data.X).max()) | whole)
    one = fit(case, replace(data, X=X))
    other = fit(case, replace(data, X=sp.csr_array(X)))
    said = outputs(other, sp.csr_array(X))
    assert_same_outputs(outputs(one, X), said, SOLVED)


@every_case
@share(0.4)
@given(seed=seeds)
def test_the_order_of_rows(case, seed):
    data = case.data(seed)
    if data.X is None or has(case, ROWS_MATTER) or has(case, ("DP",)):
        return
    rows = permutation(seed, len(data.X))
    moved = replace(data, X=data.X[rows], y=None if data.y is None else data.y[rows])
    one, other = fit(case, data), fit(case, moved)
    assert_same_outputs(outputs(one, data.X), outputs(other, moved.X), SOLVED, rows)


@every_case
@share(0.4)
@given(seed=seeds)
def test_the_order_of_columns(case, seed):
    data = case.data(seed)
    if data.X is None or has(case, COLUMNS_MATTER):
        return
    p = data.X.shape[1]
    columns = permutation(seed, p)
    moved = converted(data, lambda x: x[:, columns] if x.shape[1:] == (p,) else x)
    one, other = outputs(fit(case, data), data.X), outputs(fit(case, moved), moved.X)
    if isinstance(case.estimator, OneToOneFeatureMixin) or case.name.endswith("pleter"):
        back = np.argsort(columns)
        other = {**other, "transform": other["transform"][:, back]}
    assert_same_outputs(one, other, SOLVED)
