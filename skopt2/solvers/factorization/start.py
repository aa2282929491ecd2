r"""Where the fit of a matrix factorisation starts.

With the leading singular triplets (u_j, sigma_j, v_j) of X, weighted by samples, the
component j is sqrt(sigma_j) times v_j where it may have both signs. Else the larger of
the positive and the negative part of the pair is taken, u+ v+' or u- v-', with the
singular value |u+| |v+| sigma_j. Elements below a tenth of the root of the mean of X
over k are raised to that ("nndsvda"), or those below small random numbers to those
("nndsvdar"), so that zeros can grow. The paper fills zeros with the mean itself, which
depends on the unit of X.

The triplets are those of a random subspace after a few steps of orthogonal iteration,
with as many products as two or three sweeps of the fit.

Source: C. Boutsidis and E. Gallopoulos, SVD based initialization: a head start for
nonnegative matrix factorization, Pattern Recognition 41, 2008, section 3; N. Halko, P.
G. Martinsson and J. Tropp, SIAM Review 53, 2011, algorithm 4.4; D. Arthur and S.
Vassilvitskii, k-means++, SODA 2007 ("k-means++", of rows).
"""

import math

import numpy as np

from skopt2._core.array import asarray_like, namespace, to_numpy

# Further directions and steps of the subspace iteration.
EXTRA, STEPS = 10, 2
# The least element, in units of the root of the mean of X over k.
FILL = 0.1


def leading_subspace(data, k, rng):
    """Return right singular vectors, scaled, of a matrix of samples.

    Parameters
    ----------
    data : MatrixData
        Of shape (n, p).
    k : int
        How many; fewer where the matrix has fewer.
    rng : numpy.random.Generator
        Draws the subspace.

    Returns
    -------
    V : array of shape (l, p)
        Orthonormal rows, l <= k.
    sigma : array of shape (l,)
        Singular values, weighted by the samples, decreasing.
    """
    like, xp = data.like, namespace(data.like)
    n, p = data.shape
    size = min(k + EXTRA, n, p)
    Z = asarray_like(rng.standard_normal((size, p)), like)
    for _ in range(STEPS):
        Z = data.product(1, [data.product(0, [None, Z])])
        Q, _ = xp.linalg.qr(xp.matrix_transpose(Z))
        Z = xp.matrix_transpose(Q)
    Y = data.product(0, [None, Z])
    values, U = xp.linalg.eigh((Y * data.weights) @ xp.matrix_transpose(Y))
    V = xp.flip(xp.matrix_transpose(U), axis=0) @ Z
    sigma = xp.sqrt(xp.maximum(xp.flip(values), 0.0))
    # Of smaller ones the Gram matrix knows nothing but rounding.
    least = 10.0 * math.sqrt(float(xp.finfo(sigma.dtype).eps)) * float(sigma[0])
    rank = max(1, min(k, int(np.sum(to_numpy(sigma > least)))))
    return V[:rank, :], sigma[:rank]


def spectral_start(data, k, rng, name, signs):
    """Return codes and components from singular vectors.

    Parameters
    ----------
    data : MatrixData
        Of shape (n, p).
    k : int
        Components.
    rng : numpy.random.Generator
        Draws the subspace, and the least elements.
    name : {"nndsvd", "nndsvda", "nndsvdar"}
        Whether elements are zero, a number or a random number at least.
    signs : tuple of bool
        Whether the codes, and whether the components, must be nonnegative.

    Returns
    -------
    A : array of shape (k, n)
        Codes.
    H : array of shape (k, p)
        Components.
    """
    xp = namespace(data.like)
    V, sigma = leading_subspace(data, k, rng)
    safe = xp.where(sigma > 0.0, sigma, 1.0)[:, None]
    U = data.product(0, [None, V]) / safe
    root = xp.sqrt(sigma)[:, None]
    if signs[0] and signs[1]:
        A, H = _signed_part(U, V, root, data.weights)
    else:
        A, H = U * root, V * root
        if signs[0] or signs[1]:
            A, H = _one_sign(A, H, signs[0])
    missing = k - int(H.shape[0])
    if missing:
        more = random_start(data, missing, rng, signs[1])
        zeros = xp.zeros((missing, data.shape[0]), dtype=A.dtype, device=A.device)
        A, H = xp.concat([A, zeros]), xp.concat([H, more])
    if name == "nndsvd" or not (signs[0] and signs[1]):
        return A, H
    level = FILL * math.sqrt(abs(data.mean()) / k)
    filled = []
    for block in (A, H):
        fill = level
        if name == "nndsvdar":
            noise = np.abs(rng.standard_normal(tuple(block.shape)))
            fill = asarray_like(level / 100.0 * noise, block)
        filled.append(xp.maximum(block, fill + xp.zeros_like(block)))
    return filled[0], filled[1]


def random_start(data, k, rng, nonnegative):
    """Return random components of the size of the data.

    Parameters
    ----------
    data : MatrixData
        Of shape (n, p).
    k : int
        Components.
    rng : numpy.random.Generator
        Draws them.
    nonnegative : bool
        Whether they have no negative element.
    """
    size = math.sqrt(math.sqrt(data.norm2 / data.entries) / k)
    draw = size * rng.standard_normal((k, data.shape[1]))
    return asarray_like(np.abs(draw) if nonnegative else draw, data.like)


def row_start(data, k, rng):
    """Return rows of X that are far from each other as components (k-means++).

    Parameters
    ----------
    data : MatrixData
        Of shape (n, p).
    k : int
        Components.
    rng : numpy.random.Generator
        Draws the rows.
    """
    norms, n = to_numpy(data.row_norms()), data.shape[0]
    s = data.weights
    share = np.full(n, s) if isinstance(s, float) else to_numpy(s)
    chosen, far = [], norms
    for _ in range(k):
        # In the order of the distances, which that of the samples does not change.
        order = np.argsort(far, kind="stable")
        mass = far * share if far.max() > 0.0 else share
        mass = np.cumsum(mass[order], dtype=np.float64)
        i = int(order[min(np.searchsorted(mass, rng.random() * mass[-1]), n - 1)])
        row = data.row(i)
        chosen.append(row)
        inner = to_numpy(data.product(0, [None, row[None, :]]))[0]
        distance = np.maximum(norms - 2.0 * inner + norms[i], 0.0)
        far = distance if len(chosen) == 1 else np.minimum(far, distance)
    return namespace(data.like).stack(chosen)


def _signed_part(U, V, root, weights):
    """Return the larger part of one sign of every pair of vectors."""
    xp = namespace(V)
    parts = []
    for sign in (1.0, -1.0):
        u, v = xp.maximum(sign * U, 0.0), xp.maximum(sign * V, 0.0)
        a = xp.sqrt(xp.sum(u * u * weights, axis=1, keepdims=True))
        b = xp.sqrt(xp.sum(v * v, axis=1, keepdims=True))
        parts.append((u, v, a, b))
    (u, v, a, b), (x, y, c, d) = parts
    first = a * b >= c * d
    u, v = xp.where(first, u, x), xp.where(first, v, y)
    a, b = xp.where(first, a, c), xp.where(first, b, d)
    size = root * xp.sqrt(a * b)
    safe_a, safe_b = xp.where(a > 0.0, a, 1.0), xp.where(b > 0.0, b, 1.0)
    return size * u / safe_a, size * v / safe_b


def _one_sign(A, H, codes):
    """Return pairs flipped so that most of one block is positive, and clipped."""
    xp = namespace(A)
    block = A if codes else H
    total = xp.sum(block, axis=1, keepdims=True)
    flip = xp.where(total < 0.0, -xp.ones_like(total), 1.0)
    A, H = A * flip, H * flip
    return (xp.maximum(A, 0.0), H) if codes else (A, xp.maximum(H, 0.0))


def mode_vectors(data, lengths, mode, k, rng, nonnegative):
    """Return leading singular vectors of an unfolding as factors of a mode.

    Parameters
    ----------
    data : MatrixData or TensorData
        Dense samples in rows, of prod(lengths) elements.
    lengths : tuple of int
        d_1, ..., d_m.
    mode : int
        Which of them, from 0.
    k : int
        How many; random ones where the mode has fewer.
    rng : numpy.random.Generator
        Draws what is missing.
    nonnegative : bool
        Whether absolute values are taken.
    """
    xp, d = namespace(data.like), lengths[mode]
    X, s = data.X, data.weights
    scaled = X * (math.sqrt(s) if isinstance(s, float) else xp.sqrt(s)[:, None])
    before = int(X.shape[0]) * math.prod(lengths[:mode])
    folded = xp.reshape(scaled, (before, d, math.prod(lengths[mode + 1 :])))
    # One matrix, and so one product, with the mode in front.
    flat = xp.reshape(xp.permute_dims(folded, (1, 0, 2)), (d, -1))
    _, U = xp.linalg.eigh(flat @ xp.matrix_transpose(flat))
    V = xp.flip(xp.matrix_transpose(U), axis=0)[: min(k, d), :]
    V = xp.abs(V) if nonnegative else V
    if k <= d:
        return V
    return xp.concat([V, random_factor(data, lengths, mode, k - d, rng, nonnegative)])


def random_factor(data, lengths, mode, k, rng, nonnegative):
    """Return random factors of a mode, with norms of about one.

    Parameters
    ----------
    data : MatrixData or TensorData
        Example of the namespace and the dtype.
    lengths : tuple of int
        d_1, ..., d_m.
    mode : int
        Which of them, from 0.
    k : int
        How many.
    rng : numpy.random.Generator
        Draws them.
    nonnegative : bool
        Whether they have no negative element.
    """
    draw = rng.standard_normal((k, lengths[mode])) / math.sqrt(lengths[mode])
    return asarray_like(np.abs(draw) if nonnegative else draw, data.like)
