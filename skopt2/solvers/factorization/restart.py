"""Components of a factorisation that have become zero, and where they start again.

A component with a zero block contributes nothing, and where two blocks of it are zero
no single block can bring it back: a stationary point, but no minimum. With its codes
set to zero its factors are free, and are taken from the positive part of the residual
of the sample that is fitted worst: the objective stays as it is, and the codes of that
sample at least will grow.
"""

from skopt2._core.array import namespace, to_numpy
from skopt2.solvers.factorization.data import atoms

# Size of a component, relative to X, below which it counts as zero.
_DEAD = 1e-10


def dead_components(factors, data):
    """Return the numbers of the components that are zero.

    Parameters
    ----------
    factors : list of array of shape (k, d_b)
        Blocks.
    data : MatrixData or TensorData
        What they model.
    """
    size = None
    for b, A in enumerate(factors):
        square = namespace(A).sum(A * A * data.weights if b == 0 else A * A, axis=1)
        size = square if size is None else size * square
    size = to_numpy(size)
    return [j for j, value in enumerate(size) if value <= _DEAD**2 * data.norm2]


def revive(factors, dead, data, terms):
    """Return blocks in which dead components start again.

    Parameters
    ----------
    factors : list of array of shape (k, d_b)
        Blocks.
    dead : list of int
        Components to start again.
    data : MatrixData or TensorData
        What they model.
    terms : list of Term
        Of the blocks.
    """
    xp = namespace(factors[0])
    factors = [xp.asarray(A, copy=True) for A in factors]
    for j in dead:
        factors[0][j, :] = 0.0
    H = atoms(factors)
    worst = _worst_samples(factors[0], H, data, len(dead))
    for j, i in zip(dead, worst, strict=True):
        rest = xp.maximum(data.row(i) - factors[0][:, i] @ H, 0.0)
        rest = xp.reshape(rest, data.shape[1:])
        for b in range(1, len(factors)):
            others = tuple(a for a in range(rest.ndim) if a != b - 1)
            factor = xp.sum(rest, axis=others) if others else rest
            factors[b][j, :] = terms[b].feasible(factor)
    return factors


def _worst_samples(A, H, data, count):
    """Return the numbers of the samples with the largest weighted residuals."""
    xp = namespace(A)
    product = (
        data.product(0, [A, H]) if data.sparse else H @ xp.matrix_transpose(data.X)
    )
    G = H @ xp.matrix_transpose(H)
    rest = data.row_norms() - 2.0 * xp.sum(A * product, axis=0)
    rest = (rest + xp.sum(A * (G @ A), axis=0)) * data.weights
    order = to_numpy(xp.argsort(-rest))
    return [int(order[i % len(order)]) for i in range(count)]
