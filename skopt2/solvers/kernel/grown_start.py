"""Where to start from when a solved kernel system gets more rows.

Problem: H a = Y with H = K + Lambda (N, N), a (N, c), of which the system of the first
n rows has been solved. With zeros for what is new, R = Y - H a is about 0 at the old
rows, and at the new ones it is what the old rows do not predict.

New rows P are taken some at a time. With the old rows U that are nearest to them they
are a block I of rows, and one exact block step

    a_I <- a_I + H_II^-1 R_I

removes the residual there and never increases the dual objective. What it does to
other rows, which are far from P, is small: for kernels that fall off with the distance
a few blocks nearly solve the system.

Cost: 2 (N - n) / N passes over K, and a system of |I| equations for each block.

Source: the step of randomized block coordinate descent; S. Rathore, Z. Frangella, P.
Zhao, M. Derezinski, M. Udell, Have ASkotch: a neat solution for large-scale kernel
ridge regression, 2024. The choice of the blocks is ours.
"""

import numpy as np

from skopt2._core.array import index_like, namespace, put, take
from skopt2.solvers.kernel.block_solve import ExactBlock
from skopt2.solvers.kernel.system import KernelSystem

# New rows of a block, and old rows near them.
NEW, NEAR = 256, 768
# Share of new rows above which a start from what is known is not worth its cost.
SHARE = 0.5


def grown_start(operator, Y, lam, former):
    """Return coefficients to start from, given those of the first rows.

    Parameters
    ----------
    operator : KernelOperator
        Symmetric, of all N rows.
    Y : array of shape (N, c)
        Targets.
    lam : float or array of shape (N,)
        Diagonal of Lambda.
    former : array of shape (n, b)
        Coefficients of the first n rows and of the first b columns, b <= c, all in the
        units of Y.

    Returns
    -------
    a : array of shape (N, c)
        In the dtype of Y.

    Examples
    --------
    >>> import numpy as np
    >>> from skopt2.kernels import Gaussian, KernelOperator
    >>> from skopt2.solvers.kernel.grown_start import grown_start
    >>> X, Y = np.array([[0.0], [0.1], [9.0]]), np.array([[1.0], [2.0], [4.0]])
    >>> H = Gaussian(1.0)(X) + np.eye(3)
    >>> K = KernelOperator(Gaussian(1.0), X)
    >>> a = grown_start(K, Y, 1.0, np.linalg.solve(H[:2, :2], Y[:2]))
    >>> bool(np.allclose(H @ a, Y))
    True
    """
    xp, (n, b), total = namespace(Y), former.shape, int(Y.shape[0])
    zeros = xp.zeros_like(Y)
    a = xp.astype(former, Y.dtype, copy=False)
    a = xp.concat([a, zeros[:n, b:]], axis=1)
    a = xp.concat([a, zeros[n:, :]], axis=0)
    if total - n > SHARE * total:
        return a
    system = KernelSystem(operator, Y, lam)
    a, solve = system.from_units(a), ExactBlock(system)
    for start in range(n, total, NEW):
        new = slice(start, min(start + NEW, total))
        index = _block(system, new)
        G = system.gradient(index[-(new.stop - new.start) :], a)
        old = zeros[: int(index.shape[0]) - int(G.shape[0]), :]
        step = solve(index, xp.concat([old, G], axis=0))
        a = put(a, index, take(a, index) - step)
    return system.to_units(a)


def _block(system, new):
    """Return the rows before some new ones that are nearest to them, and these."""
    xp, start = system.xp, new.start
    cross = system.operator.block(new, slice(0, start))
    size = xp.max(cross * cross, axis=0) / system.preconditioner[:start, 0]
    near = xp.argsort(size)[-min(NEAR, start) :]
    rows = index_like(np.arange(start, new.stop), system.Y)
    return xp.concat([xp.astype(near, xp.int64), rows])
