"""Costs between points, as a description that transport functions take for a matrix."""

import numpy as np

from skopt2._core import cuda
from skopt2._core.array import move, namespace, take
from skopt2.solvers.transport.cost import CallableCost, ground_cost
from skopt2.solvers.transport.stored_points import StoredPointGeometry
from skopt2.solvers.transport.streamed import PointCloudGeometry
from skopt2.transport.dense_input import check_points

# Arrays of the size of the costs that solvers hold at a time where costs are stored.
STORED_ARRAYS = 3


class PointCloud:
    """Costs cost_ij = metric(x_i, y_j) between two sets of points.

    Pass it as ``cost``. Matrices that are too large for the memory budget (free device
    memory, or scikit-learn's ``working_memory`` on the host) are never formed: the
    solvers then compute their entries when they need them, in O(n + m) memory.

    For squared Euclidean costs it is also more accurate than a matrix: two clouds that
    are far apart have the plan of clouds that are not, to rounding.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Points of the rows, finite. NumPy, CuPy, and other array-API arrays while
        scikit-learn's array API dispatch is on. float32 stays float32.
    Y : array-like of shape (m, n_features)
        Points of the columns; moved to where ``X`` is.
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"} or callable, \
            default="sqeuclidean"
        Ground cost. A callable gets blocks of points of shapes (n, n_features) and
        (m, n_features), where ``X`` is, and returns their costs, shape (n, m).
    streamed : bool, default=None
        Whether the costs are computed when needed. None to stream if the costs and
        what solvers hold beside them exceed the memory budget.

    Attributes
    ----------
    X, Y : array of shape (n, n_features), (m, n_features)
        Points, in one dtype.
    metric : str or callable
        Ground cost.
    streamed : bool or None
        As passed.

    Raises
    ------
    ValueError
        If points are not finite or of the wrong shape, ``X`` and ``Y`` have different
        numbers of features, or the metric is unknown.
    TypeError
        If points are sparse.

    See Also
    --------
    skopt2.transport.sinkhorn : Solve entropic transport.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.transport import PointCloud, sinkhorn
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> result = sinkhorn(None, None, PointCloud(X, X + 100.0), reg=0.1)
    >>> result.plan.round(3) * 3
    array([[0.999, 0.   , 0.   ],
           [0.   , 0.999, 0.   ],
           [0.   , 0.   , 0.999]])
    """

    def __init__(self, X, Y, metric="sqeuclidean", *, streamed=None):
        cost = ground_cost(metric)
        X, Y = check_points(X, "X"), check_points(Y, "Y")
        if X.shape[1] != Y.shape[1] and not isinstance(cost, CallableCost):
            raise ValueError(
                f"X has {X.shape[1]} features and Y has {Y.shape[1]}: metric "
                f"{cost.name!r} compares points of the same space. Pass a callable "
                "metric for costs between different spaces."
            )
        if not (streamed is None or isinstance(streamed, (bool, np.bool_))):
            raise ValueError(f"streamed must be True, False or None; got {streamed!r}.")
        Y = move(Y, cuda.target_of(X))
        xp = namespace(X)
        if X.dtype != Y.dtype:
            X, Y = xp.astype(X, xp.float64), xp.astype(Y, xp.float64)
        self.X, self.Y, self.metric, self.streamed = X, Y, metric, streamed

    def __repr__(self):
        d = self.X.shape[1]
        n, m = self.shape
        return f"PointCloud({n} x {m} points, {d} features, metric={self.metric!r})"

    @property
    def shape(self):
        """Numbers of rows and columns of the cost matrix."""
        return int(self.X.shape[0]), int(self.Y.shape[0])

    def geometry(self, target=None, rows=None, cols=None):
        """Return the costs in the form that solvers work with.

        Parameters
        ----------
        target : Target, default=None
            Where to compute; where ``X`` is by default.
        rows, cols : ndarray of int, default=None
            Points to keep, as numbers in host memory; all by default.

        Returns
        -------
        geometry : object
            See :mod:`skopt2.solvers.transport.geometry`.

        Raises
        ------
        ValueError
            If costs overflow, or a callable metric returns something else than finite
            costs of the right shape.
        """
        target = cuda.target_of(self.X) if target is None else target
        points = [move(z, target) for z in (self.X, self.Y)]
        for k, index in enumerate((rows, cols)):
            if index is not None:
                points[k] = take(points[k], move(index, target))
        kind = PointCloudGeometry if self._streams(target) else StoredPointGeometry
        with np.errstate(over="ignore", invalid="ignore"):
            geometry = kind(*points, self.metric)
            largest = geometry.scale
        if not largest <= float(geometry.xp.finfo(geometry.dtype).max):
            raise ValueError(
                f"Costs between X and Y overflow {geometry.dtype}. Divide X and Y by a "
                "common factor, or pass them in float64."
            )
        return geometry

    def _streams(self, target):
        """Return whether the costs are computed when needed."""
        if self.streamed is not None:
            return bool(self.streamed)
        n, m = self.shape
        size = 4 if self.X.dtype == namespace(self.X).float32 else 8
        return STORED_ARRAYS * size * n * m > cuda.memory_budget(target)
