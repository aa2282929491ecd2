r"""Where the search for a sparse direction starts, and the best of several starts.

Starts are the leading directions of the data, and the directions C_j of the features
that explain most on their own: feature j alone explains abs(C_j)^2 / C_jj of the
variance of all. From each of them, all at once, generalised power steps

    v <- soft(alpha C v / G, lam),  v <- v / abs(v)_2,

with G = sqrt(v'Cv) and alpha = (1 + lam abs(v)_1) / G, lower the ratio
(abs(v)_2 + lam abs(v)_1) / G. The best start is where coordinate descent begins.
"""

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

# Steps of all starts, columns of the sketch of the norms of C, and features up to which
# a dense eigenvalue problem is the quicker one.
STEPS, SKETCH, DENSE = 30, 24, 300


def leading_directions(form, k, tol=0.0):
    """Return up to k leading directions of a form, of norm 1, in columns.

    Parameters
    ----------
    form : CovarianceForm
        Or any with ``products`` and ``diagonal``.
    k : int
        How many.
    tol : float, default=0.0
        Relative accuracy of their variances where an iteration finds them; 0 for that
        of the machine.

    Returns
    -------
    V : ndarray of shape (p, k)
        The best first. The signs make the largest entry positive.
    """
    p = form.diagonal.size
    if p <= max(DENSE, k + 1):
        C = form.products(np.eye(p))
        V = np.linalg.eigh(0.5 * (C + C.T))[1][:, ::-1][:, :k]
    else:
        operator = LinearOperator((p, p), matvec=form.products, dtype=np.float64)
        # A vector of the range: its own search would start anywhere.
        start = form.products(np.random.default_rng(0).standard_normal(p))
        try:
            values, V = eigsh(operator, k=min(k, p - 1), v0=start, tol=tol)
            V = V[:, np.argsort(-values)]
        except ArpackNoConvergence:
            # Hardly any gaps: what is close is good enough to start from.
            V = _subspace(form, start, k)
    return V * np.where(V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])] < 0, -1, 1)


def _subspace(form, start, k):
    """Return k directions of large variance by subspace iteration."""
    rng = np.random.default_rng(0)
    V = np.column_stack([start, rng.standard_normal((start.size, 2 * k))])
    for _ in range(STEPS):
        V = np.linalg.qr(form.products(V))[0]
    rotation = np.linalg.eigh(V.T @ form.products(V))[1]
    return (V @ rotation)[:, ::-1][:, :k]


def single_features(form, k):
    """Return the directions of the k features that explain most on their own.

    Parameters
    ----------
    form : CovarianceForm
        As above.
    k : int
        How many.

    Returns
    -------
    V : ndarray of shape (p, k)
        Columns of C, of norm 1.
    """
    p = form.diagonal.size
    rng = np.random.default_rng(0)
    # For few features the columns themselves, for many their norms to a fifth or so.
    sketch = np.eye(p) if p <= DENSE else rng.standard_normal((p, SKETCH))
    norms = np.square(form.products(sketch)).sum(axis=1)
    floor = 1e-12 * form.diagonal.max()
    explained = np.where(form.diagonal > floor, norms, 0.0)
    explained /= np.maximum(form.diagonal, floor)
    top = np.argsort(-explained, kind="stable")[:k]
    E = np.zeros((p, top.size))
    E[top, np.arange(top.size)] = 1.0
    V = form.products(E)
    return V / np.maximum(np.linalg.norm(V, axis=0), 1e-300)


def starting_directions(form, n_init, tol=0.0):
    """Return the directions to start from, in columns.

    Parameters
    ----------
    form : CovarianceForm
        As above.
    n_init : int
        How many: more than half of them leading directions, the rest single features.
        The feature of largest variance, the answer for the largest penalties, comes
        on top.
    tol : float, default=0.0
        As for :func:`leading_directions`.

    Returns
    -------
    V : ndarray of shape (p, n_init + 1)
        Of norm 1, in an order that depends on the data alone.
    """
    alone = np.zeros((form.diagonal.size, 1))
    alone[int(np.argmax(form.diagonal))] = 1.0
    V = leading_directions(form, (n_init + 1) // 2, tol)
    if n_init > 1:
        V = np.column_stack([V, single_features(form, n_init // 2)])
    return np.column_stack([V, alone])


def power_steps(form, V, lam, steps=STEPS, still=1e-6):
    """Return directions after generalised power steps, and their ratios.

    Parameters
    ----------
    form : CovarianceForm
        As above.
    V : ndarray of shape (p, m)
        Of norm 1.
    lam : float
        Weight of the absolute values.
    steps : int
        Most steps.
    still : float
        Change of a loading that counts as none.

    Returns
    -------
    V : ndarray of shape (p, m)
        Of norm 1.
    ratios : ndarray of shape (m,)
        Infinity where there is no variance.
    """
    for k in range(steps + 1):
        W = form.products(V)
        G = np.sqrt(np.maximum(np.einsum("ij,ij->j", V, W), 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = (1.0 + lam * np.abs(V).sum(axis=0)) / G
            pull = W * (ratios / G)
        if k == steps:
            break
        new = np.sign(pull) * np.maximum(np.abs(pull) - lam, 0.0)
        size = np.linalg.norm(new, axis=0)
        # Where nothing passes the threshold the old direction stays.
        keep = (size > 0.0) & np.isfinite(size)
        new = np.where(keep, new / np.where(keep, size, 1.0), V)
        moved = float(np.abs(new - V).max())
        V = new
        if moved <= still:
            # The last products are for other directions; one more round measures.
            return power_steps(form, V, lam, 0)
    return V, np.where(G > 0.0, ratios, np.inf)
