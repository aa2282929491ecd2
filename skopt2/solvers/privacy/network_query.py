"""Clipped gradients of small neural networks, without a gradient of any row.

Problem: sum_i l(y_i, z_i), z_i = net(x_i), for one or two hidden layers:

    a_0 = s x,   a_l = g phi(a_{l-1} W_l + b_l),   z = a_{L-1} W_L + b_L.

Symbols: W_l (p_l, q_l) and b_l (q_l,) the weights and biases of layer l of L; phi the
activation, tanh or max(0, .); s and g public scales of the inputs and of the hidden
units; delta_l (n, q_l) the derivatives of the losses in what enters layer l's
activation; C the clipping norm.

The gradient of a row in (W_l; b_l) is the outer product of (a_{l-1}, 1) and delta_l, so

    norm(g_i)^2 = sum_l norm(delta_il)^2 (norm(a_{i,l-1})^2 + 1)

exactly: one backward pass gives the norms of all rows, and one matrix product a layer,
with the delta of each row times f_i = min(1, C / norm(g_i)), gives the clipped sum.

The scales say how the noise is shared among the layers: the gradients of W_1 grow with
s, those of the later W_l with g, and the network is the same function for weights
divided by them.

Source: I. Goodfellow, Efficient per-example gradient computations, arXiv 1510.01799
(norms); M. Abadi and others, Deep learning with differential privacy, CCS 2016
(clipping).
"""

import math
from dataclasses import dataclass

import numpy as np

from skopt2._core.array import asarray_like, namespace
from skopt2.solvers.privacy.glm_query import STABILITY
from skopt2.solvers.privacy.query import ClippedSum
from skopt2.solvers.privacy.rounding import grouped_product, rounding_share
from skopt2.solvers.privacy.rows import row_norms

ACTIVATIONS = ("tanh", "relu")
# Arrays of hidden size that a pass makes: all of a block are to fit in the cache.
ARRAYS = 8


@dataclass(frozen=True)
class Network:
    """Layers of a network, and where their weights are in one vector.

    Parameters
    ----------
    widths : tuple of int
        Features, hidden units layer by layer, outputs.
    activation : {"tanh", "relu"}, default="tanh"
        Of the hidden units.
    input_scale : float, default=1.0
        What multiplies the inputs, s.
    hidden_scale : float, default=1.0
        What multiplies the hidden units, g.
    """

    widths: tuple
    activation: str = "tanh"
    input_scale: float = 1.0
    hidden_scale: float = 1.0

    @property
    def n_parameters(self):
        """Number of weights and biases."""
        return sum(p * q + q for p, q in self._sizes())

    def _sizes(self):
        return tuple(zip(self.widths[:-1], self.widths[1:], strict=True))

    def layers(self, W):
        """Return the weights and biases of each layer.

        Parameters
        ----------
        W : array of shape (n_parameters,)
            All of them.

        Returns
        -------
        layers : list of tuple (array of shape (p, q), array of shape (q,))
            Views where the library has them.
        """
        xp, start, layers = namespace(W), 0, []
        for p, q in self._sizes():
            middle = start + p * q
            weights = xp.reshape(W[start:middle], (p, q))
            layers.append((weights, W[middle : middle + q]))
            start = middle + q
        return layers

    def initial(self, rng, gain):
        """Return public starting values: random hidden units, outputs zero.

        Parameters
        ----------
        rng : numpy.random.Generator
            Of the starting values alone, never of the noise.
        gain : float
            Standard deviation of what enters an activation, for inputs of norm 1 and
            hidden units of size 1.

        Returns
        -------
        W : ndarray of shape (n_parameters,)
            float64.
        """
        parts = []
        for layer, (p, q) in enumerate(self._sizes()):
            if layer == len(self.widths) - 2:
                deviation = 0.0
            elif layer == 0:
                deviation = gain / self.input_scale
            else:
                deviation = gain / (self.hidden_scale * math.sqrt(p))
            parts.append(deviation * rng.standard_normal(p * q))
            parts.append(np.zeros(q))
        return np.concatenate(parts)

    def activate(self, entering):
        """Return hidden units, scaled, of what enters them."""
        xp = namespace(entering)
        if self.activation == "tanh":
            units = xp.tanh(entering)
        else:
            units = xp.maximum(entering, xp.zeros_like(entering))
        return units if self.hidden_scale == 1.0 else units * self.hidden_scale

    def slope(self, units):
        """Return the derivatives of scaled hidden units in what enters them."""
        xp, g = namespace(units), self.hidden_scale
        if self.activation == "tanh":
            return g - units * units / g
        return xp.astype(units > 0, units.dtype) * g

    def decayed(self):
        """Return 1.0 for weights and 0.0 for biases.

        Returns
        -------
        decayed : ndarray of shape (n_parameters,)
            What a penalty multiplies.
        """
        parts = [(np.ones(p * q), np.zeros(q)) for p, q in self._sizes()]
        return np.concatenate([part for pair in parts for part in pair])


class NetworkQuery(ClippedSum):
    """Sum of the clipped gradients of a network, over one vector of parameters.

    Parameters
    ----------
    rows : Rows
        Without an intercept column: every layer has biases of its own.
    network : Network
        Layers.
    loss : Loss
        Its gradient must be row by row.
    clipping_norm : float
        Bound C of the norm of a row's gradient, all layers together.
    clipping : {"flat", "automatic"}, default="flat"
        How a gradient is brought within the bound; see
        :mod:`~skopt2.solvers.privacy.glm_query`.
    """

    def __init__(self, rows, network, loss, clipping_norm, *, clipping="flat"):
        self.rows = rows
        self.network = network
        self.loss = loss
        self.clipping_norm = float(clipping_norm)
        self.clipping = clipping
        self.n_rows = rows.n_rows
        self.shape = (network.n_parameters,)

    def clipped_sum(self, W, rows=None):
        """Return the sum of the clipped gradients; see :class:`ClippedSum`."""
        total = namespace(W).zeros_like(W)
        width = ARRAYS * max(self.network.widths)
        if rows is None:
            blocks = self.rows.blocks(width)
        else:
            blocks = (self.rows.take(rows),)
        layers = None
        for block in blocks:
            if block.X.shape[0]:
                if layers is None:
                    layers = self.network.layers(asarray_like(W, block.y))
                total = total + self.block_sum(W, layers, block)
        return total

    def block_sum(self, W, layers, block):
        """Return the sum over one block.

        Parameters
        ----------
        W : array of shape (n_parameters,)
            Parameters, float64.
        layers : list of tuple
            Of the parameters, in the dtype of the block.
        block : RowBlock
            Prepared rows.

        Returns
        -------
        total : array of shape (n_parameters,)
            float64.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            units, outputs = forward(self.network, layers, block.X, block.scale)
            deltas = self.backward(layers, units, self.slopes(block, outputs))
            factor = self.factors(block, units, deltas)
            return self._products(W, block, units, deltas, factor)

    def slopes(self, block, outputs):
        """Return the derivatives of the losses in the outputs.

        Parameters
        ----------
        block : RowBlock
            For the targets, of shape (b,) or (b, K).
        outputs : array of shape (b, K)
            Of the network.

        Returns
        -------
        slopes : array of shape (b, K)
            Any values where a weight is large.
        """
        if block.y.ndim == 1:
            return self.loss.gradient(block.y, outputs[:, 0])[:, None]
        return self.loss.gradient(block.y, outputs)

    def backward(self, layers, units, slopes):
        """Return the derivatives of the losses in what enters each layer.

        Parameters
        ----------
        layers : list of tuple
            Weights and biases.
        units : list of array of shape (b, q)
            Scaled hidden units.
        slopes : array of shape (b, K)
            Derivatives in the outputs.

        Returns
        -------
        deltas : list of array of shape (b, q)
            One for each layer, in the order of the layers.
        """
        deltas = [slopes]
        for (weights, _), hidden in zip(layers[:0:-1], units[::-1], strict=True):
            deltas.append((deltas[-1] @ weights.T) * self.network.slope(hidden))
        return deltas[::-1]

    def factors(self, block, units, deltas):
        """Return the factors that bring the gradient of each row within the bound.

        Parameters
        ----------
        block : RowBlock
            Prepared rows.
        units, deltas : list of array
            Of the passes forward and backward.

        Returns
        -------
        factor : array of shape (b,)
            0 for a row that counts as nothing, or whose gradient is not finite.
        """
        xp = namespace(block.norm)
        entering = block.norm * self.network.input_scale
        squares = row_norms(deltas[0]) ** 2 * (entering * entering + 1.0)
        for hidden, delta in zip(units, deltas[1:], strict=True):
            squares = squares + row_norms(delta) ** 2 * (row_norms(hidden) ** 2 + 1.0)
        norms = xp.sqrt(squares)
        if self.clipping == "automatic":
            factor = self.clipping_norm / (norms + STABILITY)
        else:
            tiny = xp.full_like(norms, 1e-30)
            factor = xp.minimum(
                self.clipping_norm / xp.maximum(norms, tiny), xp.ones_like(norms)
            )
        share = rounding_share(block.y, self.n_rows)
        factor = factor * xp.astype(block.keep, factor.dtype) * (1.0 - share)
        return xp.where(xp.isfinite(norms), factor, xp.zeros_like(factor))

    def _products(self, W, block, units, deltas, factor):
        """Return sum_i f_i g_i, layer after layer, as one vector."""
        xp = namespace(block.y)
        counts = xp.astype(factor, block.y.dtype)[:, None]
        if xp is not np or not factor.all():
            # A row of factor 0 can hold infinities, which 0 does not undo.
            good = counts > 0
            units, deltas = (
                [xp.where(good, part, xp.zeros_like(part)) for part in parts]
                for parts in (units, deltas)
            )
        scale = block.scale[:, None] * self.network.input_scale
        parts = []
        for layer, delta in enumerate(deltas):
            delta = delta * counts
            inputs, outer = units[layer - 1], delta
            if layer == 0:
                inputs, outer = block.X, delta * scale
            weights = grouped_product(inputs, outer, W.dtype)
            bias = xp.sum(xp.astype(delta, W.dtype), axis=0)
            parts += [xp.reshape(weights, (-1,)), bias]
        return xp.concat(parts)


def forward(network, layers, X, scale):
    """Return hidden units and outputs of rows.

    Parameters
    ----------
    network : Network
        For the activation.
    layers : list of tuple
        Weights and biases.
    X : array or CSR matrix of shape (b, d)
        Rows.
    scale : array of shape (b,)
        What multiplies each row.

    Returns
    -------
    units : list of array of shape (b, q)
        Scaled hidden units of each hidden layer.
    outputs : array of shape (b, K)
        Of the last layer.
    """
    weights, bias = layers[0]
    factor = scale[:, None] * network.input_scale
    entering, units = factor * (X @ weights) + bias, []
    for weights, bias in layers[1:]:
        units.append(network.activate(entering))
        entering = units[-1] @ weights + bias
    return units, entering
