"""A stand-in for CuPy: array-api-strict arrays on devices that are not the host.

array-api-strict refuses every silent copy to NumPy from such a device, as CuPy does, so
a fit that passes with it would not cross to the host by accident on a GPU either.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import array_api_strict
import numpy as np
import scipy.sparse as sp

from skopt2._core.array import Target

DEVICES = (array_api_strict.Device("device1"), array_api_strict.Device("device2"))
HOST_DEVICE = array_api_strict.Device("CPU_DEVICE")


def download(x):
    """Return a strict array in host memory."""
    return np.asarray(x.to_device(HOST_DEVICE))


class StandInSparse:
    """What cupyx.scipy.sparse matrices offer, for strict arrays on one device."""

    def __init__(self, host, device):
        self._host = host
        self._device = device
        self.format = host.format
        self.shape = host.shape
        self.nnz = host.nnz
        self.ndim = 2

    def _up(self, x):
        return array_api_strict.asarray(np.asarray(x), device=self._device)

    def _down(self, x):
        if isinstance(x, (int, float, slice)):
            return x
        assert x.device == self._device, "a product of two devices"
        return download(x)

    def _like(self, host):
        return StandInSparse(host, self._device)

    @property
    def data(self):
        return self._up(self._host.data)

    @property
    def indices(self):
        return self._up(self._host.indices)

    @property
    def indptr(self):
        return self._up(self._host.indptr)

    @property
    def dtype(self):
        return self.data.dtype

    @property
    def T(self):
        return self._like(self._host.T)

    @property
    def has_canonical_format(self):
        return self._host.has_canonical_format

    def sum_duplicates(self):
        self._host.sum_duplicates()
        self.nnz = self._host.nnz

    def __matmul__(self, other):
        if isinstance(other, StandInSparse):
            assert other._device == self._device, "a product of two devices"
            return self._like(self._host @ other._host)
        return self._up(self._host @ self._down(other))

    def __rmatmul__(self, other):
        return self._up(self._down(other) @ self._host)

    def __getitem__(self, key):
        if isinstance(key, tuple):
            return self._like(self._host[tuple(self._down(part) for part in key)])
        return self._like(self._host[self._down(key)])

    def asformat(self, name):
        return self if name == self.format else self._like(self._host.asformat(name))

    def tocsr(self):
        return self.asformat("csr")

    def tocsc(self):
        return self.asformat("csc")

    def astype(self, dtype):
        names = {
            getattr(array_api_strict, name): name for name in ("float32", "float64")
        }
        return self._like(self._host.astype(names[dtype]))

    def multiply(self, other):
        return self._like(self._host.multiply(self._down(other)).asformat(self.format))

    def power(self, exponent):
        return self._like(self._host.power(exponent))

    def sum(self, axis=None):
        return self._up(np.asarray(self._host.sum(axis=axis)))

    def toarray(self):
        return self._up(self._host.toarray())

    def copy(self):
        return self._like(self._host.copy())

    def get(self):
        return self._host


class StandInProvider:
    """Replaces ``skopt2._core.cuda.provider``; has the devices 0 and 1."""

    problem = ""
    has_kernels = False

    def __init__(self):
        self.sparse = SimpleNamespace(
            csr_matrix=lambda x: self.upload(sp.csr_array(x), 0),
            csc_matrix=lambda x: self.upload(sp.csc_array(x), 0),
        )

    def owns(self, x):
        if isinstance(x, StandInSparse):
            return True
        return type(x).__module__.startswith("array_api_strict") and (
            getattr(x, "device", None) in DEVICES
        )

    def device_count(self):
        return len(DEVICES)

    def current(self):
        return 0

    def index_of(self, x):
        return DEVICES.index(getattr(x, "_device", None) or x.device)

    def target(self, index):
        return Target(
            array_api_strict, DEVICES[index], f"cuda:{index}", "cuda", self, index
        )

    def activate(self, index):
        return nullcontext()

    def upload(self, x, index):
        if isinstance(x, StandInSparse):
            return StandInSparse(x._host, DEVICES[index])
        if sp.issparse(x):
            return StandInSparse(x.copy(), DEVICES[index])
        if type(x).__module__.startswith("array_api_strict"):
            return x.to_device(DEVICES[index])
        return array_api_strict.asarray(np.asarray(x), device=DEVICES[index])

    def free_memory(self, index):
        return 2**30

    def synchronize(self, index):
        pass

    def generator(self, seed, index):
        return _Generator(np.random.default_rng(seed), DEVICES[index])


class _Generator:
    """The part of cupy.random.Generator that skopt2 uses."""

    def __init__(self, rng, device):
        self._rng = rng
        self._device = device

    def _up(self, x):
        return array_api_strict.asarray(x, device=self._device)

    def standard_normal(self, shape, dtype=np.float64):
        return self._up(self._rng.standard_normal(shape, dtype=dtype))

    def random(self, shape, dtype=np.float64):
        return self._up(self._rng.random(shape, dtype=dtype))

    def integers(self, low, high, shape, dtype=np.int64):
        return self._up(self._rng.integers(low, high, shape, dtype=dtype))
