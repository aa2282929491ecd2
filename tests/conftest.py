"""Array fixtures: every namespace the library runs on, and a stand-in for a GPU."""

import os

# SciPy reads it once, at import; scikit-learn's array API dispatch requires it.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn import config_context

from skopt2._core import cuda
from skopt2._core.array import HOST, Target, move, to_numpy
from tests.stand_in import DEVICES, HOST_DEVICE, StandInProvider


@dataclass(frozen=True)
class Backend:
    """A namespace and device under test."""

    name: str
    target: Target

    @property
    def xp(self) -> Any:
        return self.target.xp

    @property
    def device(self) -> Any:
        return self.target.device

    def asarray(self, values, dtype=None):
        """Return host values there."""
        host = np.asarray(to_numpy(values) if hasattr(values, "dtype") else values)
        return move(host if dtype is None else host.astype(dtype), self.target)

    def to_numpy(self, x):
        """Return an array of the backend in host memory."""
        return to_numpy(x)


def _backend(name):
    """Return the backend of a parameter name."""
    if name == "numpy":
        return Backend(name, HOST)
    if name.startswith("strict"):
        import array_api_strict

        device = HOST_DEVICE if name == "strict" else DEVICES[0]
        return Backend(name, Target(array_api_strict, device, name, "array"))
    if name == "torch":
        import array_api_compat.torch
        import torch

        device = torch.device("cpu")
        return Backend(name, Target(array_api_compat.torch, device, "cpu", "array"))
    return Backend(name, cuda.cuda_target())


_NO_TORCH = importlib.util.find_spec("torch") is None
BACKENDS = [
    "numpy",
    "strict",
    "strict-device1",
    pytest.param(
        "torch", marks=pytest.mark.skipif(_NO_TORCH, reason="torch is not installed")
    ),
    pytest.param("cupy", marks=pytest.mark.gpu),
]


def pytest_addoption(parser):
    """Let ``--thorough`` run the tests that an ordinary run leaves out."""
    parser.addoption(
        "--thorough",
        action="store_true",
        help="run also the tests marked as thorough: longer ones, and checks that "
        "are repeated with other settings",
    )


def pytest_collection_modifyitems(config, items):
    """Leave the thorough tests out, unless the command line names them."""
    chosen = config.option.markexpr or config.option.keyword
    if config.option.thorough or chosen or any("::" in path for path in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("thorough")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]


def pytest_runtest_setup(item):
    """Skip the tests of a GPU where CuPy finds none."""
    if item.get_closest_marker("gpu") and not cuda.available():
        pytest.skip(f"needs a GPU: {cuda.provider.problem}")


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Every array namespace that is installed here, one test each."""
    return _backend(request.param)


@pytest.fixture(
    params=[
        "numpy",
        "strict-device1",
        pytest.param("cupy", marks=pytest.mark.gpu),
    ]
)
def device_backend(request):
    """NumPy and the devices that refuse silent copies: the quick choice."""
    return _backend(request.param)


@pytest.fixture
def cuda_stand_in(monkeypatch):
    """Let ``"cuda"`` mean the devices of array-api-strict that are not the host.

    A whole file uses it with ``pytestmark = pytest.mark.usefixtures("cuda_stand_in")``.
    """
    provider = StandInProvider()
    monkeypatch.setattr(cuda, "provider", provider)
    return provider


@pytest.fixture
def no_cuda(monkeypatch):
    """Pretend that CuPy is not installed, wherever the test runs."""
    provider = cuda.CuPyProvider()
    provider.problem = "CuPy is not installed"
    monkeypatch.setattr(cuda, "provider", provider)
    return provider


@pytest.fixture
def dispatch():
    """Turn scikit-learn's array API dispatch on."""
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def rng():
    """A generator with a fixed seed."""
    return np.random.default_rng(20240607)
