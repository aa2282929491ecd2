r"""Factors in one form: the singular value decomposition, shared evenly.

Among the factors of U V' = P diag(s) Q' with the least |U|^2 + |V|^2 are P diag(s)^1/2
and Q diag(s)^1/2; their Gram matrices are both diag(s). With an intercept the means of
the columns of U can move to it, which lowers |U| and leaves the model as it is.

Source: N. Srebro, J. Rennie and T. Jaakkola, Maximum-margin matrix factorization,
NeurIPS 2004, section 3.
"""

import numpy as np

from skopt2._core.array import (
    accumulation_dtype,
    cholesky_solve,
    namespace,
    take,
    to_numpy,
)
from skopt2.solvers.low_rank.problem import Factors


def balanced(model, intercept):
    """Return the model with balanced factors, and its singular values.

    Parameters
    ----------
    model : Factors
        Any.
    intercept : bool
        Whether means of the row factors may move to the intercepts.

    Returns
    -------
    model : Factors
        The same model.
    s : array of shape (k,)
        Singular values of U V', largest first.
    """
    xp = namespace(model.U)
    if model.rank == 0:
        return model, xp.sum(model.U, axis=0)
    model = centred(model) if intercept else model
    U, V, b = model.U, model.V, model.b
    wide = accumulation_dtype(U)
    Q1, R1 = xp.linalg.qr(xp.astype(U, wide))
    Q2, R2 = xp.linalg.qr(xp.astype(V, wide))
    left, s, right = xp.linalg.svd(R1 @ xp.matrix_transpose(R2), full_matrices=False)
    root = xp.sqrt(s)[None, :]
    U = xp.astype((Q1 @ left) * root, U.dtype)
    V = xp.astype((Q2 @ xp.matrix_transpose(right)) * root, V.dtype)
    return Factors(U, V, b), s


def without_zeros(model):
    """Return the model without directions that rounding alone keeps from zero.

    A level on the singular values sets some of them to zero, but sweeps only shrink
    their factors, to 1e-40 for example; the rank is the number of the others.
    """
    xp = namespace(model.U)
    if model.rank == 0:
        return model
    squares = [xp.sum(A * A, axis=0) for A in (model.U, model.V)]
    sizes = to_numpy(xp.sqrt(squares[0]) * xp.sqrt(squares[1]))
    eps = float(xp.finfo(model.U.dtype).eps)
    kept = np.flatnonzero(sizes > eps * sizes.max())
    if kept.size == model.rank:
        return model
    return Factors(take(model.U, kept, axis=1), take(model.V, kept, axis=1), model.b)


def centred(model):
    """Return the model with row factors of mean zero; intercepts take the means."""
    xp = namespace(model.U)
    means = xp.mean(model.U, axis=0)
    return Factors(model.U - means[None, :], model.V, model.b + model.V @ means)


def carried(direction, old, new, intercept):
    """Return a direction of one pair of factors for another pair of the same model.

    Parameters
    ----------
    direction : Factors
        At the old model.
    old, new : Factors
        The same matrix; the new factors are those of :func:`balanced`.
    intercept : bool
        Whether means of the row factors have moved.

    Returns
    -------
    direction : Factors or None
        The same direction of U V' + 1 b', to first order; None where the old factors do
        not determine it.
    """
    xp, (dU, dV, db) = namespace(old.U), (direction.U, direction.V, direction.b)
    if intercept:
        means, change = xp.mean(old.U, axis=0), xp.mean(dU, axis=0)
        db = db + dV @ means + old.V @ change
        dU, old = dU - change[None, :], centred(old)
    turned = []
    for A, B, dA in ((old.U, new.U, dU), (old.V, new.V, dV)):
        gram = xp.matrix_transpose(A) @ A
        change = cholesky_solve(gram, xp.matrix_transpose(A) @ B)
        if change is None:
            return None
        turned.append(dA @ change)
    return Factors(*turned, db)
