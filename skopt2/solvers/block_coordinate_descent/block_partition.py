"""Partitions of the coordinates into blocks.

Fixed blocks hold the same coordinates throughout, so that their matrices are formed and
factored once. Blocks of neighbours keep columns together in memory; blocks of
coordinates with curvature bounds L_i of one size waste less of the bound of a block,
which is that of its steepest coordinate. Forests of a sparse Hessian are as large as
the graph lets them be, and are solved at the price of their size.

Source: J. Nutini, I. Laradji and M. Schmidt, Let's make block coordinate descent
converge faster, JMLR 23:131, 2022, sections 2.2 and 4.3.
"""

import numpy as np

from skopt2.solvers.graph_blocks.forest import ForestBlock
from skopt2.solvers.graph_blocks.partition import forests


class FixedBlocks:
    """Blocks of a partition, and sums over them.

    Parameters
    ----------
    blocks : list of ndarray of int, none of them empty
        They cover all coordinates once.
    """

    def __init__(self, blocks):
        self.blocks = blocks
        self._order = np.concatenate([np.zeros(0, dtype=np.intp), *blocks])
        sizes = [block.size for block in blocks]
        self._start = np.cumsum([0, *sizes[:-1]])
        # An order that is the identity needs no gather.
        self._plain = bool((self._order == np.arange(self._order.size)).all())

    def __len__(self):
        return len(self.blocks)

    def sums(self, values):
        """Return the sum of the values of each block."""
        values = values if self._plain else values[self._order]
        return np.add.reduceat(values, self._start)

    def spread(self, values):
        """Return the value of its block for each coordinate."""
        sizes = np.diff([*self._start, self._order.size])
        out = np.empty(self._order.size)
        out[self._order] = np.repeat(values, sizes)
        return out


def make_blocks(smooth, partition, block_size):
    """Return fixed blocks, and forests where they are ones, None for variable blocks.

    Parameters
    ----------
    smooth : object
        The smooth part; forests need a ``SparsePart``.
    partition : str
        See ``BlockRules``.
    block_size : int
        Coordinates of a block.

    Returns
    -------
    blocks : FixedBlocks or None
        None for variable blocks.
    trees : list of ForestBlock or None
        Forests in the order of the blocks.
    """
    if partition == "forest":
        number = forests(smooth.A)
        trees = [
            ForestBlock(smooth.A, np.flatnonzero(number == k))
            for k in range(number.max() + 1)
        ]
        return FixedBlocks([tree.nodes for tree in trees]), trees
    if partition.startswith("variable"):
        return None, None
    order = np.arange(smooth.size)
    if partition == "lipschitz":
        order = np.argsort(-smooth.lipschitz, kind="stable")
    count = max(1, -(-smooth.size // block_size))
    return FixedBlocks([np.sort(part) for part in np.array_split(order, count)]), None
