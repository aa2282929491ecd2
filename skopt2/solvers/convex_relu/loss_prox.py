"""Proximal maps of losses, sample by sample.

Problem: min_eta l(y_i, eta) + rho / 2 (eta - q_i)^2 for every row i; for several
classes the same with vectors; and min_(eta, z, e) l(y_i, worst_i(eta, epsilon |z|_1 +
sum_b max(e_b, 0))) + rho / 2 ((eta - q_i)^2 + omega |z - Z_i|^2 + |e - E_i|^2), where
worst_i moves eta away from its target.

The solution lies between q and q - l'(q) / rho, as the derivative is monotone: Newton
steps from the last solution, kept in that bracket. The multinomial loss has Newton
steps by the Sherman-Morrison formula, damped by its generalised self-concordance (F.
Bach, Self-concordant analysis for logistic regression, EJS 4, 2010, prop. 2).

Of the worst case, gamma = |l'| at the worst point decides all: eta = q moved towards
the target by gamma / rho, z = Z shrunk by gamma epsilon / (rho omega), e = E less
gamma / rho where it is positive, and gamma is the root of a decreasing function of one
variable.
"""

from skopt2._core.array import max_abs, namespace

MOST_STEPS = 60


def prox(loss, y, q, rho, start):
    """Return the proximal point of a loss.

    Parameters
    ----------
    loss : Loss
        With a curvature.
    y : array of shape (n,) or (n, K)
        Targets.
    q : array of the shape of y
        Where from.
    rho : float
        Positive weight.
    start : array of the shape of y
        A guess.

    Returns
    -------
    eta : array of the shape of y
    """
    if loss.name == "multinomial":
        return _softmax_prox(loss, y, q, rho, start)
    if loss.is_quadratic:
        return (y + rho * q) / (1.0 + rho)
    xp = namespace(q)
    end = q - loss.gradient(y, q) / rho
    low, high = xp.minimum(q, end), xp.maximum(q, end)
    eta = xp.minimum(xp.maximum(start, low), high)
    eps = 16.0 * float(xp.finfo(q.dtype).eps)
    for iteration in range(MOST_STEPS):
        slope = loss.gradient(y, eta) + rho * (eta - q)
        low = xp.where(slope < 0.0, eta, low)
        high = xp.where(slope < 0.0, high, eta)
        new = eta - slope / (loss.curvature(y, eta) + rho)
        outside = (new < low) | (new > high)
        if iteration % 4 == 3:
            # Newton can cycle where the curvature jumps.
            outside = outside | (xp.abs(new - eta) > 0.5 * (high - low))
        new = xp.where(outside, 0.5 * (low + high), new)
        moved = max_abs(new - eta)
        eta = new
        if moved <= eps * (1.0 + max_abs(eta)):
            break
    return eta


def _softmax_prox(loss, y, q, rho, start):
    """Return the proximal point of the multinomial loss."""
    xp = namespace(q)
    eta = start
    eps = 16.0 * float(xp.finfo(q.dtype).eps)
    for _ in range(MOST_STEPS):
        slope = loss.gradient(y, eta) + rho * (eta - q)
        p = slope - rho * (eta - q) + y
        inverse = 1.0 / (p + rho)
        share = p * inverse
        rest = xp.sum(share * rho, axis=1, keepdims=True)
        step = inverse * slope
        step = step + share * xp.sum(p * step, axis=1, keepdims=True) / rest
        size = 2.0 * xp.max(xp.abs(step), axis=1, keepdims=True)
        size = xp.maximum(size, 1e-12)
        eta = eta - step * (xp.log1p(size) / size)
        if max_abs(step) <= eps * (1.0 + max_abs(eta)):
            break
    return eta


def worst_prox(program, q, Z, E, rho, omega, start):
    """Return the proximal point of the loss of the worst moves.

    Parameters
    ----------
    program : ReLUProgram
        With epsilon > 0 and one output.
    q : array of shape (n,)
        Where eta comes from.
    Z : array of shape (n, moving)
        Where the slopes come from.
    E : array of shape (B, n)
        Where the excesses come from.
    rho, omega : float
        Positive weights.
    start : array of shape (n,)
        A guess of gamma.

    Returns
    -------
    eta : array of shape (n,)
    Z : array of shape (n, moving)
    E : array of shape (B, n)
    """
    xp, loss, y, epsilon = program.xp, program.loss, program.y, program.epsilon
    sizes, beyond = xp.abs(Z), xp.maximum(E, 0.0)
    side = program.adverse(q)

    def point(gamma):
        """Return eta, the worst predictor, its slope in gamma, and shrunk slopes."""
        left = xp.maximum(sizes - (epsilon / (rho * omega)) * gamma[:, None], 0.0)
        over = xp.maximum(beyond - gamma / rho, 0.0)
        eta, free = q - side * gamma / rho, xp.ones_like(q)
        if loss.task == "regression":
            # eta stops at its target.
            past = (eta - y) * side < 0.0
            eta, free = xp.where(past, y, eta), xp.where(past, 0.0, free)
        worst = epsilon * xp.sum(left, axis=1) + xp.sum(over, axis=0)
        moving = xp.sum(xp.astype(left > 0.0, q.dtype), axis=1)
        free = free + xp.sum(xp.astype(over > 0.0, q.dtype), axis=0)
        rate = free / rho + (epsilon * epsilon / (rho * omega)) * moving
        return eta, eta + side * worst, rate, left

    low = xp.zeros_like(q)
    high = xp.abs(loss.gradient(y, point(low)[1]))
    gamma = xp.minimum(start, high)
    eps = 64.0 * float(xp.finfo(q.dtype).eps)
    for iteration in range(MOST_STEPS):
        _, worst, rate, _ = point(gamma)
        error = xp.abs(loss.gradient(y, worst)) - gamma
        low = xp.where(error >= 0.0, gamma, low)
        high = xp.where(error <= 0.0, gamma, high)
        new = gamma + error / (1.0 + loss.curvature(y, worst) * rate)
        outside = (new < low) | (new > high)
        if iteration % 4 == 3:
            outside = outside | (xp.abs(new - gamma) > 0.5 * (high - low))
        new = xp.where(outside, 0.5 * (low + high), new)
        moved = max_abs(new - gamma)
        gamma = new
        if moved <= eps * (1.0 + max_abs(gamma)):
            break
    eta, _, _, left = point(gamma)
    E = xp.where(E > 0.0, xp.maximum(E - gamma / rho, 0.0), E)
    return eta, xp.where(Z >= 0.0, left, -left), E


def excess_prox(program, T, A, E, weight):
    """Project onto {t_i + e_i >= epsilon |a|_1 for all rows}, block by block.

    Parameters
    ----------
    program : ReLUProgram
        With epsilon > 0.
    T, E : array of shape (K, 2, P, n)
        Margins and excesses, in the norm of s.
    A : array of shape (K, 2, P, moving)
        Weights of neurons, in ``weight`` times the Euclidean norm.
    weight : float
        Positive.

    Returns
    -------
    T, A, E : array
        The nearest point. The root mu of a convex, decreasing and piecewise linear
        function is found by Newton steps from the left, which end.
    """
    xp, epsilon, s = program.xp, program.epsilon, program.s
    sizes, known = xp.abs(A), T + E
    mu = xp.zeros_like(A[..., 0])
    for _ in range(MOST_STEPS):
        left = xp.maximum(sizes - mu[..., None] / weight, 0.0)
        short = epsilon * xp.sum(left, axis=-1)[..., None] - known
        short = 0.5 * xp.maximum(short, 0.0)
        error = epsilon * xp.sum(s * short, axis=-1) - mu
        count = xp.sum(xp.astype(left > 0.0, A.dtype), axis=-1)
        mass = 0.5 * xp.sum(s * xp.astype(short > 0.0, A.dtype), axis=-1)
        step = error / (1.0 + epsilon * epsilon * mass * count / weight)
        mu = xp.maximum(mu + step, 0.0)
        if max_abs(step) <= 1e-14 * (1e-300 + max_abs(mu)):
            break
    left = xp.maximum(sizes - mu[..., None] / weight, 0.0)
    short = epsilon * xp.sum(left, axis=-1)[..., None] - known
    short = 0.5 * xp.maximum(short, 0.0)
    return T + short, xp.where(A >= 0.0, left, -left), E + short


def shrink_blocks(U, level):
    """Return blocks (..., d) with norms less by a level, zero where shorter."""
    xp = namespace(U)
    norms = xp.sqrt(xp.sum(U * U, axis=-1, keepdims=True))
    safe = xp.where(norms > 0.0, norms, xp.ones_like(norms))
    return U * (xp.maximum(norms - level, 0.0) / safe)
