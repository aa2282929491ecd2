"""Input of fits and predictions: what passes, what is converted, what fails."""

import timeit
import warnings

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skopt2._core import array
from skopt2._core.array import to_numpy
from skopt2._core.validation import check_fit_input, check_predict_input
from tests.stand_in import DEVICES


class Toy(RegressorMixin, BaseEstimator):
    def __init__(self, device=None):
        self.device = device

    def fit(self, X, y):
        """Make it an estimator in the eyes of scikit-learn."""
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class ToyClassifier(ClassifierMixin, BaseEstimator):
    device = None


@pytest.fixture
def data(rng):
    return rng.standard_normal((12, 4)), rng.standard_normal(12)


def put(place, x):
    """Return host data on the stand-in for CuPy, or as it is."""
    if place == "host":
        return x
    return array_api_strict.asarray(np.asarray(x), device=DEVICES[0])


# "cuda" goes through the checks of this package, "host" through scikit-learn's.
PLACES = pytest.mark.parametrize("place", ["host", "cuda"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_float_arrays_pass_untouched(data, dtype, order):
    X = np.asarray(data[0], dtype=dtype, order=order)
    y = data[1].astype(dtype)
    checked = check_fit_input(Toy(), X, y)
    assert checked.X is X
    assert checked.X_source is X
    assert np.shares_memory(checked.y, y)
    assert checked.y.dtype == dtype
    assert checked.sample_weight is None
    assert type(checked.X) is np.ndarray


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.uint8, bool, object])
def test_other_dtypes_become_float64(data, dtype):
    X = (4 * data[0]).astype(int).astype(dtype)
    checked = check_fit_input(Toy(), X, data[1])
    assert checked.X.dtype == np.float64
    assert_array_equal(checked.X, X.astype(float))


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_other_dtypes_on_cuda_become_float64(cuda_stand_in, data, dtype):
    X = (4 * data[0]).astype(int).astype(dtype)
    checked = check_fit_input(Toy(), put("cuda", X), put("cuda", data[1]))
    assert checked.X.dtype == array_api_strict.float64
    assert_array_equal(to_numpy(checked.X), X.astype(float))


def test_read_only_memmap(tmp_path, data):
    path = tmp_path / "X.npy"
    np.save(path, data[0])
    X = np.load(path, mmap_mode="r")
    checked = check_fit_input(Toy(), X, data[1])
    assert type(checked.X) is np.ndarray
    assert not checked.X.flags.writeable
    assert np.shares_memory(checked.X, X)


def test_pandas_sets_the_names(data):
    toy = Toy()
    frame = pd.DataFrame(data[0], columns=list("abcd"))
    check_fit_input(toy, frame, pd.Series(data[1]))
    assert_array_equal(toy.feature_names_in_, list("abcd"))
    assert toy.n_features_in_ == 4


@PLACES
def test_one_sample_and_constant_columns(cuda_stand_in, place):
    checked = check_fit_input(Toy(), put(place, np.ones((1, 2))), put(place, [1.0]))
    assert checked.X.shape == (1, 2)
    check_fit_input(Toy(), put(place, np.ones((5, 2))), put(place, np.arange(5.0)))


@PLACES
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1.0, np.nan]]), "Input X contains NaN"),
        (np.array([[1.0, np.inf]]), "Input X contains infinity"),
        (np.zeros(3), "Expected 2D array, got 1D array instead"),
        (np.zeros((1, 0)), r"0 feature\(s\) \(shape=\(1, 0\)\) while a minimum of 1"),
        (np.zeros((0, 2)), r"0 sample\(s\) \(shape=\(0, 2\)\) while a minimum of 1"),
        (np.zeros((1, 2)) + 1j, "Complex data not supported"),
    ],
)
def test_bad_X(cuda_stand_in, place, X, message):
    with pytest.raises(ValueError, match=message):
        check_fit_input(Toy(), put(place, X), put(place, np.zeros(1)))


FORMATS = [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_passes_untouched(data, kind, dtype):
    X = kind(data[0].astype(dtype))
    assert check_fit_input(Toy(), X, data[1]).X is X


@pytest.mark.parametrize("kind", [sp.coo_array, sp.lil_matrix, sp.dia_array])
def test_other_sparse_formats_are_converted(data, kind):
    checked = check_fit_input(Toy(), kind(data[0]), data[1])
    assert checked.X.format == "csc"
    assert_array_equal(checked.X.toarray(), data[0])


@pytest.mark.parametrize("kind", FORMATS)
def test_sparse_integers_and_64_bit_indices(data, kind):
    X = kind((3 * data[0]).astype(np.int64))
    X.indices = X.indices.astype(np.int64)
    X.indptr = X.indptr.astype(np.int64)
    checked = check_fit_input(Toy(), X, data[1])
    assert checked.X.dtype == np.float64
    assert_array_equal(checked.X.toarray(), X.toarray())


@pytest.mark.parametrize("place", ["host", "cuda"])
def test_duplicate_entries_are_summed_in_a_copy(cuda_stand_in, place):
    X = sp.csr_array(([1.0, 2.0, 4.0], [0, 0, 1], [0, 2, 3]), shape=(2, 2))
    source = X if place == "host" else cuda_stand_in.upload(X, 0)
    checked = to_numpy(check_fit_input(Toy(), source, put(place, [0.0, 1.0])).X)
    assert_array_equal(checked.data, [3.0, 4.0])
    assert X.nnz == 3


@pytest.mark.parametrize("kind", FORMATS)
def test_sparse_is_computed_on_cuda(cuda_stand_in, data, kind):
    checked = check_fit_input(Toy("cuda"), kind(data[0]), data[1])
    assert array.is_sparse(checked.X)
    assert array.device_of(checked.X) == DEVICES[0]
    assert checked.y.device == DEVICES[0]
    assert checked.source.label == "cpu"
    assert checked.target.label == "cuda:0"


def test_sparse_cuda_input(cuda_stand_in, data):
    X = cuda_stand_in.upload(sp.csr_array(data[0]), 0)
    assert check_fit_input(Toy(), X, data[1]).X is X
    other = check_fit_input(Toy(), X, data[1], accept_sparse=("csc",)).X
    assert other.format == "csc"
    with pytest.raises(TypeError, match="Toy needs dense data"):
        check_fit_input(Toy(), X, data[1], accept_sparse=False)


def test_sparse_cuda_input_with_integers_and_nan(cuda_stand_in, data):
    X = sp.csr_array((3 * data[0]).astype(np.int64))
    checked = check_fit_input(Toy(), cuda_stand_in.upload(X, 0), data[1]).X
    assert checked.dtype == array_api_strict.float64
    bad = sp.csr_array(np.array([[np.nan]]))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        check_fit_input(Toy(), cuda_stand_in.upload(bad, 0), np.zeros(1))


@PLACES
@pytest.mark.parametrize("y", [[1, 0, 2], np.array([1, 0, 1], bool), (1.0, 0.0, 2.0)])
def test_y_takes_the_dtype_of_X(cuda_stand_in, place, y):
    X = put(place, np.zeros((3, 1), np.float32))
    checked = check_fit_input(Toy(), X, y if place == "host" else put(place, y))
    assert checked.y.dtype == X.dtype
    assert_array_equal(to_numpy(checked.y), np.asarray(y, dtype=float))


@PLACES
def test_column_vector_warns(cuda_stand_in, place, data):
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        checked = check_fit_input(
            Toy(), put(place, data[0]), put(place, data[1][:, None])
        )
    assert_array_equal(to_numpy(checked.y), data[1])


@PLACES
@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan], "Input y contains NaN"),
        ([1.0, np.inf], "Input y contains infinity"),
        ([1.0, 2.0, 3.0], "inconsistent numbers of samples"),
        ([[1.0, 2.0], [3.0, 4.0]], "y should be a 1d array"),
        ([1.0 + 1j, 2.0], "Complex data not supported"),
    ],
)
def test_bad_y(cuda_stand_in, place, y, message):
    with pytest.raises(ValueError, match=message):
        check_fit_input(Toy(), put(place, np.ones((2, 1))), put(place, y))


@PLACES
def test_missing_y(cuda_stand_in, place, data):
    with pytest.raises(
        ValueError, match="requires y to be passed, but the target y is"
    ):
        check_fit_input(Toy(), put(place, data[0]), None)


@PLACES
def test_y_too_large_for_float32(cuda_stand_in, place):
    X = put(place, np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match="y has values too large for"):
        check_fit_input(Toy(), X, put(place, [1.0, 1e300]))


@PLACES
def test_multioutput_and_none(cuda_stand_in, place, data):
    X, Y = put(place, data[0]), put(place, data[0][:, :2])
    assert check_fit_input(Toy(), X, Y, y_kind="multioutput").y.shape == (12, 2)
    unsupervised = BaseEstimator()
    unsupervised.device = None
    assert check_fit_input(unsupervised, X, None, y_kind="none").y is None


def test_y_on_the_host_follows_X_to_cuda(cuda_stand_in, data):
    X = put("cuda", data[0])
    for y in (data[1], data[1].tolist(), pd.Series(data[1])):
        checked = check_fit_input(Toy(), X, y, sample_weight=np.arange(12.0))
        assert checked.y.device == DEVICES[0]
        assert checked.sample_weight.device == DEVICES[0]
        assert_array_equal(to_numpy(checked.y), data[1])
    back = check_fit_input(Toy(), data[0], put("cuda", data[1]))
    assert type(back.y) is np.ndarray


@PLACES
def test_labels_are_encoded(cuda_stand_in, place, data):
    labels = np.array([7, 3, 3, 9] * 3)
    checked = check_fit_input(
        ToyClassifier(),
        put(place, data[0]),
        put(place, labels),
        y_kind="classification",
    )
    assert_array_equal(checked.classes, [3, 7, 9])
    assert_array_equal(to_numpy(checked.y), [1, 0, 0, 2] * 3)
    assert_array_equal(to_numpy(checked.y_source), labels)
    if place == "cuda":
        assert checked.y.device == DEVICES[0]


@PLACES
def test_string_labels(cuda_stand_in, place, data):
    labels = np.array(["b", "a", "a"] * 4, dtype=object)
    checked = check_fit_input(
        ToyClassifier(), put(place, data[0]), labels, y_kind="classification"
    )
    assert list(checked.classes) == ["a", "b"]
    assert_array_equal(to_numpy(checked.y), [1, 0, 0] * 4)


@PLACES
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_bad_labels(cuda_stand_in, place, data):
    X = put(place, data[0])
    classify = {"y_kind": "classification"}
    with pytest.raises(ValueError, match="Unknown label type"):
        check_fit_input(ToyClassifier(), X, put(place, data[1]), **classify)
    with pytest.raises(ValueError, match="at least 2 classes in y, but there is only"):
        check_fit_input(ToyClassifier(), X, put(place, np.ones(12)), **classify)
    y = put(place, np.where(np.arange(12) < 3, np.nan, 1.0))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        check_fit_input(ToyClassifier(), X, y, **classify)


def test_a_class_without_weight_does_not_exist(data):
    y = np.array([5, 1, 2, 9] * 3)
    checked = check_fit_input(
        ToyClassifier(), data[0], y, np.isin(y, [1, 2]), y_kind="classification"
    )
    assert_array_equal(checked.classes, [1, 2])
    kept = checked.sample_weight > 0
    assert_array_equal(checked.classes[checked.y[kept]], y[kept])
    with pytest.raises(ValueError, match="one class among the samples of positive"):
        check_fit_input(ToyClassifier(), data[0], y, y == 5, y_kind="classification")


@PLACES
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(12), "sample_weight must be nonnegative; its smallest value is -1.0"),
        (np.zeros(12), "sample_weight must not be zero for every sample"),
        (np.ones(11), r"sample_weight has shape \(11,\), expected \(12,\)"),
        (np.ones((12, 1)), r"sample_weight has shape \(12, 1\), expected \(12,\)"),
        (np.full(12, np.nan), "Input sample_weight contains NaN"),
        (np.full(12, np.inf), "Input sample_weight contains infinity"),
        (np.ones(12) + 1j, "Complex data not supported"),
    ],
)
def test_bad_weights(cuda_stand_in, place, data, weight, message):
    X, y = put(place, data[0]), put(place, data[1])
    with pytest.raises(ValueError, match=message):
        check_fit_input(Toy(), X, y, put(place, weight))


def test_weights_that_are_words(data):
    with pytest.raises(ValueError, match="sample_weight must hold numbers: .*balanced"):
        check_fit_input(Toy(), *data, "balanced")


@PLACES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_sum_to_one_in_the_dtype_of_X(cuda_stand_in, place, data, dtype):
    X = put(place, data[0].astype(dtype))
    given = np.arange(12.0)
    checked = check_fit_input(Toy(), X, put(place, data[1]), put(place, given))
    weight = to_numpy(checked.sample_weight)
    assert weight.dtype == dtype
    assert_allclose(weight, given / 66, rtol=1e-6)
    assert_array_equal(given, np.arange(12.0))


@pytest.mark.parametrize(
    "weight", [None, 1, 2.5, np.full(12, 3), [0.1] * 12, pd.Series([7] * 12)]
)
def test_constant_weights_are_no_weights(data, weight):
    assert check_fit_input(Toy(), *data, weight).sample_weight is None


def test_huge_and_tiny_weights_neither_overflow_nor_vanish(data):
    for scale in (1e308, 1e-308):
        given = scale * np.linspace(0.1, 1.0, 12)
        weight = check_fit_input(Toy(), *data, given).sample_weight
        assert_allclose(weight.sum(), 1.0)
        assert_allclose(weight, np.linspace(0.1, 1, 12) / np.linspace(0.1, 1, 12).sum())


@pytest.mark.parametrize("device", ["CPU_DEVICE", "device1"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_strict_arrays_with_dispatch(dispatch, data, device, dtype):
    place = array_api_strict.Device(device)
    X = array_api_strict.asarray((9 * data[0]).astype(dtype), device=place)
    y = array_api_strict.asarray(data[1], device=place)
    checked = check_fit_input(Toy(), X, y, np.arange(12.0))
    assert checked.X.device == checked.y.device == checked.sample_weight.device == place
    expected = "float32" if dtype == "float32" else "float64"
    assert checked.X.dtype == checked.y.dtype == getattr(array_api_strict, expected)
    assert checked.source == checked.target


def test_mixed_namespaces_follow_X(dispatch, data):
    X = array_api_strict.asarray(data[0], device=DEVICES[0])
    assert check_fit_input(Toy(), X, data[1]).y.device == DEVICES[0]
    y = array_api_strict.asarray(data[1], device=DEVICES[0])
    checked = check_fit_input(Toy(), data[0], y, y * y)
    assert type(checked.y) is np.ndarray
    assert type(checked.sample_weight) is np.ndarray


def test_strict_labels_with_dispatch(dispatch, data):
    X = array_api_strict.asarray(data[0], device=DEVICES[0])
    y = array_api_strict.asarray(np.array([1, 5] * 6), device=DEVICES[0])
    checked = check_fit_input(ToyClassifier(), X, y, y_kind="classification")
    assert_array_equal(checked.classes, [1, 5])
    assert checked.y.device == DEVICES[0]


def test_strict_host_arrays_without_dispatch_become_numpy(data):
    X, y = (array_api_strict.asarray(part) for part in data)
    checked = check_fit_input(Toy(), X, y)
    assert type(checked.X) is np.ndarray
    assert type(checked.y) is np.ndarray


def fitted(coef, n_features=4):
    toy = Toy()
    toy.coef_, toy.n_features_in_ = coef, n_features
    return toy


def test_predict_before_fit(data):
    with pytest.raises(NotFittedError, match="This Toy instance is not fitted yet"):
        check_predict_input(Toy(), data[0])


def test_predict_on_the_host(data):
    toy = fitted(np.ones(4))
    assert check_predict_input(toy, data[0]) is data[0]
    assert check_predict_input(toy, sp.csc_array(data[0])).format == "csc"
    with pytest.raises(ValueError, match="X has 3 features, but Toy is expecting 4"):
        check_predict_input(toy, data[0][:, :3])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        check_predict_input(toy, np.full((1, 4), np.nan))


def test_predict_on_cuda(cuda_stand_in, data):
    X = put("cuda", data[0])
    toy = fitted(put("cuda", np.ones(4)))
    assert check_predict_input(toy, X) is X
    with pytest.raises(ValueError, match="X has 3 features, but Toy is expecting 4"):
        check_predict_input(toy, X[:, :3])


def test_predict_elsewhere_than_fitted(cuda_stand_in, data):
    X = put("cuda", data[0])
    message = r"Toy.score\(\) must use the same namespace.*to_device\(estimator, '{}'\)"
    with pytest.raises(ValueError, match=message.format("cuda:0")):
        check_predict_input(fitted(np.ones(4)), X, method="score")
    with pytest.raises(ValueError, match=message.format("cpu")):
        check_predict_input(fitted(put("cuda", np.ones(4))), data[0], method="score")
    other = fitted(cuda_stand_in.upload(np.ones(4), 1))
    with pytest.raises(ValueError, match=message.format("cuda:0")):
        check_predict_input(other, X, method="score")


def test_predict_elsewhere_with_dispatch(dispatch, data):
    toy = fitted(array_api_strict.ones(4))
    check_predict_input(toy, array_api_strict.asarray(data[0]))
    with pytest.raises(
        ValueError, match=r"Toy.predict\(\) must use the same namespace"
    ):
        check_predict_input(toy, data[0])


def test_small_input_is_checked_quickly(rng):
    X, y = rng.standard_normal((100, 10)), rng.standard_normal(100)
    toy = Toy()
    check_fit_input(toy, X, y)
    seconds = min(
        timeit.repeat(lambda: check_fit_input(toy, X, y), number=50, repeat=7)
    )
    # Measured alone: 0.1 ms. Twice the budget of 0.25 ms, for a busy machine.
    assert seconds / 50 < 5e-4


def test_nothing_is_said_about_good_input(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fit_input(Toy(), *data, np.arange(12.0))
        check_fit_input(Toy(), sp.csr_matrix(data[0]), data[1])


def test_device_is_optional(data):
    assert not hasattr(BaseEstimator(), "device")
    checked = check_fit_input(BaseEstimator(), data[0], None, y_kind="none")
    assert checked.target.label == "cpu"
