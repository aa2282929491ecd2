"""Devices: the resolution table, the messages, and how the stand-in is wired in."""

import subprocess
import sys

import array_api_strict
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context

from skopt2._core import cuda
from skopt2._core.array import HOST, move, to_numpy
from tests.stand_in import DEVICES

X = np.arange(6.0).reshape(3, 2)
HOST_INPUTS = [
    X,
    X.tolist(),
    pd.DataFrame(X),
    sp.csr_array(X),
    sp.csc_matrix(X),
    np.asfortranarray(X),
]


def labels(device, x):
    source, target = cuda.resolve(device, x)
    return source.label, target.label


@pytest.mark.parametrize("x", HOST_INPUTS, ids=lambda x: type(x).__name__)
def test_host_input(cuda_stand_in, x):
    assert cuda.resolve(None, x) == (HOST, HOST)
    assert cuda.resolve("cpu", x) == (HOST, HOST)
    assert labels("cuda", x) == ("cpu", "cuda:0")
    assert labels("cuda:1", x) == ("cpu", "cuda:1")
    assert labels("auto", x) == ("cpu", "cuda:0")


def test_auto_falls_back_without_cuda(no_cuda):
    assert cuda.resolve("auto", X) == (HOST, HOST)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_without_cupy_names_the_extras(no_cuda, device):
    with pytest.raises(
        ImportError, match=r"skopt2\[cuda12\].*skopt2\[cuda13\]"
    ) as info:
        cuda.resolve(device, X)
    assert repr(device) in str(info.value)
    assert "CuPy is not installed" in str(info.value)


def test_cuda_device_that_is_not_there(cuda_stand_in):
    with pytest.raises(ValueError, match="there are 2 CUDA devices"):
        cuda.resolve("cuda:7", X)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "CPU", 0, "cuda:1x"])
def test_unknown_device(device):
    with pytest.raises(ValueError, match="device must be None, 'cpu', 'cuda'"):
        cuda.resolve(device, X)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_cuda_input_needs_no_flag(cuda_stand_in, number, flag):
    x = cuda_stand_in.upload(X, number)
    here = f"cuda:{number}"
    with config_context(array_api_dispatch=flag):
        for device in (None, "cuda", "auto"):
            assert labels(device, x) == (here, here)
        assert labels("cpu", x) == (here, "cpu")
        assert labels("cuda:1", x) == (here, "cuda:1")


def test_sparse_cuda_input(cuda_stand_in):
    x = cuda_stand_in.upload(sp.csr_array(X), 1)
    assert labels(None, x) == ("cuda:1", "cuda:1")


def test_other_arrays_follow_x_with_dispatch(dispatch):
    x = array_api_strict.asarray(X, device=DEVICES[0])
    for device in (None, "auto"):
        source, target = cuda.resolve(device, x)
        assert source == target
        assert source.kind == "array"
        assert source.xp is array_api_strict
        assert source.device == DEVICES[0]
    with pytest.raises(ValueError, match="computes with CuPy, but X is an array of"):
        cuda.resolve("cuda", x)
    assert cuda.resolve("cpu", x)[1] is HOST


def test_other_arrays_are_host_data_without_dispatch():
    assert cuda.resolve(None, array_api_strict.asarray(X)) == (HOST, HOST)


def test_numpy_stays_numpy_with_dispatch(dispatch):
    assert cuda.resolve(None, X) == (HOST, HOST)
    assert cuda.resolve(None, X.tolist()) == (HOST, HOST)
    assert cuda.resolve(None, pd.DataFrame(X)) == (HOST, HOST)


def test_host_work_never_imports_cupy():
    code = (
        "import sys, numpy as np\n"
        "from skopt2._core import cuda\n"
        "cuda.resolve(None, np.zeros((2, 2)))\n"
        "assert 'cupy' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_cupy_is_reported_once_and_kindly(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    provider = cuda.CuPyProvider()
    assert provider.problem == "CuPy is not installed"


def test_broken_cupy_is_reported(monkeypatch):
    class Broken:
        def __getattr__(self, name):
            raise RuntimeError("driver too old")

    monkeypatch.setitem(sys.modules, "cupy", Broken())
    provider = cuda.CuPyProvider()
    assert provider.problem == "CuPy does not work here (RuntimeError: driver too old)"


def test_memory_budget(cuda_stand_in):
    assert cuda.memory_budget(cuda_stand_in.target(0)) == 2**29
    assert cuda.memory_budget(cuda_stand_in.target(0), fraction=0.25) == 2**28
    with config_context(working_memory=8):
        assert cuda.memory_budget(HOST) == 8 * 2**20
    with config_context(working_memory=0):
        assert cuda.memory_budget(HOST) == 2**20


def test_targets_compare_by_place(cuda_stand_in):
    first, other = cuda_stand_in.target(0), cuda_stand_in.target(1)
    assert first == cuda_stand_in.target(0)
    assert first != other
    with first.activate(), HOST.activate():
        pass


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_matrix, np.asarray])
def test_cupy_round_trip(kind):
    x = kind(X)
    target = cuda.cuda_target()
    there = move(x, target)
    assert cuda.provider.owns(there)
    assert cuda.target_of(there) == target
    back = to_numpy(there)
    assert_array_equal(back if kind is np.asarray else back.toarray(), X)
    assert cuda.memory_budget(target) > 2**20


@pytest.mark.gpu
def test_cupy_kernel():
    target = cuda.cuda_target()
    source = r"""
    extern "C" __global__ void twice(double* x, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) x[i] *= 2;
    }
    """
    kernel = cuda.provider.kernel(source, "twice")
    x = move(np.arange(5.0), target)
    kernel((1,), (32,), (x, np.int32(5)))
    cuda.provider.synchronize(target.index)
    assert_allclose(to_numpy(x), 2 * np.arange(5.0))


@pytest.mark.gpu
def test_cupy_refuses_indices_of_64_bits():
    class Huge:
        nnz, shape, format = 2**31, (2, 2), "csr"

    with pytest.raises(ValueError, match="64-bit indices"):
        cuda.provider.upload_sparse(Huge())
