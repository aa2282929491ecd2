"""The data of a kernel model on centres: an array, or chunks that are read in turn.

Problem: f(x) = sum_j a_j k(x, z_j) for centres z_j; minimise over a (p, c)

    F(a) = sum_i w_i |y_i - f(x_i)|^2 + alpha tr a'K a,    K = k(Z, Z).

Symbols: X (n, d) rows, Y (n, c) targets, w (n,) >= 0 weights; K_I = k(X_I, Z) rows of
the kernel of a block I; R_I = w_I (K_I a - Y_I) weighted residuals; K_I'R_I the block's
part of half the gradient of the first sum. Half the gradient of F is

    g = sum_I K_I'R_I + alpha K a,    and at a = 0    -B = -sum_I K_I'(w_I Y_I).

Only tiles of K_I are ever in memory, and sums over blocks are accumulated in float64.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    all_finite,
    asarray_like,
    namespace,
    take,
    to_numpy,
)
from skopt2.kernels import KernelOperator
from skopt2.kernels.points import check_points

# Entries of a kernel block that is kept between a product and its adjoint.
ENTRIES = 2**21
# Fewest rows of such a block.
ROWS = 64


class CenterChunk:
    """Some rows, with their kernel on the centres.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    Z : array of shape (p, d)
        Centres.
    X : array of shape (m, d)
        Rows, converted to the dtype of the centres.
    Y : array of shape (m, c)
        Targets.
    weight : array-like of shape (m,) or None, default=None
        Weights; None for ones.

    Attributes
    ----------
    operator : KernelOperator
        Of shape (m, p).
    Y : array of shape (m, c)
        In the dtype of the centres.
    weight : array of shape (m, 1) or None
        In that dtype too.

    Raises
    ------
    ValueError
        If a shape does not fit, or a value is not finite, or a weight negative.
    """

    def __init__(self, kernel, Z, X, Y, weight=None):
        self.X = X = check_points(X, "X", Z)
        self.Y = check_targets(Y, X)
        self.weight = check_weight(weight, X)
        self.operator = KernelOperator(kernel, X, Z, store=False)
        self.n = int(X.shape[0])
        self._wide = accumulation_dtype(Z)

    def targets(self, index):
        """Return rows of Y and of the weights, the latter None for ones.

        Parameters
        ----------
        index : slice or array of int of shape (k,)
            Which.

        Returns
        -------
        Y, weight : array of shape (k, c), array of shape (k, 1) or None
        """
        if isinstance(index, slice):
            weight = None if self.weight is None else self.weight[index, :]
            return self.Y[index, :], weight
        weight = None if self.weight is None else take(self.weight, index)
        return take(self.Y, index), weight

    def gradient(self, index, a, offset=None, unit=1.0, moment=False):
        """Return the part of a block in half the gradient of the loss.

        Parameters
        ----------
        index : slice or array of int of shape (k,)
            The block I.
        a : array of shape (p, c)
            Coefficients.
        offset : array of shape (k, c) or None, default=None
            Added to the values of the model.
        unit : float, default=1.0
            The weights are divided by it.
        moment : bool, default=False
            Whether c more columns of H are wanted, K_I'(w_I Y_I).

        Returns
        -------
        H : array of shape (p, c) or (p, 2 c)
            K_I'R_I.
        R : array of shape (k, c)
            R_I.
        loss : array of shape ()
            Sum of w_i abs(y_i - f(x_i))^2 over the block, not divided.
        """
        Y, weight = self.targets(index)
        xp, found = namespace(Y), {}

        def residual(G):
            R = G - Y if offset is None else G - Y + offset
            found["loss"] = xp.sum(scaled(R) * R, dtype=self._wide) * unit
            found["R"] = scaled(R)
            if moment:
                return xp.concat([found["R"], scaled(Y)], axis=1)
            return found["R"]

        def scaled(R):
            R = R if weight is None else R * weight
            return R if unit == 1.0 else R / unit

        _, H = self.operator.rows_and_adjoint(index, a, residual)
        return H, found["R"], found["loss"]

    def slices(self):
        """Yield slices of the rows whose kernel blocks are small enough to keep."""
        step = max(ROWS, ENTRIES // max(1, self.operator.shape[1]))
        for start in range(0, self.n, step):
            yield slice(start, min(start + step, self.n))


class CenterData:
    """Rows in memory, or a source of chunks of them that can be read again.

    Parameters
    ----------
    kernel : Kernel
        Resolved.
    Z : array of shape (p, d)
        Centres.
    X : array of shape (n, d) or iterable
        Rows; or, where Y is None, something that yields tuples (X, Y) or
        (X, Y, weight) of chunks, from the start whenever it is iterated.
    Y : array of shape (n, c) or None, default=None
        Targets.
    weight : array-like of shape (n,) or None, default=None
        Weights of rows in memory.

    Attributes
    ----------
    n, c : int
        Numbers of rows and of targets.
    total : float
        Sum of the weights.

    Raises
    ------
    TypeError
        If the chunks could be read only once.
    ValueError
        If shapes do not fit, there are no rows, or all weights are 0.
    """

    def __init__(self, kernel, Z, X, Y=None, weight=None):
        self.kernel, self.Z, self._chunk = kernel, Z, None
        self._given = None if Y is None else (X, Y, weight)
        self._source = _check_source(X) if Y is None else None
        self.n, self.total, self.c = self._scan()

    def parts(self):
        """Yield tuples (X, Y, weight) of the chunks, weight as it was given."""
        if self._given is not None:
            yield self._given
            return
        for part in self._source:
            if int(part[0].shape[0]):
                yield (*part, None)[:3]

    def chunks(self):
        """Yield the chunks, each a :class:`CenterChunk`."""
        if self._given is None:
            for part in self.parts():
                yield CenterChunk(self.kernel, self.Z, *part)
            return
        if self._chunk is None:
            self._chunk = CenterChunk(self.kernel, self.Z, *self._given)
        yield self._chunk

    def _scan(self):
        """Return the numbers of rows, of the weights' sum, and of targets."""
        n, total, c = 0, 0.0, None
        for X, Y, weight in self.parts():
            shape = tuple(getattr(Y, "shape", ()))
            if len(shape) != 2 or (c is not None and shape[1] != c):
                raise ValueError(
                    f"Y must have the shape (rows, {c or 'targets'}) in every chunk; "
                    f"got {shape}."
                )
            rows, c = int(X.shape[0]), int(shape[1])
            n += rows
            total += rows if weight is None else float(np.sum(_checked(weight, rows)))
        if not n:
            raise ValueError("There are no rows to fit: X is empty.")
        if not total > 0:
            raise ValueError("All weights are 0: at least one row must count.")
        return n, total, c

    def gradient(self, a, operator=None, alpha=0.0):
        """Return half the gradient of the objective, by one pass.

        Parameters
        ----------
        a : array of shape (p, c)
            Coefficients.
        operator : KernelOperator or None, default=None
            Of the centres, where alpha is not 0.
        alpha : float, default=0.0
            Ridge.

        Returns
        -------
        g : array of shape (p, c)
            In float64.
        value : float
            F(a).
        """
        xp, wide = namespace(self.Z), accumulation_dtype(self.Z)
        g = xp.zeros_like(a, dtype=wide)
        # Summed on the device, which is not waited for in between.
        value = xp.zeros_like(g[0, 0])
        with np.errstate(over="ignore", invalid="ignore"):
            for chunk in self.chunks():
                for index in chunk.slices():
                    H, _, loss = chunk.gradient(index, a)
                    g += xp.astype(H, wide, copy=False)
                    value = value + loss
            if alpha:
                ridge = xp.astype(operator.product(a), wide, copy=False)
                g += alpha * ridge
                wide_a = xp.astype(a, wide, copy=False)
                value = value + alpha * xp.sum(ridge * wide_a)
        return g, float(value)

    def multiply(self, V):
        """Return sum_I K_I'(w_I K_I V), by one pass.

        Parameters
        ----------
        V : array of shape (p, k)
            Vectors.

        Returns
        -------
        product : array of shape (p, k)
            In float64.
        """
        xp, wide = namespace(self.Z), accumulation_dtype(self.Z)
        total = xp.zeros_like(V, dtype=wide)
        for chunk in self.chunks():
            for index in chunk.slices():
                _, weight = chunk.targets(index)

                def weighted(G, weight=weight):
                    return G if weight is None else G * weight

                _, H = chunk.operator.rows_and_adjoint(index, V, weighted)
                total += xp.astype(H, wide, copy=False)
        return total


def check_targets(Y, X):
    """Return targets beside the rows, in their dtype.

    Parameters
    ----------
    Y : array-like of shape (m, c)
        Targets.
    X : array of shape (m, d)
        Rows.

    Returns
    -------
    Y : array of shape (m, c)

    Raises
    ------
    ValueError
        If the shape is another one, or a value is not finite.
    """
    Y = asarray_like(Y, X)
    if len(Y.shape) != 2 or Y.shape[0] != X.shape[0]:
        raise ValueError(
            f"Y must have the shape ({int(X.shape[0])}, targets) of the rows of X; got "
            f"{tuple(Y.shape)}. Give one target as Y[:, None]."
        )
    if not all_finite(Y):
        raise ValueError("Y has values that are NaN or infinite.")
    return Y


def check_weight(weight, X):
    """Return weights as a column beside the rows, or None.

    Parameters
    ----------
    weight : array-like of shape (m,) or None
        Weights.
    X : array of shape (m, d)
        Rows.

    Returns
    -------
    weight : array of shape (m, 1) or None

    Raises
    ------
    ValueError
        If the shape is another one, or a weight is negative or not finite.
    """
    if weight is None:
        return None
    values = _checked(weight, int(X.shape[0]))
    return asarray_like(values[:, None], X)


def _checked(weight, n):
    """Return weights in float64 on the host."""
    values = weight if isinstance(weight, (list, tuple)) else to_numpy(weight)
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (n,):
        raise ValueError(
            f"weight must have the shape ({n},) of the rows of X; got {values.shape}."
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("weight must be finite and not negative.")
    return values


def _check_source(source):
    """Return chunks that can be read again."""
    if hasattr(source, "shape") or not hasattr(source, "__iter__"):
        raise TypeError(
            "Without Y, X must yield chunks (X, Y) or (X, Y, weight); got "
            f"{type(source).__name__}."
        )
    if iter(source) is source:
        raise TypeError(
            "The chunks come from an iterator, which can be read only once. Give a "
            "list, or an object whose __iter__ starts again."
        )
    return source
