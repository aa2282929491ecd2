"""Kernels of scikit-learn: those with a name, and those of its Gaussian processes."""

import numpy as np
from sklearn.metrics.pairwise import pairwise_kernels

from skopt2._core.array import asarray_like, to_numpy
from skopt2._core.parameters import check_choice
from skopt2.kernels.base import Kernel

NAMES = (
    "additive_chi2",
    "chi2",
    "cosine",
    "laplacian",
    "linear",
    "poly",
    "polynomial",
    "rbf",
    "sigmoid",
)


def is_process_kernel(kernel):
    """Return True for a kernel object of scikit-learn's Gaussian processes.

    Parameters
    ----------
    kernel : object
        Anything.

    Returns
    -------
    found : bool
        Whether it is called with two sets of points and has a diagonal.
    """
    needed = ("diag", "is_stationary", "theta")
    # Asked of the class: the parameters themselves may be out of range.
    return callable(kernel) and all(hasattr(type(kernel), name) for name in needed)


class FromPairwise(Kernel):
    """Kernel of scikit-learn, by its name or as an object.

    Parameters
    ----------
    metric : str, kernel of sklearn.gaussian_process.kernels, or callable
        A name that :func:`sklearn.metrics.pairwise.pairwise_kernels` knows, a kernel
        object without a white part, or a function of two points that returns a number.
    params : dict or None, default=None
        Parameters that go with the name, such as ``{"gamma": 0.1}``.

    Notes
    -----
    Computed on the host, whatever the arrays are. The names "sigmoid" and
    "additive_chi2" stand for functions that are not positive semidefinite.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import FromPairwise
    >>> kernel = FromPairwise("rbf", {"gamma": 1.0})
    >>> kernel(np.array([[0.0], [1.0]])).round(4).tolist()
    [[1.0, 0.3679], [0.3679, 1.0]]
    """

    name = "pairwise"

    def __init__(self, metric, params=None):
        self.metric = metric
        self.params = params

    @property
    def is_stationary(self):
        """Whether the kernel depends on the difference of two points alone."""
        if is_process_kernel(self.metric):
            return bool(self.metric.is_stationary())
        return self.metric in ("rbf", "laplacian")

    def check_parameters(self):
        """Raise ValueError unless scikit-learn knows the kernel."""
        if not callable(self.metric):
            check_choice(
                "metric", self.metric, NAMES, other="a callable such as a kernel object"
            )
        if self.params is not None and not isinstance(self.params, dict):
            raise ValueError(
                f"params must be a dict or None; got params={self.params!r}."
            )

    def features(self, X, origin=None, wide=False):
        """Keep points on the host, unchanged; see :meth:`Kernel.features`."""
        prepared = super().features(X, origin, wide)
        if is_process_kernel(self.metric) and X.shape[0]:
            point = np.asarray(to_numpy(X[:1, :]))
            alone, beside = self.metric(point), self.metric(point, point.copy())
            if abs(float(alone[0, 0] - beside[0, 0])) > 1e-12 * abs(float(alone[0, 0])):
                raise ValueError(
                    f"metric={self.metric!r} has a white part, which is noise and no "
                    "kernel of two points: leave it out, and use alpha."
                )
        return prepared

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        X, Y = to_numpy(A.rows), to_numpy(B.rows)
        params = self.params or {}
        return asarray_like(
            pairwise_kernels(X, Y, metric=self.metric, **params), A.rows, A.dtype
        )

    def diag(self, A):
        """Diagonal of the kernel matrix; see :meth:`Kernel.diag`."""
        if is_process_kernel(self.metric):
            return asarray_like(self.metric.diag(to_numpy(A.rows)), A.rows, A.dtype)
        return super().diag(A)
