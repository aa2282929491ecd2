"""The product with a whole symmetric kernel matrix, from half of its entries.

G = K V, K (n, n) symmetric, V (n, c). A tile of the rows i and of columns j from i on
gives G_i += K_ij V_j and, beyond the rows themselves, G_j += K_ij' V_i: the entries,
which cost more than the products with them, are computed once for two uses.

Rows are dealt out to a fixed number of groups. Each adds up its own G, in order, and
the sums of the groups are added in their order, so the result is the same for every
number of threads.
"""

import numpy as np

from skopt2.kernels.tiles import ROWS

# Groups of rows, which is also how many threads find work.
GROUPS = 16
# Rows of tiles in a group: with fewer the last row of a group would be waited for.
SHARE = 2
# Most bytes of the sums of all groups.
MOST = 2**27


def pays(n, c):
    """Say whether there are enough rows to share out, and sums that are small.

    Parameters
    ----------
    n, c : int
        Rows of the matrix, columns of the product.

    Returns
    -------
    pays : bool
        Depends on the sizes alone.
    """
    return n >= GROUPS * ROWS and 8 * GROUPS * n * c <= MOST


def symmetric_product(tiles, V):
    """Compute the product of a whole symmetric kernel matrix.

    Parameters
    ----------
    tiles : Tiles
        Of a symmetric matrix that is not kept.
    V : ndarray of shape (n, c)
        In C order.

    Returns
    -------
    G : ndarray of shape (n, c)
        In the dtype of the matrix.
    """
    n, c = V.shape
    height = min(ROWS, n // (GROUPS * SHARE))
    sums = np.zeros((GROUPS, n, c))

    def work(group):
        for start in range(group * height, n, GROUPS * height):
            _row(tiles, V, start, min(start + height, n), sums[group])

    tiles.pool.run(work, [(group,) for group in range(GROUPS)])
    total = sums[0]
    for other in sums[1:]:
        total += other
    return total.astype(tiles.dtype)


def _row(tiles, V, start, stop, total):
    """Add what the rows of one tile give, from their own columns on."""
    rows, space = tiles.A.part(slice(start, stop)), tiles.workspace
    height, n, c = stop - start, V.shape[0], V.shape[1]
    width = max(1, tiles.kernel.tile // height)
    own = np.arange(height)
    for left in range(start, n, width):
        columns = slice(left, min(left + width, n))
        part = tiles.B.part(columns)
        tile = space.array("tile", (height, part.n_rows), tiles.dtype)
        same = (own, own) if left == start else None
        tiles.kernel.fill(rows, part, tile, space, same)
        piece = space.array("piece", (height, c), tiles.dtype)
        np.matmul(tile, V[columns], out=piece)
        total[start:stop] += piece
        beyond = max(left, stop)
        if beyond < columns.stop:
            piece = space.array("beyond", (columns.stop - beyond, c), tiles.dtype)
            np.matmul(tile[:, beyond - left :].T, V[start:stop], out=piece)
            total[beyond : columns.stop] += piece
