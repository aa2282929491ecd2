"""Trees of kernel objects, and weighted sums over their derivatives.

For a node k with parameters theta and weights W of the entries of a tile, ``contract``
adds sum_ij W_ij dk_ij / dtheta. Weights go down the tree, as derivatives go backwards:

sum k_1 + k_2: W to both;   product c k_1 k_2: W c k_2 to k_1, W c k_1 to k_2;
power k_1^q: W q k_1^(q - 1) to k_1.

The derivative by log c is the sum over c k_1 k_2 itself, which each factor returns with
little more work than its own derivatives.

Source: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, MIT
Press 2006, section 4.2.4 and equation 5.9.
"""

from skopt2.kernels.gradient_radial import LengthScale, Spread, contract_radial
from skopt2.kernels.power import whole_power


class Node:
    """Part of a kernel.

    Attributes
    ----------
    number : int
        Of the node, which names its arrays.
    active : bool
        Whether there is a parameter to take the derivative by.
    """

    number = 0
    active = False

    def bind(self, X):
        """Prepare points.

        Parameters
        ----------
        X : array of shape (n, d)
            All of them.
        """

    def value(self, tile):
        """Return the values on a tile, in an array of the node's own on the host."""
        raise NotImplementedError

    def contract(self, tile, W, coef, wanted):
        """Add the sums over the derivatives on a tile.

        Parameters
        ----------
        tile : ArrayTile
            Which.
        W : array of shape (k, l)
            Weights; overwritten on the host.
        coef : float
            Multiplies the kernel.
        wanted : bool
            Whether to return the sum over the kernel itself.

        Returns
        -------
        value : array of shape () or None
            coef sum_ij W_ij k_ij.
        """
        raise NotImplementedError


class Leaf(Node):
    """Kernel with a closed form here.

    Parameters
    ----------
    kernel : Kernel
        With numbers for parameters.
    """

    def __init__(self, kernel):
        self.kernel = kernel

    def bind(self, X):
        """Prepare points; see :meth:`Node.bind`."""
        self.A = self.kernel.features(X, self.kernel.origin(X))

    def value(self, tile):
        """Return the values on a tile; see :meth:`Node.value`."""
        return tile.value(self.kernel, self.A, f"value{self.number}")

    def contract(self, tile, W, coef, wanted):
        """Add nothing: no parameter is free; see :meth:`Node.contract`."""
        return coef * tile.dot(W, self.value(tile)) if wanted else None


class RadialLeaf(Leaf):
    """Gaussian, Matern or rational quadratic kernel.

    Parameters
    ----------
    kernel : Gaussian, Matern or RationalQuadratic
        With numbers for parameters.
    length : int or None
        Place in theta of the length scale, None where it is fixed.
    each : bool
        Whether there is one for each feature.
    shape : int or None, default=None
        Place in theta of the shape.
    """

    def __init__(self, kernel, length, each, shape=None):
        super().__init__(kernel)
        self.place, self.each, self.shape = length, each, shape
        self.active = length is not None or shape is not None
        self.length = None

    def bind(self, X):
        """Prepare points; see :meth:`Node.bind`."""
        super().bind(X)
        if self.place is not None:
            spread = Spread(self.A) if self.each else None
            self.length = LengthScale(self.place, spread)

    def contract(self, tile, W, coef, wanted):
        """Add the sums over the derivatives; see :meth:`Node.contract`."""
        if not self.active and not wanted:
            return None
        return contract_radial(
            self.kernel, self.A, tile, W, coef, self.length, self.shape, wanted
        )


class DotProductLeaf(Leaf):
    """Kernel x.y + sigma^2.

    Parameters
    ----------
    kernel : Polynomial
        Of degree 1.
    place : int or None
        Place in theta of log sigma.
    """

    def __init__(self, kernel, place):
        super().__init__(kernel)
        self.place, self.active = place, place is not None

    def contract(self, tile, W, coef, wanted):
        """Add the sums over the derivatives; see :meth:`Node.contract`."""
        if self.active:
            factor = 2.0 * coef * float(self.kernel.coef0)
            tile.add(self.place, factor * tile.sum(W))
        return super().contract(tile, W, coef, wanted)


class ConstantLeaf(Node):
    """The same number for all pairs of points.

    Parameters
    ----------
    constant : float
        Positive.
    place : int or None
        Place in theta of its logarithm.
    """

    def __init__(self, constant, place):
        self.constant, self.place = constant, place
        self.active = place is not None

    def value(self, tile):
        """Return the values on a tile; see :meth:`Node.value`."""
        return tile.full(self.constant, f"value{self.number}")

    def contract(self, tile, W, coef, wanted):
        """Add the sum of the weights; see :meth:`Node.contract`."""
        if not wanted and not self.active:
            return None
        value = coef * self.constant * tile.sum(W)
        if self.active:
            tile.add(self.place, value)
        return value


class Branch(Node):
    """Node with others under it.

    Parameters
    ----------
    nodes : list of Node
        Those under it.
    """

    def __init__(self, nodes):
        self.nodes = nodes
        self.active = any(node.active for node in nodes)

    def bind(self, X):
        """Prepare points; see :meth:`Node.bind`."""
        for node in self.nodes:
            node.bind(X)


class SumBranch(Branch):
    """Sum of kernels."""

    def value(self, tile):
        """Return the values on a tile; see :meth:`Node.value`."""
        total = tile.copy(self.nodes[0].value(tile), f"value{self.number}")
        for node in self.nodes[1:]:
            total += node.value(tile)
        return total

    def contract(self, tile, W, coef, wanted):
        """Hand the weights to each term; see :meth:`Node.contract`."""
        terms = [node for node in self.nodes if node.active or wanted]
        value = None
        for k, node in enumerate(terms):
            last = k == len(terms) - 1
            own = W if last else tile.copy(W, f"weights{self.number}")
            found = node.contract(tile, own, coef, wanted)
            if wanted:
                value = found if value is None else value + found
        return value


class ProductBranch(Branch):
    """Product of kernels.

    Parameters
    ----------
    nodes : list of Node
        Factors, of which those that are constant multiply the others as a number.
    """

    def __init__(self, nodes):
        super().__init__(nodes)
        self.constants = [node for node in nodes if isinstance(node, ConstantLeaf)]
        self.factors = [node for node in nodes if not isinstance(node, ConstantLeaf)]
        self.coef = 1.0
        for node in self.constants:
            self.coef *= node.constant

    def value(self, tile):
        """Return the values on a tile; see :meth:`Node.value`."""
        if not self.factors:
            return tile.full(self.coef, f"value{self.number}")
        total = tile.copy(self.factors[0].value(tile), f"value{self.number}")
        for node in self.factors[1:]:
            total *= node.value(tile)
        total *= self.coef
        return total

    def contract(self, tile, W, coef, wanted):
        """Hand to each factor the weights times the others; see :meth:`Node.contract`.

        The sum over the product itself comes with one of the factors.
        """
        coef *= self.coef
        places = [node.place for node in self.constants if node.active]
        wanted = wanted or bool(places)
        if not self.factors:
            value = coef * tile.sum(W) if wanted else None
        else:
            value = self._contract_factors(tile, W, coef, wanted)
        for place in places:
            tile.add(place, value)
        return value

    def _contract_factors(self, tile, W, coef, wanted):
        """Contract what is not constant."""
        factors = self.factors
        if len(factors) == 1:
            return factors[0].contract(tile, W, coef, wanted)
        values = [node.value(tile) for node in factors]
        active = [k for k, node in enumerate(factors) if node.active]
        if not active:
            # One of them, for the sum over the product.
            active = [0] if wanted else []
        value = None
        for k in active:
            own = W if k == active[-1] else tile.copy(W, f"weights{self.number}")
            for other, values_of_other in enumerate(values):
                if other != k:
                    own *= values_of_other
            found = factors[k].contract(tile, own, coef, wanted and value is None)
            value = found if value is None else value
        return value


class PowerBranch(Branch):
    """Power of a kernel.

    Parameters
    ----------
    node : Node
        The base.
    exponent : float
        Positive.
    """

    def __init__(self, node, exponent):
        super().__init__([node])
        self.exponent = exponent

    def value(self, tile):
        """Return the values on a tile; see :meth:`Node.value`."""
        base = tile.copy(self.nodes[0].value(tile), f"value{self.number}")
        return self._power(base, self.exponent)

    def contract(self, tile, W, coef, wanted):
        """Hand on the weights times q k^(q - 1); see :meth:`Node.contract`."""
        if not self.active and not wanted:
            return None
        node, q = self.nodes[0], self.exponent
        if q != 1.0:
            W *= self._power(node.value(tile), q - 1.0)
        value = node.contract(tile, W, q * coef, wanted)
        return value / q if wanted else None

    @staticmethod
    def _power(base, exponent):
        if exponent.is_integer() and exponent >= 1.0:
            return whole_power(base, int(exponent))
        return base**exponent
