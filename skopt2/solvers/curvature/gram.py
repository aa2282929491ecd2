"""Products of the centred columns with themselves, of all features or of all samples.

Problem: A' diag(weights) A (N, N) and A diag(1 / E) A' (n, n), with the symbols of
:mod:`skopt2.solvers.curvature.field`. A sparse X stays sparse: what centring takes away
has rank two. A dense one is centred a block at a time.
"""

# Entries of a block of rows or columns.
BLOCK = 2**22


def gram(field, weights):
    """Return A' diag(weights) A, (N, N).

    Parameters
    ----------
    field : Field
        The problem.
    weights : array of shape (n,)
        Nonnegative.
    """
    xp = field.xp
    X, means = field.model.X, field.model.means
    if field.problem.design.sparse:
        inner = (X.T @ X.multiply(weights[:, None])).toarray()
        moment = X.T @ weights
        if means is not None:
            cross = means[:, None] * moment[None, :]
            square = means[:, None] * means[None, :]
            total = xp.sum(weights)
            inner = inner - cross - cross.T + total * square
            moment = moment - total * means
    else:
        inner, moment = 0.0, 0.0
        for at in _blocks(*X.shape):
            rows = X[at, :] if means is None else X[at, :] - means
            part = rows * weights[at][:, None]
            inner = inner + part.T @ rows
            moment = moment + xp.sum(part, axis=0)
    if not field.offset:
        return inner
    corner = xp.reshape(xp.sum(weights), (1, 1))
    head = xp.concat([corner, moment[None, :]], axis=1)
    return xp.concat([head, xp.concat([moment[:, None], inner], axis=1)], axis=0)


def sample_kernel(field, E):
    """Return A diag(1 / E) A', (n, n).

    Parameters
    ----------
    field : Field
        The problem.
    E : array of shape (N,)
        Positive.
    """
    xp = field.xp
    X, means, k = field.model.X, field.model.means, field.offset
    inverse = 1.0 / E[k:]
    if field.problem.design.sparse:
        scaled = X.multiply(inverse[None, :])
        kernel = (scaled @ X.T).toarray()
        if means is not None:
            shift = X @ (inverse * means)
            kernel = kernel - shift[:, None] - shift[None, :]
            kernel = kernel + xp.sum(inverse * means * means)
    else:
        kernel = 0.0
        for at in _blocks(X.shape[1], X.shape[0]):
            columns = X[:, at] if means is None else X[:, at] - means[at]
            kernel = kernel + (columns * inverse[at]) @ columns.T
    return kernel + 1.0 / E[0] if k else kernel


def _blocks(length, width):
    """Return slices of a side of an array that hold BLOCK entries each."""
    step = max(1, BLOCK // max(width, 1))
    return [slice(i, min(i + step, length)) for i in range(0, length, step)]
