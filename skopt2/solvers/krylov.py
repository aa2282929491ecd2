"""Conjugate gradients for a Newton direction, that know when to give up.

Problem: A d = b for symmetric A (k, k), given by its products, and P near its inverse.

In exact arithmetic more iterations never harm. In floating-point arithmetic they let
rounding errors grow where P is the inverse of another matrix, or A is singular and b is
not in its range: the direction then depends on the last digit of the data.

Source: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, 2006, algorithm
7.1 for the truncation at a direction without curvature.
"""

# Less curvature than this, relative to that of the preconditioner, is rounding.
FLAT = 1e-11
# Curvature that is this small a part of that of the preconditioner in some direction,
# or that many times as large, has changed too much to precondition with.
ALIKE = 0.01
# Products between two looks at the clock.
PERIOD = 20


def conjugate_gradient(multiply, b, precondition, forcing, limit, close, expired):
    """Return an approximate solution, and the number of products that it took.

    Parameters
    ----------
    multiply, precondition : callable
        Products with A and with P.
    b : array of shape (k,)
        Right-hand side, on any device.
    forcing : float
        Relative residual to reach.
    limit : int
        Largest number of products.
    close : bool
        P is meant to be the inverse of nearly A: the solution is None where it turns
        out not to be. Otherwise a direction without curvature ends the iteration, and
        is followed itself if it is the first.
    expired : callable
        Tells, from time to time, whether to end with what there is.
    """
    d, r = 0.0 * b, b + 0.0
    z = precondition(r)
    # q is to p what A @ p would be if P were the inverse of A.
    p, q, rz = z, b, float(r @ z)
    if not rz > 0.0:
        return z, 0
    goal = rz * forcing**2
    for count in range(1, limit + 1):
        Ap = multiply(p)
        pAp, pq = float(p @ Ap), float(p @ q)
        if close and not ALIKE * pq < pAp < pq / ALIKE:
            return None, count
        if pAp <= FLAT * pq:
            return (d if count > 1 else z), count
        step = rz / pAp
        d += step * p
        r -= step * Ap
        z = precondition(r)
        rz, old = float(r @ z), rz
        if not rz > goal or (count % PERIOD == 0 and expired()):
            return d, count
        p, q = z + (rz / old) * p, r + (rz / old) * q
    return (None if close else d), limit
