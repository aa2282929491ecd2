"""A network to start from, by neurons that the dual asks for.

A lasso on random neurons is solved first. Then, in rounds, its dual point theta is
asked which neurons violate its constraint most, sum_i s_i theta_i max(0, x_i'w) over
|w| <= 1, and the lasso is solved again on them and on the neurons in use. That maximum
is not concave: many random w climb along w + g, g the unit gradient, which depends on
the pattern of w only, so that a few steps are enough. These are fully corrective
conditional gradients with an oracle that need not be exact; the objective never goes
up.

Sources: F. Bach, Breaking the curse of dimensionality with convex neural networks, JMLR
18, 2017, section 3; S. Rosset, G. Swirszcz, N. Srebro and J. Zhu, l1 regularization in
infinite dimensional feature spaces, COLT 2007.
"""

import numpy as np

from skopt2._core.array import (
    index_like,
    namespace,
    sum64,
    take,
    to_numpy,
)
from skopt2.solvers.convex_relu.sampled import SampledProgram, draw_directions

# Steps of the climb, and neurons to keep for each output and sign.
CLIMB, KEEP = 6, 40
# Tolerance and steps of a lasso; a round that gains less than the former is the last.
TOL, MAX_ITER = 1e-3, 20


def pilot_network(problem, count, rng, rounds=0):
    """Return the network of neurons that were drawn and found.

    Parameters
    ----------
    problem : tuple
        ``(X, y, s, loss, alpha, bias)`` as of
        :class:`~skopt2.solvers.convex_relu.sampled.SampledProgram`.
    count : int
        Neurons to draw.
    rng : numpy.random.Generator
        Draws them.
    rounds : int, default=0
        Most rounds in which the dual is asked for more.

    Returns
    -------
    network : Network
    """
    X, _, s, _, alpha, bias = problem
    xp = namespace(X)
    network = _lasso(problem, draw_directions(X, s, count, bias, rng))
    value = network_value(problem, network)
    for _ in range(rounds):
        dual = dual_of(problem, network)
        starts = draw_directions(X, s, max(count // 10, 1), bias, rng)
        parts = [
            climb(X, sign * dual[:, k], starts, alpha)
            for k in range(int(dual.shape[1]))
            for sign in (-1.0, 1.0)
        ]
        found = xp.concat(parts)
        if not found.shape[0]:
            break
        new = _lasso(problem, xp.concat([unit(network.W), found]))
        before, after = value, network_value(problem, new)
        if after < before:
            network, value = new, after
        if before - after <= TOL * abs(before):
            break
    return network


def climb(X, force, starts, level):
    """Return unit w with force'max(0, X w) above a level, from many starts.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    force : array of shape (n,)
        Of any sign.
    starts : array of shape (m, d)
        Unit vectors.
    level : float
        Least value.

    Returns
    -------
    W : array of shape (k, d)
        The best, k <= KEEP, each the best on its way.
    """
    xp, W, best = namespace(X), starts, starts
    values = None
    for _ in range(CLIMB):
        height = X @ W.T
        new = force @ xp.maximum(height, 0.0)
        higher = new > (new - 1.0 if values is None else values)
        values = new if values is None else xp.where(higher, new, values)
        best = xp.where(higher[:, None], W, best)
        active = xp.astype(height > 0.0, X.dtype)
        W = unit(W + unit((active * force[:, None]).T @ X))
    host = to_numpy(values)
    order = np.argsort(-host, kind="stable")[:KEEP]
    order = order[host[order] > level]
    return take(best, index_like(order, X))


def unit(W):
    """Return rows of norm 1, zero where they are zero."""
    xp = namespace(W)
    norms = xp.sqrt(xp.sum(W * W, axis=1, keepdims=True))
    return W / xp.where(norms > 0.0, norms, xp.ones_like(norms))


def dual_of(problem, network):
    """Return s_i theta_i of the gradient at a network, (n, K)."""
    X, y, s, loss, _, bias = problem
    eta = network(X)
    theta = loss.gradient(y, eta[:, 0] if y.ndim == 1 else eta)
    theta = loss.balance(y, theta, s) if bias else theta
    return s[:, None] * (theta[:, None] if y.ndim == 1 else theta)


def network_value(problem, network):
    """Return the objective of a balanced network."""
    X, y, s, loss, alpha, _ = problem
    eta = network(X)
    value = loss.value(y, eta[:, 0] if y.ndim == 1 else eta, s)
    return value + alpha * sum64(network.sizes)


def _lasso(problem, G):
    """Return the network of hidden directions."""
    X, y, s, loss, alpha, bias = problem
    solver = SampledProgram(X, y, s, loss, G, alpha, bias, TOL)
    state = solver.init()
    for _ in range(MAX_ITER):
        state = solver.step(state)
        measure = solver.certificate(state)
        if measure.value <= TOL or measure.stalled:
            break
    return solver.finalize(state)
