"""The neural tangent kernel of a fully connected network with ReLU units.

The kernel of the gradients of an infinitely wide network at its start: with weights
N(0, 1), a layer x -> sqrt(2 / width) relu(W x + beta b), biases b that start at 0, and
a linear output. For the unit vectors of x and y with inner product u, layer by layer,
from u_0 = u, t_0 = u and s_0 = 1, for h = 1 .. depth,

    phi = arccos u_{h-1}
    u_h = (u_{h-1} (pi - phi) + sin phi) / pi
    t_h = t_{h-1} (1 - phi / pi) + u_h
    s_h = s_{h-1} (1 - phi / pi) + 1

and k(x, y) = |x| |y| t_depth + beta^2 s_depth.

The kernel has a kink where u = 1, as the Laplacian kernel has at r = 0, and u is where
rounding hides it. Hence z = 1 - u is carried on, from z_0 = |x / |x| - y / |y||^2 / 2,
with phi = 2 arcsin sqrt(z / 2) and z_h = z_{h-1} (1 - phi / pi) - (sin phi - phi) / pi:
two equal rows have z = 0 exactly, in every layer.

Symbols: A, B prepared points: rows x / |x| / sqrt(2), and |x|; z (nA, nB).

Source: A. Jacot, F. Gabriel, C. Hongler, Neural tangent kernel, NeurIPS 2018; S. Arora
and others, On exact computation with an infinitely wide neural net, NeurIPS 2019,
section 3; Y. Cho, L. Saul, Kernel methods for deep learning, NeurIPS 2009, for the
closed form of one layer.
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2._core.parameters import check_count, check_number
from skopt2.kernels.base import Kernel
from skopt2.kernels.squares import prepare, squares, squares_into


class NeuralTangent(Kernel):
    """Neural tangent kernel of a fully connected network with ReLU units.

    Parameters
    ----------
    depth : int, default=2
        Number of hidden layers, at least 1.
    bias : float, default=0.0
        Nonnegative scale beta of the biases, which start at zero and are trained.
        Without, the kernel is homogeneous: k(2 x, y) = 2 k(x, y).

    Notes
    -----
    The first layer is not divided by the number of features, so
    ``k(x, x) = (depth + 1) (|x|^2 + bias^2)``. A row of zeros, which has no direction,
    counts as one along the first feature.

    References
    ----------
    Jacot, Gabriel and Hongler, Neural tangent kernel, NeurIPS 2018. Arora and others,
    On exact computation with an infinitely wide neural net, NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import NeuralTangent
    >>> kernel = NeuralTangent(depth=1)
    >>> kernel(np.array([[1.0, 0.0], [0.0, 2.0]])).round(4).tolist()
    [[2.0, 0.6366], [0.6366, 8.0]]
    """

    name = "neural_tangent"
    tile = 2**15

    def __init__(self, depth=2, bias=0.0):
        self.depth = depth
        self.bias = bias

    def check_parameters(self):
        """Raise ValueError unless depth and bias are in range."""
        check_count("depth", self.depth, of="the neural_tangent kernel")
        check_number("bias", self.bias, 0, of="the neural_tangent kernel")

    def features(self, X, origin=None, wide=False):
        """Split points in length and direction; see :meth:`Kernel.features`."""
        xp = namespace(X)
        # In units of the largest entry, whose square stays in range.
        unit = xp.max(xp.abs(X), axis=1, keepdims=True)
        zero = unit == 0.0
        rows = X / xp.where(zero, xp.ones_like(unit), unit)
        first = asarray_like([1.0] + [0.0] * (int(X.shape[1]) - 1), X)
        rows = xp.where(zero, first, rows)
        length = xp.sqrt(xp.sum(rows * rows, axis=1, keepdims=True))
        prepared = prepare(rows / length * math.sqrt(0.5), X.dtype)
        prepared.lengths = (unit * length)[:, 0]
        return prepared

    def block(self, A, B):
        """Kernel matrix of prepared points; see :meth:`Kernel.block`."""
        xp = namespace(A.rows)
        z = xp.clip(squares(A, B, smooth=False), 0.0, 2.0)
        t, s = 1.0 - z, xp.ones_like(z)
        for _ in range(self.depth):
            phi = 2.0 * xp.asin(xp.sqrt(0.5 * z))
            sine = xp.sqrt(z * (2.0 - z))
            passed = 1.0 - phi / math.pi
            # Rounding may leave the sign of a z below the rounding of phi.
            z = xp.abs(z * passed - (sine - phi) / math.pi)
            t, s = t * passed + (1.0 - z), s * passed + 1.0
        t = t * A.lengths[:, None] * B.lengths[None, :]
        return t + float(self.bias) ** 2 * s if self.bias else t

    def fill(self, A, B, out, workspace, same=None):
        """Write the kernel matrix into an array; see :meth:`Kernel.fill`."""
        z, phi, work, s = (
            workspace.array(name, out.shape, out.dtype) for name in ("z", "a", "b", "s")
        )
        squares_into(A, B, False, z, workspace, same)
        np.minimum(z, 2.0, out=z)
        t = np.subtract(1.0, z, out=out)
        s.fill(1.0)
        for _ in range(self.depth):
            _advance(z, phi, work)
            # phi is now the share of the gradient that passes the layer.
            t *= phi
            t -= z
            t += 1.0
            if self.bias:
                s *= phi
                s += 1.0
        t *= A.lengths[:, None]
        t *= B.lengths
        if self.bias:
            s *= float(self.bias) ** 2
            t += s

    def diag(self, A):
        """Diagonal ``(depth + 1) (|x|^2 + bias^2)``; see :meth:`Kernel.diag`."""
        return (self.depth + 1) * (A.lengths * A.lengths + float(self.bias) ** 2)


def _advance(z, phi, work):
    """Overwrite z by that of the next layer, and phi by 1 - phi / pi of this one."""
    np.multiply(z, 0.5, out=phi)
    np.sqrt(phi, out=phi)
    np.arcsin(phi, out=phi)
    phi *= 2.0 / math.pi
    np.subtract(2.0, z, out=work)
    work *= z
    np.sqrt(work, out=work)
    work *= 1.0 / math.pi
    work -= phi
    np.subtract(1.0, phi, out=phi)
    z *= phi
    z -= work
    # Rounding may leave the sign of a z below the rounding of phi.
    np.abs(z, out=z)
