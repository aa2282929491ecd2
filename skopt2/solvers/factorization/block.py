r"""One block of a factorisation, the others fixed.

Problem: min over A (k, d) of 1/2 <A, G A> - <A, B> + term(A), with the constraint and
the penalties of :mod:`.term`; a ridge of the term counts as part of G. With a proximal
weight mu > 0 the problem has mu / 2 |A - A_old|^2 more: mu I on G, mu A_old on B.

Rows are minimised exactly one after the other (hierarchical alternating least squares),

    A_j <- prox_{1 / G_jj}(A_j - (G_j A - B_j) / G_jj),

in sweeps that are repeated while they move much, since G and B cost far more than a
sweep. The fixed points of all rows are the coordinate-wise minimisers; of a convex term
the minimisers. Their residual in the metric of the curvature,

    r_ji = sqrt(G_jj) * abs(A_ji - prox(A_ji - (G_j A - B_j)_i / G_jj)),

does not change when a component is scaled up in one block and down in another, and has
the unit of X; r^2 / 2 is what a convex objective gains at least from the one element.

Source: N. Gillis and F. Glineur, Accelerated multiplicative updates and hierarchical
ALS algorithms for nonnegative matrix factorization, Neural Computation 24, 2012,
sections 3 and 4. The residual is that of a coordinate-wise proximal step.
"""

from skopt2._core.array import asarray_like, cholesky_solve, dot64, namespace, to_numpy

# Sweeps over the rows of a block at most, and the share of the first sweep's move below
# which another one is not worth its time.
SWEEPS, SHARE = 10, 0.1


def curvature(G, ridge=0.0):
    """Return the diagonal of G with the ridge, positive, as a column (k, 1).

    A component that is zero in another block has none; it gets a tiny one.
    """
    xp = namespace(G)
    L = xp.linalg.diagonal(G) + ridge
    least = xp.finfo(G.dtype).eps ** 2 * xp.max(L)
    tiny = asarray_like(float(xp.finfo(G.dtype).smallest_normal) ** 0.5, G)
    return xp.maximum(L, xp.maximum(least, tiny))[:, None]


def solve_block(
    A, B, G, term, sweeps=SWEEPS, share=SHARE, mu=0.0, floor=0.0, weights=1.0
):
    """Minimise over a block by sweeps over its rows.

    Parameters
    ----------
    A : array of shape (k, d)
        Where to start; not changed.
    B : array of shape (k, d)
        Linear part.
    G : array of shape (k, k)
        Quadratic part.
    term : Term
        Of the block.
    sweeps : int
        At most.
    share : float
        Stop when a sweep moves less than this share of the first.
    mu : float, default=0.0
        Weight of the proximal term at ``A``.
    floor : float, default=0.0
        Stop when a sweep moves less than this.
    weights : float or array of shape (d,), default=1.0
        Of the columns, in what counts as a move.

    Returns
    -------
    A : array of shape (k, d)
        No worse than the start.
    """
    xp, ridge = namespace(A), term.ridge + mu
    if mu > 0.0:
        B = B + mu * A
    if term.linear:
        exact = _solve_linear(G, B, ridge)
        if exact is not None:
            return exact
    L = curvature(G, ridge)
    k = int(A.shape[0])
    eye = xp.eye(k, dtype=G.dtype, device=G.device)
    # z_j = A_j - (G_j A + ridge A_j - B_j) / L_j without a pass for A_j.
    pull, target = (G + ridge * eye) / L - eye, B / L
    # On the host at once: a device would be waited for in every row.
    steps = to_numpy(L)[:, 0].tolist()
    A = xp.asarray(A, copy=True)
    plain = term.clipped
    zero, first = xp.zeros_like(A[:1, :1])[0, :], None
    for sweep in range(sweeps):
        before = xp.asarray(A, copy=True) if sweeps > 1 else None
        for j in range(k):
            z = target[j, :] - pull[j, :] @ A
            A[j, :] = xp.maximum(z, zero) if plain else term.prox(z, steps[j])
        if before is None:
            break
        moved = A - before
        move = dot64(moved * weights, moved * L)
        if sweep == 0:
            first = move
        if move <= max(share**2 * first, floor**2) and sweep > 0 or move == 0.0:
            break
    return A


def residuals(A, B, G, term):
    """Return r (k, d), zero at coordinate-wise minimisers; see the module."""
    xp = namespace(A)
    L = curvature(G, term.ridge)
    gradient = G @ A - B
    if term.ridge > 0.0:
        gradient = gradient + term.ridge * A
    return xp.sqrt(L) * xp.abs(A - term.prox(A - gradient / L, L))


def _solve_linear(G, B, ridge):
    """Return the minimiser over a free block, None where it is not unique."""
    xp = namespace(G)
    eye = xp.eye(int(G.shape[0]), dtype=G.dtype, device=G.device)
    floor = 100.0 * float(xp.finfo(G.dtype).eps) * float(xp.max(xp.abs(G)))
    if ridge <= floor and float(xp.min(xp.linalg.eigvalsh(G))) <= floor:
        return None
    return cholesky_solve(G + ridge * eye, B)
