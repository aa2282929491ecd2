r"""Factors in one form: the singular value decomposition, shared evenly.

Among the factors of U V' = P diag(s) Q' with the least |U|^2 + |V|^2 are P diag(s)^1/2
and Q diag(s)^1/2; their Gram matrices are both diag(s). With an intercept the means of
the columns of U can move to it, which lowers |U| and leaves the model as it is.

Source: N. Srebro, J. Rennie and T. Jaakkola, Maximum-margin matrix factorization,
NeurIPS 2004, section 3.
"""

from skopt2._core.array import accumulation_dtype, namespace
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
    U, V, b = model.U, model.V, model.b
    xp = namespace(U)
    if intercept:
        means = xp.mean(U, axis=0)
        b = b + V @ means
        U = U - means[None, :]
    if model.rank == 0:
        return model, xp.sum(U, axis=0)
    wide = accumulation_dtype(U)
    Q1, R1 = xp.linalg.qr(xp.astype(U, wide))
    Q2, R2 = xp.linalg.qr(xp.astype(V, wide))
    left, s, right = xp.linalg.svd(R1 @ xp.matrix_transpose(R2), full_matrices=False)
    root = xp.sqrt(s)[None, :]
    U = xp.astype((Q1 @ left) * root, U.dtype)
    V = xp.astype((Q2 @ xp.matrix_transpose(right)) * root, V.dtype)
    return Factors(U, V, b), s
