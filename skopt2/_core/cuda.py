"""CUDA access: the only file that imports CuPy, and only once something asks for it.

All that the library needs of a GPU goes through one object, :data:`provider`: find the
devices, recognise their arrays, move data, size chunks, compile kernels. The test suite
replaces it by a stand-in on an array-api-strict device, so that the word ``"cuda"`` is
exercised on machines without a GPU; nothing else in skopt2 may name CuPy.
"""

import functools
import re
import sys

import numpy as np
import scipy.sparse as sp
from array_api_compat import is_array_api_obj
from sklearn import get_config

from skopt2._core.array import HOST, Target, device_of, namespace

_DEVICE_NAMES = re.compile(r"cpu|auto|cuda(:\d+)?")


class CuPyProvider:
    """What skopt2 needs of CuPy, imported at the first question."""

    # Whether :meth:`kernel` compiles CUDA sources; without, the array twins run.
    has_kernels = True

    def owns(self, x):
        """Return True for a CuPy array or sparse matrix.

        An array of a library can only exist where the library has been imported, so
        host input never pays for the import.
        """
        if "cupy" not in sys.modules:
            return False
        return type(x).__module__.partition(".")[0] in ("cupy", "cupyx")

    @functools.cached_property
    def problem(self):
        """Why CuPy cannot be used here, in a few words; an empty string if it can."""
        try:
            import cupy

            if cupy.cuda.runtime.getDeviceCount() == 0:
                return "no CUDA device was found"
            # A wheel for another CUDA version imports and counts devices, and fails
            # only when it compiles its first kernel.
            float(cupy.arange(2).sum())
        except ImportError:
            return "CuPy is not installed"
        except Exception as error:
            return f"CuPy does not work here ({type(error).__name__}: {error})"
        return ""

    def device_count(self):
        """Return the number of CUDA devices."""
        import cupy

        return cupy.cuda.runtime.getDeviceCount()

    def current(self):
        """Return the number of the device that CuPy uses by default."""
        import cupy

        return cupy.cuda.runtime.getDevice()

    def index_of(self, x):
        """Return the number of the device that holds an array."""
        return getattr(x, "data", x).device.id if _is_sparse(x) else x.device.id

    def target(self, index):
        """Return the :class:`Target` of a device number."""
        import array_api_compat.cupy as xp
        import cupy

        device = cupy.cuda.Device(index)
        return Target(xp, device, f"cuda:{index}", "cuda", self, index)

    def activate(self, index):
        """Return the context in which kernels run on a device."""
        import cupy

        return cupy.cuda.Device(index)

    def upload(self, x, index):
        """Return an array or sparse matrix on a device."""
        import cupy

        with cupy.cuda.Device(index):
            if sp.issparse(x):
                return self.upload_sparse(x)
            if _is_sparse(x):
                return x if self.index_of(x) == index else x.copy()
            return cupy.asarray(x)

    def upload_sparse(self, x):
        """Return a SciPy CSR or CSC matrix on the current device."""
        import cupy

        module = self.sparse
        # cuSPARSE indexes with 32 bits; its own conversion would wrap around silently.
        largest = max(x.nnz, *x.shape)
        if largest > np.iinfo(np.int32).max:
            raise ValueError(
                f"Sparse X with {x.nnz} stored values and shape {x.shape} needs 64-bit "
                "indices, which CUDA sparse matrices do not have. Use device='cpu'."
            )
        build = module.csr_matrix if x.format == "csr" else module.csc_matrix
        parts = (
            cupy.asarray(x.data),
            cupy.asarray(x.indices.astype(np.int32, copy=False)),
            cupy.asarray(x.indptr.astype(np.int32, copy=False)),
        )
        return build(parts, shape=x.shape)

    @property
    def sparse(self):
        """The module with ``csr_matrix`` and ``csc_matrix`` of the device."""
        import cupyx.scipy.sparse

        return cupyx.scipy.sparse

    def free_memory(self, index):
        """Return the bytes that can still be allocated, the pool's own free ones in."""
        import cupy

        with cupy.cuda.Device(index):
            free, _ = cupy.cuda.runtime.memGetInfo()
            return free + cupy.get_default_memory_pool().free_bytes()

    def synchronize(self, index):
        """Wait until a device has finished its work; needed only around timings."""
        import cupy

        cupy.cuda.Device(index).synchronize()

    def solve_cholesky(self, factor, rhs):
        """Return the solution for a lower Cholesky factor of shape (k, k)."""
        from cupyx.scipy.linalg import solve_triangular

        half = solve_triangular(factor, rhs, lower=True)
        return solve_triangular(factor, half, lower=True, trans="T")

    def solve_triangular(self, factor, rhs, transposed=False):
        """Return the solution for a lower factor of shape (n, n), or its transpose."""
        from cupyx.scipy.linalg import solve_triangular

        trans = "T" if transposed else "N"
        return solve_triangular(factor, rhs, lower=True, trans=trans)

    def generator(self, seed, index):
        """Return a random generator of a device."""
        import cupy

        with cupy.cuda.Device(index):
            return cupy.random.Generator(cupy.random.XORWOW(seed))

    def kernel(self, source, name, options=()):
        """Return one compiled kernel of a CUDA source; compiled once per process."""
        return _module(source, options).get_function(name)


@functools.lru_cache(maxsize=64)
def _module(source, options):
    import cupy

    return cupy.RawModule(code=source, options=options)


provider = CuPyProvider()


def _is_sparse(x):
    return hasattr(x, "nnz") and hasattr(x, "indptr")


def available():
    """Return True if CuPy is installed and finds a working device."""
    return provider.problem == ""


def cuda_target(name="cuda"):
    """Return the target of ``"cuda"`` or ``"cuda:<number>"``.

    Parameters
    ----------
    name : str, default="cuda"
        ``"cuda"`` is the current device.

    Returns
    -------
    target : Target
        Where to compute.

    Raises
    ------
    ImportError
        If there is no working CuPy.
    ValueError
        If there is no device of that number.
    """
    if provider.problem:
        raise ImportError(
            f"device={name!r} needs CuPy with a CUDA device, but {provider.problem}. "
            "Install the extra that matches your CUDA version, pip install "
            "'skopt2[cuda12]' or 'skopt2[cuda13]', or use device='auto' or 'cpu'."
        )
    if ":" not in name:
        return provider.target(provider.current())
    index, count = int(name.partition(":")[2]), provider.device_count()
    if index >= count:
        raise ValueError(f"device={name!r}, but there are {count} CUDA devices.")
    return provider.target(index)


def check_device(device):
    """Raise ValueError unless ``device`` is one that every estimator accepts."""
    if device is None:
        return
    if not isinstance(device, str) or not _DEVICE_NAMES.fullmatch(device):
        raise ValueError(
            "device must be None, 'cpu', 'cuda', 'cuda:<number>' or 'auto'; "
            f"got {device!r}."
        )


def target_of(x):
    """Return the target where an input lives; the host for whatever is no array.

    Arrays of libraries other than NumPy and CuPy count as arrays only while
    scikit-learn's array API dispatch is on; otherwise they are host data that
    validation converts, as everywhere in scikit-learn.

    Parameters
    ----------
    x : object
        Input of a fit or of a prediction.

    Returns
    -------
    target : Target
        Namespace, device and label.
    """
    if type(x) is np.ndarray:
        return HOST
    if provider.owns(x):
        return provider.target(provider.index_of(x))
    if not get_config()["array_api_dispatch"]:
        return HOST
    if isinstance(x, np.ndarray) or not is_array_api_obj(x):
        return HOST
    device = device_of(x)
    return Target(namespace(x), device, str(device), "array")


def resolve(device, x):
    """Return where an input lives and where ``device`` says to compute.

    Parameters
    ----------
    device : {None, "cpu", "cuda", "cuda:<number>", "auto"}
        The estimator's parameter.
    x : object
        The input ``X`` of ``fit``.

    Returns
    -------
    source : Target
        Where ``x`` lives, which is where fitted attributes and predictions go.
    target : Target
        Where the computation runs.
    """
    check_device(device)
    source = target_of(x)
    if device is None or device == "auto":
        if device == "auto" and source.kind == "numpy" and available():
            return source, cuda_target()
        return source, source
    if device == "cpu":
        return source, HOST
    if source.kind == "array":
        raise ValueError(
            f"device={device!r} computes with CuPy, but X is an array of "
            f"{source.xp.__name__} on {source.label}. Pass NumPy or CuPy arrays, or "
            "device=None to compute where X is."
        )
    if source.kind == "cuda" and ":" not in device:
        return source, source
    return source, cuda_target(device)


def memory_budget(target, fraction=0.5):
    """Return the bytes that temporary arrays of one chunk may take.

    On a GPU a fraction of the free memory, on the host scikit-learn's
    ``working_memory``.

    Parameters
    ----------
    target : Target
        Where the chunk will live.
    fraction : float, default=0.5
        Share of the free device memory.

    Returns
    -------
    n_bytes : int
        At least one MiB.
    """
    if target.kind == "cuda":
        n_bytes = int(fraction * provider.free_memory(target.index))
    else:
        n_bytes = int(get_config()["working_memory"] * 2**20)
    return max(n_bytes, 2**20)
