"""Entropic transport between Gaussian measures in closed form, for tests.

Problem: min_P <P, |x - y|^2> + eps KL(P | N(m1, A) x N(m2, B)), P with those marginals.
With D = (4 A^1/2 B A^1/2 + (eps / 2)^2 I)^1/2 and s = eps / 2 the optimum is

    |m1 - m2|^2 + tr A + tr B - tr D + s d (1 - log(2 s)) + s log det(D + s I),

and its plan is Gaussian, with the covariance (A^1/2 D A^-1/2 - s I) / 2 of x and y.

Source: H. Janati, B. Muzellec, G. Peyre and M. Cuturi, Entropic optimal transport
between unbalanced Gaussian measures has a closed form, NeurIPS 2020, theorem 1.
"""

import numpy as np


def root(matrix, power=0.5):
    """Return a power of a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.clip(values, 0.0, None) ** power) @ vectors.T


def entropic_cost(mean_x, cov_x, mean_y, cov_y, reg):
    """Return the optimal objective, the term of the reference measure included.

    Parameters
    ----------
    mean_x, mean_y : array-like of shape (d,)
        Means.
    cov_x, cov_y : array-like of shape (d, d)
        Covariances.
    reg : float
        Regularisation, for the cost |x - y|^2.

    Returns
    -------
    cost : float
    """
    mean_x, mean_y, cov_x, cov_y = map(np.asarray, (mean_x, mean_y, cov_x, cov_y))
    s, d = 0.5 * reg, len(mean_x)
    D = _root_of_product(cov_x, cov_y, s)
    value = np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x) + np.trace(cov_y)
    value += s * d * (1.0 - np.log(2.0 * s)) - np.trace(D)
    return float(value + s * np.linalg.slogdet(D + s * np.eye(d))[1])


def divergence(mean_x, cov_x, mean_y, cov_y, reg):
    """Return the Sinkhorn divergence: the cost less half the costs to themselves."""
    cost = entropic_cost(mean_x, cov_x, mean_y, cov_y, reg)
    cost -= 0.5 * entropic_cost(mean_x, cov_x, mean_x, cov_x, reg)
    return cost - 0.5 * entropic_cost(mean_y, cov_y, mean_y, cov_y, reg)


def wasserstein(mean_x, cov_x, mean_y, cov_y):
    """Return the squared 2-Wasserstein distance, the limit of both for reg to 0."""
    mean_x, mean_y, cov_x, cov_y = map(np.asarray, (mean_x, mean_y, cov_x, cov_y))
    half = root(cov_x)
    shared = np.trace(root(half @ cov_y @ half))
    spread = np.trace(cov_x) + np.trace(cov_y) - 2.0 * shared
    return float(np.sum((mean_x - mean_y) ** 2) + spread)


def cross_covariance(cov_x, cov_y, reg):
    """Return E (x - m1)(y - m2)' under the optimal plan, shape (d, d)."""
    cov_x, cov_y = np.asarray(cov_x), np.asarray(cov_y)
    half, s = root(cov_x), 0.5 * reg
    D = _root_of_product(cov_x, cov_y, s)
    inverse = root(cov_x, -0.5)
    return 0.5 * (half @ D @ inverse - s * np.eye(len(half)))


def entropic_map(mean_x, cov_x, mean_y, cov_y, reg):
    """Return (A, b) of the conditional mean E(y | x) = A x + b of the optimal plan."""
    slope = cross_covariance(cov_x, cov_y, reg).T @ np.linalg.inv(cov_x)
    return slope, np.asarray(mean_y) - slope @ np.asarray(mean_x)


def on_grid(mean, deviation, points):
    """Return masses of a Gaussian on equidistant points of a line, of sum one.

    Masses of points that hardly matter are zero.
    """
    masses = np.exp(-0.5 * ((points - mean) / deviation) ** 2)
    masses[masses < 1e-13] = 0.0
    return masses / masses.sum()


def _root_of_product(cov_x, cov_y, s):
    """Return D of the module's docstring."""
    half = root(cov_x)
    return root(4.0 * half @ cov_y @ half + s * s * np.eye(len(half)))


def unbalanced_plan(total_x, mean_x, cov_x, total_y, mean_y, cov_y, reg, rho):
    """Return total and mean of the optimal unbalanced plan, and the optimal value.

    Of <P, |x - y|^2> + reg KL(P | a x b) + rho KL(P_1 | a) + rho KL(P_2 | b) between
    Gaussian measures a and b. The potentials are quadratic, f(x) = -x'Fx / 2 + u'x + c
    with f(x) = -reg rho / (rho + reg) log int exp((g(y) - |x - y|^2) / reg) db(y): a
    Gaussian integral, which is iterated to its fixed point.

    Parameters
    ----------
    total_x, total_y : float
        Total masses.
    mean_x, mean_y : array-like of shape (d,)
        Means.
    cov_x, cov_y : array-like of shape (d, d)
        Covariances.
    reg, rho : float
        Regularisation, and price of leaving the marginals.

    Returns
    -------
    total : float
        Mass of the plan.
    mean : ndarray of shape (d,)
        Mean of its first marginal.
    value : float
        Optimal value.
    """
    d = len(mean_x)
    sides = (
        (total_x, np.asarray(mean_x), np.linalg.inv(cov_x)),
        (total_y, np.asarray(mean_y), np.linalg.inv(cov_y)),
    )
    potentials = [(np.zeros((d, d)), np.zeros(d), 0.0)] * 2
    damping = rho / (rho + reg)
    for step in range(1000):
        side = step % 2
        F, u, c = (part / reg for part in potentials[1 - side])
        F = F + 2.0 / reg * np.eye(d)
        constant, mean, cov = _integral(sides[1 - side], (F, u, c))
        # x multiplies 2 y / reg in the exponent.
        cov, mean = 4.0 / reg**2 * cov, 2.0 / reg * mean
        integral = (2.0 / reg * np.eye(d) - cov, mean, constant)
        potentials[side] = tuple(-damping * reg * part for part in integral)
        # Marginals a exp(-f / rho), b exp(-g / rho), shifted to the same total.
        (total, mean), (other, _) = (
            _integral(one, tuple(-part / rho for part in potential))[:2]
            for one, potential in zip(sides, potentials, strict=True)
        )
        shift = 0.5 * rho * (total - other)
        potentials = [
            (F, u, c + sign * shift)
            for (F, u, c), sign in zip(potentials, (1, -1), strict=True)
        ]
    total, other = np.exp(total), np.exp(other)
    assert abs(total - other) < 1e-10 * total
    value = rho * (total_x + total_y - 2.0 * total) + reg * (total_x * total_y - total)
    return float(total), mean, float(value)


def _integral(side, quadratic):
    """Return log int exp(-y'Fy / 2 + u'y + c) db(y), and mean and covariance there."""
    total, mean, precision = side
    F, u, c = quadratic
    cov = np.linalg.inv(F + precision)
    w = u + precision @ mean
    value = c + np.log(total) + 0.5 * (w @ cov @ w - mean @ precision @ mean)
    value += 0.5 * (np.linalg.slogdet(precision)[1] + np.linalg.slogdet(cov)[1])
    return value, cov @ w, cov
