r"""Codes of samples under fixed components.

Problem, for each sample x: min over w of 1/2 |x - sum_j w_j H_j|^2 + term(w), with H
(k, p) and the terms of :mod:`.term`; convex unless the penalty is not.

Sweeps over the codes (:mod:`.block`) find the components that matter. Where codes are
nonnegative and the term is at most an elastic net, the samples that are not solved yet
take a Newton step on them: the minimiser w* with the zeros kept at zero, or as much of
the way to it as keeps all codes nonnegative, which lowers the objective. The two in
turn end at the exact minimiser, sample by sample.

Certificate of a sample: the norm of its residuals of :mod:`.block` over |x|.

Source: C. Lawson and R. Hanson, Solving least squares problems, 1974, chapter 23 (the
step along a face); the sweeps that release codes in place of one at a time are ours.
"""

import numpy as np

from skopt2._core.array import asarray_like, flatnonzero, namespace, put, take
from skopt2.solvers.factorization.block import curvature, residuals, solve_block

# Sweeps between two looks at the certificates, and elements of the systems of a Newton
# step that are solved at once.
ROUND, CHUNK = 15, 2**20
# Certificate that is aimed at: solutions of one sample must not depend on others.
AIM = 1e-9


def solve_codes(data, H, term, *, sweeps):
    """Return the codes of samples and the certificate of each.

    Parameters
    ----------
    data : MatrixData
        Samples in rows.
    H : array of shape (k, p)
        Components.
    term : Term
        Of the codes.
    sweeps : int
        Largest number of sweeps.

    Returns
    -------
    A : array of shape (k, n)
        Codes.
    gaps : array of shape (n,)
        Certificates.
    """
    xp = namespace(H)
    B, G = data.product(0, [None, H]), H @ xp.matrix_transpose(H)
    A = scaled_products(B, G, term)
    norms = xp.sqrt(data.row_norms())
    norms = xp.where(norms > 0.0, norms, xp.ones_like(norms))
    aim = max(AIM, 64.0 * float(xp.finfo(H.dtype).eps))
    newton = term.nonnegative and term.level == 0.0 and not term.ball
    gaps = None
    for _ in range(-(-sweeps // ROUND)):
        A = solve_block(A, B, G, term, ROUND, 0.0)
        gaps = _gaps(A, B, G, term, norms)
        if float(xp.max(gaps)) <= aim:
            break
        if newton:
            open_ = flatnonzero(gaps > aim)
            A = _newton(A, B, G, term, open_)
            gaps = _gaps(A, B, G, term, norms)
            if float(xp.max(gaps)) <= aim:
                break
    return A, gaps


def scaled_products(B, G, term):
    """Return codes to start from: the products, one length for each sample.

    Parameters
    ----------
    B : array of shape (k, n)
        Inner products of samples and components.
    G : array of shape (k, k)
        Those of the components.
    term : Term
        Of the codes.
    """
    xp = namespace(B)
    A = xp.maximum(B, 0.0) if term.nonnegative else B
    bottom = xp.sum(A * (G @ A), axis=0)
    length = xp.sum(A * B, axis=0) / xp.where(bottom > 0.0, bottom, 1.0)
    return A * xp.where(bottom > 0.0, length, 0.0)[None, :]


def _gaps(A, B, G, term, norms):
    """Return the certificate of every sample."""
    xp = namespace(A)
    r = residuals(A, B, G, term)
    return xp.sqrt(xp.sum(r * r, axis=0)) / norms


def _newton(A, B, G, term, samples):
    """Return codes after the step to the minimiser on the face of each sample."""
    xp, k = namespace(A), int(A.shape[0])
    # In units of the norms of the components, so that rounding treats them alike.
    unit = xp.sqrt(curvature(G, term.ridge))
    codes = xp.asarray(xp.matrix_transpose(A * unit), copy=True)
    targets = xp.matrix_transpose((B - term.l1) / unit)
    eye = xp.eye(k, dtype=G.dtype, device=G.device)
    M = (G + term.ridge * eye) / (unit * xp.matrix_transpose(unit))
    M = M + 100.0 * k * float(xp.finfo(G.dtype).eps) * eye
    size = max(1, CHUNK // (k * k))
    count = int(samples.shape[0])
    for first in range(0, count, size):
        rows = samples[first : min(first + size, count)]
        w, b = take(codes, rows), take(targets, rows)
        free = xp.astype(w > 0.0, w.dtype)
        systems = M * free[:, :, None] * free[:, None, :]
        systems = systems + eye * (1.0 - free)[:, None, :]
        best = xp.linalg.solve(systems, (free * b)[:, :, None])[:, :, 0]
        falls = best < 0.0
        room = w / xp.where(falls, w - best, 1.0)
        t = xp.min(xp.where(falls, room, 1.0), axis=1, keepdims=True)
        step = xp.maximum(w + t * (best - w), 0.0)
        # What bounds the step is zero exactly, whatever rounding says.
        hit = falls & (room <= t)
        codes = put(codes, rows, xp.where(hit, 0.0, step))
    new = xp.matrix_transpose(codes) / unit
    return np.ascontiguousarray(new) if xp is np else asarray_like(new, A)
