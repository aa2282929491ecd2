"""Moving fitted models between devices."""

import pickle
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skopt2
from skopt2._core import cuda
from skopt2._core.array import to_numpy
from tests.stand_in import DEVICES, StandInSparse

Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Frozen:
    values: object
    name: str = "kept"


class Model(BaseEstimator):
    def __init__(self, factor=None, inner=None):
        self.factor = factor
        self.inner = inner


@pytest.fixture
def model():
    model = Model(factor=np.ones(3), inner=Model(factor=np.zeros(2)))
    model.coef_ = np.arange(3.0)
    model.codes_ = np.arange(3)
    model.parts_ = {"list": [np.ones(2), "text", None], "pair": Pair(np.ones(1), 2)}
    model.frozen_ = Frozen(np.ones(2))
    model.sparse_coef_ = sp.csr_array(np.eye(3))
    model.classes_ = np.array(["a", "b"])
    model.feature_names_in_ = np.array(["x", "y", "z"], dtype=object)
    model.history_ = {"objective": np.ones(4)}
    model.n_iter_ = 3
    model.device_ = "cpu"
    model.self_ = model
    return model


def everything(model):
    return [
        model.factor,
        model.inner.factor,
        model.coef_,
        model.codes_,
        model.parts_["list"][0],
        model.parts_["pair"].left,
        model.frozen_.values,
    ]


def test_there_and_back(cuda_stand_in, model):
    there = skopt2.to_device(model, "cuda:1")
    assert all(x.device == DEVICES[1] for x in everything(there))
    assert isinstance(there.sparse_coef_, StandInSparse)
    assert there.device_ == "cuda:1"
    back = skopt2.to_device(there, "cpu")
    for x, y in zip(everything(back), everything(model), strict=True):
        assert type(x) is np.ndarray
        assert x.dtype == y.dtype
        assert_array_equal(x, y)
    assert sp.issparse(back.sparse_coef_)
    assert back.device_ == "cpu"
    assert b"array_api_strict" not in pickle.dumps(back)


def test_what_is_no_number_stays(cuda_stand_in, model):
    there = skopt2.to_device(model, "cuda")
    assert there.classes_ is model.classes_
    assert there.feature_names_in_ is model.feature_names_in_
    assert type(there.history_["objective"]) is np.ndarray
    assert there.parts_["list"][1:] == ["text", None]
    assert isinstance(there.parts_["pair"], Pair)
    assert there.frozen_.name == "kept"
    assert there.n_iter_ == 3


def test_the_original_is_left_alone(cuda_stand_in, model):
    there = skopt2.to_device(model, "cuda")
    assert there is not model
    assert there.inner is not model.inner
    assert type(model.coef_) is np.ndarray
    assert type(model.parts_["list"][0]) is np.ndarray
    assert model.device_ == "cpu"


def test_cycles_and_shared_arrays(cuda_stand_in, model):
    model.again_ = model.coef_
    there = skopt2.to_device(model, "cuda")
    assert there.self_ is there
    assert there.again_ is there.coef_


def test_arrays_that_are_there_are_shared(model):
    assert skopt2.to_device(model, "cpu").coef_ is model.coef_


def test_a_pipeline_moves_as_a_whole(cuda_stand_in, rng):
    X = rng.standard_normal((10, 2))
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, 0])
    there = skopt2.to_device(pipeline, "cuda")
    assert there[0].mean_.device == there[1].coef_.device == DEVICES[0]
    back = skopt2.to_device(there, "cpu")
    assert_array_equal(back.predict(X), pipeline.predict(X))


def test_auto(cuda_stand_in, model):
    assert skopt2.to_device(model, "auto").coef_.device == DEVICES[0]


def test_auto_and_cuda_without_cupy(no_cuda, model):
    assert type(skopt2.to_device(model, "auto").coef_) is np.ndarray
    with pytest.raises(ImportError, match=r"skopt2\[cuda12\]"):
        skopt2.to_device(model, "cuda")


@pytest.mark.parametrize("device", [None, "gpu"])
def test_bad_device(model, device):
    with pytest.raises(ValueError, match="device must be"):
        skopt2.to_device(model, device)


@pytest.mark.gpu
def test_cupy_there_and_back(model):
    there = skopt2.to_device(model, "cuda")
    assert all(cuda.provider.owns(x) for x in everything(there))
    for x, y in zip(everything(there), everything(model), strict=True):
        assert_array_equal(to_numpy(x), y)
    assert b"cupy" not in pickle.dumps(skopt2.to_device(there, "cpu"))
